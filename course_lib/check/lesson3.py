"""Checks of lesson 3: basic rendering (exercise 4), light under water (5), the renderer (6).

What is right is known from `spare_renderer`, a second way to compute DIB-R. A mistake is the same renderer
with one of its steps changed: `_drawn(depth=lambda view: -view.depth)`. `found` tells more from a picture.
"""

import contextlib
import inspect
import itertools
import math
import re
import types
from functools import cached_property, partial

import torch

from .. import kal, shading
from ..errors import CourseError, fold
from ..kal.dibr import warm
from ..rotations import rotvec_to_rotmat
from ..scene import PARAMETERS, DolphinScene
from ..window import TUTORIAL_BAND
from . import spare_renderer as spare
from .core import Complaint, Exercise, Problem, changed, clone, close, describe, items, tensor
from .difference import difference, in_digits, of_all, pattern
from .found import (
    BY_HAND,
    FARTHER,
    VALID,
    farthest,
    found_of_depth,
    found_of_mesh,
    found_of_soft_edge,
    view_of,
    within_faces,
)
from .pictures import OfPictures, alike, alike_gradients, explaining, gradients_of
from .same import Same, in_order
from .stone_cases import (
    WINDOW,
    another_band,
    band_of,
    cameras_at,
    case_of,
    layers,
    pretended_model,
    random_weights,
    uniform,
    views_of,
)

CHANNELS = {"uv": 2, "normal": 3, "height": 1, "hard_mask": 1}


# --- exercise 4: what goes wrong


def _drawn(**changes):
    """A dibr_rendering some of whose steps are others: functions of the `spare.View`."""

    def dibr_rendering(verts, cam, model, band=TUTORIAL_BAND):
        return spare.View(verts, cam, model, band, changes).result

    return dibr_rendering


def _told(sentence, table, made):
    """A table of mistakes, {(key, in words): what makes it}. -> as `Same.mistakes`; sentence: with a {}"""
    return {f"{key}: {sentence.format(what)}": made(makes) for (key, what), makes in table.items()}


def _of(step, sentence, table):
    """Mistakes in one step: {(key, in words): function of the `spare.View`}. -> as `Same.mistakes`"""
    return _told(sentence, table, lambda makes: _drawn(**{step: makes}))


def _pixels(view, y, shift):
    """Corners (B, V, 2) in pixels instead of NDC."""
    half = torch.tensor(view.size).to(view.projected) / 2
    return (view.projected * view.projected.new_tensor([1.0, y]) + shift) * half


def _by_normals(corners, unit=True):
    normals = spare.normals_of(corners)
    return spare.at_corners(spare.unit(normals) if unit else normals)


def _of_vertices(view, unit):
    """The normals of vertices, the mean of those of the faces around, at the corners. -> (B, F, 3, 3)"""
    sums = torch.zeros_like(view.verts)
    for corner in view.model.F.unbind(1):
        sums.index_add_(1, corner, spare.unit(spare.normals_of(view.world)))
    counts = torch.bincount(view.model.F.flatten(), minlength=sums.shape[1])[:, None]
    return view.at_faces(spare.unit(sums) if unit else sums / counts)


BY_CAMERA = "`cam.intrinsics.transform(cam.extrinsics.transform(verts))`"
OF_HARD_MASK = {
    """soft-as-hard: The hard mask is the soft one, or made of it. It is the last of the features, of
        ones.""": tuple(
        _drawn(features=lambda v, f=f: [*v.features[:3], f(v.soft_mask)])
        for f in (lambda x: x, lambda x: (x > 0.5).double(), lambda x: (x > 0).double())
    ),
    """feature-order: The third feature is the hard mask and the fourth the height; expected are uv, normal,
        height, hard mask.""": _drawn(ones=lambda v: v.height),
    """first-vertices: All frames show the first mesh, `verts[0]`. Frame b shows `verts[b]` by camera
        b.""": _drawn(verts=lambda v: v.verts[:1].expand_as(v.verts)),
    """first-camera: All meshes are seen by the first camera. Mesh b belongs to camera b.""": (
        _drawn(cam=lambda v: v.cam[torch.zeros(len(v.verts), dtype=torch.long)]),
        _drawn(in_camera=lambda v: v.cam[:1].extrinsics.transform(v.verts.to(v.dtype)).double()),
    ),
}
POSED = {
    ("rotation-transposed", "with the camera's rotation transposed, which turns the other way"): lambda v: (
        v.verts @ v.cam.extrinsics.R.double() + v.cam.extrinsics.t.double().mT
    ),
    ("no-translation", "R p, without the camera's shift t"): lambda v: (
        v.in_camera - v.cam.extrinsics.t.double().mT
    ),
    ("translation-minus", "R p - t"): lambda v: v.in_camera - 2 * v.cam.extrinsics.t.double().mT,
    ("rotation-missing", "those of the world, as they came"): lambda v: v.verts,
    ("rotation-missing", "less the camera's place, without its rotation R"): lambda v: (
        v.verts - v.cam.extrinsics.cam_pos().double().mT
    ),
}
OF_HARD_MASK |= _of("in_camera", "The vertices in camera space are {}; they should be R p + t.", POSED)
PROJECTED = {
    ("pixels", "in pixels, not between -1 and 1"): lambda v: _pixels(v, -1, 1),
    ("pixels", "in pixels from the bottom, not between -1 and 1"): lambda v: _pixels(v, 1, 1),
    ("pixels", "in pixels from the middle, not between -1 and 1"): lambda v: _pixels(v, 1, 0),
    ("no-perspective", "x and y of camera space, without perspective"): lambda v: v.in_camera[..., :2],
    ("no-perspective", "x and y of the world"): lambda v: v.verts[..., :2],
    ("no-perspective", "x and z of the world"): lambda v: v.verts[..., [0, 2]],
    ("no-perspective", "not divided by the distance"): lambda v: v.lens(v.in_camera[..., :2]),
    ("extrinsics-missing", "intrinsics applied to the world, extrinsics are missing"): lambda v: v.project(
        v.verts
    ),
    ("transformed-twice", "transformed by the intrinsics twice"): lambda v: v.cam.intrinsics.transform(
        v.cam.intrinsics.transform(v.in_camera.to(v.dtype))
    )[..., :2].double(),
}
OF_HARD_MASK |= _of(
    "projected", f"The corners in the image are {{}}. They should be x, y of {BY_CAMERA}.", PROJECTED
)
NORMALS = {
    ("camera-normals", "those of camera space"): lambda v: _by_normals(v.corners),
    ("normals-flipped", "those of camera space, and point into the body"): lambda v: -_by_normals(v.corners),
    ("normal-length", "not of length 1, but of twice the face's area"): lambda v: _by_normals(v.world, False),
    ("normal-length", "not of length 1, and in camera space"): lambda v: _by_normals(v.corners, False),
    ("normals-of-the-image", "made of corners in the image"): lambda v: _by_normals(
        torch.cat([v.on_image, v.depth[..., None]], -1)
    ),
    ("smoothed", "those of the vertices, mixed from all faces around"): lambda v: _of_vertices(v, True),
    ("smoothed", "means of those of the faces around"): lambda v: _of_vertices(v, False),
    ("places-as-normals", "the places of the corners"): lambda v: v.world,
    ("normals-moved", "moved by the camera's shift, which is for points"): lambda v: spare.at_corners(
        v.posed(v.normal[:, :, 0])
    ),
    ("one-frame", "those of the first mesh, in all frames"): lambda v: v.normal[:1].expand_as(v.normal),
}
WORLDLY = """The normals are {}. The sun stands in the world: wanted are the normals of the world, of length
    1, one for each face: `mesh.face_normals`. (Those of camera space say which faces look at us.)"""
OF_NORMALS = _of("normal", WORLDLY, NORMALS)
OF_DEPTH = _of(
    "depth",
    f"""{FARTHER.partition(": ")[2]} here and there: the depth is {{}}. `rasterize` wants z of the corners in
        camera space.""",
    {
        ("depth-per-face", "the same all over a face, the mean"): lambda v: v.depth.mean(
            -1, keepdim=True
        ).expand_as(v.depth),
        ("depth-along-rays", "the distance from the camera, with a minus"): lambda v: -v.corners.norm(dim=-1),
    },
)
OF_FACING = _of(
    "facing",
    f"Faces are drawn where {{}}. {VALID}",
    {
        ("culling-of-one-frame", "they look at the camera in the first frame"): lambda v: v.facing[
            :1
        ].expand_as(v.facing),
        ("culling-of-all-frames", "they look at the camera in all frames"): lambda v: v.facing.all(
            0, keepdim=True
        ).expand_as(v.facing),
    },
)
# Other normals and other numbers of them than z in camera space.
OF_FACING |= _of(
    "facing",
    f"Faces are drawn where {{}}. {VALID}",
    {
        ("culling", f"{axis} of their normals in {space} is {'>=' if sign > 0 else '<='} 0"): (
            lambda v, at=at, k=k, sign=sign: sign * spare.normals_of(getattr(v, at))[..., k] >= 0
        )
        for at, space in (("corners", "camera space"), ("world", "the world"))
        for k, axis in enumerate("xyz")
        for sign in (1, -1)
        # Left out: the right one and its opposite, which has its own words, and what one frame's camera sees.
        if (at, axis) != ("corners", "z") and (at, axis, sign) != ("world", "y", 1)
    },
)


def _seen_from_in_front(view):
    return (spare.normals_of(view.corners) * view.corners[:, :, 0]).sum(-1) <= 0


