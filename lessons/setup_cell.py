# Finds the course, in a folder or in the zip beside this notebook. Run it at any time.
import importlib.util, pathlib, sys, zipfile

here = pathlib.Path.cwd()
places = [here, *here.parents, here / "dolphins-in-3d"]
for path in sorted(here.glob("dolphins*.zip"), key=lambda path: -path.stat().st_mtime):
    if zipfile.is_zipfile(path):  # Python imports from it; then it unpacks itself
        places += [zipfile.Path(path), *zipfile.Path(path).iterdir()]
sys.path[:0] = [str(p) for p in places if (p / "course_lib/__init__.py").is_file()][:1]
if not importlib.util.find_spec("course_lib"):
    there = ", ".join(path.name for path in here.glob("dolphins*")) or "none yet"
    error = ModuleNotFoundError(
        f"The course is not ready: put dolphins-in-3d.zip, whole, into {here}, beside "
        f"this notebook (found: {there}), and run this cell again. On Colab: click the "
        "folder sign on the left, and drag the zip there."
    )
    error._render_traceback_ = lambda: [str(error)]  # a line instead of a traceback
    raise error
