"""Control groups: where they are looked for, and what is written into them.

A folder plays the cgroup file system: its groups have their files as soon as they are made, and nothing is
bounded. What the kernel makes of these files was tried by hand, see autograder/README.md.
"""

import os
from pathlib import Path

import pytest

from autograder import cgroup
from autograder.sandbox import Limits

FILES = {
    "cgroup.controllers": "cpuset cpu io memory pids", "cgroup.subtree_control": "", "cgroup.procs": "",
    "cgroup.kill": "", "memory.max": "max", "memory.oom.group": "0", "memory.swap.max": "max",
    "memory.events": "low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\noom_group_kill 0\n", "pids.max": "max",
    "cpu.max": "max 100000",
}  # fmt: skip


@pytest.fixture
def hierarchy(tmp_path, monkeypatch):
    """A folder that plays /sys/fs/cgroup."""
    make, remove = Path.mkdir, Path.rmdir

    def mkdir(path, *args, **kwargs):
        make(path, *args, **kwargs)
        for name, text in FILES.items():
            if not (path / name).exists():
                (path / name).write_text(text)

    def rmdir(path):
        for name in FILES:
            (path / name).unlink()
        remove(path)

    def enable(folder, names):
        (folder / "cgroup.subtree_control").write_text(" ".join(sorted(names)))

    monkeypatch.setattr(cgroup, "_enable", enable)
    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rmdir", rmdir)
    (tmp_path / "cgroup").mkdir()
    return tmp_path / "cgroup"


@pytest.fixture
def proc(tmp_path, hierarchy):
    """A folder that plays /proc. -> function that says in which group this process is"""

    def placed(group, root="/", kind="cgroup2"):
        os.makedirs(tmp_path / "proc" / "self", exist_ok=True)
        mounts = (
            f"22 1 0:21 / /proc rw - proc proc rw\n30 22 0:26 {root} {hierarchy} rw shared:4 - {kind} x rw\n"
        )
        (tmp_path / "proc" / "self" / "mountinfo").write_text(mounts)
        (tmp_path / "proc" / "self" / "cgroup").write_text(f"4:memory:/old\n0::{group}\n")
        return tmp_path / "proc"

    return placed


def test_a_group_bounds_memory_processes_and_the_processor(hierarchy):
    group = cgroup.Group(hierarchy, Limits(memory_mb=100, processes=48))
    written = {name: (group.folder / name).read_text() for name in FILES}
    assert written["memory.max"] == str(100 * 2**20) and written["memory.swap.max"][0] == "0"
    assert written["pids.max"] == "50" and written["cpu.max"] == "100000 100000"
    assert written["memory.oom.group"] == "1"
    group.take(4711)
    assert (group.folder / "cgroup.procs").read_text() == "4711"
    group.close()
    assert not group.folder.exists()


def test_only_what_the_kernel_ended_was_too_much(hierarchy):
    group = cgroup.Group(hierarchy, Limits())
    assert not group.exceeded  # it was at its limit seven times, and found memory to give back
    (group.folder / "memory.events").write_text("max 9\noom 2\noom_kill 2\n")
    assert group.exceeded


def test_a_group_that_cannot_be_bounded_is_none(hierarchy, monkeypatch):
    monkeypatch.delitem(FILES, "memory.max")
    with pytest.raises(OSError):
        cgroup.Group(hierarchy, Limits())
    assert not list(hierarchy.glob("dolphins-*"))


def test_systems_without_swap_or_the_cpu_controller(hierarchy, monkeypatch):
    monkeypatch.delitem(FILES, "memory.swap.max")
    monkeypatch.delitem(FILES, "cpu.max")
    assert cgroup.Group(hierarchy, Limits()).folder.is_dir()


def test_our_group_is_found(hierarchy, proc):
    (hierarchy / "user" / "job").mkdir(parents=True)
    assert cgroup.folder_of("self", proc("/user/job")) == hierarchy / "user" / "job"
    # In a container that sees the host's names, the mount begins at its own group.
    assert cgroup.folder_of("self", proc("/docker/a/user", root="/docker/a")) == hierarchy / "user"
    # A worker whose grader has made room before finds the room, not the leaf.
    (hierarchy / "user" / cgroup.LEAF).mkdir()
    assert cgroup.folder_of("self", proc(f"/user/{cgroup.LEAF}")) == hierarchy / "user"


def test_without_controllers_there_is_no_group(hierarchy, proc):
    (hierarchy / "cgroup.controllers").write_text("io")
    assert cgroup.folder_of("self", proc("/")) is None
    assert cgroup.folder_of("self", proc("/", kind="cgroup")) is None
    assert cgroup.folder_of("self", hierarchy / "nothing") is None


def test_members_make_room_for_groups_below(hierarchy, monkeypatch):
    (hierarchy / "cgroup.procs").write_text("4711\n")
    enable = cgroup._enable

    def refused_while_there_are_members(folder, names):  # the rule of "no internal processes"
        if not (folder / cgroup.LEAF).is_dir():
            raise OSError(16, "Device or resource busy")
        enable(folder, names)

    monkeypatch.setattr(cgroup, "_enable", refused_while_there_are_members)
    assert cgroup.opened(hierarchy) == hierarchy
    assert (hierarchy / cgroup.LEAF / "cgroup.procs").read_text() == "4711"
    assert (hierarchy / "cgroup.subtree_control").read_text() == "cpu memory pids"


def test_a_group_that_is_not_ours_stays_as_it_is(hierarchy, monkeypatch):
    def forbidden(folder, names):
        raise PermissionError

    monkeypatch.setattr(cgroup, "_enable", forbidden)
    monkeypatch.setattr(cgroup, "LEAF", "no/where")
    assert cgroup.opened(hierarchy) is None


def test_groups_of_graders_that_were_killed_are_removed(hierarchy):
    (hierarchy / "dolphins-4194305-0").mkdir()  # no process has this number
    (hierarchy / f"dolphins-{os.getpid()}-0").mkdir()
    (hierarchy / "cgroup.subtree_control").write_text("memory pids")
    cgroup.opened(hierarchy)
    assert [path.name for path in hierarchy.glob("dolphins-*")] == [f"dolphins-{os.getpid()}-0"]
