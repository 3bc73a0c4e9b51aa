"""The sandbox itself: the wire, start and end, what is visible, what is said where it cannot work.

See test_hostile.py.
"""

import base64
import json
import os
import shutil
import socket
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import inside_sandbox, questions, records, sandbox, watcher
from autograder.sandbox import Limits, Lost, Sandbox
from course_lib.errors import CourseError
from lessons.bundle import write_folder

from .helpers import alive, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "bundle"
    write_folder(folder, questions.files(2))
    return folder


@pytest.fixture(scope="module", params=["bwrap", "none"])
def box(request, bundle):
    with Sandbox(request.param, bundle, Limits(cell_seconds=3, grace_seconds=1.5)) as warm:
        yield warm


@pytest.fixture(scope="module")
def confined(bundle):
    with Sandbox("bwrap", bundle, Limits(cell_seconds=10)) as warm:
        yield warm


# --- the wire


def received(data, most=10**6):
    """What one side receives of bytes that the other sends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        return inside_sandbox.receive(theirs, most)


def message(described, body):
    """Bytes of a message, its arrays described so."""
    text = json.dumps({"arrays": described}).encode("utf-8", "surrogatepass")
    return inside_sandbox.HEAD.pack(inside_sandbox.MAGIC, len(text), len(body)) + text + body


class Wire:
    """A socket that only notes what is sent."""

    def sendall(self, data):
        self.data = data


def through(head, arrays, **limits):
    wire = Wire()
    inside_sandbox.send(wire, head, arrays)
    return received(wire.data, **limits)


@pytest.mark.parametrize("dtype", sorted(inside_sandbox.DTYPES))
def test_arrays_pass_as_they_are(dtype):
    arrays = {"a": np.arange(24).reshape(2, 3, 4), "none": np.zeros((0, 3)), "one": np.array(1)}
    arrays = {name: value.astype(dtype) for name, value in arrays.items()}
    head, got = through({"x": [1, "ü"]}, arrays)
    assert head == {"x": [1, "ü"]} and list(got) == list(arrays)
    for name, value in arrays.items():
        assert got[name].dtype == value.dtype
        np.testing.assert_array_equal(got[name], value, strict=True)


def test_truths_are_0_or_1():
    head, arrays = received(message([["b", "bool", [4]]], bytes([0, 1, 2, 255])))
    assert arrays["b"].view(np.uint8).tolist() == [0, 1, 1, 1]


def test_who_sends_byte_by_byte_keeps_nobody_busy(monkeypatch):
    pauses, left = [], list(bytes(100))

    class Slow:
        def recv(self, most):
            return bytes([left.pop()])

    monkeypatch.setattr(inside_sandbox.time, "sleep", pauses.append)
    assert inside_sandbox._exactly(Slow(), 100) == bytes(100) and len(pauses) == 98
    sent = message([["a", "uint8", [10**5]]], bytes(10**5))
    assert len(received(sent)[1]["a"]) == 10**5 and len(pauses) < 110


def test_what_is_too_large_is_refused():
    with pytest.raises(inside_sandbox.Violation, match="too long"):
        through({}, {"a": np.zeros(1000)}, most=7999)


LEAVES = st.none() | st.integers() | st.text()
JSON = st.recursive(LEAVES, lambda value: st.lists(value) | st.dictionaries(st.text(), value))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.builds(message, JSON, st.binary(max_size=50)))
def test_no_bytes_do_harm(sent):
    try:
        answer = received(sent)
    except inside_sandbox.Violation:
        return
    if answer is not None:
        head, arrays = answer
        assert isinstance(head, dict) and all(isinstance(value, np.ndarray) for value in arrays.values())


NOT_ARRAYS = [["object", [1]], ["float32", [-1]], ["float32", [2**62, 2**62]], ["float32", [True]]]
NOT_ARRAYS += [["float32", [0] * 9], ["float32", "11"], ["<f4", [1]], ["float32", []]]
DESCRIBED = [[["a", *array]] for array in NOT_ARRAYS] + [[[1, "float32", [1]]], "abc", [None]]
DESCRIBED.append([["a", "float32", [1, 1]], ["b", "float32", [1]]])


@pytest.mark.parametrize("described", DESCRIBED)
def test_arrays_that_are_none(described):
    with pytest.raises(inside_sandbox.Violation):
        received(message(described, bytes(5)), 100)


# --- the filter of system calls


def answer(rules, arch, number, arguments=()):
    """What a BPF program of seccomp says to a system call, on whatever machine it would run."""
    data = struct.pack("=iIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    at = 0
    while True:
        code, yes, no, k = struct.unpack("=HBBI", rules[at])
        at += 1
        if code == inside_sandbox.RETURN:
            return k
        if code == inside_sandbox.LOAD:
            value = struct.unpack_from("=I", data, k)[0]
        elif code == inside_sandbox.AND:
            value &= k
        else:
            tests = {inside_sandbox.EQUAL: value == k, inside_sandbox.AT_LEAST: value >= k}
            at += yes if (tests | {inside_sandbox.ANY_BIT: bool(value & k)})[code] else no


ALLOWED = {"read": (0, 63), "openat": (257, 56), "futex": (202, 98), "execve": (59, 221), "brk": (12, 214)}
BY_ARGUMENTS = [("mmap", (0, 4096, 3, 0x22), True), ("mmap", (0, 4096, 3, 0x21), False)]
BY_ARGUMENTS += [("mmap", (0, 4096, 3, 0x40022), False), ("mmap", (0, 4096, 3, 0x8022), False)]
BY_ARGUMENTS += [("madvise", (0, 4096, 22), False), ("madvise", (0, 4096, 23), False)]
BY_ARGUMENTS += [("clone", (0x1200011,), True)]
BY_ARGUMENTS += [("clone", (0x10000011,), False), ("fcntl", (3, 1), True), ("fcntl", (3, 1031), False)]
BY_ARGUMENTS += [("fcntl", (3, 37), False), ("prctl", (15,), True), ("prctl", (41,), False)]
BY_ARGUMENTS += [("madvise", (0, 4096, 4), True), ("madvise", (0, 4096, 12), False), ("socket", (1,), True)]
BY_ARGUMENTS += [("socket", (40,), False), ("ioctl", (0, 0x5401), True), ("ioctl", (0, 0x5412), False)]
BY_ARGUMENTS += [("ioctl", (0, 0xFF02), False), ("fcntl", (3, 1026), False), ("clone", (0x3D0F00,), True)]
BY_ARGUMENTS += [("clone", (0x10900,), False), ("close_range", (3, 9, 0), True)]
BY_ARGUMENTS += [("close_range", (3, 9, 2), False), ("prctl", (62,), False)]
BY_ARGUMENTS += [("setrlimit", (7, 4096), True), ("setrlimit", (4, 4096), False)]
BY_ARGUMENTS += [("prlimit64", (0, 7, 4096), True), ("prlimit64", (0, 4, 0, 4096), True)]
BY_ARGUMENTS += [("openat", (0, 4096, 0x80000), True), ("fcntl", (3, 4, 0x800), True)]
BY_ARGUMENTS += [("prlimit64", (0, 4, 4096), False), ("prlimit64", (0, 4, 1 << 40), False)]


@pytest.mark.parametrize("column", [0, 1], ids=inside_sandbox._MACHINES)
def test_the_filter_refuses_on_each_machine_what_it_should(column):
    refused, known, rules = inside_sandbox._rules_of(column)

    def said(number, arguments=(), arch=known["arch"]):
        return answer(rules, arch, number, arguments)

    assert {said(number) for number in refused} == {inside_sandbox.PERMISSION}
    assert {said(numbers[column]) for numbers in ALLOWED.values()} == {inside_sandbox.ALLOW}
    for name, arguments, allowed in BY_ARGUMENTS:
        expected = inside_sandbox.ALLOW if allowed else inside_sandbox.PERMISSION
        assert said(known[name], arguments) == expected, (name, arguments)
    direct = inside_sandbox.DIRECT[known["arch"]]
    assert (
        said(known["openat"], (0, 4096, direct))
        == said(known["fcntl"], (3, 4, direct))
        != inside_sandbox.ALLOW
    )
    assert {said(numbers[column]) for numbers in inside_sandbox._AS_IF_DONE.values()} == {inside_sandbox.DONE}
    absent = known["clone3"], known["openat2"], 463, 999
    assert {said(number) for number in absent} == {inside_sandbox.NOT_THERE}
    assert said(0x40000001) == said(0, arch=0x40000003) == inside_sandbox.KILL


# --- sessions


def test_a_session_whose_watch_fails_is_over(box, monkeypatch):
    """Whatever makes it fail: nobody goes on unwatched."""
    with box.open() as session:
        monkeypatch.setattr(watcher.Watcher, "used", lambda self: 1 / 0)
        watch = watcher.Watcher(session.pid, session.limits, session.confined, session.kill)
        session.bounds.close()
        session.bounds = watch
        with pytest.raises(sandbox.Lost, match="could not be watched .ZeroDivisionError"):
            session.run("import time\ntime.sleep(60)")


def test_cells_share_their_names_and_sessions_do_not(box):
    with box.open() as one:
        assert one.run("x = 1").error is None and one.run("assert x == 1").error is None
    with box.open() as other:
        assert other.run("x").error[0] == "NameError"


def test_a_cells_time_is_that_of_the_processor(box):
    with box.open() as session:
        assert session.run("import time; time.sleep(3.5)").error is None  # as on a machine that is busy
        name, said = session.run("while True: pass").error
    assert name == "TooLong" and ("after 3 s of computing" in said or "busy" in said), said


PING_PONG = """import os, time
if os.fork() == 0:
    (a, b), (c, d) = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.write(b, b"x")
        while os.read(a, 1): os.write(d, b"x")
    while os.read(c, 1): os.write(b, b"x")
