"""web/tnr.js between the samples, in Node: values, derivatives and magnified regions are those of the library."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from core.build import MODULE
from tests.browser.test_conformance import SINES, TILES, WAVELETS
from tuner.codec.decode import decode

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

# Of every kind and chunk of sines one.
FILES = [
    *WAVELETS,
    *TILES,
    *(path for path in SINES if path.parent.name in {"v1-kinds", "v1-scaled"} or path.name == "windows.tnr"),
]
PROGRAM = Path(__file__).with_name("points.mjs")


def test_values_derivatives_and_regions_are_those_of_the_library(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    coordinates = np.concatenate([random.uniform(-1.1, 1.1, 240), [-1.0, 1.0, 0.0, 0.5, -0.99, 0.99] * 4])
    points = tmp_path / "points.json"
    points.write_text(json.dumps(np.float32(coordinates).tolist()))
    done = subprocess.run(["node", PROGRAM, MODULE, points, *FILES], capture_output=True, check=True, text=True)
    for path, line in zip(FILES, done.stdout.splitlines(), strict=True):
        answer, representation = json.loads(line), decode(path.read_bytes())
        axes = len(representation.grid_shape)
        some = np.float32(coordinates[: len(coordinates) // axes * axes]).reshape(-1, axes)
        values, gradients = representation.at(some), representation.gradient(some)
        # Some of these networks were drawn to give large values.
        size, steepness = (max(1.0, float(np.abs(some).max())) for some in (values, gradients))
        np.testing.assert_allclose(np.reshape(answer["values"], values.shape), values, atol=2e-5 * size)
        if path.name != "places.tnr":  # whose angles are so large that single precision loses their turns
            found = np.reshape(answer["gradients"], gradients.shape)
            np.testing.assert_allclose(found, gradients, atol=1e-4 * steepness)
        shape = tuple(count + 3 for count in representation.grid_shape)
        region = representation.render(shape, region=[(-0.5, 0.0)] * axes).values
        np.testing.assert_allclose(np.reshape(answer["region"], region.shape), region, atol=2e-5 * size)
