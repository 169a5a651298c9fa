"""Weights are rounded as coarsely as a target allows: never over a limit, and not finer than a quality needs."""

from functools import lru_cache

import pytest

from tests.unit.tuner.targets.cases import COLOURS, base
from tuner.fit.sines.fit import fit
from tuner.representation import Representation
from tuner.targets.sines.files import LOSSES_DB, file_good_enough, file_with_loss, file_within_bytes


@lru_cache
def fitted() -> Representation:
    return Representation.of(fit(COLOURS, base(COLOURS, 8)).network.parameters_numpy(), COLOURS)


def test_what_may_be_lost_saves_bytes() -> None:
    fine, coarse = (file_with_loss(fitted(), COLOURS, loss_db) for loss_db in (0.1, 2.0))
    assert len(coarse.content) < len(fine.content)
    assert 0.0 < fine.psnr_db - coarse.psnr_db < 2.1
    assert (fine.loss_db, file_with_loss(fitted(), COLOURS, 1e-9).loss_db) == (0.1, LOSSES_DB[0])


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_a_limit_of_bytes_is_filled_and_kept(share: float) -> None:
    limit = round(share * len(file_with_loss(fitted(), COLOURS, 0.1).content))
    file = file_within_bytes(fitted(), COLOURS, limit)
    assert file is not None
    assert 0.85 * limit < len(file.content) <= limit


def test_there_is_no_file_of_a_few_bytes() -> None:
    assert file_within_bytes(fitted(), COLOURS, 20) is None


def test_the_coarsest_that_is_good_enough_is_found_if_there_is_one() -> None:
    finest = file_with_loss(fitted(), COLOURS, LOSSES_DB[0])
    wanted_db = finest.psnr_db - 1.0
    file = file_good_enough(fitted(), COLOURS, 0.3, lambda file: file.psnr_db >= wanted_db)
    assert file is not None
    assert wanted_db <= file.psnr_db < finest.psnr_db
    assert len(file.content) < len(finest.content)
    assert file_good_enough(fitted(), COLOURS, 0.3, lambda file: file.psnr_db > finest.psnr_db + 1.0) is None
