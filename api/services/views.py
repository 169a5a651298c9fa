"""Views of a representation: ask for one, wait a little, download it when it is there.

The api draws nothing. It writes a row, wakes a worker of the interactive queue, and looks at the row again.
"""

import time
from dataclasses import dataclass
from pathlib import PurePath

import anyio
from starlette.requests import Request
from starlette.responses import Response

from api.errors import InvalidRequest, TooBusy, ViewFailed, ViewTooLarge
from api.schemas.problems import Fault
from api.schemas.results import ViewStatus
from api.services.downloads import StoredFile, download
from api.services.places import Places
from api.services.publishing import Publisher
from api.services.removal import remove_soon
from api.services.turns import Turns
from store.blobs import BlobStore
from store.database import Database
from store.errors import BlobDamaged, BlobMissing, StorageFull
from store.models import Representation
from store.models_renders import Render
from store.render_spec import RenderFormat, RenderSpec, View
from store.repositories.quotas import Quotas
from store.repositories.renders import Renders
from store.repositories.representations import Representations

POLL_SECONDS = 0.05  # until the first look, and half a second between the later ones
SLOWEST_POLL_SECONDS = 0.5
WAITS = 64  # requests that wait for a view at the same time; the others are told to ask again
RETRY_AFTER_SECONDS = 1
WAITING_PER_TENANT = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """A view as the request describes it."""

    view: View
    format: RenderFormat | None
    scale: float = 1.0
    region: str | None = None


class Views:
    """Answers requests for views."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        publisher: Publisher,
        threads: Turns,
        *,
        max_stored_bytes: int | None,
        is_shared: bool,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._publisher = publisher
        self._threads = threads
        self._max_stored_bytes = max_stored_bytes
        self._waits = Places("requests for views", WAITS, None, is_shared=is_shared)

    async def answer(self, request: Request, tenant: str, fit_id: str, wish: Wish, *, wait: int | None) -> Response:
        """The view, or 202 if it is not there after `wait` seconds.

        Raises:
            FitNotFound: if the tenant has no such fit.
            RepresentationNotReady: if the fit has not succeeded.
            InvalidRequest: if the region does not fit the signal.
            ViewTooLarge: if it has too many samples.
            ViewFailed: if it cannot be drawn.
            BlobMissing: if its object is gone; the next request has it drawn again.
            BlobDamaged: if its object, or the compressed file that it is drawn from, is damaged.
            StorageFull: if the tenant may not store it.
            TooBusy: if too many of the tenant's views are waiting.
        """
        render, filename = await self._threads.in_thread(tenant, self._ask, tenant, fit_id, wish)
        if wait is not None and self._waits.has_room(tenant):
            with self._waits.place(tenant):
                render = await self._awaited(tenant, render, wait)
        if render.status in {"queued", "running"}:
            return _not_yet(request, render)
        if render.error_code == StorageFull.code:
            raise StorageFull(render.error_message)
        if render.error_code in {BlobMissing.code, BlobDamaged.code}:
            # Once its file is made again, it can be drawn: a failure that is remembered would outlive its cause.
            await self._threads.in_thread(tenant, self._forget, render)
            raise BlobDamaged(render.error_message)
        if render.status == "failed":
            raise ViewFailed(render.error_message or "the view cannot be drawn", reason=render.error_code)
        try:
            return await self._threads.in_thread(tenant, download, request, self._blobs, _file(render, filename))
        except (BlobMissing, BlobDamaged):
            # Views can be made again: whoever asks next has it drawn anew.
            await self._threads.in_thread(tenant, self._forget, render)
            raise

    async def _awaited(self, tenant: str, render: Render, wait: int) -> Render:
        """The view as it is when it is drawn, or when the time for that is over."""
        deadline, pause = time.monotonic() + wait, POLL_SECONDS
        while render.status in {"queued", "running"} and time.monotonic() < deadline:
            await anyio.sleep(pause)
            pause = min(1.5 * pause, SLOWEST_POLL_SECONDS)
            render = await self._threads.in_thread(tenant, self._look, render)
        return render

    def _ask(self, tenant: str, fit_id: str, wish: Wish) -> tuple[Render, str]:
        with self._database.unit_of_work() as session:
            representation = Representations(session).of_fit(tenant, fit_id)
            spec = _spec(wish, representation)
            renders = Renders(session)
            render, is_new = renders.ask(tenant, representation, spec)
            if is_new and renders.count_waiting(tenant) > WAITING_PER_TENANT:
                raise TooBusy(f"{WAITING_PER_TENANT} views are being drawn for you already: ask again in a moment")
            if is_new:
                Quotas(session).check_room(tenant, self._max_stored_bytes)
            name = representation.fit.signal.filename
        if is_new:
            self._publisher.publish_view(render.id)
        stem = PurePath(name).stem if name else fit_id
        return render, stem if wish.view is View.RECONSTRUCTION else f"{stem}-{wish.view}"

    def _forget(self, render: Render) -> None:
        with self._database.unit_of_work() as session:
            keys = Renders(session).forget(render.id, render.tries)
        remove_soon(self._database, self._blobs, keys)

    def _look(self, render: Render) -> Render:
        with self._database.reading() as session:
            return Renders(session).get(render.id) or render


def _spec(wish: Wish, representation: Representation) -> RenderSpec:
    shape = grid_shape(representation)
    region = None if wish.region is None else tuple(float(number) for number in wish.region.split(","))
    default = RenderFormat.PNG if len(shape) == 2 else RenderFormat.NPY
    spec = RenderSpec(view=wish.view, format=wish.format or default, scale=wish.scale, region=region)
    if spec.format is RenderFormat.PNG and len(shape) != 2:
        raise _invalid("format", f"a signal of {len(shape)} axes is no picture: ask for npy")
    try:
        spec.spans(shape)
    except ValueError as error:
        raise _invalid("region", str(error)) from error
    try:
        # What was made before there were latents does as many products as it has weights.
        noted = representation.facts
        spec.check_cost(shape, noted.get("products_per_sample") or noted.get("weights") or 1)
    except ValueError as error:
        raise ViewTooLarge(str(error)) from error
    return spec


def grid_shape(representation: Representation) -> tuple[int, ...]:
    """Samples of the signal along each axis, as the worker noted them or else as the upload's facts say."""
    noted = representation.facts.get("grid_shape")
    return tuple(noted) if noted else representation.fit.signal.grid_shape


def _invalid(parameter: str, detail: str) -> InvalidRequest:
    fault = Fault(detail=detail, code="value_error", parameter=parameter, location="query")
    return InvalidRequest(f"{parameter}: {detail}", errors=[fault])


def _not_yet(request: Request, render: Render) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    headers = {"Location": here, "Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store"}
    return Response(ViewStatus.of(render).model_dump_json(), 202, headers, "application/json")


def _file(render: Render, stem: str) -> StoredFile:
    assert render.object_key and render.sha256 and render.media_type and render.byte_count is not None  # noqa: S101,PT018
    return StoredFile(
        key=render.object_key,
        sha256=render.sha256,
        byte_count=render.byte_count,
        media_type=render.media_type,
        filename=f"{stem}.{render.recipe['format']}",
    )