HEIGHTS = {
    ("camera-height", "y of camera space, which points up in the image"): lambda v: v.corners[..., 1:2],
    ("camera-height", "x of camera space"): lambda v: v.corners[..., :1],
    ("camera-height", "z of camera space, minus the distance to the camera"): lambda v: v.corners[..., 2:],
    ("camera-height", "the distance to the camera, minus z of camera space"): lambda v: -v.corners[..., 2:],
    ("image-height", "y in the image"): lambda v: v.on_image[..., 1:],
    ("camera-height", "z of the world, which points up in the image"): lambda v: v.world[..., 2:],
    ("wrong-axis", "x of the world"): lambda v: v.world[..., :1],
    ("corner-order", "that of corners in another order than in the image"): lambda v: v.height.flip(2),
    ("height-per-face", "the same all over a face, the mean"): lambda v: spare.at_corners(v.height.mean(2)),
    **{
        ("height-per-face", f"that of a face's {name} corner"): lambda v, k=k: spare.at_corners(
            v.height[:, :, k]
        )
        for k, name in enumerate(("first", "second", "third"))
    },
    ("height-per-mesh", "the same all over the mesh"): lambda v: v.height.mean(
        (1, 2, 3), keepdim=True
    ).expand_as(v.height),
    ("one-frame", "that of the first mesh, in all frames"): lambda v: v.height[:1].expand_as(v.height),
    ("relative-height", "counted from the mesh's middle, not from the sea"): lambda v: (
        v.height - v.verts[..., 1].mean(1)[:, None, None, None]
    ),
    ("relative-height", "counted from the mesh's lowest point, not from the sea"): lambda v: (
        v.height - v.verts[..., 1].amin(1)[:, None, None, None]
    ),
    ("relative-height", "counted from the camera, not from the sea"): lambda v: (
        v.height - v.cam.extrinsics.cam_pos()[:, None, 1:2].double()
    ),
    ("relative-height", "counted down from the camera, not from the sea"): lambda v: (
        v.cam.extrinsics.cam_pos()[:, None, 1:2].double() - v.height
    ),
}
OF_HEIGHT = _of("height", "The height is {}. It should be y of the world, index 1, at each corner.", HEIGHTS)
OF_UV = _of(
    "uv",
    "The texture coordinates are {}. They should be (u, 1 - v) of `model.face_uvs`, at each corner.",
    {
        ("uv-not-flipped", "(u, v), upside down: `face_uvs` count v from the top"): lambda v: _uv(
            v, False, True
        ),
        ("uv-flipped-in-u", "(1 - u, v): the wrong one is flipped"): lambda v: _uv(v, True, True),
        ("uv-swapped", "(v, u)"): lambda v: _uv(v, False, True).flip(-1),
        ("uv-per-face", "the same all over a face"): lambda v: spare.at_corners(v.uv.mean(2)),
    },
)


def _uv(view, turn_u, turn_v):
    """The texture coordinates, turned round (again)."""
    u, v = view.uv.unbind(-1)
    return torch.stack([1 - u if turn_u else u, 1 - v if turn_v else v], -1)


OF_SOFT_MASK = _of(
    "soft_mask",
    "The soft mask {} Give back what `dibr_soft_mask` gives: 1 on the mesh, with a soft edge beside it.",
    {
        ("soft-is-hard", "is the hard mask: nothing beside the mesh could pull at it."): lambda v: v.features[
            3
        ],
        ("soft-hollow", "is 0 on the mesh; beside it it is right. Does it get the face index?"): lambda v: (
            v.soft_mask * (1 - v.features[3])
        ),
        ("soft-without-index", "does not know where a face is seen: pass the face index."): lambda v: (
            spare.soft_mask(v.on_image, torch.full_like(v.cover[0], -1), v.size, *v.numbers)
        ),
        ("soft-binary", "is 1 where it should be above 0.5, and else 0."): lambda v: (
            v.soft_mask > 0.5
        ).double(),
        ("soft-binary", "is 1 where it should be above 0, and else 0."): lambda v: (v.soft_mask > 0).double(),
        ("one-minus", "is prod(1 - exp(-sigmainv d²)) beside the mesh; it is 1 minus that."): lambda v: (
            torch.where(v.features[3] > 0.5, 1.0, 1 - v.soft_mask)
        ),
    },
)
OF_SOFT_MASK |= _of(
    "on_soft",
    "The corners given to `dibr_soft_mask` are {}. They should be those given to `rasterize`, of all faces.",
    {
        ("soft-upside-down", "turned round in y"): lambda v: v.on_image * v.on_image.new_tensor([1.0, -1]),
        ("soft-in-camera", "x and y of camera space"): lambda v: v.corners[..., :2],
        ("soft-in-camera", "x and y of the world"): lambda v: v.world[..., :2],
        ("soft-without-back", "without the faces that look away"): lambda v: torch.where(
            v.facing[..., None, None], v.on_image, 9.0
        ),
        ("one-frame", "those of the first mesh, in all frames"): lambda v: v.on_image[:1].expand_as(
            v.on_image
        ),
    },
)
OF_SOFT_MASK |= _of(
    "numbers",
    f"The width of the soft edge is {{}}. {BY_HAND}",
    {
        ("band-ignored", "that of a whole frame, but this camera shows only a part of it"): lambda v: (
            v.band.sigmainv,
            v.band.boxlen,
            v.band.knum,
        ),
        ("default-band", "the one that `dibr_soft_mask` has by itself"): lambda v: (7000, 0.02, 30),
        ("default-band", "right in sigmainv, but boxlen and knum are the function's own"): lambda v: (
            v.band.seen_by(v.cam)[0],
            *(0.02, 30),
        ),
    },
)
OF_BAND = _of(
    "numbers",
    "With another `band`, {} not that of the argument: all three numbers come from `*band.seen_by(cam)`.",
    {
        ("band-fixed", f"{name} is" if name else "the soft mask is"): lambda v, kept=kept: tuple(
            (TUTORIAL_BAND if j in kept else v.band).seen_by(v.cam)[j] for j in range(3)
        )
        for name, kept in (("", (0, 1, 2)), ("sigmainv", (0,)), ("boxlen", (1,)), ("knum", (2,)))
    },
)
OF_SOFT_GRADIENT = {
    """mask-detached: No gradient flows from the soft mask to the vertices. It is what pulls the outline into
        place: is there a `.detach()`, `no_grad`, a comparison, or NumPy in between?""": _drawn(
        on_soft=lambda v: v.on_image.detach()
    )
}
OF_HEIGHT_GRADIENT = {
    """features-detached: No gradient flows from the features to the vertices. Is there a `.detach()` or
        `no_grad` in between?""": _drawn(features=lambda v: [x.detach() for x in v.features]),
    """corners-detached: Gradients flow through the heights themselves, but not through the place where they
        are drawn: the corners in the image are detached.""": _drawn(
        on_soft=lambda v: v.on_image, on_image=lambda v: v.on_image.detach()
    ),
    """heights-detached: Gradients flow through the place where the heights are drawn, but not through the
        heights themselves: they are detached.""": _drawn(height=lambda v: v.height.detach()),
}


# --- exercise 4


def _rendered(function, verts, faces, face_uvs, eye, corner, band=None):
    """What a dibr_rendering gives: a dict of the four features and the soft mask.

    band: (3,), what another band is made of. Raises Problem for what is wrong in form.
    """
    arguments = [verts, cameras_at(eye, corner), pretended_model(faces, face_uvs)]
    call = "dibr_rendering(verts, cam, model)"
    in_order(function, "dibr_rendering(verts, cam, model, band)")
    if band is not None:
        arguments, call = [*arguments, band_of(band)], "dibr_rendering(verts, cam, model, band)"
        _needs_band(function, arguments)
    with explaining(function, _kernel_problem):
        return _in_form(call, function(*arguments), verts)


def _in_form(call, value, verts):
    """The results of a dibr_rendering by name. Raises Problem for what is wrong in form."""
    features, soft = items(call, value, 2, "the features, the soft mask")
    if torch.is_tensor(features) and features.dim() == 4 and features.shape[-1] == 7:
        raise Problem.of("""one-image: The features come as one image of 7 channels. Give `rasterize` a list
            of features, then it gives a list.""")
    if torch.is_tensor(features) and isinstance(soft, (tuple, list)):
        raise Problem.of("order: The results are exchanged: first the features, then the soft mask.")
    features = items(f"features of {call}", features, 4, "uv, normal, height, hard_mask")
    B, (W, H) = len(verts), WINDOW
    shapes = [tuple(feature.shape) for feature in features if torch.is_tensor(feature) and feature.dim() == 4]
    got, channels = [shape[-1] for shape in shapes], list(CHANNELS.values())
    if got != channels and sorted(got) == sorted(channels):
        raise Problem.of(f"""feature-order: The features have {got} channels: they are in another order than
            uv, normal, height, hard mask (2, 3, 1, 1). Whoever uses them counts on the order.""")
    if got == channels and shapes[0][1:3] == (W, H):
        raise Problem.of(f"""height-and-width: The images are {H} wide and {W} high, and should be the other
            way round. `rasterize` takes the height first, then the width.""")
    if got == channels and shapes[0][1:3] != (H, W):
        h, w = shapes[0][1:3]
        raise Problem.of(f"""size: The images are {w} wide and {h} high, but this camera's are {W} wide and
            {H} high: take the size from it, `cam.height, cam.width`.""")
    outputs = {
        name: tensor(f"feature {k} ({name}) of {call}", feature, (B, H, W, n), verts)
        for k, (feature, (name, n)) in enumerate(zip(features, CHANNELS.items()))
    }
    return outputs | {"soft_mask": tensor(f"soft mask of {call}", soft, (B, H, W, 1), verts)}


