"""The template's files, read and checked: an SMPL-style model, its bones, parts, keypoints and texture.

All of it becomes plain arrays: from here on a chumpy pickle of 2015 and our own file look the same.
"""

import io
import math

import numpy as np
import torch

from ..errors import CourseError
from ..file_kind import check
from ..kal.io.obj import ignore_error_handler, import_mesh
from ..shapes import fits, spell
from .pickled_values import brief
from .safe_pickle import load_pickle, read_file

MODEL_FILES = dict(model="dolphin_model.pkl", mesh="dolphin_template.obj", bones="dolphin_seg_gloss.pkl")
MODEL_FILES |= dict(parts="dolphin_coarse_seg.pkl", keypoints="dol_verts2kp.npy")
# Keys of older SMPL-style files, and what they are called now.
_OLD_KEYS = dict(default_v="v_template", template_v="v_template", joint_regressor="J_regressor")
_OLD_KEYS |= dict(blendshapes="posedirs", joints="J")
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

    v_template = _template(file)
    V = len(v_template)
    weights = _weights(file, V)
    J = weights.shape[1]
    model = {"v_template": v_template, "weights": weights, "f": file.integers("f", "any 3")}
    check_faces(model["f"], V, f"{where}: f")
    model["kintree_table"] = file.integers("kintree_table", f"2 {J}")
    model["parents"] = _parents(file, model["kintree_table"])
    model["shapedirs"] = file.directions("shapedirs", V, 4, "global, x, y and z scaling")
    model["posedirs"] = None
    if "posedirs" in raw:
        model["posedirs"] = file.directions("posedirs", V, 9 * (J - 1), "9 for each bone but the root")
    model["J_regressor"] = file.regressor("J_regressor", (J, V))
    model["J"] = file.floats("J", f"{J} 3") if "J" in raw else model["J_regressor"] @ v_template
    model["bs_type"] = file.word("bs_type", "lrotmin")
    model["bs_style"] = style = file.word("bs_style", "lbs")
    file.check("bs_style", style == "lbs", f"is {style!r}", "'lbs' (linear blend skinning)")
    return model


def load_segmentation(bones_path, parts_path, n_vertices, n_joints):
    """Bone and part of each vertex, part of each bone: v_labels (V,), v_labels_coarse (V,), grouping (J,).

    All are int64, from dolphin_seg_gloss.pkl and dolphin_coarse_seg.pkl. Raises CourseError for labels out of
    range, and for bones in no part or in two.
    """
    bones = _Fields(_dictionary(bones_path, "v_labels"), bones_path)
    v_labels = bones.labels("v_labels", n_vertices, n_joints, "bones")
    coarse = _Fields(_dictionary(parts_path, "coarse_v_labels"), parts_path)
    grouping, n_parts = _grouping(coarse, n_joints)
    v_labels_coarse = coarse.labels("coarse_v_labels", n_vertices, n_parts, "parts")
    last = v_labels_coarse.max()
    found = f"goes up to part {last}"
    coarse.check("coarse_v_labels", last == n_parts - 1, found, f"vertices in all {n_parts} parts")
    return {"v_labels": v_labels, "v_labels_coarse": v_labels_coarse, "grouping": grouping}


def load_keypoints(path, n_vertices):
    """The keypoint regressor of dol_verts2kp.npy: (K, V) float64, keypoints from vertices."""
    return _Fields({"keypoints": load_array(path)}, path).floats("keypoints", f"any {n_vertices}")


def load_array(path):
    """A .npy file of numbers; pickled objects, truncated files and other files raise CourseError."""
    data = read_file(path)
    file = io.BytesIO(data)
    npy = "a .npy file", "a NumPy array (.npy)", "save the numbers as such", "and save it with numpy.save"
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version} of the format")
        read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, fortran_order, dtype = read_header(file)
    except (ValueError, EOFError, TypeError, SyntaxError) as error:
        check(path, *npy, data=data)
        raise CourseError(f"{path}: not a .npy file ({error}); copy or download it again") from None
    if dtype.kind not in "biuf":
        raise CourseError(f"{path}: holds values of type {dtype}, expected numbers")
    raw = file.read()
    n_bytes = dtype.itemsize * math.prod(shape)
    if n_bytes != len(raw):
        check(path, *npy, data=data)
        raise CourseError(f"""{path}: an array of shape {shape} and type {dtype} should have {n_bytes} bytes,
            but {len(raw)} were found; copy or download it again""")
    return np.frombuffer(bytearray(raw), dtype=dtype).reshape(shape, order="F" if fortran_order else "C")


