"""The public functions: what goes in is checked, and goes to the backend asked for, or the device's best.

Gradients are first derivatives: who asks for second ones, or calls within torch.func, gets an error.
"""

import functools
import importlib
import math
import numbers

import torch
from torch.autograd import forward_ad

from ...errors import CourseError
from ...shapes import ShapeError, check_shape, describe
from .reference import MULTIPLIER

BACKENDS = {"torch": "reference", "numba": "compiled", "kaolin": "kaolin_backend"}  # name: module
DEVICES = {"cpu": ["numba", "torch"], "cuda": ["kaolin", "torch"]}  # what works there, the best first


@functools.cache
def load(name):
    """The module of a backend and None, or None and the reason why there is none."""
    try:
        return importlib.import_module(f".{BACKENDS[name]}", __package__), None
    except Exception as error:  # not installed, built for other versions, ...: all the same to us
        return None, f"{type(error).__name__}: {error}"


def available_backends(device="cpu"):
    """Names of the backends that work on a device, the best first."""
    return [name for name in DEVICES.get(torch.device(device).type, ["torch"]) if load(name)[0]]


def choose(backend, device):
    """The module of the named backend, or of the best one for the device; CourseError if it cannot be had."""
    if backend in (None, "cuda"):
        return load(available_backends(device)[0])[0]
    if backend in ("nvdiffrast", "nvdiffrast_fwd"):
        raise CourseError(f"""backend "{backend}": nvdiffrast is not supported here. Leave `backend` out for
            the best one on your device.""")
    if backend not in BACKENDS:
        names = ", ".join(f'"{name}"' for name in BACKENDS)
        raise CourseError(f"backend {backend!r} is unknown: expected {names}, or None for the best one.")
    module, reason = load(backend)
    if module is None:
        raise CourseError(f"""backend "{backend}" cannot be imported ({reason}). Install it, or leave
            `backend` out for the best one that is there.""")
    needed = {"numba": "cpu", "kaolin": "cuda"}.get(backend, device.type)
    if device.type != needed:
        raise CourseError(f"""backend "{backend}" works on {needed} tensors, but these are on "{device}". Move
            them there, or leave `backend` out.""")
    return module


class Entry(torch.autograd.Function):
    """Tensors on their way into a backend. Their gradients are final: they have no derivatives themselves."""

    @staticmethod
    def forward(ctx, came_back, *tensors):
        ctx.came_back = came_back
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx, *grads):
        if torch.is_grad_enabled():  # somebody may want to differentiate them
            depends_on = *ctx.saved_tensors, *ctx.came_back
            ctx.came_back.clear()
            grads = [None if grad is None else Final.apply(grad, *depends_on) for grad in grads]
        return None, *grads


class Final(torch.autograd.Function):
    """A gradient that depends on the tensors, and cannot be differentiated by them."""

    @staticmethod
    def forward(ctx, grad, *tensors):
        return grad.view_as(grad)

    @staticmethod
    def backward(ctx, _):
        raise CourseError("""Rendering has first derivatives only: nothing can differentiate twice through it
            (hessian, hvp, jvp of torch.autograd.functional).""")


BACKWARD_ALONE = """Rendering does not work within torch.func (grad, vmap, jacrev), in forward mode (jvp), or
            for many gradients at once (vectorize, is_grads_batched): take gradients with backward() or
            torch.autograd.grad."""


def entered(*tensors):
    """The tensors as a backend gets them, and what is to be done to its images: `left(images)`.

    Whoever asks for more than first derivatives then gets an error. Backends have no others, or wrong ones,
    and torch takes those that are not there for zeros, in silence.
    """
    duals = (forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors)
    if torch._C._functorch.peek_interpreter_stack() is not None or any(duals):
        raise CourseError(BACKWARD_ALONE)
    came_back = []
    if wanted := [tensor for tensor in tensors if tensor.requires_grad]:
        wanted = iter(Entry.apply(came_back, *wanted))
        tensors = [next(wanted) if tensor.requires_grad else tensor for tensor in tensors]

    def note(grad):
        if grad is not None and torch._C._functorch.is_legacy_batchedtensor(grad):
            raise CourseError(BACKWARD_ALONE)
        if grad is not None and grad.requires_grad:
            came_back.append(grad)

    def left(images):
        for image in images:
            if image.requires_grad:
                image.register_hook(note)
        return images

    return tensors, left


