"""The default fit's silhouette loss, without bias: how far every pixel is from the two outlines.

`dibr_soft_mask` multiplies the shares of all faces near a pixel. Beside a fine mesh dozens of faces are near
each pixel, the product saturates, and the soft mask is larger than the animal even at its true pose: whoever
minimises the IoU loss shrinks the animal. The distance to the nearest face does not depend on their number.

Let D(p) be the distance in pixels from the pixel centre p to the silhouette: 0 inside, at most `reach`. For a
mask of pixels it is known up to half a pixel, so its nearest outer pixels get 1/2, what they have on average.
The term is the mean square of D_render - D_mask. Where the render is too small, the mask's pixels beside it
pull it outward; where it is too large, the band beyond it is too far out, and pulls it in. Both pulls have
the same strength, and at the true outline their sum over the pixels of an edge is 0: with the edge at a
uniformly random place u in [0, 1) between two pixel centres, the first outer pixel has D = u, the mask says
1/2, and E[u - 1/2] = 0. A Gaussian of the distance, or an IoU of soft masks, weighs u by the slope of the
Gaussian, and is biased again.

That holds for an edge between wide areas. A tip that is thinner than a pixel, of a fluke or a rostrum, is
in the mesh and in no mask: to match, the animal is drawn shorter. So when the fit is near, its own masks are
made as a segmenter would (`as_segmented`), and what they are off from its mesh is taken off the targets
(`OutlineTargets.correct`).
"""

import math

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from .in_order import taken
from .kal.dibr import rasterize, squared_distances
from .kal.ops.mesh import index_vertices_by_faces

FINER = 3  # samples along each side of a pixel, for masks as a segmenter makes them
BLUR = 0.7  # pixels: a segmenter's masks are smooth, and lose what is thinner


@torch.no_grad()
def silhouette(in_camera, on_image, cam, faces, finer=1):
    """Where a mesh is seen, and nothing of what it looks like. -> faces_image, face_idx, without gradients

    in_camera (B, V, 3), on_image (B, V, 2): the vertices in the spaces of the B cameras cam; faces (F, 3).
    faces_image (B, F, 3, 2): the corners in NDC; face_idx (B, H, W): the face that each pixel sees, or -1;
    with `finer` so many times as many pixels along each side.
    """
    faces_camera = index_vertices_by_faces(in_camera, faces)  # (B, F, 3, 3)
    faces_image = index_vertices_by_faces(on_image, faces)  # (B, F, 3, 2)
    towards, depths = doubled_areas(faces_camera) >= 0, faces_camera[..., 2]
    _, face_idx = rasterize(finer * cam.height, finer * cam.width, depths, faces_image, [], towards)
    return faces_image, face_idx


def as_segmented(in_camera, on_image, cam, faces):
    """The masks that a segmenter would make of a mesh, on the CPU; arguments as above. -> (B, H, W) bool"""
    from scipy.ndimage import gaussian_filter

    _, face_idx = silhouette(in_camera, on_image, cam, faces, FINER)
    covered = avg_pool2d((face_idx >= 0).float(), FINER).cpu().numpy()  # (B, H, W), shares of pixels
    return torch.from_numpy(gaussian_filter(covered, (0, BLUR, BLUR)) > 0.5)


def doubled_areas(corners):
    """Twice the areas of triangles (B, F, 3, 2 or more) in x and y, positive counter-clockwise. -> (B, F)"""
    (ax, ay), (bx, by), (cx, cy) = (corner[..., :2].unbind(-1) for corner in corners.unbind(2))
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def outline_distance(faces_image, face_idx, cam, reach, neighbours=None):
    """Distance of every pixel to the rendered silhouette, in pixels, 0 inside and at most `reach`.

    faces_image (B, F, 3, 2) NDC, face_idx (B, H, W) from `rasterize`, cam: their cameras -> (B, H, W).
    Gradients go to the nearest edge or corner of the nearest face. With the mesh's `neighbours` (F, 3), from
    `face_neighbours`, only the faces at the rim are looked at: the result is the same, several times sooner.
    """
    if neighbours is not None:
        faces_image = rim_faces(faces_image, neighbours)
    pixel = 2 / cam.height  # NDC, with x stretched by the aspect ratio to be like y
    squared = squared_distances(faces_image, face_idx, 1.02 * reach * pixel, cam.width / cam.height)
    # The root has no slope at 0.
    return squared.clamp((1e-4 * pixel) ** 2, (reach * pixel) ** 2).sqrt() / pixel


