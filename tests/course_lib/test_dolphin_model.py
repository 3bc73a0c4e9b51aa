"""The template: its files, its skinning against the tutorial and against a plain loop, its faults."""

import pickle
import shutil

import numpy as np
import pytest
import torch
from scipy import sparse

from course_lib.dolphin_model import LBS, MODEL_FILES, DolphinModel, load_face_uvs, model_file
from course_lib.dolphin_model.safe_pickle import load_pickle
from course_lib.errors import CourseError
from course_lib.rotations import rotvec_to_rotmat

from ..build_zip import GOLDEN_MODEL as GOLDEN


@pytest.fixture(scope="module")
def model():
    return DolphinModel(GOLDEN)


@pytest.fixture(params=["pipeline", "pipeline_wide_band"])
def pipeline(request):
    with np.load(GOLDEN / f"{request.param}.npz") as data:
        return {key: torch.from_numpy(data[key]) for key in data.files}


# --- against the tutorial -----------------------------------------------------------------------------------


def test_model_files_as_the_tutorial_reads_them(model, pipeline):
    assert torch.equal(model.F, pipeline["faces"])
    assert torch.equal(model.V[0], pipeline["template_vertices"])
    assert torch.equal(model.weights, pipeline["weights"])
    assert torch.equal(model.J_regressor[0], pipeline["joint_regressor"])
    assert torch.equal(model.parents, pipeline["parents"])
    assert torch.equal(model.LBS.seg_grouping, pipeline["part_of_bone"])
    assert torch.equal(model.face_uvs[0], pipeline["face_uvs"])
    assert model.global_scale == pipeline["global_scale"]
    assert (model.LBS.n_groups, model.LBS.n_joints) == (7, 10)
    assert model.bone_selection.tolist() == [1, 1, 0, 0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("shaped", [True, False])
def test_skinning_as_the_tutorial_computes_it(model, pipeline, shaped):
    joints = pipeline["param_joint_poses"][:, model.LBS.seg_grouping][:, 1:]
    scales = pipeline["param_part_scales"] if shaped else None
    poses, translations = pipeline["param_global_poses"], pipeline["param_translations"]
    vertices = model(poses, joints, translations, scales)["vertices"]
    expected = pipeline["vertices" if shaped else "vertices_no_shape"]
    assert vertices.shape == expected.shape == (3, 180, 3)
    assert (vertices - expected).abs().max() < 2e-6


def test_older_files_are_the_same_model(model, tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "model")
    shutil.copy(GOLDEN / "dolphin_model_old_names.pkl", tmp_path / "model" / "dolphin_model.pkl")
    old = DolphinModel(tmp_path / "model")
    for name in ("V", "F", "weights", "J_regressor", "face_uvs"):
        assert torch.equal(getattr(old, name), getattr(model, name)), name
    assert torch.equal(old.LBS.shapedirs, model.LBS.shapedirs)


# --- against a plain loop -----------------------------------------------------------------------------------


def rotation(rotvec):
    angle = np.linalg.norm(rotvec)
    if angle == 0:
        return np.eye(3)
    x, y, z = rotvec / angle
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K


def plain_skinning(lbs, V, pose, scale, betas):
    """One frame, vertex by vertex; shapes, not linear maps, are moved about."""
    regress = lbs.J_regressor.numpy()
    parents, part = lbs.parents.tolist(), lbs.seg_grouping.tolist()
    J, P = lbs.n_joints, lbs.n_groups
    # all of the animal in the shape of part p
    whole = [V + lbs.shapedirs.numpy() @ betas[p] for p in range(P)]
    joints_of = [regress @ whole[p] for p in range(P)]
    shift = np.zeros((J, 3))
    for p in range(P):
        for j in range(1, J):
            if part[j] == p:
                same = part[parents[j]] == p
                shift[j] = shift[parents[j]] if same else joints_of[part[parents[j]]][j] - joints_of[p][j]
                for child in range(1, J):
                    if parents[child] == j:
                        joints_of[p][child] += shift[j]
    shaped = np.array([whole[lbs.v_labels_coarse[v]][v] + shift[lbs.v_labels[v]] for v in range(len(V))])
    joints = regress @ shaped * scale
    world = [None] * J
    for j in range(J):
        parent = parents[j] if j else None
        local = np.eye(4)
        local[:3, :3] = rotation(pose[j])
        local[:3, 3] = joints[j] - (joints[parent] if j else 0)
        world[j] = world[parent] @ local if j else local
    result = np.zeros_like(shaped)
    for v, rest in enumerate(shaped * scale):
        for j in range(J):
            moved = world[j][:3, :3] @ (rest - joints[j]) + world[j][:3, 3]
            result[v] += lbs.weights[v, j].item() * moved
    return result


def random_lbs(seed, J=8, P=4, V=40):
    rng = np.random.default_rng(seed)
    parents = torch.tensor([4294967295, *(int(rng.integers(j)) for j in range(1, J))])
    grouping = torch.tensor([*rng.permutation(P), *rng.integers(P, size=J - P)])
    v_labels = torch.tensor(rng.integers(J, size=V))
    coarse = grouping[v_labels]
    coarse[0] = P - 1  # every part has a vertex, even if the labels disagree about it
    weights, regressor = rng.random((V, J)) ** 4, rng.random((J, V)) ** 4
    weights, regressor = weights / weights.sum(1, keepdims=True), regressor / regressor.sum(1, keepdims=True)
    shapedirs = rng.normal(size=(V, 3, 4))
    regressor, weights, shapedirs = map(torch.tensor, (regressor, weights, shapedirs))
    lbs = LBS(regressor, parents, weights, shapedirs, grouping, v_labels, coarse, rotvec_to_rotmat)
    return lbs, rng.normal(size=(V, 3)), rng.normal(size=(2, J, 3)), rng.normal(size=(P, 4)) * 0.3


@pytest.mark.parametrize("seed", range(8))
def test_skinning_of_any_tree_and_parts(seed):
    lbs, V, pose, betas = random_lbs(seed)
    result = lbs(torch.tensor(V)[None], torch.tensor(pose), 1.3, torch.tensor(betas))
    for frame, frame_pose in zip(result.numpy(), pose):
        assert np.allclose(frame, plain_skinning(lbs, V, frame_pose, 1.3, betas), atol=1e-12)


def test_gradients_of_skinning():
    lbs, V, pose, betas = random_lbs(3, J=5, P=3, V=8)
    V, inputs = torch.tensor(V)[None], [torch.tensor(x, requires_grad=True) for x in (pose, betas)]
    assert torch.autograd.gradcheck(lambda *inputs: lbs(V, inputs[0], 1.3, inputs[1]), inputs, fast_mode=True)


def test_parts_stay_joined():
    """However parts are scaled, two parts agree on where the joint between them lies."""
    lbs, V, _, betas = random_lbs(5)
    betas = torch.tensor(betas)
    joints_between_parts = 0
    for j in range(1, lbs.n_joints):
        p, q = lbs.seg_grouping[lbs.parents[j]].item(), lbs.seg_grouping[j].item()
        if p != q and lbs.parents[j] == 0:  # the root's part itself is not shifted
            shapes = [torch.tensor(V) + lbs.shapedirs @ betas[part] for part in (p, q)]
            of_parent, of_child = [(lbs.J_regressor @ shape)[j] for shape in shapes]
            shift = lbs.joint_shift[j].reshape(3, -1) @ betas.reshape(-1)
            assert torch.allclose(of_child + shift, of_parent)
            joints_between_parts += 1
    assert joints_between_parts


# --- using it -----------------------------------------------------------------------------------------------


def test_rest_pose_is_the_template_at_adult_size(model):
    zeros = torch.zeros(2, 9, 3)
    vertices = model(zeros[:, :1], zeros, zeros[:, :1])["vertices"]
    assert torch.allclose(vertices[1], model.V[0] * model.global_scale, atol=1e-6)
    assert (vertices[0, :, 2].max() - vertices[0, :, 2].min()).item() == pytest.approx(2.6)


def test_matrices_and_axis_angles_agree_and_stiff_bones_stay_stiff(model):
    torch.manual_seed(0)
    pose, translation, scales = torch.randn(4, 10, 3), torch.randn(4, 1, 3), 0.1 * torch.randn(7, 4)
    matrices = rotvec_to_rotmat(pose.view(-1, 3)).view(4, 10, 3, 3)
    a = model(pose[:, :1], pose[:, 1:], translation, scales)["vertices"]
    b = model(matrices[:, :1], matrices[:, 1:], translation, scales, pose2rot=False)["vertices"]
    assert torch.allclose(a, b, atol=1e-6)
    pose[:, 2:4] = 0
    assert torch.equal(a, model(pose[:, :1], pose[:, 1:], translation, scales)["vertices"])


def test_double_precision_and_a_function_of_ones_own():
    calls = []

    def mine(theta):
        calls.append(theta.shape)
        return rotvec_to_rotmat(theta)

    model = DolphinModel(GOLDEN, rodrigues=mine, dtype=torch.float64)
    zeros = torch.zeros(2, 9, 3, dtype=torch.float64)
    scales = torch.zeros(7, 4, dtype=torch.float64)
    vertices = model(zeros[:, :1], zeros, zeros[:, :1], scales)["vertices"]
    assert vertices.dtype == torch.float64
    assert calls == [(20, 3)]


def test_rotvec_to_rotmat():
    theta = [[0.0, 0.0, 0.0], [0.0, torch.pi / 2, 0.0], [1e-6, 0.0, 0.0], [3.0, -2.0, 1.0]]
    theta = torch.tensor(theta, dtype=torch.float64)
    R = rotvec_to_rotmat(theta)
    x, y, z = torch.eye(3, dtype=torch.float64)
    assert torch.allclose(R @ R.mT, torch.stack([x, y, z]).expand(4, 3, 3))
    assert torch.allclose(R[1] @ z, x)
    assert np.allclose(R[3], rotation(theta[3].numpy()))
    assert torch.autograd.gradcheck(rotvec_to_rotmat, theta.requires_grad_())
    with pytest.raises(CourseError, match=r"shape \(2, 4\), expected \(N, 3\)"):
        rotvec_to_rotmat(torch.zeros(2, 4))


def test_wrong_shapes_are_named(model):
    zeros = torch.zeros(2, 9, 3)
    with pytest.raises(CourseError, match=r"body_pose has shape \(2, 7, 3\), expected \(2, 9, 3\)"):
        model(zeros[:, :1], zeros[:, :7], zeros[:, :1])
    with pytest.raises(CourseError, match=r"global_pose has shape \(2, 1, 3\), expected \(2, 1, 3, 3\)"):
        model(zeros[:, :1], zeros, zeros[:, :1], pose2rot=False)
    with pytest.raises(CourseError, match=r"part scales have shape \(4,\), expected \(7, 4\)"):
        model(zeros[:, :1], zeros, zeros[:, :1], torch.zeros(4))


# --- faulty files -------------------------------------------------------------------------------------------


def put(index, value):
    def change(array):
        array = np.array(array)
        array[index] = value
        return array

    return change


def missing(value):
    return None


HUGE_MATRIX = sparse.coo_matrix((2**30, 2**30))
# case: the key that is changed, how its value is, and what the message says
FAULTS = {
    "no vertices": ("v_template", missing, "has no v_template, expected an array of shape (any, 3)"),
    "flat vertices": ("v_template", lambda v: v[:, :2], "v_template has shape (180, 2), expected (any, 3)"),
    "text as vertices": ("v_template", lambda v: "x", "v_template is 'x', expected an array of numbers"),
    "NaN": ("v_template", put((4, 1), np.nan), "v_template holds nan at [4, 1], expected finite numbers"),
    "infinity": ("weights", lambda w: w + np.inf, "weights holds inf at [0, 0]"),
    "no extent": ("v_template", lambda v: v * [1, 1, 0], "v_template has no extent along z"),
    "huge": ("v_template", lambda v: v * 1e20, "v_template holds 1.3e+20"),
    "face outside": ("f", put((7, 1), 180), "f: face 7 is [4, 180, 16], expected vertices 0 to 179"),
    "negative face": ("f", lambda f: put((7, 1), -1)(f.astype(int)), "f: face 7 is [4, -1, 16]"),
    "no faces": ("f", lambda f: f[:0], "f is empty"),
    "faces of fractions": ("f", lambda f: f + 0.5, "f holds fractions"),
    "other weights": ("weights", lambda w: w[:179], "weights has shape (179, 10), expected (180, any)"),
    "sums": ("weights", lambda w: w * 2, "sums to 2, expected each vertex's weights to sum to 1"),
    "negative weights": ("weights", lambda w: w - 0.5, "weights goes down to"),
    "other regressor": ("J_regressor", lambda r: r[:, :170], "has shape (10, 170), expected (10, 180)"),
    "huge sparse regressor": ("J_regressor", lambda _: HUGE_MATRIX, "J_regressor has shape (1073741824, 1"),
    "other tree": ("kintree_table", lambda k: k[:, :9], "kintree_table has shape (2, 9), expected (2, 10)"),
    "parent of itself": ("kintree_table", put((0, 4), 4), "bone 4's parent is 4"),
    "parent after child": ("kintree_table", put((0, 4), 7), "bone 4's parent is 7"),
    "unknown parent": ("kintree_table", put((0, 4), 99), "bone 4's parent is 99"),
    "bone twice": ("kintree_table", put((1, 4), 3), "expected each bone once"),
    "three directions": ("shapedirs", lambda s: s[..., 1:], "shapedirs has 3 directions, expected 4"),
    "no directions": ("shapedirs", missing, "has no shapedirs"),
    "pose directions": ("posedirs", lambda p: p[..., 1:], "posedirs has 80 directions, expected 81"),
    "other skinning": ("bs_style", lambda _: "dqs", "bs_style is 'dqs', expected 'lbs'"),
}


@pytest.fixture
def contents():
    return load_pickle(GOLDEN / "dolphin_model.pkl")


@pytest.mark.parametrize("case", FAULTS)
def test_faulty_models_name_key_found_and_expected(case, contents):
    key, change, message = FAULTS[case]
    contents[key] = change(contents[key])
    if contents[key] is None:
        del contents[key]
    with pytest.raises(CourseError) as error:
        model_file.check_model(contents, "model.pkl")
    assert str(error.value).startswith("model.pkl: ") and message in str(error.value)


def test_model_that_is_no_dictionary():
    with pytest.raises(CourseError, match="holds a list, expected a dictionary"):
        model_file.check_model([1], "model.pkl")


def test_variants_that_are_sound(contents):
    original = model_file.check_model(contents, "model.pkl")
    contents["J_regressor"] = contents["J_regressor"].tocsr().T
    contents["kintree_table"] = put((0, 0), -1)(contents["kintree_table"].astype(int))
    contents["f"] = contents["f"].astype(float)
    contents["bs_style"] = b"lbs"
    del contents["J"], contents["posedirs"]
    variant = model_file.check_model(contents, "model.pkl")
    for key in ("J_regressor", "parents", "f"):
        assert np.array_equal(variant[key], original[key]), key
    assert np.allclose(variant["J"], original["J"]) and variant["posedirs"] is None


def test_load_model_returns_plain_arrays():
    model = model_file.load_model(GOLDEN / "dolphin_model.pkl")
    for key in ("v_template", "weights", "J_regressor", "shapedirs", "posedirs", "J"):
        assert type(model[key]) is np.ndarray and model[key].dtype == np.float64, key
    assert model["parents"].tolist() == [-1, 0, 1, 0, 0, 4, 0, 0, 5, 5]


def parts(members, label=0):
    return {"coarse_v_labels": np.full(180, label), "coarse_parts_idx": members}


FAULTY_SEGMENTATIONS = [
    ("bones", {"v_labels": np.full(180, 10)}, "v_labels holds 10 to 10, expected bones 0 to 9"),
    ("bones", {"v_labels": np.zeros(179, int)}, "v_labels has shape (179,), expected (180,)"),
    ("bones", {}, "has no v_labels"),
    ("bones", [1], "expected a dictionary with v_labels"),
    ("parts", parts([[*range(9)]]), "bone 9 is in no part"),
    ("parts", parts([[*range(10)], [9]]), "bone 9 is in parts 0 and 1"),
    ("parts", parts([[*range(11)]]), "part 0 holds bone 10"),
    ("parts", parts([[], [*range(10)]]), "part 0 is a list, expected a list of bones"),
    ("parts", parts([[[0]], [*range(10)]]), "part 0 is a list, expected a list of bones"),
    ("parts", parts([0.5, [*range(10)]]), "part 0 is 0.5, expected a list of bones"),
    ("parts", parts(3), "coarse_parts_idx is 3"),
    ("parts", parts([[*range(10)]], label=1), "labels holds 1 to 1, expected parts 0 to 0"),
    ("parts", parts([[*range(9)], [9]]), "expected vertices in all 2 parts"),
]


@pytest.mark.parametrize(("file", "contents", "message"), FAULTY_SEGMENTATIONS)
def test_faulty_segmentations(tmp_path, file, contents, message):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(contents, 2))
    paths = [path if role == file else GOLDEN / MODEL_FILES[role] for role in ("bones", "parts")]
    with pytest.raises(CourseError) as error:
        model_file.load_segmentation(*paths, 180, 10)
    assert message in str(error.value) and str(path) in str(error.value)


