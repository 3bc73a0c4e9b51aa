"""What is optimised: where the dolphin is and how it bends in every frame, its shape, its skin, the light."""

import torch
from torch import nn

from .errors import CourseError
from .file_kind import check
from .files import replacing
from .refraction import AIR, apparent_height
from .shapes import check_shape

# What the fit changes, by the names of the tutorial. `DolphinScene.save` writes these, `OURS`, `LIGHT`,
# and nothing else.
PARAMETERS = ("translations", "part_scales", "global_poses", "joint_poses")
PARAMETERS += ("dolphin_albedo", "water_absorption", "azimuth", "elevation", "strength", "angle")
OURS = ("shape_modes", "anchors")  # and what the tutorial's scenes do not have
# and what the default recipe alone knows of light (course_lib.appearance); None in other fits, and not saved
LIGHT = {"sun_colour": (3,), "sky_light": (3,), "water_light": (3,), "caustics": ("T", "H", "W")}


class Ahead:
    """What of a scene is made before it is asked for, each taken once. A copy begins without."""

    def __init__(self):
        self.forget()

    def forget(self):
        self.made, self.t, self.state = {}, None, None

    def put(self, t, scene, **made):
        self.made, self.t, self.state = made, t, self.state_of(scene)

    def take(self, name, scene, t=None):
        """What is called so, if it is that of this very t, or of all frames, and of the scene as it is now.

        Else None.
        """
        made = self.made.pop(name, None)
        if made is None or (t is not None and t is not self.t) or self.state != self.state_of(scene):
            return None
        return made if made.requires_grad or not torch.is_grad_enabled() else None

    @staticmethod
    def state_of(scene):
        """What changes when one of the tensors does that move the vertices; torch counts their changes."""
        moving = scene.global_poses, scene.joint_poses, scene.translations, scene.anchors
        moving += scene.part_scales, scene.shape_modes
        counts = [None if tensor.is_inference() else tensor._version for tensor in moving]
        return [scene.model, *counts, *(tensor.data_ptr() for tensor in moving)]

    def __deepcopy__(self, memo):
        return Ahead()

    def __reduce__(self):
        return Ahead, ()


