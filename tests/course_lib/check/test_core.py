"""The framework of the checks.

Whatever a student writes ends in words, a number of points, and nothing on stderr.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
import types
import warnings

import numpy as np
import pytest
import torch

from course_lib.check import EXERCISES, core
from course_lib.check.core import Complaint, Exercise, Problem, grade, report
from course_lib.check.same import Same

from .bank import given


class Doubles(Same):
    name = "double doubles"
    points = 3
    seconds = 0.3
    function, shows, right = "double", "double(x)", staticmethod(lambda x: 2 * x)
    mistakes = {
        "halved: Halved.": lambda x: x / 2,
        "tripled: Tripled.": lambda x: 3 * x,
        "tripled: Twice.": lambda x: 9 * x,
    }

    def cases(self, rng):
        return {"x": torch.from_numpy(rng.normal(size=(2, 3))).float()}

    def shape(self, x):
        return x.shape

    def unexplained(self, *_):
        return Complaint("wrong", "No.")


class Zero(Doubles):
    name = "double of 0 is 0"
    points = 1

    def inputs(self, rng):
        return {"x": torch.zeros(2, 3)}


class After(Doubles):
    name = "after the first"
    points = 1
    after = (Doubles,)


class Fast(Doubles):
    name = "fast"
    points = 0
    after = (After,)

    def judge(self, outputs, x):
        return Complaint("slow", "Could be faster.")


def exercise_of(*properties):
    return Exercise(42, "Double", ("double",), properties)


EXERCISE = exercise_of(Doubles(), Zero(), After())
WITH_ADVICE = exercise_of(*EXERCISE.properties, Fast())


def check(double, exercise=EXERCISE, **more):
    return grade(exercise, given(exercise, double), **more)


def first(result):
    return result.complaints[0]


def right(x):
    return x * 2


def tripled(x):
    return 3 * x


def never_ending(x):
    while True:
        pass


def never_ending_quietly(x):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass


def swallowing(x):
    for _ in range(2):
        with contextlib.suppress(BaseException):
            never_ending(x)
    never_ending(x)


def stub(x):
    raise NotImplementedError("Exercise 42: double is yours to write")


def leaving(x):
    raise SystemExit(3)


def unpacking_the_stub(x):
    y, z = ...
    return y


def using_the_stub(x):
    y = ...
    return torch.zeros(2) + y.real


def handing_the_stub_on(x):
    return torch.stack([x, ...])


def giving_the_stub(x):
    return ...


def dropping(x):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def raising(x):
    return x @ torch.ones(7, 7)


# --- whatever comes back

BAD = {
    "none": (lambda x: None, ["None", "(2, 3)", "return"]),
    "shape": (lambda x: (2 * x).T, ["(3, 2)", "(2, 3)", "in another order"]),
    "shape, of one": (lambda x: 2 * x[0], ["(3,)", "Dimension 0, of 2, is missing"]),
    "dtype": (lambda x: (2 * x).double(), ["float64", "float32"]),
    "not-finite": (lambda x: x / 0, ["6 of 6"]),
    "not-a-tensor, NumPy": (lambda x: 2 * x.numpy(), ["NumPy array of shape (2, 3)", "torch"]),
    "not-a-tensor, a list": (lambda x: list(2 * x), ["a list of 2", "torch.stack"]),
    "not-a-tensor, a number": (lambda x: 2, ["an int"]),
    "not-a-tensor, a dict": (lambda x: {}, ["a dict"]),
    "device": (lambda x: torch.empty(2, 3, device="meta"), ["meta", "cpu"]),
    "raised": (raising, ["RuntimeError", "return x @ torch.ones(7, 7)"]),
    "raised, SystemExit": (leaving, ["SystemExit", "raise SystemExit(3)"]),
    "raised, too deep": (lambda x: BAD["raised, too deep"][0](x), ["RecursionError"]),
    "raised, not implemented in torch": (lambda x: x.to(torch.float8_e4m3fn).sin(), ["NotImplementedError"]),
    "out-of-memory": (dropping, ["GPU", "Restart"]),
    "too-long": (never_ending, ["after 0.3 s of computing", "loop"]),
    "too-long, within except Exception": (never_ending_quietly, ["after 1.5 s", "wait", "busy"]),
    "too-long, swallowed": (swallowing, ["after 0.3 s of computing", "loop"]),
    "changed-input": (lambda x: x.mul_(2), ["`x`", "in place"]),
    "not-implemented": (stub, ["not solved yet"]),
    "halved": (lambda x: x / 2, ["Halved."]),
    "tripled": (tripled, ["Tripled."]),
    "tripled, twice": (lambda x: 9 * x, ["Twice."]),
    "wrong": (lambda x: x + 1, ["No."]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_functions_are_named_and_nothing_escapes(name, capfd, monkeypatch):
    function, words = BAD[name]
    if function in (never_ending, swallowing):  # however busy this machine is
        monkeypatch.setattr(core, "CLOCK", 1000)
    result = check(function)
    assert first(result).key == name.split(",")[0]
    assert all(word in first(result).text for word in words), first(result).text
    assert "\n" not in first(result).text
    assert result.points < 5 and type(result.points) is float
    assert capfd.readouterr() == ("", "")


def test_an_input_that_is_nan_in_places_is_changed_only_where_somebody_writes():
    before = {"x": torch.tensor([1.0, torch.nan])}
    assert core.changed(before, core.clone(before)) is None
    for after in ([1.0, 2.0], [torch.nan, torch.nan], [1.0, torch.nan, 3.0]):
        assert core.changed(before, {"x": torch.tensor(after)}).key == "changed-input"


def test_too_long_is_not_waited_for_again_and_again():
    class Patient(Zero):
        seconds = 10.0

    waited = []

    def tried(index, prop, seconds):
        waited.append(seconds)
        return core.Outcome(prop.name, 0.0, prop.points, Complaint("too-long", ""), 0.0)

    core.in_turn(exercise_of(Patient(), Patient(), Zero()), tried)
    assert waited == [10.0, 2.0, 0.3]


def computing(x, seconds=0.2):
    """Doubles, after a time of the processor."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return 2 * x