"""  # each wakes the other, on all cores there are


def test_a_submission_has_one_core(bundle):
    with Sandbox("bwrap", bundle, Limits(cell_seconds=10), warm=False) as one, one.open() as session:
        command = "import os; os.sched_setaffinity(0, range(os.cpu_count()))"
        assert "not allowed" in session.run(command).error[1]
        assert session.run(PING_PONG).error is None
        until(lambda: len(watcher.family(session.pid)) > 3)
        used = [os.sched_getaffinity(pid) for pid in watcher.family(session.pid)]
        assert used == [{one.core.value}] * len(used) and one.core.value in os.sched_getaffinity(0)


def test_cores_are_shared_only_where_there_are_too_few(monkeypatch):
    some = {10_000 + os.getpid(), 20_000 + os.getpid()}  # of no machine
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: some)
    one, two, three = (sandbox._Core() for _ in range(3))
    assert {one.value, two.value} == some and three.value in some
    one.close()
    again = sandbox._Core()
    assert again.value == one.value
    for held in (again, two, three):
        held.close()


def test_pictures_come_back(box):
    with box.open() as session:
        source = "from matplotlib import pyplot as plt\nplt.plot([1, 2]); plt.show()"
        cell = session.run(source, pictures=True)
        assert len(cell.pictures) == 1 and records.is_png(cell.pictures[0], 10**6)
        assert session.run("plt.plot([1])").pictures == []


ONES = """import torch
def quat_to_rotmat(q): return torch.ones(len(q), 3, 3)
batch_rodrigues = quat_to_rotmat"""


def test_functions_are_called_as_they_were_at_their_check(box):
    with box.open() as session:
        session.run(ONES)
        session.take("rodrigues")
        session.run("def quat_to_rotmat(q): return torch.zeros(len(q), 3, 3)")
        outputs, complaint = session.call("rodrigues", 0, {"quat": torch.ones(6, 4)}, 5)
        assert complaint is None and torch.equal(*outputs.values(), torch.ones(6, 3, 3))
        outputs, complaint = session.call("tracking", 0, {}, 5)
        assert outputs is None and complaint[0] == "not-defined"


FORBIDDEN = {
    "!pip install dolphins-in-4d": "no network, and nothing can be installed",
    "%pip install dolphins-in-4d": "no network, and nothing can be installed",
    "import urllib.request; urllib.request.urlopen('https://example.org')": "there is no network",
    "try: 1 / 0\nexcept Exception: import socket; socket.create_connection(('192.0.2.1', 80))": "not allowed",
    "open('/usr/left.txt', 'w')": "only the notebook's own folder and /tmp",
    "import os; os.chroot('/')": "not allowed",
    "for n in range(9): open(f'{n}', 'wb').write(b'1' * 10**8)": "less room for files",
    "open('x', 'wb').write(b'1' * 3 * 10**8); open('x', 'ab').write(b'1')": "less room for files",
}


@pytest.mark.parametrize("source", FORBIDDEN)
def test_what_the_sandbox_forbids_is_said_in_its_own_words(source, confined):
    with confined.open() as session:
        assert FORBIDDEN[source] in session.run(source).error[1]


def test_a_command_that_fails_does_not_end_its_cell(confined):
    with confined.open() as session:
        session.run("name = 'here'\n!touch {name} && mkdir a/b\nafter = 1")
        assert session.run("import os; assert after and os.path.exists('here') and _exit_code").error is None


def test_a_session_that_was_lost_stays_lost(box):
    with box.open() as session:
        with pytest.raises(Lost, match="ended"):
            session.run("import os; os._exit(1)")
        with pytest.raises(Lost):
            session.run("1")
    with box.open() as session:
        assert session.run("1").error is None


def test_what_a_session_started_is_gone(box):
    before = set(sandbox.family(box.process.pid))
    with box.open() as session:
        session.run("import subprocess\np = subprocess.Popen(['sleep', '1000'])")
        session.run("open('left.txt', 'w').write('x')")
        assert len(sandbox.family(session.pid)) >= 2
    until(lambda: not any(map(alive, set(sandbox.family(box.process.pid)) - before)), seconds=5)
    with box.open() as session:
        assert session.run("import os; assert not os.path.exists('left.txt')").error is None


def test_a_warm_process_that_died_is_started_again(bundle):
    with Sandbox("bwrap", bundle, warm=False) as box:
        box.process.kill()
        box.process.wait()
        with box.open():
            pass


def test_a_question_that_is_large_is_answered_by_nobody():
    """What it makes of whoever judges may be a hundred times as large."""

    class Asking:
        def lose(self, why):
            raise Lost(why)

    with pytest.raises(Lost, match="more than there is to ask"):
        sandbox.Session.answer_of(Asking(), pytest.fail, {"asks": "render"}, {"t": np.zeros(2**17, np.int8)})


def test_sandboxes_share_no_user(bundle):
    with Sandbox("bwrap", bundle, warm=False) as one, Sandbox("bwrap", bundle, warm=False) as two:
        users = []
        for box in (one, two):
            with box.open() as session:
                cell = session.run("import os; raise ValueError(os.getuid())")
                users.append(int(cell.error[1]))
    assert users[0] != users[1] or os.geteuid()  # a normal user's sandboxes have a user namespace each


def test_files_on_their_way_and_processes_of_one_session_cost_no_other(confined):
    greedy = """import os, socket, time
