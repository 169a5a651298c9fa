"""Classes of workers: which workers may take a fit, and by which queue they are woken for it.

A class is a word that whoever runs the service gives to workers, and a client to a fit that is to run on some of them
only. It promises nothing about a machine: a worker serves the classes that it was told to serve.
"""

from enum import StrEnum


class WorkerClass(StrEnum):
    """One word per class."""

    ANY = "any"  # of a fit: whoever is free; of a worker: fits whose clients do not care
    CPU = "cpu"
    GPU = "gpu"
    GPU_LARGE = "gpu-large"  # with much memory


EVERY_CLASS = tuple(WorkerClass)


def class_of(word: str) -> WorkerClass:
    """The class that a row names; ANY for the word of a newer release, whose own upkeep wakes workers of it."""
    return WorkerClass(word) if word in EVERY_CLASS else WorkerClass.ANY