def test_arrays_are_read_whole(tmp_path):
    path = tmp_path / "x.npy"
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.save(path, array)
    assert np.array_equal(model_file.load_array(path), array)
    path.write_bytes(path.read_bytes()[:-8])
    found = r"shape \(2, 3\) and type float64 should have 48 bytes, but 40 were found"
    with pytest.raises(CourseError, match=found):
        model_file.load_array(path)
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(CourseError, match="type object, expected numbers"):
        model_file.load_array(path)
    np.save(path, np.ones((5, 179)))
    with pytest.raises(CourseError, match=r"keypoints has shape \(5, 179\), expected \(any, 180\)"):
        model_file.load_keypoints(path, 180)
    with pytest.raises(CourseError, match="no such file"):
        model_file.load_array(tmp_path / "y.npy")


NPY = b"\x93NUMPY"
HUGE = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1125899906842624,)}"  # more than any memory


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps([1], 4), "not a .npy file"),
        (b"", "the file is empty"),
        (NPY, "not a .npy file"),
        (NPY + b"\x01\x00\xff\xff{", "not a .npy file"),
        (NPY + b"\x01\x00\x02\x00{}", "not a .npy file"),
        (NPY + b"\x07\x00\x02\x00{}", r"not a .npy file \(version \(7, 0\) of the format\)"),
        (NPY + b"\x01\x00" + bytes([len(HUGE), 0]) + HUGE, "but 0 were found"),
    ],
)
def test_other_arrays(data, message, tmp_path):
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(CourseError, match=message):
        model_file.load_array(tmp_path / "x.npy")


