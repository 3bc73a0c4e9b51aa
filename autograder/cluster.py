"""The Dask cluster that grades: processes of this machine, or the workers of a scheduler elsewhere."""

import contextlib
import logging

from course_lib.errors import CourseError

NO_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"  # for the workers: the grading process ends them


@contextlib.contextmanager
def cluster_of(scheduler, workers, jobs, scratch, show):
    """A Dask cluster: the one at this address, else one of processes on this machine, whose files lie in
    `scratch`. -> client"""
    try:
        import dask
        from distributed import Client, LocalCluster
        from distributed.security import Security
    except ImportError:
        raise CourseError("""Grading needs Dask: pip install -c constraints.txt -e '.[grade]', or `make
            setup`.""") from None
    if scheduler is not None:
        with quiet():
            try:
                client = Client(scheduler, timeout=20, set_as_default=False)
            except (OSError, ValueError, TimeoutError) as error:
                raise CourseError(f"""There is no Dask scheduler at {scheduler} ({type(error).__name__}). Its
                    address looks like tcp://HOST:8786; `dask scheduler` prints it.""") from None
            with client:
                wait_for_workers(client, scheduler, show)
                yield client
        return
    count = min(workers or dask.system.CPU_COUNT, max(1, jobs))
    show(f"Starting {count} worker{'s' * (count > 1)}, which takes up to half a minute.")
    try:
        security = Security.temporary()
    except ImportError:
        raise CourseError("""Grading needs the package cryptography, for its workers' connections: pip install
            cryptography""") from None
    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.admin.log-length": 0,
        "distributed.admin.low-level-log-length": 0,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    # With TLS, for whoever reaches the scheduler's port can run code as the one who grades: also somebody
    # else on this machine.
    with (
        dask.config.set(settings),
        quiet(),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            local_directory=scratch,
            env={"TMPDIR": scratch},
            preload=[NO_CTRL_C],
            silence_logs=logging.CRITICAL,
            security=security,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def wait_for_workers(client, scheduler, show):
    """Waits until a scheduler has workers, which may take long.

    Raises CourseError where they are not as they must be.
    """
    if not client.nthreads():
        show(
            f"The scheduler {scheduler} has no worker yet: waiting for one (dask worker {scheduler} --nthreads 1)."
        )
        client.wait_for_workers(1)
    many = {address: count for address, count in client.nthreads().items() if count != 1}
    if many:
        address, count = next(iter(many.items()))
        raise CourseError(f"""The worker {address} has {count} threads. A process grades one submission at a
            time: start workers with `dask worker {scheduler} --nthreads 1 --nworkers {count}`.""")


@contextlib.contextmanager
def quiet():
    """Dask speaks of lost workers at length; `Batch` says what matters of it."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
