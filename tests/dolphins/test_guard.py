"""A long fit stops before a NaN reaches the parameters, on a scene so small that it can be followed."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from course_lib.errors import CourseError
from dolphins.guard import Guard
from solutions.fitting import fit


class Scene(nn.Module):
    def __init__(self):
        super().__init__()
        self.translations = nn.Parameter(torch.zeros(4, 1, 3))

    def clamp_(self):
        pass


class Loader:
    """Two batches of two frames; it counts its passes, as WindowLoader does."""

    passes = 0

    def __len__(self):
        return 2

    def __iter__(self):
        self.passes += 1
        yield from ({"t": torch.arange(2) + 2 * i, "cam": None} for i in range(2))


def run(scene, compute_loss, steps=30):
    optimizer = torch.optim.Adam(scene.parameters(), lr=0.1)
    recipe = SimpleNamespace(loader=Loader(), compute_loss=compute_loss, optimizer=optimizer)
    guard = Guard(scene, recipe)
    return fit(scene, recipe.loader, render, guard.compute_loss, guard, steps)


def render(scene, t, cam):
    return scene.translations[t], None, None


def towards_one(scene, frames, image, *rest):
    return {"a": (image - 1).square().mean()}


def test_a_healthy_fit_is_as_without():
    ours, theirs = Scene(), Scene()
    history = run(ours, towards_one, steps=5)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.1)
    assert history == fit(theirs, Loader(), render, towards_one, optimizer, 5)
    assert torch.equal(ours.translations, theirs.translations)


POISONS = {
    "loss term a is not finite in pass 2, frames": lambda x: x * float("nan"),
    "gradient of translations is not finite in pass 2, frames": lambda x: (x - x).sqrt().sum() + 1,
}


@pytest.mark.parametrize("message, poison", POISONS.items())
def test_stops_before_a_nan_reaches_the_parameters(poison, message):
    scene, calls = Scene(), []

    def compute_loss(scene, frames, image, *rest):
        calls.append(1)
        return {"a": poison(image).mean()} if len(calls) == 4 else towards_one(scene, frames, image)

    with pytest.raises(CourseError, match=message):
        run(scene, compute_loss)
    assert torch.isfinite(scene.translations).all() and scene.translations.abs().max() > 0.2


def test_names_the_parameter_that_was_not_finite():
    scene = Scene()
    with torch.no_grad():
        scene.translations[3] = float("inf")
    with pytest.raises(CourseError, match=r"parameter translations is not finite in pass 1, frames \[0, 1\]"):
        run(scene, towards_one)
