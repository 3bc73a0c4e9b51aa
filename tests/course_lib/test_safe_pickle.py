"""The restricted unpickler: what model files hold comes out right, and nothing else comes out at all."""

import collections
import inspect
import io
import os
import pickle
import random
import struct
import sys
import time
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from course_lib.dolphin_model.safe_pickle import Limits, load_pickle, loads
from course_lib.errors import CourseError

GOLDEN = Path(__file__).parents[1] / "golden" / "tutorial"
PROTOCOLS = range(6)


# --- model files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dolphin_model", "dolphin_model_old_names"])
def test_golden_models(name):
    pipeline = np.load(GOLDEN / "pipeline.npz")
    model = load_pickle(GOLDEN / f"{name}.pkl")
    vertices = model.get("v_template", model.get("default_v"))
    regressor = model.get("J_regressor", model.get("joint_regressor"))
    assert np.abs(vertices - pipeline["chumpy_rest_vertices"]).max() < 1e-14
    assert np.abs(regressor @ vertices - pipeline["chumpy_joints"]).max() < 1e-14
    assert sparse.issparse(regressor) and regressor.shape == (10, 180)
    assert np.array_equal(model["f"], pipeline["faces"])
    assert model["shapedirs"].shape == (180, 3, 4) and model["shapedirs"].dtype == np.float64
    # columns 0 (global) and 1-3 (x, y, z): the global direction is the sum of the others
    assert np.allclose(model["shapedirs"][..., 0], model["shapedirs"][..., 1:].sum(-1))


def test_select_is_evaluated_as_the_plain_array_of_the_other_file():
    a, b = (load_pickle(GOLDEN / f"dolphin_model{suffix}.pkl") for suffix in ("", "_old_names"))
    assert np.array_equal(a["shapedirs"], b["shapedirs"])


def test_segmentation_files():
    assert load_pickle(GOLDEN / "dolphin_seg_gloss.pkl")["v_labels"].dtype == np.int64
    parts = load_pickle(GOLDEN / "dolphin_coarse_seg.pkl")["coarse_parts_idx"]
    assert parts == [[0], [1, 2], [3], [4], [5], [6, 7], [8, 9]]


@pytest.fixture
def chumpy(monkeypatch):
    """The real one, where it is installed. It was written for an older Python and NumPy; give it the names it
    misses.
    """
    if not hasattr(inspect, "getargspec"):
        monkeypatch.setattr(inspect, "getargspec", inspect.getfullargspec, raising=False)
    for missing, meant in {
        "bool": bool,
        "int": int,
        "float": float,
        "complex": complex,
        "object": object,
        "unicode": str,
        "str": str,
    }.items():
        if missing not in vars(np):
            monkeypatch.setitem(vars(np), missing, meant)
    return pytest.importorskip("chumpy", exc_type=ImportError)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["dolphin_model", "dolphin_model_old_names"])
def test_models_load_as_chumpy_itself_loads_them(chumpy, name):
    with (GOLDEN / f"{name}.pkl").open("rb") as file:
        theirs = pickle.load(file, encoding="latin1")
    ours = load_pickle(GOLDEN / f"{name}.pkl")
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        if isinstance(value, chumpy.Ch):
            assert np.array_equal(ours[key], value.r), key
        elif sparse.issparse(value):
            assert (ours[key] != value).nnz == 0, key
        else:
            assert np.array_equal(ours[key], value), key


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_expressions_evaluate_as_chumpy_itself_evaluates_them(chumpy, protocol):
    rng = np.random.default_rng(0)
    v, directions, betas = (chumpy.array(rng.normal(size=shape)) for shape in ((20, 3), (20, 3, 10), 10))
    regressor = sparse.csc_matrix(rng.random((4, 20)) * (rng.random((4, 20)) > 0.5))
    shaped = v + directions.dot(betas)
    joints = chumpy.vstack([chumpy.ch.MatVecMult(regressor, shaped[:, i]) for i in range(3)]).T
    expressions = {
        "v": v,
        "view": directions[:, :, :4],
        "shaped": shaped,
        "joints": joints,
        "sliced": (shaped * 2 - v / 3.0)[3:7, ::2],
        "negative": -v,
        "reshaped": v.reshape((3, 20)),
        "flat": v.ravel(),
        "side by side": chumpy.hstack([v, v]),
        "swapped": chumpy.swapaxes(v, 0, 1),
        "rolled": chumpy.rollaxis(directions, 2, 0),
        "deep": chumpy.dstack([v, v]),
        "one": v[0, 0],
    }
    ours = loads(pickle.dumps(expressions, protocol))
    for key, expression in expressions.items():
        assert ours[key].shape == expression.r.shape and np.array_equal(ours[key], expression.r), key


