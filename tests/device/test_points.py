"""A solution earns the same in the notebook and from the grader, on a CPU's machine and on a GPU's."""

import functools

import pytest

from autograder import sample_class
from lessons import build

from .places import LESSON, PLACES, ROOT, anywhere, solved

pytestmark = pytest.mark.slow


def reference():
    notebook = build.build(ROOT / "lessons" / f"{LESSON}.py", solved=True)
    marks = (cell.metadata.get("nbgrader", {}) for cell in notebook.cells)
    return next(
        cell.source for cell, mark in zip(notebook.cells, marks) if mark.get("grade_id") == "rodrigues"
    )


QUAT = """
import math

import numpy as np
import scipy.spatial
import torch


def quat_to_rotmat(quat):
    w, x, y, z = torch.nn.functional.normalize(quat, dim=-1).unbind(-1)
    zero = torch.zeros_like(w)
    K = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(-1, 3, 3)
    return torch.eye(3, dtype=quat.dtype, device=quat.device) + 2 * w[:, None, None] * K + 2 * K @ K
"""
# By sinc, in which ONE is the identity.
SINC = """

def cross(theta):
    basis = torch.zeros(3, 3, 3, dtype=theta.dtype, device=theta.device)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        basis[i, k, j], basis[i, j, k] = 1, -1
    return torch.einsum("bi,ijk->bjk", theta, basis)


def batch_rodrigues(theta):
    squared = theta.square().sum(1)
    a = torch.where(squared > 0, squared, torch.ones_like(squared)).sqrt() * (squared > 0)
    K = cross(theta)
    one = torch.sinc(a / math.pi)[:, None, None]
    two = 0.5 * torch.sinc(a / (2 * math.pi))[:, None, None] ** 2
    return ONE + one * K + two * K @ K
"""
PLAIN = "torch.eye(3, dtype=theta.dtype, device=theta.device)"


def by_sinc(one, *cells):
    return [*cells, QUAT + SINC.replace("ONE", one)]


SCIPY = """

def by_scipy(theta):
    return torch.from_numpy(scipy.spatial.transform.Rotation.from_rotvec(theta.detach().numpy()).as_matrix())


with_gradient = batch_rodrigues


def batch_rodrigues(theta):
    known = with_gradient(theta)
    return known + (by_scipy(theta).to(theta.dtype) - known).detach()
"""
BY_SCIPY = [by_sinc(PLAIN)[0] + SCIPY]
RIGHT = {
    "reference": [reference()],
    "exponential": [sample_class.EXPONENTIAL],
    "Taylor": [sample_class.TAYLOR],
    "sinc": by_sinc(PLAIN),
    # These work on the CPU alone.
    "from_numpy": by_sinc("torch.from_numpy(np.eye(3)).to(theta.dtype)"),
    "constant of another cell": by_sinc("EYE.to(theta.dtype)", "import torch\nEYE = torch.eye(3)"),
    "SciPy": BY_SCIPY,
}
IDIOM = 'import torch\nplace = "cuda" if torch.cuda.is_available() else "cpu"'
AS_IT_IS = {
    "on what there is": by_sinc("torch.eye(3, device=place).to(theta.dtype)", IDIOM),
    "half of it": by_sinc("2 * torch.eye(3, dtype=theta.dtype)"),
}
EYE = "torch.eye(3, dtype=theta.dtype, device={})"
WITH_DEVICE = {
    "a device": by_sinc(EYE.format('torch.device("cuda")')),
    "its name": by_sinc(EYE.format('"cuda:0"')),
    "a Mac's": by_sinc(EYE.format('"mps"')),
    "cuda()": by_sinc("torch.eye(3, dtype=theta.dtype).cuda()"),
    "to()": by_sinc('torch.eye(3, dtype=theta.dtype).to("cuda")'),
    "a number": by_sinc("torch.eye(3, dtype=theta.dtype).to(0)"),
    "there and back": by_sinc("torch.eye(3, dtype=theta.dtype).cuda().cpu()"),
    "a module": by_sinc("torch.nn.ParameterList([torch.eye(3, dtype=theta.dtype)]).cuda()[0].detach()"),
    "a name of another cell": by_sinc(EYE.format("PLACE"), 'PLACE = "cu" + "da"'),
    "a default argument": by_sinc(
        "eye(theta)", f'import torch\n\ndef eye(theta, device="cuda"):\n    return {EYE.format("device")}'
    ),
    "a line before": by_sinc(
        "eye(theta)",
        """import torch\n
def eye(theta):
    device = torch.device("cuda")
    return torch.eye(3, dtype=theta.dtype, device=device)""",
    ),
    "the default device": by_sinc(
        "eye(theta)",
        """import torch\n
def eye(theta):
    with torch.device("cuda"):
        return torch.eye(3).to(theta.dtype)""",
    ),
}
# Cells on the GPU, which raise in a notebook without one.
OF_A_GPU = {
    "a tensor of another cell": by_sinc(
        "EYE.to(theta.dtype)", 'import torch\nEYE = torch.eye(3, device="cuda")'
    ),
    "an index of another cell": by_sinc(
        "EYE[ROWS, 0:3].to(theta.dtype)",
        "import torch\nEYE = torch.eye(3).cuda()\nROWS = torch.arange(3, device='cuda')",
    ),
    "one that is written into": by_sinc(
        "fill(theta)",
        """import torch\n
EYE = torch.zeros(3, 3).cuda()\n
def fill(theta):
    EYE.zero_()
    EYE.fill_diagonal_(1)
    return EYE.to(theta)""",
    ),
}


