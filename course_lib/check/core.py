"""How an exercise is checked: named properties, each with a diagnosis, for any judge to use.

A `Property` has three parts, and only arrays pass between them:

    inputs(rng)  ->  the case: a dict of tensors
    call(given, **inputs)  ->  what the student's functions make of it: a dict of tensors
    judge(outputs, **inputs)  ->  None, or a `Complaint`: what is wrong, and which mistake it most probably is

A fourth one is for the notebook alone: `picture`, what came out and what is right (see `card`).

So the same property runs where the student is, with fixed cases (`grade`), and with fresh ones whose expected
outputs are those of the reference: `call` is simply called with the reference's functions as well
(`grade(..., reference=...)`). A judge that does not trust the student's machine runs `call` there and the
rest here.

Nothing that a student writes can break a check: whatever happens in `call` becomes a Complaint in words
(`attempt`).
"""

import contextlib
import functools
import importlib
import inspect
import io
import os
import re
import signal
import sys
import textwrap
import threading
import time
import traceback
import types
import warnings
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from .. import keep
from ..errors import fold, of_a_stub
from ..machine import get_ipython
from ..shapes import spell
from . import card
from .devices import OnCPU, is_of_devices, theirs
from .raised import meaning

SECONDS = 10.0  # of the processor, that one property may take before it is stopped
CLOCK = 5  # times as many it may take by the clock, where the machine is busy or the code waits
SPARE = __name__.rpartition(".")[0] + ".spare_renderer"
INDENT = " " * 6  # of what is said below a property


class Complaint(NamedTuple):
    """What is wrong: `key` names the mistake (for statistics and tests), `text` tells the student."""

    key: str
    text: str

    @classmethod
    def of(cls, said):
        """The complaint that is written "key: a sentence or two"; it is folded."""
        key, _, text = " ".join(said.split()).partition(": ")
        return cls(key, text)


class Problem(Exception):
    """Raised within `call` where a value is not even of the right kind; its arguments are the Complaint's."""

    @classmethod
    def of(cls, said):
        """The problem that is written "key: a sentence or two"."""
        return cls(*Complaint.of(said))

    @property
    def complaint(self):
        return Complaint(*self.args)


class Property:
    """One thing that a right solution does. Subclass it: `name`, `points`, and the three methods.

    points 0 makes it advice: it is shown where it does not hold, and costs nothing. after: properties
    (classes) without which this one says nothing; it is then not tried. tolerance: of the comparison with a
    reference, absolute, for outputs whose largest entry is about 1 (it grows with them). hidden: outputs that
    a reference need not share: those of which `judge` alone decides, as it allows more than one answer.
    varying: outputs whose first length may differ from the reference's. finite: whether NaN and infinite
    numbers end it before `judge`; else `judge` says why they are there. kept: inputs that stay with who
    judges; of them `partner` is made, which answers what `call` asks (its argument `ask`), and tells what it
    has `seen()`: more outputs, which no student's process made.
    """

    name = ""
    points = 0.0
    after = ()
    tolerance = 1e-4
    hidden = ()
    varying = ()
    finite = True
    kept, partner = (), None
    seconds = SECONDS  # see `time_limit`

    def inputs(self, rng):
        return {}

    def call(self, given, **inputs):
        raise NotImplementedError

    def judge(self, outputs, **inputs):
        return None

    def picture(self, outputs, **inputs):
        """What a card shows of outputs of which `judge` complained. -> card.Shown or None

        Only the student sees it, of the public case.
        """
        return None


@dataclass(frozen=True)
class Exercise:
    """An exercise: its number, its title, the functions that the student writes, and what they must do.

    on_gpu: properties (classes) of which a case is tried on a GPU too, by default the first.
    withheld: functions of the course, "module.name", that would answer it: see `withheld`.
    """

    number: int
    title: str
    functions: tuple
    properties: tuple = field(repr=False)
    on_gpu: tuple = ()
    withheld: tuple = field(default=(), repr=False)

    @property
    def points(self):
        return float(sum(p.points for p in self.properties))

    def __call__(self, *functions):
        """Checks the functions, or the notebook's of these names, and shows what holds. -> points earned"""
        given = self.find(functions, sys._getframe(1).f_globals)
        result = judge()(self, given)
        keep.remember(vars(given).values(), result.points, self.points)
        return show(result)

    def find(self, functions, names):
        """The functions by name: as they were passed, else from the dict `names`. Missing ones are None."""
        values = functions or [names.get(name) for name in self.functions]
        if len(values) != len(self.functions):
            text = fold(f"""this check takes {len(self.functions)} functions ({", ".join(self.functions)}), or
                none and then looks for them in the notebook; got {len(values)}""")
            raise TypeError(text)
        return types.SimpleNamespace(**dict(zip(self.functions, values)))


