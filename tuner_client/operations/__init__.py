"""Every operation of the service by its name in the OpenAPI document, as a request; one file per resource.

`timeout` is the time that the whole call may take in seconds, retries included; None is what the client allows.
"""

from tuner_client.operations.fits import FitOperations
from tuner_client.operations.keys import KeyOperations
from tuner_client.operations.results import ResultOperations
from tuner_client.operations.service import ServiceOperations
from tuner_client.operations.signals import SignalOperations
from tuner_client.operations.webhooks import WebhookOperations


class Operations(
    SignalOperations, FitOperations, ResultOperations, WebhookOperations, KeyOperations, ServiceOperations
):
    """All of them."""
