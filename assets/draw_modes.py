"""Draws the shape modes of the embedded template, each at two standard deviations: pictures/shape_modes.png.

python assets/draw_modes.py
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from course_lib.assets import find_pack  # noqa: E402
from course_lib.dolphin_model import DolphinModel  # noqa: E402

LESS, MORE, BOTH, PAPER = (66, 135, 190), (233, 150, 70), (178, 180, 184), (255, 255, 255)
COLUMNS, SIZE, METRE = 4, (330, 150), 102  # pictures in a row, pixels of each, pixels of a metre


def covered(vertices, faces):
    """Where a mesh is seen from above, rostrum to the right. -> (H, W) bool, at four times SIZE"""
    width, height = 4 * SIZE[0], 4 * SIZE[1]
    points = [0.54 * width, 0.57 * height] + 4 * METRE * vertices[:, [2, 0]]
    out = np.zeros((height, width), np.uint8)
    for triangle in np.round(points[faces]).astype(np.int32):
        cv2.fillConvexPoly(out, triangle, 1)
    return out > 0


def main():
    """The command line."""
    model = DolphinModel(find_pack())
    faces, tiles = model.F.numpy(), []
    for k, name in enumerate(model.mode_names):
        numbers, seen = torch.zeros(len(model.mode_names)), []
        for deviation in (-2.0, 2.0):
            numbers[k] = deviation
            seen.append(covered((model.shaped(numbers)[0] * model.global_scale).numpy(), faces))
        picture = np.full((*seen[0].shape, 3), PAPER, np.uint8)
        for where, colour in (
            (seen[0] & ~seen[1], LESS),
            (seen[1] & ~seen[0], MORE),
            (seen[0] & seen[1], BOTH),
        ):
            picture[where] = colour
        picture = cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)
        cv2.putText(picture, name, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (60, 60, 60), 1, cv2.LINE_AA)
        tiles.append(picture)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.concatenate(rows)).save(
        ROOT / "assets" / "pictures" / "shape_modes.png", optimize=True
    )


if __name__ == "__main__":
    main()
