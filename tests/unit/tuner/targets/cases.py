"""Requests and signals that the tests of searches share."""

import numpy as np

from tests.cases import colours, noise, waves
from tuner.codec.decode import decode
from tuner.fit.config import FitConfig
from tuner.fit.presets import image_config
from tuner.metrics import picture_psnr_db
from tuner.signal.grid import Grid
from tuner.signal.signal import SampleFormat, Signal
from tuner.targets.ask import Ask, SinesAsk
from tuner.targets.request import ask_for
from tuner.targets.result import TargetResult
from tuner.targets.target import Target, TargetKind

WAVES = Signal(values=waves())
COLOURS = Signal(values=colours(), sample_format=SampleFormat.U8)
NOISE = Signal(values=noise())


def base(signal: Signal, steps: int = 40) -> FitConfig:
    return image_config(signal.grid_shape, signal.channels, max_steps=steps)


def sines(signal: Signal, kind: str, value: float, *, steps: int = 40, trials: int = 3) -> SinesAsk:
    return SinesAsk(config=base(signal, steps), target=Target(TargetKind(kind), value), trials=trials)


def picture(shape: tuple[int, ...] = (64, 48)) -> Signal:
    """Soft shapes, an edge, and some grain."""
    coords = Grid(shape, 2.5).coords()
    wave = np.sin(coords @ np.linspace(3.0, 7.0, len(shape))) + (coords[:, 0] > 0.2)
    grain = np.random.default_rng(2).normal(0.0, 0.02, (len(coords), 1))
    values = 0.4 + 0.2 * wave[:, None] * np.linspace(0.5, 1.0, 3) + grain
    return Signal(values=np.clip(values, 0, 1).reshape(*shape, 3).astype(np.float32), sample_format=SampleFormat.U8)


PICTURE = picture()


def wavelets(
    kind: str, value: float, *, steps: int = 40, trials: int = 2, signal: Signal = PICTURE, scales: int | None = None
) -> Ask:
    target = Target(TargetKind(kind), value)
    # A network that leaves something to the latents, even of so small a picture.
    network = {"widths": (6,), "frequencies": 2, "scales": scales}
    return ask_for(signal, "fast", target, kind="wavelets", steps=steps, trials=trials, network=network)


def quality(signal: Signal, result: TargetResult) -> float:
    assert result.content is not None
    return picture_psnr_db(signal.values, decode(result.content).render().values, signal.sample_format)
