"""A class graded on a cluster: by Slurm, or over SSH on two hosts, with the commands of autograder/README.md.

    python -m benchmarks.cluster slurm      as root, on Linux; so with ssh
    python -m benchmarks.cluster ssh --students 24 --install

1. The class is graded on this machine: what the others are compared with, record by record.
2. It is graded on the cluster. When a few are graded, a worker is killed.
3. Again. When a few are graded the scheduler is killed, and then the same command is given once more; here
   Dask itself repeats what a killed worker had (ALLOWED_FAILURES), and a worker is killed again.

The hosts are namespaces: of files, processes, networks and host names of their own, so nothing outside is
reached or changed, and nothing is left, however this ends. The grader and the workers are an ordinary user.
"""

import argparse
import collections
import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from autograder import records, sample_class
from autograder.sandbox import python_folders
from course_lib.errors import CourseError

from .grading import class_of

ROOT = Path(__file__).parents[1]
NEEDS = {  # the programs, and Debian's packages that have them
    "slurm": ("bwrap unshare munged slurmctld slurmd sbatch srun", "bubblewrap util-linux munge slurm-wlm"),
    "ssh": ("bwrap unshare ip sshd ssh scp", "bubblewrap util-linux iproute2 openssh-server openssh-client"),
}
# A host is a set of namespaces; they end with this program, however it ends.
APART = "setpriv --pdeathsig KILL unshare --mount --net --uts --pid --mount-proc --fork --kill-child".split()
USER, HOME = 64100, Path("/tmp/grader")  # of the grader; /tmp is a host's own
NETWORK = "10.77.0"
SLURM = """ClusterName=dolphins
SlurmctldHost=host1(10.77.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
StateSaveLocation=/run/slurm/state
SlurmdSpoolDir=/run/slurm/spool
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
NodeName=host1 NodeAddr=10.77.0.1 CPUs={cores} RealMemory={memory}
PartitionName=all Nodes=host1 Default=YES
"""
SSHD = """Subsystem sftp internal-sftp
UsePAM no
StrictModes no
HostKey /run/host_key
AuthorizedKeysFile /tmp/grader/.ssh/key.pub
"""
SSH = "IdentityFile ~/.ssh/key\nStrictHostKeyChecking no\nLogLevel ERROR\n"


def missing(kind):
    """What this machine lacks for a kind of cluster, in a sentence; None where it lacks nothing."""
    programs, packages = NEEDS[kind]
    lacking = [name for name in programs.split() if shutil.which(name) is None]
    if sys.platform != "linux" or os.geteuid() != 0:
        return (
            f"Hosts of its own are made on Linux, by root alone: sudo {sys.executable} -m {__name__} {kind}"
        )
    if lacking:
        return f"Missing: {', '.join(lacking)}. Try --install, or apt-get install {packages}"
    if any(ROOT.is_relative_to(place) for place in ("/tmp", "/run")):
        return f"{ROOT} lies where each host has a folder of its own: move the course, for instance to /opt."
    return None


def commands(kind):
    """The commands for a kind of cluster, as the grader's README has them. -> text"""
    text = (ROOT / "autograder" / "README.md").read_text()
    block = re.search(rf"^\*{kind}\.\*.*\n\n((?:    .*\n)+)", text, re.MULTILINE | re.IGNORECASE)
    return re.sub("^    ", "", block[1], flags=re.MULTILINE)


def different(found, expected):
    """Whose records differ in anything but who made them, and in what time. Both: {name: record} -> names"""

    def grade(record):
        return record and {key: record[key] for key in record if key not in ("seconds", "worker")}

    names = sorted(found.keys() | expected)
    return [name for name in names if grade(found.get(name)) != grade(expected.get(name))]


# --- the hosts


def sh(command):
    """Runs a line as root. Raises CalledProcessError."""
    subprocess.run(command, shell=True, check=True)


def as_user(script, log):
    """Starts a script as the grader. -> Popen"""
    how = dict(user=USER, group=USER, extra_groups=[], cwd=HOME, start_new_session=True)
    environment = {"HOME": str(HOME), "PATH": "/usr/local/bin:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    with log.open("w") as file:
        return subprocess.Popen(["bash", "-c", script], env=environment, stdout=file, stderr=file, **how)


def open_way():
    """Lets the grader pass to this course and its Python where only root may, as below /root."""
    kept = {path: os.open(path, os.O_PATH) for path in map(Path, [ROOT, *python_folders()])}
    closed = {parent for path in kept for parent in path.parents if not parent.stat().st_mode & 1}
    for folder in closed:
        if not closed & set(folder.parents):
            sh(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(folder))}")
    for path, handle in kept.items():
        if closed & set(path.parents):
            path.mkdir(parents=True)
            sh(f"mount --no-canonicalize --bind /proc/{os.getpid()}/fd/{handle} {shlex.quote(str(path))}")


