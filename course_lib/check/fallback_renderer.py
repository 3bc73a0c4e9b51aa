"""DIB-R written once more, from its definition: what the checks of lesson 3 compare with, and a spare part
for who is stuck.

`dibr_rendering` and `absorb` here have the arguments and results of exercises 4 and 5 and gradients of their
own. They list pairs of a face and a pixel in its box, and use neither kaolin nor its twin. They are a few
times slower.
"""

import torch

from ..window import TUTORIAL_BAND


def dibr_rendering(verts, cam, model, band=TUTORIAL_BAND):
    """As exercise 4 asks: -> features [uv, normal, height, hard_mask], (B, H, W, 2, 3, 1, 1), soft_mask (B,
    H, W, 1)."""
    view = View(verts, cam, model.F, model.face_uvs)
    seen, weights = view.cover()
    soft = soft_mask(view.on_image, seen, view.size, *band.seen_by(cam))
    features = [
        view.paint(values, seen, weights) for values in (view.uv, view.normals, view.height, view.inside)
    ]
    return [feature.to(verts.dtype) for feature in features], soft[..., None].to(verts.dtype)


def absorb(image, sea_level_height, hard_mask, water_absorption):
    """As exercise 5 asks."""
    under = (sea_level_height < 0) & (hard_mask > 0)
    return torch.where(
        under, image * torch.exp(water_absorption * torch.where(under, sea_level_height, 0)), image
    )


def corners_of(values, faces):
    """(B, V, K), (F, 3) -> (B, F, 3, K)"""
    return values[:, faces]


def normals_of(corners):
    """(B, F, 3, 3) -> (B, F, 3), with the length of twice the area"""
    a, b, c = corners.unbind(2)
    return torch.linalg.cross(b - a, c - a)


def unit(x):
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-12)


class Misfit(ValueError):
    """Not as many meshes as cameras."""


class View:
    """A batch of meshes before their cameras, in float64: corners in the image and in the camera, and
    features of the corners.

    verts (B, V, 3), faces (F, 3), face_uvs (1, F, 3, 2). What mistakes would make of it can be had by
    changing its attributes.
    """

    def __init__(self, verts, cam, faces, face_uvs):
        if len(verts) != len(cam):
            raise Misfit(f"There are {len(verts)} meshes for {len(cam)} cameras")
        self.verts, self.faces, self.size = verts.double(), faces, (cam.width, cam.height)
        R, t = cam.extrinsics.R.double(), cam.extrinsics.t.double()  # (B, 3, 3), (B, 3, 1)
        self.in_camera = self.verts @ R.mT + t.mT  # (B, V, 3)
        lens = cam.intrinsics
        scale = torch.stack([2 * lens.focal_x / lens.width, 2 * lens.focal_y / lens.height], -1).double()[
            :, None
        ]
        shift = torch.stack([2 * lens.x0 / lens.width, 2 * lens.y0 / lens.height], -1).double()[:, None]
        self.projected = self.in_camera[..., :2] / -self.in_camera[..., 2:] * scale + shift  # (B, V, 2)
        world = corners_of(self.verts, faces)  # (B, F, 3, 3)
        self.on_image = corners_of(self.projected, faces)  # (B, F, 3, 2)
        self.depth = corners_of(self.in_camera, faces)[..., 2]  # (B, F, 3)
        self.camera_normals = normals_of(corners_of(self.in_camera, faces))  # (B, F, 3)
        self.world_normals = normals_of(world)
        self.facing = self.camera_normals[..., 2] >= 0  # (B, F)
        self.uv = (
            torch.stack([face_uvs[..., 0], 1 - face_uvs[..., 1]], -1).double().expand(len(verts), -1, -1, -1)
        )
        self.normals = at_corners(unit(self.world_normals))  # (B, F, 3, 3)
        self.height = world[..., 1:2]  # (B, F, 3, 1)
        self.inside = torch.ones_like(self.height)

    def cover(self, on_image=None, depth=None, facing=None):
        """The face that each pixel sees (B, H W), or -1, and its barycentric weights there (B, H W, 3)."""
        frames = zip(
            self.on_image if on_image is None else on_image,
            self.depth if depth is None else depth,
            self.facing if facing is None else facing,
        )
        return [torch.stack(parts) for parts in zip(*(cover(*frame, *self.size) for frame in frames))]

    def paint(self, values, seen, weights):
        """Values at corners (B, F, 3, K), interpolated: (B, H, W, K), 0 where no face is."""
        batch = torch.arange(len(seen), device=seen.device)[:, None]
        image = (values[batch, seen.clamp(min=0)] * weights[..., None]).sum(2)  # (B, H W, K)
        return image.unflatten(1, (self.size[1], self.size[0]))

    def mask(self, **changed):
        """The hard mask (B, H, W, 1), with other corners, depths or facing."""
        return self.paint(self.inside, *self.cover(**changed))


