"""What a picture of a mesh tells: where its points lie, which faces are seen, how soft its edge is."""

import torch

from ..window import TUTORIAL_BAND
from . import spare_renderer as spare
from .core import Complaint
from .difference import linear
from .stone_cases import band_of, cameras_at, cells_of, pretended_model

PLACES = {  # where a point lies that belongs at (x, y) of the image
    "(x, -y)": "y-flipped: The picture is upside down: in the image y points up, and `rasterize` knows that.",
    "(-x, y)": "x-flipped: The picture is mirrored: left and right are exchanged.",
    "(y, x)": "xy-exchanged: x and y of the corners in the image are exchanged. x comes first, to the right.",
    "(-x, -y)": """perspective-sign: The picture is turned by half a turn. Are the vertices divided by z? It
        is negative in front of the camera: divide by -z.""",
}
VALID = "`valid_faces` is where z of the faces' normals in camera space is >= 0, in each frame."
FARTHER = "depth-sign: Where two faces lie behind each other, the farther one is seen"
BY_HAND = "`*band.seen_by(cam)` gives sigmainv, boxlen and knum for this camera."


def view_of(verts, faces, face_uvs, eye, corner, band=None, **_):
    """The right picture's steps, for a case."""
    model = pretended_model(faces, face_uvs)
    return spare.View(verts, cameras_at(eye, corner), model, TUTORIAL_BAND if band is None else band_of(band))


def _places_of(uv, inputs):
    """Which face a pixel shows by its texture coordinates, and the weights of its corners there.

    -> (B, H, W), -1 where it is none, and (B, H, W, 3)
    """
    u, v = uv.double().unbind(-1)
    n = cells_of(len(inputs["faces"]))
    face = (((1 - v) * n).floor() * n + (u * n).floor()).long()
    known = (face >= 0) & (face < len(inputs["faces"]))
    corners = inputs["face_uvs"].double()[0] * torch.tensor([1.0, -1]) + torch.tensor([0.0, 1])
    a, b, c = corners[torch.where(known, face, 0)].unbind(-2)  # (B, H, W, 2) each
    to, along, across = uv.double() - a, b - a, c - a
    whole = spare.cross(along, across)
    second, third = spare.cross(to, across) / whole, spare.cross(along, to) / whole
    weights = torch.stack([1 - second - third, second, third], -1)
    return torch.where(known & (weights > -0.02).all(-1), face, -1), weights


def within_faces(view, single=None):
    """The pixels whose neighbours show the same face, if that hides no other. -> (B, H, W) bool"""
    face = view.cover[0].unflatten(1, view.size[::-1]).double()
    around = torch.nn.functional.max_pool2d(torch.stack([face, -face], 1), 3, 1, 1)  # (B, 2, H, W)
    within = (around[:, 0] == face) & (around[:, 1] == -face) & (face >= 0)
    return within if single is None else within & single[..., 0]


def found_of_mesh(outputs, inputs):
    """What is said of a picture whose texture coordinates tell where each point of the mesh is seen.

    Of points that lie elsewhere than they should; else of other faces that are seen. -> Complaint or None
    """
    on = (outputs["hard_mask"][..., 0] > 0.5) | outputs["uv"].any(-1)
    face, weights = _places_of(outputs["uv"], inputs)
    if on.sum() < 100 or (face >= 0)[on].double().mean() < 0.9:
        return None
    view, face = view_of(**inputs), torch.where(on, face, -1)
    principal = view.lens(face.new_zeros(len(face), 1, 2).double())
    rules, most = [], 0.0
    for b, seen in enumerate(face >= 0):
        should = (view.on_image[b][face[b][seen]] * weights[b][seen][..., None]).sum(-2)  # (N, 2)
        is_ = spare.centres(*view.size, should)[seen.flatten()]
        if len(is_) > 50:
            rule, off = _rule_of(should, is_, principal[b], view.size)
            rules, most = [*rules, (b, rule)], max(most, off)
    others = _other_faces(face, view)
    if most < 0.15 or others and others.key == "facing-sign":
        return others
    named = {rule for _, rule in rules}
    if len(named) == 1 and (known := next((said for place, said in PLACES.items() if place in named), "")):
        return Complaint.of(known)
    if "" in named:
        key = "misplaced" if most > 1 else "misplaced-slightly"
        return Complaint.of(f"""{key}: The points of the mesh lie up to {most:.2g} pixels from where they
            should, by no simple rule. Is each divided by its own -z, and are the corners those of
            `model.F`?""")
    where = "; ".join(f"in frame {b} it is at {rule}" for b, rule in rules)
    shift = " Is o, the principal point, added?" * all("pixels" in rule for rule in named)
    return Complaint.of(f"""misplaced: Points of the mesh are drawn at other places than they should. Of one
        that belongs at (x, y): {where}.{shift} x and y reach from -1 to 1, as `cam.intrinsics.transform`
        gives them.""")


