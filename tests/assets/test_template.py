"""The embedded template: a sound mesh, a sound rig, a dolphin's proportions, files that are made again."""

import pickle
import re
from pathlib import Path

import make_template
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components

from course_lib.dolphin_model import DolphinModel
from course_lib.dolphin_model.safe_pickle import load_pickle
from course_lib.kal.io.obj import import_mesh
from course_lib.kal.render.mesh import texture_mapping

ROOT = Path(__file__).resolve().parents[2]
MODEL_DIR = ROOT / "assets" / "pack" / "model"
SWAPPED_SIDES = [0, 1, 2, 3, 5, 4, 6, 7, 9, 8]


@pytest.fixture(scope="module")
def dolphin():
    return make_template.dolphin()


@pytest.fixture(scope="module")
def raw():
    return load_pickle(MODEL_DIR / "dolphin_model.pkl")


@pytest.fixture(scope="module")
def model():
    return DolphinModel(MODEL_DIR, dtype=torch.float64)


@pytest.fixture(scope="module")
def labels():
    bone = load_pickle(MODEL_DIR / "dolphin_seg_gloss.pkl")["v_labels"]
    coarse = load_pickle(MODEL_DIR / "dolphin_coarse_seg.pkl")
    return bone, coarse["coarse_v_labels"], coarse["coarse_parts_idx"]


# ---- The mesh ----------------------------------------------------------------------------------------------


def directed_edges(faces):
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)


def test_size_fits_the_course(raw):
    n = len(raw["v_template"])
    assert 1500 <= n <= 2100
    assert len(raw["f"]) == 2 * n - 4  # a closed surface without holes or handles
    assert np.ptp(raw["v_template"][:, 2]) == pytest.approx(2.6, abs=2e-6)
    assert sum(path.stat().st_size for path in MODEL_DIR.iterdir()) <= 2.5e6


def test_surface_is_closed_and_two_manifold(raw):
    edges, n = directed_edges(raw["f"]), len(raw["v_template"])
    forward, backward = edges[:, 0] * n + edges[:, 1], edges[:, 1] * n + edges[:, 0]
    assert len(np.unique(forward)) == len(forward)  # no edge twice in one direction: two faces per edge
    assert set(forward) == set(backward)  # and none without its other face
    rings = {vertex: {} for vertex in range(n)}  # of each vertex: the edges opposite to it
    for face in raw["f"].tolist():
        for k in range(3):
            rings[face[k]][face[k - 2]] = face[k - 1]
    for ring in rings.values():  # the faces around a vertex form one ring
        seen, at = [], next(iter(ring))
        while at not in seen:
            seen.append(at)
            at = ring[at]
        assert at == seen[0] and len(seen) == len(ring)


def test_surface_is_one_piece(raw):
    edges, n = directed_edges(raw["f"]), len(raw["v_template"])
    graph = sp.coo_matrix((np.ones(len(edges)), edges.T), shape=(n, n))
    assert connected_components(graph)[0] == 1


def test_surface_faces_outwards(raw):
    v, f = raw["v_template"].astype(float), raw["f"]
    assert make_template.volume(v, f) > 0
    top = v[:, 1].argmax()
    assert make_template.vertex_normals(v, f)[top, 1] > 0


def test_left_and_right_are_mirror_images(dolphin, raw):
    v, mirror = raw["v_template"], dolphin.mirror
    assert (mirror[mirror] == np.arange(len(v))).all()
    np.testing.assert_allclose(v[mirror], v * [-1, 1, 1], atol=1e-6)
    faces = {tuple(np.roll(f, -f.argmin())) for f in raw["f"].astype(int)}
    flipped = mirror[raw["f"].astype(int)][:, ::-1]
    assert {tuple(np.roll(f, -f.argmin())) for f in flipped} == faces


def test_triangles_are_well_shaped(raw):
    corners = raw["v_template"].astype(float)[raw["f"]]
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=-1)
    a, b, c = np.sort(sides, axis=1).T  # the smallest angle lies opposite to the shortest side
    smallest = np.rad2deg(np.arccos((b**2 + c**2 - a**2) / (2 * b * c)))
    assert smallest.min() > 2
    assert np.quantile(smallest, 0.05) > 9
    assert np.median(smallest) > 33
    assert sides.max() < 0.15


