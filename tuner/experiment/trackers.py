"""Curves to Weights & Biases or TensorBoard, for those who have them; neither is imported before it is asked for.

Weights & Biases works offline with WANDB_MODE=offline; its files then lie in the run folder.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from tuner.errors import ConfigError
from tuner.experiment.config import ExperimentConfig, Tracker
from tuner.experiment.training import Measurement

Log = Callable[[int, dict[str, float]], None]


def require_trackers(trackers: tuple[Tracker, ...]) -> None:
    """Import what trackers need, before anything is trained or written.

    Raises:
        ConfigError: if a package is not installed.
    """
    for tracker in trackers:
        _PACKAGES[tracker]()


class Trackers:
    """All trackers of an experiment, open as long as it runs: `with Trackers(config, folder) as log: log(measured)`.

    Raises:
        ConfigError: if a package is not installed.
    """

    def __init__(self, config: ExperimentConfig, folder: Path) -> None:
        self._stack = ExitStack()
        open_one = {Tracker.WANDB: _wandb, Tracker.TENSORBOARD: _tensorboard}
        self._logs = [open_one[tracker](config, folder, self._stack) for tracker in config.trackers]

    def __enter__(self) -> Callable[[Measurement], None]:
        return self._log

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def _log(self, measured: Measurement) -> None:
        names = [field.name for field in fields(measured) if field.name != "step"]
        values = {name: getattr(measured, name) for name in names if getattr(measured, name) is not None}
        for log in self._logs:
            log(measured.step, values)


def _wandb(config: ExperimentConfig, folder: Path, stack: ExitStack) -> Log:
    wandb = _wandb_package()
    run = wandb.init(project="tuner", name=config.name, dir=str(folder), config={"yaml": config.to_yaml()})
    stack.callback(run.finish)

    def log(step: int, values: dict[str, float]) -> None:
        run.log(values, step=step)

    return log


def _tensorboard(config: ExperimentConfig, folder: Path, stack: ExitStack) -> Log:
    writer = _tensorboard_package().SummaryWriter(str(folder / "tensorboard"))
    stack.callback(writer.close)
    writer.add_text("config", config.to_yaml())

    def log(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    return log


def _wandb_package() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise _missing("wandb") from error
    return wandb


def _tensorboard_package() -> Any:
    try:
        from torch.utils import tensorboard
    except ImportError as error:
        raise _missing("tensorboard") from error
    return tensorboard


_PACKAGES: Final = {Tracker.WANDB: _wandb_package, Tracker.TENSORBOARD: _tensorboard_package}


def _missing(package: str) -> ConfigError:
    return ConfigError(f"the tracker {package} is asked for, but not installed: pip install 'tuner-neural[tracking]'")
