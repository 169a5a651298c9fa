"""`python -m worker.startable`: end with a message where workers would not start with this environment.

For whoever would start engines first; what the store is told is looked at by `api.startable`. Upkeep and what draws
views read the same settings as the worker of fits.
"""

from store.refusal import complaints, refuse
from worker.settings import WorkerSettings


def main() -> None:
    """Look at the environment.

    Raises:
        SystemExit: if a setting is malformed.
    """
    refuse("worker", complaints(WorkerSettings))


if __name__ == "__main__":
    main()