pairs = [socket.socketpair() for _ in range(20)]
for one, _ in pairs:
    try: socket.send_fds(one, [b'x'], [0] * 20)
    except OSError: pass
try:
    while os.fork(): pass
    time.sleep(100)
except OSError: pass"""
    with confined.open() as one, Sandbox("bwrap", confined.bundle, warm=False) as box, box.open() as two:
        one.run(greedy)
        assert two.run("import threading; threading.Thread(target=print).start()").error is None
        assert two.run("import subprocess; subprocess.run(['true'], check=True)").error is None
        with box.open() as three:
            assert three.run("1").error is None


def test_what_ends_a_session_for_its_memory_says_so(bundle):
    with Sandbox("bwrap", bundle, Limits(memory_mb=400), warm=False) as box, box.open() as session:
        with pytest.raises(Lost, match="used more than 400 MB of memory"):
            session.run("x = []\nwhile True: x.append(b'1' * 10**6)")


def test_nothing_is_left_when_it_ends(bundle):
    with Sandbox("bwrap", bundle, warm=False) as box:
        scratch, pids = Path(box.scratch), sandbox.family(box.process.pid)
        with box.open():
            pass
    until(lambda: not any(map(alive, pids)), seconds=5)
    assert not scratch.exists()


LONG_HEADER = """import gc, types
gc.unfreeze()
inside = next(f.__globals__ for f in gc.get_objects()
              if isinstance(f, types.FunctionType) and f.__name__ == "serve" and "MAGIC" in f.__globals__)
