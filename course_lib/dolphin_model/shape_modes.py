"""Smooth shapes that a template can take beyond the sizes of its parts, and how far a shape is from it.

Two animals of one length differ in girth along the body, in how long their head and tail are, in how their
fins are set. What is plausible is said by a Gaussian process: log girth and log stretch are smooth random
functions along the body, of a given standard deviation and reach. Its principal components are the modes
(Luethi, Gerig, Jud, Vetter: Gaussian process morphable models, IEEE TPAMI 40(8), 2018); like the shape blend
shapes of SMPL they are displacements of the vertices, `v + directions @ shape_modes`. A number of 1 is one
standard deviation, so the prior of all of them is the standard normal distribution, and their mean square
is what to keep small.

From above nobody sees a height: girth changes width and height by the same factor. The dorsal fin, which the
outline does not show either, has no mode of its own.
"""

from dataclasses import dataclass

import numpy as np

# Of the Gaussian processes along the body, in shares of its length: overall and local standard deviation of
# the logarithm, reach of the local part, how many components are kept.
GIRTH = dict(overall=0.05, local=0.06, reach=0.10, keep=8)
STRETCH = dict(overall=0.0, local=0.12, reach=0.16, keep=5)
FIN_SIZE = 0.15  # of flippers and flukes: of their span and breadth
SWEEP = 0.2  # of flippers and flukes: metres back per metre out
FLIPPER_PLACE, FLIPPER_REACH = 0.02, 0.06  # of length: along the body; of the skin that goes along
GRID = np.linspace(0, 1, 201)  # along the body: 0 hindmost, 1 foremost
SLAB = 0.03  # of length: the thickness of the slices that widths and heights are taken from


@dataclass(frozen=True)
class Anatomy:
    """What is what in a template: the numbers of its parts, None for one that it does not have.

    body (V,) bool: vertices that belong to no fin; s (V,): where along the body, 0 hindmost, 1 foremost.
    """

    head: int | None
    flippers: int | None
    flukes: int | None
    dorsal_fin: int | None
    stock: tuple
    body: np.ndarray
    s: np.ndarray


def anatomy(vertices, part_of_vertex, root_part, n_parts):
    """Finds out which part is which, from where its vertices (V, 3) lie. -> Anatomy

    Axes: z forward, y up. part_of_vertex (V,); root_part: the trunk's.
    """
    x, y, z = vertices.T
    s = (z - z.min()) / (z.max() - z.min())
    found = []

    def part(values, where):
        """The part of the vertex with the largest value, if it is not the trunk and not found yet."""
        values = np.where(where, values, -np.inf)
        number = int(part_of_vertex[values.argmax()])
        known = number == root_part or number in found
        found.append(number)
        return None if known else number

    everywhere = np.ones(len(s), bool)
    head, dorsal_fin = part(z, everywhere), part(y, everywhere)
    flippers, flukes = part(np.abs(x), s > 0.3), part(np.abs(x), s < 0.2)
    fins = [fin for fin in (flippers, flukes, dorsal_fin) if fin is not None]
    stock = tuple(p for p in range(n_parts) if p not in (root_part, head, *fins))
    return Anatomy(head, flippers, flukes, dorsal_fin, stock, ~np.isin(part_of_vertex, fins), s)


def components(overall, local, reach, keep):
    """Principal components of a Gaussian process on GRID. -> (len(GRID), keep), a standard deviation each"""
    apart = GRID[:, None] - GRID
    covariance = overall**2 + local**2 * np.exp(-0.5 * (apart / reach) ** 2)
    variances, functions = np.linalg.eigh(covariance)
    largest = slice(None, -keep - 1, -1)
    functions = functions[:, largest] * np.sqrt(variances[largest])
    return functions * np.sign(functions[-1])  # the sign that eigh gives is chance


def sections(vertices, body, s):
    """Half width, middle and half height of the body without its fins, along GRID. -> three (len(GRID),)"""
    x, y = np.abs(vertices[body, 0]), vertices[body, 1]
    low, high, wide = [], [], []
    for at in GRID:
        apart = np.abs(s[body] - at)
        near = apart <= max(SLAB / 2, apart.min() + 1e-9)
        wide.append(x[near].max())
        low.append(y[near].min())
        high.append(y[near].max())
    wide, low, high = (_smoothed(np.array(values)) for values in (wide, low, high))
    return wide, (low + high) / 2, (high - low) / 2


def _smoothed(values):
    """Values on GRID, averaged with a Gaussian of the width of a slab."""
    weights = np.exp(-0.5 * ((GRID[:, None] - GRID) / (SLAB / 2)) ** 2)
    return weights @ values / weights.sum(1)