def test_fins_have_thickness(dolphin):
    """Beside its edges, a fin is at least 1.2 cm thick: paired points of both sides, inner columns."""
    for fin in make_template.shape.FINS:
        loops = make_template.shape.fin_loops(fin, np.zeros(3))[:-1] * dolphin.unit  # without the tip's ridge
        thickness = np.linalg.norm(loops[:, 0] - loops[:, 1], axis=-1)[:, 1:-1]
        assert thickness.min() > 0.0119, fin.name


# ---- The UV map --------------------------------------------------------------------------------------------


def pixels_in(triangle, rim):
    """Indices of the pixels of a picture, [y, x], whose centres lie in a triangle (3, 2), off its rim."""
    low, high = np.floor(triangle.min(0)).astype(int), np.ceil(triangle.max(0)).astype(int)
    x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
    (ax, ay), (bx, by), (cx, cy) = triangle
    twice = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    w1 = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / twice
    w2 = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / twice
    hit = (w1 > rim) & (w2 > rim) & (w1 + w2 < 1 - rim)
    return y[hit], x[hit]


def test_uvs_stay_inside_and_never_overlap():
    mesh = import_mesh(MODEL_DIR / "dolphin_template.obj", with_materials=True)
    uv = mesh.uvs.numpy().astype(float)[mesh.face_uvs_idx.numpy()]  # (F, 3, 2)
    assert uv.min() >= 0 and uv.max() <= 1
    a, b, c = np.moveaxis(uv, 1, 0)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    assert (np.abs(area) > 1e-9).all()

    hits = np.zeros((1024, 1024), int)
    for triangle in uv * 1024 - 0.5:  # pixels' centres at whole numbers
        hits[pixels_in(triangle, 1e-6)] += 1
    assert hits.max() == 1  # left and right, above and below: each has its own place
    assert hits.mean() > 0.45


def test_skin_is_dark_above_and_pale_below(dolphin):
    picture = make_template.albedo(256)
    assert picture.shape == (256, 256) and 0 <= picture.min() and picture.max() <= 1
    assert np.array_equal(picture, make_template.albedo(256))

    def at(vertex):  # as the course's renderer looks it up
        uv = torch.from_numpy(dolphin.uvs[dolphin.face_uvs[dolphin.faces == vertex]][:1])[None]
        return texture_mapping(uv, torch.from_numpy(picture.copy())[None, None], mode="bilinear").item()

    middle = (dolphin.s > 30) & (dolphin.s < 42) & (dolphin.fin.max(1) == 0)
    height = np.where(middle, dolphin.vertices[:, 1], 0)
    assert at(height.argmax()) < 0.3 and at(height.argmin()) > 0.65  # back and belly
    assert at(dolphin.landmarks["left_fluke_tip"]) < 0.5


# ---- The rig -----------------------------------------------------------------------------------------------


def test_weights_are_smooth_shares(dolphin, raw):
    w = raw["weights"].astype(float)
    assert w.shape == (len(raw["v_template"]), 10) and w.min() >= 0
    np.testing.assert_allclose(w.sum(1), 1, atol=1e-6)
    assert (w > 0.5).any(0).all()  # every bone leads somewhere
    np.testing.assert_allclose(w[dolphin.mirror], w[:, SWAPPED_SIDES], atol=1e-4)
    edges = directed_edges(raw["f"])
    step = np.abs(w[edges[:, 0]] - w[edges[:, 1]]).max(1)
    assert step.max() < 0.6 and np.quantile(step, 0.99) < 0.4


def test_tree_and_joints(raw):
    parents = raw["kintree_table"][0].astype(int)
    assert parents[0] == 4294967295 and raw["kintree_table"].shape == (2, 10)
    assert (parents[1:] < np.arange(1, 10)).all() and (parents[1:] >= 0).all()
    regressor = raw["J_regressor"].toarray()
    np.testing.assert_allclose(regressor.sum(1), 1, atol=1e-9)
    np.testing.assert_allclose(regressor @ raw["v_template"], raw["J"], atol=2e-6)
    np.testing.assert_allclose(raw["J"][SWAPPED_SIDES], raw["J"] * [-1, 1, 1], atol=2e-6)
    np.testing.assert_allclose(raw["J"][0], 0, atol=2e-6)  # the origin


