"""Checks of lesson 3: basic rendering (exercise 4), light under water (5), the renderer (6).

What is right is known from `spare`, a second way to compute DIB-R. The dolphin's part is played by two
stones, one above the other in the camera's view, and two sheets that are open: one shows the camera its
front, the other its back.
"""

import contextlib
import inspect
import math
import re
import types

import torch

from .. import shading
from ..dolphin_model import rotvec_to_rotmat
from ..errors import CourseError
from ..kal.render.mesh import texture_mapping
from ..rotations import rotmat_to_rotvec
from ..scene import DolphinScene
from ..video import drone_cameras
from ..window import TUTORIAL_BAND, Band, window_camera
from . import fallback_renderer as spare
from .core import Complaint, Exercise, Problem, Property, close, items, probable, shape_text, tensor

FRAME, WINDOW = (640, 360), (96, 54)  # pixels: the whole frame, and the part of it that the checks render
FROM_BELOW = 0.02  # square metres that are enough to be noticed
PIXELS_PER_METRE = 640 * 12.29 / 17.27  # at a distance of 1 m
NAMES = ("uv", "normal", "height", "hard_mask")
CHANNELS = (2, 3, 1, 1)


# --- the stones, and who looks at them
# -------------------------------------------------------------------------


def octahedron(radii, middle):
    """Vertices (6, 3), faces (8, 3), counter-clockwise from outside."""
    verts = torch.cat([torch.diag(radii), -torch.diag(radii)]) + middle
    faces = [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
    return verts, torch.tensor(faces)


def sheet(middle):
    """An upright look at four triangles that face up: vertices (5, 3), faces (4, 3)."""
    verts = (
        torch.tensor([[0.06, 0, -0.08], [-0.06, 0, -0.08], [-0.06, 0, 0.08], [0.06, 0, 0.08], [0, 0.01, 0]])
        + middle
    )
    return verts, torch.tensor([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])


def stones():
    """The mesh at rest: vertices (22, 3) in metres, faces (24, 3).

    Seen from above, with +z up, x runs to the left.
    """
    lower, stone = octahedron(torch.tensor([0.22, 0.10, 0.15]), torch.tensor([0.08, -0.3, 0.02]))
    upper, _ = octahedron(torch.tensor([0.16, 0.07, 0.10]), torch.tensor([-0.03, 0.1, -0.03]))
    shown, square = sheet(torch.tensor([0.44, -0.05, 0.1]))
    turned_away, _ = sheet(torch.tensor([-0.38, -0.1, 0.08]))
    faces = torch.cat([stone, stone + 6, square + 12, square.flip(1) + 17])
    return torch.cat([lower, upper, shown, turned_away]), faces


def axes(eye):
    """The cameras' right, up and back in the world, as columns: (B, 3, 3)"""
    return whole_cameras(eye).extrinsics.R.mT


def places(eye, corner):
    """Where the middle of each camera's window is on the sea: (B, 3) metres."""
    right, down = ((corner + torch.tensor(WINDOW) / 2 - torch.tensor(FRAME) / 2) / PIXELS_PER_METRE).unbind(
        -1
    )
    ray = (axes(eye) @ torch.stack([right, -down, -torch.ones_like(right)], -1)[..., None])[..., 0]  # (B, 3)
    return eye - ray * (eye[:, 1] / ray[:, 1])[:, None]


def tilts(rng, eye, corner, tries=256):
    """Rotation vectors (B, 3) that tilt the stones by chance, such that their cameras see no face edge-on.

    Where a camera looks aslant, some faces that it sees look down: what looks at the camera is not what looks
    up. And one stone is before the other.
    """
    straight_down = axes(torch.tensor([[0.0, 1, 0]]))[0]
    chosen = []
    for place, camera, axes_of in zip(places(eye, corner), eye, axes(eye)):
        tilt = torch.from_numpy(rng.uniform([-0.5, -0.3, -0.5], [0.5, 0.3, 0.5], (tries, 3))).float()
        tilt = rotmat_to_rotvec(
            axes_of @ straight_down.mT @ rotvec_to_rotmat(tilt)
        )  # tilted along with the camera
        verts = turned(tilt) + place
        hardly = edge_on(verts, camera, axes_of[:, 2])
        if not looks_straight_down(camera):
            from_below = seen_from_below(verts, axes_of[:, 2]).clamp(max=FROM_BELOW) / FROM_BELOW
            hardly = 100 * hardly - from_below + apart(verts, axes_of)
        chosen.append(tilt[int(hardly.argmin())])
    return torch.stack(chosen)


def looks_straight_down(eye):
    return float(eye[[0, 2]].abs().max()) < 1e-6


def apart(verts, axes_of):
    """(B,) how far the middles of the two stones are apart in the picture: metres."""
    return ((verts[:, :6].mean(1) - verts[:, 6:12].mean(1)) @ axes_of[:, :2]).norm(dim=-1)


def seen_from_below(verts, back):
    """(B,) how much of what faces the camera looks down: square metres, as the camera sees them."""
    normal = spare.normals_of(spare.corners_of(verts, stones()[1]))
    return ((normal @ back).clamp(min=0) * (normal[..., 1] < 0)).sum(-1)


def turned(tilt):
    """The stones, turned by rotation vectors (B, 3): (B, V, 3)"""
    return stones()[0] @ rotvec_to_rotmat(tilt).mT


def edge_on(verts, eye, back):
    """(B,) 1.0 where a mesh (B, V, 3) has a face seen so flatly that it matters how one tells whether it
    looks at us, else 0.0"""
    corners = spare.corners_of(verts, stones()[1])
    normal = spare.unit(spare.normals_of(corners))
    slant = (normal * spare.unit(eye - corners.mean(2))).sum(-1)
    return ((slant.abs() < 0.08) | ((normal @ back > 0) != (slant > 0))).any(-1).float()


def whole_cameras(eye):
    """Drones at eye (B, 3) that look at the origin."""
    return drone_cameras(eye, torch.zeros_like(eye), torch.tensor([0.0, 0, 1]).expand_as(eye), *FRAME)


def cameras(eye, corner):
    """Drones at eye (B, 3), of whose frames the part at corner (B, 2) is looked at."""
    return window_camera(whole_cameras(eye), *corner.unbind(-1), *WINDOW)


def case(rng, batch=2):
    """verts (B, V, 3), faces (F, 3), face_uvs (1, F, 3, 2), eye (B, 3), corner (B, 2). The second camera
    looks aslant.

    Away from it z grows in the world: what has the larger one is not what is near.
    """
    eye = torch.zeros(batch, 3)
    eye[:, 1] = torch.from_numpy(rng.uniform(4.5, 5.5, batch)).float()
    slant, around = rng.uniform(0.6, 0.75), rng.uniform(1.15, 1.85) * math.pi
    eye[1] = eye[1, 1] * torch.tensor(
        [math.sin(slant) * math.cos(around), math.cos(slant), math.sin(slant) * math.sin(around)]
    )
    corner = torch.from_numpy(rng.integers([262, 143], [283, 164], (batch, 2)))
    faces = stones()[1]
    middle = torch.from_numpy(rng.uniform(0.2, 0.8, (1, len(faces), 1, 2)))
    face_uvs = (middle + torch.from_numpy(rng.uniform(-0.15, 0.15, (1, len(faces), 3, 2)))).float()
    verts = turned(tilts(rng, eye, corner)) + places(eye, corner)[:, None]
    return {"verts": verts, "faces": faces, "face_uvs": face_uvs, "eye": eye, "corner": corner}


def random_weights(rng, channels):
    """What two images are weighted by before they are summed, so that gradients can be compared: (2, H, W,
    channels)"""
    return torch.from_numpy(rng.normal(size=(2, WINDOW[1], WINDOW[0], channels))).float()


def warm():
    """Has the renderer's kernels compiled, so that nobody's solution is blamed for the seconds which that
    takes once."""
    from ..kal.dibr import dibr_soft_mask, rasterize

    corners = torch.rand(1, 2, 3, 2, requires_grad=True)
    image, seen = rasterize(4, 4, torch.zeros(1, 2, 3), corners, [torch.rand(1, 2, 3, 1)])
    (image[0].sum() + dibr_soft_mask(corners, seen).sum()).backward()


# --- exercise 4
# --------------------------------------------------------------------------------------------------


def pretended_model(faces, face_uvs):
    return types.SimpleNamespace(F=faces, face_uvs=face_uvs, device=faces.device)


def rendered(given, verts, faces, face_uvs, eye, corner, band=()):
    """What the student's dibr_rendering gives: a dict of the four features and the soft mask. Problems of
    form are raised.

    band: none, then the function's own; or [Band], to be passed on.
    """
    call = f"dibr_rendering(verts, cam, model{', band' if band else ''})"
    try:
        value = given.dibr_rendering(verts, cameras(eye, corner), pretended_model(faces, face_uvs), *band)
    except CourseError as error:
        raise kernel_problem(str(error)) or error
    except (TypeError, AttributeError) as error:
        raise band_problem(str(error)) or error
    features, soft = items(call, value, 2, "the features, the soft mask")
    if torch.is_tensor(features) and features.dim() == 4 and features.shape[-1] == 7:
        raise Problem.of("""one-image: The features come as one image of 7 channels. Give `rasterize` a list of
            features, then it gives a list.""")
    if torch.is_tensor(features) and not torch.is_tensor(soft) and isinstance(soft, (tuple, list)):
        raise Problem.of("order: The results are exchanged: first the features, then the soft mask.")
    features = items(f"features of {call}", features, 4, "uv, normal, height, hard_mask")
    B, (W, H) = len(verts), WINDOW
    got = [feature.shape[-1] for feature in features if torch.is_tensor(feature) and feature.dim() == 4]
    if len(got) == 4 and tuple(got) != CHANNELS and sorted(got) == sorted(CHANNELS):
        raise Problem.of(f"""feature-order: The features have {got} channels: they are in another order than uv,
            normal, height, hard mask (2, 3, 1, 1). Whoever uses them counts on the order.""")
    if torch.is_tensor(features[0]) and tuple(features[0].shape[1:3]) == (W, H):
        raise Problem.of(f"""height-and-width: The images are {H} wide and {W} high, and should be the other way
            round. `rasterize` takes the height first, then the width.""")
    outputs = {
        name: tensor(f"feature {k} ({name}) of {call}", feature, (B, H, W, n), verts)
        for k, (name, feature, n) in enumerate(zip(NAMES, features, CHANNELS))
    }
    if torch.is_tensor(soft) and tuple(soft.shape) == (B, H, W):
        raise Problem.of(f"""soft-mask-dimension: The soft mask has shape {shape_text(soft.shape)}, expected
            {shape_text((B, H, W, 1))}: like all images it has a last dimension, for its one channel. `[...,
            None]` adds it.""")
    return outputs | {"soft_mask": tensor(f"soft mask of {call}", soft, (B, H, W, 1), verts)}


def band_problem(text):
    """What Python says where a band is used for its three numbers: Problem, or None."""
    if "not Band" in text or "got Band" in text:
        return Problem.of("""band-not-seen: `band` is one thing, from which a camera gets its three numbers: hand
            on `*band.seen_by(cam)` where they are wanted, and `band` itself to `dibr_rendering`.""")
    return None


def kernel_problem(text):
    """What the renderer's complaint about an argument means here: Problem, or None."""
    if "Ellipsis" in text:
        return Problem.of(f"""blank: `rasterize` or `dibr_soft_mask` says: {text} A blank, `...`, is still in
            your code.""")
    name, _, rest = text.partition(":")
    if problem := band_problem(text):
        return problem
    if name.startswith("face_features"):
        got, expected = (shape.split(", ") for shape in re.findall(r"\(([^)]*)\)", rest)[:2])
        if got == expected[:3]:
            return Problem.of(f"""feature-dimension: `rasterize` says: {text} The last dimension is missing:
                `[..., 1:2]` keeps it, `[..., 1]` does not.""")
        return Problem.of(f"""feature-per-vertex: `rasterize` says: {text} A feature has a value for each corner
            of each face, not for each vertex: index it by the faces (`index_vertices_by_faces`).""")
    if name == "face_vertices_image" and "3, 3)" in rest:
        return Problem.of("""three-coordinates: The corners in the image (`faces_image`) have three coordinates,
            and should have two: take `[..., :2]` of the projected vertices.""")
    if name == "face_vertices_z":
        return Problem.of(f"""depth-shape: `rasterize` says: {text} It wants one depth per corner: `[..., 2]` of
            the faces in camera space.""")
    if name == "valid_faces":
        return Problem.of(f"""valid-faces: `rasterize` says: {text} Facing is one yes or no per face: compare the
            z of its normal in camera space with 0.""")
    return None


class OfDibr(Property):
    """A property of what dibr_rendering gives for the stones."""

    # Each property judges its own image by `spare`. All five come out of one call: what is wrong with another
    # one, another property says, so they are not compared with a reference's as a whole.
    hidden = (*NAMES, "soft_mask")

    def inputs(self, rng):
        return case(rng)

    def call(self, given, **inputs):
        return rendered(given, **inputs)

    def view(self, outputs, verts, faces, face_uvs, eye, corner):
        """What `spare` makes of the case.

        If back faces are drawn, then with them: that costs its own points, and no others.
        """
        view = spare.View(verts, cameras(eye, corner), faces, face_uvs)
        if shows_back_faces(outputs["hard_mask"], view):
            view.facing = torch.ones_like(view.facing)
        return view


def shows_back_faces(mask, view):
    return not alike(mask, view.mask()) and alike(mask, view.mask(facing=torch.ones_like(view.facing)))


def differing(got, right):
    """The values of two images (B, H, W, K) at the pixel where they differ most. -> two texts: what should
    be, what is"""
    worst = (got.detach().double() - right.detach().double()).abs().sum(-1).flatten().argmax()
    return [in_words(image.detach().flatten(0, 2)[worst]) for image in (right, got)]


def in_words(values):
    text = ", ".join(f"{float(x):.2f}" for x in values)
    return text if len(values) == 1 else f"({text})"


def alike(a, b, tolerance=2e-3):
    """Whether two images agree, but for one pixel in 500: a corner may fall on a pixel's centre."""
    if a.shape != b.shape:
        return False
    near = (a.detach().double() - b.detach().double()).abs() <= tolerance * max(
        1.0, float(b.detach().abs().max())
    )  # NaN is not
    return float((~near).any(-1).double().mean()) < 1 / 500


def likely(image, guesses):
    """As `probable`, for images: the first guess that looks like what came out."""
    for key, text, wrong in guesses:
        wrong = wrong() if callable(wrong) else wrong
        if alike(image, wrong) and (key == "empty" or bool((wrong != 0).any())):
            return Complaint(key, text)
    return None


class Form(OfDibr):
    name = "four features and a soft mask, of the right shapes"
    points = 2

    def inputs(self, rng):
        warm()
        return case(rng, batch=3)


FEATURE_ORDER = "The third feature is the hard mask and the fourth the height; expected are uv, normal, height, hard mask."
NO_PERSPECTIVE = (
    "The vertices come into the image without perspective: the x and y of {} are used as they are. After the "
    "camera's pose come its intrinsics: `cam.intrinsics.transform` divides by the distance."
)


class Silhouette(OfDibr):
    name = "the hard mask: where the mesh is seen"
    points = 2
    after = (Form,)

    def judge(self, outputs, **inputs):
        view, mask = self.view(outputs, **inputs), outputs["hard_mask"]
        if alike(mask, view.mask()):  # back faces: `FrontFaces` says so
            return None

        def at(projected):
            return lambda: view.mask(on_image=spare.corners_of(projected, view.faces))

        flipped_y, flipped_x = view.projected * torch.tensor([1, -1]), view.projected * torch.tensor([-1, 1])
        if alike(outputs["height"], view.mask()):
            return Complaint("feature-order", FEATURE_ORDER)
        z = view.in_camera[..., 2:]
        return likely(
            mask,
            [
                (
                    "facing-sign",
                    "Only faces that look away are drawn: you see the far side from within. The camera looks along -z, "
                    "so take the faces whose normal in camera space has z >= 0.",
                    lambda: view.mask(facing=~view.facing),
                ),
                *(
                    (
                        "world-normals-for-facing",
                        f"Which faces look at the camera is taken from {axis} of the normals in the world. "
                        f"{why}Facing is a matter of camera space: take the normals of the faces in camera "
                        "space.",
                        lambda k=k: view.mask(facing=view.world_normals[..., k] >= 0),
                    )
                    for k, axis, why in (
                        (2, "z", ""),
                        (1, "y", "That is right only as long as the camera looks straight down. "),
                    )
                ),
                (
                    "y-flipped",
                    "The picture is upside down: in the image plane y points up, and `rasterize` knows that.",
                    at(flipped_y),
                ),
                ("x-flipped", "The picture is mirrored: left and right are exchanged.", at(flipped_x)),
                ("no-perspective", NO_PERSPECTIVE.format("camera space"), at(view.in_camera[..., :2])),
                ("no-perspective", NO_PERSPECTIVE.format("the world"), at(view.verts[..., :2])),
                ("no-perspective", NO_PERSPECTIVE.format("the world"), at(view.verts[..., [0, 2]])),
                (
                    "no-focal-length",
                    "The vertices are divided by their distance, but the focal length is missing: use "
                    "`cam.intrinsics.transform`.",
                    at(view.in_camera[..., :2] / -z),
                ),
                (
                    "perspective-sign",
                    "The vertices are divided by z, which is negative in front of the camera: the picture is turned "
                    "by half a turn.",
                    at(-view.projected),
                ),
                (
                    "extrinsics-missing",
                    "The intrinsics are applied to points in the world. First `cam.extrinsics.transform`, then "
                    "`cam.intrinsics.transform`.",
                    lambda: at(self.projected_from_world(view, inputs))(),
                ),
                (
                    "empty",
                    "The hard mask is empty: no face is drawn at all. Print how many faces look at the camera, and the range "
                    "of their corners.",
                    torch.zeros_like(mask),
                ),
            ],
        ) or Complaint.of(f"""silhouette: The mesh is seen in {int((mask > 0).sum())} pixels of two images,
            expected {int((view.mask() > 0).sum())}, or in other ones. Look at your hard mask: is it in the
            right place?""")

    @staticmethod
    def projected_from_world(view, inputs):
        cam = cameras(inputs["eye"], inputs["corner"])
        return cam.intrinsics.transform(inputs["verts"])[..., :2].double()


class FrontFaces(OfDibr):
    name = "only faces that look at the camera are drawn"
    points = 2
    after = (Form, Silhouette)

    def judge(self, outputs, verts, faces, face_uvs, eye, corner):
        if alike(outputs["hard_mask"], spare.View(verts, cameras(eye, corner), faces, face_uvs).mask()):
            return None
        return Complaint.of("""back-faces-kept: Faces that turn their back to the camera are drawn too. On a
            closed animal its near side hides most of them, but they cost time, and where a mesh is open one
            sees them: pass `valid_faces`.""")


DEPTH_SIGN = (
    "Where two faces lie behind each other you see the farther one. `rasterize` wants z of the corners in camera space "
    "as it is, negative in "
    "front of the camera, where larger is closer: not its negative, nor z of the projected vertices."
)
DEPTH_WRONG = (
    "Where two faces lie behind each other it is not the nearer one that is seen. The depth is z of the corners in "
    "camera space."
)


def painted(view, values):
    return view.paint(values, *view.cover())


def far_painted(view, values):
    return view.paint(values, *view.cover(depth=-view.depth))


def painted_by_world_z(view, values):
    return view.paint(values, *view.cover(depth=spare.corners_of(view.verts, view.faces)[..., 2]))


class Normals(OfDibr):
    name = "normals of the nearest face, in the world"
    points = 3
    after = (Form, Silhouette)

    def judge(self, outputs, **inputs):
        view, normal = self.view(outputs, **inputs), outputs["normal"]
        right = painted(view, view.normals)
        if alike(normal, right):
            return None
        in_camera = spare.at_corners(spare.unit(view.camera_normals))
        raw = spare.at_corners(view.world_normals)
        return likely(
            normal,
            [
                ("depth-sign", DEPTH_SIGN, lambda: far_painted(view, view.normals)),
                ("depth-wrong", DEPTH_WRONG, lambda: painted_by_world_z(view, view.normals)),
                (
                    "camera-normals",
                    "The normals are those of camera space. The sun stands in the world: as a feature the normals of "
                    "the world are "
                    "wanted (`mesh.face_normals`); those of camera space only say which faces look at us.",
                    lambda: painted(view, in_camera),
                ),
                ("normals-flipped", "The normals point into the body.", lambda: painted(view, -view.normals)),
                (
                    "normal-length",
                    "The normals do not have length 1, but that of twice the face's area: `mesh.face_normals` are "
                    "normalised, and `face_normals(..., unit=True)`.",
                    lambda: painted(view, raw),
                ),
                (
                    "normal-length",
                    "The normals do not have length 1 (and are those of camera space; wanted are those of the world): "
                    "`mesh.face_normals` are right.",
                    lambda: painted(view, spare.at_corners(view.camera_normals)),
                ),
            ],
        ) or Complaint(
            "normals",
            "Where your normals should be {} they are {}: the second feature is the normal "
            "of the face, in the world, of length 1.".format(*differing(normal, right)),
        )


class Height(OfDibr):
    name = "height over the sea"
    points = 3
    after = (Form, Silhouette)

    def judge(self, outputs, **inputs):
        view, height = self.view(outputs, **inputs), outputs["height"]
        right = painted(view, view.height)
        if alike(height, right) or alike(
            height, far_painted(view, view.height)
        ):  # the order in depth is judged above
            return None
        in_camera = spare.corners_of(view.in_camera, view.faces)
        world = spare.corners_of(view.verts, view.faces)
        return likely(
            height,
            [
                *(
                    (
                        "camera-height",
                        f"This is {what}: it points up in the image. What points up from the sea is y of the world, the "
                        "coordinate with index 1.",
                        lambda wrong=wrong: painted(view, wrong),
                    )
                    for what, wrong in (
                        ("y of camera space", in_camera[..., 1:2]),
                        ("z of the world", world[..., 2:]),
                    )
                ),
                (
                    "camera-height",
                    "The height is z of camera space: minus the distance to the camera. The height over the sea is y "
                    "in the world.",
                    lambda: painted(view, in_camera[..., 2:]),
                ),
                (
                    "wrong-axis",
                    "The height is x in the world, but the axis that points up is y, the coordinate with index 1.",
                    lambda: painted(view, world[..., :1]),
                ),
                ("depth-wrong", DEPTH_WRONG, lambda: painted_by_world_z(view, view.height)),
                (
                    "height-sign",
                    "The sign of the height is flipped: under water it is negative.",
                    lambda: painted(view, -view.height),
                ),
                (
                    "height-per-face",
                    "The height is the same all over a face. Each corner has a height of its own, and in between it "
                    "is interpolated.",
                    lambda: painted(view, view.height.mean(2, keepdim=True).expand(-1, -1, 3, -1)),
                ),
            ],
        ) or Complaint(
            "height",
            "Where the height should be {} m it is {}: y in the world, at the corners of the faces.".format(
                *differing(height, right)
            ),
        )


class TextureCoordinates(OfDibr):
    name = "texture coordinates"
    points = 2
    after = (Form, Silhouette)

    def judge(self, outputs, **inputs):
        view, uv = self.view(outputs, **inputs), outputs["uv"]
        right = painted(view, view.uv)
        if alike(uv, right) or alike(uv, far_painted(view, view.uv)):
            return None
        u, v = view.uv[..., :1], view.uv[..., 1:]
        return likely(
            uv,
            [
                (
                    "uv-not-flipped",
                    "v is upside down: `model.face_uvs` count it from the top of the texture, `texture_mapping` from "
                    "the bottom. 1 - v.",
                    lambda: painted(view, torch.cat([u, 1 - v], -1)),
                ),
                (
                    "uv-flipped-in-u",
                    "It is v that must be flipped, the second coordinate; u stays.",
                    lambda: painted(view, torch.cat([1 - u, 1 - v], -1)),
                ),
                (
                    "uv-both-flipped",
                    "Both coordinates are flipped; only v, the second one, must be.",
                    lambda: painted(view, torch.cat([1 - u, v], -1)),
                ),
                ("depth-wrong", DEPTH_WRONG, lambda: painted_by_world_z(view, view.uv)),
                ("uv-swapped", "u and v are exchanged.", lambda: painted(view, torch.cat([v, u], -1))),
            ],
        ) or Complaint("uv", "Where (u, v) should be {} it is {}.".format(*differing(uv, right)))


class SoftMask(OfDibr):
    name = "the soft mask"
    points = 2
    after = (Form, Silhouette)

    def judge(self, outputs, **inputs):
        view, soft = self.view(outputs, **inputs), outputs["soft_mask"]
        cam = cameras(inputs["eye"], inputs["corner"])
        seen, _ = view.cover()

        def drawn(*band, corners=view.on_image):
            return spare.soft_mask(corners, seen, view.size, *band)[..., None]

        band = TUTORIAL_BAND
        right = drawn(*band.seen_by(cam))
        if alike(soft, right):
            return None
        hard = view.mask()
        visible = view.on_image.clone()
        visible[~view.facing] = 9.0  # far outside
        return likely(
            soft,
            [
                (
                    "band-ignored",
                    "The soft edge is that of a whole frame, but this camera shows only a part of it, in which all "
                    "distances are longer. `*band.seen_by(cam)` gives sigmainv, boxlen and knum for this camera.",
                    lambda: drawn(band.sigmainv, band.boxlen, band.knum),
                ),
                (
                    "default-band",
                    "The soft edge has the width that `dibr_soft_mask` has by itself. Pass `*band.seen_by(cam)` after "
                    "the face index.",
                    lambda: drawn(7000, 0.02, 30),
                ),
                (
                    "soft-is-hard",
                    "The soft mask is the hard mask: it has no soft edge, and nothing beside the mesh could pull at it.",
                    lambda: hard,
                ),
                (
                    "soft-inverted",
                    "The soft mask is 0 on the mesh and 1 beside it: it is to be the other way round.",
                    lambda: 1 - right,
                ),
                (
                    "soft-upside-down",
                    "The corners given to `dibr_soft_mask` are not those given to `rasterize`.",
                    lambda: drawn(*band.seen_by(cam), corners=view.on_image * torch.tensor([1, -1])),
                ),
                (
                    "soft-without-back",
                    "The soft mask does not know the faces that look away. Give `dibr_soft_mask` all faces.",
                    lambda: drawn(*band.seen_by(cam), corners=visible),
                ),
                (
                    "soft-is-hard",
                    "Beside the mesh the soft mask is 0 everywhere: are these the corners in the image (`[..., :2]` of "
                    "the projected vertices)?",
                    lambda: torch.where(hard > 0, 1.0, soft.double().clamp(max=0)),
                ),
            ],
        ) or Complaint.of("""soft-mask: Beside the mesh the soft mask differs from 1 - prod(1 - exp(-sigmainv
            d²)). It wants the corners in the image, the face index from `rasterize`, and then
            `*band.seen_by(cam)`.""")


def another_band(rng):
    """Two numbers and a count, none of them that of `TUTORIAL_BAND`: (3,)"""
    return torch.tensor([float(rng.uniform(20000, 40000)), float(rng.uniform(0.02, 0.03)), 25.0])


def band_of(values):
    sigmainv, boxlen, knum = values.tolist()
    return Band(sigmainv, boxlen, round(knum))


def band_missing(function, call):
    """Problem, where a function has no room for the band that `call` passes; else None."""
    try:
        inspect.signature(function).bind(*call)
    except TypeError:
        name = function.__name__
        return Problem.of(f"""band-missing: Your `{name}` takes no `band` any more, but the lesson calls it with
            one. Its first line is to be as it was given: `band=TUTORIAL_BAND` is its last argument.""")
    except ValueError:  # its signature is not known
        pass
    return None


class AnotherBand(OfDibr):
    name = "the soft edge is as wide as `band` says"
    points = 1
    after = (Form, Silhouette, SoftMask)

    def inputs(self, rng):
        return case(rng) | {"band": another_band(rng)}

    def call(self, given, band, **inputs):
        if problem := band_missing(given.dibr_rendering, "vcmb"):
            raise problem
        return rendered(given, **inputs, band=[band_of(band)])

    def judge(self, outputs, band, **inputs):
        view, soft = self.view(outputs, **inputs), outputs["soft_mask"]
        cam = cameras(inputs["eye"], inputs["corner"])
        seen, _ = view.cover()
        if alike(
            soft, spare.soft_mask(view.on_image, seen, view.size, *band_of(band).seen_by(cam))[..., None]
        ):
            return None
        return Complaint.of("""band-fixed: With another `band` the soft mask is not another one, or not all
            three of its numbers change: `*band.seen_by(cam)` is to be that of the argument, not of
            TUTORIAL_BAND.""")


class Gradients(OfDibr):
    name = "gradients reach the vertices, and are right"
    points = 3
    after = (Form, Silhouette, FrontFaces)
    hidden = ("soft_mask", "height", "soft_mask_image", "height_image")

    def inputs(self, rng):
        return case(rng) | {f"weights_{k}": random_weights(rng, 1) for k in (0, 1)}

    def call(self, given, weights_0, weights_1, verts, **inputs):
        grads = {}
        for name, weights in (("soft_mask", weights_0), ("height", weights_1)):
            leaf = verts.clone().requires_grad_()
            outputs = rendered(given, leaf, **inputs)
            if not outputs[name].requires_grad:
                if name == "soft_mask":
                    raise Problem.of("""mask-detached: No gradient flows from the soft mask to the vertices. It
                        is what pulls the outline into place: is there a `.detach()`, `no_grad`, a comparison,
                        or NumPy in between?""")
                raise Problem.of("""features-detached: No gradient flows from the features to the vertices. Is
                    there a `.detach()` or `no_grad` in between?""")
            (outputs[name] * weights).sum().backward()
            grads[name] = leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
            grads[name + "_image"] = outputs[name].detach()
        return grads

    def judge(self, outputs, weights_0, weights_1, **inputs):
        verts, judged = inputs.pop("verts").double(), 0
        for name, weights in (("soft_mask", weights_0), ("height", weights_1)):
            grad = outputs[name]
            if not torch.isfinite(grad).all():
                return Complaint.of(f"nan-gradient: The gradient of the {name} is NaN or infinite.")
            leaf = verts.clone().requires_grad_()
            cam = cameras(inputs["eye"], inputs["corner"])
            features, soft = spare.dibr_rendering(
                leaf, cam, pretended_model(inputs["faces"], inputs["face_uvs"])
            )
            image = soft if name == "soft_mask" else features[2]
            if not alike(outputs[name + "_image"], image):
                continue  # its own property says so
            judged += 1
            (image * weights).sum().backward()
            scale = float(leaf.grad.abs().max())
            if float((grad - leaf.grad).abs().max()) > 0.03 * scale:
                if float(grad.abs().max()) < 1e-6 * scale:
                    key = "mask-detached" if name == "soft_mask" else "features-detached"
                    return Complaint.of(f"""{key}: The gradient of the {name} with respect to the vertices is
                        0: a part of the way is detached.""")
                return Complaint.of(f"""wrong-gradient: The gradient of the {name} with respect to the
                    vertices is wrong, though the image is right: a part of the way is detached, or computed
                    outside of torch.""")
        return (
            None
            if judged
            else Complaint.of("""gradients-of-wrong-images: First mend height and soft mask: of wrong ones no
            gradient is right.""")
        )


dibr = Exercise(
    4,
    "Basic rendering",
    ("dibr_rendering",),
    (
        Form(),
        Silhouette(),
        Normals(),
        Height(),
        TextureCoordinates(),
        SoftMask(),
        FrontFaces(),
        AnotherBand(),
        Gradients(),
    ),
)


# --- exercise 5
# --------------------------------------------------------------------------------------------------

CALL = "absorb(image, sea_level_height, hard_mask, water_absorption)"


class OfAbsorb(Property):
    """A property of absorb, for an image of random colours, heights and places."""

    heights = (-2.0, -0.2)
    covered = 1.0
    interpolated = False  # whether the mask's ones are those of a rasteriser: sums of three weights, rounded

    def inputs(self, rng):
        def random(low, high, *shape):
            return torch.from_numpy(rng.uniform(low, high, shape)).float()

        mask = (random(0, 1, 2, 6, 8, 1) < self.covered).float()
        if self.interpolated:
            mask = mask * (1 + torch.from_numpy(rng.integers(-1, 2, mask.shape)) * 2**-23)
        return {
            "image": random(0.2, 1.0, 2, 6, 8, 3),
            "sea_level_height": random(*self.heights, 2, 6, 8, 1),
            "hard_mask": mask.float(),
            "water_absorption": torch.tensor([0.6, 0.25, 0.05]) + random(0, 0.05, 3),
        }

    def call(self, given, **inputs):
        return {"image": tensor(CALL, given.absorb(**inputs), inputs["image"].shape, inputs["image"])}


class UnderWater(OfAbsorb):
    name = "under water: each colour fades with depth"
    points = 4

    def judge(self, outputs, image, sea_level_height, hard_mask, water_absorption):
        got, l, w = outputs["image"], sea_level_height, water_absorption
        if close(got, image * (w * l).exp()):
            return None
        return probable(
            got,
            [
                (
                    "wrong-sign",
                    "Under water it gets brighter, and should get darker: the height is negative there already, so the "
                    "exponent is w · l without a minus.",
                    image * (-w * l).exp(),
                ),
                (
                    "unchanged",
                    "The image comes back as it was. Is the result returned, and the condition (height below 0) right?",
                    image,
                ),
                (
                    "one-colour",
                    "All colours fade alike. Each has its own number in `water_absorption`: (3,) against the image's last "
                    "dimension broadcasts by itself.",
                    image * (w.mean() * l).exp(),
                ),
                *(
                    (
                        "one-colour",
                        "All colours fade alike. Each has its own number in `water_absorption`, and you use one for all.",
                        image * (w[k] * l).exp(),
                    )
                    for k in range(3)
                ),
                (
                    "colours-reversed",
                    "Red and blue are exchanged: the order is red, green, blue.",
                    image * (w.flip(0) * l).exp(),
                ),
                (
                    "no-exponential",
                    "The colour is multiplied by w · l itself. The law is exponential: each metre takes the same "
                    "fraction of what is left.",
                    image * (w * l),
                ),
                (
                    "no-exponential",
                    "The colour fades linearly, 1 + w · l. The law is exponential: each metre takes the same fraction "
                    "of what is left.",
                    image * (1 + w * l),
                ),
                (
                    "factor-only",
                    "This is exp(w · l) alone: the image is to be multiplied by it.",
                    (w * l).exp().expand_as(image),
                ),
                (
                    "added",
                    "exp(w · l) is added to the image, or subtracted; it is a factor.",
                    image + (w * l).exp(),
                ),
                (
                    "depth-forgotten",
                    "The colours fade, but not with depth: l is missing from the exponent.",
                    image * (-w).exp(),
                ),
            ],
        ) or Complaint.of(f"""absorption: For w = {rounded(w)} 1/m at l = {float(l[0, 0, 0, 0]):.2f} m the
            colour {rounded(image[0, 0, 0])} should become {rounded((image * (w * l).exp())[0, 0, 0])}, yours
            is {rounded(got[0, 0, 0])}.""")


class AboveWater(OfAbsorb):
    name = "above water: nothing changes"
    points = 2
    heights = (-1.0, 1.0)
    after = (UnderWater,)

    def judge(self, outputs, image, sea_level_height, hard_mask, water_absorption):
        got, l, w = outputs["image"], sea_level_height, water_absorption
        if close(got, image * (w * l.clamp(max=0)).exp()):
            return None
        return probable(
            got,
            [
                (
                    "above-water",
                    "Where the dolphin rises above the water it gets brighter: there is no water above it there. Only "
                    "heights below 0 count.",
                    image * (w * l).exp(),
                ),
                (
                    "above-water",
                    "What is above the water is darkened as if it were as deep: only heights below 0 count.",
                    image * (-w * l.abs()).exp(),
                ),
                (
                    "above-water-black",
                    "What is above the water becomes black. It is to stay as it is.",
                    torch.where(l < 0, image * (w * l).exp(), 0),
                ),
                (
                    "condition-reversed",
                    "It is changed above the water and not below.",
                    torch.where(l > 0, image * (w * l).exp(), image),
                ),
            ],
        ) or Complaint.of("above-water: Where the height is above 0 the image is to stay as it is.")


class OffTheDolphin(OfAbsorb):
    name = "the mask: all of the dolphin, and nothing off it"
    points = 1
    covered = 0.6
    interpolated = True
    after = (UnderWater,)

    def judge(self, outputs, image, sea_level_height, hard_mask, water_absorption):
        got, on = outputs["image"], hard_mask > 0
        faded = image * (water_absorption * sea_level_height).exp()
        for exact in (hard_mask == 1, hard_mask >= 1):
            if close(got, torch.where(exact, faded, image)):
                return Complaint.of(f"""mask-compared-with-one: {int((on & ~exact).sum())} of {int(on.sum())}
                    pixels of the dolphin do not fade: the hard mask is interpolated, so its ones are
                    0.9999999 or 1.0000001 here and there. Ask whether it is > 0.5, not == 1, and do not round
                    it down.""")
        if not close(torch.where(on, got, 0), torch.where(on, faded, 0)):
            return Complaint.of("""mask: On the dolphin some pixels do not fade as they should. Here the mask
                is 0 or, up to rounding, 1: the dolphin is where it is > 0.5.""")
        if close(torch.where(on, 0, got), torch.where(on, 0, image)):
            return None
        if close(torch.where(on, 0, got), torch.zeros_like(image)):
            return Complaint.of("off-black: Off the dolphin the image becomes black. It is to stay as it is.")
        return Complaint.of("""off-the-dolphin: Pixels that do not show the dolphin change too. The hard mask
            says where it is seen.""")


class AbsorbGradients(OfAbsorb):
    name = "gradients reach image, height and absorption"
    points = 3
    heights = (-1.5, 0.5)
    covered = 0.8
    interpolated = True
    after = (
        UnderWater,
        AboveWater,
        OffTheDolphin,
    )  # what is said of gradients is true only of a right result
    NAMES = ("image", "sea_level_height", "water_absorption")

    def inputs(self, rng):
        return super().inputs(rng) | {"weights": torch.from_numpy(rng.normal(size=(2, 6, 8, 3))).float()}

    def call(self, given, weights, **inputs):
        leaves = {name: inputs[name].clone().requires_grad_() for name in self.NAMES}
        made = leaves["image"].exp()  # whose backward needs its result: it must not be written into
        args = inputs | leaves | {"image": made}
        result = tensor(CALL, given.absorb(**args), made.shape, made)
        if not result.requires_grad:
            raise Problem.of("""no-gradient: No gradient flows from the result. Is there a `.detach()`, `.data`,
                `no_grad` or NumPy?""")
        try:
            (result * weights).sum().backward()
        except RuntimeError as error:
            if "inplace" in str(error):
                raise Problem.of("""in-place: Your code writes into the image, and then no gradient can be
                    computed any more: the operation that made the image still needs it. Make a new one, for
                    instance with `torch.where`.""") from error
            raise
        return {
            name: leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
            for name, leaf in leaves.items()
        }

    def judge(self, outputs, weights, **inputs):
        leaves = {name: inputs[name].double().requires_grad_() for name in self.NAMES}
        result = spare.absorb(**(inputs | leaves | {"image": leaves["image"].exp()}))
        (result * weights).sum().backward()
        for name, leaf in leaves.items():
            if not torch.isfinite(outputs[name]).all():
                return Complaint.of(f"""nan-gradient: The gradient with respect to `{name}` is NaN or
                    infinite.""")
            if not close(outputs[name], leaf.grad, 1e-3):
                zero = float(outputs[name].abs().max()) == 0
                what = "is 0" if zero else "is wrong, though the result is right"
                return Complaint(
                    "no-gradient" if zero else "wrong-gradient",
                    f"The gradient with respect to `{name}` {what}: a "
                    "part of the computation is "
                    "detached (`.detach()`, `.data`, `no_grad`, "
                    "`.item()`).",
                )
        return None


def rounded(v):
    return "(" + ", ".join(f"{float(x):.2f}" for x in v) + ")"


absorption = Exercise(
    5, "Light under water", ("absorb",), (UnderWater(), AboveWater(), OffTheDolphin(), AbsorbGradients())
)


# --- exercise 6
# --------------------------------------------------------------------------------------------------


class Stones:
    """Stands in for a DolphinModel: the stones as one rigid part."""

    def __init__(self, rest, faces, face_uvs):
        self.V, self.F, self.face_uvs = rest[None], faces, face_uvs
        self.device, self.dtype, self.rodrigues = rest.device, rest.dtype, rotvec_to_rotmat
        self.LBS = types.SimpleNamespace(
            n_groups=1, n_joints=2, seg_grouping=torch.zeros(2, dtype=torch.long), rodrigues=rotvec_to_rotmat
        )

    def __call__(self, global_pose, body_pose, translation, part_scales=None, pose2rot=True):
        R = global_pose[:, 0] if not pose2rot else rotvec_to_rotmat(global_pose[:, 0])
        return {"vertices": self.V @ R.mT * (1 + part_scales.mean()) + translation}


# what a small scene is made of: parameters of DolphinScene that the check draws by chance
DRAWN = (
    "global_poses",
    "translations",
    "dolphin_albedo",
    "water_absorption",
    "azimuth",
    "elevation",
    "strength",
    "angle",
)


def small_scene(rest, faces, face_uvs, drawn):
    """A DolphinScene of the stones, with the parameters `drawn`."""
    scene = DolphinScene(
        Stones(rest, faces, face_uvs),
        len(drawn["translations"]),
        texture_size=drawn["dolphin_albedo"].shape[-1],
    )
    with torch.no_grad():
        for name, value in drawn.items():
            getattr(scene, name).copy_(value)
    return scene


EARLIER = {"dibr_rendering": 4, "absorb": 5}


@contextlib.contextmanager
def spare_parts(function, which=tuple(EARLIER)):
    """Within, a student's function meets spare `dibr_rendering` and `absorb`: exercise 6 is judged for
    itself."""
    names = getattr(inspect.unwrap(function), "__globals__", {})
    mine = {name: names[name] for name in which if name in names}
    names.update({name: getattr(spare, name) for name in mine})
    try:
        yield
    finally:
        names.update(mine)


def handed_over(text):
    """What Python says where the wrong thing is handed over: Problem, or None."""
    if "'Tensor' object is not callable" in text:
        return Problem.of("""absorb-called: `lighting` wants the function `absorb` itself and calls it later:
            hand it over without parentheses, lighting(scene, cam, hard_mask, image, normals, height,
            absorb).""")
    if "'DolphinScene' object has no attribute" in text:
        return Problem.of(f"""scene-for-model: Python says: {text}. Is the scene handed over where its model is
            wanted? dibr_rendering(verts, cam, scene.model, band).""")
    return band_problem(text)


class OfRender(Property):
    """A property of render, for a scene of 5 frames of the stones, of which two are asked for."""

    hidden = ("image", "hard_mask", "soft_mask")  # as for OfDibr

    def inputs(self, rng):
        made = case(rng, batch=5)
        eye, corner = made["eye"], made["corner"]
        light = {
            "water_absorption": [0.9, 0.5, 0.2],
            "azimuth": [0.6],
            "elevation": [1.1],
            "strength": [1.3],
            "angle": [1.0],
        }
        return {
            "t": torch.tensor([3, 1]),
            "rest": stones()[0],
            "faces": made["faces"],
            "face_uvs": made["face_uvs"],
            "eye": eye,
            "corner": corner,
            "global_poses": tilts(rng, eye, corner)[:, None],
            "translations": places(eye, corner)[:, None],
            "dolphin_albedo": torch.from_numpy(rng.uniform(0.2, 0.9, (1, 1, 8, 8))).float(),
            **{name: torch.tensor(value) for name, value in light.items()},
        }

    def scene(self, inputs):
        return small_scene(
            inputs["rest"], inputs["faces"], inputs["face_uvs"], {name: inputs[name] for name in DRAWN}
        )

    def camera(self, inputs, t=None):
        t = inputs["t"] if t is None else t
        return cameras(inputs["eye"][t], inputs["corner"][t])

    def render(self, given, scene, inputs, spared=tuple(EARLIER), band=()):
        """What the student's render gives, as a dict.

        Problems of form are raised. spared: what it gets spare parts for.
        """
        try:
            with spare_parts(given.render, spared):
                value = given.render(scene, inputs["t"], self.camera(inputs), *band)
        except spare.Misfit as error:
            raise Problem.of(f"""t-ignored: {error}. `t` names the frames that are asked for: `scene.skin(t)`
                poses those.""") from error
        except IndexError as error:
            if "out of bounds" not in str(error) or not spared:
                raise
            if not re.search(rf"with size {scene.num_frames}\b", str(error)):
                raise Problem.of(f"""model-of-the-notebook: The mesh has no vertex of such a number ({error}):
                    are these the faces of another mesh? Use `scene.model`, not the notebook's
                    `model`.""") from error
            raise Problem.of(f"""t-of-the-notebook: It asks for a frame that is not there ({error}). The scene of
                this check has {scene.num_frames} frames, and asked for were {inputs["t"].tolist()}: your code
                uses the notebook's `t`, not its argument.""") from error
        except (TypeError, AttributeError) as error:
            raise handed_over(str(error)) or error
        except Exception as error:
            if "normal and albedo" not in str(error):
                raise
            raise Problem.of(f"""normals-and-height: The light says: {error}. `lighting` wants the normals first,
                then the height: lighting(scene, cam, hard_mask, image, normals, height,
                absorb).""") from error
        B, (W, H) = len(inputs["t"]), WINDOW
        call = f"render(scene, t, cam{', band' if band else ''})"
        image, hard, soft = items(call, value, 3, "image, hard_mask, soft_mask")
        shapes = [tuple(x.shape) if torch.is_tensor(x) else None for x in (image, hard, soft)]
        if (
            sorted(map(str, shapes)) == sorted(map(str, [(B, H, W, 3), (B, H, W, 1), (B, H, W, 1)]))
            and shapes[0][-1] != 3
        ):
            raise Problem.of("order: The results come in another order than image, hard_mask, soft_mask.")
        if shapes[0] and shapes[0][0] == scene.num_frames != B:
            raise Problem.of(f"""t-ignored: It renders all {scene.num_frames} frames of the scene, and was asked
                for {B}: `scene.skin(t)` poses only those.""")
        if shapes[0] == (B, H, W, 1):
            raise Problem.of("""grey: The image has one channel, expected three: the water changes each colour in
                its own way.""")
        return {
            "image": tensor(f"image of {call}", image, (B, H, W, 3), scene.translations),
            "hard_mask": tensor(f"hard_mask of {call}", hard, (B, H, W, 1), scene.translations),
            "soft_mask": tensor(f"soft_mask of {call}", soft, (B, H, W, 1), scene.translations),
        }

    def call(self, given, **inputs):
        with torch.no_grad():
            return self.render(given, self.scene(inputs), inputs)


class Studio:
    """The right picture of a scene, and pictures in which a step is left out."""

    def __init__(self, scene, t, cam, band=TUTORIAL_BAND):
        self.scene, self.cam = scene, cam
        self.features, self.soft = spare.dibr_rendering(scene.skin(t), cam, scene.model, band)
        self.uv, self.normal, self.height, self.hard = self.features

    def textured(self):
        return shading.texturing(self.uv, self.hard, self.scene.dolphin_albedo)

    def sunlit(self, image):
        return shading.sunlight(self.scene, self.cam, self.hard, image, self.normal)

    def watered(self, image):
        return spare.absorb(image, self.height, self.hard, self.scene.water_absorption)

    def right(self):
        return self.watered(self.sunlit(self.textured()))

    def plain(self):
        return self.hard.expand(*self.hard.shape[:-1], 3)

    def transposed_texture(self):
        grey = texture_mapping(
            self.uv, self.scene.dolphin_albedo.flip(2).expand(len(self.uv), -1, -1, -1), mode="bilinear"
        )
        return (grey * self.hard).expand(*grey.shape[:-1], 3)


class RenderForm(OfRender):
    name = "an image and two masks, of the right shapes"
    points = 1

    def inputs(self, rng):
        warm()
        return super().inputs(rng)


class Masks(OfRender):
    name = "hard and soft mask, of the frames asked for"
    points = 2
    after = (RenderForm,)

    def judge(self, outputs, **inputs):
        with torch.no_grad():
            scene, t = self.scene(inputs), inputs["t"]
            right = Studio(scene, t, self.camera(inputs))
            hard, soft = outputs["hard_mask"], outputs["soft_mask"]
            if alike(hard, right.hard) and alike(soft, right.soft):
                return None
            if alike(hard, right.soft) and alike(soft, right.hard):
                return Complaint.of("""masks-exchanged: The hard and the soft mask are exchanged: image,
                    hard_mask, soft_mask.""")
            if alike(hard, right.soft) and alike(soft, right.soft):
                return Complaint.of("""soft-twice: Both masks are the soft one. The hard mask is the last of
                    the features.""")
            if alike(hard, right.hard) and alike(soft, right.hard):
                return Complaint.of("""hard-twice: Both masks are the hard one. The soft mask is the second
                    result of `dibr_rendering`.""")
            if alike(hard, right.height):
                return Complaint.of("""height-as-mask: The hard mask is the height: the features are uv,
                    normal, height, hard mask, in this order.""")
            for other in (torch.arange(len(t)), t.flip(0), torch.zeros_like(t), t[:1].expand_as(t)):
                if alike(hard, Studio(scene, other, self.camera(inputs)).hard):
                    return Complaint.of(f"""t-ignored: Asked for the frames {t.tolist()}, it shows the frames
                        {other.tolist()}: `scene.skin(t)` poses the mesh as it is at the frames t.""")
            which = "soft" if alike(hard, right.hard) else "hard"
        return Complaint.of(f"""masks: The {which} mask differs from what `dibr_rendering(scene.skin(t), cam,
            scene.model)` gives.""")


class RenderBand(OfRender):
    name = "the outline is as wide as `band` says"
    points = 1
    after = (RenderForm, Masks)

    def inputs(self, rng):
        return super().inputs(rng) | {"band": another_band(rng)}

    def call(self, given, band, **inputs):
        if problem := band_missing(given.render, "stcb"):
            raise problem
        with torch.no_grad():
            return self.render(given, self.scene(inputs), inputs, band=[band_of(band)])

    def judge(self, outputs, band, **inputs):
        with torch.no_grad():
            if alike(
                outputs["soft_mask"],
                Studio(self.scene(inputs), inputs["t"], self.camera(inputs), band_of(band)).soft,
            ):
                return None
        return Complaint.of("""band-fixed: With another `band` the soft mask is not another one: pass it on,
            `dibr_rendering(verts, cam, scene.model, band)`.""")


class Picture(OfRender):
    name = "the picture: skin, sun, water"
    points = 3
    after = (RenderForm, Masks)

    def judge(self, outputs, **inputs):
        with torch.no_grad():
            studio = Studio(self.scene(inputs), inputs["t"], self.camera(inputs))
            image, right = outputs["image"], studio.right()
            if alike(image, right):
                return None
            S = studio
            return (
                likely(
                    image,
                    [
                        (
                            "no-water",
                            "The water is missing: `lighting` calls `absorb` after the sun.",
                            lambda: S.sunlit(S.textured()),
                        ),
                        (
                            "no-lighting",
                            "This is the skin alone: its picture is not passed through `lighting`, or what comes out of it "
                            "is lost.",
                            S.textured,
                        ),
                        (
                            "no-lighting",
                            "The sun is missing: `lighting` does the sun and then the water.",
                            lambda: S.watered(S.textured()),
                        ),
                        (
                            "no-texture",
                            "The skin has no texture: `texturing(uv, hard_mask, scene.dolphin_albedo)` comes before the "
                            "light.",
                            lambda: S.watered(S.sunlit(S.plain())),
                        ),
                        (
                            "no-texture",
                            "The image is the hard mask alone: texture and light are missing.",
                            S.plain,
                        ),
                        (
                            "light-before-texture",
                            "The light comes before the texture. A sun's glint is not coloured by the skin: first "
                            "`texturing`, then `lighting` with its "
                            "picture.",
                            lambda: S.watered(S.sunlit(S.plain())) * S.textured(),
                        ),
                        (
                            "light-before-texture",
                            "The texture is multiplied onto a picture that was lit with it already.",
                            lambda: S.watered(S.sunlit(S.textured())) * S.textured(),
                        ),
                        (
                            "water-before-sun",
                            "The water comes before the sun; light is reflected first, then dimmed on its way up.",
                            lambda: S.sunlit(S.watered(S.textured())),
                        ),
                        (
                            "water-twice",
                            "The water is applied twice: `lighting` calls `absorb` already.",
                            lambda: S.watered(right),
                        ),
                        (
                            "texture-upside-down",
                            "The texture is upside down: v is flipped once too often.",
                            lambda: S.watered(S.sunlit(S.transposed_texture())),
                        ),
                        ("soft-edge", "The picture is multiplied by the soft mask.", lambda: right * S.soft),
                        (
                            "texture-softly-masked",
                            "The texture is masked by the soft mask: `texturing` wants the hard one.",
                            lambda: S.watered(
                                S.sunlit(shading.texturing(S.uv, S.soft, S.scene.dolphin_albedo))
                            ),
                        ),
                        (
                            "wrong-normals",
                            "The sun shines as on normals from something else: the features are uv, normal, height, hard "
                            "mask, in this order.",
                            lambda: S.watered(
                                shading.sunlight(S.scene, S.cam, S.hard, S.textured(), -S.normal)
                            ),
                        ),
                    ],
                )
                or self.beside(image, studio)
                or Complaint(
                    "picture",
                    "Where the colour should be {} it is {}. The steps: skin(t), dibr_rendering, texturing, "
                    "lighting.".format(*differing(image, right)),
                )
            )

    @staticmethod
    def beside(image, studio):
        """Whether all that is wrong lies off the dolphin. -> Complaint or None"""
        on = studio.hard > 0.5
        if not alike(torch.where(on, image, 0), torch.where(on, studio.right().to(image), 0)):
            return None
        count = int(((image.abs() > 1e-3).any(-1) & ~on[..., 0]).sum())
        return Complaint.of(f"""coloured-beside: On the dolphin the picture is right, but {count} pixels
            beside it are coloured too, and are to be black. Do `texturing` and `lighting` get the hard mask,
            not the soft one?""")


class RenderGradients(OfRender):
    name = "gradients reach the scene"
    points = 3
    after = (RenderForm, Masks)
    hidden = (
        "image_value",
        "soft_mask_value",
        "translations",
        "global_poses",
        "dolphin_albedo",
        "water_absorption",
        "azimuth",
        "elevation",
        "strength",
        "angle",
    )
    IMAGE = ("dolphin_albedo", "water_absorption", "azimuth", "elevation", "strength", "angle")
    SOFT = ("translations", "global_poses")

    def inputs(self, rng):
        return super().inputs(rng) | {f"weights_{n}": random_weights(rng, n) for n in (1, 3)}

    def call(self, given, weights_1, weights_3, **inputs):
        outputs = {}
        for which, weights, names in (("soft_mask", weights_1, self.SOFT), ("image", weights_3, self.IMAGE)):
            scene = self.scene(inputs)
            results = self.render(given, scene, inputs)
            outputs[which + "_value"] = results[which].detach()
            if results[which].requires_grad:
                try:
                    (results[which] * weights).sum().backward()
                except RuntimeError as error:
                    if "inplace" in str(error):
                        raise Problem.of("""in-place: Your code writes into a picture that is still needed for
                            the gradients. Make a new one.""") from error
                    raise
            for name in names:
                grad = getattr(scene, name).grad
                outputs[name] = torch.zeros_like(getattr(scene, name)) if grad is None else grad
        return outputs

    def judge(self, outputs, weights_1, weights_3, **inputs):
        judged = 0
        for which, weights, names in (("soft_mask", weights_1, self.SOFT), ("image", weights_3, self.IMAGE)):
            scene = self.scene(inputs)
            studio = Studio(scene, inputs["t"], self.camera(inputs))
            image = studio.soft if which == "soft_mask" else studio.right()
            if not alike(outputs[which + "_value"], image):
                continue  # its own property says so
            judged += 1
            (image * weights).sum().backward()
            for name in names:
                grad, right = outputs[name], getattr(scene, name).grad
                scale = float(right.abs().max())
                if not torch.isfinite(grad).all():
                    return Complaint.of(f"""nan-gradient: The gradient of the {which} with respect to
                        scene.{name} is NaN or infinite.""")
                if float(grad.abs().max()) < 1e-6 * scale:
                    return Complaint.of(f"""detached: No gradient flows from the {which} to scene.{name}, so a
                        fit could never change it. Is there a `.detach()`, `.data`, `no_grad`, or a comparison
                        in between?""")
                if float((grad - right).abs().max()) > 0.03 * scale:
                    return Complaint.of(f"""wrong-gradient: The gradient of the {which} with respect to
                        scene.{name} is wrong, though the {which} is right: a part of the way is detached.""")
        return (
            None
            if judged
            else Complaint.of("""gradients-of-wrong-images: First mend image and soft mask: of wrong ones no
            gradient is right.""")
        )


class WithYourOwn(OfRender):
    """Says so where exercise 4 or 5 is not right yet: the properties above took spare ones."""

    name = "with your own dibr_rendering and absorb"
    points = 0
    after = (RenderForm, Masks, Picture)

    def call(self, given, **inputs):
        """With your own of one exercise, and a spare part of the other: what differs is then the fault of the
        one."""
        outputs, stopped = {}, []
        for own in EARLIER:
            try:
                with torch.no_grad():
                    results = self.render(
                        given, self.scene(inputs), inputs, spared=[name for name in EARLIER if name != own]
                    )
                outputs |= {f"{own}_{name}": results[name] for name in ("image", "soft_mask")}
            except NotImplementedError:
                stopped.append((own, "is not written yet"))
            except Exception as error:
                stopped.append((own, f"stops with {type(error).__name__}"))
        if stopped:
            right = [
                name
                for name in EARLIER
                if f"{name}_image" in outputs and not self.differs(name, outputs, inputs)
            ]
            wrong = [name for name in EARLIER if name not in right and name not in dict(stopped)]
            raise Problem(
                "earlier-exercise",
                self.sentence([*stopped, *((name, "gives another picture") for name in wrong)]),
            )
        return outputs

    def differs(self, own, outputs, inputs):
        with torch.no_grad():
            studio = Studio(self.scene(inputs), inputs["t"], self.camera(inputs))
            return not (
                alike(outputs[f"{own}_image"], studio.right())
                and alike(outputs[f"{own}_soft_mask"], studio.soft)
            )

    @staticmethod
    def sentence(faults):
        said = " and ".join(f"your `{name}` (exercise {EARLIER[name]}) {what}" for name, what in faults)
        return f"`render` is judged with spare parts: {said}. Look at its check again."

    def judge(self, outputs, **inputs):
        faults = [(own, "gives another picture") for own in EARLIER if self.differs(own, outputs, inputs)]
        return Complaint("earlier-exercise", self.sentence(faults)) if faults else None


renderer = Exercise(
    6,
    "The renderer",
    ("render",),
    (RenderForm(), Masks(), Picture(), RenderGradients(), RenderBand(), WithYourOwn()),
)
