"""What a reader could not keep of a file that it reads all the same: said once, while it reads, as a warning.

A program sees Python's warning, or listens with the means of the module `warnings`; the command line says it in one
line. A conversion that every file of a format goes through is in the tables of docs/signals and is not noted.
"""

import warnings


class SignalNote(UserWarning):
    """A file is read, and its samples are coarser than those that it stores."""


def note(sentence: str) -> None:
    """Say what was given and what became of it."""
    warnings.warn(sentence, SignalNote, stacklevel=2)


def pass_over_notes() -> None:
    """Say no more of it in this process, for one whose standard error stream nobody who gave the file reads."""
    warnings.simplefilter("ignore", SignalNote)
