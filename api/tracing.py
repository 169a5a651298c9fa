"""Requests as spans, by OpenTelemetry's own instrumentation of FastAPI, where traces are on (`store.tracing`)."""

from fastapi import FastAPI

from store.tracing import provider

# What looks whether the service is well asks every few seconds, and belongs to nobody.
UNTRACED = "livez,readyz,metrics"


def trace_requests(app: FastAPI) -> None:
    """Have requests to the application seen in traces; a caller's `traceparent` is gone on with."""
    if (tracers := provider()) is not None:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        # Without the spans of single messages, which say when bytes came and went.
        FastAPIInstrumentor.instrument_app(
            app, tracer_provider=tracers, excluded_urls=UNTRACED, exclude_spans=["receive", "send"]
        )
