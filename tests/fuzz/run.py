"""One run of schemathesis against a real server on real engines, as a process of its own."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.schemas import fits, signals
from store.blobs import BlobStore
from store.database import Database
from store.keys import signal_key
from store.models import Fit, Signal
from store.repositories.keys import Keys
from store.spec import FitSpec
from tests.engines import settings_of
from tests.integration.api.conftest import running_api
from tests.integration.api.images import png
from tests.integration.api.world import World

TENANT = "fuzz"
CONFIG = Path(__file__).with_name("schemathesis.toml")
ROOT = Path(__file__).parents[2]
SETTINGS = {"TUNER_REQUIRE_KEYS": "1", "TUNER_REQUESTS_PER_SECOND": "100000", "TUNER_REQUEST_BURST": "100000"}


def fuzz(environment: Mapping[str, str], folder: Path, *, examples: int, seed: int) -> dict[str, Any]:
    """Fuzz everything.

    Args:
        environment: leads to engines with tables.
        folder: for the server's files and schemathesis' report.
        examples: requests made up for each operation, at most.
        seed: of what is made up.

    Returns:
        The exit status, the failures, schemathesis' own output, and its report.
    """
    key = prepare(environment)
    report = folder / "schemathesis.json"
    with running_api(environment, folder / "api", **SETTINGS) as server:
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(CONFIG),
            "run",
            f"{server.url}/openapi.json",
            "--checks",
            "all",
        ]
        command += ["--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure", "--no-color"]
        command += ["--header", f"Authorization: Bearer {key}", "--request-timeout", "60"]
        command += ["--report", "json", "--report-json-path", str(report)]
        ended = subprocess.run(
            command,
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *sys.path)))},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        complaints = [line for line in server.log.read_text().splitlines() if '"level": "error"' in line]
    told = json.loads(report.read_text()) if report.exists() else {}
    return {
        "status": ended.returncode,
        "errors_logged": complaints,
        "output": ended.stdout + ended.stderr,
        "report": told,
    }


def prepare(environment: Mapping[str, str]) -> str:
    """A key, and things under the ids that the document gives as examples; returns the key."""
    settings = settings_of(dict(environment))
    world = World(Database(settings), BlobStore(settings))
    content = png()
    sha256 = hashlib.sha256(content).hexdigest()
    world.blobs.put(signal_key(TENANT, sha256), content)
    with world.database.unit_of_work() as session:
        _, token = Keys(session).create(TENANT)
        facts = {"kind": "image", "format": "png", "width": 6, "height": 4, "channels": 3, "sample_format": "u8"}
        signal = Signal(id=signals.EXAMPLE_ID, tenant=TENANT, sha256=sha256, byte_count=len(content), facts=facts)
        signal.media_type, signal.object_key = "image/png", signal_key(TENANT, sha256)
        session.add(signal)
        session.flush()
        spec = FitSpec().model_dump(mode="json")
        session.add(Fit(id=fits.EXAMPLE_ID, tenant=TENANT, signal_id=signal.id, spec=spec, priority=100))
    world.succeed(world.start(fits.EXAMPLE_ID), b"a representation")
    world.database.close()
    return str(token)
