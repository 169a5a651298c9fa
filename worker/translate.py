"""The one place where the service's words become the library's: stored bytes to Signal, FitSpec to FitConfig."""

from dataclasses import replace

from store.spec import FitSpec
from tuner.fit.config import FitConfig
from tuner.fit.presets import image_config
from tuner.signal.image import ImageLimits, read_image
from tuner.signal.signal import Signal


def signal_from_bytes(content: bytes) -> Signal:
    """Decode an upload, which was checked when it came in, under the library's own limits."""
    return read_image(content, ImageLimits())


def config_from_spec(spec: FitSpec, signal: Signal) -> FitConfig:
    """The preset for this signal and effort, with what the request says in place of the preset's choice."""
    config = image_config(signal.grid_shape, signal.channels, effort=spec.effort)
    asked = {name: value for name, value in spec.network.model_dump().items() if value is not None}
    budget = replace(
        config.budget,
        max_steps=spec.max_steps or config.budget.max_steps,
        max_seconds=spec.max_seconds if spec.max_seconds is not None else config.budget.max_seconds,
        target_psnr_db=spec.target_psnr_db,
    )
    return replace(config, network=replace(config.network, **asked), budget=budget, seed=spec.seed)