def furnish(name):
    """Makes this process's namespaces a host: with a name, a /tmp and /run of its own, the grader's home."""
    sh(f"hostname {name}; ip link set lo up; mount -t tmpfs tmpfs /tmp; mount -t tmpfs tmpfs /run")
    hosts = f"127.0.0.1 localhost\n{NETWORK}.1 host1\n{NETWORK}.2 host2\n"
    accounts = Path("/etc/passwd").read_text().split("grader:")[0]
    accounts += f"grader:*:{USER}:{USER}::{HOME}:/bin/bash\n"
    for file, text in {"passwd": accounts, "hosts": hosts}.items():
        Path("/run", file).write_text(text)
        sh(f"mount --bind /run/{file} /etc/{file}")
    HOME.mkdir()
    (HOME / "dolphins-in-3d").symlink_to(ROOT)
    give(HOME)


def give(folder):
    """Makes a folder the grader's, with what is in it, and nobody else's."""
    sh(f"chown -R {USER}:{USER} {folder}; chmod -R go= {folder}")


def start_slurm():
    """Starts Slurm on this host alone."""
    memory = psutil.virtual_memory().total // 2**20
    Path("/run/slurm.conf").write_text(SLURM.format(cores=os.cpu_count(), memory=memory))
    os.environ["SLURM_CONF"] = "/run/slurm.conf"
    sh("ip link add wire type veth peer name end; ip link set end up")
    join(1)
    sh("mkdir /run/munge /run/slurm; head -c 1024 /dev/urandom > /run/munge/key; chmod 400 /run/munge/key")
    files = ("--key-file", "key"), ("--log-file", "log"), ("--pid-file", "pid"), ("--seed-file", "seed")
    sh("munged " + " ".join(f"{option} /run/munge/{name}" for option, name in files))
    sh("slurmctld; slurmd")
    until("Slurm", lambda: subprocess.getoutput("sinfo --noheader --format %T") == "idle")


