"""DIB-R for the CPU: what `reference.py` computes, as loops compiled by numba.

Forward, each task owns some rows of one frame and goes through the frame's faces in order. Backward, each
task owns some faces of one frame and goes through the pixels of their boxes. So no two tasks write to one
place, every sum has one order, and results do not depend on the number of threads. A face looks at the pixels
of its own box only, and jumps over those that are done with. Whole images are cleared and scanned once; all
other work is where faces are.

The kernels are single-threaded functions that release the GIL; a small pool of Python threads runs the tasks.
numba's own `parallel=True` is not used: of its threading layers, workqueue aborts the process when two
threads call at once and GNU OpenMP aborts it after a fork; TBB is rarely installed; and parallel kernels take
several times longer to compile.

float32 stays float32 where it decides which pixels a face has and which face a pixel sees, so that ties fall
as in kaolin. Distances and sums are float64 throughout (`float()` would not do: numba leaves a float32 as it
is).

Many kernels take a `grid`, a tuple (named tuples are slow to pass to numba) of

    multiplier  of coordinates before they are compared with pixels
    eps         keeps the sum of the barycentric weights away from zero
    columns     (W,), x of the pixel centres times multiplier
    rows        (H,), minus y of the pixel centres times multiplier: they increase, too
    boxes       (B, F, 4) int32, the pixels of each face: left, right, top, bottom, ends excluded
    frames      (B, 4) int64, the same for all faces of a frame together
"""

import contextlib
import functools
import itertools
import math
import mmap
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import torch
from torch.autograd.function import once_differentiable

from .reference import LARGEST, MULTIPLIER

# ------------------------------------------------------------------------------------------------------------
# Compiling and running
# ------------------------------------------------------------------------------------------------------------


def compiled(function, **options):
    """Compile at the first call, and keep the machine code beside the source or in the user's cache."""
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        kernel = numba.njit(function, cache=True, **options)
    except RuntimeError:  # no folder to keep it in
        return numba.njit(function, **options)
    if not hasattr(kernel, "_cache"):  # compilation is switched off, for debugging
        return kernel
    save = kernel._cache.save_overload

    def save_if_possible(*arguments):
        with contextlib.suppress(OSError):  # no space left: it will be compiled again next time
            save(*arguments)

    kernel._cache.save_overload = save_if_possible
    return kernel


# With fused multiply-add: for distances, where no choice hangs on the last bit.
fused = functools.partial(compiled, fastmath={"contract"})


class Workers:
    """A pool of threads, made at first use, and again in a forked child, where the parent's do not exist."""

    def __init__(self):
        self.forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self):
        self.lock, self.pool, self.size = threading.Lock(), None, 0

    def get(self, size):
        with self.lock:
            if size > self.size:
                self.pool, self.size = ThreadPoolExecutor(size, thread_name_prefix="dibr"), size
            return self.pool

    def run(self, kernel, arguments, tasks):
        """kernel(*arguments, *task) for each task, on as many threads as torch uses, this one among them."""
        turn = itertools.count()

        def work():
            while (k := next(turn)) < len(tasks):
                kernel(*arguments, *tasks[k])

        helpers = min(torch.get_num_threads(), len(tasks)) - 1
        futures = [self.get(helpers).submit(work) for _ in range(helpers)]
        try:
            work()
        finally:
            for future in futures:
                future.cancel() or future.result()


WORKERS = Workers()


def zeros(shape, dtype):
    """An array of zeros; a large one straight from the system, as pages that cost nothing until touched.

    (Not torch.zeros: it wakes torch's threads, which then wait busily on the cores of ours.)
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < 1 << 23:
        return np.zeros(shape, dtype)
    return np.frombuffer(mmap.mmap(-1, size), dtype).reshape(shape)


def cut(frames, first, end):
    """Where to cut first..end of a frame so that all frames make some four tasks per thread."""
    threads = torch.get_num_threads()
    parts = -(-4 * threads // max(frames, 1)) if threads > 1 else 1
    return [first + (end - first) * k // parts for k in range(parts + 1)]


def row_tasks(frames, height):
    """(frame, first row, end row): each frame's rows are divided, those of its faces' box evenly."""
    tasks = []
    for b, (_, _, top, bottom) in enumerate(frames.tolist()):
        cuts = [0, *cut(len(frames), top, bottom)[1:-1], height]
        tasks += [(b, start, end) for start, end in zip(cuts, cuts[1:]) if start < end]
    return tasks


def face_tasks(boxes):
    """(frame, first face, end face): each frame's faces are divided evenly."""
    frames, faces, _ = boxes.shape
    cuts = cut(frames, 0, faces)
    return [(b, start, end) for b in range(frames) for start, end in zip(cuts, cuts[1:]) if start < end]


