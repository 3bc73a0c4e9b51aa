"""A mesh, or a batch of meshes with the same faces."""

import copy

import torch

from ...errors import CourseError
from ...shapes import check_shape
from ..ops.mesh import compute_vertex_normals, face_normals, index_vertices_by_faces

# shapes of one mesh; a batch has B in front of all but the faces
_SHAPES = {
    "vertices": "V 3",
    "faces": "F N",
    "normals": "A 3",
    "face_normals_idx": "F N",
    "uvs": "U 2",
    "face_uvs_idx": "F N",
    "material_assignments": "F",
    "vertex_normals": "V 3",
    "face_normals": "F N 3",
    "face_uvs": "F N 2",
    "face_vertices": "F N 3",
}
# what can be computed, and from what
_SOURCES = {
    "face_vertices": ("vertices", "faces"),
    "face_normals": ("vertices", "faces", "face_vertices", "normals", "face_normals_idx"),
    "vertex_normals": ("vertices", "faces", "face_vertices", "normals", "face_normals_idx", "face_normals"),
    "face_uvs": ("uvs", "face_uvs_idx"),
}


class SurfaceMesh:
    """Vertices and faces with what belongs to them; what can be derived is derived when first asked for.

    One mesh, or a batch of B meshes that share `faces`; N is the corners of a face, 3 for triangles:

        vertices              (V, 3)     or (B, V, 3)
        faces                 (F, N)     in both cases; long
        face_vertices         (F, N, 3)  or (B, F, N, 3)    derived: vertices at the corners
        face_normals          (F, N, 3)  or (B, F, N, 3)    derived: from normals, or per triangle, length 1
        vertex_normals        (V, 3)     or (B, V, 3)       derived: mean over the corners at a vertex
        face_uvs              (F, N, 2)  or (B, F, N, 2)    derived: uvs at the corners
        uvs, face_uvs_idx, normals, face_normals_idx, material_assignments: likewise;  materials: a list

    Any of them can be given, by name. Derived attributes are kept (so that writing into `mesh.face_uvs[...]`
    lasts) unless they depend on something that requires a gradient; setting what they come from drops them.
    An attribute that is neither given nor derivable is None, or, with unset_attributes_return_none=False, an
    AttributeError.

    Raises ShapeError for a shape that does not fit, and CourseError where `face_uvs` is asked for, and faces
    have no texture coordinates (kaolin takes the first). kaolin's third way of batching, lists of different
    meshes, is not here.
    """

    def __init__(self, vertices, faces, *, materials=None, unset_attributes_return_none=True, **attributes):
        unknown = sorted(set(attributes) - set(_SHAPES))
        if unknown:
            raise CourseError(f"SurfaceMesh does not know {unknown}")
        self._derived = set()
        self.unset_attributes_return_none = unset_attributes_return_none
        self.materials = materials
        for name, value in {"vertices": vertices, "faces": faces, **attributes}.items():
            setattr(self, name, value)
        check_shape("vertices", vertices, "V 3", "B V 3")
        check_shape("faces", faces, "F N", dtype=torch.long)
        F, N = faces.shape
        sizes = {"B": len(self), "V": vertices.shape[-2], "F": F, "N": N}
        title = f"of a mesh with B, V, F, N = {tuple(sizes.values())}"
        for name in self.get_attributes():
            layout = _SHAPES[name] if name == "faces" or self.batching == "NONE" else f"B {_SHAPES[name]}"
            shape = [sizes.get(letter, letter) for letter in layout.split()]
            check_shape(f"{name} {title}", getattr(self, name), shape)

    @property
    def batching(self):
        """ "NONE" for one mesh, "FIXED" for a batch with the same faces."""
        return "NONE" if self.vertices.ndim == 2 else "FIXED"

    def __len__(self):
        return 1 if self.vertices.ndim == 2 else len(self.vertices)

    def get_attributes(self):
        """Names of the tensors that are there now, given or already derived."""
        return [name for name in _SHAPES if name in self.__dict__]

    def has_attribute(self, name):
        """Whether a tensor is there now, given or already derived."""
        return name in self.get_attributes()

    def __setattr__(self, name, value):
        if name in _SHAPES:
            for derived in [d for d in self._derived if name in _SOURCES[d]]:
                del self.__dict__[derived]
                self._derived.discard(derived)
            self._derived.discard(name)
            if value is None:
                self.__dict__.pop(name, None)
                return
        super().__setattr__(name, value)

    def __getattr__(self, name):  # only asked for what is not there
        if name not in _SHAPES:
            raise AttributeError(f"a SurfaceMesh has no attribute {name!r}")
        value = getattr(self, "_compute_" + name)() if name in _SOURCES else None
        if value is not None:
            sources = [self.__dict__[source] for source in _SOURCES[name] if source in self.__dict__]
            if not any(source.requires_grad for source in sources):
                self.__dict__[name] = value
                self._derived.add(name)
        elif not self.unset_attributes_return_none:
            raise AttributeError(f"{name} was not given and cannot be derived from {self.get_attributes()}")
        return value

    def _at_corners(self, values, corners):
        """Values (U, K) or (B, U, K) at the corners (F, N) or (B, F, N) of faces."""
        if values.ndim == 2:
            return index_vertices_by_faces(values[None], corners)[0]
        if corners.ndim == 2:
            return index_vertices_by_faces(values, corners)
        return torch.stack([index_vertices_by_faces(v[None], c)[0] for v, c in zip(values, corners)])

    def _compute_face_vertices(self):
        return self._at_corners(self.vertices, self.faces)

    def _compute_face_normals(self):
        if self.has_attribute("normals") and self.has_attribute("face_normals_idx"):
            return self._at_corners(self.normals, self.face_normals_idx)
        if self.faces.shape[1] != 3:
            return None
        corners = self.face_vertices
        normals = face_normals(corners.reshape(-1, *corners.shape[-3:]), unit=True)  # (B, F, 3)
        return normals.unsqueeze(2).repeat(1, 1, 3, 1).reshape(corners.shape)  # the same at the three corners

    def _compute_vertex_normals(self):
        normals = self.face_normals
        if normals is None:
            return None
        batch = normals.reshape(-1, *normals.shape[-3:])  # (B, F, N, 3)
        return compute_vertex_normals(self.faces, batch, self.vertices.shape[-2]).reshape(self.vertices.shape)

    def _compute_face_uvs(self):
        if not (self.has_attribute("uvs") and self.has_attribute("face_uvs_idx")):
            return None
        without = int((self.face_uvs_idx < 0).any(dim=-1).sum())
        if without:
            raise CourseError(f"""{without} of the mesh's {self.face_uvs_idx.shape[:-1].numel()} faces have no
                texture coordinates, so face_uvs cannot be made; unwrap the mesh and export it with UVs (lines
                'f v/vt v/vt v/vt' in an OBJ)""")
        return self._at_corners(self.uvs, self.face_uvs_idx)

    def to(self, device):
        """A copy with all tensors on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def cpu(self):
        return self.to("cpu")

    def cuda(self):
        return self.to("cuda")

    def detach(self):
        """A copy with all tensors cut off from their gradients."""
        return self._map(torch.Tensor.detach)

    def _map(self, function):
        other = copy.copy(self)
        other._derived = set(self._derived)
        for name in self.get_attributes():
            other.__dict__[name] = function(self.__dict__[name])
        return other

    def __repr__(self):
        tensors = ", ".join(f"{name} {tuple(getattr(self, name).shape)}" for name in self.get_attributes())
        return f"SurfaceMesh({tensors})"
