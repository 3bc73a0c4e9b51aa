"""Draws the map of rooms, assets/pictures/map.svg, from the code: `python assets/draw_map.py`.

A room is a package, a line in it is a module, in the order in which the package's docstring names them, with
the first words of its own docstring. An arrow is an import. A test compares the picture with the code.
"""

import ast
import re
import sys
import textwrap
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from course_lib.files import write  # noqa: E402

PICTURE = ROOT / "assets" / "pictures" / "map.svg"
# From the top down: who may import whom. The number of columns in which the modules stand.
ROOMS = {"dolphins": 2, "autograder": 3, "lessons": 3, "solutions": 3, "course_lib": 3}
WIDTH, GUTTER, PAD, GAP = 1120, 150, 14, 26
RIGHT = 10 + WIDTH - GUTTER  # of the rooms; the arrows are in the gutter beside them
STYLE = """text{font:12px system-ui,sans-serif;fill:#24313a}.room{font-weight:700;font-size:16px}
.name{font-weight:600;fill:#0b5394}.said{fill:#51606b;font-size:12px}
rect{fill:#f6f9fb;stroke:#9fb3c0}path{fill:none;stroke:#c8643c;stroke-width:1.6}
@media(prefers-color-scheme:dark){text{fill:#dbe5ec}.name{fill:#8cc4f0}.said{fill:#a8b7c2}
rect{fill:#17222b;stroke:#456}}"""
TIP = """<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0L8 4L0 8z" style="fill:#c8643c"/></marker>"""


def modules_of(room):
    """The modules and packages of a room, in the order in which its docstring names them. -> {name: path}

    Raises ValueError for one that the docstring does not name.
    """
    folder = ROOT / room
    found = {path.stem: path for path in folder.glob("[!_0-9]*.py")}
    found |= {path.parent.name: path for path in folder.glob("*/__init__.py")}
    said = re.findall(r"\w+", ast.get_docstring(ast.parse((folder / "__init__.py").read_text())))
    missing = sorted(set(found) - set(said))
    if missing:
        names = ", ".join(missing)
        raise ValueError(f"{room}/__init__.py names no {names}: say there what each module is for.")
    return {name: found[name] for name in sorted(found, key=said.index)}


def first_words(path):
    """The first sentence of a module's docstring; of a notebook's cells, which have none, its first words."""
    text = path.read_text()
    said = ast.get_docstring(ast.parse(text)) or re.search(r"^[#% ]*(?:\[markdown\]\n# # )?(.*)", text)[1]
    return re.split(r"[;.](?:\s|$)", " ".join(said.split()))[0]


def imports_between():
    """Which room imports which. -> set of (room, imported room)"""
    found = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module]
                found |= {(room, name.split(".")[0]) for name in names}
            found |= {(room, name) for name in re.findall(r'import_module\(f?"(\w+)', path.read_text())}
    return {(room, other) for room, other in found if other in ROOMS and other != room}


def draw_room(room, top):
    """The box of a room, `top` pixels from above. -> (lines of SVG, its height)"""
    columns, modules = ROOMS[room], modules_of(room)
    width = (WIDTH - GUTTER - 2 * PAD) / columns
    rows = -(-len(modules) // columns)
    heights, body = [0.0] * columns, []
    for k, (name, path) in enumerate(modules.items()):
        column = k // rows
        x, y = PAD + 10 + column * width, top + 44 + heights[column]
        title = f"{name}/" if path.name == "__init__.py" else name
        body.append(f'<text class="name" x="{x:.0f}" y="{y:.0f}">{title}</text>')
        lines = textwrap.wrap(first_words(path), int(width / 6.7), max_lines=2, placeholder=" …")
        for i, line in enumerate(lines, 1):
            body.append(f'<text class="said" x="{x:.0f}" y="{y + i * 15:.0f}">{escape(line)}</text>')
        heights[column] += 22 + 15 * len(lines)
    height = 36 + max(heights)
    what = escape(first_words(ROOT / room / "__init__.py").split(": ")[0])
    box = f'<rect x="10" y="{top}" width="{WIDTH - GUTTER}" height="{height:.0f}" rx="8"/>'
    head = f'<text class="room" x="24" y="{top + 24}">{room}/</text>'
    said = f'<text x="{44 + 10 * len(room)}" y="{top + 24}">{what}</text>'
    return [box, head, said, *body], height


def draw():
    """The picture. -> text of an SVG file"""
    place = list(ROOMS)
    parts, top, edges = [], 10, {}
    for room in ROOMS:
        lines, height = draw_room(room, top)
        parts += lines
        edges[room] = top, top + height
        top += height + GAP
    imports = sorted(imports_between(), key=lambda edge: [place.index(end) for end in edge])
    for lane, (room, other) in enumerate(imports):
        x, beyond = RIGHT + 14 + 11 * lane, 12 + 7 * (place.index(other) - place.index(room) - 1)
        way = f"M{RIGHT} {edges[room][1] - beyond:.0f}H{x}V{edges[other][0] + beyond:.0f}H{RIGHT + 3}"
        parts.append(f'<path d="{way}" marker-end="url(#tip)"/>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 20} {top:.0f}" role="img">'
    return "\n".join([head, f"<style>{STYLE}</style><defs>{TIP}</defs>", *parts, "</svg>\n"])


if __name__ == "__main__":
    print(write(PICTURE, draw()))