# ------------------------------------------------------------------------------------------------------------
# Pixels of a face
# ------------------------------------------------------------------------------------------------------------


@compiled
def four(box):
    """Left, right, top, bottom of a box as numbers."""
    return np.int64(box[0]), np.int64(box[1]), np.int64(box[2]), np.int64(box[3])


@compiled
def first_not_left(columns, x, density):
    """The first column whose centre is not left of x; centres lie around 0, `density` of them per unit."""
    width = len(columns)
    guess = 0.5 * (width + 1) + x * density
    i = 0 if not guess > 0 else (width if guess >= width else int(guess))
    while i > 0 and columns[i - 1] >= x:
        i -= 1
    while i < width and columns[i] < x:
        i += 1
    return i


@compiled
def find_boxes(corners, usable, margin, grid, b):
    """Fill in the boxes of frame b. Faces that are unusable or cannot be computed with get an empty one."""
    multiplier, _, columns, rows, boxes, frames = grid
    across = (len(columns) - 1) / max(2.0 * columns[-1], 1e-30)
    down = (len(rows) - 1) / max(2.0 * rows[-1], 1e-30)
    frame_left, frame_right, frame_top, frame_bottom = len(columns), 0, len(rows), 0
    for f in range(corners.shape[1]):
        good = usable[b, f]
        for k in range(3):
            good = good and abs(corners[b, f, k, 0]) <= LARGEST and abs(corners[b, f, k, 1]) <= LARGEST
        if not good:
            continue
        ax, ay = corners[b, f, 0, 0] * multiplier, corners[b, f, 0, 1] * multiplier
        bx, by = corners[b, f, 1, 0] * multiplier, corners[b, f, 1, 1] * multiplier
        cx, cy = corners[b, f, 2, 0] * multiplier, corners[b, f, 2, 1] * multiplier
        # low <= centre < high; for rows, which go down as y goes up, that is -high < -centre <= -low.
        left = first_not_left(columns, min(ax, bx, cx) - margin, across)
        right = first_not_left(columns, max(ax, bx, cx) + margin, across)
        high, low = -(max(ay, by, cy) + margin), -(min(ay, by, cy) - margin)
        top, bottom = first_not_left(rows, high, down), first_not_left(rows, low, down)
        while top < len(rows) and rows[top] == high:
            top += 1
        while bottom < len(rows) and rows[bottom] == low:
            bottom += 1
        if left >= right or top >= bottom:
            continue
        boxes[b, f, 0], boxes[b, f, 1], boxes[b, f, 2], boxes[b, f, 3] = left, right, top, bottom
        frame_left, frame_right = min(frame_left, left), max(frame_right, right)
        frame_top, frame_bottom = min(frame_top, top), max(frame_bottom, bottom)
    if frame_left < frame_right:
        frames[b, 0], frames[b, 1], frames[b, 2], frames[b, 3] = (
            frame_left,
            frame_right,
            frame_top,
            frame_bottom,
        )


def grid_of(corners, usable, height, width, multiplier, eps=0.0, margin=0.0, aspect=1.0):
    """The grid of faces (B, F, 3, 2), in their precision; boxes are enlarged by `margin`, in NDC."""
    kind = corners.dtype.type
    margin, multiplier = kind(margin * multiplier), kind(multiplier)
    columns = multiplier / kind(width) * np.arange(1 - width, width, 2).astype(kind) * kind(aspect)
    rows = multiplier / kind(height) * np.arange(1 - height, height, 2).astype(kind)
    boxes = np.zeros((*corners.shape[:2], 4), dtype=np.int32)
    frames = np.zeros((len(corners), 4), dtype=np.int64)
    grid = multiplier, kind(eps), columns, rows, boxes, frames
    WORKERS.run(find_boxes, (corners, usable, margin, grid), [(b,) for b in range(len(corners))])
    return grid


