"""A page for clicking the points from which a clip is segmented: `dolphins prompts`.

The page (course_lib.prompts) is a file with some of the clip's frames in it: what was clicked is saved by the
browser, as prompts.json, and taken from there with --take.
"""

import webbrowser

from course_lib import files, prompts
from course_lib.assets import find_pack
from course_lib.errors import CourseError

PAGE = "prompts.html"
EXAMPLE = (
    '{"frame": 0, "points": [[300, 210], [291, 258]], "labels": [1, 0]}, '
    "pixels of that frame in frames/, x and y; 1 on the animal, 0 beside it"
)


def make_page(pack, clip=None, show=True, say=print):
    """Writes the page into the clip's metadata/ and opens it in a browser. -> its path

    Raises CourseError where the pack cannot be read or the page not be written.
    """
    found = find_pack(pack, clip)
    command = f"dolphins prompts {found.root}" + (f" --clip {clip}" if clip else "") + " --take FILE"
    path = found.prompts_path.with_name(PAGE)
    try:
        files.write(path, prompts.page(found, command))
    except OSError as error:
        raise CourseError(f"{path} could not be written ({error.strerror or error}).") from None
    opened = show and webbrowser.open(path.resolve().as_uri())
    say(f"{path}: {'it is open in your browser' if opened else 'open it in a browser'}.")
    say(f"Click on the animal, on the sea around it, and save. Then take what was saved: {command}")
    say(f"Without a browser, write {found.prompts_path} yourself: {EXAMPLE}.")
    return path
