"""Checks of lesson 3: basic rendering (exercise 4), light under water (5), the renderer (6).

What is right is known from `spare_renderer`, a second way to compute DIB-R. A mistake is the same renderer
with one of its steps changed: `_drawn(depth=lambda view: -view.depth)`. The dolphin's part is played by two
stones, one before the other, and sheets in two corners of the picture.
"""

import contextlib
import dis
import inspect
import itertools
import math
import re
import types
from functools import cached_property, partial

import torch

from .. import shading
from ..errors import CourseError
from ..kal.dibr import warm
from ..rotations import rotmat_to_rotvec, rotvec_to_rotmat
from ..scene import PARAMETERS, DolphinScene
from ..video import CAMERA_FOCAL, SENSOR_WIDTH, drone_cameras
from ..window import TUTORIAL_BAND, Band, window_camera
from . import spare_renderer as spare
from .card import Shown
from .core import Complaint, Exercise, Problem, close, items, margin, tensor
from .difference import difference, in_digits
from .same import Same

FRAME, WINDOW = (640, 360), (96, 54)  # pixels: the whole frame, and the part of it that the checks render
PIXELS_PER_METRE = FRAME[0] * CAMERA_FOCAL / SENSOR_WIDTH  # at a distance of 1 m
CHANNELS = {"uv": 2, "normal": 3, "height": 1, "hard_mask": 1}


# --- the stones, and who looks at them