# --- what else may be in them -------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values(protocol):
    value = {
        "a": [1, -2, 2**40, 0.5, True, None],
        "b": (1, (2, 3)),
        "c": {"x", "y"},
        "d": b"\x00\xff",
        "e": "Tümmler",
        "f": frozenset({1}),
        "g": {},
        "h": [],
        "i": (),
    }
    assert loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "dtype", ["?", "i1", "<i2", ">i4", "i8", "u1", "u4", "u8", "f2", "<f4", ">f8", "c16"]
)
def test_arrays(protocol, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for value in (
        array,
        np.asfortranarray(array),
        array[:, ::2],
        array[:0],
        array[0, 0, 0],
        array.reshape(-1)[3:4][0],
    ):
        result = loads(pickle.dumps(value, protocol))
        assert np.array_equal(result, value) and result.dtype == value.dtype.newbyteorder("=")


def test_arrays_can_be_written_to_and_share_nothing():
    array = np.arange(5.0)
    a, b = loads(pickle.dumps([array, array.copy()], 2))
    a[0] = 7
    assert b[0] == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ordered_dict(protocol):
    assert loads(pickle.dumps(collections.OrderedDict(b=1, a=[2]), protocol)) == {"b": 1, "a": [2]}


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("form", ["csc", "csr", "coo"])
def test_sparse_matrices_under_old_and_new_paths(form, new):
    dense = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4]])
    data = pickle.dumps(sparse.coo_matrix(dense).asformat(form), 2)
    if not new:
        data = data.replace(f"scipy.sparse._{form}\n".encode(), f"scipy.sparse.{form}\n".encode())
        data = data.replace(b"numpy._core.", b"numpy.core.")
    assert np.array_equal(loads(data).toarray(), dense)


def test_python_2_pickles():
    """Protocol 0 as Python 2 wrote it: strings are bytes, with escapes; old modules; long integers."""
    raw = np.array([1.5, -2.0])
    text = repr(raw.tobytes())[2:-1]
    data = (
        "(dp0\nS'v'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
        f"(I1\n(L2L\ntp8\ncnumpy\ndtype\np9\n(S'f8'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
        f"S'{text}'\np15\ntp16\nbs."
    ).encode("ascii")
    assert np.array_equal(loads(data)["v"], raw)


# --- chumpy's expressions -----------------------------------------------------------------------------------