def waiting(x):
    time.sleep(0.5)
    return 2 * x


@pytest.mark.parametrize("function", [computing, waiting])
def test_time_is_that_of_the_processor(function, monkeypatch):
    """While others compute, too, of whom there are four to a core."""
    monkeypatch.setattr(core, "CLOCK", 1000)
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 * os.cpu_count())]
    try:
        assert check(function, exercise_of(Doubles())).points == 3
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_threads_that_help_do_not_count(monkeypatch):
    monkeypatch.setattr(core, "CLOCK", 1000)

    def helped(x):
        helpers = [threading.Thread(target=computing, args=(x,)) for _ in range(4)]
        for helper in helpers:
            helper.start()
        for helper in helpers:
            helper.join()
        return 2 * x

    assert check(helped, exercise_of(Doubles())).points == 3


def test_the_timer_is_off_afterwards():
    before = signal.getsignal(signal.SIGALRM)
    check(never_ending)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == before


def test_outside_of_the_main_thread_it_runs_without_a_timer():
    results = []
    thread = threading.Thread(target=lambda: results.append(check(right)))
    thread.start()
    thread.join()
    assert results[0].points == 5


def test_what_is_printed_is_counted_and_kept_out_of_the_way(capfd):
    def shouting(x):
        for i in range(1000):
            print("line", i)
            print("to stderr", file=sys.stderr)
        warnings.warn("and a warning", stacklevel=1)
        return x * 2

    result = check(shouting)
    assert result.points == 5
    text = report(result)
    assert capfd.readouterr() == ("", "")
    assert "printed 3,000 lines during the check, the first: line 0" in text
    assert len(text.splitlines()) < 8


def test_a_loop_that_prints_for_ever_fills_no_memory():
    def prints_for_ever(x):
        while True:
            print("x" * 1000)

    result = check(prints_for_ever)
    assert first(result).key == "too-long"
    assert max(len(outcome.printed) for outcome in result.outcomes) <= 2000
    assert "the first: xxxxx" in report(result)


def test_printing_without_a_line_end_and_an_empty_print_count_too():
    def prints(x):
        print("half a line", end="")
        return 2 * x

    assert "printed 1 line during the check, the first: half a line" in report(check(prints))
    assert "printed" not in report(check(right))


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "is not defined"),
        (torch.ones(3), "is a tensor of shape (3,), not a function"),
        (4, "is an int, not a function"),
        ("fit", "is a text, 'fit', not a function"),
    ],
)
def test_not_defined(value, words):
    result = check(value)
    assert result.points == 0 and first(result).key == "not-defined"
    end = "Run the cell in which you write it, then this one again."
    assert report(result) == f"Exercise 42 · Double: `double` {words}. {end}"


def test_two_functions_one_missing():
    exercise = Exercise(43, "Two", ("double", "treble"), (Doubles(), Zero()))
    text = report(grade(exercise, types.SimpleNamespace(double=right, treble=None)))
    assert text.startswith("Exercise 43 · Two: `treble` is not defined.")


