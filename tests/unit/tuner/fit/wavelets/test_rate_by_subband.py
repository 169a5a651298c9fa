"""What a latent costs depends on what is around it, and it changes what those around it cost."""

from math import log2

import pytest
import torch

from tuner.fit.wavelets.rate.by_subband import LatentRate
from tuner.fit.wavelets.rate.costs import Costs
from tuner.fit.wavelets.rate.weights import made_coarse
from tuner.network.wavelets.layout import Layout


def test_lonely_latents_cost_more_bits_than_crowds() -> None:
    shapes = [(1, 10, 10), (3, 10, 10), (3, 20, 20)]
    crowd, lonely = ([torch.zeros(shape) for shape in shapes] for _ in range(2))
    crowd[2][0, :3, :3] = 3.0
    lonely[2][0, 2::7, 2::7] = 3.0
    assert crowd[2].count_nonzero() == lonely[2].count_nonzero()
    bits, costs = zip(*(LatentRate(Layout((40, 40), 2, 1)).costs(codes) for codes in (crowd, lonely)), strict=True)
    assert bits[0] < 0.8 * bits[1]
    beside, far = costs[0][2], costs[1][2]
    assert float(beside.one[0, 1, 1]) < float(far.one[0, 5, 5])


def test_an_unlikely_sign_costs_more_than_a_likely_one() -> None:
    zero, one, more = torch.tensor([0.5]), torch.tensor([3.0]), torch.tensor([2.0])
    costs = Costs(zero=zero, one=one, more=more, lean=torch.tensor([1.5]), others=0.0 * zero)
    bits = [float(costs.of(torch.tensor([value]))) for value in (-3.0, -1.0, 0.0, 1.0, 3.0)]
    assert bits[2] == 0.5
    assert bits[0] - bits[1] == pytest.approx(4.0) == bits[4] - bits[3]
    # Both signs together are as likely as a magnitude whose sign nothing is known of.
    assert log2(2.0 ** -bits[1] + 2.0 ** -bits[3]) == pytest.approx(1.0 - 3.0)


@pytest.mark.parametrize("shape", [(256,), (48, 64), (16, 20, 24)], ids=["line", "picture", "solid"])
def test_signs_are_learned_from_what_is_around(shape: tuple[int, ...]) -> None:
    layout, random = Layout(shape, 2, 1), torch.Generator().manual_seed(1)
    codes = [torch.zeros(level.shape) for level in layout.levels]
    signs = torch.randint(0, 2, (codes[2].shape[0], *codes[2].shape[1:-1], 1), generator=random) * 2.0 - 1.0
    codes[2] += signs * (torch.rand(codes[2].shape, generator=random) < 0.7)  # alike along the last axis
    lean = LatentRate(layout).costs(codes)[1][2].lean
    before = codes[2][..., :-1]
    known = before.count_nonzero()
    assert int((lean[..., 1:] * before > 0.0).sum()) > 0.9 * int(known)


@pytest.mark.parametrize("shape", [(300,), (72, 56), (20, 18, 22)], ids=["line", "picture", "solid"])
def test_what_a_latent_does_to_the_bits_of_others_is_foreseen(shape: tuple[int, ...]) -> None:
    """The tables of what was there before, at what is expected after it has grown: by a little, so that slopes do."""
    layout, random = Layout(shape, 2, 2), torch.Generator().manual_seed(3)
    codes = [(torch.randn(level.shape, generator=random) * 1.3).round() for level in layout.levels]
    rate, little = LatentRate(layout), 1e-3
    _, costs = rate.costs(codes)
    around, seen = rate._look(codes)
    tables, _ = rate._tables(seen)
    spare = [Costs(*(torch.zeros(level.shape) for _ in range(5))) for level in layout.levels]
    for number, place in ((0, 5), (1, 7), (2, 11)):
        grown = [each.clone() for each in codes]
        line = grown[number].view(-1)
        place += int(line[place:].nonzero()[0])
        line[place] += little * line[place].sign()
        now, _ = rate._look(grown)
        total = 0.0
        for level in layout.levels:
            slopes = rate._fill(around[level.number].frame, seen[level.number], tables, spare[level.number])
            here, above = now[level.number], now[level.number - 1] if level.number > 1 else None
            for kind, each in enumerate(seen[level.number]):
                frame = here.frame
                places = (each.colours * level.orientations + kind) * frame.places + frame.nodes[each.nodes]
                parents = None if above is None else rate._parents_of(above, frame, each.colours, each.nodes, kind)
                _, rows = rate._rows(here, above, places, parents, each.firsts, kind)
                for row in rows[:-1]:
                    made_coarse(row)
                rows[-1] = (rows[:-1].sum(0) > 0.0).float()
                after = torch.cat([some @ rows[:, part] for some, part in zip(each.weights, each.parts, strict=True)])
                known = frame.taken(slopes.view(-1), places)
                total += float((known * (after - each.means))[each.means > 0.0].sum()) / little
        assert float(costs[number].others.view(-1)[place]) == pytest.approx(total, abs=0.05)


@pytest.mark.parametrize("shape", [(301,), (73, 56), (20, 19, 22)], ids=["line", "picture", "solid"])
def test_nodes_with_nothing_around_them_cost_what_is_told_without_looking_at_them(shape: tuple[int, ...]) -> None:
    layout, random = Layout(shape, 2, 3), torch.Generator().manual_seed(4)
    codes = [torch.zeros(level.shape) for level in layout.levels]
    codes[1].view(-1)[::9] = 1.0
    codes[2][1, torch.rand(codes[2][1].shape, generator=random) < 0.02] = -7.0
    rate = LatentRate(layout)
    bits, costs = rate.costs(codes)
    assert bits == pytest.approx(sum(float(cost.of(each).sum()) for cost, each in zip(costs, codes, strict=True)))
    assert rate.bits(codes) == bits
    assert all(bool(row.isfinite().all()) for cost in costs for row in (cost.zero, cost.one, cost.more, cost.others))
