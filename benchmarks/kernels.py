"""How long the DIB-R kernels take.

The scene is a closed body of 4,000 faces with a pair of flukes, seen from above in frames of a clip: long
enough for the outline to have many small faces beside it, which is what makes soft masks costly.
"""

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from course_lib.kal import dibr


def swimmer(frames, height, width, length_px, faces=4000):
    """A body of revolution, length_px long and a fifth as wide, with flukes, turned and moved between frames.

    -> corners in NDC (B, F, 3, 2), depths (B, F, 3), three feature tensors (B, F, 3, 2 or 3), and which faces
    look at the camera (B, F)
    """
    across = 40
    along = faces // (2 * across)  # quads of two triangles
    u, v = torch.linspace(0, 1, along + 1), torch.linspace(0, 2 * math.pi, across + 1)
    u, v = torch.meshgrid(u, v, indexing="ij")  # (along + 1, across + 1)
    radius = 0.18 * u.sqrt() * (1 - u) ** 0.7 + 0.002
    flukes = torch.exp(-(((u - 0.96) / 0.03) ** 2)) * 0.12
    points = torch.stack([u - 0.5, (radius + flukes) * v.cos(), radius * v.sin() - 5], dim=-1)
    quads = torch.stack([points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]], dim=2)
    quads = quads.reshape(-1, 4, 3)
    triangles = torch.cat([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], dim=1).reshape(-1, 3, 3)  # (F, 3, 3)
    triangles = triangles[torch.randperm(len(triangles), generator=torch.Generator().manual_seed(0))]
    corners, depths = [], []
    for k in range(frames):
        angle = 0.3 + 0.25 * k
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        pixels = triangles[..., :2] @ turn.T * length_px + torch.tensor([3.3 * k - 9, 1.7 * k - 5])
        corners.append(pixels / torch.tensor([width / 2, height / 2]))
        depths.append(triangles[..., 2])
    corners, depths = torch.stack(corners), torch.stack(depths)
    e, g = corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0]
    facing = e[..., 0] * g[..., 1] - e[..., 1] * g[..., 0] >= 0  # (B, F)
    generator = torch.Generator().manual_seed(1)
    features = [torch.rand(frames, corners.shape[1], 3, d, generator=generator) for d in (2, 3, 2)]
    return corners, depths, features, facing


def step(scene, height, width, sigmainv, boxlen, knum, backend, mask="dibr"):
    """Features and soft mask of a batch, forward and backward: seconds of each; processor seconds of both."""
    corners, depths, features, facing = scene
    corners = corners.detach().requires_grad_()
    features = [feature.detach().requires_grad_() for feature in features]
    processors, start = time.process_time(), time.perf_counter()
    images, face_idx = dibr.rasterize(height, width, depths, corners, features, facing, backend=backend)
    if mask == "dibr":
        soft = dibr.dibr_soft_mask(corners, face_idx, sigmainv, boxlen, knum, backend=backend)
    else:
        soft = dibr.nearest_soft_mask(corners, face_idx, sigmainv, boxlen, backend=backend)
    middle = time.perf_counter()
    torch.autograd.backward([*images, soft], [*(image.detach() for image in images), soft.detach()])
    return middle - start, time.perf_counter() - middle, time.process_time() - processors


def milliseconds(repeats, *arguments):
    """Medians of `step`, after one to warm up: forward, backward, both together, both on all processors."""
    step(*arguments)
    forward, backward, processors = zip(*(step(*arguments) for _ in range(repeats)))
    both = [f + b for f, b in zip(forward, backward)]
    return tuple(1000 * statistics.median(times) for times in (forward, backward, both, processors))


SETTINGS = {  # name: frames, height, width, length in pixels, sigmainv, boxlen, knum
    "full frame": (7, 360, 640, 70, 100000, 0.01, 40),
    "window": (7, 90, 160, 110, 100000 / 16, 0.04, 40),
    "four times the pixels": (7, 720, 1280, 70, 400000, 0.005, 40),
}


FIRST_USE = """
import time
from benchmarks import kernels
scene = kernels.swimmer(1, 9, 16, 9, 80)
start = time.perf_counter()
kernels.step(scene, 9, 16, 7000, .1, 30, "numba")
kernels.step(scene, 9, 16, 7000, .1, 30, "numba", "nearest")
print(time.perf_counter() - start)
"""


def seconds_to_first_result(cache_dir):
    """Seconds that a new process takes for one tiny call of all functions, beyond the imports."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache_dir, "PYTHONPATH": str(Path(__file__).parents[1])}
    how = dict(env=environment, capture_output=True, text=True, check=True)
    return float(subprocess.run([sys.executable, "-c", FIRST_USE], **how).stdout)


def measure(repeats=25, reference_repeats=3, cold=True):
    """Flat dict: medians in milliseconds of a batch, ratios to the reference, seconds to the first result."""
    figures = {"threads": torch.get_num_threads()}
    best = dibr.available_backends("cpu")[0]
    for name, (frames, height, width, length, sigmainv, boxlen, knum) in SETTINGS.items():
        scene = swimmer(frames, height, width, length)
        arguments = (scene, height, width, sigmainv, boxlen, knum)
        for mask in ("dibr", "nearest"):
            key = f"{name}, {mask} mask"
            times = milliseconds(repeats, *arguments, best, mask)
            # the processors' time tells even when other programs run
            for what, value in zip(("forward ms", "backward ms", "ms", "processor ms"), times):
                figures[f"{key}: {best} {what}"] = value
            if reference_repeats and best != "torch" and name != "four times the pixels":
                reference = milliseconds(reference_repeats, *arguments, "torch", mask)[2]
                figures[f"{key}: torch ms"] = reference
                figures[f"{key}: torch / {best}"] = reference / times[2]
    if cold and best == "numba":
        with tempfile.TemporaryDirectory() as cache_dir:
            figures["first use ever, seconds"] = seconds_to_first_result(cache_dir)
            figures["first use in a later process, seconds"] = seconds_to_first_result(cache_dir)
    return {name: round(value, 3) for name, value in figures.items()}
