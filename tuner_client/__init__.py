"""A client of the Tuner service, with and without asyncio.

    with Client("http://127.0.0.1:8000") as client:
        fit = client.submit("photo.png", target="psnr=35")
        client.wait(fit.id)
        client.download(fit.id, "photo.tnr")

It knows HTTP and nothing else: neither the library nor the service is imported. Names are imported when they are first
used, because the command line, which has a part here, must start without httpx2.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tuner_client.aio import AsyncClient as AsyncClient
    from tuner_client.errors import ApiError as ApiError
    from tuner_client.errors import ClientError as ClientError
    from tuner_client.errors import Conflict as Conflict
    from tuner_client.errors import ConnectionFailed as ConnectionFailed
    from tuner_client.errors import DownloadDamaged as DownloadDamaged
    from tuner_client.errors import FitEnded as FitEnded
    from tuner_client.errors import InvalidRequest as InvalidRequest
    from tuner_client.errors import NotAllowed as NotAllowed
    from tuner_client.errors import NotFound as NotFound
    from tuner_client.errors import ServerError as ServerError
    from tuner_client.errors import TooManyRequests as TooManyRequests
    from tuner_client.errors import WaitedTooLong as WaitedTooLong
    from tuner_client.models import Event as Event
    from tuner_client.models import Fit as Fit
    from tuner_client.models import Result as Result
    from tuner_client.models import Signal as Signal
    from tuner_client.sync import Client as Client
else:
    HOMES: Final = {
        "ApiError": "tuner_client.errors",
        "AsyncClient": "tuner_client.aio",
        "Client": "tuner_client.sync",
        "ClientError": "tuner_client.errors",
        "Conflict": "tuner_client.errors",
        "ConnectionFailed": "tuner_client.errors",
        "DownloadDamaged": "tuner_client.errors",
        "Event": "tuner_client.models",
        "Fit": "tuner_client.models",
        "FitEnded": "tuner_client.errors",
        "InvalidRequest": "tuner_client.errors",
        "NotAllowed": "tuner_client.errors",
        "NotFound": "tuner_client.errors",
        "Result": "tuner_client.models",
        "ServerError": "tuner_client.errors",
        "Signal": "tuner_client.models",
        "TooManyRequests": "tuner_client.errors",
        "WaitedTooLong": "tuner_client.errors",
    }
    __all__ = sorted(HOMES)

    def __getattr__(name: str) -> object:
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(HOMES[name]), name)
