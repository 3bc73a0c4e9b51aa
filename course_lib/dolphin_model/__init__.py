"""The dolphin's SMPL-style model: a template at rest that can be posed, shaped and placed.

`safe_pickle` reads the model's files without running them, `model_file` checks them, `skinning` moves the
vertices, `shape_modes` says what other bodies are plausible, and `DolphinModel` here puts them together.
"""

import functools
from pathlib import Path

import torch

from ..errors import CourseError
from ..rotations import rotvec_to_rotmat
from ..shapes import fits, spell
from . import shape_modes as modes
from .model_file import MODEL_FILES, load_face_uvs, load_keypoints, load_model, load_segmentation
from .skinning import LBS

BASE_DOLPHIN_SIZE = 2.6  # metres, an adult Indo-Pacific bottlenose dolphin
STIFF_BONES = (2, 3)  # never rotate: nothing seen from above could tell how they do


class DolphinModel:
    """The template, from pose and shape to vertices in the world.

    It has V vertices, F faces, J bones in P parts, K keypoints.
    model_dir: the folder with the five model files (see `MODEL_FILES`), or an `AssetPack`. rodrigues: the
    function from axis-angle (N, 3) to matrices (N, 3, 3); yours from exercise 2, if you like. Raises
    CourseError for a missing or faulty file.

    V (1, V, 3) vertices at rest; F (F, 3) long; face_uvs (1, F, 3, 2), counted from the image's top as
    `kal.io.obj` gives them; weights (V, J); parents (J,) long, parents[0] is the root's marker and no index;
    J_regressor (1, J, V); vert2kpt (K, V); LBS: the skinning (.n_groups = P, .n_joints = J, .seg_grouping
    (J,) part of each bone, .parents); global_scale (): makes the template 2.6 m long; fwd_vector (3,);
    bone_selection (J,): 0 for the bones that never rotate; anatomy: which part is what; mode_names (K) and
    mode_directions (3 V, K): the smooth shapes of `shape_modes`.
    """

    def __init__(self, model_dir, device="cpu", rodrigues=rotvec_to_rotmat, dtype=torch.float32):
        directory = Path(getattr(model_dir, "model_dir", model_dir))
        files = {role: directory / name for role, name in MODEL_FILES.items()}
        for path in files.values():
            if not path.is_file():
                raise CourseError(f"""{path}: no such file. The template is five files:
                    {", ".join(MODEL_FILES.values())}""")

        floats = functools.partial(torch.as_tensor, dtype=dtype, device=device)
        integers = functools.partial(torch.as_tensor, dtype=torch.long, device=device)
        model = load_model(files["model"])
        n_vertices, n_joints = model["weights"].shape
        segmentation = load_segmentation(files["bones"], files["parts"], n_vertices, n_joints)
        parents = model["parents"].copy()
        parents[0] = model["kintree_table"][0, 0]

        self.device, self.dtype, self.rodrigues = torch.device(device), dtype, rodrigues
        self.V = floats(model["v_template"])[None]
        self.F = integers(model["f"])
        self.weights = floats(model["weights"])
        self.parents = integers(parents)
        self.J_regressor = floats(model["J_regressor"])[None]
        self.vert2kpt = floats(load_keypoints(files["keypoints"], n_vertices))
        self.face_uvs = load_face_uvs(files["mesh"], self.F).to(device, dtype)[None]
        labels = [integers(segmentation[key]) for key in ("grouping", "v_labels", "v_labels_coarse")]
        shapedirs = floats(model["shapedirs"])
        self.LBS = LBS(self.J_regressor, self.parents, self.weights, shapedirs, *labels, rodrigues)

        arrays = [model[key] for key in ("v_template", "weights", "J_regressor")]
        part_of_vertex, part_of_bone = segmentation["v_labels_coarse"], segmentation["grouping"]
        self.anatomy = modes.anatomy(arrays[0], part_of_vertex, part_of_bone[0], self.LBS.n_groups)
        self.mode_names, directions = modes.directions(*arrays, part_of_bone, self.anatomy)
        self.mode_directions = floats(directions).flatten(0, 1)  # (3 V, K)

        self.global_scale = BASE_DOLPHIN_SIZE / (self.V[0, :, 2].max() - self.V[0, :, 2].min())  # ()
        self.fwd_vector = floats([0.0, 0.0, 1.0])
        self.bone_selection = floats([0.0 if j in STIFF_BONES else 1.0 for j in range(n_joints)])

    def __call__(
        self, global_pose, body_pose, translation, part_scales=None, pose2rot=True, shape_modes=None
    ):
        """Vertices in the world: {"vertices": (B, V, 3)}, metres.

        global_pose (B, 1, 3) and body_pose (B, J - 1, 3): axis-angle in radians of the root and of the other
        bones; with `pose2rot=False` matrices, (B, 1, 3, 3) and (B, J - 1, 3, 3). translation (B, 1, 3),
        metres. part_scales (P, 4) and shape_modes (K,), or None: 0 is the template's shape. Raises
        CourseError for other shapes.
        """
        B, J, rotation = len(translation), self.LBS.n_joints, "3" if pose2rot else "3 3"
        for name, tensor, n in (("global_pose", global_pose, 1), ("body_pose", body_pose, J - 1)):
            layout = f"{B} {n} {rotation}"
            if not fits(tensor.shape, layout):
                raise CourseError(f"{name} has shape {tuple(tensor.shape)}, expected {spell(layout)}")
        pose = torch.cat([global_pose, body_pose], dim=1)  # (B, J, 3) or (B, J, 3, 3)
        if pose2rot:
            pose = pose * self.bone_selection[:, None]
        else:  # a bone that does not rotate has the identity
            selected = self.bone_selection[:, None, None]
            pose = pose * selected + torch.eye(3, dtype=pose.dtype, device=pose.device) * (1 - selected)
        vertices = self.LBS(
            self.shaped(shape_modes), pose, self.global_scale, betas=part_scales, to_rotmats=pose2rot
        )
        return {"vertices": vertices + translation}

    def shaped(self, shape_modes=None):
        """The template with the smooth shapes shape_modes (K,), at rest. -> (1, V, 3), its own units"""
        if shape_modes is None:
            return self.V
        if not fits(shape_modes.shape, f"{len(self.mode_names)}"):
            raise CourseError(f"""shape modes have shape {tuple(shape_modes.shape)}, expected
                ({len(self.mode_names)},)""")
        return self.V + (self.mode_directions @ shape_modes).view_as(self.V)
