"""What answers an exercise is not in the sandbox: not in its files, not in what an exercise asks there."""

import dataclasses
import functools
import importlib
import inspect
import json
import pkgutil
import re
import types

import pytest
import torch

import course_lib
from autograder import judge, preparation, questions, release, sandbox
from course_lib.check import core
from lessons import build
from lessons.build import STUDENT
from lessons.bundle import write_folder

from .helpers import exercises_only
from .mangle import place

EXERCISES = questions.exercises()
LESSON_OF = {name: number for name, (number, _, _) in release.reference().exercises.items()}


def lesson_of(name):
    return LESSON_OF[EXERCISES[name].functions[0]]


def names_below(prop, *methods):
    """The names of the checks' own functions and classes that methods of a property use, at any depth."""
    found, queue = set(), [getattr(type(prop), method) for method in methods]
    seen = set(queue)
    while queue:
        function = inspect.unwrap(queue.pop())
        codes = [function.__code__]
        for code in codes:
            codes += [const for const in code.co_consts if isinstance(const, types.CodeType)]
        for name in {name for code in codes for name in code.co_names}:
            method = None if name in ("inputs", "judge", "call") else getattr(type(prop), name, None)
            value = function.__globals__.get(name)
            home = getattr(value, "__module__", "")
            is_property = isinstance(value, type) and issubclass(value, core.Property)
            in_check = home.startswith("course_lib.check.")
            if in_check and home.rpartition(".")[2] not in questions.LIBRARY and not is_property:
                found.add(name)
            parts = vars(value).values() if isinstance(value, type) and not is_property else ()
            functions = filter(inspect.isfunction, (method, value, *parts))
            more = {function for function in functions if "lib.check" in function.__module__} - seen
            seen |= more
            queue += more
    return found


@pytest.mark.parametrize("name", EXERCISES)
def test_a_question_has_nothing_that_only_its_judge_needs(name):
    text, props = "\n".join(text for _, text in questions.modules_of(name)), EXERCISES[name].properties
    asked = set().union(*(names_below(prop, "call") for prop in props))
    judged = set().union(*(names_below(prop, "inputs", "judge") for prop in props))
    assert len(judged) > 2 and not (judged - asked) & set(re.findall(r"\w+", text))
    assert not re.search(r"(?m)def (judge|inputs)\b|^ *[\"']{3}", text)
    assert not [said for prop in props for said in getattr(prop, "mistakes", ()) if repr(said) in text]


NOT_THERE = {5: (b"rotmat_to_steady_rotvec",), 6: (b"elliptical_volume", b"elliptical_model")}
KNOW_NO_ANSWERS = ("/core.py", "/devices.py", "/places.py", "/raised.py")


@pytest.mark.parametrize("number", release.lessons())
def test_no_formula_of_the_checks_lies_in_the_sandbox(number):
    content = questions.files(number)
    for path, data in content.items():
        if path.startswith("course_lib/check/") and not path.endswith(KNOW_NO_ANSWERS):
            assert len(data) < 2000 and b"torch" not in data, path
    everywhere = b"\n".join(data for path, data in content.items() if path.endswith(".py"))
    for word in NOT_THERE.get(number, (b"spare_renderer.View", b"def descend")):
        assert word not in everywhere


def functions_of_the_course():
    """All functions of course_lib but the checks'. -> {"module.name": function}"""
    names = [module.name for module in pkgutil.walk_packages(course_lib.__path__, "course_lib.")]
    modules = [
        importlib.import_module(name) for name in names if not re.search(r"check|kaolin_backend", name)
    ]
    values = [value for module in modules for value in vars(module).values() if inspect.isfunction(value)]
    return {f"{value.__module__}.{value.__qualname__}": value for value in values}