def _needs_band(function, arguments):
    """Raises Problem, where a function has no room for the band that it is called with."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        raise Problem.of(f"""band-missing: Your `{function.__name__}` takes no `band` any more, but the
            lesson calls it with one. Its first line is to be as it was given: `band=TUTORIAL_BAND` is its
            last argument.""") from None
    except ValueError:  # its signature is not known
        pass


def _band_problem(error):
    """What Python says where a band is used for its three numbers. -> Problem or None"""
    says_so = "not Band" in str(error) or "got Band" in str(error)
    if says_so and isinstance(error, (CourseError, TypeError, AttributeError)):
        return Problem.of("""band-not-seen: `band` is one thing, from which a camera gets its three numbers:
            hand on `*band.seen_by(cam)` where they are wanted, and `band` itself to `dibr_rendering`.""")
    return None


KERNEL_SAYS = {  # what the words of `rasterize` and `dibr_soft_mask` mean here, regular expressions
    "Ellipsis": "blank: A blank, `...`, is still in your code.",
    r"sigmainv: got tuple": """band-not-unpacked: `band.seen_by(cam)` is three numbers, and is handed over as
        one thing: a star in front, `*band.seen_by(cam)`, hands over three.""",
    r"face_vertices_image must .*3, 3\)": """three-coordinates: The corners in the image (`faces_image`) have
        three coordinates, and should have two: take `[..., :2]` of the projected vertices.""",
    r"face_vertices_image must": """faces-chosen: The corners in the image are wanted, (B, F, 3, 2), of all
        faces of every frame: not vertices, and not some faces alone. In `rasterize` they come after the
        depths, and `valid_faces` says which are drawn.""",
    r"face_vertices_z must": """depth-shape: It wants one depth per corner: `[..., 2]` of the faces in camera
        space.""",
    r"valid_faces must": """valid-faces: Facing is one yes or no per face: compare the z of its normal in
        camera space with 0.""",
    r"selected_face_idx must": """face-index: After the corners `dibr_soft_mask` wants `face_idx`, (B, H, W),
        the second result of `rasterize`.""",
}


def _kernel_problem(error):
    """What the renderer's complaint about an argument means here. -> Problem or None"""
    text = str(error).rstrip(".") + "."
    of_two = re.search(r"(out of bounds .* size|axis_dim=)\s?2\b", text)
    if isinstance(error, (IndexError, RuntimeError)) and of_two:
        return Problem.of(f"""two-vertices: There are only two where a vertex is looked up ({text}): `[:, :2]`
            takes two vertices, `[..., :2]` two coordinates of all.""")
    if not isinstance(error, CourseError) or _band_problem(error):
        return _band_problem(error)
    for words, said in KERNEL_SAYS.items():
        if re.search(words, text):
            key, _, meaning = said.partition(": ")
            return Problem.of(f"{key}: The renderer says: {text} {meaning}")
    if text.startswith("face_features"):
        expected, got = (shape.split(", ") for shape in re.findall(r"\(([^)]*)\)", text)[:2])
        key, meaning = _of_features(expected, got, normals=text.startswith("face_features[1]"))
        return Problem.of(f"{key}: `rasterize` says: {text} {meaning}")
    return None


def _of_features(expected, got, normals=False):
    """What is said of a feature's shape; normals: of these. -> key, text"""
    if normals and got in (expected[:3], [*expected[:2], "1", "3"]):
        return (
            "normals-per-face",
            """There is one normal for each face, and one for each corner is wanted: the attribute
            `mesh.face_normals` has them, (B, F, 3, 3), as it is.""",
        )
    if got == expected[:3]:
        return (
            "feature-dimension",
            """The last dimension is missing: `[..., 1:2]` keeps it, `[..., 1]` does
            not.""",
        )
    if got[0] == "1" and got[1:3] == expected[1:3]:
        return (
            "feature-of-one",
            """It has one frame, expected is one for each mesh:
            `.expand(len(verts), -1, -1, -1)`.""",
        )
    if len(got) == 4 and got[2] == "3":
        return "feature-size", "Take sizes from what comes in: `len(verts)` frames, `len(model.F)` faces."
    return (
        "feature-per-vertex",
        """A feature has a value for each corner of each face, and these are not so
        many: values of vertices are indexed by the faces (`index_vertices_by_faces`).""",
    )


@contextlib.contextmanager
def _handed_to_rasterize():
    """Within, it is noted what the course's `rasterize` is given. -> (6,): of how many faces how many are
    valid, and from where to where their corners in the image lie, left, right, down, up; -1 without a call"""
    mesh, handed = kal.render.mesh, torch.full((6,), -1.0)
    rasterize = mesh.rasterize

    def noted(height, width, z, image, features, valid_faces=None, *more, **options):
        valid = torch.ones(image.shape[:2], dtype=torch.bool) if valid_faces is None else valid_faces
        result = rasterize(height, width, z, image, features, valid_faces, *more, **options)
        seen = image.detach()[valid.bool()].flatten(0, 1)
        ends = torch.stack([seen.amin(0), seen.amax(0)], 1).flatten().tolist() if len(seen) else 4 * [0.0]
        handed[:] = torch.tensor([valid.numel(), valid.sum(), *ends])
        return result

    mesh.rasterize = noted
    try:
        yield handed
    finally:
        mesh.rasterize = rasterize


def _of_handed(of, valid, left, right, down, up):
    """What is said of `_handed_to_rasterize` where nothing is drawn. -> text, '' where it is not known"""
    if valid <= 0:
        return f"Of the {of:.0f} faces `valid_faces` lets none through. {VALID}" * (valid == 0)
    return fold(f"""`valid_faces` lets {valid:.0f} of {of:.0f} faces through. In `face_vertices_image` their x
        go from {left:.3g} to {right:.3g}, their y from {down:.3g} to {up:.3g}; only what lies between -1 and
        1 is seen. They should be x and y of {BY_CAMERA}.""")


class OfDibr(OfPictures):
    """A property of what dibr_rendering gives for the stones. All five images come out of one call."""

    function, right = "dibr_rendering", staticmethod(spare.dibr_rendering)

    def cases(self, rng):
        return case_of(rng)

    def drawn(self, function, inputs):
        images = _rendered(function, **inputs)
        return {name: images[name] for name in self.images + self.also}

    def within(self, inputs):
        return within_faces(view_of(**inputs), inputs.get("single"))


class Form(OfDibr):
    name = "four features and a soft mask, of the right shapes"
    points = 2
    images = (*CHANNELS, "soft_mask")

    def cases(self, rng):
        warm(CHANNELS.values())  # no solution is to be blamed for what that takes
        return case_of(rng, batch=3)

    def drawn(self, function, inputs):
        one = {name: inputs[name][:1] for name in ("verts", "eye", "corner")}
        _rendered(function, **inputs | one)  # a batch of one is a batch
        return super().drawn(function, inputs)

    def judge(self, outputs, **inputs):
        return None


class Silhouette(OfDibr):
    name = "the hard mask: where the mesh is seen"
    points = 3
    after = (Form,)
    images, mistakes, otherwise = ("hard_mask", "uv"), OF_HARD_MASK, "silhouette"
    also = ("normal", "handed")
    reminder = "It is 1 where a face that looks at the camera is seen, else 0."

    def drawn(self, function, inputs):
        with _handed_to_rasterize() as handed:
            images = _rendered(function, **inputs)
        return {name: images[name] for name in (*self.images, "normal")} | {"handed": handed}

    def judge(self, outputs, **inputs):
        if not outputs["hard_mask"].any() and not outputs["normal"].any():
            return Complaint.of(f"""empty: The hard mask is 0 everywhere: no face is drawn at all.
                {_of_handed(*outputs["handed"].tolist())}""")
        if alike(outputs["hard_mask"], self.made(self.right, inputs)["hard_mask"]):
            slightly = self.found(outputs, inputs)  # by less than a pixel
            return slightly if slightly and slightly.key == "misplaced-slightly" else None
        if not outputs["hard_mask"].any() and outputs["normal"].any():
            return Complaint.of("""zeros: The hard mask is 0 everywhere, though the other features are drawn:
                its corners carry ones.""")
        return super().judge(outputs, **inputs)

    def explains(self, made, outputs, right):
        """Of masks that have an outline, each is enough; else the texture coordinates tell mistakes apart."""
        means = made["hard_mask"].flatten(1).mean(1)
        if (means > 0).all() and (means < 0.95).all():
            made, outputs, right = ({"hard_mask": x["hard_mask"]} for x in (made, outputs, right))
        return super().explains(made, outputs, right)

    def found(self, outputs, inputs):
        right = self.made(self.right, inputs)["hard_mask"]
        one_for_all = of_all(outputs["hard_mask"], right).startswith("All")
        if one_for_all:
            return None
        whole = {"hard_mask": right}
        ways = (
            said
            for said, makes in OF_FACING.items()
            if self.explains(self.made(makes, inputs), outputs, whole)
        )
        return next(map(Complaint.of, ways), None) or found_of_mesh(outputs, inputs)


