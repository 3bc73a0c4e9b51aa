"""A fit stops before a number that is not finite reaches the parameters, and says where it came from."""

import torch

from course_lib.errors import CourseError


class Guard:
    """A recipe's loss and optimiser for `fit`, with a look at every batch between backward and step.

    `step` raises CourseError when the loss, a gradient or a parameter stops being a number; the parameters
    are then as they were before that batch.
    """

    def __init__(self, scene, recipe):
        self.scene, self.recipe = scene, recipe

    def compute_loss(self, scene, frames, *rendered):
        self.frames, self.terms = frames["t"].tolist(), self.recipe.compute_loss(scene, frames, *rendered)
        return self.terms

    def zero_grad(self):
        self.recipe.optimizer.zero_grad()

    def step(self):
        parameters = dict(self.scene.named_parameters())
        gradients = {name: value.grad for name, value in parameters.items() if value.grad is not None}
        for what, values, hint in (
            ("parameter", parameters, "It was so before this batch: go back to the last good checkpoint."),
            ("loss term", self.terms, "Is a mask of these frames empty?"),
            ("gradient of", gradients, "A root, a division or a norm at zero is the usual cause."),
        ):
            bad = [name for name, value in values.items() if not torch.isfinite(value).all()]
            if bad:
                raise CourseError(f"""The {what} {", ".join(bad)} is not finite in pass
                    {self.recipe.loader.passes}, frames {self.frames}. This batch changed nothing. {hint}""")
        self.recipe.optimizer.step()