def _rule_of(should, is_, principal, size):
    """Where points (N, 2) lie that belong elsewhere. -> (a x + b y + c, ...) in words, and by how many pixels

    "" where there is no such rule. It is counted from the principal point (1, 2) where that makes it shorter.
    """
    half = torch.tensor(size) / 2  # pixels
    by = float(((is_ - should) * half).abs().quantile(0.98))
    texts = []
    for origin, counted in ((0 * principal, ""), (principal, ", counted from the principal point")):
        known = torch.cat([should - origin, torch.ones_like(should[:, :1])], 1)
        rule = torch.linalg.lstsq(known, is_ - origin).solution  # (3, 2)
        if float(((known @ rule + origin - is_) * half).abs().quantile(0.98)) > max(0.1, 0.05 * by):
            return "", by
        x, y = (linear(column, ("x", "y", ""), _few_digits) for column in rule.T.tolist())
        text = f"({x}, {y})"
        texts.append(text + counted if text not in PLACES else text)
        if (rule[:2] - torch.eye(2)).abs().max() < 1e-2:
            right, up = (rule[2] * half).tolist()
            return f"(x, y) and {right:+.3g} pixels to the right, {up:+.3g} up", by
    return min(texts, key=lambda text: len(text.partition(", counted")[0])), by


def _few_digits(size):
    """Two digits, or three where these would be 1 and it is not."""
    return next(text for text in (f"{size:.2g}", f"{size:.3g}") if text != "1" or abs(size - 1) <= 5e-3)


def _other_faces(face, view):
    """What is said of a picture that shows other faces (B, H, W) than it should. -> Complaint or None"""
    normals = spare.normals_of(view.corners)
    lost, drawn, away = [], [], 0
    for b, (mine, right) in enumerate(zip(face, view.cover[0])):
        mine, right = (set(x.unique().tolist()) - {-1} for x in (mine, right))
        lost, drawn = lost + [(b, f) for f in right - mine], drawn + [(b, f) for f in right & mine]
        away += sum(not view.facing[b, f] for f in mine)
    if not drawn:
        return Complaint.of(f"""facing-sign: Only faces that look away are drawn: you see the far side from
            within. The camera looks along -z. {VALID}""")
    if not lost and away:
        return Complaint.of(f"""back-faces-kept: {away} faces that turn their back to the camera are drawn
            too. On a closed animal its near side hides most of them, but they cost time, and where a mesh is
            open one sees them. {VALID}""")
    if not lost:
        return None
    also = f", and {away} that look away are drawn" if away else ""
    for values, what in ((normals.norm(dim=-1), "smallest"), (spare.unit(normals)[..., 2], "steepest")):
        of_lost, of_drawn = ([float(values[place]) for place in places] for places in (lost, drawn))
        if not away and len(lost) > 2 and max(of_lost) < min(of_drawn):
            also = f". They are the {what} ones: is z compared with another number than 0?"
    return Complaint.of(f"""culling: Of {len(lost + drawn)} faces that the camera sees {len(lost)} are
        missing{also}. {VALID}""")


def found_of_depth(normal, inputs):
    """What is said of normals that are those of another face behind the nearest. -> Complaint or None"""
    near, far = (view.features[1] for view in (view_of(**inputs), farthest(inputs)))
    off, behind = ((normal - image).abs().amax(-1) > 5e-3 for image in (near, far))
    several = (near - far).abs().amax(-1) > 5e-3
    if not off.any() or (off & behind).double().mean() > 1 / 1000:
        return None
    if (off & several).sum() > 0.95 * several.sum():
        return Complaint.of(f"""{FARTHER}. `rasterize` wants z of the corners in camera space as it is,
            negative in front of the camera, where larger is closer: not the distance, nor minus z.""")
    return Complaint.of(f"""{FARTHER} at {int(off.sum())} of {int(several.sum())} pixels. `rasterize` wants z,
        index 2 of the last dimension, of the corners in camera space. (One of the world may do for a camera
        that looks straight down.)""")


def farthest(inputs):
    """As `view_of`, but of faces behind each other the farther one is seen."""
    view = view_of(**inputs)
    view.depth = -view.corners[..., 2]
    return view


def found_of_soft_edge(soft, right, inputs):
    """What is said of a soft mask, of its values beside a single face. -> Complaint or None"""
    view, alone = view_of(**inputs), view_of(**inputs)
    alone.numbers = (*view.numbers[:2], 1)
    single = ((alone.soft_mask - right).abs() < 1e-4) & (right > 0.02) & (right < 0.98)
    rates = soft[single].double().log() / right[single].double().log()
    if len(rates) < 20 or not rates.isfinite().all() or rates.median() < 1e-3:
        return None
    rate, sigmainv = float(rates.median()), view.numbers[0]
    if (rates / rate - 1).abs().quantile(0.9) > 0.02:
        return None
    if abs(rate - 1) > 0.02:
        return Complaint.of(f"""other-sharpness: The soft edge is that of sigmainv = {rate * sigmainv:,.4g};
            `band` makes it {sigmainv:,.4g} for this camera. {BY_HAND}""")
    return Complaint.of(f"""several-faces: The soft mask is right beside single faces: sigmainv is, and it is
        wrong where several faces are near. Are knum, boxlen and the faces right? {BY_HAND} It wants all
        faces.""")
