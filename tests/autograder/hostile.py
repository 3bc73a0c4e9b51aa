"""What hostile, broken and unlucky students hand in as exercise 2 (`rodrigues`), each with its expected
outcome.

An entry is the text of the exercise's cell. The notebook's other exercise, `tracking`, is solved in all of
them and must keep its 15 points: what one cell does must not cost another. {SOLVED} stands for the
reference's solution, {WRONG} for functions that give zeros, {ROOT} for the course's folder.
"""

from typing import NamedTuple

WRONG = """import torch
def quat_to_rotmat(quat):
    return quat.new_zeros(len(quat), 3, 3)
def batch_rodrigues(theta):
    return theta.new_zeros(len(theta), 3, 3)
"""
CALLED = """import os, sys, torch
def quat_to_rotmat(quat):
    {what}
    return quat.new_zeros(len(quat), 3, 3)
batch_rodrigues = quat_to_rotmat
"""


STAGE = """{WRONG}
import gc, types
gc.unfreeze()
stage = next(f.__globals__ for f in gc.get_objects() if isinstance(f, types.FunctionType) and f.__name__ == "play" and "MAGIC" in f.__globals__)
"""  # the globals of the process that this cell runs in


class Attack(NamedTuple):
    """source: of the cell; points: of exercise 2; others: of exercise 3; keys: one of them must be complained
    of."""

    source: str
    points: float = 0.0
    others: float = 15.0
    keys: tuple = ()


ATTACKS = {}


def attack(name, source, points=0.0, others=15.0, keys=()):
    assert name not in ATTACKS, name
    ATTACKS[name] = Attack(source, points, others, keys)


def in_a_call(name, what, keys=(), others=15.0):
    """Something that happens when the judge calls the function."""
    attack(name, CALLED.replace("{what}", what), keys=keys, others=others)


# --- cheating: none of it earns a point
# -------------------------------------------------------------------------------

