"""A step of a fit asks little of a GPU, as it is counted on the stand-in: see counts.py."""

import json
import subprocess
import sys

import pytest
import torch

from .counts import is_unordered
from .stand_in import HERE

MOST = {  # operations, synchronisations
    "default": (840, 11),
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
    operations, waits, _ = found[case]
    assert operations <= MOST[case][0] and waits <= MOST[case][1]


UNORDERED = {"default": [], "tutorial": ["grid_sampler_2d_backward"]}  # that is said in README.md


@pytest.mark.slow
@pytest.mark.parametrize("case", UNORDERED)
def test_what_a_gpu_adds_up_in_no_order_is_known(found, case):
    assert found[case][2] == UNORDERED[case]


VALUES, NUMBERS = torch.rand(4), torch.arange(4)
ASKED = {  # by what it is called with, for numbers of places
    "index_add": lambda n: (VALUES, 0, n, VALUES),
    "scatter_add": lambda n: (VALUES, 0, n, VALUES),
    "scatter_reduce": lambda n: (VALUES, 0, n, VALUES, "prod"),
    "index_put": lambda n: (VALUES, [n], VALUES),
    "index_copy": lambda n: (VALUES, 0, n, VALUES),
}


@pytest.mark.parametrize("name", ASKED)
def test_order_matters_where_several_values_have_one_place(name):
    packet = getattr(torch.ops.aten, name)
    func = getattr(packet, packet.overloads()[0])
    assert is_unordered(func, ASKED[name](NUMBERS // 2), [VALUES])
    assert not is_unordered(func, ASKED[name](NUMBERS.flip(0)), [VALUES])


def test_order_does_not_matter_to_the_largest_to_whole_numbers_and_to_what_is_sorted_first():
    twice = NUMBERS // 2
    of = torch.ops.aten
    assert not is_unordered(of.scatter_reduce.two, (VALUES, 0, twice, VALUES, "amax"), [VALUES])
    assert not is_unordered(of.cumsum.default, (NUMBERS, 0), [NUMBERS])
    assert not is_unordered(of.index_put.default, (VALUES, [twice], VALUES, True), [VALUES])
    assert is_unordered(of.cumsum.default, (VALUES, 0), [VALUES])
