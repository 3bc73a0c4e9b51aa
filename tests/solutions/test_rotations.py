"""Rotation vectors and matrices: right values and gradients everywhere, vectors that do not jump."""

import functools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.rotations import rotmat_to_quat, rotmat_to_rotvec, rotmat_to_steady_rotvec
from solutions.rotations import batch_rodrigues, continuous_rotvecs, quat_to_rotmat

TURNS = [(60, 240), (-30, 30), (170, 300), (-100, -320), (0, 0)]  # degrees, first and last heading
close = functools.partial(torch.testing.assert_close, rtol=0)


@given(st.lists(st.floats(-7, 7), min_size=3, max_size=3))
@settings(deadline=None, max_examples=200)
def test_rodrigues_is_the_matrix_exponential(vector):
    theta = torch.tensor([vector], dtype=torch.float64)
    cross = torch.linalg.cross(theta.expand(3, 3), torch.eye(3).double()).mT  # its columns: theta x e_i
    close(batch_rodrigues(theta)[0], torch.linalg.matrix_exp(cross), atol=1e-9)


@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-4, 9.9e-4, 1.1e-3, 1.0, math.pi, 2 * math.pi, 40.0])
def test_rodrigues_has_the_right_gradient_everywhere(size):
    theta = (size * torch.nn.functional.normalize(torch.tensor([[1.0, -2, 3]]).double())).requires_grad_()
    assert torch.autograd.gradcheck(batch_rodrigues, theta)


def test_rodrigues_turns_the_body_axis_to_its_left():
    quarter = batch_rodrigues(torch.tensor([[0, math.pi / 2, 0]]))
    close(quarter[0] @ torch.tensor([0.0, 0, 1]), torch.tensor([1.0, 0, 0]), atol=1e-6)


def test_quaternions_need_not_have_unit_length():
    quat = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rotmat = quat_to_rotmat(quat)
    torch.testing.assert_close(rotmat, quat_to_rotmat(3 * quat))
    torch.testing.assert_close(rotmat @ rotmat.mT, torch.eye(3).double().expand(50, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotmat), torch.ones(50).double())


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: sum(x * x for x in q) > 1e-2))
@settings(deadline=None)
def test_matrix_and_quaternion_say_the_same(quat):
    rotmat = quat_to_rotmat(torch.tensor([quat], dtype=torch.float64))
    torch.testing.assert_close(quat_to_rotmat(rotmat_to_quat(rotmat)), rotmat)


@pytest.mark.parametrize("degrees", [0, 1e-5, 90, 179.999, 180, 180.001, 270, 359])
def test_shortest_vector_of_a_rotation(degrees):
    axis = torch.nn.functional.normalize(torch.tensor([[0.1, 1, -0.2]]).double())
    rotmat = batch_rodrigues(math.radians(degrees) * axis)
    vector = rotmat_to_rotvec(rotmat)
    assert vector.norm() <= math.pi + 1e-9
    close(batch_rodrigues(vector), rotmat, atol=1e-7)


def turning_dolphin(start, end, frames=200):
    """A turn about the vertical with a little pitch and roll."""
    s = torch.linspace(0, 1, frames, dtype=torch.float64)
    heading = torch.deg2rad(start + (end - start) * s)[:, None] * torch.tensor([0.0, 1, 0])
    tilt = 0.1 * torch.stack([torch.sin(9 * s), 0 * s, torch.cos(7 * s)], -1)
    return batch_rodrigues(heading) @ batch_rodrigues(tilt)


def steps_of(vectors):
    """By how many degrees the vectors change from frame to frame."""
    return torch.rad2deg(vectors.diff(dim=0).norm(dim=-1))


@pytest.mark.parametrize("start, end", TURNS)
def test_continuous_vectors_do_not_jump_and_mean_the_same(start, end):
    rotmats = turning_dolphin(start, end)
    vectors = continuous_rotvecs(rotmats)
    close(batch_rodrigues(vectors), rotmats, atol=1e-6)
    assert steps_of(vectors).max() < max(6, 4 * abs(end - start) / 200)


@pytest.mark.parametrize("start, end", TURNS)
def test_steady_vectors_are_those_of_exercise_9_below_a_whole_turn(start, end):
    rotmats = turning_dolphin(start, end)
    close(rotmat_to_steady_rotvec(rotmats), continuous_rotvecs(rotmats), atol=1e-6)
    close(rotmat_to_steady_rotvec(rotmats[:1]), rotmat_to_rotvec(rotmats[:1]), atol=1e-6)


def test_the_shortest_vectors_jump_by_a_whole_turn_where_the_heading_passes_half_a_turn():
    steps = steps_of(rotmat_to_rotvec(turning_dolphin(60, 240)))
    assert 340 < steps.max() < 361
    assert (steps > 10).sum() == 1
