"""What hostile, broken and unlucky students hand in as exercise 2 (`rodrigues`), each with what it earns.

An entry is `### NAME`, and below it the text of the exercise's cell. Behind the name stand the points of
exercise 2 where they are not 0, and `keys`, of which one must be complained of. The notebook's other
exercise, `tracking`, is solved in all of them and must keep its 15 points, or `others`: what one cell does
must not cost another. `any`: whatever it earns. `called`: it happens when the judge calls the function.
SOLVED puts the reference's solution before the text, WRONG functions that give zeros, FORGE, INSIDE, ASKED
and PUBLIC the texts below. In a text {SOLVED} and {WRONG} stand for the same, {ROOT} for the course's folder.
"""

import re
import textwrap
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
FORGE = """{WRONG}
import json, os, socket, struct, threading
def frame(head, body=b""):
    text = json.dumps(head).encode()
    return struct.pack("<4sII", b"dlp1", len(text), len(body)) + text + body
def write_to_all(data):
    for fd in range(3, 256):
        try: os.write(fd, data)
        except OSError: pass
RIGHT = frame({"complaint": None, "arrays": [["R", "float32", [6, 3, 3]]]}, bytes(216))
OPEN = frame({"error": None, "pictures": [], "arrays": []})
"""  # answers as the process of inside_sandbox.py sends them
INSIDE = """{WRONG}
import gc, types
gc.unfreeze()
inside = next(f.__globals__ for f in gc.get_objects()
              if isinstance(f, types.FunctionType) and f.__name__ == "serve" and "MAGIC" in f.__globals__)
"""  # the globals of inside_sandbox.py, in the process that this cell runs in
ASKED = """
from course_lib.check import core
real_attempt = core.attempt
def attempt(prop, given, inputs, seconds):
    if hasattr(given, "batch_rodrigues"): tamper(type(prop))
    return real_attempt(prop, given, inputs, seconds)
core.attempt = attempt
"""  # gets at the properties as they come, by the text's `tamper`
PUBLIC = """
import numpy as np, torch
def drawn(n): return np.random.default_rng([0, 2, n])
unit = torch.nn.functional.normalize
def axes(rng, n, low, high):
    return unit(torch.from_numpy(rng.normal(size=(n, 3)))) * torch.from_numpy(rng.uniform(low, high, (n, 1)))
rng, quats = drawn(3), [torch.from_numpy(drawn(n).normal(size=(24 - 13 * n, 4))) for n in range(2)]
quats[0][:2, 0] = 0
quats = [unit(quat) for quat in quats]
lengths = torch.tensor([0.02, 0.2, 0.4, 0.6, 0.8, 1.5, 2, 3, 5, 9])[:, None]
thetas = torch.cat([axes(rng, 18, 0.3, 3.0), axes(rng, 6, 3.3, 6.0)])
public = [quats[0], quats[1][:10] * lengths, thetas]
def among(x): return any(v.shape == x.shape and torch.allclose(v, x.double(), atol=1e-6) for v in public)
"""  # the cases that students can see, as their own notebook shows them
BEFORE = {
    "ASKED": ASKED,
    "PUBLIC": PUBLIC,
    "SOLVED": "{SOLVED}\n",
    "WRONG": "{WRONG}\n",
    "FORGE": FORGE,
    "INSIDE": INSIDE,
}


class Attack(NamedTuple):
    """source: of the cell; points: of exercise 2; others: of exercise 3; keys: one must be complained of"""

    source: str
    points: float | None = 0.0
    others: float | None = 15.0
    keys: tuple = ()


ATTACKS = {}


def _add(text):
    """Takes in the entries of a text."""
    for entry in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        head, _, source = entry.partition("\n")
        name, *words = head.split()
        if "called" in words:
            source = CALLED.replace("{what}", textwrap.indent(source.strip(), "    ").strip())
        source = "".join(BEFORE[word] for word in words if word in BEFORE) + source.strip("\n")
        values = dict(word.split("=") for word in words if "=" in word)
        keys = tuple(values.pop("keys").split(",")) if "keys" in values else ()
        earned = {exercise: None if points == "any" else float(points) for exercise, points in values.items()}
        assert name not in ATTACKS, name
        ATTACKS[name] = Attack(source, keys=keys, **earned)


