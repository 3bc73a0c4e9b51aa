"""A fit stops before a number that is not finite reaches the parameters, and says where it came from."""

import math

import torch
from torch.nn.utils import get_total_norm

from course_lib.errors import CourseError


class Guard:
    """A recipe's loss and optimiser for `fit`, with a look at every batch between backward and step.

    `step` raises CourseError when the loss, a gradient or a parameter stops being a number; the parameters
    are then as they were before that batch. While all is well it reads one number, the largest of all: a GPU
    is waited for once.
    """

    def __init__(self, scene, recipe):
        self.scene, self.recipe = scene, recipe

    def compute_loss(self, scene, frames, *rendered):
        self.frames, self.terms = frames["t"], self.recipe.compute_loss(scene, frames, *rendered)
        return self.terms

    def zero_grad(self):
        self.recipe.optimizer.zero_grad()

    def step(self):
        parameters = dict(self.scene.named_parameters())
        gradients = {name: value.grad for name, value in parameters.items() if value.grad is not None}
        everything = *parameters.values(), *self.terms.values(), *gradients.values()
        if not math.isfinite(get_total_norm([value.detach() for value in everything], math.inf)):
            self.stop(parameters, gradients)
        self.recipe.optimizer.step()

    def stop(self, parameters, gradients):
        """Raises CourseError, and says which values of which batch are not finite."""
        for what, values, hint in (
            ("parameter", parameters, "It was so before this batch: go back to the last good checkpoint."),
            ("loss term", self.terms, "Is a mask of these frames empty?"),
            ("gradient of", gradients, "A root, a division or a norm at zero is the usual cause."),
        ):
            bad = [name for name, value in values.items() if not torch.isfinite(value).all()]
            if bad:
                raise CourseError(f"""The {what} {", ".join(bad)} is not finite in pass
                    {self.recipe.loader.passes}, frames {self.frames.tolist()}. This batch changed nothing.
                    {hint}""")
