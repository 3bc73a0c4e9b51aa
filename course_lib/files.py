"""Files that are written whole or not at all: a killed program or a full disk leaves no half of one."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path


@contextlib.contextmanager
def replacing(path, suffix=""):
    """A temporary path that takes the place of `path` if the block ends well, and is gone if it does not.

    suffix: ending of the temporary name, for what chooses a format by it. A missing folder is made.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part{suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def write(path, data):
    """Writes text or bytes to a file, and waits until they are on the disk. -> path"""
    with replacing(path) as part, part.open("wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    return Path(path)


def sha256(file):
    """The SHA-256 of a file that is open for reading bytes, block by block. -> hexadecimal digits"""
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest.hexdigest()


def put_in_place(new, folder):
    """Gives a finished folder its name. What was there goes once the new one is in place, or stays."""
    old = new.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
