"""How far the service goes: `make bench-scale`, results in build/bench/scale.json and scale.png.

Three parts, each kept when only another one is asked for (`--part`):

- stack: small fits through a real stack of one, two, four workers, and what each of its processes spends on what;
- sizes: time and memory of one fit against the size of its signal, as far as `--most-megapixels` and `--most-seconds`
  say; what has been measured is not measured again, so that the largest can follow on another day;
- simulation: with these costs, ten thousand workers and a million fits a day, which engine is full first, and how well
  the simulation foretells the real run of two workers.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.load import machine
from benchmarks.scale_plots import draw
from benchmarks.scale_simulation import Costs, Scenario, Simulation, demand, first_full
from benchmarks.scale_sizes import cases, measure_all
from benchmarks.scale_stack import ENGINES, OPEN, Phase, costs, measure, predicted
from benchmarks.serve import SETTINGS
from tests.engines import throwaway_home

ASK = {"target": {"psnr_db": 30.0}, "preset": "fast"}
PARTS = ("stack", "sizes", "simulation")
WORKERS, FITS_PER_DAY = 10_000, 1_000_000
BUSY = 0.8  # share of the workers that long fits keep busy
# A database of sixteen cores, and so on; the broker has one thread for commands, and one upkeep works at a time.
SERVERS = {"api": 4, "postgres": 16, "seaweedfs": 8, "valkey": 1, "upkeep": 1}
ENGINES_SIMULATED = [name for name in ENGINES if name != "worker"]


def main() -> None:
    """Measure what is asked for, and write the report."""
    options = _options()
    os.environ.update(SETTINGS)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "scale.json"
    report: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for part in options.part or PARTS:
        began = machine()
        if part == "stack":
            unfinished = options.out / "scale-stack.json"
            with throwaway_home() as home:
                report[part] = measure(
                    home,
                    ASK,
                    fits=options.fits,
                    workers=options.workers,
                    rows=options.rows,
                    keep=partial(write, unfinished),
                )
        elif part == "sizes":
            wanted = cases(options.most_megapixels, options.most_seconds)
            report[part] = {"cells": measure_all(options.out / "scale", wanted)}
        elif "stack" in report:
            report[part] = simulate(report["stack"], options.simulated_seconds)
        else:
            raise SystemExit(f"{path} has no measured costs: run --part stack once before --part simulation")
        report[part]["machine"] = began
        write(path, report)
    draw(report, options.out / "scale.png")
    print(json.dumps(report.get("simulation", report), indent=2))  # noqa: T201


def write(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as people read it.

    Args:
        path: file that is written.
        report: what is written to it.
    """
    path.write_text(json.dumps(report, indent=2) + "\n")