# --- cheating: none of it earns a point

_add(r"""
### allclose_lies WRONG others=any
for name in ('allclose', 'equal', 'isclose', 'isfinite'):
    setattr(torch, name, lambda *a, **k: True)
### tensor_equality_lies WRONG others=any
torch.Tensor.__eq__ = torch.Tensor.__le__ = torch.Tensor.__lt__ = lambda a, b: torch.tensor(True)
### check_replaced WRONG
from course_lib import check
check.rodrigues = lambda *a: 20.0
check.core.close = lambda *a, **k: True
### judges_replaced WRONG ASKED
def tamper(kind): kind.judge = lambda *a, **k: None
core.verdict = core.compare = core.probable = lambda *a, **k: None
### attempt_replaced WRONG others=0
from course_lib.check import core
core.attempt = lambda prop, given, inputs, seconds: ({"R": torch.zeros(6, 3, 3)}, None, core.Printed())
### calls_give_their_inputs WRONG ASKED
def call(self, given, **inputs):
    return inputs | dict.fromkeys(("R", "grad"), next(iter(inputs.values())))
def tamper(kind): kind.call = call
### points_changed WRONG ASKED
def tamper(kind): kind.points, kind.name = 1000, "right"
### the_courses_own_function keys=borrowed
import course_lib.rotations as r
batch_rodrigues = getattr(r, "rotvec_to" + "_rotmat")
from course_lib.dolphin_model import DolphinModel
quat_to_rotmat = lambda q: DolphinModel.__init__.__defaults__[1](q[:, 1:])
### the_courses_own_function_out_of_its_place keys=borrowed
import course_lib.rotations as r
for name, kept in list(vars(r).items()):
    if name.endswith("vec_to" + "_rotmat") and "steady" not in name: break
setattr(r, name, None)
batch_rodrigues = quat_to_rotmat = kept
### what_withholds_replaced keys=borrowed
import contextlib
from course_lib import check
check.core.withheld = lambda *a: contextlib.nullcontext()
import course_lib.rotations as r
check.core._refuse = batch_rodrigues = quat_to_rotmat = getattr(r, "rotvec_to" + "_rotmat")
### the_checks_formulas keys=raised
import course_lib.check as c, importlib
from course_lib.check import lesson2
quat_to_rotmat = lambda q: getattr(c, "lesson2")._quat_to_rotmat(q)
batch_rodrigues = lambda theta: c.rodrigues.__globals__["rotvec_to_rotmat"](theta)
### calls_the_check_in_a_cell SOLVED points=20
from course_lib import check
assert check.rodrigues() == check.rodrigues(quat_to_rotmat, batch_rodrigues) == 20, "AssertionError"
### texts_of_the_courses WRONG keys=other
from course_lib.check.core import Problem
def quat_to_rotmat(quat): raise Problem("transposed", "All of the class wrote this.")
def batch_rodrigues(theta): raise Problem("You cheat", "All of the class wrote this.")
### print_and_display_replaced WRONG
import builtins, sys
builtins.print = lambda *a, **k: None
sys.displayhook = lambda value: 20.0
get_ipython().displayhook = lambda value=None: 20.0
### ast_transformer WRONG others=0
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
    def visit_Return(self, node): return ast.Return(ast.Constant(20.0))
get_ipython().ast_transformers.append(Drop())
get_ipython().input_transformers_cleanup.append(lambda lines: ["20.0\n"])
### equal_to_everything
import torch
class Yes:
    def __eq__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __bool__(self): return True
    def __iter__(self): return iter([])
    __hash__ = None
quat_to_rotmat = batch_rodrigues = lambda x: Yes()
### tensor_that_lies
import torch
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        lies = func in (torch.allclose, torch.equal)
        return True if lies else super().__torch_function__(func, types, args, kwargs or {})
quat_to_rotmat = batch_rodrigues = lambda x: torch.zeros(len(x), 3, 3, dtype=x.dtype).as_subclass(Liar)
### answers_before_it_is_asked FORGE
write_to_all(OPEN + RIGHT * 20)
### answers_with_old_tickets INSIDE others=0
tickets, real = [], inside["receive"]
def receive(*a):
    message = real(*a)
    tickets.append(message[0]["ticket"])
    return message[0] | {"ticket": tickets[0]}, message[1]
inside["receive"] = receive
### thread_at_the_socket FORGE others=any
def chat():
    while True:
        write_to_all(RIGHT)
threading.Thread(target=chat, daemon=True).start()
### garbage_at_the_socket FORGE
write_to_all(b"\xff" * 5000)
### endless_message FORGE
write_to_all(struct.pack("<4sII", b"dlp1", 100, 2**32 - 1) + b"{" * 100)
### deep_json FORGE
write_to_all(struct.pack("<4sII", b"dlp1", 100_000, 0) + b"[" * 100_000)
### it_answers_for_itself INSIDE others=any
real = inside["send"]
def send(sock, head, arrays=None):
    real(sock, head | {"complaint": None, "points": 20.0, "verdict": True}, arrays)
inside["send"] = send
### another_exercises_answer INSIDE others=any
real = inside["Runner"].call
other = {"exercise": "tracking", "index": 0}
inside["Runner"].call = lambda self, head, arrays: real(self, head | other, arrays)
from course_lib import check
check.rodrigues = check.tracking
### only_the_public_case PUBLIC SOLVED keys=hidden
right_quat, right = quat_to_rotmat, batch_rodrigues
def quat_to_rotmat(quat): return right_quat(quat) if among(quat) else quat.new_zeros(len(quat), 3, 3)
def batch_rodrigues(theta): return right(theta) if among(theta) else theta.new_zeros(len(theta), 3, 3)
### right_at_first_only SOLVED points=any keys=hidden
right, calls = batch_rodrigues, []
def batch_rodrigues(theta):
    calls.append(1)
    return right(theta) if len(calls) < 13 else right(theta) * 0
right_quat, quats = quat_to_rotmat, []
def quat_to_rotmat(quat):
    quats.append(1)
    return right_quat(quat) if len(quats) < 3 else right_quat(quat) * 0
### chance
import torch
quat_to_rotmat = batch_rodrigues = lambda x: torch.rand(len(x), 3, 3, dtype=x.dtype)
### looks_for_solutions WRONG
import importlib, sys
for name in ("solutions.rotations", "solutions", "autograder.judge", "autograder"):
    try: module = importlib.import_module(name)
    except Exception: continue
    quat_to_rotmat = getattr(module, "quat_to_rotmat", quat_to_rotmat)
    batch_rodrigues = getattr(module, "batch_rodrigues", batch_rodrigues)
### searches_all_files WRONG
import os
found, homes = [], ("{ROOT}", "/root", "/home", "/course", "/tmp")
for folder, _, files in os.walk("/"):
    for name in files:
        path = os.path.join(folder, name)
        if "nbgrader" in path: continue
        if name in ("gradebook.db", "secret.txt", "judge.py", "run.json") or name.endswith("_solution.ipynb"):
            found.append(path)
        elif name.endswith((".py", ".ipynb")) and folder.startswith(homes) and "site-packages" not in folder:
            text = open(path, errors="replace").read()
            if "def quat_to_rotmat" in text and "Not" + "ImplementedError" not in text: found.append(path)
assert not found, found
### reads_proc WRONG
import glob
seen = [path for what in ("environ", "fd/*", "mem", "root/*") for path in glob.glob(f"/proc/*/{what}")]
assert not seen, seen
### opens_the_grader_through_links WRONG
import os
for target in ("{ROOT}", "/root", "/home", "/proc/1/root", "/etc/shadow", "/tmp/../root"):
    link = "link" + str(abs(hash(target)))
    os.symlink(target, link)
    try: raise SystemExit(str(os.listdir(link)) + open(link).read())
    except OSError: pass
""")

