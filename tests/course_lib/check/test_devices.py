"""Whatever device code asks for, within a check it gets the CPU, and its line is named."""

import numpy as np
import pytest
import torch

from course_lib.check import core, devices

from .test_core import EXERCISE, check, first

THETA = torch.ones(2, 3)
PLACE = "cuda:0"
ASKING = (
    lambda theta: theta.cuda(),
    lambda theta: theta.to("cuda", torch.float64),
    lambda theta: theta.to(torch.device("cuda")),
    lambda theta: theta.to(1),
    lambda theta: theta.to(device="mps"),
    lambda theta: torch.eye(3, device=torch.device("cuda", 0)),
    lambda theta: torch.tensor([1.0], device=PLACE),
    lambda theta: theta.new_zeros(3, device=0),
    lambda theta: torch.zeros_like(theta, device="xpu"),
    lambda theta: torch.nn.Linear(3, 3, device="cuda")(theta),
    lambda theta: torch.nn.Linear(3, 3).to("cuda")(theta.cuda()),
    lambda theta, device="cuda": torch.cat([theta, torch.zeros(1, 3, device=device)]),
)  # fmt: skip
PLAIN = (
    lambda theta: theta.to(torch.float64),
    lambda theta: theta.to("cpu").to(theta.device),
    lambda theta: torch.full((2,), True, device=None),
    lambda theta: torch.stack([theta, theta]).to(theta),
    lambda theta: torch.as_tensor(np.ones(3)),
)


def run(function):
    """-> (what comes out, what is said)"""
    with devices.OnCPU() as here:
        return function(THETA), here.advice


@pytest.mark.parametrize("function", ASKING)
def test_who_asks_for_a_device_gets_the_cpu_and_is_told(function):
    value, advice = run(function)
    assert value.device.type == "cpu"
    assert "lambda theta" in advice and "asks for" in advice and ": write `theta.device`" in advice


@pytest.mark.parametrize("function", PLAIN)
def test_who_asks_for_none_is_told_nothing(function):
    value, advice = run(function)
    assert value.device.type == "cpu" and advice is None


def test_the_default_device_is_the_cpu_too():
    def function(theta):
        with torch.device("cuda"):
            return torch.zeros(3)

    value, advice = run(function)
    assert value.device.type == "cpu" and "torch.device" in advice
    torch.set_default_device("cuda")
    try:
        assert run(lambda theta: torch.zeros(3))[0].device.type == "cpu"
    finally:
        torch.set_default_device(None)


def test_the_line_that_says_which_device_is_named_as_well():
    def function(theta):
        place = torch.device("cuda")
        size = 3
        return torch.eye(size, device=place)

    said = """asks for cuda, as `place = torch.device("cuda")` says: write `theta.device`"""
    assert f"The line `return torch.eye(size, device=place)` {said}" in run(function)[1]


def test_few_lines_are_named_and_long_ones_are_cut():
    source = "\n".join(f"theta.cuda()  # {n} " + 300 * "x" for n in range(9))
    here = devices.OnCPU()
    with here:
        exec(compile(source, __file__, "exec"), {"theta": THETA})
    assert len(here.lines) <= devices.MOST_LINES and len(here.advice) < 1200


def test_a_check_gives_the_points_and_names_the_line():
    result = check(lambda x: (2 * x.cuda()).cpu())
    assert result.points == EXERCISE.points and not result.complaints
    text = core.report(result)
    assert "`result = check(lambda x: (2 * x.cuda()).cpu())` asks for cuda" in " ".join(text.split())


@pytest.mark.parametrize(
    "double",
    [
        lambda x: 2 * x + 0 * torch.rand(1, generator=torch.Generator(device="cuda")),
        lambda x: torch.cuda.get_device_name() and 2 * x,
        lambda x: 2 * x.to("gpu"),
    ],
)
def test_what_needs_a_gpu_in_spite_of_that_is_told_as_a_device(double):
    complaint = first(check(double))
    assert complaint.key == "device" and "theta.device" in complaint.text and "has no GPU" in complaint.text


def test_a_name_that_is_not_defined_is_no_device():
    assert first(check(lambda x: cuda(x))).key == "raised"  # noqa: F821
