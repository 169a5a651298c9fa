"""Make the folder `conformance/`, by which any decoder can be tried: `python -m tests.golden.conformance`.

Files that the format is held by already stay where they are, in `tests/golden/`, and the index names them there. All
others are made here, each from a few random numbers or by hand, so that the folder is the same on every run.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.golden.make import DISTANCES, FAMILIES
from tests.hostile.lies import LIES
from tests.networks import random_parameters
from tests.signals import AFFINE
from tests.wavelets import random_wavelets
from tuner.codec.beginning import decode_beginning
from tuner.codec.decode import decode, decode_integers
from tuner.codec.encode import encode
from tuner.codec.file.cbor import pack_cbor, unpack_cbor
from tuner.codec.file.container import Chunk, ChunkType, read_container
from tuner.codec.file.header import Header, checksum, pack_header
from tuner.codec.file.primitives import pack_varint
from tuner.codec.limits import DecodeLimits
from tuner.codec.sines.quantise import QuantisedNetwork, row_steps, tensors
from tuner.codec.tiles.chunk import QuantisedTiles
from tuner.codec.wavelets.chunk import QuantisedWavelets, pack_wavelets
from tuner.errors import LimitExceeded
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.windows import WindowedParameters
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.representation import Representation
from tuner.signal.details import AudioDetails, Details, VideoDetails, VolumeDetails
from tuner.signal.samples import SampleFormat, Scaling, Storage
from tuner.signal.signal import SignalKind

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "conformance"
GOLDEN = "../tests/golden"

# Values of these files swing so fast that only the same arithmetic gives the same values; their integers are held.
ONLY_INTEGERS = frozenset({"v1-core-places"})
SAMPLES = 3  # number of the points that are samples; they come first
SCALINGS = {
    SampleFormat.U8: Scaling(200.0, 20.0),
    SampleFormat.S24: Scaling(1e6, -5e5),
    SampleFormat.F16: Scaling(12.0, -3.0),
    SampleFormat.U64: Scaling(1e12, 7.0),
    SampleFormat.F64: Scaling(2.5, -1.25),
}


def made_files() -> dict[str, bytes]:
    """Valid files that `tests/golden/` does not have, by name."""
    files = {f"samples-{each}": _sines((5, 4), sample_format=each, seed=40 + n) for n, each in enumerate(SampleFormat)}
    for number, (each, scaling) in enumerate(SCALINGS.items()):
        files[f"scaled-{each}"] = _sines((5, 4), sample_format=each, scaling=scaling, seed=60 + number)
    volume = VolumeDetails(affine=AFFINE, space_unit="mm", time_unit="s", time_step=2.5, codes=(1, 1))
    kinds: dict[str, tuple[SignalKind, tuple[int, ...], int, SampleFormat, Details | None]] = {
        "grey": (SignalKind.IMAGE, (11, 9), 1, SampleFormat.U8, None),
        "grey-alpha": (SignalKind.IMAGE, (9, 11), 2, SampleFormat.U8, None),
        "colour-alpha": (SignalKind.IMAGE, (13, 10), 4, SampleFormat.U16, None),
        "sound": (SignalKind.AUDIO, (200,), 2, SampleFormat.S16, AudioDetails(sample_rate=44100)),
        "volume": (SignalKind.VOLUME, (6, 5, 7), 1, SampleFormat.S16, volume),
        "volume-in-time": (SignalKind.VOLUME, (4, 3, 4, 3), 1, SampleFormat.F32, volume),
        "video": (SignalKind.VIDEO, (4, 6, 8), 3, SampleFormat.U8, VideoDetails(rate=(24000, 1001))),
        "sdf": (SignalKind.DISTANCE, (6, 6, 5), 1, SampleFormat.F32, DISTANCES),
        "array": (SignalKind.ARRAY, (3, 4, 2, 3), 2, SampleFormat.F64, None),
    }
    for number, (name, (kind, shape, channels, stored, details)) in enumerate(kinds.items()):
        network = random_wavelets(
            shape, scales=2, colours=min(channels, 3), channels=channels, widths=(5,), seed=80 + number
        )
        stretched = Scaling(3000.0, -1000.0) if name == "volume" else None
        made = Representation(
            parameters=network, grid_shape=shape, kind=kind, sample_format=stored, details=details, scaling=stretched
        )
        files[f"wavelets-{name}"] = _encoded(made)
    return files | _windows() | _containers()


def _windows() -> dict[str, bytes]:
    """A line of three windows, the last of which is short, with a step for every row."""
    network = random_parameters(dimensions=1, channels=3, reach=20, seed=30)
    parameters = WindowedParameters(network=network, samples=100, windows=3, window=40)
    rows = [len(tensor) for tensor in tensors(network)]
    steps = tuple(row_steps(2.0**-7, np.arange(row, dtype=np.int32) * 5 % 8) for row in rows)
    made = Representation(
        parameters=parameters,
        grid_shape=(100,),
        kind=SignalKind.AUDIO,
        sample_format=SampleFormat.S24,
        details=AudioDetails(sample_rate=8000),
    )
    return {"windows-rows": encode(made, steps)}


def _containers() -> dict[str, bytes]:
    """What a reader must read past: a later minor version, unknown chunks and keys, another order of chunks."""
    header, network = _parts(_sines((4, 3), seed=70))
    profile = Chunk(ChunkType.ICC_PROFILE, bytes(range(40)))
    metadata = pack_cbor({"offset": 0.0, "report": {"words": "a text", "number": 3}, "scale": 255.0, "unheard-of": [1]})
    behind = [*network, profile, Chunk(ChunkType.METADATA, metadata)]
    files = {
        "minor-version": _joined(header, network, minor=9),
        "skipped-chunks": _joined(header, [Chunk(0x80, b""), *network, Chunk(0xFF, b"anything")]),
        "metadata-behind": _joined(header, behind),
        "metadata-empty": _joined(header, [Chunk(ChunkType.METADATA, pack_cbor({})), *network]),
    }
    signal = Representation(parameters=random_wavelets((24, 19), colours=1, widths=(7,), seed=90), grid_shape=(24, 19))
    data = _encoded(signal)
    header, (chunk,) = _parts(data)
    integers = decode_integers(data)
    assert isinstance(integers, QuantisedWavelets)
    payload, ends = pack_wavelets(integers)
    assert payload == chunk.payload
    return files | {"beginnings": _joined(header, [Chunk(ChunkType.PREFIXES, _places(payload, ends[:-1])), chunk])}


def _places(payload: bytes, ends: tuple[int, ...]) -> bytes:
    """Every place there can be; the library's own encoder names few, and none in a file so small."""
    packed, before = bytes([len(ends)]), 0
    for end in ends:
        packed += pack_varint(end - before) + checksum(payload[:end])
        before = end
    return packed


