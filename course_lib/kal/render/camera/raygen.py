"""Rays through the pixels of pinhole cameras."""

import torch

from ....errors import CourseError


def generate_centered_pixel_coords(img_width, img_height, device=None):
    """Image coordinates of the pixel centres, in pixels from the top left corner. -> two float tensors (H, W)

    First the rows v = 0.5, 1.5, ..., downwards, then the columns u, to the right.
    """
    rows = torch.arange(img_height, device=device, dtype=torch.float32) + 0.5
    columns = torch.arange(img_width, device=device, dtype=torch.float32) + 0.5
    return torch.meshgrid(rows, columns, indexing="ij")


def generate_pinhole_rays(camera, coords_grid=None):
    """World-space rays from one camera's centre through points of its image. -> origins, directions (N, 3)

    N = H * W if no grid is given; directions have length 1. The origins are one point, expanded: copy them
    before writing into them. Raises CourseError for a batch of several cameras.

    camera: a batch of one (for more, see `pinhole_ray_directions`).
    coords_grid: rows v and columns u, two tensors of one shape, as `generate_centered_pixel_coords` makes
        them; None means every pixel's centre, row by row.
    """
    if len(camera) != 1:
        raise CourseError(f"""generate_pinhole_rays takes one camera, got a batch of {len(camera)}; iterate
            over the batch, or use pinhole_ray_directions""")
    directions = pinhole_ray_directions(camera, coords_grid).reshape(-1, 3)
    return camera.extrinsics.cam_pos().reshape(1, 3).expand_as(directions), directions


def pinhole_ray_directions(camera, coords_grid=None, pixels=None):
    """Unit directions, in the world, of rays through points of the image, for a batch. -> (C, *S, 3)

    With the camera's axes right, up and backward (rows of R), u to the right and v down from the top left:

        d = (u - W / 2 - x0) / focal_x * right + (H / 2 - v - y0) / focal_y * up - backward,   normalised

    kaolin has this for one camera only, in `generate_pinhole_rays`.

    camera: C cameras.
    coords_grid: rows v and columns u, two tensors that broadcast to one shape S, the same for all cameras;
        None means the pixel centres: S = (H, W).
    pixels: instead of a grid the numbers (N,) of pixels, counted row by row through all images. Then the
        result is (N, 3), the rays through their centres.
    """
    lens, dtype, device = camera.intrinsics, camera.dtype, camera.device
    which = None
    if pixels is not None:
        which, within = pixels // (lens.height * lens.width), pixels % (lens.height * lens.width)
        v, u = (within // lens.width).to(dtype) + 0.5, (within % lens.width).to(dtype) + 0.5  # (N,)
    elif coords_grid is None:  # a column and a row, not a grid: most of the work is done on them
        v = torch.arange(lens.height, dtype=dtype, device=device)[:, None] + 0.5  # (H, 1)
        u = torch.arange(lens.width, dtype=dtype, device=device)[None, :] + 0.5  # (1, W)
    else:
        v, u = (points.to(device, dtype) for points in coords_grid)
        v, u = torch.broadcast_tensors(v, u)
    each = (-1,) + (1,) * (u.ndim if which is None else 0)  # one value per camera, or per pixel
    params, axes = (given if which is None else given[which] for given in (lens.params, camera.extrinsics.R))
    x0, y0, focal_x, focal_y = (value.reshape(each) for value in params.unbind(dim=1))
    # offsets before the focal length: the pixels of a window get the very rays they have in the full image
    x = (u - lens.width / 2 - x0) / focal_x  # (C, 1, W) or (C, *S) or (N,)
    y = (lens.height / 2 - v - y0) / focal_y  # (C, H, 1) or (C, *S) or (N,)
    right, up, backward = (axis.reshape(each + (3,)) for axis in axes.unbind(dim=1))
    directions = x.unsqueeze(-1) * right + (y.unsqueeze(-1) * up - backward)  # (C, *S, 3)
    return directions * torch.rsqrt(x * x + (y * y + 1)).unsqueeze(-1)  # the axes are orthonormal