class DolphinScene(nn.Module):
    """All parameters of a clip of T frames, for a template with P parts.

    global_poses (T, 1, 3), joint_poses (T, P, 3)     rotation vectors, radians
    translations (T, 1, 3)                            metres; y is up, the sea's surface is y = 0
    part_scales (P, 4)                                shape: global, x, y, z scaling of each part, 0: none
    shape_modes (K,)                                  shape: the model's smooth modes, in standard deviations
    dolphin_albedo (1, 1, S, S)                       grey skin texture in [0, 1]
    azimuth, elevation, angle (1,), strength (1,)     the sun: direction and spread in radians, brightness
    water_absorption (3,)                             1/m, for red, green, blue
    dolphin_specular_color (3,), dolphin_roughness (1,)   fixed

    sun_colour, sky_light, water_light (3,)           light of sun, sky and water, or None: as in the tutorial
    caustics (T, H, W)                                how waves gather and spread it on the back, or None

    `anchors` (T, 3, 3) are fixed rotations from which global_poses are measured: frame t is turned by
    anchors[t] @ R(global_poses[t]). They are the identity unless `anchor` sets them; then the rotation
    vectors stay short, far away from the length pi at which they would have two names for one rotation.

    `water_index` says how the scene is to be looked at: through flat water of this refractive index, or with
    1 along straight lines, as the tutorial does. It is saved with the parameters.
    """

    def __init__(self, model, num_frames, init_rot_up=0.0, init_rot_fwd=0.0, texture_size=512):
        """Starts every frame at one heading: `init_rot_up` degrees about y, `init_rot_fwd` about z."""
        super().__init__()
        self.model = model
        device = model.V.device
        parts = model.LBS.n_groups
        start = torch.deg2rad(torch.tensor([0.0, init_rot_up, init_rot_fwd], device=device))

        def full(shape, value):
            return nn.Parameter(torch.full(shape, float(value), device=device))

        self.global_poses = nn.Parameter(start.repeat(num_frames, 1, 1))  # (T, 1, 3)
        self.joint_poses = full((num_frames, parts, 3), 0)
        self.translations = full((num_frames, 1, 3), 0)
        self.part_scales = full((parts, 4), 0)
        self.shape_modes = full((len(getattr(model, "mode_names", ())),), 0)  # a stand-in's model has none
        self.azimuth = full((1,), torch.pi / 2)
        self.elevation = full((1,), torch.pi / 2)
        self.strength = full((1,), 1)
        self.angle = full((1,), torch.pi / 2)
        self.dolphin_albedo = full((1, 1, texture_size, texture_size), 0.5)
        self.water_absorption = nn.Parameter(torch.tensor([1.0, 0.0, 0.0], device=device))
        self.register_buffer("dolphin_specular_color", torch.ones(3, device=device))
        self.register_buffer("dolphin_roughness", torch.full((1,), 0.1, device=device))
        self.register_buffer("anchors", torch.eye(3, device=device).repeat(num_frames, 1, 1))
        for name in LIGHT:
            self.register_buffer(name, None)
        self.water_index = AIR
        self._ahead = Ahead()

    @property
    def num_frames(self):
        return len(self.translations)

    def rotations(self, t=slice(None)):
        """The dolphin's orientation in the frames `t` as matrices (B, 3, 3)."""
        made = self._ahead.take("rotations", self) if isinstance(t, slice) and t == slice(None) else None
        return self.anchors[t] @ self.model.LBS.rodrigues(self.global_poses[t, 0]) if made is None else made

    @torch.no_grad()
    def anchor(self, rotations):
        """Measures orientation from `rotations` (T, 3, 3) from now on; every frame starts there, at zero."""
        self.anchors.copy_(rotations)
        self.global_poses.zero_()

    def bone_rotations(self, t):
        """Rotations of all bones (B, J, 3, 3): the root's, then each part's handed to the part's bones."""
        return self._all_and_bones(t)[1]

    def _all_and_bones(self, t, roots=None):
        """Orientations of the frames `roots`, those of `t` if None, (R, 3, 3), and the bones' (B, J, 3, 3).

        All by one call: a step of a fit asks for both.
        """
        others = t if roots is None else roots
        of_roots = self.global_poses[others, 0]  # (R, 3)
        of_parts = self.joint_poses[t]  # (B, P, 3)
        turned = self.model.LBS.rodrigues(torch.cat([of_roots, of_parts.flatten(0, 1)]))  # (R + B P, 3, 3)
        all_roots = self.anchors[others] @ turned[: len(of_roots)]
        of_parts = turned[len(of_roots) :].unflatten(0, of_parts.shape[:2])
        root = all_roots if roots is None else all_roots[t]
        part_of_bone = self.model.LBS.seg_grouping  # (J,)
        return all_roots, torch.cat([root[:, None], of_parts[:, part_of_bone[1:]]], dim=1)

    def skin(self, t):
        """The dolphin's surface in the frames `t`: vertices (B, V, 3) in the world, metres."""
        made = self._ahead.take("vertices", self, t)
        return self._posed(self.bone_rotations(t), self.translations[t]) if made is None else made

    def skin_ahead(self, t):
        """`skin(t)`, which the next call of `skin` gives once more if it asks for the same.

        So a step of a fit skins once, though the loader has to know where the dolphin is before the renderer
        does. It must be the very tensor t, and no parameter may have changed in between. The next call of
        `rotations()` likewise takes what is known already.
        """
        rotations, bones = self._all_and_bones(t, slice(None))
        vertices = self._posed(bones, self.translations[t])
        self._ahead.put(t, self, vertices=vertices, rotations=rotations)
        if vertices.requires_grad:
            rotations.register_hook(lambda _: self._ahead.forget())  # after a backward pass they are used up
        return vertices

    def rest_shape(self):
        """The fitted dolphin stretched out straight, at the origin: vertices (V, 3), metres."""
        bones = torch.eye(3).to(self.anchors).expand(1, self.model.LBS.n_joints, 3, 3)
        return self._posed(bones, torch.zeros_like(self.translations[:1]))[0]

    def _posed(self, bones, place):
        """Vertices (B, V, 3) with the bones' rotations (B, J, 3, 3) at a place (B, 1, 3)."""
        root, others = bones[:, :1], bones[:, 1:]
        modes = {"shape_modes": self.shape_modes} if len(self.shape_modes) else {}
        return self.model(root, others, place, self.part_scales, pose2rot=False, **modes)["vertices"]

    @torch.no_grad()
    def clamp_(self):
        """Brings back into range what a gradient step may have pushed out: colours, absorption, the sun."""
        for parameter in (self.water_absorption, self.dolphin_albedo):
            parameter.clamp_(0, 1)
        for parameter in (self.azimuth, self.angle, self.elevation):
            parameter.clamp_(0, 2 * torch.pi)
        self.strength.clamp_(min=0)

    def parameter_dict(self):
        """What was fitted, the anchors it is measured from, and the water's index, by name.

        Tensors on the CPU.
        """
        values = {name: getattr(self, name) for name in (*PARAMETERS, *OURS, *LIGHT)}
        values = {name: value.detach().cpu().clone() for name, value in values.items() if value is not None}
        return values | {"water_index": torch.tensor(self.water_index, dtype=torch.float64)}

    @torch.no_grad()
    def load_parameters(self, values):
        """Takes over `values`, a dict as `parameter_dict` gives it.

        A file of the tutorial has no `OURS`; in one without `water_index` light travels straight.
        """
        nothing = {"anchors": torch.eye(3).expand_as(self.anchors)}
        nothing["shape_modes"] = torch.zeros(self.shape_modes.shape)
        values = nothing | values
        index = values.get("water_index", torch.tensor(AIR))
        if not (torch.is_tensor(index) and index.numel() == 1 and 1 <= float(index) <= 2):
            raise CourseError(f"""Saved scene: water_index is {str(index)[:40]}, expected a refractive index
                from 1 to 2. Fit again, or take an intact copy.""")
        for name in (*PARAMETERS, *OURS):
            mine, theirs = getattr(self, name), values.get(name)
            if theirs is None or theirs.shape != mine.shape:
                got = "it is missing" if theirs is None else f"its shape is {tuple(theirs.shape)}"
                raise CourseError(f"""Saved scene does not fit this clip and model: {name} should have shape
                    {tuple(mine.shape)}, but {got}. Load it with the clip and pack it was fitted to.""")
            mine.copy_(theirs)
        self.water_index = float(index)
        for name, shape in LIGHT.items():
            light = values.get(name)
            if light is not None:
                check_shape(name, light, " ".join(str(self.num_frames if n == "T" else n) for n in shape))
                light = light.to(self.anchors)
            setattr(self, name, light)

    def save(self, path):
        """Writes the parameters to `path`; readable with `torch.load(path, weights_only=True)`."""
        save_atomically(self.parameter_dict(), path)

    def load(self, path):
        """Reads what `save`, or the tutorial, wrote."""
        self.load_parameters(load_tensors(path))


