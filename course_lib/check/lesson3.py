"""Checks of lesson 3: basic rendering (exercise 4), light under water (5), the renderer (6).

What is right is known from `spare_renderer`, a second way to compute DIB-R. The dolphin's part is played
by two stones, one above the other in the camera's view, and two sheets that are open: one shows the camera
its front, the other its back.
"""

import contextlib
import inspect
import math
import re
import types
from functools import partial

import torch

from .. import shading
from ..errors import CourseError, fold
from ..kal.dibr import warm
from ..rotations import rotmat_to_rotvec, rotvec_to_rotmat
from ..scene import PARAMETERS, DolphinScene
from ..video import CAMERA_FOCAL, SENSOR_WIDTH, drone_cameras
from ..window import TUTORIAL_BAND, Band, window_camera
from . import spare_renderer as spare
from .card import Shown
from .core import Complaint, Exercise, Problem, Property, close, items, named, probable, tensor

FRAME, WINDOW = (640, 360), (96, 54)  # pixels: the whole frame, and the part of it that the checks render
FROM_BELOW = 0.02  # square metres that are enough to be noticed
PIXELS_PER_METRE = FRAME[0] * CAMERA_FOCAL / SENSOR_WIDTH  # at a distance of 1 m
CHANNELS = {"uv": 2, "normal": 3, "height": 1, "hard_mask": 1}

# What is said of a mistake whose wrong result is known. Where one mistake has several texts, a comma and more
# words tell them apart: its key ends at the comma.
MISTAKES = {
    # exercise 4: the hard mask
    "facing-sign": fold("""Only faces that look away are drawn: you see the far side from within. The camera
        looks along -z, so take the faces whose normal in camera space has z >= 0."""),
    "world-normals-for-facing, z": fold("""Which faces look at the camera is taken from z of the normals in
        the world. Facing is a matter of camera space: take the normals of the faces in camera space."""),
    "world-normals-for-facing, y": fold("""Which faces look at the camera is taken from y of the normals in
        the world. That is right only as long as the camera looks straight down. Facing is a matter of camera
        space: take the normals of the faces in camera space."""),
    "y-flipped": "The picture is upside down: in the image plane y points up, and `rasterize` knows that.",
    "x-flipped": "The picture is mirrored: left and right are exchanged.",
    "no-perspective, camera": fold("""The vertices come into the image without perspective: the x and y of
        camera space are used as they are. After the camera's pose come its intrinsics:
        `cam.intrinsics.transform` divides by the distance."""),
    "no-perspective, world": fold("""The vertices come into the image without perspective: the x and y of the
        world are used as they are. After the camera's pose come its intrinsics: `cam.intrinsics.transform`
        divides by the distance."""),
    "no-focal-length": fold("""The vertices are divided by their distance, but the focal length is missing:
        use `cam.intrinsics.transform`."""),
    "perspective-sign": fold("""The vertices are divided by z, which is negative in front of the camera: the
        picture is turned by half a turn."""),
    "extrinsics-missing": fold("""The intrinsics are applied to points in the world. First
        `cam.extrinsics.transform`, then `cam.intrinsics.transform`."""),
    "empty": fold("""The hard mask is empty: no face is drawn at all. Print how many faces look at the camera,
        and the range of their corners."""),
    # the other features
    "depth-sign": fold("""Where two faces lie behind each other you see the farther one. `rasterize` wants z
        of the corners in camera space as it is, negative in front of the camera, where larger is closer: not
        its negative, nor z of the projected vertices."""),
    "depth-wrong": fold("""Where two faces lie behind each other it is not the nearer one that is seen. The
        depth is z of the corners in camera space."""),
    "camera-normals": fold("""The normals are those of camera space. The sun stands in the world: as a feature
        the normals of the world are wanted (`mesh.face_normals`); those of camera space only say which faces
        look at us."""),
    "normals-flipped": "The normals point into the body.",
    "normal-length, world": fold("""The normals do not have length 1, but that of twice the face's area:
        `mesh.face_normals` are normalised, and `face_normals(..., unit=True)`."""),
    "normal-length, camera": fold("""The normals do not have length 1 (and are those of camera space; wanted
        are those of the world): `mesh.face_normals` are right."""),
    "camera-height, camera y": fold("""This is y of camera space: it points up in the image. What points up
        from the sea is y of the world, the coordinate with index 1."""),
    "camera-height, world z": fold("""This is z of the world: it points up in the image. What points up from
        the sea is y of the world, the coordinate with index 1."""),
    "camera-height, camera z": fold("""The height is z of camera space: minus the distance to the camera. The
        height over the sea is y in the world."""),
    "wrong-axis": fold("""The height is x in the world, but the axis that points up is y, the coordinate with
        index 1."""),
    "height-sign": "The sign of the height is flipped: under water it is negative.",
    "height-per-face": fold("""The height is the same all over a face. Each corner has a height of its own,
        and in between it is interpolated."""),
    "uv-not-flipped": fold("""v is upside down: `model.face_uvs` count it from the top of the texture,
        `texture_mapping` from the bottom. 1 - v."""),
    "uv-flipped-in-u": "It is v that must be flipped, the second coordinate; u stays.",
    "uv-both-flipped": "Both coordinates are flipped; only v, the second one, must be.",
    "uv-swapped": "u and v are exchanged.",
    # the soft mask
    "band-ignored": fold("""The soft edge is that of a whole frame, but this camera shows only a part of it,
        in which all distances are longer. `*band.seen_by(cam)` gives sigmainv, boxlen and knum for this
        camera."""),
    "default-band": fold("""The soft edge has the width that `dibr_soft_mask` has by itself. Pass
        `*band.seen_by(cam)` after the face index."""),
    "soft-is-hard": fold("""The soft mask is the hard mask: it has no soft edge, and nothing beside the mesh
        could pull at it."""),
    "soft-is-hard, corners": fold("""Beside the mesh the soft mask is 0 everywhere: are these the corners in
        the image (`[..., :2]` of the projected vertices)?"""),
    "soft-inverted": "The soft mask is 0 on the mesh and 1 beside it: it is to be the other way round.",
    "soft-upside-down": "The corners given to `dibr_soft_mask` are not those given to `rasterize`.",
    "soft-without-back": fold("""The soft mask does not know the faces that look away. Give `dibr_soft_mask`
        all faces."""),
    # exercise 5: under water
    "wrong-sign": fold("""Under water it gets brighter, and should get darker: the height is negative there
        already, so the exponent is w · l without a minus."""),
    "unchanged": fold("""The image comes back as it was. Is the result returned, and the condition (height
        below 0) right?"""),
    "one-colour, mean": fold("""All colours fade alike. Each has its own number in `water_absorption`: (3,)
        against the image's last dimension broadcasts by itself."""),
    "one-colour, one of them": fold("""All colours fade alike. Each has its own number in `water_absorption`,
        and you use one for all."""),
    "colours-reversed": "Red and blue are exchanged: the order is red, green, blue.",
    "no-exponential, product": fold("""The colour is multiplied by w · l itself. The law is exponential: each
        metre takes the same fraction of what is left."""),
    "no-exponential, linear": fold("""The colour fades linearly, 1 + w · l. The law is exponential: each metre
        takes the same fraction of what is left."""),
    "factor-only": "This is exp(w · l) alone: the image is to be multiplied by it.",
    "added": "exp(w · l) is added to the image, or subtracted; it is a factor.",
    "depth-forgotten": "The colours fade, but not with depth: l is missing from the exponent.",
    # above water
    "above-water, brighter": fold("""Where the dolphin rises above the water it gets brighter: there is no
        water above it there. Only heights below 0 count."""),
    "above-water, darker": fold("""What is above the water is darkened as if it were as deep: only heights
        below 0 count."""),
    "above-water-black": "What is above the water becomes black. It is to stay as it is.",
    "condition-reversed": "It is changed above the water and not below.",
    # exercise 6: the masks
    "masks-exchanged": "The hard and the soft mask are exchanged: image, hard_mask, soft_mask.",
    "soft-twice": "Both masks are the soft one. The hard mask is the last of the features.",
    "hard-twice": "Both masks are the hard one. The soft mask is the second result of `dibr_rendering`.",
    # the picture
    "no-water": "The water is missing: `lighting` calls `absorb` after the sun.",
    "no-lighting, skin": fold("""This is the skin alone: its picture is not passed through `lighting`, or what
        comes out of it is lost."""),
    "no-lighting, sun": "The sun is missing: `lighting` does the sun and then the water.",
    "no-texture, lit": fold("""The skin has no texture: `texturing(uv, hard_mask, scene.dolphin_albedo)` comes
        before the light."""),
    "no-texture, mask": "The image is the hard mask alone: texture and light are missing.",
    "light-before-texture": fold("""The light comes before the texture. A sun's glint is not coloured by the
        skin: first `texturing`, then `lighting` with its picture."""),
    "light-before-texture, twice": "The texture is multiplied onto a picture that was lit with it already.",
    "water-before-sun": fold("""The water comes before the sun; light is reflected first, then dimmed on its
        way up."""),
    "water-twice": "The water is applied twice: `lighting` calls `absorb` already.",
    "texture-upside-down": "The texture is upside down: v is flipped once too often.",
    "soft-edge": "The picture is multiplied by the soft mask.",
    "texture-softly-masked": "The texture is masked by the soft mask: `texturing` wants the hard one.",
    "wrong-normals": fold("""The sun shines as on normals from something else: the features are uv, normal,
        height, hard mask, in this order."""),
}


