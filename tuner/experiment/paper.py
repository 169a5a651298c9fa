"""Reruns the tables of the paper on any folder of pictures, within any budget, and goes on where it was interrupted.

    cells = run_paper(pictures, PAPER_TABLES["kodak"], Path("results.jsonl"))
    print(markdown(cells))

A cell is one training: picture, method, seed, learning rate. Each finished cell is one line of JSON; a cell that has
its line is not run again. Every method runs at its published rate and at the best one of a search on the first
picture, since a rate that suits twenty thousand steps is not the one for a few hundred.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import Any

from tuner.errors import ConfigError, FitDiverged
from tuner.experiment.methods import NATURAL_GRADIENT, make_network, method
from tuner.experiment.networks.registry import Architecture, width_for
from tuner.experiment.samples import Samples, centre_crop
from tuner.experiment.training import TrainingConfig, measurement, train
from tuner.fit.config import Budget, FitConfig, NaturalGradientConfig, WatchConfig
from tuner.fit.progress import Progress, Verdict
from tuner.fit.sines.fit import fit
from tuner.fit.sines.module import SineNetwork
from tuner.fit.sines.trainable import Network, weight_count
from tuner.network.sines.config import NetworkConfig
from tuner.signal.signal import Signal

PERIOD = 2.5
HELD_OUT, HELD_OUT_SEED = 0.05, 0  # share of the pixels, and the draw, which is the same for every network
SEARCH_FACTOR = 3.0  # from one learning rate to the next


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperConfig:
    """What a table compares.

    Attributes:
        methods: names of the methods, at least one.
        size: side of the central square crop in pixels; None for whole pictures.
        weights: trainable weights that no network exceeds.
        layers: the input layer and the hidden ones.
        steps: number of steps of Adam.
        batch_samples: number of samples in a step.
        seeds: number of seeds, starting from 0, >= 1.
        search: whether to run every method at the best rate of a search, too.
        band_limit: largest frequency B of networks on integer frequencies, instead of their own; see `NetworkConfig`.
        low_limit: half side l of the low box of those networks, instead of their own.
        seconds: seconds of the processor after which the library's own trainer stops, > 0; None for its steps alone.
            With a limit the last digits depend on the machine.
        lead_db: lead in dB of the pixels that are learnt from over the watched ones at which the library's own trainer
            stops, > 0; None for no such end.
        prior: strength of the prior on the weights of the library's own trainer; see `NaturalGradientConfig`.
        coarse_steps: number of steps on each coarser version of a picture with which that trainer begins, >= 0.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    methods: tuple[str, ...] = ("tuner", "siren", "ffm", "finer", "bacon", "relu")
    size: int | None = 512
    weights: int = 66_819
    layers: int = 2
    steps: int = 4000
    batch_samples: int = 65_536
    seeds: int = 1
    search: bool = False
    band_limit: float | None = None
    low_limit: float | None = None
    seconds: float | None = None
    lead_db: float | None = None
    prior: float = 1.0
    coarse_steps: int = 4

    def __post_init__(self) -> None:
        for name in self.methods:
            method(name)
        for name in ("weights", "layers", "steps", "batch_samples", "seeds", "size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}, expected at least 1")
        NaturalGradientConfig(prior=self.prior, coarse_steps=self.coarse_steps)  # which refuses what it cannot be
        for name in ("seconds", "lead_db"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < float("inf"):
                raise ConfigError(f"{name} is {value}, expected a finite number above 0, or None")


# The two tables of the paper: widths 416 / 416 and 256 / 256, epochs of four steps.
PAPER_TABLES = {
    "kodak": PaperConfig(methods=("siren", "bacon", "tuner"), weights=175_139, steps=20_000),
    "div2k": PaperConfig(methods=("ffm", "finer", "tuner"), weights=66_819, steps=4_000),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One training and how it ended; a diverged one has no numbers.

    The library's own trainer watches samples among those that are not held out, and returns the network that knows them
    best: `watched_psnr_db` is that network's, `peak_watched_psnr_db` the best that the training passed through,
    `best_step` says when the network was as it is, and `taken_steps` how many steps there were.
    """

    image: str
    method: str
    seed: int
    rate: float
    size: int | None
    weights: int
    layers: int
    steps: int
    batch_samples: int
    trained_weights: int
    width: int
    seconds: float
    train_psnr_db: float | None = None
    test_psnr_db: float | None = None
    gradient_psnr_db: float | None = None
    band_limit: float | None = None
    low_limit: float | None = None
    seconds_limit: float | None = None
    lead_limit_db: float | None = None
    prior: float = 1.0
    coarse_steps: int = 0
    authors_gradient_psnr_db: float | None = None
    watched_psnr_db: float | None = None
    peak_watched_psnr_db: float | None = None
    best_step: int | None = None
    taken_steps: int | None = None

    @property
    def ranges(self) -> tuple[tuple[str, float], ...]:
        """What was asked for of the frequencies."""
        asked = (("band_limit", self.band_limit), ("low_limit", self.low_limit))
        return tuple((name, value) for name, value in asked if value is not None)

    @property
    def key(self) -> tuple[object, ...]:
        """What a cell is known by: everything that was asked for."""
        return _key(self.image, self.method, self.seed, self.rate, self)


def run_paper(
    pictures: Sequence[tuple[str, Callable[[], Signal]]],
    config: PaperConfig,
    results: Path,
    *,
    on_cell: Callable[[Cell], None] | None = None,
) -> list[Cell]:
    """Run every cell that is not in `results` yet, and return all that belong to the table.

    Args:
        pictures: names, and how to read them; the first one is searched on.
        config: the table.
        results: JSON lines, appended to.
        on_cell: called with each cell once it is finished.

    Returns:
        The cells, those of the search not among them.

    Raises:
        ConfigError: if there are no pictures, or one is smaller than the crop.
    """
    if not pictures:
        raise ConfigError("there are no pictures, expected at least one")
    runner = _Runner(config, results, on_cell or (lambda _: None))
    best = {name: runner.best_rate(name, *pictures[0]) for name in config.methods} if config.search else {}
    cells = []
    for image, read in pictures:
        for seed in range(config.seeds):
            for name in config.methods:
                rates = {method(name).learning_rate, best.get(name, method(name).learning_rate)}
                cells += [runner.cell(image, read, name, seed, rate) for rate in sorted(rates)]
    return cells


class _Runner:
    """Runs cells, or finds them among the finished ones."""

    def __init__(self, config: PaperConfig, results: Path, on_cell: Callable[[Cell], None]) -> None:
        self._config = config
        self._results = results
        self._on_cell = on_cell
        self._finished = {cell.key: cell for cell in read_cells(results)}
        if results.exists() and not results.read_bytes().endswith(b"\n"):
            with results.open("a") as file:
                file.write("\n")  # the last line was cut off; the next cell begins its own

    def cell(self, image: str, read: Callable[[], Signal], name: str, seed: int, rate: float) -> Cell:
        key = _key(image, name, seed, rate, self._config)
        if key not in self._finished:
            cell = _train_cell(image, centre_crop(read(), self._config.size), name, seed, rate, self._config)
            with self._results.open("a") as file:
                file.write(json.dumps(asdict(cell)) + "\n")
            self._finished[key] = cell
            self._on_cell(cell)
        return self._finished[key]

    def best_rate(self, name: str, image: str, read: Callable[[], Signal]) -> float:
        """Up from the published rate while the held-out PSNR rises, or else down; first picture, seed 0."""

        def quality(rate: float) -> float:
            found = self.cell(image, read, name, 0, rate).test_psnr_db
            return float("-inf") if found is None else found

        best = method(name).learning_rate
        if name == NATURAL_GRADIENT:
            return best  # it has no rate
        for factor in (SEARCH_FACTOR, 1.0 / SEARCH_FACTOR):
            start = best
            while quality(round_rate(best * factor)) > quality(best):
                best = round_rate(best * factor)
            if best != start:
                break
        return best


def read_cells(results: Path) -> Iterator[Cell]:
    """The finished cells of a file; a last line that was cut off counts for nothing."""
    lines = results.read_text().splitlines() if results.exists() else []
    for line in lines:
        try:
            yield Cell(**json.loads(line))
        except (ValueError, TypeError):
            continue


def round_rate(rate: float) -> float:
    """Two digits: 1e-4 times three times three, and not 0.0009000000000000001."""
    return float(f"{rate:.1e}")


def _train_cell(image: str, signal: Signal, name: str, seed: int, rate: float, config: PaperConfig) -> Cell:
    chosen = method(name)
    width = width_for(
        chosen.architecture,
        config.weights,
        dimensions=len(signal.grid_shape),
        channels=signal.channels,
        layers=config.layers,
    )
    samples = Samples.of(signal, PERIOD, held_out=HELD_OUT, seed=HELD_OUT_SEED)
    widths = (width,) * config.layers
    ranges: dict[str, Any] = _ranges(name, config)
    network = make_network(chosen, samples.grid, signal.channels, widths=widths, seed=seed, **ranges)
    recipe = TrainingConfig(
        steps=config.steps,
        learning_rate=rate,
        batch_samples=config.batch_samples,
        bound_penalty=chosen.bound_penalty,
        measure_every=config.steps,
    )
    started = process_time()
    try:
        if name == NATURAL_GRADIENT:
            last = _natural_gradient(network, signal, samples, config, seed)
        else:
            last = asdict(train(network, samples, recipe, seed=seed).measurements[-1])
    except FitDiverged:
        last = {}
    return Cell(
        image=image,
        method=name,
        seed=seed,
        rate=rate,
        size=config.size,
        weights=config.weights,
        layers=config.layers,
        steps=config.steps,
        batch_samples=config.batch_samples,
        trained_weights=weight_count(network),
        width=width,
        seconds=round(last.get("seconds", process_time() - started), 2),
        **ranges,
        **_own(name, config),
        best_step=last.get("best_step"),
        taken_steps=last.get("taken_steps"),
        **{metric: round(last[metric], 3) for metric in (*METRICS, *WATCHED) if last.get(metric) is not None},
    )


def _natural_gradient(
    network: Network, signal: Signal, samples: Samples, config: PaperConfig, seed: int
) -> dict[str, Any]:
    """The library's own trainer on the network's frequencies and widths, from its own start, for a tenth of the steps.

    One of its steps costs about ten of Adam's on a batch. It watches some of the samples that are not held out, so that
    those that are play no part in any choice.
    """
    assert isinstance(network, SineNetwork)  # noqa: S101  by its method
    frequencies, hidden = network.frequencies_MD, tuple(len(layer.bias_H) for layer in network.layers)
    ranges: dict[str, Any] = _ranges(NATURAL_GRADIENT, config)
    watched, started = [float("-inf")], process_time()

    def on_step(progress: Progress) -> Verdict:
        if progress.held_out_psnr_db is not None:
            watched.append(progress.held_out_psnr_db)
        is_over = config.seconds is not None and process_time() - started >= config.seconds
        return Verdict.STOP if is_over else Verdict.CONTINUE

    fitted = fit(
        signal,
        FitConfig(
            network=NetworkConfig(frequencies=len(frequencies), hidden=hidden, period=PERIOD, **ranges),
            trainer=NaturalGradientConfig(prior=config.prior, coarse_steps=config.coarse_steps),
            budget=Budget(max_steps=max(1, config.steps // 10)),
            seed=seed,
            watch=WatchConfig() if config.lead_db is None else WatchConfig(every=1, max_gap_db=config.lead_db),
        ),
        held_out=samples.held_out_P.reshape(samples.shape),
        on_step=on_step,
    )
    seconds = process_time() - started
    measured = measurement(fitted.network, samples, step=fitted.steps, loss=fitted.history[-1])
    return asdict(measured) | {
        "seconds": seconds,
        "watched_psnr_db": fitted.watched_psnr_db,
        # The one that is returned may lie between two that the training passed.
        "peak_watched_psnr_db": None if fitted.watched_psnr_db is None else max(*watched, fitted.watched_psnr_db),
        "best_step": fitted.best_step,
        "taken_steps": fitted.steps,
    }


METRICS = ("train_psnr_db", "test_psnr_db", "gradient_psnr_db")
WATCHED = ("authors_gradient_psnr_db", "watched_psnr_db", "peak_watched_psnr_db")


def _ranges(name: str, config: PaperConfig) -> dict[str, float]:
    """What the table says of the frequencies, for methods that have integer ones of their own choice."""
    if method(name).architecture is not Architecture.TUNER:
        return {}
    asked = {"band_limit": config.band_limit, "low_limit": config.low_limit}
    return {name: value for name, value in asked.items() if value is not None}


# What a cell has of the settings of the library's own trainer, and what it has where another trainer ran.
OWN: dict[str, Any] = {"seconds_limit": None, "lead_limit_db": None, "prior": 1.0, "coarse_steps": 0}


def _own(name: str, config: PaperConfig) -> dict[str, Any]:
    """What a cell has of the settings of the library's own trainer."""
    if name != NATURAL_GRADIENT:
        return OWN
    return {
        "seconds_limit": config.seconds,
        "lead_limit_db": config.lead_db,
        "prior": config.prior,
        "coarse_steps": config.coarse_steps,
    }


def _key(image: str, name: str, seed: int, rate: float, config: PaperConfig | Cell) -> tuple[object, ...]:
    ranges = tuple(sorted(_ranges(name, config).items())) if isinstance(config, PaperConfig) else config.ranges
    size = (config.size, config.weights, config.layers, config.steps, config.batch_samples)
    own = _own(name, config) if isinstance(config, PaperConfig) else {key: getattr(config, key) for key in OWN}
    return (image, name, seed, rate, *size, ranges, *own.values())