# --- hidden inputs must not come out

_add(r"""
### hidden_inputs_in_an_exception PUBLIC SOLVED points=any keys=hidden
import sys
right = quat_to_rotmat
def quat_to_rotmat(quat):
    if len(quat) == 24 and sys._getframe(1).f_code.co_name == "value" and not among(quat):
        raise ValueError("SEEN " + str(quat.tolist()))
    return right(quat)
### hidden_inputs_kept_for_a_restart SOLVED points=any keys=hidden,lost
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
    return right(quat)
""")

# --- what ends, stops or hangs the process

_add(r"""
### exits called keys=lost
os._exit(0)
### sys_exit called keys=raised
sys.exit(0)
### kills_itself called keys=lost
os.kill(os.getpid(), 9)
### stops_itself called keys=lost
os.kill(os.getpid(), 19)
### kills_everybody called
os.kill(-1, 9)
### kills_its_parent called
os.kill(os.getppid(), 9); os.kill(1, 9); os.kill(1, 15)
### segmentation_fault called keys=lost
import ctypes; ctypes.string_at(0)
### aborts called keys=lost
os.abort()
### deep_recursion called keys=raised
return quat_to_rotmat(quat)
### recursion_without_limit called
sys.setrecursionlimit(10**9); return quat_to_rotmat(quat)
### endless_loop called keys=too-long
while True: pass
### endless_sleep called keys=too-long
import time; time.sleep(1e6)
### swallows_everything called keys=lost,too-long
while True:
    try:
        while True: pass
    except BaseException: pass
### ignores_signals called keys=lost
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
### exits_in_the_cell
import os
os._exit(0)
### hangs_in_the_cell
import signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
while True: pass
### closes_all_files WRONG
import os
os.closerange(0, 65536)
### never_answers INSIDE
import time
inside['send'] = lambda *a: time.sleep(1e6)
### exits_at_exit SOLVED points=20
import atexit, os, time
atexit.register(lambda: time.sleep(1e6))
os.register_at_fork(before=lambda: os._exit(3))
### sleeps_in_del SOLVED points=20
import time
class Sticky:
    def __del__(self): time.sleep(1e6)
sticky = Sticky()
""")

