"""Which spans are recorded: those of requests and fits, and what is below them. Only for `store.tracing`."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState


class NoLonelyCalls(Sampler):
    """Drops a statement or a call to storage that belongs to no request and no fit.

    A worker that waits and an upkeep that looks around make several a second, for as long as they live.
    """

    def should_sample(
        self,
        parent_context: Context | None,  # noqa: ARG002  there is none: this is asked about the first span of a trace
        trace_id: int,  # noqa: ARG002
        name: str,  # noqa: ARG002
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The decision on the first span of a trace."""
        decision = Decision.DROP if kind is SpanKind.CLIENT else Decision.RECORD_AND_SAMPLE
        return SamplingResult(decision, attributes, trace_state)

    def get_description(self) -> str:
        """Name of this rule, for people."""
        return "all but calls of nobody"


def sampler() -> Sampler:
    """As the caller decided, where the trace began elsewhere."""
    return ParentBased(root=NoLonelyCalls())
