"""What a file is that was to be a pickle and is none, by how it begins; and what to do about it."""

import re

from ..errors import CourseError, fold

_CONVERT = "and pickle a dictionary of NumPy arrays"
_UNPACK = "unpack it and use the .pkl file in it"
_GIT_LFS = ("a git-LFS pointer", "run `git lfs pull` in its repository for the file itself")
_TEXT_COPY = ("a copy as text, with other bytes", "copy it again as binary")
_TORCH = ("a file of torch.save", f"read it with torch.load {_CONVERT}")
# How a file begins, what that is, what to do; the first that fits counts. No pickle of a model begins so.
_BEGINNINGS = (
    (rb"version https?://git", *_GIT_LFS),
    (rb"PK\x03\x04.{0,300}/data\.pkl", *_TORCH),
    (rb"\x80.\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", *_TORCH),  # until torch 1.5
    (rb"PK\x03\x04.{26}[^\0]{0,200}\.npy", "a NumPy archive (.npz)", f"read it with numpy.load {_CONVERT}"),
    (rb"PK[\x03\x05]", "a zip archive", _UNPACK),
    (rb"\x1f\x8b", "a file compressed by gzip", "unpack it (gzip -d)"),
    (rb"BZh\d", "a file compressed by bzip2", "unpack it (bzip2 -d)"),
    (rb"\xfd7zXZ", "a file compressed by xz", "unpack it (xz -d)"),
    (rb"\x28\xb5\x2f\xfd", "a file compressed by zstd", "unpack it (zstd -d)"),
    (rb"7z\xbc\xaf|Rar!|.{257}ustar", "an archive (7z, rar or tar)", _UNPACK),
    (rb"\x89HDF|MATLAB", "an HDF5 or MATLAB file", f"read it with h5py or scipy.io {_CONVERT}"),
    (rb"\x93NUMPY", "a NumPy array (.npy)", f"read it with numpy.load {_CONVERT}"),
    (rb".{7}\0\{\"", "a safetensors file", f"read it with safetensors {_CONVERT}"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|%PDF", "a picture or a PDF", "look for the .pkl file beside it"),
    (rb"(\xef\xbb\xbf)?\s*<", "a web page", "download the file again, in a browser if the site asks first"),
    (rb"(\xef\xbb\xbf)?\s*[{[]", "JSON", "download the file again if this is a server's answer"),
    (rb"\xef\xbf\xbd|\xc2\x80|\xff\xfe|\xfe\xff", *_TEXT_COPY),
)
LINE_ENDS = fold("""a pickle whose line ends were changed from LF to CRLF, by git or by a copy in text mode:
        copy or download it again as binary (with git: `*.pkl binary` in .gitattributes, then checkout)""")


def check_beginning(data):
    """Raises CourseError if the data are empty or begin as something that is not a pickle."""
    if not data:
        raise CourseError("the file is empty, expected a pickle")
    for beginning, kind, advice in _BEGINNINGS:
        if re.match(beginning, data, re.DOTALL):
            raise CourseError(f"not a pickle but {kind}: {advice}")
    if has_changed_line_ends(data) and re.match(rb"[ -~]+\r\n", data):  # protocol 0 can be read, but wrongly
        raise CourseError(LINE_ENDS)


def has_changed_line_ends(data):
    """Whether each LF stands behind a CR, up to a pickle's end mark."""
    ended = data[-3:].rstrip().endswith(b".")
    return ended and 0 < data.count(b"\n") == data.count(b"\r\n")


def is_text(data):
    """Whether the data are text that does not begin with a mark or a name, as a pickle of protocol 0 does."""
    if re.match(rb"c[\w.]+\n", data) or not re.match(rb"[\w#\"'/*-][^\0-\x08\x0e-\x1f\x7f]+\Z", data):
        return False
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False