def earned(exercise, functions):
    """The names of the properties with points that hold."""
    outcomes = core.grade(exercise, types.SimpleNamespace(**functions)).outcomes
    return {outcome.name for outcome in outcomes if outcome.points}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_no_other_function_of_the_course_answers_an_exercise(name):
    """Each function of course_lib in the place of each that is asked for, the others solved."""
    exercise = EXERCISES[name]
    solved = vars(judge._reference_of(exercise))
    anyway = {*exercise.withheld, "course_lib.rotations.rotmat_to_rotvec"}  # the latter is given: it jumps
    for function in exercise.functions:
        arguments = [
            p for p in inspect.signature(solved[function]).parameters.values() if p.default is p.empty
        ]
        without = earned(exercise, solved | {function: lambda *_: None})
        for path, candidate in functions_of_the_course().items():
            try:
                inspect.signature(candidate).bind(*arguments)
            except TypeError:
                continue
            if path not in anyway:
                assert earned(exercise, solved | {function: candidate}) <= without, path


def by_exact_refraction(borrowed, depth, distance, altitude, index=1.34):
    leaf, zero = depth.detach().clone().requires_grad_(), torch.zeros_like(depth)
    points = torch.stack([distance, -leaf, zero], -1).reshape(-1, 1, 3)
    eye = torch.stack([zero, altitude, zero], -1).reshape(-1, 3)
    q = -borrowed(points, eye, index)[:, 0, 1].reshape(depth.shape)
    return q, torch.autograd.grad(q.sum(), leaf)[0]


def by_elliptical_volume(borrowed, length, *axes):
    bodies = zip(length.reshape(-1), *(x.reshape(-1, x.shape[-1]).detach().numpy() for x in axes))
    volumes = [borrowed(float(one), *of_one) for one, *of_one in bodies]
    return torch.tensor(volumes).reshape(length.shape)


# How an exercise is answered by what is withheld, where its arguments are others.
ANSWERS = {"apparent_depth": by_exact_refraction, "volume_from_widths": by_elliptical_volume}


@pytest.mark.parametrize("name", [name for name in EXERCISES if EXERCISES[name].withheld])
def test_what_is_withheld_answers_but_while_it_is_withheld(name):
    exercise = EXERCISES[name]
    path = exercise.withheld[-1]
    module, _, function = path.rpartition(".")
    borrowed = getattr(importlib.import_module(module), function)
    answer = functools.partial(ANSWERS.get(name, lambda borrowed, *inputs: borrowed(*inputs)), borrowed)
    solved = vars(judge._reference_of(exercise)) | {exercise.functions[-1]: lambda *inputs: answer(*inputs)}
    given_away, given = dataclasses.replace(exercise, withheld=()), types.SimpleNamespace(**solved)
    result = core.grade(given_away, given)
    assert result.points > exercise.points / 2
    assert "borrowed" in {complaint.key for complaint in core.grade(exercise, given).complaints}
    index = max(n for n, outcome in enumerate(result.outcomes) if outcome.complaint is None)
    prop = exercise.properties[index]
    inputs = prop.inputs(core.rng_of(exercise, index, 0))
    with core.withheld(exercise):
        _, complaint, _ = core.attempt(prop, given, inputs, 5)
    assert complaint.key == "borrowed"
    assert core.attempt(prop, given, inputs, 5)[1] is None


# --- in the sandbox


class Box:
    """A lesson's warm sandbox, and its notebook solved but for a cell."""

    def __init__(self, number, box):
        self.number, self.box, self.expected = number, box, judge.ExpectedCache()
        self.stem = release.lessons()[number].stem

    def record(self, name, source, before=""):
        """An exercise's cell replaced by a source, in which {SOLVED} is its solution. -> record"""
        notebook = exercises_only(build.build(release.lessons()[self.number], solved=True))
        cell = notebook.cells[place(notebook, name)]
        cell.source = before + source.replace("{SOLVED}", cell.source)
        steps = preparation.steps_of(notebook, (STUDENT / f"{self.stem}.ipynb").read_text())
        record = judge.judge_submission(steps, self.stem, 4711, self.box, self.expected)
        json.dumps(record)
        return record


@pytest.fixture(scope="module", params=[3, 4, 6])
def any_box(request, tmp_path_factory):
    bundle = tmp_path_factory.mktemp("lesson") / "bundle"
    write_folder(bundle, questions.files(request.param))
    with sandbox.Sandbox("bwrap", bundle) as box:
        yield Box(request.param, box)


