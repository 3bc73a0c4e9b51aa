"""Every public function of `course_lib.kal` gives the same numbers on the GPU as on the CPU, and there.

python tests/device/stand_in.py -m tests.device.kal_there    # prints what is wrong, and nothing else
"""

import torch

from course_lib import kal
from course_lib.kal import dibr
from course_lib.kal.io import obj
from course_lib.kal.ops import coords
from course_lib.kal.ops import mesh as mesh_ops
from course_lib.kal.render import camera, lighting, mesh
from course_lib.kal.render.lighting import sg  # noqa: F401, for the calls

from .counts import Counts

MODULES = (dibr, mesh_ops, coords, camera, lighting, mesh, kal.rep, kal.metrics.render, obj)
ELSEWHERE = {
    "available_backends",
    "warm",
    "import_mesh",
    "check_shape",
}  # they have nothing to do with tensors
ELSEWHERE |= {"CameraFOV", "Camera", "CameraExtrinsics", "PinholeIntrinsics", "SgLightingParameters"}
ELSEWHERE |= {"return_type", "ShapeError", "CourseError", "Path", "check", "load_mtl"}
SIZE = 12, 16  # H, W
UNORDERED = {"grid_sampler_2d_backward"}  # the gradient of a texture, which README.md names

# Of what is called by their names: `given(device)` has it.
CALLS = {
    "index_vertices_by_faces": "by(points, faces)",
    "taken": "mesh_ops.taken(points, 1, faces.reshape(-1))",
    "add_at": "mesh_ops.add_at(torch.zeros(6, 3, device=device), faces.reshape(-1)[2:8], points[0])",
    "face_normals": "mesh_ops.face_normals(by(points, faces), unit=True)",
    "compute_vertex_normals": "mesh_ops.compute_vertex_normals(faces, by(points, faces), 6)",
    "spherical2cartesian": "coords.spherical2cartesian(angles, angles, 2.0)",
    "cartesian2spherical": "coords.cartesian2spherical(*points.unbind(-1))",
    "mask_iou": "kal.metrics.render.mask_iou(soft, 1 - soft)",
    "rasterize": "dibr.rasterize(*SIZE, depths, corners, [by(points, faces)], depths[..., 0] < 0)",
    "rasterize, alone": "dibr.rasterize(*SIZE, depths, corners, [])[1]",
    "dibr_soft_mask": "dibr.dibr_soft_mask(corners, seen, 50, 0.3, 3)",
    "nearest_soft_mask": "dibr.nearest_soft_mask(corners, seen, 50, 0.3, 1.5)",
    "squared_distances": "dibr.squared_distances(corners, seen, 0.3, 1.5).nan_to_num(posinf=9)",
    "dibr_rasterization": "mesh.dibr_rasterization(*SIZE, depths, corners, corners, depths[..., 0])",
    "texture_mapping": "mesh.texture_mapping(uv, texture, 'bilinear')",
    "texture_mapping, of nothing": "mesh.texture_mapping(uv[:, :0], texture)",
    "generate_pinhole_rays": "camera.generate_pinhole_rays(cam[0])",
    "generate_centered_pixel_coords": "camera.generate_centered_pixel_coords(4, 3, device)",
    "pinhole_ray_directions": "camera.pinhole_ray_directions(cam)",
    "pinhole_ray_directions, of pixels": "camera.pinhole_ray_directions(cam, pixels=numbers)",
    "Camera.transform": "cam.transform(points)",
    "Camera.view_projection_matrix": "cam.view_projection_matrix()",
    "Camera.cat": "camera.Camera.cat([cam, cam.double().float()]).intrinsics.project(points[:1])",
    "Camera.from_args": "made.intrinsics.fov(), made.cam_pos(), made.extrinsics.inv_view_matrix()",
    "SurfaceMesh": "surface.face_normals, surface.vertex_normals, surface.to(device).face_vertices",
    "from_sun": "vars(lighting.SgLightingParameters.from_sun(rays[:1], angles[:1], angles[:1])).values()",
    "SgLightingParameters": "vars(lighting.SgLightingParameters(2.0, rays, 3.0).to(torch.float64)).values()",
    "sg_from_sun": "sg.sg_from_sun(rays, angles, angles, rays)",
    "sg_irradiance_fitted": "sg.sg_irradiance_fitted(rays, rays, angles, rays)",
    "sg_diffuse_fitted": "sg.sg_diffuse_fitted(rays, rays, angles, rays, rays)",
    "sg_distribution_term": "sg.sg_distribution_term(rays, angles)",
    "sg_warp_distribution": "sg.sg_warp_distribution(rays, rays, angles, rays)",
    "sg_warp_specular_term": "sg.sg_warp_specular_term(rays, rays, angles, rays, angles, rays, rays)",
    "fresnel": "sg.fresnel(angles[:, None], rays)",
}


