"""A Jupyter server of a test's own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request


@contextlib.contextmanager
def running(module, *options, folder, home, environment, token=""):
    """Runs `python -m MODULE` in a folder, on a free port; home: of its log. -> its address

    Ends it and its kernels afterwards.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        module,
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
    ]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", *options]
    places = {"HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime")}
    how = dict(cwd=folder, env=os.environ | places | environment, start_new_session=True)
    log = home / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, **how)
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5)
                break
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        for stop in (signal.SIGTERM, signal.SIGKILL):  # it and its kernels: they are one group
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, stop)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(20)
