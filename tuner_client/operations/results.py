"""What comes of a fit: its file, views of it, figures, and states of its training."""

from tuner_client.both import Both, operation
from tuner_client.calls import Call, Query, at, document, file_head, prefer, view_head
from tuner_client.models import CheckpointList, FileHead, Metrics
from tuner_client.transfers import (
    download,
    fetch_checkpoint,
    fetch_gradient,
    fetch_reconstruction,
    fetch_representation,
    fetch_spectrum,
    fetch_view_page,
)


class ResultOperations:
    """What is done with results."""

    download = Both(download)
    get_representation = Both(fetch_representation)
    get_reconstruction = Both(fetch_reconstruction)
    get_gradient = Both(fetch_gradient)
    get_spectrum = Both(fetch_spectrum)
    get_checkpoint = Both(fetch_checkpoint)
    get_view_page = Both(fetch_view_page)

    @operation
    def head_representation(self, fit_id: str, *, timeout: float | None = None) -> Call[FileHead]:
        """Size and SHA-256 of the compressed file."""
        path = at("/fits/{fit_id}/representation", fit_id=fit_id)
        return Call(method="HEAD", path=path, read=file_head, timeout=timeout)

    @operation
    def head_reconstruction(
        self,
        fit_id: str,
        *,
        scale: float | None = None,
        region: str | None = None,
        format: str | None = None,  # noqa: A002  the service's word
        wait_seconds: int | None = None,
        timeout: float | None = None,
    ) -> Call[FileHead | None]:
        """Size and SHA-256 of a reconstruction, None while it is being drawn; asking has it drawn."""
        path = at("/fits/{fit_id}/reconstruction", fit_id=fit_id)
        query = {"scale": scale, "region": region, "format": format}
        return _head_of_a_view(path, query, wait_seconds, timeout)

    @operation
    def head_gradient(
        self,
        fit_id: str,
        *,
        scale: float | None = None,
        region: str | None = None,
        format: str | None = None,  # noqa: A002  the service's word
        wait_seconds: int | None = None,
        timeout: float | None = None,
    ) -> Call[FileHead | None]:
        """Size and SHA-256 of a view of the derivative, None while it is being drawn; asking has it drawn."""
        path = at("/fits/{fit_id}/gradient", fit_id=fit_id)
        query = {"scale": scale, "region": region, "format": format}
        return _head_of_a_view(path, query, wait_seconds, timeout)

    @operation
    def head_spectrum(
        self,
        fit_id: str,
        *,
        format: str | None = None,  # noqa: A002  the service's word
        wait_seconds: int | None = None,
        timeout: float | None = None,
    ) -> Call[FileHead | None]:
        """Size and SHA-256 of a view of the spectrum, None while it is being drawn; asking has it drawn."""
        path = at("/fits/{fit_id}/spectrum", fit_id=fit_id)
        return _head_of_a_view(path, {"format": format}, wait_seconds, timeout)

    @operation
    def head_view_page(self, fit_id: str, *, timeout: float | None = None) -> Call[FileHead]:
        """Size and SHA-256 of the page that holds a result; it is made to be measured."""
        path = at("/fits/{fit_id}/view.html", fit_id=fit_id)
        return Call(method="HEAD", path=path, read=file_head, timeout=timeout)

    @operation
    def get_metrics(self, fit_id: str, *, timeout: float | None = None) -> Call[Metrics]:
        """How good and how small a result is."""
        path = at("/fits/{fit_id}/metrics", fit_id=fit_id)
        return Call(method="GET", path=path, read=document(Metrics), timeout=timeout)

    @operation
    def list_checkpoints(self, fit_id: str, *, timeout: float | None = None) -> Call[CheckpointList]:
        """States from which training can go on; a fit that has ended keeps none."""
        path = at("/fits/{fit_id}/checkpoints", fit_id=fit_id)
        return Call(method="GET", path=path, read=document(CheckpointList), timeout=timeout)

    @operation
    def head_checkpoint(self, fit_id: str, checkpoint_id: str, *, timeout: float | None = None) -> Call[FileHead]:
        """Size and SHA-256 of a checkpoint."""
        path = at("/fits/{fit_id}/checkpoints/{checkpoint_id}", fit_id=fit_id, checkpoint_id=checkpoint_id)
        return Call(method="HEAD", path=path, read=file_head, timeout=timeout)


def _head_of_a_view(path: str, query: Query, wait_seconds: int | None, timeout: float | None) -> Call[FileHead | None]:
    return Call(
        method="HEAD",
        path=path,
        read=view_head,
        query=query,
        headers=prefer(wait_seconds),
        thinking_seconds=wait_seconds or 0,
        timeout=timeout,
    )
