"""Makes the site, out/site/: `make site`, or `python -m website`. out/.site/ keeps what it ran for the next.

With DOLPHINS_SMALL=1 in two minutes, of the lessons' small sizes and a demo of a few frames: to try it.
"""

import sys

from course_lib.errors import CourseError
from course_lib.machine import small
from lessons.build import ROOT

from .build import build

SMALL = ("--frames", "12", "--epochs", "3")


def main():
    """Makes the site, and says where it is. Exit code 1 with one message where it cannot be made."""
    if sys.argv[1:]:
        sys.exit(f"python -m website takes no arguments.\n\n{__doc__}")
    try:
        page = build(ROOT / "out/site", ROOT / "out/.site", SMALL if small() else ())
    except CourseError as error:
        sys.exit(f"\n{error}")
    size = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file()) / 1e6
    print(f"The site is {page}, {size:.0f} MB; open it in a browser.")


if __name__ == "__main__":
    main()