def test_a_stub_reads_as_not_solved():
    result = check(stub)
    assert result.untouched and result.points == 0
    end = "Write double above, run that cell, then this one again."
    assert report(result) == f"Exercise 42 · Double: not solved yet. {end}"


def test_results_may_carry_gradients():
    assert check(lambda x: torch.nn.Parameter(x * 2)).points == 5


def test_a_check_works_whatever_the_default_device_and_dtype_are():
    try:
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float64)
        assert check(right).points == 5
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


def test_an_output_that_cannot_be_judged_ends_in_words():
    class Fragile(Doubles):
        def judge(self, outputs, x):
            return outputs["z"]

    result = check(right, exercise_of(Fragile()))
    assert first(result).key == "not-judged" and "KeyError" in first(result).text


# --- points, order, references


def test_points_are_those_of_what_holds():
    result = check(tripled, WITH_ADVICE)
    keys = [outcome.complaint and outcome.complaint.key for outcome in result.outcomes]
    assert [outcome.points for outcome in result.outcomes] == [0, 1, 0, 0]
    assert keys == ["tripled", None, "not-reached", "not-reached"]  # the last hangs on one not reached
    assert result.points == 1.0 and [c.key for c in result.complaints] == ["tripled"]


@pytest.mark.parametrize("earned, points", [(7.0, 5.0), (-1.0, 0.0)])
def test_points_are_clamped(earned, points):
    assert core.Result(EXERCISE, [core.Outcome("", earned, 2, None, 0.0)]).points == points


def test_advice_costs_nothing_and_is_shown():
    result = check(right, WITH_ADVICE)
    assert result.points == WITH_ADVICE.points == 5
    assert all(words in report(result) for words in ("i fast", "Could be faster.", "Points: 5 of 5."))
    assert "fast" not in report(check(tripled, WITH_ADVICE))


def test_a_reference_that_differs():
    assert check(right, reference=given(EXERCISE, lambda x: x + x)).points == 5
    result = check(right, reference=given(EXERCISE, lambda x: 2 * x + 0.1))
    assert {c.key for c in result.complaints} == {"differs"} and result.points == 0


def test_hidden_outputs_need_not_be_the_references():
    class Free(Doubles):
        hidden = ("",)

    assert check(right, exercise_of(Free()), reference=given(EXERCISE, lambda x: 5 * x)).points == 3


def test_cases_depend_on_the_seed_alone():
    seen = []

    def spy(x):
        seen.append(x)
        return 2 * x

    for seed in (0, 0, 1):
        check(spy, seed=seed)
    assert torch.equal(seen[0], seen[3]) and not torch.equal(seen[0], seen[6])
    assert not torch.equal(seen[0], seen[2])  # each property has its own


# --- what the student reads


def test_report_of_a_right_solution():
    assert report(check(right)).splitlines() == [
        "Exercise 42 · Double",
        "  ✓ double doubles     3 / 3",
        "  ✓ double of 0 is 0   1 / 1",
        "  ✓ after the first    1 / 1",
        "  Points: 5 of 5. All of it holds.",
    ]


def test_report_of_a_wrong_solution():
    assert report(check(lambda x: x / 2)).splitlines() == [
        "Exercise 42 · Double",
        "  ✗ double doubles     0 / 3",
        "      Halved.",
        "  ✓ double of 0 is 0   1 / 1",
        "  · after the first    0 / 1",
        "      Not tried: first mend what is wrong above.",
        "  Points: 1 of 5.",
    ]


def test_the_same_complaint_is_said_once():
    text = report(check(lambda x: None))
    assert text.count("Is the `return` missing?") == 1 and "(the same as above)" in text


def test_long_complaints_are_wrapped():
    class Long(Doubles):
        def judge(self, outputs, x):
            return Complaint("long", "word " * 100)

    assert max(map(len, report(check(right, exercise_of(Long()))).splitlines())) <= 96


def test_called_in_a_notebook(capsys):
    notebook = {"check": EXERCISE, "right": right}
    exec("double = right\npoints = check()\nagain = check(lambda x: 3 * x)", notebook)
    assert notebook["points"] == 5.0 and notebook["again"] == 1.0
    captured = capsys.readouterr()
    assert captured.out.count("Exercise 42 · Double") == 2 and captured.err == ""
    exec("del double\npoints = check()", notebook)
    assert notebook["points"] == 0.0 and "`double` is not defined" in capsys.readouterr().out


def test_called_with_too_many_functions():
    with pytest.raises(TypeError, match="takes 1 functions"):
        EXERCISE(right, right)


# --- the small helpers


