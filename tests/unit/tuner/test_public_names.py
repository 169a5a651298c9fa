"""What a newcomer imports: every public name is there, and the light ones bring no torch along."""

import subprocess
import sys

import pytest

import tuner
import tuner.fit


@pytest.mark.parametrize("package", [tuner, tuner.fit], ids=lambda package: package.__name__)
def test_every_public_name_can_be_imported(package: object) -> None:
    for name in vars(package)["__all__"]:
        assert getattr(package, name).__name__ == name


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'render'"):
        _ = tuner.render  # type: ignore[attr-defined]


def test_pictures_and_configurations_need_no_torch() -> None:
    code = "import sys; from tuner import *; assert 'torch' not in sys.modules"
    light = "read_image, write_image, image_config, FitConfig, Signal, psnr_db, SineParameters"
    subprocess.run([sys.executable, "-c", code.replace("*", light)], check=True)
