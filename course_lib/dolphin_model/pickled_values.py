"""What the objects in a model's pickle are worth: SciPy's sparse matrices and chumpy's expressions.

chumpy itself is not needed. A chumpy array is an expression (an array, a selection from an array, a product,
...) that is pickled with its inputs; `_CHUMPY` says how each is evaluated.
"""

import math
import operator
from typing import Any, NamedTuple

import numpy as np

from ..errors import CourseError


class Name(NamedTuple):
    """A name in a pickle: a word, never the thing that it names."""

    module: str
    name: str

    def __str__(self):
        return f"{self.module}.{self.name}"


class StandIn:
    """An object that a pickle builds: its kind, and its contents once the pickle has given them."""

    def __init__(self, kind, contents=None):
        self.kind = kind
        self.contents = contents


def brief(value, depth=1):
    """A value in few words, however large it is."""
    if type(value) in (Name, StandIn):
        return str(value) if type(value) is Name else f"a {value.kind}"
    if type(value) is str:
        return repr(value[:40])
    if value is None or type(value) in (bool, int, float):
        return repr(value)
    if type(value) is np.ndarray:
        return f"an array of {value.dtype} of shape {value.shape}"
    if type(value) is tuple and depth and len(value) <= 8:
        return "(" + ", ".join(brief(item, depth - 1) for item in value) + ")"
    return f"a {type(value).__name__}"


def evaluate(kind, term, spend):
    """The SciPy matrix or the array of float64 that an object stands for.

    kind: such as "sparse csc" or "chumpy Select". term: the function from the name of an attribute to its
    value, or to None. spend: called with a number of values before memory is taken for them. Raises
    CourseError where the attributes make no sense.
    """
    package, name = kind.split()
    try:
        return _sparse(name, term) if package == "sparse" else _chumpy(name, term, spend)
    except CourseError:
        raise
    except Exception as error:  # whatever NumPy and SciPy say to nonsense
        raise CourseError(f"the {kind} in the pickle makes no sense: {error}") from None


def _sparse(layout, term):
    from scipy import sparse

    shape = term("shape") if term("_shape") is None else term("_shape")
    shape = tuple(operator.index(n) for n in shape)
    if len(shape) != 2 or not all(0 < n < 1 << 31 for n in shape):
        raise CourseError(f"a sparse {layout} matrix has shape {brief(shape)}, expected two positive numbers")
    if layout == "coo":
        row, col = term("coords") or (term("row"), term("col"))
        arrays = {"data": term("data"), "row": row, "col": col}
    else:
        arrays = {name: term(name) for name in ("data", "indices", "indptr")}
    for name, array in arrays.items():
        kinds, numbers = ("biuf", "numbers") if name == "data" else ("iu", "whole numbers")
        if type(array) is not np.ndarray or array.ndim != 1 or array.dtype.kind not in kinds:
            raise CourseError(f"""a sparse {layout} matrix's {name} is {brief(array)}, expected a row of
                {numbers}""")
    if layout == "coo":
        return sparse.coo_matrix((arrays["data"], (row, col)), shape=shape)
    make = sparse.csc_matrix if layout == "csc" else sparse.csr_matrix
    matrix = make(tuple(arrays.values()), shape=shape)
    matrix.check_format(full_check=True)
    return matrix


def _chumpy(name, term, spend):
    rule = _CHUMPY[name]
    keys = rule.arrays.split() or term("dterms")
    inputs = [_reals(f"{name}'s {key!r}", term(key), spend) for key in keys]
    inputs += [term(key) for key in rule.parameters.split()]
    spend(rule.size(*inputs))
    with np.errstate(all="ignore"):
        return _reals(name, rule.function(*inputs), spend)


def _reals(name, value, spend):
    """An array or a number as chumpy holds it: float64, of one dimension at least."""
    if isinstance(value, (int, float, np.generic)):
        value = np.asarray(value)
    if type(value) is not np.ndarray:
        raise CourseError(f"the chumpy {name} is {brief(value)}, expected an array")
    if value.dtype.kind not in "biuf":
        raise CourseError(f"the chumpy {name} holds {value.dtype}, expected real numbers")
    if value.dtype != np.float64:
        spend(value.size)
    return np.atleast_1d(value.astype(np.float64, copy=False))


class _Rule(NamedTuple):
    """An expression is function(*arrays, *parameters), and has size(*arrays, *parameters) values."""

    function: Any
    arrays: str  # named as chumpy names its terms; none: as many as the term "dterms" names
    parameters: str = ""
    size: Any = lambda *inputs: inputs[0].size


def _broadcast_size(*inputs):
    return math.prod(np.broadcast_shapes(*(array.shape for array in inputs)))


def _select(a, idxs, shape):
    return a.ravel()[idxs] if shape is None else a.ravel()[idxs].reshape(shape)


def _mat_vec_mult(vec, matrix):
    result = (matrix @ vec.reshape(-1, 1)).ravel()
    columns = math.prod(vec.shape[1:2])
    return result if columns < 2 else result.reshape(-1, columns)


def _concatenate(*arrays_and_axis):
    *arrays, axis = arrays_and_axis
    return np.concatenate(arrays, axis or 0)


def _at_least(a, ndims):
    return {1: np.atleast_1d, 2: np.atleast_2d, 3: np.atleast_3d}[ndims](a)


_CHUMPY = {
    "Ch": _Rule(np.asarray, "x"),
    "MatVecMult": _Rule(_mat_vec_mult, "vec", "mtx", lambda vec, matrix: math.prod(matrix.shape[:-1])),
    "Select": _Rule(_select, "a", "idxs preferred_shape", lambda a, idxs, shape: idxs.size),
    "Reshape": _Rule(np.reshape, "a", "newshape"),
    "transpose": _Rule(np.transpose, "a", "axes"),
    "swapaxes": _Rule(np.swapaxes, "a", "axis1 axis2"),
    "rollaxis": _Rule(lambda a, axis, start: np.rollaxis(a, axis, start or 0), "a", "axis start"),
    "AtleastNd": _Rule(_at_least, "x", "ndims"),
    "Concatenate": _Rule(_concatenate, "", "axis", lambda *inputs: sum(a.size for a in inputs[:-1])),
    "add": _Rule(np.add, "a b", "", _broadcast_size),
    "subtract": _Rule(np.subtract, "a b", "", _broadcast_size),
    "multiply": _Rule(np.multiply, "a b", "", _broadcast_size),
    "divide": _Rule(np.divide, "x1 x2", "", _broadcast_size),
    "negative": _Rule(np.negative, "x"),
    "dot": _Rule(np.dot, "a b", "", lambda a, b: math.prod(a.shape[:-1] + b.shape[:-2] + b.shape[1:][-1:])),
}
CHUMPY_CLASSES = tuple(_CHUMPY)
