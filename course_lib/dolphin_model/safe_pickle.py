"""Read SMPL-style model pickles without running them.

A pickle is a small program for a stack machine, and Python's own loader lets that program call whatever it
names. Here the machine is Python's, but a name is only a word: it is looked up in the table `_MEANINGS` and
never imported. The table knows containers, numbers, NumPy arrays, SciPy sparse matrices and the chumpy
expressions that model files hold. A name that is not in it is refused, and the error says which.

The machine is the one written in Python, `pickle._Unpickler`, because each of its operations can be looked at
before it is done. The one written in C hashes keys unasked, and a key of tuples within tuples costs it years;
and it takes as much memory for its memo as a file of ten bytes asks for.

Nor can a file make this module use memory or time out of proportion to its size: see `Limits`.
"""

import functools
import io
import math
import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CourseError
from ..file_kind import LINE_ENDS, kind_of, told
from .pickled_values import CHUMPY_CLASSES, Name, StandIn, brief, evaluate


@dataclass(frozen=True)
class Limits:
    """What a pickle may cost. The defaults leave room for every SMPL-style model that we know of."""

    file_bytes: int = 1 << 29  # the largest file that is read at all
    operations: int = 500_000  # of the stack machine, and values that the result unfolds to
    depth: int = 60  # of containers and expressions within each other
    growth: int = 12  # all arrays and copies made on the way may take this many times the file's bytes ...
    growth_base: int = 1 << 24  # ... and this many more
    integer_bits: int = 64


def load_pickle(path, limits=Limits()):
    """Contents of a pickle, as plain containers, numbers, strings, NumPy arrays and SciPy sparse matrices.

    Python 2's strings are read as latin-1. chumpy expressions come back as float64 arrays. Raises
    CourseError, with the file's name, for a missing or truncated file, for one that is not a pickle (and says
    what it is), for any other name in the pickle ("refuses to load os.system"), and for a file that wants
    more than `limits`.
    """
    data = read_file(path, limits.file_bytes)
    try:
        return loads(data, limits)
    except CourseError as error:
        raise CourseError(f"{path}: {error}") from None


def loads(data, limits=Limits()):
    """The same as `load_pickle`, for bytes."""
    budget = _Budget(limits.growth * len(data) + limits.growth_base)
    try:
        return _Resolver(limits, budget).resolve(_Machine(data, limits, budget).load())
    except CourseError as error:
        convert, otherwise = "and pickle a dictionary of NumPy arrays", "get the .pkl file itself"
        line = told(data, "a pickle", "a pickle", otherwise, convert)
        if not line or isinstance(error, _Refused) and kind_of(data) is LINE_ENDS:  # a name is always said
            raise
        raise CourseError(line) from None