real = inside["send"]
inside["send"] = lambda sock, head, arrays=None: real(sock, head | {"a": [[]] * 20_000}, arrays)"""


def test_while_an_answer_is_read_nobody_need_watch(confined):
    """A parser of JSON lets nothing else run in its process, and takes seconds for millions of lists."""
    with confined.open() as session, pytest.raises(Lost, match="too long"):
        session.run(LONG_HEADER)


def test_who_has_a_number_that_was_anothers_is_counted_anew(monkeypatch):
    lives, own = {1: (10, 5), 2: (20, 10**6)}, {1: 3 * 2**20, 2: 2**20}
    monkeypatch.setattr(watcher, "_life", lives.get)
    watch = watcher.Watcher.__new__(watcher.Watcher)
    watch.exact = 4 * 2**20, dict(lives)
    assert watch.since_exact(own) == 4 * 2**20
    lives[1] = 10, 6  # a fault more: a page, and one of the tables
    assert watch.since_exact(own) == 4 * 2**20 + 2 * watcher.PAGE
    lives[2] = 30, 7  # another process, with few faults so far
    assert watch.since_exact(own | {2: 2**30}) == 4 * 2**20 + 2 * watcher.PAGE + 2**30


def test_a_process_that_keeps_waiting_who_counts_its_mappings_delays_nothing(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(watcher, "_mappings", lambda pid: 100 if pid == 1 else over.wait(60) and 200)
    monkeypatch.setattr(watcher, "LATE", 0.0)
    watch = watcher.Watcher.__new__(watcher.Watcher)
    watch.mappings, watch.readers, watch.reading = {}, watcher.ThreadPoolExecutor(4), {}
    start = time.monotonic()
    until(lambda: watch.count_mappings([1, 2]) == 100 + watcher.MOST_MAPPINGS)
    assert time.monotonic() - start < 30
    over.set()
    until(lambda: watch.count_mappings([1, 2]) == 300)
    watch.readers.shutdown()


# --- what is visible, and what is said


def test_a_checkout_among_what_is_visible_is_refused(monkeypatch):
    monkeypatch.setattr(sandbox, "ROOT", Path("/usr/lib/course"))
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    with pytest.raises(CourseError, match="which submissions can read"):
        sandbox.masked([])


def test_a_course_folder_among_what_is_visible_is_refused(monkeypatch, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "venv")
    for prefix, course in (("venv", "venv/class"), ("venv", "link/class"), ("link", "venv/class")):
        monkeypatch.setattr(sandbox, "python_folders", lambda prefix=prefix: [str(tmp_path / prefix)])
        with pytest.raises(CourseError, match="which submissions can read"):
            sandbox.refuse_if_visible(tmp_path / course)
    sandbox.refuse_if_visible(tmp_path / "class")
    with pytest.raises(CourseError, match="Move it"):
        sandbox.refuse_if_visible(Path("/usr/src/class"))


def test_an_installed_course_is_masked(monkeypatch, tmp_path):
    site = tmp_path / "python" / "site-packages"
    for name in sandbox.OUR_PACKAGES:
        (site / name).mkdir(parents=True)
    monkeypatch.setattr(sandbox, "ROOT", site)
    assert sandbox.masked([str(tmp_path / "python")]) == [str(site / name) for name in sandbox.OUR_PACKAGES]
    assert sandbox.masked([str(tmp_path / "other")]) == []


def test_it_works_here():
    assert sandbox.sandbox_problem() is None, "bubblewrap is needed for these tests: apt install bubblewrap"


def test_that_bubblewrap_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "apt install bubblewrap" in sandbox.sandbox_problem()


def test_why_bubblewrap_fails_is_said(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: no namespaces for you' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(fake))
    assert "no namespaces for you" in sandbox.sandbox_problem()


def test_other_systems_are_told(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "is for Linux" in sandbox.sandbox_problem()


def test_an_unknown_kind():
    with pytest.raises(CourseError, match="there are bwrap and none"):
        Sandbox("docker", os.curdir)


def png(width, height):
    head = struct.pack(">I4sII", 13, b"IHDR", width, height)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + bytes(12)).decode()


PNG = png(640, 360)
NO_PNG = [PNG + "<script>", png(30000, 20), png(0, 9), "R0lGOD" * 9, None, "iVBORw0KGgo", PNG * 99]


@pytest.mark.parametrize("text", [PNG, *NO_PNG])
def test_pictures_are_png_of_a_size_to_be_shown(text):
    assert records.is_png(text, 500) is (text == PNG)


TEXTS = [(["a\nb", "c"], "a b"), (["\x1b[31mred\u202e"], "[31mred"), ([7], ""), (None, "")]
TEXTS.append((["x" * 100], "x" * 60))


@pytest.mark.parametrize("value, text", TEXTS)
def test_texts_are_one_printable_line(value, text):
    assert sandbox.text_of(value, 0, 60) == text
