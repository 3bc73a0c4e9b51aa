"""What answers for a solution that a release lacks: what the student kept, else a spare, else a message."""

import contextlib
import importlib
import io
import sys

from .errors import fold
from .keep import CHECKED, FOLDER, NotKept


def yours(module, name, asked, released):
    """What you kept of a solution that a release lacks, else what does meanwhile. -> the function

    module: that asks; asked: {function: (its exercise's number, "module.function" of the course that does for
    other lessons, or "")}; released: the lessons of the release, in words. Where something else does, what
    you kept is taken only if its check gave all points. Raises NotKept where there is neither.
    """
    if name.startswith("__"):
        raise AttributeError(name)
    if name not in asked:
        raise NotKept(f"""{module}.{name} is not part of this course folder, which is for {released}. For
            another lesson put its own zip beside the notebook, in a folder of its own, and run the first cell
            again.""")
    number, spare = asked[name]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = getattr(importlib.import_module(FOLDER), name)
        points, of = getattr(sys.modules.get(f"{FOLDER}.{name}"), CHECKED, (None, None))
    except Exception as error:  # not kept yet, or what was kept does not run any more
        why = f" (what you kept of it fails: {type(error).__name__}: {error})"
        if isinstance(error, ImportError):
            why = ""
        if not spare:
            raise NotKept(f"""{name} is exercise {number}, which is yours to write{why}: solve it, run
                keep({name}) there, and run this cell again. If {FOLDER} lies elsewhere, put it beside this
                notebook.""") from None
        print(
            f"{name} is exercise {number}, which you have not kept yet{why}; {spare} is used in this lesson."
        )
        return _course_function(spare)
    if points is not None and points >= of:
        print(f"{name}: your own, from {FOLDER}.")
        return found
    what = "was not checked before it was kept"
    if points is not None:
        what = f"had {points:g} of {of:g} points in its check"
    if not spare:
        print(f"{name}: your own, from {FOLDER}. It {what}: if something is odd below, look there first.")
        return found
    advice = fold(f"""For yours, run its check and keep({name}) again; to take it as it is, USE_MY_WORK =
        True.""")
    print(f"{name}: the one that you kept {what}, so {spare} is used in this lesson. {advice}")
    return _course_function(spare)


def _course_function(path):
    home, _, function = path.rpartition(".")
    return getattr(importlib.import_module(home), function)
