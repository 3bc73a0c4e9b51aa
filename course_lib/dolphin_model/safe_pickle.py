"""Read SMPL-style model pickles without running them.

A pickle is a small program for a stack machine, and Python's own loader lets that program call whatever it
names. This module is another machine for the same programs. It knows containers, numbers, NumPy arrays, SciPy
sparse matrices and the chumpy expressions that model files hold, and nothing else: what a pickle names is
looked up in the tables below and is never imported, called or even touched otherwise. A name that is not in a
table is refused, and the error says which.

chumpy itself is not needed. A chumpy array is an expression (an array, a selection from an array, a product,
...) that is pickled with its inputs; `_CHUMPY` says how each is evaluated.

Nor can a file make this module use memory or time out of proportion to its size: see `Limits`.
"""

from __future__ import annotations

import codecs
import io
import math
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple

import numpy as np

from ..errors import CourseError


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
    CourseError, with the file's name, for a missing or truncated file, for any other name in the pickle
    ("refuses to load os.system"), and for a file that wants more than `limits`.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > limits.file_bytes:
            raise CourseError(f"{path}: a pickle of {size} bytes, expected at most {limits.file_bytes}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise CourseError(f"{path}: no such file") from None
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror or error})") from None
    try:
        return loads(data, limits)
    except CourseError as error:
        raise CourseError(f"{path}: {error}") from None


def loads(data, limits=Limits()):
    """The same as `load_pickle`, for bytes."""
    budget = _Budget(limits.growth * len(data) + limits.growth_base)
    raw = _Machine(data, limits, budget).run()
    return _Resolver(limits, budget).resolve(raw)


class _Budget:
    """Memory that a file may still ask for: spent before anything is made, never given back."""

    def __init__(self, n_bytes):
        self.n_bytes = n_bytes

    def spend(self, n_bytes, what):
        self.n_bytes -= n_bytes
        if self.n_bytes < 0:
            raise CourseError(f"""{what} would need more memory than a file of this size may ask for: not a
                model file""")


# --- the names a pickle may use -----------------------------------------------------------------------------


class _Global(NamedTuple):
    """A name in a pickle: a word, never the thing that it names."""

    module: str
    name: str

    def __str__(self):
        return f"{self.module}.{self.name}"


_CHUMPY_CLASSES = {
    "chumpy.ch": ("Ch", "MatVecMult"),
    "chumpy.reordering": (
        "Select",
        "Reshape",
        "transpose",
        "swapaxes",
        "rollaxis",
        "AtleastNd",
        "Concatenate",
    ),
    "chumpy.ch_ops": ("add", "subtract", "multiply", "divide", "negative", "dot"),
}
_SPARSE_CLASSES = {
    "csc": ("csc_matrix", "csc_array"),
    "csr": ("csr_matrix", "csr_array"),
    "coo": ("coo_matrix", "coo_array"),
}
_NUMPY_CORE = ("numpy.core", "numpy._core")  # up to NumPy 1, from NumPy 2

# What each name means here: ("function" | "class" | "word", which of ours).
_ALLOWED: dict[tuple[str, str], tuple[str, str]] = {
    ("numpy", "ndarray"): ("word", "ndarray"),
    ("numpy", "dtype"): ("function", "dtype"),
    ("_codecs", "encode"): ("function", "encode"),
    ("collections", "OrderedDict"): ("function", "dict"),
}
for _module in _NUMPY_CORE:
    _ALLOWED[f"{_module}.multiarray", "_reconstruct"] = ("function", "reconstruct")
    _ALLOWED[f"{_module}.multiarray", "scalar"] = ("function", "scalar")
    _ALLOWED[f"{_module}.numeric", "_frombuffer"] = ("function", "frombuffer")
for _module in ("builtins", "__builtin__"):
    _ALLOWED[_module, "object"] = ("word", "object")
    for _name in ("set", "frozenset", "list", "tuple", "dict", "bytes"):
        _ALLOWED[_module, _name] = ("function", _name)
for _module in ("copy_reg", "copyreg"):
    _ALLOWED[_module, "_reconstructor"] = ("function", "reconstructor")
