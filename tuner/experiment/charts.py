"""Charts of a run folder, drawn with matplotlib, which is imported when the first one is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuner.errors import ConfigError
from tuner.experiment.frequencies import Row
from tuner.experiment.training import Curves


def curves(seen: Curves, path: Path) -> None:
    """Loss of every step, and PSNRs on the way."""
    plt = _pyplot()
    figure, (loss, psnr) = plt.subplots(1, 2, figsize=(11, 4))
    loss.semilogy(range(1, len(seen.losses) + 1), seen.losses, linewidth=0.8)
    loss.set(xlabel="steps", ylabel="loss")
    steps = [measurement.step for measurement in seen.measurements]
    for name, label in [
        ("train_psnr_db", "training samples"),
        ("test_psnr_db", "held-out samples"),
        ("watched_psnr_db", "watched samples"),
        ("gradient_psnr_db", "gradient"),
        ("authors_gradient_psnr_db", "gradient, as the authors measure it"),
    ]:
        values = [getattr(measurement, name) for measurement in seen.measurements]
        if None not in values:
            psnr.plot(steps, values, marker=".", label=label)
    if seen.best_step is not None:
        psnr.axvline(seen.best_step, color="grey", linestyle=":", label="the network that is kept")
    psnr.set(xlabel="steps", ylabel="PSNR in dB")
    psnr.legend()
    _save(figure, path)


def frequencies(rows: Sequence[Row], path: Path) -> None:
    """Where the input frequencies lie, and the bound and the largest weight of each column against |k|_inf."""
    plt = _pyplot()
    figure, (plane, columns) = plt.subplots(1, 2, figsize=(11, 4.5))
    horizontal = [row["k1"] if "k1" in row else row["k0"] for row in rows]
    vertical = [row["k0"] if "k1" in row else 0 for row in rows]
    plane.scatter(horizontal, vertical, s=6, c=[row["stage"] for row in rows], cmap="viridis")
    plane.set(xlabel="cycles per period, last axis", ylabel="cycles per period, first axis", aspect="equal")
    for name, label, mark in [("weight", "largest |W| of the column", "."), ("bound", "bound c", "_")]:
        known = [row for row in rows if row[name] is not None]
        if known:
            columns.plot([row["largest"] for row in known], [row[name] for row in known], mark, label=label)
    columns.set(xlabel="largest |k| of an input frequency", ylabel="radians")
    if columns.lines:
        columns.legend()
    _save(figure, path)


def require_charts() -> None:
    """Import what charts need, before anything is trained or written.

    Raises:
        ConfigError: if matplotlib is not installed.
    """
    _pyplot()


def _pyplot() -> Any:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ConfigError("charts need matplotlib: pip install 'tuner-neural[experiment]'") from error
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    _pyplot().close(figure)
