"""Points to segment a clip from, clicked on a page: in a notebook, or in a browser (`dolphins prompts`).

    from course_lib import prompts
    prompts.ask("my_clip")                 # in a cell: click on the animal, and on the sea beside it
    prompts.save("my_clip", {...})         # the line that the page shows, pasted into the next cell

The page holds some of the clip's frames. It asks nobody for anything and sends nothing, and nothing need be
installed: a cell shows it as plain HTML, as maps and figures are shown in JupyterLab, VS Code and Colab. The
price is that what was clicked comes back to Python by hand: as a line to paste, or as the file prompts.json
that the browser saves. Tried in JupyterLab.
"""

import base64
import html
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from . import files
from .assets import AssetPack, clip_files, find_pack
from .assets.clip_info import read_clip_info
from .errors import CourseError

MOST_FRAMES = 9  # in the page
CELL_HEIGHT = 800  # of the page in a notebook, pixels


class InCell:
    """What a notebook shows of the page: `html` holds the whole of it."""

    def __init__(self, html):
        self.html = html

    def _repr_html_(self):
        return self.html

    def __repr__(self):
        return "<a page for clicking points; it shows in a notebook>"


def ask(pack, clip=None):
    """Shows the page in a notebook's cell, which ends in this call. -> InCell

    pack: its folder or an `AssetPack`; clip: which of its clips. Raises CourseError where it cannot be read.
    """
    found = _found(pack, clip)
    more = f", clip={clip!r}" if clip else ""
    more += ", force=True" if found.prompts_path.exists() else ""
    text = page(found, line=[f"prompts.save({str(found.root)!r}, ", f"{more})"])
    style = f"width:100%;height:{CELL_HEIGHT}px;border:0"
    title = f"points on {html.escape(found.clip_name)}"
    return InCell(f'<iframe title="{title}" style="{style}" srcdoc="{html.escape(text)}"></iframe>')


def page(found, command=None, line=None):
    """The page for the clip of an `AssetPack`, as the text of a html file.

    command: to be typed when prompts.json was saved; line: what stands before and after the points in a line
    of Python that takes them, for a notebook.
    """
    import jinja2

    paths, size, lens = _frames(found)
    chosen = sorted({round(t) for t in np.linspace(0, len(paths) - 1, min(MOST_FRAMES, len(paths)))})
    if there := _there(found, size, len(paths)):
        chosen = sorted({*chosen, there["frame"]})
    pictures = {t: _data(clip_files.read_image(paths[t], "RGB", size, paths[0], lens)) for t in chosen}
    blocks = dict(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    loader = jinja2.FileSystemLoader(Path(__file__).with_name("pages"))
    template = jinja2.Environment(loader=loader, **blocks).get_template("prompts.html.j2")
    about = dict(name=found.clip_name, width=size[0], height=size[1], pictures=pictures, there=there)
    return template.render(**about, command=command, line=line)


def save(pack, prompts, clip=None, force=False, say=print):
    """Checks points, and puts them where segmenting looks for them.

    prompts: as the page gives them, {"frame": ..., "points": ..., "labels": ...}, or the path of the
    prompts.json that it saved. Raises CourseError for points that are not of this clip, and where there are
    others, unless forced.
    """
    found = _found(pack, clip)
    paths, size, _ = _frames(found)
    name = "the points" if isinstance(prompts, dict) else Path(prompts)
    prompts = prompts if isinstance(prompts, dict) else clip_files.read_json(name)
    clip_files.check_prompts(prompts, name, size, len(paths))
    path = found.prompts_path
    if path.exists() and not force and _there(found, size, len(paths)) != prompts:
        raise CourseError(f"""{path} is there already; nothing was changed. Replace it with --force (in a
            notebook: force=True).""")
    files.write(path, json.dumps(prompts) + "\n")
    on = sum(prompts["labels"])
    counts = f"{on} point{'s' * (on > 1)} on the animal, {len(prompts['labels']) - on} beside it"
    say(f"{path}: {counts}, on frame {prompts['frame']}.")
    say(f"Next: dolphins segment --pack {found.root}" + (f" --clip {clip}" if clip else ""))


def _there(found, size_wh, n_frames):
    """The points that the clip has; None where there are none, or what is there is to be clicked anew."""
    try:
        return clip_files.load_prompts(found.prompts_path, size_wh, n_frames)
    except CourseError:
        return None


def _found(pack, clip):
    if not isinstance(pack, AssetPack):
        return find_pack(pack, clip)
    return pack if clip is None else find_pack(pack.root, clip)


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
