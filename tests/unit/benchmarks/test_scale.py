"""The simulation behind `make bench-scale`, against what queueing theory says in closed form."""

from dataclasses import replace
from math import factorial

import pytest

from benchmarks.scale_simulation import TURN, Costs, Scenario, Simulation, demand, first_full
from benchmarks.scale_sizes import cases
from benchmarks.scale_stack import WORK, Phase, costs, predicted

NOTHING = Costs(paid={})
QUIET = Scenario(workers=1, fits_per_second=0.0, hold_seconds=1.0, seconds=4000.0, warm_up_seconds=100.0)
SMALL = Costs(
    paid={
        "api": {"posts": 0.01, "polls": 0.004},
        "postgres": {"posts": 0.004, "polls": 0.002, "fits": 0.02, "reports": 0.003, "running_row_seconds": 1e-4},
        "seaweedfs": {"uploads": 0.005, "fits": 0.006},
        "valkey": {"worker_seconds": 0.0005, "heard": 1e-5},
        "upkeep": {"seconds": 0.02},
    },
    claim_seconds=0.003,
    claim_seconds_per_running=1e-5,
    claim_held_share=2.0,
)


def _wait_in_line(arrivals: float, service: float, servers: int) -> float:
    """Mean wait where both times are exponential, by Erlang's second formula."""
    load = arrivals * service
    busy = load**servers / factorial(servers) / (1.0 - load / servers)
    all_busy = busy / (sum(load**k / factorial(k) for k in range(servers)) + busy)
    return all_busy * service / (servers - load)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (3, 2.4)])
def test_a_line_before_an_engine_is_as_long_as_the_formula_says(servers: int, load: float) -> None:
    # Ten visits a second whose service adds up to `load` seconds.
    told = Simulation(replace(QUIET, servers={"api": servers}), Costs(paid={"api": {"seconds": load}})).run()
    engine = told["engines"]["api"]
    assert engine["utilisation"] == pytest.approx(load / servers, rel=0.02)
    assert engine["wait_mean_ms"] == pytest.approx(1000.0 * _wait_in_line(10.0, load / 10.0, servers), rel=0.1)


@pytest.mark.parametrize(("workers", "load"), [(1, 0.5), (4, 2.8)])
def test_fits_wait_for_workers_as_long_as_the_formula_says(workers: int, load: float) -> None:
    scenario = replace(QUIET, workers=workers, fits_per_second=load, poll_every_seconds=1e6)
    # One run alone is off by a tenth now and then.
    told = [Simulation(replace(scenario, seed=seed, seconds=1500.0), NOTHING).run()["fits"] for seed in range(8)]
    waited = sum(each["wait_mean_seconds"] for each in told) / 8
    assert waited == pytest.approx(_wait_in_line(load, 1.0, workers), rel=0.15)
    assert sum(each["per_second"] for each in told) / 8 == pytest.approx(load, rel=0.03)


@pytest.mark.parametrize("running", [0, 5])
def test_what_goes_in_comes_out_or_is_still_there(running: int) -> None:
    scenario = Scenario(
        workers=20, fits_per_second=8.0, hold_seconds=5.0, running_at_first=running, seconds=90.0, warm_up_seconds=10.0
    )
    simulation = Simulation(scenario, SMALL)
    told = simulation.run()["fits"]
    under_way = simulation.asked - simulation.done
    assert told["queued_at_end"] > 0
    assert told["asked"] == told["done"] + told["unfinished_at_end"]
    # In the hands of a worker, in line before one, or on the way through the engines before that.
    assert simulation.workers.count + told["queued_at_end"] <= under_way
    assert under_way <= simulation.workers.count + told["queued_at_end"] + 8
    assert simulation.running <= simulation.workers.count == 20