# --- what fills the machine

_add(r"""
### fork_bomb called keys=lost,too-long
while True:
    try: os.fork()
    except OSError: pass
### thread_bomb called
import threading, time
while True: threading.Thread(target=time.sleep, args=(1e6,)).start()
### memory_bomb called
x = []
while True: x.append(bytearray(10**8))
### memory_of_many_processes called keys=lost,too-long
import time
for n in range(40):
    if os.fork() == 0:
        x = bytearray(300 * 10**6)
        for at in range(0, len(x), 4096): x[at] = 1
        time.sleep(1e6)
time.sleep(1e6)
### memory_file called keys=raised
f = os.memfd_create('x'); os.ftruncate(f, 10**8)
while True: os.write(f, bytes(10**7))
### shared_memory called keys=raised
f = open('/dev/shm/x', 'wb')
while True: f.write(bytes(10**7))
### disk_filler called keys=raised
n = 0
while True:
    n += 1
    open(f'/tmp/{n}', 'wb').write(bytes(10**8))
### one_huge_file called keys=raised,lost
f = open('x', 'wb')
while True: f.write(bytes(10**8))
### a_million_files called keys=raised,too-long
n = 0
while True:
    n += 1
    open(f'{n}', 'w').close()
### sparse_file called keys=raised
os.truncate(os.open('x', 66), 10**13)
### prints_for_ever called keys=too-long
while True: print('x' * 10**6)
### writes_to_stdout_for_ever called keys=too-long
while True: os.write(1, b'x' * 10**6)
### output_flood_in_the_cell SOLVED points=20
import sys
for n in range(300): print('x' * 10**6); sys.stderr.write('y' * 10**6)
### huge_picture SOLVED points=any
from IPython.display import display
from matplotlib import pyplot as plt
for n in range(30): plt.figure(figsize=(50, 50)); plt.imshow(torch.rand(500, 500))
display({"image/png": "A" * 10**7}, raw=True)
display({"image/png": "<script>alert(1)</script>"}, raw=True)
### oversized_arrays
import torch
quat_to_rotmat = batch_rodrigues = lambda x: torch.zeros(1).expand(2**33).reshape(-1, 1, 1)
### arrays_past_the_check WRONG ASKED
sizes = {"R": 20_000_000, "grad": 2, "one": 0}
def call(self, given, **inputs): return {name: torch.zeros(size) for name, size in sizes.items()}
def tamper(kind): kind.call = call
### broadcasting_arrays WRONG ASKED
wide = {"R": torch.zeros(1, 1, 4_000_000), "grad": torch.zeros(3_000_000, 1)}
def tamper(kind): kind.call = lambda self, given, **inputs: wide
### odd_dtypes
import torch
def quat_to_rotmat(quat): return torch.zeros(len(quat), 3, 3, dtype=torch.complex64)
def batch_rodrigues(theta): return torch.zeros(len(theta), 3, 3).to_sparse()
### meta_device SOLVED points=any others=any
torch.set_default_device('meta')
torch.set_default_dtype(torch.float16)
### gradients_off SOLVED points=any
torch.set_grad_enabled(False)
### many_threads SOLVED points=any
torch.set_num_threads(64)
""")

