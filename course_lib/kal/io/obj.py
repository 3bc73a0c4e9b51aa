"""Wavefront OBJ files and their materials (MTL).

Format: Wavefront, Advanced Visualizer manual, appendix B1 (object files), and the MTL specification. Read: v,
vt, vn, f, usemtl, mtllib; Kd, Ka, Ks and their map_ files. All else is skipped.
"""

import math
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ...errors import CourseError
from ...file_kind import check
from ..rep import SurfaceMesh


def default_error_handler(error, **_):
    """Raise every error about materials."""
    raise error


def skip_error_handler(error, **_):
    """Turn errors about materials into warnings."""
    warnings.warn(str(error), stacklevel=3)


def ignore_error_handler(error, **_):
    """Pass over errors about materials."""


def import_mesh(path, with_materials=False, with_normals=False, error_handler=None, triangulate=True):
    """Read one mesh from an OBJ file. -> SurfaceMesh with vertices (V, 3) and faces (F, 3) long

    As kaolin does, texture coordinates are flipped on reading: `uvs[:, 1]` is 1 - v of the file, so that they
    count from the image's top. (`texture_mapping` counts from the bottom: flip them back before use.)

    with_materials: read uvs (U, 2), face_uvs_idx (F, 3) long, -1 where a corner has none, face_uvs (F, 3, 2),
        materials, a list of dict (see `load_mtl`) sorted by name, material_assignments (F,) int16, -1: none.
    with_normals: read normals (A, 3), face_normals_idx (F, 3) long.
    error_handler: called with a CourseError when a material or its file is missing or broken; None raises it.
        `skip_error_handler` warns instead, `ignore_error_handler` goes on in silence.
    triangulate: cut polygons into fans of triangles. False keeps them, if all faces have as many corners.

    Raises CourseError, with the line's number, where there is no such file or nothing in it, and for numbers
    that are none or not finite and indices out of range; kaolin lets these pass or fails later.
    """
    path = Path(path)
    handle = error_handler or default_error_handler
    rows, faces, library = _read(path, handle if with_materials else None)
    if not rows["v"] or not faces:
        raise CourseError(f"""{path} holds {len(rows["v"])} vertices and {len(faces)} faces, so it is no mesh;
            expected an OBJ file with 'v x y z' and 'f a b c' lines""")
    _check_faces(path, rows, faces, {"v": True, "vt": with_materials, "vn": with_normals})
    if triangulate:
        faces = [
            ([first, *ends], material, number)
            for (first, *rest), material, number in faces
            for ends in zip(rest, rest[1:])
        ]
    for corners, _, number in faces:
        if len(corners) != len(faces[0][0]):
            raise CourseError(f"""{path}, line {number}: a face with {len(corners)} corners where the first
                has {len(faces[0][0])}; import with triangulate=True""")
    corners = torch.tensor([corners for corners, _, _ in faces], dtype=torch.long)  # (F, N, 3)
    mesh = {"vertices": torch.tensor(rows["v"]), "faces": corners[..., 0].contiguous()}
    if with_materials:
        u, v = torch.tensor(rows["vt"]).reshape(-1, 2).unbind(dim=1)  # (U,) each
        names = [material for _, material, _ in faces]
        mesh |= {"uvs": torch.stack([u, 1 - v], dim=1), "face_uvs_idx": corners[..., 1].contiguous()}
        mesh["materials"], mesh["material_assignments"] = _assign(path, library, names, handle)
    if with_normals:
        mesh["normals"] = torch.tensor(rows["vn"]).reshape(-1, 3)
        mesh["face_normals_idx"] = corners[..., 2].contiguous()
    return SurfaceMesh(**mesh)


def load_mtl(mtl_path, error_handler=default_error_handler):
    """Read a material library. -> {name: material}

    A material is a dict with "material_name" and, where given, "Kd", "Ka", "Ks" (diffuse, ambient, specular
    colour: tensors (3,)), "map_Kd", "map_Ka", "map_Ks" (uint8, (H, W, 3)).

    mtl_path: of the file; the texture maps it names must lie in its folder or below.
    error_handler: called with every CourseError, see `import_mesh`.
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
                continue
            if key not in ("Kd", "Ka", "Ks", "map_Kd", "map_Ka", "map_Ks"):
                continue
            if current is None:
                raise CourseError(f"{where}: {line!r} comes before any 'newmtl NAME'")
            if key.startswith("map_"):
                current[key] = _texture(mtl_path.parent, rest.strip(), where)
            else:
                current[key] = torch.tensor(_numbers(rest.split(), 3, where, line))
        except CourseError as error:
            error_handler(error)
    return materials


def _read(path, handle):
    """An OBJ's rows of numbers by kind, its faces and its library, which is read if errors have a handler.

    A face: its corners [vertex, uv, normal], its material's name, and the number of its line.
    """
    rows = {"v": [], "vt": [], "vn": []}
    faces, library, material = [], {}, None
    for number, line in _lines(path, "mesh"):
        key, _, rest = line.partition(" ")
        words, where = rest.split(), f"{path}, line {number}"
        if key in rows:
            rows[key].append(_numbers(words, 2 if key == "vt" else 3, where, line))
        elif key == "f":
            counts = [len(values) for values in rows.values()]
            corners = [_corner(word, counts, where, line) for word in words]
            if len(corners) < 3:
                raise CourseError(f"{where}: a face needs three corners or more, got {line!r}")
            faces.append((corners, material, number))
        elif key == "usemtl":
            material = rest.strip()
        elif key == "mtllib" and handle:
            for name in [rest] if (path.parent / rest).is_file() else words:
                try:
                    library.update(load_mtl(_beside(path.parent, name, where), handle))
                except CourseError as error:
                    handle(error)
    return rows, faces, library


def _lines(path, what):
    """Yield (number, text) of the lines that say something; a backslash joins a line to the next."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CourseError(f"""cannot read the {what} {path}: {error.strerror or error}; check the
            path""") from error
    check(path, f"the {what}", "text", "export it as OBJ, with its MTL", data=data)
    pending, start = "", None
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
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


def _check_faces(path, rows, faces, used):
    """Raises CourseError unless all indices of the kinds that are used exist."""
    for slot, kind in enumerate(rows):
        for corners, _, number in faces if used[kind] else []:
            missing = [corner[slot] for corner in corners if corner[slot] >= len(rows[kind])]
            if missing:
                raise CourseError(f"""{path}, line {number}: a face uses '{kind}' number {missing[0] + 1}, but
                    the file has {len(rows[kind])}; it is cut off or was edited, export it again""")


def _assign(path, library, face_materials, handle):
    """Materials sorted by name, and each face's index among them."""
    for name in sorted({name for name in face_materials if name is not None} - set(library)):
        error = CourseError(f"""{path} uses the material {name!r}, which its libraries do not define; they
            define {sorted(library) or "none"}""")
        handle(error)
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
    path = _beside(folder, name, where)
    try:
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert("RGB")))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise CourseError(f"{where}: cannot read the texture {path}: {error}") from error
