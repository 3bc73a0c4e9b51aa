"""The restricted unpickler: what model files hold comes out right, and nothing else comes out at all."""

import collections
import gzip
import io
import os
import pickle
import random
import struct
import sys
import tracemalloc
import zipfile

import chumpy
import numpy as np
import pytest
import torch
from chumpy import reordering
from scipy import sparse

from course_lib.dolphin_model.safe_pickle import Limits, load_pickle, loads
from course_lib.errors import CourseError

from ..build_zip import GOLDEN_MODEL as GOLDEN
from .damage import Call

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
    directions = model["shapedirs"]
    assert directions.shape == (180, 3, 4) and directions.dtype == np.float64
    # columns 0 (global) and 1-3 (x, y, z): the global direction is the sum of the others
    assert np.allclose(directions[..., 0], directions[..., 1:].sum(-1))


def test_select_is_evaluated_as_the_plain_array_of_the_other_file():
    a, b = (load_pickle(GOLDEN / f"dolphin_model{suffix}.pkl") for suffix in ("", "_old_names"))
    assert np.array_equal(a["shapedirs"], b["shapedirs"])


def test_segmentation_files():
    assert load_pickle(GOLDEN / "dolphin_seg_gloss.pkl")["v_labels"].dtype == np.int64
    parts = load_pickle(GOLDEN / "dolphin_coarse_seg.pkl")["coarse_parts_idx"]
    assert parts == [[0], [1, 2], [3], [4], [5], [6, 7], [8, 9]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["dolphin_model", "dolphin_model_old_names"])
def test_models_load_as_chumpy_itself_loads_them(name):
    path = GOLDEN / f"{name}.pkl"
    theirs, ours = pickle.loads(path.read_bytes(), encoding="latin1"), load_pickle(path)
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        if sparse.issparse(value):
            assert (ours[key] != value).nnz == 0, key
        else:
            assert np.array_equal(ours[key], getattr(value, "r", value)), key


# --- what else may be in them -------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values(protocol):
    value = {"a": [1, -2, 2**40, 0.5, True, None], "b": (1, (2, 3)), "c": {"x", "y"}, "d": b"\x00\xff"}
    value |= {"e": "Tümmler", "f": frozenset({1}), "g": {}, "h": [], "i": (), "j": b"", "k": bytearray(b"x")}
    if protocol < 5:  # these call bytearray
        del value["k"]
    assert loads(pickle.dumps(value, protocol)) == value
    ordered = collections.OrderedDict(b=1, a=[2])
    assert loads(pickle.dumps(ordered, protocol)) == ordered


NUMBERS = ["?", "i1", "<i2", ">i4", "i8", "u1", "u4", "u8", "f2", "<f4", ">f8", "c16"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", NUMBERS)
def test_arrays(protocol, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    turned = [np.asfortranarray(array), array.transpose(1, 0, 2)]
    for value in (array, *turned, array[:, ::2], array[:0], array[0, 0, 0], array.reshape(-1)[3:4][0]):
        result = loads(pickle.dumps(value, protocol))
        assert np.array_equal(result, value) and result.dtype == value.dtype.newbyteorder("=")


def test_arrays_can_be_written_to_and_share_nothing():
    array = np.arange(5.0)
    a, b = loads(pickle.dumps([array, array.copy()], 2))
    a[0] = 7
    assert b[0] == 0


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("module", ["._{}", ".{}", "._arrays", ""])
@pytest.mark.parametrize("form", ["csc", "csr", "coo"])
def test_sparse_matrices_of_all_versions_of_scipy(form, module, kind):
    dense = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4]])
    matrix, other = getattr(sparse, f"{form}_{kind}")(dense), f"scipy.sparse{module.format(form)}\n"
    for protocol in range(3):  # those of Python 2, with its names of modules
        data = pickle.dumps(matrix, protocol).replace(f"scipy.sparse._{form}\n".encode(), other.encode())
        assert b"copy_reg" in data or protocol == 2
        for core in (b"numpy._core.", b"numpy.core."):  # from NumPy 2; up to NumPy 1
            result = loads(data.replace(b"numpy._core.", core))
            assert np.array_equal(result.toarray(), dense)


