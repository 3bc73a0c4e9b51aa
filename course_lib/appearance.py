"""Skin, light and water of a dolphin that is in place: fitted to the pixels of the whole clip at once.

The default recipe does this at its end. When the animal no longer moves, a pixel's colour is simple: linear
in the skin, and of the light and the water there are 15 numbers. So nothing is rendered again and again: the
pixels that show the dolphin are gathered once, and then these take turns:

- the light: direction and width of the sun, colours of sun, sky and water, absorption (L-BFGS);
- the skin: one grey for each vertex of the mesh, by linear least squares. Neighbours are drawn together: so
  what no frame shows, such as the belly, takes the colour of what lies around it, and where the texture's
  charts meet there is no seam, as both sides are the same vertices;
- weights: a pixel that is far off, under foam or glare, counts little (Geman and McClure, 1987).

What is left is mostly the sun's light in waves, which gather it to bright patches that run over the back:
caustics. `fit_caustics` reads them from the picture, frame by frame, as a smooth gain. Before that the colour
of the water over the animal says how it rises and sinks (course_lib.heave).
"""

import math
from dataclasses import dataclass, fields
from types import SimpleNamespace

import numpy as np
import torch

from . import heave
from .kal.render.mesh import rasterize
from .shading import colours_of_pixels, covered_pixels, pixels_of, seen_normals, with_pixels
from .window import WindowLoader

MOST_PIXELS, MOST_FOR_LIGHT = 600_000, 20_000  # of a clip; of them for the light
ROUNDS, STEPS = 3, 20  # skin and light take turns; steps of L-BFGS in each
FAR_OFF = 0.12  # of colours in [0, 1]: from here on a pixel counts little
AGREE = 10.0  # what a difference between neighbouring vertices costs; 1: as much as that of a pixel
CELLS_ALONG = 44  # of the caustics' grid, from flukes to rostrum: 6 cm
EVEN, STEADY = 0.1, 0.1  # what a gain costs, and a difference of gains between neighbouring cells
ANGLES = ("azimuth", "elevation", "angle")
LIGHTS = (*ANGLES, "water_absorption", "sun_colour", "sky_light", "water_light")
LIKELY = 1e-3  # what it costs if a light is otherwise than at the start
LIKELY_SKIN, GREY = 0.5, 1e-3  # grey of dolphins, and what it costs a vertex to have another


