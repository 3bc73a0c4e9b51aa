"""What is added to the words of Python and torch, of lines as students write them."""

import math
import types

import numpy as np
import pytest
import torch

from course_lib.check.raised import meaning

X, W = torch.rand(2, 4, 3, requires_grad=True), torch.rand(5)
THINGS = types.SimpleNamespace(F=1, V=2)
SLIPS = {
    "torch.exp": lambda: np.exp(X),
    "torch's own": lambda: math.exp(W),
    "keepdim": lambda: X * W,
    "Make a new one": lambda: X.neg_(),
    "torch.where": lambda: 1 if X > 0 else 0,
    "truth value": lambda: W > 0 and W < 1,
    "(a > 0)": lambda: (W > 0) & W,
    "mask[..., 0]": lambda: X[torch.ones(2, 4, 1, dtype=torch.bool)],
    "number by number": lambda: X @ W,
    "unbind": lambda: unpacked(X),
    "flat list": lambda: torch.stack([[W, W], [W, W]]),
    "len(theta)": lambda: X.reshape(7, 3),
    "dim=-1": lambda: torch.linalg.cross(X, X, dim=0),
    ".values": lambda: X.max(dim=0) - X.min(dim=0),
    "torch.tensor": lambda: W.clone().__setitem__(0, (1, 2)),
    ".long()": lambda: W[torch.tensor([0.5])],
    "x[:, i]": lambda: X[torch.tensor([0, 2])],
    "np.unwrap": lambda: torch.unwrap(X),
    "`F`, `V`": lambda: THINGS.faces,
    "Shapes are tuples": lambda: X.max(dim=0)[2],
    "print its shape": lambda: X[0, :, 2, 1, 1],
    "Those of a stub": lambda: unpacked(),
    "Those of a stub stay": lambda: unpacked(X, X),
    "other arguments than": lambda: unpacked(X, rho=3),
    "dtype=x.dtype": lambda: X[0].double() @ X[0].mT,
    "`a < b < c`": lambda: 0 <= W < 1,
    "Take sizes": lambda: X[:, 4],
    "equally long": lambda: torch.cat([X, X[:, :, :2]]),
    "keepdim=True": lambda: torch.cat([X.sum(), W]),
    "`[:3]`": lambda: torch.zeros(3).__setitem__(slice(None), torch.ones(4)),
    "reaches beyond": lambda: X[:, :, :1] * X[0, :, 3:] + X[:, :, 3:] * X,
    "Nothing is left": lambda: np.ones((3, 3))[5:].min(),
    "`import math`": lambda: eval("math.pi", {}),
    "`import numpy as np`": lambda: eval("np.pi", {}),
    "misspelt": lambda: eval("thetta", {}),
    "written over": lambda: overwritten(X.exp()).sum().backward(),
}


def overwritten(x):
    x[0] = 0
    return x


def unpacked(x):
    a, b, c = x
    return a


@pytest.mark.parametrize("said", SLIPS)
def test_a_slip_is_explained(said):
    with pytest.raises(Exception) as raised:
        SLIPS[said]()
    assert said in meaning(raised.value), raised.value


def test_nothing_is_said_where_nothing_is_known():
    assert meaning(ValueError("of the student's own")) == "" == meaning(ZeroDivisionError("division by zero"))
