"""What this service reads, writes and can be asked for, and how much of it at most.

The api does not import the library, so a few of its facts stand here a second time; a test holds both together.
"""

from typing import Final, Self, get_args

from pydantic import BaseModel, Field

from api.schemas.batches import MOST_CANCELLED
from api.schemas.representations import EXTENSION, MEDIA_TYPE
from api.settings import ApiSettings
from store.render_spec import MAX_SAMPLES, MAX_SCALE, RenderFormat, View
from store.repositories.batches import MOST_FITS
from store.spec import VERSION, FitSpec, NetworkSpec, TargetSpec
from store.status import FitStatus

API_VERSION: Final = "0.1.0"
FILE_FORMAT: Final = "1.0"

# What is read of each kind of signal, by the names that `facts.format` has, and what the library decodes it to.
FORMATS: Final[dict[str, tuple[list[str], list[str]]]] = {
    "image": (["png", "jpeg", "webp", "tiff"], [".png"]),
    "audio": (["wav", "flac", "ogg"], [".wav", ".flac", ".ogg"]),
    "volume": (["nii.gz", "nii", "tiff"], [".nii", ".nii.gz", ".tif", ".tiff"]),
    "video": (["avi", "mp4", "mov", "mkv"], [".mp4", ".mkv"]),
    "sdf": (["ply", "stl", "obj"], [".ply", ".obj", ".stl"]),
    "array": (["npy", "tiff"], [".npy", ".tif", ".tiff"]),
}
NETWORKS_PER_TARGET: Final = {"fast": 2, "balanced": 3, "best": 4}


class KindOfSignal(BaseModel):
    """One kind of signal."""

    kind: str
    reads: list[str] = Field(description="formats of files that are uploaded; a file is known by what it begins with")
    writes: list[str] = Field(description="endings of files that `tuner decode` makes of a representation")


class Preset(BaseModel):
    """How much a fit may try."""

    name: str
    networks_per_target: int = Field(description="networks that are fitted at most to meet a target")


class TargetKind(BaseModel):
    """Something that a fit can be asked to meet."""

    name: str
    meaning: str
    above: float = Field(description="largest value that is too small")
    most: float | None = Field(description="largest value that is accepted; null for any")


class ViewKind(BaseModel):
    """A view of a representation that the service draws."""

    name: View
    formats: list[RenderFormat]
    most_samples: int = Field(description="samples that are drawn at once at most")


class Limits(BaseModel):
    """The most of everything; null for what is not limited."""

    upload_bytes: int = Field(description="bytes of a file of POST /signals")
    large_upload_bytes: int = Field(description="bytes of a file of POST /uploads")
    open_uploads: int = Field(description="large uploads under way, of one tenant")
    json_bytes: int = Field(description="bytes of every other body")
    pixels: int = Field(description="pixels of a picture")
    points: int = Field(description="points of the grid of any other signal; fewer where its format is held as values")
    fit_memory_bytes: int = Field(description="bytes of memory that a worker has for one fit")
    fit_seconds: float = Field(description="seconds that a worker has for one fit")
    batch_fits: int = Field(description="fits of POST /fits/batch, and ids of POST /fits/cancel")
    cancelled_fits: int = Field(description="fits that one POST /fits/cancel with a condition cancels")
    waiting_fits: int | None = Field(description="fits that are queued or paused, of one tenant")
    stored_bytes: int | None = Field(description="bytes that are stored, of one tenant")
    requests_per_second: float | None = Field(description="requests of one tenant with keys, on the average")
    request_burst: int = Field(description="requests of one tenant with keys at once, after a pause")
    view_scale: float = Field(description="samples of a view per sample of the signal")
    signals_kept_seconds: float | None = Field(description="time for which a signal is kept")
    fits_kept_seconds: float | None = Field(description="time for which a fit is kept from its end")


class Versions(BaseModel):
    """What is spoken here; docs/versions.md has the rule by which these change."""

    api: str
    fit_request: int = Field(description="version of the words in which a fit is asked for")
    file_format: str = Field(description="version of the representations that are written")


class Capabilities(BaseModel):
    """What this service can do."""

    versions: Versions
    signals: list[KindOfSignal]
    representation_media_type: str = MEDIA_TYPE
    representation_extension: str = EXTENSION
    presets: list[Preset]
    networks: list[str] = Field(description="kinds of network that can be asked for")
    targets: list[TargetKind]
    views: list[ViewKind]
    fit_statuses: list[FitStatus]
    limits: Limits
    asks_for_keys: bool = Field(description="whether requests about a tenant's things need an API key")

    @classmethod
    def of(cls, settings: ApiSettings) -> Self:
        """What a service with these settings can do."""
        limits = Limits(
            upload_bytes=settings.max_upload_bytes,
            large_upload_bytes=settings.max_large_upload_bytes,
            open_uploads=settings.max_open_uploads,
            json_bytes=settings.max_json_bytes,
            pixels=settings.max_pixels,
            points=settings.max_points,
            fit_memory_bytes=settings.fit_memory_bytes,
            fit_seconds=settings.fit_seconds,
            batch_fits=MOST_FITS,
            cancelled_fits=MOST_CANCELLED,
            waiting_fits=settings.max_waiting_fits,
            stored_bytes=settings.max_stored_bytes,
            requests_per_second=settings.requests_per_second,
            request_burst=settings.request_burst,
            view_scale=MAX_SCALE,
            signals_kept_seconds=settings.signals_kept_seconds,
            fits_kept_seconds=settings.fits_kept_seconds,
        )
        return cls(
            versions=Versions(api=API_VERSION, fit_request=VERSION, file_format=FILE_FORMAT),
            signals=[KindOfSignal(kind=kind, reads=reads, writes=writes) for kind, (reads, writes) in FORMATS.items()],
            presets=[Preset(name=name, networks_per_target=NETWORKS_PER_TARGET[name]) for name in _presets()],
            networks=[
                word for choice in get_args(NetworkSpec.model_fields["kind"].annotation) for word in get_args(choice)
            ],
            targets=_targets(),
            views=[ViewKind(name=view, formats=list(RenderFormat), most_samples=MAX_SAMPLES[view]) for view in View],
            fit_statuses=list(FitStatus),
            limits=limits,
            asks_for_keys=settings.require_keys,
        )


def _presets() -> tuple[str, ...]:
    return get_args(FitSpec.model_fields["preset"].annotation)


def _networks() -> list[str]:
    choices = get_args(NetworkSpec.model_fields["kind"].annotation)
    return [word for choice in choices for word in get_args(choice)]


def _targets() -> list[TargetKind]:
    """Names, meanings and bounds as requests are checked against them."""
    found = []
    for name, member in TargetSpec.model_json_schema()["properties"].items():
        number = next(choice for choice in member["anyOf"] if choice.get("type") != "null")
        above = number.get("exclusiveMinimum", number.get("minimum", 0) - 1)
        found.append(TargetKind(name=name, meaning=member["description"], above=above, most=number.get("maximum")))
    return found