# ------------------------------------------------------------------------------------------------------------
# Rasterisation
# ------------------------------------------------------------------------------------------------------------


@compiled
def barycentric(corners, b, f, multiplier, x, y, eps):
    """Weights of the point (x, y) in a face; the first is negative where the point is outside."""
    ax, ay = corners[b, f, 0, 0] * multiplier - x, corners[b, f, 0, 1] * multiplier - y
    bx, by = corners[b, f, 1, 0] * multiplier - x, corners[b, f, 1, 1] * multiplier - y
    cx, cy = corners[b, f, 2, 0] * multiplier - x, corners[b, f, 2, 1] * multiplier - y
    u = bx * cy - by * cx
    v = cx * ay - cy * ax
    w = ax * by - ay * bx
    total = u + v + w
    if total >= 0:
        if u < 0 or v < 0 or w < 0:
            return -multiplier, v, w
        total += eps
    else:
        if u > 0 or v > 0 or w > 0:
            return -multiplier, v, w
        total -= eps
    return u / total, v / total, w / total


@compiled
def find_visible(corners, depths, grid, face_idx, is_seen, b, start, end):
    """Write to rows start..end of face_idx[b] which face each pixel sees; mark the faces that are seen."""
    multiplier, eps, columns, rows, boxes, frames = grid
    for j in range(start, end):
        for i in range(len(columns)):
            face_idx[b, j, i] = -1
    left, right, top, bottom = four(frames[b])
    start, end = max(start, top), min(end, bottom)
    if start >= end:
        return
    nearest_z = np.empty((end - start, right - left), dtype=depths.dtype)
    nearest_z[:] = -math.inf
    for f in range(corners.shape[1]):
        for j in range(max(boxes[b, f, 2], start), min(boxes[b, f, 3], end)):
            for i in range(boxes[b, f, 0], boxes[b, f, 1]):
                u, v, w = barycentric(corners, b, f, multiplier, columns[i], -rows[j], eps)
                if u >= 0:
                    z = u * depths[b, f, 0] + v * depths[b, f, 1] + w * depths[b, f, 2]
                    if z > nearest_z[j - start, i - left]:
                        nearest_z[j - start, i - left] = z
                        face_idx[b, j, i] = f
    for j in range(start, end):
        for i in range(left, right):
            if face_idx[b, j, i] >= 0:
                is_seen[b, face_idx[b, j, i]] = True  # other tasks may write the same


@compiled
def interpolate(corners, features, grid, face_idx, images, b, start, end):
    """Write the features of the visible faces to rows start..end of frame b of images, which hold zeros.

    features and images are tuples of arrays (B, F, 3, D) and (B, H, W, D).
    """
    multiplier, eps, columns, rows, _, frames = grid
    left, right, top, bottom = four(frames[b])
    for j in range(max(start, top), min(end, bottom)):
        for i in range(left, right):
            f = face_idx[b, j, i]
            if f < 0:
                continue
            u, v, w = barycentric(corners, b, f, multiplier, columns[i], -rows[j], eps)
            for k in range(len(features)):
                at = features[k]
                for d in range(at.shape[3]):
                    images[k][b, j, i, d] = u * at[b, f, 0, d] + v * at[b, f, 1, d] + w * at[b, f, 2, d]