attack(
    "allclose_lies",
    "{WRONG}\nfor name in ('allclose', 'equal', 'isclose', 'isfinite'):\n    setattr(torch, name, lambda *a, **k: True)",
    others=None,
)
attack(
    "tensor_equality_lies",
    "{WRONG}\ntorch.Tensor.__eq__ = torch.Tensor.__le__ = torch.Tensor.__lt__ = lambda a, b: torch.tensor(True)",
    others=None,
)
attack(
    "check_replaced",
    "{WRONG}\nfrom course_lib import check\ncheck.rodrigues = lambda *a: 20.0\ncheck.core.close = lambda *a, **k: True",
)
attack(
    "judges_replaced",
    """{WRONG}
from course_lib.check import core, lesson2
for prop in lesson2.rodrigues.properties:
    type(prop).judge = lambda *a, **k: None
core.verdict = core.compare = core.probable = lambda *a, **k: None""",
)
attack(
    "attempt_replaced",
    """{WRONG}
from course_lib.check import core
core.attempt = lambda prop, given, inputs, seconds: ({"R": torch.zeros(6, 3, 3)}, None, core.Printed())""",
    others=0.0,
)
attack(
    "calls_give_their_inputs",
    """{WRONG}
from course_lib.check import lesson2
for prop in lesson2.rodrigues.properties:
    type(prop).call = lambda self, given, **inputs: dict(inputs, R=next(iter(inputs.values())), grad=next(iter(inputs.values())))""",
)
attack(
    "points_changed",
    """{WRONG}
from course_lib.check import lesson2
for prop in lesson2.rodrigues.properties:
    type(prop).points, type(prop).name = 1000, "right"
lesson2.rodrigues.__dict__["properties"] = ()""",
)
attack(
    "print_and_display_replaced",
    """{WRONG}
import builtins, sys
builtins.print = lambda *a, **k: None
sys.displayhook = lambda value: 20.0
get_ipython().displayhook = lambda value=None: 20.0""",
)
attack(
    "ast_transformer",
    """{WRONG}
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
    def visit_Return(self, node): return ast.Return(ast.Constant(20.0))
get_ipython().ast_transformers.append(Drop())
get_ipython().input_transformers_cleanup.append(lambda lines: ["20.0\\n"])""",
    others=0.0,
)
attack(
    "equal_to_everything",
    """import torch
class Yes:
    def __eq__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __bool__(self): return True
    def __iter__(self): return iter([])
    __hash__ = None
quat_to_rotmat = batch_rodrigues = lambda x: Yes()""",
)
attack(
    "tensor_that_lies",
    """import torch
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return True if func in (torch.allclose, torch.equal) else super().__torch_function__(func, types, args, kwargs or {})
quat_to_rotmat = batch_rodrigues = lambda x: torch.zeros(len(x), 3, 3, dtype=x.dtype).as_subclass(Liar)""",
)
FORGE = """{WRONG}
import json, os, socket, struct, threading
def frame(head, body=b""):
    text = json.dumps(head).encode()
    return struct.pack("<4sII", b"dlp1", len(text), len(body)) + text + body
RIGHT = frame({"complaint": None, "arrays": [["R", "float32", [6, 3, 3]]]}, bytes(216))
OPEN = frame({"error": None, "pictures": [], "arrays": []})
"""
attack(
    "answers_before_it_is_asked",
    FORGE
    + """
for fd in range(3, 256):
    try: os.write(fd, OPEN + RIGHT * 20)
    except OSError: pass""",
)
attack(
    "answers_with_old_tickets",
    STAGE
    + """
tickets, real = [], stage["receive"]
def receive(*a):
    message = real(*a)
    tickets.append(message[0]["ticket"])
    return message[0] | {"ticket": tickets[0]}, message[1]
stage["receive"] = receive""",
    others=0.0,
)
attack(
    "thread_at_the_socket",
    FORGE
    + """
def chat():
    while True:
        for fd in range(3, 64):
            try: os.write(fd, RIGHT)
            except OSError: pass
threading.Thread(target=chat, daemon=True).start()""",
    others=None,
)
attack(
    "garbage_at_the_socket",
    "{WRONG}\nimport os\nfor fd in range(3, 256):\n    try: os.write(fd, b'\\xff' * 5000)\n    except OSError: pass",
)
attack(
    "endless_message",
    FORGE
    + """
for fd in range(3, 256):
    try: os.write(fd, struct.pack("<4sII", b"dlp1", 100, 2**32 - 1) + b"{" * 100)
    except OSError: pass""",
)
attack(
    "deep_json",
    FORGE
    + """
for fd in range(3, 256):
    text = b"[" * 100_000
    try: os.write(fd, struct.pack("<4sII", b"dlp1", len(text), 0) + text)
    except OSError: pass""",
)
attack(
    "stage_answers_for_it",
    STAGE
    + """
real = stage["send"]
def send(sock, head, arrays=None):
    real(sock, head | {"complaint": None, "points": 20.0, "verdict": True}, arrays)
stage["send"] = send""",
    others=None,
)
attack(
    "another_exercises_answer",
    STAGE
    + """
real = stage["Player"].call
stage["Player"].call = lambda self, head, arrays: real(self, head | {"exercise": "tracking", "index": 0}, arrays)
from course_lib import check
check.rodrigues = check.tracking""",
    others=None,
)
attack(
    "only_the_public_case",
    """import torch
from course_lib import check
from course_lib.check import core, lesson2
known = [p.inputs(core.rng_of(check.rodrigues, n, 0)) for n, p in enumerate(check.rodrigues.properties)]
def among(x):
    return any(v.shape == x.shape and torch.allclose(v, x.to(v.dtype)) for case in known for v in case.values())
def quat_to_rotmat(quat):
    q = torch.nn.functional.normalize(quat, dim=-1)
    return lesson2.quat_matrix(q) if among(quat) else quat.new_zeros(len(quat), 3, 3)
def batch_rodrigues(theta):
    return lesson2.turned(theta) if among(theta) or len(theta) in (0, 40, 4000) else theta.new_zeros(len(theta), 3, 3)""",
    keys=("hidden",),
)
attack(
    "right_at_first_only",
    """{SOLVED}
right, calls = batch_rodrigues, []
def batch_rodrigues(theta):
    calls.append(1)
    return right(theta) if len(calls) < 13 else right(theta) * 0
right_quat, quats = quat_to_rotmat, []
def quat_to_rotmat(quat):
    quats.append(1)
    return right_quat(quat) if len(quats) < 3 else right_quat(quat) * 0""",
    points=None,
    keys=("hidden",),
)
attack(
    "chance",
    "import torch\nquat_to_rotmat = batch_rodrigues = lambda x: torch.rand(len(x), 3, 3, dtype=x.dtype)",
)
attack(
    "looks_for_solutions",
    """{WRONG}
import importlib, sys
for name in ("solutions.rotations", "solutions", "autograder.judge", "autograder"):
    try: module = importlib.import_module(name)
    except Exception: continue
    quat_to_rotmat = getattr(module, "quat_to_rotmat", quat_to_rotmat)
    batch_rodrigues = getattr(module, "batch_rodrigues", batch_rodrigues)""",
)
attack(
    "searches_all_files",
    """{WRONG}
import os
found = []
for folder, _, files in os.walk("/"):
    for name in files:
        path = os.path.join(folder, name)
        if "nbgrader" in path: continue
        if name in ("gradebook.db", "secret.txt", "judge.py", "run.json") or name.endswith("_solution.ipynb"):
            found.append(path)
        elif name.endswith((".py", ".ipynb")) and folder.startswith(("{ROOT}", "/root", "/home", "/course", "/tmp")) and "site-packages" not in folder:
            text = open(path, errors="replace").read()
            if "def quat_to_rotmat" in text and "Not" + "ImplementedError" not in text: found.append(path)
assert not found, found""",
)
attack(
    "reads_proc",
    """{WRONG}
import glob
seen = glob.glob("/proc/*/environ") + glob.glob("/proc/*/fd/*") + glob.glob("/proc/*/mem") + glob.glob("/proc/*/root/*")
assert not seen, seen""",
)
attack(
    "opens_the_grader_through_links",
    """{WRONG}
import os
for target in ("{ROOT}", "/root", "/home", "/proc/1/root", "/etc/shadow", "/tmp/../root"):
    link = "link" + str(abs(hash(target)))
    os.symlink(target, link)
    try: raise SystemExit(str(os.listdir(link)) + open(link).read())
    except OSError: pass""",
)

