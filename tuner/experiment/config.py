"""An experiment as a YAML file: read safely, checked key by key, written back beside its results.

    name: macaws
    method: train_bound
    image: macaws.png          # relative to this file; or --image
    training: {steps: 2000}

A mesh (`mesh: bunny.obj`, `resolution: 64`) is learnt as the distances around it. Only `method` must be there;
`tuner/experiment/configs` has one file for each regime, found by its name.
"""

from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from tuner.errors import ConfigError
from tuner.experiment.methods import NATURAL_GRADIENT, method
from tuner.experiment.networks.registry import Option
from tuner.experiment.sample import SAMPLE
from tuner.experiment.training import ADAM_WATCH, TrainingConfig
from tuner.signal.mesh import RESOLUTION

Settings = TypeVar("Settings")


class Tracker(StrEnum):
    """Where curves go besides the run folder."""

    WANDB = "wandb"
    TENSORBOARD = "tensorboard"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentConfig:
    """One training of one network on one picture or mesh.

    Attributes:
        method: one of `tuner.experiment.methods.METHODS`.
        name: name of the run folder; the method's if it is not given.
        image: path of the picture, or `sample` for the one that comes with the package.
        mesh: path of a mesh (OBJ, PLY, STL), instead of a picture.
        resolution: samples along the longest side of the grid of distances around a mesh, >= 4.
        size: side of the picture's central crop in pixels; null for the whole picture.
        widths: input layer, then hidden layers.
        options: options of the architecture, instead of the method's own.
        period: period p of the integer frequencies.
        held_out: share of the pixels that training does not see.
        seed: seed of the network, the batches and the held-out pixels, >= 0.
        training: settings of the training; learning rate and penalty are the method's where they are not given.
        pictures_every: number of steps from one picture of the prediction to the next while it trains, >= 1; null for
            none.
        trackers: `wandb`, `tensorboard`.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    method: str
    name: str = ""
    image: str | None = None
    mesh: str | None = None
    resolution: int = RESOLUTION
    size: int | None = None
    widths: tuple[int, ...] = (256, 256)
    options: dict[str, Option] = field(default_factory=dict)
    period: float = 2.5
    held_out: float = 0.05
    seed: int = 0
    training: TrainingConfig = field(default_factory=TrainingConfig)
    pictures_every: int | None = None
    trackers: tuple[Tracker, ...] = ()

    def __post_init__(self) -> None:
        method(self.method)
        if self.method == NATURAL_GRADIENT:
            raise ConfigError(f"{NATURAL_GRADIENT} is no method of an experiment, expected one that Adam trains")
        if self.size is not None and self.size < 1:
            raise ConfigError(f"size is {self.size}, expected at least 1, or null for the whole picture")
        if self.mesh is not None and self.image is not None:
            raise ConfigError(f"image is {self.image!r} and mesh is {self.mesh!r}, expected one of them")
        if self.mesh is not None and self.size is not None:
            raise ConfigError(f"size is {self.size}, which crops pictures, expected `resolution` for a mesh")
        if self.resolution < 4:
            raise ConfigError(f"resolution is {self.resolution}, expected at least 4")
        if self.pictures_every is not None and self.pictures_every < 1:
            raise ConfigError(f"pictures_every is {self.pictures_every}, expected at least 1, or null for none")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}, expected 0 or more")
        if not self.name:
            object.__setattr__(self, "name", self.method)
        if not all(letter.isalnum() or letter in "-_." for letter in self.name) or self.name.startswith("."):
            raise ConfigError(f"name is {self.name!r}, expected letters, digits, '-', '_' and '.': it names a folder")

    def to_yaml(self) -> str:
        """The experiment as a file that gives it back."""
        yaml = _yaml()
        return str(yaml.safe_dump(_plain(asdict(self)), sort_keys=False))


def read_experiment(path: Path) -> ExperimentConfig:
    """Read an experiment from a YAML file.

    Args:
        path: path of the YAML file; an image or a mesh that it names is found relative to it.

    Returns:
        The experiment, its image or mesh with a path that can be opened.

    Raises:
        ConfigError: if the file is no YAML, or a key or a value is not what is expected there.
    """
    yaml = _yaml()
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds {_kind(data)}, expected keys and values, at least `method`")
    chosen = method(data["method"]) if isinstance(data.get("method"), str) else None
    if chosen is not None and isinstance(data.get("training", {}), dict):
        given = data.get("training", {})
        data["training"] = {"learning_rate": chosen.learning_rate, "bound_penalty": chosen.bound_penalty} | given
        if isinstance(given.get("watch"), dict):
            data["training"]["watch"] = asdict(ADAM_WATCH) | given["watch"]
    for name in ("image", "mesh"):
        if isinstance(data.get(name), str) and data[name] != SAMPLE:
            data[name] = str(path.parent / data[name])
    return parse(ExperimentConfig, data)


def parse(settings: type[Settings], data: dict[Any, Any], where: str = "") -> Settings:
    """A settings class from plain data, every key known and every value of its type.

    Args:
        settings: a dataclass.
        data: contents of the file, as YAML gives them.
        where: the key that holds it, for messages.

    Returns:
        The settings; their own checks have been made.

    Raises:
        ConfigError: naming the key, what came and what was expected.
    """
    hints = get_type_hints(settings)
    known = {field.name: field for field in fields(settings)}  # type: ignore[arg-type]
    for key in data:
        if key not in known:
            raise ConfigError(f"{where}{key} is no setting, expected one of {', '.join(known)}")
    for name, setting in known.items():
        if name not in data and setting.default is MISSING and setting.default_factory is MISSING:
            raise ConfigError(f"{where}{name} is missing")
    return settings(**{key: _convert(hints[key], value, where + key) for key, value in data.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return parse(hint, value, where + ".")
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if isinstance(value, dict):
            nested = [choice for choice in inner if is_dataclass(choice)]
            if nested:
                return _convert(nested[0], value, where)
        for choice in sorted(inner, key=lambda choice: choice is float):  # a whole number stays one
            if choice is not NoneType and value is not None and _fits(choice, value):
                return _convert(choice, value, where)
        if value is None and NoneType in inner:
            return None
    elif origin is tuple and isinstance(value, list):
        return tuple(_convert(inner[0], item, f"{where}[{number}]") for number, item in enumerate(value))
    elif origin is dict and isinstance(value, dict):
        return {str(key): _convert(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    elif isinstance(hint, type) and issubclass(hint, StrEnum) and isinstance(value, str):
        if value in list(hint):
            return hint(value)
        raise ConfigError(f"{where} is {value!r}, expected one of {', '.join(hint)}")
    elif _fits(hint, value):
        return float(value) if hint is float else value
    raise ConfigError(f"{where} is {value!r}, {_kind(value)}, expected {_name(hint)}")


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ConfigError("experiments need PyYAML: pip install 'tuner-neural[experiment]'") from error
    return yaml


def _fits(hint: Any, value: Any) -> bool:
    """Whether a scalar is of a type; YAML reads 1e-4 as text and yes as a truth, neither of which is a number."""
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(hint, type) and isinstance(value, hint)


def _kind(value: object) -> str:
    names = {str: "text", dict: "keys and values", list: "a list", NoneType: "nothing", bool: "a truth value"}
    return names.get(type(value), "a number")


def _name(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_name(choice) for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return f"a list, each {_name(get_args(hint)[0])}"
    names = {int: "a whole number", float: "a number (with a point: 1.0e-4)", str: "text", bool: "true or false"}
    return names.get(hint, "null" if hint is NoneType else "keys and values")


def _plain(value: Any) -> Any:
    """Tuples as lists and enumerations as text, which is all that safe YAML has."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value