@dataclass(frozen=True)
class Outcome:
    """What became of one property."""

    name: str
    points: float
    of: float
    complaint: Complaint | None
    seconds: float
    printed: str = ""  # the beginning of what the code printed
    lines: int = 0  # of all that it printed
    case: tuple | None = field(default=None, repr=False)  # inputs and outputs that `judge` complained of

    @property
    def reached(self):
        return self.complaint is None or self.complaint.key != "not-reached"


@dataclass(frozen=True)
class Result:
    """What became of an exercise."""

    exercise: Exercise
    outcomes: list
    advice: list = field(default_factory=list)  # outcomes that are no property's, and cost nothing

    @property
    def points(self):
        """Points earned, between 0 and the exercise's: what nbgrader takes as partial credit."""
        earned = sum(outcome.points for outcome in self.outcomes)
        return float(min(max(earned, 0.0), self.exercise.points))

    @property
    def complaints(self):
        """What is wrong, in the order of the properties; what was not reached is left out."""
        return [outcome.complaint for outcome in self.outcomes if outcome.complaint and outcome.reached]

    @property
    def untouched(self):
        """Whether nothing of it was written yet."""
        return self.points == 0 and {c.key for c in self.complaints} == {"not-implemented"}


def grade(exercise, given, seed=0, reference=None):
    """Runs all properties of an exercise. -> Result

    given: a namespace with the student's functions. With a `reference`, a namespace of the right ones, what
    the student's functions make of the cases of `seed` must equal what the reference makes of them, besides
    what the property says.
    """
    if complaint := not_defined(exercise, given):
        return Result(exercise, [Outcome(p.name, 0.0, p.points, complaint, 0.0) for p in exercise.properties])

    kept = []  # names of what the functions have changed outside of themselves

    def tried(index, prop, seconds):
        inputs = case_of(exercise, index, seed)
        before = outliving(given)
        start = time.perf_counter()
        with withheld(exercise):
            outputs, complaint, printed = attempt(prop, given, inputs, seconds)
        took = time.perf_counter() - start
        after = outliving(given)
        kept.extend(name for name in before if before[name] != after.get(name) and name not in kept)
        case = None
        if complaint is None and (complaint := verdict(prop, outputs, inputs)):
            case = inputs, outputs
        if complaint is None and reference is not None:
            complaint = compare(outputs, played(prop, reference, clone(inputs)), prop)
        if complaint and kept and complaint.key not in ("changed-input", "not-implemented"):
            complaint = complaint._replace(
                text=fold(f"""{complaint.text} Your code also writes into
                `{kept[0]}`, outside of the function: what it keeps there is still there in the next call.""")
            )
        points = 0.0 if complaint else prop.points
        return Outcome(prop.name, points, prop.points, complaint, took, printed.kept, printed.lines, case)

    threads = torch.get_num_threads()
    # The cases are small, and threads that wait for busy cores cost more than they give.
    torch.set_num_threads(1)
    try:
        with OnCPU() as here:
            result = Result(exercise, in_turn(exercise, tried))
    finally:
        torch.set_num_threads(threads)
    if here.advice:
        result.advice.append(Outcome("no device of its own", 0.0, 0.0, Complaint("device", here.advice), 0.0))
    return result


def grade_here(exercise, given):
    """`grade`, and where there is a GPU, advice on whether all that holds would hold there too. -> Result"""
    result = grade(exercise, given)
    chosen = exercise.on_gpu or (type(exercise.properties[0]),)
    cases = [n for n, prop in enumerate(exercise.properties) if type(prop) in chosen]
    if torch.cuda.is_available() and not any(result.outcomes[n].complaint for n in cases):
        wrong = (_wrong_on_gpu(exercise, n, given) for n in cases)
        complaint = next(filter(None, wrong), None)
        result.advice.append(Outcome("works on this machine's GPU too", 0.0, 0.0, complaint, 0.0))
    return result


