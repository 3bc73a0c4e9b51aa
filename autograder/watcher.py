"""Bounds a session's memory by looking at it from outside, where the kernel does not do so (see cgroup.py).

A look adds up what the kernel counts for each process anyway, so its cost hardly depends on what a process
has done to its memory; and the sum is never below what is used:

    anonymous memory, swap, page tables   as /proc/PID/status says; what processes share since a fork counts
                                          for each of them
    files in memory                       as the file systems of /tmp and /dev/shm say, which are its own
    what waits in pipes and sockets       `WAITING` for each open file, for no more fits into one
    mappings                              `MAPPING` for each: the kernel notes much of them

Who cannot be looked at ends: a session whose watch fails is over. The next look comes before what is left
could be filled. Where only counting shared memory several times gives
too much, the processes are held still, and it is counted to the page, in bounded time. From then on a process
can have more only by faults, which the kernel counts, or by a fork, and is a new one then.
"""

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from pathlib import Path

from .inside_sandbox import MOST_FILES

LONGEST, SOONEST = 0.1, 0.002  # seconds from look to look
FASTEST = 4 * 2**30  # bytes that a core can fill in a second; measured: 1.9 by writing, 2.5 by MAP_POPULATE
WAITING = 2**19  # bytes: two socket buffers of Linux's default size, 208 KB
MAPPING = 2048  # bytes: the mapping itself, and a link to each ancestor that it was forked from
COUNTING, STILL = 0.005, 1.0  # seconds for counting mappings; of this thread, shared memory to the page
LATE = 0.25  # seconds after which a process is taken to keep those waiting who count its mappings
PAGE = os.sysconf("SC_PAGE_SIZE")
MOST = 10_000  # processes that are looked for
MOST_MAPPINGS = 2**16  # of a process: Linux's own default, vm.max_map_count


class Watcher(threading.Thread):
    """Watches the processes of a session, and calls `end` when they use more memory than the limit.

    pid: the first of them; limits: sandbox.Limits; confined: whether the first is the sandbox's own, and has
    its own /tmp. exceeded: whether it came to that; failed: what went wrong with the watch itself.
    """

    def __init__(self, pid, limits, confined, end):
        super().__init__(daemon=True)
        self.pid, self.limit, self.confined, self.end = pid, limits.memory_mb * 2**20, confined, end
        self.exceeded, self.failed, self.closing = False, None, threading.Event()
        self.mappings = {}  # process -> how many it had when they were counted, the longest ago first
        # A process that is busy with its mappings lets nobody read them meanwhile: others do the waiting.
        self.readers, self.reading = ThreadPoolExecutor(4), {}  # process -> (what they count, since when)
        self.exact = None  # bytes of all processes when they were counted to the page, {process: its `_life`}
        folders = [f"/proc/{pid}/root{name}" for name in ("/tmp", "/dev/shm")] if confined else []
        self.folders = [os.open(folder, os.O_PATH) for folder in folders]
        self.cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.start()

    def run(self):
        try:
            self.watch()
        except BaseException as error:  # whatever the session did to make it: nobody goes on unwatched
            self.failed = f"{type(error).__name__}: {error}"
            self.end()

    def watch(self):
        """Looks until the session is closed, or over its limit."""
        pause = SOONEST
        while not self.closing.wait(pause):
            start = time.monotonic()
            room = self.limit - self.used()
            if room < 0:
                self.exceeded = True
                self.end()
                return
            longest = max(LONGEST, 5 * (time.monotonic() - start))
            pause = min(longest, max(SOONEST, room / (FASTEST * self.cores)))

    def close(self):
        """Ends the watch."""
        self.closing.set()
        self.join()
        for folder in self.folders:
            os.close(folder)
        self.folders = []
        self.readers.shutdown(wait=False, cancel_futures=True)

    def used(self):
        """Bytes that the session uses, or more."""
        pids = family(self.pid)[self.confined :]
        files = sum((s.f_blocks - s.f_bfree) * s.f_frsize for s in map(os.fstatvfs, self.folders))
        other = files + MAPPING * self.count_mappings(pids) + WAITING * sum(map(_open_files, pids))
        own = {pid: _own_bytes(pid) for pid in pids}
        total = sum(own.values())
        if other <= self.limit < other + total:
            total = min(total, self.since_exact(own))
        if other <= self.limit < other + total:
            total = self.count_exactly()
        return total + other

    def count_exactly(self):
        """Bytes that processes use, what they share counted once; infinite where finding that takes too long.

        They are stopped for it, for while this goes on nobody sees how their memory grows.
        """
        end, pids = time.thread_time() + STILL, []
        while new := [pid for pid in family(self.pid)[self.confined :] if pid not in pids]:
            if time.thread_time() > end:
                return float("inf")
            _send(signal.SIGSTOP, new)  # until none was born meanwhile
            pids += new
        lives, total = {pid: _life(pid) for pid in pids}, 0
        for pid in pids:
            exact = _own_bytes(pid, "smaps_rollup", (b"Pss_Anon:", b"SwapPss:"))
            total += exact + _own_bytes(pid, kinds=(b"VmPTE:",)) if exact else _own_bytes(pid)
            if total > self.limit or time.thread_time() > end:
                return float("inf")
        self.exact = total, lives
        _send(signal.SIGCONT, pids)
        return total

    def since_exact(self, own):
        """Bytes that processes can have by now. own: {process: bytes, shared ones counted with each}"""
        if self.exact is None:
            return float("inf")
        total, before = self.exact
        for pid, size in own.items():
            began, faults = _life(pid)
            same, earlier = before.get(pid, (None, 0))
            # Of another process that has its number now, all counts. A fault: a page, and one of the tables.
            total += 2 * PAGE * (faults - earlier) if began == same else size
        return total

    def count_mappings(self, pids):
        """How many mappings the processes have.

        One that there was no time to count has as many as any, one that could not be counted as there can be.
        """
        end = time.monotonic() + COUNTING
        known = {pid: count for pid, count in self.mappings.items() if pid in pids}
        self.reading = {pid: begun for pid, begun in self.reading.items() if pid in pids}
        for pid in [*(pid for pid in pids if pid not in known), *known]:
            if time.monotonic() > end:
                break
            known.pop(pid, None)
            begun = self.reading.pop(pid, None) or (self.readers.submit(_mappings, pid), time.monotonic())
            try:
                known[pid] = begun[0].result(max(0.0, end - time.monotonic()))
            except TimeoutError:
                self.reading[pid] = begun
        self.mappings = known
        late = sum(time.monotonic() - since > LATE for _, since in self.reading.values())
        others = len(pids) - len(known) - late
        return sum(known.values()) + max(known.values(), default=0) * others + MOST_MAPPINGS * late


