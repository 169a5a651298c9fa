"""Sums of wavelets over tiles reach any samples, and hardly disturb one another."""

import numpy as np
import pytest
import torch

from tests.unit.tuner.fit.wavelets.cases import summed
from tuner.fit.wavelets.subbands import Subbands
from tuner.network.wavelets.layout import Layout


@pytest.mark.parametrize(
    ("shape", "scales"), [((101,), 3), ((37, 50), 3), ((9, 8, 7), 2), ((1, 5), 1)], ids=["1-D", "2-D", "3-D", "a row"]
)
def test_wavelets_reproduce_any_samples(shape: tuple[int, ...], scales: int) -> None:
    subbands = Subbands(Layout(shape, scales, 2), 5)
    values = torch.randn(2, int(np.prod(shape)), generator=torch.Generator().manual_seed(0))
    codes = subbands.analyse(values, 60)
    assert [tuple(code.shape) for code in codes] == [tuple(zeros.shape) for zeros in subbands.zeros()]
    torch.testing.assert_close(summed(subbands, codes, shape), values, atol=1e-4, rtol=0.0)


def test_wavelets_are_nearly_orthonormal() -> None:
    subbands = Subbands(Layout((64, 48), 3, 1), 8)
    random = torch.Generator().manual_seed(1)
    codes = [torch.randn(zeros.shape, generator=random) for zeros in subbands.zeros()]
    energy = sum(float(code.square().sum()) for code in codes)
    assert float(summed(subbands, codes, (64, 48)).square().sum()) == pytest.approx(energy, rel=0.1)
    one = [torch.zeros_like(code) for code in codes]
    for level, code in enumerate(one):
        code[0, code.shape[1] // 2, code.shape[2] // 2] = 1.0
        found = float(summed(subbands, one, (64, 48)).square().sum())
        code.zero_()
        assert found == pytest.approx(1.0, abs=0.35), level


def test_transposed_sums_are_the_adjoint() -> None:
    shape = (21, 18)
    subbands = Subbands(Layout(shape, 2, 2), 5)
    random = torch.Generator().manual_seed(2)
    codes = [torch.randn(zeros.shape, generator=random) for zeros in subbands.zeros()]
    values = torch.randn(2, 21 * 18, generator=random)
    forth = float((summed(subbands, codes, shape) * values).sum())
    spans, tiles = subbands.all_nodes(), range(0, 21, 5)
    totals = subbands.spread_zeros(spans)
    for number, start in enumerate(tiles):
        tile = values[:, start * 18 : min(start + 5, 21) * 18].repeat(subbands.layout.field_channels // 2, 1)
        subbands.add_transposed(number, tile, totals, spans)
    back = subbands.gather(totals)
    assert sum(float((a * b).sum()) for a, b in zip(codes, back, strict=True)) == pytest.approx(forth, rel=1e-4)