def given(device):
    """What the calls are about, on a device."""
    chance = torch.Generator().manual_seed(0)
    points = torch.rand(2, 6, 3, generator=chance) - torch.tensor([0.5, 0.5, 3.0])
    faces = torch.tensor([[0, 1, 2], [3, 4, 5], [2, 1, 0], [5, 1, 3]])
    lens = dict(width=SIZE[1], height=SIZE[0], fov=0.8)
    eye, at, up = (
        torch.tensor([[0.0, 0.0, 2.0], [0.3, 0.1, 1.0]]),
        torch.zeros(2, 3),
        torch.tensor([0.0, 1.0, 0.0]),
    )
    tensors = dict(points=points, faces=faces, eye=eye, at=at, up=up)
    tensors["uv"], tensors["texture"] = (
        torch.rand(2, 5, 2, generator=chance),
        torch.rand(1, 3, 8, 8, generator=chance),
    )
    tensors["angles"] = 0.6 + torch.rand(4, generator=chance)
    tensors["rays"] = torch.nn.functional.normalize(torch.rand(4, 3, generator=chance) + 0.1, dim=-1)
    tensors["soft"], tensors["numbers"] = (
        torch.rand(2, *SIZE, generator=chance),
        torch.tensor([0, 5, 200, 383]),
    )
    names = {name: tensor.to(device) for name, tensor in tensors.items()}
    for name in ("points", "uv", "texture", "angles", "rays", "soft"):
        names[name].requires_grad_()
    names["made"] = camera.Camera.from_args(**{name: names[name] for name in ("eye", "at", "up")}, **lens)
    names["cam"] = camera.Camera.from_args(eye=eye, at=at, up=up, **lens).to(device)
    names["corners"] = mesh_ops.index_vertices_by_faces(2 * names["points"][..., :2], names["faces"])
    names["depths"] = mesh_ops.index_vertices_by_faces(names["points"], names["faces"])[..., 2].detach()
    names["seen"] = dibr.rasterize(*SIZE, names["depths"], names["corners"], [])[1]
    names["surface"] = kal.rep.SurfaceMesh(names["points"], names["faces"])
    return names | {"by": mesh_ops.index_vertices_by_faces, "device": device}


def outcome(call, device):
    """What a call gives, and the gradients of its sum by what it was given, as a list of tensors."""
    names = given(device)
    result = eval(call, globals() | names)
    tensors = list(torch.utils._pytree.tree_leaves(list(result) if not torch.is_tensor(result) else result))
    summed = [tensor.double().sum() for tensor in tensors if tensor.requires_grad]
    leaves = [x for x in names.values() if torch.is_tensor(x) and x.is_leaf and x.requires_grad]
    grads = torch.autograd.grad(sum(summed), leaves, allow_unused=True) if summed else []
    return [*tensors, *(grad for grad in grads if grad is not None)]


def wrong(call):
    """What is wrong with a call on the GPU, None if nothing is."""
    here = outcome(call, "cpu")
    with Counts() as counts:
        there = outcome(call, "cuda")
    if unordered := {name for name, _ in counts.unordered} - UNORDERED:
        return f"adds up in any order: {unordered}"
    if any(tensor.device.type != "cuda" for tensor in there):
        return "is not on the GPU"
    if len(here) != len(there) or not all(
        torch.allclose(one, other.cpu(), atol=1e-4, rtol=1e-4) for one, other in zip(here, there)
    ):
        return "has other numbers there"
    return None


def public():
    """The names of what the modules offer."""
    offered = {name for module in MODULES for name, value in vars(module).items() if callable(value)}
    return {name for name in offered if not (name.startswith("_") or name.endswith("_handler"))} - ELSEWHERE


if __name__ == "__main__":
    for name, call in CALLS.items():
        if what := wrong(call):
            print(name, what)
    for name in public() - {name.split(",")[0] for name in CALLS}:
        print(name, "was not tried")