# --- the stones, and who looks at them


def stones():
    """The mesh at rest, two octahedra and two upright sheets: vertices (22, 3) in metres, faces (24, 3).

    Faces are counter-clockwise from outside; the second sheet is turned away. Seen from above, with +z up, x
    runs to the left.
    """
    middles = [[0.08, -0.3, 0.02], [-0.03, 0.1, -0.03], [0.44, -0.05, 0.1], [-0.38, -0.1, 0.08]]
    middles = torch.tensor(middles)[:, None]  # (4, 1, 3)
    radii = torch.tensor([[0.22, 0.10, 0.15], [0.16, 0.07, 0.10]]).diag_embed()  # (2, 3, 3)
    sheet = [[0.06, 0, -0.08], [-0.06, 0, -0.08], [-0.06, 0, 0.08], [0.06, 0, 0.08], [0, 0.01, 0]]
    solid, flat = torch.cat([radii, -radii], 1) + middles[:2], torch.tensor(sheet) + middles[2:]  # (2, V, 3)
    stone = [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
    stone, square = torch.tensor(stone), torch.tensor([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    faces = torch.cat([stone, stone + 6, square + 12, square.flip(1) + 17])
    return torch.cat([solid.flatten(0, 1), flat.flatten(0, 1)]), faces


def _whole_cameras(eye):
    """Drones at eye (B, 3) that look at the origin."""
    return drone_cameras(eye, torch.zeros_like(eye), torch.tensor([0.0, 0, 1]).expand_as(eye), *FRAME)


def _cameras(eye, corner):
    """Drones at eye (B, 3), of whose frames the part at corner (B, 2) is looked at."""
    return window_camera(_whole_cameras(eye), *corner.unbind(-1), *WINDOW)


def _axes(eye):
    """The cameras' right, up and back in the world, as columns. -> (B, 3, 3)"""
    return _whole_cameras(eye).extrinsics.R.mT


def _places(eye, corner):
    """Where the middle of each camera's window is on the sea. -> (B, 3), metres"""
    from_middle = corner + (torch.tensor(WINDOW) - torch.tensor(FRAME)) / 2
    right, down = (from_middle / PIXELS_PER_METRE).unbind(-1)
    ray = (_axes(eye) @ torch.stack([right, -down, -torch.ones_like(right)], -1)[..., None])[..., 0]  # (B, 3)
    return eye - ray * (eye[:, 1] / ray[:, 1])[:, None]


def _turned(tilt):
    """The stones, turned by rotation vectors (B, 3). -> (B, V, 3)"""
    return stones()[0] @ rotvec_to_rotmat(tilt).mT


def _tilts(rng, batch, tries=256):
    """Rotation vectors that tilt the stones by chance. -> (B, tries, 3)"""
    return _uniform(rng, [-0.5, -0.3, -0.5], [0.5, 0.3, 0.5], (batch, tries, 3))


def _fittest(tilts, eye, corner):
    """Of tilts (B, tries, 3) those with which the cameras see no face edge-on. -> (B, 3)

    Where a camera looks aslant, some faces that it sees look down: what looks at the camera is not what looks
    up. And one stone is before the other.
    """
    straight_down = _axes(torch.tensor([[0.0, 1, 0]]))[0]
    chosen = []
    for tilt, place, camera, axes in zip(tilts, _places(eye, corner), eye, _axes(eye)):
        tilt = rotmat_to_rotvec(axes @ straight_down.mT @ rotvec_to_rotmat(tilt))  # along with the camera
        chosen.append(tilt[int(_unfit(_turned(tilt) + place, camera, axes).argmin())])
    return torch.stack(chosen)


def _unfit(verts, eye, axes):
    """How unfit for a check a camera's view of the meshes (B, V, 3) is: the less, the better. -> (B,)"""
    corners, back = verts[:, stones()[1]], axes[:, 2]  # (B, F, 3, 3)
    normal = spare.normals_of(corners)  # (B, F, 3)
    towards_us = normal @ back
    slant = (spare.unit(normal) * spare.unit(eye - corners.mean(2))).sum(-1)
    # A face seen so flatly that it matters how one tells whether it looks at us.
    edge_on = ((slant.abs() < 0.08) | ((towards_us > 0) != (slant > 0))).any(-1).float()
    if not eye[[0, 2]].any():  # it looks straight down
        return edge_on
    looks_down = normal[..., 1] < 0
    from_below = (towards_us.clamp(min=0) * looks_down).sum(-1)  # square metres, as the camera sees them
    between = verts[:, :6].mean(1) - verts[:, 6:12].mean(1)  # from stone to stone
    apart = (between @ axes[:, :2]).norm(dim=-1)  # in the picture, metres
    return 100 * edge_on - from_below.clamp(max=FROM_BELOW) / FROM_BELOW + apart


def _views(rng, batch):
    """Cameras, of which the second looks aslant, and texture coordinates.

    -> faces (F, 3), face_uvs (1, F, 3, 2), eye (B, 3), corner (B, 2). Away from the second camera z grows in
    the world: what has the larger one is not what is near.
    """
    eye = torch.zeros(batch, 3)
    eye[:, 1] = _uniform(rng, 4.5, 5.5, batch)
    slant, around = rng.uniform(0.6, 0.75), rng.uniform(1.15, 1.85) * math.pi
    aslant = [math.sin(slant) * math.cos(around), math.cos(slant), math.sin(slant) * math.sin(around)]
    eye[1] = eye[1, 1] * torch.tensor(aslant)
    corner = torch.from_numpy(rng.integers([262, 143], [283, 164], (batch, 2)))
    faces = stones()[1]
    middle = rng.uniform(0.2, 0.8, (1, len(faces), 1, 2))
    face_uvs = torch.from_numpy(middle + rng.uniform(-0.15, 0.15, (1, len(faces), 3, 2))).float()
    return {"faces": faces, "face_uvs": face_uvs, "eye": eye, "corner": corner}


def _case(rng, batch=2):
    """The stones before each of the cameras of `_views`: these, and verts (B, V, 3)."""
    views = _views(rng, batch)
    place = views["eye"], views["corner"]
    tilt = _fittest(_tilts(rng, batch), *place)
    return {"verts": _turned(tilt) + _places(*place)[:, None], **views}


def _uniform(rng, low, high, shape):
    return torch.from_numpy(rng.uniform(low, high, shape)).float()


def _random_weights(rng, channels, size=WINDOW):
    """What two images are weighted by before they are summed, to compare gradients. -> (2, H, W, channels)"""
    return torch.from_numpy(rng.normal(size=(2, size[1], size[0], channels))).float()


# --- images and gradients compared


def alike(a, b, tolerance=2e-3):
    """Whether two images agree, but for one pixel in 500: a corner may fall on a pixel's centre."""
    if a.shape != b.shape:
        return False
    a, b = a.detach().double(), b.detach().double()
    near = (a - b).abs() <= tolerance * max(1.0, float(b.abs().max()))  # NaN is not
    return float((~near).any(-1).double().mean()) < 1 / 500


def likely(image, guesses):
    """As `probable`, for images: the first guess that looks like what came out. -> Complaint or None"""
    for mistake, wrong in guesses:
        wrong = wrong() if callable(wrong) else wrong
        if alike(image, wrong) and (mistake == "empty" or bool((wrong != 0).any())):
            return named(mistake, MISTAKES)
    return None


def _differing(got, right):
    """What should be and what is at the pixel where two images (B, H, W, K) differ most. -> two texts"""
    worst = (got.detach().double() - right.detach().double()).abs().sum(-1).flatten().argmax()
    return [_in_words(image.detach().flatten(0, 2)[worst]) for image in (right, got)]


def _in_words(values):
    text = ", ".join(f"{float(x):.2f}" for x in values)
    return text if len(values) == 1 else f"({text})"


@contextlib.contextmanager
def _explained(explain):
    """Within, an exception becomes the Problem that `explain(error)` makes of it, if it makes one."""
    try:
        yield
    except Exception as error:
        if problem := explain(error):
            raise problem from error
        raise


def _gradient_of(leaf):
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def _backward(result, weights, in_place):
    """Sends gradients back from the weighted sum.

    in_place: what is said where the student's code has written into what they need.
    """
    with _explained(lambda error: Problem.of(in_place) if "inplace" in str(error) else None):
        (result * weights).sum().backward()


def _wrong_gradient(grad, right):
    """What is wrong with a finite gradient: "detached", "wrong-gradient", or None."""
    scale = float(right.abs().max())
    if float(grad.abs().max()) < 1e-6 * scale:
        return "detached"
    return "wrong-gradient" if float((grad - right).abs().max()) > 0.03 * scale else None


# --- exercise 4


def _pretended_model(faces, face_uvs):
    return types.SimpleNamespace(F=faces, face_uvs=face_uvs, device=faces.device)


def _rendered(given, verts, faces, face_uvs, eye, corner, band=()):
    """What the student's dibr_rendering gives: a dict of the four features and the soft mask.

    band: none, then the function's own; or [Band], to be passed on. Raises Problem for what is wrong in form.
    """
    call = f"dibr_rendering(verts, cam, model{', band' if band else ''})"
    with _explained(_kernel_problem):
        value = given.dibr_rendering(verts, _cameras(eye, corner), _pretended_model(faces, face_uvs), *band)
    features, soft = items(call, value, 2, "the features, the soft mask")
    if torch.is_tensor(features) and features.dim() == 4 and features.shape[-1] == 7:
        raise Problem.of("""one-image: The features come as one image of 7 channels. Give `rasterize` a list
            of features, then it gives a list.""")
    if torch.is_tensor(features) and isinstance(soft, (tuple, list)):
        raise Problem.of("order: The results are exchanged: first the features, then the soft mask.")
    features = items(f"features of {call}", features, 4, "uv, normal, height, hard_mask")
    B, (W, H) = len(verts), WINDOW
    got = [feature.shape[-1] for feature in features if torch.is_tensor(feature) and feature.dim() == 4]
    channels = list(CHANNELS.values())
    if got != channels and sorted(got) == sorted(channels):
        raise Problem.of(f"""feature-order: The features have {got} channels: they are in another order than
            uv, normal, height, hard mask (2, 3, 1, 1). Whoever uses them counts on the order.""")
    if torch.is_tensor(features[0]) and tuple(features[0].shape[1:3]) == (W, H):
        raise Problem.of(f"""height-and-width: The images are {H} wide and {W} high, and should be the other
            way round. `rasterize` takes the height first, then the width.""")
    outputs = {
        name: tensor(f"feature {k} ({name}) of {call}", feature, (B, H, W, n), verts)
        for k, (feature, (name, n)) in enumerate(zip(features, CHANNELS.items()))
    }
    if torch.is_tensor(soft) and tuple(soft.shape) == (B, H, W):
        raise Problem.of(f"""soft-mask-dimension: The soft mask has shape {(B, H, W)}, expected
            {(B, H, W, 1)}: like all images it has a last dimension, for its one channel. `[..., None]` adds
            it.""")
    return outputs | {"soft_mask": tensor(f"soft mask of {call}", soft, (B, H, W, 1), verts)}


def _band_problem(error):
    """What Python says where a band is used for its three numbers. -> Problem or None"""
    says_so = "not Band" in str(error) or "got Band" in str(error)
    if says_so and isinstance(error, (CourseError, TypeError, AttributeError)):
        return Problem.of("""band-not-seen: `band` is one thing, from which a camera gets its three numbers:
            hand on `*band.seen_by(cam)` where they are wanted, and `band` itself to `dibr_rendering`.""")
    return None


def _kernel_problem(error):
    """What the renderer's complaint about an argument means here. -> Problem or None"""
    text = str(error)
    if isinstance(error, CourseError) and "Ellipsis" in text:
        return Problem.of(f"""blank: `rasterize` or `dibr_soft_mask` says: {text} A blank, `...`, is still in
            your code.""")
    problem = _band_problem(error)
    if problem or not isinstance(error, CourseError):
        return problem
    name, _, rest = text.partition(" must ")
    if name.startswith("face_features"):
        expected, got = (shape.split(", ") for shape in re.findall(r"\(([^)]*)\)", rest)[:2])
        if got == expected[:3]:
            return Problem.of(f"""feature-dimension: `rasterize` says: {text} The last dimension is missing:
                `[..., 1:2]` keeps it, `[..., 1]` does not.""")
        return Problem.of(f"""feature-per-vertex: `rasterize` says: {text} A feature has a value for each
            corner of each face, not for each vertex: index it by the faces (`index_vertices_by_faces`).""")
    if name == "face_vertices_image" and "3, 3)" in rest:
        return Problem.of("""three-coordinates: The corners in the image (`faces_image`) have three
            coordinates, and should have two: take `[..., :2]` of the projected vertices.""")
    if name == "face_vertices_z":
        return Problem.of(f"""depth-shape: `rasterize` says: {text} It wants one depth per corner: `[..., 2]`
            of the faces in camera space.""")
    if name == "valid_faces":
        return Problem.of(f"""valid-faces: `rasterize` says: {text} Facing is one yes or no per face: compare
            the z of its normal in camera space with 0.""")
    return None


def _view(verts, faces, face_uvs, eye, corner):
    return spare.View(verts, _cameras(eye, corner), faces, face_uvs)


class OfDibr(Property):
    """A property of what dibr_rendering gives for the stones."""

    # Each property judges its own image by `spare_renderer`. All five come out of one call: what is wrong
    # with another one, another property says, so they are not compared with a reference's as a whole.
    hidden = (*CHANNELS, "soft_mask")

    def inputs(self, rng):
        return _case(rng)

    def call(self, given, **inputs):
        return _rendered(given, **inputs)

    def view(self, outputs, **inputs):
        """What `spare_renderer` makes of the case.

        If back faces are drawn, then with them: that costs its own points, and no others.
        """
        view, mask = _view(**inputs), outputs["hard_mask"]
        all_faces = torch.ones_like(view.facing)
        if not alike(mask, view.mask()) and alike(mask, view.mask(facing=all_faces)):
            view.facing = all_faces
        return view


class Form(OfDibr):
    name = "four features and a soft mask, of the right shapes"
    points = 2

    def inputs(self, rng):
        warm(CHANNELS.values())  # no solution is to be blamed for what that takes
        return _case(rng, batch=3)


class Silhouette(OfDibr):
    name = "the hard mask: where the mesh is seen"
    points = 2
    after = (Form,)

    def judge(self, outputs, **inputs):
        view, mask = self.view(outputs, **inputs), outputs["hard_mask"]
        right = view.mask()
        if alike(mask, right):  # back faces: `FrontFaces` says so
            return None
        if alike(outputs["height"], right):
            return Complaint.of("""feature-order: The third feature is the hard mask and the fourth the
                height; expected are uv, normal, height, hard mask.""")
        in_camera, projected, normals = view.in_camera, view.projected, view.world_normals
        from_world = view.cam.intrinsics.transform(inputs["verts"])[..., :2].double()
        facing = [
            ("facing-sign", ~view.facing),
            ("world-normals-for-facing, z", normals[..., 2] >= 0),
            ("world-normals-for-facing, y", normals[..., 1] >= 0),
        ]
        places = [
            ("y-flipped", projected * torch.tensor([1, -1])),
            ("x-flipped", projected * torch.tensor([-1, 1])),
            ("no-perspective, camera", in_camera[..., :2]),
            ("no-perspective, world", view.verts[..., :2]),
            ("no-perspective, world", view.verts[..., [0, 2]]),
            ("no-focal-length", in_camera[..., :2] / -in_camera[..., 2:]),
            ("perspective-sign", -projected),
            ("extrinsics-missing", from_world),
        ]
        guesses = [(mistake, partial(view.mask, facing=faces)) for mistake, faces in facing]
        guesses += [(mistake, partial(view.mask, on_image=at[:, view.faces])) for mistake, at in places]
        guesses.append(("empty", torch.zeros_like(mask)))
        return likely(mask, guesses) or Complaint.of(f"""silhouette: The mesh is seen in
            {int((mask > 0).sum())} pixels of two images, expected {int((right > 0).sum())}, or in other ones.
            Look at your hard mask: is it in the right place?""")

    def picture(self, outputs, **inputs):
        return Shown("the hard mask", outputs["hard_mask"], _view(**inputs).mask())


class FrontFaces(OfDibr):
    name = "only faces that look at the camera are drawn"
    points = 2
    after = (Form, Silhouette)

    def judge(self, outputs, **inputs):
        if alike(outputs["hard_mask"], _view(**inputs).mask()):
            return None
        return Complaint.of("""back-faces-kept: Faces that turn their back to the camera are drawn too. On a
            closed animal its near side hides most of them, but they cost time, and where a mesh is open one
            sees them: pass `valid_faces`.""")

    picture = Silhouette.picture


class OfFeature(OfDibr):
    """A feature other than the hard mask: values at the corners of faces, interpolated over the nearest face.

    feature: its name; otherwise: what is said where no guess fits, with {} for what should be and what is;
    farther: what is said where the farther face is seen: the order in depth is judged by `Normals` alone.
    """

    after = (Form, Silhouette)
    feature, otherwise, farther = "", "", None
    what, range = (
        "",
        None,
    )  # in the picture: its name; which values are black and white, None: the right ones'

    def values(self, view):
        """The right values at the corners (B, F, 3, K), and wrong ones: a list of (mistake, values)."""
        raise NotImplementedError

    def judge(self, outputs, **inputs):
        view, got = self.view(outputs, **inputs), outputs[self.feature]
        values, mistaken = self.values(view)
        nearest = view.cover()
        right = view.paint(values, *nearest)
        if alike(got, right):
            return None
        if alike(got, view.paint(values, *view.cover(depth=-view.depth))):
            return self.farther
        by_world_z = view.cover(depth=view.world[..., 2])
        guesses = [("depth-wrong", view.paint(values, *by_world_z))]
        guesses += [(mistake, view.paint(wrong, *nearest)) for mistake, wrong in mistaken]
        return likely(got, guesses) or Complaint.of(self.otherwise.format(*_differing(got, right)))

    def picture(self, outputs, **inputs):
        view, got = self.view(outputs, **inputs), outputs[self.feature]
        right = view.paint(self.values(view)[0], *view.cover())
        low, high = self.range or (min(0.0, float(right.min())), max(0.0, float(right.max())))
        return Shown(self.what, *((x - low) / (high - low) for x in (got, right)))


class Normals(OfFeature):
    name = "normals of the nearest face, in the world"
    points = 3
    feature = "normal"
    what, range = "the normals, x, y and z as red, green and blue", (-1, 1)
    otherwise = """normals: Where your normals should be {} they are {}: the second feature is the normal of
        the face, in the world, of length 1."""
    farther = Complaint("depth-sign", MISTAKES["depth-sign"])

    def values(self, view):
        in_camera = spare.at_corners(view.camera_normals)
        return view.normals, [
            ("camera-normals", spare.unit(in_camera)),
            ("normals-flipped", -view.normals),
            ("normal-length, world", spare.at_corners(view.world_normals)),
            ("normal-length, camera", in_camera),
        ]


class Height(OfFeature):
    name = "height over the sea"
    points = 3
    feature = "height"
    what = "the height over the sea, the brighter the higher"
    otherwise = """height: Where the height should be {} m it is {}: y in the world, at the corners of the
        faces."""

    def values(self, view):
        in_camera = view.in_camera[:, view.faces]
        return view.height, [
            ("camera-height, camera y", in_camera[..., 1:2]),
            ("camera-height, world z", view.world[..., 2:]),
            ("camera-height, camera z", in_camera[..., 2:]),
            ("wrong-axis", view.world[..., :1]),
            ("height-sign", -view.height),
            ("height-per-face", spare.at_corners(view.height.mean(2))),
        ]


class TextureCoordinates(OfFeature):
    name = "texture coordinates"
    points = 2
    feature = "uv"
    what, range = "u and v as red and green", (0, 1)
    otherwise = "uv: Where (u, v) should be {} it is {}."

    def values(self, view):
        u, v = view.uv[..., :1], view.uv[..., 1:]
        return view.uv, [
            ("uv-not-flipped", torch.cat([u, 1 - v], -1)),
            ("uv-flipped-in-u", torch.cat([1 - u, 1 - v], -1)),
            ("uv-both-flipped", torch.cat([1 - u, v], -1)),
            ("uv-swapped", torch.cat([v, u], -1)),
        ]


class SoftMask(OfDibr):
    name = "the soft mask"
    points = 2
    after = (Form, Silhouette)

    def judge(self, outputs, **inputs):
        view, soft = self.view(outputs, **inputs), outputs["soft_mask"]
        seen, _ = view.cover()

        def drawn(*band, corners=view.on_image):
            return spare.soft_mask(corners, seen, view.size, *band)

        band = TUTORIAL_BAND
        seen_band = band.seen_by(view.cam)
        right = drawn(*seen_band)
        if alike(soft, right):
            return None
        hard = view.mask()
        upside_down, front = view.on_image * torch.tensor([1, -1]), view.on_image.clone()
        front[~view.facing] = 9.0  # far outside
        guesses = [
            ("band-ignored", lambda: drawn(band.sigmainv, band.boxlen, band.knum)),
            ("default-band", lambda: drawn(7000, 0.02, 30)),
            ("soft-is-hard", hard),
            ("soft-inverted", 1 - right),
            ("soft-upside-down", lambda: drawn(*seen_band, corners=upside_down)),
            ("soft-without-back", lambda: drawn(*seen_band, corners=front)),
            ("soft-is-hard, corners", torch.where(hard > 0, 1.0, soft.double().clamp(max=0))),
        ]
        return likely(soft, guesses) or Complaint.of("""soft-mask: Beside the mesh the soft mask differs from
            1 - prod(1 - exp(-sigmainv d²)). It wants the corners in the image, the face index from
            `rasterize`, and then `*band.seen_by(cam)`.""")

    def picture(self, outputs, band=None, **inputs):
        view, band = self.view(outputs, **inputs), TUTORIAL_BAND if band is None else _band_of(band)
        right = spare.soft_mask(view.on_image, view.cover()[0], view.size, *band.seen_by(view.cam))
        return Shown("the soft mask", outputs["soft_mask"], right)


def _another_band(rng):
    """Two numbers and a count, none of them that of `TUTORIAL_BAND`. -> (3,)"""
    return torch.tensor([float(rng.uniform(20000, 40000)), float(rng.uniform(0.02, 0.03)), 25.0])


def _band_of(values):
    sigmainv, boxlen, knum = values.tolist()
    return Band(sigmainv, boxlen, round(knum))


def _band_missing(function, call):
    """Problem, where a function has no room for the band that `call` passes; else None."""
    try:
        inspect.signature(function).bind(*call)
    except TypeError:
        return Problem.of(f"""band-missing: Your `{function.__name__}` takes no `band` any more, but the
            lesson calls it with one. Its first line is to be as it was given: `band=TUTORIAL_BAND` is its
            last argument.""")
    except ValueError:  # its signature is not known
        pass
    return None


class AnotherBand(OfDibr):
    name = "the soft edge is as wide as `band` says"
    points = 1
    after = (Form, Silhouette, SoftMask)

    def inputs(self, rng):
        return _case(rng) | {"band": _another_band(rng)}

    def call(self, given, band, **inputs):
        if problem := _band_missing(given.dibr_rendering, "vcmb"):
            raise problem
        return _rendered(given, **inputs, band=[_band_of(band)])

    def judge(self, outputs, band, **inputs):
        view = self.view(outputs, **inputs)
        seen, _ = view.cover()
        band = _band_of(band).seen_by(view.cam)
        if alike(outputs["soft_mask"], spare.soft_mask(view.on_image, seen, view.size, *band)):
            return None
        return Complaint.of("""band-fixed: With another `band` the soft mask is not another one, or not all
            three of its numbers change: `*band.seen_by(cam)` is to be that of the argument, not of
            TUTORIAL_BAND.""")

    picture = SoftMask.picture


class Gradients(OfDibr):
    name = "gradients reach the vertices, and are right"
    points = 3
    after = (Form, Silhouette, FrontFaces)
    hidden = ("soft_mask", "height", "soft_mask_image", "height_image")

    def inputs(self, rng):
        return _case(rng) | {f"weights_{k}": _random_weights(rng, 1) for k in (0, 1)}

    def call(self, given, weights_0, weights_1, verts, **inputs):
        grads = {}
        for name, weights in (("soft_mask", weights_0), ("height", weights_1)):
            leaf = verts.clone().requires_grad_()
            image = _rendered(given, leaf, **inputs)[name]
            if not image.requires_grad:
                if name == "soft_mask":
                    raise Problem.of("""mask-detached: No gradient flows from the soft mask to the vertices.
                        It is what pulls the outline into place: is there a `.detach()`, `no_grad`, a
                        comparison, or NumPy in between?""")
                raise Problem.of("""features-detached: No gradient flows from the features to the vertices. Is
                    there a `.detach()` or `no_grad` in between?""")
            (image * weights).sum().backward()
            grads |= {name: _gradient_of(leaf), f"{name}_image": image.detach()}
        return grads

    def judge(self, outputs, weights_0, weights_1, verts, faces, face_uvs, eye, corner):
        judged = False
        for name, weights in (("soft_mask", weights_0), ("height", weights_1)):
            if not torch.isfinite(outputs[name]).all():
                return Complaint.of(f"nan-gradient: The gradient of the {name} is NaN or infinite.")
            leaf = verts.double().requires_grad_()
            model = _pretended_model(faces, face_uvs)
            features, soft = spare.dibr_rendering(leaf, _cameras(eye, corner), model)
            image = soft if name == "soft_mask" else features[2]
            if not alike(outputs[f"{name}_image"], image):
                continue  # its own property says so
            judged = True
            (image * weights).sum().backward()
            wrong = _wrong_gradient(outputs[name], leaf.grad)
            if wrong == "detached":
                key = "mask-detached" if name == "soft_mask" else "features-detached"
                return Complaint.of(f"""{key}: The gradient of the {name} with respect to the vertices is 0: a
                    part of the way is detached.""")
            if wrong:
                return Complaint.of(f"""wrong-gradient: The gradient of the {name} with respect to the
                    vertices is wrong, though the image is right: a part of the way is detached, or computed
                    outside of torch.""")
        if judged:
            return None
        return Complaint.of("""gradients-of-wrong-images: First mend height and soft mask: of wrong ones no
            gradient is right.""")


_FEATURES = (Normals(), Height(), TextureCoordinates())
_OF_DIBR = (Form(), Silhouette(), *_FEATURES, SoftMask(), FrontFaces(), AnotherBand(), Gradients())
dibr = Exercise(4, "Basic rendering", ("dibr_rendering",), _OF_DIBR)


# --- exercise 5

CALL = "absorb(image, sea_level_height, hard_mask, water_absorption)"


class OfAbsorb(Property):
    """A property of absorb, for an image of random colours, heights and places."""

    heights = (-2.0, -0.2)
    covered = 1.0
    interpolated = False  # whether the mask's ones are those of a rasteriser: sums of three weights, rounded

    def inputs(self, rng):
        mask = (_uniform(rng, 0, 1, (2, 6, 8, 1)) < self.covered).float()
        if self.interpolated:
            mask = mask * (1 + torch.from_numpy(rng.integers(-1, 2, mask.shape)) * 2**-23)
        return {
            "image": _uniform(rng, 0.2, 1.0, (2, 6, 8, 3)),
            "sea_level_height": _uniform(rng, *self.heights, (2, 6, 8, 1)),
            "hard_mask": mask.float(),
            "water_absorption": torch.tensor([0.6, 0.25, 0.05]) + _uniform(rng, 0, 0.05, 3),
        }

    def call(self, given, **inputs):
        return {"image": tensor(CALL, given.absorb(**inputs), inputs["image"].shape, inputs["image"])}

    def picture(self, outputs, **inputs):
        return Shown("the image, of random colours", outputs["image"], spare.absorb(**inputs))


class UnderWater(OfAbsorb):
    name = "under water: each colour fades with depth"
    points = 4

    def judge(self, outputs, image, sea_level_height, hard_mask, water_absorption):
        got, l, w = outputs["image"], sea_level_height, water_absorption
        factor = (w * l).exp()
        right = image * factor
        if close(got, right):
            return None
        guesses = [
            ("wrong-sign", image * (-w * l).exp()),
            ("unchanged", image),
            ("one-colour, mean", image * (w.mean() * l).exp()),
            *(("one-colour, one of them", image * (one * l).exp()) for one in w),
            ("colours-reversed", image * (w.flip(0) * l).exp()),
            ("no-exponential, product", image * (w * l)),
            ("no-exponential, linear", image * (1 + w * l)),
            ("factor-only", factor.expand_as(image)),
            ("added", image + factor),
            ("depth-forgotten", image * (-w).exp()),
        ]
        colour, faded, yours = (_in_words(x[0, 0, 0]) for x in (image, right, got))
        return probable(got, guesses, MISTAKES) or Complaint.of(f"""absorption: For w = {_in_words(w)}
            1/m at l = {float(l[0, 0, 0, 0]):.2f} m the colour {colour} should become {faded}, yours is
            {yours}.""")


class AboveWater(OfAbsorb):
    name = "above water: nothing changes"
    points = 2
    heights = (-1.0, 1.0)
    after = (UnderWater,)

    def judge(self, outputs, image, sea_level_height, hard_mask, water_absorption):
        got, l, w = outputs["image"], sea_level_height, water_absorption
        if close(got, image * (w * l.clamp(max=0)).exp()):
            return None
        faded = image * (w * l).exp()
        guesses = [
            ("above-water, brighter", faded),
            ("above-water, darker", image * (-w * l.abs()).exp()),
            ("above-water-black", torch.where(l < 0, faded, 0)),
            ("condition-reversed", torch.where(l > 0, faded, image)),
        ]
        otherwise = "above-water: Where the height is above 0 the image is to stay as it is."
        return probable(got, guesses, MISTAKES) or Complaint.of(otherwise)


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
        off = torch.where(on, 0, got)
        if close(off, torch.where(on, 0, image)):
            return None
        if close(off, torch.zeros_like(image)):
            return Complaint.of("off-black: Off the dolphin the image becomes black. It is to stay as it is.")
        return Complaint.of("""off-the-dolphin: Pixels that do not show the dolphin change too. The hard mask
            says where it is seen.""")


class AbsorbGradients(OfAbsorb):
    name = "gradients reach image, height and absorption"
    points = 3
    heights = (-1.5, 0.5)
    covered = 0.8
    interpolated = True
    # What is said of gradients is true only of a right result.
    after = (UnderWater, AboveWater, OffTheDolphin)
    NAMES = ("image", "sea_level_height", "water_absorption")
    IN_PLACE = """in-place: Your code writes into the image, and then no gradient can be computed any more:
        the operation that made the image still needs it. Make a new one, for instance with `torch.where`."""

    def inputs(self, rng):
        return super().inputs(rng) | {"weights": _random_weights(rng, 3, (8, 6))}

    def call(self, given, weights, **inputs):
        leaves = {name: inputs[name].clone().requires_grad_() for name in self.NAMES}
        made = leaves["image"].exp()  # whose backward needs its result: it must not be written into
        result = tensor(CALL, given.absorb(**inputs | leaves | {"image": made}), made.shape, made)
        if not result.requires_grad:
            raise Problem.of("""no-gradient: No gradient flows from the result. Is there a `.detach()`,
                `.data`, `no_grad` or NumPy?""")
        _backward(result, weights, self.IN_PLACE)
        return {name: _gradient_of(leaf) for name, leaf in leaves.items()}

    def judge(self, outputs, weights, **inputs):
        leaves = {name: inputs[name].double().requires_grad_() for name in self.NAMES}
        result = spare.absorb(**inputs | leaves | {"image": leaves["image"].exp()})
        (result * weights).sum().backward()
        for name, leaf in leaves.items():
            if not torch.isfinite(outputs[name]).all():
                return Complaint.of(f"""nan-gradient: The gradient with respect to `{name}` is NaN or
                    infinite.""")
            if not close(outputs[name], leaf.grad, 1e-3):
                key, what = "wrong-gradient", "is wrong, though the result is right"
                if not outputs[name].any():
                    key, what = "no-gradient", "is 0"
                return Complaint.of(f"""{key}: The gradient with respect to `{name}` {what}: a part of the
                    computation is detached (`.detach()`, `.data`, `no_grad`, `.item()`).""")
        return None

    def picture(self, outputs, **inputs):
        return None


_OF_ABSORB = (UnderWater(), AboveWater(), OffTheDolphin(), AbsorbGradients())
absorption = Exercise(5, "Light under water", ("absorb",), _OF_ABSORB)


# --- exercise 6


class Stones:
    """Stands in for a DolphinModel: the stones as one rigid part."""

    def __init__(self, rest, faces, face_uvs):
        self.V, self.F, self.face_uvs = rest[None], faces, face_uvs
        self.device, self.dtype, self.rodrigues = rest.device, rest.dtype, rotvec_to_rotmat
        self.LBS = types.SimpleNamespace(n_groups=1, n_joints=2, rodrigues=rotvec_to_rotmat)
        self.LBS.seg_grouping = torch.zeros(2, dtype=torch.long)

    def __call__(self, global_pose, body_pose, translation, part_scales=None, pose2rot=True):
        R = rotvec_to_rotmat(global_pose[:, 0]) if pose2rot else global_pose[:, 0]
        return {"vertices": self.V @ R.mT * (1 + part_scales.mean()) + translation}


EARLIER = {"dibr_rendering": 4, "absorb": 5}
SPARE_PARTS = {"dibr_rendering": spare.dibr_rendering, "absorb": spare.absorb}


@contextlib.contextmanager
def _spare_parts(function, which):
    """Within, a student's function meets spare `dibr_rendering` and `absorb`: 6 is judged for itself."""
    names = getattr(inspect.unwrap(function), "__globals__", {})
    mine = {name: names[name] for name in which if name in names}
    names.update({name: SPARE_PARTS[name] for name in mine})
    try:
        yield
    finally:
        names.update(mine)


def _render_problem(error, scene, t, spared):
    """What an exception from the student's render means here. -> Problem or None"""
    text = str(error)
    if isinstance(error, spare.Misfit):
        return Problem.of(f"""t-ignored: {text}. `t` names the frames that are asked for: `scene.skin(t)`
            poses those.""")
    if isinstance(error, IndexError) and "out of bounds" in text and spared:
        if re.search(rf"with size {scene.num_frames}\b", text):
            return Problem.of(f"""t-of-the-notebook: It asks for a frame that is not there ({text}). The scene
                of this check has {scene.num_frames} frames, and asked for were {t.tolist()}: your code uses
                the notebook's `t`, not its argument.""")
        return Problem.of(f"""model-of-the-notebook: The mesh has no vertex of such a number ({text}): are
            these the faces of another mesh? Use `scene.model`, not the notebook's `model`.""")
    if "'Tensor' object is not callable" in text:
        return Problem.of("""absorb-called: `lighting` wants the function `absorb` itself and calls it later:
            hand it over without parentheses, lighting(scene, cam, hard_mask, image, normals, height,
            absorb).""")
    if "'DolphinScene' object has no attribute" in text:
        return Problem.of(f"""scene-for-model: Python says: {text}. Is the scene handed over where its model
            is wanted? dibr_rendering(verts, cam, scene.model, band).""")
    if text.startswith("normal must have shape"):
        return Problem.of(f"""normals-and-height: The light says: {text}. `lighting` wants the normals first,
            then the height: lighting(scene, cam, hard_mask, image, normals, height, absorb).""")
    return _band_problem(error)


class OfRender(Property):
    """A property of render, for a scene of 5 frames of the stones, of which two are asked for."""

    hidden = ("image", "hard_mask", "soft_mask")  # as for OfDibr
    SUN = (("azimuth", [0.6]), ("elevation", [1.1]), ("strength", [1.3]), ("angle", [1.0]))
    LIGHT = (("water_absorption", [0.9, 0.5, 0.2]), *SUN)

    def inputs(self, rng):
        views = _views(rng, 5)
        place = views["eye"], views["corner"]
        _tilts(rng, 5)  # not used, but drawn: so what a seed gives stays the same
        return {
            "t": torch.tensor([3, 1]),
            "rest": stones()[0],
            **views,
            "global_poses": _fittest(_tilts(rng, 5), *place)[:, None],
            "translations": _places(*place)[:, None],
            "dolphin_albedo": _uniform(rng, 0.2, 0.9, (1, 1, 8, 8)),
            **{name: torch.tensor(value) for name, value in self.LIGHT},
        }

    def scene(self, inputs):
        """The case's scene, with those of its parameters that the case draws."""
        model = Stones(inputs["rest"], inputs["faces"], inputs["face_uvs"])
        texture_size = inputs["dolphin_albedo"].shape[-1]
        scene = DolphinScene(model, len(inputs["translations"]), texture_size=texture_size)
        with torch.no_grad():
            for name in set(PARAMETERS) & set(inputs):
                getattr(scene, name).copy_(inputs[name])
        return scene

    def camera(self, inputs):
        return _cameras(inputs["eye"][inputs["t"]], inputs["corner"][inputs["t"]])

    def studio(self, inputs, band=TUTORIAL_BAND):
        return Studio(self.scene(inputs), inputs["t"], self.camera(inputs), band)

    def render(self, given, scene, inputs, spared=tuple(EARLIER), band=()):
        """What the student's render gives, as a dict.

        spared: what it gets spare parts for; band: as in `_rendered`. Raises Problem for a wrong form.
        """
        t = inputs["t"]
        explain = partial(_render_problem, scene=scene, t=t, spared=spared)
        with _explained(explain), _spare_parts(given.render, spared):
            value = given.render(scene, t, self.camera(inputs), *band)
        call = f"render(scene, t, cam{', band' if band else ''})"
        value = items(call, value, 3, "image, hard_mask, soft_mask")
        B, (W, H) = len(t), WINDOW
        wanted = [(B, H, W, 3), (B, H, W, 1), (B, H, W, 1)]
        shapes = [tuple(x.shape) if torch.is_tensor(x) else () for x in value]
        if shapes[0] != wanted[0] and sorted(shapes) == sorted(wanted):
            raise Problem.of("order: The results come in another order than image, hard_mask, soft_mask.")
        if shapes[0][:1] == (scene.num_frames,) != (B,):
            raise Problem.of(f"""t-ignored: It renders all {scene.num_frames} frames of the scene, and was
                asked for {B}: `scene.skin(t)` poses only those.""")
        if shapes[0] == (B, H, W, 1):
            raise Problem.of("""grey: The image has one channel, expected three: the water changes each colour
                in its own way.""")
        return {
            name: tensor(f"{name} of {call}", image, shape, scene.translations)
            for name, image, shape in zip(OfRender.hidden, value, wanted)
        }

    @torch.no_grad()
    def call(self, given, **inputs):
        return self.render(given, self.scene(inputs), inputs)


class Studio:
    """The right picture of a scene, and its steps one by one, to leave one out."""

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

    def lit(self, image):
        return self.watered(self.sunlit(image))

    def right(self):
        return self.lit(self.textured())

    def mistaken(self):
        """Pictures in which a step is wrong: a list of (mistake, image)."""
        skin, plain = self.textured(), self.hard.expand(*self.hard.shape[:-1], 3)
        right = self.lit(skin)
        albedo = self.scene.dolphin_albedo
        upside_down = shading.texturing(self.uv, self.hard, albedo.flip(2))
        softly_masked = shading.texturing(self.uv, self.soft, albedo)
        other_normals = shading.sunlight(self.scene, self.cam, self.hard, skin, -self.normal)
        return [
            ("no-water", self.sunlit(skin)),
            ("no-lighting, skin", skin),
            ("no-lighting, sun", self.watered(skin)),
            ("no-texture, lit", self.lit(plain)),
            ("no-texture, mask", plain),
            ("light-before-texture", self.lit(plain) * skin),
            ("light-before-texture, twice", right * skin),
            ("water-before-sun", self.sunlit(self.watered(skin))),
            ("water-twice", self.watered(right)),
            ("texture-upside-down", self.lit(upside_down)),
            ("soft-edge", right * self.soft),
            ("texture-softly-masked", self.lit(softly_masked)),
            ("wrong-normals", self.watered(other_normals)),
        ]


class RenderForm(OfRender):
    name = "an image and two masks, of the right shapes"
    points = 1

    def inputs(self, rng):
        warm(CHANNELS.values())  # no solution is to be blamed for what that takes
        return super().inputs(rng)


class Masks(OfRender):
    name = "hard and soft mask, of the frames asked for"
    points = 2
    after = (RenderForm,)

    @torch.no_grad()
    def judge(self, outputs, **inputs):
        hard, soft, t = outputs["hard_mask"], outputs["soft_mask"], inputs["t"]
        right = self.studio(inputs)
        if alike(hard, right.hard) and alike(soft, right.soft):
            return None
        guesses = [
            ("masks-exchanged", right.soft, right.hard),
            ("soft-twice", right.soft, right.soft),
            ("hard-twice", right.hard, right.hard),
        ]
        for mistake, first, second in guesses:
            if alike(hard, first) and alike(soft, second):
                return Complaint(mistake, MISTAKES[mistake])
        if alike(hard, right.height):
            return Complaint.of("""height-as-mask: The hard mask is the height: the features are uv, normal,
                height, hard mask, in this order.""")
        for other in (torch.arange(len(t)), t.flip(0), torch.zeros_like(t), t[:1].expand_as(t)):
            if alike(hard, Studio(right.scene, other, right.cam).hard):
                return Complaint.of(f"""t-ignored: Asked for the frames {t.tolist()}, it shows the frames
                    {other.tolist()}: `scene.skin(t)` poses the mesh as it is at the frames t.""")
        which = "soft" if alike(hard, right.hard) else "hard"
        return Complaint.of(f"""masks: The {which} mask differs from what `dibr_rendering(scene.skin(t), cam,
            scene.model)` gives.""")

    @torch.no_grad()
    def picture(self, outputs, band=None, **inputs):
        studio = self.studio(inputs, TUTORIAL_BAND if band is None else _band_of(band))
        if alike(outputs["hard_mask"], studio.hard):
            return Shown("the soft mask", outputs["soft_mask"], studio.soft)
        return Shown("the hard mask", outputs["hard_mask"], studio.hard)


class RenderBand(OfRender):
    name = "the outline is as wide as `band` says"
    points = 1
    after = (RenderForm, Masks)

    def inputs(self, rng):
        return super().inputs(rng) | {"band": _another_band(rng)}

    @torch.no_grad()
    def call(self, given, band, **inputs):
        if problem := _band_missing(given.render, "stcb"):
            raise problem
        return self.render(given, self.scene(inputs), inputs, band=[_band_of(band)])

    @torch.no_grad()
    def judge(self, outputs, band, **inputs):
        if alike(outputs["soft_mask"], self.studio(inputs, _band_of(band)).soft):
            return None
        return Complaint.of("""band-fixed: With another `band` the soft mask is not another one: pass it on,
            `dibr_rendering(verts, cam, scene.model, band)`.""")

    picture = Masks.picture


class Picture(OfRender):
    name = "the picture: skin, sun, water"
    points = 3
    after = (RenderForm, Masks)

    @torch.no_grad()
    def judge(self, outputs, **inputs):
        studio, image = self.studio(inputs), outputs["image"]
        right = studio.right()
        if alike(image, right):
            return None
        if complaint := likely(image, studio.mistaken()):
            return complaint
        on = studio.hard > 0.5
        if alike(torch.where(on, image, 0), torch.where(on, right.to(image), 0)):
            count = int(((image.abs() > 1e-3).any(-1) & ~on[..., 0]).sum())
            return Complaint.of(f"""coloured-beside: On the dolphin the picture is right, but {count} pixels
                beside it are coloured too, and are to be black. Do `texturing` and `lighting` get the hard
                mask, not the soft one?""")
        should, actually = _differing(image, right)
        return Complaint.of(f"""picture: Where the colour should be {should} it is {actually}. The steps:
            skin(t), dibr_rendering, texturing, lighting.""")

    @torch.no_grad()
    def picture(self, outputs, **inputs):
        return Shown("the picture", outputs["image"], self.studio(inputs).right())


class RenderGradients(OfRender):
    name = "gradients reach the scene"
    points = 3
    after = (RenderForm, Masks)
    IMAGE = ("dolphin_albedo", "water_absorption", "azimuth", "elevation", "strength", "angle")
    SOFT = ("translations", "global_poses")
    IN_PLACE = """in-place: Your code writes into a picture that is still needed for the gradients. Make a new
        one."""
    hidden = ("image_value", "soft_mask_value", *IMAGE, *SOFT)

    def inputs(self, rng):
        return super().inputs(rng) | {f"weights_{n}": _random_weights(rng, n) for n in (1, 3)}

    def call(self, given, weights_1, weights_3, **inputs):
        outputs = {}
        for which, weights, names in (("soft_mask", weights_1, self.SOFT), ("image", weights_3, self.IMAGE)):
            scene = self.scene(inputs)
            result = self.render(given, scene, inputs)[which]
            outputs[f"{which}_value"] = result.detach()
            if result.requires_grad:
                _backward(result, weights, self.IN_PLACE)
            outputs |= {name: _gradient_of(getattr(scene, name)) for name in names}
        return outputs

    def judge(self, outputs, weights_1, weights_3, **inputs):
        judged = False
        for which, weights, names in (("soft_mask", weights_1, self.SOFT), ("image", weights_3, self.IMAGE)):
            studio = self.studio(inputs)
            image = studio.soft if which == "soft_mask" else studio.right()
            if not alike(outputs[f"{which}_value"], image):
                continue  # its own property says so
            judged = True
            (image * weights).sum().backward()
            for name in names:
                if not torch.isfinite(outputs[name]).all():
                    return Complaint.of(f"""nan-gradient: The gradient of the {which} with respect to
                        scene.{name} is NaN or infinite.""")
                wrong = _wrong_gradient(outputs[name], getattr(studio.scene, name).grad)
                if wrong == "detached":
                    return Complaint.of(f"""detached: No gradient flows from the {which} to scene.{name}, so a
                        fit could never change it. Is there a `.detach()`, `.data`, `no_grad`, or a comparison
                        in between?""")
                if wrong:
                    return Complaint.of(f"""wrong-gradient: The gradient of the {which} with respect to
                        scene.{name} is wrong, though the {which} is right: a part of the way is detached.""")
        if judged:
            return None
        return Complaint.of("""gradients-of-wrong-images: First mend image and soft mask: of wrong ones no
            gradient is right.""")


class WithYourOwn(OfRender):
    """Says so where exercise 4 or 5 is not right yet: the properties above took spare ones."""

    name = "with your own dibr_rendering and absorb"
    points = 0
    after = (RenderForm, Masks, Picture)

    STOPS = (None, "is not written yet", "stops with an error")

    @torch.no_grad()
    def call(self, given, **inputs):
        """With your own of one exercise and a spare part of the other: what differs is the one's fault."""
        B, (W, H) = len(inputs["t"]), WINDOW
        outputs = {}
        for own in EARLIER:
            spared, stops = [name for name in EARLIER if name != own], 0
            results = {"image": torch.zeros(B, H, W, 3), "soft_mask": torch.zeros(B, H, W, 1)}
            try:
                results = self.render(given, self.scene(inputs), inputs, spared)
            except NotImplementedError:
                stops = 1
            except Exception:
                stops = 2
            outputs |= {f"{own}_{name}": results[name] for name in ("image", "soft_mask")}
            outputs[f"{own}_stops"] = torch.tensor(stops)
        return outputs

    @torch.no_grad()
    def judge(self, outputs, **inputs):
        studio, faults = self.studio(inputs), []
        right = {"image": studio.right(), "soft_mask": studio.soft}
        for own, number in EARLIER.items():
            what = self.STOPS[int(outputs[f"{own}_stops"])]
            if not all(alike(outputs[f"{own}_{name}"], image) for name, image in right.items()):
                what = what or "gives another picture"
            faults += [f"your `{own}` (exercise {number}) {what}"] if what else []
        if not faults:
            return None
        return Complaint.of(f"""earlier-exercise: `render` is judged with spare parts: {" and ".join(faults)}.
            Look at its check again.""")


_OF_RENDER = (RenderForm(), Masks(), Picture(), RenderGradients(), RenderBand(), WithYourOwn())
renderer = Exercise(6, "The renderer", ("render",), _OF_RENDER)