@compiled
def interpolate_backward(
    corners, features, grid, face_idx, is_seen, grad_images, grad_corners, grad_features, b, start, end
):
    """Gradients of faces start..end of frame b, by their corners and features, which hold zeros.

    features, grad_images and grad_features are tuples of arrays; an empty grad_images[k] is zero, an empty
    grad_features[k] is not wanted.
    The derivative by the corners is that of weights with `eps` taken in NDC, as in kaolin.
    """
    multiplier, eps, columns, rows, boxes, _ = grid
    for f in range(start, end):
        if not is_seen[b, f]:
            continue
        ax, ay = np.float64(corners[b, f, 0, 0]), np.float64(corners[b, f, 0, 1])
        mx, my = corners[b, f, 1, 0] - ax, corners[b, f, 1, 1] - ay
        nx, ny = corners[b, f, 2, 0] - ax, corners[b, f, 2, 1] - ay
        area = mx * ny - my * nx
        area += math.copysign(np.float64(eps), area)
        gmx = gmy = gnx = gny = gsx = gsy = 0.0
        for j in range(boxes[b, f, 2], boxes[b, f, 3]):
            for i in range(boxes[b, f, 0], boxes[b, f, 1]):
                if face_idx[b, j, i] != f:
                    continue
                u, v, w = barycentric(corners, b, f, multiplier, columns[i], -rows[j], eps)
                grad_v = grad_w = 0.0  # of the weights of the second and third corner
                for k in range(len(features)):
                    for d in range(grad_images[k].shape[3]):
                        g = grad_images[k][b, j, i, d]
                        grad_v += g * (np.float64(features[k][b, f, 1, d]) - features[k][b, f, 0, d])
                        grad_w += g * (np.float64(features[k][b, f, 2, d]) - features[k][b, f, 0, d])
                        if len(grad_features[k]) > 0:
                            grad_features[k][b, f, 0, d] += g * u
                            grad_features[k][b, f, 1, d] += g * v
                            grad_features[k][b, f, 2, d] += g * w
                # From the first corner to the others and the point: v = s x n / (m x n), w = m x s / (m x n).
                sx = u * ax + v * np.float64(corners[b, f, 1, 0]) + w * np.float64(corners[b, f, 2, 0]) - ax
                sy = u * ay + v * np.float64(corners[b, f, 1, 1]) + w * np.float64(corners[b, f, 2, 1]) - ay
                grad_v, grad_w = grad_v / area, grad_w / area
                grad_area = -(grad_v * (sx * ny - sy * nx) + grad_w * (mx * sy - my * sx)) / area
                gmx += grad_w * sy + grad_area * ny
                gmy -= grad_w * sx + grad_area * nx
                gnx -= grad_v * sy + grad_area * my
                gny += grad_v * sx + grad_area * mx
                gsx += grad_v * ny - grad_w * my
                gsy += grad_w * mx - grad_v * nx
        grad_corners[b, f, 0, 0], grad_corners[b, f, 0, 1] = -(gmx + gnx + gsx), -(gmy + gny + gsy)
        grad_corners[b, f, 1, 0], grad_corners[b, f, 1, 1] = gmx, gmy
        grad_corners[b, f, 2, 0], grad_corners[b, f, 2, 1] = gnx, gny


class Rasterize(torch.autograd.Function):
    """(face index, one image per feature tensor); tensors come checked, on the CPU, contiguous."""

    @staticmethod
    def forward(ctx, height, width, depths, corners, usable, multiplier, eps, *features):
        xy = corners.numpy()
        grid = grid_of(xy, usable, height, width, multiplier, eps)
        tasks = row_tasks(grid[-1], height)
        face_idx = np.empty((len(xy), height, width), dtype=np.int64)
        is_seen = np.zeros(xy.shape[:2], dtype=np.bool_)
        WORKERS.run(find_visible, (xy, depths.numpy(), grid, face_idx, is_seen), tasks)
        images = tuple(zeros((*face_idx.shape, feature.shape[3]), xy.dtype) for feature in features)
        if images:
            values = tuple(feature.numpy() for feature in features)
            WORKERS.run(interpolate, (xy, values, grid, face_idx, images), tasks)
        face_idx = torch.from_numpy(face_idx)
        ctx.grid, ctx.is_seen = grid, is_seen
        ctx.save_for_backward(corners, face_idx, *features)
        ctx.mark_non_differentiable(face_idx)
        ctx.set_materialize_grads(False)
        return face_idx, *map(torch.from_numpy, images)

    @staticmethod
    @once_differentiable
    def backward(ctx, _, *grad_images):
        corners, face_idx, *features = (tensor.numpy() for tensor in ctx.saved_tensors)
        # All features in any case, or the kernel would be compiled anew for each choice of them.
        used = [grad_image is not None for grad_image in grad_images]
        wanted = [use and ctx.needs_input_grad[7 + k] for k, use in enumerate(used)]
        none = zeros((0,) * 4, corners.dtype)
        grad_corners = zeros(corners.shape, corners.dtype)
        grad_at = tuple(zeros(f.shape, f.dtype) if want else none for f, want in zip(features, wanted))
        if any(used):
            grads = tuple(g.contiguous().numpy() if use else none for g, use in zip(grad_images, used))
            arguments = corners, tuple(features), ctx.grid, face_idx, ctx.is_seen, grads
            arguments += grad_corners, grad_at
            WORKERS.run(interpolate_backward, arguments, face_tasks(ctx.grid[-2]))
        gradients = (torch.from_numpy(g) if want else None for g, want in zip(grad_at, wanted))
        return None, None, None, torch.from_numpy(grad_corners), None, None, None, *gradients


