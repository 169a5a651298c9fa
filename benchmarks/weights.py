"""Bits per weight against loss, from files: `make bench-weights` writes build/bench/weights.json.

    python -m benchmarks.weights --networks small deep --pictures astronaut coffee --losses 0.1 0.3
    make bench-weights BENCH_OPTIONS='--folder PICTURES --pictures kodim15 kodim23'

Every network is fitted with the default trainer, compressed once per loss, decoded, and measured on the whole picture.
Bits are those of the whole file, header and frequencies included, over all trained weights. The one with wavelets is
fitted for a rate; the bits per weight of its layers are those by which the file is longer than one of the same latents
whose layers are all zero, and `bits_of_all` are those of the whole file over all weights, latents included. Its weights
are rounded while it is fitted, so that its loss counts only rounding that comes on top of that, to steps that are
longer by a factor. Seconds are the processor's, of the fit with wavelets those of the clock.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data

from tuner.codec.decode import decode
from tuner.codec.encode import encode
from tuner.fit import Budget, FitConfig, fit
from tuner.fit.config import NaturalGradientConfig
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.fit import fit_wavelets
from tuner.metrics import picture_psnr_db
from tuner.network.sines.config import NetworkConfig
from tuner.network.wavelets.parameters import WaveletParameters, wavelet_parameters
from tuner.representation import Representation
from tuner.rounding.compress import compress
from tuner.shapes import FloatArray
from tuner.signal.signal import Signal

OUTPUT = Path("build/bench/weights.json")
# Height and width of the picture, frequencies, hidden layers, steps of the fit.
NETWORKS: dict[str, tuple[tuple[int, int], int, tuple[int, ...], int]] = {
    "one layer, 364 x 256": ((256, 256), 364, (256,), 40),
    "one layer, 96 x 44": ((256, 384), 96, (44,), 60),
    "three layers, 48 x 32 x 32 x 32": ((256, 384), 48, (32, 32, 32), 60),
}
WAVELETS = "wavelets"
RATE = 0.6


def main() -> None:
    """Fit, compress, measure, write; every line is printed as soon as it is known."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__)
    options.add_argument("--folder", type=Path, help="of PNG pictures; else those of scikit-image")
    options.add_argument("--pictures", nargs="+", default=["astronaut", "coffee", "chelsea"])
    options.add_argument("--networks", nargs="+", default=[*NETWORKS, WAVELETS], help="beginnings of their names")
    options.add_argument("--losses", nargs="+", type=float, default=[0.1, 0.3])
    options.add_argument("--out", type=Path, default=OUTPUT)
    asked = options.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    for name in (*NETWORKS, WAVELETS):
        if any(name.startswith(start) for start in asked.networks):
            for picture in asked.pictures:
                for row in _wavelets(picture, asked) if name == WAVELETS else _plain(name, picture, asked):
                    rows.append({"network": name, "picture": picture, **row})
                    print(json.dumps(rows[-1]), flush=True)  # noqa: T201
                    asked.out.parent.mkdir(parents=True, exist_ok=True)
                    asked.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _plain(name: str, picture: str, asked: argparse.Namespace) -> Iterator[dict[str, object]]:
    shape, frequencies, hidden, steps = NETWORKS[name]
    signal = _picture(picture, asked.folder, shape)
    network = NetworkConfig(frequencies=frequencies, hidden=hidden)
    config = FitConfig(network=network, trainer=NaturalGradientConfig(), budget=Budget(max_steps=steps))
    started = time.process_time()
    fitted = Representation.of(fit(signal, config).network.parameters_numpy(), signal)
    fit_seconds = time.process_time() - started
    for loss_db in asked.losses:
        started = time.process_time()
        file = compress(fitted, signal, max_loss_db=loss_db, thorough=True)
        yield {
            "allowed_db": loss_db,
            **_measured(file, fitted, signal, 8 * len(file), fitted.parameters.weight_count),
            "fit_seconds": round(fit_seconds, 1),
            "compress_seconds": round(time.process_time() - started, 1),
        }


def _wavelets(picture: str, asked: argparse.Namespace) -> Iterator[dict[str, object]]:
    signal = _picture(picture, asked.folder, (256, 384))
    result = fit_wavelets(signal, WaveletConfig(bits_per_sample=RATE, steps=200))
    fitted = Representation.of(result.parameters, signal)
    zeros = [np.zeros_like(tensor) for tensor in result.parameters.tensors()]
    empty = encode(replace(fitted, parameters=_with_tensors(result.parameters, zeros)), result.network.step_sizes)
    layers = sum(tensor.size for tensor in zeros)
    for factor in (1.0, 1.4, 2.0):
        file = encode(fitted, tuple(factor * step for step in result.network.step_sizes))
        yield {
            "steps_times": factor,
            **_measured(file, fitted, signal, 8 * (len(file) - len(empty)), layers),
            "bits_of_all": round(8 * len(file) / result.parameters.weight_count, 3),
            "all_weights": result.parameters.weight_count,
            "fit_seconds": round(result.seconds, 1),
        }


def _with_tensors(parameters: WaveletParameters, tensors: list[FloatArray]) -> WaveletParameters:
    return wavelet_parameters(
        layout=parameters.layout,
        period=parameters.period,
        seed=parameters.seed,
        reach=parameters.reach,
        frequencies=parameters.frequencies,
        latents=parameters.latents,
        tensors=tensors,
        exponents=parameters.exponents,
    )


def _measured(file: bytes, fitted: Representation, signal: Signal, bits: int, weights: int) -> dict[str, object]:
    before, after = (
        picture_psnr_db(signal.values, shown.render().values, signal.sample_format) for shown in (fitted, decode(file))
    )
    return {
        "weights": weights,
        "bytes": len(file),
        "bits_per_weight": round(bits / weights, 3),
        "psnr_db": round(before, 2),
        "loss_db": round(before - after, 3),
    }


def _picture(name: str, folder: Path | None, shape: tuple[int, int]) -> Signal:
    """A picture reduced to a shape, from the middle of the original."""
    found = getattr(data, name)() if folder is None else np.asarray(Image.open(folder / f"{name}.png").convert("RGB"))
    pixels = Image.fromarray(np.atleast_3d(found)[..., :3])
    scale = max(shape[0] / pixels.height, shape[1] / pixels.width)
    width, height = shape[1] / scale, shape[0] / scale
    left, top = (pixels.width - width) / 2.0, (pixels.height - height) / 2.0
    box = (left, top, left + width, top + height)
    reduced = pixels.resize(shape[::-1], Image.Resampling.LANCZOS, box=box)
    return Signal(values=np.asarray(reduced, dtype=np.float32) / np.float32(255.0))


if __name__ == "__main__":
    main()
