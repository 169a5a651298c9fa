"""ask_for(): from what people say to the one request that a search answers. No torch here.

People say little: a signal, perhaps a target, how much effort it is worth. The kind of network, its settings and the
number of trials follow from that, and whatever is said more exactly takes the place of the preset's choice. The command
line, the worker, estimates and benchmarks all ask through this function, so that the same words mean the same fit.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from math import prod
from typing import Any, TypeVar

from tuner.errors import ConfigError
from tuner.fit.config import TrainerConfig
from tuner.fit.presets import Effort, Outline, signal_config
from tuner.signal.kind import SignalKind
from tuner.signal.limits import SignalLimits
from tuner.targets.ask import Ask, NetworkKind, SinesAsk, TilesAsk, WaveletsAsk
from tuner.targets.floor import check_budget, check_size
from tuner.targets.target import Target
from tuner.targets.tiles.choice import tiles_for, tiles_suit, usual_side
from tuner.targets.wavelets.choice import wavelets_for, wavelets_suit

# Networks that each preset may train to meet a target.
TRIALS = {Effort.FAST: 2, Effort.BALANCED: 3, Effort.BEST: 4}

MAX_LOSS_DB = 0.1
_Word = TypeVar("_Word", bound=StrEnum)


def ask_for(
    signal: Outline,
    effort: Effort | str = Effort.BALANCED,
    target: Target | None = None,
    *,
    kind: NetworkKind | str | None = None,
    seed: int = 0,
    steps: int | None = None,
    seconds: float | None = None,
    max_loss_db: float = MAX_LOSS_DB,
    trials: int | None = None,
    network: Mapping[str, Any] | None = None,
    trainer: TrainerConfig | None = None,
    tiles: int | None = None,
) -> Ask:
    """The request for a fit of a signal.

    A signal that is too large for one network of wavelets is cut into tiles, wherever wavelets are named or would be
    chosen for a smaller one.

    Example:
        >>> import numpy as np
        >>> from tuner.signal.signal import Signal
        >>> picture = Signal(values=np.zeros((300, 200, 3), np.float32))
        >>> ask_for(picture, target=Target.parse("bytes=20000")).kind.value
        'wavelets'
        >>> ask_for(picture, target=Target.parse("error=0.02")).kind.value
        'sines'
        >>> type(ask_for(picture, tiles=128)).__name__
        'TilesAsk'

    Args:
        signal: the signal to be fitted, of which only kind, shape and channels play a part.
        effort: how large a network and how long a fit the signal is worth, where nothing else says so.
        target: what the file must meet; None for the preset's own network.
        kind: the kind of network to fit; None for the one that suits signal and target.
        seed: the seed of frequencies and initial weights, at least 0.
        steps: training steps of each network, instead of the preset's.
        seconds: the most seconds that the search may take, from its beginning to the file; None for no limit.
        max_loss_db: the PSNR in dB that rounding a network of sines may cost where no target says how good or large
            the file is; another one than the usual chooses sines there, where no kind is given.
        trials: how many networks may be trained to meet the target, instead of the preset's number.
        network: settings by name instead of the preset's, of `NetworkConfig`, or, where `kind` is wavelets, of
            `WaveletConfig`. Such settings, or a trainer, choose sines where no kind is given; frequencies or hidden
            widths end the search for a good size.
        trainer: how a network of sines is trained, instead of the natural gradient.
        tiles: most samples of a tile along each axis, at least 8, for a signal of any size that is to be cut; None to
            cut only what is too large for one network.

    Returns:
        What `tuner.targets.search.fit_to_target` and `tuner.targets.estimate.estimate` take.

    Raises:
        ConfigError: if a word is not known, a setting is out of its range, a network with wavelets is asked for what
            it cannot do, no file is as small as the target, or one file takes more than twice the limit of seconds.
    """
    effort = effort_of(effort)
    settings = dict(network or {})
    if kind is None:
        is_free = not settings and trainer is None and (target is not None or max_loss_db == MAX_LOSS_DB)
        suits = is_free and (wavelets_suit(signal, target) or tiles_suit(signal, target))
        kind = NetworkKind.WAVELETS if suits or tiles is not None else NetworkKind.SINES
    count = TRIALS[effort] if trials is None else trials
    if _word(NetworkKind, kind, "kind of network") is NetworkKind.WAVELETS:
        if trainer is not None:
            raise ConfigError(f"the trainer is {trainer}, expected None: it is for the network kind 'sines'")
        ask: Ask
        if tiles is not None or tiles_suit(signal, target):
            config = tiles_for(signal, effort, target, side=tiles, seed=seed, steps=steps, seconds=seconds)
            side = usual_side(len(signal.grid_shape)) if tiles is None else tiles
            ask = TilesAsk(config=replace(config, **settings), target=target, trials=count, side=side)
        else:
            config = wavelets_for(signal, effort, target, seed=seed, steps=steps, seconds=seconds)
            ask = WaveletsAsk(config=replace(config, **settings), target=target, trials=count)
        check_size(target, signal)
        check_budget(ask, signal)
        return ask
    if tiles is not None:
        raise ConfigError(f"the network is {str(kind)!r} and tiles {tiles}, expected wavelets: only they are cut")
    points = prod(signal.grid_shape)
    if signal.kind is not SignalKind.IMAGE and points > SignalLimits().points:
        raise ConfigError(
            f"the signal has {points} points, expected at most {SignalLimits().points} for a network of sines, "
            "to which it is given at once: name no network and no largest error, so that it is cut into tiles"
        )
    base = signal_config(signal, effort, seed=seed, max_steps=steps, max_seconds=seconds)
    ask = SinesAsk(
        config=replace(base, network=replace(base.network, **settings), trainer=trainer or base.trainer),
        free_size=not {"frequencies", "hidden"} & settings.keys(),
        max_loss_db=max_loss_db,
        thorough=effort is Effort.BEST,
        target=target,
        trials=count,
    )
    check_size(target, signal)
    check_budget(ask, signal)
    return ask


def effort_of(word: Effort | str) -> Effort:
    """The effort that a word names.

    Raises:
        ConfigError: if the word is not known.
    """
    return _word(Effort, word, "effort")


def _word(words: type[_Word], given: str, name: str) -> _Word:
    try:
        return words(given)
    except ValueError as error:
        raise ConfigError(f"the {name} is {str(given)!r}, expected one of {', '.join(words)}") from error
