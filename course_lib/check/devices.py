"""The same points everywhere: what is checked and graded is on the CPU, whatever the machine has.

On a GPU's machine code can ask for "cuda", elsewhere that raises; a constant that a notebook made on the GPU
does not go with a case on the CPU. So within `OnCPU` every device that code asks for is the CPU, and so is
the place of every tensor that it uses, on any machine. Lines that asked for another are noted, for advice.
"""

import ast
import linecache
import operator
import os
import re
import sys
import traceback
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _device  # knows what makes tensors, and the default device

from ..errors import fold

# In names of no student's files.
LIBRARIES = (
    "site-packages",
    "dist-packages",
    "/lib/python",
    "\\lib\\",
    str(Path(__file__).resolve().parents[1]),
)
# In what torch raises where a device is not there, or is another tensor's.
OF_DEVICES = re.compile(r"cuda|nvidia|same device|\b(gpus?|mps|xpu|accelerator)\b", re.IGNORECASE)
CONSTRUCTORS = _device._device_constructors()
DEVICE = re.compile(r"(cuda|mps|xpu)(:\d+)?")
MOST_LINES, MOST_CHARACTERS = 4, 100  # of lines that are named


def theirs(filename):
    """Whether a file is a student's: no library's, and none of the course's."""
    return not any(part in filename for part in LIBRARIES)


def is_of_devices(error):
    """Whether an exception is about a device: one that is not there, or two that do not go together."""
    return not isinstance(error, NameError) and bool(OF_DEVICES.search(str(error)))


def what_to_write(frames):
    """How to write a line without a device of its own. frames: the student's, the innermost first"""
    for frame in frames:
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        if tensors := [name for name in names if isinstance(frame.f_locals.get(name), torch.Tensor)]:
            return f"`{tensors[0]}.device`"
    return "the device of what goes in, such as `theta.device`"


def where_written(frame):
    """Where the device stands that a student's line asks for, if not in that line: the last one before it."""
    lines = linecache.getlines(frame.f_code.co_filename)
    try:
        constants = [node for node in ast.walk(ast.parse("".join(lines))) if isinstance(node, ast.Constant)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    devices = [node.lineno for node in constants if DEVICE.fullmatch(str(node.value))]
    last = max((number for number in devices if number <= frame.f_lineno), default=frame.f_lineno)
    return "" if last == frame.f_lineno else f", as `{_shown(lines[last - 1])}` says"


def _shown(line):
    return line.strip()[:MOST_CHARACTERS]


class OnCPU(TorchFunctionMode):
    """Within it code asks for whatever device it likes, and gets the CPU. Used in a `with`, again and again.

    Tensors that lie elsewhere already take part as copies on the CPU, one for each.
    """

    def __init__(self):
        super().__init__()
        self.lines, self.copies = {}, {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.Tensor.cuda:
            self.cpu("cuda")
            return self.here(args[0])
        if func is torch.Tensor.to:
            args = [self.cpu(value) if isinstance(value, (str, int)) else value for value in args]
        if kwargs.get("device") is not None:
            kwargs = {**kwargs, "device": self.cpu(kwargs["device"])}
        elif func in CONSTRUCTORS:
            self.cpu(_device.CURRENT_DEVICE)
            kwargs = {**kwargs, "device": "cpu"}
        return func(*map(self.here, args), **{name: self.here(value) for name, value in kwargs.items()})

    def here(self, value):
        """A value, or what is in it, with tensors and devices on the CPU."""
        if isinstance(value, torch.Tensor):
            return value if value.is_cpu or value.is_meta else self.copy(value)
        if isinstance(value, (list, tuple)):
            items = [self.here(item) for item in value]
            if all(map(operator.is_, items, value)):
                return value
            return items if isinstance(value, list) else tuple(items)  # as an index they differ
        return self.cpu(value) if isinstance(value, torch.device) else value

    def copy(self, tensor):
        """A tensor's copy on the CPU, the same one each time: what is written into it stays there."""
        if id(tensor) not in self.copies:
            self.note(f"uses a tensor that lies on {tensor.device}", "move it to")
            copy = tensor.detach().to("cpu").requires_grad_(tensor.requires_grad)
            self.copies[id(tensor)] = tensor, copy
        return self.copies[id(tensor)][1]

    def cpu(self, device):
        """The CPU instead of another device; what is no device, or holds nothing, stays as it is."""
        if isinstance(device, bool):
            return device
        try:
            known = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
        except (RuntimeError, TypeError):
            return device
        if known.type in ("cpu", "meta"):
            return device
        self.note(f"asks for {known}")
        return torch.device("cpu")

    def note(self, what, instead="write"):
        """Notes the student's line that is just running, or nothing if it is none of theirs."""
        self.add(what, instead, [frame for frame, _ in traceback.walk_stack(sys._getframe(1))])

    def note_error(self, error):
        """Notes the student's line that raised, if that was about a device."""
        if is_of_devices(error):
            frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
            self.add(f"raises {type(error).__name__}, for there is no GPU", "write", frames[::-1])

    def add(self, what, instead, frames):
        """Notes what the innermost of the student's frames does, and what to do instead.

        frames: of a stack, the innermost first.
        """
        frames = [frame for frame in frames if theirs(frame.f_code.co_filename)]
        if frames and len(self.lines) < MOST_LINES:
            line = _shown(traceback.extract_stack(frames[0], 1)[0].line)
            self.lines.setdefault(
                line, f"{what}{where_written(frames[0])}: {instead} {what_to_write(frames)}"
            )

    @property
    def advice(self):
        """What is said of the lines that were noted. -> text, None without any"""
        if not self.lines:
            return None
        said = "; ".join(f"the line `{line}` {what}" for line, what in self.lines.items())
        return fold(f"""{said[0].upper()}{said[1:]}. A function works where its input lies, as in
            `torch.eye(3, device=theta.device)`. Grading has no GPU, so all of it was tried on the CPU, which
            costs no points.""")


def hide_gpus():
    """From now on this process finds no GPU: limits of memory do not go with CUDA, nor do forks."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.cuda.is_available = lambda: False