def face_neighbours(faces):
    """The faces on the other side of each face's edges. faces (F, 3) -> (F, 3), -1 where there is none"""
    edges = np.sort(faces.cpu().numpy()[:, [[0, 1], [1, 2], [2, 0]]]).reshape(-1, 2)  # (3 F, 2)
    _, edge_of, count = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(edge_of, kind="stable")  # the sides of each edge, together
    first = np.cumsum(count) - count
    neighbours = np.full(len(edges), -1)
    a, b = order[first[count == 2]], order[first[count == 2] + 1]
    neighbours[a], neighbours[b] = b // 3, a // 3
    return torch.from_numpy(neighbours.reshape(-1, 3)).to(faces.device)


def rim_faces(faces_image, neighbours):
    """The faces that can be nearest to a pixel beside the silhouette. (B, F, 3, 2) -> (B, K, 3, 2)

    Where the silhouette ends, the surface turns away: its border consists of edges between a face that is
    turned towards us, its corners counter-clockwise in the image, and one that is not, or none. K is the
    largest number of such faces in the batch; in other frames any faces fill the rest, and do no harm.
    """
    chosen = at_the_rim(faces_image.detach(), neighbours)  # (B, K)
    return faces_image.gather(1, chosen[:, :, None, None].expand(-1, -1, 3, 2))


def rim_corners(on_image, faces, faces_image, neighbours):
    """`rim_faces` of a mesh with vertices on_image (B, V, 2), to which gradients go, and faces (F, 3).

    faces_image (B, F, 3, 2): the same vertices at the corners of the faces.
    """
    vertices = faces[at_the_rim(faces_image.detach(), neighbours)]  # (B, K, 3)
    first = on_image.shape[1] * torch.arange(len(on_image), device=on_image.device)  # (B,)
    numbers = first[:, None, None] + vertices  # (B, K, 3), through the batch
    return taken(on_image.flatten(0, 1), 0, numbers.reshape(-1)).unflatten(0, numbers.shape)


def at_the_rim(faces_image, neighbours):
    """The numbers of the faces that `rim_faces` chooses. -> (B, K)"""
    towards = doubled_areas(faces_image) > 0  # (B, F)
    beyond = torch.nn.functional.pad(towards, (0, 1))  # (B, F + 1): what number -1 means is turned away
    sides = [beyond.index_select(1, side) for side in (neighbours % beyond.shape[1]).T]  # three of (B, F)
    rim = towards & ~(sides[0] & sides[1] & sides[2])
    most = int(rim.sum(1).max())
    return rim.byte().topk(max(most, 1), dim=1).indices


def outline_loss(distance, target, reach, outside=0.0, weight=1.0):
    """Mean squared difference of two distances to an outline, in units of `reach`, averaged over the batch.

    distance, target (B, H, W), at most `reach`; outside (B,): the sum over pixels beyond the window that is
    shown, where nothing is rendered; weight (B,): how much each frame counts. The mean is over the pixels in
    reach of the target's outline, so that it does not depend on the window.
    """
    total = (distance - target).square().flatten(1).sum(1) + outside  # (B,)
    band = ((target > 0) & (target < reach)).flatten(1).sum(1).clamp(min=1)
    return (weight * total / band).mean() / reach**2


def distance_to_mask(mask):
    """Distance of every pixel to a mask (H, W) bool, numpy; of its nearest outer pixels 1/2. -> float32"""
    from scipy.ndimage import distance_transform_edt

    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return np.where(mask, 0, distance_transform_edt(~mask) - 0.5).astype(np.float32)


