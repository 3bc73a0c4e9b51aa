"""The public functions: what goes in is checked here, and sent to the backend that is asked for or fits the
device."""

import functools
import importlib
import math
import numbers

import torch

from course_lib.errors import CourseError

BACKENDS = ("torch", "numba", "kaolin")


@functools.cache
def load(name):
    """The module of a backend and None, or None and the reason why there is none."""
    module = {"torch": "reference", "numba": "compiled", "kaolin": "kaolin_backend"}[name]
    try:
        return importlib.import_module(f"{__package__}.{module}"), None
    except Exception as error:  # not installed, built for other versions, ...: all the same to us
        return None, f"{type(error).__name__}: {error}"


def available_backends(device="cpu"):
    """Names of the backends that work on a device, the best first."""
    if torch.device(device).type == "cpu":
        return [name for name in ("numba", "torch") if load(name)[0]]
    if torch.device(device).type == "cuda":
        return [name for name in ("kaolin", "torch") if load(name)[0]]
    return ["torch"]


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


def describe(value):
    """What a person gave, in a few words."""
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)} of {value.dtype} on {value.device}"
    return f"{type(value).__name__} {value!r}"[:80]


def expect(name, value, shape, like=None, dtype=None):
    """Raise CourseError unless a tensor has the shape (None: any size) and the type and device of `like`."""
    wanted = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
    if (
        not isinstance(value, torch.Tensor)
        or value.dim() != len(shape)
        or any(size is not None and size != got for size, got in zip(shape, value.shape))
    ):
        raise CourseError(f"{name}: got {describe(value)}, expected a tensor of shape {wanted}.")
    if like is not None and value.device != like.device:
        raise CourseError(f"""{name}: got {describe(value)}, expected it on {like.device}, where
            face_vertices_image is. Move it with .to({str(like.device)!r}).""")
    dtype = dtype or (like.dtype if like is not None else value.dtype)
    if value.dtype != dtype:
        raise CourseError(f"{name}: got {describe(value)}, expected {dtype}. Convert it with .to({dtype}).")


def expect_corners(face_vertices_image):
    expect("face_vertices_image", face_vertices_image, (None, None, 3, 2))
    if face_vertices_image.dtype not in (torch.float32, torch.float64):
        raise CourseError(f"""face_vertices_image: got {describe(face_vertices_image)}, expected float32 or
            float64. Convert it with .float().""")


def expect_number(name, value, low, integer=False):
    kind = numbers.Integral if integer else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value) or value < low:
        wanted = "a whole" if integer else "a finite"
        raise CourseError(f"{name}: got {describe(value)}, expected {wanted} number that is {low} or more.")


def expect_selected(selected_face_idx, face_vertices_image):
    expect(
        "selected_face_idx",
        selected_face_idx,
        (len(face_vertices_image), None, None),
        like=face_vertices_image,
        dtype=torch.int64,
    )


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
    expect_corners(face_vertices_image)
    expect_number("height", height, 1, integer=True)
    expect_number("width", width, 1, integer=True)
    multiplier, eps = 1000.0 if multiplier is None else multiplier, 1e-8 if eps is None else eps
    expect_number("multiplier", multiplier, 1e-6)
    expect_number("eps", eps, 0.0)
    batch, faces = face_vertices_image.shape[:2]
    expect("face_vertices_z", face_vertices_z, (batch, faces, 3), like=face_vertices_image)
    several = isinstance(face_features, (list, tuple))
    features = list(face_features) if several else [face_features]
    for k, feature in enumerate(features):
        expect(
            f"face_features[{k}]" if several else "face_features",
            feature,
            (batch, faces, 3, None),
            like=face_vertices_image,
        )
    if valid_faces is not None:
        expect("valid_faces", valid_faces, (batch, faces), like=face_vertices_image, dtype=torch.bool)
    images, face_idx = choose(backend, face_vertices_image.device).rasterize(
        int(height),
        int(width),
        face_vertices_z,
        face_vertices_image,
        features,
        valid_faces,
        float(multiplier),
        float(eps),
    )
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
    expect_corners(face_vertices_image)
    expect_selected(selected_face_idx, face_vertices_image)
    expect_number("sigmainv", sigmainv, 0.0)
    expect_number("boxlen", boxlen, 0.0)
    expect_number("knum", knum, 0, integer=True)
    expect_number("multiplier", multiplier, 1e-6)
    return choose(backend, face_vertices_image.device).dibr_soft_mask(
        face_vertices_image, selected_face_idx, float(sigmainv), float(boxlen), int(knum), float(multiplier)
    )


def nearest_soft_mask(face_vertices_image, selected_face_idx, sigmainv, boxlen, aspect=1.0, backend=None):
    """A silhouette whose soft edge depends on the distance to the outline, not on the number of faces there.

    In `dibr_soft_mask` each nearby face adds its claim, so that beside a fine mesh the mask saturates. Here
    only the nearest face counts: exp(-sigmainv d^2), d the distance to the union of all faces.

    face_vertices_image (B, F, 3, 2), selected_face_idx (B, H, W) int64, sigmainv, boxlen, backend: as in
    `dibr_soft_mask`.
    aspect: distances, sigmainv and boxlen are measured after x is multiplied by it; width / height makes them
    the same in all directions of the image (the unit is half the image's height).

    Returns (B, H, W): 1 where a face is seen, elsewhere exp(-sigmainv min_k d_k^2) over all faces whose box,
    enlarged by boxlen, holds the pixel, and 0 where there is none. Gradients flow to the nearest face's
    nearest edge or corner; of faces equally near to the first. CourseError if shapes, types or devices do not
    fit.
    """
    expect_corners(face_vertices_image)
    expect_selected(selected_face_idx, face_vertices_image)
    expect_number("sigmainv", sigmainv, 0.0)
    expect_number("boxlen", boxlen, 0.0)
    expect_number("aspect", aspect, 1e-6)
    return choose(backend, face_vertices_image.device).nearest_soft_mask(
        face_vertices_image, selected_face_idx, float(sigmainv), float(boxlen), float(aspect)
    )
