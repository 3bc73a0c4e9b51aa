"""Helpers for the banks of mistakes and of right solutions.

Each is judged as in the notebook and as the autograder judges it, which adds cases of its own.
"""

import types

import pytest
import torch

from autograder import judge, sandbox
from course_lib.check import core

EXPECTED = judge.ExpectedCache()
SEED = 20_261_125


class InProcess:
    """Stands in for a submission in its sandbox: only arrays come back."""

    def __init__(self, exercise, functions):
        self.exercise, self.functions = exercise, functions
        self.allowance = judge.Allowance(sandbox.Limits())

    def call(self, name, index, inputs, seconds):
        outputs, complaint, _ = core.attempt(self.exercise.properties[index], self.functions, inputs, seconds)
        if complaint is not None:
            return None, complaint
        return {name: torch.from_numpy(value.numpy().copy()) for name, value in outputs.items()}, None


def judged(exercise, functions):
    """What the autograder makes of it. -> (points, keys of what is wrong)"""
    performance, patience = InProcess(exercise, functions), judge.Patience()
    found = judge.public_act(performance, "", exercise, EXPECTED, patience)
    judge.hidden_act(performance, "", exercise, found, SEED, EXPECTED, patience)
    keys = [prop["key"] for prop in found if prop["key"] not in (None, "not-reached")]
    return sum(prop["points"] for prop in found), keys


def given(exercise, *functions):
    """The functions as an exercise is given them."""
    return types.SimpleNamespace(**dict(zip(exercise.functions, functions, strict=True)))


def then(change, right):
    """The right function, whose result is changed."""
    return lambda *inputs: change(right(*inputs))


def mistakes(bank):
    """A bank, (key, wrong function) each, as the parameters of a test."""
    ids = [f"{n}-{key}" for n, (key, _) in enumerate(bank)]
    return pytest.mark.parametrize(("key", "wrong"), bank, ids=ids)


def assert_right(exercise, *functions):
    """Full points, and nothing to complain about, advice included; with fresh cases too."""
    result = core.grade(exercise, given(exercise, *functions))
    assert result.points == exercise.points and not result.complaints, result.complaints
    assert judged(exercise, given(exercise, *functions)) == (exercise.points, [])


def assert_named(exercise, key, *functions):
    """The mistake costs points, and the first thing that is said names it. -> Result

    key: the complaint's, and what its text has, "uv: another order".
    """
    key, _, words = key.partition(": ")
    result = core.grade(exercise, given(exercise, *functions))
    keys = [complaint.key for complaint in result.complaints]
    assert result.points < exercise.points and keys[0] == key, result.complaints
    assert words in result.complaints[0].text, result.complaints
    points, remote = judged(exercise, given(exercise, *functions))
    assert points <= result.points and remote[0] == key, (remote, keys)
    return result