def load_face_uvs(path, faces):
    """Texture coordinates of the corners of `faces` (F, 3), from an OBJ file. -> (F, 3, 2)

    They are counted from the image's top. The file must hold the same triangles; where it lists them in
    another order or from another corner, the coordinates are put into the order of `faces`. Raises
    CourseError where it does not.
    """
    mesh = import_mesh(path, with_materials=True, error_handler=ignore_error_handler)
    if mesh.face_uvs_idx is None or (mesh.face_uvs_idx < 0).any():
        raise CourseError(f"{path}: has faces without texture coordinates, expected 'f v/vt v/vt v/vt' lines")
    ours, theirs = faces.cpu(), mesh.faces.cpu()
    check_faces(theirs.numpy(), int(ours.max()) + 1, path)
    if theirs.shape != ours.shape:
        raise CourseError(f"{path}: has {len(theirs)} faces, expected the model's {len(ours)}")
    if torch.equal(theirs, ours):
        return mesh.face_uvs
    found = {tuple(face[k:] + face[:k]): (i, k) for i, face in enumerate(theirs.tolist()) for k in range(3)}
    rows = [found.get(tuple(face)) for face in ours.tolist()]
    if None in rows:
        i = rows.index(None)
        raise CourseError(f"""{path}: has no face {ours[i].tolist()} (the model's face {i}), expected the
            model's triangles. Is it the template of another model?""")
    index, turn = torch.tensor(rows).unbind(dim=1)
    corner = (turn[:, None] + torch.arange(3)) % 3  # (F, 3)
    return mesh.face_uvs[index[:, None], corner]


def check_faces(faces, n_vertices, where):
    """Raises CourseError unless all of `faces` (F, 3) are in 0..n_vertices-1."""
    if len(faces) == 0:
        raise CourseError(f"{where}: has no faces, expected triangles")
    outside = ((faces < 0) | (faces >= n_vertices)).any(axis=1)  # (F,)
    if outside.any():
        row = int(outside.argmax())
        raise CourseError(f"""{where}: face {row} is {faces[row].tolist()}, expected vertices 0 to
            {n_vertices - 1} ({int(outside.sum())} of {len(faces)} faces are out of range)""")


def _template(file):
    v_template = file.floats("v_template", "any 3")
    V = len(v_template)
    file.check("v_template", 4 <= V <= MAX_VERTICES, f"holds {V} vertices", f"4 to {MAX_VERTICES}")
    length = np.ptp(v_template[:, 2])
    file.check("v_template", length > 0, "has no extent along z", "a body along the z axis")
    return v_template


def _weights(file, n_vertices):
    weights = file.floats("weights", f"{n_vertices} any")
    J, least = weights.shape[1], weights.min()
    file.check("weights", 1 <= J <= 256, f"has {J} columns", "one per bone, 1 to 256")
    file.check("weights", least >= -1e-3, f"goes down to {least:.3g}", "no negative weights")
    sums = weights.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    found = f"row {worst} sums to {sums[worst]:.4g}"
    file.check("weights", abs(sums[worst] - 1) <= 1e-2, found, "each vertex's weights to sum to 1")
    return weights


def _parents(file, kintree):
    """Index of each bone's parent, -1 for the root: row 0 names parents by the ids of row 1."""
    key, (parent_ids, ids) = "kintree_table", kintree.tolist()
    file.check(key, len(set(ids)) == len(ids), f"row 1 is {ids}", "each bone once")
    parents = [-1]
    for i, parent_id in enumerate(parent_ids[1:], start=1):
        expected = "a tree: the parent of each bone but the first is a bone before it"
        file.check(key, parent_id in ids[:i], f"bone {i}'s parent is {parent_id}", expected)
        parents.append(ids.index(parent_id))
    return np.array(parents, dtype=np.int64)