class OfFeature(OfDibr):
    """A feature, at the pixels at which no two faces lie behind each other: of those `Normals` judges."""

    after = (Form, Silhouette)

    def made(self, function, inputs):
        inputs = dict(inputs)
        single = inputs.pop("single", 1)
        return {name: image * single for name, image in self.drawn(function, inputs).items()}

    def judge(self, outputs, **inputs):
        single = (view_of(**inputs).cover[0] == farthest(inputs).cover[0]).unflatten(1, WINDOW[::-1])[
            ..., None
        ]
        outputs = {name: image * single for name, image in outputs.items()}
        return super().judge(outputs, **inputs, single=single)


class Normals(OfFeature):
    name = "normals of the nearest face, in the world"
    points = 4
    images, mistakes, otherwise = ("normal",), OF_NORMALS, "normals"
    reminder = "The second feature is the normal of the nearest face, in the world, of length 1."

    def cases(self, rng):
        return layers(case_of(rng, batch=3))

    def judge(self, outputs, **inputs):
        if complaint := super().judge(outputs, **inputs):
            return complaint
        right = self.made(self.right, inputs)
        if alike(outputs["normal"], right["normal"]):
            return None
        for said, makes in OF_DEPTH.items():
            if self.explains(self.made(makes, inputs), outputs, right):
                return Complaint.of(said)
        other = self.unexplained("normal", outputs["normal"], right["normal"], inputs)
        return found_of_depth(outputs["normal"], inputs) or other


class FrontFaces(OfDibr):
    name = "only faces that look at the camera are drawn"
    points = 2
    after = (Form, Silhouette, Normals)
    images, mistakes, otherwise = ("hard_mask", "normal"), OF_FACING, "front-faces"
    also = ("uv",)
    reminder = "Here one sheet of the first mesh, and most of the second, turn their backs to the camera."

    def cases(self, rng):
        return case_of(rng, turned=True)

    def judge(self, outputs, **inputs):
        # With perspective, by the ray or the corners' turn, it is more exact: that is right as well.
        by_view = self.made(_drawn(facing=_seen_from_in_front), inputs)
        if all(alike(outputs[name], by_view[name]) for name in self.images):
            return None
        return super().judge(outputs, **inputs)

    def found(self, outputs, inputs):
        depth = found_of_depth(outputs["normal"], inputs)
        return depth or found_of_mesh(outputs, inputs)


class Height(OfFeature):
    name = "height over the sea"
    points = 4
    images, mistakes, otherwise = ("height",), OF_HEIGHT, "height"
    reminder = "The third feature is y in the world, at the corners of the faces, in metres."


class TextureCoordinates(OfFeature):
    name = "texture coordinates"
    points = 2
    images, mistakes, otherwise = ("uv",), OF_UV, "uv"
    reminder = "The first feature is (u, 1 - v) of `model.face_uvs`, at the corners of the faces."


class SoftMask(OfDibr):
    name = "the soft mask"
    points = 3
    after = (Form, Silhouette)
    images, mistakes, otherwise = ("soft_mask",), OF_SOFT_MASK, "soft-mask"
    reminder = """Where a face is seen it is 1, else 1 - prod(1 - exp(-sigmainv d²)). `dibr_soft_mask` takes
        the corners in the image, the face index from `rasterize`, and `*band.seen_by(cam)`."""

    def found(self, outputs, inputs):
        right = self.made(self.right, inputs)["soft_mask"]
        return found_of_soft_edge(outputs["soft_mask"], right, inputs)


class AnotherBand(SoftMask):
    name = "the soft edge is as wide as `band` says"
    points = 1
    after = (Form, Silhouette, SoftMask)
    mistakes, otherwise = OF_BAND, "band"

    def cases(self, rng):
        return case_of(rng) | {"band": another_band(rng)}


class OfGradient(OfDibr):
    """The gradient of a weighted sum of an image's pixels, with respect to the vertices."""

    images, otherwise = ("verts.grad",), "wrong-gradient"
    tolerance, explained = 0.01, 0.03
    near = staticmethod(alike_gradients)
    image = ""

    def cases(self, rng):
        return case_of(rng) | {"weights": random_weights(rng, 1)}

    def drawn(self, function, inputs):
        inputs = dict(inputs)
        weights, verts = inputs.pop("weights"), inputs.pop("verts").clone().requires_grad_()
        image = _rendered(function, verts, **inputs)[self.image]
        return gradients_of(image, weights, {"verts.grad": verts})

    def within(self, inputs):
        return None


class SoftGradient(OfGradient):
    name = "gradients of the soft mask reach the vertices, and are right"
    points = 3
    after = (Form, Silhouette, SoftMask)
    image, mistakes = "soft_mask", OF_SOFT_GRADIENT
    reminder = """That is the gradient of a weighted sum of the soft mask. The mask is right: is a part of
        the way detached, or computed outside of torch?"""


class HeightGradient(OfGradient):
    name = "gradients of the height reach the vertices, and are right"
    points = 1
    after = (Form, Silhouette, Normals, Height)
    image, mistakes = "height", OF_HEIGHT_GRADIENT
    tolerance = 0.03  # interpolation that is right for perspective differs by up to 2 %
    reminder = """That is the gradient of a weighted sum of the height. The height is right: is a part of
        the way detached, or computed outside of torch?"""


_FEATURES = (Normals(), Height(), TextureCoordinates())
_GRADIENTS = (SoftGradient(), HeightGradient())
_OF_DIBR = (Form(), Silhouette(), *_FEATURES, SoftMask(), FrontFaces(), AnotherBand(), *_GRADIENTS)
dibr = Exercise(4, "Basic rendering", ("dibr_rendering",), _OF_DIBR)


# --- exercise 5: what goes wrong. i: image, l: height over the sea, m: hard mask, w: absorption


def _under(l, m):
    return (l < 0) & (m > 0)


def _where(changes):
    """An absorb that fades the right colours, in other places: changes(l, m)."""
    return lambda i, l, m, w: torch.where(changes(l, m), i * (w * l).exp(), i)


def _fading(becomes):
    """An absorb that changes the right places, to something else: becomes(i, l, w)."""
    return lambda i, l, m, w: torch.where(_under(l, m), becomes(i, l, w), i)


FADED = "image · exp(w · l)"
BECOMES = {  # what the dolphin becomes under water, (key, in words)
    ("no-exponential", "image · (1 + w · l), at least 0"): lambda i, l, w: i * (1 + w * l).clamp(min=0),
    ("share", "image · (1 - w)^depth"): lambda i, l, w: i * (1 - w) ** -l,
    ("image-in-exponent", "exp(image · w · l)"): lambda i, l, w: (i * w * l).exp(),
    ("one-colour", "image times the mean of the three exp(w · l)"): lambda i, l, w: (
        i * (w * l).exp().mean(-1, keepdim=True)
    ),
    ("grey", "the mean of the three colours, times exp(w · l)"): lambda i, l, w: (
        i.mean(-1, keepdim=True) * (w * l).exp()
    ),
    ("image-reversed", "image in the order blue, green, red, times exp(w · l)"): lambda i, l, w: (
        i.flip(-1) * (w * l).exp()
    ),
    ("clamped", "image cut off at 1, a glint may be brighter, times exp(w · l)"): lambda i, l, w: (
        i.clamp(0, 1) * (w * l).exp()
    ),
}
# Of these all formulas are made that may have been written instead, as they are shown to the student.
INNER = "w · l", "-w · l", "w · l²", "-w · l²", "(w · l)²", "-(w · l)²", "w + l", "l / w", "w", "-w", "l"
OUTER = "exp({})", "({})", "(1 + {})", "(1 - {})", "(1 - exp({}))", "(exp({}) - 1)", "log({})"
AROUND = (
    *("image · {}", "image / {}", "image + {}", "image - {}"),
    *("{}", "image · {} · l", "image · w · {}"),
)
THE_LAW = " The law is exponential: each metre takes the same share of the rest."
THIN_LAYERS = " Of thin layers each takes w times its thickness of the rest: that makes exp(w · l)."
BECAUSE = {"no-exponential": THE_LAW, "share": THIN_LAYERS}
UNDER_WATER = {
    """unchanged: Under water, on the dolphin, nothing fades. Is the result returned, and the condition
        (height below 0, on the mask) right?""": lambda i, l, m, w: i,
    **{
        f"""clamped: The result is cut off {where}, and should not be: a glint may be brighter than 1, and
            colours may be below 0.""": lambda i, l, m, w, ends=ends: spare.absorb(i, l, m, w).clamp(*ends)
        for where, ends in {"at 0 and 1": (0, 1), "at 1": (None, 1), "at 0": (0, None)}.items()
    },
    "normalised: The result is divided by its largest value.": lambda i, l, m, w: (lambda x: x / x.max())(
        spare.absorb(i, l, m, w)
    ),
    **{
        f"{key}: Under water the dolphin becomes {what}; it should become {FADED}.{BECAUSE.get(key, '')}": (
            _fading(becomes)
        )
        for (key, what), becomes in BECOMES.items()
    },
}
TIMES = {  # what the exponent is, divided by w · l
    0.0: """no-water: Nothing fades under water: is the height as it is, negative there, and is `absorb` with
        it?""",
    -1.0: """wrong-sign: Under water it gets brighter, and should get darker: the height is negative there
        already, so the exponent is w · l without a minus.""",
    math.log(2): "other-base: The base of the power is 2, expected e: `torch.exp`.",
    math.log(10): "other-base: The base of the power is 10, expected e: `torch.exp`.",
}
ABOVE_WATER = {
    """above-water: Where the dolphin rises above the water it gets brighter: there is no water above it
        there. Only heights below 0 count.""": _where(lambda l, m: m > 0),
    """above-water: What is above the water is darkened as if it were as deep: only heights below 0
        count.""": lambda i, l, m, w: i * (-w * l.abs()).exp(),
    """above-water-black: What is above
        the water becomes black. It is to stay as it is.""": lambda i, l, m, w: i * (w * l).exp() * (l < 0),
    """all-or-nothing: No pixel fades unless all are under water. Each pixel is asked for
        itself.""": lambda i, l, m, w: i * (w * l).exp() if (l < 0).all() else i,
}
OFF_THE_DOLPHIN = {
    "absorption-cut: The absorption is cut off at 1. It has no limit.": lambda i, l, m, w: spare.absorb(
        i, l, m, w.clamp(0, 1)
    ),
    """mask-compared-with-one: Pixels of the dolphin do not fade: the hard mask is interpolated, so its ones
        are 0.9999999 or 1.0000001 here and there. Ask whether it is > 0.5, not == 1, and do not round it
        down.""": (_where(lambda l, m: (l < 0) & (m == 1)), _where(lambda l, m: (l < 0) & (m >= 1))),
    """off-black: Off the dolphin the
        image becomes black. It is to stay as it is.""": lambda i, l, m, w: spare.absorb(i, l, m, w) * m,
    """off-the-dolphin: Pixels that do not show the dolphin fade too: the mask is not used, or the two
        conditions are joined by "or".""": _where(lambda l, m: l < 0),
    "one-frame: The mask of the first image is used for all.": lambda i, l, m, w: spare.absorb(
        i, l, m[:1].expand_as(m), w
    ),
    """off-white: Off the dolphin the image becomes white.
        It is to stay as it is.""": lambda i, l, m, w: torch.where(m > 0, spare.absorb(i, l, m, w), 1.0),
}
REVERSED = {  # where it changes: under (the water), on (the dolphin)
    """condition-reversed: It is changed above the water and not below: the condition is height < 0, or
        `.clamp(max=0)`.""": (lambda under, on: ~under & on, lambda under, on: ~under),
    """branches-exchanged: All changes but the dolphin under water, which alone should: is the condition
        turned round, or are the two images of `torch.where` exchanged? `torch.where(condition, a, b)` takes a
        where the condition holds.""": (lambda under, on: ~(under & on),),
    """mask-inverted: The image fades beside the dolphin instead of on it: the mask is used the other way
        round.""": (lambda under, on: under & ~on, lambda under, on: ~on),
}
GRADIENT_NAMES = ("image", "sea_level_height", "water_absorption")