def _sines(
    shape: tuple[int, ...], *, sample_format: SampleFormat = SampleFormat.U8, scaling: Scaling | None = None, seed: int
) -> bytes:
    parameters = random_parameters(frequencies=4, hidden=(5,), channels=1, reach=2, seed=seed)
    return _encoded(
        Representation(parameters=parameters, grid_shape=shape, sample_format=sample_format, scaling=scaling)
    )


def _encoded(made: Representation) -> bytes:
    parameters = made.parameters
    if isinstance(parameters, SineParameters):
        count = len(tensors(parameters))
    else:
        assert isinstance(parameters, WaveletParameters)
        count = len(parameters.tensors())
    return encode(made, tuple(2.0**-7 * 1.1**number for number in range(count)))


def _parts(data: bytes) -> tuple[Header, list[Chunk]]:
    header, payloads = read_container(data, DecodeLimits())
    return header, [Chunk(kind, payload) for kind, payload in payloads.items()]


def _joined(header: Header, chunks: list[Chunk], minor: int = 0) -> bytes:
    """A file of these chunks in this order, which need not be that of the library."""
    head = bytearray(pack_header(replace(header, chunks=len(chunks)))[:-4])
    head[5] = minor
    data = bytes(head) + checksum(bytes(head))
    for chunk in chunks:
        packed = bytes([chunk.type]) + pack_varint(len(chunk.payload)) + chunk.payload
        data += packed + checksum(packed)
    return data


