"""A pack and a zip laid out as the tutorial's: the model of tests/golden/tutorial and a clip drawn here."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from course_lib.dolphin_model import MODEL_FILES

GOLDEN_MODEL = Path(__file__).parent / "golden" / "tutorial"
TUTORIAL_CLIP = "2024_08_20_DF2_S8_SW_TT_ELM-fb_23450-fe_23950"


def build_pack(root, n_frames=5, size=(64, 36), segmented=True, model="dolphin_model.pkl"):
    """Writes the folder `root`: model/ and data/CLIP/, with masks and prompts where it is segmented.

    As in the tutorial, masks are RGB and altitudes more than frames.
    """
    root = Path(root)
    (root / "model").mkdir(parents=True)
    for name in ("dolphin_template.mtl", *MODEL_FILES.values()):
        shutil.copy(GOLDEN_MODEL / (model if name == "dolphin_model.pkl" else name), root / "model" / name)
    clip = root / "data" / TUTORIAL_CLIP
    frames, masks, metadata = clip / "frames", clip / "segmentation", clip / "metadata"
    for folder in (frames, metadata, *([masks] if segmented else [])):
        folder.mkdir(parents=True)
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    water = np.stack([60 + 0 * rows, 90 + 40 * rows / height, 120 + 30 * columns / width], axis=-1)
    for t in range(n_frames):
        frame, mask = Image.fromarray(water.astype(np.uint8)), Image.new("L", size)
        x, y = width * (0.3 + 0.4 * t / max(1, n_frames)), height / 2
        body = (x - width / 8, y - height / 12, x + width / 8, y + height / 12)
        ImageDraw.Draw(frame).ellipse(body, fill=(70, 80, 90))
        ImageDraw.Draw(mask).ellipse(body, fill=255)
        frame.save(frames / f"{t:06d}.jpg", quality=90)
        if segmented:
            mask.convert("RGB").save(masks / f"{t:06d}.png")
    np.save(metadata / "altitude.npy", 1000.0 + np.arange(500))
    if segmented:
        points = {"frame": 0, "points": [[width * 0.3, height / 2], [1, 1]], "labels": [1, 0]}
        (metadata / "prompts.json").write_text(json.dumps(points))
    return root


def zip_folder(folder, zip_path, prefix=""):
    """Zips the contents of `folder`, each name with `prefix` before it."""
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, prefix + path.relative_to(folder).as_posix())
    return zip_path


def build_zip(folder, prefix="", **pack):
    """A zip laid out as the tutorial's stag_dolphins_assets.zip (no masks, no prompts), made in `folder`."""
    unpacked = build_pack(folder / "unpacked", segmented=False, **pack)
    return zip_folder(unpacked, folder / "stag_dolphins_assets.zip", prefix)