def _check_corners(corners):
    check_shape("face_vertices_image", corners, "B F 3 2")
    if corners.dtype not in (torch.float32, torch.float64):
        raise ShapeError(f"""face_vertices_image must be float32 or float64, got {corners.dtype}; convert it
            with .float()""")


def _check_selected(selected, corners):
    check_shape("selected_face_idx", selected, f"{len(corners)} H W", like=corners, dtype=torch.int64)
    if 0 in selected.shape[1:]:
        raise ShapeError(
            f"""selected_face_idx must have a pixel at least, got shape {tuple(selected.shape)}"""
        )


def _check_numbers(low, integer=False, **values):
    kind = numbers.Integral if integer else numbers.Real
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value < math.inf:
            wanted = "a whole" if integer else "a finite"
            raise CourseError(f"""{name}: got {describe(value)}, expected {wanted} number that is {low} or
                more.""")


def rasterize(
    height,
    width,
    face_vertices_z,
    face_vertices_image,
    face_features,
    valid_faces=None,
    multiplier=None,
    eps=None,
    backend=None,
):
    """Draw triangles: for each pixel the features of the face that it sees, and which face that is.

    height, width: size of the image in pixels.
    face_vertices_z (B, F, 3): depth of the corners in camera space, looking down -z; larger is closer.
    face_vertices_image (B, F, 3, 2): corners on the image plane in NDC, [-1, 1], y up.
    face_features (B, F, 3, D), or a list of such: what to interpolate between the corners.
    valid_faces (B, F) bool: faces to draw; all if None.
    multiplier: coordinates are enlarged by it before faces are compared with pixels; 1000 if None.
    eps: added to the sum of the barycentric weights before the division by it; 1e-8 if None.
    backend: None, "torch", "numba" or "kaolin".

    Returns the image (B, H, W, D), or a tuple of images if face_features is a list, and face_idx (B, H, W)
    int64, -1 where no face is seen. Gradients flow to face_vertices_image and face_features. Of faces equally
    near the first is seen. Faces with a coordinate that is not finite are not seen. CourseError if shapes,
    types or devices do not fit.

    Source: Chen et al., NeurIPS 2019, equations 1 and 2; conventions of kaolin 0.18.
    """
    z, corners, features = face_vertices_z, face_vertices_image, face_features
    multiplier, eps = MULTIPLIER if multiplier is None else multiplier, 1e-8 if eps is None else eps
    _check_corners(corners)
    _check_numbers(1, integer=True, height=height, width=width)
    _check_numbers(1e-6, multiplier=multiplier)
    _check_numbers(0.0, eps=eps)
    batch, faces = corners.shape[:2]
    check_shape("face_vertices_z", z, f"{batch} {faces} 3", like=corners)
    several = isinstance(features, (list, tuple))
    features = list(features) if several else [features]
    for k, feature in enumerate(features):
        name = f"face_features[{k}]" if several else "face_features"
        check_shape(name, feature, f"{batch} {faces} 3 D", like=corners)
    if valid_faces is not None:
        check_shape("valid_faces", valid_faces, f"{batch} {faces}", like=corners, dtype=torch.bool)
    size, constants = (int(height), int(width)), (float(multiplier), float(eps))
    (corners, *features), left = entered(corners, *features)
    module = choose(backend, corners.device)
    images, face_idx = module.rasterize(*size, z, corners, features, valid_faces, *constants)
    images = left(images)
    return tuple(images) if several else images[0], face_idx


