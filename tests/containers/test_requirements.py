"""The list of what an image installs is that of service/pyproject.toml, and torch is in that of the worker alone."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.requirements import requirements


def names(extra: str, kinds: str = "") -> set[str]:
    return {Requirement(line).name for line in requirements(extra, kinds)}


def test_only_the_worker_has_torch() -> None:
    assert "torch" in names("worker")
    assert not {"torch", "safetensors"} & names("api")
    assert {"fastapi", "uvicorn", "celery", "imagecodecs", "av", "trimesh", "wasmtime"} <= names("api")
    assert not any(name.startswith("tuner") for name in names("api") | names("worker"))


def test_an_extra_that_includes_itself_under_the_other_name_is_followed() -> None:
    assert names("standalone") >= names("api") | names("worker")


def test_fewer_kinds_of_signal_need_fewer_libraries() -> None:
    assert names("api") - names("api", "audio,video,volume") == {"scikit-image", "scipy", "trimesh"}


def test_a_misspelt_extra_is_no_empty_list() -> None:
    with pytest.raises(KeyError, match="apj"):
        requirements("apj")
    with pytest.raises(KeyError, match="sounds"):
        requirements("api", "sounds", Path(__file__).parents[2])
