"""What a network is worth is told without its file, and is what the file decodes to."""

import pytest

from tests.unit.tuner.targets.cases import PICTURE, wavelets
from tuner.fit.progress import Verdict
from tuner.fit.wavelets.rounded import RoundedNetwork
from tuner.targets.ask import WaveletsAsk
from tuner.targets.files import measured
from tuner.targets.wavelets.landing import encoded, land_on_quality, land_on_size
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


def test_of_the_files_beside_the_largest_that_fits_the_best_is_taken() -> None:
    ask = wavelets("bytes", 900)
    assert isinstance(ask, WaveletsAsk)
    strategy = WaveletsStrategy(PICTURE, ask)
    plan = strategy.next_plan([], None)
    assert plan is not None
    fitted = strategy.fit(plan, None, lambda _: Verdict.CONTINUE)
    best, worse, too_large = (fitted.rounded(shift) for shift in (0.0, 3.0, -0.5))
    max_bytes = len(encoded(best, PICTURE))
    assert len(encoded(worse, PICTURE)) < max_bytes < len(encoded(too_large, PICTURE))

    def rounded(shift: float) -> RoundedNetwork:
        """The worse one wherever a size is looked for, and better ones beside it, one of which does not fit."""
        return worse if shift <= 0.0 else best if shift < 1.0 else too_large

    found = land_on_size(rounded, PICTURE, max_bytes, beside=(1.5, 0.5, -0.5))
    assert found is not None
    assert found.content == encoded(best, PICTURE)
