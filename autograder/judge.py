"""Decides what a submission earns: fresh inputs go in, arrays come out, and the decision falls here, out of
students' reach.

`judge_submission` (the design's RemoteJudge) makes a record of one submission, in three acts:

1. The notebook runs in the sandbox, without its check cells. At each check the functions asked for are put
   by. Pictures shown between an exercise and its check are kept for the feedback.
2. Each property of each exercise is tried with its public case, the one that the check in the notebook uses.
   What is wrong, and which mistake it probably is, comes from here: the student has seen the same.
3. Each property that held is tried with a hidden case, which comes from the run's seed and is the same for
   everybody. It earns its points if what comes out satisfies the property AND equals what `solutions` makes
   of it. Nothing that the student's process says from now on is ever shown, for it has seen hidden inputs.

In acts 2 and 3 the property's `inputs` and `judge` run here, its `call` in the sandbox (`questions` says what
of the checks gets there). Whatever a student's process does, it can only send arrays. If it dies, the case
that it died of is lost, a new one takes its place, and the other exercises keep their chance.

`ReferenceJudge` does acts 2 and 3 within one process, for `nbgrader autograde`: it trusts that process.
"""

import contextlib
import importlib
import io
import os
import secrets
import time
import types
from dataclasses import replace

import torch

from course_lib import check
from course_lib.check import core
from course_lib.check.core import Complaint
from course_lib.errors import fold

from . import questions, release
from .allowance import Allowance
from .sandbox import Lost

PUBLIC = 0  # the seed of the cases that students see
REOPENINGS = 8  # new processes for one submission, after it lost one
VERDICTS_SECONDS = 120.0  # of the processor, for the verdicts on one submission together
LEAST_SECONDS = 2.0  # for one verdict, where the others have used up the time: a right answer needs far less
SLACK = 4  # times as many entries as the reference's, of outputs whose length may differ
MOST_PICTURES = 3_000_000  # characters of base64 in a record

HIDDEN_FAILED = fold("""It holds for the case that your notebook's check uses, but not for a fresh one of the
        same kind. Is something computed for that one case alone, or does it depend on chance, or on how long
        it has been running?""")


class Reported(Complaint):
    """A complaint that came from the student's process: its text, and whether it is true, is theirs."""


# --- what is right


def _reference_of(exercise):
    """The functions of `solutions` for an exercise, as a namespace."""
    homes = release.reference().exercises
    modules = {name: importlib.import_module(f"solutions.{homes[name][2]}") for name in exercise.functions}
    return types.SimpleNamespace(**{name: getattr(module, name) for name, module in modules.items()})


class ExpectedCache:
    """Cases and what the reference makes of them: computed once per worker, for all submissions of a run.

    All of it on the CPU, as in the notebook's check.
    """

    def __init__(self):
        self.known = {}

    def case(self, exercise, index, seed):
        """-> (inputs, outputs of the reference), dicts of tensors"""
        key = exercise.number, index, seed
        if key not in self.known:
            prop = exercise.properties[index]
            inputs = core.case_of(exercise, index, seed)
            with contextlib.redirect_stderr(io.StringIO()):  # a progress bar's
                outputs = core.played(prop, _reference_of(exercise), core.clone(inputs))
            self.known[key] = inputs, {name: value.detach() for name, value in outputs.items()}
        inputs, outputs = self.known[key]
        return core.clone(inputs), outputs


def _misshapen(outputs, expected, varying):
    """What is odd about arrays that came out, before anything is computed with them. -> Complaint or None

    dtype and shape must be the reference's, but for the first length of those that may vary (a history of
    more steps), within bounds.
    """
    for name, right in expected.items():
        value = outputs.get(name)
        if value is None or value.dtype != right.dtype or value.dim() != right.dim():
            return Complaint.of(f"unusable: No usable `{name}` came out of it.")
        free = int(name in varying)
        if value.shape[free:] != right.shape[free:] or value.numel() > SLACK * right.numel() + 1000:
            got, wanted = tuple(value.shape), tuple(right.shape)
            return Complaint.of(f"shape: It gives shape {got}, expected {wanted}.")
    return None


def _overlooked(outputs, expected):
    """What a property's judge that speaks of NaN itself may not have seen. -> Complaint or None"""
    for name, right in expected.items():
        if right.is_floating_point() and not outputs[name].isfinite().all():
            return Complaint.of(f"not-finite: Some of `{name}` is NaN or infinite.")
    return None