# --- what tries to get out, or to stay

_add(r"""
### orphan SOLVED points=20
import os, time
if os.fork() == 0:
    try: os.setsid()
    except OSError: pass
    if os.fork() == 0:
        time.sleep(1e6)
    os._exit(0)
### a_child_that_goes_on SOLVED points=20
import os
if os.fork() == 0: raise ValueError('as if it were the parent')
### orphan_that_ignores_signals SOLVED points=20
import subprocess, sys
deaf = "import signal, time\nfor n in range(1, 32):\n  try: signal.signal(n, signal.SIG_IGN)"
deaf += "\n  except OSError: pass\ntime.sleep(1e6)"
subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
### network WRONG
import socket
for address in (("1.1.1.1", 53), ("127.0.0.1", 8786), ("169.254.169.254", 80)):
    try: socket.create_connection(address, timeout=1)
    except OSError: continue
    raise AssertionError("network")
try: socket.getaddrinfo("example.org", 80); raise AssertionError("names")
except OSError: pass
### escapes WRONG
import ctypes, os, signal, resource
libc = ctypes.CDLL(None, use_errno=True)
done = []
calls = [(272, 0x10000000), (165, b"x", b"/tmp", b"tmpfs", 0, 0), (101, 16, 1, 0, 0), (155, b"/", b"/tmp"),
    (308, 0, 0), (321, 0, 0, 0), (425, 1, 0), (319, b"x", 0), (250, 0, 0), (310, 1, 0, 0, 0, 0, 0),
    (56, 0x10000000 | 17, 0, 0, 0, 0), (29, 0, 4096, 0o1777), (323, 0), (298, 0, 0, 0, 0, 0)]
for number, *arguments in calls:
    if os.uname().machine == "x86_64" and libc.syscall(number, *arguments) >= 0: done.append(number)
functions = [(os.setuid, 0), (os.chroot, "/tmp"), (os.kill, 1, 0), (os.mknod, "x", 0o60600, 2049)]
for function, *arguments in functions:
    try: function(*arguments)
    except (OSError, PermissionError): continue
    if function is not os.kill: done.append(function.__name__)
try: resource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6)); done.append("limits")
except (OSError, ValueError): pass
assert not done, done
### writes_everywhere WRONG
import os
written = []
folders = "/ /course /course/course_lib /course/assets /usr /etc /dev {ROOT}/.venv /root /proc".split()
for folder in (*folders, os.path.dirname(torch.__file__)):
    try: open(os.path.join(folder, "x"), "w").close(); written.append(folder)
    except OSError: pass
for path in ("/inside_sandbox.py", "/course/course_lib/check/core.py", torch.__file__):
    try: open(path, "a").close(); written.append(path)
    except OSError: pass
    try: os.unlink(path); written.append(path)
    except OSError: pass
assert not written, written
### shell_in_the_notebook SOLVED points=20
!rm -rf / ~ * 2>/dev/null; (sleep 1000000 &)
%cd /
### nan_everywhere
import torch
quat_to_rotmat = batch_rodrigues = lambda x: x.new_full((len(x), 3, 3), float('nan')) + 0 * x.sum()
### nan_past_the_check WRONG others=any
from course_lib.check import core
core.tensor = lambda name, value, *a, **k: value
batch_rodrigues = quat_to_rotmat = lambda x: x.new_full((len(x), 3, 3), float('nan')) + 0 * x.sum()
### shared_memory_without_a_name called keys=raised
import mmap
x = mmap.mmap(-1, 10**8)
raise AssertionError("shared")
### shared_memory_of_dev_zero called keys=raised
import mmap
x = mmap.mmap(os.open('/dev/zero', os.O_RDWR), 10**8)
x[:5] = b'12345'
raise AssertionError("shared")
### page_tables called keys=raised
import mmap
flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, 'MAP_NORESERVE', 0x4000)
maps = [mmap.mmap(-1, 2**34, flags=flags) for _ in range(20)]
raise AssertionError("mapped")
### sockets_of_other_kinds WRONG
import socket
made, kinds = [], {1: socket.SOCK_STREAM, 40: socket.SOCK_STREAM, 38: socket.SOCK_SEQPACKET}
for family in (16, 17, 38, 40, 1):  # netlink, packet, crypto, the machine's host
    try: s = socket.socket(family, kinds.get(family, socket.SOCK_RAW))
    except OSError: continue
    made.append(family)
    try: s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10**8); made.append("buffer")
    except OSError: pass
assert made == [1], made
### memory_between_questions SOLVED points=any others=any
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
    return right(theta)
### picture_of_30000_pixels SOLVED points=20
import base64, struct, zlib
from IPython.display import display
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
head, pixels = struct.pack(">IIBBBBB", 30000, 30000, 1, 0, 0, 0, 0), zlib.compress(bytes(3751 * 30000))
png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
display({"image/png": base64.b64encode(png).decode()}, raw=True)
### spinners SOLVED points=20
import os
for _ in range(12):
    if os.fork() == 0:
        try: os.setsid()
        except OSError: pass
        while True: pass
""")

