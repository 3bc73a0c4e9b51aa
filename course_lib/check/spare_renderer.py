"""DIB-R written once more, from its definition: for the checks of lesson 3, and for who is stuck.

`dibr_rendering` and `absorb` here have the arguments and results of exercises 4 and 5 and gradients of their
own. They list pairs of a face and a pixel in its box, and use neither kaolin nor its twin. They are a few
times slower.
"""

from functools import cached_property

import torch

from ..window import TUTORIAL_BAND


def dibr_rendering(verts, cam, model, band=TUTORIAL_BAND):
    """Renders as exercise 4 asks.

    -> features [uv, normal, height, hard_mask], (B, H, W, 2, 3, 1, 1), and soft_mask (B, H, W, 1)
    """
    return View(verts, cam, model, band).result


def absorb(image, sea_level_height, hard_mask, water_absorption):
    """Fades the colours under water as exercise 5 asks. -> (B, H, W, 3)"""
    under = (sea_level_height < 0) & (hard_mask > 0)
    faded = image * torch.exp(water_absorption * torch.where(under, sea_level_height, 0))
    return torch.where(under, faded, image)


def normals_of(corners):
    """Normals of faces, with the length of twice the area. (B, F, 3, 3) -> (B, F, 3)"""
    a, b, c = corners.unbind(2)
    return torch.linalg.cross(b - a, c - a)


def unit(x):
    """Vectors (..., 3) scaled to length 1."""
    return torch.nn.functional.normalize(x, dim=-1)


def at_corners(values):
    """One value per face, (B, F, K), at its three corners: (B, F, 3, K)."""
    return values[:, :, None].expand(-1, -1, 3, -1)