@functools.cache
def found(place):
    return anywhere(place, RIGHT | AS_IT_IS | WITH_DEVICE | OF_A_GPU)


def points(place, *banks):
    return {name: found(place)[name][0] for bank in banks for name in bank}


@pytest.mark.parametrize("place", PLACES)
def test_right_solutions_have_full_points(place):
    assert points(place, RIGHT) == dict.fromkeys(RIGHT, 20.0)


@pytest.mark.parametrize("place", PLACES[1:])
def test_points_are_the_same_everywhere(place):
    assert points(place, RIGHT, AS_IT_IS, WITH_DEVICE) == points("notebook", RIGHT, AS_IT_IS, WITH_DEVICE)
    assert points(place, OF_A_GPU) == points("notebook, GPU", OF_A_GPU) == dict.fromkeys(OF_A_GPU, 20.0)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", WITH_DEVICE)
def test_a_device_is_named_with_its_line_and_what_to_write(name, place):
    earned, said = found(place)[name]
    line = {"the default device": 'with torch.device("cuda"):'}.get(name, "return torch.")
    assert earned == 20.0
    assert f"The line `{line}" in said and "asks for " in said and "write `theta.device`" in said
    if name == "a line before":
        assert """asks for cuda, as `device = torch.device("cuda")` says: write `theta.device`""" in said


@pytest.mark.parametrize("name", OF_A_GPU)
def test_a_tensor_on_the_gpu_is_named(name):
    assert "uses a tensor that lies on cuda:0: move it to `theta.device`" in found("notebook, GPU")[name][1]
    for place in ("bwrap", "none", "none, GPU"):
        assert "The line `EYE = torch." in found(place)[name][1]


@pytest.mark.parametrize("place", PLACES)
def test_a_device_that_is_the_machines_is_no_fault(place):
    said = found(place)["on what there is"][1]
    assert ("asks for" in said) == (place == "notebook, GPU")  # where it is another than the case's


def test_whether_it_works_on_the_gpu_is_said():
    said = {name: one[1] for name, one in found("notebook, GPU").items()}
    for name in ("reference", "exponential", "sinc", "on what there is", "its name"):
        assert "✓ works on this machine's GPU too" in said[name]
    for name in ("Taylor", "from_numpy", "constant of another cell", "there and back"):
        assert "i works on this machine's GPU too" in said[name] and "same device" in said[name]
    assert "i works on this machine's GPU too" in said["SciPy"] and "numpy" in said["SciPy"]
    assert "GPU" not in said["half of it"]
    assert not any("GPU too" in found("notebook")[name][1] for name in said)


# Lesson 4 asks of the renderer what lesson 3 does, for many more steps.
@pytest.mark.parametrize("place", ["bwrap", "none, GPU"])
@pytest.mark.parametrize("lesson, full", [("03_differentiable_rendering", 45), ("06_your_own_animal", 45)])
def test_what_renders_is_graded_alike(place, lesson, full):
    assert sum(solved(place, lesson).values()) == full