def test_items():
    assert core.items("f()", (1, 2), 2, "one, two") == (1, 2)
    for value, key in ((None, "none"), ((1,), "not-a-tuple"), (torch.ones(2), "not-a-tuple")):
        with pytest.raises(Problem) as caught:
            core.items("f()", value, 2, "one, two")
        assert caught.value.complaint.key == key and "one, two" in caught.value.complaint.text


@pytest.mark.parametrize(
    "a, b, same",
    [
        ([1.0], [1.00005], True),
        ([1.0], [1.001], False),
        ([1000.0], [1000.05], True),
        ([float("nan")], [1.0], False),
        ([1.0], [float("nan")], False),
        ([], [], True),
        ([1.0], [1.0, 1.0], False),
    ],
)
def test_close(a, b, same):
    assert core.close(torch.tensor(a), torch.tensor(b)) is same


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "None"),
        (torch.ones(3), "a tensor of shape (3,)"),
        (np.ones((2, 1)), "a NumPy array of shape (2, 1)"),
        ((1, 2), "a tuple of 2"),
        ("text", "a text, 'text'"),
        (7, "an int"),
        (io.StringIO(), "a StringIO"),
    ],
)
def test_describe(value, words):
    assert core.describe(value) == words


# --- all the exercises


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: str(e.number))
def test_every_exercise_bears_every_kind_of_nonsense(exercise, capfd):
    """Functions that give None, that raise, that are stubs or not there: a report in words, nothing else."""

    def broken(*args, **kwargs):
        raise ValueError("broken")

    def unsolved(*args, **kwargs):
        raise NotImplementedError("yours to write")

    for function in (lambda *args, **kwargs: None, broken, unsolved, None):
        result = grade(exercise, given(exercise, *[function] * len(exercise.functions)))
        said = report(result)
        assert 0 <= result.points < exercise.points and result.complaints
        assert "not-judged" not in {c.key for c in result.complaints}
        assert said.startswith(f"Exercise {exercise.number} · {exercise.title}")
        assert result.untouched == (function is unsolved)
        assert ("is not defined" in said and "\n" not in said) == (function is None)
    assert capfd.readouterr() == ("", "")


MEMORY = {}


def from_memory(x):
    return MEMORY.setdefault(tuple(x.flatten().tolist()), 2 * x)


def from_a_default(x, memory=[]):  # noqa: B006
    return memory[0] if memory else (memory.append(3 * x), 3 * x)[1]


def counts_its_calls(x):
    global CALLS
    CALLS += 1
    return 2 * x + CALLS


CALLS = 0


def forgets_a_variable(x):
    globals().pop("ONCE", None)
    return 3 * x if "ONCE" in globals() and ONCE else 4 * x  # noqa: F821


def from_a_list_that_holds_itself(x):
    return 3 * x + 0 * len(HOLDS_ITSELF)


ONCE, HOLDS_ITSELF = 1, [1]
HOLDS_ITSELF += [HOLDS_ITSELF, HOLDS_ITSELF]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (from_a_default, "memory"),
        (counts_its_calls, "CALLS"),
        (lambda x: 3 * x, ""),
        (forgets_a_variable, "ONCE"),
        (from_a_list_that_holds_itself, ""),
    ],
)
def test_what_outlives_a_call_is_told_with_what_is_wrong(function, name):
    text = first(check(function)).text
    assert (f"also writes into `{name}`, outside of the function" in text) == bool(name), text


def test_a_memory_that_gives_what_is_right_is_no_mistake():
    assert not check(from_memory).complaints and MEMORY


def test_exercises_are_in_order_and_have_different_numbers():
    numbers = [exercise.number for exercise in EXERCISES]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("function", [unpacking_the_stub, using_the_stub, handing_the_stub_on])
def test_a_stub_of_which_only_raise_was_deleted(function):
    complaint = first(check(function))
    assert complaint.key == "placeholder" and "Replace each `...` by your code." in complaint.text


def test_a_stub_whose_value_is_returned():
    assert "`double(x)` gives the `...` of the stub, to be replaced" in first(check(giving_the_stub)).text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("none", None),
        ("not-a-number", "3"),
        ("not-a-number", True),
        ("not-a-number", 1j),
        ("not-a-number", torch.tensor(1j)),
        ("shape", torch.ones(1)),
        ("not-finite", float("nan")),
    ],
)
def test_what_is_not_one_number_is_told(key, value):
    with pytest.raises(core.Problem) as caught:
        core.number("`f(x)` gives", value)
    assert caught.value.complaint.key == key
    assert core.number("`f(x)` gives", torch.tensor(2.0, requires_grad=True)) == 2