@pytest.mark.parametrize("form", ["lil", "dok", "dia", "bsr"])
@pytest.mark.parametrize("module", ["._{}", ".{}", "._arrays"])
def test_other_layouts_are_said_to_be_converted(form, module):
    matrix = getattr(sparse, f"{form}_matrix")(np.eye(4))
    data = pickle.dumps({"J_regressor": matrix}, 2)
    data = data.replace(f"scipy.sparse._{form}\n".encode(), f"scipy.sparse{module.format(form)}\n".encode())
    with pytest.raises(CourseError, match=f"^holds a SciPy {form}_matrix, expected .* csc.* tocsc"):
        loads(data)


@pytest.mark.parametrize("numpy", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("protocol", range(3))
def test_what_the_published_models_hold(protocol, numpy):
    """chumpy.ch.Ch, chumpy.reordering.Select and scipy.sparse.csc.csc_matrix, as SMPL, SMAL and MANO do."""
    directions = chumpy.array(np.arange(60.0).reshape(4, 3, 5))
    regressor = sparse.csc_matrix(np.eye(2, 4))
    model = {"v_template": chumpy.array(np.ones((4, 3))), "shapedirs": directions[:, :, :2]}
    model |= {"J_regressor": regressor, "f": np.zeros((2, 3), np.uint32), "bs_style": "lbs"}
    model["kintree_table"] = np.array([[2**32 - 1, 0], [0, 1]], np.uint32)
    data = pickle.dumps(model, protocol).replace(b"numpy._core.", f"{numpy}.".encode())
    read = loads(data.replace(b"scipy.sparse._csc\n", b"scipy.sparse.csc\n"))
    assert np.array_equal(read["shapedirs"], directions.r[:, :, :2]) and read["bs_style"] == "lbs"
    assert np.array_equal(read["J_regressor"].toarray(), np.eye(2, 4))
    assert np.array_equal(read["kintree_table"], model["kintree_table"])


def test_python_2_pickles():
    """Protocol 0 as Python 2 wrote it: strings are bytes, with escapes; old modules; long integers."""
    raw = np.array([1.5, -2.0])
    array = "cnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
    dtype = "cnumpy\ndtype\np9\n(S'f8'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nb"
    content = repr(raw.tobytes())[2:-1]
    data = f"(dp0\nS'v'\np1\n{array}(I1\n(L2L\ntp8\n{dtype}I00\nS'{content}'\np15\ntp16\nbs."
    assert np.array_equal(loads(data.encode("ascii"))["v"], raw)


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


# --- chumpy's expressions -----------------------------------------------------------------------------------


def node(name, **terms):
    """An expression as chumpy would pickle it, whether chumpy could evaluate it or not."""
    module = next(m for m in (chumpy.ch, chumpy.ch_ops, reordering) if name in vars(m))
    expression = object.__new__(getattr(module, name))
    vars(expression).update(_parents=None, _cache=None, **terms)
    return expression


def ones(*shape):
    return node("Ch", x=np.ones(shape))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_expressions_evaluate_as_chumpy_itself_evaluates_them(protocol):
    rng = np.random.default_rng(0)
    v, directions, betas = (chumpy.array(rng.normal(size=shape)) for shape in ((20, 3), (20, 3, 10), 10))
    regressor = sparse.csc_matrix(rng.random((4, 20)) * (rng.random((4, 20)) > 0.5))
    shaped = v + directions.dot(betas)
    columns = [chumpy.ch.MatVecMult(regressor, shaped[:, i]) for i in range(3)]
    joints = chumpy.vstack(columns).T
    expressions = {
        "v": v,
        "view": directions[:, :, :4],
        "shaped": shaped,
        "joints": joints,
        "sliced": (shaped * 2 - v / 3.0)[3:7, ::2],
        "column of a product": shaped * v[:, :1],
        "negative": -v,
        "reshaped": v.reshape((3, 20)),
        "flat": v.ravel(),
        "side by side": chumpy.hstack([v, v]),
        "swapped": chumpy.swapaxes(v, 0, 1),
        "rolled": chumpy.rollaxis(directions, 2, 0),
        "rolled to the start": reordering.rollaxis(a=v, axis=1),
        "turned": reordering.transpose(a=v),
        "turned by axes": reordering.transpose(a=directions, axes=(2, 0, 1)),
        "deep": chumpy.dstack([v, v]),
        "one": v[0, 0],
        "a number": chumpy.Ch(3),
        "flat select": reordering.Select(a=v, idxs=np.array([5, -1])),
        "row": reordering.AtleastNd(x=v[:, 0], ndims=2),
        "shared": betas + betas,
        "product of a flat array": chumpy.ch.MatVecMult(rng.random((6, 60)), v),
    }
    ours = loads(pickle.dumps(expressions, protocol))
    for key, expression in expressions.items():
        assert ours[key].shape == expression.r.shape and np.array_equal(ours[key], expression.r), key
        assert ours[key].dtype == np.float64, key


FAULTY_EXPRESSIONS = [
    (node("ChLambda"), "refuses to load chumpy.ch.ChLambda"),
    (node("Select", a=ones(3), idxs=np.array([3])), "makes no sense: index 3 is out of bounds"),
    (node("Select", a=ones(3), idxs=np.array([0.0])), "makes no sense: arrays used as indices must be"),
    (node("Select", a=ones(3), idxs=[np.zeros(9, int)] * 9), "makes no sense"),
    (node("Select", idxs=np.array([0])), "'a' is None, expected an array"),
    (node("Reshape", a=ones(3), newshape=(2, 2)), "makes no sense"),
    (node("Concatenate", dterms=["m0"], axis=0), "'m0' is None"),
    (node("Concatenate", dterms="x", axis=0), "'x' is None, expected an array"),
    (node("MatVecMult", mtx="x", vec=np.ones(3)), "makes no sense"),
    (node("Ch", x="text"), "'x' is 'text', expected an array"),
    (node("Ch", x=np.ones(2) * 1j), "expected real numbers"),
    (node("MatVecMult", mtx=np.ones((2, 2)) * 1j, vec=np.ones(2)), "expected real numbers"),
    (node("transpose", a=np.ones((2, 2)), axes=[[0], 1]), "makes no sense"),
    (node("AtleastNd", x=np.ones(2), ndims=9), "makes no sense"),
]


@pytest.mark.parametrize(("expression", "message"), FAULTY_EXPRESSIONS)
def test_faulty_expressions(expression, message):
    with pytest.raises(CourseError, match=message):
        loads(pickle.dumps(expression, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indices": np.array([0, 9])}, "makes no sense: .*indices must be < 3"),
        ({"indices": np.array([-1, 0])}, "makes no sense: .*indices must be >= 0"),
        ({"indices": np.array([0, 2.5])}, "indices is an array .*, expected a row of whole numbers"),
        ({"indptr": np.array([0, 2, 1, 2])}, "makes no sense: .*non-decreasing"),
        ({"indptr": np.array([0, 1])}, "makes no sense: index pointer size 2 should be 4"),
        ({"indptr": np.array([0, 1, 2, 99])}, "makes no sense: .*index pointer"),
        ({"data": np.ones((2, 2))}, "expected a row of numbers"),
        ({"data": [1.0]}, "expected a row of numbers"),
        ({"_shape": (2**40, 3)}, "expected two positive numbers"),
        ({"_shape": "ab"}, "makes no sense"),
        ({"_shape": None}, "makes no sense"),
    ],
)
def test_faulty_sparse_matrices(change, message):
    state = {"_shape": (3, 3), "maxprint": 50, "data": np.ones(2)}
    state |= {"indptr": np.array([0, 1, 2, 2]), "indices": np.array([0, 2])} | change
    contents = pickle.dumps(state, 2)[2:-1]  # without its protocol and its end mark
    with pytest.raises(CourseError, match=message):
        loads(b"\x80\x02cscipy.sparse.csc\ncsc_matrix\n)\x81" + contents + b"b.")


# --- not what they are called -------------------------------------------------------------------------------


def saved(save, *arguments, **keywords):
    out = io.BytesIO()
    save(out, *arguments, **keywords)
    return out.getvalue()


def zipped(name):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, b"contents")
    return out.getvalue()