def start_ssh():
    """Starts sshd on this host, and a second host with another; a wire joins both."""
    sh(f"mkdir {HOME}/.ssh; ssh-keygen -q -t ed25519 -N '' -f {HOME}/.ssh/key")
    (HOME / ".ssh" / "config").write_text(SSH)
    files = {path.name: path.read_text() for path in (HOME / ".ssh").iterdir()}
    program = f"from benchmarks import cluster; cluster.second_host({files!r})"
    second = ["unshare", "--mount", "--net", "--uts", sys.executable, "-c", program]
    pid = subprocess.Popen(second, cwd=ROOT).pid
    until("a host", lambda: os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net"))
    sh(f"ip link add wire type veth peer name wire netns {pid}")
    join(1)
    sshd()
    until("SSH", lambda: as_user("ssh host1 true && ssh host2 true", Path("/run/ssh.log")).wait() == 0)


def second_host(files):
    """Turns this process into the second host."""
    furnish("host2")
    (HOME / ".ssh").mkdir()
    for name, text in files.items():
        (HOME / ".ssh" / name).write_text(text)
    join(2)
    sshd()
    time.sleep(1e9)


def join(number):
    """Gives this host its address, once there is a wire."""
    until("a wire", lambda: "wire" in dict(socket.if_nameindex()).values())
    sh(f"ip address add {NETWORK}.{number}/24 dev wire; ip link set wire up")


def sshd():
    """Starts sshd with a key of its own."""
    Path("/run/sshd.conf").write_text(SSHD)
    sh("mkdir /run/sshd")
    sh("ssh-keygen -q -t ed25519 -N '' -f /run/host_key; $(command -v sshd) -f /run/sshd.conf")
    give(HOME)


def until(what, condition, seconds=90):
    """Waits until a condition holds. Raises CourseError where it does not in time, for `what` was waited."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise CourseError(f"Waited {seconds} s in vain for {what}.")
        time.sleep(0.2)


# --- a class on them


def write_class(course, students):
    """The sample class of 20 with its hostile students, and others; without it, if fewer are wanted."""
    class_of(course, students % 20 if students >= 20 else students)
    if students >= 20:
        sample_class.write_class(course)
    records.run_of(course, seed=1)


def grades(course=HOME / "class"):
    """-> {(assignment, student): record}"""
    names = records.assignments_of(course)[0]
    return {
        (name, record["student"]): record for name in names for record in records.records_of(course, name)
    }


def dask(what):
    """The processes of the command `dask WHAT`, the last begun last. -> list of psutil.Process"""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            name, *words = process.cmdline()[1:] or [""]
            if name.endswith("/dask") and words[0] == what:
                found.append(process)
    return found


def run(title, script, kill=None):
    """Grades the grader's ~/class by a script; kills a worker or the scheduler after three more grades."""
    start, before, log = time.perf_counter(), grades(), HOME / "log"
    log.unlink(missing_ok=True)
    grader = as_user(script, log)
    if kill is not None:
        until("three grades", lambda: len(grades()) >= len(before) + 3 or grader.poll() is not None, 900)
        for process in dask(kill)[-1:]:
            (process.children() or [process])[-1].kill()  # a worker's process is below its nanny
        title += f", and a {kill} is killed"
    code = grader.wait(1800)
    until("Dask to end by itself", lambda: not dask("worker") + dask("scheduler"), 120)
    new = [record for key, record in grades().items() if key not in before]
    print(f"{title}: {len(new)} graded in {time.perf_counter() - start:.0f} s, exit code {code}")
    for worker, count in sorted(collections.Counter(record.get("worker") for record in new).items(), key=str):
        print(f"    {count} by {worker}")
    lines = log.read_text().splitlines()
    told = ("is lost; once more", "has gone.", "waiting for one")
    print(*(f"    {line}" for line in lines if any(text in line for text in told)), sep="\n", flush=True)
    if (code == 0) != (kill != "scheduler"):
        raise CourseError("\n".join(["The commands ended otherwise than they should:", *lines[-30:]]))


def hand_in(given):
    """Puts the class into the grader's home, as it was handed in."""
    shutil.rmtree(HOME / "class", ignore_errors=True)
    shutil.copytree(given, HOME / "class")
    give(HOME)


def experiment(kind, students):
    """All of it, on hosts of its own. Raises CourseError where a grade differs."""
    open_way()
    furnish("host1")
    {"slurm": start_slurm, "ssh": start_ssh}[kind]()
    given, script = Path("/run/given"), commands(kind).replace("--nworkers 8", "--nworkers 1")
    write_class(given, students)
    hand_in(given)
    path = "export PATH=~/dolphins-in-3d/.venv/bin:$PATH; "
    run("On this machine", f"{path} dolphins cluster ~/cluster.yaml && dolphins grade ~/class")
    expected = grades()
    if kind == "slurm":
        (HOME / "grade.sbatch").write_text(script)
        job = f"sbatch --wait --output job.log --ntasks {os.cpu_count()} grade.sbatch"
        script = f"export SLURM_CONF=/run/slurm.conf; {job}; code=$?; cat job.log; exit $code"
    lenient = "export DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=3; "
    for rounds in ([("", "worker")], [("", "scheduler"), (lenient, "worker")]):
        hand_in(given)
        for settings, kill in rounds:
            run(f"On {kind}", settings + script, kill)
        if differ := different(grades(), expected):
            raise CourseError(f"Other grades than on this machine: {differ}")
        print(f"{len(expected)} records, equal to those of this machine.", flush=True)


def main():
    """The command line: makes the namespaces, and in them does it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=NEEDS)
    parser.add_argument("--students", type=int, default=24)
    parser.add_argument("--install", action="store_true", help="install what is missing, with apt-get")
    parser.add_argument("--apart", action="store_true", help=argparse.SUPPRESS)  # in the namespaces already
    options = parser.parse_args()
    try:
        if options.apart:
            return experiment(options.kind, options.students)
        if options.install:
            sh(f"RUNLEVEL=1 apt-get install -y --no-install-recommends {NEEDS[options.kind][1]}")
        if problem := missing(options.kind):
            raise CourseError(problem)
        return subprocess.call([*APART, sys.executable, "-m", __spec__.name, *sys.argv[1:], "--apart"])
    except (CourseError, subprocess.CalledProcessError) as error:
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    sys.exit(main())
