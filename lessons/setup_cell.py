# Finds the course, or gets it. Run this cell first; you can run it again whenever you like.
import importlib.util
import pathlib
import shutil
import sys
import urllib.request
import zipfile

REPOSITORY = ""  # owner/name on GitHub, once the course is published
here = pathlib.Path.cwd()
folder, part = here / "dolphins-in-3d", here / "dolphins-in-3d.part"


class Stop(Exception):  # shown as one line, without a traceback
    def _render_traceback_(self):
        return [f"The course is not ready: {self}"]


def find_course(places):
    return next((place for place in places if (place / "course_lib" / "__init__.py").is_file()), None)


def fetch():
    url, some = f"https://github.com/{REPOSITORY}/archive/HEAD.zip", here / "dolphins-in-3d.zip.part"
    try:
        with urllib.request.urlopen(url, timeout=60) as source, some.open("wb") as out:
            shutil.copyfileobj(source, out)
    except OSError as error:
        raise Stop(f"{url} cannot be downloaded ({error}). Run this cell again.") from None
    return some.rename(here / "dolphins-in-3d.zip")


def unpack(archive):  # all of it, or nothing
    shutil.rmtree(part, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > 500e6:
                raise Stop(f"{archive.name} unpacks to more than 500 MB. Is it the course?")
            packed.extractall(part)
        found = find_course([part, *part.iterdir()])
        if found is None:
            raise Stop(f"{archive.name} is a zip of something else: it has no course_lib.")
        found.rename(folder)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError) as error:
        mend = "Get it again; if there is a folder dolphins-in-3d beside it, delete that first."
        raise Stop(f"{archive.name} cannot be unpacked ({error}). {mend}") from None
    shutil.rmtree(part, ignore_errors=True)
    print(f"The course was unpacked from {archive.name}.")
    return folder


course = find_course([here, *here.parents, folder])
if course is None and not importlib.util.find_spec("course_lib"):
    zips = sorted(here.glob("dolphins*.zip"), key=lambda path: path.stat().st_mtime)
    if not (zips or REPOSITORY):
        place = f"{here}, beside this notebook (on Colab: the folder sign on the left, drag it there)"
        raise Stop(f"put dolphins-in-3d.zip into {place}, and run this cell again.")
    course = unpack(zips[-1] if zips else fetch())
if course and str(course) not in sys.path:
    sys.path.insert(0, str(course))
