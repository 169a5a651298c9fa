"""Which versions of tiles are chosen: the best ones that all choices together have."""

from itertools import product

import numpy as np
import pytest

from tuner.errors import ConfigError
from tuner.targets.tiles.versions import Version, within_bytes, within_file, within_squares


def tiles(seed: int, count: int = 5) -> list[list[Version]]:
    """Versions that get better with their size, as fits do, and one that no worth of a bit chooses."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        size, scale = int(random.integers(20, 60)), float(random.uniform(0.5, 4.0))
        versions = [Version(bytes(round(size * f)), scale / f**3) for f in (0.8, 0.9, 1.0, 1.1)]
        made.append([*versions, Version(bytes(round(size * 1.05)), scale / 0.8**3)])
    return made


def size(chosen: list[Version]) -> int:
    return sum(len(each.packed) for each in chosen)


def squares(chosen: list[Version]) -> float:
    return sum(each.squares for each in chosen)


@pytest.mark.parametrize("seed", range(4))
def test_versions_within_a_size_are_nearly_the_best_of_all(seed: int) -> None:
    given = tiles(seed)
    least, most = (sum(pick(len(v.packed) for v in each) for each in given) for pick in (min, max))
    for budget in np.linspace(least, most, 7).astype(int):
        chosen = within_bytes(given, int(budget))
        assert size(chosen) <= budget
        best = min(squares(list(each)) for each in product(*given) if size(list(each)) <= budget)
        assert squares(chosen) <= 1.03 * best


@pytest.mark.parametrize("seed", range(4))
def test_a_file_fits_whatever_its_index_takes(seed: int) -> None:
    """Lengths from 40 on take a byte more, so that no budget of the tiles says how large the file will be."""
    given = tiles(seed)

    def file_size(chosen: list[Version]) -> int:
        return size(chosen) + sum(1 + (len(each.packed) >= 40) for each in chosen)

    least = min(file_size(list(each)) for each in product(*given))
    for most in range(least, least + 60):
        chosen = within_file(given, most, most - len(given), file_size)
        assert file_size(chosen) <= most
        assert file_size(chosen) >= min(most - 12, file_size(within_bytes(given, 10**6)))
    assert within_file(given, 0, 0, file_size) == within_bytes(given, 0)


@pytest.mark.parametrize("seed", range(4))
def test_versions_within_an_error_are_nearly_the_smallest_of_all(seed: int) -> None:
    given = tiles(seed)
    least = sum(min(v.squares for v in each) for each in given)
    for most in np.linspace(1.001, 1.8, 7) * least:
        chosen = within_squares(given, float(most))
        assert squares(chosen) <= most
        best = min(size(list(each)) for each in product(*given) if squares(list(each)) <= most)
        assert size(chosen) <= best + 8  # what two versions of one tile differ by


def test_what_cannot_be_had_comes_as_near_as_it_can() -> None:
    given = tiles(0)
    assert size(within_bytes(given, 0)) == sum(min(len(v.packed) for v in each) for each in given)
    assert squares(within_squares(given, 0.0)) == pytest.approx(sum(min(v.squares for v in each) for each in given))


def test_a_tile_without_versions_is_refused() -> None:
    with pytest.raises(ConfigError, match="no version"):
        within_bytes([[]], 10)