def test_all_that_was_asked_for_is_done_once_nothing_more_comes() -> None:
    arrivals = [0.1 * number for number in range(50)]
    scenario = replace(QUIET, workers=2, arrivals=arrivals, hold_seconds=[0.5, 1.0], seconds=200.0, warm_up_seconds=0.0)
    told = Simulation(scenario, SMALL).run()["fits"]
    assert told["asked"] == told["done"] == 50
    # Three quarters of a second each, by two workers.
    assert told["per_second_from_first_to_last"] == pytest.approx(2.0 / 0.75, rel=0.15)


def test_an_engine_that_is_asked_for_too_much_is_busy_all_the_time_and_no_longer() -> None:
    too_much = Costs(paid={"postgres": {"fits": 0.5}})
    scenario = Scenario(workers=100, fits_per_second=5.0, hold_seconds=0.1, seconds=200.0, warm_up_seconds=50.0)
    told = Simulation(scenario, too_much).run()
    assert told["engines"]["postgres"]["utilisation"] == pytest.approx(1.0, abs=1e-3)
    assert told["fits"]["per_second"] == pytest.approx(2.0, rel=0.15)
    assert told["fits"]["queued_at_end"] > 100


def test_arithmetic_and_simulation_agree_where_nothing_is_full() -> None:
    scenario = Scenario(
        workers=100,
        fits_per_second=5.0,
        hold_seconds=12.0,
        running_at_first=60,
        signs_per_second=0.5,
        servers={"postgres": 2},
        seconds=250.0,
        warm_up_seconds=50.0,
    )
    told, said = Simulation(scenario, SMALL).run()["engines"], demand(scenario, SMALL, list(SMALL.paid))
    assert set(said) == set(told)
    for name, engine in told.items():
        assert engine["utilisation"] * engine["servers"] == pytest.approx(said[name], rel=0.12), name


def test_signs_of_life_grow_with_the_square_of_workers() -> None:
    one = Scenario(workers=100, fits_per_second=0.0, hold_seconds=1.0, signs_per_second=0.5)
    heard = Costs(paid={"valkey": {"heard": 1e-6}})
    few, many = (demand(replace(one, workers=count), heard, ["valkey"])["valkey"] for count in (100, 1000))
    assert many == pytest.approx(100 * few)


def test_the_engine_that_is_full_first_comes_first() -> None:
    def of_size(size: float) -> Scenario:
        return Scenario(workers=10, fits_per_second=size, hold_seconds=0.1, servers={"api": 4})

    paid = Costs(paid={"api": {"posts": 0.02}, "postgres": {"fits": 0.01}, "upkeep": {}})
    full = first_full(of_size, paid, list(paid.paid))
    assert list(full) == ["postgres", "api"]
    assert full == pytest.approx({"postgres": 100.0, "api": 200.0})
    assert TURN not in full


def test_costs_by_the_second_and_by_the_fit_are_told_apart() -> None:
    paid = {"seconds": 0.03, "fits": 0.2, "worker_seconds": 0.01, "posts": 0.02}
    works = [
        {"seconds": 20.0},
        {"seconds": 3.0, "posts": 40.0},
        {"seconds": 20.0, "worker_seconds": 20.0},
        {"seconds": 30.0, "worker_seconds": 60.0, "fits": 40.0, "posts": 40.0},
    ]
    phases = [
        Phase("", work, {"postgres": sum(paid[kind] * amount for kind, amount in work.items())}) for work in works
    ]
    found = costs(phases, ["postgres"])
    assert found["postgres"] == pytest.approx(dict.fromkeys(WORK, 0.0) | paid, abs=1e-9)
    assert predicted(found, works[3])["postgres"] == pytest.approx(phases[3].processor_seconds["postgres"])


def test_sizes_go_as_far_as_they_may() -> None:
    assert cases(1.0, 3.0) == ["picture:0.25", "picture:0.5", "picture:1", "sound:1", "sound:3"]
    assert cases(64.0, 3600.0)[-1] == "sound:3600"
    assert "picture:64" in cases(64.0, 0.0)