@pytest.mark.parametrize("name", MODEL_FILES.values())
def test_missing_files_are_named(tmp_path, name):
    shutil.copytree(GOLDEN, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    with pytest.raises(CourseError, match=f"{name}: no such file"):
        DolphinModel(tmp_path / "model")


# --- texture coordinates ------------------------------------------------------------------------------------


def rewrite_faces(path, change):
    lines = (GOLDEN / "dolphin_template.obj").read_text().splitlines()
    faces = [line for line in lines if line.startswith("f ")]
    others = [line for line in lines if not line.startswith("f ")]
    path.write_text("\n".join(others + change(faces)) + "\n")
    return path


OUTSIDE = r"face 0 is \[0, 12, 180\], expected vertices 0 to 179"  # of a mesh with a vertex more


def turned(face):
    _, a, b, c = face.split()
    return f"f {b} {c} {a}"


def test_texture_coordinates_follow_the_models_faces(model, tmp_path):
    path = rewrite_faces(tmp_path / "x.obj", lambda faces: [turned(face) for face in faces[::-1]])
    assert torch.equal(load_face_uvs(path, model.F), model.face_uvs[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda faces: faces[1:], "has 335 faces, expected the model's 336"),
        (lambda faces: [faces[1], *faces[1:]], r"has no face \[0, 12, 1\]"),
        (lambda faces: ["f 1 13 2", *faces[1:]], "without texture coordinates"),
        (lambda faces: ["f 1/1 13/13 999/2", *faces[1:]], "999|998|range"),
        (lambda faces: ["v 0 0 0", "f 1/1 13/13 181/2", *faces[1:]], OUTSIDE),
    ],
)
def test_meshes_of_another_model(model, tmp_path, change, message):
    with pytest.raises(CourseError, match=message):
        load_face_uvs(rewrite_faces(tmp_path / "x.obj", change), model.F)
