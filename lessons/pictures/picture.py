"""What the pictures' programs share: small files, and the embedded clip with its ready fit."""

import io
from pathlib import Path

from PIL import Image

from course_lib.assets import find_pack, ready_fit
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from solutions.rotations import batch_rodrigues

HERE = Path(__file__).parent


def fitted_clip(rodrigues=batch_rodrigues):
    """The embedded clip and its ready fit. -> SegmentedVideo, DolphinScene"""
    pack = find_pack()
    dataset = SegmentedVideo(pack)
    scene = DolphinScene(DolphinModel(pack, rodrigues=rodrigues), len(dataset))
    scene.load(ready_fit("default"))
    return dataset, scene


def image_of(figure, dpi=110):
    """A matplotlib Figure as a PIL image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi, format="png", facecolor=figure.get_facecolor())
    return Image.open(buffer).convert("RGB")


def write(image, name, colours=80):
    """Writes an image with few colours (0: with all): a small PNG, and the same bytes each time."""
    image = image.convert("RGB")
    image = image.quantize(colours, dither=Image.Dither.NONE) if colours else image
    image.save(HERE / f"{name}.png", optimize=True)
