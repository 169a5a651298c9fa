"""A client of the Tuner service, with and without asyncio.

    with Client("http://127.0.0.1:8000") as client:
        fit = client.submit("photo.png", target="psnr=35")
        client.wait(fit.id)
        client.download(fit.id, "photo.tnr")

It knows HTTP and nothing else: neither the library nor the service is imported. Names are imported when they are first
used, because the command line, which has a part here, must start without httpx2 and pydantic.
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
    from tuner_client.errors import FileChanged as FileChanged
    from tuner_client.errors import FitEnded as FitEnded
    from tuner_client.errors import InvalidRequest as InvalidRequest
    from tuner_client.errors import NotAllowed as NotAllowed
    from tuner_client.errors import NotFound as NotFound
    from tuner_client.errors import ServerError as ServerError
    from tuner_client.errors import TooManyRequests as TooManyRequests
    from tuner_client.errors import UnexpectedAnswer as UnexpectedAnswer
    from tuner_client.errors import UploadBroken as UploadBroken
    from tuner_client.errors import WaitedTooLong as WaitedTooLong
    from tuner_client.models import Alive as Alive
    from tuner_client.models import Answer as Answer
    from tuner_client.models import Attempt as Attempt
    from tuner_client.models import CancelledFit as CancelledFit
    from tuner_client.models import Capabilities as Capabilities
    from tuner_client.models import Checkpoint as Checkpoint
    from tuner_client.models import CheckpointList as CheckpointList
    from tuner_client.models import Delivery as Delivery
    from tuner_client.models import DeliveryLog as DeliveryLog
    from tuner_client.models import DeliveryPage as DeliveryPage
    from tuner_client.models import Download as Download
    from tuner_client.models import Estimate as Estimate
    from tuner_client.models import Event as Event
    from tuner_client.models import EventPage as EventPage
    from tuner_client.models import FileHead as FileHead
    from tuner_client.models import Fit as Fit
    from tuner_client.models import FitBatch as FitBatch
    from tuner_client.models import FitCancellations as FitCancellations
    from tuner_client.models import FitCount as FitCount
    from tuner_client.models import FitError as FitError
    from tuner_client.models import FitPage as FitPage
    from tuner_client.models import FitSummary as FitSummary
    from tuner_client.models import Fleet as Fleet
    from tuner_client.models import Key as Key
    from tuner_client.models import KeyPage as KeyPage
    from tuner_client.models import KeySecret as KeySecret
    from tuner_client.models import Metrics as Metrics
    from tuner_client.models import Part as Part
    from tuner_client.models import ProblemKind as ProblemKind
    from tuner_client.models import ProblemList as ProblemList
    from tuner_client.models import Progress as Progress
    from tuner_client.models import Ready as Ready
    from tuner_client.models import Result as Result
    from tuner_client.models import Signal as Signal
    from tuner_client.models import SignalFacts as SignalFacts
    from tuner_client.models import SignalPage as SignalPage
    from tuner_client.models import Upload as Upload
    from tuner_client.models import Usage as Usage
    from tuner_client.models import Webhook as Webhook
    from tuner_client.models import WebhookPage as WebhookPage
    from tuner_client.models import WebhookSecret as WebhookSecret
    from tuner_client.models import Welcome as Welcome
    from tuner_client.models import Worker as Worker
    from tuner_client.models import WorkerPage as WorkerPage
    from tuner_client.sync import Client as Client
else:
    HOMES: Final = {
        "Alive": "tuner_client.models",
        "Answer": "tuner_client.models",
        "ApiError": "tuner_client.errors",
        "AsyncClient": "tuner_client.aio",
        "Attempt": "tuner_client.models",
        "CancelledFit": "tuner_client.models",
        "Capabilities": "tuner_client.models",
        "Checkpoint": "tuner_client.models",
        "CheckpointList": "tuner_client.models",
        "Client": "tuner_client.sync",
        "ClientError": "tuner_client.errors",
        "Conflict": "tuner_client.errors",
        "ConnectionFailed": "tuner_client.errors",
        "Delivery": "tuner_client.models",
        "DeliveryLog": "tuner_client.models",
        "DeliveryPage": "tuner_client.models",
        "Download": "tuner_client.models",
        "DownloadDamaged": "tuner_client.errors",
        "Estimate": "tuner_client.models",
        "Event": "tuner_client.models",
        "EventPage": "tuner_client.models",
        "FileChanged": "tuner_client.errors",
        "FileHead": "tuner_client.models",
        "Fit": "tuner_client.models",
        "FitBatch": "tuner_client.models",
        "FitCancellations": "tuner_client.models",
        "FitCount": "tuner_client.models",
        "FitEnded": "tuner_client.errors",
        "FitError": "tuner_client.models",
        "FitPage": "tuner_client.models",
        "FitSummary": "tuner_client.models",
        "Fleet": "tuner_client.models",
        "InvalidRequest": "tuner_client.errors",
        "Key": "tuner_client.models",
        "KeyPage": "tuner_client.models",
        "KeySecret": "tuner_client.models",
        "Metrics": "tuner_client.models",
        "NotAllowed": "tuner_client.errors",
        "NotFound": "tuner_client.errors",
        "Part": "tuner_client.models",
        "ProblemKind": "tuner_client.models",
        "ProblemList": "tuner_client.models",
        "Progress": "tuner_client.models",
        "Ready": "tuner_client.models",
        "Result": "tuner_client.models",
        "ServerError": "tuner_client.errors",
        "Signal": "tuner_client.models",
        "SignalFacts": "tuner_client.models",
        "SignalPage": "tuner_client.models",
        "TooManyRequests": "tuner_client.errors",
        "UnexpectedAnswer": "tuner_client.errors",
        "Upload": "tuner_client.models",
        "UploadBroken": "tuner_client.errors",
        "Usage": "tuner_client.models",
        "WaitedTooLong": "tuner_client.errors",
        "Webhook": "tuner_client.models",
        "WebhookPage": "tuner_client.models",
        "WebhookSecret": "tuner_client.models",
        "Welcome": "tuner_client.models",
        "Worker": "tuner_client.models",
        "WorkerPage": "tuner_client.models",
    }
    __all__ = sorted(HOMES)

    def __getattr__(name: str) -> object:
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(HOMES[name]), name)
