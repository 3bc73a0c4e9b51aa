"""The template's files, read and checked: an SMPL-style model, its segmentation into bones and parts, its
keypoints.

Everything comes back as plain arrays, whoever made the file: a chumpy pickle of 2015 and our own file look
the same from here on.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..errors import CourseError
from .safe_pickle import load_pickle

# Keys of older SMPL-style files, and what they are called now.
_OLD_KEYS = {
    "default_v": "v_template",
    "template_v": "v_template",
    "joint_regressor": "J_regressor",
    "blendshapes": "posedirs",
    "joints": "J",
}
N_SHAPE_DIRECTIONS = 4  # global, x, y, z
MAX_VERTICES = 1_000_000


def load_model(path):
    """An SMPL-style model file as plain NumPy arrays, checked.

    Keys: v_template (V, 3) float64, metres; f (F, 3) int64; weights (V, J) float64, rows summing to 1;
    J_regressor (J, V) float64, dense; kintree_table (2, J) int64, row 0 the parents with parents[0] as in the
    file (the root's marker); parents (J,) int64, the same with -1 for the root; shapedirs (V, 3, 4) float64;
    posedirs (V, 3, 9 (J - 1)) float64 or None; J (J, 3) float64, joints at rest; bs_type, bs_style str.
    Raises CourseError that names the key, what was found and what was expected. Source: Loper et al., SMPL,
    ACM TOG 2015; file layout of the SMPL and SMAL releases.
    """
    path = Path(path)
    return check_model(load_pickle(path), str(path))


def check_model(contents, where):
    """The checks and renamings of `load_model`, for a pickle's contents; `where` begins each message."""
    if type(contents) is not dict:
        raise CourseError(f"""{where}: holds a {type(contents).__name__}, expected a dictionary with
            v_template, f, weights, ...""")
    raw = dict(contents)
    for old, new in _OLD_KEYS.items():
        if old in raw:
            raw.setdefault(new, raw.pop(old))
    file = _Fields(raw, where)

    v_template = file.floats("v_template", (None, 3))
    n_vertices = len(v_template)
    if not 4 <= n_vertices <= MAX_VERTICES:
        file.fail("v_template", f"holds {n_vertices} vertices", f"4 to {MAX_VERTICES}")
    if not v_template[:, 2].max() > v_template[:, 2].min():
        file.fail("v_template", "has no extent along z", "a body along the z axis")
    weights = file.floats("weights", (n_vertices, None))
    n_joints = weights.shape[1]
    if not 1 <= n_joints <= 256:
        file.fail("weights", f"has {n_joints} columns", "one per bone, 1 to 256")
    if weights.min() < -1e-3:
        file.fail("weights", f"goes down to {weights.min():.3g}", "no negative weights")
    sums = weights.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > 1e-2:
        file.fail("weights", f"row {worst} sums to {sums[worst]:.4g}", "each vertex's weights to sum to 1")

    faces = file.integers("f", (None, 3))
    check_faces(faces, n_vertices, f"{where}: f")
    kintree = file.integers("kintree_table", (2, n_joints))
    parents = _parents(kintree, file)

    shapedirs = file.floats("shapedirs", (n_vertices, 3, None))
    if shapedirs.shape[2] != N_SHAPE_DIRECTIONS:
        file.fail(
            "shapedirs",
            f"has {shapedirs.shape[2]} directions",
            f"{N_SHAPE_DIRECTIONS} (global, x, y and z scaling)",
        )
    posedirs = file.floats("posedirs", (n_vertices, 3, None)) if "posedirs" in raw else None
    if posedirs is not None and posedirs.shape[2] != 9 * (n_joints - 1):
        file.fail(
            "posedirs",
            f"has {posedirs.shape[2]} directions",
            f"{9 * (n_joints - 1)} (9 for each bone but the root)",
        )

    J_regressor = file.regressor("J_regressor", (n_joints, n_vertices))
    J = file.floats("J", (n_joints, 3)) if "J" in raw else J_regressor @ v_template
    bs_style = file.word("bs_style", "lbs")
    if bs_style != "lbs":
        file.fail("bs_style", f"is {bs_style!r}", "'lbs' (linear blend skinning)")
    return {
        "v_template": v_template,
        "f": faces,
        "weights": weights,
        "J_regressor": J_regressor,
        "kintree_table": kintree,
        "parents": parents,
        "shapedirs": shapedirs,
        "posedirs": posedirs,
        "J": J,
        "bs_type": file.word("bs_type", "lrotmin"),
        "bs_style": bs_style,
    }


def load_segmentation(bones_path, parts_path, n_vertices, n_joints):
    """Bone and part of each vertex, part of each bone.

    Returns v_labels (V,), v_labels_coarse (V,) and grouping (J,), int64: from dolphin_seg_gloss.pkl and
    dolphin_coarse_seg.pkl. Raises CourseError for labels out of range, and for bones in no part or in two.
    """
    bones = _Fields(_dictionary(bones_path, "v_labels"), str(bones_path))
    v_labels = bones.labels("v_labels", n_vertices, n_joints, "bones")
    coarse = _Fields(_dictionary(parts_path, "coarse_v_labels"), str(parts_path))
    parts = coarse.raw.get("coarse_parts_idx")
    if isinstance(parts, np.ndarray) and parts.ndim == 2:
        parts = parts.tolist()
    if type(parts) not in (list, tuple) or not 1 <= len(parts) <= n_joints:
        coarse.fail(
            "coarse_parts_idx",
            f"is {_brief(parts)}",
            f"a list of 1 to {n_joints} parts, each a list of bones",
        )
    grouping = np.full(n_joints, -1, dtype=np.int64)
    for p, members in enumerate(parts):
        members = np.atleast_1d(np.asarray(members)) if _is_flat(members) else None
        if members is None or members.size == 0 or members.dtype.kind not in "iu":
            coarse.fail("coarse_parts_idx", f"part {p} is {_brief(parts[p])}", "a list of bones")
        for j in members.tolist():
            if not 0 <= j < n_joints:
                coarse.fail("coarse_parts_idx", f"part {p} holds bone {j}", f"bones 0 to {n_joints - 1}")
            if grouping[j] not in (-1, p):
                coarse.fail(
                    "coarse_parts_idx", f"bone {j} is in parts {grouping[j]} and {p}", "each bone in one part"
                )
            grouping[j] = p
    if (grouping < 0).any():
        coarse.fail(
            "coarse_parts_idx", f"bone {int(np.argmin(grouping))} is in no part", "each bone in one part"
        )
    v_labels_coarse = coarse.labels("coarse_v_labels", n_vertices, len(parts), "parts")
    if v_labels_coarse.max() != len(parts) - 1:
        coarse.fail(
            "coarse_v_labels",
            f"goes up to part {v_labels_coarse.max()}",
            f"vertices in all {len(parts)} parts",
        )
    return {"v_labels": v_labels, "v_labels_coarse": v_labels_coarse, "grouping": grouping}


def load_keypoints(path, n_vertices):
    """The keypoint regressor of dol_verts2kp.npy: (K, V) float64, keypoints from vertices."""
    array = load_array(path)
    return _Fields({"keypoints": array}, str(path)).floats("keypoints", (None, n_vertices))


def load_array(path):
    """A .npy file of numbers; pickled objects, truncated files and other files raise CourseError."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            readers = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }
            if version not in readers:
                raise ValueError(f"version {version} of the format")
            shape, fortran_order, dtype = readers[version](file)
            raw = file.read()
    except FileNotFoundError:
        raise CourseError(f"{path}: no such file") from None
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, EOFError, TypeError, SyntaxError) as error:
        raise CourseError(f"{path}: not a .npy file ({error}); copy or download it again") from None
    if dtype.kind not in "biuf":
        raise CourseError(f"{path}: holds values of type {dtype}, expected numbers")
    n_bytes = dtype.itemsize * math.prod(shape)
    if n_bytes != len(raw):
        raise CourseError(f"""{path}: an array of shape {shape} and type {dtype} should have {n_bytes} bytes,
            but {len(raw)} were found; copy or download it again""")
    return np.frombuffer(bytearray(raw), dtype=dtype).reshape(shape, order="F" if fortran_order else "C")


def check_faces(faces, n_vertices, where):
    """Raise CourseError unless all of `faces` (F, 3) are in 0..n_vertices-1."""
    if len(faces) == 0:
        raise CourseError(f"{where}: has no faces, expected triangles")
    outside = (faces < 0) | (faces >= n_vertices)
    if outside.any():
        row = int(outside.any(axis=1).argmax())
        raise CourseError(f"""{where}: face {row} is {faces[row].tolist()}, expected vertices 0 to
            {n_vertices - 1} ({int(outside.any(axis=1).sum())} of {len(faces)} faces are out of range)""")


def _parents(kintree, file):
    """Index of each bone's parent, -1 for the root: row 0 names parents by the ids of row 1."""
    ids = kintree[1].tolist()
    if len(set(ids)) != len(ids):
        file.fail("kintree_table", f"row 1 is {ids}", "each bone once")
    column = {bone: i for i, bone in enumerate(ids)}
    parents = [-1]
    for i in range(1, kintree.shape[1]):
        parent = column.get(int(kintree[0, i]))
        if parent is None or parent >= i:
            file.fail(
                "kintree_table",
                f"bone {i}'s parent is {int(kintree[0, i])}",
                "a tree: the parent of each bone but the first is a bone before it",
            )
        parents.append(parent)
    return np.array(parents, dtype=np.int64)


class _Fields:
    """A pickle's dictionary with typed, checked access."""

    def __init__(self, raw, where):
        self.raw, self.where = raw, where

    def fail(self, key, found, expected):
        raise CourseError(f"{self.where}: {key} {found}, expected {expected}")

    def array(self, key, shape):
        if key not in self.raw:
            keys = ", ".join(sorted(str(k)[:40] for k in self.raw)[:20])
            raise CourseError(f"""{self.where}: has no {key}, expected an array of shape {_shape(shape)}
                (found keys: {keys or "none"})""")
        value = self.raw[key]
        if _is_matrix(value):
            value = np.asarray(value)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            self.fail(key, f"is {_brief(value)}", f"an array of numbers of shape {_shape(shape)}")
        if value.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, value.shape)):
            self.fail(key, f"has shape {value.shape}", _shape(shape))
        if value.size == 0:
            self.fail(key, f"is empty (shape {value.shape})", _shape(shape))
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            index = np.argwhere(~np.isfinite(value))[0].tolist()
            self.fail(key, f"holds {value[tuple(index)]} at {index}", "finite numbers")
        return value

    def floats(self, key, shape):
        value = self.array(key, shape)
        if np.abs(value).max() > 1e12:
            self.fail(key, f"holds {np.abs(value).max():.3g}", "metres, weights or directions of an animal")
        return np.array(value, dtype=np.float64)

    def integers(self, key, shape):
        value = self.array(key, shape)
        if value.dtype.kind == "f":  # some exporters write faces as floats
            if (value != np.round(value)).any() or np.abs(value).max() > 2.0**53:
                self.fail(key, "holds fractions", "whole numbers")
        return np.array(value, dtype=np.int64)

    def labels(self, key, n, n_labels, what):
        if key in self.raw and isinstance(self.raw[key], np.ndarray) and self.raw[key].size == n:
            self.raw[key] = self.raw[key].reshape(-1)  # a column is as good as a row
        labels = self.integers(key, (n,))
        if labels.min() < 0 or labels.max() >= n_labels:
            self.fail(key, f"holds {labels.min()} to {labels.max()}", f"{what} 0 to {n_labels - 1}")
        return labels

    def regressor(self, key, shape):
        value = self.raw.get(key)
        if value is not None and hasattr(
            value, "toarray"
        ):  # sparse: look at the shape before it becomes dense
            if value.shape == shape[::-1] != shape:
                value = value.T
            if value.shape != shape:
                self.fail(key, f"has shape {value.shape}", f"{shape} (bones, vertices)")
            self.raw[key] = value.toarray()
        return self.floats(key, shape)

    def word(self, key, default):
        value = self.raw.get(key, default)
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if type(value) is not str or len(value) > 100:
            self.fail(key, f"is {_brief(value)}", f"a word such as {default!r}")
        return value


def _dictionary(path, key):
    contents = load_pickle(path)
    if type(contents) is not dict:
        raise CourseError(f"{path}: holds {_brief(contents)}, expected a dictionary with {key}")
    return contents


def _is_flat(value):
    """A whole number or a short list of them."""
    if isinstance(value, np.ndarray):
        return value.ndim <= 1
    if type(value) in (list, tuple, set, frozenset):
        return all(isinstance(item, (int, np.integer)) for item in value)
    return isinstance(value, (int, np.integer))


def _is_matrix(value):
    return type(value) in (list, tuple) and all(
        type(row) in (list, tuple) and all(isinstance(x, (int, float)) for x in row) for row in value
    )


def _shape(shape):
    return (
        "("
        + ", ".join("any" if n is None else str(n) for n in shape)
        + ("," if len(shape) == 1 else "")
        + ")"
    )


def _brief(value):
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    text = repr(value) if isinstance(value, (str, int, float, type(None))) else ""
    return text if text and len(text) < 60 else f"a {type(value).__name__}"