# --- hidden inputs must not come out
# ----------------------------------------------------------------------------------

attack(
    "hidden_inputs_in_an_exception",
    """{SOLVED}
import sys
from course_lib import check
from course_lib.check import core
public = check.rodrigues.properties[0].inputs(core.rng_of(check.rodrigues, 0, 0))["quat"]
right = quat_to_rotmat
def quat_to_rotmat(quat):
    if len(quat) == 6 and sys._getframe(1).f_code.co_name == "call" and not torch.equal(quat, public):
        raise ValueError("SEEN " + str(quat.tolist()))
    return right(quat)""",
    points=None,
    keys=("hidden",),
)
attack(
    "hidden_inputs_kept_for_a_restart",
    """{SOLVED}
import os, pathlib
seen = pathlib.Path("/tmp/seen.txt")
if seen.exists():
    raise ValueError("SEEN " + seen.read_text())
right, calls = quat_to_rotmat, []
def quat_to_rotmat(quat):
    calls.append(1)
    seen.write_text(str(quat.tolist()))
    if len(calls) > 5:
        os._exit(1)
    return right(quat)""",
    points=None,
    keys=("hidden", "lost"),
)

# --- what ends, stops or hangs the process
# ----------------------------------------------------------------------------

in_a_call("exits", "os._exit(0)", keys=("lost",))
in_a_call("sys_exit", "sys.exit(0)", keys=("raised",))
in_a_call("kills_itself", "os.kill(os.getpid(), 9)", keys=("lost",))
in_a_call("stops_itself", "os.kill(os.getpid(), 19)", keys=("lost",))
in_a_call("kills_everybody", "os.kill(-1, 9)")
in_a_call("kills_its_parent", "os.kill(os.getppid(), 9); os.kill(1, 9); os.kill(1, 15)")
in_a_call("segmentation_fault", "import ctypes; ctypes.string_at(0)", keys=("lost",))
in_a_call("aborts", "os.abort()", keys=("lost",))
in_a_call("deep_recursion", "return quat_to_rotmat(quat)", keys=("raised",))
in_a_call("recursion_without_limit", "sys.setrecursionlimit(10**9); return quat_to_rotmat(quat)")
in_a_call("endless_loop", "while True: pass", keys=("too-long",))
in_a_call("endless_sleep", "import time; time.sleep(1e6)", keys=("too-long",))
in_a_call(
    "swallows_everything",
    """while True:
        try:
            while True: pass
        except BaseException: pass""",
    keys=("lost", "too-long"),
)
in_a_call(
    "ignores_signals",
    """import signal
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while True: pass""",
    keys=("lost",),
)
attack("exits_in_the_cell", "import os\nos._exit(0)")
attack("hangs_in_the_cell", "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass")
attack("closes_all_files", "{WRONG}\nimport os\nos.closerange(0, 65536)")
attack("never_answers", STAGE + "import time\nstage['send'] = lambda *a: time.sleep(1e6)")
attack(
    "exits_at_exit",
    "{SOLVED}\nimport atexit, os, time\n"
    "atexit.register(lambda: time.sleep(1e6))\nos.register_at_fork(before=lambda: os._exit(3))",
    points=20.0,
)
attack(
    "sleeps_in_del",
    """{SOLVED}
import time
class Sticky:
    def __del__(self): time.sleep(1e6)
sticky = Sticky()""",
    points=20.0,
)

