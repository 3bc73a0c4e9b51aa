"""What Python and torch say where a student's line fails, and what is usually meant.

The words of an exception are kept, so that they can be looked up; what stands here is added to them.
"""

import difflib
import re
import sys
import types

import numpy as np

# Words of an exception, a regular expression: what is added. The likeliest meaning alone: not the only one.
MEANINGS = {
    r"numpy\(\) on Tensor that requires grad": """Stay in torch, for instance `torch.exp` for `np.exp`:
        through NumPy no gradient flows.""",
    r"only one element tensors|only length-1 arrays|only 0-dimensional arrays": """The functions of `math` and
        `float()` take one number. For a whole tensor take torch's own, `torch.exp` and the like; of a list of
        tensors `torch.stack` makes one.""",
    r"size of tensor [ab] \(0\)|tensor b \(0\)": """One of the two is empty: a slice reaches beyond its end.
        Print both shapes.""",
    r"size of tensor a \(|could not be broadcast": """Shapes are compared from the last dimension on, and
        must be equal there, or 1. Print both; often a `keepdim=True` or a `[..., None]` is missing.""",
    r"[Bb]oolean value of Tensor|truth value of an array": """`if`, `and`, `or`, `not` and `a < b < c` take
        one truth value. For a whole tensor there are `torch.where(condition, a, b)` and `&`, `|`, `~`.""",
    r"\"bitwise_\w+\" not implemented|unsupported operand type\(s\) for [&|]": """`&`, `|` and `~` take
        truth values, and bind more tightly than comparisons: write `(a > 0) & (b > 0.5)`.""",
    r"shape of the mask": """A mask in brackets has the shape of the dimensions that it picks from:
        `mask[..., 0]` where it has one too many.""",
    r"size mismatch, got|mat1 and mat2|inconsistent tensor size": """`@` is the product of matrices; `*`
        multiplies number by number.""",
    r"values to unpack": """On the left of `=` there are not as many names as there are things on the right.
        (A tensor is taken apart along its first dimension; `.unbind(-1)` takes the last one.)""",
    r"leaf Variable that requires grad": """A tensor that came in is written into. Make a new one: `x = -x`,
        not `x.neg_()`; `x = x * 2`, not `x *= 2`.""",
    r"expected Tensor as element|must be tuple of Tensors": """`torch.stack` and `torch.cat` take one flat
        list of tensors: stack it, then `reshape`.""",
    r"is invalid for input of size": """The shape asks for another count of numbers. Take sizes from the
        input, such as `len(theta)`, not from one example.""",
    r"linalg.cross: inputs dimension": "Name the dimension that has the three coordinates: `dim=-1`.",
    r"torch.return_types": """With `dim`, `max` and `min` give values and indices: take `.values`, or leave
        `dim` out.""",
    r"tuple index out of range": """A tuple has no entry of that number. Shapes are tuples, and with `dim`
        `max` and `min` give one too: values and indices.""",
    r"too many indices for": """There are more numbers in the brackets than the tensor has dimensions: print
        its shape.""",
    r"takes \d+ positional|takes from \d+|missing \d+ required|unexpected keyword": """A function is called
        with other arguments than it has parameters. Those of a stub stay as they are.""",
    r"can't assign a (tuple|list)": "Make a tensor of it first: `torch.tensor(...)`.",
    r"tensors used as indices must be|only integers, slices": """Indices are whole numbers: round, then
        `.long()`.""",
    r"is out of bounds for (dimension|axis) 0": """Entries count from 0. Take sizes from the input; and where
        the first dimension is the batch's, index the second: `x[:, i]`.""",
    r"is out of bounds for (dimension|axis)": "Entries count from 0. Take sizes from the input.",
    r"Sizes of tensors must match except": """`torch.cat` joins tensors along one dimension; in all others
        they must be equally long. Print their shapes.""",
    r"cannot be concatenated": """A sum or length without `dim` is one number for the whole batch: `dim=-1,
        keepdim=True` gives one for each row.""",
    r"expanded size of the tensor": """What is assigned has another shape than its place. Print both; a colour
        of matplotlib has four numbers, of which `[:3]` are red, green and blue.""",
    r"modified by an inplace operation": """The gradient needs a value that was written over (`/=`, `x[i] =
        ...`): make a new tensor instead.""",
    r"zero-size array|with no elements|empty tensor": """Nothing is left of an array: a slice or a mask has
        taken it all.""",
    r"(expected scalar type|to have the same dtype|must have the same dtype)": """Floats of two kinds meet:
        make new tensors in the dtype of the input, `dtype=x.dtype`.""",
}


def meaning(error):
    """What is added to the words of an exception. -> text, '' where nothing is known"""
    if isinstance(error, AttributeError) and error.name:
        return _of_missing(error.obj, error.name)
    words = str(error)
    if isinstance(error, NameError) and (found := re.search(r"name '(\w+)' is not defined", words)):
        modules = {"np": "numpy as np", "plt": "matplotlib.pyplot as plt", "F": "torch.nn.functional as F"}
        name = modules.get(found[1], found[1])
        if found[1] in modules or found[1] in sys.stdlib_module_names:
            return f"Import it in the cell of your code: `import {name}`."
        return "Is it misspelt, or does it get its value in another function or another cell?"
    return next((" ".join(said.split()) for heard, said in MEANINGS.items() if re.search(heard, words)), "")


def _of_missing(owner, name):
    """What is said where something has no attribute of a name. -> text or ''"""
    if getattr(owner, "__name__", "") == "torch" and hasattr(np, name):
        return f"NumPy has one, `np.{name}`; torch has none of that name."
    if isinstance(owner, types.SimpleNamespace):
        return f"It has {', '.join(f'`{each}`' for each in vars(owner))}."
    near = difflib.get_close_matches(name, dir(owner), 1, 0.8)
    return f"It has `{near[0]}`." if near else ""