def public_verdict(prop, outputs, inputs, expected):
    """What the property says of the public case, and what is odd about its outputs. -> Complaint or None"""
    return (
        _misshapen(outputs, expected, prop.varying)
        or core.verdict(prop, {name: outputs[name] for name in expected}, inputs)
        or _overlooked(outputs, expected)
    )


def hidden_verdict(prop, outputs, inputs, expected):
    """Whether a property holds for a hidden case. -> bool"""
    if public_verdict(prop, outputs, inputs, expected) is not None:
        return False
    shared = {name: value for name, value in expected.items() if name not in prop.hidden}
    return core.compare(outputs, shared, prop) is None


class Patience:
    """How long, of the processor, the verdicts on one submission may take together.

    They are made outside of the sandbox, of arrays that may have been chosen to make them slow.
    """

    def __init__(self, seconds=VERDICTS_SECONDS):
        self.left = seconds

    def ask(self, verdict, *arguments):
        """What a verdict says, or a Complaint where the time is over before it has said anything."""
        start = time.thread_time()
        try:
            with core.time_limit(max(self.left, LEAST_SECONDS)):
                return verdict(*arguments)
        except core.TooLong:
            return Complaint.of("""not-judged: What your code gives is so unlike what is right that no verdict
                came in the time there is for it. Somebody looks at it by hand.""")
        finally:
            self.left -= time.thread_time() - start


# --- one submission in its sandbox


def withheld():
    """The functions of the course that would answer an exercise. -> tuple of names, sorted"""
    return tuple(sorted({path.rpartition(".")[2] for one in check.EXERCISES for path in one.withheld}))


def _refused(found):
    """What a student's functions called that answers the exercise, as the sandbox noticed. -> list of text"""
    keys = {prop["key"] for properties in found.values() for prop in properties}
    return ["a function that does what is asked"] * ("borrowed" in keys)


class Performance:
    """A submission that runs in a sandbox, and is started again where it was lost. Used in a `with`.

    within: seconds that it has, by the clock, None for all that Limits give.
    """

    def __init__(self, sandbox, steps, within=None):
        self.sandbox, self.steps = sandbox, steps
        self.session, self.poisoned, self.lost = None, set(), 0
        self.errors, self.pictures, self.notes, self.devices = {}, [], [], ""
        self.allowance = Allowance(sandbox.limits, within)  # of all sessions together

    def __enter__(self):
        while self.session is None and not self.over():
            self.begin(first=True)
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.session is not None:
            self.devices = self.said_of_devices()
            self.session.close()
            self.session = None

    def said_of_devices(self):
        """What is said of lines that ask for a GPU, as far as they have run. -> text, "" without any"""
        return self.session and self.session.devices or self.devices

    def over(self):
        return self.lost > REOPENINGS or self.allowance.over

    def begin(self, first=False):
        """Opens a session and runs the steps. One that is lost on the way is left out the next time."""
        self.session = self.sandbox.open(self.allowance)
        if first:
            self.errors, self.pictures = {}, []
        for step in self.steps:
            if step in self.poisoned or not (first or step.again):
                continue
            try:
                if step.take:
                    self.session.take(step.take)
                    continue
                cell = self.session.run(step.source, pictures=first and step.exercise is not None)
            except Lost as lost:
                self.end()
                self.lost += 1
                self.poisoned.add(step)
                if first:
                    self.notes.append(f"A cell did not come to its end: {lost}.")
                return
            if first:
                self.note(step, cell)

    def note(self, step, cell):
        """Keeps the error and the pictures of a cell that was run."""
        if cell.error:
            self.errors[step.cell] = ": ".join(part for part in cell.error if part)
        room = MOST_PICTURES - sum(len(picture["png"]) for picture in self.pictures)
        for png in cell.pictures:
            if (room := room - len(png)) >= 0:
                self.pictures.append({"exercise": step.exercise, "png": png})

    def call(self, name, index, inputs, seconds):
        """What the student's functions make of a case. -> (outputs, None), or (None, Complaint)

        A process that is lost over it is replaced before the next call.
        """
        while self.session is None:
            if self.over():
                return None, Complaint.of("""lost: It could not be tried: the notebook's process ended too
                    often, or took too long.""")
            self.begin()
        seconds = min(seconds, self.sandbox.limits.call_seconds)
        try:
            outputs, complaint = self.session.call(name, index, inputs, seconds)
        except Lost as lost:
            self.end()
            self.lost += 1
            return None, Complaint.of(f"lost: No answer came: {lost}.")
        if complaint is None:
            return outputs, None
        key, text = complaint
        return None, Reported(key if key in questions.keys_of(name) else "other", text)


