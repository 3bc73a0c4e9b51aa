"""Files of a course folder, written so that a killed program or a full disk leaves no half of one."""

import contextlib
import os
from pathlib import Path


def write(path, data):
    """Writes a file whole or not at all: under a temporary name, which is then renamed. data: text or bytes -> path"""
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return path
