"""Reading OBJ files: kaolin's numbers, the format's corners, and files that are broken."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import kal
from course_lib.errors import CourseError

from ...build_zip import GOLDEN_MODEL
from .kaolins import arrays

TINY = """mtllib tiny.mtl
o tiny
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0.5 0.5 1
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vt 0.25 0.75
vn 0 0 1
usemtl skin
f 1/1/1 2/2/1 3/3/1
f 1/1/1 3/3/1 4/4/1
f 1/2/1 2/1/1 5/5/1
f 3/4/1 2/3/1 5/5/1
"""
SKIN = "newmtl skin\nKd 0.5 0.6 0.7\n"


@pytest.fixture
def write(tmp_path):
    """Write an OBJ file, and a library beside it; returns the OBJ's path."""

    def write(obj=TINY, mtl=SKIN, name="tiny"):
        if mtl is not None:
            (tmp_path / f"{name}.mtl").write_text(mtl)
        (tmp_path / f"{name}.obj").write_text(obj)
        return tmp_path / f"{name}.obj"

    return write


def read(path, **options):
    return kal.io.obj.import_mesh(path, **{"with_materials": True, **options})


def test_import_mesh_equals_kaolins(write):
    expected = arrays("mesh")
    mesh = read(write(), with_normals=True)
    for name in ("vertices", "faces", "uvs", "face_uvs_idx", "face_uvs", "material_assignments"):
        value = getattr(mesh, name).numpy()
        assert value.dtype == expected["obj_" + name].dtype, name
        np.testing.assert_array_equal(value, expected["obj_" + name])
    assert len(mesh.materials) == 1 and mesh.materials[0]["material_name"] == "skin"
    torch.testing.assert_close(mesh.materials[0]["Kd"], torch.tensor([0.5, 0.6, 0.7]))
    assert mesh.normals.tolist() == [[0.0, 0.0, 1.0]] and mesh.face_normals_idx.eq(0).all()
    assert torch.equal(mesh.face_normals[..., 2], torch.ones(4, 3))  # the file's, not the triangles'


def test_the_tutorials_template():
    mesh = read(str(GOLDEN_MODEL / "dolphin_template.obj"))
    assert mesh.vertices.shape == (180, 3) and mesh.faces.max() == 179
    assert mesh.face_uvs.shape == (*mesh.faces.shape, 2)
    assert mesh.material_assignments.min() >= 0


def test_geometry_alone_needs_no_library(write):
    mesh = read(write(mtl=None), with_materials=False)
    assert mesh.vertices.shape == (5, 3) and mesh.faces.shape == (4, 3)
    assert mesh.uvs is None and mesh.face_uvs is None and mesh.materials is None


def test_negative_indices_comments_continuations_and_more(write):
    corners = "v 0 0 0 1.0 # weight\nv\t1 0 0 .1 .2 .3\r\nv 1 1 0\n\n"
    mesh = read(write(corners + "f -3 -2 \\\n  -1\nv 0 0 1\nf 1 2 -1\ng side\ns off\nl 1 2\n"))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 3]]
    assert mesh.vertices[1].tolist() == [1, 0, 0]
    assert mesh.material_assignments.tolist() == [-1, -1] and mesh.face_uvs_idx.eq(-1).all()
    with pytest.raises(CourseError, match="2 of the mesh's 2 faces have no texture coordinates"):
        mesh.face_uvs


def test_polygons_become_fans_with_their_uvs_and_materials(write):
    polygons = "usemtl belly\nf 1/1 2/2 3/3 4/4\nf 5/5 4/4 3/3 2/2 1/1\n"
    path = write(TINY + polygons, SKIN + "newmtl belly\nKd 1 1 1\n")
    mesh = read(path)
    assert mesh.faces[4:].tolist() == [[0, 1, 2], [0, 2, 3], [4, 3, 2], [4, 2, 1], [4, 1, 0]]
    assert torch.equal(mesh.face_uvs_idx[4:], mesh.faces[4:])
    assert [m["material_name"] for m in mesh.materials] == ["belly", "skin"]
    assert mesh.material_assignments.tolist() == [1] * 4 + [0] * 5
    with pytest.raises(CourseError, match="line 20: a face with 4 corners where the first has 3"):
        read(path, triangulate=False)
    quad = write("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n", name="quad")
    assert read(quad, triangulate=False).faces.tolist() == [[0, 1, 2, 3]]


