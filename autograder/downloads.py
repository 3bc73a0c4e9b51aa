"""The files of what was downloaded: a notebook, a folder or a zip, through folders and zips in it.

Archives are untrusted: nothing is unpacked to a path that an archive names, links are not followed, and all
is bounded. Each file that a student handed in is read behind the boundary, with all that is in it. What all
files of one student may cost together is a `Share`.
"""

import contextlib
import functools
import io
import os
import re
import stat
import time
import unicodedata
import zipfile
from dataclasses import astuple, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.file_kind import BEGINNING, told

from . import boundary
from .boundary import Refused, look
from .identity import unmixed
from .records import opened
from .repair import MOST_BYTES, unreadable

DEPTH = 3  # zips in zips
MOST_ENTRIES = 100_000  # of what was downloaded
MOST_INNER = 2_000  # of the zips that a student packed, all in all
MOST_FILES = 20_000  # in the folders of a student, packages that were installed there included
MOST_UNPACKED = 4 * MOST_BYTES  # of a student's files, all in all
MOST_SECONDS = 60.0  # of the processor, for reading a student's files
LONGEST_NAME = 255  # characters; no file system has longer ones
MOST_FOLDERS = 50  # one in another
OTHERS = (".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")


@dataclass
class Item:
    """One file, in folders and archives."""

    where: tuple  # its path through them
    time: datetime | None = None  # without a zone where it came from a zip
    problem: str | None = None  # why it is no notebook that can be taken
    data: bytes = b""  # of a notebook
    lesson: str | None = None  # that it shows
    spoilt: str = ""  # why grading cannot read it
    packed_in: tuple = ()  # the path of the zip that a student packed it in, if it was
    again: int = 1  # it is the second, third... whose path looks so: é may be one letter, or two

    @property
    def label(self):
        return printable("/".join(self.where)) + f" [{self.again}]" * (self.again > 1)


@dataclass
class Share:
    """What may still be read of one student's files in a run."""

    bytes: int = field(default_factory=lambda: MOST_UNPACKED)  # of files, and of zips in zips, unpacked
    files: int = field(default_factory=lambda: MOST_FILES)  # as they were downloaded
    entries: int = field(default_factory=lambda: MOST_INNER)  # of zips
    seconds: float = field(default_factory=lambda: MOST_SECONDS)  # of the processor

    def times(self, count):
        """As much as so many students have. -> Share"""
        return Share(*(count * left for left in astuple(self)))

    def lent(self):
        """A part of this for one file, which has no more than one student has. -> Share"""
        return Share(*map(min, astuple(self), astuple(Share())))

    def less(self, lent, left):
        """What remains when of a Share that was lent another is left. -> Share"""
        return Share(*(all - had + has for all, had, has in zip(*map(astuple, (self, lent, left)))))

    def used_up(self):
        """Why nothing more is read, or None."""
        if self.bytes < 0:
            return _unpacked()
        if self.files < 0:
            return f"these are more than {MOST_FILES:,} files together"
        if self.entries < 0:
            return f"these zips have more than {MOST_INNER:,} files together"
        return f"reading these files took more than {MOST_SECONDS:g} s" if self.seconds < 0 else None

    def spend(self, count):
        """Counts bytes that were read. Raises _Unreadable where there are too many."""
        self.bytes -= count
        if self.bytes < 0:
            raise _Unreadable(f"to be looked at by hand: {_unpacked()}")


def _unpacked():
    return f"these files unpack to more than {MOST_UNPACKED >> 20} MB together"


def printable(text):
    """A name from outside, for a line of text."""
    return "".join(c if c.isprintable() else "?" for c in unicodedata.normalize("NFC", text))[:300]