def _wrong_on_gpu(exercise, index, given):
    """What is wrong with a property's public case on the GPU. -> Complaint or None"""
    prop = exercise.properties[index]
    inputs = case_of(exercise, index, 0)
    try:
        outputs, complaint, _ = attempt(prop, given, on_device(inputs, "cuda"), prop.seconds)
        return complaint or verdict(prop, on_device(outputs, "cpu"), inputs)
    except Exception as error:  # the GPU does not even take or give the case
        return _raised(error)


def judge():
    """What grades a check cell: `grade_here`, or a judge that DOLPHINS_JUDGE names (`nbgrader autograde`'s).

    DOLPHINS_JUDGE: "module:class".
    """
    module, _, name = os.environ.get("DOLPHINS_JUDGE", "").partition(":")
    return getattr(importlib.import_module(module), name)().grade if module else grade_here


def not_defined(exercise, given):
    """What is no function of those that an exercise asks for. -> Complaint or None"""
    values = {name: getattr(given, name, None) for name in exercise.functions}
    missing = [
        f"`{name}` is " + ("not defined" if value is None else f"{describe(value)}, not a function")
        for name, value in values.items()
        if not callable(value)
    ]
    if missing:
        return Complaint.of(f"""not-defined: {", ".join(missing)}. Run the cell in which you write it, then
            this one again.""")
    spare = [name for name, value in values.items() if getattr(value, "__module__", None) == SPARE]
    if spare:
        return Complaint.of(f"""spare-part: `{spare[0]}` is the course's spare part now. Run the cell in which
            you write yours, then this one again.""")
    return None


def rng_of(exercise, index, seed):
    """The random numbers of a property's case: the same for everybody with the same seed."""
    return np.random.default_rng([seed, exercise.number, index])


@functools.lru_cache(maxsize=128)
def case_of(exercise, index, seed):
    """A property's case, drawn once: to draw one that tells all mistakes apart takes most of a check's time.

    Nobody may change it: functions and judges get clones.
    """
    return exercise.properties[index].inputs(rng_of(exercise, index, seed))


def in_turn(exercise, tried):
    """The properties one by one, but for those that wait for one that failed. -> list of Outcome

    tried(index, prop, seconds) -> Outcome; seconds: that it may take, less once one has hung.
    """
    outcomes, failed, hung = [], set(), False
    for index, prop in enumerate(exercise.properties):
        if failed & set(prop.after):
            complaint = Complaint("not-reached", "Not tried: first mend what is wrong above.")
            outcome = Outcome(prop.name, 0.0, prop.points, complaint, 0.0)
        else:
            outcome = tried(index, prop, min(2.0, prop.seconds) if hung else prop.seconds)
        if outcome.complaint is not None:
            failed.add(type(prop))
            hung = hung or outcome.complaint.key in ("too-long", "lost")
        outcomes.append(outcome)
    return outcomes


def sides(prop, inputs):
    """A case as the student's functions get it, and the partner who has the rest of it, or None."""
    if prop.partner is None:
        return inputs, None
    theirs = {name: value for name, value in inputs.items() if name not in prop.kept}
    return theirs, prop.partner(**{name: inputs[name] for name in prop.kept})


def played(prop, given, inputs):
    """What functions make of a case. -> dict of tensors"""
    theirs, partner = sides(prop, inputs)
    if partner is None:
        return prop.call(given, **theirs)
    return prop.call(given, ask=partner, **theirs) | partner.seen()


def verdict(prop, outputs, inputs):
    """What the property says of outputs. Nothing in them ends in a traceback. -> Complaint or None"""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _not_finite(prop, outputs) or prop.judge(outputs, **clone(inputs))
    except Exception as error:
        return Complaint.of(f"""not-judged: What your code gives is so unlike what is right that the two
            cannot be compared ({type(error).__name__}).""")


def _not_finite(prop, outputs):
    """What is said of NaN and infinite numbers that a property does not speak of. -> Complaint or None

    No comparison sees NaN, and a judge that looks for the cause of a difference may look for ever.
    """
    for name, value in outputs.items() if prop.finite else ():
        if torch.is_tensor(value) and value.is_floating_point() and not value.isfinite().all():
            what = f"`{name}`" if name.isidentifier() else f"what comes out{name}"
            return Complaint.of(f"not-finite: Some of {what} is NaN or infinite.")
    return None