# --- what fills the machine
# ---------------------------------------------------------------------------------------------

in_a_call(
    "fork_bomb",
    """while True:
        try: os.fork()
        except OSError: pass""",
    keys=("lost", "too-long"),
)
in_a_call(
    "thread_bomb",
    """import threading, time
    while True: threading.Thread(target=time.sleep, args=(1e6,)).start()""",
)
in_a_call("memory_bomb", "x = []\n    while True: x.append(bytearray(10**8))")
in_a_call(
    "memory_of_many_processes",
    """import time
    for n in range(40):
        if os.fork() == 0:
            x = bytearray(300 * 10**6)
            for at in range(0, len(x), 4096): x[at] = 1
            time.sleep(1e6)
    time.sleep(1e6)""",
    keys=("lost", "too-long"),
)
in_a_call(
    "memory_file",
    "f = os.memfd_create('x'); os.ftruncate(f, 10**8)\n    while True: os.write(f, bytes(10**7))",
    keys=("raised",),
)
in_a_call(
    "shared_memory",
    """f = open('/dev/shm/x', 'wb')
    while True: f.write(bytes(10**7))""",
    keys=("raised",),
)
in_a_call(
    "disk_filler",
    """n = 0
    while True:
        n += 1
        open(f'/tmp/{n}', 'wb').write(bytes(10**8))""",
    keys=("raised",),
)
in_a_call(
    "one_huge_file", "f = open('x', 'wb')\n    while True: f.write(bytes(10**8))", keys=("raised", "lost")
)
in_a_call(
    "a_million_files",
    "n = 0\n    while True:\n        n += 1\n        open(f'{n}', 'w').close()",
    keys=("raised", "too-long"),
)
in_a_call("sparse_file", "os.truncate(os.open('x', 66), 10**13)", keys=("raised",))
in_a_call("prints_for_ever", "while True: print('x' * 10**6)", keys=("too-long",))
in_a_call("writes_to_stdout_for_ever", "while True: os.write(1, b'x' * 10**6)", keys=("too-long",))
attack(
    "output_flood_in_the_cell",
    "{SOLVED}\nimport sys\nfor n in range(300): print('x' * 10**6); sys.stderr.write('y' * 10**6)",
    points=20.0,
)
attack(
    "huge_picture",
    """{SOLVED}
from IPython.display import display
from matplotlib import pyplot as plt
for n in range(30): plt.figure(figsize=(50, 50)); plt.imshow(torch.rand(500, 500))
display({"image/png": "A" * 10**7}, raw=True)
display({"image/png": "<script>alert(1)</script>"}, raw=True)""",
    points=None,
)
attack(
    "oversized_arrays",
    "import torch\nquat_to_rotmat = batch_rodrigues = lambda x: torch.zeros(1).expand(2**33).reshape(-1, 1, 1)",
)
attack(
    "arrays_past_the_check",
    """{WRONG}
from course_lib.check import core, lesson2
for prop in lesson2.rodrigues.properties:
    type(prop).call = lambda self, given, **inputs: {"R": torch.zeros(20_000_000), "grad": torch.zeros(2), "one": torch.zeros(0)}""",
)
attack(
    "broadcasting_arrays",
    """{WRONG}
from course_lib.check import core, lesson2
for prop in lesson2.rodrigues.properties:
    type(prop).call = lambda self, given, **inputs: {"R": torch.zeros(1, 1, 4_000_000), "grad": torch.zeros(3_000_000, 1)}""",
)
attack(
    "odd_dtypes",
    """import torch
def quat_to_rotmat(quat): return torch.zeros(len(quat), 3, 3, dtype=torch.complex64)
def batch_rodrigues(theta): return torch.zeros(len(theta), 3, 3).to_sparse()""",
)
attack(
    "meta_device",
    "{SOLVED}\ntorch.set_default_device('meta')\ntorch.set_default_dtype(torch.float16)",
    points=None,
    others=None,
)
attack("gradients_off", "{SOLVED}\ntorch.set_grad_enabled(False)", points=None)
attack("many_threads", "{SOLVED}\ntorch.set_num_threads(64)", points=None)

