"""Exercises 4, 5 and 6: DIB-R, light under water, and the whole renderer."""

import torch

from course_lib import kal
from course_lib.appearance import caustics_at
from course_lib.shading import lighting, texturing
from course_lib.window import TUTORIAL_BAND


def rasterize_features(verts, cam, model):
    """What each pixel sees of the dolphin. -> features, faces_image, face_idx

    The first half of exercise 4. verts: (B, V, 3) in the world; cam: a batch of B
    cameras; model: the DolphinModel (faces, UVs). features: [uv (B, H, W, 2), normal
    (B, H, W, 3), height (B, H, W, 1), hard_mask (B, H, W, 1)]; faces_image:
    (B, F, 3, 2), the faces' corners in NDC; face_idx: (B, H, W), the face that each
    pixel sees, or -1.
    """
    by_faces = kal.ops.mesh.index_vertices_by_faces
    in_camera = cam.extrinsics.transform(verts)  # (B, V, 3)
    on_image = cam.intrinsics.transform(in_camera)[..., :2]  # (B, V, 2)
    faces_camera = by_faces(in_camera, model.F)  # (B, F, 3, 3)
    faces_image = by_faces(on_image, model.F)  # (B, F, 3, 2)
    looks_at_us = kal.ops.mesh.face_normals(faces_camera)[..., 2] >= 0  # (B, F)

    mesh = kal.rep.SurfaceMesh(verts, model.F)
    u, v = model.face_uvs.expand(len(verts), -1, -1, -1).unbind(-1)  # v downwards
    uv = torch.stack([u, 1 - v], dim=-1)  # (B, F, 3, 2), v upwards
    height = mesh.face_vertices[..., 1:2]  # (B, F, 3, 1), y is up
    ones = torch.ones_like(height)  # they become the hard mask
    at_corners = [uv, mesh.face_normals, height, ones]
    where = faces_camera[..., 2], faces_image
    features, face_idx = kal.render.mesh.rasterize(
        cam.height, cam.width, *where, at_corners, valid_faces=looks_at_us
    )
    return features, faces_image, face_idx


def dibr_rendering(verts, cam, model, band=TUTORIAL_BAND):
    """Rasterises the dolphin, with a soft outline. Exercise 4. -> features, soft_mask

    verts: (B, V, 3) in the world; cam: a batch of B cameras; model: the DolphinModel;
    band: how wide the soft outline is. features: [uv (B, H, W, 2) for
    `texture_mapping`, normal (B, H, W, 3) in the world, height (B, H, W, 1) over the
    sea in metres, hard_mask (B, H, W, 1)]; soft_mask: (B, H, W, 1). Source: Chen et
    al., NeurIPS 2019, arXiv 1908.01210.
    """
    features, faces_image, face_idx = rasterize_features(verts, cam, model)
    width = band.seen_by(cam)  # sigmainv, boxlen, knum
    soft_mask = kal.render.mesh.dibr_soft_mask(faces_image, face_idx, *width)
    return features, soft_mask[..., None]


def absorb(image, sea_level_height, hard_mask, water_absorption):
    """Dims the dolphin by the water above it. Exercise 5. -> image (B, H, W, 3)

    A new image: I exp(w l) where the dolphin is seen under water, else I. image I:
    (B, H, W, 3); sea_level_height l: (B, H, W, 1), metres, negative under water;
    hard_mask: (B, H, W, 1); water_absorption w: (3,), 1/m, one for each colour.
    """
    # Nothing is written in place: autograd still needs the image as it was.
    height = (sea_level_height * hard_mask).clamp(max=0)  # 0 where nothing is to change
    return image * torch.exp(water_absorption * height)


def shade(scene, cam, features):
    """Skin, sun and water for rasterised features, else black. -> image (B, H, W, 3)"""
    uv, normals, height, hard_mask = features
    image = texturing(uv, hard_mask, scene.dolphin_albedo)
    return lighting(scene, cam, hard_mask, image, normals, height, absorb)


def render(scene, t, cam, band=TUTORIAL_BAND):
    """What the drone sees at the frames `t`. Exercise 6. -> image, hard_mask, soft_mask

    t: (B,), frame numbers; cam: a batch of B cameras. The image is (B, H, W, 3), the
    masks are (B, H, W, 1).
    """
    verts = scene.skin(t)  # (B, V, 3)
    features, soft_mask = dibr_rendering(verts, cam, scene.model, band)
    return shade(scene, cam, features), features[-1], soft_mask


def render_in_waves(scene, t, cam, band=TUTORIAL_BAND):
    """`render`, and the same with the light as waves gather it on the dolphin's back.

    -> image (B, H, W, 3), the image without waves, hard_mask, soft_mask (B, H, W, 1). They are the same where
    the scene knows nothing of waves: see course_lib.appearance.
    """
    verts = scene.skin(t)  # (B, V, 3)
    features, faces_image, face_idx = rasterize_features(verts, cam, scene.model)
    soft_mask = kal.render.mesh.dibr_soft_mask(faces_image, face_idx, *band.seen_by(cam))
    still = shade(scene, cam, features)
    return still * caustics_at(scene, t, features, face_idx), still, features[-1], soft_mask[..., None]