def attempt(prop, given, inputs, seconds):
    """Runs the student's part of a property. -> (outputs or None, Complaint or None, Printed)"""
    mine, printed = clone(inputs), Printed()
    outputs = complaint = None
    try:
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(Printed()),
            warnings.catch_warnings(),
            time_limit(seconds),
        ):
            warnings.simplefilter("ignore")
            outputs = _each(played(prop, given, mine), torch.Tensor.detach)
    except Problem as problem:
        complaint = problem.complaint
    except TooLong as stopped:
        complaint = Complaint("too-long", str(stopped))
    except (Exception, SystemExit) as error:
        complaint = _raised(error)
    return outputs, complaint or changed(inputs, mine), printed


def outliving(given):
    """What functions, and those that they call, may keep from call to call: the notebook's variables that
    they name, and their defaults. -> {name: what differs once it has changed}"""
    known, todo, seen = {}, [inspect.unwrap(f) for f in vars(given).values() if callable(f)], set()
    while todo:
        function = todo.pop()
        code = getattr(function, "__code__", None)
        if code is None or code in seen or not theirs(code.co_filename):
            continue
        seen.add(code)
        names = inspect.signature(function).parameters
        known |= {name: _mark(p.default) for name, p in names.items() if p.default is not p.empty}
        for name in code.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, types.FunctionType):
                todo.append(value)
            elif isinstance(value, (dict, list, set, torch.Tensor, np.ndarray, int, float, type(None))):
                known[name] = _mark(value)
    return known


def _mark(value, known=None):
    """What differs for a value that has changed, or is another one. known: ids of the lists and their kind
    that were looked into already, as one may hold itself."""
    known = set() if known is None else known
    if isinstance(value, (dict, list, set, tuple)) and id(value) not in known:
        known.add(id(value))
        if isinstance(value, dict):
            return tuple((id(key), _mark(entry, known)) for key, entry in value.items())
        return tuple(_mark(entry, known) for entry in value)
    if isinstance(value, np.ndarray):
        return id(value), value.tobytes()
    if isinstance(value, torch.Tensor):
        with torch._C.DisableTorchFunction():  # else `devices` takes a look at it for a use by the student
            return id(value), value._version
    return id(value), value if isinstance(value, (int, float)) else 0


def changed(before, after):
    """What is said of code that has written into its inputs, {name: value} before and after. -> Complaint
    or None"""
    names = [name for name in before if not _same(before[name], after[name])]
    if not names:
        return None
    return Complaint.of(f"""changed-input: Your code changes its input `{names[0]}` in place. Whoever called
        it needs that still: work on a copy, `{names[0]}.clone()`, or on a new tensor (`x = x * 2`, not `x *=
        2`).""")


def _refuse(*_, **__):
    import sys  # its code runs among the names of another module

    raise sys.modules["course_lib.check.core"].Problem.of("""borrowed: Your code calls a function of the
        course that is kept back while this is checked, as it does the most of what is asked here. Write the
        formula yourself.""")


@contextlib.contextmanager
def withheld(exercise, before=None, refuse=_refuse):
    """Within, the course's own functions that would answer an exercise refuse, whatever they are called by.

    The course needs them elsewhere: the template is bent by `rotvec_to_rotmat` before exercise 2 is solved.
    before: {module: its names} from before a student's code ran, which may have put others in their places;
    refuse: what they do instead
    """
    found = []
    for module, _, name in (path.rpartition(".") for path in exercise.withheld):
        found += [getattr(sys.modules.get(module), name, None), (before or {}).get(module, {}).get(name)]
    codes = {function: function.__code__ for function in found if isinstance(function, types.FunctionType)}
    for function in codes:
        function.__code__ = refuse.__code__
    try:
        yield
    finally:
        for function, code in codes.items():
            function.__code__ = code


class Printed(io.TextIOBase):
    """Where a student's prints go: it keeps the beginning and counts lines. Endless prints fill no memory."""

    def __init__(self, keep=2000):
        super().__init__()
        self.keep, self.kept, self.lines = keep, "", 0

    def writable(self):
        return True

    def write(self, text):
        self.lines += text.count("\n")
        self.kept += text[: self.keep - len(self.kept)]
        return len(text)


