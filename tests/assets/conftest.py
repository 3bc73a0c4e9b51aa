"""The programs under assets/, which are no package, can be imported by their tests."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "assets")]
