"""From vertices to faces: gathering, normals."""

import torch

from ...in_order import add_at, taken
from ...shapes import check_shape


def index_vertices_by_faces(vertices_features, faces):
    """Gather features (B, V, K) of vertices at the corners of faces (F, N). -> (B, F, N, K)

    The features are positions (K = 3) or colours, say; faces are long indices, N = 3 for triangles. Gradients
    are summed into the vertices that faces share.
    """
    check_shape("vertices_features", vertices_features, "B V K")
    check_shape("faces", faces, "F N")
    return taken(vertices_features, 1, faces.reshape(-1)).unflatten(1, faces.shape)


def face_normals(face_vertices, unit=False):
    """Normals of triangles whose corners run counter-clockwise as seen from outside. -> (B, F, 3)

        n = (v1 - v0) x (v2 - v0), whose length is twice the triangle's area

    face_vertices: (B, F, 3, 3), the last axis x, y, z.
    unit: divide by (|n| + 1e-10); a degenerate triangle keeps a normal of zero.
    """
    check_shape("face_vertices", face_vertices, "B F 3 3")
    v0, v1, v2 = face_vertices.unbind(dim=2)  # (B, F, 3) each
    normals = torch.linalg.cross(v1 - v0, v2 - v0)  # (B, F, 3)
    if unit:
        normals = normals / (torch.linalg.vector_norm(normals, dim=-1, keepdim=True) + 1e-10)
    return normals


def compute_vertex_normals(faces, face_normals, num_vertices):
    """Average, at each of V vertices, the normals of the face corners that meet there. -> (B, V, 3)

    The mean is not scaled to length 1, every face counts the same whatever its area (as in kaolin), and it is
    zero at vertices without a face.

    faces: (F, N) long. face_normals: (B, F, N, 3), one normal per corner. num_vertices: V.
    """
    check_shape("faces", faces, "F N")
    check_shape("face_normals", face_normals, "B F N 3")
    corners = faces.reshape(-1)  # (F * N,)
    sums = face_normals.new_zeros(num_vertices, len(face_normals), 3)
    sums = add_at(sums, corners, face_normals.flatten(1, 2).transpose(0, 1)).transpose(0, 1)  # (B, V, 3)
    counts = torch.bincount(corners, minlength=num_vertices).clamp(min=1)  # (V,)
    return sums / counts[:, None].to(sums.dtype)
