"""Every export gives the values of the representation it was made from."""

import json
import types
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from tests.networks import random_representation
from tests.tiles import random_tiles, tiled
from tests.wavelets import random_wavelets, wavelet_representation
from tuner.cli import app
from tuner.codec.encode import encode
from tuner.errors import ConfigError
from tuner.export.cli import exported
from tuner.export.tensors import named_arrays, to_safetensors
from tuner.network.sines.windows import WindowedParameters
from tuner.representation import Representation

WINDOWS = WindowedParameters(
    network=random_representation((24,), frequencies=4, hidden=(9, 6), channels=10).sine_parameters,
    samples=110,
    windows=5,
    window=24,
)
CASES = {
    "plain": random_representation(hidden=(9, 6)),
    "wavelets": wavelet_representation((13, 10)),
    "wavelets of a volume": Representation(
        parameters=random_wavelets((6, 5, 4), scales=1, colours=1, channels=1), grid_shape=(6, 5, 4)
    ),
    "windows": Representation(parameters=WINDOWS, grid_shape=(110,)),
}


def coords_of(representation: Representation) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.uniform(-1.1, 1.1, (50, representation.parameters.dimensions)).astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_onnx(name: str) -> None:
    representation, coords = CASES[name], coords_of(CASES[name])
    session = onnxruntime.InferenceSession(exported(representation, ".onnx"), providers=["CPUExecutionProvider"])
    (values,) = session.run(None, {"coords": coords})
    np.testing.assert_allclose(values, representation.at(coords), atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_torch_module(name: str) -> None:
    representation, coords = CASES[name], coords_of(CASES[name])
    module = types.ModuleType("exported")
    exec(exported(representation, ".py").decode(), module.__dict__)
    points = torch.from_numpy(coords).requires_grad_()
    values = module.Representation()(points)
    np.testing.assert_allclose(values.detach().numpy(), representation.at(coords), atol=1e-4)
    (slope,) = torch.autograd.grad(values[:, 0].sum(), points)
    np.testing.assert_allclose(slope.numpy(), representation.gradient(coords)[:, 0], atol=1e-3, rtol=1e-3)


def test_safetensors(tmp_path: Path) -> None:
    representation = CASES["wavelets"]
    path = tmp_path / "x.safetensors"
    path.write_bytes(to_safetensors(representation))
    with safe_open(path, "numpy") as file:
        assert json.loads(file.metadata()["tuner"])["colours"] is not None
        assert "latents" in file.keys()  # noqa: SIM118  no mapping, it has no __contains__
        for name, array in named_arrays(representation).items():
            np.testing.assert_array_equal(file.get_tensor(name), array)


def test_windows_in_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(exported(CASES["windows"], ".safetensors"))
    with safe_open(path, "numpy") as file:
        assert json.loads(file.metadata()["tuner"])["windows"] == {"count": 5, "length": 24, "samples": 110}
        np.testing.assert_array_equal(file.get_tensor("readout.weight"), WINDOWS.network.readout_weight)


def test_command(tmp_path: Path) -> None:
    source = tmp_path / "x.tnr"
    source.write_bytes(encode(CASES["plain"]))
    result = CliRunner().invoke(app, ["export", str(source), "-o", str(tmp_path / "x.safetensors")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "x.safetensors").stat().st_size > 100
    result = CliRunner().invoke(app, ["export", str(source), "-o", str(tmp_path / "x.pt")])
    assert result.exit_code == 1
    assert "expected one of .safetensors, .onnx, .py" in result.output


def test_unknown_suffix() -> None:
    with pytest.raises(ConfigError, match="nothing"):
        exported(CASES["plain"], "")


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ".py"])
def test_a_signal_in_tiles_is_no_single_network(suffix: str) -> None:
    with pytest.raises(ConfigError, match="in 6 tiles"):
        exported(tiled(random_tiles()), suffix)