def rasterize(
    height, width, face_vertices_z, face_vertices_image, face_features, valid_faces, multiplier, eps
):
    """An image (B, H, W, D) for each tensor in the list `face_features`, and the face index (B, H, W)."""
    depths, corners = face_vertices_z.detach().contiguous(), face_vertices_image.contiguous()
    finite = np.isfinite(depths.numpy())
    usable = finite[..., 0] & finite[..., 1] & finite[..., 2]  # (B, F), sooner than all(axis=2)
    if valid_faces is not None:
        usable &= valid_faces.numpy()
    features = [feature.contiguous() for feature in face_features]
    face_idx, *images = Rasterize.apply(height, width, depths, corners, usable, multiplier, eps, *features)
    return images, face_idx


# ------------------------------------------------------------------------------------------------------------
# Soft masks
# ------------------------------------------------------------------------------------------------------------
#
# One kernel makes both: with `product` the mask of the first faces near a pixel, else the squared distance to
# the nearest alone.
# For the pixels of a frame's box it keeps `near`, a tuple of arrays indexed [row - top, column - left]:
#
#     skip   int32: an open pixel's own column; for one that is done with a later column, on the way to the
#            next open one; the last column is a sentinel
#     last   int32: the last face in the product, or the nearest; -1 without any
#     value  float64: the product of 1 - exp(-sigmainv d_k^2), or the squared distance to the nearest face
#     room   int32: how many more faces the product takes


@fused
def outline_of(corners, b, f):
    """For each edge: its start (x, y), its way to the end (x, y), and one over its squared length, or 0.

    Then the face's bounds in x and in y.
    """
    ax, ay = np.float64(corners[b, f, 0, 0]), np.float64(corners[b, f, 0, 1])
    bx, by = np.float64(corners[b, f, 1, 0]), np.float64(corners[b, f, 1, 1])
    cx, cy = np.float64(corners[b, f, 2, 0]), np.float64(corners[b, f, 2, 1])
    ux, uy, vx, vy, wx, wy = bx - ax, by - ay, cx - bx, cy - by, ax - cx, ay - cy
    u, v, w = ux * ux + uy * uy, vx * vx + vy * vy, wx * wx + wy * wy
    return (
        (ax, ay, ux, uy, 1.0 / u if u > 0 else 0.0),
        (bx, by, vx, vy, 1.0 / v if v > 0 else 0.0),
        (cx, cy, wx, wy, 1.0 / w if w > 0 else 0.0),
        (min(ax, bx, cx), max(ax, bx, cx), min(ay, by, cy), max(ay, by, cy)),
    )


NO_OUTLINE = (*((0.0,) * 5,) * 3, (0.0,) * 4)


@fused
def foot_on(edge, x, y):
    """The point of an edge nearest to (x, y): its offset (x, y) from there, and its place on it, 0..1."""
    sx, sy = edge[0] - x, edge[1] - y
    t = min(max(-(sx * edge[2] + sy * edge[3]) * edge[4], 0.0), 1.0)
    return sx + t * edge[2], sy + t * edge[3], t


@fused
def distance(outline, x, y):
    """Squared distance from (x, y) to a triangle's outline."""
    px, py, _ = foot_on(outline[0], x, y)
    qx, qy, _ = foot_on(outline[1], x, y)
    rx, ry, _ = foot_on(outline[2], x, y)
    return min(px * px + py * py, qx * qx + qy * qy, rx * rx + ry * ry)


@fused
def distance_to_box(outline, x, y):
    """Squared distance from (x, y) to a triangle's bounding box, 0 inside."""
    left, right, low, high = outline[3]
    beside, above = max(left - x, x - right, 0.0), max(low - y, y - high, 0.0)
    return beside * beside + above * above


