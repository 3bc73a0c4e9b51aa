"""A step of a fit asks little of a GPU, as it is counted on the stand-in: see counts.py."""

import json
import subprocess
import sys

import pytest

from .stand_in import HERE

MOST = {  # operations, synchronisations
    "default": (840, 12),
    "tutorial": (1260, 14),
}


@pytest.fixture(scope="module")
def found():
    command = [sys.executable, HERE / "stand_in.py", "-m", "tests.device.counts", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("case", MOST)
def test_a_step_asks_for_few_operations_and_hardly_waits(found, case):
    operations, waits = found[case]
    assert operations <= MOST[case][0] and waits <= MOST[case][1]