# --- exercise 5


class OfAbsorb(Same):
    """A property of absorb, for images of random colours, heights and places."""

    function, shows = "absorb", "absorb(image, sea_level_height, hard_mask, water_absorption)"
    right, otherwise = staticmethod(spare.absorb), "absorption"
    looks = "the image, of random colours", "image"
    heights, covered, most = (-4.0, -0.2), 1.0, 0.6  # most: the absorption of red, in 1/m
    interpolated = False  # whether the mask's ones are those of a rasteriser: sums of three weights, rounded
    black = 0.0  # the share of black pixels

    def cases(self, rng):
        size = (2, 6, 10)
        mask = (uniform(rng, 0, 1, (*size, 1)) < self.covered).float()
        if self.interpolated:
            mask = mask * (1 + torch.from_numpy(rng.integers(-1, 2, mask.shape)) * 2**-23).float()
        black = uniform(rng, 0, 1, (*size, 1)) < self.black
        sign = torch.where(uniform(rng, 0, 1, (*size, 3)) < 0.1, -1, 1)
        return {
            "image": torch.where(black, 0, uniform(rng, 0.2, 1.5, (*size, 3)) * sign),
            "sea_level_height": uniform(rng, *self.heights, (*size, 1)),
            "hard_mask": mask,
            "water_absorption": torch.tensor([self.most, 0.25, 0.05]) + uniform(rng, 0, 0.05, 3),
        }

    def shape(self, image, *_):
        return image.shape


class UnderWater(OfAbsorb):
    name = "under water: each colour fades with depth"
    points = 4
    mistakes = UNDER_WATER
    MIXED = " partly above the water"  # what shows whether it is the wrong pixels that change
    hidden = (MIXED,)

    def cases(self, rng):
        mixed = {
            "heights": uniform(rng, -1, 1, (2, 6, 10, 1)),
            "mask": uniform(rng, 0, 1, (2, 6, 10, 1)).round(),
        }
        return super().cases(rng) | mixed

    def calls(self, heights, mask, **inputs):
        mixed = inputs | {"sea_level_height": heights, "hard_mask": mask}
        return {"": tuple(inputs.values()), self.MIXED: tuple(mixed.values())}

    def judge(self, outputs, **inputs):
        complaint = super().judge({"": outputs[""]}, **inputs)
        if complaint and complaint.key == "unchanged":
            changed = (outputs[self.MIXED] - inputs["image"]).abs().amax(-1, keepdim=True) > 1e-3
            for said, places in REVERSED.items():
                made = (place(inputs["heights"] < 0, inputs["mask"] > 0.5) for place in places)
                if any((changed != where).double().mean() < 0.04 for where in made):
                    return Complaint.of(said)
        if complaint and complaint.key == self.otherwise:
            found = _other_exponent(outputs[""], **inputs) or _other_formula(outputs[""], **inputs)
            return found or _other_factor(outputs[""], complaint, **inputs)
        return complaint


def _other_formula(got, image, sea_level_height, water_absorption, **_):
    """What is said of a result that another formula gives. -> Complaint or None"""
    names = {"image": image, "l": sea_level_height, "w": water_absorption, "exp": torch.exp, "log": torch.log}
    for inside, outside, around in itertools.product(INNER, OUTER, AROUND):
        formula = around.format(outside.format(inside))
        made = eval(formula.replace("·", "*").replace("²", "**2"), names)
        if close(got, made.expand_as(got)):
            more = THE_LAW * ("exp" not in formula) + " The image is missing." * ("image" not in formula)
            return Complaint.of(f"""other-formula: Under water the dolphin becomes {formula}; it should become
                {FADED}.{more}""")
    return None


def _other_factor(got, complaint, image, sea_level_height, water_absorption, **_):
    """The complaint, and what the image is multiplied by, where it depends on w · l alone. -> Complaint"""
    more = pattern(got / image, (water_absorption * sea_level_height).exp(), 1e-3)
    if "differ" in more or "in other places" in more or not more:
        return complaint
    more = f"{complaint.text} Of what the image is multiplied by, exp(w · l): {more[0].lower()}{more[1:]}"
    return complaint._replace(text=more)


def _other_exponent(got, image, sea_level_height, water_absorption, **_):
    """What is said of a result that is right for another absorption or height. -> Complaint or None"""
    l, w = sea_level_height.double(), water_absorption.double()
    share = (got / image).double()  # (B, H, W, 3)
    exponent = torch.where(share.abs() > 1e-6, share, torch.nan).log()  # below, floats have lost it
    if (share < -1e-6).any() or exponent.isnan().flatten(0, 2).all(0).any() or not share.isfinite().all():
        return None
    heights, rates = exponent / w, exponent / l
    height, rate = heights.nanmean(-1, keepdim=True), rates.nanmean((0, 1, 2))
    pairs = (heights, height), (rates, rate)
    of_one_height, of_one_rate = (
        not ((values - mean).abs() >= 2e-3 * mean.abs() + 2e-4).any() for values, mean in pairs
    )
    if of_one_height and of_one_rate:
        times = float((rate / w).mean())
        known = [said for factor, said in TIMES.items() if abs(times - factor) < 2e-3 * max(1, abs(factor))]
        other = f"times: The exponent is {in_digits(times, 1.0)[0]} times w · l; the formula has w · l."
        return None if abs(times - 1) < 2e-3 else Complaint.of(known[0] if known else other)
    if of_one_rate:
        same = (
            " All colours fade alike, and each has its own." if close(rate, rate[:1].expand(3), 1e-3) else ""
        )
        turned = " Red and blue are exchanged." if close(rate.flip(0), w, 1e-3) else ""
        yours, right = (", ".join(in_digits(float(x))[0] for x in numbers) for numbers in (rate, w))
        return Complaint.of(f"""{
            "one-colour" if same else "colours-reversed" if turned else "other-absorption"
        }: Red, green and blue fade by exp(w · l) with w = ({yours}) 1/m, but `water_absorption` is
            ({right}).{same or turned or " " + of_all(rate, w)}""")
    if of_one_height and not height.isnan().any():
        more = pattern(height, l, 1e-3)
        at = (height - l).abs().argmax()
        is_, as_at = in_digits(l.flatten()[at], height.flatten()[at])
        return Complaint.of(f"""other-heights: It fades as if other heights had been given: what is at {is_} m
            as if it were at {as_at} m.{f" Of all those heights: {more}" if more else ""}""")
    return None


class AboveWater(OfAbsorb):
    name = "at the surface: all below fades, nothing above"
    points = 2
    heights = (-1.2, 1.0)
    after = (UnderWater,)
    mistakes, otherwise = ABOVE_WATER, "at-the-surface"

    def cases(self, rng):
        case = super().cases(rng)
        shallow = -torch.tensor([0.01, 0.03, 0.06, 0.1, 0.15, 0.3])
        case["sea_level_height"][:, :, rng.integers(10), 0] = shallow
        return case


