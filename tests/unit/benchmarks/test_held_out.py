"""How soon a mark is reached, and how many times sooner than by the recipe."""

from benchmarks.held_out import PRIORS, PUBLISHED, Curve, first, times


def curve(*points: tuple[float, float]) -> Curve:
    return [{"step": step, "seconds": seconds, "held_out": db} for step, (seconds, db) in enumerate(points, 1)]


def test_the_first_time_counts() -> None:
    found = curve((1.0, 25.0), (2.0, 30.5), (3.0, 29.0), (4.0, 31.0))
    assert first(found, 30.0, "held_out") == 2.0
    assert first(found, 32.0, "held_out") is None


def test_of_two_runs_the_longer_one_counts_and_what_was_not_reached_is_a_bound() -> None:
    ours = [curve((1.0, 26.0), (2.0, 30.0)), curve((1.5, 26.0), (4.0, 30.0))]
    curves = dict.fromkeys(PRIORS, ours) | {PUBLISHED: [curve((30.0, 26.0), (120.0, 29.0))]}
    table = times(curves, "held_out")
    assert table["26.0"] == dict.fromkeys(PRIORS, 20.0)
    assert table["30.0"] == dict.fromkeys(PRIORS, ">30.0")
    assert "31.0" not in table
