"""`make containers`: build both images, send a fit through them, and say how large they are.

buildah and podman do it, without a daemon. Where they are not installed this says so and ends. Options for `buildah
build` come from the environment, for machines whose indexes or base images have other names: CONTAINERS_BUILD for both
images, CONTAINERS_BUILD_API and CONTAINERS_BUILD_WORKER for one, such as `--build-arg PYTHON_IMAGE=mirror/python`.
With BUILDAH_LAYERS=true wheels are kept from one build to the next: not where storage is `vfs`, which copies an image
for each line of a Dockerfile and has filled a disk with that.
"""

import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from math import log10
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

import tuner
from standalone.ports import Ports
from tests.containers.kinds import ROUND_TRIP, as_input, files
from tests.containers.running import ORDERLY, ROOT, Deployment, podman, until
from tests.engines import throwaway_engines
from tests.factories import picture_png

LIMITS_MB = {"api": 450, "worker": 1500}  # with all kinds of signal
_SERVICES = ("api", "worker", "interactive", "upkeep")
_FIT_SECONDS = 300.0
_VIEW_SECONDS = 120.0
_INIT = Path("/usr/libexec/podman/catatonit")  # what `init: true` of docker-compose.yml is with podman


def build(name: str) -> float:
    """Build one image; returns for how long, in seconds.

    Args:
        name: api or worker.

    Raises:
        SystemExit: if that fails; the output of buildah has the reason.
    """
    began = time.monotonic()
    given = [
        word
        for which in ("", f"_{name.upper()}")
        for word in shlex.split(os.environ.get(f"CONTAINERS_BUILD{which}", ""))
    ]
    command = ["buildah", "build", "--format", "docker", "-f", f"{name}/Dockerfile", "-t", image(name)]
    if subprocess.run([*command, *given, "."], cwd=ROOT, check=False).returncode:
        raise SystemExit(f"the image of {name} was not built")
    return time.monotonic() - began


def image(name: str) -> str:
    """What the image is called here."""
    return f"localhost/tuner-{name}"


def size_mb(name: str) -> float:
    """Size of an image in MB, unpacked."""
    return int(podman("image", "inspect", "--format", "{{.Size}}", image(name))) / 1e6


def go_through(client: httpx.Client, say: "Say") -> None:
    """Upload, fit, poll, download, decode, draw; and one upload of each format."""
    for name, content in files():
        answer = client.post("/signals", files={"file": (name, content)})
        assert answer.status_code in (200, 201), f"{name}: {answer.text}"
        say(f"  {name}: {answer.json()['facts']['kind']}")
    signal = client.post("/signals", files={"file": ("picture.png", picture_png())}).json()["id"]
    request = {"signal_id": signal, "max_steps": 60, "network": {"frequencies": 48, "hidden": [32]}}
    answer = client.post("/fits", json=request)
    assert answer.status_code == 202, answer.text
    address, began = f"/fits/{answer.json()['id']}", time.monotonic()
    until(lambda: client.get(address).json()["status"] in ("succeeded", "failed"), "the fit", _FIT_SECONDS)
    fit = client.get(address).json()
    assert fit["status"] == "succeeded", fit
    file = client.get(f"{address}/representation", follow_redirects=True).content
    values = tuner.decode(file).render().values
    given = np.asarray(Image.open(io.BytesIO(picture_png())), dtype=np.float64) / 255
    psnr = -10 * log10(float(np.mean(np.square(np.clip(values, 0, 1) - given))))
    say(
        f"  a fit of {given.shape[1]} x {given.shape[0]} pixels: {time.monotonic() - began:.1f} s from request to "
        f"result, {len(file)} bytes, decoded here at {psnr:.1f} dB"
    )
    assert psnr > 20
    # 202 while it is being drawn.
    view = f"{address}/reconstruction"
    until(lambda: client.get(view, follow_redirects=True).status_code != 202, "the view", _VIEW_SECONDS)
    drawn = client.get(view, follow_redirects=True)
    assert drawn.status_code == 200, drawn.text
    say(f"  a view of it, drawn by `interactive`: {len(drawn.content)} bytes of {drawn.headers['content-type']}")


class Say:
    """Prints at once, whatever the output is."""

    def __call__(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


@contextmanager
def secrets_folder() -> Iterator[Path]:
    """A folder that nobody else comes through, since the files in it can be read by everybody."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main(arguments: list[str]) -> None:
    """Do all of it; `--built` takes the images that an earlier run made."""
    say = Say()
    missing = [program for program in ("buildah", "podman", str(_INIT)) if shutil.which(program) is None]
    if missing:
        say(
            f"Not run: {' and '.join(missing)} missing on this machine, so no image was built and no container started."
        )
        return
    if "--built" not in arguments:
        for name in LIMITS_MB:
            say(f"image {name}: built in {build(name):.0f} s")
    sizes = {name: size_mb(name) for name in LIMITS_MB}
    for name, size in sizes.items():
        say(f"image {name}: {size:.0f} MB unpacked, expected at most {LIMITS_MB[name]} MB")
    images = {name: image("worker" if name == "worker" else "api") for name in ("migrate", *_SERVICES)}
    with throwaway_engines() as engines, secrets_folder() as folder:
        port = Ports(folder / "ports.json").claim("containers", ("api",), twin=0)["api"]
        prefix = f"tuner-{uuid.uuid4().hex[:8]}"
        deployed = Deployment.on(engines, folder, images=images, prefix=prefix, port=port)
        with (
            deployed.running(*_SERVICES),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
        ):
            try:
                waited = until(lambda: _is_ready(client), "GET /readyz", 180)
                say(
                    f"ready {waited:.1f} s after the last container was started: "
                    f"{client.get('/readyz').json()['checks']}"
                )
                go_through(client, say)
                for service in ("api", "worker"):
                    # Whoever calls webhooks has to know whom to trust, and results are written in every format.
                    deployed.python(service, "import ssl; assert ssl.create_default_context().get_ca_certs()")
                    lines = deployed.python(service, ROUND_TRIP, as_input()).splitlines()
                    say(f"{service}: {len(lines)} times a file was read, written and read again")
                for service in _SERVICES[1:]:
                    until(partial(deployed.is_healthy, service), f"health of {service}", 120)
                say(f"health checks pass: {', '.join(_SERVICES[1:])}")
            except BaseException:
                for service in _SERVICES:
                    say(f"--- {service}\n{deployed.logs(service)}")
                raise
            for service in ("worker", "upkeep", "interactive", "api"):
                began = time.monotonic()
                status = deployed.stop(service)
                assert status in ORDERLY, f"{service}: ended with status {status} when it was told to stop"
                say(f"{service}: stopped in order within {time.monotonic() - began:.1f} s, status {status}")
    over = {name: size for name, size in sizes.items() if size > LIMITS_MB[name]}
    if over:
        raise SystemExit(f"too large: {', '.join(f'{name} {size:.0f} MB' for name, size in over.items())}")


def _is_ready(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/readyz").status_code == 200
    return False


if __name__ == "__main__":
    main(sys.argv[1:])
