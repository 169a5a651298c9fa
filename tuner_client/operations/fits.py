"""Fits: asking for one, moving it, and what happens to it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tuner_client.both import Both, BothStreams, operation
from tuner_client.calls import Call, at, document, idempotency, nothing, prefer
from tuner_client.models import Estimate, EventPage, Fit, FitBatch, FitCancellations, FitPage, FitSummary
from tuner_client.waiting import events, follow_fits, submit, watch


class FitOperations:
    """What is done with fits."""

    submit = Both(submit)
    events = BothStreams(events)
    follow_fits = BothStreams(follow_fits)
    _watch = BothStreams(watch)

    @operation
    def create_fit(
        self,
        request: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        wait_seconds: int | None = None,
        timeout: float | None = None,
    ) -> Call[Fit]:
        """Ask for a representation, in the words of the service: `{"signal_id": "sig_…", "preset": "fast"}`.

        Sent again with the same key it starts nothing new; without one, each call has its own.
        """
        return Call(
            method="POST",
            path="/fits",
            read=document(Fit),
            json=dict(request),
            headers=idempotency(idempotency_key) | prefer(wait_seconds),
            thinking_seconds=wait_seconds or 0,
            timeout=timeout,
        )

    @operation
    def create_fits(
        self,
        requests: Sequence[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Call[FitBatch]:
        """Ask for up to a hundred representations at once: all of them are queued, or none.

        Sent again with the same key it starts nothing new; without one, each call has its own.
        """
        return Call(
            method="POST",
            path="/fits/batch",
            read=document(FitBatch),
            json={"fits": [dict(one) for one in requests]},
            headers=idempotency(idempotency_key),
            timeout=timeout,
        )

    @operation
    def cancel_fits(
        self,
        ids: Sequence[str] | None = None,
        *,
        where: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Call[FitCancellations]:
        """Stop up to a hundred fits by their ids, or up to a thousand by a condition: `{"labels": {"sweep": "3"}}`.

        Exactly one of both is given. What has ended stays as it is; asking again changes nothing.
        """
        given: dict[str, Any] = {} if ids is None else {"ids": list(ids)}
        given |= {} if where is None else {"where": dict(where)}
        return Call(method="POST", path="/fits/cancel", read=document(FitCancellations), json=given, timeout=timeout)

    @operation
    def estimate_fit(self, request: Mapping[str, Any], *, timeout: float | None = None) -> Call[Estimate]:
        """What a fit would weigh, reach and take; nothing is stored."""
        query = {"validate_only": True}
        return Call(
            method="POST", path="/fits", read=document(Estimate), query=query, json=dict(request), timeout=timeout
        )

    @operation
    def list_fits(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        status: str | Sequence[str] | None = None,
        signal_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        updated_after: datetime | None = None,
        order: str | None = None,
        total: bool | None = None,
        timeout: float | None = None,
    ) -> Call[FitPage]:
        """Fits a page at a time, only those that all conditions hold for, in one of several statuses if they are named.

        Newest first, or `order="oldest"`, or `"updated"`: what was changed longest ago comes first.
        """
        query = {
            "limit": limit,
            "cursor": cursor,
            "status": list(status) if isinstance(status, Sequence) and not isinstance(status, str) else status,
            "signal_id": signal_id,
            "label": [f"{name}={value}" for name, value in (labels or {}).items()],
            "created_after": created_after,
            "created_before": created_before,
            "updated_after": updated_after,
            "order": order,
            "total": total,
        }
        return Call(method="GET", path="/fits", read=document(FitPage), query=query, timeout=timeout)

    @operation
    def get_fit(self, fit_id: str, *, wait_seconds: int | None = None, timeout: float | None = None) -> Call[Fit]:
        """How far a fit is, told when it has ended or so many seconds later."""
        path = at("/fits/{fit_id}", fit_id=fit_id)
        return _about_a_fit("GET", path, wait_seconds, timeout)

    @operation
    def change_fit(
        self, fit_id: str, *, labels: Mapping[str, str | None] | None, timeout: float | None = None
    ) -> Call[FitSummary]:
        """Set labels of a fit, and remove those that are None; the others stay. None instead of all removes all."""
        change = {"labels": None if labels is None else dict(labels)}
        path = at("/fits/{fit_id}", fit_id=fit_id)
        return Call(method="PATCH", path=path, read=document(FitSummary), json=change, timeout=timeout)

    @operation
    def delete_fit(self, fit_id: str, *, timeout: float | None = None) -> Call[None]:
        """Delete a fit that has ended, with its representation and all else that came of it."""
        path = at("/fits/{fit_id}", fit_id=fit_id)
        return Call(method="DELETE", path=path, read=nothing, timeout=timeout)

    @operation
    def clone_fit(
        self,
        fit_id: str,
        changes: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        wait_seconds: int | None = None,
        timeout: float | None = None,
    ) -> Call[Fit]:
        """Queue a new fit of the same signal, like this one but for the changes."""
        return Call(
            method="POST",
            path=at("/fits/{fit_id}/clone", fit_id=fit_id),
            read=document(Fit),
            json=dict(changes or {}),
            headers=idempotency(idempotency_key) | prefer(wait_seconds),
            thinking_seconds=wait_seconds or 0,
            timeout=timeout,
        )

    @operation
    def cancel_fit(self, fit_id: str, *, wait_seconds: int | None = None, timeout: float | None = None) -> Call[Fit]:
        """Stop a fit; asking again changes nothing."""
        path = at("/fits/{fit_id}/cancel", fit_id=fit_id)
        return _about_a_fit("POST", path, wait_seconds, timeout)

    # The name that this method has had.
    cancel = cancel_fit

    @operation
    def pause_fit(self, fit_id: str, *, wait_seconds: int | None = None, timeout: float | None = None) -> Call[Fit]:
        """Take a fit off its worker, or out of the queue, until it is resumed; asking again changes nothing."""
        path = at("/fits/{fit_id}/pause", fit_id=fit_id)
        return _about_a_fit("POST", path, wait_seconds, timeout)

    @operation
    def resume_fit(self, fit_id: str, *, wait_seconds: int | None = None, timeout: float | None = None) -> Call[Fit]:
        """Let a paused fit go on from where it was; asking again changes nothing."""
        path = at("/fits/{fit_id}/resume", fit_id=fit_id)
        return _about_a_fit("POST", path, wait_seconds, timeout)

    @operation
    def retry_fit(self, fit_id: str, *, wait_seconds: int | None = None, timeout: float | None = None) -> Call[Fit]:
        """Queue a new fit like one that failed, expired or was cancelled; asking again returns the same new fit."""
        path = at("/fits/{fit_id}/retry", fit_id=fit_id)
        return _about_a_fit("POST", path, wait_seconds, timeout)

    @operation
    def list_fit_events(
        self, fit_id: str, *, after: int = 0, limit: int = 100, timeout: float | None = None
    ) -> Call[EventPage]:
        """What happened to a fit so far, a page at a time; `events` follows it as it happens."""
        path, query = at("/fits/{fit_id}/events", fit_id=fit_id), {"after": after, "limit": limit}
        return Call(method="GET", path=path, read=document(EventPage), query=query, timeout=timeout)


def _about_a_fit(method: str, path: str, wait_seconds: int | None, timeout: float | None) -> Call[Fit]:
    return Call(
        method=method,
        path=path,
        read=document(Fit),
        headers=prefer(wait_seconds),
        thinking_seconds=wait_seconds or 0,
        timeout=timeout,
    )