class Postponed(Exception):
    """A submission takes longer than it was given: it is judged anew after the others."""


def judge_submission(steps, lesson, seed, sandbox, expected, within=None):
    """Runs and judges a notebook. -> record, a dict that JSON can hold

    steps: what of it runs, of preparation; lesson: its stem; seed: of the run's hidden cases, not 0; sandbox:
    a Sandbox that was entered; expected: ExpectedCache; within: seconds by the clock, after which Postponed
    is raised; None for all that Limits give.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        names = [step.take for step in steps if step.take]
        telling = {name for name in names if questions.answered_by(name) & set(names)}
        exercises = {name: getattr(check, name) for name in sorted(names, key=telling.__contains__)}
        with Performance(sandbox, steps, within) as performance:
            acts, patience = exercises.items(), Patience()
            found = {
                name: public_act(performance, name, exercise, expected, patience) for name, exercise in acts
            }
            devices = performance.said_of_devices()
            if telling:
                performance.end()  # what it heard answers others: these are asked of a new process
            for name, exercise in acts:
                hidden_act(performance, name, exercise, found[name], seed, expected, patience)
    finally:
        torch.set_num_threads(threads)
    if within is not None and performance.allowance.late:
        raise Postponed
    return {
        "assignment": lesson,
        "status": "graded",
        "exercises": {name: _summary(exercises[name], properties) for name, properties in found.items()},
        "cells": [{"cell": cell, "error": error} for cell, error in performance.errors.items()],
        "notes": performance.notes,
        "pictures": performance.pictures,
        "devices": devices,
        "borrowed": _refused(found),
    }


def public_act(performance, name, exercise, expected, patience):
    """Tries the properties with their public cases.

    -> for each {"name", "points": 0, "of", "key", "text", "reported"}; reported: key and text are not ours
    """

    def tried(index, prop, seconds):
        with performance.allowance.not_theirs():
            inputs, right = expected.case(exercise, index, PUBLIC)
        outputs, complaint = performance.call(name, index, inputs, seconds)
        complaint = complaint or patience.ask(public_verdict, prop, outputs, inputs, right)
        return core.Outcome(prop.name, 0.0, prop.points, complaint, 0.0)

    found = []
    for outcome in core.in_turn(exercise, tried):
        key, text = outcome.complaint or (None, None)
        reported = isinstance(outcome.complaint, Reported)
        one = {"name": outcome.name, "points": 0.0, "of": float(outcome.of), "key": key, "text": text}
        found.append(one | {"reported": reported})
    return found


def hidden_act(performance, name, exercise, found, seed, expected, patience):
    """Gives the points of the properties that hold for the hidden case too."""
    failed = {type(prop) for prop, public in zip(exercise.properties, found) if public["key"] is not None}
    for index, (prop, public) in enumerate(zip(exercise.properties, found)):
        if public["key"] is not None or not prop.points:
            continue
        if not failed & set(prop.after):
            with performance.allowance.not_theirs():
                inputs, right = expected.case(exercise, index, seed)
            outputs, complaint = performance.call(name, index, inputs, prop.seconds)
            if complaint is None and patience.ask(hidden_verdict, prop, outputs, inputs, right) is True:
                public["points"] = float(prop.points)
                continue
        failed.add(type(prop))
        public |= {"key": "hidden", "text": HIDDEN_FAILED}  # always the same: else it would tell something


def _summary(exercise, properties):
    earned = sum(prop["points"] for prop in properties)
    return {"points": min(max(earned, 0.0), exercise.points), "of": exercise.points, "properties": properties}


# --- for nbgrader itself


class ReferenceJudge:
    """Judges within the notebook's own process, by hidden cases and `solutions`: for `nbgrader autograde`.

    It finds the wrong and the hard-coded, not the malicious: what a student's notebook runs can change
    whatever is in its process. DOLPHINS_SEED: the run's seed (nbgrader_config.py sets it, so it is the same
    for all students).
    """

    def grade(self, exercise, given):
        """-> core.Result: that of the public cases, with the points of those whose hidden case holds too"""
        seed = int(os.environ.get("DOLPHINS_SEED") or secrets.randbits(48) + 1)
        public = core.grade(exercise, given)
        hidden = core.grade(exercise, given, seed, _reference_of(exercise))
        outcomes = []
        for seen, fresh in zip(public.outcomes, hidden.outcomes):
            if seen.complaint is None and fresh.complaint is not None and seen.of:
                seen = replace(seen, points=0.0, complaint=Complaint("hidden", HIDDEN_FAILED))
            outcomes.append(seen)
        return replace(public, outcomes=outcomes)