# --- what tries to get out, or to stay
# ------------------------------------------------------------------------------------

attack(
    "orphan",
    """{SOLVED}
import os, time
if os.fork() == 0:
    try: os.setsid()
    except OSError: pass
    if os.fork() == 0:
        time.sleep(1e6)
    os._exit(0)""",
    points=20.0,
)
attack(
    "a_child_that_goes_on",
    "{SOLVED}\nimport os\nif os.fork() == 0: raise ValueError('as if it were the parent')",
    points=20.0,
)
attack(
    "orphan_that_ignores_signals",
    """{SOLVED}
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import signal, time\\nfor n in range(1, 32):\\n  try: signal.signal(n, signal.SIG_IGN)\\n  except OSError: pass\\ntime.sleep(1e6)"], start_new_session=True)""",
    points=20.0,
)
attack(
    "network",
    """{WRONG}
import socket
for address in (("1.1.1.1", 53), ("127.0.0.1", 8786), ("169.254.169.254", 80)):
    try: socket.create_connection(address, timeout=1)
    except OSError: continue
    raise AssertionError("network")
try: socket.getaddrinfo("example.org", 80); raise AssertionError("names")
except OSError: pass""",
)
attack(
    "escapes",
    """{WRONG}
import ctypes, os, signal, resource
libc = ctypes.CDLL(None, use_errno=True)
done = []
for number, arguments in ((272, (0x10000000,)), (165, (b"x", b"/tmp", b"tmpfs", 0, 0)), (101, (16, 1, 0, 0)), (155, (b"/", b"/tmp")),
                          (308, (0, 0)), (321, (0, 0, 0)), (425, (1, 0)), (319, (b"x", 0)), (250, (0, 0)), (310, (1, 0, 0, 0, 0, 0)),
                          (56, (0x10000000 | 17, 0, 0, 0, 0)), (29, (0, 4096, 0o1777)), (323, (0,)), (298, (0, 0, 0, 0, 0))):
    if os.uname().machine == "x86_64" and libc.syscall(number, *arguments) >= 0: done.append(number)
for function, arguments in ((os.setuid, (0,)), (os.chroot, ("/tmp",)), (os.kill, (1, 0)), (os.mknod, ("x", 0o60600, 2049))):
    try: function(*arguments)
    except (OSError, PermissionError): continue
    if function is not os.kill: done.append(function.__name__)
try: resource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6)); done.append("limits")
except (OSError, ValueError): pass
assert not done, done""",
)
attack(
    "writes_everywhere",
    """{WRONG}
import os
written = []
for folder in ("/", "/course", "/course/course_lib", "/course/assets", "/usr", "/etc", "/dev", "{ROOT}/.venv", "/root", "/proc", os.path.dirname(torch.__file__)):
    try: open(os.path.join(folder, "x"), "w").close(); written.append(folder)
    except OSError: pass
for path in ("/inside_sandbox.py", "/course/course_lib/check/core.py", torch.__file__):
    try: open(path, "a").close(); written.append(path)
    except OSError: pass
    try: os.unlink(path); written.append(path)
    except OSError: pass
assert not written, written""",
)
attack("shell_in_the_notebook", "{SOLVED}\n!rm -rf / ~ * 2>/dev/null; (sleep 1000000 &)\n%cd /", points=20.0)