def save_tensors(out, **keywords):
    torch.save({"weights": torch.ones(2)}, out, **keywords)


OTHER_FILES = {
    "LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n", "git lfs pull"),
    "web page": (b"\n <!doctype html><title>Sign in</title>", "a web page: download the file again"),
    "error of a server": (b'<?xml version="1.0"?><Error>AccessDenied</Error>', "a web page"),
    "npz": (saved(np.savez, v_template=np.ones(3)), r"NumPy archive \(.npz\): read it with numpy.load"),
    "compressed npz": (saved(np.savez_compressed, f=np.ones(3)), r"NumPy archive \(.npz\)"),
    "npy": (saved(np.save, np.ones(3)), r"NumPy array \(.npy\)"),
    "torch": (saved(save_tensors), "a file of torch.save: read it with torch.load"),
    "old torch": (saved(save_tensors, _use_new_zipfile_serialization=False), "a file of torch.save"),
    "zip": (zipped("model/dolphin_model.pkl"), "a zip archive: unpack it"),
    "gzip": (gzip.compress(b"x"), r"compressed by gzip: unpack it \(gzip -d\)"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 or MATLAB file"),
    "safetensors": (struct.pack("<Q", 30) + b'{"v_template":{"dtype":"F32"}}', "a safetensors file"),
    "picture": (b"\xff\xd8\xff\xe0", "a picture"),
    "JSON": (b'\n{"message": "Not Found"}', "JSON"),
    "text": (b"v_template = 3\n", "text"),
    "text that an operation begins": (b"Invalid credentials", "text"),
    "program": (b"import numpy\nimport torch\n", "text"),
    "pickle copied as UTF-8": (pickle.dumps([1], 2).decode("latin-1").encode(), "a copy as text"),
    "pickle of replaced bytes": (pickle.dumps([1], 2).decode(errors="replace").encode(), "a copy as text"),
}