def read_file(path, most=Limits.file_bytes):
    """The bytes of a file. Raises CourseError if it is missing, unreadable or larger than `most` bytes."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > most:
            raise CourseError(f"{path}: a file of {size} bytes, expected at most {most}")
        return path.read_bytes()
    except FileNotFoundError:
        raise CourseError(f"{path}: no such file") from None
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror or error})") from None


class _Refused(CourseError):
    """A name that no model file holds."""


class _Budget:
    """Memory that a file may still ask for: spent before anything is made, never given back."""

    def __init__(self, n_bytes):
        self.n_bytes = n_bytes

    def spend(self, n_bytes, what):
        self.n_bytes -= n_bytes
        if self.n_bytes < 0:
            raise CourseError(f"""{what} would need more memory than a file of this size may ask for: not a
                model file""")


# --- what names mean: the functions that a pickle may call --------------------------------------------------

_DTYPE_CODES = "b1 c16 c8 f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8".split()
# Keys of dictionaries, members of sets. Hashing a tuple of tuples can cost more than the file is long.
_PLAIN_KEYS = (str, bytes, int, float, bool, type(None))


def _reconstruct(budget, subtype, shape, typecode):
    if subtype != ("numpy", "ndarray") or shape != (0,):
        raise ValueError("only plain arrays, no subclasses of ndarray, made empty and then filled")
    return StandIn("array")


def _dtype(budget, code, align=False, copy=True):
    if code not in _DTYPE_CODES:
        raise ValueError(f"only numbers (of type {', '.join(_DTYPE_CODES)}), no objects or records")
    return StandIn("dtype", np.dtype(code))


def _scalar(budget, dtype, raw=b""):
    return _array(budget, (), dtype, False, raw)[()]


def _frombuffer(budget, raw, dtype, shape, order, axes=None):
    array = _array(budget, shape, dtype, order == "F", raw)
    return StandIn("array", array if axes is None else array.transpose(axes))


def _array(budget, shape, dtype, fortran_order, raw):
    """An array of the pickle's bytes, which must be exactly as many as shape and type say."""
    if type(dtype) is not StandIn or dtype.kind != "dtype":
        raise CourseError(f"an array's type is {brief(dtype)}, expected a number type")
    if type(raw) not in (bytes, bytearray, str):
        raise CourseError(f"an array's contents are {brief(raw)}, expected bytes")
    if type(shape) is not tuple or len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
        raise CourseError(f"an array's shape is {brief(shape)}, expected at most 8 sizes")
    dtype = dtype.contents
    n_bytes = dtype.itemsize * math.prod(shape)
    if n_bytes != len(raw) or max(shape, default=0) >= 1 << 30:  # of an empty array too
        raise CourseError(f"""an array of shape {shape} and type {dtype} should have {n_bytes} bytes, but
            {len(raw)} were found""")
    budget.spend(2 * n_bytes, "an array")
    raw = raw.encode("latin-1") if type(raw) is str else raw  # Python 2's bytes
    array = np.frombuffer(bytearray(raw), dtype=dtype).reshape(shape, order="F" if fortran_order else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _in_byte_order(dtype, state):
    """state: (version, byte order, subarray, field names, fields, item size, alignment, flags)."""
    plain = type(state) is tuple and state[2:5] == (None, None, None)
    if not plain or state[1] not in ("<", ">", "|", "="):
        raise CourseError(f"a number type's state is {brief(state)}, expected a byte order alone")
    return dtype.newbyteorder(state[1])


def _encode(budget, text, encoding):
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise ValueError("only text to latin1")
    budget.spend(len(text), "a string")
    return text.encode("latin-1")


def _reconstructor(budget, cls, base, state):
    if base not in (("builtins", "object"), ("__builtin__", "object")) or state is not None:
        raise ValueError("only objects without a base or a state")
    return _new(cls, ())


def _new(cls, arguments):
    kind = _MEANINGS[cls] if type(cls) is Name else None
    if type(kind) is not str or type(arguments) is not tuple or arguments:
        raise CourseError(f"refuses to make an instance of {brief(cls)} with {brief(arguments)}")
    return StandIn(kind)


def _container(make):
    def call(budget, items=()):
        if type(items) not in (list, tuple):
            raise ValueError("not a list")
        budget.spend(64 * len(items), "a container")
        return make(items)

    return call


def _plain_keys(items):
    for item in items:
        if type(item) not in _PLAIN_KEYS:
            raise CourseError(f"""a dictionary's key or a set's member is {brief(item)}, expected a string or
                a number""")
    return items


_set = _container(lambda items: set(_plain_keys(items)))
_frozenset = _container(lambda items: frozenset(_plain_keys(items)))
_dict = _container(lambda pairs: {key: value for key, value in pairs if _plain_keys([key])})

# Each name is one of our functions, a kind of `StandIn`, or None: a word that stands for itself.
_MEANINGS = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _dict,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("copyreg", "_reconstructor"): _reconstructor,
}
for _module in ("numpy.core", "numpy._core"):  # up to NumPy 1, from NumPy 2
    _MEANINGS[f"{_module}.multiarray", "_reconstruct"] = _reconstruct
    _MEANINGS[f"{_module}.multiarray", "scalar"] = _scalar
    _MEANINGS[f"{_module}.numeric", "_frombuffer"] = _frombuffer
for _module in ("builtins", "__builtin__"):
    _MEANINGS[_module, "object"] = None
    _MEANINGS[_module, "bytes"] = lambda budget: b""  # how older protocols write no bytes
    _MEANINGS[_module, "set"] = _set
    _MEANINGS[_module, "frozenset"] = _frozenset