def _late_lies() -> Iterator[tuple[str, bytes, str]]:
    """Files with one thing wrong that the collection of lies does not have: metadata and places to stop."""
    header, network = _parts(_sines((4, 3), seed=70))
    wrong = {
        "metadata that are no map": (pack_cbor([1]), "metadata are one CBOR map"),
        "metadata cut short": (pack_cbor({"scale": 2.0})[:-1], "metadata are one CBOR map, whole"),
        "bytes behind the metadata": (pack_cbor({}) + b"\0", "metadata are one CBOR map and nothing else"),
        "a scale of zero": (pack_cbor({"offset": 0.0, "scale": 0.0}), "scale is above 0"),
        "an offset that is a text": (pack_cbor({"offset": "1", "scale": 1.0}), "scale and offset are numbers"),
        "an offset without a scale": (pack_cbor({"offset": 1.0}), "an offset stands beside a scale"),
        "keys out of order": (b"\xa2\x61b\x01\x61a\x01", "CBOR in its deterministic encoding: keys in order"),
        "a key that occurs twice": (b"\xa2\x61a\x01\x61a\x01", "CBOR in its deterministic encoding: no key twice"),
        "a number in a long form": (b"\xa1\x61a\x18\x01", "CBOR in its deterministic encoding: shortest numbers"),
        "a map of unknown length": (b"\xbf\xff", "CBOR in its deterministic encoding: known lengths"),
        "metadata nested nine deep": (b"\xa1\x61a" + 9 * b"\x81" + b"\x01", "nested at most 8 deep"),
        "a text that is no UTF-8": (b"\xa1\x61\xff\x01", "texts are UTF-8"),
        "details that are no map": (pack_cbor({"details": 1}), "details are a map"),
        "a report that is no map": (pack_cbor({"report": 1}), "report is a map"),
    }
    for name, (payload, rule) in wrong.items():
        yield name, _joined(header, [Chunk(ChunkType.METADATA, payload), *network]), rule
    sound = replace(header, kind=SignalKind.AUDIO)
    empty = Chunk(ChunkType.METADATA, pack_cbor({"details": {}}))
    yield "a sound without sample rate", _joined(sound, [empty, *network]), "sample_rate is refused if absent"
    header, chunks = _parts(made_beginnings())
    network_chunk = next(chunk for chunk in chunks if chunk.type == ChunkType.WAVELETS)
    places = next(chunk.payload for chunk in chunks if chunk.type == ChunkType.PREFIXES)
    for name, payload, rule in (
        ("no place to stop", b"\0", "at least one place"),
        ("bytes behind the last place", places + b"\0", "as many places as are said, and nothing else"),
        ("a place that is missing", places[:-5], "as many places as are said"),
        ("a place with another checksum", places[:-1] + bytes([places[-1] ^ 1]), "checksum of a place"),
    ):
        yield name, _joined(header, [Chunk(ChunkType.PREFIXES, payload), network_chunk]), rule