@pytest.mark.parametrize("case", OTHER_FILES)
def test_other_files_are_called_by_their_name(case, tmp_path):
    data, message = OTHER_FILES[case]
    (tmp_path / "model.pkl").write_bytes(data)
    with pytest.raises(CourseError, match=f"{tmp_path}/model.pkl: not a pickle but .*{message}") as error:
        load_pickle(tmp_path / "model.pkl")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_changed_line_ends_are_told(protocol):
    """No word as of a hostile file; of protocol 0 also where all could be read, but wrongly."""
    if protocol == 0:
        with pytest.raises(CourseError, match="line ends were changed"):
            loads(pickle.dumps({"bs_type": [1, 2]}, 0).replace(b"\n", b"\r\n"))
    data = pickle.dumps({"v_template": np.arange(30.0), 10: "a\nb\n", "parts": [10, 2570]}, protocol)
    assert b"\n" in data and len(loads(data)) == 3
    with pytest.raises(CourseError, match="line ends were changed from LF to CRLF.*again as binary"):
        loads(data.replace(b"\n", b"\r\n"))


# --- hostile files ------------------------------------------------------------------------------------------


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


FORBIDDEN = """
    os:system posix:system nt:system subprocess:Popen Os:System :x operator:attrgetter functools:partial
    builtins:eval builtins:exec __builtin__:eval builtins:getattr builtins:__import__ builtins:open
    builtins:type builtins:bytearray builtins:range builtins:globals builtins:list builtins:dict
    importlib:import_module types:FunctionType types:CodeType pickle:loads torch:load
    torch._utils:_rebuild_tensor_v2 numpy:load numpy:fromfile numpy:memmap numpy:matrix numpy:ndarray.tofile
    numpy:zeros numpy.core.multiarray:fromfile numpy.f2py:compile numpy.testing._private.utils:runstring
    numpy._core.multiarray:frombuffer _codecs:decode codecs:encode copyreg:add_extension copyreg:__newobj__
    copy_reg:_extension_registry collections:defaultdict collections:OrderedDict.fromkeys
    scipy.sparse:load_npz scipy.sparse._csc:np chumpy.ch:Ch.__init__ chumpy.ch:os chumpy.utils:wget
    course_lib.dolphin_model.safe_pickle:load_pickle antigravity:webbrowser os\0:system
""".split()