class OffTheDolphin(OfAbsorb):
    name = "the mask: all of the dolphin, and nothing off it"
    points = 1
    covered, interpolated, most, black = 0.6, True, 1.3, 0.1
    after = (UnderWater,)
    mistakes, otherwise = OFF_THE_DOLPHIN, "mask"

    def calls(self, **inputs):
        """Of two images, and of one."""
        one = {name: value[:1] if value.dim() == 4 else value for name, value in inputs.items()}
        return {"": tuple(inputs.values()), " of one image": tuple(one.values())}


class AbsorbGradients(OfAbsorb):
    name = "gradients reach image, height and absorption"
    points = 3
    heights, covered, interpolated, black = (-1.5, 0.5), 0.8, True, 0.1
    looks, finite = (), False
    # What is said of gradients is true only of a right result.
    after = (UnderWater, AboveWater, OffTheDolphin)
    tolerance, otherwise = 1e-3, "wrong-gradient"

    def inputs(self, rng):
        return self.cases(rng) | {"weights": random_weights(rng, 3)[:, :6, :10]}

    def call(self, given, **inputs):
        return self.made(given.absorb, inputs)

    def made(self, function, inputs):
        inputs = dict(inputs)
        weights = inputs.pop("weights")
        leaves = {name: inputs[name].clone().requires_grad_() for name in GRADIENT_NAMES}
        image = leaves["image"].tanh()  # whose backward needs its result: it must not be written into
        result = function(*(inputs | leaves | {"image": image}).values())
        return gradients_of(tensor(self.shows, result, image.shape, image), weights, leaves)

    def judge(self, outputs, **inputs):
        for name, grad in outputs.items():
            if not grad.isfinite().all():
                return Complaint.of(f"""nan-gradient: The gradient with respect to `{name}` is NaN or
                    infinite{_place_of(~grad.isfinite(), **inputs)}.""")
        lost = [f"`{name}`" for name, grad in outputs.items() if not grad.any()]
        if lost:
            return Complaint.of(f"""no-gradient: No gradient flows to {" and ".join(lost)}: {
                "it is" if len(lost) == 1 else "they are"
            } detached on the way (`.detach()`, `.data`, `no_grad`, `.item()`,
                NumPy, a new tensor made from numbers).""")
        return super().judge(outputs, **inputs)

    def unexplained(self, said, yours, right, inputs):
        case = {name: inputs[name] for name in GRADIENT_NAMES} if said == "image" else {}
        return Complaint(self.otherwise, difference(f"{said}.grad", yours, right, case, self.tolerance))


def _place_of(wrong, image, sea_level_height, hard_mask, **_):
    """Which pixels those are where a gradient is wrong. -> text, or "" """
    still = (sea_level_height > 0) | (hard_mask == 0)
    for where, said in ((image == 0, "the image is black"), (still, "nothing is to change")):
        if wrong.dim() == 4 and not (wrong & ~where).any():
            return f" where {said}: a logarithm, a root, a power or a division has no finite slope at 0"
    return ""


_OF_ABSORB = (UnderWater(), AboveWater(), OffTheDolphin(), AbsorbGradients())
absorption = Exercise(5, "Light under water", ("absorb",), _OF_ABSORB)


# --- exercise 6: the right picture, and what goes wrong


class Studio:
    """The steps of exercise 6, each computed when it is asked for; changes: {step: function of it}."""

    def __init__(self, scene, t, cam, band, changes=()):
        self.scene, self.t, self.cam, self.band = scene, t, cam, band
        for step, change in dict(changes).items():
            setattr(self, step, change(self))

    vertices = cached_property(lambda self: self.scene.skin(self.t))
    rendering = cached_property(
        lambda self: spare.dibr_rendering(self.vertices, self.cam, self.scene.model, self.band)
    )
    features = cached_property(lambda self: self.rendering[0])
    hard = cached_property(lambda self: self.features[3])
    soft = cached_property(lambda self: self.rendering[1])
    white = cached_property(lambda self: self.hard.expand(*self.hard.shape[:-1], 3))
    skin = cached_property(lambda self: self.textured(self.features[0], self.hard))
    image = cached_property(lambda self: self.lit(self.skin))
    result = cached_property(lambda self: (self.image, self.hard, self.soft))

    def textured(self, uv, mask):
        return shading.texturing(uv, mask, self.scene.dolphin_albedo)

    def sunlit(self, image, normal=None):
        normal = self.features[1] if normal is None else normal
        return shading.sunlight(self.scene, self.cam, self.hard, image, normal)

    def watered(self, image):
        return spare.absorb(image, self.features[2], self.hard, self.scene.water_absorption)

    def lit(self, image, normal=None):
        return self.watered(self.sunlit(image, normal))


def _filmed(**changes):
    """A render some of whose steps are others: functions of the `Studio`."""

    def render(scene, t, cam, band=TUTORIAL_BAND):
        return Studio(scene, t, cam, band, changes).result

    return render


def _shows(makes):
    """A render whose masks are right, and whose image is another function of the `Studio`."""
    return _filmed(image=makes)


def _turned_uv(studio, u, v):
    """The picture with texture coordinates that are turned round, where u or v is -1."""
    shift = torch.tensor([u < 0, v < 0]).to(studio.hard)
    return studio.lit(studio.textured(studio.features[0] * shift.new_tensor([u, v]) + shift, studio.hard))


_right_render = _filmed()
OF_MASKS = _told(
    "The masks are {}. The features end with the hard mask, `dibr_rendering` gives the soft one after them.",
    {
        ("soft-twice", "both the soft one"): lambda s: (s.image, s.soft, s.soft),
        ("hard-twice", "both the hard one"): lambda s: (s.image, s.hard, s.hard),
        ("masks-exchanged", "exchanged: hard_mask comes before soft_mask"): lambda s: (
            s.image,
            s.soft,
            s.hard,
        ),
        ("height-as-mask", "the height and the soft one"): lambda s: (s.image, s.features[2], s.soft),
        ("hard-of-soft", "both made of the soft one"): lambda s: (s.image, (s.soft > 0.5).float(), s.soft),
        ("soft-binary", "only zeros and ones"): lambda s: (s.image, s.hard, (s.soft > 0.5).float()),
        ("soft-binary", "only zeros and ones, and the soft one is 0 nowhere near"): lambda s: (
            *(s.image, s.hard, (s.soft > 0).float()),
        ),
        ("soft-hollow", "right, but the soft one is less the hard one"): lambda s: (
            *(s.image, s.hard, s.soft - s.hard),
        ),
    },
    lambda makes: _filmed(result=makes),
)
OF_MASKS |= _told(
    "It shows {} `scene.skin(t)` poses the mesh as it is at the frames t that are asked for.",
    {
        ("t-ignored", "the first frames, 0, 1 and so on."): lambda s: torch.arange(len(s.t)),
        ("t-ignored", "the first of the frames t for all."): lambda s: s.t[:1].expand_as(s.t),
        ("t-ignored", "the frames t in another order."): lambda s: s.t.flip(0),
        ("t-ignored", "the frames after those asked for, t + 1."): lambda s: s.t + 1,
        ("t-ignored", "the frames before those asked for, t - 1."): lambda s: s.t - 1,
        **{("t-ignored", f"frame {k} for all."): lambda s, k=k: torch.full_like(s.t, k) for k in range(5)},
    },
    lambda makes: _filmed(t=makes),
)
OF_MASKS |= _told(
    "The vertices are {}: take them as `scene.skin(t)` gives them.",
    {
        ("moved-twice", "moved by the translations once more"): lambda s: (
            s.vertices + s.scene.translations[s.t]
        ),
        ("moved-back", "without their translations"): lambda s: s.vertices - s.scene.translations[s.t],
        ("at-rest", "those of the dolphin at rest"): lambda s: s.scene.rest_shape().expand_as(s.vertices),
        ("not-turned", "not turned, only moved to their place"): lambda s: (
            s.scene.rest_shape() + s.scene.translations[s.t]
        ),
        ("anchors", "turned by `global_poses` alone, without the scene's `anchors`"): lambda s: (
            s.scene.rest_shape() @ rotvec_to_rotmat(s.scene.global_poses[s.t, 0]).mT
            + s.scene.translations[s.t]
        ),
    },
    lambda makes: _filmed(vertices=makes),
)
OF_MASKS |= _told(
    "All frames are seen by {}. Frame b is seen by camera b.",
    {
        ("first-camera", "the first camera"): lambda s: s.cam[torch.zeros(len(s.t), dtype=torch.long)],
        ("cameras-reversed", "the cameras in reverse order"): lambda s: s.cam[torch.arange(len(s.t)).flip(0)],
    },
    lambda makes: _filmed(cam=makes),
)
OF_IMAGE = _told(
    """The picture is {}. It should be `texturing(uv, hard_mask, scene.dolphin_albedo)`, then `lighting` with
    `absorb`.""",
    {
        ("no-lighting", "the skin alone: `lighting`, or what comes out of it, is lost"): lambda s: s.skin,
        ("no-lighting", "without sun"): lambda s: s.watered(s.skin),
        ("no-texture", "the hard mask alone"): lambda s: s.white,
        ("light-before-texture", "lit before the skin is laid on: a glint is not coloured by it"): lambda s: (
            s.lit(s.white) * s.skin
        ),
        ("light-before-texture", "multiplied by the skin again after the light"): lambda s: s.image * s.skin,
        ("added", "the sum of the skin and the lit one"): lambda s: s.image + s.skin,
        ("added", "the mean of the skin and the lit one"): lambda s: (s.image + s.skin) / 2,
        ("water-before-sun", "under water before the sun: light is reflected first, then fades"): lambda s: (
            s.sunlit(s.watered(s.skin))
        ),
        ("water-twice", "under water before the sun and after it"): lambda s: s.lit(s.watered(s.skin)),
        ("sun-twice", "lit by the sun twice"): lambda s: s.lit(s.sunlit(s.skin)),
        ("light-twice", "lit twice, sun and water"): lambda s: s.lit(s.image),
        ("texture-upside-down", "with v of the texture flipped"): lambda s: _turned_uv(s, 1, -1),
        ("texture-mirrored", "with u of the texture flipped"): lambda s: _turned_uv(s, -1, 1),
        ("texture-turned", "with u and v of the texture flipped"): lambda s: _turned_uv(s, -1, -1),
        ("texture-turned", "with u and v of the texture exchanged"): lambda s: s.lit(
            s.textured(s.features[0].flip(-1), s.hard)
        ),
        ("texture-softly-masked", "masked by the soft mask, not by the hard one"): lambda s: s.lit(
            s.textured(s.features[0], s.soft)
        ),
        ("first-camera", "lit as the first camera sees it, in all frames"): lambda s: (
            Studio(
                *(s.scene, s.t, s.cam[torch.zeros(len(s.t), dtype=torch.long)], s.band),
                {"rendering": lambda _: s.rendering},
            ).image
        ),
        ("grey", "grey, its colours averaged"): lambda s: s.image.mean(-1, keepdim=True).expand_as(s.image),
        ("grey", "grey, its red stands for all"): lambda s: s.image[..., :1].expand_as(s.image),
        ("gamma", "changed by gamma, 1/2.2"): lambda s: s.image.clamp(min=0) ** (1 / 2.2),
        ("wrong-normals", "lit from the other side: the normals point inwards"): lambda s: s.lit(
            s.skin, -s.features[1]
        ),
        ("wrong-normals", "lit with normals made into colours, (n + 1) / 2"): lambda s: s.lit(
            s.skin, (s.features[1] + 1) / 2
        ),
        ("normals-as-image", "that of the normals"): lambda s: s.features[1],
    },
    _shows,
)
OF_IMAGE_GRADIENTS = _told(
    """The {} are detached before the picture is made of them. Then it cannot pull at places and poses through
    them.""",
    {
        ("features-detached", name): lambda s, k=k: [
            x.detach() if n == k else x for n, x in enumerate(s.rendering[0])
        ]
        for k, name in enumerate(("texture coordinates", "normals", "heights"))
    },
    lambda makes: _filmed(features=makes),
)
OF_RENDERED_BAND = {
    """band-fixed: With another `band` the soft mask is not another one: pass it on, `dibr_rendering(verts,
        cam, scene.model, band)`.""": _filmed(band=lambda s: TUTORIAL_BAND)
}