def test_bones_and_parts_agree_between_files(dolphin, raw, labels):
    bone, part, bones_of_part = labels
    assert sorted(b for bones in bones_of_part for b in bones) == list(range(10))
    assert len(bones_of_part) == 7 and 0 in bones_of_part[0]
    assert [4, 5] in bones_of_part and [8, 9] in bones_of_part
    part_of_bone = {b: p for p, bones in enumerate(bones_of_part) for b in bones}
    assert (part == [part_of_bone[b] for b in bone]).all()
    assert set(bone) == set(range(10))
    assert (np.array(SWAPPED_SIDES)[bone] == bone[dolphin.mirror]).all()
    share = raw["weights"][np.arange(len(bone)), bone]
    assert (share > raw["weights"].max(1) - 1e-6)[dolphin.mirror != np.arange(len(bone))].all()


def test_shape_directions_scale(raw):
    v, directions = raw["v_template"].astype(float), raw["shapedirs"].astype(float)
    np.testing.assert_allclose(v + directions @ [0.1, 0, 0, 0], 1.1 * v, atol=1e-6)
    np.testing.assert_allclose(v + directions @ [0, 0.2, -0.1, 0.3], v * [1.2, 0.9, 1.3], atol=1e-6)
    assert not raw["posedirs"].any()


def test_keypoints_are_the_landmarks(dolphin, raw):
    points = np.load(MODEL_DIR / "dol_verts2kp.npy") @ raw["v_template"]
    np.testing.assert_allclose(points, raw["v_template"][list(dolphin.landmarks.values())], atol=1e-6)
    named = dict(zip(dolphin.landmarks, points))
    assert named["rostrum_tip"][2] == points[:, 2].max()
    assert named["dorsal_fin_tip"][1] == points[:, 1].max()
    np.testing.assert_allclose(named["left_fluke_tip"], named["right_fluke_tip"] * [-1, 1, 1], atol=1e-6)


def pose(model, **degrees):
    names = [name for name, _ in make_template.shape.PARTS]
    joints = torch.zeros(7, 3, dtype=torch.float64)
    for name, value in degrees.items():
        joints[names.index(name)] = torch.tensor(value, dtype=torch.float64)
    zero = torch.zeros(1, 1, 3, dtype=torch.float64)
    body_pose = torch.deg2rad(joints)[model.LBS.seg_grouping][None, 1:]
    return model(zero, body_pose, zero)["vertices"][0].numpy()


def test_course_loads_it(model, raw):
    assert model.LBS.n_groups == 7 and model.LBS.n_joints == 10
    assert model.global_scale.item() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(pose(model), raw["v_template"], atol=1e-6)
    assert model.face_uvs.shape == (1, len(raw["f"]), 3, 2)


@pytest.mark.parametrize("part", ["head", "tail_stock_front", "tail_stock_rear", "flukes", "flippers"])
@pytest.mark.parametrize("axis", [(30, 0, 0), (-30, 0, 0), (0, 30, 0), (0, 0, 30)])
def test_bends_without_collapsing(model, raw, part, axis):
    rest, bent = raw["v_template"].astype(float), pose(model, **{part: axis})
    before, after = (make_template.volume(v, raw["f"]) for v in (rest, bent))
    assert after == pytest.approx(before, rel=0.06)
    edges = directed_edges(raw["f"])
    stretch = [np.linalg.norm(v[edges[:, 0]] - v[edges[:, 1]], axis=1) for v in (bent, rest)]
    assert np.quantile(stretch[0] / stretch[1], 0.995) < 1.8


def test_tail_beats_up_and_down(model, dolphin):
    tips = [dolphin.landmarks["left_fluke_tip"], dolphin.landmarks["right_fluke_tip"]]
    tail = ("tail_stock_front", "tail_stock_rear", "flukes")
    up, down = (pose(model, **dict.fromkeys(tail, (bend, 0, 0)))[tips, 1] for bend in (15, -15))
    assert up.min() > 0.3 and down.max() < -0.3 and np.ptp(up) < 1e-6