for _format, _names in _SPARSE_CLASSES.items():
    for _name in _names:
        for _module in (f"scipy.sparse.{_format}", f"scipy.sparse._{_format}", "scipy.sparse"):
            _ALLOWED[_module, _name] = ("class", f"sparse {_format}")
for _module, _names in _CHUMPY_CLASSES.items():
    for _name in _names:
        _ALLOWED[_module, _name] = ("class", f"chumpy {_name}")


# --- things under construction ------------------------------------------------------------------------------
# The machine builds these and fills them when the pickle gives their state. `_Resolver` makes arrays of them.


class _DType:
    def __init__(self, dtype):
        self.dtype = dtype


class _Array:
    def __init__(self):
        self.value = None


class _Instance:
    """An object of an allowed class: its kind and its attributes, without a class of its own."""

    def __init__(self, kind):
        self.kind = kind
        self.state = None


_DTYPE_CODES = set("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split())
# Keys of dictionaries, members of sets. Hashing a tuple of tuples can cost more than the file is long.
_PLAIN_KEYS = (str, bytes, int, float, bool, type(None))
_STATEFUL = (_DType, _Array, _Instance)
_MARK = object()


def _python2_string(stream):
    """The argument of opcode STRING: a quoted, escaped line, which may stand for any bytes."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise ValueError("no newline found when trying to read a string")
    line = line.strip()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise ValueError("a string without quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("latin-1")


_OPCODES = {op.code.encode("latin-1"): op for op in pickletools.opcodes}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PUSH_ARGUMENT = set(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE "
    "SHORT_BINUNICODE BINUNICODE BINUNICODE8 SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8".split()
)
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}


class _Machine:
    """Runs the pickle's program; the result still holds things under construction."""

    def __init__(self, data, limits, budget):
        self.stream = io.BytesIO(data)
        self.n_bytes = len(data)
        self.limits = limits
        self.budget = budget
        self.stack = []
        self.memo = {}

    def run(self):
        if self.n_bytes == 0:
            raise CourseError("the file is empty, expected a pickle")
        for _ in range(self.limits.operations):
            position = self.stream.tell()
            code = self.stream.read(1)
            if code == b"":
                raise CourseError(f"""the pickle ends after {self.n_bytes} bytes without its end mark: the
                    file is truncated (copy or download it again)""")
            op = _OPCODES.get(code)
            if op is None:
                raise CourseError(f"not a pickle: byte {position} is {code!r}")
            try:
                if op.name == "STOP":
                    return self._pop()
                self._step(op.name, self._argument(op))
            except CourseError:
                raise
            except (ValueError, OverflowError) as error:
                if self.stream.tell() >= self.n_bytes:
                    raise CourseError(f"""the pickle breaks off at byte {position} of {self.n_bytes}
                        ({error}): the file is truncated (copy or download it again)""") from None
                raise CourseError(f"a damaged pickle: {op.name} at byte {position}: {error}") from None
            except (IndexError, KeyError, TypeError, AttributeError, UnicodeError, RecursionError) as error:
                raise CourseError(f"""a damaged pickle: {op.name} at byte {position}: {type(error).__name__}:
                    {error}""") from None
        raise CourseError(f"the pickle takes more than {self.limits.operations} operations: not a model file")

    def _argument(self, op):
        if op.name == "STRING":
            return _python2_string(self.stream)
        if op.name == "GLOBAL":  # read by hand: pickletools joins the two lines by a space
            module, name = self.stream.readline(), self.stream.readline()
            if not name.endswith(b"\n"):
                raise ValueError("no newline found when trying to read a name")
            return module[:-1].decode("utf-8"), name[:-1].decode("utf-8")
        return None if op.arg is None else op.arg.reader(self.stream)

    def _pop_to_mark(self):
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                items = self.stack[i + 1 :]
                del self.stack[i:]
                return items
        raise ValueError("no mark on the stack")

    def _pop(self):
        top = self.stack.pop()
        if top is _MARK:
            raise ValueError("a mark where a value was expected")
        return top

    def _top(self, kind):
        top = self.stack[-1]
        if type(top) is not kind:
            raise ValueError(f"a {type(top).__name__} where a {kind.__name__} was expected")
        return top

    def _step(self, op, argument):
        push = self.stack.append
        if op in _PUSH_ARGUMENT:
            if type(argument) is int and argument.bit_length() > self.limits.integer_bits:
                raise ValueError(
                    f"a whole number of {argument.bit_length()} bits, expected at most "
                    f"{self.limits.integer_bits}"
                )
            push(argument)
        elif op in _CONSTANTS:
            push(_CONSTANTS[op])
        elif op in _EMPTY:
            push(_EMPTY[op]())
        elif op in ("PROTO", "FRAME"):
            pass
        elif op == "MARK":
            push(_MARK)
        elif op == "POP":
            self.stack.pop()
        elif op == "POP_MARK":
            self._pop_to_mark()
        elif op == "DUP":
            push(self.stack[-1])
        elif op in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif op == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif op in ("GET", "BINGET", "LONG_BINGET"):
            push(self.memo[argument])
        elif op == "LIST":
            push(self._pop_to_mark())
        elif op == "TUPLE":
            push(tuple(self._pop_to_mark()))
        elif op in ("TUPLE1", "TUPLE2", "TUPLE3"):
            n = int(op[-1])
            items = [self._pop() for _ in range(n)]
            push(tuple(items[::-1]))
        elif op == "DICT":
            items = self._pop_to_mark()
            push({})
            self._set_items(items)
        elif op == "SETITEM":
            value, key = self._pop(), self._pop()
            self._set_items([key, value])
        elif op == "SETITEMS":
            self._set_items(self._pop_to_mark())
        elif op == "APPEND":
            item = self._pop()
            self._top(list).append(item)
        elif op == "APPENDS":
            items = self._pop_to_mark()
            self._top(list).extend(items)
        elif op == "ADDITEMS":
            items = self._pop_to_mark()
            self._top(set).update(_plain_keys(items))
        elif op == "FROZENSET":
            push(frozenset(_plain_keys(self._pop_to_mark())))
        elif op == "GLOBAL":
            push(self._name(*argument))
        elif op == "STACK_GLOBAL":
            name, module = self._pop(), self._pop()
            if type(name) is not str or type(module) is not str:
                raise ValueError("a name that is not a string")
            push(self._name(module, name))
        elif op == "INST":  # protocol 0's "make an instance of this class"
            module, _, name = argument.partition(" ")
            raise CourseError(f"refuses to load an old-style instance of {self._name(module, name)}")
        elif op == "REDUCE":
            arguments, function = self._pop(), self._pop()
            push(self._call(function, arguments))
        elif op == "NEWOBJ":
            arguments, cls = self._pop(), self._pop()
            push(self._new(cls, arguments))
        elif op == "BUILD":
            state = self._pop()
            self._build(self.stack[-1], state)
        else:  # OBJ, NEWOBJ_EX, PERSID, BINPERSID, EXT1, EXT2, EXT4, NEXT_BUFFER, READONLY_BUFFER
            raise CourseError(f"refuses to run the pickle's operation {op}: model files do not need it")

    def _set_items(self, items):
        target = self._top(dict)
        if len(items) % 2:
            raise ValueError("a key without a value")
        for key, value in zip(_plain_keys(items[::2]), items[1::2]):
            target[key] = value

    def _name(self, module, name):
        if (module, name) not in _ALLOWED:
            raise CourseError(f"""refuses to load {_printable(module)}.{_printable(name)}: a model file holds
                plain arrays, SciPy sparse matrices and a few chumpy expressions, nothing else. Do not open
                this file with pickle unless you know who made it""")
        return _Global(module, name)

    # Calls, new objects, states: every function that a pickle can reach is in these three methods.

    def _call(self, function, arguments):
        if type(function) is not _Global:
            raise CourseError(f"refuses to call a {_describe(function)}")
        if type(arguments) is not tuple:
            raise ValueError(f"arguments of {function} are not a tuple")
        kind, what = _ALLOWED[function]
        if kind != "function":
            raise CourseError(f"refuses to call {function} with {_describe(arguments)}")
        call = getattr(self, f"_call_{what}")
        try:
            return call(*arguments)
        except (TypeError, ValueError) as error:
            raise CourseError(f"refuses to call {function} with {_describe(arguments)}: {error}") from None

    def _call_reconstruct(self, subtype, shape, typecode):
        if not _is_word(subtype, "ndarray"):
            raise ValueError("only plain arrays, no subclasses of ndarray")
        if shape != (0,) or typecode not in (b"b", "b"):
            raise ValueError("an array is made empty, then filled")
        return _Array()

    def _call_dtype(self, code, align=False, copy=True):
        if type(code) is not str or code not in _DTYPE_CODES:
            raise ValueError(
                f"only numbers (of type {', '.join(sorted(_DTYPE_CODES))}), no objects or records"
            )
        return _DType(np.dtype(code))

    def _call_scalar(self, dtype, raw=b""):
        return self._array_of((), dtype, raw, False)[()]

    def _call_frombuffer(self, raw, dtype, shape, order):
        if order not in ("C", "F"):
            raise ValueError("order is neither C nor F")
        array = _Array()
        array.value = self._array_of(shape, dtype, raw, order == "F")
        return array

    def _call_encode(self, text, encoding=None):
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise ValueError("only text to latin1")
        self.budget.spend(len(text), "a string")
        return text.encode("latin-1")

    def _call_reconstructor(self, cls, base, state):
        if not _is_word(base, "object") or state is not None:
            raise ValueError("only objects without a base or a state")
        return self._new(cls, ())

    def _call_bytes(self):
        return b""  # how older protocols write no bytes

    def _call_set(self, items=()):
        return set(_plain_keys(self._sequence(items)))

    def _call_frozenset(self, items=()):
        return frozenset(_plain_keys(self._sequence(items)))

    def _call_list(self, items=()):
        return list(self._sequence(items))

    def _call_tuple(self, items=()):
        return tuple(self._sequence(items))

    def _call_dict(self, items=()):
        pairs = [self._sequence(item) for item in self._sequence(items)]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("items are not pairs")
        keys = _plain_keys([key for key, _ in pairs])
        return dict(zip(keys, (value for _, value in pairs)))

    def _sequence(self, items):
        if type(items) not in (list, tuple, set, frozenset):
            raise ValueError("not a list")
        self.budget.spend(64 * len(items), "a container")
        return items

    def _new(self, cls, arguments):
        if type(cls) is not _Global:
            raise CourseError(f"refuses to make an instance of a {_describe(cls)}")
        kind, what = _ALLOWED[cls]
        if kind == "function" and what in ("set", "frozenset", "list", "tuple", "dict"):
            return self._call(cls, arguments)
        if kind != "class" or arguments != ():
            raise CourseError(f"refuses to make an instance of {cls} with {_describe(arguments)}")
        return _Instance(what)

    def _build(self, target, state):
        if type(target) not in _STATEFUL:
            raise CourseError(f"refuses to set the state of a {_describe(target)}")
        if type(target) is _Array:
            if target.value is not None:
                raise CourseError("refuses to set the state of an array twice")
            try:
                version, shape, dtype, fortran_order, raw = state
            except (TypeError, ValueError):
                raise CourseError(f"""an array's state is {_describe(state)}, expected (1, shape, dtype,
                    order, bytes)""") from None
            target.value = self._array_of(shape, dtype, raw, bool(fortran_order))
        elif type(target) is _DType:
            # (version, byte order, subarray, field names, fields, item size, alignment, flags)
            if (
                type(state) is not tuple
                or len(state) < 5
                or state[1] not in ("<", ">", "|", "=")
                or any(extra is not None for extra in state[2:5])
            ):
                raise CourseError(f"a number type's state is {_describe(state)}, expected a byte order alone")
            target.dtype = target.dtype.newbyteorder(state[1])
        else:
            if target.state is not None:
                raise CourseError(f"refuses to set the state of a {target.kind} twice")
            if type(state) is not dict or not all(type(key) is str for key in state):
                raise CourseError(f"""the state of a {target.kind} is {_describe(state)}, expected a
                    dictionary of attributes""")
            target.state = state

    def _array_of(self, shape, dtype, raw, fortran_order):
        """An array of the pickle's bytes, which must be exactly as many as shape and type say."""
        if type(dtype) is not _DType:
            raise CourseError(f"an array's type is {_describe(dtype)}, expected a number type")
        if type(raw) not in (bytes, bytearray, str):
            raise CourseError(f"an array's contents are {_describe(raw)}, expected bytes")
        if type(shape) is not tuple or len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
            raise CourseError(f"an array's shape is {_describe(shape)}, expected at most 8 sizes")
        dtype = dtype.dtype
        n_bytes = dtype.itemsize * math.prod(shape)
        if n_bytes != len(raw) or (n_bytes == 0 and max(shape) > self.n_bytes):
            raise CourseError(f"""an array of shape {shape} and type {dtype} should have {n_bytes} bytes, but
                {len(raw)} were found""")
        self.budget.spend(2 * n_bytes, "an array")
        if type(raw) is str:  # Python 2's bytes
            raw = raw.encode("latin-1")
        array = np.frombuffer(bytearray(raw), dtype=dtype).reshape(shape, order="F" if fortran_order else "C")
        return array.astype(dtype.newbyteorder("="), copy=False)


def _plain_keys(items):
    for item in items:
        if type(item) not in _PLAIN_KEYS:
            raise CourseError(f"""a dictionary's key or a set's member is a {_describe(item)}, expected a
                string or a number""")
    return items


def _is_word(value, word):
    return type(value) is _Global and _ALLOWED[value] == ("word", word)


def _printable(text, length=80):
    text = text if len(text) <= length else text[:length] + "..."
    return text if text.isprintable() else ascii(text)


def _describe(value, depth=1):
    """A value in few words, however large it is."""
    if type(value) is _Global:
        return str(value)
    if type(value) is _Instance:
        return value.kind
    if type(value) in (_Array, _DType):
        return type(value).__name__.strip("_").lower()
    if type(value) is str:
        return repr(value[:40])
    if value is None or type(value) is bool or (type(value) is int and abs(value) < 1 << 64):
        return repr(value)
    if type(value) is tuple and depth and len(value) <= 8:
        return "(" + ", ".join(_describe(item, depth - 1) for item in value) + ")"
    return type(value).__name__


# --- from things under construction to arrays ---------------------------------------------------------------


class _Resolver:
    """Turns the machine's result into plain Python: arrays filled, sparse matrices rebuilt, expressions
    evaluated.
    """

    def __init__(self, limits, budget):
        self.limits = limits
        self.budget = budget
        self.nodes_left = limits.operations
        self.cache = {}  # evaluated instances; the machine's result keeps their ids alive

    def resolve(self, value, depth=0):
        """`value` with everything evaluated. A container that is used twice comes out twice, and counts
        twice.
        """
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise CourseError(f"""the pickle unfolds to more than {self.limits.operations} values: not a model
                file""")
        if depth > self.limits.depth:
            raise CourseError(f"""the pickle's contents are nested more than {self.limits.depth} deep, or
                contain themselves""")
        kind = type(value)
        if kind is dict:
            return {key: self.resolve(item, depth + 1) for key, item in value.items()}
        if kind in (list, tuple):
            return kind(self.resolve(item, depth + 1) for item in value)
        if kind is _Array:
            if value.value is None:
                raise CourseError("an array without contents")
            return value.value
        if kind is _Instance:
            if id(value) not in self.cache:
                if value.state is None:
                    raise CourseError(f"a {value.kind} without contents")
                build = self._sparse if value.kind.startswith("sparse ") else self._chumpy
                try:
                    self.cache[id(value)] = build(value, depth)
                except (ValueError, TypeError, IndexError, KeyError, MemoryError, OverflowError) as error:
                    raise CourseError(f"the {value.kind} in the pickle makes no sense: {error}") from None
            return self.cache[id(value)]
        if kind in (_Global, _DType):
            raise CourseError(f"the pickle holds {_describe(value)} itself, expected numbers or arrays")
        return value

    # SciPy

    def _sparse(self, instance, depth):
        from scipy import sparse

        kind = instance.kind
        state = {
            key: self.resolve(instance.state.get(key), depth + 1)
            for key in ("_shape", "shape", "data", "indices", "indptr", "row", "col", "coords")
        }
        shape = state["shape"] if state["_shape"] is None else state["_shape"]
        shape = tuple(int(n) if isinstance(n, np.integer) else n for n in shape)
        if len(shape) != 2 or not all(type(n) is int and 0 < n < 1 << 31 for n in shape):
            raise CourseError(f"a {kind} matrix has shape {_describe(shape)}, expected two positive numbers")
        data = state["data"]
        if type(data) is not np.ndarray or data.ndim != 1 or data.dtype.kind not in "biuf":
            raise CourseError(f"a {kind} matrix's data are {_describe(data)}, expected a row of numbers")
        if kind == "sparse coo":
            row, col = (state["row"], state["col"]) if state["coords"] is None else state["coords"]
            for name, index, size in (("row", row, shape[0]), ("col", col, shape[1])):
                self._check_index(kind, name, index, size)
                if len(index) != len(data):
                    raise CourseError(f"""a {kind} matrix has {len(data)} values but {len(index)} entries in
                        {name}""")
            return sparse.coo_matrix((data, (row, col)), shape=shape)
        indices, indptr = state["indices"], state["indptr"]
        n_major, n_minor = shape[::-1] if kind == "sparse csc" else shape
        self._check_index(kind, "indices", indices, n_minor)
        self._check_index(kind, "indptr", indptr, len(data) + 1)
        if (
            len(indptr) != n_major + 1
            or indptr[0] != 0
            or (np.diff(indptr.astype(np.int64)) < 0).any()
            or indptr[-1] > min(len(data), len(indices))
        ):
            raise CourseError(f"""a {kind} matrix of shape {shape} with {len(data)} values has an impossible
                indptr""")
        make = sparse.csc_matrix if kind == "sparse csc" else sparse.csr_matrix
        n = int(indptr[-1])
        return make((data[:n], indices[:n], indptr), shape=shape)

    def _check_index(self, kind, name, index, size):
        if type(index) is not np.ndarray or index.ndim != 1 or index.dtype.kind not in "iu":
            raise CourseError(f"""a {kind} matrix's {name} is {_describe(index)}, expected a row of whole
                numbers""")
        if len(index) and (index.min() < 0 or index.max() >= size):
            raise CourseError(f"""a {kind} matrix's {name} holds {index.min()} to {index.max()}, expected 0 to
                {size - 1}""")

    # chumpy

    def _chumpy(self, instance, depth):
        name = instance.kind.removeprefix("chumpy ")
        term = _Terms(self, instance.state, name, depth)
        result = _CHUMPY[name](term)
        if result.dtype.kind not in "biuf":
            raise CourseError(f"the chumpy {name} holds {result.dtype}, expected real numbers")
        term.spend(result.size)
        return np.atleast_1d(np.asarray(result, dtype=np.float64))  # as chumpy does


class _Terms:
    """The inputs of one chumpy expression, by name."""

    def __init__(self, resolver, state, name, depth):
        self.resolver, self.state, self.name, self.depth = resolver, state, name, depth

    def raw(self, key, default=None):
        return self.resolver.resolve(self.state.get(key, default), self.depth + 1)

    def array(self, key):
        value = self.raw(key)
        if isinstance(value, (bool, int, float, np.generic)):
            value = np.asarray(value, dtype=np.float64)
        if type(value) is not np.ndarray:
            raise CourseError(f"the chumpy {self.name}'s {key!r} is {_describe(value)}, expected an array")
        return value

    def integers(self, key):
        """A whole number, or a tuple of them, or None."""
        value = self.raw(key)
        if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size <= 32:
            value = tuple(value.ravel().tolist())
        if isinstance(value, np.integer):
            value = int(value)
        if type(value) in (list, tuple):
            value = tuple(int(n) if isinstance(n, np.integer) else n for n in value)
        if not (
            value is None
            or type(value) is int
            or type(value) is tuple
            and len(value) <= 32
            and all(type(n) is int for n in value)
        ):
            raise CourseError(f"""the chumpy {self.name}'s {key!r} is {_describe(value)}, expected whole
                numbers""")
        return value

    def spend(self, n_values):
        """To be called before an array of that many float64 is made."""
        self.resolver.budget.spend(8 * n_values, f"the chumpy {self.name}")


def _select(term):
    a, idxs = term.array("a").ravel(), term.array("idxs").ravel()
    if idxs.dtype.kind not in "iu":
        raise CourseError(f"the chumpy Select's indices are of type {idxs.dtype}, expected whole numbers")
    if idxs.size and (idxs.min() < -a.size or idxs.max() >= a.size):
        raise CourseError(f"""the chumpy Select's indices are {idxs.min()} to {idxs.max()}, expected 0 to
            {a.size - 1}""")
    term.spend(idxs.size)
    shape = term.integers("preferred_shape")
    return a[idxs] if shape is None else a[idxs].reshape(shape)


def _mat_vec_mult(term):
    from scipy import sparse

    matrix, vec = term.raw("mtx"), term.array("vec").astype(np.float64)
    if not (sparse.issparse(matrix) or type(matrix) is np.ndarray and matrix.ndim == 2):
        raise CourseError(f"""the chumpy MatVecMult's matrix is {_describe(matrix)}, expected a sparse or
            dense matrix""")
    term.spend(matrix.shape[0])
    result = np.asarray(matrix @ vec.reshape(-1, 1)).ravel()
    if vec.ndim > 1 and vec.shape[1] > 1:
        result = result.reshape(-1, vec.shape[1])
    return result


def _concatenate(term):
    names = term.raw("dterms")
    if (
        type(names) not in (list, tuple)
        or not 0 < len(names) <= 1000
        or not all(type(name) is str for name in names)
    ):
        raise CourseError(f"the chumpy Concatenate's parts are {_describe(names)}, expected a list of names")
    parts = [term.array(name) for name in names]
    term.spend(sum(part.size for part in parts))
    return np.concatenate(parts, axis=term.integers("axis") or 0)


def _atleast_nd(term):
    at_least = {1: np.atleast_1d, 2: np.atleast_2d, 3: np.atleast_3d}[int(term.integers("ndims") or 1)]
    return at_least(term.array("x"))


def _elementwise(function, a, b):
    def evaluate(term):
        left, right = term.array(a).astype(np.float64), term.array(b).astype(np.float64)
        term.spend(math.prod(np.broadcast_shapes(left.shape, right.shape)))
        with np.errstate(all="ignore"):
            return function(left, right)

    return evaluate


def _dot(term):
    a, b = term.array("a").astype(np.float64), term.array("b").astype(np.float64)
    term.spend(math.prod(a.shape[:-1] + b.shape[:-2] + b.shape[1:][-1:]))
    with np.errstate(all="ignore"):
        return a.dot(b)


# Named as chumpy names its classes and their terms. Every result is an array; none is larger than was spent
# for it.
_CHUMPY: dict[str, Callable[[_Terms], np.ndarray]] = {
    "Ch": lambda term: term.array("x"),
    "MatVecMult": _mat_vec_mult,
    "Select": _select,
    "Reshape": lambda term: term.array("a").reshape(term.integers("newshape")),
    "transpose": lambda term: np.transpose(term.array("a"), term.integers("axes") or None),
    "swapaxes": lambda term: np.swapaxes(term.array("a"), term.integers("axis1"), term.integers("axis2")),
    "rollaxis": lambda term: np.rollaxis(term.array("a"), term.integers("axis"), term.integers("start") or 0),
    "AtleastNd": _atleast_nd,
    "Concatenate": _concatenate,
    "add": _elementwise(np.add, "a", "b"),
    "subtract": _elementwise(np.subtract, "a", "b"),
    "multiply": _elementwise(np.multiply, "a", "b"),
    "divide": _elementwise(np.divide, "x1", "x2"),
    "negative": lambda term: -term.array("x").astype(np.float64),
    "dot": _dot,
}
