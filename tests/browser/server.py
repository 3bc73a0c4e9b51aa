"""A Jupyter server of a test's own, and pictures of what a browser shows of it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

MINUTE = 60_000 * float(os.environ.get("PATIENCE", 1))  # playwright counts in milliseconds


@contextlib.contextmanager
def running(module, *options, folder, home, environment, token=""):
    """Runs `python -m MODULE` in a folder, on a free port; home: of its log and settings. -> its address

    Ends it and its kernels afterwards.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", *options]
    folders = {"HOME": home, "JUPYTER_RUNTIME_DIR": home / "runtime", "JUPYTER_CONFIG_DIR": home / "config"}
    places = {name: str(path) for name, path in folders.items()}
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


def picture(page, name):
    if os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(os.environ["SCREENSHOTS"]) / f"{name}.png"))