def test_a_turn_leaves_the_outline_from_above_in_place(raw):
    v, f = raw["v_template"].astype(float), raw["f"]
    origin, cell = np.array([-0.5, -1.5]), 0.005  # m, x and z
    seen = np.zeros((560, 200), bool)
    corners = (v[f][:, :, [0, 2]] - origin) / cell
    (ax, az), (bx, bz), (cx, cz) = np.moveaxis(corners, 0, -1)
    upright = np.abs((bx - ax) * (cz - az) - (bz - az) * (cx - ax)) * cell**2 < 1e-12
    for triangle in corners[~upright]:
        seen[pixels_in(triangle, 0)] = True
    z, x = np.nonzero(seen)
    assert seen.any() and abs(z.mean() * cell + origin[1]) < 0.02 and abs(x.mean() * cell + origin[0]) < 0.005


# ---- The animal --------------------------------------------------------------------------------------------


def test_proportions_are_those_of_a_bottlenose_dolphin():
    measured = make_template.measure()
    for name, least, most, _ in make_template.published(measured):
        assert least <= measured[name] <= most, name


def test_readme_shows_what_the_program_measures():
    readme = (ROOT / "assets" / "README.md").read_text()
    for row in make_template.measurement_table().splitlines():
        assert row in readme, row


def test_readme_pictures_are_there_and_small():
    readme = (ROOT / "assets" / "README.md").read_text()
    shown = re.findall(r"!\[([^\]]+)\]\((pictures/template_[^)]+)\)", readme)
    assert len(shown) >= 6
    for alt, name in shown:
        path = ROOT / "assets" / name
        assert path.is_file() and path.stat().st_size <= 120_000 and len(alt) > 20
    listed = {Path(name).name for _, name in shown}
    assert {path.name for path in (ROOT / "assets" / "pictures").glob("template_*")} == listed


# ---- The files ---------------------------------------------------------------------------------------------


def test_program_makes_the_same_bytes_twice(dolphin):
    again = make_template.shape.build()
    assert make_template.model_files(again) == make_template.model_files(dolphin)


def test_committed_files_are_what_the_program_makes(dolphin, raw, labels, tmp_path):
    for name, content in make_template.model_files(dolphin).items():
        (tmp_path / name).write_bytes(content)
    # other versions of NumPy and SciPy pickle the same in other bytes
    made = load_pickle(tmp_path / "dolphin_model.pkl")
    assert made.keys() == raw.keys()
    for key, value in made.items():
        ours, theirs = (v.toarray() if sp.issparse(v) else np.asarray(v) for v in (value, raw[key]))
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, atol=2e-6)
        else:
            np.testing.assert_array_equal(ours, theirs)
    assert (load_pickle(tmp_path / "dolphin_seg_gloss.pkl")["v_labels"] == labels[0]).all()
    coarse = load_pickle(tmp_path / "dolphin_coarse_seg.pkl")
    assert (coarse["coarse_v_labels"] == labels[1]).all() and coarse["coarse_parts_idx"] == labels[2]
    for name in ("dolphin_template.obj", "dolphin_template.mtl", "dol_verts2kp.npy"):
        assert (MODEL_DIR / name).stat().st_size == (tmp_path / name).stat().st_size
    obj = "dolphin_template.obj"
    theirs, ours = (import_mesh(folder / obj, with_materials=True) for folder in (MODEL_DIR, tmp_path))
    assert torch.equal(theirs.faces, ours.faces) and torch.equal(theirs.face_uvs_idx, ours.face_uvs_idx)
    assert torch.allclose(theirs.vertices, ours.vertices, atol=2e-6)


def test_pickles_hold_plain_arrays():
    allowed = {"numpy", "numpy._core.multiarray", "numpy.core.multiarray", "scipy.sparse._csc"}

    class Plain(pickle.Unpickler):
        def find_class(self, module, name):
            assert module in allowed, (module, name)
            return super().find_class(module, name)

    for path in MODEL_DIR.glob("*.pkl"):
        with open(path, "rb") as file:
            assert isinstance(Plain(file).load(), dict)