def cross(a, b):
    """Twice the signed area between vectors (..., 2)."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


class Misfit(ValueError):
    """Not as many meshes as cameras."""


class View:
    """Meshes before their cameras, in float64: the steps of exercise 4, each computed when it is asked for.

    verts (B, V, 3), model with `F` (F, 3) and `face_uvs` (1, F, 3, 2). changes: {step: function of the view};
    what that gives takes the step's place, and all later steps follow it.
    """

    def __init__(self, verts, cam, model, band, changes=()):
        if len(verts) != len(cam):
            count = "is 1 mesh" if len(verts) == 1 else f"are {len(verts)} meshes"
            raise Misfit(f"For {len(cam)} cameras there {count}")
        self.verts, self.dtype, self.size = verts.double(), verts.dtype, (cam.width, cam.height)
        self.cam, self.model, self.band = cam, model, band
        for step, change in dict(changes).items():
            setattr(self, step, change(self))

    def posed(self, points):
        """From the world to camera space, (B, N, 3)."""
        R, t = self.cam.extrinsics.R.double(), self.cam.extrinsics.t.double()  # (B, 3, 3), (B, 3, 1)
        return points @ R.mT + t.mT

    def lens(self, ratio):
        """From x / -z and y / -z to the image, (B, N, 2)."""
        params = self.cam.intrinsics.params  # (B, 4): x0, y0, focal_x, focal_y in pixels
        half = params.new_tensor(self.size) / 2
        shift, scale = (params / half.repeat(2)).double()[:, None].split(2, -1)  # (B, 1, 2)
        return ratio * scale + shift

    def project(self, points):
        """From camera space to the image, (B, N, 2)."""
        return self.lens(points[..., :2] / -points[..., 2:])

    def at_faces(self, values):
        """Values of vertices (B, V, K) at the corners of the faces, (B, F, 3, K)."""
        return values[:, self.model.F]

    @cached_property
    def in_camera(self):
        return self.posed(self.verts)  # (B, V, 3)

    @cached_property
    def projected(self):
        return self.project(self.in_camera)  # (B, V, 2)

    @cached_property
    def world(self):
        return self.at_faces(self.verts)  # (B, F, 3, 3)

    @cached_property
    def corners(self):
        return self.at_faces(self.in_camera)  # (B, F, 3, 3)

    @cached_property
    def on_image(self):
        return self.at_faces(self.projected)  # (B, F, 3, 2)

    @cached_property
    def on_soft(self):
        return self.on_image  # the corners of which the soft mask is made

    @cached_property
    def depth(self):
        return self.corners[..., 2]  # (B, F, 3)

    @cached_property
    def facing(self):
        return normals_of(self.corners)[..., 2] >= 0  # (B, F)

    @cached_property
    def uv(self):
        uv = self.model.face_uvs.double()
        return torch.stack([uv[..., 0], 1 - uv[..., 1]], -1).expand(len(self.verts), -1, -1, -1)

    @cached_property
    def normal(self):
        return at_corners(unit(normals_of(self.world)))  # (B, F, 3, 3)

    @cached_property
    def height(self):
        return self.world[..., 1:2]  # (B, F, 3, 1)

    @cached_property
    def ones(self):
        return torch.ones_like(self.world[..., :1])

    @cached_property
    def cover(self):
        """The face that each pixel sees (B, H W), or -1, and its barycentric weights there (B, H W, 3)."""
        frames = zip(self.on_image, self.depth, self.facing)
        return [torch.stack(parts) for parts in zip(*(_cover(*frame, *self.size) for frame in frames))]

    def paint(self, values):
        """Values at corners (B, F, 3, K), interpolated: (B, H, W, K), 0 where no face is."""
        seen, weights = self.cover
        batch = torch.arange(len(seen), device=seen.device)[:, None]
        image = (values[batch, seen.clamp(min=0)] * weights[..., None]).sum(2)  # (B, H W, K)
        return image.unflatten(1, (self.size[1], self.size[0]))

    @cached_property
    def features(self):
        return [self.paint(values) for values in (self.uv, self.normal, self.height, self.ones)]

    @cached_property
    def numbers(self):
        return self.band.seen_by(self.cam)  # sigmainv, boxlen, knum

    @cached_property
    def soft_mask(self):
        return soft_mask(self.on_soft, self.cover[0], self.size, *self.numbers)

    @property
    def result(self):
        return [feature.to(self.dtype) for feature in self.features], self.soft_mask.to(self.dtype)


def centres(width, height, like):
    """Pixel centres in NDC, row by row, (H W, 2)."""
    x, y = ((2 * torch.arange(n, device=like.device, dtype=like.dtype) + 1 - n) / n for n in (width, height))
    return torch.cartesian_prod(-y, x).flip(-1)


def _pairs(corners, margin, width, height):
    """All pairs of a face and a pixel whose centre is in its box, enlarged by `margin`.

    -> face (N,), pixel (N,), in face order
    """
    low, high = corners.detach().amin(1) - margin, corners.detach().amax(1) + margin  # (F, 2)
    left, right = (
        ((x[:, 0] * width + width - 1) / 2).ceil().clamp(0, width) for x in (low, high)
    )  # half-open
    top, bottom = (((height - 1 - y[:, 1] * height) / 2).ceil().clamp(0, height) for y in (high, low))
    wide = (right - left).clamp(min=0).long()
    count = wide * (bottom - top).clamp(min=0).long()
    face = torch.repeat_interleave(count)
    k = _rank(face, count)
    return face, (top.long()[face] + k // wide[face]) * width + left.long()[face] + k % wide[face]


def _rank(group, count):
    """The how manieth of its group each entry is, from 0; groups (N,) in order, of `count` entries."""
    return torch.arange(len(group), device=group.device) - (count.cumsum(0) - count)[group]


def _cover(corners, depth, facing, width, height):
    """One frame: the face seen by each pixel (H W,) and its weights (H W, 3).

    corners (F, 3, 2), depth (F, 3), facing (F,)
    """
    face, pixel = _pairs(corners, 0.0, width, height)
    face, pixel = face[facing[face]], pixel[facing[face]]
    to = corners[face] - centres(width, height, corners)[pixel][:, None]  # (N, 3, 2)
    (x1, y1), (x2, y2) = to.roll(-1, 1).unbind(-1), to.roll(-2, 1).unbind(-1)  # to the other two corners
    weights = x1 * y2 - y1 * x2  # (N, 3), twice the areas
    weights = weights / weights.sum(-1, keepdim=True)
    inside = (weights >= 0).all(-1)
    face, pixel, weights = face[inside], pixel[inside], weights[inside]
    z = (weights * depth[face]).sum(-1).detach()
    nearest = z.new_full((width * height,), -torch.inf).scatter_reduce(0, pixel, z, "amax")
    front = z == nearest[pixel]
    first = torch.full((width * height,), len(corners), device=face.device)
    first = first.scatter_reduce(0, pixel[front], face[front], "amin")
    chosen = front & (face == first[pixel])
    seen = torch.where(first < len(corners), first, -1)
    return seen, weights.new_zeros(width * height, 3).index_put((pixel[chosen],), weights[chosen])


def soft_mask(on_image, seen, size, sigmainv, boxlen, knum):
    """The soft mask: 1 where a face is seen, else 1 - prod_k (1 - exp(-sigmainv d_k^2)). -> (B, H, W, 1)

    on_image (B, F, 3, 2); seen (B, H W), the face that each pixel sees, or -1; size (W, H)
    """
    width, height = size
    images = []
    for corners, face_of in zip(on_image, seen):
        face, pixel = _pairs(corners, boxlen, width, height)
        order = pixel.argsort(stable=True)  # by pixel, within it in face order
        face, pixel = face[order], pixel[order]
        rank = _rank(pixel, torch.bincount(pixel, minlength=width * height))
        heard = (rank < knum) & (face_of[pixel] < 0)
        face, pixel = face[heard], pixel[heard]
        d2 = _outline_distance2(corners[face], centres(width, height, corners)[pixel])
        kept = torch.log1p(-torch.exp(-sigmainv * d2).clamp(max=1 - 1e-12))
        open_ = kept.new_zeros(width * height).index_add(0, pixel, kept)  # log of the product
        images.append(torch.where(face_of >= 0, 1.0, 1 - open_.exp()).reshape(height, width, 1))
    return torch.stack(images)


def _outline_distance2(corners, points):
    """Squared distance of points (N, 2) to the outlines of triangles (N, 3, 2)."""
    along, to = corners.roll(-1, 1) - corners, points[:, None] - corners  # (N, 3, 2)
    s = ((to * along).sum(-1) / (along * along).sum(-1).clamp(min=1e-20)).clamp(0, 1)
    return (to - s[..., None] * along).square().sum(-1).amin(-1)
