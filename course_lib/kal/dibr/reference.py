"""DIB-R in plain PyTorch: the readable reference, for any device and for float32 and float64.

Chen et al., "Learning to Predict 3D Objects with an Interpolation-based Differentiable Renderer" (NeurIPS
2019, arXiv 1908.01210). Three images come from the same 2D triangles:

- `rasterize`: which face does a pixel see, and what do its features look like there? (equations 1 and 2)
- `dibr_soft_mask`: how much does a pixel that sees no face belong to those near it? (equations 5 and 6)
- `squared_distances`: how far is it from the nearest face? (ours)

All of them begin alike. A face can only matter to the pixels inside its bounding box (enlarged by a margin
for the soft masks), so the work is a list of (face, pixel) pairs, made by `face_pixel_pairs` a bounded number
at a time. Nothing here costs faces times pixels.

Coordinates are NDC: x to the right and y up, both in [-1, 1] over the image. Pixel (row j, column i) has its
centre at x = (2 i + 1 - W) / W, y = (H - 2 j - 1) / H. The camera looks down -z, so that of two faces the one
with larger z is seen. Faces with a coordinate that is not finite (or beyond `LARGEST`) are nowhere.

Arguments are checked in `dispatch.py`. Others import `course_lib.kal.dibr`.
"""

import torch
from torch.autograd.function import once_differentiable

from ...in_order import add_at

PAIRS_AT_ONCE = 1 << 19  # (face, pixel) pairs in memory at a time; a face alone has at most H * W of them
LARGEST = 1e5  # coordinates beyond it float32 does not even know to a hundredth of the image
MULTIPLIER = 1000.0  # of coordinates before they are compared with boxes, where the caller does not choose


# ------------------------------------------------------------------------------------------------------------
# (face, pixel) pairs
# ------------------------------------------------------------------------------------------------------------


def pixel_centres(height, width, multiplier, like, aspect=1.0):
    """Coordinates of the pixel centres times `multiplier`: columns (W,) increase, rows (H,) decrease.

    Columns are stretched by `aspect` besides.
    """
    # Made on the CPU and sent: a GPU need not be asked for each small operation.
    scale = torch.tensor(multiplier, dtype=like.dtype)
    columns = scale / width * torch.arange(1 - width, width, 2, dtype=like.dtype)  # (W,)
    rows = scale / height * torch.arange(height - 1, -height, -2, dtype=like.dtype)  # (H,)
    return sent(columns * aspect, like), sent(rows, like)


def sent(tensor, like):
    """A tensor of the CPU on the device of another; nobody waits until it is there."""
    return tensor if like.is_cpu else tensor.to(like.device, non_blocking=True)


