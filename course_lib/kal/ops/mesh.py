"""From vertices to faces: gathering, normals."""

import torch

from ...shapes import check_shape


def index_vertices_by_faces(vertices_features, faces):
    """Gather per-vertex features at the corners of every face.

    Args:
        vertices_features: (B, V, K), for instance positions (K = 3) or colours.
        faces: (F, N) long, vertex indices; N = 3 for triangles.

    Returns:
        (B, F, N, K); gradients are summed into the vertices that faces share.
    """
    check_shape("vertices_features", vertices_features, "B V K")
    check_shape("faces", faces, "F N")
    batch, _, channels = vertices_features.shape
    # gather from an expanded view: its backward is a scatter-add, the fastest of torch's ways on a CPU
    corners = faces[None, :, :, None].expand(batch, -1, -1, channels)  # (B, F, N, K)
    return vertices_features.unsqueeze(2).expand(-1, -1, faces.shape[1], -1).gather(1, corners)


def face_normals(face_vertices, unit=False):
    """Normals of triangles whose corners run counter-clockwise as seen from outside.

        n = (v1 - v0) x (v2 - v0), whose length is twice the triangle's area

    Args:
        face_vertices: (B, F, 3, 3), the last axis x, y, z.
        unit: divide by (|n| + 1e-10); a degenerate triangle keeps a normal of zero.

    Returns:
        (B, F, 3)
    """
    check_shape("face_vertices", face_vertices, "B F 3 3")
    v0, v1, v2 = face_vertices.unbind(dim=2)  # (B, F, 3) each
    normals = torch.linalg.cross(v1 - v0, v2 - v0)  # (B, F, 3)
    if unit:
        normals = normals / (torch.linalg.vector_norm(normals, dim=-1, keepdim=True) + 1e-10)
    return normals


def compute_vertex_normals(faces, face_normals, num_vertices=None):
    """Average, at every vertex, the normals of the face corners that meet there.

    The mean is not scaled to length 1, and every face counts the same whatever its area (as in kaolin).

    Args:
        faces: (F, N) long.
        face_normals: (B, F, N, 3), one normal per corner.
        num_vertices: V; None means the largest index + 1.

    Returns:
        (B, V, 3); zero at vertices without a face.
    """
    check_shape("faces", faces, "F N")
    check_shape("face_normals", face_normals, "B F N 3")
    if num_vertices is None:
        num_vertices = int(faces.max()) + 1
    corners = faces.reshape(-1)  # (F * N,)
    sums = face_normals.new_zeros(face_normals.shape[0], num_vertices, 3)
    sums = sums.index_add(1, corners, face_normals.flatten(1, 2))
    counts = torch.bincount(corners, minlength=num_vertices).clamp(min=1)  # (V,)
    return sums / counts[:, None].to(sums.dtype)