attack(
    "nan_everywhere",
    "import torch\n"
    "quat_to_rotmat = batch_rodrigues = lambda x: torch.full((len(x), 3, 3), float('nan'), dtype=x.dtype) + 0 * x.sum()",
)
attack(
    "nan_past_the_check",
    """{WRONG}
from course_lib.check import core, lesson2
core.tensor = lambda name, value, *a, **k: value
batch_rodrigues = quat_to_rotmat = lambda x: x.new_full((len(x), 3, 3), float('nan')) + 0 * x.sum()""",
    others=None,
)
in_a_call(
    "shared_memory_without_a_name",
    """import mmap
    x = mmap.mmap(-1, 10**8)
    raise AssertionError("shared")""",
    keys=("raised",),
)
in_a_call(
    "shared_memory_of_dev_zero",
    """import mmap
    x = mmap.mmap(os.open('/dev/zero', os.O_RDWR), 10**8)
    x[:5] = b'12345'
    raise AssertionError("shared")""",
    keys=("raised",),
)
in_a_call(
    "page_tables",
    """import mmap
    maps = [mmap.mmap(-1, 2**34, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, 'MAP_NORESERVE', 0x4000)) for _ in range(20)]
    raise AssertionError("mapped")""",
    keys=("raised",),
)
attack(
    "sockets_of_other_kinds",
    """{WRONG}
import socket
made = []
for family in (16, 17, 38, 40, 1):                      # netlink, packet, crypto, the machine's host
    try: s = socket.socket(family, socket.SOCK_STREAM if family in (1, 40) else socket.SOCK_RAW if family != 38 else socket.SOCK_SEQPACKET)
    except OSError: continue
    made.append(family)
    try: s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10**8); made.append("buffer")
    except OSError: pass
assert made == [1], made""",
)
attack(
    "memory_between_questions",
    """{SOLVED}
import threading, time
def fill():
    time.sleep(0.3)
    for _ in range(3):
        if os.fork() == 0:
            x = [bytearray(b'1' * 10**8) for _ in range(9)]
            time.sleep(100)
import os
right = batch_rodrigues
started = []
def batch_rodrigues(theta):
    if not started:
        started.append(threading.Thread(target=fill)); started[0].start()
    return right(theta)""",
    points=None,
    others=None,
)
attack(
    "picture_of_30000_pixels",
    """{SOLVED}
import base64, struct, zlib
from IPython.display import display
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 1, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(bytes(3751 * 30000))) + chunk(b"IEND", b"")
display({"image/png": base64.b64encode(png).decode()}, raw=True)""",
    points=20.0,
)
attack(
    "a_syntax_tree_that_fills_the_grader",
    "{SOLVED}\nx = [" + "a.b," * 400_000 + "] if False else 0",
    points=None,
)
attack(
    "spinners",
    """{SOLVED}
import os
for _ in range(12):
    if os.fork() == 0:
        try: os.setsid()
        except OSError: pass
        while True: pass""",
    points=20.0,
)

# --- broken, or merely odd
# ----------------------------------------------------------------------------------------------

attack("empty_cell", "", keys=("not-defined",))
attack("syntax_error", "def quat_to_rotmat(quat:\n    return", keys=("not-defined",))
attack("indentation", "def quat_to_rotmat(quat):\nreturn quat", keys=("not-defined",))
attack("null_bytes", "x = '\x00'\n{SOLVED}", points=None)
attack("lone_surrogate", "x = '\\ud800'\nraise ValueError('\\ud800\\udfff' * 50)", keys=("not-defined",))
attack(
    "exception_without_text",
    """class Odd(Exception):
    def __str__(self): raise RuntimeError("no")
    __repr__ = __str__
raise Odd()""",
    keys=("not-defined",),
)
attack(
    "exception_that_never_ends",
    """class Odd(Exception):
    def __str__(self):
        while True: pass
{SOLVED}
def quat_to_rotmat(quat): raise Odd()""",
    points=None,
)
attack("exception_with_a_page_in_it", "{WRONG}\nraise ValueError('<script>alert(1)</script>' + 'A' * 10**7)")
attack("names_as_values", "quat_to_rotmat, batch_rodrigues = 1, None", keys=("not-defined",))
in_a_call("none", "return None", keys=("none",))
in_a_call("numpy", "return quat.new_zeros(len(quat), 3, 3).numpy()", keys=("not-a-tensor",))
in_a_call("nan", "return quat.new_full((len(quat), 3, 3), float('nan'))", keys=("not-finite",))
in_a_call("changes_its_input", "quat *= 0", keys=("changed-input",))
attack("ten_thousand_lines", "{SOLVED}\n" + "x = 1\n" * 10_000, points=20.0)
attack("three_megabytes", "{SOLVED}\nx = '" + "a" * 3_000_000 + "'", points=20.0)
attack(
    "modules_deleted",
    "{SOLVED}\nimport sys\nfor name in list(sys.modules):\n"
    "    if name.startswith(('course_lib', 'numpy', 'IPython')): del sys.modules[name]",
    points=None,
    others=None,
)
attack(
    "course_replaced",
    "{WRONG}\nimport sys, types\n"
    "sys.modules['course_lib'] = sys.modules['course_lib.check'] = types.ModuleType('course_lib')",
    others=None,
)