for _layout in ("csc", "csr", "coo"):
    for _module in (f".{_layout}", f"._{_layout}", "._arrays", ""):  # _arrays: SciPy 1.8 to 1.10
        for _type in ("matrix", "array"):
            _MEANINGS[f"scipy.sparse{_module}", f"{_layout}_{_type}"] = f"sparse {_layout}"
_OTHER_LAYOUTS = re.compile(r"(lil|dok|dia|bsr)_(matrix|array)")
for _module in ("ch", "ch_ops", "reordering"):
    for _class in CHUMPY_CLASSES:
        _MEANINGS[f"chumpy.{_module}", _class] = f"chumpy {_class}"


# --- the machine --------------------------------------------------------------------------------------------

_REFUSED = set("OBJ NEWOBJ_EX PERSID BINPERSID EXT1 EXT2 EXT4 NEXT_BUFFER READONLY_BUFFER".split())
# What an operation will hash, of that part of the stack that lies above the last mark.
_HASHED = {"SETITEM": slice(-2, -1), "ADDITEMS": slice(None), "FROZENSET": slice(None)}
_HASHED |= dict.fromkeys(("SETITEMS", "DICT"), slice(0, None, 2))


class _File(io.BytesIO):
    """Bytes that are never read short, as Python's machine would let them be."""

    def read(self, n):
        data = super().read(n)
        if len(data) < n:
            raise EOFError(f"expected {n} bytes, but only {len(data)} remain")
        return data

    def readline(self):
        line = super().readline()
        if not line.endswith(b"\n"):
            raise EOFError("a line without an end")
        if line.endswith(b"\r\n"):  # no name or number ends so: it would be read, but wrongly
            raise CourseError(f"{LINE_ENDS.name}: {LINE_ENDS.advice}")
        return line


class _Machine(pickle._Unpickler):
    """Python's machine. What makes, calls or changes an object, or costs too much, is done otherwise here."""

    def __init__(self, data, limits, budget):
        self.file = _File(data)
        self.limits, self.budget = limits, budget
        self.n_operations = self.position = 0
        self.operation = ""  # the one that is being done
        super().__init__(self.file, encoding="latin-1")

    def load(self):
        try:
            return super().load()
        except CourseError:
            raise
        except Exception as error:  # whatever Python's machine says to nonsense
            raise CourseError(self._fault(error)) from None

    def _fault(self, error):
        end, again = self.file.tell(), "the file is truncated (copy or download it again)"
        ended = isinstance(error, EOFError)
        if ended and not self.operation:
            return f"the pickle ends after {end} bytes without its end mark: {again}"
        if ended:
            return f"the pickle breaks off at byte {self.position} of {end} ({error}): {again}"
        if not self.operation and not self.file.getvalue()[end - 1 :].strip(b"\0"):
            return f"""the file holds zeros alone from byte {end - 1} on, as where a download was cut
                off: download or copy it again"""
        if not self.operation:  # between two of them: KeyError, no operation has this code
            return f"not a pickle: byte {end - 1} is {bytes(error.args)!r}"
        text = f"{type(error).__name__}: {error}"[:200]
        return f"a damaged pickle: {self.operation} at byte {self.position}: {text}"

    def _step(self, load):
        """One operation, if it is one that model files need."""
        self.position = self.file.tell() - 1
        self.operation = load.__name__.removeprefix("load_").upper()
        self.n_operations += 1
        if self.n_operations > self.limits.operations:
            raise CourseError(f"""the pickle takes more than {self.limits.operations} operations: not a model
                file""")
        if self.operation in _REFUSED:
            raise CourseError(f"""refuses to run the pickle's operation {self.operation}: model files do not
                need it""")
        if self.operation in _HASHED:
            _plain_keys(self.stack[_HASHED[self.operation]])
        load(self)
        n_bits = self.stack[-1].bit_length() if self.stack and type(self.stack[-1]) is int else 0
        if n_bits > self.limits.integer_bits:
            raise ValueError(f"a whole number of {n_bits} bits, expected at most {self.limits.integer_bits}")
        self.operation = ""

    def find_class(self, module, name):
        if module.startswith("scipy.sparse") and _OTHER_LAYOUTS.fullmatch(name):
            raise CourseError(f"""holds a SciPy {name}, expected a csc, csr or coo matrix: convert it with its
                method tocsc() where the file was made, and save that""")
        if (module, name) not in _MEANINGS:
            text = f"{module[:80]}.{name[:80]}"
            text = text if text.isprintable() else ascii(text)
            raise _Refused(f"""refuses to load {text}: a model file holds plain arrays, SciPy sparse
                matrices and a few chumpy expressions, nothing else. Do not open this file with pickle unless
                you know who made it""")
        return Name(module, name)

    def load_frame(self):
        self.read(8)  # a frame says only how much to read at once

    def load_bytearray8(self):
        self.load_binbytes8()  # Python's takes the memory before it reads
        self.stack[-1] = bytearray(self.stack[-1])

    def _instantiate(self, name, arguments):  # by INST, of protocol 0
        raise CourseError(f"refuses to load an old-style instance of {name}")

    def load_newobj(self):
        arguments, cls = self.stack.pop(), self.stack.pop()
        self.append(_new(cls, arguments))

    def load_reduce(self):
        arguments, name = self.stack.pop(), self.stack.pop()
        function = _MEANINGS[name] if type(name) is Name else None
        if not callable(function):
            raise CourseError(f"refuses to call {brief(name)} with {brief(arguments)}")
        if type(arguments) is not tuple:
            raise ValueError(f"arguments of {name} are not a tuple")
        try:
            self.append(function(self.budget, *arguments))
        except (TypeError, ValueError) as error:
            raise CourseError(f"refuses to call {name} with {brief(arguments)}: {error}") from None

    def load_build(self):
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is not StandIn:
            raise CourseError(f"refuses to set the state of {brief(target)}")
        if target.kind == "dtype":
            target.contents = _in_byte_order(target.contents, state)
        elif target.contents is not None:
            raise CourseError(f"refuses to set the state of a {target.kind} twice")
        elif target.kind == "array":
            if type(state) is not tuple or len(state) != 5:
                raise CourseError(f"""an array's state is {brief(state)}, expected (1, shape, dtype, order,
                    bytes)""")
            target.contents = _array(self.budget, *state[1:])
        else:
            if type(state) is not dict or not all(type(key) is str for key in state):
                raise CourseError(f"""the state of a {target.kind} is {brief(state)}, expected a dictionary of
                    attributes""")
            target.contents = state


