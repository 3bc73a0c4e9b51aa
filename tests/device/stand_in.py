"""A GPU for torch without CUDA: what a program does on it is right on a GPU too, as far as devices go.

    stand_in.install()                   # before anything imports torch
    python stand_in.py PROGRAM ARGS...   # runs a program with it; `-m MODULE` a module

Tensors have the device cuda:0; their values are the CPU's (stand_in.cpp). It refuses what a GPU refuses:
operands on two devices, a tensor's `numpy()`. It has no streams, no generators, and no speed.

It is compiled once for each version of torch, with g++, into out/device/ of the checkout.
"""

import atexit
import contextlib
import ctypes
import importlib.metadata
import importlib.util
import os
import runpy
import subprocess
import sys
import time
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE.parents[1] / "out" / "device"


def build():
    """Compiles the stand-in where that was not done yet. -> path of the library"""
    source, torch = HERE / "stand_in.cpp", Path(importlib.util.find_spec("torch").origin).parent
    target = BUILT / f"stand_in-{importlib.metadata.version('torch')}-{source.stat().st_mtime_ns}.so"
    if not target.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}")  # several may compile it at once
        command = f"g++ -std=c++20 -O0 -shared -fPIC -Wl,-rpath,{torch}/lib -o".split()
        command += [part, source, f"-I{torch}/include", f"-I{torch}/include/torch/csrc/api/include"]
        subprocess.run([*command, f"-L{torch}/lib", "-ltorch_cpu", "-lc10"], check=True)
        part.rename(target)
    return target


def let_autograd_end():
    """Waits until autograd's thread, which there is for a GPU, has nothing more to do.

    When `backward` returns, that thread still has objects of Python to let go. If the process ends before it
    has done so, it asks for the lock of an interpreter that is going. Python ends it there, in the middle of
    C++ that cannot be left so, and that aborts the process: "terminate called without an active exception".
    """
    idle, until = 0, time.monotonic() + 10
    while idle < 2 and time.monotonic() < until:
        time.sleep(0.01)  # here it may have the lock
        states = []
        for task in Path("/proc/self/task").glob("*/stat"):
            with contextlib.suppress(OSError):
                name, state = task.read_text().split("(", 1)[1].rsplit(")", 1)
                states += [state.split()[0]] if name.startswith("pt_autograd") else []
        idle = idle + 1 if set(states) <= {"S"} else 0


def copy_of(storage):
    """A storage on the GPU, copied: `copy.deepcopy` of a module comes to this."""
    import torch

    return torch.empty(len(storage), dtype=torch.uint8, device="cuda").untyped_storage().copy_(storage)


def install():
    """From now on this process has the GPU, and so torch says."""
    if "torch" in sys.modules:
        raise ImportError("the stand-in comes before torch, which looks for CUDA only once")
    atexit.register(let_autograd_end)
    ctypes.CDLL(str(build()), mode=ctypes.RTLD_GLOBAL)
    import torch

    about = types.SimpleNamespace(name="stand-in", major=7, minor=5, total_memory=15 * 2**30)
    answers = {"is_available": True, "device_count": 1, "current_device": 0, "is_initialized": True}
    answers |= {
        "get_device_name": about.name,
        "get_device_properties": about,
        "get_device_capability": (7, 5),
    }
    answers |= dict.fromkeys(["_lazy_init", "synchronize", "empty_cache", "manual_seed", "manual_seed_all"])
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    base = torch.storage._StorageBase
    clone = base.clone  # it makes a storage of the device, which a torch without CUDA cannot
    base.clone = lambda self: copy_of(self) if self.device.type == "cuda" else clone(self)


if __name__ == "__main__":
    install()
    sys.path.insert(0, str(HERE.parents[1]))
    sys.argv.pop(0)
    if sys.argv[0] == "-m":
        sys.argv.pop(0)
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
