"""What a decoder knows of a latent's neighbours, in the order in which it comes to know it."""

from itertools import product

import pytest

from tuner.network.wavelets.contexts import coding_order, known_neighbours, neighbour_share, parent_count


def test_passes_of_a_picture() -> None:
    assert coding_order(2) == [(0, 0), (1, 1), (0, 1), (1, 0)]
    assert known_neighbours((0, 0)) == []
    assert known_neighbours((1, 1)) == [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    assert known_neighbours((1, 0)) == [offset for offset in product((-1, 0, 1), repeat=2) if any(offset)]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_last_pass_knows_everything_around(dimensions: int) -> None:
    order = coding_order(dimensions)
    assert sorted(order) == sorted(product((0, 1), repeat=dimensions))
    assert not any(order[0])
    for before, parity in enumerate(order):
        for offset in known_neighbours(parity):
            assert tuple((bit + step) % 2 for bit, step in zip(parity, offset, strict=True)) in order[:before]
    assert len(known_neighbours(order[-1])) == 3**dimensions - 1


def test_neighbours_along_an_edge_say_most() -> None:
    """Orientation 1 of a picture is high-pass along the columns, so that its edges run along the rows."""
    along, across = neighbour_share((1, 0), 1), neighbour_share((0, 1), 1)
    assert along > across
    assert (neighbour_share((1, 0), 2), neighbour_share((0, 1), 2)) == (across, along)
    assert neighbour_share((1, 0), 3) == neighbour_share((0, -1), 3)
    assert neighbour_share((1, 0), 0) == neighbour_share((0, 1), 0)
    assert neighbour_share((1, 1), 1) < across


def test_what_the_coarser_scale_counts() -> None:
    assert [parent_count(dimensions) for dimensions in (1, 2, 3)] == [12, 24, 60]