@dataclass
class Pixels:
    """N pixels of a clip that show the dolphin: what is seen there, and where on it that is.

    frame (N,); corners (N, 3) vertex numbers and shares (N, 3) of the face; normal (N, 3) unit; height (N, 1)
    metres over the sea; colour (N, 3) in [0, 1].
    """

    frame: torch.Tensor
    corners: torch.Tensor
    shares: torch.Tensor
    normal: torch.Tensor
    height: torch.Tensor
    colour: torch.Tensor

    def some(self, chosen):
        return Pixels(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def colours(self, scene, skin, absorb):
        """What the scene's light makes of skin (N, 1). -> (N, 3)"""
        shown = skin.expand(-1, 3), self.normal, self.height, torch.ones_like(self.height)
        return colours_of_pixels(scene, None, *shown, absorb)

    def matrix(self, num_vertices):
        """The sparse matrix (N, V) that interpolates values of vertices."""
        from scipy.sparse import csr_matrix

        rows, columns = np.arange(len(self.frame)).repeat(3), self.corners.cpu().numpy().ravel()
        shape = len(self.frame), num_vertices
        return csr_matrix((self.shares.cpu().numpy().ravel(), (rows, columns)), shape=shape)


@torch.no_grad()
def fit_appearance(scene, dataset, rasterize_features, absorb):
    """Gives a scene whose dolphin is in place the skin, light and water of its clip.

    rasterize_features(verts, cam, model): the first half of exercise 4; absorb: exercise 5. How the water
    colours the animal says by how much it rises and sinks, and so it does. -> heights (T,) about their mean
    that were added, their sd (T,), metres; None where no pixel shows the dolphin
    """
    pixels = gather(scene, dataset, rasterize_features)
    if not len(pixels.frame):
        return None
    still = fit_still_water(scene, dataset, pixels, absorb)
    rise, sd = heave.by_colour(scene, pixels, still, dataset.fps)
    heave.raise_by(scene, dataset, rise)
    # The same skin in the same light under less or more water.
    above = pixels.height + rise.to(still)[pixels.frame][:, None]
    less = above.clamp(max=0) - pixels.height.clamp(max=0)  # (N, 1)
    still = (still - scene.water_light) * (scene.water_absorption * less).exp() + scene.water_light
    scene.caustics = fit_caustics(scene, pixels, still)
    return rise, sd


@torch.no_grad()
def fit_still_water(scene, dataset, pixels, absorb):
    """Fits skin, light and water to the pixels, as if there were no waves. -> their colours then, (N, 3)"""
    likely = start_light(scene, dataset)
    skin_of = pixels.matrix(scene.model.V.shape[1])
    rough = mesh_laplacian(scene.model)
    weights = torch.ones_like(pixels.height[:, 0])  # (N,)
    shown = LIKELY_SKIN * weights[:, None]  # (N, 1)
    few = torch.arange(0, len(pixels.frame), math.ceil(len(pixels.frame) / MOST_FOR_LIGHT))
    for _ in range(ROUNDS):
        fit_light(scene, pixels.some(few), shown[few], weights[few], likely, absorb)
        skin = fit_skin(scene, pixels, skin_of, rough, weights, absorb)  # (V,)
        shown = weights.new_tensor(skin_of @ skin)[:, None]  # (N, 1)
        still = pixels.colours(scene, shown, absorb)  # (N, 3), in still water
        weights = (1 + (still - pixels.colour).square().sum(1) / FAR_OFF**2) ** -2  # (N,)
    size = scene.dolphin_albedo.shape[-1]
    scene.dolphin_albedo.copy_(texture_of(scene.model, skin, size))
    return still


@torch.no_grad()
def gather(scene, dataset, rasterize_features):
    """The pixels of a clip that show its dolphin, by the fit and by the masks. -> `Pixels`

    Of large animals and long clips only some of them.
    """
    found, per_frame = [], max(MOST_PIXELS // len(dataset), 200)
    for frames in WindowLoader(dataset, scene, batch_size=4, shuffle=False):
        cam, t = frames["cam"], frames["t"]
        (uv, normal, height, hard), _, face_idx = rasterize_features(scene.skin(t), cam, scene.model)
        covered = covered_pixels(hard * (frames["segmented"] > 0.5))
        covered = covered[:: max(math.ceil(len(covered) / (per_frame * len(t))), 1)]  # (N,)
        where = covered // hard[0].numel()  # (N,) in the batch
        face = face_idx.reshape(-1)[covered]
        shares = shares_of(scene.model, face, pixels_of(uv, covered))
        images = seen_normals(normal, hard), height, frames["original"]
        values = [pixels_of(image, covered) for image in images]
        found.append([t[where], scene.model.F[face], shares, *values])
    return Pixels(*(torch.cat(parts) for parts in zip(*found)))


def shares_of(model, face, uv):
    """Which share each corner of a face has in a point of it. face (N,), its place uv (N, 2) -> (N, 3)"""
    corners = model.face_uvs[0, face] * uv.new_tensor([1, -1]) + uv.new_tensor([0, 1])  # (N, 3, 2), v upwards
    (x, y), (x0, y0), (x1, y1), (x2, y2) = (at.unbind(-1) for at in (uv, *corners.unbind(1)))
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    area = torch.where(area.abs() < 1e-12, 1.0, area)
    first = ((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)) / area
    second = ((x2 - x) * (y0 - y) - (x0 - x) * (y2 - y)) / area
    shares = torch.stack([first, second, 1 - first - second], 1).clamp(0, 1)
    return shares / shares.sum(1, keepdim=True)


def mesh_laplacian(model):
    """s^T L s is the sum of squared differences of a value s (V,) over the edges of the mesh. -> (V, V)"""
    from scipy.sparse import csr_matrix, diags

    faces, V = model.F.cpu().numpy(), model.V.shape[1]
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    once = csr_matrix((np.ones(len(ends)), ends.T), shape=(V, V))
    joined = ((once + once.T) > 0).astype(float)
    return diags(np.asarray(joined.sum(1)).ravel()) - joined


def start_light(scene, dataset):
    """A white sun in the zenith, a dim sky, water as bright as the clip on average. -> {name: value}"""
    device = scene.anchors.device
    scene.azimuth.fill_(math.pi / 2)
    scene.elevation.zero_()
    scene.angle.fill_(math.pi / 2)
    scene.strength.fill_(1)  # how bright the sun is, its colour says
    scene.sun_colour, scene.sky_light = torch.ones(3, device=device), torch.full((3,), 0.3, device=device)
    few = dataset.frames[:: max(len(dataset) // 8, 1), ::8, ::8]
    scene.water_light = (few.float().mean((0, 1, 2)) / 255).to(device)
    scene.water_absorption.copy_(torch.tensor([0.9, 0.4, 0.3]))
    return {name: getattr(scene, name).detach().clone() for name in LIGHTS}


def fit_light(scene, pixels, skin, weights, likely, absorb):
    """Fits sun, sky and water to pixels whose skin (N, 1) is known, near to what is `likely`, a dict."""
    light = SimpleNamespace(strength=scene.strength)
    for name in likely:
        setattr(light, name, getattr(scene, name).detach().clone().requires_grad_())
    free = [getattr(light, name) for name in likely]
    optimizer = torch.optim.LBFGS(free, max_iter=STEPS, line_search_fn="strong_wolfe")

    @torch.enable_grad()
    def loss():
        optimizer.zero_grad()
        off = (pixels.colours(light, skin, absorb) - pixels.colour).square().sum(1)  # (N,)
        unlikely = sum((value - likely[name]).square().sum() for name, value in zip(likely, free))
        beyond = [value.clamp(max=0) for value in free[3:]]  # colours and absorption: not negative
        beyond += [light.water_absorption.clamp(min=1) - 1, light.water_light.clamp(min=1) - 1]
        total = (weights * off).mean() + LIKELY * unlikely + sum(value.square().sum() for value in beyond)
        total.backward()
        return total

    optimizer.step(loss)
    for name, value in zip(likely, free):
        most = 2 * torch.pi if name in ANGLES else 1 if name.startswith("water") else None
        value = value.detach().remainder(2 * torch.pi) if name in ANGLES else value.detach().clamp(0, most)
        getattr(scene, name).copy_(value)


def fit_skin(scene, pixels, skin_of, rough, weights, absorb):
    """The greys (V,) of the mesh's vertices under the scene's light, in least squares.

    skin_of: the matrix (N, V) from vertices to pixels; rough: `mesh_laplacian`; weights: (N,).
    """
    from scipy.sparse import diags, identity
    from scipy.sparse.linalg import splu

    nothing = torch.zeros_like(pixels.height)
    black = pixels.colours(scene, nothing, absorb)
    slope = pixels.colours(scene, nothing + 1, absorb) - black  # (N, 3): the colour is linear in the skin
    curvature = (weights[:, None] * slope.square()).sum(1).cpu().double().numpy()  # (N,)
    pull = (weights[:, None] * slope * (pixels.colour - black)).sum(1).cpu().double().numpy()
    matrix = skin_of.T @ diags(curvature) @ skin_of + AGREE * rough + GREY * identity(rough.shape[0])
    skin = splu(matrix.tocsc()).solve(skin_of.T @ pull + GREY * LIKELY_SKIN)
    return skin.clip(0, 1)


def texture_of(model, values, size):
    """Values (V,) of a mesh's vertices as its texture (1, 1, S, S); beside its charts, the nearest's."""
    from scipy.ndimage import distance_transform_edt

    u, v = model.face_uvs.unbind(-1)  # (1, F, 3) each, v downwards
    corners = torch.stack([2 * u - 1, 1 - 2 * v], -1)  # NDC: row 0 is v = 0 downwards
    of_corners = torch.as_tensor(values, dtype=u.dtype, device=u.device)[model.F][None, ..., None]
    drawn, face = rasterize(size, size, torch.zeros_like(u), corners, of_corners)
    nearest = distance_transform_edt(face[0].cpu().numpy() < 0, return_distances=False, return_indices=True)
    rows, columns = torch.from_numpy(nearest).to(u.device)
    return drawn[0, rows, columns, 0][None, None]


# ---- Caustics: light in waves ----------------------------------------------------------------------------
def nodes_of(model, corners, shares):
    """Where points of the skin lie in the grid of the caustics. -> nodes, their shares (N, 4), size (H, W)

    corners, shares: (N, 3), as in `Pixels`. The grid is seen from above on the template: columns go from the
    right to the left flipper, rows from the flukes to the rostrum, and its rim lies beside the animal. A
    point has a share in the four nodes around it, whose numbers count row by row.
    """
    flat = model.V[0][:, [0, 2]]  # (V, 2)
    low, high = flat.amin(0), flat.amax(0)
    cell = (high - low)[1] / CELLS_ALONG
    columns, rows = ((high - low) / cell).ceil().long().tolist()
    at = ((flat - low) / cell + 0.5)[corners]  # (N, 3, 2)
    at = (at * shares[..., None]).sum(1)  # (N, 2): column, row
    first, (right, down) = at.long(), (at % 1).T
    first = first[:, 1] * (columns + 2) + first[:, 0]
    nodes = torch.stack([first, first + 1, first + columns + 2, first + columns + 3], 1)
    parts = (1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right
    return nodes, torch.stack(parts, 1), (rows + 2, columns + 2)


@torch.no_grad()
def fit_caustics(scene, pixels, still):
    """How waves change the light on the dolphin's back, read from the pixels. -> gains (T, H, W)

    still: (N, 3), the pixels as they would be without waves. A pixel becomes still * (1 + gain): one number
    for all colours, smooth over the skin. Pixels kept out of this tell how far it is light and not noise: see
    benchmarks/README.md.
    """
    from scipy.sparse import csr_matrix, diags, identity, kron
    from scipy.sparse.linalg import splu

    nodes, shares, (H, W) = nodes_of(scene.model, pixels.corners, pixels.shares)
    rows = np.arange(len(nodes)).repeat(4)
    entries = shares.cpu().numpy().ravel(), (rows, nodes.cpu().numpy().ravel())
    grid_of = csr_matrix(entries, shape=(len(nodes), H * W))
    along, across = (diags([1.0, -1.0], [0, 1], shape=(n - 1, n)) for n in (H, W))
    rough = kron(along.T @ along, identity(W)) + kron(identity(H), across.T @ across)
    prior = STEADY * rough + EVEN * identity(H * W)

    curvature = still.square().sum(1).cpu().double().numpy()  # (N,)
    pull = (still * (pixels.colour - still)).sum(1).cpu().double().numpy()
    frame, gains = pixels.frame.cpu().numpy(), np.zeros((scene.num_frames, H * W), np.float32)
    for t in np.unique(frame):
        of_frame = frame == t
        seen = grid_of[of_frame]
        matrix = seen.T @ diags(curvature[of_frame]) @ seen + prior
        gains[t] = splu(matrix.tocsc()).solve(seen.T @ pull[of_frame])
    return torch.from_numpy(gains).view(-1, H, W).clamp(-1, 3).to(still.device)


def caustics_of(scene, frame, corners, shares):
    """By which factor (N, 1) waves change the light at points of the skin, as in `Pixels`."""
    nodes, shares, _ = nodes_of(scene.model, corners, shares)
    return 1 + (scene.caustics.flatten(1)[frame[:, None], nodes] * shares).sum(1, keepdim=True)


def caustics_at(scene, t, features, face_idx):
    """The same at each pixel of the frames t (B,). -> (B, H, W, 1); 1 where nothing is known

    features, face_idx: of `rasterize_features`.
    """
    uv, hard = features[0], features[-1]
    factors = torch.ones_like(hard)
    if scene.caustics is None:
        return factors
    covered = covered_pixels(hard)
    face = face_idx.reshape(-1)[covered]
    skin = scene.model.F[face], shares_of(scene.model, face, pixels_of(uv, covered))
    return with_pixels(factors, covered, caustics_of(scene, t[covered // hard[0].numel()], *skin))