class _FakeChumpy:
    """Classes with chumpy's names, enough to pickle expressions as chumpy does."""

    names = {
        "ch": ["Ch", "MatVecMult", "ChLambda"],
        "reordering": ["Select", "Reshape", "transpose", "swapaxes", "rollaxis", "AtleastNd", "Concatenate"],
        "ch_ops": ["add", "subtract", "multiply", "divide", "negative", "dot"],
    }

    def __init__(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
        for module, names in self.names.items():
            fake = types.ModuleType(f"chumpy.{module}")
            monkeypatch.setitem(sys.modules, fake.__name__, fake)
            for name in names:
                cls = type(
                    name,
                    (),
                    {"__module__": fake.__name__, "__init__": lambda self, **terms: vars(self).update(terms)},
                )
                setattr(fake, name, cls)
                setattr(self, name, cls)

    def ch(self, x):
        return self.Ch(_dirty_vars={"x"}, _itr=None, _make_dense=False, _depends_on_deps={}, x=x)


@pytest.fixture
def fake(monkeypatch):
    return _FakeChumpy(monkeypatch)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_chumpy_expressions(fake, protocol):
    rng = np.random.default_rng(0)
    a, b, m = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    A, B, M = fake.ch(a), fake.ch(b), fake.ch(m)
    regressor = sparse.csc_matrix(rng.normal(size=(2, 3)) * (rng.random((2, 3)) > 0.3))
    column = fake.Select(a=A, idxs=np.array([0, 4, 8]), preferred_shape=(3,))
    expressions = {
        "select": (
            fake.Select(a=A, idxs=np.arange(12).reshape(3, 4)[:, :2].ravel(), preferred_shape=(3, 2)),
            a[:, :2],
        ),
        "flat select": (fake.Select(a=A, idxs=np.array([5, -1])), a.ravel()[[5, -1]]),
        "reshape": (fake.Reshape(a=A, newshape=(2, 6)), a.reshape(2, 6)),
        "ravel": (fake.Reshape(a=A, newshape=-1), a.ravel()),
        "transpose": (fake.transpose(a=A, axes=None), a.T),
        "transpose without axes": (fake.transpose(a=A), a.T),
        "swapaxes": (fake.swapaxes(a=A, axis1=0, axis2=1), a.T),
        "rollaxis": (fake.rollaxis(a=A, axis=1, start=0), np.rollaxis(a, 1)),
        "atleast": (fake.AtleastNd(x=column, ndims=2), a[None, :, 0]),
        "concatenate": (fake.Concatenate(dterms=["m0", "m1"], m0=A, m1=B, axis=1), np.hstack([a, b])),
        "add": (fake.add(a=A, b=B), a + b),
        "subtract": (fake.subtract(a=A, b=fake.ch(np.array([1.0]))), a - 1),
        "multiply": (fake.multiply(a=A, b=column_of(fake, B)), a * b[:, :1]),
        "divide": (fake.divide(x1=A, x2=B), a / b),
        "negative": (fake.negative(x=A), -a),
        "dot": (fake.dot(a=A, b=M), a @ m),
        "matvec": (fake.MatVecMult(mtx=regressor, vec=column), regressor @ a[:, 0]),
        "number": (fake.Ch(x=3), np.array([3.0])),
        "shared": (fake.add(a=column, b=column), 2 * a[:, 0]),
        # joints as a fitted SMPL-style model pickles them: vstack of three regressed coordinates, transposed
        "joints": (
            fake.transpose(
                a=fake.Concatenate(
                    dterms=["m0", "m1"],
                    axis=0,
                    **{
                        f"m{i}": fake.AtleastNd(
                            ndims=2,
                            x=fake.MatVecMult(
                                mtx=regressor,
                                vec=fake.Select(a=A, idxs=np.arange(3) * 4 + i, preferred_shape=(3,)),
                            ),
                        )
                        for i in range(2)
                    },
                )
            ),
            (regressor @ a)[:, :2],
        ),
    }
    result = loads(
        pickle.dumps({name: expression for name, (expression, _) in expressions.items()}, protocol)
    )
    for name, (_, expected) in expressions.items():
        assert result[name].dtype == np.float64, name
        assert result[name].shape == expected.shape and np.allclose(
            result[name], expected, rtol=0, atol=1e-15
        ), name


def column_of(fake, B):
    return fake.Select(a=B, idxs=np.array([0, 4, 8]), preferred_shape=(3, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: f.ChLambda(lmb=None), "refuses to load chumpy.ch.ChLambda"),
        (lambda f: f.Select(a=f.ch(np.ones(3)), idxs=np.array([3])), "indices are 3 to 3, expected 0 to 2"),
        (lambda f: f.Select(a=f.ch(np.ones(3)), idxs=np.array([0.0])), "expected whole numbers"),
        (lambda f: f.Select(idxs=np.array([0])), "'a' is None, expected an array"),
        (lambda f: f.Reshape(a=f.ch(np.ones(3)), newshape=(2, 2)), "makes no sense"),
        (lambda f: f.Concatenate(dterms=["m0"], axis=0), "'m0' is None"),
        (lambda f: f.Concatenate(dterms="x", axis=0), "expected a list of names"),
        (lambda f: f.MatVecMult(mtx="x", vec=np.ones(3)), "expected a sparse or dense matrix"),
        (lambda f: f.ch("text"), "'x' is 'text', expected an array"),
        (lambda f: f.ch(np.ones(2) * 1j), "expected real numbers"),
        (lambda f: f.transpose(a=np.ones((2, 2)), axes=[[0], 1]), "expected whole numbers"),
        (lambda f: f.AtleastNd(x=np.ones(2), ndims=9), "makes no sense"),
    ],
)
def test_faulty_expressions(fake, make, message):
    with pytest.raises(CourseError, match=message):
        loads(pickle.dumps(make(fake), 2))


