"""Wait until no fit runs on this host: `python -m worker.idle SECONDS`, for whoever is about to stop its worker.

Told to leave, a worker stores a checkpoint and hands its fit back, which costs the fit some seconds and the time until
another worker takes it. Kubernetes runs this before (`preStop`), so that fewer workers than before means fewer idle
ones. Status 0 in any case: after so many seconds the worker is told to leave with its fit.
"""

import logging
import socket
import sys
import time

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from store.database import Database
from store.models import Fit
from store.settings import StoreSettings
from store.status import HELD

logger = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 2.0


def running_on(database: Database, host: str) -> int:
    """How many fits workers of a host hold.

    Args:
        database: database that holds the rows of fits.
        host: name of the host, which is in the names of its workers (`worker.run.worker_name`).
    """
    with database.reading() as session:
        mine = Fit.worker.startswith(f"{host}:", autoescape=True)
        return session.scalar(select(func.count()).select_from(Fit).where(Fit.status.in_(HELD), mine)) or 0


def wait_until_idle(database: Database, host: str, seconds: float) -> bool:
    """Wait for the end of what runs on a host; whether it came in time.

    A database that does not answer is asked again: who cannot be asked may be at work.

    Args:
        database: database that holds the rows of fits.
        host: name of the host.
        seconds: longest time to wait, in seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if not running_on(database, host):
                return True
        except SQLAlchemyError as error:
            logger.warning("not known what runs here: %s", error)
        if time.monotonic() + _LOOK_EVERY_SECONDS > deadline:
            return False
        time.sleep(_LOOK_EVERY_SECONDS)


def main() -> None:
    """Wait for this host."""
    wait_until_idle(Database(StoreSettings()), socket.gethostname(), float(sys.argv[1]))


if __name__ == "__main__":
    main()
