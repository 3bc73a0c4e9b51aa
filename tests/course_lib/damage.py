"""Changes to a pack's files, each a function of the path, and a pickle that calls what it should not."""

import numpy as np
from PIL import Image


def image(*shape, value=0):
    return lambda path: Image.fromarray(np.full(shape, value, np.uint8)).save(path)


def altitudes(values):
    return lambda path: np.save(path, values)


def truncate(path, fraction=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])


def truncate_little(path):
    truncate(path, 0.95)


class Call:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.parts = (function, arguments)

    def __reduce__(self):
        return self.parts
