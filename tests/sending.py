"""What a sender of messages to webhooks does in one turn."""

from worker.outbound import Sender
from worker.resources import Resources
from worker.webhooks import claim_next, send


def send_next(resources: Resources, sender: Sender) -> str | None:
    """Send the message whose turn it is; returns its id, or None if none is due."""
    claim = claim_next(resources)
    if claim is None:
        return None
    send(resources, sender, claim)
    return claim.id
