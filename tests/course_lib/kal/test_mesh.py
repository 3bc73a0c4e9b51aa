"""Mesh operations, SurfaceMesh and textures against kaolin's numbers."""

import pytest
import torch

from course_lib import kal
from course_lib.errors import CourseError
from course_lib.kal.ops.mesh import face_normals, index_vertices_by_faces
from course_lib.kal.render.mesh import texture_mapping
from course_lib.shapes import ShapeError

from . import kaolins

golden = kaolins.numbers("mesh")


def assert_matches(value, name, tolerance):
    kaolins.assert_matches(value, golden(name), tolerance)


BOTH = pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 2e-6)])


@BOTH
def test_faces_and_normals_equal_kaolins(dtype, tolerance):
    corners = index_vertices_by_faces(golden("vertices").to(dtype), golden("faces"))
    assert_matches(corners, "face_vertices", tolerance)
    assert_matches(face_normals(corners), "face_normals", tolerance)
    assert_matches(face_normals(corners, unit=True), "face_normals_unit", 3 * tolerance)


def test_index_vertices_by_faces_sums_gradients_at_shared_corners():
    vertices = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    faces = torch.tensor([[0, 1, 2, 3], [3, 2, 1, 1]])
    corners = index_vertices_by_faces(vertices, faces)
    assert corners.shape == (2, 2, 4, 4) and torch.equal(corners, vertices[:, faces])
    corners.sum().backward()
    assert vertices.grad[:, :, 0].tolist() == [[1.0, 3.0, 2.0, 2.0, 0.0]] * 2


def test_a_degenerate_face_has_a_zero_normal():
    flat = torch.zeros(1, 2, 3, 3, requires_grad=True)
    normals = face_normals(flat, unit=True)
    normals.sum().backward()
    assert normals.eq(0).all() and flat.grad.isfinite().all()


def surface(**given):
    return kal.rep.SurfaceMesh(golden("vertices").float(), golden("faces"), **given)


def test_surface_mesh_equals_kaolins():
    mesh = surface()
    one = kal.rep.SurfaceMesh(mesh.vertices[1], mesh.faces)
    assert (len(mesh), mesh.batching) == (2, "FIXED") and (len(one), one.batching) == (1, "NONE")
    for name in ("face_normals", "face_vertices", "vertex_normals"):
        assert_matches(getattr(mesh, name), "surface_mesh_" + name, 1e-6)
        torch.testing.assert_close(getattr(one, name), getattr(mesh, name)[1])


def test_face_uvs_given_are_written_in_place():
    mesh = surface(face_uvs=torch.rand(1, 112, 3, 2).repeat(2, 1, 1, 1))
    before = mesh.face_uvs.clone()
    mesh.face_uvs[..., 1] = 1 - mesh.face_uvs[..., 1]
    torch.testing.assert_close(mesh.face_uvs[..., 1], 1 - before[..., 1])
    torch.testing.assert_close(mesh.face_uvs[..., 0], before[..., 0])


def test_face_uvs_derived_are_written_in_place():
    mesh = surface(uvs=torch.rand(2, 10, 2), face_uvs_idx=torch.randint(0, 10, (2, 112, 3)))
    assert mesh.cpu().face_normals.shape == (2, 112, 3, 3)
    assert torch.equal(mesh.face_uvs[1], mesh.uvs[1][mesh.face_uvs_idx[1]])
    mesh.face_uvs[..., 1] = 7
    assert mesh.face_uvs[..., 1].eq(7).all()


def test_derived_attributes_follow_what_they_come_from():
    mesh = surface()
    old = mesh.face_normals
    assert mesh.face_normals is old  # kept
    mesh.vertices = mesh.vertices.flip(-1)
    assert not torch.equal(mesh.face_normals, old) and mesh.face_normals.shape == old.shape
    mesh.face_normals = old
    mesh.vertices = golden("vertices").float()
    assert mesh.face_normals is old  # given: stays


def test_nothing_with_a_gradient_is_kept():
    vertices = golden("vertices").requires_grad_()
    mesh = kal.rep.SurfaceMesh(vertices, golden("faces"))
    with torch.no_grad():
        assert not mesh.face_normals.requires_grad
    for _ in range(2):  # a kept graph would be freed by the first backward
        vertices.grad = None
        mesh.vertex_normals[..., 1].sum().backward()
        assert vertices.grad.abs().sum() > 0
    assert not mesh.has_attribute("face_normals")
    assert mesh.detach().vertices.requires_grad is False