@fused
def nearest_foot(outline, x, y):
    """The nearest point of a triangle's outline: offset (x, y), squared distance, each corner's share in it.

    Written as choices between values, which compile to code without jumps.
    """
    px, py, p = foot_on(outline[0], x, y)
    qx, qy, q = foot_on(outline[1], x, y)
    rx, ry, r = foot_on(outline[2], x, y)
    pp, qq, rr = px * px + py * py, qx * qx + qy * qy, rx * rx + ry * ry
    closer = qq < pp
    px, py, pp = qx if closer else px, qy if closer else py, qq if closer else pp
    a, b, c = 0.0 if closer else 1.0 - p, 1.0 - q if closer else p, q if closer else 0.0
    closer = rr < pp
    px, py, pp = rx if closer else px, ry if closer else py, rr if closer else pp
    return px, py, pp, r if closer else a, 0.0 if closer else b, 1.0 - r if closer else c


@compiled
def next_open(skip, i):
    """The first open column of a row from i on. The ways there become shorter."""
    while skip[i] != i:
        skip[i] = skip[skip[i]]
        i = np.int64(skip[i])
    return i


@compiled
def begin_rows(selected, box, skip, mask, seen, unseen, b, start, end):
    """Rows start..end of frame b: `seen` where a face is, else `unseen`, and open in the frame's box."""
    for j in range(start, end):
        for i in range(selected.shape[2]):
            mask[b, j, i] = seen if selected[b, j, i] >= 0 else unseen
    left, right, top, bottom = box
    for j in range(max(start, top), min(end, bottom)):
        skip[j - top, right - left] = right - left
        for i in range(right - left - 1, -1, -1):
            skip[j - top, i] = i if selected[b, j, left + i] < 0 else skip[j - top, i + 1]


@fused
def mask_forward(
    corners, selected, boxes, frames, x, y, sigmainv, product, is_near, mask, near, b, start, end
):
    """Rows start..end of frame b of the mask, or of distances; marks the faces that they depend on.

    In the end `skip` leads from each pixel to the next that depends on a face.
    """
    skip, last, value, room = near
    left, right, top, bottom = box = four(frames[b])
    seen, unseen = (1.0, 0.0) if product else (0.0, math.inf)
    begin_rows(selected, box, skip, mask, seen, unseen, b, start, end)
    start, end = max(start, top), min(end, bottom)
    x, outline = x[left:right], NO_OUTLINE
    for f in range(corners.shape[1]):
        fresh, first, stop = True, boxes[b, f, 0] - left, boxes[b, f, 1] - left
        for row in range(max(boxes[b, f, 2], start), min(boxes[b, f, 3], end)):
            skips, lasts, values, rooms = skip[row - top], last[row - top], value[row - top], room[row - top]
            i = next_open(skips, first)
            while i < stop:
                if fresh:
                    outline, fresh = outline_of(corners, b, f), False
                    if product:
                        is_near[b, f] = True  # other tasks may write the same
                across, down = x[i], y[row]
                if product:
                    values[i] *= 1.0 - math.exp(-sigmainv * distance(outline, across, down))
                    lasts[i] = f
                    rooms[i] -= 1
                    if rooms[i] == 0:
                        skips[i] = i + 1
                # The face is no nearer than its bounding box; a little slack for rounding.
                elif distance_to_box(outline, across, down) * (1 - 1e-12) < values[i]:
                    squared = distance(outline, across, down)
                    if squared < values[i]:
                        values[i], lasts[i] = squared, f
                i = next_open(skips, i + 1)
    for j in range(start - top, end - top):
        for i in range(right - left - 1, -1, -1):
            if last[j, i] >= 0:
                result = value[j, i]
                mask[b, top + j, left + i] = 1.0 - result if product else result
                is_near[b, last[j, i]] = True
            skip[j, i] = i if last[j, i] >= 0 else skip[j, i + 1]


