"""One trace from a client's request to the end of its fit, across processes, at a collector that takes it; and logs.

The worker here is the real one of one fit, without Celery around it.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.engines import fresh_corner
from tests.factories import picture_png
from tests.integration.api.conftest import running_api
from tests.integration.api.waiting import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
RUN_ONE = """
from store.logs import write_logs
from store.tracing import stop_traces
from worker.resources import resources
from worker.run import run_next_fit

write_logs("INFO")
print(run_next_fit(resources()))
resources().queue.close()
stop_traces()
"""


class Collector:
    """Takes what is sent to it."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        collected = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in request.resource_spans:
                    names = {one.key: one.value.string_value for one in resource.resource.attributes}
                    spans = [span for scope in resource.scope_spans for span in scope.spans]
                    collected.extend((names["service.name"], span) for span in spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def names(self, service: str, trace: str) -> set[str]:
        """Names of the spans that a process sent about a trace."""
        return {span.name for name, span in self.spans if name == service and span.trace_id.hex() == trace}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()


@pytest.fixture
def corner(engines: dict[str, str]) -> Iterator[dict[str, str]]:
    """Tables, a bucket and a broker of its own: the worker is to find no other fit."""
    with fresh_corner(engines) as found:
        subprocess.run([sys.executable, "-m", "standalone.migrate"], env=os.environ | found, check=True)
        yield found


def test_one_trace_leads_from_the_request_to_the_stored_file(corner: dict[str, str], tmp_path: Path) -> None:
    with collecting() as collector:
        traced = {"TUNER_TRACES_ENDPOINT": collector.address}
        with (
            running_api(corner, tmp_path, **traced) as running,
            httpx.Client(base_url=running.url, trust_env=False) as client,
        ):
            upload = client.post("/signals", content=picture_png(), headers={"Content-Type": "image/png"})
            ask = {"signal_id": upload.json()["id"], "max_steps": 2, "preset": "fast"}
            headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "req_of_a_client"}
            fit_id = client.post("/fits", json=ask, headers=headers).raise_for_status().json()["id"]
            client.get("/readyz")
            worker = subprocess.run(
                [sys.executable, "-c", RUN_ONE],
                env=os.environ | corner | traced | {"TUNER_WORKER_DEVICE": "cpu"},
                capture_output=True,
                text=True,
                check=True,
                timeout=300,
            )
            assert worker.stdout.strip() == fit_id
            assert client.get(f"/fits/{fit_id}").json()["status"] == "succeeded"
        eventually(lambda: "POST /fits" in collector.names("tuner-api", TRACE))
        api_log = [json.loads(line) for line in running.log.read_text().splitlines() if line.startswith("{")]
    by_api, by_worker = collector.names("tuner-api", TRACE), collector.names("tuner-worker", TRACE)
    assert "POST /fits" in by_api
    assert any(name.startswith("INSERT") for name in by_api)
    assert {"fit", "S3.PutObject"} <= by_worker
    assert any(name.startswith(("INSERT", "UPDATE", "SELECT")) for name in by_worker)
    # Nobody asked for the rest: neither probes nor a worker's looking around.
    assert not any("readyz" in span.name for _, span in collector.spans)
    assert {span.name for name, span in collector.spans if name == "tuner-worker" and not span.parent_span_id} == set()
    # One search finds the lines of all processes.
    lines = [json.loads(line) for line in worker.stderr.splitlines() if "begins" in line]
    assert [(one["fit_id"], one["request_id"], one["trace_id"]) for one in lines] == [
        (fit_id, "req_of_a_client", TRACE)
    ]
    assert any(one.get("trace_id") == TRACE and one.get("request_id") == "req_of_a_client" for one in api_log)


def test_without_an_address_nothing_of_it_is_imported(environment: dict[str, str]) -> None:
    look = "import sys, api.main, worker.run; print([name for name in sys.modules if 'telemetry.sdk.trace' in name])"
    found = subprocess.run(
        [sys.executable, "-c", look], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_packages_that_are_missing_are_named(environment: dict[str, str]) -> None:
    code = "import sys; sys.modules['opentelemetry.sdk'] = None; import api.main; api.main.create_app()"
    traced = {"TUNER_TRACES_ENDPOINT": "http://127.0.0.1:1"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment | traced, capture_output=True, text=True, check=False
    )
    assert found.returncode != 0
    assert "pip install 'tuner-service[tracing]'" in found.stderr