def points(record):
    return {name: exercise["points"] for name, exercise in record["exercises"].items()}


SPARE = {
    "imported": "from course_lib.check.spare_renderer import dibr_rendering",
    "by its module": "import course_lib.check as c\nimport course_lib.check.spare_renderer\n"
    "dibr_rendering = lambda *a: c.spare_renderer.dibr_rendering(*a)",
    "when it is called": """import sys
def dibr_rendering(*a, **k):
    return getattr(sys.modules["course_lib.check." + "spare_renderer"], "dibr_rendering")(*a, **k)""",
    "from all that is there": """import gc, types
def dibr_rendering(*a, **k):
    gc.unfreeze()
    for f in gc.get_objects():
        if isinstance(f, types.FunctionType) and f.__name__ == "dibr_rendering" and f is not dibr_rendering:
            if "spare" in f.__module__: return f(*a, **k)""",
    "from all files": """import os, re
found = {}
for folder, _, files in os.walk("/course"):
    for name in files:
        text = open(os.path.join(folder, name), errors="ignore").read() if name.endswith(".py") else ""
        if "def dibr_rendering(" in text and "solutions" not in folder: exec(text, found)
dibr_rendering = found.get("dibr_rendering")""",
    "kept from a process before": """import pickle
from course_lib.check import core
def dibr_rendering(*a, **k):
    return pickle.load(open("/tmp/work/spare", "rb"))(*a, **k)
real = core.attempt
def attempt(prop, *rest):
    module = __import__("sys").modules[type(prop).__module__]
    open("/tmp/work/spare", "w").write(repr(vars(module).get("SPARE_PARTS")))
    global dibr_rendering
    if "SPARE_PARTS" in vars(module): dibr_rendering = module.SPARE_PARTS["dibr_rendering"]
    return real(prop, *rest)
core.attempt = attempt""",
}
# What writes in `fit` what a right loop leaves behind, and fits nothing.
LOOPS = {
    "the log": """
    stage = render.__closure__[0].cell_contents
    stage.log.extend([0, 1, 2] * 6)
    stage.scored, stage.first = 6, torch.tensor([0.8, 0.1, 0.05])
    return [dict(photometric=0.8, mask=0.1, prior=0.05, loss=0.95) for _ in range(steps)]""",
    "what others read": """
    stage, numbers = render.__closure__[0].cell_contents, torch.rand(6 * steps // 2, 21)
    stage.snapshots, stage.frames_seen = list(numbers), list(loader.order(0).repeat(steps).split(2))
    type(stage).values = lambda self: numbers[-1][: 3 * len(loader.colours) + 3]
    return [dict(photometric=0.8, mask=0.1, prior=0.05, loss=0.95) for _ in range(steps)]""",
    "the screen, if it is here": """
    import gc
    gc.unfreeze()
    [screen] = [x for x in gc.get_objects() if type(x).__name__ == "Screen"]
    return screen.gains""",
    "frames of the caller": """
    import sys
    frame = sys._getframe()
    while frame:
        assert "gains" not in str(frame.f_locals.get("inputs", "")), "SEEN"
        frame = frame.f_back
    return []""",
    "nonsense to the screen": """
    render.__closure__[0].cell_contents.ask("render", t=torch.arange(2), places=torch.zeros(7))""",
    "questions for ever": """
    zeros, [frames, *_] = torch.zeros(2, 2, 2, 3), loader
    render(scene, frames["t"], frames["cam"])
    while True:
        ask = render.__closure__[0].cell_contents.ask
        ask("pull", number=torch.tensor(0), image=zeros, silhouette=zeros[..., :1])""",
    "gradients of what was not rendered": """
    zeros, ask = torch.zeros(1, 2, 2, 3), render.__closure__[0].cell_contents.ask
    ask("pull", number=torch.tensor(0), image=zeros + 0.25, silhouette=zeros[..., :1] + 0.25)""",
    "outputs of its own": """
    from course_lib.check import core
    real = core.played
    def played(prop, given, inputs):
        n = 3 * len(inputs["order"]) + 3
        return {"values": torch.zeros(6, n), "end": torch.zeros(n), "first": torch.zeros(3),
                "frames": inputs["order"].repeat(2), "scored": torch.tensor(6), "events": torch.arange(4),
                "shifts": torch.zeros(6), "history": torch.zeros(3, 4)}
    core.played = played
    return []""",
}
FIT = "import torch\ndef fit(scene, loader, render, compute_loss, optimizer, steps):"
# What goes through the clip, renders and scores, and leaves out to fit: as much as it earns in the notebook.
NO_FIT = {
    "a step that notes itself": "import torch\nreal = torch.optim.SGD.step\n"
    "torch.optim.SGD.step = lambda self, closure=None: None\n{SOLVED}",
    "steps by formulas of old": f"""{FIT}
    stage, history = render.__closure__[0].cell_contents, []
    for step in range(steps):
        for frames in loader:
            frames = {{name: value.to("cpu") for name, value in frames.items()}}
            terms = compute_loss(scene, frames, *render(scene, frames["t"], frames["cam"]))
            x, y = scene.translations.data[frames["t"], 0], frames["original"][:, 0, 0]
            scene.translations.data[frames["t"], 0] -= 0.4 * 2 * (x - y) / x.numel()
            stage.log.extend([1, 2])
        history.append({{**{{k: float(v) for k, v in terms.items()}}, "loss": float(sum(terms.values()))}})
    return history""",
}


