"""A page for clicking the points from which a clip is segmented: `dolphins prompts`.

The page is a file with some of the clip's frames in it. It asks nobody for anything and sends nothing: what
was clicked is saved by the browser, as prompts.json, and taken from there with --take.
"""

import base64
import io
import webbrowser
from pathlib import Path

import numpy as np
from PIL import Image

from course_lib import files
from course_lib.assets import clip_files, find_pack
from course_lib.assets.clip_info import read_clip_info
from course_lib.errors import CourseError

PAGE = "prompts.html"
MOST_FRAMES = 9  # in the page


def make_page(pack, clip=None, show=True, say=print):
    """Writes the page into the clip's metadata/ and opens it in a browser. -> its path

    Raises CourseError where the pack cannot be read or the page not be written.
    """
    import jinja2

    found = find_pack(pack, clip)
    paths, size, lens = _frames(found)
    chosen = sorted({round(t) for t in np.linspace(0, len(paths) - 1, min(MOST_FRAMES, len(paths)))})
    pictures = {t: _data(clip_files.read_image(paths[t], "RGB", size, paths[0], lens)) for t in chosen}
    there = (
        clip_files.load_prompts(found.prompts_path, size, len(paths)) if found.prompts_path.exists() else None
    )
    command = f"dolphins prompts {found.root}" + (f" --clip {clip}" if clip else "") + " --take FILE"
    blocks = dict(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    loader = jinja2.FileSystemLoader(Path(__file__).with_name("pages"))
    page = jinja2.Environment(loader=loader, **blocks).get_template("prompts.html.j2")
    about = dict(name=found.clip_name, width=size[0], height=size[1], pictures=pictures, there=there)
    path = found.prompts_path.with_name(PAGE)
    try:
        files.write(path, page.render(**about, command=command))
    except OSError as error:
        raise CourseError(f"{path} could not be written ({error.strerror or error}).") from None
    opened = show and webbrowser.open(path.resolve().as_uri())
    say(f"{path}: {'it is open in your browser' if opened else 'open it in a browser'}.")
    say(f"Click on the animal, on the sea around it, and save. Then take what was saved: {command}")
    return path


def take(pack, saved, clip=None, force=False, say=print):
    """Checks points that the page saved, and puts them where segmenting looks for them. -> their path

    Raises CourseError for points that are not of this clip, and where there are others, unless forced.
    """
    found = find_pack(pack, clip)
    paths, size, _ = _frames(found)
    prompts = clip_files.load_prompts(Path(saved), size, len(paths))
    path = found.prompts_path
    if path.exists() and not force and path.read_bytes() != Path(saved).read_bytes():
        raise CourseError(f"{path} is there already; nothing was changed. Replace it with --force.")
    files.write(path, Path(saved).read_bytes())
    on = sum(prompts["labels"])
    counts = f"{on} points on the animal, {len(prompts['labels']) - on} beside it"
    say(f"{path}: {counts}, on frame {prompts['frame']}.")
    say(f"Next: dolphins segment --pack {found.root}" + (f" --clip {clip}" if clip else ""))
    return path


def _frames(pack):
    """The frames' paths, their size and the lens whose distortion is undone."""
    paths = clip_files.numbered_images(pack.frames_dir, clip_files.FRAME_SUFFIXES)
    size = clip_files.image_size(paths[0])
    return paths, size, read_clip_info(pack.clip_dir, len(paths), size).lens


def _data(image):
    """A picture as an address that holds it."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=92)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")