def made_beginnings() -> bytes:
    """The valid file with every place to stop."""
    return _containers()["beginnings"]


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that a decoder must refuse.

    Attributes:
        data: bytes of the file.
        code: code of the library's error: what is wrong, in a word.
        rule: what of the format it breaks, in words.
    """

    data: bytes
    code: str
    rule: str


def refused_files() -> dict[str, Refused]:
    """Files that break one rule each, by name."""
    found = {name: Refused(data, error.code, message) for name, (data, error, message) in LIES.items()}
    return found | {name: Refused(data, "corrupt_file", rule) for name, data, rule in _late_lies()}


def valid_files() -> dict[str, tuple[str, bytes]]:
    """Path from the folder, and bytes, of every valid file, by name."""
    kept = {
        f"{family}-{name.removesuffix('.tnr')}": (
            f"{GOLDEN}/{family}/{name}",
            (Path(__file__).parent / family / name).read_bytes(),
        )
        for family in FAMILIES
        for name in sorted(path.name for path in (Path(__file__).parent / family).glob("*.tnr"))
    }
    return kept | {name: (f"valid/{name}.tnr", data) for name, data in made_files().items()}


def integers_of(data: bytes) -> Iterator[tuple[str, list[float], NDArray[np.int32]]]:
    """Name, steps and integers of every tensor of a file, in the order of the digest; latents have no step."""
    yield from _integers(decode_integers(data), "")


def _integers(
    network: QuantisedNetwork | QuantisedWavelets | QuantisedTiles, before: str
) -> Iterator[tuple[str, list[float], NDArray[np.int32]]]:
    if isinstance(network, QuantisedTiles):
        for number in range(network.grid.tiles):
            yield from _integers(network.tiles.integers(number), f"tile {number}: ")
        return
    yield f"{before}frequencies", [], network.frequencies
    if isinstance(network, QuantisedWavelets):
        layers = (len(network.integers) - 6) // 2
        deeper = [f"layer {n + 2} {part}" for n in range(layers) for part in ("weight", "bias")]
        names = ["sine weight", "input weight", "layer 1 bias", *deeper, "skip", "readout weight", "readout bias"]
    else:
        layers = (len(network.integers) - 3) // 2
        deeper = [f"layer {n + 1} {part}" for n in range(layers) for part in ("weight", "bias")]
        names = ["phases", *deeper, "readout weight", "readout bias"]
    for name, step, tensor in zip(names, network.steps, network.integers, strict=True):
        yield f"{before}{name}", list(step) if isinstance(step, tuple) else [step], tensor
    if isinstance(network, QuantisedWavelets):
        yield f"{before}exponents", [], np.array(network.exponents, np.int32)
        for level, latents in enumerate(network.latents):
            yield f"{before}latents of level {level}", [], latents


def expected_of(name: str, data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What a decoder must find in a file, and arrays of samples that it must write, by the ends of their names."""
    header, payloads = read_container(data, DecodeLimits())
    representation = decode(data)
    integers = list(integers_of(data))
    weights = [
        (each * np.array(steps).reshape(-1, *(each.ndim - 1) * [1])).astype("<f4")
        for _, steps, each in integers
        if steps
    ]
    metadata = unpack_cbor(payloads[ChunkType.METADATA]) if ChunkType.METADATA in payloads else {}
    found: dict[str, Any] = {
        "header": {
            "kind": str(header.kind),
            "sample_format": str(header.sample_format),
            "shape": list(header.shape),
            "channels": header.channels,
            "period": header.period,
            "frequencies": header.frequencies,
            "widths": list(header.widths),
        },
        "chunks": [f"{kind:02x}" for kind in payloads],
        "metadata": {key: _plain(value) for key, value in metadata.items() if key != "unheard-of"},
        "digests": {
            "integers": _digest(each.astype("<i4") for _, _, each in integers),
            "frequencies": _digest(each.astype("<i4") for label, _, each in integers if label.endswith("frequencies")),
            "weights": _digest(weights),
            "latents": _digest(each.astype("<i4") for label, _, each in integers if "latents" in label),
        },
        "integers": [
            {"name": label, "steps": steps, "shape": list(each.shape), "values": each.reshape(-1).tolist()}
            for label, steps, each in integers
        ],
    }
    profile = payloads.get(ChunkType.ICC_PROFILE)
    if profile is not None:
        found["profile"] = hashlib.sha256(profile).hexdigest()
    arrays: dict[str, NDArray[Any]] = {}
    if name in ONLY_INTEGERS:
        return found, arrays
    arrays[""] = _samples(representation)
    found["sample_tolerance"] = tolerance_of(representation, arrays[""])
    points = _points(representation.grid_shape)
    has_sides = not isinstance(representation.parameters, SineParameters | WindowedParameters)
    values, gradients = representation.at(points), representation.gradient(points)
    found["points"] = {
        "at": _rounded(points),
        "values": _rounded(values),
        # Inputs of wavelets are moved within the outermost samples: at samples beside these a gradient has two sides.
        "gradients": [None if has_sides and n < SAMPLES else each for n, each in enumerate(_rounded(gradients))],
        "value_tolerance": 1e-4 * max(1.0, round(float(np.abs(values).max()))),
        "gradient_tolerance": 1e-3 * max(1.0, round(float(np.abs(gradients).max()))),
    }
    if name == "beginnings":
        found["beginnings"] = []
        places = _ends(data)
        for missing, end in places:
            beginning = decode_beginning(data[:end])
            assert beginning.missing_levels == missing
            arrays[f"-first-{end}-bytes"] = _samples(beginning.representation)
            found["beginnings"].append({"bytes": end, "missing_levels": missing})
    return found, arrays


