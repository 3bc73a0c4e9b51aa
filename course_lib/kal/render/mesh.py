"""From projected faces to images: rasterisation, soft silhouettes, textures.

`rasterize` and `dibr_soft_mask` come from `course_lib.kal.dibr`, which has them in several implementations.
"""

import torch

from ...shapes import ShapeError, check_shape
from ..dibr import dibr_soft_mask, rasterize


def dibr_rasterization(
    height,
    width,
    face_vertices_z,
    face_vertices_image,
    face_features,
    face_normals_z,
    sigmainv=7000,
    boxlen=0.02,
    knum=30,
    multiplier=None,
    eps=None,
    rast_backend=None,
):
    """Rasterise the faces that look at the camera, and draw the soft mask of all faces, in one call.

    face_vertices_z (B, F, 3), face_vertices_image (B, F, 3, 2), face_features (B, F, 3, K) or a list of such,
    height, width, sigmainv, boxlen, knum, multiplier, eps: as in `rasterize` and `dibr_soft_mask`.
    face_normals_z: (B, F), z of the face normals in camera space; faces with z >= 0 are drawn.
    rast_backend: `rasterize`'s backend.

    Returns features (B, H, W, K), or one such per item of a list; soft mask (B, H, W); face index (B, H, W),
    -1 where there is none.
    """
    faces, options = (face_vertices_z, face_vertices_image, face_features), (multiplier, eps, rast_backend)
    features, face_idx = rasterize(height, width, *faces, face_normals_z >= 0, *options)
    multiplier = 1000.0 if multiplier is None else multiplier
    soft_mask = dibr_soft_mask(face_vertices_image, face_idx, sigmainv, boxlen, knum, multiplier)
    return features, soft_mask, face_idx


def texture_mapping(texture_coordinates, texture_maps, mode="nearest"):
    """Look up textures at (u, v), the origin at the texture's bottom left. -> (B, H, W, C) or (B, N, C)

    Texel (row r, column c) of an h x w map has its centre at u = (c + 0.5) / w, v = 1 - (r + 0.5) / h.
    Coordinates outside [0, 1] take the border's value (they do not wrap round) and get no gradient.

    texture_coordinates: (B, H, W, 2) or (B, N, 2).
    texture_maps: (B, C, h, w); or (1, C, h, w), one texture for the batch: its gradient then costs one map
        instead of B (kaolin wants B copies).
    mode: "nearest", "bilinear" or "bicubic".
    """
    check_shape("texture_coordinates", texture_coordinates, "B H W 2", "B N 2")
    check_shape("texture_maps", texture_maps, "B C h w")
    if 0 in texture_maps.shape[2:]:
        raise ShapeError(f"texture_maps must have a texel at least, got shape {tuple(texture_maps.shape)}")
    maps, batch = len(texture_maps), len(texture_coordinates)
    if maps not in (1, batch):
        raise ShapeError(f"""texture_maps of shape {tuple(texture_maps.shape)} do not fit texture_coordinates
            of shape {tuple(texture_coordinates.shape)}; expected {batch} textures or 1""")
    shape = texture_coordinates.shape[:-1] + texture_maps.shape[1:2]
    if not texture_coordinates.numel():
        return texture_maps.new_zeros(shape)
    u, v = texture_coordinates.clamp(0, 1).reshape(maps, 1, -1, 2).unbind(dim=-1)  # (maps, 1, points) each
    grid = torch.stack([2 * u - 1, 1 - 2 * v], dim=-1)  # grid_sample counts rows from the top
    options = {"mode": mode, "padding_mode": "border", "align_corners": False}
    samples = torch.nn.functional.grid_sample(texture_maps, grid, **options)  # (maps, C, 1, points)
    return samples.movedim(1, -1).reshape(shape)