def test_line_ends_hide_no_name():
    data = pickle.dumps({"a\r\nb": Call(os.system, "true")}, 4)
    with pytest.raises(CourseError, match="refuses to load posix.system"):
        loads(data)


@pytest.mark.parametrize("forbidden", FORBIDDEN)
def test_every_other_name_is_refused_by_name(forbidden, tmp_path):
    module, attribute = forbidden.split(":")
    victim = tmp_path / "victim"
    call = text(f"touch {victim}") + b"\x85R."
    printable = f"{module}.{attribute}" if module.isprintable() else "system"
    for data in (name(module, attribute) + call, text(module) + text(attribute) + b"\x93" + call):
        with pytest.raises(CourseError, match="refuses to load") as error:
            loads(b"\x80\x04" + data)
        assert printable in str(error.value)
    assert not victim.exists() and "antigravity" not in sys.modules


def test_the_message_names_file_and_name(tmp_path):
    path = tmp_path / "dolphin_model.pkl"
    path.write_bytes(pickle.dumps({"v_template": Call(os.system, f"touch {tmp_path}/victim")}))
    with pytest.raises(CourseError, match=rf"{path}: refuses to load (posix|nt)\.system"):
        load_pickle(path)
    assert not (tmp_path / "victim").exists()


def array(shape, dtype, raw):
    return ARRAY + b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb."


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"  # an empty array
SUBCLASS = ARRAY.replace(b"numpy\nndarray", b"builtins\nobject")
F8 = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R"
CH = b"cchumpy.ch\nCh\n)\x81"
EIGHT = b"U\x08" + b"x" * 8
HUGE = b"J\x00\x00\x00\x7f"  # 2^31 - 2^24
CODE = b"}" + text("__code__") + b"K\x01s"
OBJECTS = np.array([1, "a"], dtype=object)
CALLS = np.array([Call(os.system, "true")], dtype=object)
OBJECT = b"cbuiltins\nobject\n"
ENCODE = b"c_codecs\nencode\n"
RECONSTRUCTOR = b"ccopy_reg\n_reconstructor\n"

