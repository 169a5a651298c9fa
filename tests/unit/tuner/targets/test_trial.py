"""Steps and seconds of fits that went on are counted once."""

from tuner.targets.result import TargetOutcome, TargetResult
from tuner.targets.trial import Trial, separate


def trial(steps: int, *, goes_on: bool = False) -> Trial:
    return Trial(
        network=(8, 4),
        weights=50,
        steps=steps,
        max_steps=steps,
        seconds=0.5 * steps,
        work=2.0 * steps,
        psnr_db=30.0,
        file_bytes=None,
        goes_on=goes_on,
    )


def test_what_went_on_contains_what_was_before() -> None:
    trials = (trial(5), trial(8, goes_on=True), trial(3), trial(4), trial(6, goes_on=True))
    assert [each.steps for each in separate(trials)] == [8, 3, 6]
    result = TargetResult(content=None, outcome=TargetOutcome.STOPPED, sentence="", trials=trials)
    assert (result.steps, result.seconds, result.work) == (17, 8.5, 34.0)
