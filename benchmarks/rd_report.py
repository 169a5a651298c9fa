"""What the points of `benchmarks.rd` amount to: BD-rates and pictures."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import PchipInterpolator

mpl.use("Agg")
from matplotlib import pyplot as plt

Points = list[tuple[float, float]]
_STEPS = 1000


def bd_rate_percent(anchor: Points, other: Points) -> dict[str, object] | None:
    """Mean difference in rate at equal PSNR, in percent of the anchor's (Bjontegaard), on the PSNRs that both reach.

    Logarithms of the rates are interpolated by monotone cubics. None if fewer than two points of each, or no overlap.
    """
    if min(len(anchor), len(other)) < 2:
        return None
    curves = [_by_psnr(points) for points in (anchor, other)]
    low, high = max(curve[0][0] for curve in curves), min(curve[0][-1] for curve in curves)
    if high <= low:
        return None
    grid = np.linspace(low, high, _STEPS)
    first, second = (PchipInterpolator(psnr, rate)(grid) for psnr, rate in curves)
    percent = 100.0 * (float(np.exp(np.mean(second - first))) - 1.0)
    return {"percent": round(percent, 2), "psnr_from": round(low, 2), "psnr_to": round(high, 2)}


def _by_psnr(points: Points) -> tuple[np.ndarray, np.ndarray]:
    ordered = sorted({psnr: bpp for bpp, psnr in points}.items())
    return np.array([psnr for psnr, _ in ordered]), np.log([bpp for _, bpp in ordered])


def draw_curves(images: dict[str, dict[str, Points]], published: dict[str, Points], path: Path) -> None:
    """One panel per picture, and one for the means with the published curves behind them."""
    figure, panels = plt.subplots(1, len(images) + 1, figsize=(5 * (len(images) + 1), 4.5), squeeze=False)
    for panel, (name, curves) in zip(panels[0], images.items(), strict=False):
        for codec, points in curves.items():
            panel.plot(*zip(*sorted(points), strict=True), marker="o", label=codec)
        panel.set_title(name)
        panel.legend()
    last = panels[0][-1]
    for points in published.values():
        last.plot(*zip(*points, strict=True), color="0.8", linewidth=1, zorder=0)
    for codec in next(iter(images.values()), {}):
        curves_of = [sorted(curves[codec]) for curves in images.values() if codec in curves]
        if len({len(points) for points in curves_of}) == 1:
            last.plot(*np.mean(curves_of, axis=0).T, marker="o", label=codec)
    last.set_title(f"mean of {len(images)}; grey: published means over their own pictures")
    for panel in panels[0]:
        panel.set(xlabel="bits per pixel", ylabel="PSNR, dB", xlim=(0, 1))
        panel.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_side_by_side(name: str, rows: list[dict[str, object]], out: Path) -> None:
    """All codecs at each rate, next to each other, with bytes and PSNR."""
    for rate in sorted({float(str(row["rate"])) for row in rows}):
        chosen = [row for row in rows if row["rate"] == rate]
        pictures = [_picture(row, out) for row in chosen]
        width, height = sum(each.width for each in pictures), max(each.height for each in pictures)
        sheet = Image.new("RGB", (width, height + 16))
        pen, left = ImageDraw.Draw(sheet), 0
        for row, picture in zip(chosen, pictures, strict=True):
            sheet.paste(picture, (left, 16))
            pen.text(
                (left + 4, 2), f"{row['codec']} {row['bytes']} bytes {float(str(row['psnr'])):.2f} dB", fill="white"
            )
            left += picture.width
        sheet.save(out / f"{name}-{rate}.png")


def _picture(row: dict[str, object], out: Path) -> Image.Image:
    suffix = "tnr" if row["codec"] == "tuner" else row["codec"]
    with Image.open(out / "files" / f"{row['image']}-{row['rate']}.{suffix}.png") as image:
        return image.copy()
