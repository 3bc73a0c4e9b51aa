"""The mesh of lesson 3's checks, who looks at it, and the cases made of both.

The dolphin's part is played by two stones, one before the other, and sheets in two corners of the picture.
"""

import math
import types

import torch

from ..rotations import rotvec_to_rotmat
from ..video import CAMERA_FOCAL, SENSOR_WIDTH, drone_cameras
from ..window import Band, window_camera

FRAME, WINDOW = (640, 360), (96, 54)  # pixels: the whole frame, and the part of it that the checks render
PIXELS_PER_METRE = FRAME[0] * CAMERA_FOCAL / SENSOR_WIDTH  # at a distance of 1 m


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


def cameras_at(eye, corner):
    """Drones at eye (B, 3), of whose frames the part at corner (B, 2) is looked at."""
    return window_camera(_whole_cameras(eye), *corner.unbind(-1), *WINDOW)


def views_of(rng, batch, turned=False):
    """Cameras before which the mesh lies, and what it takes to get it there.

    The first camera looks straight down, the second one aslant and up, from under the sea: what is higher, or
    has a larger x or z in the world, is farther from it. -> rest (V, 3), faces (F, 3), face_uvs (1, F, 3, 2),
    eye (B, 3), corner (B, 2), R (B, 3, 3), place (B, 3)
    """
    eye = torch.zeros(batch, 3)
    eye[:, 1] = uniform(rng, 4.5, 5.5, batch)
    slant, around = rng.uniform(0.6, 0.75), rng.uniform(1.15, 1.35) * math.pi
    from_below = [math.sin(slant) * math.cos(around), -math.cos(slant), math.sin(slant) * math.sin(around)]
    eye[1] = eye[1, 1] * torch.tensor(from_below)
    corner = torch.from_numpy(rng.integers([262, 143], [283, 164], (batch, 2)))
    rest, faces = stones(turned)
    cells = cells_of(len(faces))
    cell = torch.cartesian_prod(torch.arange(cells), torch.arange(cells))[: len(faces), None].flip(-1)
    within = torch.tensor([[0.2, 0.3], [0.7, 0.2], [0.4, 0.8]]) + uniform(rng, -0.1, 0.1, (len(faces), 3, 2))
    face_uvs = ((cell + within) / cells)[None]  # each face has a place of its own in the texture
    axes = _whole_cameras(eye).extrinsics.R.mT  # right, up and back in the world, as columns
    straight_down = _whole_cameras(torch.tensor([[0.0, 1, 0]])).extrinsics.R
    tilt = rotvec_to_rotmat(uniform(rng, -0.15, 0.15, (batch, 3)))  # no face becomes edge-on by so little
    from_middle = corner + (torch.tensor(WINDOW) - torch.tensor(FRAME)) / 2
    right, down = (from_middle / PIXELS_PER_METRE).unbind(-1)
    ray = (axes @ torch.stack([right, -down, -torch.ones_like(right)], -1)[..., None])[..., 0]  # (B, 3)
    place = eye - ray * (eye[:, 1] / ray[:, 1])[:, None]  # where the window's middle meets the sea
    mesh = {"rest": rest, "faces": faces, "face_uvs": face_uvs}
    return mesh | {"eye": eye, "corner": corner, "R": axes @ straight_down @ tilt, "place": place}


def cells_of(faces):
    """How many rows and columns of places there are in a texture, one for each face."""
    return math.ceil(faces**0.5)


def case_of(rng, batch=2, turned=False):
    """The mesh before each of the cameras of `views_of`. -> verts (B, V, 3), faces, face_uvs, eye, corner"""
    views = views_of(rng, batch, turned)
    rest, R, place = (views.pop(name) for name in ("rest", "R", "place"))
    if turned:
        R[1] = R[1] * torch.tensor([1, -1, -1])  # the second mesh is turned over
    return {"verts": rest @ R.mT + place[:, None], **views}


def with_third(case, first, places):
    """Of the third frame's vertices those from `first` on are at places (N, 3), and no other one is seen.

    places: in the camera's coordinates, metres. -> the case
    """
    pose = cameras_at(case["eye"][2:], case["corner"][2:]).extrinsics
    case["verts"][2, :, 0] += 100
    case["verts"][2, first : first + len(places)] = (places - pose.t[0].T) @ pose.R[0]
    return case


def middle_of(case):
    """Where the third frame's window has its middle: x and y over the distance from the camera, (2,)."""
    by = case["corner"][2] + (torch.tensor(WINDOW) - torch.tensor(FRAME)) / 2
    return by / PIXELS_PER_METRE * torch.tensor([1, -1])


def layers(case):
    """In the third frame a face leans over all of the picture; a stone and a sheet lie a little behind it.

    The face is nearer than these where it hides them. On the whole the sheet is nearer; and by the distance
    to its corners, which are far aside, both are.
    """
    leaning = [[-0.5, -0.4, 7], [0.5, -0.4, 7], [0.3, 0.8, 3], [-0.3, 0.8, 3], [0, 0.7, 3]]
    sheet = torch.tensor([[0.05, 0.05], [-0.05, 0.05], [-0.05, 0.02], [0.05, 0.02], [0, 0.04]])
    stone = torch.tensor([[-0.02, 0], [0, 0], [0, 0.02], [0.02, 0], [0, 0], [0, -0.02]]) - 0.02
    stone = torch.cat([stone + middle_of(case), 6.1 + torch.tensor([[0, -0.1, 0, 0, 0.1, 0]]).T], -1)
    sheet = torch.cat([sheet + middle_of(case), torch.full((5, 1), 5.6)], -1)
    ratio, distance = torch.cat([stone, torch.tensor(leaning), sheet]).split([2, 1], -1)
    return with_third(case, 6, torch.cat([ratio * distance, -distance], -1))


def uniform(rng, low, high, shape):
    """Random numbers. -> float tensor"""
    return torch.from_numpy(rng.uniform(low, high, shape)).float()


def random_weights(rng, channels):
    """What two images are weighted by before they are summed, to compare gradients. -> (2, H, W, channels)"""
    return torch.from_numpy(rng.normal(size=(2, WINDOW[1], WINDOW[0], channels))).float()


def another_band(rng):
    """Two numbers and a count, none of them that of `TUTORIAL_BAND`. -> (3,)"""
    return torch.tensor([float(rng.uniform(20000, 40000)), float(rng.uniform(0.02, 0.03)), 5.0])


def band_of(values):
    """The band of three numbers, (3,)."""
    sigmainv, boxlen, knum = values.tolist()
    return Band(sigmainv, boxlen, round(knum))


class DolphinModel(types.SimpleNamespace):
    """Stands in for the real one, and is called so where Python says that it has no such attribute."""


def pretended_model(faces, face_uvs):
    """The model of a mesh, as much of it as exercise 4 needs."""
    return DolphinModel(F=faces, face_uvs=face_uvs, device=faces.device)
