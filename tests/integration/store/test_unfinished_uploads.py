"""What a process leaves in the bucket that is killed in the middle of a large upload, and who takes it away."""

import os
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from store.blobs import BlobStore
from tests.chaos.proxy import Proxy, Weather
from tests.engines import s3_client

# Larger than one part, so that the SDK sends it in several.
BYTES = 24 << 20
SEND = """
from pathlib import Path
from sys import argv
from store.blobs import BlobStore
from store.settings import StoreSettings

BlobStore(StoreSettings()).put("signals/large", Path(argv[1]))
"""


def test_an_upload_whose_sender_was_killed_is_given_up(
    blobs: BlobStore, store_environment: dict[str, str], tmp_path: Path
) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(BYTES))
    port = urlsplit(store_environment["TUNER_S3_ENDPOINT_URL"]).port
    assert port is not None
    with closing(s3_client(store_environment)) as s3, Proxy(port) as proxy:

        def unfinished() -> int:
            return len(s3.list_multipart_uploads(Bucket=blobs.bucket).get("Uploads", []))

        through = {"TUNER_S3_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
        with proxy.under(Weather(delay_seconds=0.2)):
            sender = subprocess.Popen(
                [sys.executable, "-c", SEND, str(large)], env=os.environ | store_environment | through
            )
            try:
                deadline = time.monotonic() + 60
                while unfinished() == 0:
                    assert sender.poll() is None, "it was sent before it could be killed"
                    assert time.monotonic() < deadline, "no upload in parts was begun"
                    time.sleep(0.02)
            finally:
                sender.kill()
                sender.wait()
        assert unfinished() == 1
        now = datetime.now(UTC)
        assert blobs.abort_uploads(begun_before=now - timedelta(hours=1)) == 0, "its sender may still be at it"
        assert blobs.abort_uploads(begun_before=now + timedelta(seconds=2)) == 1
        assert unfinished() == 0
        assert list(blobs.keys("signals/large")) == []