def _raised(error):
    """An exception in the student's code, as a Complaint with the line of it that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, NotImplementedError):  # of an exercise that is still to be written, or torch's own
        line = frames[-1].line
        if not line or "raise NotImplementedError" in line:
            return Complaint("not-implemented", "not solved yet")
    lines = [frame.line for frame in frames if theirs(frame.filename)]
    line = f" in the line `{lines[-1].strip()}`" if lines and lines[-1] else ""
    line += getattr(error, "case", "")  # of the call that `same.Same` made
    if of_a_stub(error):
        return Complaint.of(f"""placeholder: A `...` of the stub is still there, and came to be used{line}.
            Replace each `...` by your code.""")
    text = _cut(" ".join(str(error).split()), 200, " ...")
    text = text.replace(" Use tensor.detach().numpy() instead.", "")  # it would cost the gradient
    if "out of memory" in text.lower():
        return Complaint.of(f"""out-of-memory: The GPU's memory is full{line}. Restart the runtime, or choose
            one without a GPU: everything runs on the CPU as well.""")
    if is_of_devices(error):
        return Complaint.of(f"""device: {type(error).__name__}{line}: {text} Make
            tensors where the input lies, as in `torch.eye(3, device=theta.device)`, and ask for no other
            device: grading has no GPU.""")
    said = f": {text}" if text else "."
    more = meaning(error)
    end = "" if said[-1] in ".!?" or not more else "."
    return Complaint("raised", f"{type(error).__name__}{line}{said}{end} {more}".strip())


def _cut(text, length, end):
    return text if len(text) <= length else text[:length] + end


class TooLong(BaseException):
    """Not an Exception: a student's `except Exception` must not swallow it. Its text says what was passed."""

    def __init__(self, seconds, computed):
        text = f"""It had not come to an end after {seconds:g} s of computing. Is there a loop that never
            ends, or one over pixels or frames where one operation on the whole tensor would do?"""
        if computed is not None:  # the clock's limit was passed, not the processor's
            text = f"""It had not come to an end after {CLOCK * seconds:g} s, and computed for {computed:.1f}
                s of them. Does it wait for something, as `sleep` and `input` do? If not, this machine is busy
                with other work: run this again."""
        super().__init__(fold(text))


@contextlib.contextmanager
def time_limit(seconds):
    """Raises TooLong, once the thread has computed for `seconds` or CLOCK times as many went by.

    What this thread computes is counted, not the clock: that goes on while a busy machine does other work.
    Nor are helping threads counted, of which there are many on a large machine. Threads but the main one get
    no signals: they look whenever something is called, and a loop without calls goes on. Without timers (on
    Windows) there is no limit.
    """
    own, whole, clock = time.thread_time(), time.process_time(), time.monotonic()

    def left():
        to_compute = seconds - (time.thread_time() - own)
        return to_compute, min(to_compute, CLOCK * seconds - (time.monotonic() - clock))

    def look(*_):
        to_compute, least = left()
        if in_main:
            # No thread computes for longer than the clock runs: it cannot be over before. And it is raised
            # again each second, if the first one is swallowed.
            signal.setitimer(signal.ITIMER_REAL, max(least, 0.05) if least > 0 else 1.0)
        if least <= 0:
            raise TooLong(seconds, None if to_compute <= 0 else time.process_time() - whole)

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main:
        before = sys.getprofile()
        sys.setprofile(look)
        try:
            yield
        finally:
            sys.setprofile(before)
        return
    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)


# --- what a student's value is, and whether it is the right one


def tensor(name, value, shape, like=None, finite=True):
    """The value, if it is a tensor of this shape, of the dtype and device of `like`. Else raises a Problem.

    name: how the student knows it, `batch_rodrigues(theta)` or the like.
    """
    expected = f"a tensor of shape {shape_text(shape)}"
    if value is None:
        raise Problem.of(f"none: `{name}` gives None, expected {expected}. Is the `return` missing?")
    if not torch.is_tensor(value):
        how = ""
        if isinstance(value, np.ndarray):
            how = " Stay in torch: gradients do not flow through NumPy."
        elif isinstance(value, (list, tuple)) and value and all(map(torch.is_tensor, value)):
            how = " `torch.stack` makes one tensor of several of one shape, along the `dim` that you name."
        raise Problem.of(f"not-a-tensor: `{name}` gives {describe(value)}, expected {expected}.{how}")
    if value.shape != tuple(shape):
        got, how = shape_text(value.shape), _other_shape(tuple(value.shape), tuple(shape))
        raise Problem.of(f"shape: `{name}` gives shape {got}, expected {shape_text(shape)}. {how}")
    if like is not None and value.dtype != like.dtype:
        raise Problem.of(f"""dtype: `{name}` gives {value.dtype}, expected {like.dtype} as the input has.
            Give new tensors its dtype, as `torch.zeros_like(x)`, `x.new_zeros(...)` and `dtype=x.dtype` do,
            and turn none into another (`.float()`, `.double()`).""")
    if like is not None and value.device != like.device:
        raise Problem.of(f"""device: `{name}` lies on {value.device}, the input on {like.device}. Make new
            tensors on the input's device: `torch.zeros_like`, `x.new_zeros`.""")
    bad = int((~torch.isfinite(value)).sum()) if finite and value.is_floating_point() else 0
    if bad:
        raise Problem.of(f"""not-finite: `{name}` has {bad} of {value.numel()} entries that are NaN or
            infinite.""")
    return value


