"""The ready fits: small, loaded as any other, and as good as their recipes are."""

import pytest
import torch

from course_lib import metrics
from course_lib.assets import find_pack, ready_fit
from course_lib.assets.pack import CHECKPOINTS
from course_lib.dolphin_model import DolphinModel
from course_lib.errors import CourseError
from course_lib.scene import DolphinScene

PACK = find_pack()


@pytest.fixture(scope="module")
def truth():
    return metrics.load_truth(PACK.truth_path)


@torch.no_grad()
def errors(name, truth):
    """Of a ready fit. -> (scene, position RMSE in m, relative error of length, largest turn in degrees)"""
    scene = DolphinScene(DolphinModel(PACK), len(truth.translations))
    scene.load(ready_fit(name))
    position = torch.cat([scene.skin(t).mean(1) for t in torch.arange(scene.num_frames).split(50)])
    rmse = float((position - truth.positions).norm(dim=-1).square().mean().sqrt())
    z = scene.rest_shape()[:, 2]
    length = float(z.max() - z.min())
    return scene, rmse, length / truth.length_m - 1, float(metrics.rotation_steps(scene.rotations()).max())


def test_they_are_small():
    assert sum(path.stat().st_size for path in CHECKPOINTS.iterdir()) <= 1.2e6


def test_the_default_fit_is_where_the_dolphin_was(truth):
    scene, position, length, turn = errors("default", truth)
    assert scene.dolphin_albedo.dtype == torch.float32
    assert position <= 0.10 and abs(length) <= 0.04 and turn <= 15


def test_the_tutorials_fit_has_what_the_epilogue_is_about(truth):
    _, position, length, turn = errors("tutorial", truth)
    assert position > 0.5 and length < -0.15 and turn > 150


def test_another_name_is_refused():
    with pytest.raises(CourseError, match="no ready fit called 'other' .*, expected default or tutorial"):
        ready_fit("other")
