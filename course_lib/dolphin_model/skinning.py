"""Linear blend skinning: from a template at rest, a pose and a shape to the vertices of a posed animal.

A bone carries the vertices around it like a stiff bag. A vertex near a joint belongs to several bags, and its
place is the weighted mean of where each would take it (Loper et al., SMPL, ACM TOG 2015, eq. 2-4, without
pose blend shapes). Shape is per part: each of the P parts is scaled by its own four numbers (global, x, y,
z), and then the parts are moved so that they still meet at the joints (the idea of the loosely-coupled parts
of GLoSS: Zuffi et al., 3D Menagerie, CVPR 2017, sec. 4).
"""

import torch

from ..errors import CourseError
from ..in_order import taken
from ..shapes import check_shape, fits


class LBS:
    """Linear blend skinning of one template with V vertices, J bones and P parts.

    J_regressor (1, J, V) or (J, V): joints from vertices; parents (J,): each bone's parent, bones in an order
    in which parents come first, parents[0] is never used as an index; weights (V, J); shapedirs (V, 3, 4) or
    (1, V, 3, 4): global, x, y and z scaling; seg_grouping (J,): part of each bone; v_labels (V,): bone of
    each vertex; v_labels_coarse (V,): part of each vertex; rodrigues: the function from axis-angle (B, 3) to
    matrices (B, 3, 3).

    A shape is a sum of directions times numbers, and so are the joints of a shape and the shifts that keep
    its parts together. Everything that `betas` does is therefore one matrix, `shape_basis`, built once here.
    """

    def __init__(
        self, J_regressor, parents, weights, shapedirs, seg_grouping, v_labels, v_labels_coarse, rodrigues
    ):
        self.n_joints = weights.shape[1]
        self.n_groups = int(v_labels_coarse.max()) + 1
        self.parents, self.weights, self.seg_grouping = parents, weights, seg_grouping
        self.v_labels, self.v_labels_coarse, self.rodrigues = v_labels, v_labels_coarse, rodrigues
        self.J_regressor = J_regressor.reshape(self.n_joints, -1)  # (J, V)
        self.shapedirs = shapedirs.reshape(-1, 3, 4)  # (V, 3, 4)
        self.levels, self.level_order = self._levels()
        self.joint_shift = self._joint_shift()  # (J, 3, P, 4)
        self.shape_basis = self._shape_basis()  # (3 V, 4 P)

    def __call__(self, V, pose, scale, betas=None, to_rotmats=True):
        """Posed vertices (B, V, 3).

        V (1, V, 3) template; pose (B, J, 3) axis-angle in radians, or (B, J, 3, 3) matrices with
        `to_rotmats=False`; scale: of the whole animal, bones included; betas (P, 4): part scales, or None for
        the template's shape.
        """
        B, J = pose.shape[0], self.n_joints
        R = self.rodrigues(pose.reshape(-1, 3)) if to_rotmats else pose
        if to_rotmats:
            check_shape("rodrigues(theta)", R, (B * J, 3, 3), like=pose)
        R = R.reshape(B, J, 3, 3)
        if betas is not None:
            V, joints = self.apply_betas(V, betas)  # (1, V, 3), (1, J, 3)
        else:
            joints = (self.J_regressor @ V[0])[None]
        rest, joints = V[0] * scale, joints[0] * scale  # (V, 3), (J, 3)

        A = self.bone_transforms(R, joints)[:, :, :3]  # (B, J, 3, 4)
        # v' = sum_j w_j A_j [v; 1]. The rest shape is the same in every frame of the batch, so w_j [v; 1] is
        # one matrix for all of them, and skinning is one matrix product instead of one 4 x 4 matrix per
        # vertex and frame.
        rest_h = torch.cat([rest, torch.ones_like(rest[:, :1])], dim=1).T  # (4, V)
        weighted = (self.weights.T[:, None] * rest_h[None]).reshape(4 * J, -1)  # (4 J, V)
        A = A.transpose(1, 2).reshape(3 * B, 4 * J)
        return (A @ weighted).view(B, 3, -1).transpose(1, 2).contiguous()  # (B, V, 3)

    def bone_transforms(self, R, joints):
        """Where each bone takes a point at rest: rotations R (B, J, 3, 3), joints (J, 3). -> (B, J, 4, 4)"""
        B, J = R.shape[:2]
        from_parent = joints[1:] - taken(joints, 0, self.parents[1:])
        bones = torch.cat([joints[:1], from_parent])  # (J, 3)
        local = R.new_zeros(B, J, 4, 4)
        local[..., :3, :3] = R
        local[..., :3, 3] = bones
        local[..., 3, 3] = 1
        world = local.index_select(1, self.levels[0][0])
        levels = [world]
        for members, parents_in_level_above in self.levels[1:]:  # all bones of one depth at once
            world = taken(world, 1, parents_in_level_above) @ local.index_select(1, members)
            levels.append(world)
        world = torch.cat(levels, dim=1).index_select(1, self.level_order)  # (B, J, 4, 4)
        R, t = world[..., :3], world[..., 3]
        t = t - (R @ joints[:, :, None])[..., 0]  # (B, J, 4): rotate about the joint, not about the origin
        return torch.cat([R, t[..., None]], dim=-1)

    def apply_betas(self, V, betas):
        """The template V (1, V, 3) in the shape betas (P, 4). -> vertices (1, V, 3), joints (1, J, 3)"""
        if not fits(betas.shape, f"{self.n_groups} 4"):
            raise CourseError(f"""part scales have shape {tuple(betas.shape)}, expected ({self.n_groups}, 4):
                global, x, y and z scaling of each part""")
        V = V + (self.shape_basis @ betas.reshape(-1)).view_as(V)
        return V, (self.J_regressor @ V[0])[None]

    def _levels(self):
        """The tree by depth: bones, their parents' places in the depth above; and how to undo that order."""
        depth = [0]
        for parent in self.parents.tolist()[1:]:
            depth.append(depth[parent] + 1)
        members = [[j for j in range(self.n_joints) if depth[j] == d] for d in range(max(depth) + 1)]
        index = self.parents.new_tensor
        levels = [(index(members[0]), index([]))]
        for above, below in zip(members, members[1:]):
            levels.append((index(below), index([above.index(int(self.parents[j])) for j in below])))
        return levels, torch.cat([bones for bones, _ in levels]).argsort()

    def _joint_shift(self):
        """How far each bone's vertices move so that its part meets its parent's, per betas. -> (J, 3, P, 4)

        Scaling a part by itself moves its end of a joint away from the parent's end. A bone whose parent is
        in another part is shifted by the difference between the two; a bone within a part follows its parent.
        Parts are visited in order of their index: a bone hands its shift on to its children's joints, so a
        child sees it only if its part comes later.
        """
        J, P = self.n_joints, self.n_groups
        part, parents = self.seg_grouping.tolist(), self.parents.tolist()
        joint_dirs = torch.einsum("jv,vck->jck", self.J_regressor, self.shapedirs)  # (J, 3, 4)
        # joints[p, j], linear in betas: where joint j lies when the whole animal has the shape of part p
        joints = torch.einsum("jck,pq->pjcqk", joint_dirs, torch.eye(P).to(joint_dirs))
        shift = joint_dirs.new_zeros(J, 3, P, 4)
        for p in range(P):
            for j in range(1, J):
                if part[j] != p:
                    continue
                parent = parents[j]
                within = part[parent] == p
                shift[j] = shift[parent] if within else joints[part[parent], j] - joints[p, j]
                children = [child for child in range(1, J) if parents[child] == j]
                joints[p, children] += shift[j]
        return shift

    def _shape_basis(self):
        """Vertex displacements per unit of betas, (3 V, 4 P): its part's scaling plus its bone's shift."""
        basis = self.joint_shift[self.v_labels]  # (V, 3, P, 4)
        vertex = torch.arange(basis.shape[0], device=basis.device)
        basis[vertex, :, self.v_labels_coarse] += self.shapedirs
        return basis.reshape(3 * basis.shape[0], 4 * self.n_groups)