HOSTILE = {
    # objects inside arrays
    "object array": (pickle.dumps(OBJECTS, 2), "refuses to call numpy.dtype"),
    "object array with a call": (pickle.dumps(CALLS, 2), "refuses to"),
    "record array": (pickle.dumps(np.zeros(2, dtype=[("a", "i4")]), 2), "refuses to call numpy.dtype"),
    "date array": (pickle.dumps(np.zeros(2, dtype="M8[s]"), 2), "refuses to call numpy.dtype"),
    "string array": (pickle.dumps(np.array(["a"]), 2), "refuses to call numpy.dtype"),
    "dtype made an object": (F8 + b"(K\x03U\x01|NU\x01aNJ\xff\xff\xff\xffK\x00K?tb.", "number type's state"),
    "dtype with odd byte order": (F8 + b"(K\x03U\x01ONNNK\x00K\x00K\x00tb.", "number type's state"),
    "dtype alone": (F8 + b".", "expected numbers or arrays"),
    "subclass of array": (pickle.dumps(np.ma.masked_array([1.0]), 2), "refuses to load numpy.ma"),
    "array of another class": (SUBCLASS + b".", "no subclasses"),
    # states
    "state of a name": (b"cchumpy.ch\nCh\n" + CODE + b"b.", "refuses to set the state of chumpy.ch.Ch"),
    "state of a function": (b"cnumpy\ndtype\n" + CODE + b"b.", "refuses to set the state of numpy.dtype"),
    "slots of a function": (b"cnumpy\ndtype\nN" + CODE + b"\x86b.", "refuses to set the state"),
    "state of a list": (b"]" + CODE + b"b.", "refuses to set the state of a list"),
    "state of a dictionary": (b"}" + CODE + b"b.", "refuses to set the state of a dict"),
    "slots of a Ch": (CH + b"N" + CODE + b"\x86b.", "expected a dictionary of attributes"),
    "state of a Ch twice": (CH + b"}b}b.", "twice"),
    "state of a Ch by number": (CH + b"}K\x01K\x02sb.", "expected a dictionary of attributes"),
    "Ch without a state": (CH + b".", "without contents"),
    "array without a state": (ARRAY + b".", "without contents"),
    "array state twice": (array(b"K\x00\x85", F8, b"U\x00")[:-1] + b"Nb.", "twice"),
    "array with a short state": (ARRAY + b"K\x01\x85b.", r"array's state is \(1\), expected \(1, shape"),
    # shapes
    "huge array": (array(b"\x8a\x08" + struct.pack("<q", 2**60) + b"\x85", F8, EIGHT), "should have"),
    "overflowing array": (array(HUGE * 3 + b"\x87", F8, b"U\x00"), "should have"),
    "empty array of huge rows": (array(b"K\x00" + HUGE + b"\x86", F8, b"U\x00"), "should have"),
    "negative shape": (array(b"J\xff\xff\xff\xff\x85", F8, EIGHT), "shape"),
    "shape of floats": (array(b"G" + struct.pack(">d", 1.0) + b"\x85", F8, EIGHT), "shape"),
    "list as shape": (array(b"]", F8, EIGHT), "shape"),
    "array of a list": (array(b"K\x01\x85", F8, b"]"), "expected bytes"),
    "text that is no bytes": (array(b"K\x01\x85", F8, text("\u20acaaaaaaa")), "should have|latin-1"),
    "type that is a name": (array(b"K\x01\x85", b"cnumpy\nndarray\n", b"U\x00"), "expected a number type"),
    # calls
    "call of a list": (b"])R.", "refuses to call a list"),
    "call of a string": (text("os.system") + b")R.", "refuses to call 'os.system'"),
    "call of an instance": (CH + b")R.", "refuses to call a chumpy Ch"),
    "call of a class": (b"cchumpy.ch\nCh\n)R.", "refuses to call chumpy.ch.Ch"),
    "call of ndarray": (b"cnumpy\nndarray\n" + HUGE + b"\x85\x85R.", "refuses to call numpy.ndarray"),
    "arguments that are no tuple": (b"cbuiltins\nset\n]R.", "not a tuple"),
    "arguments too many": (b"cbuiltins\nset\n]]\x86R.", "refuses to call builtins.set"),
    "encode to another codec": (ENCODE + text("x") + text("rot13") + b"\x86R.", "only text to latin1"),
    "set of a string": (b"cbuiltins\nset\n" + text("abc") + b"\x85R.", "not a list"),
    "instance of a function": (b"cnumpy\ndtype\n)\x81.", "refuses to make an instance of numpy.dtype"),
    "instance of object": (OBJECT + b")\x81.", "refuses to make an instance of builtins.object"),
    "instance of a list": (b"])\x81.", "refuses to make an instance of a list"),
    "instance with arguments": (b"cchumpy.ch\nCh\nK\x01\x85\x81.", "instance of chumpy.ch.Ch with"),
    "instance with keywords": (b"cchumpy.ch\nCh\n)}\x92.", "NEWOBJ_EX"),
    "reconstructor with a base": (RECONSTRUCTOR + b"cchumpy.ch\nCh\n]]\x87R.", "only objects without a base"),
    "reconstructor of a function": (RECONSTRUCTOR + b"cnumpy\ndtype\n" + OBJECT + b"N\x87R.", "an instance"),
    "old-style instance": (b"(ichumpy.ch\nCh\n.", "refuses to load an old-style instance"),
    "old-style forbidden instance": (b"(U\x02lsios\nsystem\n.", "refuses to load os.system"),
    "old-style object": (b"(cchumpy.ch\nCh\no.", "operation OBJ"),
    "persistent id": (b"Pos.system\n.", "operation PERSID"),
    "binary persistent id": (text("x") + b"Q.", "operation BINPERSID"),
    "extension": (b"\x82\x01.", "operation EXT1"),
    "out-of-band buffer": (b"\x97.", "operation NEXT_BUFFER"),
    "name from numbers": (b"K\x01K\x02\x93.", "STACK_GLOBAL requires str"),
    "function alone": (b"cnumpy\ndtype\n.", "expected numbers or arrays"),
    # damage
    "no operation": (b"K\x01\xff", r"not a pickle: byte 4 is b'\\xff'"),
    "no mark": (b"t.", "a damaged pickle: TUPLE at byte 2"),
    "no value": (b".", "a damaged pickle: STOP at byte 2"),
    "a mark as value": (b"(.", "a damaged pickle: STOP at byte 3"),
    "unknown memo": (b"h\x05.", "a damaged pickle: BINGET"),
    "key without a value": (b"}(K\x01u.", "a damaged pickle: SETITEMS"),
    "append to a tuple": (b")K\x01a.", "'tuple' object has no attribute 'append'"),
    "list as key": (b"}]K\x01s.", "dictionary's key or a set's member is a list"),
    "tuple as key": (b"}K\x01\x85K\x01s.", "dictionary's key"),
    "huge integer": (b"\x8b" + struct.pack("<i", 1000) + b"\x7f" * 1000 + b".", "bits, expected at most 64"),
    "string longer than the file": (b"X\xff\xff\xff\x7fabc", "truncated"),
    "integer longer than the file": (b"\x8b\xff\xff\xff\x7fabc", "truncated"),
    "bytes longer than any memory": (b"\x8e" + b"\xff" * 8 + b"abc", "a damaged pickle: BINBYTES8"),
    "bytes longer than memory": (b"\x8e" + struct.pack("<q", 1 << 50) + b"abc", "truncated"),
    "bytearray longer than memory": (b"\x96" + struct.pack("<q", 1 << 50) + b"abc", "truncated"),
    "negative length": (b"T\xff\xff\xff\xffabc.", "negative byte count"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles(case):
    data, message = HOSTILE[case]
    with pytest.raises(CourseError, match=message):
        loads(data if data.startswith(b"\x80") else b"\x80\x04" + data)


def test_nothing():
    with pytest.raises(CourseError, match="empty"):
        loads(b"")


def laughs(n):
    """Each list holds the one before it ten times: a few hundred bytes that unfold to 10^n values."""
    data = b"]K\x01a"
    for i in range(n):
        data += b"q" + bytes([i]) + b"0](" + (b"h" + bytes([i])) * 10 + b"e"
    return data + b"."


def doubling(n):
    double = ones(1000)
    for _ in range(n):
        double = node("Concatenate", dterms=["a", "b"], a=double, b=double, axis=0)
    return double


def selections(n):
    index = np.zeros(10**5, int)
    return [node("Select", a=ones(1), idxs=index) for _ in range(n)]


def many(of, raw):
    """A list of many things that are made of one long string, number 0 of the memo."""
    return b"T" + struct.pack("<i", len(raw)) + raw + b"q\x000(" + of * 500 + b"l."


ONE_ARRAY = ARRAY + b"(K\x01J" + struct.pack("<i", 125_000) + b"\x85" + F8 + b"\x89h\x00tb"
ONE_ENCODING = ENCODE + b"h\x00" + text("latin1") + b"\x86R"
TALL = sparse.coo_matrix(([1.0], ([0], [0])), shape=(2**30, 1))
SET_OF_LIST = b"](" + b"K\x01" * 10_000 + b"eq\x000(" + b"cbuiltins\nset\nh\x00\x85R" * 1000 + b"l."
BOMBS = {
    "billion laughs": (lambda: laughs(30), "unfolds to more than"),
    "a list in itself": (b"]q\x00h\x00a.", "contain themselves"),
    "a dictionary in itself": (b"}q\x00K\x01h\x00s.", "contain themselves"),
    "a Ch in itself": (CH + b"q\x00}" + text("x") + b"h\x00sb.", "contain themselves"),
    "a deep list": (lambda: b"]" * 9_000 + b"a" * 8_999 + b".", "nested"),
    "a deep tuple": (lambda: b")" + b"\x85" * 9_000 + b".", "nested"),
    "tuples of tuples as key": (b"}K\x01" + b"2\x86" * 60 + b"K\x01s.", "dictionary's key"),
    "tuples of tuples in a set": (b"\x8f(K\x01" + b"2\x86" * 60 + b"\x90.", "set's member"),
    "tuples of tuples in a frozen set": (b"(K\x01" + b"2\x86" * 60 + b"\x91.", "set's member"),
    "many empty sets": (lambda: b"(" + b"\x8f" * 30_000 + b"l.", "operations"),
    "many arrays of one string": (lambda: many(ONE_ARRAY, b"a" * 10**6), "memory"),
    "many encodings of one string": (lambda: many(ONE_ENCODING, b"a" * 10**6), "memory"),
    "copies of a long list": (lambda: SET_OF_LIST, "memory"),
    "doubling": (lambda: doubling(40), "memory"),
    "outer product": (lambda: node("dot", a=ones(10**5, 1), b=ones(1, 10**5)), "memory"),
    "empty outer product": (lambda: node("dot", a=ones(10**5, 0), b=ones(0, 10**5)), "memory"),
    "broadcast": (lambda: node("add", a=ones(50_000, 1), b=ones(50_000)), "memory"),
    "one selection over and over": (lambda: selections(100), "memory"),
    "tall matrix": (lambda: node("MatVecMult", mtx=TALL, vec=np.ones(1)), "memory"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_bombs_cost_neither_time_nor_memory(case):
    data, message = BOMBS[case]
    data = data() if callable(data) else data
    data = b"\x80\x04" + data if isinstance(data, bytes) else pickle.dumps(data, 2)
    tracemalloc.start()
    try:
        with pytest.raises(CourseError, match=message):
            loads(data, Limits(operations=20_000))
        assert tracemalloc.get_traced_memory()[1] < 13 * len(data) + 30e6
    finally:
        tracemalloc.stop()


def test_a_high_memo_number_costs_no_memory():
    assert loads(b"\x80\x04Nr\xff\xff\xff\xff.") is None


def test_truncated_anywhere():
    data = (GOLDEN / "dolphin_model.pkl").read_bytes()
    for end in [*range(0, 600), *range(600, len(data), 10_007), len(data) - 1]:
        with pytest.raises(CourseError):
            loads(data[:end])
    with pytest.raises(CourseError, match="truncated"):
        loads(data[: len(data) // 2])


def test_a_download_that_was_cut_off_after_its_place_was_taken():
    data = (GOLDEN / "dolphin_model.pkl").read_bytes()
    for share in (0.1, 0.5, 0.9):
        kept = int(share * len(data))
        with pytest.raises(CourseError, match="holds zeros alone from byte|truncated") as error:
            loads(data[:kept].ljust(len(data), b"\0"))
        assert "refuses" not in str(error.value)


def test_damaged_files_give_course_errors_or_data():
    rng = random.Random(1)
    original = (GOLDEN / "dolphin_coarse_seg.pkl").read_bytes()
    size, operations = len(original), b"(.0129NRbcegjhqrstu}])\x81\x85\x86\x93"
    refused = 0
    for _ in range(2000):
        data = bytearray(original)
        for _ in range(rng.randint(1, 4)):
            position = rng.choice((rng.randrange(280), rng.randrange(size), size - 1 - rng.randrange(120)))
            data[position] = rng.choice((rng.randrange(256), rng.choice(operations)))
        try:
            loads(bytes(data))
        except CourseError:
            refused += 1
    assert refused > 700
