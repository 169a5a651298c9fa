"""Signals as compressed neural representations.

    signal = read_image(Path("photo.png"))
    result = fit(signal, image_config(signal.grid_shape, signal.channels))

The public names are here, except `fit` itself, which is in `tuner.fit` because a package and a function cannot share a
name. They are imported when first used: reading a representation never imports torch.
"""

from typing import TYPE_CHECKING, Final

from tuner.lazy import lazy_names

if TYPE_CHECKING:
    from tuner.codec.compress import compress as compress
    from tuner.codec.decode import decode as decode
    from tuner.codec.encode import encode as encode
    from tuner.codec.limits import DecodeLimits as DecodeLimits
    from tuner.errors import TunerError as TunerError
    from tuner.fit.config import Budget as Budget
    from tuner.fit.config import FitConfig as FitConfig
    from tuner.fit.presets import Effort as Effort
    from tuner.fit.presets import image_config as image_config
    from tuner.metrics import picture_psnr_db as picture_psnr_db
    from tuner.metrics import psnr_db as psnr_db
    from tuner.network.config import NetworkConfig as NetworkConfig
    from tuner.network.sine import SineNetwork as SineNetwork
    from tuner.parameters import HiddenLayer as HiddenLayer
    from tuner.parameters import SineParameters as SineParameters
    from tuner.representation import Representation as Representation
    from tuner.signal.grid import Grid as Grid
    from tuner.signal.image import ImageLimits as ImageLimits
    from tuner.signal.image import read_image as read_image
    from tuner.signal.image import write_image as write_image
    from tuner.signal.signal import SampleFormat as SampleFormat
    from tuner.signal.signal import Signal as Signal
    from tuner.signal.signal import SignalKind as SignalKind
else:
    HOMES: Final = {
        "Budget": "tuner.fit.config",
        "DecodeLimits": "tuner.codec.limits",
        "Effort": "tuner.fit.presets",
        "FitConfig": "tuner.fit.config",
        "Grid": "tuner.signal.grid",
        "HiddenLayer": "tuner.parameters",
        "ImageLimits": "tuner.signal.image",
        "NetworkConfig": "tuner.network.config",
        "Representation": "tuner.representation",
        "SampleFormat": "tuner.signal.signal",
        "Signal": "tuner.signal.signal",
        "SignalKind": "tuner.signal.signal",
        "SineNetwork": "tuner.network.sine",
        "SineParameters": "tuner.parameters",
        "TunerError": "tuner.errors",
        "compress": "tuner.codec.compress",
        "decode": "tuner.codec.decode",
        "encode": "tuner.codec.encode",
        "image_config": "tuner.fit.presets",
        "picture_psnr_db": "tuner.metrics",
        "psnr_db": "tuner.metrics",
        "read_image": "tuner.signal.image",
        "write_image": "tuner.signal.image",
    }
    __all__ = sorted(HOMES)
    __getattr__ = lazy_names(__name__, HOMES)