def _grouping(file, n_joints):
    """Part of each bone (J,), and how many parts there are, from the list of each part's bones."""
    key, parts = "coarse_parts_idx", file.raw.get("coarse_parts_idx")
    if isinstance(parts, np.ndarray) and parts.ndim == 2:
        parts = parts.tolist()
    is_list = type(parts) in (list, tuple) and 1 <= len(parts) <= n_joints
    file.check(key, is_list, f"is {brief(parts)}", f"a list of 1 to {n_joints} parts, each a list of bones")
    grouping = np.full(n_joints, -1, dtype=np.int64)
    for p, members in enumerate(parts):
        bones = _numbers(members)
        is_row = bones is not None and bones.ndim < 2 and bones.size > 0 and bones.dtype.kind in "iu"
        file.check(key, is_row, f"part {p} is {brief(members)}", "a list of bones")
        for j in bones.ravel().tolist():
            file.check(key, 0 <= j < n_joints, f"part {p} holds bone {j}", f"bones 0 to {n_joints - 1}")
            twice = f"bone {j} is in parts {grouping[j]} and {p}"
            file.check(key, grouping[j] in (-1, p), twice, "each bone in one part")
            grouping[j] = p
    file.check(key, grouping.min() >= 0, f"bone {grouping.argmin()} is in no part", "each bone in one part")
    return grouping, len(parts)


class _Fields:
    """A pickle's dictionary with typed, checked access."""

    def __init__(self, raw, where):
        self.raw, self.where = raw, where

    def check(self, key, holds, found, expected):
        if not holds:
            raise CourseError(f"{self.where}: {key} {found}, expected {expected}")

    def array(self, key, layout):
        shape = spell(layout)
        if key not in self.raw:
            keys = ", ".join(sorted(str(k)[:40] for k in self.raw)[:20])
            raise CourseError(f"""{self.where}: has no {key}, expected an array of shape {shape}
                (found keys: {keys or "none"})""")
        value = self.raw[key]
        if type(value) in (list, tuple):
            matrix = _numbers(value)
            value = value if matrix is None or matrix.ndim != 2 else matrix
        is_array = isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
        self.check(key, is_array, f"is {brief(value)}", f"an array of numbers of shape {shape}")
        self.check(key, fits(value.shape, layout), f"has shape {value.shape}", shape)
        self.check(key, value.size > 0, f"is empty (shape {value.shape})", shape)
        worst = np.unravel_index(np.isfinite(value).argmin(), value.shape)
        found = f"holds {value[worst]} at {[int(i) for i in worst]}"
        self.check(key, np.isfinite(value[worst]), found, "finite numbers")
        return value

    def floats(self, key, layout):
        value = self.array(key, layout)
        most = np.abs(value).max()
        self.check(key, most <= 1e12, f"holds {most:.3g}", "metres, weights or directions of an animal")
        return np.array(value, dtype=np.float64)

    def integers(self, key, layout):
        value = self.array(key, layout)
        if value.dtype.kind == "f":  # some exporters write faces as floats
            whole = (value == np.round(value)).all() and np.abs(value).max() <= 2.0**53
            self.check(key, whole, "holds fractions", "whole numbers")
        return np.array(value, dtype=np.int64)

    def directions(self, key, n_vertices, n, what):
        value = self.floats(key, f"{n_vertices} 3 any")
        self.check(key, value.shape[2] == n, f"has {value.shape[2]} directions", f"{n} ({what})")
        return value

    def labels(self, key, n, n_labels, what):
        value = self.raw.get(key)
        if isinstance(value, np.ndarray) and value.size == n:
            self.raw[key] = value.reshape(-1)  # a column is as good as a row
        labels = self.integers(key, str(n))
        least, most = labels.min(), labels.max()
        inside = least >= 0 and most < n_labels
        self.check(key, inside, f"holds {least} to {most}", f"{what} 0 to {n_labels - 1}")
        return labels

    def regressor(self, key, shape):
        value = self.raw.get(key)
        if hasattr(value, "toarray"):  # sparse: look at the shape before it becomes dense
            if value.shape == shape[::-1] != shape:
                value = value.T
            self.check(key, value.shape == shape, f"has shape {value.shape}", f"{shape} (bones, vertices)")
            self.raw[key] = value.toarray()
        return self.floats(key, "{} {}".format(*shape))

    def word(self, key, default):
        value = self.raw.get(key, default)
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        is_word = type(value) is str and len(value) <= 100
        self.check(key, is_word, f"is {brief(value)}", f"a word such as {default!r}")
        return value


def _dictionary(path, key):
    contents = load_pickle(path)
    if type(contents) is not dict:
        raise CourseError(f"{path}: holds {brief(contents)}, expected a dictionary with {key}")
    return contents


def _numbers(value):
    """Numbers, and lists of them within each other, as an array; None for anything else."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return None
    return array if array.dtype.kind in "biuf" else None
