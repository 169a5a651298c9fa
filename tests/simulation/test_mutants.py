"""The tests that mutants name are there, and are run with the broken function."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS

ROOT = Path(__file__).parents[2]


def test_the_tests_that_are_named_are_there() -> None:
    for place in {mutant.test for mutant in MUTANTS if mutant.test}:
        file, _, name = place.partition("::")
        functions = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if hasattr(node, "name")}
        assert name.partition("[")[0] in functions, place


@pytest.mark.long
def test_a_test_that_is_named_is_run_with_the_broken_function() -> None:
    named = next(mutant for mutant in MUTANTS if "test_lease.py" in mutant.test)
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", named.test]
    for plugin, status in ((["-p", "tests.simulation.broken"], 1), ([], 0)):
        environment = os.environ | {"BROKEN": named.name}
        done = subprocess.run([*command, *plugin], cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode == status, done.stdout