_Machine.dispatch = {
    code: functools.partial(_Machine._step, load=getattr(_Machine, load.__name__))
    for code, load in pickle._Unpickler.dispatch.items()
}


# --- from stand-ins to arrays -------------------------------------------------------------------------------


class _Resolver:
    """Turns the machine's result into plain Python, with matrices rebuilt and expressions evaluated."""

    def __init__(self, limits, budget):
        self.limits, self.budget = limits, budget
        self.n_values = self.depth = 0
        self.evaluated = {}  # by id; the machine's result keeps the objects alive

    def resolve(self, value):
        """`value` with all in it evaluated. A container that is used twice comes out and counts twice."""
        self.n_values += 1
        if self.n_values > self.limits.operations:
            raise CourseError(f"""the pickle unfolds to more than {self.limits.operations} values: not a model
                file""")
        self.depth += 1
        if self.depth > self.limits.depth:
            raise CourseError(f"""the pickle's contents are nested more than {self.limits.depth} deep, or
                contain themselves""")
        kind = type(value)
        if kind is dict:
            value = {key: self.resolve(item) for key, item in value.items()}
        elif kind in (list, tuple):
            value = kind(self.resolve(item) for item in value)
        elif kind is StandIn and value.kind != "dtype":
            value = self._contents(value)
        elif kind in (Name, StandIn):
            raise CourseError(f"the pickle holds {brief(value)} itself, expected numbers or arrays")
        self.depth -= 1
        return value

    def _contents(self, stand_in):
        contents, kind = stand_in.contents, stand_in.kind
        if contents is None:
            raise CourseError(f"a {kind} without contents")
        if kind == "array":
            return contents

        def term(key):
            return self.resolve(contents.get(key))

        def spend(n_values):
            self.budget.spend(8 * n_values, f"the {kind}")

        if id(stand_in) not in self.evaluated:
            self.evaluated[id(stand_in)] = evaluate(kind, term, spend)
        return self.evaluated[id(stand_in)]
