"""The Dask cluster that grades: processes of this machine, or the workers of a scheduler elsewhere.

A scheduler elsewhere, its workers and the grader know each other by one file, `write_settings`: whoever
reaches a scheduler without such a file can run code as the one who grades. README.md has the commands for
Slurm and SSH, and `benchmarks.cluster` runs them.
"""

import contextlib
import importlib.util
import json
import logging
import os
import threading

from course_lib.errors import CourseError, fold
from course_lib.files import replacing

from .worker import close_warm

NO_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"  # the grading process ends them
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.admin.log-length": 0,
    "distributed.admin.low-level-log-length": 0,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
# The sandbox bounds memory. Dask would stop a worker at its share of the machine's, which may be too little.
SETTINGS |= {f"distributed.worker.memory.{at}": False for at in ("target", "spill", "pause", "terminate")}
LOOK = 5.0  # seconds between two looks at whether a scheduler has workers


def write_settings(path):
    """Writes the file that DASK_CONFIG names for a scheduler, its workers and the grader: settings and keys.

    For the owner's eyes alone: who has it can run code on the cluster, as the one who grades. Raises
    CourseError where the file is there, for a cluster may be using it.
    """
    if os.path.lexists(path):
        raise CourseError(f"{path} is there already. Use it, or delete it to have new keys.")
    security, tls, config = _security(), "distributed.comm.tls", {}
    import dask

    keys = {"distributed.comm.require-encryption": True, f"{tls}.ca-file": security.tls_ca_file}
    for role in ("scheduler", "worker", "client"):
        for what in ("key", "cert"):
            keys[f"{tls}.{role}.{what}"] = getattr(security, f"tls_{role}_{what}")
    dask.config.set(SETTINGS | keys, config=config)  # from dotted names to a tree
    private = dict(flags=os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    with replacing(path) as part, open(os.open(part, **private), "w") as file:
        json.dump(config, file, indent=1)  # which is YAML too


def _security():
    """Keys of a cluster's own. -> distributed's Security"""
    try:
        from distributed.security import Security

        return Security.temporary()
    except ImportError:
        raise CourseError("""A cluster needs Dask and the package cryptography, for its workers' connections:
            pip install -c constraints.txt -e '.[grade]', or `make setup`.""") from None


@contextlib.contextmanager
def cluster_of(scheduler, workers, jobs, scratch, show, lost=None):
    """The Dask cluster at an address, else one of processes on this machine. -> client

    scheduler: the address, or None; workers: how many processes, None for one per core, and never more than
    jobs; scratch: folder for their files; show: prints; lost: an Event that is set when a worker was lost.
    """
    if importlib.util.find_spec("distributed") is None:
        raise CourseError("""Grading needs Dask: pip install -c constraints.txt -e '.[grade]', or `make
            setup`.""")
    found = _here(workers, jobs, scratch, show) if scheduler is None else _elsewhere(scheduler, show, lost)
    with _quiet(), found as client:
        yield client


@contextlib.contextmanager
def _here(workers, jobs, scratch, show):
    import dask
    from distributed import Client, LocalCluster

    count = min(workers or dask.system.CPU_COUNT, max(1, jobs))
    show(f"Starting {count} worker{'s' * (count > 1)}, which takes up to half a minute.")
    # TLS, for whoever reaches the scheduler's port can run code as the one who grades: also somebody else on
    # this machine.
    network = dict(host="127.0.0.1", dashboard_address="127.0.0.1:0", security=_security())
    processes = dict(n_workers=count, threads_per_worker=1, processes=True, preload=[NO_CTRL_C])
    files = dict(local_directory=scratch, env={"TMPDIR": scratch}, silence_logs=logging.CRITICAL)
    with (
        dask.config.set(SETTINGS),
        LocalCluster(**processes, **network, **files) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextlib.contextmanager
def _elsewhere(scheduler, show, lost):
    from distributed import Client

    _knock(scheduler)
    if not scheduler.startswith("tls://"):
        text = f"""WARNING: whoever reaches {scheduler} over the network, students too, can run programs as
            you, and read and change grades. `dolphins cluster` makes keys that prevent it."""
        show(fold(text))
    client = Client(scheduler, timeout=20, set_as_default=False)
    over, lost = threading.Event(), lost or threading.Event()
    words = client, scheduler, show, lost, over
    with client:
        threading.Thread(target=_say_when_alone, args=words, daemon=True).start()
        try:
            yield client
        finally:  # its workers go on; their sandboxes need not
            over.set()
            lost.set()
            with contextlib.suppress(Exception):
                client.run(close_warm, on_error="ignore")


def _knock(scheduler):
    """Raises CourseError where a scheduler cannot be reached: a Client that could not would not end."""
    from distributed.comm import connect
    from distributed.security import Security
    from distributed.utils import LoopRunner

    async def knock():
        keys = Security().get_connection_args("client")
        await (await connect(scheduler, timeout=20, **keys)).close()

    try:
        LoopRunner().run_sync(knock)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise CourseError(f"""No Dask scheduler can be reached at {scheduler} ({type(error).__name__}:
            {str(error)[:200]}). Its address, which `dask scheduler` prints, looks like tls://HOST:8786 where
            DASK_CONFIG names the file of `dolphins cluster`, else like tcp://HOST:8786.""") from None


def _say_when_alone(client, scheduler, show, lost, over):
    """Says whenever a scheduler has no worker, since then grading waits for one."""
    alone = False
    with contextlib.suppress(Exception):  # of a scheduler that has gone, the submissions tell
        while not over.is_set():
            before, alone = alone, not client.nthreads()
            if alone and not before:
                how = f"dask worker {scheduler} --nthreads 1"
                show(f"The scheduler {scheduler} has no worker: waiting for one ({how}).")
            if lost.wait(LOOK):  # then one was there, even if it came and went between two looks
                lost.clear()
                alone = False


@contextlib.contextmanager
def _quiet():
    """Dask speaks of lost workers at length; `Batch` says what matters of it."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before):
            logger.setLevel(level)