def save_atomically(tensors, path):
    """torch.save to a whole file or none: a full disk or an interruption leaves the old one as it was."""
    try:
        with replacing(path) as part, part.open("wb") as file:
            torch.save(tensors, file)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as a RuntimeError
        raise CourseError(f"""Could not write {path}: {error}. Is the disk full? What was there before is
            untouched.""") from error


def load_tensors(path):
    """torch.load with weights_only=True: numbers only, never code."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CourseError(f"There is no file {path}. Fit a scene first, or give the right path.") from None
    except Exception as error:
        check(path, "a file of saved tensors", "a file of torch.save", "fit again, or take an intact copy")
        raise CourseError(f"""{path} is not a file of saved tensors, or it is truncated
            ({type(error).__name__}). Delete it and fit again, or take an intact copy.""") from error


def init_translations(dataset, height=0.0, water_index=AIR):
    """Where the mask's centre lies on the level `height` of the world: translations (T, 1, 3), metres.

    The camera looks straight down from altitude h, so a point at normalised image coordinates c (x right, y
    up, in [-1, 1]) and `height` lies at depth d = h - height in front of it, and in camera coordinates at
        x = c_x d / P_00,   y = c_y d / P_11,   z = -d
    with P the projection matrix. Exercise 3 of the course tracks the dolphin with these points. Where the
    camera leans, d is what brings the point to `height`; a principal point beside the middle moves c.
    Through water of an index `water_index` the level seems to be higher (course_lib.refraction).
    """
    frames = torch.arange(len(dataset))
    camera = dataset.cameras(frames)
    centers = dataset.normalized_centers(frames)  # (T, 2)
    projection = camera.intrinsics.projection_matrix()  # (T or 1, 4, 4)
    centers = centers + projection[:, :2, 2]  # from the principal point
    R, offset = camera.extrinsics.R, camera.extrinsics.t[..., 0]  # (T, 3, 3), (T, 3)
    scales = projection[:, [0, 1], [0, 1]]  # (T, 2)
    fall = R[:, 2, 1] - (R[:, :2, 1] * centers / scales).sum(1)  # of a ray over its depth; 1 looking down
    seen = apparent_height(height, water_index)
    depth = (dataset.cam_eye[:, 1] - seen) / fall  # (T,)
    x = centers[:, 0] * depth / projection[:, 0, 0]
    y = centers[:, 1] * depth / projection[:, 1, 1]
    in_camera = torch.stack([x, y, -depth], dim=-1)  # (T, 3)
    points = ((in_camera - offset)[:, None] @ R).float()  # R^T (p - t), as rows
    points[..., 1] += height - seen  # right under the place where it seems to be
    return points
