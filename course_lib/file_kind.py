"""What a file is that is not what it is called, and what to do about it.

Downloads, git, cloud drives, mail programs and editors spoil files, or leave others in their place. Whoever
reads a person's file asks here before complaining: what is recognised is said in a line. Text is asked about
before it is read, for a web page is text, too; other formats once they could not be read.
"""

import codecs
import re
from pathlib import Path
from typing import NamedTuple

from .errors import CourseError

BEGINNING = 1 << 16  # bytes by which a file is known


class Kind(NamedTuple):
    """What a file is."""

    name: str
    advice: str = ""  # what to do, whatever the file was to be; "": that depends on who reads it


_AGAIN = "download or copy it again"
EMPTY = Kind("the file is empty", _AGAIN)
ZEROS = Kind("the file holds zeros alone, as a full disk or a download that was cut off leaves them", _AGAIN)
CONFLICT = Kind("the file holds marks of a git merge conflict", "resolve it (the lines <<<<<<< to >>>>>>>)")
LINE_ENDS = Kind(
    "the file's line ends were changed from LF to CRLF, by git or by a copy in text mode",
    "copy or download it again as binary (with git: `* -text` in .gitattributes, then checkout)",
)
TEXT_COPY = Kind("a copy as text, with other bytes", "copy it again as binary")
UTF_16 = Kind("text in UTF-16", "save it as UTF-8")
BASE64 = Kind("text in base64, as mail programs pack files", "decode it (base64 -d)")
TEXT = Kind("text")

# As git writes them, also where an editor indented them or the JSON of a notebook holds them.
_CONFLICT_MARK = re.compile(rb"^[ \t]*\"?(?:<{7}|>{7})(?![<>])", re.MULTILINE)
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")
_IN_BASE64 = re.compile(rb"(?:data:.{,99},)?[A-Za-z0-9+/]{40,}={0,2}(?:\s+[A-Za-z0-9+/]+={0,2})*\s*\Z")

_MAIL = rb"(Return-Path|Received|MIME-Version|Content-[A-Z][a-z-]+|Delivered-To|From|To|Subject|Message-ID): "
_GET_IT = "open it in a browser or a file manager, and get the file itself"
_UNPACK = "unpack it, and take the file in it"
# What a file is, what to do, how it begins behind a byte order mark and spaces; the first that fits counts.
_KINDS = (
    # what lies in the place of a file
    ("a git-LFS pointer", "run `git lfs pull` in its repository", rb"version https?://(git|hawser)"),
    ("a git-annex pointer", "run `git annex get` in its repository", rb"[\w./]{,99}/annex/objects/"),
    ("a DVC pointer", "run `dvc pull` in its repository", rb"(outs|md5):\s"),
    ("a shortcut of Google Drive", _GET_IT, rb'\{[^{}]{,2000}"(doc_id|resource_key)"'),
    ("a shortcut of Google Drive", _GET_IT, rb'\{\s*"url":\s*"https://(docs|drive|colab)\.'),
    ("a shortcut", _GET_IT, rb"\[InternetShortcut|\[Desktop Entry|L\0{3}\x01\x14\x02\0|bplist"),
    ("an address", _GET_IT, rb"https?://\S{,2000}\s*\Z"),
    ("a link as text", "copy the file that it names", rb"([\w.-]{,99}/){,9}[\w-]{1,99}\.[a-z]\w*\s*\Z"),
    ("a web page", "download the file again, in a browser if the site asks first", rb"<"),
    ("what macOS keeps beside a file", "take the one without ._ before its name", rb"\0\x05\x16[\0\x07]"),
    # what files are packed into
    ("a mail", "save the file that is attached to it", _MAIL),
    ("a file packed for mail", "unpack it (uudecode)", rb"begin(-base64)? [0-7]{3} |=ybegin |\(This file"),
    ("a winmail.dat of Outlook", "have the file sent in a zip", rb"\x78\x9f\x3e\x22"),
    ("an encrypted or signed file", "decrypt it", rb"-----BEGIN "),
    ("a file of torch.save", "", rb"PK\x03\x04.{26}[\w.-]{1,200}/data\.pkl"),
    ("a file of torch.save", "", rb"\x80.\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"),  # until torch 1.5
    ("a NumPy archive (.npz)", "", rb"PK\x03\x04.{26}[^\0/]{,200}\.npy"),
    ("a workbook or document", "", rb"PK\x03\x04.{26}(\[Content|_rels|docProps|xl/|word/|mimetype|Index/)"),
    ("a zip archive", _UNPACK, rb"PK(\x03\x04|\x05\x06|\x07\x08)"),
    ("an archive (7z, rar, cab or tar)", _UNPACK, rb"7z\xbc\xaf|Rar!|MSCF|.{257}ustar"),
    ("a file compressed by gzip", "unpack it (gzip -d)", rb"\x1f[\x8b\x9d]"),
    ("a file compressed by bzip2", "unpack it (bzip2 -d)", rb"BZh\d"),
    ("a file compressed by xz", "unpack it (xz -d)", rb"\xfd7zXZ|\x5d\0\0.{3}\0{4}|\x5d\0\0.{2}\xff{8}"),
    ("a file compressed by zstd", "unpack it (zstd -d)", rb"\x28\xb5\x2f\xfd"),
    ("a file compressed by lz4", "unpack it (lz4 -d)", rb"\x04\x22\x4d\x18"),
    ("JSON within a string, encoded twice", "save it without the second json.dumps", rb'"\{(\\|\s)'),
    # other formats
    ("a NumPy array (.npy)", "", rb"\x93NUMPY"),
    ("an HDF5 or MATLAB file", "", rb"\x89HDF|MATLAB"),
    ("a safetensors file", "", rb".{7}\0\{\""),
    ("a workbook or document", "", rb"\xd0\xcf\x11\xe0|\{\\rtf"),
    ("a picture (JPEG or PNG)", "", rb"\x89PNG|\xff\xd8\xff"),
    ("a picture (GIF, BMP, TIFF or WebP)", "", rb"GIF8|BM.{4}\0{4}|II\*\0|MM\0\*|RIFF.{4}WEBP"),
    ("a picture (HEIC or AVIF)", "", rb".{4}ftyp(he[iv]|mif|msf|avi)"),
    ("a video", "", rb".{4}ftyp|RIFF.{4}AVI |\x1a\x45\xdf\xa3|OggS|\0\0\x01[\xb3\xba]"),
    ("a PDF", "", rb"%PDF|%!PS"),
    ("a mesh of another format", "", rb"ply\r?\n|glTF|Kaydara FBX|BLENDER|solid "),
    ("a notebook", "", rb'\{.{,9000}?"(cells|nbformat|worksheets)"\s*:'),
    ("a Python dictionary as text", "save it with json.dump", rb"\{\s*'"),
    ("JSON", "", rb"[{[]"),
    ("a pickle", "", rb"\x80[\1-\5]|[]})]q|\([dlt]p?\d*\r?\n|\(?[ci][\w.]+\r?\n\w+\r?\n(p\d+\r?\n|\()"),
    ("text of a Python program", "", rb'#!|# %%|# -\*-|# ---\r?\n|import \w|from [\w.]+ import|def \w|"""'),
)
_READ_WITH = {
    "a file of torch.save": "torch.load",
    "a NumPy archive (.npz)": "numpy.load",
    "a NumPy array (.npy)": "numpy.load",
    "an HDF5 or MATLAB file": "h5py or scipy.io",
    "a safetensors file": "safetensors",
}
_BEGINNINGS = [(re.compile(start, re.DOTALL), Kind(name, advice)) for name, advice, start in _KINDS]


