"""Helpers for the banks of mistakes and of right solutions.

Each is judged as in the notebook and as the autograder judges it.
"""

import types

import torch

from autograder import judge
from course_lib.check import core

EXPECTED = judge.ExpectedCache()
SEED = 20_261_125


class InProcess:
    """Stands in for a submission in its sandbox: only arrays come back."""

    def __init__(self, exercise, functions):
        self.exercise, self.functions = exercise, functions

    def call(self, name, index, inputs, seconds, device):
        outputs, complaint, _ = core.attempt(self.exercise.properties[index], self.functions, inputs, seconds)
        if complaint is not None:
            return None, complaint
        return {name: torch.from_numpy(value.numpy().copy()) for name, value in outputs.items()}, None


def judged(exercise, functions):
    """What the autograder makes of it. -> (points, keys of what is wrong)"""
    performance = InProcess(exercise, functions)
    found = judge.public_act(performance, "", exercise, EXPECTED)
    judge.hidden_act(performance, "", exercise, found, SEED, EXPECTED)
    return sum(prop["points"] for prop in found), [
        prop["key"] for prop in found if prop["key"] not in (None, "not-reached")
    ]


def given(exercise, *functions):
    return types.SimpleNamespace(**dict(zip(exercise.functions, functions, strict=True)))


def but_slow(keys):
    """Whether it is quick is advice that depends on what else the machine is doing."""
    return [key for key in keys if key != "slow"]


def assert_right(exercise, *functions):
    """Full points, and nothing to complain about, advice included; with fresh cases too."""
    for seed in (0, 1):
        result = core.grade(exercise, given(exercise, *functions), seed=seed)
        assert but_slow(c.key for c in result.complaints) == [] and result.points == exercise.points, (
            result.complaints
        )
    points, keys = judged(exercise, given(exercise, *functions))
    assert points == exercise.points and but_slow(keys) == [], keys


def assert_named(exercise, key, *functions):
    """The mistake costs points, and the first thing that is said names it."""
    result = core.grade(exercise, given(exercise, *functions))
    keys = [complaint.key for complaint in result.complaints]
    assert result.points < exercise.points and keys[0] == key, result.complaints
    points, remote = judged(exercise, given(exercise, *functions))
    assert points <= result.points and but_slow(remote)[0] == but_slow(keys)[0], (remote, keys)
