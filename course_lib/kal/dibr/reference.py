"""DIB-R in plain PyTorch: the readable reference, for any device and for float32 and float64.

Chen et al., "Learning to Predict 3D Objects with an Interpolation-based Differentiable Renderer" (NeurIPS
2019, arXiv 1908.01210). Three images come from the same 2D triangles:

- `rasterize`: which face does a pixel see, and what do its features look like there? (equations 1 and 2)
- `dibr_soft_mask`: how much does a pixel that sees no face belong to those near it? (equations 5 and 6)
- `nearest_soft_mask`: the same question, asked of the nearest face alone (ours)

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

PAIRS_AT_ONCE = 1 << 19  # (face, pixel) pairs in memory at a time; a face alone has at most H * W of them
LARGEST = 1e15  # coordinates beyond it overflow float32 when they are multiplied
MULTIPLIER = 1000.0  # of coordinates before they are compared with boxes, where the caller does not choose


# ------------------------------------------------------------------------------------------------------------
# (face, pixel) pairs
# ------------------------------------------------------------------------------------------------------------


def pixel_centres(height, width, multiplier, like):
    """Coordinates of the pixel centres times `multiplier`: columns (W,) increase, rows (H,) decrease."""
    scale = torch.as_tensor(multiplier, dtype=like.dtype, device=like.device)
    columns = torch.arange(1 - width, width, 2, dtype=like.dtype, device=like.device)  # (W,)
    rows = torch.arange(height - 1, -height, -2, dtype=like.dtype, device=like.device)  # (H,)
    return scale / width * columns, scale / height * rows


def centres_of(pixel, columns, rows):
    """Centres (P, 2) of pixels that are numbered through a batch of images, (P,)."""
    return torch.stack([columns[pixel % len(columns)], rows[pixel // len(columns) % len(rows)]], dim=1)


def is_usable(corners):
    """Whether all coordinates of corners (..., 3, 2) are numbers, and such that their products are: (...)."""
    return (corners.abs() <= LARGEST).all(dim=-1).all(dim=-1)


def pixel_boxes(corners, usable, columns, rows, margin):
    """The pixels in each face's bounding box: columns left up to right, rows top up to bottom, ends excluded.

    corners (N, 3, 2) and the pixel centres `columns` (W,) and `rows` (H,) in the same unit; usable (N,) bool:
    other faces get an empty box. The box is enlarged by `margin` on each side, and half open:
    low <= centre < high. Returns left, right, top, bottom, (N,) each.
    """
    low = corners.amin(dim=1) - margin  # (N, 2)
    high = corners.amax(dim=1) + margin  # (N, 2)
    left = torch.searchsorted(columns, low[:, 0].contiguous())
    right = torch.searchsorted(columns, high[:, 0].contiguous())
    # Rows go down as y goes up: search among -y, where the closed end of the interval is the upper one.
    top = torch.searchsorted(-rows, -high[:, 1].contiguous(), right=True)
    bottom = torch.searchsorted(-rows, -low[:, 1].contiguous(), right=True)
    return left, torch.where(usable, right, left), top, torch.where(usable, bottom, top)


def face_pixel_pairs(left, right, top, bottom):
    """All pairs of a face and a pixel of its box, faces in order, about `PAIRS_AT_ONCE` at a time.

    Yields (face, row, column), three (P,) tensors: `face` indexes the given boxes.
    """
    wide = (right - left).clamp_min(0)  # (N,)
    count = wide * (bottom - top).clamp_min(0)  # (N,)
    faces = count.nonzero()[:, 0]  # (M,) faces that hold a pixel at all
    ends = count[faces].cumsum(0)  # (M,) how many pairs there are up to and with this face
    first, done, total = 0, 0, int(ends[-1]) if len(ends) else 0
    while done < total:
        last = max(first + 1, int(torch.searchsorted(ends, done + PAIRS_AT_ONCE, right=True)))
        some = faces[first:last]
        face = some.repeat_interleave(count[some])  # (P,)
        start = (ends[first:last] - count[some] - done).repeat_interleave(count[some])  # (P,)
        within = torch.arange(len(face), device=face.device) - start  # (P,) number of the pixel in its box
        row = within // wide[face]
        yield face, top[face] + row, left[face] + within - row * wide[face]
        first, done = last, int(ends[last - 1])


def take_lead(best, leader, face, pixel, value):
    """Where a value beats the best of its pixel it becomes the best, and its face leads; of equals the first.

    best and leader (B * H * W,) are changed; face, pixel and value (P,) belong to pairs.
    """
    better = value > best[pixel]
    face, pixel, value = face[better], pixel[better], value[better]
    best.scatter_reduce_(0, pixel, value, "amax")
    wins = value == best[pixel]
    leader[pixel[wins]] = torch.iinfo(leader.dtype).max  # the winner is the smallest index
    leader.scatter_reduce_(0, pixel[wins], face[wins], "amin")


def cross(u, v):
    """z component of the cross product of plane vectors (..., 2): twice the signed area that they span."""
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


# ------------------------------------------------------------------------------------------------------------
# Rasterisation
# ------------------------------------------------------------------------------------------------------------


def barycentric(corners, eps):
    """Barycentric weights (P, 3) of the origin in triangles (P, 3, 2): sub-triangle areas over their sum.

    `eps` keeps the sum away from zero, on its own side of it.
    """
    a, b, c = corners.unbind(dim=1)  # (P, 2) each
    areas = torch.stack([cross(b, c), cross(c, a), cross(a, b)], dim=1)  # (P, 3)
    total = areas[:, 0] + areas[:, 1] + areas[:, 2]
    return areas / (total + torch.copysign(torch.full_like(total, eps), total))[:, None]


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
        w = barycentric(corners[face] - centres_of(pixel, columns, rows)[:, None], eps)  # (P, 3)
        z = w[:, 0] * depths[face, 0] + w[:, 1] * depths[face, 1] + w[:, 2] * depths[face, 2]  # (P,)
        inside = (w >= 0).all(dim=1)
        take_lead(nearest_z, visible, face[inside], pixel[inside], z[inside])
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

    pixel = (visible >= 0).nonzero()[:, 0]  # (P,) pixels that see a face
    face = visible[pixel]  # (P,)
    centre = centres_of(pixel, columns, rows)  # (P, 2)
    w = barycentric(scaled.reshape(-1, 3, 2)[face] - centre[:, None], eps)  # (P, 3), constants
    features = features.reshape(batch * faces, 3, channel)[face]  # (P, 3, D)
    value = (w[:, :, None] * features).sum(dim=1)  # (P, D): the image, differentiable in the features

    # How the value changes as the corners move under a fixed point: a term that is zero, but whose derivative
    # is not. kaolin takes this derivative in plain NDC; so do we, since `eps` has a unit.
    a, b, c = face_vertices_image.reshape(-1, 3, 2)[face].unbind(dim=1)  # (P, 2) each
    point = (w[:, :, None] * torch.stack([a, b, c], dim=1).detach()).sum(dim=1)  # (P, 2)
    area = cross(b - a, c - a)
    area = area + torch.copysign(torch.full_like(area, eps), area.detach())
    w1, w2 = cross(point - a, c - a) / area, cross(b - a, point - a) / area  # (P,)
    f0, f1, f2 = features.detach().unbind(dim=1)  # (P, D) each
    moved = w1[:, None] * (f1 - f0) + w2[:, None] * (f2 - f0)  # (P, D)
    value = value + (moved - moved.detach())

    image = value.new_zeros(batch * height * width, channel).index_put((pixel,), value)
    face_idx = torch.where(visible >= 0, visible % max(faces, 1), visible)
    images = image.reshape(batch, height, width, channel).split(channels, dim=3)
    return images, face_idx.reshape(batch, height, width)


# ------------------------------------------------------------------------------------------------------------
# Soft masks
# ------------------------------------------------------------------------------------------------------------


def nearest_on_outline(corners):
    """The point of each triangle's outline that is nearest to the origin.

    corners (P, 3, 2). Returns the points (P, 2), and for each corner its share of the point (P, 3): the point
    moves with the two ends of its edge, or with one corner alone, and this is how much with each.
    """
    start, end = corners, corners.roll(-1, dims=1)  # (P, 3, 2): edges ab, bc, ca
    along = end - start
    squared = (along * along).sum(dim=2)  # (P, 3)
    t = -(start * along).sum(dim=2) / torch.where(squared > 0, squared, 1)  # (P, 3), where along the edge
    # The distance is stationary in t, or t is held by an end: the gradient goes through the corners alone.
    t = t.clamp(0, 1).detach()
    # From the nearer end, so that a corner is met exactly.
    at_start = (t < 0.5)[..., None]
    foot = torch.where(at_start, start + t[..., None] * along, end - (1 - t)[..., None] * along)  # (P, 3, 2)
    edge = (foot * foot).sum(dim=2).argmin(dim=1, keepdim=True)  # (P, 1), the first of equals
    t = t.gather(1, edge)
    share = torch.zeros_like(squared).scatter(1, edge, 1 - t).scatter_add(1, (edge + 1) % 3, t)
    return foot.gather(1, edge[..., None].expand(-1, 1, 2))[:, 0], share


def pairs_nearby(corners, selected_face_idx, boxlen, multiplier, aspect=1.0):
    """Pairs of a face and a pixel of its enlarged box that sees no face; about `PAIRS_AT_ONCE` at a time.

    Yields the index into the batch's faces (P,), into the batch's pixels (P,), and the triangle's corners
    relative to the pixel's centre (P, 3, 2). With `aspect`, `corners` and the result have x stretched by it.
    """
    height, width = selected_face_idx.shape[1:]
    faces = corners.shape[1]
    x, y = pixel_centres(height, width, 1, corners)
    # Whether a pixel is in a box is decided on enlarged coordinates, as in kaolin. Distances are in NDC.
    columns, rows = pixel_centres(height, width, multiplier, corners)
    corners = corners.reshape(-1, 3, 2)
    usable = is_usable(corners)
    boxes = pixel_boxes(corners * multiplier, usable, columns * aspect, rows, boxlen * multiplier)
    empty = (selected_face_idx < 0).reshape(-1)  # (B * H * W,)
    for face, row, column in face_pixel_pairs(*boxes):
        pixel = (face // faces * height + row) * width + column
        face, pixel = face[empty[pixel]], pixel[empty[pixel]]
        yield face, pixel, corners[face] - centres_of(pixel, x * aspect, y)[:, None]


class SoftMask(torch.autograd.Function):
    """`dibr_soft_mask` with its derivative written out, so that no pairs are kept in between."""

    @staticmethod
    def forward(ctx, corners, selected_face_idx, sigmainv, boxlen, knum, multiplier):
        # prod_k (1 - exp(-sigmainv d_k^2)), that the pixel belongs to no face:
        missed = (selected_face_idx < 0).reshape(-1).to(corners.dtype)  # (B * H * W,)
        counted = torch.zeros_like(missed, dtype=torch.long)
        last = torch.full_like(counted, -1)  # the last face that was counted
        for face, pixel, seen in pairs_nearby(corners, selected_face_idx, boxlen, multiplier):
            # Number the faces of each pixel in face order, and keep the first `knum`.
            order = pixel.argsort(stable=True)
            sizes = torch.unique_consecutive(pixel[order], return_counts=True)[1]
            rank = torch.arange(len(order), device=order.device)
            rank = rank - (sizes.cumsum(0) - sizes).repeat_interleave(sizes) + counted[pixel[order]]
            order = order[rank < knum]
            face, pixel, seen = face[order], pixel[order], seen[order]
            foot, _ = nearest_on_outline(seen)
            missed.scatter_reduce_(0, pixel, -torch.expm1(-sigmainv * (foot * foot).sum(dim=1)), "prod")
            counted.scatter_add_(0, pixel, torch.ones_like(pixel))
            last.scatter_reduce_(0, pixel, face, "amax")
        ctx.sigmainv, ctx.boxlen, ctx.multiplier = sigmainv, boxlen, multiplier
        ctx.save_for_backward(corners, selected_face_idx, missed, last)
        return (1 - missed).reshape(selected_face_idx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_soft_mask):
        corners, selected_face_idx, missed, last = ctx.saved_tensors
        upstream = grad_soft_mask.reshape(-1) * missed  # (B * H * W,)
        grad_corners = corners.new_zeros(corners.shape[0] * corners.shape[1], 3, 2)
        for face, pixel, seen in pairs_nearby(corners, selected_face_idx, ctx.boxlen, ctx.multiplier):
            kept = face <= last[pixel]
            face, pixel, seen = face[kept], pixel[kept], seen[kept]
            foot, share = nearest_on_outline(seen)
            exponent = ctx.sigmainv * (foot * foot).sum(dim=1)
            # d mask / d d_k^2 = -sigmainv exp(-exponent) prod_{l != k} (1 - ...): the product over all, less
            # factor k. Where factor k is zero, the distance is, and so is its derivative.
            factor = -torch.expm1(-exponent)
            slope = torch.exp(-exponent) / torch.where(factor > 0, factor, 1)  # (P,)
            slope = -ctx.sigmainv * upstream[pixel] * slope
            # d d_k^2 / d corner = 2 foot * (the corner's share of the foot)
            grad_corners.index_add_(0, face, (2 * slope)[:, None, None] * share[:, :, None] * foot[:, None])
        return grad_corners.reshape(corners.shape), None, None, None, None, None


def dibr_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, knum, multiplier):
    """1 where a face is seen, else 1 - prod_k (1 - exp(-sigmainv d_k^2)), `knum` faces nearby, (B, H, W)."""
    return SoftMask.apply(face_vertices_image, selected_face_idx, sigmainv, boxlen, knum, multiplier)


def nearest_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, aspect):
    """1 where a face is seen, else exp(-sigmainv d^2) with d to the nearest face nearby, (B, H, W)."""
    batch, height, width = selected_face_idx.shape
    corners = face_vertices_image * face_vertices_image.new_tensor([aspect, 1.0])
    closest = corners.new_full((batch * height * width,), -torch.inf)  # minus the squared distance
    which = torch.full_like(closest, -1, dtype=torch.long)
    with torch.no_grad():
        for face, pixel, seen in pairs_nearby(corners, selected_face_idx, boxlen, MULTIPLIER, aspect):
            foot, _ = nearest_on_outline(seen)
            take_lead(closest, which, face, pixel, -(foot * foot).sum(dim=1))

    pixel = (which >= 0).nonzero()[:, 0]  # (P,)
    x, y = pixel_centres(height, width, 1, corners)
    centre = centres_of(pixel, x * aspect, y)  # (P, 2)
    foot, _ = nearest_on_outline(corners.reshape(-1, 3, 2)[which[pixel]] - centre[:, None])
    claim = torch.exp(-sigmainv * (foot * foot).sum(dim=1))
    mask = (selected_face_idx >= 0).reshape(-1).to(corners.dtype).index_put((pixel,), claim)
    return mask.reshape(batch, height, width)