def stones(turned=False):
    """The mesh at rest, two octahedra and two sheets: vertices (V, 3) in metres, faces (F, 3).

    Faces are counter-clockwise from outside. Seen from above, with +z up, x runs to the left. The sheets lie
    in the left corners of the window: there pixels are counted from. turned: with a third sheet, of small
    faces, that shows the camera its back.
    """
    middles = [
        [-0.08, -0.3, 0.02],
        [0.03, 0.1, -0.03],
        [0.6, -0.05, 0.34],
        [0.6, -0.05, -0.34],
        [-0.38, -0.1, 0],
    ]
    middles = torch.tensor(middles)[:, None]  # (5, 1, 3)
    radii = torch.tensor([[0.22, 0.10, 0.15], [0.16, 0.07, 0.10]]).diag_embed()  # (2, 3, 3)
    sheet = torch.tensor([[1.0, 0, -1], [-1, 0, -1], [-1, 0, 1], [1, 0, 1], [0, 0.05, 0]])
    solid, flat = torch.cat([radii, -radii], 1) + middles[:2], sheet * 0.24 + middles[2:4]  # (2, V, 3)
    stone = [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
    stone, square = torch.tensor(stone), torch.tensor([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    verts = torch.cat([solid.flatten(0, 1), flat.flatten(0, 1)])
    faces = torch.cat([stone, stone + 6, square + 12, square + 17])
    if not turned:
        return verts, faces
    fine, small = _grid(8)
    return torch.cat([verts, fine * 0.08 + middles[4]]), torch.cat([faces, small.flip(1) + len(verts)])


def _grid(n):
    """The sheet from -1 to 1 in n x n squares: vertices ((n + 1)^2, 3), faces (2 n^2, 3)."""
    x = torch.linspace(1, -1, n + 1)
    x, z = torch.meshgrid(x, -x, indexing="ij")
    corner = (torch.arange(n) * (n + 1) + torch.arange(n)[:, None]).flatten()[:, None]
    square = torch.tensor([[0, n + 1, n + 2], [0, n + 2, 1]])
    return torch.stack([x, 0 * x, z], -1).flatten(0, 1), (corner[:, None] + square).flatten(0, 1)


def _whole_cameras(eye):
    """Drones at eye (B, 3) that look at the origin."""
    return drone_cameras(eye, torch.zeros_like(eye), torch.tensor([0.0, 0, 1]).expand_as(eye), *FRAME)


def _cameras(eye, corner):
    """Drones at eye (B, 3), of whose frames the part at corner (B, 2) is looked at."""
    return window_camera(_whole_cameras(eye), *corner.unbind(-1), *WINDOW)


def _views(rng, batch, turned=False):
    """Cameras before which the mesh lies, and what it takes to get it there.

    The first camera looks straight down, the second one aslant and up, from under the sea: what is higher, or
    has a larger x or z in the world, is farther from it. -> rest (V, 3), faces (F, 3), face_uvs (1, F, 3, 2),
    eye (B, 3), corner (B, 2), R (B, 3, 3), place (B, 3)
    """
    eye = torch.zeros(batch, 3)
    eye[:, 1] = _uniform(rng, 4.5, 5.5, batch)
    slant, around = rng.uniform(0.6, 0.75), rng.uniform(1.15, 1.35) * math.pi
    from_below = [math.sin(slant) * math.cos(around), -math.cos(slant), math.sin(slant) * math.sin(around)]
    eye[1] = eye[1, 1] * torch.tensor(from_below)
    corner = torch.from_numpy(rng.integers([262, 143], [283, 164], (batch, 2)))
    rest, faces = stones(turned)
    middle = rng.uniform(0.2, 0.8, (1, len(faces), 1, 2))
    face_uvs = torch.from_numpy(middle + rng.uniform(-0.15, 0.15, (1, len(faces), 3, 2))).float()
    axes = _whole_cameras(eye).extrinsics.R.mT  # right, up and back in the world, as columns
    straight_down = _whole_cameras(torch.tensor([[0.0, 1, 0]])).extrinsics.R
    tilt = rotvec_to_rotmat(_uniform(rng, -0.15, 0.15, (batch, 3)))  # no face becomes edge-on by so little
    from_middle = corner + (torch.tensor(WINDOW) - torch.tensor(FRAME)) / 2
    right, down = (from_middle / PIXELS_PER_METRE).unbind(-1)
    ray = (axes @ torch.stack([right, -down, -torch.ones_like(right)], -1)[..., None])[..., 0]  # (B, 3)
    place = eye - ray * (eye[:, 1] / ray[:, 1])[:, None]  # where the window's middle meets the sea
    mesh = {"rest": rest, "faces": faces, "face_uvs": face_uvs}
    return mesh | {"eye": eye, "corner": corner, "R": axes @ straight_down @ tilt, "place": place}


def _case(rng, batch=2, turned=False):
    """The mesh before each of the cameras of `_views`. -> verts (B, V, 3), faces, face_uvs, eye, corner"""
    views = _views(rng, batch, turned)
    rest, R, place = (views.pop(name) for name in ("rest", "R", "place"))
    if turned:
        R[1] = R[1] * torch.tensor([1, -1, -1])  # the second mesh is turned over
    return {"verts": rest @ R.mT + place[:, None], **views}


def _uniform(rng, low, high, shape):
    return torch.from_numpy(rng.uniform(low, high, shape)).float()


def _random_weights(rng, channels):
    """What two images are weighted by before they are summed, to compare gradients. -> (2, H, W, channels)"""
    return torch.from_numpy(rng.normal(size=(2, WINDOW[1], WINDOW[0], channels))).float()


def _another_band(rng):
    """Two numbers and a count, none of them that of `TUTORIAL_BAND`. -> (3,)"""
    return torch.tensor([float(rng.uniform(20000, 40000)), float(rng.uniform(0.02, 0.03)), 5.0])


def _band_of(values):
    sigmainv, boxlen, knum = values.tolist()
    return Band(sigmainv, boxlen, round(knum))


# --- images and gradients compared


def alike(a, b, tolerance=2e-3):
    """Whether two images agree, but for one pixel in 500: a corner may fall on a pixel's centre."""
    if a.shape != b.shape:
        return False
    a, b = a.detach().double(), b.detach().double()
    near = (a - b).abs() <= margin(b, tolerance)  # NaN is not
    return float((~near).any(-1).double().mean()) < 1 / 500


def _alike_gradients(a, b, tolerance=0.03):
    """Whether gradients agree: the largest difference against the largest entry of b."""
    return bool((a.double() - b.double()).abs().max() <= tolerance * float(b.abs().max()))


LOOKS = {  # of an image: what it is in the card, and which of its values are black and white
    "hard_mask": ("the hard mask", 0, 1),
    "soft_mask": ("the soft mask", 0, 1),
    "uv": ("u and v as red and green", 0, 1),
    "normal": ("the normals, x, y and z as red, green and blue", -1, 1),
    "height": ("the height over the sea, from -1 m to 1 m", -1, 1),
    "image": ("the picture", 0, 1),
}


class OfPictures(Same):
    """Some of the images that a function gives are the right ones. The cases are made to show all mistakes.

    images: their names. reminder: what is said after a difference that no mistake explains.
    """

    images, reminder = (), ""
    tolerance = explained = 2e-3
    visible = 3
    near = staticmethod(alike)

    def inputs(self, rng):
        return self.cases(rng)

    def call(self, given, **inputs):
        return self.made(getattr(given, self.function), inputs)

    def shown(self, said, inputs):
        return {}

    def explains(self, made, outputs, right):
        """Whether what a mistake makes is what came out, where that is not right."""
        wrong = [name for name in right if not self.near(outputs[name], right[name], self.tolerance)]
        if any(outputs[name].any() and not made[name].any() for name in wrong):
            return False  # it is small, but not 0
        explained = all(self.near(outputs[name], made[name], self.explained) for name in wrong)
        return explained and self.seen(made, right)

    def picture(self, outputs, **inputs):
        right = self.made(self.right, inputs)
        for name in self.images:
            if name in LOOKS and not alike(outputs[name], right[name]):
                what, low, high = LOOKS[name]
                return Shown(what, *((image[name] - low) / (high - low) for image in (outputs, right)))
        return None

    @property
    def hidden(self):
        return self.images  # `alike` allows for pixels on an edge

    def judge(self, outputs, **inputs):
        complaint = super().judge(outputs, **inputs)
        if complaint and complaint.key == self.otherwise:
            return Complaint.of(f"{complaint.key}: {complaint.text} {self.reminder}")
        return complaint


def _gradients_of(image, weights, leaves):
    """The gradients of the weighted sum of an image's pixels. -> {name: tensor}; 0 where none flows

    leaves: {name: tensor that requires gradients}. Raises a Problem where something was written in place.
    """
    if image.requires_grad:
        try:
            (image * weights).sum().backward()
        except RuntimeError as error:
            if "inplace" not in str(error):
                raise
            raise Problem.of("""in-place: Your code writes into an image that is still needed for the
                gradients: the operation that made it needs it. Make a new image, for instance with
                `torch.where`.""") from error
    return {name: torch.zeros_like(x) if x.grad is None else x.grad for name, x in leaves.items()}


@contextlib.contextmanager
def _explained(function, explain):
    """Within, an exception of a student's function becomes the Problem that says what it means.

    explain(error) -> Problem or None. A function that reads the notebook's variables hears of that instead.
    """
    try:
        yield
    except NotImplementedError:
        raise
    except Exception as error:
        names = _variables_of(function)
        if names and (not isinstance(error, Problem) or error.complaint.key == "shape"):
            said = error.complaint.text if isinstance(error, Problem) else f"{type(error).__name__}: {error}."
            raise Problem.of(f"""of-the-notebook: {said} Your `{function.__name__}` reads
                {", ".join(f"`{name}`" for name in names)} from the cells around it, made there for another
                picture than is asked for here. All that it needs comes in its arguments.""") from error
        if not isinstance(error, Problem) and (problem := explain(error)):
            raise problem from error
        raise


def _variables_of(function):
    """The notebook's tensors, meshes, cameras and whole numbers that a function reads. -> list of names"""
    function = inspect.unwrap(function)
    codes, known = [getattr(function, "__code__", None)], getattr(function, "__globals__", {})
    for code in filter(None, codes):
        codes += [const for const in code.co_consts if isinstance(const, types.CodeType)]
    read = {
        step.argval
        for code in filter(None, codes)
        for step in dis.get_instructions(code)
        if "GLOBAL" in step.opname
    }
    return sorted(name for name in read if _is_variable(known.get(name)))


def _is_variable(value):
    if isinstance(value, (list, tuple)):
        return any(map(_is_variable, value))
    if isinstance(value, (torch.Tensor, int)):
        return not isinstance(value, bool)
    return all(hasattr(value, name) for name in ("F", "face_uvs")) or (
        type(value).__name__ in ("DolphinScene", "Camera", "SurfaceMesh")
    )


# --- exercise 4: what goes wrong


def _drawn(**changes):
    """A dibr_rendering some of whose steps are others: functions of the `spare.View`."""

    def dibr_rendering(verts, cam, model, band=TUTORIAL_BAND):
        return spare.View(verts, cam, model, band, changes).result

    return dibr_rendering


def _pixels(view, signs, shift):
    """Corners (B, V, 2) in pixels instead of NDC."""
    half = torch.tensor(view.size).to(view.projected) / 2
    return (view.projected * torch.tensor(signs).to(half) + shift) * half


def _flipped(view, signs):
    return view.projected * torch.tensor(signs).to(view.projected)


def _feature(k, change):
    """A dibr_rendering whose feature k is changed after it was painted: change(features, view)."""

    def features(view):
        images = list(view.features)
        images[k] = change(images[k], view)
        return images

    return _drawn(features=features)


def _zeros(name, what):
    k = list(CHANNELS).index(name)
    return {f"zeros: {what} 0 everywhere, also where the mesh is seen.": _feature(k, lambda x, _: 0 * x)}


def _of_vertices(view):
    """The normals of vertices, those of the faces around added up, at the corners. -> (B, F, 3, 3)"""
    at_vertices = torch.zeros_like(view.verts)
    for corner in view.model.F.unbind(1):
        at_vertices.index_add_(1, corner, spare.normals_of(view.world))
    return view.at_faces(spare.unit(at_vertices))


def _by_camera_normals(view):
    return spare.at_corners(spare.unit(spare.normals_of(view.corners)))


OF_HARD_MASK = {
    """empty: The hard mask is 0 everywhere: no face is drawn at all. Print how many faces look at the camera,
        and the range of their corners in the image: what lies between -1 and 1 is seen. (Is the camera's pose
        applied, and only once?)""": _drawn(facing=lambda v: torch.zeros_like(v.facing)),
    """pixels: The corners in the image are in pixels. `rasterize` wants normalised
        device coordinates, from -1 to 1 over the image, as `cam.intrinsics.transform` gives them.""": (
        _drawn(projected=lambda v: _pixels(v, [1.0, -1], 1)),
        _drawn(projected=lambda v: _pixels(v, [1.0, 1], 1)),
        _drawn(projected=lambda v: _pixels(v, [1.0, 1], 0)),
    ),
    """facing-sign: Only faces that look away are drawn: you see the far side from within. The camera looks
        along -z,
        so take the faces whose normal in camera space has z >= 0.""": _drawn(facing=lambda v: ~v.facing),
    """world-normals-for-facing: Which faces look at the camera is told from another number than z of their
        normals in camera space: from a coordinate of the normals in the world, or from x or y. The camera
        looks along -z, wherever it stands: take the normals of the faces in camera space, and of them z >=
        0.""": (
        *(_drawn(facing=lambda v, k=k: v.normal[..., 0, k] >= 0) for k in range(3)),
        *(_drawn(facing=lambda v, k=k: spare.normals_of(v.corners)[..., k] >= 0) for k in range(2)),
    ),
    """unit-coordinates: The corners in the image are made to lie between 0 and 1. `rasterize` wants them
        from -1 to 1, as `cam.intrinsics.transform` gives them.""": (
        _drawn(projected=lambda v: (v.projected + 1) / 2),
        _drawn(projected=lambda v: (_flipped(v, [1.0, -1]) + 1) / 2),
    ),
    """divided-again: The corners in the image are divided by the distance once more:
        `cam.intrinsics.transform` has done
        it.""": _drawn(projected=lambda v: v.projected / -v.in_camera[..., 2:]),
    """first-vertices: All frames show the first mesh, `verts[0]`. Frame b shows `verts[b]` by camera
        b.""": _drawn(verts=lambda v: v.verts[:1].expand_as(v.verts)),
    """first-camera: All meshes are seen by the first camera. Mesh b belongs to camera b.""": (
        _drawn(cam=lambda v: v.cam[torch.zeros(len(v.verts), dtype=torch.long)]),
        _drawn(in_camera=lambda v: v.cam[:1].extrinsics.transform(v.verts.to(v.dtype)).double()),
    ),
    """y-flipped: The picture is upside down: in the image plane y points up, and `rasterize` knows
        that.""": _drawn(projected=lambda v: _flipped(v, [1.0, -1])),
    """x-flipped: The picture
        is mirrored: left and right are exchanged.""": _drawn(projected=lambda v: _flipped(v, [-1.0, 1])),
    """xy-exchanged: x and y of the corners in the image are exchanged. x comes first, to the
        right.""": _drawn(projected=lambda v: v.projected.flip(-1)),
    """perspective-sign: The picture is turned by half a turn. Are the vertices divided by z? It is negative
        in front of the camera: divide by -z.""": (
        _drawn(projected=lambda v: v.lens(v.in_camera[..., :2] / v.in_camera[..., 2:])),
        _drawn(projected=lambda v: -v.projected),
    ),
    **{
        f"""no-perspective: The vertices come into the image without perspective: {what} are used as they are.
        After the camera's pose come its intrinsics: `cam.intrinsics.transform` divides by the
        distance.""": makes
        for what, makes in (
            ("x and y of camera space", _drawn(projected=lambda v: v.in_camera[..., :2])),
            ("x and y of the world", _drawn(projected=lambda v: v.verts[..., :2])),
            ("x and z of the world", _drawn(projected=lambda v: v.verts[..., [0, 2]])),
        )
    },
    """no-perspective: The vertices are not divided by their distance: the focal length is there, but what is
        twice as far should be half as large.
        `cam.intrinsics.transform` divides.""": _drawn(projected=lambda v: v.lens(v.in_camera[..., :2])),
    """no-focal-length: The vertices are divided by their distance, but the focal length is missing: use
        `cam.intrinsics.transform`.""": _drawn(
        projected=lambda v: v.in_camera[..., :2] / -v.in_camera[..., 2:]
    ),
    """no-principal-point: The focal length is right, but the window's principal point, o in the formula, is
        missing: use `cam.intrinsics.transform`.""": _drawn(
        projected=lambda v: v.projected - v.lens(torch.zeros_like(v.projected))
    ),
    """extrinsics-missing: The intrinsics are applied to points in the world. First
        `cam.extrinsics.transform`, then
        `cam.intrinsics.transform`.""": _drawn(projected=lambda v: v.project(v.verts)),
    """transformed-twice: The intrinsics are applied twice: what `cam.intrinsics.transform` gives is in the
        image already.""": _drawn(
        projected=lambda v: v.cam.intrinsics.transform(v.cam.intrinsics.transform(v.in_camera.to(v.dtype)))[
            ..., :2
        ].double()
    ),
    """rotation-transposed: The camera's rotation is transposed: it turns the other way.""": _drawn(
        in_camera=lambda v: v.verts @ v.cam.extrinsics.R.double() + v.cam.extrinsics.t.double().mT
    ),
    """no-translation: The camera's rotation is there, its shift t is missing: `cam.extrinsics.transform` does
        both.""": _drawn(in_camera=lambda v: v.verts @ v.cam.extrinsics.R.double().mT),
    """half-pixel: The corners in the image are moved by half a pixel. `rasterize` knows where pixels'
        centres are: give it what `cam.intrinsics.transform` gives.""": tuple(
        _drawn(projected=lambda v, x=x, y=y: v.projected + torch.tensor([x, y]) / torch.tensor(v.size))
        for x, y in itertools.product((-1, 0, 1), repeat=2)
        if x and y
    ),
    """soft-as-hard: The hard mask
        is the soft one. It is the last of the features, of ones.""": _feature(3, lambda _, v: v.soft_mask),
    """hard-inverted: The hard mask is
        0 on the mesh and 1 beside it: it is to be the other way round.""": _feature(3, lambda x, _: 1 - x),
    """feature-order: The third feature is the hard mask and the fourth the height; expected are uv, normal,
        height, hard mask.""": _feature(3, lambda _, v: v.features[2]),
}
FARTHER = "Where two faces lie behind each other"
DEPTHS = {
    f"""depth-sign: {FARTHER} the farther one is seen. `rasterize` wants z of the corners in camera space as
        it is, negative in front of the camera, where larger is closer: not the distance, nor minus
        z.""": (_drawn(depth=lambda v: -v.depth),),
    f"""depth-sign: {FARTHER} it is not always the nearer one that is seen: the depth is a coordinate of the
        world, which does for a camera that looks straight down alone. `rasterize` wants z of the corners in
        camera space.""": tuple(_drawn(depth=lambda v, k=k: v.world[..., k]) for k in range(3)),
    f"""depth-sign: {FARTHER} it is not always the nearer one that is seen. `rasterize` wants z of the
        corners in camera space.""": (
        _drawn(depth=lambda v: v.corners[..., 0]),
        _drawn(depth=lambda v: torch.zeros_like(v.depth)),
    ),
}
OF_NORMALS = DEPTHS | {
    """camera-normals: The normals are those of camera space. The sun stands in the world: as a feature the
        normals of the world are wanted (`mesh.face_normals`); those of camera space only say which faces look
        at us.""": _drawn(normal=_by_camera_normals),
    "normals-flipped: The normals point into the body.": _drawn(normal=lambda v: -v.normal),
    """normals-flipped: The normals point into the body, and are those of camera space; wanted are those of
        the world.""": _drawn(normal=lambda v: -_by_camera_normals(v)),
    """normal-length: The normals do not have length 1, but that of twice the face's area:
        `mesh.face_normals` are normalised, and `face_normals(...,
        unit=True)`.""": _drawn(normal=lambda v: spare.at_corners(spare.normals_of(v.world))),
    """normal-length: The normals do not have length 1 (and are those of camera space; wanted are those of
        the world): `mesh.face_normals`
        are right.""": _drawn(normal=lambda v: spare.at_corners(spare.normals_of(v.corners))),
    """normals-of-the-image: The normals are made of corners in the image. They are to be those of the
        world.""": _drawn(
        normal=lambda v: spare.at_corners(
            spare.unit(spare.normals_of(torch.cat([v.on_image, v.depth[..., None]], -1)))
        )
    ),
    """normals-as-colours: The normals are made into colours, (n + 1) / 2. That is for looking at them; the
        feature is the normal
        itself.""": (_drawn(normal=lambda v: (v.normal + 1) / 2), _feature(1, lambda x, _: (x + 1) / 2)),
    """smoothed: The normals are those of the vertices, mixed from all faces around. Wanted is the normal of
        each face.""": _drawn(normal=_of_vertices),
    "normals-absolute: The normals have lost their signs.": _drawn(normal=lambda v: v.normal.abs()),
    """places-as-normals: These are the places of the corners in the world, not their
        normals.""": _drawn(normal=lambda v: v.world),
    """normals-moved: The normals are moved by the camera's shift: `extrinsics.transform`
        is for points.""": _drawn(normal=lambda v: spare.at_corners(v.posed(v.normal[:, :, 0]))),
    """one-frame: All frames have the normals of the first:
        each frame has a mesh of its own.""": _drawn(normal=lambda v: v.normal[:1].expand_as(v.normal)),
    **_zeros("normal", "The normals are"),
}
UP = "What points up from the sea is y of the world, the coordinate with index 1."
OF_HEIGHT = {
    f"""camera-height: This is
        y of camera space: it points up in the image. {UP}""": _drawn(height=lambda v: v.corners[..., 1:2]),
    f"camera-height: This is x of camera space. {UP}": _drawn(height=lambda v: v.corners[..., :1]),
    f"""camera-height: The height is z of
        camera space: minus the distance to the camera. {UP}""": _drawn(height=lambda v: v.corners[..., 2:]),
    f"""camera-height: The height is the distance
        to the camera, minus z of camera space. {UP}""": _drawn(height=lambda v: -v.corners[..., 2:]),
    f"image-height: This is y in the image. {UP}": _drawn(height=lambda v: v.on_image[..., 1:]),
    f"""camera-height:
        This is z of the world: it points up in the image. {UP}""": _drawn(height=lambda v: v.world[..., 2:]),
    """wrong-axis: The height is x in the world, but the axis that points up is y, the coordinate with index
        1.""": _drawn(height=lambda v: v.world[..., :1]),
    """height-sign:
        The sign of the height is flipped: under water it is negative.""": _drawn(height=lambda v: -v.height),
    """height-absolute:
        The height has lost its sign: under water it is negative.""": _drawn(height=lambda v: v.height.abs()),
    """height-cut: Heights above the sea are cut off, or set to 0. The feature is y as
        it is.""": (_drawn(height=lambda v: v.height.clamp(max=0)), _feature(2, lambda x, _: x.clamp(max=0))),
    """height-cut: Heights under the sea are cut off, or set to 0. The feature is y as
        it is.""": (_drawn(height=lambda v: v.height.clamp(min=0)), _feature(2, lambda x, _: x.clamp(min=0))),
    """height-per-face: The height is the same all over a face. Each corner has a height of its own, and in
        between it is interpolated.""": (
        _drawn(height=lambda v: spare.at_corners(v.height.mean(2))),
        *(_drawn(height=lambda v, k=k: spare.at_corners(v.height[:, :, k])) for k in range(3)),
    ),
    """height-per-mesh: The height is the same all over the mesh. Each corner has a height of its
        own.""": _drawn(height=lambda v: v.height.mean((1, 2, 3), keepdim=True).expand_as(v.height)),
    "one-frame: All frames have the heights of the first mesh.": _drawn(
        height=lambda v: v.height[:1].expand_as(v.height)
    ),
    """relative-height: The height is counted from the mesh's own middle, or its lowest point. It is counted
        from the sea, y = 0.""": (
        _drawn(height=lambda v: v.height - v.verts[..., 1].mean(1)[:, None, None, None]),
        _drawn(height=lambda v: v.height - v.verts[..., 1].amin(1)[:, None, None, None]),
        _drawn(height=lambda v: v.height - v.verts[..., 1].min()),
    ),
    """relative-height: The height is counted from the camera: eye's height minus y, or the reverse. It is
        counted from the sea, y = 0.""": (
        _drawn(height=lambda v: v.height - v.cam.extrinsics.cam_pos()[:, None, 1:2].double()),
        _drawn(height=lambda v: v.cam.extrinsics.cam_pos()[:, None, 1:2].double() - v.height),
    ),
    **_zeros("height", "The height is"),
}
OF_UV = {
    """uv-not-flipped: v is upside down: `model.face_uvs` count it from the top of the texture,
        `texture_mapping` from the bottom. 1 - v.""": _drawn(uv=lambda v: _uv(v, False, True)),
    """uv-flipped-in-u: It is
        v that must be flipped, the second coordinate; u stays.""": _drawn(uv=lambda v: _uv(v, True, True)),
    """uv-both-flipped: Both coordinates
        are flipped; only v, the second one, must be.""": _drawn(uv=lambda v: _uv(v, True, False)),
    "uv-swapped: u and v are exchanged.": (
        _drawn(uv=lambda v: v.uv.flip(-1)),
        _drawn(uv=lambda v: _uv(v, False, True).flip(-1)),
    ),
    """uv-negative: v is turned round by a minus alone:
        1 - v, so that it stays between 0 and 1.""": _drawn(uv=lambda v: v.uv - v.uv.new_tensor([0.0, 1])),
    """uv-scaled: The texture coordinates are made to reach from -1 to 1. `texture_mapping` wants them from 0
        to 1.""": _drawn(uv=lambda v: 2 * v.uv - 1),
    """uv-per-face: The texture coordinates are the same
        all over a face. Each corner has its own.""": _drawn(uv=lambda v: spare.at_corners(v.uv.mean(2))),
    **_zeros("uv", "The texture coordinates are"),
}


def _uv(view, turn_u, turn_v):
    """The texture coordinates, turned round (again)."""
    u, v = view.uv.unbind(-1)
    return torch.stack([1 - u if turn_u else u, 1 - v if turn_v else v], -1)


def _front_only(view):
    return torch.where(view.facing[..., None, None], view.on_image, 9.0)  # far outside


def _softly(change):
    """A dibr_rendering whose soft mask is changed after it was made: change(soft mask, view)."""
    return _drawn(soft_mask=lambda v: change(v.soft_mask, v))


BY_HAND = """`*band.seen_by(cam)` gives sigmainv, boxlen and knum for this camera."""
OF_SOFT_MASK = {
    f"""band-ignored: The soft edge is that of a whole frame, but this camera shows only a part of it, in
        which all distances
        are longer. {BY_HAND}""": _drawn(numbers=lambda v: (v.band.sigmainv, v.band.boxlen, v.band.knum)),
    """default-band: The soft edge has the width that `dibr_soft_mask` has by itself. Pass
        `*band.seen_by(cam)` after the face index.""": _drawn(numbers=lambda v: (7000, 0.02, 30)),
    f"""default-band: sigmainv is that of `band`, boxlen and knum are those that the function has by itself.
        {BY_HAND}""": _drawn(numbers=lambda v: (v.band.seen_by(v.cam)[0], 0.02, 30)),
    """soft-is-hard: The soft mask is the hard mask: it has no soft edge, and nothing beside the mesh could
        pull at it. Give back what `dibr_soft_mask` gives.""": _softly(lambda _, v: v.features[3]),
    """soft-inverted: The soft mask
        is 0 on the mesh and 1 beside it: it is to be the other way round.""": _softly(lambda x, _: 1 - x),
    """soft-hollow: On the mesh the soft mask is 0; beside it it is right. Where a face is seen it is 1: does
        `dibr_soft_mask` get the face index
        that `rasterize` gives, and is nothing taken off?""": _softly(lambda x, v: x * (1 - v.features[3])),
    """soft-without-index: The soft mask does not know where a face is seen: pass the face index that
        `rasterize` gives.""": _softly(
        lambda x, v: spare.soft_mask(v.on_soft, torch.full_like(v.cover[0], -1), v.size, *v.numbers)
    ),
    """soft-binary: The soft mask has only zeros and ones. Without values in between it has no slope: give
        back what `dibr_soft_mask`
        gives.""": (_softly(lambda x, _: (x > 0.5).double()), _softly(lambda x, _: (x > 0).double())),
    """soft-upside-down: The corners given to `dibr_soft_mask` are not those given to `rasterize`: y is
        turned round.""": _drawn(on_soft=lambda v: v.at_faces(_flipped(v, [1.0, -1]))),
    """soft-in-camera: The corners given to `dibr_soft_mask` are x and y of camera space, not those in the
        image.""": _drawn(on_soft=lambda v: v.corners[..., :2]),
    """soft-in-camera: The corners given to `dibr_soft_mask` are x and y of the world, not those in the
        image.""": _drawn(on_soft=lambda v: v.world[..., :2]),
    """soft-without-back: The soft mask does not know the faces that look away. Give `dibr_soft_mask` all
        faces.""": _drawn(on_soft=_front_only),
    "one-frame: All frames have the soft mask of the first mesh.": (
        _softly(lambda x, _: x[:1].expand_as(x)),
        _drawn(on_soft=lambda v: v.on_image[:1].expand_as(v.on_image)),
    ),
    f"""numbers-exchanged: sigmainv and boxlen are exchanged. {BY_HAND}""": _drawn(
        numbers=lambda v: (v.band.seen_by(v.cam)[1], v.band.seen_by(v.cam)[0], v.band.knum)
    ),
    """one-minus: The soft mask is prod(1 - exp(-sigmainv d²)) beside
        the mesh; it is 1 minus that.""": _softly(lambda x, v: torch.where(v.features[3] > 0.5, x, 1 - x)),
    "zeros: The soft mask is 0 everywhere.": _softly(lambda x, _: 0 * x),
}
OF_BACK_FACES = {
    """back-faces-kept: Faces that turn their back to the camera are drawn too. On a closed animal its near
        side hides most of them, but they cost time, and where a mesh is open one sees them: `valid_faces`
        says which are drawn, those whose normal in camera space has z >= 0.""": (
        _drawn(facing=lambda v: torch.ones_like(v.facing)),
        _drawn(facing=lambda v: (v.corners[..., 2] < 0).any(-1)),
    ),
    """one-frame: In all frames those faces are drawn that look at the first camera. Each frame has its
        own.""": _drawn(facing=lambda v: v.facing[:1].expand_as(v.facing)),
    """one-frame: In all frames the depths are those of the first mesh.""": _drawn(
        depth=lambda v: v.depth[:1].expand_as(v.depth)
    ),
    **{
        f"""small-faces: Faces are left out though they look at the camera: z of their normal is compared
            with {least}. Compare with 0. (A normal that was not scaled to length 1 is as long as twice the
            face's area.)""": _drawn(
            facing=lambda v, least=least: spare.normals_of(v.corners)[..., 2] > least
        )
        for least in (1e-3, 1e-2)
    },
}
OF_BAND = {
    """band-fixed: With another `band` the soft mask is not another one: `*band.seen_by(cam)` is to be that of
        the argument, not of TUTORIAL_BAND.""": _drawn(band=lambda v: TUTORIAL_BAND),
    **{
        f"""band-fixed: With another `band`, {name} is not that of the argument: all three numbers come from
        `*band.seen_by(cam)`.""": _drawn(
            numbers=lambda v, k=k: tuple(
                (TUTORIAL_BAND if j == k else v.band).seen_by(v.cam)[j] for j in range(3)
            )
        )
        for k, name in enumerate(("sigmainv", "boxlen", "knum"))
    },
}
OF_SOFT_GRADIENT = {
    """mask-detached: No gradient flows from the soft mask to the vertices. It is what pulls the outline into
        place: is there a `.detach()`,
        `no_grad`, a comparison, or NumPy in between?""": _drawn(on_soft=lambda v: v.on_image.detach())
}
OF_HEIGHT_GRADIENT = {
    """features-detached: No gradient flows from the features to the vertices. Is there a `.detach()` or
        `no_grad` in between?""": _drawn(features=lambda v: [x.detach() for x in v.features]),
    """corners-detached: Gradients flow through the heights themselves, but not through the place where they
        are drawn: the corners in the
        image are detached.""": _drawn(on_soft=lambda v: v.on_image, on_image=lambda v: v.on_image.detach()),
    """heights-detached: Gradients flow through the place where the heights are drawn, but not through the
        heights themselves: they are detached.""": _drawn(height=lambda v: v.height.detach()),
}


# --- exercise 4


class DolphinModel(types.SimpleNamespace):
    """Stands in for the real one, and is called so where Python says that it has no such attribute."""


def _pretended_model(faces, face_uvs):
    return DolphinModel(F=faces, face_uvs=face_uvs, device=faces.device)


def _rendered(function, verts, faces, face_uvs, eye, corner, band=None):
    """What a dibr_rendering gives: a dict of the four features and the soft mask.

    band: (3,), what another band is made of. Raises Problem for what is wrong in form.
    """
    arguments = [verts, _cameras(eye, corner), _pretended_model(faces, face_uvs)]
    call = "dibr_rendering(verts, cam, model)"
    if band is not None:
        arguments, call = [*arguments, _band_of(band)], "dibr_rendering(verts, cam, model, band)"
        _needs_band(function, arguments)
    with _explained(function, _kernel_problem):
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
    got = [feature.shape[-1] for feature in features if torch.is_tensor(feature) and feature.dim() == 4]
    channels = list(CHANNELS.values())
    if got != channels and sorted(got) == sorted(channels):
        raise Problem.of(f"""feature-order: The features have {got} channels: they are in another order than
            uv, normal, height, hard mask (2, 3, 1, 1). Whoever uses them counts on the order.""")
    if torch.is_tensor(features[0]) and tuple(features[0].shape[1:3]) == (W, H):
        raise Problem.of(f"""height-and-width: The images are {H} wide and {W} high, and should be the other
            way round. `rasterize` takes the height first, then the width.""")
    if torch.is_tensor(features[0]) and features[0].dim() == 4 and tuple(features[0].shape[1:3]) != (H, W):
        h, w = features[0].shape[1:3]
        raise Problem.of(f"""size: The images are {w} wide and {h} high, but this camera's are {W} wide and
            {H} high: take the size from it, `cam.height, cam.width`.""")
    outputs = {
        name: tensor(f"feature {k} ({name}) of {call}", feature, (B, H, W, n), verts)
        for k, (feature, (name, n)) in enumerate(zip(features, CHANNELS.items()))
    }
    if torch.is_tensor(soft) and tuple(soft.shape) == (B, H, W):
        raise Problem.of(f"""soft-mask-dimension: The soft mask has shape {(B, H, W)}, expected
            {(B, H, W, 1)}: like all images it has a last dimension, for its one channel. `[..., None]` adds
            it.""")
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
    text = text.rstrip(".") + "."
    if name.startswith("face_features"):
        expected, got = (shape.split(", ") for shape in re.findall(r"\(([^)]*)\)", rest)[:2])
        if got == expected[:3]:
            return Problem.of(f"""feature-dimension: `rasterize` says: {text} The last dimension is missing:
                `[..., 1:2]` keeps it, `[..., 1]` does not.""")
        if got[0] == "1" and got[1:] == expected[1:]:
            return Problem.of(f"""feature-of-one: `rasterize` says: {text} It has one frame, expected is one
                for each mesh: `.expand(len(verts), -1, -1, -1)`.""")
        return Problem.of(f"""feature-per-vertex: `rasterize` says: {text} A feature has a value for each
            corner of each face, not for each vertex: index it by the faces (`index_vertices_by_faces`).""")
    if name == "face_vertices_image" and "3, 3)" in rest:
        return Problem.of("""three-coordinates: The corners in the image (`faces_image`) have three
            coordinates, and should have two: take `[..., :2]` of the projected vertices.""")
    if name == "face_vertices_image":
        return Problem.of(f"""faces-chosen: `rasterize` says: {text} All faces go in, for every frame:
            `valid_faces` says which are drawn.""")
    if name == "face_vertices_z":
        return Problem.of(f"""depth-shape: `rasterize` says: {text} It wants one depth per corner: `[..., 2]`
            of the faces in camera space.""")
    if name == "valid_faces":
        return Problem.of(f"""valid-faces: `rasterize` says: {text} Facing is one yes or no per face: compare
            the z of its normal in camera space with 0.""")
    return None


class OfDibr(OfPictures):
    """A property of what dibr_rendering gives for the stones. All five images come out of one call."""

    function, right = "dibr_rendering", staticmethod(spare.dibr_rendering)

    def cases(self, rng):
        return _case(rng)

    def made(self, function, inputs):
        images = _rendered(function, **inputs)
        return {name: images[name] for name in self.images}


class Form(OfDibr):
    name = "four features and a soft mask, of the right shapes"
    points = 2
    images = (*CHANNELS, "soft_mask")

    def cases(self, rng):
        warm(CHANNELS.values())  # no solution is to be blamed for what that takes
        return _case(rng, batch=3)

    def judge(self, outputs, **inputs):
        return None


class Silhouette(OfDibr):
    name = "the hard mask: where the mesh is seen"
    points = 3
    after = (Form,)
    images, mistakes, otherwise = ("hard_mask", "uv"), OF_HARD_MASK, "silhouette"
    reminder = "It is 1 where a face that looks at the camera is seen, else 0."

    def made(self, function, inputs):
        images = _rendered(function, **inputs)
        if not images["hard_mask"].any() and images["normal"].any():
            raise Problem.of("""zeros: The hard mask is 0 everywhere, though the other features are drawn: its
                corners carry ones.""")
        return {name: images[name] for name in self.images}

    def judge(self, outputs, **inputs):
        right = self.made(self.right, inputs)
        if alike(outputs["hard_mask"], right["hard_mask"]):
            return None
        return super().judge(outputs, **inputs)  # where the mask is 1 everywhere, uv tells mistakes apart


class Normals(OfDibr):
    name = "normals of the nearest face, in the world"
    points = 4
    after = (Form, Silhouette)
    images, mistakes, otherwise = ("normal",), OF_NORMALS, "normals"
    reminder = "The second feature is the normal of the nearest face, in the world, of length 1."


class FrontFaces(OfDibr):
    name = "only faces that look at the camera are drawn"
    points = 2
    after = (Form, Silhouette, Normals)
    images, mistakes, otherwise = ("hard_mask", "normal"), OF_BACK_FACES, "front-faces"
    reminder = "Here one sheet of the first mesh, and most of the second, turn their backs to the camera."

    def cases(self, rng):
        return _case(rng, turned=True)


class OfFeature(OfDibr):
    """A feature, on the face that `Normals` has judged to be the nearest or not."""

    after = (Form, Silhouette)

    def judge(self, outputs, **inputs):
        complaint = super().judge(outputs, **inputs)
        if complaint and complaint.key == self.otherwise:
            wrong = (self.made(makes, inputs) for makes in itertools.chain(*DEPTHS.values()))
            if any(alike(outputs[name], images[name]) for images in wrong for name in images):
                return None  # right but for the face, and `Normals` says so
        return complaint


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


class AnotherBand(OfDibr):
    name = "the soft edge is as wide as `band` says"
    points = 1
    after = (Form, Silhouette, SoftMask)
    images, mistakes, otherwise = ("soft_mask",), OF_BAND, "band"

    def cases(self, rng):
        return _case(rng) | {"band": _another_band(rng)}


class OfGradient(OfDibr):
    """The gradient of a weighted sum of an image's pixels, with respect to the vertices."""

    images, otherwise = ("verts.grad",), "wrong-gradient"
    tolerance, explained = 0.01, 0.03
    near = staticmethod(_alike_gradients)
    image = ""

    def cases(self, rng):
        return _case(rng) | {"weights": _random_weights(rng, 1)}

    def made(self, function, inputs):
        inputs = dict(inputs)
        weights, verts = inputs.pop("weights"), inputs.pop("verts").clone().requires_grad_()
        image = _rendered(function, verts, **inputs)[self.image]
        return _gradients_of(image, weights, {"verts.grad": verts})


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


ONE_COLOUR = "one-colour: All colours fade alike. Each has its own number in `water_absorption`"
UNDER_WATER = {
    """unchanged: Under water, on the dolphin, nothing fades. Is the result returned, and the condition
        (height below 0, on the mask) right?""": lambda i, l, m, w: i,
    """wrong-sign: Under water it gets brighter, and should get darker: the height is negative there
        already, so the exponent is w · l without a minus.""": _fading(lambda i, l, w: i * (-w * l).exp()),
    f"""{ONE_COLOUR}; you use the mean. (3,) against the
        image's last dimension broadcasts by itself.""": _fading(lambda i, l, w: i * (w.mean() * l).exp()),
    f"{ONE_COLOUR}; you use the mean of the three factors.": _fading(
        lambda i, l, w: i * (w * l).exp().mean(-1, keepdim=True)
    ),
    """share: w is taken for the share that a metre takes, (1 - w)^depth. Of very thin layers each takes w
        times its thickness of the rest: that makes exp(w ·
        l).""": _fading(lambda i, l, w: i * (1 - w) ** -l),
    "units: The height is multiplied by 100. It is in metres, and w in 1/m.": _fading(
        lambda i, l, w: i * (100 * w * l).exp()
    ),
    "units: The height is divided by 100. It is in metres, and w in 1/m.": _fading(
        lambda i, l, w: i * (w * l / 100).exp()
    ),
    f"{ONE_COLOUR}; you use their sum.": _fading(lambda i, l, w: i * (w.sum() * l).exp()),
    **{
        f"{ONE_COLOUR}; you use that of {colour} for all.": _fading(lambda i, l, w, k=k: i * (w[k] * l).exp())
        for k, colour in enumerate(("red", "green", "blue"))
    },
    """colours-reversed: Red and blue
        are exchanged: the order is red, green, blue.""": _fading(lambda i, l, w: i * (w.flip(0) * l).exp()),
    **{
        f"no-exponential: {what}. The law is exponential: each metre takes the same share of the rest.": makes
        for what, makes in (
            ("The colour is multiplied by w · l itself", _fading(lambda i, l, w: i * (w * l))),
            ("The colour is multiplied by -w · l itself", _fading(lambda i, l, w: i * (-w * l))),
            ("The colour fades linearly, 1 + w · l", _fading(lambda i, l, w: i * (1 + w * l))),
            (
                "The colour fades linearly, 1 + w · l, down to 0",
                _fading(lambda i, l, w: i * (1 + w * l).clamp(min=0)),
            ),
            ("The colour grows linearly, 1 - w · l", _fading(lambda i, l, w: i * (1 - w * l))),
            ("The colour is divided by 1 - w · l", _fading(lambda i, l, w: i / (1 - w * l))),
            ("w · l is added to the colour", _fading(lambda i, l, w: i + w * l)),
        )
    },
    **{
        f"other-base: The base of the power is {base}, expected e: `torch.exp`.": _fading(
            lambda i, l, w, base=base: i * base ** (w * l)
        )
        for base in (2, 10)
    },
    """twice: The exponent is 2 w · l, or the water is applied twice. The light's way down is in w already:
        the formula has w · l.""": _fading(lambda i, l, w: i * (2 * w * l).exp()),
    """half: The exponent is w · l / 2, or the root
        is taken of the factor. The formula has w · l.""": _fading(lambda i, l, w: i * (w * l / 2).exp()),
    "squared: The exponent has the square of the height: w · l, with the height as it is.": (
        _fading(lambda i, l, w: i * (-w * l * l).exp()),
        _fading(lambda i, l, w: i * (w * l * l).exp()),
    ),
    "squared: The exponent has the square of the absorption: w · l, with w as it is.": _fading(
        lambda i, l, w: i * (w * w * l).exp()
    ),
    """sum-in-exponent: w and l
        are added in the exponent. They are multiplied: w · l.""": _fading(lambda i, l, w: i * (w + l).exp()),
    """quotient-in-exponent: l is divided
        by w in the exponent. They are multiplied: w · l.""": _fading(lambda i, l, w: i * (l / w).exp()),
    """height-outside: This
        is exp(w) · l: the height belongs into the exponent.""": _fading(lambda i, l, w: i * w.exp() * l),
    """absorption-outside: This
        is w · exp(l): the absorption belongs into the exponent.""": _fading(lambda i, l, w: i * w * l.exp()),
    """absorption-forgotten: The colours
        fade by exp(l) alone: w is missing from the exponent.""": _fading(lambda i, l, w: i * l.exp()),
    """depth-forgotten: The colours change, but not with depth: l is missing from
        the exponent.""": (_fading(lambda i, l, w: i * (-w).exp()), _fading(lambda i, l, w: i * w.exp())),
    """exponential-missing: The colour is multiplied by w, and that is all: the factor is exp(w ·
        l).""": _fading(lambda i, l, w: i * w),
    """complement: The factor is 1 - exp(w · l), what
        the water takes. What it leaves is exp(w · l).""": _fading(lambda i, l, w: i * (1 - (w * l).exp())),
    """minus-one: The factor is exp(w
        · l) - 1, as `expm1` gives it. It is exp(w · l).""": _fading(lambda i, l, w: i * ((w * l).exp() - 1)),
    """image-in-exponent: The image
        is in the exponent. It is multiplied by exp(w · l).""": _fading(lambda i, l, w: (i * w * l).exp()),
    """factor-only: This is exp(w · l)
        alone: the image is to be multiplied by it.""": _fading(lambda i, l, w: (w * l).exp().expand_as(i)),
    "added: exp(w · l) is added to the image; it is a factor.": _fading(lambda i, l, w: i + (w * l).exp()),
    """added: exp(w
        · l) is subtracted from the image; it is a factor.""": _fading(lambda i, l, w: i - (w * l).exp()),
    "divided: The image is divided by w · l.": _fading(lambda i, l, w: i / (w * l)),
    """clamped: The result is cut off at 1, and
        should not be: a glint may be brighter.""": lambda i, l, m, w: spare.absorb(i, l, m, w).clamp(0, 1),
    """clamped: The image is cut off at 1 before it fades, and
        should not be: a glint may be brighter.""": _fading(lambda i, l, w: i.clamp(0, 1) * (w * l).exp()),
    "normalised: The result is divided by its largest value.": lambda i, l, m, w: (lambda x: x / x.max())(
        spare.absorb(i, l, m, w)
    ),
    """bytes: The result is 255
        times too large: colours stay as they come.""": lambda i, l, m, w: 255 * spare.absorb(i, l, m, w),
    """image-reversed: The colours of
        the image are in the order blue, green, red.""": _fading(lambda i, l, w: i.flip(-1) * (w * l).exp()),
    "grey: All colours are mixed into one.": _fading(
        lambda i, l, w: i.mean(-1, keepdim=True) * (w * l).exp()
    ),
    "one-depth: All pixels fade by the mean height. Each pixel has its own height.": (
        _fading(lambda i, l, w: i * (w * l.mean()).exp()),
        _fading(lambda i, l, w: i * (w * l.mean((1, 2, 3), keepdim=True)).exp()),
    ),
    """one-depth: All pixels fade by the
        lowest height. Each pixel has its own height.""": _fading(lambda i, l, w: i * (w * l.min()).exp()),
    "one-frame: All images fade by the heights of the first one.": _fading(
        lambda i, l, w: i * (w * l[:1]).exp()
    ),
    **{
        f"depth-cut: Heights below -{most} m count as -{most} m. The height is not limited.": _fading(
            lambda i, l, w, most=most: i * (w * l.clamp(min=-most)).exp()
        )
        for most in (1, 2, 3)
    },
    "rounded: The height is cut off to whole metres.": _fading(lambda i, l, w: i * (w * l.trunc()).exp()),
    "rounded: The height is rounded down to whole metres.": _fading(
        lambda i, l, w: i * (w * l.floor()).exp()
    ),
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
    **{
        f"""threshold: What is less than {round(100 * least)} cm under water stays as it is: the condition
            is height < 0.""": _where(lambda l, m, least=least: l < -least)
        for least in (0.02, 0.05, 0.1, 0.2, 0.5, 1)
    },
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
REVERSED = {
    """condition-reversed: It is changed above the water and not below: the condition is height < 0, or
        `.clamp(max=0)`.""": (
        *(_where(lambda l, m, least=least: (l > 0) & (m > least)) for least in (-1, 0.5)),
        *(lambda i, l, m, w, sign=sign: i * (sign * w * l.clamp(min=0) * m).exp() for sign in (1, -1)),
        *(lambda i, l, m, w, sign=sign: i * (sign * w * l.clamp(min=0)).exp() for sign in (1, -1)),
    ),
    """branches-exchanged: The two images of `torch.where` are exchanged: `torch.where(condition, a, b)`
        takes a where the condition holds.""": (
        lambda i, l, m, w: torch.where(_under(l, m), i, i * (w * l).exp()),
        lambda i, l, m, w: torch.where(l < 0, i, i * (w * l).exp()),
        lambda i, l, m, w: torch.where(_under(l, m), i, i * (w * l * m).exp()),
    ),
    """mask-inverted: The image fades beside the dolphin instead of on it: the mask is used the other way
        round.""": (_where(lambda l, m: m <= 0.5), lambda i, l, m, w: spare.absorb(i, l, 1 - m, w)),
}
GRADIENT_NAMES = ("image", "sea_level_height", "water_absorption")


# --- exercise 5


class OfAbsorb(Same):
    """A property of absorb, for images of random colours, heights and places; some pixels are black."""

    function, shows = "absorb", "absorb(image, sea_level_height, hard_mask, water_absorption)"
    right, otherwise = staticmethod(spare.absorb), "absorption"
    looks = "the image, of random colours", "image"
    heights, covered, most = (-4.0, -0.2), 1.0, 0.6  # most: the absorption of red, in 1/m
    interpolated = False  # whether the mask's ones are those of a rasteriser: sums of three weights, rounded

    def cases(self, rng):
        size = (2, 6, 10)
        mask = (_uniform(rng, 0, 1, (*size, 1)) < self.covered).float()
        if self.interpolated:
            mask = mask * (1 + torch.from_numpy(rng.integers(-1, 2, mask.shape)) * 2**-23).float()
        black = _uniform(rng, 0, 1, (*size, 1)) < 0.1
        return {
            "image": torch.where(black, 0, _uniform(rng, 0.2, 1.5, (*size, 3))),
            "sea_level_height": _uniform(rng, *self.heights, (*size, 1)),
            "hard_mask": mask,
            "water_absorption": torch.tensor([self.most, 0.25, 0.05]) + _uniform(rng, 0, 0.05, 3),
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
            "heights": _uniform(rng, -1, 1, (2, 6, 10, 1)),
            "mask": _uniform(rng, 0, 1, (2, 6, 10, 1)).round(),
        }
        return super().cases(rng) | mixed

    def calls(self, heights, mask, **inputs):
        mixed = inputs | {"sea_level_height": heights, "hard_mask": mask}
        return {"": tuple(inputs.values()), self.MIXED: tuple(mixed.values())}

    def judge(self, outputs, **inputs):
        complaint = super().judge({"": outputs[""]}, **inputs)
        if complaint and complaint.key == "unchanged":
            mixed = self.calls(**inputs)[self.MIXED]
            for said, makes in REVERSED.items():
                if any(close(outputs[self.MIXED], one(*mixed), self.explained) for one in makes):
                    return Complaint.of(said)
        if complaint and complaint.key == self.otherwise:
            return _other_absorption(outputs[""], **inputs) or complaint
        return complaint


def _other_absorption(got, image, sea_level_height, water_absorption, **_):
    """What is said of a result that is right for another absorption. -> Complaint or None"""
    rate = (got / image).log() / sea_level_height  # (B, H, W, 3)
    rate = rate[(image > 0).all(-1)]
    mean = rate.mean(0)
    if not (rate - mean).abs().max() < 1e-3:  # NaN is not
        return None
    pairs = [in_digits(*pair) for pair in zip(mean.round(decimals=3), water_absorption.round(decimals=3))]
    yours, should = (", ".join(numbers) for numbers in zip(*pairs))
    if yours == should:
        return None
    return Complaint.of(f"""other-absorption: Red, green and blue fade by exp(w · l) with w = ({yours}) 1/m,
        but `water_absorption` is ({should}).""")


class AboveWater(OfAbsorb):
    name = "at the surface: all below fades, nothing above"
    points = 2
    heights = (-1.2, 1.0)
    after = (UnderWater,)
    mistakes, otherwise = ABOVE_WATER, "at-the-surface"


class OffTheDolphin(OfAbsorb):
    name = "the mask: all of the dolphin, and nothing off it"
    points = 1
    covered, interpolated, most = 0.6, True, 1.3
    after = (UnderWater,)
    mistakes, otherwise = OFF_THE_DOLPHIN, "mask"


class AbsorbGradients(OfAbsorb):
    name = "gradients reach image, height and absorption"
    points = 3
    heights, covered, interpolated = (-1.5, 0.5), 0.8, True
    looks = ()
    # What is said of gradients is true only of a right result.
    after = (UnderWater, AboveWater, OffTheDolphin)
    tolerance, otherwise = 1e-3, "wrong-gradient"

    def inputs(self, rng):
        return self.cases(rng) | {"weights": _random_weights(rng, 3)[:, :6, :10]}

    def call(self, given, **inputs):
        return self.made(given.absorb, inputs)

    def made(self, function, inputs):
        inputs = dict(inputs)
        weights = inputs.pop("weights")
        leaves = {name: inputs[name].clone().requires_grad_() for name in GRADIENT_NAMES}
        image = leaves["image"].tanh()  # whose backward needs its result: it must not be written into
        result = function(*(inputs | leaves | {"image": image}).values())
        return _gradients_of(tensor(self.shows, result, image.shape, image), weights, leaves)

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
    """The steps of exercise 6, each computed when it is asked for; changes: {step: function of the
    studio}."""

    def __init__(self, scene, t, cam, band, changes):
        self.scene, self.t, self.cam, self.band = scene, t, cam, band
        for step, change in changes.items():
            setattr(self, step, change(self))

    @cached_property
    def vertices(self):
        return self.scene.skin(self.t)

    def drawn(self, vertices):
        return spare.dibr_rendering(vertices, self.cam, self.scene.model, self.band)

    @cached_property
    def rendering(self):
        return self.drawn(self.vertices)

    @cached_property
    def features(self):
        return self.rendering[0]

    @cached_property
    def hard(self):
        return self.features[3]

    @cached_property
    def soft(self):
        return self.rendering[1]

    @cached_property
    def albedo(self):
        return self.scene.dolphin_albedo

    @cached_property
    def skin(self):
        return shading.texturing(self.features[0], self.hard, self.albedo)

    def sunlit(self, image, normal=None):
        normal = self.features[1] if normal is None else normal
        return shading.sunlight(self.scene, self.cam, self.hard, image, normal)

    def watered(self, image, height=None):
        height = self.features[2] if height is None else height
        return spare.absorb(image, height, self.hard, self.scene.water_absorption)

    @cached_property
    def image(self):
        return self.watered(self.sunlit(self.skin))

    @cached_property
    def result(self):
        return self.image, self.hard, self.soft


def _filmed(**changes):
    """A render some of whose steps are others: functions of the `Studio`."""

    def render(scene, t, cam, band=TUTORIAL_BAND):
        return Studio(scene, t, cam, band, changes).result

    return render


def _picture(change):
    """A render whose masks are right, and whose image is change(studio)."""
    return _filmed(image=change)


def _white(studio):
    return studio.hard.expand(*studio.hard.shape[:-1], 3)


def _turned_uv(studio, signs, shift):
    """The skin with texture coordinates that are turned round."""
    uv = studio.features[0] * torch.tensor(signs).to(studio.hard) + torch.tensor(shift).to(studio.hard)
    return shading.texturing(uv, studio.hard, studio.albedo)


_right_render = _filmed()
OTHER_FRAMES = (
    "t-ignored: It shows {} `scene.skin(t)` poses the mesh as it is at the frames t that are asked for."
)
OF_MASKS = {
    """soft-twice: Both masks are the soft one.
        The hard mask is the last of the features.""": _filmed(result=lambda s: (s.image, s.soft, s.soft)),
    """hard-twice: Both masks are the hard one. The soft mask
        is the second result of `dibr_rendering`.""": _filmed(result=lambda s: (s.image, s.hard, s.hard)),
    """masks-exchanged: The hard and the soft mask
        are exchanged: image, hard_mask, soft_mask.""": _filmed(result=lambda s: (s.image, s.soft, s.hard)),
    """height-as-mask: The hard mask is the height: the features are uv, normal, height, hard mask, in this
        order.""": _filmed(result=lambda s: (s.image, s.features[2], s.soft)),
    **{
        OTHER_FRAMES.format(what): _filmed(t=makes)
        for what, makes in (
            ("the first frames, 0, 1 and so on.", lambda s: torch.arange(len(s.t))),
            *((f"frame {k} for all.", lambda s, k=k: torch.full_like(s.t, k)) for k in range(5)),
            ("the first of the frames t for all.", lambda s: s.t[:1].expand_as(s.t)),
            ("the frames t in another order.", lambda s: s.t.flip(0)),
            ("the frames after those asked for, t + 1.", lambda s: s.t + 1),
            ("the frames before those asked for, t - 1.", lambda s: s.t - 1),
        )
    },
    """first-camera: All frames are seen by the first camera. Frame
        b is seen by camera b.""": _filmed(cam=lambda s: s.cam[torch.zeros(len(s.t), dtype=torch.long)]),
    """cameras-reversed: The cameras come in reverse order. Frame b is seen by camera
        b.""": _filmed(cam=lambda s: s.cam[torch.arange(len(s.t)).flip(0)]),
    """moved-twice: The vertices are moved by the translations once more: `scene.skin(t)` has done
        it.""": _filmed(rendering=lambda s: s.drawn(s.vertices + s.scene.translations[s.t])),
    """hard-inverted: The hard
        mask is 0 on the dolphin and 1 beside it.""": _filmed(result=lambda s: (s.image, 1 - s.hard, s.soft)),
    "upside-down: The masks are upside down.": _filmed(
        result=lambda s: (s.image, s.hard.flip(1), s.soft.flip(1))
    ),
    """mirrored: The masks are mirrored:
        left and right are exchanged.""": _filmed(result=lambda s: (s.image, s.hard.flip(2), s.soft.flip(2))),
    """masks-inverted: The masks
        are 0 on the dolphin and 1 beside it.""": _filmed(result=lambda s: (s.image, 1 - s.hard, 1 - s.soft)),
    "soft-binary: The soft mask has lost its soft edge: it has only zeros and ones.": (
        _filmed(result=lambda s: (s.image, s.hard, (s.soft > 0.5).float())),
        _filmed(result=lambda s: (s.image, s.hard, (s.soft > 0).float())),
        _filmed(result=lambda s: (s.image, s.hard, s.soft.round())),
    ),
    """soft-hollow: The soft mask is without the hard
        one: it is to be 1 on the dolphin.""": _filmed(result=lambda s: (s.image, s.hard, s.soft - s.hard)),
    "zeros: Both masks are 0 everywhere: no dolphin is seen.": _filmed(
        result=lambda s: (0 * s.image, 0 * s.hard, 0 * s.soft)
    ),
}
BOTH_STEPS = "`lighting` calls `absorb` after the sun."
OF_IMAGE = {
    "black: The image is black everywhere.": _picture(lambda s: 0 * s.image),
    f"""no-water: Nothing fades in the water: {BOTH_STEPS} It takes the image, the height of the features,
        the hard mask and the absorption, in this order.""": _picture(lambda s: s.sunlit(s.skin)),
    """no-lighting: This is the skin alone: its picture is not passed through `lighting`, or what comes out
        of it is lost.""": _picture(lambda s: s.skin),
    f"no-lighting: The sun is missing: {BOTH_STEPS}": _picture(lambda s: s.watered(s.skin)),
    """no-texture: The skin has no texture: `texturing(uv, hard_mask, scene.dolphin_albedo)` comes before the
        light.""": (
        _picture(lambda s: s.watered(s.sunlit(_white(s)))),
        _picture(lambda s: s.watered(s.sunlit(torch.ones_like(_white(s))))),
    ),
    """no-texture: The light falls on black: the
        skin's image does not reach `lighting`.""": _picture(lambda s: s.watered(s.sunlit(0 * _white(s)))),
    "no-texture: The image is the hard mask alone: texture and light are missing.": _picture(_white),
    """one-grey: The skin has one grey everywhere, the mean of the texture. Look it up: `texturing(uv,
        hard_mask,
        scene.dolphin_albedo)`.""": _picture(lambda s: s.watered(s.sunlit(s.albedo.mean() * _white(s)))),
    """light-before-texture: The light comes before the texture. A sun's glint is not coloured by the skin:
        first `texturing`,
        then `lighting` with its picture.""": _picture(lambda s: s.watered(s.sunlit(_white(s))) * s.skin),
    """light-before-texture: The texture
        is multiplied onto a picture that was lit with it already.""": _picture(lambda s: s.image * s.skin),
    """texture-twice: The texture is
        multiplied with itself before the light.""": _picture(lambda s: s.watered(s.sunlit(s.skin * s.skin))),
    "added: The skin is added to the lit picture.": _picture(lambda s: s.image + s.skin),
    "added: The picture is the mean of the skin and the lit one.": _picture(lambda s: (s.image + s.skin) / 2),
    """water-before-sun: The water comes before the sun; light is reflected first, then dimmed on its way
        up.""": _picture(lambda s: s.sunlit(s.watered(s.skin))),
    "water-twice: The water is applied twice: `lighting` calls `absorb` already.": (
        _picture(lambda s: s.watered(s.image)),
        _picture(lambda s: s.watered(s.sunlit(s.watered(s.skin)))),
    ),
    """sun-twice: The sun is applied twice:
        `lighting` calls `sunlight` already.""": _picture(lambda s: s.watered(s.sunlit(s.sunlit(s.skin)))),
    "light-twice: `lighting` is applied twice.": _picture(lambda s: s.watered(s.sunlit(s.image))),
    """texture-upside-down: The texture is upside down: v is flipped
        once too often.""": _picture(lambda s: s.watered(s.sunlit(_turned_uv(s, [1.0, -1], [0.0, 1])))),
    "texture-mirrored: The texture is mirrored: u is flipped.": _picture(
        lambda s: s.watered(s.sunlit(_turned_uv(s, [-1.0, 1], [1.0, 0])))
    ),
    "texture-turned: u and v of the texture are exchanged.": (
        _picture(lambda s: s.watered(s.sunlit(shading.texturing(s.features[0].flip(-1), s.hard, s.albedo)))),
        _filmed(albedo=lambda s: s.scene.dolphin_albedo.mT),
    ),
    """texture-turned: The texture is turned by half a turn: both
        u and v are flipped.""": _picture(lambda s: s.watered(s.sunlit(_turned_uv(s, [-1.0, -1], [1.0, 1])))),
    "one-texel: All pixels have the same place in the texture.": _picture(
        lambda s: s.watered(s.sunlit(shading.texturing(0 * s.features[0], s.hard, s.albedo)))
    ),
    "image-upside-down: The picture is upside down.": _picture(lambda s: s.image.flip(1)),
    """image-mirrored:
        The picture is mirrored: left and right are exchanged.""": _picture(lambda s: s.image.flip(2)),
    """image-reversed: The
        frames of the image come in reverse order; the masks do not.""": _picture(lambda s: s.image.flip(0)),
    "one-frame: All images are the first one; the masks are not.": _picture(
        lambda s: s.image[:1].expand_as(s.image)
    ),
    """colours-reversed:
        Red and blue are exchanged: the order is red, green, blue.""": _picture(lambda s: s.image.flip(-1)),
    "grey: The picture is grey: its colours are averaged.": _picture(
        lambda s: s.image.mean(-1, keepdim=True).expand_as(s.image)
    ),
    "grey: The picture is grey: one of its colours stands for all.": tuple(
        _picture(lambda s, k=k: s.image[..., k : k + 1].expand_as(s.image)) for k in range(3)
    ),
    "gamma: The picture is changed by gamma. Leave the numbers as `lighting` gives them.": tuple(
        _picture(lambda s, power=power: s.image.clamp(min=0) ** power) for power in (1 / 2.2, 2.2)
    ),
    "bytes: The image is 255 times too bright: colours are from 0 to 1.": _picture(lambda s: 255 * s.image),
    "inverted: The image is inverted: 1 - image.": _picture(lambda s: 1 - s.image),
    "texture-softly-masked: The texture is masked by the soft mask, not by the hard one.": _picture(
        lambda s: s.watered(s.sunlit(shading.texturing(s.features[0], s.soft, s.albedo)))
    ),
    """white-beside: Beside
        the dolphin the picture is white, and is to be black.""": _picture(lambda s: s.image + 1 - s.hard),
    """clamped: The image
        is cut off at 1: a glint of the sun may be brighter.""": _picture(lambda s: s.image.clamp(0, 1)),
    """wrong-normals: The sun comes from the other side:
        the normals point into the body.""": _picture(lambda s: s.watered(s.sunlit(s.skin, -s.features[1]))),
    """wrong-normals: The normals are stretched before the light: they come as
        they are, of length 1.""": _picture(lambda s: s.watered(s.sunlit(s.skin, (s.features[1] + 1) / 2))),
    """height-sign: The height has the opposite sign:
        it gets darker above the water.""": _picture(lambda s: s.watered(s.sunlit(s.skin), -s.features[2])),
    "normals-as-image: The image shows the normals.": _picture(lambda s: s.features[1]),
}


def _detached(k):
    """A render whose image does not know where feature k comes from."""
    return _filmed(features=lambda s: [x.detach() if n == k else x for n, x in enumerate(s.rendering[0])])


OF_IMAGE_GRADIENTS = {
    f"""features-detached: The {name} are detached before the picture is made of them. Then it cannot pull at
        places and poses through them.""": _detached(k)
    for k, name in enumerate(("texture coordinates", "normals", "heights"))
}
OF_RENDERED_BAND = {
    """band-fixed: With another `band` the soft mask is not another one: pass it on, `dibr_rendering(verts,
        cam, scene.model, band)`.""": _filmed(band=lambda s: TUTORIAL_BAND)
}


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
    if "'Tensor' object is not callable" in text:
        return Problem.of("""absorb-called: `lighting` wants the function `absorb` itself and calls it later:
            hand it over without parentheses, lighting(scene, cam, hard_mask, image, normals, height,
            absorb).""")
    if found := re.search(r"'DolphinScene' object has no attribute '(\w+)'", text):
        if not hasattr(scene.model, found[1]):
            return Problem.of(f"""no-such-parameter: A scene has no `{found[1]}`. It has
                {", ".join(f"`{name}`" for name in PARAMETERS)}, its `model`, and `skin(t)`.""")
        return Problem.of(f"""scene-for-model: Python says: {text}. Is the scene handed over where its model
            is wanted? dibr_rendering(verts, cam, scene.model, band).""")
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
    SUN = (("azimuth", [0.6]), ("elevation", [1.1]), ("strength", [3.0]), ("angle", [1.0]))
    LIGHT = (("water_absorption", [0.9, 0.5, 0.2]), *SUN)

    def cases(self, rng):
        views = _views(rng, 5)
        R, place = views.pop("R"), views.pop("place")
        return {
            "t": torch.tensor([3, 1]),
            **views,
            "global_poses": rotmat_to_rotvec(R)[:, None],
            "translations": place[:, None],
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

    def render(self, function, scene, inputs, spared=tuple(EARLIER)):
        """What a render gives, as a dict of its three images.

        spared: what it gets spare parts for. Raises Problem for a wrong form.
        """
        t = inputs["t"]
        arguments = [scene, t, _cameras(inputs["eye"][t], inputs["corner"][t])]
        call = "render(scene, t, cam)"
        if "band" in inputs:
            arguments, call = [*arguments, _band_of(inputs["band"])], "render(scene, t, cam, band)"
            _needs_band(function, arguments)
        explain = partial(_render_problem, scene=scene, t=t, spared=spared)
        with _explained(function, explain):
            with _spare_parts(function, spared):
                value = function(*arguments)
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
    def made(self, function, inputs):
        images = self.render(function, self.scene(inputs), inputs)
        return {name: images[name] for name in self.images}


class RenderForm(OfRender):
    name = "an image and two masks, of the right shapes"
    points = 1
    images = ("image", "hard_mask", "soft_mask")

    def cases(self, rng):
        warm(CHANNELS.values())  # no solution is to be blamed for what that takes
        return super().cases(rng)

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
        return super().cases(rng) | {"band": _another_band(rng)}


class Picture(OfRender):
    name = "the picture: skin, sun, water"
    points = 3
    after = (RenderForm, Masks)
    images, mistakes, otherwise = ("image",), OF_IMAGE, "picture"
    reminder = "The steps: skin(t), dibr_rendering, texturing, lighting."

    @torch.no_grad()
    def judge(self, outputs, **inputs):
        complaint = super().judge(outputs, **inputs)
        if complaint is None or complaint.key != self.otherwise:
            return complaint
        image, right = outputs["image"], self.render(self.right, self.scene(inputs), inputs)
        on = right["hard_mask"] > 0.5
        if alike(torch.where(on, image, 0), torch.where(on, right["image"], 0)):
            count = int(((image.abs() > 1e-3).any(-1) & ~on[..., 0]).sum())
            return Complaint.of(f"""coloured-beside: On the dolphin the picture is right, but {count} pixels
                beside it are coloured too, and are to be black. `texturing` and `lighting`
                want the hard mask.""")
        return complaint


class OfRenderGradients(OfRender):
    """The gradients of a weighted sum of an image's pixels, with respect to parameters of the scene."""

    image = ""
    tolerance, explained, otherwise = 0.01, 0.03, "wrong-gradient"
    near = staticmethod(_alike_gradients)

    def cases(self, rng):
        channels = 3 if self.image == "image" else 1
        return super().cases(rng) | {"weights": _random_weights(rng, channels)}

    def made(self, function, inputs):
        scene = self.scene(inputs)
        leaves = {f"scene.{name}.grad": getattr(scene, name) for name in self.parameters}
        return _gradients_of(self.render(function, scene, inputs)[self.image], inputs["weights"], leaves)

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
    images = tuple(f"{own}_{name}" for own in EARLIER for name in ("image", "soft_mask", "stops"))

    STOPS = (None, "is not written yet", "stops with an error")

    @torch.no_grad()
    def made(self, function, inputs):
        """With your own of one exercise and a spare part of the other: what differs is the one's fault."""
        B, (W, H) = len(inputs["t"]), WINDOW
        outputs = {}
        for own in EARLIER:
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
        right, faults = self.made(self.right, inputs), []
        for own, number in EARLIER.items():
            what = self.STOPS[int(outputs[f"{own}_stops"])]
            names = (f"{own}_image", f"{own}_soft_mask")
            if not all(alike(outputs[name], right[name]) for name in names):
                what = what or "gives another picture"
            faults += [f"your `{own}` (exercise {number}) {what}"] if what else []
        if not faults:
            return None
        return Complaint.of(f"""earlier-exercise: `render` is judged with spare parts: {" and ".join(faults)}.
            Look at its check again.""")


_RENDER_GRADIENTS = (SoftMaskGradients(), ImageGradients())
_OF_RENDER = (RenderForm(), Masks(), Picture(), *_RENDER_GRADIENTS, RenderBand(), WithYourOwn())
renderer = Exercise(6, "The renderer", ("render",), _OF_RENDER)