def test_textures_and_names_with_spaces(write, tmp_path):
    Image.new("RGBA", (3, 2), (10, 20, 30, 255)).save(tmp_path / "my skin.png")
    path = write(TINY.replace("tiny.mtl", "a skin.mtl").replace("usemtl skin", "usemtl the skin"), None)
    (tmp_path / "a skin.mtl").write_text("newmtl the skin\nKs 0 0 0\nNs 5\nmap_Kd my skin.png\n")
    (material,) = read(path).materials
    assert material["map_Kd"].shape == (2, 3, 3) and material["map_Kd"].dtype == torch.uint8
    assert material["map_Kd"][0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    "number, line, message",
    [
        (15, "f 1/1/1 2/2/1 6/3/1", "a face uses 'v' number 6, but the file has 5"),
        (15, "f 1/1/1 2/2/1 3/9/1", "a face uses 'vt' number 9, but the file has 5"),
        (15, "f 0/1/1 2/2/1 3/3/1", "expected corners like"),
        (15, "f a b c", "expected corners like .*'f a b c'"),
        (15, "f 1/1/1/1 2 3", "expected corners like"),
        (15, "f -9 1 2", "index -9 reaches back before the first of the 5"),
        (15, "f 1 2", "a face needs three corners"),
        (5, "v 1 one 0", "expected 3 finite numbers, got 'v 1 one 0'"),
        (5, "v 1 nan 0", "expected 3 finite numbers"),
        (5, "v 1 1", "expected 3 finite numbers"),
        (10, "vt 1", "expected 2 finite numbers"),
    ],
)
def test_broken_files_are_refused_by_line(write, number, line, message):
    lines = TINY.splitlines()
    lines[number - 1] = line
    with pytest.raises(CourseError, match=f"line {number}: {message}"):
        read(write("\n".join(lines)))


def test_files_that_are_none(write, tmp_path):
    with pytest.raises(CourseError, match="cannot read the mesh .*nothing.obj: No such file"):
        read(tmp_path / "nothing.obj")
    with pytest.raises(CourseError, match="cannot read the mesh"):
        read(tmp_path)
    (tmp_path / "picture.obj").write_bytes(bytes(range(256)))
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"
    with pytest.raises(CourseError, match="holds 0 vertices and 0 faces"):
        read(tmp_path / "picture.obj")
    for text, told in (
        ("# nothing", "holds 0 vertices and 0 faces"),
        ("", "the file is empty"),
        (pointer, "not the mesh but a git-LFS pointer: run `git lfs pull`"),
        (f"<<<<<<< HEAD\n{TINY}=======\n{TINY}>>>>>>> origin/main\n", "marks of a git merge conflict"),
        ("ply\nformat ascii 1.0\n", "a mesh of another format: export it as OBJ"),
    ):
        with pytest.raises(CourseError, match=told):
            read(write(text))


@pytest.mark.parametrize(
    "mtl, message",
    [
        (None, "cannot read the material library .*tiny.mtl"),
        ("newmtl fur\n", "uses the material 'skin', which its libraries do not define; they define .'fur'"),
        (SKIN + "Ks red\n", "line 3: expected 3 finite numbers, got 'Ks red'"),
        ("Kd 1 1 1\n" + SKIN, "line 1: .* comes before any 'newmtl NAME'"),
        (SKIN + "map_Kd none.png\n", "line 3: cannot read the texture"),
        (SKIN + "map_Kd ../../etc/picture.png\n", "lies outside the folder"),
    ],
)
def test_errors_about_materials_can_be_handled(write, mtl, message):
    path = write(mtl=mtl)
    with pytest.raises(CourseError, match=message):
        read(path)
    with pytest.warns(UserWarning) as caught:
        mesh = read(path, error_handler=kal.io.obj.skip_error_handler)
    assert any(re.search(message, str(warning.message)) for warning in caught)
    assert mesh.face_uvs.shape == (4, 3, 2)
    assert mesh.material_assignments.tolist() == [0 if "skin" in (mtl or "") else -1] * 4
    assert torch.equal(read(path, error_handler=kal.io.obj.ignore_error_handler).faces, mesh.faces)


def test_a_library_elsewhere_is_not_opened(write):
    with pytest.raises(CourseError, match="line 1: '../tiny.mtl' lies outside the folder"):
        read(write(TINY.replace("tiny.mtl", "../tiny.mtl")))