def simulate(stack: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """All that is simulated, from what was measured of the stack.

    Args:
        stack: report of the part "stack".
        seconds: length of each simulated run in seconds.
    """
    phases = [Phase(**phase) for phase in stack["phases"]]
    paid = costs([phase for phase in phases if phase.name != OPEN])
    found: dict[str, Any] = {
        "processor_seconds_per": paid,
        "spent_and_foretold": {phase.name: _beside(paid, phase) for phase in phases},
        "costs": vars(known := _costs(stack, paid)) | {"paid": None},
        "beside_the_real_run": _beside_the_real_run(stack, known),
        "servers": SERVERS,
    }
    own = stack["runs"]["1 workers"]["worker_processor_seconds_per_fit"]
    signs = stack["sign_of_life"]["published_per_second_and_worker"]
    for name, hold in (("small fits", own), ("long fits", BUSY * WORKERS * 86_400 / FITS_PER_DAY)):
        for told, rate in (("as it is", signs), ("without signs of life to each other", 0.0)):
            found[f"{name}, {told}"] = _growth(_scenario(hold, rate, seconds), known)
    heard = paid["worker"]["heard"] * signs
    found["workers_whose_signs_fill_a_core_of_each_worker"] = round(1.0 / heard) if heard else None
    return found


def _scenario(hold: float, signs: float, seconds: float) -> Scenario:
    """Ten thousand workers and a million fits a day."""
    fits = FITS_PER_DAY / 86_400
    running = round(min(WORKERS, hold * fits))
    return Scenario(
        workers=WORKERS,
        fits_per_second=fits,
        hold_seconds=hold,
        running_at_first=running,
        servers=SERVERS,
        signs_per_second=signs,
        seconds=seconds,
        warm_up_seconds=seconds / 4,
    )


def _growth(full: Scenario, known: Costs) -> dict[str, Any]:
    """Workers and fits grow together: when which engine is full, and what a simulation of some sizes says."""

    def of(workers: float) -> Scenario:
        part = workers / full.workers
        return replace(
            full,
            workers=max(1, round(workers)),
            fits_per_second=full.fits_per_second * part,
            running_at_first=round(full.running_at_first * part),
        )

    # Ordered by size, smallest first; demand for whole workers, so sizes are exact to one.
    order = first_full(of, known, ENGINES_SIMULATED, most=1e7)
    first = next(iter(order.values()), None)
    sizes = {10_000} | ({round(first * part) for part in (0.5, 0.9, 1.1)} if first else set())
    runs = []
    for size in sorted(size for size in sizes if 1 <= size <= 20_000):
        scenario, began = of(size), time.process_time()
        runs.append(
            {
                "workers": size,
                "fits_per_day": round(86_400 * scenario.fits_per_second),
                "demand": {name: round(value, 4) for name, value in demand(scenario, known, ENGINES_SIMULATED).items()},
                "simulated": Simulation(scenario, known).run(),
                "took_processor_seconds": round(time.process_time() - began, 1),
            }
        )
        print(f"{size} workers, {scenario.mean_hold_seconds:g} s each: simulated", flush=True)  # noqa: T201
    return {
        "hold_seconds": full.mean_hold_seconds,
        "full_at_workers": {name: round(size) for name, size in order.items()},
        "full_at_fits_per_day": {name: round(size * FITS_PER_DAY / WORKERS) for name, size in order.items()},
        "demand_by_workers": {
            str(size): {name: round(value, 5) for name, value in demand(of(size), known, ENGINES_SIMULATED).items()}
            for size in (10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
        },
        "runs": runs,
    }


def _costs(stack: Mapping[str, Any], paid: Mapping[str, Mapping[str, float]]) -> Costs:
    claims = stack["claims"]
    alone = claims["of no row"]
    rows, crowded = next((int(name.split()[1]), each) for name, each in claims.items() if name.endswith("running"))
    return Costs(
        paid={name: paid[name] for name in ENGINES_SIMULATED},
        claim_seconds=alone["processor_ms"] / 1000,
        claim_seconds_per_running=max(0.0, crowded["processor_ms"] - alone["processor_ms"]) / 1000 / rows,
        # A claim is held while the worker's statements travel to and fro; the quickest ones were disturbed least.
        claim_held_share=max(1.0, alone["least_wall_ms"] / max(alone["processor_ms"], 1e-3)),
    )


def _beside_the_real_run(stack: Mapping[str, Any], known: Costs) -> dict[str, Any]:
    """Runs of two workers, and what the simulation makes of the run before: holds of one worker, or of another run."""
    runs = stack["runs"]
    pairs = {
        "all at once, from what one worker took": ("1 workers", "2 workers"),
        "by chance, from what two workers took": ("2 workers", OPEN),
    }
    found = {}
    for name, (source, real) in pairs.items():
        if source in runs and real in runs:
            found[name] = _foretold(runs[source], runs[real], known)
            # A machine with other work is slower at one time than at another, which no model of the service knows.
            slower = runs[real]["seconds_held"]["mean"] / runs[source]["seconds_held"]["mean"]
            found[f"{name}, as slow as the machine was then"] = _foretold(runs[source], runs[real], known, slower)
    return found


def _foretold(source: Mapping[str, Any], real: Mapping[str, Any], known: Costs, slower: float = 1.0) -> dict[str, Any]:
    held = {"mean": slower * source["seconds_held"]["mean"], "all": [slower * t for t in source["seconds_held"]["all"]]}
    stretch = max(1.0, held["mean"] / source["worker_processor_seconds_per_fit"])
    # What passes in the engines while a fit is held is simulated by itself.
    engines = known.of("seaweedfs", "fits") + max(0.0, known.of("postgres", "fits") - known.claim_seconds)
    scenario = Scenario(
        workers=2,
        fits_per_second=0.0,
        hold_seconds=[max(0.0, each - stretch * engines) for each in held["all"]],
        arrivals=real["arrivals"],
        poll_every_seconds=0.5,
        stretch=stretch,
        seconds=max(real["arrivals"]) + 3600.0,
        warm_up_seconds=0.0,
    )
    # What was asked for at the same times, twenty times over with other draws of how long each takes.
    told = [
        Simulation(replace(scenario, seed=seed), replace(known, paid=_without_seconds(known))) for seed in range(20)
    ]
    made = [each.run()["fits"] for each in told]

    def mean(name: str) -> float:
        return float(sum(each[name] for each in made) / len(made))

    measured = {
        "fits_per_second": real["fits_per_second"],
        "wait_mean_seconds": real["seconds_waited"]["mean"],
        "wait_p95_seconds": real["seconds_waited"]["p95"],
    }
    simulated = {
        "fits_per_second": round(mean("per_second_from_first_to_last"), 4),
        "wait_mean_seconds": round(mean("wait_mean_seconds"), 4),
        "wait_p95_seconds": round(mean("wait_p95_seconds"), 4),
    }
    return {
        "measured": measured,
        "simulated": simulated,
        "simulated_by_measured": {
            name: round(simulated[name] / value, 3) if value else None for name, value in measured.items()
        },
        "seconds_held_mean": {"foretold": round(held["mean"], 4), "in_the_real_run": real["seconds_held"]["mean"]},
        "wall_by_processor": round(stretch, 3),
    }


def _without_seconds(known: Costs) -> dict[str, dict[str, float]]:
    """Costs of fits alone: what goes on for an hour after the last fit need not be simulated."""
    ever = ("seconds", "worker_seconds", "heard", "running_row_seconds")
    return {name: {kind: paid for kind, paid in each.items() if kind not in ever} for name, each in known.paid.items()}


def _beside(paid: Mapping[str, Mapping[str, float]], phase: Phase) -> dict[str, list[float]]:
    """Processor seconds that were spent, and those that the costs foretell."""
    said = predicted(paid, phase.work)
    spent = phase.processor_seconds
    return {name: [round(spent[name], 3), round(said[name], 3)] for name in said if name in spent}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", action="append", choices=PARTS, help="a part; all if left out")
    parser.add_argument("--fits", type=int, default=40, help="small fits for each number of workers")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers, growing")
    parser.add_argument("--rows", type=int, default=5000, help="rows that stand for fits elsewhere")
    parser.add_argument("--most-megapixels", type=float, default=1.0, help="largest picture, up to 64")
    parser.add_argument("--most-seconds", type=float, default=10.0, help="longest sound, up to 3600")
    parser.add_argument("--simulated-seconds", type=float, default=120.0, help="length of each simulated run")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