# --- hostile files ------------------------------------------------------------------------------------------


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


FORBIDDEN = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("__builtin__", "eval"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("builtins", "open"),
    ("builtins", "type"),
    ("builtins", "bytearray"),
    ("builtins", "range"),
    ("builtins", "globals"),
    ("operator", "attrgetter"),
    ("functools", "partial"),
    ("importlib", "import_module"),
    ("types", "FunctionType"),
    ("types", "CodeType"),
    ("pickle", "loads"),
    ("numpy", "load"),
    ("numpy", "fromfile"),
    ("numpy", "memmap"),
    ("numpy", "matrix"),
    ("numpy", "ndarray.tofile"),
    ("numpy", "zeros"),
    ("numpy.core.multiarray", "fromfile"),
    ("numpy.f2py", "compile"),
    ("numpy.testing._private.utils", "runstring"),
    ("numpy._core.multiarray", "frombuffer"),
    ("_codecs", "decode"),
    ("codecs", "encode"),
    ("copyreg", "add_extension"),
    ("copyreg", "__newobj__"),
    ("copy_reg", "_extension_registry"),
    ("collections", "defaultdict"),
    ("collections", "OrderedDict.fromkeys"),
    ("torch", "load"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("scipy.sparse", "load_npz"),
    ("scipy.sparse._csc", "np"),
    ("chumpy.ch", "Ch.__init__"),
    ("chumpy.ch", "os"),
    ("chumpy.utils", "wget"),
    ("course_lib.dolphin_model.safe_pickle", "load_pickle"),
    ("antigravity", "webbrowser"),
    ("", "x"),
    ("os\x00", "system"),
    ("Os", "System"),
]


@pytest.mark.parametrize(("module", "attribute"), FORBIDDEN)
def test_every_other_name_is_refused_by_name(module, attribute, tmp_path):
    victim = tmp_path / "victim"
    call = text(f"touch {victim}") + b"\x85R."
    printable = f"{module}.{attribute}" if module.isprintable() else "system"
    for data in (name(module, attribute) + call, text(module) + text(attribute) + b"\x93" + call):
        with pytest.raises(CourseError, match="refuses to load") as error:
            loads(b"\x80\x04" + data)
        assert printable in str(error.value)
    assert not victim.exists() and "antigravity" not in sys.modules


def test_the_message_names_file_and_name(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/victim",)

    path = tmp_path / "dolphin_model.pkl"
    path.write_bytes(pickle.dumps({"v_template": Evil()}))
    with pytest.raises(CourseError, match=rf"{path}: refuses to load (posix|nt)\.system"):
        load_pickle(path)
    assert not (tmp_path / "victim").exists()


class Reduce:
    """Pickles as a call of `function` with `arguments`, then a state."""

    def __init__(self, function, arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


NDARRAY = np.zeros(2).__reduce__()[0]  # numpy's _reconstruct
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"  # an empty array
F8 = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R"
CH = b"cchumpy.ch\nCh\n)\x81"


def array_state(shape, dtype, raw):
    return b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"


HOSTILE = {
    # objects inside arrays
    "object array": (pickle.dumps(np.array([1, "a"], dtype=object), 2), "refuses to call numpy.dtype"),
    "object array with a call": (
        pickle.dumps(np.array([Reduce(os.system, ("true",))], dtype=object), 2),
        "refuses to",
    ),
    "record array": (pickle.dumps(np.zeros(2, dtype=[("a", "i4")]), 2), "refuses to call numpy.dtype"),
    "date array": (pickle.dumps(np.zeros(2, dtype="M8[s]"), 2), "refuses to call numpy.dtype"),
    "string array": (pickle.dumps(np.array(["a"]), 2), "refuses to call numpy.dtype"),
    "dtype made an object": (F8 + b"(K\x03U\x01|NU\x01aNJ\xff\xff\xff\xffK\x00K?tb.", "number type's state"),
    "dtype with odd byte order": (F8 + b"(K\x03U\x01ONNNK\x00K\x00K\x00tb.", "number type's state"),
    "dtype alone": (F8 + b".", "expected numbers or arrays"),
    "subclass of array": (pickle.dumps(np.ma.masked_array([1.0]), 2), "refuses to load numpy.ma"),
    "array of another class": (
        b"cnumpy.core.multiarray\n_reconstruct\ncbuiltins\nobject\nK\x00\x85U\x01b\x87R.",
        "no subclasses",
    ),
    # states
    "state of a name": (
        b"cchumpy.ch\nCh\n}" + text("x") + b"K\x01sb.",
        "refuses to set the state of a chumpy.ch.Ch",
    ),
    "state of a function": (
        b"cnumpy\ndtype\n}" + text("__code__") + b"K\x01sb.",
        "refuses to set the state of a numpy.dtype",
    ),
    "slots of a function": (
        b"cnumpy\ndtype\nN}" + text("__code__") + b"K\x01s\x86b.",
        "refuses to set the state",
    ),
    "state of a list": (b"]}" + text("append") + b"K\x01sb.", "refuses to set the state of a list"),
    "state of a dictionary": (b"}}" + text("x") + b"K\x01sb.", "refuses to set the state of a dict"),
    "slots of a Ch": (
        CH + b"N}" + text("__class__") + b"K\x01s\x86b.",
        "expected a dictionary of attributes",
    ),
    "state of a Ch twice": (CH + b"}b}b.", "twice"),
    "state of a Ch by number": (CH + b"}K\x01K\x02sb.", "expected a dictionary of attributes"),
    "Ch without a state": (CH + b".", "without contents"),
    "array without a state": (ARRAY + b".", "without contents"),
    "array state twice": (ARRAY + 2 * array_state(b"K\x00\x85", F8, b"U\x00") + b".", "twice"),
    # shapes
    "huge array": (
        ARRAY + array_state(b"\x8a\x08" + struct.pack("<q", 2**60) + b"\x85", F8, b"U\x08" + b"x" * 8) + b".",
        "should have",
    ),
    "overflowing array": (
        ARRAY + array_state(b"J\x00\x00\x00\x7fJ\x00\x00\x00\x7fJ\x00\x00\x00\x7f\x87", F8, b"U\x00") + b".",
        "should have",
    ),
    "empty array of huge rows": (
        ARRAY + array_state(b"K\x00J\x00\x00\x00\x7f\x86", F8, b"U\x00") + b".",
        "should have",
    ),
    "negative shape": (
        ARRAY + array_state(b"J\xff\xff\xff\xff\x85", F8, b"U\x08" + b"x" * 8) + b".",
        "shape",
    ),
    "shape of floats": (
        ARRAY + array_state(b"G" + struct.pack(">d", 1.0) + b"\x85", F8, b"U\x08" + b"x" * 8) + b".",
        "shape",
    ),
    "list as shape": (ARRAY + array_state(b"]", F8, b"U\x08" + b"x" * 8) + b".", "shape"),
    "array of a list": (ARRAY + array_state(b"K\x01\x85", F8, b"]") + b".", "expected bytes"),
    "text that is no bytes": (
        ARRAY + array_state(b"K\x01\x85", F8, b"X\x0a\x00\x00\x00" + "\u20acaaaaaaa".encode()) + b".",
        "latin-1",
    ),
    "type that is a name": (
        ARRAY + array_state(b"K\x01\x85", b"cnumpy\nndarray\n", b"U\x00") + b".",
        "expected a number type",
    ),
    # calls
    "call of a list": (b"])R.", "refuses to call a list"),
    "call of a string": (text("os.system") + b")R.", "refuses to call a"),
    "call of an instance": (CH + b")R.", "refuses to call a chumpy Ch"),
    "call of a class": (b"cchumpy.ch\nCh\n)R.", "refuses to call chumpy.ch.Ch"),
    "call of ndarray": (
        b"cnumpy\nndarray\n" + b"J\x00\x00\x00\x7f\x85\x85R.",
        "refuses to call numpy.ndarray",
    ),
    "arguments that are no tuple": (b"cbuiltins\nlist\n]R.", "not a tuple"),
    "encode to another codec": (
        b"c_codecs\nencode\n" + text("x") + text("rot13") + b"\x86R.",
        "only text to latin1",
    ),
    "list of a string": (b"cbuiltins\nlist\n" + text("abc") + b"\x85R.", "not a list"),
    "instance of a function": (b"cnumpy\ndtype\n)\x81.", "refuses to make an instance of numpy.dtype"),
    "instance of object": (b"cbuiltins\nobject\n)\x81.", "refuses to make an instance of builtins.object"),
    "instance of a list": (b"])\x81.", "refuses to make an instance of a list"),
    "instance with arguments": (
        b"cchumpy.ch\nCh\nK\x01\x85\x81.",
        "refuses to make an instance of chumpy.ch.Ch",
    ),
    "instance with keywords": (b"\x80\x04cchumpy.ch\nCh\n)}\x92.", "NEWOBJ_EX"),
    "reconstructor with a base": (
        b"ccopy_reg\n_reconstructor\ncchumpy.ch\nCh\ncbuiltins\nlist\n]\x87R.",
        "only objects without a base",
    ),
    "reconstructor of a function": (
        b"ccopy_reg\n_reconstructor\ncnumpy\ndtype\ncbuiltins\nobject\nN\x87R.",
        "refuses to make an instance",
    ),
    "old-style instance": (b"(ichumpy.ch\nCh\n.", "refuses to load an old-style instance"),
    "old-style forbidden instance": (b"(U\x02lsios\nsystem\n.", "refuses to load os.system"),
    "old-style object": (b"(cchumpy.ch\nCh\no.", "operation OBJ"),
    "persistent id": (b"Pos.system\n.", "operation PERSID"),
    "binary persistent id": (text("x") + b"Q.", "operation BINPERSID"),
    "extension": (b"\x80\x02\x82\x01.", "operation EXT1"),
    "out-of-band buffer": (b"\x80\x05\x97.", "operation NEXT_BUFFER"),
    "name from numbers": (b"K\x01K\x02\x93.", "not a string"),
    "function alone": (b"cnumpy\ndtype\n.", "expected numbers or arrays"),
    # damage
    "nothing": (b"", "empty"),
    "no pickle": (b"\xff\xd8\xff\xe0", "not a pickle"),
    "a zip": (b"PK\x03\x04" + bytes(30), "PERSID|damaged|breaks off"),
    "text": (b"v_template = 3\n", "not a pickle|damaged|breaks off|ends after|truncated"),
    "no mark": (b"t.", "no mark"),
    "no value": (b".", "damaged|breaks off|truncated"),
    "a mark as value": (b"(.", "mark"),
    "unknown memo": (b"h\x05.", "damaged"),
    "key without a value": (b"}(K\x01u.", "key without a value"),
    "append to a tuple": (b")K\x01a.", "a tuple where a list was expected"),
    "list as key": (b"}]K\x01s.", "dictionary's key"),
    "tuple as key": (b"}K\x01\x85K\x01s.", "dictionary's key"),
    "huge integer": (b"\x8b" + struct.pack("<i", 1000) + b"\x7f" * 1000 + b".", "bits"),
    "string longer than the file": (b"X\xff\xff\xff\x7fabc", "truncated"),
    "bytes longer than memory": (b"\x80\x04\x8e" + b"\xff" * 8 + b"abc", "breaks off|damaged"),
    "negative length": (b"T\xff\xff\xff\xffabc.", "damaged|breaks off"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles(case):
    data, message = HOSTILE[case]
    with pytest.raises(CourseError, match=message):
        loads(data)


def laughs(n):
    """Each list holds the one before it ten times: a few hundred bytes that unfold to 10^n values."""
    return (
        b"]K\x01a"
        + b"".join(b"q" + bytes([i]) + b"0](" + (b"h" + bytes([i])) * 10 + b"e" for i in range(n))
        + b"."
    )


def doubling(fake, n):
    node = fake.ch(np.ones(1000))
    for _ in range(n):
        node = fake.Concatenate(dterms=["a", "b"], a=node, b=node, axis=0)
    return node


def outer_product(fake):
    return fake.dot(a=fake.ch(np.ones((200_000, 1))), b=fake.ch(np.ones((1, 200_000))))


def empty_outer_product(fake):
    return fake.dot(a=fake.ch(np.ones((200_000, 0))), b=fake.ch(np.ones((0, 200_000))))


def many_arrays_of_one_string():
    raw = b"a" * 1_000_000
    one = ARRAY + b"(K\x01J" + struct.pack("<i", len(raw) // 8) + b"\x85" + F8 + b"\x89h\x00tb"
    return b"T" + struct.pack("<i", len(raw)) + raw + b"q\x000(" + one * 5000 + b"l."


def many_encodings_of_one_string():
    raw = b"a" * 1_000_000
    return (
        (
            b"X"
            + struct.pack("<i", len(raw))
            + raw
            + b"q\x000("
            + b"c_codecs\nencode\nh\x00"
            + text("latin1")
            + b"\x86R"
        )
        * 1
        + (b"c_codecs\nencode\nh\x00" + text("latin1") + b"\x86R") * 5000
        + b"l."
    )


BOMBS = {
    "billion laughs": (lambda f: laughs(30), "unfolds to more than"),
    "a list in itself": (lambda f: b"]q\x00h\x00a.", "contain themselves"),
    "a dictionary in itself": (lambda f: b"}q\x00K\x01h\x00s.", "contain themselves"),
    "a Ch in itself": (lambda f: CH + b"q\x00}" + text("x") + b"h\x00sb.", "contain themselves"),
    "a deep list": (lambda f: b"]" * 100_000 + b"a" * 99_999 + b".", "nested"),
    "a deep tuple": (lambda f: b")" + b"\x85" * 100_000 + b".", "nested"),
    "tuples of tuples as key": (lambda f: b"}K\x01" + b"2\x86" * 60 + b"K\x01s.", "dictionary's key"),
    "tuples of tuples in a set": (lambda f: b"\x80\x04\x8f(K\x01" + b"2\x86" * 60 + b"\x90.", "set's member"),
    "many empty sets": (lambda f: b"\x80\x04(" + b"\x8f" * 3_000_000 + b"l.", "operations"),
    "many arrays of one string": (lambda f: many_arrays_of_one_string(), "memory"),
    "many encodings of one string": (lambda f: many_encodings_of_one_string(), "memory"),
    "copies of a long list": (
        lambda f: b"](" + b"K\x01" * 100_000 + b"eq\x000(" + b"cbuiltins\nlist\nh\x00\x85R" * 1000 + b"l.",
        "memory",
    ),
    "doubling": (lambda f: pickle.dumps(doubling(f, 40), 2), "memory"),
    "outer product": (lambda f: pickle.dumps(outer_product(f), 2), "memory"),
    "empty outer product": (lambda f: pickle.dumps(empty_outer_product(f), 2), "memory|should have"),
    "broadcast": (
        lambda f: pickle.dumps(f.add(a=f.ch(np.ones((50_000, 1))), b=f.ch(np.ones(50_000))), 2),
        "memory",
    ),
    "select over and over": (
        lambda f: pickle.dumps(
            [f.Select(a=f.ch(np.ones(1)), idxs=shared) for shared in [np.zeros(10**5, int)] * 1000], 2
        ),
        "memory",
    ),
    "tall matrix": (
        lambda f: pickle.dumps(
            f.MatVecMult(mtx=sparse.coo_matrix(([1.0], ([0], [0])), shape=(2**30, 1)), vec=np.ones(1)), 2
        ),
        "memory",
    ),
}


@pytest.mark.parametrize("case", BOMBS)
def test_bombs_cost_neither_time_nor_memory(case, fake):
    make, message = BOMBS[case]
    data = make(fake)
    start = time.process_time()
    with pytest.raises(CourseError, match=message):
        loads(data)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "case", ["many arrays of one string", "many encodings of one string", "doubling", "outer product"]
)
def test_bombs_stay_within_memory(case, fake):
    data = BOMBS[case][0](fake)
    tracemalloc.start()
    with pytest.raises(CourseError, match="memory"):
        loads(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 13 * len(data) + 30e6


def test_truncated_anywhere():
    data = (GOLDEN / "dolphin_model.pkl").read_bytes()
    for end in [*range(0, 600), *range(600, len(data), 10_007), len(data) - 1]:
        with pytest.raises(CourseError):
            loads(data[:end])
    with pytest.raises(CourseError, match="truncated"):
        loads(data[: len(data) // 2])


def test_damaged_files_give_course_errors_or_data():
    rng = random.Random(1)
    original = (GOLDEN / "dolphin_coarse_seg.pkl").read_bytes()
    refused = 0
    for _ in range(3000):
        data = bytearray(original)
        for _ in range(rng.randint(1, 4)):
            position = rng.choice(
                (rng.randrange(280), rng.randrange(len(data)), len(data) - 1 - rng.randrange(120))
            )
            data[position] = rng.choice(
                (rng.randrange(256), rng.choice(b"(.0129NRbcegjhqrstu}])\x81\x85\x86\x93"))
            )
        try:
            loads(bytes(data))
        except CourseError:
            refused += 1
    assert refused > 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(indices=np.array([0, 9])), "indices holds 0 to 9, expected 0 to 2"),
        (lambda s: s.update(indices=np.array([-1, 0])), "indices holds"),
        (lambda s: s.update(indptr=np.array([0, 2, 1, 2])), "impossible indptr"),
        (lambda s: s.update(indptr=np.array([0, 1])), "impossible indptr"),
        (lambda s: s.update(indptr=np.array([0, 1, 2, 99])), "indptr holds"),
        (lambda s: s.update(data=np.ones((2, 2))), "expected a row of numbers"),
        (lambda s: s.update(data=[1.0]), "expected a row of numbers"),
        (lambda s: s.update(_shape=(2**40, 3)), "shape"),
        (lambda s: s.update(_shape="ab"), "shape"),
        (lambda s: s.update(_shape=None), "makes no sense"),
    ],
)
def test_faulty_sparse_matrices(change, message):
    state = {
        "_shape": (3, 3),
        "maxprint": 50,
        "indptr": np.array([0, 1, 2, 2]),
        "indices": np.array([0, 2]),
        "data": np.ones(2),
    }
    change(state)
    out = io.BytesIO()
    out.write(b"\x80\x02cscipy.sparse.csc\ncsc_matrix\n)\x81")
    out.write(pickle.dumps(state, 2)[2:-1])  # without its protocol and stop marks; the memo starts anew
    out.write(b"b.")
    with pytest.raises(CourseError, match=message):
        loads(out.getvalue())


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CourseError, match="no such file"):
        load_pickle(tmp_path / "x.pkl")
    with pytest.raises(CourseError, match="cannot be read"):
        load_pickle(tmp_path)


def test_limits_are_adjustable(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(list(range(1000)), 2))
    with pytest.raises(CourseError, match="expected at most 100"):
        load_pickle(path, Limits(file_bytes=100))
    with pytest.raises(CourseError, match="operations"):
        load_pickle(path, Limits(operations=100))
