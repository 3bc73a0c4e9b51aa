"""The Dask cluster that grades: processes of this machine, or the workers of a scheduler elsewhere.

A scheduler's workers have one thread each, and this course installed in the same version:

    DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 dask scheduler
    dask worker tcp://HOST:8786 --nthreads 1 --nworkers 8
"""

import contextlib
import importlib.util
import logging

from course_lib.errors import CourseError

from .worker import close_warm

NO_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"  # the grading process ends them
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.admin.log-length": 0,
    "distributed.admin.low-level-log-length": 0,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextlib.contextmanager
def cluster_of(scheduler, workers, jobs, scratch, show):
    """The Dask cluster at an address, else one of processes on this machine. -> client

    scheduler: the address, or None; workers: how many processes, None for one per core, and never more than
    jobs; scratch: folder for their files; show: prints.
    """
    if importlib.util.find_spec("distributed") is None:
        raise CourseError("""Grading needs Dask: pip install -c constraints.txt -e '.[grade]', or `make
            setup`.""")
    found = _here(workers, jobs, scratch, show) if scheduler is None else _elsewhere(scheduler, show)
    with _quiet(), found as client:
        yield client


@contextlib.contextmanager
def _here(workers, jobs, scratch, show):
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    count = min(workers or dask.system.CPU_COUNT, max(1, jobs))
    show(f"Starting {count} worker{'s' * (count > 1)}, which takes up to half a minute.")
    try:
        # TLS, for whoever reaches the scheduler's port can run code as the one who grades: also somebody else
        # on this machine.
        security = Security.temporary()
    except ImportError:
        raise CourseError("""Grading needs the package cryptography, for its workers' connections: pip install
            cryptography""") from None
    processes = dict(
        n_workers=count, threads_per_worker=1, processes=True, memory_limit=0, preload=[NO_CTRL_C]
    )
    network = dict(host="127.0.0.1", dashboard_address="127.0.0.1:0", security=security)
    files = dict(local_directory=scratch, env={"TMPDIR": scratch}, silence_logs=logging.CRITICAL)
    with (
        dask.config.set(SETTINGS),
        LocalCluster(**processes, **network, **files) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextlib.contextmanager
def _elsewhere(scheduler, show):
    from distributed import Client

    try:
        client = Client(scheduler, timeout=20, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise CourseError(f"""There is no Dask scheduler at {scheduler} ({type(error).__name__}). Its address
            looks like tcp://HOST:8786; `dask scheduler` prints it.""") from None
    with client:
        _wait_for_workers(client, scheduler, show)
        try:
            yield client
        finally:  # its workers go on; their sandboxes need not
            with contextlib.suppress(Exception):
                client.run(close_warm, on_error="ignore")


def _wait_for_workers(client, scheduler, show):
    """Waits until a scheduler has workers, which may take long.

    Raises CourseError where they are not as they must be.
    """
    if not client.nthreads():
        how = f"dask worker {scheduler} --nthreads 1"
        show(f"The scheduler {scheduler} has no worker yet: waiting for one ({how}).")
        client.wait_for_workers(1)
    for address, count in client.nthreads().items():
        if count != 1:
            raise CourseError(f"""The worker {address} has {count} threads. A process grades one submission at
                a time: start workers with `dask worker {scheduler} --nthreads 1 --nworkers {count}`.""")


@contextlib.contextmanager
def _quiet():
    """Dask speaks of lost workers at length; `Batch` says what matters of it."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
