"""Memory that a fit takes, by the number of values of its signal: measured in a process for each case.

    python -m benchmarks.memory [--case wavelets:1024x1024x3 …]

What is counted is private writable memory beyond what the process holds before it begins, as the worker's budget counts
it (`worker.memory`), looked at a hundred times a second. A case does what a worker does after reading: training,
rounding, and the comparison of the decoded file with the signal. Few steps are taken, since each takes the same memory.
The model that the service holds fits against (`api.services.fit_memory`) is made from these: build/bench/memory.json.
"""

import argparse
import json
import subprocess
import sys
import time
from math import prod
from pathlib import Path
from threading import Event, Thread

RESULT = Path("build/bench/memory.json")
STEPS = 2
WHOLE = 1 << 18  # values up to which a case goes on to the end; beyond that it is stopped after a step
CASES = [
    f"{kind}:{preset}:{shape}"
    for kind, shapes in {
        "wavelets": ("256x256x3", "512x512x3", "1024x1024x3", "2048x2048x3"),
        "sines": ("256x256x3", "512x512x3", "1024x1024x3", "1024x1024x1"),
    }.items()
    for preset in ("fast",)
    for shape in shapes
]


def measure(case: str, budget_bytes: int | None = None) -> dict[str, object]:
    """Peak memory of one case, in this process, which is to do nothing else.

    Args:
        case: kind of network, preset and shape, as in `CASES`.
        budget_bytes: memory that the case is held to as a worker holds a fit, or None for what the machine has.
    """
    import torch

    from tuner.codec.decode import decode
    from tuner.fit.progress import Verdict
    from tuner.metrics import written_psnr_db
    from tuner.signal.signal import Signal
    from tuner.targets.request import ask_for
    from tuner.targets.search import fit_to_target
    from tuner.targets.target import Target
    from worker.facts import slope_quality_db
    from worker.memory import MemoryBudget, data_bytes

    kind, preset, sides = case.split(":")
    torch.set_num_threads(1)
    *shape, channels = map(int, sides.split("x"))
    small = Signal(values=_picture((64, 64), channels))
    target = Target.parse("bits=1") if kind == "wavelets" else None
    # What a first fit loads and keeps is held by every worker that has run one.
    fit_to_target(small, ask_for(small, preset, target, kind=kind, steps=1, trials=1))
    peaks, phase, done = {"begun": data_bytes() or 0}, "signal", Event()

    def watch() -> None:
        while not done.wait(0.01):
            peaks[phase] = max(peaks.get(phase, 0), data_bytes() or 0)

    Thread(target=watch, daemon=True).start()
    started = time.monotonic()
    breach: list[str] = []
    if budget_bytes is not None:
        MemoryBudget(budget_bytes, lambda: breach.append(phase)).__enter__()
    signal = Signal(values=_picture(tuple(shape), channels))
    ask = ask_for(signal, preset, target, kind=kind, steps=STEPS, trials=1)

    def enter(standing: object) -> None:
        nonlocal phase
        phase = str(standing.phase)  # type: ignore[attr-defined]

    def step(_: object) -> Verdict:
        # Rounding takes what training takes, and minutes for a large signal.
        return Verdict.STOP if signal.values.size > WHOLE else Verdict.CONTINUE

    result = fit_to_target(signal, ask, on_phase=enter, on_step=step)
    if result.content is not None:
        phase = "comparing"
        decoded = decode(result.content)
        written_psnr_db(signal.values, decoded.render().values, signal.storage)
        slope_quality_db(signal, decoded)
    done.set()
    values = prod(shape) * channels
    begun = peaks.pop("begun")
    beyond = {name: peak - begun for name, peak in peaks.items()}
    most = max(beyond.values())
    return {
        "case": case,
        "samples": prod(shape),
        "channels": channels,
        "mebibytes": {name: round(peak / 2**20, 1) for name, peak in beyond.items()},
        "bytes_per_value": round(most / values, 1),
        "bytes_per_sample": round(most / prod(shape), 1),
        "over_budget_in": breach,
        "seconds": round(time.monotonic() - started, 1),
        "network": {name: getattr(ask.config.network, name) for name in ("frequencies", "hidden")}
        if kind == "sines"
        else {},
    }


def _picture(shape: tuple[int, ...], channels: int):  # type: ignore[no-untyped-def]
    import numpy as np

    axes = np.meshgrid(*(np.linspace(0, 1, side, dtype=np.float32) for side in shape), indexing="ij", sparse=True)
    waves = sum(np.sin((3 + 40 * number) * axis * 6.28) for number, axis in enumerate(axes))
    noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    one = np.clip(0.5 + 0.2 * waves + 0.03 * noise, 0, 1).astype(np.float32)
    return np.ascontiguousarray(np.repeat(one[..., None], channels, axis=-1))


def main() -> None:
    """Measure all cases, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", help="kind:preset:shape with channels; all if left out")
    parser.add_argument("--budget", type=int, help="MiB that a case may take, as a worker's fit; all if left out")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        budget = None if options.budget is None else options.budget << 20
        print(json.dumps(measure(options.here, budget)))  # noqa: T201
        return
    found = []
    for case in options.case or CASES:
        command = [sys.executable, "-m", "benchmarks.memory", "--here", case]
        if options.budget is not None:
            command += ["--budget", str(options.budget)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(case, "ended with", done.returncode, done.stderr[-500:], flush=True)  # noqa: T201
            continue
        found.append(json.loads(done.stdout))
        print(done.stdout.strip(), flush=True)  # noqa: T201
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