def _found_of_skin(image, studio):
    """What is said of a picture that is right for another skin. -> Complaint or None"""
    black, white = studio.lit(0 * studio.white), studio.lit(studio.white)
    seen = ((white - black).amin(-1) > 0.02) & (studio.hard[..., 0] > 0.5)
    skins = ((image - black) / (white - black))[seen]  # (N, 3)
    skin, right = skins.mean(-1), studio.skin[seen][:, 0]
    if (skins - skin[:, None]).abs().max() > 5e-3 or close(skin, right, 5e-3):
        return None
    if (skin.min() < -0.01 or skin.max() > 1.01) and not of_all(skin, right, 2e-3):
        return None  # no skin is so bright: something else is wrong
    worst = (skin - right).abs().argmax()
    pair = " in place of ".join(in_digits(skin[worst], right[worst]))
    key = "no-texture" if skin.std() < 1e-3 else "other-skin"
    return Complaint.of(f"""{key}: Sun and water are right, but for another skin, {pair} at one pixel. It is
        `texturing(uv, hard_mask, scene.dolphin_albedo)`. {pattern(skin, right, 2e-3)}""")


def _found_of_water(image, studio):
    """What is said of a picture that is right for other heights or another water. -> Complaint or None"""
    sun, height = studio.sunlit(studio.skin), studio.features[2]
    deep = (studio.hard > 0.5)[..., 0] & (height < -0.05)[..., 0] & (sun > 0.05).all(-1)
    parts = (x[deep][None, None] for x in (image, sun, height))  # (1, 1, N, 3) or 1
    return _other_exponent(*parts, studio.scene.water_absorption)


# --- exercise 6


class DolphinModel:
    """Stands in for the real one, by its name: the stones as one rigid part."""

    def __init__(self, rest, faces, face_uvs):
        self.V, self.F, self.face_uvs = rest[None], faces, face_uvs
        self.device, self.dtype, self.rodrigues = rest.device, rest.dtype, rotvec_to_rotmat
        self.LBS = types.SimpleNamespace(n_groups=1, n_joints=2, rodrigues=rotvec_to_rotmat)
        self.LBS.seg_grouping = torch.zeros(2, dtype=torch.long)

    def __call__(self, global_pose, body_pose, translation, part_scales=None, pose2rot=True):
        R = rotvec_to_rotmat(global_pose[:, 0]) if pose2rot else global_pose[:, 0]
        return {"vertices": self.V @ R.mT * (1 + part_scales.mean()) + translation}


def _spare_rendering(verts, cam, model, band=TUTORIAL_BAND):
    """The spare `dibr_rendering`, which tells where it is called with other things."""
    given = {"verts": verts, "cam": cam, "model": model, "band": band}
    needed = {"verts": "dim", "cam": "extrinsics", "model": "face_uvs", "band": "seen_by"}
    wrong = [name for name, value in given.items() if not hasattr(value, needed[name])]
    if wrong or verts.dim() != 3:
        name = wrong[0] if wrong else "verts"
        key = "band-not-seen" if name == "band" else "rendering-arguments"
        raise Problem.of(f"""{key}: `dibr_rendering` gets {describe(given[name])} for `{name}`. Its arguments
            are the vertices (B, V, 3), the cameras, the scene's model, the band: dibr_rendering(verts, cam,
            scene.model, band).""")
    return spare.dibr_rendering(verts, cam, model, band)


EARLIER = {"dibr_rendering": 4, "absorb": 5}
SPARE_PARTS = {"dibr_rendering": _spare_rendering, "absorb": spare.absorb}


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


ARGUMENTS = {  # how what the course's functions say begins, and what it means here
    "theta has shape (3,)": """frames-not-a-batch: `scene.skin(t)` takes the numbers of the frames as they
        come, (B,), not one of them.""",
    "albedo must have shape": """image-and-mask: `lighting` wants the hard mask before the image:
        lighting(scene, cam, hard_mask, image, normals, height, absorb).""",
    "texture_coordinates must have shape": """feature-order: `texturing` wants the texture coordinates
        first. The features come as uv, normals, height, hard mask.""",
    "expected 4, got 2": """two-results: `dibr_rendering` gives two things, the list of the four features
        and the soft mask.""",
}


def _render_problem(error, scene, t, spared):
    """What an exception from the student's render means here. -> Problem or None"""
    text = str(error)
    if isinstance(error, spare.Misfit):
        return Problem.of(f"""t-ignored: {text}. `t` names the frames that are asked for: `scene.skin(t)`
            poses those.""")
    if isinstance(error, IndexError) and "out of bounds" in text and spared:
        if re.search(rf"with size {len(t)}\b", text):
            return Problem.of(f"""numbered-by-t: It asks for an entry that is not there ({text}). `cam` has
                one camera for each of the frames t, {len(t)} here, in their order: it is not indexed by the
                frame's number.""")
        if re.search(rf"with size {scene.num_frames}\b", text):
            return Problem.of(f"""t-of-the-notebook: It asks for a frame that is not there ({text}). The scene
                of this check has {scene.num_frames} frames, and asked for were {t.tolist()}: take the frames
                from the argument `t`.""")
        if not re.search(rf"with size {scene.model.V.shape[1]}\b", text):
            return None
        return Problem.of(f"""model-of-the-notebook: The mesh has no vertex of such a number ({text}): are
            these the faces of another mesh? Use `scene.model`, not the notebook's `model`.""")
    if "'Tensor' object is not callable" in text or "absorb() missing" in text:
        return Problem.of("""absorb-called: `lighting` wants the function `absorb` itself and calls it later:
            hand it over without parentheses, lighting(scene, cam, hard_mask, image, normals, height,
            absorb).""")
    if found := re.search(r"'DolphinScene' object has no attribute '(\w+)'", text):
        return Problem.of(f"""no-such-parameter: A scene has no `{found[1]}`. It has
            {", ".join(f"`{name}`" for name in PARAMETERS)}, its `model`, and `skin(t)`.""")
    if text.startswith("normal must have shape"):
        return Problem.of(f"""normals-and-height: The light says: {text}. `lighting` wants the normals first,
            then the height: lighting(scene, cam, hard_mask, image, normals, height, absorb).""")
    for begins, said in ARGUMENTS.items():
        if begins in text:
            return Problem.of(f"{said} ({text.rstrip('.')}.)")
    return _band_problem(error)


