"""Checks of pictures: a function gives the right images, and what it does wrong is told from them."""

import contextlib
import dis
import inspect
import types

import torch

from .card import Shown
from .core import Complaint, Problem, close, margin
from .difference import pattern
from .same import Same


def alike(a, b, tolerance=2e-3):
    """Whether two images agree, but for one pixel in 500: a corner may fall on a pixel's centre."""
    if a.shape != b.shape:
        return False
    a, b = a.detach().double(), b.detach().double()
    near = (a - b).abs() <= margin(b, tolerance)  # NaN is not
    return float((~near).any(-1).double().mean()) < 1 / 500


def alike_gradients(a, b, tolerance=0.03):
    """Whether gradients agree: the largest difference against the largest entry of b."""
    return bool((a.double() - b.double()).abs().max() <= tolerance * float(b.abs().max()))


LOOKS = {  # of an image: what it is in the card, and which of its values are black and white
    "hard_mask": ("the hard mask", 0, 1),
    "soft_mask": ("the soft mask", 0, 1),
    "uv": ("u and v as red and green", 0, 1),
    "normal": ("the normals, x, y and z as red, green and blue", -1, 1),
    "height": ("the height over the sea, from -1 m to 1 m", -1, 1),
    "image": ("the picture", 0, 1),
}


class OfPictures(Same):
    """Some of the images that a function gives are the right ones. The cases are made to show all mistakes.

    images: their names; also: those that help to tell what is wrong. reminder: what is said after a
    difference that no mistake explains.
    """

    images, also, reminder = (), (), ""
    tolerance = explained = 2e-3
    visible = 3
    near = staticmethod(alike)

    def inputs(self, rng):
        return self.cases(rng)

    def drawn(self, function, inputs):
        """The images that a function gives. -> dict"""
        raise NotImplementedError

    def call(self, given, **inputs):
        return self.drawn(getattr(given, self.function), inputs)

    def made(self, function, inputs):
        return self.drawn(function, inputs)

    def shown(self, said, inputs):
        return {}

    def explains(self, made, outputs, right):
        """Whether what a mistake makes is what came out, where that is not right."""
        wrong = [name for name in right if not self.near(outputs[name], right[name], self.tolerance)]
        if any(outputs[name].any() and not made[name].any() for name in wrong):
            return False  # it is small, but not 0
        if all(outputs[name].any() and outputs[name].unique().numel() == 1 for name in wrong):
            return False  # the same everywhere, and not 0: that may have many causes
        explained = all(self.near(outputs[name], made[name], self.explained) for name in wrong)
        return explained and self.seen(made, right)

    def picture(self, outputs, **inputs):
        right = self.made(self.right, inputs)
        for name in self.images:
            if name in LOOKS and not alike(outputs[name], right[name]):
                what, low, high = LOOKS[name]
                return Shown(what, *((image[name] - low) / (high - low) for image in (outputs, right)))
        return None

    @property
    def hidden(self):
        return self.images + self.also  # `alike` allows for pixels on an edge

    def judge(self, outputs, **inputs):
        complaint = super().judge({name: outputs[name] for name in self.images}, **inputs)
        if complaint and complaint.key == self.otherwise:
            complaint = self.found(outputs, inputs) or complaint
        if complaint and complaint.key == self.otherwise:
            return Complaint.of(f"{complaint.key}: {complaint.text} {self.reminder}")
        return complaint

    def found(self, outputs, inputs):
        """What is found out about outputs that no mistake explains. -> Complaint or None"""
        return None

    def within(self, inputs):
        """The pixels within the faces that are seen. -> (B, H, W) bool, or None where that is no help"""
        return None

    def unexplained(self, said, yours, right, inputs):
        within, complaint = self.within(inputs), super().unexplained(said, yours, right, inputs)
        if within is None:
            return complaint
        parts = [(yours[part], right[part]) for part in (within, ~within)]
        inside, elsewhere = (pattern(*part, self.tolerance) for part in parts)
        more = f"Within the faces: {inside}"
        if close(*parts[0], self.tolerance):
            more = f"Within the faces it is right. Elsewhere: {elsewhere}"
        known = not more.partition(": ")[2][:1].isalpha() or more.partition(": ")[2] in complaint.text
        return complaint if known else complaint._replace(text=f"{complaint.text} {more}")


def gradients_of(image, weights, leaves):
    """The gradients of the weighted sum of an image's pixels. -> {name: tensor}; 0 where none flows

    leaves: {name: tensor that requires gradients}. Raises a Problem where something was written in place.
    """
    if image.requires_grad:
        try:
            (image * weights).sum().backward()
        except RuntimeError as error:
            if "inplace" not in str(error):
                raise
            raise Problem.of("""in-place: Your code writes into an image that is still needed for the
                gradients: the operation that made it needs it. Make a new image, for instance with
                `torch.where`.""") from error
    return {name: torch.zeros_like(x) if x.grad is None else x.grad for name, x in leaves.items()}


@contextlib.contextmanager
def explaining(function, explain):
    """Within, an exception of a student's function becomes the Problem that says what it means.

    explain(error) -> Problem or None. A function that reads the notebook's variables hears of that instead.
    """
    try:
        yield
    except NotImplementedError:
        raise
    except Exception as error:
        names = _variables_of(function)
        if names and (not isinstance(error, Problem) or error.complaint.key == "shape"):
            said = error.complaint.text if isinstance(error, Problem) else f"{type(error).__name__}: {error}."
            raise Problem.of(f"""of-the-notebook: {said} Your `{function.__name__}` reads
                {", ".join(f"`{name}`" for name in names)} from the cells around it, made there for another
                picture than is asked for here. All that it needs comes in its arguments.""") from error
        if not isinstance(error, Problem) and (problem := explain(error)):
            raise problem from error
        raise


def _variables_of(function):
    """The notebook's tensors, meshes, cameras and whole numbers that a function reads. -> list of names"""
    function = inspect.unwrap(function)
    codes, known = [getattr(function, "__code__", None)], getattr(function, "__globals__", {})
    for code in filter(None, codes):
        codes += [const for const in code.co_consts if isinstance(const, types.CodeType)]
    read = {
        step.argval
        for code in filter(None, codes)
        for step in dis.get_instructions(code)
        if "GLOBAL" in step.opname
    }
    return sorted(name for name in read if _is_variable(known.get(name)))


def _is_variable(value):
    if isinstance(value, (list, tuple)):
        return any(map(_is_variable, value))
    if isinstance(value, (torch.Tensor, int)):
        return not isinstance(value, bool)
    return all(hasattr(value, name) for name in ("F", "face_uvs")) or (
        type(value).__name__ in ("DolphinScene", "Camera", "SurfaceMesh")
    )
