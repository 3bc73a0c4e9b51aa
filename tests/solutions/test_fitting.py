"""The loop itself, on a scene so small that every step can be followed."""

import pytest
import torch
from torch import nn

from course_lib.errors import CourseError
from solutions.fitting import fit


class Scene(nn.Module):
    def __init__(self):
        super().__init__()
        self.translations = nn.Parameter(torch.zeros(4, 1, 3))
        self.clamped = 0

    def clamp_(self):
        self.clamped += 1


def batches(n=2):
    return [{"t": torch.arange(2) + 2 * i, "cam": None} for i in range(n)]


def render(scene, t, cam):
    return scene.translations[t], None, None


def towards_one(scene, frames, image, hard_mask, silhouette):
    return {"a": (image - 1).square().mean(), "b": 0.1 * scene.translations.square().mean()}


def run(scene, compute_loss=towards_one, steps=30, **options):
    optimizer = torch.optim.Adam(scene.parameters(), lr=0.1)
    return fit(scene, batches(), render, compute_loss, optimizer, steps, progress=False, **options)


def test_goes_to_the_minimum_and_tells_how():
    scene = Scene()
    history = run(scene, steps=100)
    # each batch: half of the frames
    assert scene.translations.mean().item() == pytest.approx(1 / 1.2, abs=0.08)
    assert [set(terms) for terms in history] == [{"a", "b", "loss"}] * 100
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[0]["loss"] == pytest.approx(history[0]["a"] + history[0]["b"])


def test_clamps_after_every_step():
    scene = Scene()
    run(scene, steps=3)
    assert scene.clamped == 6


def test_hooks_see_every_pass_and_a_start_skips_passes():
    before, after = [], []
    hooks = dict(before_pass=before.append, after_pass=lambda step, terms: after.append((step, terms)))
    history = run(Scene(), steps=5, start=3, **hooks)
    assert before == [3, 4] and [step for step, _ in after] == [3, 4]
    assert [terms for _, terms in after] == history


POISONS = {
    "loss term a is not finite in pass 2, frames": lambda x: x * float("nan"),
    "gradient of translations is not finite in pass 2, frames": lambda x: (x - x).sqrt().sum() + 1,
}


@pytest.mark.parametrize("message, poison", POISONS.items())
def test_stops_before_a_nan_reaches_the_parameters(poison, message):
    scene, calls = Scene(), []

    def compute_loss(scene, frames, image, *rest):
        calls.append(1)
        loss = (image - 1).square().mean()
        return {"a": poison(image).mean() if len(calls) == 4 else loss}

    with pytest.raises(CourseError, match=message):
        run(scene, compute_loss)
    assert torch.isfinite(scene.translations).all() and scene.translations.abs().max() > 0.2


def test_names_the_parameter_that_was_not_finite():
    scene = Scene()
    with torch.no_grad():
        scene.translations[3] = float("inf")
    with pytest.raises(CourseError, match=r"parameter translations is not finite in pass 1, frames \[0, 1\]"):
        run(scene)