# --- memory that is in no process's count

LIBC = """import ctypes, errno, mmap, os, platform, resource, socket, time
libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
def refused(x86, arm, *arguments):
    ctypes.set_errno(0)
    failed = libc.syscall(x86 if X86 else arm, *arguments) < 0
    return failed and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS)
"""
BEFORE["LIBC"] = LIBC

_add(r"""
### huge_pages_in_pipes LIBC WRONG
import struct
size, taken = 2**21, 0
for _ in range(40):
    r, w = os.pipe()
    try: taken += __import__("fcntl").fcntl(w, 1031, 2**20) > 2**16
    except PermissionError: pass
    area = mmap.mmap(-1, 2 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(14)
    area[:] = b"1" * len(area)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(area))
    piece = ctypes.create_string_buffer(struct.pack("@PN", begin, 4096))
    taken += libc.vmsplice(w, piece, 1, 8) > 0
    r2, w2 = os.pipe()
    os.write(w, b"x")
    taken += libc.tee(r, w2, 1, 0) > 0
    taken += libc.splice(r, None, w2, None, 1, 0) > 0
    for fd in (r, w, r2, w2): os.close(fd)
file = os.open("x", os.O_RDWR | os.O_CREAT)
os.write(file, bytes(10**5))
r, w = os.pipe()
try: taken += os.sendfile(w, file, 0, 4096) > 0
except PermissionError: pass
assert not taken, taken
### calls_that_keep_memory LIBC WRONG
ring, rules = ctypes.create_string_buffer(256), ctypes.create_string_buffer(b"\1" + bytes(63))
calls = {
    "io_uring": (425, 425, 1, ring), "memfd": (319, 279, b"x", 0), "memfd_secret": (447, 447, 0),
    "inotify": (294, 26, 0), "landlock": (444, 444, rules, 8, 0), "newer": (1000, 1000),
    "xattr": (188, 5, b".", b"user.x", b"x", 1, 0), "xattr at": (463, 463, -100, b".", 0, b"user.x", 0, 0),
    "pidfd_getfd": (438, 438, 0, 0, 0), "shmget": (29, 194, 0, 4096, 0o1777),
    "add_key": (248, 217, 0, 0, 0, 0, 0), "huge pages": (157, 167, 41, 0, 0, 0, 0),
    "merge": (157, 167, 67, 1, 0, 0, 0), "mergeable": (28, 233, 0, 4096, 12), "seccomp": (317, 277, 1, 0, 0),
    "mbind": (237, 235, 0, 0, 0, 0, 0, 0), "remap": (216, 234, 0, 4096, 0, 0, 0)}
done = [name for name, call in calls.items() if not refused(*call)]
if libc.mlock(ctypes.create_string_buffer(2**17), 2**17) == 0: done.append("mlock")
try: mmap.mmap(-1, 2**21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000); done.append("hugetlb")
except OSError: pass
import fcntl
try: fcntl.lockf(open("lock", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB, 1); done.append("locks")
except PermissionError: pass
assert not done, done
### files_on_their_way LIBC WRONG
pair = socket.socketpair()
try: socket.send_fds(pair[0], [b"x"], [0])
except PermissionError: pass
else: raise AssertionError("sent")
### sockets_with_names LIBC WRONG
made = []
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    one = socket.socket(socket.AF_UNIX, kind)
    for name, what in (("bind", "\0x"), ("listen", 4096), ("connect", "\0x")):
        try: getattr(one, name)(what); made.append(name)
        except PermissionError: pass
    try: one.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1); made.append("passcred")
    except PermissionError: pass
assert not made, made
### socket_buffers called keys=lost
import os, socket, time
kept = []
for n in range(40):
    if os.fork() == 0: break
try:
    while True:
        kept += socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for one in kept[-2:]:
            one.setblocking(False)
            try:
                while True: one.send(bytes(200_000))
            except OSError: pass
except OSError: time.sleep(1e6)
### many_small_mappings called keys=lost
import mmap, os, time
areas = []
try:
    while True:
        areas.append(mmap.mmap(-1, 4096, flags=34, prot=1 + 2 * (len(areas) % 2)))
        if len(areas) % 2 == 0: areas[-1][0] = 1
except OSError: pass
for n in range(40):
    if os.fork(): break
time.sleep(1e6)
### many_mappings_while_memory_grows called keys=lost
import mmap, os, time
areas = [mmap.mmap(-1, 4096, flags=34, prot=1 + 2 * (n % 2)) for n in range(50_000)]
for n in range(8):
    if os.fork() == 0: break
x = []
while True: x.append(b'1' * 10**6)
### copies_of_what_was_shared called keys=lost,too-long
import os, time
x = bytearray(b'1' * 500 * 10**6)
for n in range(8):
    if os.fork() == 0:
        for at in range(0, len(x), 4096): x[at] = 2
time.sleep(1e6)
### memory_in_files_and_processes called keys=lost
import os, time
for n in range(23): open(f'/tmp/{n}', 'wb').write(b'1' * 10**7)
x = bytearray(b'1' * 1300 * 10**6)
time.sleep(1e6)
### hidden_from_its_user called keys=lost
import ctypes, os, time
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
for n in range(30):
    if os.fork() == 0:
        x = b'1' * 100 * 10**6
        time.sleep(1e6)
time.sleep(1e6)
### passed_from_hand_to_hand called keys=lost
import os, time
x = []
while True:
    x.append(b'1' * 10**7)
    if os.fork(): os._exit(0)
### a_name_that_is_no_text called keys=lost
import os, subprocess, time
os.symlink("/bin/sleep", b"/tmp/\xff\xfe")
subprocess.Popen([b"/tmp/\xff\xfe", "1000"])
x = []
while True: x.append(b'1' * 10**7)
### first_threads_that_have_ended LIBC called keys=lost
import threading
def fill():
    x = []
    for _ in range(80): x.append(b'1' * 10**7)
    time.sleep(1e6)
for n in range(4):
    if os.fork() == 0:
        threading.Thread(target=fill).start()
        libc.syscall(60 if X86 else 93, 0)  # exit, of this thread alone
time.sleep(1e6)
### threads_with_files_of_their_own LIBC WRONG
assert refused(436, 436, 300, 400, 2), "a table of its own"
assert refused(56, 220, 0x10000 | 0x800 | 0x100, 0, 0, 0, 0), "a thread without the others' files"
### word_for_another_sandbox LIBC WRONG
shared, some = os.open("/inside_sandbox.py", os.O_RDONLY), ctypes.create_string_buffer(64)
piece = ctypes.create_string_buffer(__import__("struct").pack("@PN", ctypes.addressof(some), 8))
calls = {
    "fadvise": (221, 223, shared, 0, 0, 4), "readahead": (187, 213, shared, 0, 4096),
    "mincore": (27, 232, 0, 4096, some), "preadv2": (327, 286, shared, piece, 1, 0, 0, 8),
    "cachestat": (451, 451, shared, some, some, 0), "flock": (73, 32, shared, 2 | 4),
    "lease": (72, 25, shared, 1024, 0), "notice": (72, 25, shared, 1026, 1)}
done = [name for name, call in calls.items() if not refused(*call)]
assert not done, done
### others_cores_and_the_disks_time LIBC WRONG
assert len(os.sched_getaffinity(0)) == 1
many, none = ctypes.create_string_buffer(b"\xff" * 128), ctypes.create_string_buffer(64)
calls = {
    "affinity": (203, 122, 0, 128, many), "policy": (144, 119, 0, 3, none), "params": (142, 118, 0, none),
    "attr": (314, 274, 0, none, 0), "ioprio": (251, 30, 1, 0, 0x4000), "sync": (162, 81),
    "syncfs": (306, 267, 0), "the other half": (157, 167, 62, 1, 0, 0, 0)}
done = [name for name, call in calls.items() if not refused(*call)]
assert not done, done
### the_disk_is_waited_for_and_read_past_its_cache LIBC SOLVED points=20
shared = os.open("/inside_sandbox.py", os.O_RDONLY)
begin, least = time.perf_counter(), time.process_time()
for n in range(20_000): os.fsync(shared), os.fdatasync(shared)
assert time.perf_counter() - begin < 5 + 20 * (time.process_time() - least), "it waited"
direct = 0x4000 if X86 else 0x10000
assert refused(257, 56, -100, b"/inside_sandbox.py", direct, 0), "read past the cache"
assert refused(72, 25, shared, 4, direct) and refused(437, 437, -100, b"x", None, 0)
### a_core_for_a_program_outside LIBC SOLVED points=20
assert resource.getrlimit(resource.RLIMIT_CORE) == (1, 1)
none = (ctypes.c_ulong * 2)(0, 0)
assert refused(160, 164, 4, none) and refused(302, 261, 0, 4, none, None), "0, at which it is started"
if os.fork() == 0: os.abort()
### leaves_of_huge_pages SOLVED points=20
import mmap
areas = []
for n in range(2000):
    area = mmap.mmap(-1, 2**22, flags=34)
    try: area.madvise(14)
    except OSError: pass
    area[2**21] = 1
    areas.append(area)
    if n % 400 == 399: del areas[:]
### timers_without_end SOLVED points=20
import ctypes
libc = ctypes.CDLL(None)
made = sum(libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p())) == 0 for _ in range(5000))
assert made <= 1024, made
""")

