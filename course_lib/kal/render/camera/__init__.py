"""Pinhole cameras: world -> camera space (extrinsics) -> normalised device coordinates (intrinsics)."""

from .camera import Camera
from .extrinsics import CameraExtrinsics
from .intrinsics import CameraFOV, PinholeIntrinsics
from .raygen import generate_centered_pixel_coords, generate_pinhole_rays, pinhole_ray_directions
