"""How long a submission may take: all of its processes and sessions together.

Each cell and call has its own time, and each process its share of the processor, but a submission may begin
dozens of processes, wait in each cell, and be started again where it was lost. So two sums are bounded: what
all its processes compute, and the clock, which is for those who wait. Both are well above what honest work
takes, a dozen seconds, and well below what a class would wait for.

What a process computed is read from its control group where it has one (cgroup.py), else from /proc. There
children are missed whose parents ignore that they end; for these the clock alone stands.
"""

import contextlib
import os
import threading
import time
from pathlib import Path

from .watcher import family

LOOK = 0.5  # seconds from look to look


class Allowance:
    """What is left to a submission that begins now. limits: sandbox.Limits; patience: fewer seconds, or None.

    until: time.monotonic() at which it is ended.
    """

    def __init__(self, limits, patience=None):
        self.clock = min(limits.clock_seconds, patience or float("inf"))
        self.until = time.monotonic() + self.clock
        self.most = self.left = limits.total_seconds  # of the processor

    @property
    def late(self):
        return time.monotonic() > self.until

    @property
    def over(self):
        return self.late or self.left <= 0

    @contextlib.contextmanager
    def not_theirs(self):
        """What the judge takes in the block is not the submission's."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.until += time.monotonic() - start


class Meter(threading.Thread):
    """Calls `end` when the processes of a session have computed for as long as is left.

    pid: the first of them; group: the folder of its control group, or None. exceeded: whether it came to it.
    """

    def __init__(self, pid, group, allowance, end):
        super().__init__(daemon=True)
        self.pid, self.group, self.allowance, self.end = pid, group, allowance, end
        self.seconds, self.exceeded, self.closing = 0.0, False, threading.Event()
        self.start()

    def run(self):
        while not self.closing.wait(LOOK):
            if self.read() >= self.allowance.left:
                self.exceeded = True
                self.end()
                return

    def read(self):
        """Seconds computed so far."""
        now = _of_group(self.group) if self.group else sum(map(_of_process, family(self.pid)))
        self.seconds = max(self.seconds, now)
        return self.seconds

    def close(self):
        """Ends the watch, before the processes end, and takes what they computed from what is left."""
        self.closing.set()
        self.join()
        self.allowance.left -= self.read()


def _of_group(folder):
    """Seconds that a control group has computed; 0 where it has gone."""
    with contextlib.suppress(OSError, ValueError):
        rows = dict(line.split() for line in Path(folder, "cpu.stat").read_text().splitlines())
        return int(rows.get("usage_usec", 0)) / 1e6
    return 0.0


def _of_process(pid):
    """Seconds that a process and the children that it waited for have computed; 0 where it has gone."""
    with contextlib.suppress(OSError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0
