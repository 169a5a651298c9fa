"""What can go wrong between rows, objects and messages, as one tree; it knows nothing of HTTP.

StoreError
├── SignalNotFound, FitNotFound     no such row for this tenant
├── UploadNotFound                  no such large upload for this tenant, or no longer
├── SignalInUse                     open fits need the signal that is to be deleted
├── RepresentationNotReady          the fit exists but has no representation (yet)
├── CheckpointNotFound              the fit has no such checkpoint (any more)
├── WebhookNotFound, DeliveryNotFound  no such endpoint, or message of it, for this tenant
├── TooManyWebhooks                 the tenant has as many endpoints as it may have
├── TooManyMessages                 the tenant has asked for as many messages as it may
├── IllegalMove                     the status machine has no such move
├── LeaseLost                       the fencing number is stale: stop at once, write nothing
├── IdempotencyConflict             the key was used before with another request
├── TooManyFits, StorageFull        the tenant has as much as it may have
├── KeyUnknown, KeyRevoked, KeyExpired   the API key opens nothing, or no longer
├── KeyNotFound, InvalidKeyRequest, TooManyKeys  keys cannot be managed like this
├── DiskFull                        only the floor of the engines' disk is left
├── SpecNewer, SpecInvalid          a row's spec is of a newer version, or of none
├── BlobMissing                     no object under this key
├── BlobDamaged                     the object's hash is not the recorded one
└── BlobsUnavailable                object storage does not answer, or answers wrongly
    ├── ObjectRefused               it answers 500 for one object: an outage, or damage
    ├── ObjectBrokenOff             it stopped in the middle of one object: an outage, or damage
    └── BucketMissing               it answers, and the bucket is gone
"""

from typing import ClassVar


class StoreError(Exception):
    """Base of every error that the store raises on purpose."""

    code: ClassVar[str] = "store_error"


class SignalNotFound(StoreError):
    """No signal with this id belongs to the tenant."""

    code = "signal_not_found"


class FitNotFound(StoreError):
    """No fit with this id belongs to the tenant."""

    code = "fit_not_found"


class UploadNotFound(StoreError):
    """No large upload with this id belongs to the tenant, or it has expired."""

    code = "upload_not_found"


class SignalInUse(StoreError):
    """Fits that have not ended need the signal."""

    code = "signal_in_use"


class RepresentationNotReady(StoreError):
    """The fit has no representation, and its status says whether one will come."""

    code = "representation_not_ready"


class CheckpointNotFound(StoreError):
    """The fit has no such checkpoint; a fit that has ended keeps none."""

    code = "checkpoint_not_found"


class WebhookNotFound(StoreError):
    """No webhook endpoint with this id belongs to the tenant."""

    code = "webhook_not_found"


class DeliveryNotFound(StoreError):
    """The webhook endpoint has no such message."""

    code = "delivery_not_found"


class TooManyWebhooks(StoreError):
    """The tenant has as many webhook endpoints as it may have."""

    code = "too_many_webhooks"


class TooManyMessages(StoreError):
    """The tenant has asked for as many webhook messages as it may within a minute."""

    code = "too_many_messages"


class IllegalMove(StoreError):
    """The fit's status does not allow this."""

    code = "illegal_move"


class LeaseLost(StoreError):
    """Another attempt holds the fit, or none does: whoever sees this stops at once and writes nothing."""

    code = "lease_lost"


class IdempotencyConflict(StoreError):
    """The idempotency key was used before with another request."""

    code = "idempotency_conflict"


class TooManyFits(StoreError):
    """The tenant has as many fits waiting as it may have."""

    code = "too_many_fits"


class StorageFull(StoreError):
    """The tenant has stored as many bytes as it may store."""

    code = "storage_full"


class KeyUnknown(StoreError):
    """No API key is like this one."""

    code = "key_unknown"


class KeyRevoked(StoreError):
    """The API key was revoked."""

    code = "key_revoked"


class KeyExpired(StoreError):
    """The API key's time is over."""

    code = "key_expired"


class KeyNotFound(StoreError):
    """No API key has this prefix."""

    code = "key_not_found"


class TooManyKeys(StoreError):
    """The tenant has as many valid API keys as it may have."""

    code = "too_many_keys"


class InvalidKeyRequest(StoreError):
    """An API key cannot be made or changed like this."""

    code = "invalid_key_request"


class DiskFull(StoreError):
    """The disk has only so much room left as its engines need: nothing can be added for now."""

    code = "disk_full"


class SpecNewer(StoreError):
    """The fit was asked for in words of a newer version of this service, which this one does not know."""

    code = "spec_newer"


class SpecInvalid(StoreError):
    """What the fit's row says it was asked for is no request of any version."""

    code = "spec_invalid"


class BlobMissing(StoreError):
    """There is no object under this key."""

    code = "blob_missing"


class BlobDamaged(StoreError):
    """An object's bytes do not have the hash that was recorded for them."""

    code = "blob_damaged"


class BlobsUnavailable(StoreError):
    """Object storage does not answer."""

    code = "blobs_unavailable"


class ObjectRefused(BlobsUnavailable):
    """Object storage answers that it cannot do this; whether it can do anything else is to be seen."""

    code = "object_refused"


class ObjectBrokenOff(BlobsUnavailable):
    """Object storage had begun to give an object, and stopped; whether it always stops there is to be seen."""

    code = "object_broken_off"

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class BucketMissing(BlobsUnavailable):
    """Object storage answers, and the bucket that holds everything is gone."""

    code = "bucket_missing"
