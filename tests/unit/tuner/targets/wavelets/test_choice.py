"""Networks with wavelets are chosen where they suit, and refused with advice where they cannot be had."""

from math import prod

import numpy as np
import pytest

from tests.unit.tuner.targets.cases import wavelets
from tuner.errors import ConfigError
from tuner.fit.presets import Effort
from tuner.fit.wavelets.config import WaveletConfig
from tuner.signal.signal import Signal
from tuner.targets.ask import NetworkKind, SinesAsk, TilesAsk
from tuner.targets.estimate import ask_from, estimate
from tuner.targets.request import ask_for
from tuner.targets.target import Target, TargetKind
from tuner.targets.wavelets.choice import wavelets_for


@pytest.mark.parametrize(
    ("shape", "target", "chosen"),
    [
        ((512, 512), {"bytes": 20_000}, True),
        ((512, 512), {"bits_per_sample": 0.5}, True),
        ((512, 512), {"psnr_db": 32.0}, True),
        ((512, 512), {"bytes": 600}, True),
        ((512, 512), {"bits_per_sample": 9.0}, True),
        ((512, 512), {"psnr_db": 60.0}, True),
        ((512, 512), {"seconds": 5.0}, True),
        ((512, 512), {"max_error": 0.1}, False),
        ((512, 512), None, True),
        ((24, 40), {"psnr_db": 30.0}, True),
        ((24, 40), None, True),
    ],
    ids=str,
)
def test_what_suits_is_chosen_where_nobody_has(
    shape: tuple[int, int], target: dict[str, float] | None, chosen: bool
) -> None:
    request = {"samples": shape[0] * shape[1], "grid_shape": shape, "channels": 3, "effort": "fast", "target": target}
    made, _ = ask_from(request | {"network_kind": None})
    assert (made.kind is NetworkKind.WAVELETS) is chosen
    refused = {"max_error"} & set(target or ())
    assert ask_from(request | {"network_kind": "sines"})[0].kind is NetworkKind.SINES
    if not refused:
        assert ask_from(request | {"network_kind": "wavelets"})[0].kind is NetworkKind.WAVELETS


@pytest.mark.parametrize(
    ("kind", "shape", "target", "chosen"),
    [
        ("audio", (40_000,), {"bytes": 4000}, True),
        ("audio", (40_000,), {"bytes": 16_000}, True),
        ("audio", (1000,), {"bytes": 1200}, True),
        ("volume", (40, 40, 40), {"bytes": 2000}, True),
        ("volume", (40, 40, 40), {"bytes": 900}, True),
        ("volume", (40, 40, 40), {"bits_per_sample": 7.0}, True),
        ("volume", (40, 40, 40), {"psnr_db": 55.0}, True),
        ("volume", (40, 40, 40), {"psnr_db": 65.0}, True),
        ("volume", (20, 20, 20, 20), {"psnr_db": 40.0}, False),
        ("volume", (500, 400, 80), {"psnr_db": 40.0}, True),
        ("video", (16, 64, 48), {"bytes": 2500}, True),
        ("sdf", (48, 48, 48), {"psnr_db": 40.0}, True),
        ("sdf", (48, 48, 48), {"max_error": 0.01}, False),
        ("sdf", (48, 48, 48), {"seconds": 5.0}, True),
        ("sdf", (48, 48, 48), None, True),
        ("array", (60, 50), {"psnr_db": 45.0}, True),
        ("array", (12, 12), {"psnr_db": 30.0}, True),
    ],
    ids=str,
)
def test_what_suits_other_kinds(
    kind: str, shape: tuple[int, ...], target: dict[str, float] | None, chosen: bool
) -> None:
    request = {"kind": kind, "samples": prod(shape), "grid_shape": shape, "channels": 1, "effort": "balanced"}
    made, forecast = ask_from(request | {"target": target, "network_kind": None})
    assert (made.kind is NetworkKind.WAVELETS) is chosen
    if chosen and "bytes" in (target or {}):
        assert 18.0 < (estimate(made, forecast).psnr_db or 0.0) < 60.0


@pytest.mark.parametrize("kind", ["image", "audio", "volume", "video", "sdf", "array"])
def test_no_target_has_a_threshold(kind: str) -> None:
    """Once, a file of some more bytes, or of a higher quality, was one of sines, and 15 dB worse."""
    shape = {"audio": (3000,), "volume": (12, 14, 16), "video": (6, 20, 24), "sdf": (16, 16, 16)}.get(kind, (48, 50))
    request = {"kind": kind, "samples": prod(shape), "grid_shape": shape, "channels": 1, "effort": "fast"}
    for name, values in {"bytes": (100, 900, 1100, 2100, 9000), "psnr_db": (20, 47, 49, 57, 120)}.items():
        for value in values:
            assert ask_from(request | {"target": {name: value}})[0].kind is NetworkKind.WAVELETS


def test_a_largest_error_is_refused_with_advice() -> None:
    with pytest.raises(ConfigError, match="'sines'"):
        wavelets("max_error", 0.1)


def test_what_is_too_large_for_one_network_is_cut_into_tiles() -> None:
    large, target = Signal(values=np.broadcast_to(np.float32(0.5), (3000, 2500, 3))), Target(TargetKind.BYTES, 10**6)
    for kind in (None, "wavelets"):
        assert isinstance(ask_for(large, "fast", target, kind=kind), TilesAsk)
    assert isinstance(ask_for(large, "fast", target, kind="sines"), SinesAsk)


@pytest.mark.parametrize("both", [{}, {"bits_per_sample": 1.0, "psnr_db": 30.0}], ids=["neither", "both"])
def test_a_fit_aims_at_one_thing(both: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="exactly one"):
        WaveletConfig(**both)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "target", "asked", "expected"),
    [
        ((64, 64), Target(TargetKind.PSNR_DB, 30.0), None, 15),
        ((128, 128), Target(TargetKind.PSNR_DB, 30.0), None, 15),
        ((128, 129), Target(TargetKind.PSNR_DB, 30.0), None, 30),
        ((64, 64), Target(TargetKind.PSNR_DB, 30.0), 30, 30),
        ((64, 64), Target(TargetKind.BYTES, 1000), None, 30),
        ((4096,), Target(TargetKind.PSNR_DB, 30.0), None, 30),
    ],
)
def test_a_small_picture_takes_half_the_steps_to_a_quality(
    shape: tuple[int, ...], target: Target, asked: int | None, expected: int
) -> None:
    signal = Signal(values=np.zeros((*shape, 3), dtype=np.float32))
    assert wavelets_for(signal, Effort.BALANCED, target, steps=asked).steps == expected
