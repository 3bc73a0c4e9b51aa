"""Kaolin's numbers in tests/golden, and how ours are compared with them."""

import functools
from pathlib import Path

import numpy as np
import torch

close = functools.partial(torch.testing.assert_close, rtol=0)


def arrays(file):
    return np.load(Path(__file__).parents[2] / "golden" / f"kaolin_{file}.npz")


def numbers(file):
    """A function that reads a new tensor: golden(name), golden(name, dtype)."""
    found = arrays(file)
    return lambda name, dtype=None: torch.from_numpy(found[name]).to(dtype=dtype)


DIBR = arrays("dibr")


def dibr_case(case, device="cpu"):
    """Arrays of a case as tensors by name."""
    names = [name for name in DIBR.files if name.startswith(case + "/")]
    return {name.split("/")[1]: torch.from_numpy(DIBR[name]).to(device) for name in names}


def assert_matches(value, expected, tolerance):
    """The same shape, and values within the tolerance times the largest magnitude."""
    largest = expected.double().abs().max().item()
    close(value.detach().double(), expected.double(), atol=tolerance * largest)


def to_pixels(camera, points):
    """World points to (u, v) from the top left corner; pixel (row j, column i) is centred at (i, j) + .5."""
    ndc = camera.transform(points)
    return torch.stack([(ndc[..., 0] + 1) * camera.width / 2, (1 - ndc[..., 1]) * camera.height / 2], dim=-1)
