"""Traces from a request to the end of its fit, by OpenTelemetry; nothing of it is imported unless it is asked for.

`TUNER_TRACES_ENDPOINT` names a collector that speaks OTLP over HTTP. A request is a span with its statements and calls
to storage below it; a fit is a span of the same trace, in whichever process it runs, since its row keeps where it came
from: a message may be lost or wake a worker for another fit. What a process does by itself, such as upkeep's looking
around or the heartbeat of a lease, belongs to no request and is in no trace.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from store.settings import StoreSettings

MISSING = (
    "TUNER_TRACES_ENDPOINT is set, and the packages that send traces are not installed: "
    "pip install 'tuner-service[tracing]', or unset it"
)

logger = logging.getLogger(__name__)

_provider: Any = None  # one per process, once traces are on


class TracesMissing(RuntimeError):
    """Traces are wanted, and the packages for them are not there."""


def start_traces(settings: StoreSettings, service: str) -> None:
    """Send the traces of this process, if there is somewhere to send them. Asking again changes nothing.

    Args:
        settings: settings with the address of the collector.
        service: name of the process in traces, such as "tuner-api".

    Raises:
        TracesMissing: if the packages for them are not installed.
    """
    global _provider
    if settings.traces_endpoint is not None and _provider is None:
        _provider = _make_provider(settings.traces_endpoint, service)
        logger.info("traces are sent to %s", settings.traces_endpoint)


def provider() -> Any:
    """OpenTelemetry's provider of tracers for this process, None where traces are off."""
    return _provider


def stop_traces() -> None:
    """Send what is left."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def traceparent() -> str | None:
    """Where in which trace this thread is now, as W3C Trace Context writes it; None in no trace."""
    if _provider is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def trace_id() -> str | None:
    """Id of the trace in which this thread is now, 32 hexadecimal digits; None in no trace."""
    if _provider is None:
        return None
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


@contextmanager
def span(name: str, *, parent: str | None, **attributes: str | int) -> Iterator[None]:
    """A stretch of work that is seen in a trace.

    Args:
        name: kind of work, such as "fit".
        parent: place in a trace that the work came from, as `traceparent` told; None for a trace of its own.
        attributes: facts about it.
    """
    if _provider is None:
        yield
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {} if parent is None else {"traceparent": parent}
    context = TraceContextTextMapPropagator().extract(carrier)
    named = {f"tuner.{key}": value for key, value in attributes.items()}
    with _provider.get_tracer("tuner").start_as_current_span(name, context=context, attributes=named):
        yield


@contextmanager
def span_within(name: str) -> Iterator[None]:
    """A stretch of what this thread is doing, for calls that no instrumentation of a library knows.

    Args:
        name: kind of work, such as "S3.GetObject".
    """
    if _provider is None:
        yield
        return
    with _provider.get_tracer("tuner").start_as_current_span(name):
        yield


def _make_provider(endpoint: str, service: str) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from store.sampling import sampler
    except ImportError as error:
        raise TracesMissing(MISSING) from error
    made = TracerProvider(resource=Resource.create({"service.name": service}), sampler=sampler())
    # Sent every second: of a worker that is killed, little is lost.
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    made.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    # The driver's: that of SQLAlchemy knows no version as new as ours.
    PsycopgInstrumentor().instrument(tracer_provider=made)
    BotocoreInstrumentor().instrument(tracer_provider=made)  # type: ignore[no-untyped-call]
    return made
