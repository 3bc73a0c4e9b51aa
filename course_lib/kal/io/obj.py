"""Wavefront OBJ files and their materials (MTL).

Format: Wavefront, Advanced Visualizer manual, appendix B1 (object files), and the MTL specification. Read: v,
vt, vn, f, usemtl, mtllib; Kd, Ka, Ks and their map_ files. All else is skipped.
"""

import math
import warnings
from pathlib import Path

import torch

from ...errors import CourseError
from ..rep import SurfaceMesh

__all__ = ["default_error_handler", "ignore_error_handler", "import_mesh", "load_mtl", "skip_error_handler"]


def default_error_handler(error, **_):
    """Raise every error about materials."""
    raise error


def skip_error_handler(error, **_):
    """Turn errors about materials into warnings."""
    warnings.warn(str(error), stacklevel=3)


def ignore_error_handler(error, **_):
    """Pass over errors about materials."""


def import_mesh(path, with_materials=False, with_normals=False, error_handler=None, triangulate=True):
    """Read one mesh from an OBJ file.

    As kaolin does, texture coordinates are flipped on reading: `uvs[:, 1]` is 1 - v of the file, so that they
    count from the image's top. (`texture_mapping` counts from the bottom: flip them back before use.)

    Where kaolin differs: it keeps polygons unless asked to triangulate, does not know negative indices, and
    lets bad numbers and indices pass or fail later.

    Args:
        path: of the file.
        with_materials: read texture coordinates and materials too.
        with_normals: read normals too.
        error_handler: called with a CourseError when a material or its file is missing or broken; None raises
            it. `skip_error_handler` warns instead, `ignore_error_handler` goes on in silence.
        triangulate: cut polygons into fans of triangles. False keeps them, if all faces have as many corners.

    Returns:
        SurfaceMesh of one mesh: vertices (V, 3), faces (F, 3) long.
        with_materials: uvs (U, 2), face_uvs_idx (F, 3) long, -1 where a corner has none, face_uvs (F, 3, 2),
        materials, a list of dict (see `load_mtl`) sorted by name, material_assignments (F,) int16, -1: none.
        with_normals: normals (A, 3), face_normals_idx (F, 3) long.

    Raises:
        CourseError: no such file; nothing in it; numbers that are none or not finite; indices out of range;
            with the line's number.
    """
    path = Path(path)
    handle = error_handler or default_error_handler
    rows = {"v": [], "vt": [], "vn": []}
    faces, face_lines, face_materials = [], [], []  # a face: a list of corners [vertex, uv, normal]
    library, material = {}, None
    for number, line in _lines(path, "mesh"):
        key, _, rest = line.partition(" ")
        words = rest.split()
        if key in rows:
            rows[key].append(_numbers(words, 2 if key == "vt" else 3, f"{path}, line {number}", line))
        elif key == "f":
            counts = [len(rows[kind]) for kind in ("v", "vt", "vn")]
            corners = [_corner(word, counts, f"{path}, line {number}", line) for word in words]
            if len(corners) < 3:
                raise CourseError(f"{path}, line {number}: a face needs three corners or more, got {line!r}")
            faces.append(corners)
            face_lines.append(number)
            face_materials.append(material)
        elif key == "usemtl":
            material = rest.strip()
        elif key == "mtllib" and with_materials:
            for name in [rest] if (path.parent / rest).is_file() else words:
                try:
                    library.update(load_mtl(_beside(path.parent, name, f"{path}, line {number}"), handle))
                except CourseError as error:
                    handle(error)
    if not rows["v"] or not faces:
        raise CourseError(f"""{path} holds {len(rows["v"])} vertices and {len(faces)} faces, so it is no mesh;
            expected an OBJ file with 'v x y z' and 'f a b c' lines""")
    for kind, slot, wanted in (("v", 0, True), ("vt", 1, with_materials), ("vn", 2, with_normals)):
        if wanted:
            _check_range(path, faces, face_lines, slot, kind, len(rows[kind]))
    faces, face_materials = _homogeneous(path, faces, face_lines, face_materials, triangulate)

    corners = torch.tensor(faces, dtype=torch.long)  # (F, N, 3)
    mesh = {"vertices": torch.tensor(rows["v"]), "faces": corners[..., 0].contiguous()}
    if with_materials:
        uvs = torch.tensor(rows["vt"]).reshape(-1, 2)  # (U, 2)
        mesh["uvs"] = torch.stack([uvs[:, 0], 1 - uvs[:, 1]], dim=1)
        mesh["face_uvs_idx"] = corners[..., 1].contiguous()
        mesh["materials"], mesh["material_assignments"] = _assign(path, library, face_materials, handle)
    if with_normals:
        mesh["normals"] = torch.tensor(rows["vn"]).reshape(-1, 3)
        mesh["face_normals_idx"] = corners[..., 2].contiguous()
    return SurfaceMesh(**mesh)


