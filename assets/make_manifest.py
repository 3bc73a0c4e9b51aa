"""Writes the pack's manifest.json: what the pack is, and the SHA-256 of each of its files.

python assets/make_manifest.py [PACK]      to be run whenever a file of the pack has changed
"""

import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from course_lib import files  # noqa: E402

NAME, VERSION, CLIP = "Embedded dolphin", "1.0", "dolphin_drone_640x360"
INIT_ROT_UP_DEG = -90.0  # the one heading from which the tutorial's recipe starts every frame of this clip


def write(pack):
    """Writes PACK/manifest.json anew. -> its dictionary"""
    pack = Path(pack)
    aside = (".", "manifest.json")
    listed = sorted(p for p in pack.rglob("*") if p.is_file() and not p.name.startswith(aside))
    manifest = {
        "name": NAME,
        "version": VERSION,
        "license": "CC0-1.0",
        "clip": CLIP,
        "init_rot_up_deg": INIT_ROT_UP_DEG,
        "files": {p.relative_to(pack).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in listed},
    }
    files.write(pack / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    return manifest


if __name__ == "__main__":
    made = write(sys.argv[1] if len(sys.argv) > 1 else ROOT / "assets" / "pack")
    print(f"{len(made['files'])} files")