def centres_of(pixel, columns, rows):
    """Centres (P, 2) of pixels that are numbered through a batch of images, (P,)."""
    return torch.stack([columns[pixel % len(columns)], rows[pixel // len(columns) % len(rows)]], dim=1)


def is_usable(corners):
    """Whether all coordinates of corners (..., 3, 2) are numbers, and such that their products are: (...)."""
    return corners.abs().amax(dim=(-2, -1)) <= LARGEST


def pixel_boxes(corners, usable, columns, rows, margin):
    """The pixels in each face's bounding box: columns left up to right, rows top up to bottom, ends excluded.

    corners (N, 3, 2) and the pixel centres `columns` (W,) and `rows` (H,) in the same unit; usable (N,) bool:
    other faces get an empty box. The box is enlarged by `margin` on each side, and half open:
    low <= centre < high. Returns left, right, top, bottom, (N,) each.
    """
    low = corners.amin(dim=1).T.contiguous() - margin  # (2, N)
    high = corners.amax(dim=1).T.contiguous() + margin  # (2, N)
    left = torch.searchsorted(columns, low[0])
    right = torch.searchsorted(columns, high[0])
    # Rows go down as y goes up: search among -y, where the closed end of the interval is the upper one.
    down = -rows
    top = torch.searchsorted(down, -high[1], right=True)
    bottom = torch.searchsorted(down, -low[1], right=True)
    return left, torch.where(usable, right, left), top, torch.where(usable, bottom, top)


def face_pixel_pairs(left, right, top, bottom):
    """All pairs of a face and a pixel of its box, faces in order, about `PAIRS_AT_ONCE` at a time.

    Yields (face, row, column), three (P,) tensors: `face` indexes the given boxes.
    """
    wide = (right - left).clamp_min(0)  # (N,)
    count = wide * (bottom - top).clamp_min(0)  # (N,)
    ends = count.cumsum(0)  # (N,) how many pairs there are up to and with this face
    table = torch.stack([left, top, wide, ends - count], dim=1)  # (N, 4)
    at_once = PAIRS_AT_ONCE if count.is_cpu else 4 * PAIRS_AT_ONCE
    first, done, total = 0, 0, int(ends[-1]) if len(ends) else 0
    while done < total:
        last, until = len(count), total
        if total > done + at_once:  # a GPU stops for each number that is read: only where it must be
            last = max(first + 1, int(torch.searchsorted(ends, done + at_once, right=True)))
            until = int(ends[last - 1])
        face = torch.arange(first, last, device=count.device)
        face = face.repeat_interleave(count[first:last], output_size=until - done)  # (P,)
        x0, y0, w, start = table[face].unbind(dim=1)  # (P,) each
        within = torch.arange(done, until, device=count.device) - start  # number of the pixel in its box
        row = within // w
        yield face, y0 + row, x0 + within - row * w
        first, done = last, until


def take_lead(best, leader, face, pixel, value):
    """Where a value beats the best of its pixel it becomes the best, and its face leads; of equals the first.

    best and leader (B * H * W,) are changed; face, pixel and value (P,) belong to pairs, of which those with
    the value -inf do not count. Faces come in order, here and from call to call.
    """
    nobody = torch.iinfo(leader.dtype).max
    before = best.clone()
    best.scatter_reduce_(0, pixel, value, "amax")
    leader.masked_fill_(best > before, nobody)  # the winner is the smallest index
    wins = (value == best[pixel]) & (value > -torch.inf)
    leader.scatter_reduce_(0, pixel, torch.where(wins, face, nobody), "amin")


def cross(u, v):
    """z component of the cross product of plane vectors (..., 2): twice the signed area that they span."""
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


# ------------------------------------------------------------------------------------------------------------
# Rasterisation
# ------------------------------------------------------------------------------------------------------------


def barycentric(corners, eps):
    """Barycentric weights of the origin in triangles (P, 3, 2): sub-triangle areas over their sum.

    `eps` keeps the sum away from zero, on its own side of it. Returns the weights (P, 3), and twice that sum
    (P, 1).
    """
    areas = cross(corners.roll(-1, dims=1), corners.roll(-2, dims=1))  # (P, 3): of bc, ca, ab
    total = areas[:, 0] + areas[:, 1] + areas[:, 2]
    total = (total + torch.copysign(torch.full_like(total, eps), total))[:, None]
    return areas / total, total


class Interpolation(torch.autograd.Function):
    """The features of N triangles, each at a point of one of them. -> (P, D)

    corners (N, 3, 2), features (N, 3, D), face (P,), and w (P, 3), the points' barycentric weights. A point
    stays where it is as corners move. kaolin takes that derivative in plain NDC, and so do we, since `eps`
    has a unit.
    """

    @staticmethod
    def forward(ctx, corners, features, face, w, eps):
        ctx.save_for_backward(corners, features, face, w)
        ctx.eps = eps
        return (w[:, :, None] * features[face]).sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        corners, features, face, w = ctx.saved_tensors
        each = w[:, :, None]  # (P, 3, 1)
        by_features = add_at(torch.zeros_like(features), face, each * grad[:, None])
        around = corners[face]
        around = around - (each * around).sum(dim=1, keepdim=True)  # (P, 3, 2), from the point
        weights, total = barycentric(around, ctx.eps)
        # value = f_a + w_b (f_b - f_a) + w_c (f_c - f_a), with the weights w = area / total
        by_weight = (grad[:, None] * features[face]).sum(dim=2)  # (P, 3)
        by_area = (by_weight - by_weight[:, :1]) / total
        by_area = by_area - (by_area * weights).sum(dim=1, keepdim=True)
        # Each corner is in two of the areas, with the next corner and with the one after that.
        after = by_area.roll(-2, dims=1)[..., None] * around.roll(-1, dims=1)
        before = by_area.roll(-1, dims=1)[..., None] * around.roll(-2, dims=1)
        x, y = (after - before).unbind(dim=2)
        by_corners = add_at(torch.zeros_like(corners), face, torch.stack([y, -x], dim=2))
        return by_corners, by_features, None, None, None


@torch.no_grad()
def visible_faces(depths, corners, usable, columns, rows, eps):
    """Index into the batch's faces of the one that each pixel sees, (B * H * W,), -1 where there is none.

    depths (B, F, 3), corners (B, F, 3, 2) in the unit of `columns` and `rows`, usable (B, F) bool. Of the
    faces that cover a pixel's centre the one with the largest interpolated z wins, of equals the first.
    """
    batch, faces = depths.shape[:2]
    height, width = len(rows), len(columns)
    depths, corners = depths.reshape(-1, 3), corners.reshape(-1, 3, 2)
    nearest_z = depths.new_full((batch * height * width,), -torch.inf)
    visible = torch.full_like(nearest_z, -1, dtype=torch.long)
    boxes = pixel_boxes(corners, usable.reshape(-1), columns, rows, 0.0)
    for face, row, column in face_pixel_pairs(*boxes):
        pixel = (face // faces * height + row) * width + column  # (P,)
        centre = torch.stack([columns[column], rows[row]], dim=1)  # (P, 2)
        w, _ = barycentric(corners[face] - centre[:, None], eps)  # (P, 3)
        z = w * depths[face]
        z = z[:, 0] + z[:, 1] + z[:, 2]  # (P,)
        counts = (w >= 0).all(dim=1) & (z > -torch.inf)  # (P,), and z is a number
        take_lead(nearest_z, visible, face, pixel, torch.where(counts, z, -torch.inf))
    return visible


def rasterize(
    height, width, face_vertices_z, face_vertices_image, face_features, valid_faces, multiplier, eps
):
    """An image (B, H, W, D) for each tensor in the list `face_features`, and the face index (B, H, W).

    The index is -1 where there is no face.
    """
    channels = [feature.shape[3] for feature in face_features]
    features = torch.cat([*face_features, face_vertices_z.new_zeros(*face_vertices_z.shape, 0)], dim=3)
    batch, faces, _, channel = features.shape
    usable = face_vertices_z.isfinite().all(dim=2) & is_usable(face_vertices_image)  # (B, F)
    if valid_faces is not None:
        usable = usable & valid_faces
    columns, rows = pixel_centres(height, width, multiplier, face_vertices_image)
    scaled = face_vertices_image.detach() * multiplier  # (B, F, 3, 2)
    visible = visible_faces(face_vertices_z.detach(), scaled, usable, columns, rows, eps)
    face_idx = torch.where(visible >= 0, visible % max(faces, 1), visible).reshape(batch, height, width)
    if not face_features:
        return [], face_idx

    pixel = (visible >= 0).nonzero()[:, 0]  # (P,) pixels that see a face
    face = visible[pixel]  # (P,)
    centre = centres_of(pixel, columns, rows)  # (P, 2)
    w, _ = barycentric(scaled.reshape(-1, 3, 2)[face] - centre[:, None], eps)  # (P, 3)
    corners, features = (given.flatten(0, 1) for given in (face_vertices_image, features))  # (B * F, 3, ...)
    value = Interpolation.apply(corners, features, face, w, eps)  # (P, D)
    image = value.new_zeros(batch * height * width, channel).index_put((pixel,), value)
    return image.reshape(batch, height, width, channel).split(channels, dim=3), face_idx


# ------------------------------------------------------------------------------------------------------------
# Soft masks
# ------------------------------------------------------------------------------------------------------------


def nearest_on_outline(corners):
    """The point of each triangle's outline that is nearest to the origin.

    corners (P, 3, 2). Returns the points (P, 2), the edges on which they lie (P, 1), ab, bc or ca, and where
    there, from 0 to 1 (P, 1).
    """
    start, end = corners, corners.roll(-1, dims=1)  # (P, 3, 2): edges ab, bc, ca
    along = end - start
    squared = (along * along).sum(dim=2)  # (P, 3)
    # From the nearer end, so that a corner is met exactly, and one far away costs no digits.
    ways = (torch.stack([-start, end]) * along).sum(dim=3) / torch.where(squared > 0, squared, 1)  # (2, P, 3)
    t, back = ways.clamp(0, 1).unbind()  # (P, 3): how far along the edge, and from its end; 1 together
    at_start = t < 0.5
    foot = torch.where(at_start[..., None], start, end) + torch.where(at_start, t, -back)[..., None] * along
    edge = (foot * foot).sum(dim=2).argmin(dim=1, keepdim=True)  # (P, 1), the first of equals
    return foot.gather(1, edge[..., None].expand(-1, 1, 2))[:, 0], edge, t.gather(1, edge)


def shares(edge, t):
    """How much a point of an outline moves with each corner, (P, 3): with the ends of its edge."""
    share = t.new_zeros(len(t), 3).scatter(1, edge, 1 - t)
    return share.scatter_add(1, (edge + 1) % 3, t)


def pairs_nearby(corners, selected_face_idx, boxlen, multiplier, aspect=1.0):
    """Pairs of a face and a pixel of its enlarged box that sees no face; about `PAIRS_AT_ONCE` at a time.

    Yields the index into the batch's faces (P,), into the batch's pixels (P,), and the triangle's corners
    relative to the pixel's centre (P, 3, 2). With `aspect`, `corners` and the result have x stretched by it.
    """
    height, width = selected_face_idx.shape[1:]
    faces = corners.shape[1]
    x, y = pixel_centres(height, width, 1, corners, aspect)
    # Whether a pixel is in a box is decided on enlarged coordinates, as in kaolin. Distances are in NDC.
    columns, rows = pixel_centres(height, width, multiplier, corners, aspect)
    corners = corners.reshape(-1, 3, 2)
    usable = is_usable(corners)
    boxes = pixel_boxes(corners * multiplier, usable, columns, rows, boxlen * multiplier)
    empty = (selected_face_idx < 0).reshape(-1)  # (B * H * W,)
    for face, row, column in face_pixel_pairs(*boxes):
        pixel = (face // faces * height + row) * width + column
        kept = empty[pixel].nonzero()[:, 0]
        face, pixel = face[kept], pixel[kept]
        centre = torch.stack([x[column[kept]], y[row[kept]]], dim=1)  # (P, 2)
        yield face, pixel, corners[face] - centre[:, None]


class SoftMask(torch.autograd.Function):
    """`dibr_soft_mask` with its derivative written out: made with the mask, of the pairs that count alone."""

    @staticmethod
    def forward(ctx, corners, selected_face_idx, sigmainv, boxlen, knum, multiplier):
        # prod_k (1 - exp(-sigmainv d_k^2)), that the pixel belongs to no face:
        missed = (selected_face_idx < 0).reshape(-1).to(corners.dtype)  # (B * H * W,)
        counted, pulls = torch.zeros_like(missed, dtype=torch.long), []
        for face, pixel, seen in pairs_nearby(corners, selected_face_idx, boxlen, multiplier):
            # Number the faces of each pixel in face order, and keep the first `knum`.
            pixel, order = pixel.sort(stable=True)
            place = torch.arange(len(order), device=order.device)
            begins = torch.diff(pixel, prepend=pixel.new_full((1,), -1)) != 0
            rank = place - torch.where(begins, place, 0).cummax(0).values + counted[pixel]
            kept = (rank < knum).nonzero()[:, 0]
            pixel, order = pixel[kept], order[kept]
            foot, *where = nearest_on_outline(seen[order])
            exponent = sigmainv * (foot * foot).sum(dim=1)
            factor = -torch.expm1(-exponent)
            # In face order: `scatter_reduce_` takes them as a GPU's threads come.
            lengths = torch.zeros_like(counted).scatter_add_(0, pixel, torch.ones_like(pixel))
            missed *= torch.segment_reduce(factor, "prod", lengths=lengths, unsafe=True)
            counted += lengths
            if ctx.needs_input_grad[0]:
                # d mask / d d_k^2 = -sigmainv exp(-exponent) prod_{l != k} (1 - ...): the product over all,
                # less factor k. Where factor k is zero, the distance is, and so is its derivative.
                # d d_k^2 / d corner = 2 foot * (the corner's share of the foot)
                slope = -2 * sigmainv * torch.exp(-exponent) / torch.where(factor > 0, factor, 1)  # (P,)
                pull = shares(*where)[:, :, None] * (slope[:, None] * foot)[:, None]  # (P, 3, 2)
                pulls += face[order], pixel, pull
        ctx.shape = corners.shape
        ctx.save_for_backward(missed, *pulls)
        return (1 - missed).reshape(selected_face_idx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_soft_mask):
        missed, *pulls = ctx.saved_tensors
        upstream = grad_soft_mask.reshape(-1) * missed  # (B * H * W,)
        grad_corners = missed.new_zeros(ctx.shape).reshape(-1, 3, 2)
        for face, pixel, pull in zip(pulls[::3], pulls[1::3], pulls[2::3]):
            add_at(grad_corners, face, upstream[pixel][:, None, None] * pull)
        return grad_corners.reshape(ctx.shape), None, None, None, None, None


def dibr_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, knum, multiplier):
    """1 where a face is seen, else 1 - prod_k (1 - exp(-sigmainv d_k^2)), `knum` faces nearby, (B, H, W)."""
    return SoftMask.apply(face_vertices_image, selected_face_idx, sigmainv, boxlen, knum, multiplier)


def squared_distances(face_vertices_image, selected_face_idx, boxlen, aspect):
    """0 where a face is seen, else d^2 with d to the nearest face nearby, and inf without one. (B, H, W)"""
    batch, height, width = selected_face_idx.shape
    stretch = face_vertices_image.new_ones(2)
    stretch[:1].fill_(aspect)  # (not new_tensor: a GPU would wait for the copy)
    corners = face_vertices_image * stretch
    closest = corners.new_full((batch * height * width,), -torch.inf)  # minus the squared distance
    which = torch.full_like(closest, -1, dtype=torch.long)
    with torch.no_grad():
        for face, pixel, seen in pairs_nearby(corners, selected_face_idx, boxlen, MULTIPLIER, aspect):
            foot = nearest_on_outline(seen)[0]
            take_lead(closest, which, face, pixel, -(foot * foot).sum(dim=1))

    pixel = (which >= 0).nonzero()[:, 0]  # (P,)
    centre = centres_of(pixel, *pixel_centres(height, width, 1, corners, aspect))  # (P, 2)
    seen = corners.reshape(-1, 3, 2)[which[pixel]] - centre[:, None]  # (P, 3, 2)
    with torch.no_grad():
        foot, *where = nearest_on_outline(seen)  # (P, 2)
        share = shares(*where)[..., None]  # (P, 3, 1)
    # The distance is stationary in t, or t is held by an end: the foot moves with the corners alone. What is
    # added is zero, and has that derivative.
    moved = (share * seen).sum(dim=1)  # (P, 2)
    value = (foot * (foot + 2 * (moved - moved.detach()))).sum(dim=1)  # (P,)
    squared = corners.new_full((batch * height * width,), torch.inf)
    squared = squared.masked_fill_((selected_face_idx >= 0).reshape(-1), 0)
    return squared.index_put((pixel,), value).reshape(batch, height, width)