@fused
def mask_backward(
    corners, boxes, frames, x, y, sigmainv, product, is_near, grad_mask, grad_corners, near, b, start, end
):
    """Gradient (B, F, 3, 2) of faces start..end of frame b."""
    skip, last, value, _ = near
    left, _, top, _ = four(frames[b])
    for f in range(start, end):
        if not is_near[b, f]:
            continue
        outline = outline_of(corners, b, f)
        first, stop = boxes[b, f, 0] - left, boxes[b, f, 1] - left
        latest = corners.shape[1] if product else f  # which a pixel's last face may be
        gax = gay = gbx = gby = gcx = gcy = 0.0
        for row in range(boxes[b, f, 2], boxes[b, f, 3]):
            skips, lasts, values = skip[row - top], last[row - top], value[row - top]
            i = np.int64(skips[first])
            while i < stop:
                if f <= lasts[i] <= latest:
                    dx, dy, squared, share_a, share_b, share_c = nearest_foot(outline, x[left + i], y[row])
                    slope = 2.0 * grad_mask[b, row, left + i]
                    if product:  # times that of no other face; where claim is 1 the offset is 0
                        claim = math.exp(-sigmainv * squared)
                        slope *= -sigmainv * claim * (values[i] / (1.0 - claim) if claim < 1 else 0.0)
                    dx *= slope
                    dy *= slope
                    gax += share_a * dx
                    gay += share_a * dy
                    gbx += share_b * dx
                    gby += share_b * dy
                    gcx += share_c * dx
                    gcy += share_c * dy
                i = np.int64(skips[i + 1])
        grad_corners[b, f, 0, 0], grad_corners[b, f, 0, 1] = gax, gay
        grad_corners[b, f, 1, 0], grad_corners[b, f, 1, 1] = gbx, gby
        grad_corners[b, f, 2, 0], grad_corners[b, f, 2, 1] = gcx, gcy


class SoftMask(torch.autograd.Function):
    """The mask of the first `knum` faces near each pixel; if knum is None, `squared_distances`.

    Tensors come checked, on the CPU, contiguous, with x stretched by `aspect`.
    """

    @staticmethod
    def forward(ctx, corners, selected_face_idx, sigmainv, boxlen, knum, multiplier, aspect):
        xy, selected = corners.numpy(), selected_face_idx.numpy()
        _, height, width = selected.shape
        usable = np.full(xy.shape[:2], knum != 0)
        *_, boxes, frames = grid_of(xy, usable, height, width, multiplier, 0.0, boxlen, aspect)
        x = np.arange(1 - width, width, 2) * (1 / width) * aspect
        y = np.arange(height - 1, -height, -2) * (1 / height)
        product = knum is not None
        near = []
        for left, right, top, bottom in frames.tolist():
            size = bottom - top, right - left + 1
            skip, last = np.empty(size, np.int32), np.full(size, -1, np.int32)
            value, room = np.full(size, 1.0 if product else np.inf), np.full(size, knum or 0, np.int32)
            near.append((skip, last, value, room))
        is_near = np.zeros(xy.shape[:2], dtype=np.bool_)
        mask = np.empty(selected.shape, dtype=xy.dtype)
        ctx.rest = boxes, frames, x, y, sigmainv, product, is_near
        tasks = [(near[b], b, start, end) for b, start, end in row_tasks(frames, height)]
        WORKERS.run(mask_forward, (xy, selected, *ctx.rest, mask), tasks)
        ctx.tasks = [(near[b], b, start, end) for b, start, end in face_tasks(boxes)]
        ctx.save_for_backward(corners)
        return torch.from_numpy(mask)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_mask):
        corners = ctx.saved_tensors[0].numpy()
        grad_corners = zeros(corners.shape, corners.dtype)
        arguments = corners, *ctx.rest, grad_mask.contiguous().numpy(), grad_corners
        WORKERS.run(mask_backward, arguments, ctx.tasks)
        return torch.from_numpy(grad_corners), *[None] * 6


def dibr_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, knum, multiplier):
    """The soft mask (B, H, W) of the first `knum` faces near each pixel."""
    corners, selected = face_vertices_image.contiguous(), selected_face_idx.contiguous()
    return SoftMask.apply(corners, selected, sigmainv, boxlen, min(knum, 2**31 - 1), multiplier, 1.0)


def squared_distances(face_vertices_image, selected_face_idx, boxlen, aspect):
    """0 where a face is seen, else the squared distance to the nearest face nearby, or inf. (B, H, W)"""
    corners, selected = face_vertices_image.contiguous(), selected_face_idx.contiguous()
    if aspect != 1:
        corners = corners * corners.new_tensor([aspect, 1.0])
    return SoftMask.apply(corners, selected, 0.0, boxlen, None, MULTIPLIER, aspect)
