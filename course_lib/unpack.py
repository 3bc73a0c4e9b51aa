"""The course out of its zip: how a notebook begins that lies alone beside the zip.

Python imports from a zip, so the notebook's first cell only puts the zip on the path. What is imported first,
`course_lib`, then unpacks all of it, and goes on from the folder.
"""

import contextlib
import shutil
import sys
import zipfile
from pathlib import Path

from .errors import CourseError

FOLDER = "dolphins-in-3d"  # what it becomes, beside the zip
MOST = 500e6  # bytes


def unpack(module):
    """Unpacks the zip in which a file of `course_lib` lies, whole or not at all. -> folder of `course_lib`

    module: ".../dolphins-in-3d.zip/dolphins-in-3d/course_lib/__init__.py" or the like. In sys.path the folder
    takes the place of the zip. Raises CourseError where the zip is damaged or too large, or the folder taken.
    """
    archive = next(path for path in Path(module).parents if path.is_file())
    top = Path(module).parents[1].relative_to(archive)  # the course's folder in the zip, "." if it has none
    folder, part = archive.with_name(FOLDER), archive.with_name(f"{FOLDER}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > MOST:
                raise ValueError(f"it unpacks to more than {MOST / 1e6:.0f} MB")
            packed.extractall(part)
        (part / top).rename(folder)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError) as error:
        raise CourseError(f"""{archive.name} cannot be unpacked ({error}). Get it again; if there is a folder
            {FOLDER} beside it, delete that first.""") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    with contextlib.suppress(ValueError):
        sys.path.remove(next(path for path in sys.path if Path(path) == archive / top))
    sys.path.insert(0, str(folder))
    print(f"The course was unpacked from {archive.name}.")
    return folder / "course_lib"