def kind_of(data):
    """What kind of file bytes are, by their beginning; None where it is not known. -> Kind or None

    Marks of a conflict and line ends are looked for in all of the bytes. The time is linear in their number.
    """
    if not data.strip(b"\0"):
        return ZEROS if data else EMPTY
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or re.match(rb"([\t-~]\0|\0[\t-~]){4}", data):
        return _kind_of_utf_16(data)
    start = re.sub(rb"\A(\xef\xbb\xbf)?\s*", b"", data[:BEGINNING])
    is_text, is_binary = not _CONTROL.search(start), b"\0" in start
    if is_text and has_conflict(data):
        return CONFLICT
    if is_binary and 0 < data.count(b"\n") == data.count(b"\r\n"):
        return LINE_ENDS
    known = next((kind for beginning, kind in _BEGINNINGS if beginning.match(start)), None)
    if known is None and is_text:
        return BASE64 if _IN_BASE64.match(start) else TEXT
    if known is None and is_binary and _is_utf_8(start):
        return TEXT_COPY
    return known


def _kind_of_utf_16(data):
    """The kind of what an editor or a redirection saved in UTF-16, with or without a mark."""
    kind = kind_of(from_utf_16(data).encode())
    return UTF_16 if kind is TEXT else kind or TEXT_COPY


def from_utf_16(data):
    """The text of bytes in UTF-16, with or without a mark; half a character at the end is left out."""
    order = "utf-16" if data[0] > 127 else "utf-16-le" if data[0] else "utf-16-be"
    return data[: len(data) // 2 * 2].decode(order, "replace")


def _is_utf_8(start):
    """Whether the beginning of a file is UTF-8, and more than ASCII."""
    try:
        return not codecs.getincrementaldecoder("utf-8")().decode(start).isascii()
    except UnicodeDecodeError:
        return False


def has_conflict(data):
    """Whether bytes of text hold marks of a git merge conflict."""
    marked = b"<" * 7 in data or b">" * 7 in data  # saves most of the time
    return marked and _CONFLICT_MARK.search(data) is not None


def told(data, wanted, kind, otherwise="get the file itself", convert=""):
    """What a file is that cannot be read as what was wanted, and what to do. -> a line, "" if nobody knows

    data: its bytes, or its path; wanted: for the line, as in "a .npy file"; kind: the name of its kind, of
    which nothing is to be told; otherwise: what to do where the kind does not say it; convert: what to do
    with the numbers once they are read from a file of another format.
    """
    if isinstance(data, Path):
        try:
            with data.open("rb") as file:
                data = file.read(BEGINNING)
        except OSError:
            return ""
    found = kind_of(data)
    if found is None or found.name == kind:
        return ""
    advice = found.advice or otherwise
    if convert and found.name in _READ_WITH:
        advice = f"read it with {_READ_WITH[found.name]} {convert}"
    name = f"text ({data[:40].decode('latin-1')!r} ...)" if found is TEXT else found.name
    is_whole = name.startswith("the file")  # a sentence
    return f"{name}: {advice}" if is_whole else f"not {wanted} but {name}: {advice}"


def check(path, wanted, kind, otherwise="get the file itself", convert="", data=None):
    """Raises CourseError with what `told` tells of a file. data: its bytes, where they were read already."""
    line = told(Path(path) if data is None else data, wanted, kind, otherwise, convert)
    if line:
        raise CourseError(f"{path}: {line}")