class OfRender(OfPictures):
    """A property of render, for a scene of 5 frames of the stones, of which two are asked for."""

    function, right = "render", staticmethod(_right_render)
    SUN = (("azimuth", [0.6]), ("elevation", [1.1]), ("strength", [20.0]), ("angle", [1.0]))
    LIGHT = (("water_absorption", [0.9, 0.5, 0.2]), *SUN)

    def cases(self, rng):
        views = views_of(rng, 5)
        R, place = views.pop("R"), views.pop("place")
        return {
            "t": torch.tensor([3, 1]),
            **views,
            "anchors": R,
            "global_poses": uniform(rng, -0.15, 0.15, (5, 1, 3)),
            "translations": place[:, None],
            "dolphin_albedo": uniform(rng, 0.2, 1.05, (1, 1, 8, 8)),
            **{name: torch.tensor(value) for name, value in self.LIGHT},
        }

    def scene(self, inputs):
        """The case's scene, with those of its parameters that the case draws."""
        model = DolphinModel(inputs["rest"], inputs["faces"], inputs["face_uvs"])
        texture_size = inputs["dolphin_albedo"].shape[-1]
        scene = DolphinScene(model, len(inputs["translations"]), texture_size=texture_size)
        with torch.no_grad():
            for name in {*PARAMETERS, "anchors"} & set(inputs):
                getattr(scene, name).copy_(inputs[name])
            scene.dolphin_roughness.fill_(0.5)  # a glint that is seen from everywhere
        return scene

    def render(self, function, scene, inputs, spared=tuple(EARLIER)):
        """What a render gives, as a dict of its three images.

        spared: what it gets spare parts for. Raises Problem for a wrong form.
        """
        t = inputs["t"]
        arguments = [scene, t, cameras_at(inputs["eye"][t], inputs["corner"][t])]
        call = "render(scene, t, cam)"
        if "band" in inputs:
            arguments, call = [*arguments, band_of(inputs["band"])], "render(scene, t, cam, band)"
            _needs_band(function, arguments)
        explain = partial(_render_problem, scene=scene, t=t, spared=spared)
        in_order(function, "render(scene, t, cam, band)")
        before = clone({"t": t, **scene.state_dict()})
        with explaining(function, explain):
            with _spare_parts(function, spared):
                value = function(*arguments)
            if complaint := changed(before, {"t": t, **scene.state_dict()}):
                raise Problem(*complaint)
            return self.in_form(call, value, scene, t)

    def in_form(self, call, value, scene, t):
        """The results by name. Raises Problem for a wrong form."""
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
        names = ("image", "hard_mask", "soft_mask")
        return {
            name: tensor(f"{name} of {call}", image, shape, scene.translations)
            for name, image, shape in zip(names, value, wanted)
        }

    @torch.no_grad()
    def drawn(self, function, inputs):
        images = self.render(function, self.scene(inputs), inputs)
        return {name: images[name] for name in self.images}

    def studio(self, inputs):
        """The right steps, of a case."""
        t = inputs["t"]
        return Studio(self.scene(inputs), t, cameras_at(inputs["eye"][t], inputs["corner"][t]), TUTORIAL_BAND)


class RenderForm(OfRender):
    name = "an image and two masks, of the right shapes"
    points = 1
    images = ("image", "hard_mask", "soft_mask")

    def cases(self, rng):
        warm(CHANNELS.values())  # no solution is to be blamed for what that takes
        return super().cases(rng)

    def drawn(self, function, inputs):
        images = super().drawn(function, inputs)
        with torch.no_grad():  # a batch of one is a batch
            self.render(function, self.scene(inputs), inputs | {"t": inputs["t"][:1]})
        return images

    def judge(self, outputs, **inputs):
        return None


class Masks(OfRender):
    name = "hard and soft mask, of the frames asked for"
    points = 2
    after = (RenderForm,)
    images, mistakes, otherwise = ("hard_mask", "soft_mask"), OF_MASKS, "masks"
    reminder = "It is what `dibr_rendering(scene.skin(t), cam, scene.model, band)` gives."


class RenderBand(OfRender):
    name = "the outline is as wide as `band` says"
    points = 1
    after = (RenderForm, Masks)
    images, mistakes, otherwise = ("soft_mask",), OF_RENDERED_BAND, "band"

    def cases(self, rng):
        return super().cases(rng) | {"band": another_band(rng)}


PLAIN = "Each entry", "Yours", "All"  # how what `of_all` says begins where `difference` says it all


class Picture(OfRender):
    name = "the picture: skin, sun, water"
    points = 3
    after = (RenderForm, Masks)
    images, mistakes, otherwise = ("image",), OF_IMAGE, "picture"
    reminder = "The steps: skin(t), dibr_rendering, texturing, lighting."

    @torch.no_grad()
    def found(self, outputs, inputs):
        """What of it is right: the dolphin alone, all but its skin, or all but its water."""
        studio, image = self.studio(inputs), outputs["image"]
        if of_all(image, studio.image).startswith(PLAIN):
            return None
        on, off = studio.hard > 0.5, studio.hard[..., 0] < 0.5
        alone = torch.where(on, image, studio.image)
        if alike(alone, studio.image):
            count = int((image[off].abs() > 1e-3).any(-1).sum())
            return Complaint.of(f"""coloured-beside: On the dolphin the picture is right, but {count} pixels
                beside it are coloured too, and are to be black. `texturing` and `lighting` want the hard
                mask. {of_all(image[off], 0 * image[off])}""")
        if not torch.equal(alone, image):  # what lies beside it hid the mistake
            complaint = super(OfPictures, self).judge({"image": alone}, **inputs)
            if complaint and complaint.key != self.otherwise:
                return complaint
            if of_all(alone, studio.image).startswith(PLAIN):
                return None
        return _found_of_skin(alone, studio) or _found_of_water(alone, studio)


class OfRenderGradients(OfRender):
    """The gradients of a weighted sum of an image's pixels, with respect to parameters of the scene."""

    image, finite = "", False
    tolerance, explained, otherwise = 0.01, 0.03, "wrong-gradient"
    near = staticmethod(alike_gradients)

    def cases(self, rng):
        channels = 3 if self.image == "image" else 1
        return super().cases(rng) | {"weights": random_weights(rng, channels)}

    def drawn(self, function, inputs):
        scene = self.scene(inputs)
        leaves = {f"scene.{name}.grad": getattr(scene, name) for name in self.parameters}
        return gradients_of(self.render(function, scene, inputs)[self.image], inputs["weights"], leaves)

    def judge(self, outputs, **inputs):
        bad = [name for name, grad in outputs.items() if not grad.isfinite().all()]
        if bad:
            return Complaint.of(
                f"nan-gradient: `{bad[0]}`, of the {self.image.replace('_', ' ')}, is NaN or infinite."
            )
        lost = [f"`{name.removesuffix('.grad')}`" for name, grad in outputs.items() if not grad.any()]
        if lost:
            return Complaint.of(f"""detached: No gradient flows from the {self.image.replace("_", " ")} to
                {", ".join(lost)}, so a fit could never change {"it" if len(lost) == 1 else "them"}. Is
                there a `.detach()`, `.data`, `no_grad`, or a comparison in between?""")
        return super().judge(outputs, **inputs)


class SoftMaskGradients(OfRenderGradients):
    name = "gradients of the soft mask reach the scene"
    points = 1
    after = (RenderForm, Masks)
    image, parameters = "soft_mask", ("translations", "global_poses")
    images = tuple(f"scene.{name}.grad" for name in parameters)


class ImageGradients(OfRenderGradients):
    name = "gradients of the image reach the scene"
    points = 2
    after = (RenderForm, Masks, Picture)
    image, mistakes = "image", OF_IMAGE_GRADIENTS
    parameters = (
        "dolphin_albedo",
        "water_absorption",
        "azimuth",
        "elevation",
        "strength",
        "angle",
        "translations",
        "global_poses",
    )
    images = tuple(f"scene.{name}.grad" for name in parameters)


class WithYourOwn(OfRender):
    """Says so where exercise 4 or 5 is not right yet: the properties above took spare ones."""

    name = "with your own dibr_rendering and absorb"
    points = 0
    after = (RenderForm, Masks, Picture)
    images = tuple(f"{own}_{name}" for own in (*EARLIER, "none") for name in ("image", "soft_mask", "stops"))

    STOPS = (None, "is not written yet", "stops with an error")

    @torch.no_grad()
    def drawn(self, function, inputs):
        """With your own of one exercise and a spare part of the other: what differs is the one's fault."""
        B, (W, H) = len(inputs["t"]), WINDOW
        outputs = {}
        for own in (*EARLIER, "none"):
            spared, stops = [name for name in EARLIER if name != own], 0
            results = {"image": torch.zeros(B, H, W, 3), "soft_mask": torch.zeros(B, H, W, 1)}
            try:
                results = self.render(function, self.scene(inputs), inputs, spared)
            except NotImplementedError:
                stops = 1
            except Exception:
                stops = 2
            outputs |= {f"{own}_{name}": results[name] for name in ("image", "soft_mask")}
            outputs[f"{own}_stops"] = torch.tensor(stops)
        return outputs

    def judge(self, outputs, **inputs):
        faults = []
        for own, number in EARLIER.items():
            what = self.STOPS[int(outputs[f"{own}_stops"])]
            parts = ((outputs[f"{own}_{name}"], outputs[f"none_{name}"]) for name in ("image", "soft_mask"))
            if not all(alike(*pair) for pair in parts):
                what = what or "gives another picture"
            faults += [f"your `{own}` (exercise {number}) {what}"] if what else []
        if not faults:
            return None
        return Complaint.of(f"""earlier-exercise: `render` is judged with spare parts: {" and ".join(faults)}.
            Look at its check again.""")


_RENDER_GRADIENTS = (SoftMaskGradients(), ImageGradients())
_OF_RENDER = (RenderForm(), Masks(), Picture(), *_RENDER_GRADIENTS, RenderBand(), WithYourOwn())
renderer = Exercise(6, "The renderer", ("render",), _OF_RENDER)
