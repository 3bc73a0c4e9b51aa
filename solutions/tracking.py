"""Exercise 3: from points in the world to pixels, and the dolphin's track over the frame."""

import torch


def project_to_pixels(points, cameras):
    """Where the cameras see the points, in pixels. -> (B, N, 2), x right, y down

    points: (B, N, 3), metres; cameras: a batch of B. (0, 0) is the centre of the upper
    left pixel. The camera gives normalised coordinates in [-1, 1] with y up. Pixel (row
    j, column i) of a W x H image has its centre at x = (2 i + 1 - W) / W and
    y = (H - 2 j - 1) / H; solve these for i and j.
    """
    normalized = cameras.transform(points)[..., :2]  # (B, N, 2)
    x, y = normalized.unbind(-1)
    width, height = cameras.width, cameras.height
    return torch.stack([((x + 1) * width - 1) / 2, ((1 - y) * height - 1) / 2], dim=-1)


def draw_track(pixels, resolution):
    """Draws pixels on black, from dark (the first) to light (the last). -> (H, W, 3)

    pixels: (T, 2), x and y; resolution: (W, H). The image has floats in [0, 1]. Pixels
    outside are left out.
    """
    from matplotlib import colormaps

    width, height = resolution
    image = torch.zeros(height, width, 3)
    order = torch.linspace(0, 1, len(pixels)).numpy()
    colors = torch.as_tensor(colormaps["plasma"](order)[:, :3]).float()  # (T, 3)
    columns, rows = pixels.round().long().unbind(-1)  # (T,) each
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    # in order of time: where two fall together, the later one is seen
    for row, column, color in zip(rows[inside], columns[inside], colors[inside]):
        image[row, column] = color
    return image
