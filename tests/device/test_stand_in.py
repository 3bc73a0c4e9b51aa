"""The stand-in refuses what a GPU refuses, and computes what torch computes; so checks can be tried on it."""

import json
import subprocess
import sys

import pytest

from .stand_in import HERE

ROOT = HERE.parents[1]
NOTEBOOKS = sorted((ROOT / "solutions" / "notebooks").glob("*.ipynb"))

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
    "a convolution": "torch.nn.functional.conv2d(x[None, None], torch.ones(1, 1, 2, 2, device=x.device))",
    "channels apart": """torch.autograd.functional.jacobian(lambda y: torch.nn.functional.conv2d(
        y[None, :, None], torch.ones(2, 1, 1, 2, device=x.device), y[:, 0], groups=2), x)""",
    "complex numbers": "torch.view_as_real(torch.view_as_complex(x.view(3, 2)) * (2 + 1j))",
    "a conjugate": "torch.view_as_complex(x.view(3, 2)).conj() / (2 + 1j)",
    "part of a conjugate": "torch.view_as_complex(x.view(3, 2)).conj().imag + 1",
    "a complex view that is written into": """(
        y := x.view(3, 2).clone(), torch.view_as_complex(y).mul_(1j))[0]""",
    "a copy": "__import__('copy').deepcopy(x[1:])",
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


def there(module, *words, cwd=ROOT):
    """Runs a module with the stand-in. -> what it prints"""
    module = module if module == "pytest" else f"tests.device.{module}"
    command = [sys.executable, HERE / "stand_in.py", "-m", module, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow  # it may have to be compiled first
def test_it_refuses_and_computes_what_a_gpu_does(tmp_path):
    assert on_gpu(PROGRAM, tmp_path, json.dumps([REFUSED, COMPUTED])) == ""


AT_THE_END = """
import sys
import torch
sys.setswitchinterval(1000)  # from now on no thread gets Python's lock before this one waits for something
x = torch.ones(3, device="cuda", requires_grad=True)
x.sum().backward()
"""


@pytest.mark.slow
def test_autograds_thread_does_not_abort_the_process_at_its_end(tmp_path):
    assert on_gpu(AT_THE_END, tmp_path) == ""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["kal_there", "fits_there"])
def test_the_course_is_right_on_the_gpu_too(module, tmp_path):
    assert there(module, tmp_path) == ""


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_solved_notebooks_run_on_the_gpu(notebook, tmp_path):
    assert there("notebooks_there", notebook, cwd=tmp_path) == ""


@pytest.mark.slow
def test_the_renderer_conforms_on_the_gpu(tmp_path):
    """Those of its tests that run on every device there is."""
    done = there("pytest", "-q", "-k", "torch-cuda", ROOT / "tests" / "course_lib" / "kal" / "test_dibr.py")
    assert "passed" in done and "failed" not in done


@pytest.mark.slow
def test_sam2_in_half_precision_makes_the_masks_of_the_cpu():
    """In float16 and in bfloat16; it goes on after an interruption, too."""
    done = there("pytest", "-q", "-k", "real_sam2 and GPU", ROOT / "tests/course_lib/test_segmentation.py")
    assert "4 passed" in done


@pytest.mark.slow
def test_the_reference_holds_on_the_gpu_too_in_every_check(tmp_path):
    assert on_gpu(CHECKS, tmp_path) == ""