def test_what_is_not_there():
    mesh = surface()
    assert mesh.uvs is None and mesh.face_uvs is None and mesh.materials is None
    strict = surface(unset_attributes_return_none=False)
    with pytest.raises(AttributeError, match="face_uvs was not given"):
        strict.face_uvs
    with pytest.raises(AttributeError, match="'colour'"):
        mesh.colour
    bare = surface(uvs=torch.zeros(2, 0, 2), face_uvs_idx=torch.full((2, 112, 3), -1))
    with pytest.raises(CourseError, match="224 of the mesh's 224 faces have no texture coordinates"):
        bare.face_uvs


@pytest.mark.parametrize(
    "given, message",
    [
        ({"face_uvs": torch.zeros(2, 111, 3, 2)}, r"face_uvs .*\(2, 112, 3, 2\), got \(2, 111, 3, 2\)"),
        ({"uvs": torch.zeros(10, 2)}, r"uvs .*\(2, U, 2\), got \(10, 2\)"),
        ({"faces": torch.zeros(1, 3, dtype=torch.int32)}, "faces must be torch.int64, got torch.int32"),
    ],
)
def test_surface_mesh_says_what_does_not_fit(given, message):
    with pytest.raises(CourseError, match=message):
        kal.rep.SurfaceMesh(**{"vertices": golden("vertices"), "faces": golden("faces")} | given)


@BOTH
def test_texture_mapping_equals_kaolins(dtype, tolerance):
    texture, uv = (golden(name).to(dtype).requires_grad_() for name in ("texture", "uv"))
    image = texture_mapping(uv, texture, mode="bilinear")
    (image * golden("texture_cotangent").to(dtype)).sum().backward()
    assert_matches(image, "texture_bilinear", 3 * tolerance)
    assert_matches(texture.grad, "texture_grad_texture", 3 * tolerance)
    assert_matches(uv.grad, "texture_grad_uv", 3 * tolerance)
    assert torch.equal(uv.detach(), golden("uv").to(dtype))  # inputs stay as they are
    assert_matches(texture_mapping(uv, texture), "texture_nearest", tolerance)


def test_texture_mapping_of_points_and_of_one_texture():
    texture, uv = golden("texture"), golden("uv")
    image = texture_mapping(uv, texture, mode="bilinear")
    points = texture_mapping(uv.flatten(1, 2), texture, mode="bilinear")
    torch.testing.assert_close(points, image.flatten(1, 2))
    one, many = (texture[:1].clone().requires_grad_() for _ in range(2))
    first = texture_mapping(uv, one, mode="bilinear")
    second = texture_mapping(uv, many.repeat(2, 1, 1, 1), mode="bilinear")
    torch.testing.assert_close(first, second)
    first.square().sum().backward()
    second.square().sum().backward()
    torch.testing.assert_close(one.grad, many.grad)


def test_texture_origin_is_at_the_bottom_left():
    texture = torch.arange(6.0).reshape(1, 1, 2, 3)  # top row 0 1 2, bottom row 3 4 5
    corners = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-9.0, 9.0]]])
    assert texture_mapping(corners, texture).flatten().tolist() == [3.0, 5.0, 0.0, 2.0, 0.0]


def test_texture_mapping_says_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"got \(2, 5, 3\)"):
        texture_mapping(torch.zeros(2, 5, 3), torch.zeros(2, 3, 4, 4))
    with pytest.raises(ShapeError, match="expected 2 textures or 1"):
        texture_mapping(torch.zeros(2, 5, 2), torch.zeros(3, 3, 4, 4))
    for size in ((0, 4), (4, 0)):
        with pytest.raises(ShapeError, match="a texel at least"):
            texture_mapping(torch.zeros(2, 5, 2), torch.zeros(1, 3, *size))


def test_dibr_rasterization_is_rasterize_and_soft_mask():
    g = kaolins.dibr_case("small_f64")
    features = [g["face_features"][..., :1], g["face_features"][..., 1:]]
    scene = g["face_vertices_z"], g["face_vertices_image"], features, g["valid_faces"].double() - 0.5
    images, soft_mask, face_idx = kal.render.mesh.dibr_rasterization(*g["size_hw"].tolist(), *scene)
    assert torch.equal(face_idx, g["face_idx"])
    kaolins.close(torch.cat(images, dim=-1), g["image"], atol=1e-5)
    kaolins.close(soft_mask, g["soft_mask"], atol=1e-5)