def _other_shape(got, right):
    """What a shape has to do with the right one, where the two are alike. -> a sentence or ''"""
    if sorted(got) == sorted(right):
        return """These are the right dimensions, in another order: `permute` and `transpose` exchange
            them."""
    if [n for n in got if n != 1] == [n for n in right if n != 1]:
        if len(got) < len(right):
            return "A dimension of length 1 is missing: `[..., None]` adds one, `keepdim=True` keeps one."
        return "A dimension of length 1 is too much."
    if len(got) == len(right):
        wrong = [d for d, (n, m) in enumerate(zip(got, right)) if n != m]
        return f"Dimension {wrong[0]} has {got[wrong[0]]} where {right[wrong[0]]} belong." * (len(wrong) == 1)
    for d, n in enumerate(right):
        if got == right[:d] + right[d + 1 :]:
            return f"Dimension {d}, of {n}, is missing: only one of them, or their sum, is left."
    return "There are as many numbers, in another shape." if np.prod(got) == np.prod(right) else ""


def items(name, value, count, names):
    """The value, if it is a tuple or list of `count` things. Else a Problem says `names`: what they are."""
    if isinstance(value, (tuple, list)) and len(value) == count:
        return value
    key, missing = ("none", " Is the `return` missing?") if value is None else ("not-a-tuple", "")
    raise Problem.of(f"{key}: `{name}` gives {describe(value)}, expected {count} things: {names}.{missing}")


def number(said, value, hint=lambda key, value: "", finite=True):
    """The one number that a value is. Else raises a Problem. -> tensor (), float64

    said: what gave it, "`body_length(vertices)` gives"; hint: of the key and the value, what is said more,
    begun with a space.
    """
    found, key = value, "none" if value is None else "not-a-number"
    numeric = isinstance(value, (torch.Tensor, np.ndarray, np.number, int, float))
    numeric &= not (torch.is_tensor(value) and value.is_complex())
    if numeric and not isinstance(value, bool) and not isinstance(value, complex):
        found = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
        if not found.dim() and (found.isfinite() or not finite):
            return found
        key, value = ("shape", found) if found.dim() else ("not-finite", float(found))
    text = str(value) if key == "not-finite" else describe(value)
    raise Problem.of(f"{key}: {said} {text}, expected one number.{hint(key, found)}")


def describe(value):
    """What a value is, in a few words."""
    if torch.is_tensor(value):
        return f"a tensor of shape {shape_text(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a NumPy array of shape {shape_text(value.shape)}"
    kind = type(value).__name__
    if value is ...:
        return "the `...` of the stub, to be replaced by your code"
    if isinstance(value, (list, tuple)):
        return f"a {kind} of {len(value)}"
    if isinstance(value, str):
        return f"a text, {_cut(value, 40, '...')!r}"
    return "None" if value is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def shape_text(shape):
    """A shape as a student reads it."""
    return spell(" ".join(map(str, shape)))


def close(a, b, tolerance=1e-4):
    """Whether tensors of one shape agree: the largest difference against the largest entry (at least 1)."""
    if a.shape != b.shape:
        return False
    if a.numel() == 0:
        return True
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    # Nothing agrees with what is infinite.
    return float((a - b).abs().max()) <= margin(b, tolerance) < torch.inf


def margin(right, tolerance):
    """How far an entry may be from the right one: the tolerance times the largest entry, or 1. -> float"""
    return tolerance * max(1.0, float(right.abs().max()))


def compare(outputs, expected, prop):
    """What differs from the reference, of outputs that the property does not hide. -> Complaint or None"""
    shared = [name for name in expected if name not in prop.hidden]
    if all(close(outputs[name], expected[name], prop.tolerance) for name in shared):
        return None
    text = "It differs from the reference for a case that is not among the public ones."
    return Complaint("differs", text)