def directions(vertices, skinning, regressor, part_of_bone, known):
    """The modes of a template. -> names, displacements (V, 3, K) in the template's units per deviation

    vertices (V, 3); skinning (V, J) its weights; regressor (J, V): joints from vertices; part_of_bone (J,);
    known: its `Anatomy`. The root joint stays where it is.
    """
    x, y, z = vertices.T
    length = z.max() - z.min()
    profile = sections(vertices, known.body, known.s)
    wide, middle, high = (np.interp(known.s, GRID, values) for values in profile)  # (V,) each
    # A fin is carried along by the body's surface, it does not grow with it.
    across, up = np.clip(x, -wide, wide), np.clip(y - middle, -high, high)
    names, moves = [], []

    def add(name, **along):
        names.append(name)
        moves.append(np.stack([np.broadcast_to(along.get(axis, 0.0), len(x)) for axis in "xyz"], 1))

    for k, girth in enumerate(components(**GIRTH).T):
        girth = np.interp(known.s, GRID, girth)
        add(f"girth {k + 1}", x=across * girth, y=up * girth)
    step = GRID[1] - GRID[0]
    for k, stretch in enumerate(components(**STRETCH).T):
        moved = np.concatenate([[0], np.cumsum((stretch[1:] + stretch[:-1]) / 2 * step)])
        add(f"stretch {k + 1}", z=length * np.interp(known.s, GRID, moved))
    for name, fin in (("flippers", known.flippers), ("flukes", known.flukes)):
        if fin is None:
            continue
        bones = np.flatnonzero(part_of_bone == fin)
        share = skinning[:, bones].sum(1)  # (V,)
        root = np.abs(regressor[bones] @ x).mean(), (regressor[bones] @ z).mean()
        out, ahead = share * np.clip(np.abs(x) - root[0], 0, None), share * (z - root[1])
        add(f"span of the {name}", x=FIN_SIZE * np.sign(x) * out)
        add(f"breadth of the {name}", z=FIN_SIZE * ahead)
        add(f"sweep of the {name}", z=-SWEEP * out)
        if fin == known.flippers:
            # The skin around the root goes along, less and less.
            apart = np.hypot(np.hypot(np.abs(x) - root[0], y - (regressor[bones] @ y).mean()), z - root[1])
            near = np.exp(-0.5 * (apart / (FLIPPER_REACH * length)) ** 2)
            add(f"place of the {name}", z=FLIPPER_PLACE * length * np.maximum(share, near))
    moves = np.stack(moves, -1)  # (V, 3, K)
    return tuple(names), moves - np.einsum("v,vck->ck", regressor[0], moves)


# What is measured of a shape: the words for more and less, and the ratio to the template's beyond which it is
# said.
KINDS = {
    "length": ("longer", "shorter", 1.2),
    "width": ("wider", "narrower", 1.3),
    "size": ("larger", "smaller", 1.3),
}


def proportions(model, rest):
    """Measures of a shape at rest as shares of its length. -> {(what, kind): share}, kinds as in KINDS

    model: a `DolphinModel`; rest (V, 3), as `DolphinScene.rest_shape` gives it. What the template does not
    have is left out.
    """
    known, rest = model.anatomy, np.asarray(rest.detach().cpu(), float)
    part_of_bone, part = (
        labels.cpu().numpy() for labels in (model.LBS.seg_grouping, model.LBS.v_labels_coarse)
    )
    joints = model.J_regressor[0].cpu().numpy() @ rest  # (J, 3)
    x, z, length, found = np.abs(rest[:, 0]), rest[:, 2], np.ptp(rest[:, 2]), {}
    if known.head is not None:
        found["head", "length"] = z.max() - joints[part_of_bone == known.head, 2].min()
    if known.stock and known.flukes is not None:
        found["tail stock", "length"] = stock_length(joints, part_of_bone, known)
    for what, parts in (("head", [known.head]), ("trunk", part_of_bone[:1]), ("tail stock", known.stock)):
        there = known.body & np.isin(part, [p for p in parts if p is not None])
        if there.any():
            found[what, "width"] = np.sqrt(np.square(x[there]).mean())
    for what, fin in (("flippers", known.flippers), ("flukes", known.flukes)):
        if fin is not None:
            roots = joints[part_of_bone == fin]
            out, back = x[part == fin] - np.abs(roots[:, 0]).mean(), z[part == fin] - roots[:, 2].mean()
            found[what, "size"] = np.hypot(out, back).max()
    return {name: float(metres / length) for name, metres in found.items()}


def stock_length(joints, part_of_bone, known):
    """From the first joint of the tail stock to the flukes'. joints (J, 3), part_of_bone (J,) -> metres"""
    first = joints[np.isin(part_of_bone, known.stock), 2].max()
    return float(first - joints[part_of_bone == known.flukes, 2].mean())


def far_from_template(model, rest):
    """What of a shape at rest (V, 3) is far from the template's proportions, in words. -> list of sentences

    Such as "For its length, the tail stock is 37 % shorter than the template's." None: nothing is.
    """
    template, said = proportions(model, model.V[0]), []
    for (what, kind), share in proportions(model, rest).items():
        more, less, limit = KINDS[kind]
        ratio = share / template[what, kind]
        if not 1 / limit <= ratio <= limit:
            differs = f"{'are' if what[-1] == 's' else 'is'} {100 * abs(ratio - 1):.0f} %"
            said.append(
                f"For its length, the {what} {differs} {more if ratio > 1 else less} than the template's."
            )
    return said
