"""A plugin for pytest that breaks the protocol in one named way: `BROKEN=NAME pytest -p tests.simulation.broken TEST`.

`make mutants` runs with it the tests that are to notice what schedules reach too rarely.
"""

import os

from tests.simulation.mutants import MUTANTS, function_of, mutated


def pytest_configure() -> None:
    """Before any test: put the broken function's code in the place of the right one's."""
    (mutant,) = [one for one in MUTANTS if one.name == os.environ["BROKEN"]]
    function_of(mutant.function).__code__ = mutated(mutant)
