"""Files that are not what they are called: what each is, and what to do, in one line."""

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile

import numpy as np
import pytest
import torch

from course_lib import file_kind, keep, metrics, scene
from course_lib.assets import clip_files, import_zip
from course_lib.dolphin_model import model_file
from course_lib.errors import CourseError
from course_lib.kal.io.obj import import_mesh
from course_lib.show.video import video_data_uri


def saved(save, *arguments, **keywords):
    out = io.BytesIO()
    save(out, *arguments, **keywords)
    return out.getvalue()


def zipped(name, data=b"contents"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


PICKLE = pickle.dumps({"v_template": np.arange(30.0), 10: "a\nb\n", "parts": [10, 2570]}, 2)
NPY, NPZ = saved(np.save, np.arange(400)), saved(np.savez, a=np.arange(3))
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"
PAGE = b"<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title></html>"
CONFLICT = b'{"frame": 0,\n<<<<<<< HEAD\n"labels": [1]\n=======\n"labels": [0]\n>>>>>>> main\n}\n'
LONG = base64.b64encode(PICKLE)
MAIL = b"Received: from x\nContent-Type: application/octet-stream\n\ngAJ9cQ==\n"

# What lies there, and what it is.
KINDS = {
    "empty": (b"", "the file is empty"),
    "zeros": (bytes(5000), "the file holds zeros alone"),
    "LFS pointer": (POINTER, "a git-LFS pointer"),
    "LFS pointer, by an editor": (b"\xef\xbb\xbf" + POINTER.replace(b"\n", b"\r\n"), "a git-LFS pointer"),
    "LFS pointer, by a redirection": (POINTER.decode().encode("utf-16"), "a git-LFS pointer"),
    "older LFS pointer": (b"version https://hawser.github.com/spec/v1\n", "a git-LFS pointer"),
    "LFS pointer in conflict": (b"version https://git-lfs\n<<<<<<< HEAD\n", "marks of a git merge conflict"),
    "annex pointer": (b"/annex/objects/SHA256E-s3--ab.pkl\n", "a git-annex pointer"),
    "DVC pointer": (b"outs:\n- md5: ab\n  path: model.pkl\n", "a DVC pointer"),
    "conflict": (CONFLICT, "marks of a git merge conflict"),
    "conflict, CRLF": (CONFLICT.replace(b"\n", b"\r\n"), "marks of a git merge conflict"),
    "half of a conflict": (b'{\n  "a": 1\n  >>>>>>> origin/main\n}', "marks of a git merge conflict"),
    "page": (PAGE, "a web page"),
    "page in UTF-16": (PAGE.decode().encode("utf-16-be"), "a web page"),
    "answer": (b'{"message": "Not Found", "status": "404"}', "JSON"),
    "document of Drive": (
        b'{"": "WARNING!", "doc_id": "1a", "email": "a@b.c"}',
        "a shortcut of Google Drive",
    ),
    "older document of Drive": (
        b'{"url": "https://docs.google.com/open?id=1"}',
        "a shortcut of Google Drive",
    ),
    "shortcut of Windows": (b"[InternetShortcut]\r\nURL=https://x.org/\r\n", "a shortcut"),
    "address": (b"https://drive.google.com/file/d/1a/view\n", "an address"),
    "link": (b"../../data/model.pkl", "a link as text"),
    "AppleDouble": (b"\0\x05\x16\x07\0\2\0\0Mac OS X", "what macOS keeps beside a file"),
    "mail": (MAIL, "a mail"),
    "uuencode": (b"begin 644 model.pkl\n#0V%T\n`\nend\n", "a file packed for mail"),
    "winmail.dat": (b"\x78\x9f\x3e\x22\x01\0", "a winmail.dat of Outlook"),
    "base64": (LONG, "text in base64"),
    "base64 in lines": (base64.encodebytes(PICKLE), "text in base64"),
    "base64 as an address": (b"data:application/octet-stream;base64," + LONG, "text in base64"),
    "PGP": (b"-----BEGIN PGP MESSAGE-----\n\nhQ\n", "an encrypted or signed file"),
    "gzip": (gzip.compress(PICKLE), "a file compressed by gzip"),
    "bzip2": (bz2.compress(PICKLE), "a file compressed by bzip2"),
    "xz": (lzma.compress(PICKLE), "a file compressed by xz"),
    "lzma": (lzma.compress(PICKLE, lzma.FORMAT_ALONE), "a file compressed by xz"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "a file compressed by zstd"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40", "a file compressed by lz4"),
    "zip": (zipped("model/dolphin_model.pkl"), "a zip archive"),
    "empty zip": (b"PK\5\6" + bytes(18), "a zip archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "an archive"),
    "rar": (b"Rar!\x1a\x07\x01\0", "an archive"),
    "tar": (b"model.pkl".ljust(257, b"\0") + b"ustar\x0000", "an archive"),
    "npy": (NPY, "a NumPy array (.npy)"),
    "npz": (NPZ, "a NumPy archive (.npz)"),
    "torch": (saved(lambda out: torch.save({"a": torch.ones(2)}, out)), "a file of torch.save"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 or MATLAB file"),
    "MATLAB": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(128) + b"\0\1IM", "an HDF5 or MATLAB file"),
    "workbook": (zipped("[Content_Types].xml"), "a workbook or document"),
    "OpenDocument": (zipped("mimetype", b"application/vnd.oasis.opendocument"), "a workbook or document"),
    "older workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(90), "a workbook or document"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a picture (JPEG or PNG)"),
    "PNG": (PNG, "a picture (JPEG or PNG)"),
    "GIF": (b"GIF89a\1\0\1\0", "a picture (GIF, BMP, TIFF or WebP)"),
    "WebP": (b"RIFF\x24\0\0\0WEBPVP8 ", "a picture (GIF, BMP, TIFF or WebP)"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a picture (HEIC or AVIF)"),
    "mp4": (b"\0\0\0\x20ftypisom\0\0\2\0isom", "a video"),
    "Matroska": (b"\x1a\x45\xdf\xa3\x01\0", "a video"),
    "notebook": (json.dumps({"cells": [], "nbformat": 4}).encode(), "a notebook"),
    "notebook in a string": (json.dumps(json.dumps({"cells": []})).encode(), "JSON within a string"),
    "dictionary": (str({"cells": [1]}).encode(), "a Python dictionary as text"),
    "percent format": (b"# ---\n# jupyter:\n#   jupytext:\n# ---\n\n# %%\nx = 1\n", "a Python program"),
    "Colab's .py": (
        b'# -*- coding: utf-8 -*-\n"""02.ipynb\n\nAutomatically generated by Colab.\n',
        "a Python",
    ),
    "program": (b"import numpy as np\nx = np.ones(3)\n", "a Python program"),
    "text": ("Zu viele Abrufe, später noch einmal\n".encode(), "text"),
    "text in UTF-16": ("frame 1\n".encode("utf-16"), "text in UTF-16"),
    "text in UTF-16 without a mark": ("frame 1, frame 2\n".encode("utf-16-le"), "text in UTF-16"),
    "pickle": (PICKLE, "a pickle"),
    "pickle of protocol 0": (pickle.dumps({"a": [1]}, 0), "a pickle"),
    "pickle copied as UTF-8": (PICKLE.decode("latin-1").encode(), "a copy as text"),
    "pickle of replaced bytes": (PICKLE.decode(errors="replace").encode(), "a copy as text"),
    "pickle copied as UTF-16": (PICKLE.decode("latin-1").encode("utf-16"), "a copy as text"),
    "pickle with CRLF": (PICKLE.replace(b"\n", b"\r\n"), "the file's line ends were changed"),
    "npy with CRLF": (NPY.replace(b"\n", b"\r\n"), "the file's line ends were changed"),
    "PNG with CRLF": (PNG.replace(b"\n", b"\r\n"), "the file's line ends were changed"),
    "class list": (b"id\nada\nbob\ncarol\n", "text"),
    "mesh": (b"# Blender\nv 0 0 0\nv 1 0 0\nf 1 2 2\n", "text"),
}


@pytest.mark.parametrize("case", KINDS)
def test_kinds(case):
    data, name = KINDS[case]
    kind = file_kind.kind_of(data)
    assert name in kind.name and (kind.name == "text") == (name == "text")


def test_what_is_not_known_is_not_named():
    for data in (b"\x07\x01\xfe\xff\0\1", bytes(range(256)), b"\x80\xff"):
        assert file_kind.kind_of(data) in (None, file_kind.TEXT)


NO_PICTURE, NO_ARRAY = "not a whole JPEG or PNG image but", "not a .npy file but"
CONVERT = r"\(.npz\): read it with numpy.load and"
# Who reads, what it is called, what lies there, and what is said.
READERS = [
    (
        model_file.load_model,
        "m.pkl",
        "npz",
        f"not a pickle but .*{CONVERT} pickle a dictionary of NumPy arrays",
    ),
    (model_file.load_model, "m.pkl", "pickle with CRLF", "line ends were changed from LF to CRLF"),
    (model_file.load_model, "m.pkl", "base64 in lines", "not a pickle but text in base64.*base64 -d"),
    (model_file.load_array, "a.npy", "LFS pointer", f"{NO_ARRAY} a git-LFS pointer: run `git lfs pull`"),
    (model_file.load_array, "a.npy", "npz", f"{NO_ARRAY} .*{CONVERT} save it with numpy.save"),
    (model_file.load_array, "a.npy", "npy with CRLF", "line ends were changed.*again as binary"),
    (model_file.load_array, "a.npy", "zeros", "the file holds zeros alone.*: download or copy it again"),
    (clip_files.open_image, "0.jpg", "HEIC", f"{NO_PICTURE} .*HEIC or AVIF.*: export it as JPEG or PNG"),
    (clip_files.open_image, "0.jpg", "LFS pointer", f"{NO_PICTURE} a git-LFS pointer: run `git lfs pull`"),
    (clip_files.open_image, "0.png", "PNG with CRLF", "line ends were changed"),
    (clip_files.open_image, "0.jpg", "empty", "the file is empty: download or copy it again"),
    (clip_files.open_image, "0.jpg", "mp4", f"{NO_PICTURE} a video"),
    (clip_files.read_json, "p.json", "conflict", "holds marks of a git merge conflict: resolve it"),
    (clip_files.read_json, "p.json", "page", "not a JSON file but a web page: download the file again"),
    (
        clip_files.read_json,
        "p.json",
        "text in UTF-16",
        "not a JSON file but text in UTF-16: save it as UTF-8",
    ),
    (metrics.load_truth, "t.npz", "LFS pointer", "not a whole .npz file but a git-LFS pointer"),
    (
        metrics.load_truth,
        "t.npz",
        "npy",
        "not a whole .npz file but .*numpy.load and save it with numpy.savez",
    ),
    (scene.load_tensors, "f.pth", "LFS pointer", "f.pth: not a file of saved tensors but a git-LFS pointer"),
    (scene.load_tensors, "f.pth", "pickle", "f.pth: not a file of saved tensors but a pickle"),
    (import_mesh, "t.obj", "page", "not the mesh but a web page"),
    (video_data_uri, "v.mp4", "page", "v.mp4: not an mp4 video but a web page"),
]


@pytest.mark.parametrize(("read", "name", "case", "message"), READERS)
def test_every_reader_says_it_in_a_line(read, name, case, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(KINDS[case][0])
    with pytest.raises(CourseError, match=message) as error:
        read(path)
    assert "\n" not in str(error.value) and str(error.value).startswith(str(path))


def test_a_pack_and_own_work_that_are_no_zips(tmp_path):
    for name, message in (("page", "a web page"), ("7z", "an archive"), ("LFS pointer", "`git lfs pull`")):
        (tmp_path / "pack.zip").write_bytes(KINDS[name][0])
        with pytest.raises(CourseError, match=f"pack.zip: not a whole zip file but .*{message}"):
            import_zip(tmp_path / "pack.zip", tmp_path / "pack")
    (tmp_path / keep.ZIP).write_bytes(PAGE)
    line = keep.bring_back(tmp_path)
    assert "not a zip but a web page: download the file again" in line and "not brought back" in line


def test_json_with_a_mark_of_utf_8_is_read(tmp_path):
    (tmp_path / "p.json").write_bytes(b'\xef\xbb\xbf{"frame": 0}\r\n')
    assert clip_files.read_json(tmp_path / "p.json") == {"frame": 0}