class OutlineTargets:
    """Distances to the outlines of all masks, a layer of `WindowLoader`.

    It gives `outline` (B, h, w), `outline_outside` (B,) and `outline_weight` (B,). masks (T, H, W) uint8;
    most_reach: the largest `reach` that will be asked for, pixels; device: where it gives them; confidence
    (T,): how far each mask can be trusted, 0 where the animal was lost: so much it weighs. Only the
    surroundings of each mask are kept.
    """

    def __init__(self, masks, most_reach, device="cpu", confidence=None):
        from scipy.ndimage import find_objects

        pad = math.ceil(most_reach) + 1
        self.tiles, self.most_reach = [], most_reach
        confidence = torch.ones(len(masks)) if confidence is None else confidence
        self.weights = confidence / confidence.mean().clamp(min=1e-6)  # (T,) 1 on average
        for mask in masks.numpy() > 127:
            [(rows, columns)] = find_objects(mask.astype(np.uint8))
            x0, y0 = max(columns.start - pad, 0), max(rows.start - pad, 0)
            tile = mask[y0 : rows.stop + pad, x0 : columns.stop + pad]
            self.tiles.append((x0, y0, torch.from_numpy(distance_to_mask(tile)).to(device)))
        self.measured = [tile.cpu().clone() for *_, tile in self.tiles]  # as they are without corrections
        self._sum_up()
        self.set_reach(most_reach)

    def _sum_up(self):
        """What `set_reach` needs of the tiles: which of their pixels are 0, and which are in reach."""
        tiles = [tile.cpu() for *_, tile in self.tiles]
        bands = [tile[(tile > 0) & (tile < self.most_reach)] for tile in tiles]
        self.areas = torch.stack([(tile == 0).sum() for tile in tiles])  # (T,)
        self.band = torch.cat(bands)  # (N,) the distances in reach, frame by frame
        self.frame = torch.arange(len(bands)).repeat_interleave(torch.tensor([len(band) for band in bands]))

    def correct(self, seen):
        """Takes off the targets what the pixels of a mask do to an outline.

        It is seen on the fit itself, batch by batch: t (B,); left, top (B,) of windows; masks (B, h, w) bool,
        what a segmenter would make of the fit in these frames; distances (B, h, w) to its mesh, with the
        largest reach; all on the CPU. A correction takes the place of an earlier one.
        """
        for t, left, top, masks, distances in seen:
            for i, x, y, mask, exact in zip(t.tolist(), left.tolist(), top.tolist(), masks, distances):
                off = torch.from_numpy(distance_to_mask(mask.numpy())).clamp(max=self.most_reach) - exact
                x0, y0, tile = self.tiles[i]
                of_tile, of_window = _shared(tile, x0, y0, off, x, y)
                if of_tile is None:
                    continue
                measured = self.measured[i].clone()
                near = measured[of_tile] < self.most_reach
                measured[of_tile] -= torch.where(near, off[of_window], 0.0)
                tile.copy_(measured.clamp(min=0))
        self._sum_up()
        self.set_reach(self.reach)

    def set_reach(self, reach):
        """From now on distances are at most `reach`."""
        self.reach = reach
        self.totals = self.areas.double() * reach**2  # (T,)
        self.totals.index_add_(0, self.frame, (reach - self.band).clamp(min=0).square().double())

    def __call__(self, t, left, top, width, height):
        outline = self.tiles[0][-1].new_full((len(t), height, width), float(self.reach))
        for i, x, y, window in zip(t.tolist(), left.tolist(), top.tolist(), outline):
            x0, y0, tile = self.tiles[i]
            of_tile, of_window = _shared(tile, x0, y0, window, x, y)
            if of_tile is not None:
                window[of_window] = tile[of_tile]
        outline.clamp_(max=self.reach)
        # Both sums are large, and their difference small: in double precision.
        inside = (self.reach - outline).square().flatten(1).sum(1, dtype=torch.float64)  # (B,)
        totals, weight = (of[t].to(inside.device, non_blocking=True) for of in (self.totals, self.weights))
        outside = totals - inside
        outside = outside.clamp(min=0).float()
        return {"outline": outline, "outline_outside": outside, "outline_weight": weight}


def _shared(a, ax, ay, b, bx, by):
    """The pixels that two parts (h, w) of an image share, each with its corner: slices of a, and of b.

    None and None where they share none.
    """
    x0, y0 = max(ax, bx), max(ay, by)
    x1, y1 = min(ax + a.shape[1], bx + b.shape[1]), min(ay + a.shape[0], by + b.shape[0])
    if x0 >= x1 or y0 >= y1:
        return None, None
    corners = (ax, ay), (bx, by)
    return tuple((slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)) for x, y in corners)