def _digest(arrays: Iterable[NDArray[Any]]) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def _ends(data: bytes) -> list[tuple[int, int]]:
    from tuner.codec.wavelets.prefixes import unpack_prefixes

    _, payloads = read_container(data, DecodeLimits())
    start = data.index(payloads[ChunkType.WAVELETS])
    prefixes = unpack_prefixes(payloads[ChunkType.PREFIXES])
    return [(prefix.missing_levels, start + prefix.byte_count) for prefix in prefixes]


def _samples(representation: Representation) -> NDArray[Any]:
    whole = [(0, count) for count in representation.grid_shape]
    values = representation.crop(whole).values
    return Storage(representation.sample_format, representation.scaling).to_samples(values)


def tolerance_of(representation: Representation, samples: NDArray[Any]) -> float:
    """Largest difference that a written sample may have: 1 with 8 and 16 bits, else a share of the scale."""
    stored = representation.sample_format
    scale = Storage(stored, representation.scaling).effective.scale
    if stored is SampleFormat.F16:
        return 2.0**-9 * max(1.0, float(np.abs(samples).max()))
    share = 1e-4 * scale * max(1.0, float(np.abs(samples).max()) / scale if not stored.is_integer else 1.0)
    return float(
        f"{max(1.0, share) if stored.is_integer and stored.bits > 16 else 1.0 if stored.is_integer else share:.3g}"
    )


def _points(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The first, a middle and the last sample, and places between samples that no tile's edge goes through."""
    samples = [[(2 * int(share * count) + 1) / count - 1 for count in shape] for share in (0.0, 0.4, 0.99)]
    between = [[-0.37 + 0.11 * axis for axis in range(len(shape))], [0.613 - 0.17 * axis for axis in range(len(shape))]]
    return np.array(samples + between, np.float32)


def _rounded(array: NDArray[np.float32]) -> Any:
    """Seven digits: as many as the tolerance can use, and the same on every machine but for the last of them."""
    return [float(f"{number:.7g}") for number in array] if array.ndim == 1 else [_rounded(row) for row in array]


def _plain(value: Any) -> Any:
    """A value of the metadata as JSON has it, bytes in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def folder_files() -> dict[str, bytes]:
    """All files of the folder that are made, by their paths in it."""
    files: dict[str, bytes] = {}
    index: dict[str, Any] = {"format": "1.0", "valid": [], "invalid": [], "excessive": []}
    for name, (path, data) in valid_files().items():
        expected, arrays = expected_of(name, data)
        if not path.startswith(GOLDEN):
            files[path] = data
        for end, samples in arrays.items():
            file = BytesIO()
            np.save(file, samples, allow_pickle=False)
            files[f"expected/{name}{end}.npy"] = file.getvalue()
        files[f"expected/{name}.json"] = _json(expected)
        index["valid"].append(
            {
                "name": name,
                "file": path,
                "sha256": hashlib.sha256(data).hexdigest(),
                "expected": f"expected/{name}.json",
            }
            | ({"samples": f"expected/{name}.npy"} if "" in arrays else {})
        )
    for name, refused in refused_files().items():
        path = f"invalid/{name.replace(',', '').replace(' ', '-')}.tnr"
        files[path] = refused.data
        entry = {"name": name, "file": path, "code": refused.code, "reason": refused.rule}
        index["excessive" if refused.code == LimitExceeded.code else "invalid"].append(entry)
    return files | {"index.json": _json(index)}


def _json(value: Mapping[str, Any]) -> bytes:
    """Every entry, and every entry of a list of maps, on a line of its own."""
    lines = []
    for key, entry in value.items():
        packed = json.dumps(entry)
        if isinstance(entry, list) and entry and isinstance(entry[0], dict):
            packed = "[\n  " + ",\n  ".join(json.dumps(each) for each in entry) + "\n ]"
        lines.append(f" {json.dumps(key)}: {packed}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def write(folder: Path) -> int:
    """Write the folder anew, all but its page; returns the number of bytes."""
    for part in ("valid", "expected", "invalid"):
        shutil.rmtree(folder / part, ignore_errors=True)
    files = folder_files()
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return sum(map(len, files.values()))


if __name__ == "__main__":
    sys.stdout.write(f"{write(FOLDER)} bytes in {FOLDER.name}/\n")
