"""Where nobody sees a bar, and progress is asked for, it comes in lines."""

import numpy as np
import pytest

from tuner.fitting import represent


def test_a_line_with_a_forecast_for_each_phase_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    picture = np.linspace(0, 255, 16 * 16).reshape(16, 16, 1).astype(np.uint8)
    represent(picture, psnr_db=25, effort="fast", max_steps=2, progress=True)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("training: step 0, about ")
    assert any(line.startswith("compressing: step ") for line in said)
    assert all(line.endswith(" s left") for line in said)
    assert not any(" of " in line for line in said), "a total that grows is none"


def test_a_library_call_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    represent(np.zeros((16, 16, 1), np.uint8), psnr_db=25, effort="fast", max_steps=1)
    assert capsys.readouterr().err == ""
