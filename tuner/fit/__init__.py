"""Training: a signal and a configuration become a network. `from tuner.fit import fit` is the way in.

One loop (`tuner.fit.loop`) runs every training algorithm (`tuner.fit.trainer`): natural gradient and first-order rules
for networks of sines, a trade of error for bits for wavelet latents.
"""

from typing import TYPE_CHECKING, Final

from tuner.lazy import lazy_names

if TYPE_CHECKING:
    from tuner.fit.config import Budget as Budget
    from tuner.fit.config import FitConfig as FitConfig
    from tuner.fit.natural.batch import fit_batch as fit_batch
    from tuner.fit.presets import eikonal_config as eikonal_config
    from tuner.fit.presets import image_config as image_config
    from tuner.fit.presets import signal_config as signal_config
    from tuner.fit.progress import Progress as Progress
    from tuner.fit.progress import Verdict as Verdict
    from tuner.fit.result import FitOutcome as FitOutcome
    from tuner.fit.sines.fit import FitResult as FitResult
    from tuner.fit.sines.fit import fit as fit
    from tuner.fit.state import FitState as FitState
else:
    HOMES: Final = {
        "Budget": "tuner.fit.config",
        "FitConfig": "tuner.fit.config",
        "FitOutcome": "tuner.fit.result",
        "FitResult": "tuner.fit.sines.fit",
        "FitState": "tuner.fit.state",
        "Progress": "tuner.fit.progress",
        "Verdict": "tuner.fit.progress",
        "eikonal_config": "tuner.fit.presets",
        "fit": "tuner.fit.sines.fit",
        "fit_batch": "tuner.fit.natural.batch",
        "image_config": "tuner.fit.presets",
        "signal_config": "tuner.fit.presets",
    }
    __all__ = sorted(HOMES)
    __getattr__ = lazy_names(__name__, HOMES)
