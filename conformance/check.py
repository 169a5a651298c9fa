"""Try a decoder on the files of this folder: `python check.py PROGRAM ARGUMENT ...`, with Python 3.11 and numpy.

README.md, beside this file, says what the program is asked and how it answers. Nothing of the library is imported.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent


def questions(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """What a decoder is asked: one question for each file of the index."""
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    asked = []
    for entry in index["valid"]:
        expected = expected_of(entry, folder)
        asked.append(
            {
                "file": str((folder / entry["file"]).resolve()),
                "at": expected.get("points", {}).get("at", []),
                "beginnings": [each["bytes"] for each in expected.get("beginnings", [])],
            }
        )
    refused = [*index["invalid"], *index["excessive"]]
    return asked + [{"file": str((folder / each["file"]).resolve()), "at": [], "beginnings": []} for each in refused]


def expected_of(entry: dict[str, Any], folder: Path = FOLDER) -> dict[str, Any]:
    """What a decoder must find in a valid file."""
    found: dict[str, Any] = json.loads((folder / entry["expected"]).read_text(encoding="utf-8"))
    return found


def faults_of_all(answers: list[dict[str, Any]], folder: Path = FOLDER) -> list[str]:
    """What is wrong with the answers to `questions`, in words; nothing if the decoder conforms as far as it answered.

    Args:
        answers: answer of the decoder to each question, in their order.
        folder: folder of the files, the index and what is expected.
    """
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    entries = [*index["valid"], *index["invalid"], *index["excessive"]]
    if len(answers) != len(entries):
        return [f"{len(answers)} answers to {len(entries)} questions"]
    found = []
    for number, (entry, answer) in enumerate(zip(entries, answers, strict=True)):
        if number < len(index["valid"]):
            found += [f"{entry['name']}: {fault}" for fault in faults(entry, answer, folder)]
        elif "refused" not in answer:
            found.append(f"{entry['name']}: was read, must be refused: {entry['reason']}")
    return found


def faults(entry: dict[str, Any], answer: dict[str, Any], folder: Path = FOLDER) -> list[str]:
    """What is wrong with the answer about one valid file; what it leaves out is not tried.

    Args:
        entry: what the index says of the file.
        answer: answer of the decoder.
        folder: folder of the files, the index and what is expected.
    """
    if "refused" in answer:
        return [f"was refused, must be read: {answer['refused']}"]
    expected, found = expected_of(entry, folder), []
    data = (folder / entry["file"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        found.append("is not the file of the index")
    found += [
        f"{part} is {answer[part]}, expected {expected.get(part)}"
        for part in ("header", "chunks", "metadata", "profile")
        if part in answer and answer[part] != expected.get(part)
    ]
    for part, digest in answer.get("digests", {}).items():
        if digest != expected["digests"][part]:
            found.append(f"the digest of {part} differs")
    if "samples" in answer and "samples" in entry:
        found += _far(answer["samples"], np.load(folder / entry["samples"]), expected["sample_tolerance"], "samples")
    for beginning, samples in zip(expected.get("beginnings", []), answer.get("beginnings", []), strict=False):
        name = f"{entry['name']}-first-{beginning['bytes']}-bytes"
        wanted = np.load(folder / f"expected/{name}.npy")
        found += _far(samples, wanted, expected["sample_tolerance"], name)
    for part, allowed in (("values", "value_tolerance"), ("gradients", "gradient_tolerance")):
        for number, given in enumerate(answer.get(part, [])):
            wanted = expected["points"][part][number]
            if given is not None and wanted is not None:
                found += _far(given, np.array(wanted), expected["points"][allowed], f"{part} at point {number}")
    return found


def _far(given: Any, wanted: Any, allowed: float, what: str) -> list[str]:
    numbers, target = np.array(given, np.float64).reshape(-1), wanted.astype(np.float64).reshape(-1)
    if numbers.shape != target.shape:
        return [f"{what}: {numbers.size} numbers, expected {target.size}"]
    worst = float(np.abs(numbers - target).max())
    return [] if worst <= allowed else [f"{what}: off by {worst:.3g}, allowed is {allowed:.3g}"]


def answers_of(command: list[str], asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of a program to some questions."""
    lines = "".join(json.dumps(each) + "\n" for each in asked)
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, check=True, encoding="utf-8", timeout=600)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> int:
    """Ask the program that is named on the command line; the status is 1 if anything is wrong."""
    if len(sys.argv) < 2:
        sys.stderr.write("usage: python check.py PROGRAM ARGUMENT ...\n")
        return 2
    asked = questions()
    found = faults_of_all(answers_of(sys.argv[1:], asked))
    sys.stdout.write("".join(f"{each}\n" for each in found) + f"{len(asked)} files, {len(found)} faults\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
