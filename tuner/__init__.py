"""Signals as compressed neural representations.

    result = represent("photo.png", psnr_db=35)  # or a sound, a volume, a video, a mesh, an array, a tensor
    result.save("photo.tnr")
    representation = load("photo.tnr")
    write_signal(representation.render(scale=2), "photo_twice.png")
    corner = load_region("plan.tnr", [(0, 256), (512, 768)])  # of a file in tiles, reads these alone

The public names are here. They are imported when first used: neither `import tuner` nor reading a representation
imports torch. `fit` itself, for networks and trainers of one's own choice, is in `tuner.fit`, because a package and a
function cannot share a name.
"""

from typing import TYPE_CHECKING, Final

from tuner.lazy import lazy_names

if TYPE_CHECKING:
    from tuner.codec.beginning import Beginning as Beginning
    from tuner.codec.beginning import decode_beginning as decode_beginning
    from tuner.codec.beginning import load_beginning as load_beginning
    from tuner.codec.decode import decode as decode
    from tuner.codec.decode import load as load
    from tuner.codec.encode import encode as encode
    from tuner.codec.encode import save as save
    from tuner.codec.limits import DecodeLimits as DecodeLimits
    from tuner.codec.ranges import Ranges as Ranges
    from tuner.codec.region import load_region as load_region
    from tuner.codec.region import open_tiles as open_tiles
    from tuner.errors import TunerError as TunerError
    from tuner.fit.config import Budget as Budget
    from tuner.fit.config import FitConfig as FitConfig
    from tuner.fit.presets import Effort as Effort
    from tuner.fit.presets import image_config as image_config
    from tuner.fit.presets import signal_config as signal_config
    from tuner.fit.sines.module import SineNetwork as SineNetwork
    from tuner.fitting import represent as represent
    from tuner.metrics import picture_psnr_db as picture_psnr_db
    from tuner.metrics import psnr_db as psnr_db
    from tuner.metrics import snr_db as snr_db
    from tuner.metrics import written_psnr_db as written_psnr_db
    from tuner.network.parameters import HiddenLayer as HiddenLayer
    from tuner.network.sines.config import NetworkConfig as NetworkConfig
    from tuner.network.sines.parameters import SineParameters as SineParameters
    from tuner.representation import Representation as Representation
    from tuner.result import Result as Result
    from tuner.rounding.compress import compress as compress
    from tuner.signal.array import array_signal as array_signal
    from tuner.signal.formats import encode_signal as encode_signal
    from tuner.signal.formats import inspect_signal as inspect_signal
    from tuner.signal.formats import read_signal as read_signal
    from tuner.signal.formats import write_signal as write_signal
    from tuner.signal.given import signal_of as signal_of
    from tuner.signal.grid import Grid as Grid
    from tuner.signal.image import ImageLimits as ImageLimits
    from tuner.signal.image import read_image as read_image
    from tuner.signal.image import write_image as write_image
    from tuner.signal.limits import SignalLimits as SignalLimits
    from tuner.signal.samples import SampleFormat as SampleFormat
    from tuner.signal.scattered import ScatteredSignal as ScatteredSignal
    from tuner.signal.scattered import scattered_signal as scattered_signal
    from tuner.signal.signal import Signal as Signal
    from tuner.signal.signal import SignalKind as SignalKind
    from tuner.version import __version__ as __version__
else:
    HOMES: Final = {
        "Beginning": "tuner.codec.beginning",
        "Budget": "tuner.fit.config",
        "DecodeLimits": "tuner.codec.limits",
        "Effort": "tuner.fit.presets",
        "FitConfig": "tuner.fit.config",
        "Grid": "tuner.signal.grid",
        "HiddenLayer": "tuner.network.parameters",
        "ImageLimits": "tuner.signal.image",
        "NetworkConfig": "tuner.network.sines.config",
        "Ranges": "tuner.codec.ranges",
        "Representation": "tuner.representation",
        "Result": "tuner.result",
        "SampleFormat": "tuner.signal.samples",
        "ScatteredSignal": "tuner.signal.scattered",
        "Signal": "tuner.signal.signal",
        "SignalKind": "tuner.signal.signal",
        "SineNetwork": "tuner.fit.sines.module",
        "SineParameters": "tuner.network.sines.parameters",
        "SignalLimits": "tuner.signal.limits",
        "TunerError": "tuner.errors",
        "array_signal": "tuner.signal.array",
        "compress": "tuner.rounding.compress",
        "decode": "tuner.codec.decode",
        "decode_beginning": "tuner.codec.beginning",
        "encode": "tuner.codec.encode",
        "encode_signal": "tuner.signal.formats",
        "image_config": "tuner.fit.presets",
        "inspect_signal": "tuner.signal.formats",
        "load": "tuner.codec.decode",
        "load_beginning": "tuner.codec.beginning",
        "load_region": "tuner.codec.region",
        "open_tiles": "tuner.codec.region",
        "picture_psnr_db": "tuner.metrics",
        "psnr_db": "tuner.metrics",
        "read_image": "tuner.signal.image",
        "read_signal": "tuner.signal.formats",
        "represent": "tuner.fitting",
        "save": "tuner.codec.encode",
        "scattered_signal": "tuner.signal.scattered",
        "signal_of": "tuner.signal.given",
        "signal_config": "tuner.fit.presets",
        "snr_db": "tuner.metrics",
        "write_image": "tuner.signal.image",
        "write_signal": "tuner.signal.formats",
        "written_psnr_db": "tuner.metrics",
    }
    __all__ = sorted(HOMES)
    __getattr__ = lazy_names(__name__, HOMES | {"__version__": "tuner.version"})

    def __dir__() -> list[str]:
        """The public names, for whoever completes a name."""
        return [*__all__, "__version__"]