def at_corners(values):
    """One value per face, (B, F, K), at its three corners: (B, F, 3, K)"""
    return values[:, :, None].expand(-1, -1, 3, -1)


def centres(width, height, like):
    """Pixel centres in NDC, row by row, (H W, 2)."""
    x = (2 * torch.arange(width, device=like.device, dtype=like.dtype) + 1 - width) / width
    y = (height - 2 * torch.arange(height, device=like.device, dtype=like.dtype) - 1) / height
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1).flatten(0, 1)


def pairs(corners, margin, width, height):
    """All pairs of a face and a pixel whose centre is in its box, enlarged by `margin`: face (N,), pixel
    (N,), in face order."""
    low, high = corners.detach().amin(1) - margin, corners.detach().amax(1) + margin  # (F, 2)
    left = ((low[:, 0] * width + width - 1) / 2).ceil().clamp(0, width)
    right = ((high[:, 0] * width + width - 1) / 2).ceil().clamp(0, width)  # half-open
    top = ((height - 1 - high[:, 1] * height) / 2).ceil().clamp(0, height)
    bottom = ((height - 1 - low[:, 1] * height) / 2).ceil().clamp(0, height)
    wide = (right - left).clamp(min=0).long()
    count = wide * (bottom - top).clamp(min=0).long()
    face = torch.repeat_interleave(torch.arange(len(corners), device=corners.device), count)
    k = torch.arange(len(face), device=corners.device) - (count.cumsum(0) - count)[face]
    return face, (top.long()[face] + k // wide[face]) * width + left.long()[face] + k % wide[face]


def cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def cover(corners, depth, facing, width, height):
    """One frame: the face seen by each pixel (H W,) and its weights (H W, 3). corners (F, 3, 2), depth (F,
    3), facing (F,)"""
    face, pixel = pairs(corners, 0.0, width, height)
    face, pixel = face[facing[face]], pixel[facing[face]]
    a, b, c = (corners[face] - centres(width, height, corners)[pixel][:, None]).unbind(1)
    weights = torch.stack([cross(b, c), cross(c, a), cross(a, b)], -1)  # (N, 3), twice the areas
    weights = weights / weights.sum(-1, keepdim=True)
    inside = (weights >= 0).all(-1)
    face, pixel, weights = face[inside], pixel[inside], weights[inside]
    z = (weights * depth[face]).sum(-1).detach()
    nearest = z.new_full((width * height,), -torch.inf).scatter_reduce(0, pixel, z, "amax")
    first = torch.full((width * height,), len(corners), device=face.device)
    front = z == nearest[pixel]
    first = first.scatter_reduce(0, pixel[front], face[front], "amin")
    chosen = front & (face == first[pixel])
    seen = torch.where(first < len(corners), first, -1)
    return seen, weights.new_zeros(width * height, 3).index_put((pixel[chosen],), weights[chosen])


def soft_mask(on_image, seen, size, sigmainv, boxlen, knum):
    """1 where a face is seen, else 1 - prod_k (1 - exp(-sigmainv d_k^2)): (B, H, W)."""
    width, height = size
    images = []
    for corners, face_of in zip(on_image, seen):
        face, pixel = pairs(corners, boxlen, width, height)
        order = pixel.argsort(stable=True)  # by pixel, within it in face order
        face, pixel = face[order], pixel[order]
        count = torch.bincount(pixel, minlength=width * height)
        rank = torch.arange(len(pixel), device=pixel.device) - (count.cumsum(0) - count)[pixel]
        heard = (rank < knum) & (face_of[pixel] < 0)
        face, pixel = face[heard], pixel[heard]
        d2 = outline_distance2(corners[face], centres(width, height, corners)[pixel])
        kept = torch.log1p(-torch.exp(-sigmainv * d2).clamp(max=1 - 1e-12))
        open_ = kept.new_zeros(width * height).index_add(0, pixel, kept)  # log of the product
        images.append(torch.where(face_of >= 0, 1.0, 1 - open_.exp()).reshape(height, width))
    return torch.stack(images)


def outline_distance2(corners, points):
    """Squared distance of points (N, 2) to the outlines of triangles (N, 3, 2)."""
    start, end = corners, corners.roll(-1, 1)
    along, to = end - start, points[:, None] - start  # (N, 3, 2)
    s = ((to * along).sum(-1) / (along * along).sum(-1).clamp(min=1e-20)).clamp(0, 1)
    return (to - s[..., None] * along).square().sum(-1).amin(-1)