def dibr_soft_mask(
    face_vertices_image,
    selected_face_idx,
    sigmainv=7000,
    boxlen=0.02,
    knum=30,
    multiplier=1000.0,
    backend=None,
):
    """A silhouette with a soft outer edge, through which pixels beside the outline pull at faces near them.

    face_vertices_image (B, F, 3, 2): corners on the image plane in NDC, [-1, 1], y up.
    selected_face_idx (B, H, W) int64: the face seen in each pixel, from `rasterize`; negative for none.
    sigmainv: sharpness, per squared NDC unit. boxlen: how far beyond its bounding box a face reaches, in NDC.
    knum: how many faces a pixel listens to, the first in face order.
    multiplier: coordinates are enlarged by it before pixels are compared with boxes.
    backend: None, "torch", "numba" or "kaolin".

    Returns (B, H, W): 1 where a face is seen, elsewhere 1 - prod_k (1 - exp(-sigmainv d_k^2)), d_k the
    distance in NDC from the pixel's centre to the outline of face k. Gradients flow to the nearest edge or
    corner of each face. CourseError if shapes, types or devices do not fit.

    Source: Chen et al., NeurIPS 2019, equations 5 and 6; conventions of kaolin 0.18.
    """
    corners, selected = face_vertices_image, selected_face_idx
    _check_corners(corners)
    _check_selected(selected, corners)
    _check_numbers(0.0, sigmainv=sigmainv, boxlen=boxlen)
    _check_numbers(0, integer=True, knum=knum)
    _check_numbers(1e-6, multiplier=multiplier)
    options = float(sigmainv), float(boxlen), int(knum), float(multiplier)
    (corners,), left = entered(corners)
    return left([choose(backend, corners.device).dibr_soft_mask(corners, selected, *options)])[0]


def nearest_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, aspect=1.0, backend=None):
    """A silhouette whose soft edge depends on the distance to the outline, not on the number of faces there.

    In `dibr_soft_mask` each nearby face adds its share, so that beside a fine mesh the mask saturates. Here
    only the nearest face counts: exp(-sigmainv d^2), d the distance to the union of all faces.

    face_vertices_image (B, F, 3, 2), selected_face_idx (B, H, W) int64, sigmainv, boxlen, backend: as in
    `dibr_soft_mask`; aspect: as in `squared_distances`.

    Returns (B, H, W): exp(-sigmainv d^2) of the `squared_distances`, so 1 where a face is seen, and 0 where
    none is near. CourseError if shapes, types or devices do not fit.
    """
    _check_numbers(0.0, sigmainv=sigmainv)
    squared = squared_distances(face_vertices_image, selected_face_idx, boxlen, aspect, backend)
    near = squared < torch.inf
    return torch.where(near, torch.exp(-float(sigmainv) * torch.where(near, squared, 0)), 0)


def squared_distances(face_vertices_image, selected_face_idx, boxlen, aspect=1.0, backend=None):
    """How far every pixel is from the nearest of the faces nearby, squared.

    face_vertices_image (B, F, 3, 2), selected_face_idx (B, H, W) int64, boxlen, backend: as in
    `dibr_soft_mask`.
    aspect: distances and boxlen are measured after x is multiplied by it; width / height makes them the same
    in all directions of the image (the unit is half the image's height).

    Returns (B, H, W): 0 where a face is seen, elsewhere min_k d_k^2 over all faces whose box, enlarged by
    boxlen, holds the pixel, and inf where there is none. Gradients flow to the nearest face's nearest edge or
    corner; of faces equally near to the first. CourseError if shapes, types or devices do not fit.
    """
    corners, selected = face_vertices_image, selected_face_idx
    _check_corners(corners)
    _check_selected(selected, corners)
    _check_numbers(0.0, boxlen=boxlen)
    _check_numbers(1e-6, aspect=aspect)
    (corners,), left = entered(corners)
    module = choose(backend, corners.device)
    return left([module.squared_distances(corners, selected, float(boxlen), float(aspect))])[0]


def warm(channels):
    """Compiles the kernels for features of these numbers of channels, values and gradients: seconds, once.

    Autograd's engine stays out of it: where it finds a GPU, it begins threads, and a process that is forked
    after that cannot differentiate.
    """
    corners = torch.rand(1, 2, 3, 2, requires_grad=True)
    features = [torch.rand(1, 2, 3, n, requires_grad=True) for n in channels]
    images, seen = rasterize(4, 4, torch.zeros(1, 2, 3), corners, features)
    mask = dibr_soft_mask(corners, seen)
    images[0].grad_fn.apply(None, *map(torch.ones_like, images))
    mask.grad_fn.apply(torch.ones_like(mask))
