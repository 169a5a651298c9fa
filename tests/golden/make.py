"""Make golden files: `python -m tests.golden.make v1 v2` writes the folder v2 beside this file, once.

A folder of golden files is never changed: old files must keep decoding to the same integers. A new version of the
format gets a new folder.
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.networks import random_parameters
from tests.signals import SIGNALS
from tests.tiles import random_tiles
from tests.wavelets import random_wavelets
from tuner.codec.decode import decode_integers
from tuner.codec.encode import encode
from tuner.codec.sines.quantise import QuantisedNetwork, fine_steps, row_steps, tensors
from tuner.codec.tiles.chunk import QuantisedTiles
from tuner.codec.wavelets.chunk import QuantisedWavelets
from tuner.network.parameters import Steps
from tuner.network.sines.parameters import SineParameters
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.representation import Representation
from tuner.signal.details import DistanceDetails, VideoDetails
from tuner.signal.signal import SampleFormat, Signal, SignalKind

HERE = Path(__file__).parent
DISTANCES = DistanceDetails(origin=(8.0, -1.5, 0.25), spacing=(0.1, 0.1, 0.125))


def golden_files() -> dict[str, bytes]:
    """Small files that between them use everything the format has."""
    colour = Representation(parameters=random_parameters(frequencies=40, hidden=(24,)), grid_shape=(48, 32))
    return {
        "colour.tnr": encode(colour, _steps(colour)),
        "fine.tnr": encode(colour, fine_steps(colour.sine_parameters)),
        "profile.tnr": encode(replace(colour, icc_profile=bytes(range(256))), _steps(colour)),
        "grey16.tnr": _encoded(
            random_parameters(channels=1, seed=1, period=3.0), (9, 7), sample_format=SampleFormat.U16
        ),
        "deep.tnr": _encoded(random_parameters(hidden=(20, 10, 5), channels=4, seed=2), (20, 20)),
        "line.tnr": _encoded(random_parameters(dimensions=1, reach=40, seed=3), (1000,)),
        "smallest.tnr": _encoded(random_parameters(frequencies=1, hidden=(1,), channels=1, seed=4), (1, 1)),
    }


def scaled_files() -> dict[str, bytes]:
    """The networks of `golden_files` with a step for every row, some long ones among them."""
    networks = {
        "colour.tnr": (random_parameters(frequencies=40, hidden=(24,)), (48, 32), 2.0**-7),
        "fine.tnr": (random_parameters(frequencies=40, hidden=(24,)), (48, 32), 2.0**-17),
        "deep.tnr": (random_parameters(hidden=(20, 10, 5), channels=4, seed=2), (20, 20), 2.0**-5),
        "line.tnr": (random_parameters(dimensions=1, reach=40, seed=3), (1000,), 2.0**-7),
        "smallest.tnr": (random_parameters(frequencies=1, hidden=(1,), channels=1, seed=4), (1, 1), 0.5),
    }
    return {
        name: encode(Representation(parameters=parameters, grid_shape=shape), _row_steps(parameters, base))
        for name, (parameters, shape, base) in networks.items()
    }


def _in_growing_steps(parameters: WaveletParameters) -> bytes:
    steps = tuple(2.0**-7 * 1.1**number for number in range(len(parameters.tensors())))
    return encode(Representation(parameters=parameters, grid_shape=parameters.grid_shape), steps)


def wavelet_files() -> dict[str, bytes]:
    """Small files of wavelet networks."""
    networks = {
        "colour.tnr": random_wavelets((41, 60), widths=(16,)),
        "deep.tnr": random_wavelets((70, 66), scales=6, widths=(4, 3), seed=4),
        "line.tnr": random_wavelets((301,), colours=1, channels=1, seed=1),
        "volume.tnr": random_wavelets((9, 8, 7), scales=2, colours=2, channels=2, widths=(5,), seed=2),
        "smallest.tnr": random_wavelets((1, 1), scales=1, colours=1, channels=1, widths=(1,), frequencies=1, seed=3),
    }
    files = {name: _in_growing_steps(parameters) for name, parameters in networks.items()}
    return files | {"places.tnr": _in_growing_steps(_large_latents(random_wavelets((48, 48), colours=1, channels=1)))}


def tiled_files() -> dict[str, bytes]:
    """Small files of signals in tiles."""
    signals = {
        "picture.tnr": random_tiles((21, 15), (12, 8), (4, 3)),
        "line.tnr": random_tiles((121,), (50,), (50,), colours=1, channels=1, seed=10),
        "volume.tnr": random_tiles((6, 4, 7), (3, 9, 4), (2, 0, 1), colours=1, seed=20),
        "axes.tnr": random_tiles((3, 2, 4, 2), (2, 2, 2, 1), (0, 0, 2, 1), colours=1, channels=1, seed=30),
        "one.tnr": random_tiles((7, 9), (8, 9), (0, 5), seed=40),
    }
    files = {}
    for name, parameters in signals.items():
        steps = tuple(2.0**-7 * 1.1 ** (n % 9) for n in range(parameters.grid.tiles * len(parameters.first.tensors())))
        files[name] = encode(Representation(parameters=parameters, grid_shape=parameters.grid.shape), steps)
    return files


def _large_latents(parameters: WaveletParameters) -> WaveletParameters:
    """Four bytes each: a file of few latents with places to stop, which only large files have."""
    random = np.random.default_rng(5)
    latents = (random.integers(-(1 << 29), 1 << 29, codes.shape).astype("i4") for codes in parameters.latents)
    return replace(parameters, latents=tuple(latents))


def files_of_all_kinds() -> dict[str, bytes]:
    """One small file of every kind of signal but pictures, with all that its metadata can say."""
    files = {}
    field = Signal(values=np.zeros((5, 6, 7, 1), np.float32), kind=SignalKind.DISTANCE, details=DISTANCES)
    for number, (name, signal) in enumerate((SIGNALS | {"mesh": field}).items()):
        if name == "image":
            continue
        parameters = random_parameters(
            dimensions=len(signal.grid_shape), channels=signal.channels, reach=20 if name == "sound" else 3, seed=number
        )
        files[f"{name}.tnr"] = _of_signal(parameters, signal)
    clip = SIGNALS["video"]
    times = VideoDetails(rate=(250, 21), tick=(1, 600), intervals=(20, 25, 30, 1, 176))
    parameters = random_parameters(dimensions=3, reach=3, seed=20)
    files["uneven.tnr"] = _of_signal(parameters, replace(clip, details=times))
    parameters = random_parameters(dimensions=1, channels=2 * 3, reach=20, seed=21)
    files["windows.tnr"] = _of_signal(parameters, SIGNALS["sound"])
    return files


def _of_signal(parameters: SineParameters, signal: Signal) -> bytes:
    representation = replace(Representation.of(parameters, signal), report={"trainer": "none", "psnr_db": 12.5})
    return encode(representation, _steps(representation))


# What each folder of golden files was made by.
FAMILIES = {
    "v1": golden_files,
    "v1-scaled": scaled_files,
    "v1-kinds": files_of_all_kinds,
    "v1-core": wavelet_files,
    "v1-tiles": tiled_files,
}


def small_files(*families: str) -> list[bytes]:
    """The files of these families, or of all, in one order: what hostile files are made of."""
    return sorted(path.read_bytes() for family in families or FAMILIES for path in (HERE / family).glob("*.tnr"))


def fingerprint(data: bytes) -> str:
    """SHA-256 of the integers of a file, and of the steps and the period that give them their meaning."""
    return _fingerprint(decode_integers(data))


def _fingerprint(network: QuantisedNetwork | QuantisedWavelets | QuantisedTiles) -> str:
    if isinstance(network, QuantisedTiles):
        grid = network.grid
        tiles = [_fingerprint(network.tiles.integers(number)) for number in range(grid.tiles)]
        return hashlib.sha256(json.dumps([grid.strides, grid.overlaps, tiles]).encode()).hexdigest()
    digest = hashlib.sha256(json.dumps([network.period, network.steps]).encode())
    latents = network.latents if isinstance(network, QuantisedWavelets) else ()
    for integers in (network.frequencies, *network.integers, *latents):
        digest.update(str(integers.shape).encode())
        digest.update(integers.astype("<i4").tobytes())
    return digest.hexdigest()


def make(folder: Path, files: dict[str, bytes]) -> None:
    """Write files and their fingerprints to a folder that does not exist yet."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    fingerprints = {name: fingerprint(data) for name, data in files.items()}
    (folder / "fingerprints.json").write_text(json.dumps(fingerprints, indent=2) + "\n", encoding="utf-8")


def _encoded(
    parameters: SineParameters, shape: tuple[int, ...], sample_format: SampleFormat = SampleFormat.U8
) -> bytes:
    representation = Representation(parameters=parameters, grid_shape=shape, sample_format=sample_format)
    return encode(representation, _steps(representation))


def _row_steps(parameters: SineParameters, base: float) -> Steps:
    """Of a bias those of its weights; the first row has the shortest."""
    outputs = [len(layer.bias) for layer in parameters.hidden] + [parameters.channels]
    rows = [len(parameters.phases), *(width for width in outputs for _ in range(2))]
    return tuple(row_steps(base, np.arange(width, dtype=np.int32) * 5 % 8) for width in rows)


def _steps(representation: Representation) -> tuple[float, ...]:
    return tuple(2.0**-7 * 1.1**number for number in range(len(tensors(representation.sine_parameters))))


if __name__ == "__main__":
    make(HERE / sys.argv[2], FAMILIES[sys.argv[1]]())