def is_notebook(start):
    """Whether a file is a notebook, by its first bytes: for notebooks of other names."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and (b'"cell' in start or b'"nbformat' in start)


@dataclass
class File:
    """A file as it was downloaded: in a folder, or in a zip that a system exported."""

    where: tuple  # its path through them
    path: Path  # its own, or the zip's
    number: int | None = None  # in the zip
    problem: str | None = None  # why it cannot be read

    def items(self, shows, share=None):
        """The file with all that is in it, read behind the boundary. -> list of Item

        shows: (a notebook's bytes) -> its lesson or None; share: the Share of whose it is, which becomes
        less; None for one of its own.
        """
        share = share or Share()
        if self.problem is not None:
            return [Item(self.where, problem=self.problem)]
        share.files -= 1
        if why := share.used_up():
            return [Item(self.where, problem=f"to be looked at by hand: not read, for {why}")]
        begun = time.monotonic()
        try:
            found, left = look(_inside, self.path, self.number, self.where, shows, share)
        except Refused as refused:
            share.seconds -= min(boundary.SECONDS, time.monotonic() - begun)
            return [Item(self.where, problem=f"to be looked at by hand: {refused}")]
        share.bytes, share.entries, share.seconds = left.bytes, left.entries, left.seconds
        return found

    def read_by(self, function, limit):
        """What a function makes of its first bytes, behind the boundary; None where that fails."""
        try:
            return None if self.problem else look(_read_by, self.path, self.number, function, limit)
        except CourseError:
            return None


def files(source, is_students):
    """The files of a file, folder or zip. -> iterator of File

    is_students: (name of a zip in a folder) -> did a student pack it? Else it is what a system exported.
    """
    if not source.is_dir():
        path = source.resolve()
        if zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
            yield from _exported(path, ())
        else:
            yield File((source.name,), path)
        return
    unread = []
    for folder, folders, names in os.walk(source, onerror=unread.append):
        folders.sort()
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for path in (Path(folder, name) for name in sorted(names + links)):
            where = path.relative_to(source).parts
            if path.suffix.lower() == ".zip" and not is_students(path.name):
                yield from _exported(path, where)
            else:
                yield File(where, path)
    for error in unread:
        where = Path(os.path.relpath(error.filename, source)).parts
        yield File(where, source, problem=f"cannot be read ({error.strerror})")


def _exported(path, top):
    """The files of a zip that a system exported. top: path of what it holds"""
    try:
        names, why = look(_entries, path), "an empty zip"
    except CourseError as error:
        names, why = [], str(error)
    if not names:
        yield File(top or (path.name,), path, problem=why)
    for number, name in enumerate(names):
        yield File((*top, *name), path, number)


# --- behind the boundary


class _Unreadable(CourseError):
    """A file cannot be taken; the text says why."""


def _inside(path, number, where, shows, share):
    """A file with all that is in it. -> list of Item, what is left of its Share"""
    begun = time.process_time()
    found = _items(path, number, where, shows, share)
    share.seconds -= time.process_time() - begun
    return found, share


def _items(path, number, where, shows, share):
    item = Item(where)
    if number is not None:
        archive, entries = _export(path)
        item.time = _entry_time(entries[number])
        return list(_of_entry(item, archive, entries[number], shows, share, 0))
    try:
        file = _opened(path)
    except _Unreadable as why:
        item.problem = str(why)
        return [item]
    with file:
        item.time = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, timezone.utc)

        def read(limit):
            file.seek(0)
            data = file.read(limit)
            share.spend(len(data))
            return data

        return list(_in_item(item, read, shows, share))


def _read_by(path, number, function, limit):
    if number is None:
        file = _opened(path)
    else:
        archive, entries = _export(path)
        file = archive.open(entries[number])
    with file:
        return function(file.read(limit))


def _opened(path):
    """A file to be read, but no link, and no pipe that would have to be waited for."""
    try:
        file = opened(path)
    except OSError as error:
        linked = path.is_symlink()
        why = "a link, which is not followed" if linked else f"cannot be read ({error.strerror})"
        raise _Unreadable(why) from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _Unreadable("not a file")
    return file


@functools.lru_cache(maxsize=1)
def _export(path):
    """A zip that a system exported, kept open while its entries are asked for. -> ZipFile, its files"""
    archive = _zip_in(_opened(path))
    return archive, _files_of(archive)


def _zip_in(file):
    """The zip in an open file. Raises _Unreadable where there is none."""
    try:
        return zipfile.ZipFile(file)
    except Exception as error:
        file.seek(0)
        instead = told(file.read(BEGINNING), "a zip", "a zip archive", "pack it as a zip")
        raise _Unreadable(instead or f"a damaged zip ({printable(str(error))})") from None


def _entries(path):
    """The files of an exported zip. -> list of paths in parts. Raises _Unreadable where it is none."""
    _export.cache_clear()  # another file may have come to this name
    entries = _export(path)[1]
    if len(entries) > MOST_ENTRIES:
        raise _Unreadable(f"a zip of {len(entries):,} files; at most {MOST_ENTRIES:,} are looked at")
    return [_entry_path(entry) for entry in entries]


def _of_entry(item, archive, entry, shows, share, depth):
    """An entry of a zip, with all that is in it. share: a Share -> Items"""
    item.problem = _odd(entry)
    if item.problem is not None:
        yield item
        return

    def read(limit):
        share.spend(0)  # else nothing more is unpacked
        with archive.open(entry) as file:
            data = file.read(min(limit, share.bytes + 1))
        share.spend(len(data))
        return data

    yield from _in_item(item, read, shows, share, depth)


def _odd(entry):
    """Why an entry of a zip is not opened, or None."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a link, which is not followed"
    if entry.flag_bits & 1:
        return "encrypted"
    if max(map(len, re.split(r"[/\\]", entry.filename))) > LONGEST_NAME:
        return f"its name is longer than any file's ({LONGEST_NAME} characters)"
    return None


def _in_item(item, read, shows, share, depth=0):
    """A file with all that is in it: itself, unless it is a zip. read: (limit) -> bytes -> Items"""
    name = item.where[-1].lower()
    try:
        if name.endswith(".zip"):
            yield from _in_zip(item, _whole(read), shows, share, depth)
            return
        if name.endswith(OTHERS):
            raise _Unreadable("an archive that is not looked into; a zip or the notebook itself is")
        if not name.endswith(".ipynb") and not is_notebook(read(4096)):
            raise _Unreadable("not a notebook")
        item.data = _whole(read)
        item.lesson = shows(item.data)
        item.spoilt = unreadable(item.data)
    except _Unreadable as why:
        item.problem = str(why)
    except Exception as error:  # whatever a damaged archive makes of the one who reads it
        # Without names that a student gave: what is said of many alike is said once.
        said = printable(re.sub(r"""b?'.*'|b?".*\"""", "...", str(error)))
        item.problem = f"cannot be read ({said or type(error).__name__})"
    yield item


def _whole(read):
    """All bytes of a file."""
    data = read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise _Unreadable(f"larger than {MOST_BYTES >> 20} MB; to be handed in again without outputs")
    return data


def _in_zip(item, data, shows, share, depth):
    """The files of a zip that a student packed. data: its bytes -> iterator of Item"""
    if depth >= DEPTH:
        raise _Unreadable(f"a zip in {DEPTH} others, which is not looked into")
    if data.count(b"PK\x01\x02") > 2 * MOST_INNER:  # before they are all read as a list
        raise _Unreadable(f"a zip of very many files; at most {MOST_INNER:,} are looked at")
    archive = _zip_in(io.BytesIO(data))
    entries = _files_of(archive)
    if not entries:
        raise _Unreadable("an empty zip")
    if len(entries) > MOST_INNER:
        raise _Unreadable(f"a zip of {len(entries):,} files; at most {MOST_INNER:,} are looked at")
    share.entries -= len(entries)
    if share.entries < 0:
        raise _Unreadable(f"to be looked at by hand: {share.used_up()}")
    for entry in entries:
        # A student's clock says anything: the time is that of the zip.
        where, packed_in = (*item.where, *_entry_path(entry)), item.packed_in or item.where
        inner = Item(where, item.time, packed_in=packed_in)
        yield from _of_entry(inner, archive, entry, shows, share, depth + 1)


def _files_of(archive):
    return [entry for entry in archive.infolist() if not entry.filename.endswith("/")]


def _entry_path(entry):
    """The path in a zip, in parts, without those that lead out of it.

    Without the flag for UTF-8 it is meant to be in an old code page, but most write UTF-8 all the same. What
    no file system can hold is cut.
    """
    name = entry.filename if entry.flag_bits & 0x800 else unmixed(entry.filename)
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return tuple(part[:LONGEST_NAME] for part in parts[:MOST_FOLDERS]) or ("?",)


def _entry_time(entry):
    with contextlib.suppress(ValueError, TypeError):
        if entry.date_time > (1980, 1, 1, 0, 0, 0):
            return datetime(*entry.date_time)
    return None