def load_mtl(mtl_path, error_handler=default_error_handler):
    """Read a material library.

    Args:
        mtl_path: of the file; the texture maps it names must lie in its folder or below.
        error_handler: called with every CourseError, see `import_mesh`.

    Returns:
        {name: material}; a material is a dict with "material_name" and, where given, "Kd", "Ka", "Ks"
        (diffuse, ambient, specular colour: tensors (3,)), "map_Kd", "map_Ka", "map_Ks" (uint8, (H, W, 3)).
    """
    mtl_path = Path(mtl_path)
    materials, current = {}, None
    try:
        lines = list(_lines(mtl_path, "material library"))
    except CourseError as error:
        error_handler(error)
        return materials
    for number, line in lines:
        key, _, rest = line.partition(" ")
        where = f"{mtl_path}, line {number}"
        try:
            if key == "newmtl":
                current = materials[rest.strip()] = {"material_name": rest.strip()}
            elif key in ("Kd", "Ka", "Ks", "map_Kd", "map_Ka", "map_Ks"):
                if current is None:
                    raise CourseError(f"{where}: {line!r} comes before any 'newmtl NAME'")
                current[key] = (
                    _texture(mtl_path.parent, rest.strip(), where)
                    if key.startswith("map_")
                    else torch.tensor(_numbers(rest.split(), 3, where, line))
                )
        except CourseError as error:
            error_handler(error)
    return materials


def _lines(path, what):
    """Yield (number, text) of the lines that say something; a backslash joins a line to the next."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise CourseError(f"""cannot read the {what} {path}: {error.strerror or error}; check the
            path""") from error
    pending, start = "", None
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        line = (pending + line).partition("#")[0].replace("\t", " ").strip()
        if line:
            yield start, line
        pending, start = "", None


def _numbers(words, count, where, line):
    try:
        values = [float(word) for word in words[:count]]
    except ValueError:
        values = []
    if len(values) < count or not all(map(math.isfinite, values)):
        raise CourseError(f"{where}: expected {count} finite numbers, got {line!r}")
    return values


def _corner(word, counts, where, line):
    """'v', 'v/vt', 'v//vn' or 'v/vt/vn' -> zero-based indices, -1 for what is not given."""
    try:
        indices = [int(part) if part else None for part in word.split("/")]
    except ValueError:
        indices = []
    if not 1 <= len(indices) <= 3 or indices[0] is None or 0 in indices:
        raise CourseError(f"""{where}: expected corners like 7, 7/3, 7//2 or 7/3/2, indices from 1, got
            {line!r}""")
    corner = [-1, -1, -1]
    for slot, index in enumerate(indices):
        if index is not None:  # negative: counted back from the latest one read so far
            corner[slot] = index - 1 if index > 0 else counts[slot] + index
            if corner[slot] < 0:
                raise CourseError(f"""{where}: index {index} reaches back before the first of the
                    {counts[slot]} entries read so far, in {line!r}""")
    return corner


def _check_range(path, faces, face_lines, slot, kind, count):
    for corners, number in zip(faces, face_lines):
        for corner in corners:
            if corner[slot] >= count:
                raise CourseError(f"""{path}, line {number}: a face uses '{kind}' number {corner[slot] + 1},
                    but the file has {count}; it is cut off or was edited, export it again""")


def _homogeneous(path, faces, face_lines, face_materials, triangulate):
    """Make all faces have as many corners: fans of triangles, or an error."""
    if triangulate:
        fans = [[[face[0], face[k], face[k + 1]] for k in range(1, len(face) - 1)] for face in faces]
        return (
            [triangle for fan in fans for triangle in fan],
            [material for fan, material in zip(fans, face_materials) for _ in fan],
        )
    for face, number in zip(faces, face_lines):
        if len(face) != len(faces[0]):
            raise CourseError(f"""{path}, line {number}: a face with {len(face)} corners where the first has
                {len(faces[0])}; import with triangulate=True""")
    return faces, face_materials


def _assign(path, library, face_materials, handle):
    """Materials sorted by name, and each face's index among them."""
    for name in sorted({name for name in face_materials if name is not None} - set(library)):
        handle(
            CourseError(f"""{path} uses the material {name!r}, which its libraries do not define; they define
            {sorted(library) or "none"}""")
        )
    index = {name: i for i, name in enumerate(sorted(library))}
    assignments = [index.get(name, -1) for name in face_materials]
    return [library[name] for name in index], torch.tensor(assignments, dtype=torch.int16)


def _beside(folder, name, where):
    """The path of a file that an OBJ or MTL file names; only in the same folder or below."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise CourseError(f"{where}: {name!r} lies outside the folder {folder}; copy it there and name it so")
    return path


def _texture(folder, name, where):
    """An image file as a uint8 tensor (H, W, 3)."""
    import numpy as np  # with Pillow, only needed for textures
    from PIL import Image

    path = _beside(folder, name, where)
    try:
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert("RGB")))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise CourseError(f"{where}: cannot read the texture {path}: {error}") from error
