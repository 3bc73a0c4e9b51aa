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
as in kaolin. Distances and sums are float64 throughout.
"""

import contextlib
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


def compiled(function=None, **options):
    """Compile at the first call, and keep the machine code beside the source or in the user's cache."""
    if function is None:
        return lambda function: compiled(function, **options)
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        kernel = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in
        return numba.njit(**options)(function)
    if not hasattr(kernel, "_cache"):  # compilation is switched off, for debugging
        return kernel
    save = kernel._cache.save_overload

    def save_if_possible(*arguments):
        with contextlib.suppress(OSError):  # no space left: it will be compiled again next time
            save(*arguments)

    kernel._cache.save_overload = save_if_possible
    return kernel


FUSED = {"fastmath": {"contract"}}  # fused multiply-add: for distances, where no choice hangs on the last bit


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


def parts_of(frames):
    """Into how many tasks to divide a frame: together some four per thread."""
    threads = torch.get_num_threads()
    return -(-4 * threads // max(frames, 1)) if threads > 1 else 1


def row_tasks(height, frame_boxes):
    """(frame, first row, end row): each frame's rows are divided, those of its faces' box evenly."""
    parts = parts_of(len(frame_boxes))
    tasks = []
    for b, (_, _, top, bottom) in enumerate(frame_boxes.tolist()):
        cuts = [0, *(top + (bottom - top) * k // parts for k in range(1, parts)), height]
        tasks += [(b, start, end) for start, end in zip(cuts, cuts[1:]) if start < end]
    return tasks


def face_tasks(frames, faces):
    """(frame, first face, end face): each frame's faces are divided evenly."""
    parts = parts_of(frames)
    cuts = [faces * k // parts for k in range(parts + 1)]
    return [(b, start, end) for b in range(frames) for start, end in zip(cuts, cuts[1:]) if start < end]


# ------------------------------------------------------------------------------------------------------------
# Pixels of a face
# ------------------------------------------------------------------------------------------------------------


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
def find_boxes(corners, usable, multiplier, margin, columns, rows, boxes, frame_boxes, b):
    """Each face's pixels in frame b, boxes (B, F, 4) of left, right, top, bottom, and all together (B, 4).

    `rows` are minus y, so that they increase. Unusable faces, and those with a coordinate that cannot be
    computed with, get an empty box.
    """
    across = (len(columns) - 1) / max(2.0 * columns[-1], 1e-30)
    down = (len(rows) - 1) / max(2.0 * rows[-1], 1e-30)
    frame_boxes[b, 0], frame_boxes[b, 1], frame_boxes[b, 2], frame_boxes[b, 3] = len(columns), 0, len(rows), 0
    for f in range(corners.shape[1]):
        boxes[b, f, 1] = boxes[b, f, 0]
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
        if left >= right:
            continue
        high, low = -(max(ay, by, cy) + margin), -(min(ay, by, cy) - margin)
        top, bottom = first_not_left(rows, high, down), first_not_left(rows, low, down)
        while top < len(rows) and rows[top] == high:
            top += 1
        while bottom < len(rows) and rows[bottom] == low:
            bottom += 1
        if top >= bottom:
            continue
        boxes[b, f, 0], boxes[b, f, 1], boxes[b, f, 2], boxes[b, f, 3] = left, right, top, bottom
        frame_boxes[b, 0], frame_boxes[b, 1] = min(frame_boxes[b, 0], left), max(frame_boxes[b, 1], right)
        frame_boxes[b, 2], frame_boxes[b, 3] = min(frame_boxes[b, 2], top), max(frame_boxes[b, 3], bottom)
    if frame_boxes[b, 0] >= frame_boxes[b, 1]:
        frame_boxes[b, :] = 0


class Boxes:
    """The pixels of each face, found on coordinates times `multiplier` in the precision of `corners`.

    of_faces (B, F, 4), of_frames (B, 4): left, right, top, bottom.
    columns (W,), rows (H,): x and -y of the pixel centres.
    """

    def __init__(self, corners, usable, height, width, multiplier, margin, aspect=1.0):
        kind = corners.dtype.type
        self.multiplier = kind(multiplier)
        self.columns = self.multiplier / kind(width) * np.arange(1 - width, width, 2).astype(kind)
        self.columns = self.columns * kind(aspect)
        self.rows = self.multiplier / kind(height) * np.arange(1 - height, height, 2).astype(kind)
        self.of_faces = np.zeros((*corners.shape[:2], 4), dtype=np.int32)
        self.of_frames = np.zeros((len(corners), 4), dtype=np.int64)
        WORKERS.run(
            find_boxes,
            (
                corners,
                usable,
                self.multiplier,
                kind(margin * multiplier),
                self.columns,
                self.rows,
                self.of_faces,
                self.of_frames,
            ),
            [(b,) for b in range(len(corners))],
        )
        self.row_tasks = row_tasks(height, self.of_frames)
        self.face_tasks = face_tasks(*corners.shape[:2])


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
def find_visible(
    corners, depths, multiplier, columns, rows, boxes, frame_boxes, eps, face_idx, is_seen, b, start, end
):
    """Write to rows start..end of face_idx[b] which face each pixel sees; mark the faces that are seen."""
    for j in range(start, end):
        for i in range(face_idx.shape[2]):
            face_idx[b, j, i] = -1
    left, right = frame_boxes[b, 0], frame_boxes[b, 1]
    start, end = max(start, frame_boxes[b, 2]), min(end, frame_boxes[b, 3])
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
def interpolate(
    corners, features, multiplier, columns, rows, frame_boxes, eps, face_idx, images, b, start, end
):
    """Write the features of the visible faces to rows start..end of frame b of images, which hold zeros.

    features and images are tuples of arrays (B, F, 3, D) and (B, H, W, D).
    """
    for j in range(max(start, frame_boxes[b, 2]), min(end, frame_boxes[b, 3])):
        for i in range(frame_boxes[b, 0], frame_boxes[b, 1]):
            f = face_idx[b, j, i]
            if f >= 0:
                u, v, w = barycentric(corners, b, f, multiplier, columns[i], -rows[j], eps)
                for k in range(len(features)):
                    for d in range(features[k].shape[3]):
                        images[k][b, j, i, d] = (
                            u * features[k][b, f, 0, d]
                            + v * features[k][b, f, 1, d]
                            + w * features[k][b, f, 2, d]
                        )


@compiled
def interpolate_backward(
    corners,
    features,
    multiplier,
    columns,
    rows,
    boxes,
    eps,
    face_idx,
    is_seen,
    grad_images,
    grad_corners,
    grad_features,
    wanted,
    b,
    start,
    end,
):
    """Gradients of faces start..end of frame b, by their corners and features, which hold zeros.

    features, grad_images and grad_features are tuples of arrays; grad_features[k] is written if wanted[k].
    The derivative by the corners is that of weights with `eps` taken in NDC, as in kaolin.
    """
    for f in range(start, end):
        if not is_seen[b, f]:
            continue
        ax, ay = float(corners[b, f, 0, 0]), float(corners[b, f, 0, 1])
        mx, my = corners[b, f, 1, 0] - ax, corners[b, f, 1, 1] - ay
        nx, ny = corners[b, f, 2, 0] - ax, corners[b, f, 2, 1] - ay
        area = mx * ny - my * nx
        area += math.copysign(float(eps), area)
        gmx = gmy = gnx = gny = gsx = gsy = 0.0
        for j in range(boxes[b, f, 2], boxes[b, f, 3]):
            for i in range(boxes[b, f, 0], boxes[b, f, 1]):
                if face_idx[b, j, i] != f:
                    continue
                u, v, w = barycentric(corners, b, f, multiplier, columns[i], -rows[j], eps)
                grad_v = grad_w = 0.0  # of the weights of the second and third corner
                for k in range(len(features)):
                    for d in range(features[k].shape[3]):
                        g = grad_images[k][b, j, i, d]
                        grad_v += g * (float(features[k][b, f, 1, d]) - features[k][b, f, 0, d])
                        grad_w += g * (float(features[k][b, f, 2, d]) - features[k][b, f, 0, d])
                        if wanted[k]:
                            grad_features[k][b, f, 0, d] += g * u
                            grad_features[k][b, f, 1, d] += g * v
                            grad_features[k][b, f, 2, d] += g * w
                # With m, n, s from the first corner to the second, the third and the point, these weights are
                # s x n / (m x n) and m x s / (m x n).
                sx = u * ax + v * float(corners[b, f, 1, 0]) + w * float(corners[b, f, 2, 0]) - ax
                sy = u * ay + v * float(corners[b, f, 1, 1]) + w * float(corners[b, f, 2, 1]) - ay
                grad_v /= area
                grad_w /= area
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
        xy, z = corners.numpy(), depths.numpy()
        eps = xy.dtype.type(eps)
        boxes = Boxes(xy, usable, height, width, multiplier, 0.0)
        scale = boxes.multiplier, boxes.columns, boxes.rows
        face_idx = np.empty((len(xy), height, width), dtype=np.int64)
        is_seen = np.zeros(z.shape[:2], dtype=np.bool_)
        WORKERS.run(
            find_visible,
            (xy, z, *scale, boxes.of_faces, boxes.of_frames, eps, face_idx, is_seen),
            boxes.row_tasks,
        )
        images = tuple(zeros((*face_idx.shape, feature.shape[3]), xy.dtype) for feature in features)
        if images:
            WORKERS.run(
                interpolate,
                (
                    xy,
                    tuple(feature.numpy() for feature in features),
                    *scale,
                    boxes.of_frames,
                    eps,
                    face_idx,
                    images,
                ),
                boxes.row_tasks,
            )
        face_idx = torch.from_numpy(face_idx)
        ctx.boxes, ctx.scale, ctx.eps, ctx.is_seen = boxes, scale, eps, is_seen
        ctx.save_for_backward(corners, face_idx, *features)
        ctx.mark_non_differentiable(face_idx)
        ctx.set_materialize_grads(False)
        return face_idx, *(torch.from_numpy(image) for image in images)

    @staticmethod
    @once_differentiable
    def backward(ctx, _, *grad_images):
        corners, face_idx, *features = (tensor.numpy() for tensor in ctx.saved_tensors)
        used = [k for k, grad_image in enumerate(grad_images) if grad_image is not None]
        wanted = np.array([ctx.needs_input_grad[7 + k] for k in used], dtype=np.bool_)
        grad_corners = zeros(corners.shape, corners.dtype)
        # Where no gradient is wanted the features stand in for the array, which then is not written.
        grad_features = [
            zeros(features[k].shape, corners.dtype) if want else features[k] for k, want in zip(used, wanted)
        ]
        if used:
            WORKERS.run(
                interpolate_backward,
                (
                    corners,
                    tuple(features[k] for k in used),
                    *ctx.scale,
                    ctx.boxes.of_faces,
                    ctx.eps,
                    face_idx,
                    ctx.is_seen,
                    tuple(grad_images[k].contiguous().numpy() for k in used),
                    grad_corners,
                    tuple(grad_features),
                    wanted,
                ),
                ctx.boxes.face_tasks,
            )
        gradients = [None] * len(features)
        for k, want, gradient in zip(used, wanted, grad_features):
            gradients[k] = torch.from_numpy(gradient) if want else None
        return None, None, None, torch.from_numpy(grad_corners), None, None, None, *gradients


def rasterize(
    height, width, face_vertices_z, face_vertices_image, face_features, valid_faces, multiplier, eps
):
    """Features of the visible face in each pixel, one image (B, H, W, D) per tensor in the list
    `face_features`, and the face's index (B, H, W)."""
    depths = face_vertices_z.detach().contiguous()
    usable = np.isfinite(depths.numpy()).all(axis=2)  # (B, F)
    if valid_faces is not None:
        usable &= valid_faces.numpy()
    face_idx, *images = Rasterize.apply(
        height,
        width,
        depths,
        face_vertices_image.contiguous(),
        usable,
        multiplier,
        eps,
        *(feature.contiguous() for feature in face_features),
    )
    return images, face_idx


# ------------------------------------------------------------------------------------------------------------
# Soft masks
# ------------------------------------------------------------------------------------------------------------


@compiled(**FUSED)
def edges_of(corners, b, f):
    """For each edge: its start (x, y), its way to the end (x, y), and one over its squared length, or 0."""
    ax, ay = float(corners[b, f, 0, 0]), float(corners[b, f, 0, 1])
    bx, by = float(corners[b, f, 1, 0]), float(corners[b, f, 1, 1])
    cx, cy = float(corners[b, f, 2, 0]), float(corners[b, f, 2, 1])
    ux, uy, vx, vy, wx, wy = bx - ax, by - ay, cx - bx, cy - by, ax - cx, ay - cy
    u, v, w = ux * ux + uy * uy, vx * vx + vy * vy, wx * wx + wy * wy
    return (
        (ax, ay, ux, uy, 1.0 / u if u > 0 else 0.0),
        (bx, by, vx, vy, 1.0 / v if v > 0 else 0.0),
        (cx, cy, wx, wy, 1.0 / w if w > 0 else 0.0),
    )


@compiled(**FUSED)
def foot_on(edge, x, y):
    """The point of an edge nearest to (x, y): its offset (x, y) from there, and where it is along the edge,
    0..1."""
    sx, sy = edge[0] - x, edge[1] - y
    t = min(max(-(sx * edge[2] + sy * edge[3]) * edge[4], 0.0), 1.0)
    return sx + t * edge[2], sy + t * edge[3], t


@compiled(**FUSED)
def distance(edges, x, y):
    """Squared distance from (x, y) to a triangle's outline."""
    px, py, _ = foot_on(edges[0], x, y)
    qx, qy, _ = foot_on(edges[1], x, y)
    rx, ry, _ = foot_on(edges[2], x, y)
    return min(px * px + py * py, qx * qx + qy * qy, rx * rx + ry * ry)


@compiled(**FUSED)
def nearest_foot(edges, x, y):
    """The nearest point of a triangle's outline: offset (x, y), squared distance, and the share of each
    corner in it.

    Written as choices between values, which compile to code without jumps.
    """
    px, py, p = foot_on(edges[0], x, y)
    qx, qy, q = foot_on(edges[1], x, y)
    rx, ry, r = foot_on(edges[2], x, y)
    pp, qq, rr = px * px + py * py, qx * qx + qy * qy, rx * rx + ry * ry
    closer = qq < pp
    px, py, pp = qx if closer else px, qy if closer else py, qq if closer else pp
    a, b, c = 0.0 if closer else 1.0 - p, 1.0 - q if closer else p, q if closer else 0.0
    closer = rr < pp
    px, py, pp = rx if closer else px, ry if closer else py, rr if closer else pp
    return px, py, pp, r if closer else a, 0.0 if closer else b, 1.0 - r if closer else c


@compiled
def next_open(skip, row, i):
    """The first open column from i on: `skip` holds an open column's own number, for a closed one a later."""
    while skip[row + i] != i:
        skip[row + i] = skip[row + skip[row + i]]
        i = np.int64(skip[row + i])
    return i


@compiled
def begin_rows(selected, frame_boxes, offset, skip, mask, b, start, end):
    """Rows start..end of frame b: 1 to the mask where a face is seen; else 0, and open in the frame's box.

    Values that are kept for the pixels of the frame's box, such as `skip`, are in one array for all frames:
    pixel (j, i) of frame b is at offset[b] + (j - top) * (right - left + 1) - left + i; the last column is a
    sentinel.
    """
    for j in range(start, end):
        for i in range(selected.shape[2]):
            mask[b, j, i] = 1 if selected[b, j, i] >= 0 else 0
    left, right, top, bottom = frame_boxes[b, 0], frame_boxes[b, 1], frame_boxes[b, 2], frame_boxes[b, 3]
    for j in range(max(start, top), min(end, bottom)):
        row = offset[b] + (j - top) * (right - left + 1) - left
        skip[row + right] = right
        for i in range(right - 1, left - 1, -1):
            skip[row + i] = i if selected[b, j, i] < 0 else skip[row + i + 1]


@compiled(**FUSED)
def soft_mask_forward(
    corners,
    selected,
    boxes,
    frame_boxes,
    offset,
    sigmainv,
    knum,
    room,
    missed,
    last,
    skip,
    is_near,
    mask,
    b,
    start,
    end,
):
    """Rows start..end of frame b of the soft mask.

    For the pixels of the frame's box: missed becomes prod_k (1 - exp(-sigmainv d_k^2)), last one more than
    the last face in that product (0 without any), and skip leads from each pixel to the next with such a
    product; is_near marks the faces that are in any.
    """
    begin_rows(selected, frame_boxes, offset, skip, mask, b, start, end)
    height, width = selected.shape[1:]
    dx, dy = 1.0 / width, 1.0 / height
    left, right, top = frame_boxes[b, 0], frame_boxes[b, 1], frame_boxes[b, 2]
    stride, base = right - left + 1, offset[b] - left
    start, end = max(start, top), min(end, frame_boxes[b, 3])
    for k in range(base + left + (start - top) * stride, base + left + (end - top) * stride):
        room[k], missed[k], last[k] = knum, 1.0, 0
    edges = edges_of(corners, b, 0)
    for f in range(corners.shape[1]):
        fresh = True
        for j in range(max(boxes[b, f, 2], start), min(boxes[b, f, 3], end)):
            row = base + (j - top) * stride
            i = next_open(skip, row, np.int64(boxes[b, f, 0]))
            while i < boxes[b, f, 1]:
                if fresh:
                    edges, fresh = edges_of(corners, b, f), False
                    is_near[b, f] = True  # other tasks may write the same
                squared = distance(edges, (2 * i + 1 - width) * dx, (height - 2 * j - 1) * dy)
                missed[row + i] *= 1.0 - math.exp(-sigmainv * squared)
                last[row + i] = f + 1
                room[row + i] -= 1
                if room[row + i] == 0:
                    skip[row + i] = i + 1
                i = next_open(skip, row, i + 1)
    for j in range(start, end):
        row = base + (j - top) * stride
        for i in range(right - 1, left - 1, -1):
            if last[row + i] > 0:
                mask[b, j, i] = 1.0 - missed[row + i]
            skip[row + i] = i if last[row + i] > 0 else skip[row + i + 1]


@compiled(**FUSED)
def soft_mask_backward(
    corners,
    boxes,
    frame_boxes,
    offset,
    sigmainv,
    missed,
    last,
    skip,
    is_near,
    grad_mask,
    grad_corners,
    b,
    start,
    end,
):
    """Gradient (B, F, 3, 2) of faces start..end of frame b."""
    height, width = grad_mask.shape[1:]
    dx, dy = 1.0 / width, 1.0 / height
    left, right, top = frame_boxes[b, 0], frame_boxes[b, 1], frame_boxes[b, 2]
    stride, base = right - left + 1, offset[b] - left
    for f in range(start, end):
        if not is_near[b, f]:
            continue
        edges = edges_of(corners, b, f)
        gax = gay = gbx = gby = gcx = gcy = 0.0
        for j in range(boxes[b, f, 2], boxes[b, f, 3]):
            row = base + (j - top) * stride
            i = np.int64(skip[row + boxes[b, f, 0]])
            while i < boxes[b, f, 1]:
                if last[row + i] > f:
                    x, y, squared, share_a, share_b, share_c = nearest_foot(
                        edges, (2 * i + 1 - width) * dx, (height - 2 * j - 1) * dy
                    )
                    claim = math.exp(-sigmainv * squared)
                    # d mask / d d_k^2 = -sigmainv claim prod_{l != k} (1 - claim_l); where claim is 1 the
                    # offset is 0.
                    slope = claim / (1.0 - claim) if claim < 1 else 0.0
                    slope *= -2 * sigmainv * grad_mask[b, j, i] * missed[row + i]
                    x *= slope
                    y *= slope
                    gax += share_a * x
                    gay += share_a * y
                    gbx += share_b * x
                    gby += share_b * y
                    gcx += share_c * x
                    gcy += share_c * y
                i = np.int64(skip[row + i + 1])
        grad_corners[b, f, 0, 0], grad_corners[b, f, 0, 1] = gax, gay
        grad_corners[b, f, 1, 0], grad_corners[b, f, 1, 1] = gbx, gby
        grad_corners[b, f, 2, 0], grad_corners[b, f, 2, 1] = gcx, gcy


def begin_soft_mask(corners, selected, multiplier, boxlen, aspect=1.0):
    """Boxes enlarged by boxlen, and the place of each frame's box in arrays over their pixels: (B,), and
    their length."""
    frames, height, width = selected.shape
    usable = np.ones(corners.shape[:2], dtype=np.bool_)
    boxes = Boxes(corners, usable, height, width, multiplier, boxlen, aspect)
    left, right, top, bottom = boxes.of_frames.T
    ends = np.cumsum((right - left + 1) * (bottom - top))
    return boxes, np.concatenate([[0], ends[:-1]]).astype(np.int64), int(ends[-1]) if frames else 0


class SoftMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx, corners, selected_face_idx, sigmainv, boxlen, knum, multiplier):
        xy, selected = corners.numpy(), selected_face_idx.numpy()
        boxes, offset, pixels = begin_soft_mask(xy, selected, multiplier, boxlen)
        mask, missed = np.empty(selected.shape, dtype=xy.dtype), np.empty(pixels)
        room, last, skip = np.empty((3, pixels), dtype=np.int32)
        is_near = np.zeros(xy.shape[:2], dtype=np.bool_)
        if corners.shape[1] and knum:
            WORKERS.run(
                soft_mask_forward,
                (
                    xy,
                    selected,
                    boxes.of_faces,
                    boxes.of_frames,
                    offset,
                    sigmainv,
                    knum,
                    room,
                    missed,
                    last,
                    skip,
                    is_near,
                    mask,
                ),
                boxes.row_tasks,
            )
        else:
            mask[:] = selected >= 0
        ctx.boxes, ctx.rest, ctx.knum = boxes, (offset, sigmainv, missed, last, skip, is_near), knum
        ctx.save_for_backward(corners)
        return torch.from_numpy(mask)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_mask):
        corners = ctx.saved_tensors[0].numpy()
        grad_corners = zeros(corners.shape, corners.dtype)
        if ctx.knum:
            WORKERS.run(
                soft_mask_backward,
                (
                    corners,
                    ctx.boxes.of_faces,
                    ctx.boxes.of_frames,
                    *ctx.rest,
                    grad_mask.contiguous().numpy(),
                    grad_corners,
                ),
                ctx.boxes.face_tasks,
            )
        return torch.from_numpy(grad_corners), None, None, None, None, None


def dibr_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, knum, multiplier):
    """The soft mask (B, H, W) of the first `knum` faces near each pixel."""
    return SoftMask.apply(
        face_vertices_image.contiguous(),
        selected_face_idx.contiguous(),
        sigmainv,
        boxlen,
        min(knum, 2**31 - 1),
        multiplier,
    )


@compiled(**FUSED)
def nearest_mask_forward(
    corners,
    selected,
    boxes,
    frame_boxes,
    offset,
    sigmainv,
    aspect,
    nearest,
    which,
    skip,
    is_nearest,
    mask,
    b,
    start,
    end,
):
    """Rows start..end of frame b of the mask.

    For the pixels of the frame's box: nearest becomes the squared distance to the nearest face, which its
    index, -1 without any; is_nearest marks faces that are nearest to some pixel.
    """
    begin_rows(selected, frame_boxes, offset, skip, mask, b, start, end)
    height, width = selected.shape[1:]
    dx, dy = 1.0 / width, 1.0 / height
    left, right, top = frame_boxes[b, 0], frame_boxes[b, 1], frame_boxes[b, 2]
    stride, base = right - left + 1, offset[b] - left
    start, end = max(start, top), min(end, frame_boxes[b, 3])
    for k in range(base + left + (start - top) * stride, base + left + (end - top) * stride):
        nearest[k], which[k] = math.inf, -1
    edges = edges_of(corners, b, 0)
    x0 = x1 = y0 = y1 = 0.0
    for f in range(corners.shape[1]):
        fresh = True
        for j in range(max(boxes[b, f, 2], start), min(boxes[b, f, 3], end)):
            row = base + (j - top) * stride
            i = np.int64(skip[row + boxes[b, f, 0]])
            while i < boxes[b, f, 1]:
                if fresh:
                    edges, fresh = edges_of(corners, b, f), False
                    p, q, r = edges
                    x0, x1 = min(p[0], q[0], r[0]), max(p[0], q[0], r[0])
                    y0, y1 = min(p[1], q[1], r[1]), max(p[1], q[1], r[1])
                x, y = (2 * i + 1 - width) * dx * aspect, (height - 2 * j - 1) * dy
                # The face is no nearer than its bounding box; a little slack for rounding.
                beside, above = max(x0 - x, x - x1, 0.0), max(y0 - y, y - y1, 0.0)
                if (beside * beside + above * above) * (1 - 1e-12) < nearest[row + i]:
                    squared = distance(edges, x, y)
                    if squared < nearest[row + i]:
                        nearest[row + i], which[row + i] = squared, f
                i = np.int64(skip[row + i + 1])
    for j in range(start, end):
        row = base + (j - top) * stride
        for i in range(left, right):
            if which[row + i] >= 0:
                mask[b, j, i] = math.exp(-sigmainv * nearest[row + i])
                is_nearest[b, which[row + i]] = True  # other tasks may write the same


@compiled(**FUSED)
def nearest_mask_backward(
    corners,
    boxes,
    frame_boxes,
    offset,
    sigmainv,
    aspect,
    which,
    skip,
    is_nearest,
    grad_mask,
    grad_corners,
    b,
    start,
    end,
):
    """Gradient (B, F, 3, 2) of faces start..end of frame b."""
    height, width = grad_mask.shape[1:]
    dx, dy = 1.0 / width, 1.0 / height
    left, right, top = frame_boxes[b, 0], frame_boxes[b, 1], frame_boxes[b, 2]
    stride, base = right - left + 1, offset[b] - left
    for f in range(start, end):
        if not is_nearest[b, f]:
            continue
        edges = edges_of(corners, b, f)
        gax = gay = gbx = gby = gcx = gcy = 0.0
        for j in range(boxes[b, f, 2], boxes[b, f, 3]):
            row = base + (j - top) * stride
            i = np.int64(skip[row + boxes[b, f, 0]])
            while i < boxes[b, f, 1]:
                if which[row + i] == f:
                    x, y, squared, share_a, share_b, share_c = nearest_foot(
                        edges, (2 * i + 1 - width) * dx * aspect, (height - 2 * j - 1) * dy
                    )
                    slope = -2 * sigmainv * grad_mask[b, j, i] * math.exp(-sigmainv * squared)
                    x *= slope
                    y *= slope
                    gax += share_a * x
                    gay += share_a * y
                    gbx += share_b * x
                    gby += share_b * y
                    gcx += share_c * x
                    gcy += share_c * y
                i = np.int64(skip[row + i + 1])
        grad_corners[b, f, 0, 0], grad_corners[b, f, 0, 1] = gax, gay
        grad_corners[b, f, 1, 0], grad_corners[b, f, 1, 1] = gbx, gby
        grad_corners[b, f, 2, 0], grad_corners[b, f, 2, 1] = gcx, gcy


class NearestSoftMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx, corners, selected_face_idx, sigmainv, boxlen, aspect):
        xy, selected = corners.numpy(), selected_face_idx.numpy()
        boxes, offset, pixels = begin_soft_mask(xy, selected, MULTIPLIER, boxlen, aspect)
        mask, nearest = np.empty(selected.shape, dtype=xy.dtype), np.empty(pixels)
        which, skip = np.empty((2, pixels), dtype=np.int32)
        is_nearest = np.zeros(xy.shape[:2], dtype=np.bool_)
        if corners.shape[1]:
            WORKERS.run(
                nearest_mask_forward,
                (
                    xy,
                    selected,
                    boxes.of_faces,
                    boxes.of_frames,
                    offset,
                    sigmainv,
                    aspect,
                    nearest,
                    which,
                    skip,
                    is_nearest,
                    mask,
                ),
                boxes.row_tasks,
            )
        else:
            mask[:] = selected >= 0
        ctx.boxes, ctx.rest = boxes, (offset, sigmainv, aspect, which, skip, is_nearest)
        ctx.save_for_backward(corners)
        return torch.from_numpy(mask)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_mask):
        corners = ctx.saved_tensors[0].numpy()
        grad_corners = zeros(corners.shape, corners.dtype)
        WORKERS.run(
            nearest_mask_backward,
            (
                corners,
                ctx.boxes.of_faces,
                ctx.boxes.of_frames,
                *ctx.rest,
                grad_mask.contiguous().numpy(),
                grad_corners,
            ),
            ctx.boxes.face_tasks,
        )
        return torch.from_numpy(grad_corners), None, None, None, None


def nearest_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, aspect):
    """The mask (B, H, W) of the distance to the nearest face."""
    stretched = face_vertices_image
    if aspect != 1:
        stretched = face_vertices_image * face_vertices_image.new_tensor([aspect, 1.0])
    return NearestSoftMask.apply(
        stretched.contiguous(), selected_face_idx.contiguous(), sigmainv, boxlen, aspect
    )
