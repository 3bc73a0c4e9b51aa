"""The smooth shape modes: what they are, what they leave alone; what is said of shapes that are far off."""

import numpy as np
import pytest
import torch

from course_lib.dolphin_model import DolphinModel
from course_lib.dolphin_model import shape_modes as modes
from course_lib.errors import CourseError
from course_lib.scene import DolphinScene

from ..build_zip import GOLDEN_MODEL as GOLDEN

T = torch.arange(2)


@pytest.fixture(scope="module")
def directions(model):
    return model.mode_directions.view(-1, 3, len(model.mode_names)).numpy()  # (V, 3, K)


def with_modes(model, **values):
    scene = DolphinScene(model, 2, texture_size=8)
    with torch.no_grad():
        for name, value in values.items():
            scene.shape_modes[model.mode_names.index(name.replace("_", " "))] = value
    return scene


def test_left_is_the_mirror_image_of_right(model, directions):
    vertices = model.V[0].numpy()
    place = {tuple(v): i for i, v in enumerate(vertices.round(5).tolist())}
    mirror = [place[tuple(v)] for v in (vertices.round(5) * [-1, 1, 1] + 0.0).tolist()]
    assert np.allclose(directions[mirror] * [[[-1], [1], [1]]], directions, atol=1e-6)


def test_neighbours_move_alike(model, directions):
    """No edge of the body changes by more than a third of its length per standard deviation."""
    a, b = model.F[:, :2].T.numpy()
    on_body = model.anatomy.body[a] & model.anatomy.body[b]
    edges = np.linalg.norm(model.V[0].numpy()[a] - model.V[0].numpy()[b], axis=1)
    strain = np.linalg.norm(directions[a] - directions[b], axis=1) / edges[:, None]
    assert strain[on_body].max() < 0.35


def test_the_root_joint_stays(model, directions):
    assert np.abs(np.einsum("v,vck->ck", model.J_regressor[0, 0].numpy(), directions)).max() < 1e-6


@pytest.mark.parametrize("process", [modes.GIRTH, modes.STRETCH])
def test_components_hold_nearly_all_of_the_process(process):
    found = modes.components(**process)
    deviation = np.sqrt(np.square(found).sum(1))
    assert np.allclose(deviation, np.hypot(process["overall"], process["local"]), rtol=0.1)
    overlaps = found.T @ found
    assert np.allclose(overlaps, np.diag(overlaps.diagonal()), atol=1e-9)
    assert (np.diff(overlaps.diagonal()) < 0).all()


def test_girth_scales_the_cross_section_as_a_whole(model, directions):
    widest = np.argmax(np.where(model.anatomy.body, model.V[0, :, 0].numpy(), 0))
    s = model.anatomy.s
    ring = model.anatomy.body & (np.abs(s - s[widest]) < 0.01)
    x, y = model.V[0, ring, 0].numpy(), model.V[0, ring, 1].numpy()
    for k, name in enumerate(model.mode_names[:3]):
        assert name == f"girth {k + 1}"
        wider = np.ptp(directions[ring, 0, k]) / np.ptp(x)
        higher = np.ptp(directions[ring, 1, k]) / np.ptp(y)
        assert wider == pytest.approx(higher, rel=0.15)


def test_without_modes_nothing_changes(model):
    scene = DolphinScene(model, 2, texture_size=8)
    with torch.no_grad():
        scene.part_scales.normal_(generator=torch.Generator().manual_seed(0)).mul_(0.1)
    bones = scene.joint_poses[:, model.LBS.seg_grouping][:, 1:]
    before = model(scene.global_poses, bones, scene.translations, scene.part_scales)["vertices"]
    zero = model(
        scene.global_poses, bones, scene.translations, scene.part_scales, shape_modes=scene.shape_modes
    )
    assert torch.equal(zero["vertices"], before)


def test_gradients():
    model = DolphinModel(GOLDEN, dtype=torch.float64)
    zeros, scales = torch.zeros(1, 9, 3, dtype=torch.float64), torch.zeros(7, 4, dtype=torch.float64)
    numbers = torch.full((len(model.mode_names),), 0.3, dtype=torch.float64, requires_grad=True)

    def vertices(numbers):
        return model(zeros[:, :1], zeros, zeros[:, :1], scales, shape_modes=numbers)["vertices"]

    assert torch.autograd.gradcheck(vertices, numbers, fast_mode=True)


def test_a_saved_scene_keeps_its_modes_and_an_older_one_has_none(model, tmp_path):
    scene, again = with_modes(model, girth_1=1.5), DolphinScene(model, 2, texture_size=8)
    scene.save(tmp_path / "fit.pth")
    again.load(tmp_path / "fit.pth")
    assert torch.equal(again.shape_modes, scene.shape_modes)
    torch.testing.assert_close(again.skin(T), scene.skin(T))
    older = scene.parameter_dict()
    del older["shape_modes"]
    again.load_parameters(older)
    assert not again.shape_modes.any()


def test_what_is_skinned_ahead_is_not_taken_after_the_modes_changed(model):
    scene = with_modes(model)
    made = scene.skin_ahead(T)
    with torch.no_grad():
        scene.shape_modes.add_(0.5)
    assert scene.skin(T) is not made


def test_wrong_shapes_are_named(model):
    with pytest.raises(CourseError, match=r"shape modes have shape \(3,\), expected \(\d+,\)"):
        model.shaped(torch.zeros(3))


def test_another_template_has_modes_too():
    model = DolphinModel(GOLDEN)
    assert "girth 1" in model.mode_names and torch.isfinite(model.mode_directions).all()
    zeros = torch.zeros(1, 9, 3)
    numbers = torch.ones(len(model.mode_names))
    assert torch.isfinite(model(zeros[:, :1], zeros, zeros[:, :1], shape_modes=numbers)["vertices"]).all()


def test_a_template_that_is_one_part():
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(30, 3))
    known = modes.anatomy(vertices, np.zeros(30, int), 0, 1)
    assert (known.head, known.flippers, known.flukes, known.dorsal_fin) == (None,) * 4 and known.body.all()
    weights, regressor = np.ones((30, 1)), np.full((1, 30), 1 / 30)
    names, found = modes.directions(vertices, weights, regressor, np.zeros(1, int), known)
    assert found.shape == (30, 3, len(names)) and np.isfinite(found).all()


def test_the_parts_of_the_embedded_template(model):
    known = model.anatomy
    assert (known.head, known.stock, known.dorsal_fin, known.flippers, known.flukes) == (1, (2, 3), 4, 5, 6)


# --- far from the template ----------------------------------------------------------------------------------


def test_nothing_is_said_of_the_template_whatever_its_size(model):
    assert modes.far_from_template(model, 0.6 * model.V[0]) == []


def test_a_tail_stock_that_vanishes_is_said(model):
    scene = with_modes(model)
    with torch.no_grad():
        scene.part_scales[2:4, 3] = -0.4
    [said] = [s for s in modes.far_from_template(model, scene.rest_shape()) if "stock" in s and "short" in s]
    assert said.startswith("For its length, the tail stock is 3")
    assert said.endswith(" % shorter than the template's.")


@pytest.mark.parametrize(
    "part, axis, told",
    [(0, 1, "the trunk is 50 % wider"), (5, 0, "the flippers are 50 % larger"), (6, 0, "the flukes are 4")],
)
def test_what_is_larger_is_said(model, part, axis, told):
    scene = with_modes(model)
    with torch.no_grad():
        scene.part_scales[part, axis] = 0.5
    assert any(told in sentence for sentence in modes.far_from_template(model, scene.rest_shape()))
