"""Shape checks with messages that name the shape they got."""
import torch


def check_shape(name, tensor, *layouts):
    """Raise unless `tensor` is a tensor of one of the layouts, each written like "B F 3 2".

    A letter stands for any size (the same letter, the same size), a number for itself.

    Raises:
        TypeError: not a tensor.
        ValueError: another shape; the message has the name, the shape and what was expected.
    """
    if not torch.is_tensor(tensor):
        raise TypeError(f"{name} must be a tensor of shape {_spell(layouts)}, got {type(tensor).__name__}")
    if not any(_fits(tensor.shape, layout.split()) for layout in layouts):
        raise ValueError(f"{name} must have shape {_spell(layouts)}, got {tuple(tensor.shape)}")


def check_same_kind(name, tensor, other_name, other):
    """Raise a ValueError unless `tensor` has the dtype and device of `other`."""
    if tensor.dtype != other.dtype or tensor.device != other.device:
        raise ValueError(f"{name} are {tensor.dtype} on {tensor.device}, {other_name} is {other.dtype} on "
                         f"{other.device}; convert one of them with .to(...)")


def _fits(shape, layout):
    sizes = {}
    return len(shape) == len(layout) and all(
        size == (int(want) if want.isdigit() else sizes.setdefault(want, size))
        for size, want in zip(shape, layout))


def _spell(layouts):
    return " or ".join("(" + ", ".join(layout.split()) + ")" for layout in layouts)