def _each(values, change):
    """A dict in which each of the tensors is changed."""
    return {name: change(value) if torch.is_tensor(value) else value for name, value in values.items()}


def clone(inputs):
    """A case that may be changed."""
    return _each(inputs, torch.Tensor.clone)


def on_device(tensors, device):
    """A case, or what came of it, on a device and without gradients."""
    return _each(tensors, lambda value: value.detach().to(device))


def _same(a, b):
    """Whether two values are equal; NaN is the same as NaN."""
    if not torch.is_tensor(a) or a.shape != b.shape:
        return not torch.is_tensor(a)
    b = b.detach()
    return bool(((a == b) | (a != a) & (b != b)).all())


# --- what the student reads


def show(result):
    """Shows a result: in a notebook as a card, elsewhere in lines. -> points earned, a number

    Where DOLPHINS_JUDGE judges, it is in lines too.
    """
    text = report(result)
    if get_ipython() is None or "DOLPHINS_JUDGE" in os.environ:
        print(text)
    else:
        from IPython.display import display

        display({"text/plain": text, "text/html": _page(result)}, raw=True)
    return card.Points(result.points)


def report(result):
    """The result in lines: a sign, the property, its points, and under it what is wrong. -> text"""
    if note := _unready(result):
        return f"{_title(result)}: {note}"
    rows = _rows(result)
    width = max(len(row.name) for row in rows) + 2
    lines = [_title(result)]
    for row in rows:
        lines.append(f"  {row.sign} {row.name:{width}} {row.value}")
        lines += textwrap.wrap(row.text, 96, initial_indent=INDENT, subsequent_indent=INDENT)
    done = " All of it holds." if result.points == result.exercise.points else ""
    lines += [f"  {note}" for note in [_printed(result)] if note]
    return "\n".join([*lines, f"  Points: {result.points:g} of {result.exercise.points:g}.{done}"])


def _page(result):
    """The result as a card. -> HTML"""
    of, note = result.exercise.points, _unready(result)
    rows = [] if note else _rows(result)
    shown = functools.partial(_picture, result)
    return card.page_of(_title(result), result.points, of, rows, note or _printed(result), shown)


def _picture(result):
    """What is shown beside the first mistake: see `Property.picture`. -> card.Shown or None"""
    for prop, outcome in zip(result.exercise.properties, result.outcomes):
        if outcome.complaint and outcome.of:
            inputs, outputs = outcome.case or (None, None)
            with OnCPU():  # as the case was tried
                return outputs and prop.picture(outputs, **clone(inputs))
    return None


def _title(result):
    return f"Exercise {result.exercise.number} · {result.exercise.title}"


def _unready(result):
    """What is said of an exercise of which nothing can be judged. -> text, "" where it can"""
    first = next(iter(result.complaints), None)
    if result.untouched:
        names = " and ".join(result.exercise.functions)
        return f"not solved yet. Write {names} above, run that cell, then this one again."
    return first.text if first and first.key in ("not-defined", "spare-part") else ""


def _rows(result):
    """What became of each property. -> list of card.Row"""
    # Advice is shown where it is needed.
    shown = [*(o for o in result.outcomes if o.of or o.complaint and o.reached), *result.advice]
    rows, said = [], set()
    for outcome in shown:
        wrong = "i" if not outcome.of else "·" if not outcome.reached else "✗"
        value = f"{outcome.points:g} / {outcome.of:g}" if outcome.of else "advice"
        text = outcome.complaint.text if outcome.complaint else ""
        # The same mistake with another case has other shapes in it.
        gist = re.sub(r"\(.*?\)|\d+", "", text)
        if gist and gist in said:
            text = "(the same as above)" if outcome.reached else ""
        said.add(gist)
        rows.append(card.Row(wrong if outcome.complaint else "✓", outcome.name, value, text))
    return rows


def _printed(result):
    """What is said of the student's prints. -> text, "" without any"""
    printed = "".join(outcome.printed for outcome in result.outcomes)
    if not printed:
        return ""
    count = max(sum(outcome.lines for outcome in result.outcomes), 1)
    what = f"{count:,} line{'s' if count > 1 else ''}"
    first = _cut(printed.split("\n")[0], 80, "...")
    return f"Your code printed {what} during the check, the first: {first}"
