"""The stand-in refuses what a GPU refuses, and computes what torch computes; so checks can be tried on it."""

import json
import subprocess
import sys

import pytest

from .stand_in import HERE

# Within these `there` lies on the GPU and `here` on the CPU.
REFUSED = {
    "a sum": "there + here",
    "in place": "here.add_(there)",
    "a product": "there @ here.T",
    "a list": "torch.cat([there, here])",
    "an index": "here[torch.tensor([0], device='cuda')]",
    "NumPy": "there.numpy()",
    "a module": "torch.nn.Linear(3, 2)(there)",
    "a choice": "torch.where(there > 0, there, here)",
}
COMPUTED = {
    "a number of the CPU": "x + torch.tensor(2.0)",
    "an index of the CPU": "x[torch.tensor([0, 1])] + x[:, torch.tensor([True, False, True])].sum()",
    "a view that is written into": "x.clone().view(3, 2).t().mul_(2)",
    "a slice that is written into": "torch.zeros_like(x).index_put((torch.tensor([0]),), x[1]).flip(0)",
    "linear algebra": "torch.linalg.inv(torch.eye(3, device=x.device) + x.T @ x)",
    "sorted": "x.sort(descending=True).values.unfold(1, 2, 1)",
    "a gradient": "torch.autograd.functional.jacobian(lambda y: torch.linalg.matrix_exp(y.T @ y), x)",
    "a module": "torch.nn.functional.conv2d(x[None, None], torch.ones(1, 1, 2, 2, device=x.device))",
}
PROGRAM = """
import json, sys
import torch
refused, computed = json.loads(sys.argv[1])
here = torch.arange(6.0).reshape(2, 3) / 7
there = here.to("cuda")
for name, source in refused.items():
    try:
        eval(source)
        print(name, "is not refused")
    except (RuntimeError, TypeError) as error:
        assert "cuda" in str(error) or "indices" in str(error), error
for name, source in computed.items():
    one, other = (eval(source, {"torch": torch, "x": x}) for x in (here, there))
    if other.device.type != "cuda" or not torch.allclose(one, other.cpu()):
        print(name, "is wrong")
"""
CHECKS = """
from autograder import judge
from course_lib import check
from course_lib.check import core
for exercise in check.EXERCISES:
    result = core.grade_here(exercise, judge._reference_of(exercise))
    if result.points != exercise.points or [advice.complaint for advice in result.advice] != [None]:
        print(exercise.title, result.points, result.advice)
"""


def on_gpu(program, tmp_path, *words):
    """Runs a program with the stand-in. -> what it prints"""
    path = tmp_path / "program.py"
    path.write_text(program)
    command = [sys.executable, HERE / "stand_in.py", path, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow  # it may have to be compiled first
def test_it_refuses_and_computes_what_a_gpu_does(tmp_path):
    assert on_gpu(PROGRAM, tmp_path, json.dumps([REFUSED, COMPUTED])) == ""


@pytest.mark.slow
def test_the_reference_holds_on_the_gpu_too_in_every_check(tmp_path):
    assert on_gpu(CHECKS, tmp_path) == ""
