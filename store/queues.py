"""The queues of the broker by name, and the task whose messages each of them holds."""

from store.classes import EVERY_CLASS, WorkerClass

FITS_QUEUE = "fits"  # of fits that any worker may take; that of a class is named after it
INTERACTIVE_QUEUE = "interactive"  # short work that a client waits for; never behind a fit
RUN_FIT = "worker.run_fit"
DRAW_VIEW = "worker.draw_view"


def queue_of(worker_class: WorkerClass) -> str:
    """Name of the queue that wakes the workers of a class."""
    return FITS_QUEUE if worker_class is WorkerClass.ANY else f"{FITS_QUEUE}-{worker_class}"


FITS_QUEUES = {queue_of(each): each for each in EVERY_CLASS}
TASK_OF_QUEUE = {INTERACTIVE_QUEUE: DRAW_VIEW} | dict.fromkeys(FITS_QUEUES, RUN_FIT)
