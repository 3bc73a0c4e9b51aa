"""The files of what was downloaded: a notebook, a folder or a zip, through folders and zips in it.

Archives are untrusted: nothing is unpacked to a path that an archive names, links are not followed, and all
is bounded.
"""

import contextlib
import functools
import io
import os
import stat
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from .identity import unmixed
from .repair import MOST_BYTES

DEPTH = 3  # zips in zips
MOST_ENTRIES = 100_000  # of what was downloaded
MOST_INNER = 2_000  # of a zip that a student packed
MOST_UNPACKED = 4 * MOST_BYTES  # of one such zip, all in all
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, MemoryError)


@dataclass
class Item:
    """One file, in folders and archives."""

    where: tuple  # its path through them
    read: object = None  # (limit in bytes) -> bytes
    time: datetime | None = None  # without a zone where it came from a zip
    problem: str | None = None  # why it cannot be read

    @property
    def label(self):
        return printable("/".join(self.where))

    def content(self, limit, whole=True):
        """Its bytes, or b"" and `problem` set. whole: more than limit is a problem."""
        try:
            data = self.read(limit + whole)
        except OverflowError:
            self.problem = f"in a zip that unpacks to more than {MOST_UNPACKED >> 20} MB"
        except BROKEN as error:
            self.problem = f"cannot be read ({printable(str(error)) or type(error).__name__})"
        else:
            if len(data) <= limit:
                return data
            self.problem = f"larger than {limit >> 20} MB; to be handed in again without outputs"
        return b""


def printable(text):
    """A name from outside, for a line of text."""
    return "".join(c if c.isprintable() else "?" for c in unicodedata.normalize("NFC", text))[:300]


def items(source, is_students):
    """All files of a file, folder or zip, through zips in them. -> iterator of Item

    is_students: (name of a zip in a folder) -> did a student pack it? Else it is what a system exported.
    """
    if not source.is_dir():
        yield from _of_file(source.resolve(), (source.name,), lambda name: False, source=True)
        return
    unread = []
    for folder, folders, names in os.walk(source, onerror=unread.append):
        folders.sort()
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted(names + links):
            path = Path(folder, name)
            yield from _of_file(path, path.relative_to(source).parts, is_students)
    for error in unread:
        where = Path(os.path.relpath(error.filename, source)).parts
        yield Item(where, problem=f"cannot be read ({error.strerror})")


def _of_file(path, where, is_students, source=False):
    try:
        status = path.lstat()
    except OSError as error:
        yield Item(where, problem=f"cannot be read ({error.strerror})")
        return
    if not stat.S_ISREG(status.st_mode):
        linked = stat.S_ISLNK(status.st_mode)
        yield Item(where, problem="a link, which is not followed" if linked else "not a file")
        return
    time = datetime.fromtimestamp(status.st_mtime, timezone.utc)
    item = Item(where, functools.partial(_read_file, path), time)
    if path.suffix.lower() != ".zip" and not (source and zipfile.is_zipfile(path)):
        yield item
    elif is_students(path.name):
        yield from _of_students_zip(item, [MOST_UNPACKED], 0)
    else:
        yield from _of_zip(item, path, () if source else where, None)


def _read_file(path, limit):
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(limit)


def _of_zip(item, opened, where, budget, depth=0):
    """The files of a zip.

    opened: its path, or an open file; budget: [bytes] to unpack at most, None if no student packed it.
    """
    most = MOST_ENTRIES if budget is None else MOST_INNER
    try:
        archive = zipfile.ZipFile(opened)
    except BROKEN as error:
        yield Item(item.where, problem=f"a damaged zip ({printable(str(error))})")
        return
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
        if not entries:
            yield Item(item.where, problem="an empty zip")
        if len(entries) > most:
            yield Item(item.where, problem=f"a zip of {len(entries):,} files; at most {most:,} are looked at")
            return
        for entry in entries:
            own = [MOST_UNPACKED] if budget is None else budget
            time = _entry_time(entry) if budget is None else item.time  # a student's clock says anything
            read = functools.partial(_read_entry, archive, entry, own)
            inner = Item((*where, *_entry_path(entry)), read, time)
            if stat.S_ISLNK(entry.external_attr >> 16):
                inner.problem = "a link, which is not followed"
            elif entry.flag_bits & 1:
                inner.problem = "encrypted"
            if inner.problem is None and inner.where[-1].lower().endswith(".zip"):
                yield from _of_students_zip(inner, own, depth + 1)
            else:
                yield inner


def _of_students_zip(item, budget, depth):
    if depth >= DEPTH:
        item.problem = f"a zip in {DEPTH} others, which is not looked into"
    else:
        data = item.content(MOST_BYTES)
        # Before they are all read as a list.
        if item.problem is None and data.count(b"PK\x01\x02") > 2 * MOST_INNER:
            item.problem = f"a zip of very many files; at most {MOST_INNER:,} are looked at"
    if item.problem is None:
        yield from _of_zip(item, io.BytesIO(data), item.where, budget, depth)
    else:
        yield item


def _entry_path(entry):
    """The path in a zip, in parts, without those that lead out of it.

    Without the flag for UTF-8 it is meant to be in an old code page, but most write UTF-8 all the same.
    """
    name = entry.filename if entry.flag_bits & 0x800 else unmixed(entry.filename)
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")] or ["?"]


def _entry_time(entry):
    with contextlib.suppress(ValueError, TypeError):
        if entry.date_time > (1980, 1, 1, 0, 0, 0):
            return datetime(*entry.date_time)
    return None


def _read_entry(archive, entry, budget, limit):
    with archive.open(entry) as file:
        data = file.read(min(limit, budget[0] + 1))
    budget[0] -= len(data)
    if budget[0] < 0:
        raise OverflowError
    return data