# The course's own refraction, called as a student might.
EXACTLY = """import torch
from course_lib import refraction
def apparent_depth(depth, distance, altitude, index=1.34):
    leaf, zero = depth.clone().requires_grad_(), torch.zeros_like(depth)
    points = torch.stack([distance, -leaf, zero], -1).reshape(-1, 3)
    eye = torch.stack([zero, altitude, zero], -1).reshape(-1, 3)
    q = -SEEN[:, 0, 1].reshape(depth.shape)
    return q, torch.autograd.grad(q.sum(), leaf)[0]"""
BORROWED = {
    "apparent_depth": [
        EXACTLY.replace("SEEN", "refraction.apparent_exactly(points[:, None], eye, index)"),
        EXACTLY.replace(
            "from", "seen = __import__('course_lib.refraction').refraction.apparent_exactly\nfrom"
        ).replace("SEEN", "seen(points[:, None], eye, index)"),
    ],
    "volume_from_widths": [
        "from course_lib.photogrammetry import elliptical_volume as volume_from_widths",
        "import course_lib.photogrammetry as p\nvolume_from_widths = lambda *a: p.elliptical_volume(*a)",
    ],
}


def borrowed_answers_give_none(box):
    full = {name: EXERCISES[name].points for name in EXERCISES if lesson_of(name) == box.number}
    for name, sources in BORROWED.items():
        for source in sources:
            record = box.record(name, source)
            assert points(record) == full | {name: 0.0}, source
            keys = {prop["key"] for prop in record["exercises"][name]["properties"]}
            assert keys & {"borrowed", "raised", "not-defined"}, keys


@pytest.mark.slow
def test_what_stands_where_the_answers_were_gives_none(any_box):
    if any_box.number == 6:
        borrowed_answers_give_none(any_box)
    elif any_box.number == 3:
        for how, source in SPARE.items():
            found = points(any_box.record("dibr", source))
            assert found == {"dibr": 0.0, "absorption": 10.0, "renderer": 10.0}, how
    else:
        for how, body in LOOPS.items():
            record = any_box.record("fitting", FIT + body)
            assert points(record) == {"fitting": 0.0} and "SEEN" not in json.dumps(record), how
        for how, source in NO_FIT.items():
            record = any_box.record("fitting", source)
            held = [p["name"] for p in record["exercises"]["fitting"]["properties"] if p["points"]]
            assert not [name for name in held if re.search("gradient|range|history", name)], how
            assert sum(points(record).values()) <= 2, how