def family(pid):
    """A process and all below it. -> list of pid"""
    found, queue = [], [pid]
    while queue and len(found) < MOST:
        one = queue.pop()
        found.append(one)
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{one}/task"):
                with contextlib.suppress(OSError), open(f"/proc/{one}/task/{task}/children") as file:
                    queue += [int(child) for child in file.read().split()]
    return found


def _own_bytes(pid, file="status", kinds=(b"RssAnon:", b"VmSwap:", b"VmPTE:")):
    """Bytes of these kinds that a file of /proc says of a process; 0 where it has ended."""

    def read(folder):
        with open(f"{folder}/{file}", "rb") as lines:
            return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(kinds))

    return _said(pid, read)


def _said(pid, read):
    """What `read` finds in the first folder of /proc in which it finds something; 0 in none."""
    for folder in _folders(pid):
        with contextlib.suppress(OSError):
            if found := read(folder):
                return found
    return 0


def _folders(pid):
    """Where /proc tells of a process. Of one whose first thread has ended all is said of the others alone."""
    yield f"/proc/{pid}"
    with contextlib.suppress(OSError):
        yield from (f"/proc/{pid}/task/{task}" for task in os.listdir(f"/proc/{pid}/task"))


def _life(pid):
    """When a process began, and how often it touched a page that it did not have: each gives it one at most.

    (None, 0) where it has ended.
    """
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19]), int(fields[7]) + int(fields[9])
    return None, 0


def _open_files(pid):
    """How many files a process has open. It may hide them: then as many as it is allowed."""
    for folder in _folders(pid):
        try:
            if count := os.stat(f"{folder}/fd").st_size or len(os.listdir(f"{folder}/fd")):
                return count
        except FileNotFoundError:
            continue
        except OSError:
            return MOST_FILES
    return 0


def _mappings(pid):
    """How many mappings a process has; 0 where it has ended."""
    return _said(pid, lambda folder: Path(f"{folder}/maps").read_bytes().count(b"\n"))


def _send(number, pids):
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
