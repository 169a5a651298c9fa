"""Every object key, built here and nowhere else, and only from our own ids and hashes (never from file names)."""

SIGNALS = "signals/"
FITS = "fits/"
RENDERS = "renders/"
UPLOADS = "uploads/"
PROBES = "probe/"


def signal_key(tenant: str, sha256: str) -> str:
    """Content-addressed: the same bytes of the same tenant are one object."""
    return f"{SIGNALS}{tenant}/{sha256}"


def owner_of_signal(key: str) -> tuple[str, str]:
    """Tenant and SHA-256 that a signal's key was built from."""
    tenant, _, sha256 = key.removeprefix(SIGNALS).rpartition("/")
    return tenant, sha256


def upload_key(upload_id: str) -> str:
    """Where a large upload waits until it is known to be a signal."""
    return f"{UPLOADS}{upload_id}"


def upload_of(key: str) -> str:
    """Id of the upload that a key was built from."""
    return key.removeprefix(UPLOADS)


def fit_prefix(fit_id: str) -> str:
    """Everything that belongs to one fit."""
    return f"{FITS}{fit_id}/"


def checkpoint_key(fit_id: str, attempt: int, step: int) -> str:
    """Scoped by attempt: an attempt that lost its lease cannot overwrite the checkpoint of the one that holds it."""
    return f"{fit_prefix(fit_id)}attempts/{attempt}/checkpoints/{step:09d}.safetensors"


def part_key(fit_id: str, number: int, attempt: int) -> str:
    """Scoped by the attempt at the part, as a fit's own checkpoints are by that at the fit."""
    return f"{fit_prefix(fit_id)}parts/{number:06d}/attempts/{attempt}.safetensors"


def representation_key(fit_id: str, attempt: int) -> str:
    """Scoped by attempt, like checkpoints; the row decides which one counts."""
    return f"{fit_prefix(fit_id)}attempts/{attempt}/representation.tnr"


def render_key(tenant: str, render_id: str, sha256: str) -> str:
    """By its row and its bytes: asked for anew after its row is gone, the same view is another object.

    So an object whose row is gone is nobody else's, and can be removed at any time.
    """
    return f"{RENDERS}{tenant}/{render_id}/{sha256}"
