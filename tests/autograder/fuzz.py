"""Files as no student makes them, at random but always the same of a seed: zips, notebooks, rosters.

`python -m tests.autograder.fuzz --zips 10000 --notebooks 500` collects, grades and reports them beside honest
students, and says whether these have what they have alone. test_fuzz.py does so with few.
"""

import argparse
import copy
import io
import json
import random
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

from lessons.build import SOLVED, STUDENT

from .helpers import LESSON

HONEST = ("ada", "emmy")
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ABSURD = (None, True, -1, 2**63, 1e308, "", "\0", "\ud800", "x" * 5000, [], {}, [[]], {"a": None}, ["x", 7])
# What JSON's readers take, or are known to stumble over.
RAW = (b"NaN", b"-Infinity", b"1" * 5000, b'{"a": 1, "a": 2}', b"[" * 3000 + b"]" * 3000, b"0x" + b"f" * 6000)
BROKEN_CODE = (
    "x = 0x" + "f" * 6000,
    "x = " + "(" * 500,
    "\\" * 3000,
    "x = 1_" + "0" * 5000,
    "\udcff",
    "\f" * 99,
)


def flipped(rng, data):
    """Bytes with a few of them changed, lost, doubled, or cut off."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        at = rng.randrange(len(data) or 1)
        match rng.randrange(6):
            case 0 | 1 | 2 if data:
                data[at] ^= 1 << rng.randrange(8)
            case 3 if data:
                data[at] = rng.choice((0, 0xFF, rng.randrange(256)))
            case 4:
                data[at:at] = data[at : at + rng.randrange(1, 40)]
            case 5:
                del data[at : at + rng.randrange(1, 40)]
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data)


def zip_of(rng, files):
    """A zip of any kind: one of the compressions, zip64, as if encrypted, with a comment, in another zip."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", rng.choice(KINDS)) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in files.items():
            with archive.open(name, "w", force_zip64=rng.random() < 0.2) as file:
                file.write(data)
        archive.comment = rng.randbytes(rng.choice((0, 0, 30)))
    data = target.getvalue()
    if rng.random() < 0.1:
        data = data.replace(b"\x00\x00", b"\x01\x00", 2)
    return zip_of(rng, {"inner.zip": data}) if rng.random() < 0.1 else data


def notebook_of(rng, data):
    """A notebook with wrong values in any place, by its structure or by its bytes."""
    if rng.random() < 0.3:
        return flipped(rng, data)
    notebook = json.loads(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        place, key = _place_in(rng, notebook)
        place[key] = copy.deepcopy(rng.choice((*ABSURD, "RAW", rng.choice(BROKEN_CODE))))
    text = json.dumps(notebook).encode("utf-8", "surrogatepass")
    while b'"RAW"' in text:
        text = text.replace(b'"RAW"', rng.choice(RAW), 1)
    return flipped(rng, text) if rng.random() < 0.1 else text


def _place_in(rng, value):
    """Any place in a JSON value. -> a list or dict, an index or key of it"""
    while True:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = rng.choice(keys)
        inner = value[key]
        if not (isinstance(inner, (dict, list)) and inner) or rng.random() < 0.2:
            return value, key
        value = inner


def table_of(rng, text):
    """A roster or worksheet as any bytes."""
    encoded = text.encode(rng.choice(("utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace")
    return rng.choice((flipped(rng, encoded), rng.randbytes(rng.randrange(300)), encoded * 2))


def lay(folder, seed, zips, notebooks):
    """A download of honest and mutated work, STUDENT/..., and the roster of its students. -> the roster"""
    rng, ids = random.Random(seed), [*HONEST]
    solved = (SOLVED / f"{LESSON}.ipynb").read_bytes()
    released = (STUDENT / f"{LESSON}.ipynb").read_bytes()
    for student in HONEST:
        _write(folder / "in" / student / f"{LESSON}.ipynb", solved)
    for number in range(zips):
        ids.append(f"z{number:05}")
        data = zip_of(rng, {f"{LESSON}.ipynb": released, "notes.txt": b"hello" * 99})
        _write(folder / "in" / ids[-1] / "work.zip", flipped(rng, data) if rng.random() < 0.8 else data)
    for number in range(notebooks):
        ids.append(f"n{number:05}")
        _write(folder / "in" / ids[-1] / f"{LESSON}.ipynb", notebook_of(rng, rng.choice((released, solved))))
    roster = "id,first_name,last_name,email\n" + "".join(f"{one},F{one},L{one},\n" for one in ids)
    (folder / "roster.csv").write_text(roster)
    return folder / "roster.csv"


def _write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main():
    """The long form: collect, grade and report of many, as commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("seed", 1), ("zips", 10_000), ("notebooks", 500)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        roster = lay(folder, given.seed, given.zips, given.notebooks)
        course = folder / "course"
        commands = [
            ["collect", folder / "in", "--from", "folder", "--roster", roster, "--course", course],
            ["grade", course],
            ["report", course],
        ]
        for command in commands:
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "dolphins", *map(str, command)], capture_output=True, text=True
            )
            lines = (done.stdout + done.stderr).splitlines()
            print(f"{command[0]}: rc {done.returncode}, {time.perf_counter() - start:.0f} s; {lines[:1]}")
            if done.returncode:
                print("\n".join(lines[-30:]))
                return 1
        honest = [
            json.loads((course / "grading/records" / LESSON / f"{one}.json").read_text()) for one in HONEST
        ]
        earned = [sum(exercise["points"] for exercise in record["exercises"].values()) for record in honest]
        print(f"the honest students have {earned} of 35")
        return 0 if earned == [35.0, 35.0] else 1


if __name__ == "__main__":
    sys.exit(main())