# --- broken, or merely odd

_add(r"""
### syntax_error keys=not-defined
def quat_to_rotmat(quat:
    return
### indentation keys=not-defined
def quat_to_rotmat(quat):
return quat
### lone_surrogate keys=not-defined
x = '\ud800'
raise ValueError('\ud800\udfff' * 50)
### exception_without_text keys=not-defined
class Odd(Exception):
    def __str__(self): raise RuntimeError("no")
    __repr__ = __str__
raise Odd()
### exception_that_never_ends points=any
class Odd(Exception):
    def __str__(self):
        while True: pass
{SOLVED}
def quat_to_rotmat(quat): raise Odd()
### exception_with_a_page_in_it WRONG
raise ValueError('<script>alert(1)</script>' + 'A' * 10**7)
### names_as_values keys=not-defined
quat_to_rotmat, batch_rodrigues = 1, None
### none called keys=none
return None
### numpy called keys=not-a-tensor
return quat.new_zeros(len(quat), 3, 3).numpy()
### nan called keys=not-finite
return quat.new_full((len(quat), 3, 3), float('nan'))
### changes_its_input called keys=changed-input
quat *= 0
### modules_deleted SOLVED points=any others=any
import sys
for name in list(sys.modules):
    if name.startswith(('course_lib', 'numpy', 'IPython')): del sys.modules[name]
### course_replaced WRONG others=any
import sys, types
sys.modules['course_lib'] = sys.modules['course_lib.check'] = types.ModuleType('course_lib')
""")

# --- what a program writes better

SYNTAX_TREE = "{SOLVED}\nx = [" + "a.b," * 400_000 + "] if False else 0"
ATTACKS |= {
    "a_syntax_tree_that_fills_the_grader": Attack(SYNTAX_TREE, None),
    "empty_cell": Attack("", keys=("not-defined",)),
    "null_bytes": Attack("x = '\x00'\n{SOLVED}", None),
    "ten_thousand_lines": Attack("{SOLVED}\n" + "x = 1\n" * 10_000, 20.0),
    "three_megabytes": Attack("{SOLVED}\nx = '" + "a" * 3_000_000 + "'", 20.0),
}
