"""What a network is worth is told without its file, and is what the file decodes to."""

import pytest

from tests.unit.tuner.targets.cases import PICTURE, wavelets
from tuner.fit.progress import Verdict
from tuner.fit.wavelets.rounded import RoundedNetwork
from tuner.targets.ask import WaveletsAsk
from tuner.targets.files import measured
from tuner.targets.wavelets.landing import encoded, land_on_quality
from tuner.targets.wavelets.strategy import WaveletsStrategy


@pytest.mark.parametrize("psnr_db", [28.0, 36.0])
def test_a_file_on_its_quality_decodes_to_what_its_network_was_measured_as(psnr_db: float) -> None:
    ask = wavelets("psnr_db", psnr_db)
    assert isinstance(ask, WaveletsAsk)
    strategy = WaveletsStrategy(PICTURE, ask)
    plan = strategy.next_plan([], None)
    assert plan is not None
    fitted = strategy.fit(plan, None, lambda _: Verdict.CONTINUE)
    shifts: list[float] = []

    def rounded(shift: float) -> RoundedNetwork:
        shifts.append(shift)
        return fitted.rounded(shift)

    file = land_on_quality(rounded, PICTURE, psnr_db)
    decoded = measured(file.content, PICTURE)
    assert (decoded.psnr_db, decoded.max_error) == (file.psnr_db, file.max_error)
    tried = [measured(encoded(fitted.rounded(shift), PICTURE), PICTURE) for shift in shifts]
    good = [each for each in tried if each.psnr_db >= psnr_db]
    assert len(file.content) == min(len(each.content) for each in good)
