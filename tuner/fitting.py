"""represent(): a signal and what its file must come to, turned into that file in one call."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.codec.decode import decode
from tuner.decibels import in_decibels
from tuner.errors import ConfigError
from tuner.fit.deadline import Deadline
from tuner.fit.presets import Effort, eikonal_config
from tuner.quality.report import describe
from tuner.representation import Representation
from tuner.result import Result
from tuner.signal.formats import read_large
from tuner.signal.given import signal_of
from tuner.signal.kind import SignalKind
from tuner.signal.large import LargeSignal
from tuner.signal.large_picture import large_picture
from tuner.signal.signal import Signal
from tuner.signal.triangles import Mesh
from tuner.targets.ask import NetworkKind, SinesAsk
from tuner.targets.request import MAX_LOSS_DB, ask_for, effort_of
from tuner.targets.target import Target, TargetKind
from tuner.targets.tiles.choice import tiles_suit
from tuner.targets.wavelets.choice import most_values
from tuner.words import counted

if TYPE_CHECKING:
    from tuner.fit.progress import Progress, Verdict


def represent(
    signal: Any,
    *,
    psnr_db: float | None = None,
    max_error: float | None = None,
    bytes: int | None = None,  # noqa: A002  its name wherever a target can be asked for
    bits_per_sample: float | None = None,
    seconds: float | None = None,
    effort: Effort | str = Effort.BALANCED,
    network: NetworkKind | str | None = None,
    max_steps: int | None = None,
    max_loss_db: float = MAX_LOSS_DB,
    tiles: int | None = None,
    sample_rate: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: bool | None = None,
    on_step: "Callable[[Progress], Verdict] | None" = None,
) -> Result:
    """Turn a signal into a small file that can be asked for values anywhere.

    One target may be given, and beside a quality or a size a limit of seconds. Without one, the effort decides how
    large the network is and how long it trains. A signal that is too large for one network, such as a picture of more
    than 5 million pixels in colour, is cut into tiles that overlap, each with a network of wavelets of its own; a
    picture may then be memory-mapped, and is never copied as a whole.

    Example:
        >>> import numpy as np
        >>> picture = np.linspace(0, 255, 32 * 24 * 3).reshape(32, 24, 3).astype(np.uint8)
        >>> result = represent(picture, psnr_db=30, effort="fast")
        >>> result.psnr_db > 29.9, result.representation.grid_shape
        (True, (32, 24))

    Args:
        signal: a signal, the path of a picture, sound, volume, video, mesh or array, or an array or tensor of numbers;
            `tuner.signal.given.signal_of` says how arrays are understood.
        psnr_db: least quality of the file, as PSNR in dB; the smallest file that is so good is wanted.
        max_error: largest difference that a sample may have, as a share of the range of values.
        bytes: largest size of the file in bytes; the best file of that size is wanted.
        bits_per_sample: largest size of the file in bits for each sample of the grid, all channels together.
        seconds: longest duration of the whole call in seconds; alone, it also decides how large the network is. What
            has begun is not interrupted: the call may be late by its preparation, one step, one file and its check.
        effort: size of the network and length of the fit in one word: "fast", "balanced" or "best".
        network: kind of network, "sines" or "wavelets"; None for the one that suits the signal and the target.
        max_steps: largest number of training steps of a fit; None for that of the effort.
        max_loss_db: largest loss of quality by rounding the weights in dB, where no target says it.
        tiles: most samples of a tile along each axis, at least 8, for a signal of any size that is to be cut; None to
            cut only what is too large for one network.
        sample_rate: samples per second of a sound that is given as an array, in Hz.
        seed: number that decides every random choice, >= 0; the same seed gives the same file on the same machine.
        device: processor to compute on, as torch names it.
        progress: whether progress is shown, as a bar or, where nobody can see one, as lines with a forecast; None for
            a bar in terminals and notebooks only.
        on_step: called after every step with where the fit stands; may stop it.

    Returns:
        The file and what it decodes to; a target that was missed is said in its `message`, not raised.

    Raises:
        ConfigError: if more than one target is given, a number is out of its range, no network can meet the target,
            one file takes more than twice the limit of seconds, or `on_step` has stopped the fit.
        InvalidSignal: if the samples cannot be fitted.
        SignalError: if a file cannot be read.
        FitDiverged: if the loss is no longer a number.
    """
    target = Target.of(
        {
            TargetKind.PSNR_DB: psnr_db,
            TargetKind.MAX_ERROR: max_error,
            TargetKind.BYTES: bytes,
            TargetKind.BITS_PER_SAMPLE: bits_per_sample,
        }
    )
    if target is None and seconds is not None:
        target, seconds = Target(TargetKind.SECONDS, seconds), None
    deadline = Deadline(target.value if target is not None and target.kind is TargetKind.SECONDS else seconds)
    is_free = network is None and max_loss_db == MAX_LOSS_DB and max_error is None
    if tiles is not None and network not in (None, NetworkKind.WAVELETS):
        raise ConfigError(f"the network is {str(network)!r} and tiles {tiles}, expected wavelets: only they are cut")
    large = None
    if sample_rate is None and (is_free or tiles is not None):
        signal = _read(signal, {kind: most_values(kind) if tiles is None else 0 for kind in SignalKind})
        large = signal if isinstance(signal, LargeSignal) else None
    if large is None:
        samples = signal_of(signal, sample_rate=sample_rate)
        if tiles is not None or (is_free and tiles_suit(samples, target)):
            large = LargeSignal.of(samples)
    if large is not None:
        return _in_tiles(
            large,
            effort,
            target,
            side=tiles,
            seed=seed,
            steps=max_steps,
            seconds=seconds,
            progress=progress,
            on_step=on_step,
        )
    ask = ask_for(
        samples,
        effort,
        target,
        kind=network,
        seed=seed,
        steps=max_steps,
        seconds=seconds,
        max_loss_db=max_loss_db,
    )
    from tuner.progress_bar import progress_bar  # torch is behind these
    from tuner.targets.result import TargetOutcome
    from tuner.targets.search import fit_to_target

    with progress_bar(shown=progress) as show:
        found = fit_to_target(
            samples, ask, on_step=_first_then(show, on_step), on_phase=show.enter, device=device, deadline=deadline
        )
    if found.content is None:
        raise ConfigError("on_step has stopped the fit before there was a file, expected it to go on to the end")
    is_met = found.outcome is TargetOutcome.MET
    return _result(
        samples, found.content, is_met=is_met, message=found.sentence, steps=found.steps, seconds=found.seconds
    )


def represent_surface(
    field: Signal,
    surface: Mesh,
    *,
    effort: Effort | str = Effort.BALANCED,
    max_steps: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Result:
    """Turn a distance field into a file whose zero lies on the surface itself, by the eikonal loss.

    Args:
        field: distance field of the surface on a grid.
        surface: triangles that the field was measured from.
        effort: size of the network and length of the fit in one word: "fast", "balanced" or "best".
        max_steps: largest number of training steps before those on the surface; None for that of the effort.
        seconds: longest duration of the training in seconds, or None.
        seed: number that decides every random choice, >= 0.
        progress: whether a progress bar is shown; None for one in terminals and notebooks only.

    Returns:
        The file and what it decodes to.

    Raises:
        InvalidSignal: if the field is no distance field.
        FitDiverged: if the loss is no longer a number.
    """
    from tuner.fit import fit  # torch is behind these
    from tuner.progress_bar import progress_bar
    from tuner.rounding.field import compress_field
    from tuner.targets.files import measured
    from tuner.targets.report import reported

    ask = ask_for(field, effort, kind=NetworkKind.SINES, seed=seed, steps=max_steps, seconds=seconds)
    assert isinstance(ask, SinesAsk)  # noqa: S101  as asked for
    ask = replace(ask, config=eikonal_config(ask.config))
    with progress_bar(shown=progress) as show:
        fitted = fit(field, ask.config, on_step=show, surface=surface, deadline=Deadline(seconds))
    content = compress_field(Representation.of(fitted.network.parameters_numpy(), field))
    content = reported(measured(content, field), field, ask, fitted.steps)
    message = fitted.outcome.advice
    return _result(field, content, is_met=True, message=message, steps=fitted.steps, seconds=fitted.seconds)


def _read(given: Any, more_than: Mapping[SignalKind, int]) -> Any:
    """A file, or a picture in an array, as it is stored where it has more values; what is neither, as it came."""
    if isinstance(given, str | PathLike):
        return read_large(Path(given), more_than)
    picture = large_picture(given, more_than[SignalKind.IMAGE])
    return given if picture is None else picture


def _in_tiles(
    signal: LargeSignal,
    effort: Effort | str,
    target: Target | None,
    *,
    progress: bool | None,
    on_step: "Callable[[Progress], Verdict] | None",
    **options: Any,
) -> Result:
    from tuner.progress_bar import progress_bar  # torch is behind these
    from tuner.targets.tiles.search import represent_in_tiles

    with progress_bar(shown=progress) as show:
        found = represent_in_tiles(
            signal,
            effort_of(effort),
            target,
            on_step=_first_then(show, on_step),
            on_phase=show.enter,
            **options,
        )
    bits = 8.0 * len(found.content) / signal.sample_count
    return Result(
        content=found.content,
        representation=decode(found.content),
        psnr_db=found.psnr_db,
        max_error=found.max_error,
        is_met=found.is_met,
        message=found.sentence,
        steps=found.steps,
        seconds=found.seconds,
        summary=f"{len(found.content)} bytes, {bits:.2f} bits per sample, {in_decibels(found.psnr_db)}, "
        f"{counted(found.tiles, 'tile')}",
    )


def _result(signal: Signal, content: bytes, *, is_met: bool, message: str, steps: int, seconds: float) -> Result:
    from tuner.targets.files import worth

    representation = decode(content)
    reproduction = representation.render()
    psnr_db, largest = worth(reproduction.values, signal)
    return Result(
        content=content,
        representation=representation,
        psnr_db=psnr_db,
        max_error=largest,
        is_met=is_met,
        message=message,
        steps=steps,
        seconds=seconds,
        summary=describe(signal, reproduction, len(content)),
    )


def _first_then(
    show: "Callable[[Progress], Verdict]", on_step: "Callable[[Progress], Verdict] | None"
) -> "Callable[[Progress], Verdict]":
    """The caller's function, after the progress bar has been moved."""
    if on_step is None:
        return show

    def both(progress: "Progress") -> "Verdict":
        show(progress)
        return on_step(progress)

    return both
