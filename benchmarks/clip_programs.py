"""The programs in assets/ that draw the embedded clip: they are no package."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "assets")]

import make_clip  # noqa: E402
from make_template import volume  # noqa: E402

__all__ = ["make_clip", "volume"]
