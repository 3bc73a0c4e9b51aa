"""The bank of exercise 7: loops with a mistake, each named rightly, and right ones written in other ways."""

import copy
import linecache
import time

import numpy as np
import pytest
import torch

from course_lib import check, losses
from course_lib.check import lesson4
from course_lib.check.core import close, grade, report, sides
from course_lib.check.lesson4 import ORDERS, Descends, Stage, case, descend
from course_lib.video import to_device
from solutions.fitting import fit

from .bank import assert_named, assert_right, given, mistakes

# A loop with named holes: each mistake fills one of them otherwise.
LOOP = """
def fit(scene, loader, render, compute_loss, optimizer, steps):
    {before}
    history = []
    for step in range({steps}):
        {begin}
        for frames in loader:
            {move}
            {zero}
            {render}
            {terms}
            {loss}
            {backward}
            {step}
            {clamp}
            {count}
        {end}
    {result}
"""
DEVICE = "scene.translations.device"
ZERO, BACKWARD, STEP, CLAMP = "optimizer.zero_grad()", "loss.backward()", "optimizer.step()", "scene.clamp_()"
SUM, NUMBERS = "sum(terms.values())", '{n: v.item() for n, v in {**terms, "loss": loss}.items()}'
COUNT = 'for n, v in {**terms, "loss": loss}.items(): sums[n] = sums.get(n, 0.0) + v.item()'
END = "history.append({n: v / len(loader) for n, v in sums.items()})"


def renders(arguments):
    return f"image, hard_mask, silhouette = render({arguments})"


def scores(arguments):
    return f"terms = compute_loss({arguments})"


def divided(by):
    """What is appended to the history: the sums, divided."""
    return f"history.append({{n: {by} for n, v in sums.items()}})"


def without(*holes):
    return dict.fromkeys(holes, "pass")


RIGHT = dict(
    before="pass",
    steps="steps",
    begin="sums = {}",
    move=f"frames = to_device(frames, {DEVICE})",
    zero=ZERO,
    render=renders('scene, frames["t"], frames["cam"]'),
    terms=scores("scene, frames, image, hard_mask, silhouette"),
    loss=f"loss = {SUM}",
    backward=BACKWARD,
    step=STEP,
    clamp=CLAMP,
    count=COUNT,
    end=END,
    result="return history",
)
OF_A_BATCH = ("render", "terms", "loss", "zero", "backward", "step", "clamp")
ONE_BATCH = "; ".join(RIGHT[name] for name in OF_A_BATCH)


def loop(**otherwise):
    """The loop, with its lines to be read as a notebook's are."""
    names = {"to_device": to_device, "torch": torch, "losses": losses, "copy": copy}
    source = LOOP.format(**{**RIGHT, **otherwise})
    cell = f"<cell of exercise 7, {hash(source)}>"
    linecache.cache[cell] = len(source), None, source.splitlines(keepends=True), cell
    exec(compile(source, cell, "exec"), names)
    return names["fit"]


def wrong(key, **otherwise):
    return key, loop(**otherwise)


def graded(function):
    return grade(check.fitting, given(check.fitting, function))


def first_words(function):
    """What is said first of a function."""
    return graded(function).complaints[0].text


rendered_twice = loop(zero=f"render(scene, frames['t'], frames['cam']); {ZERO}")
kept_loader = loop(before="loader = list(loader)")
STEP_BY_HAND = "scene.translations -= 0.4 * scene.translations.grad"
STEPS_BY_HAND = "for p in scene.parameters(): p.data -= 0.01 * (p.grad if p.grad is not None else 0)"
NEW_OPTIMIZER = "optimizer = torch.optim.SGD(scene.parameters(), lr=0.4)"
RUNNING_TOTAL = dict(before="total = 0.0", loss=f"loss = total = total + {SUM}")
CYCLE = "import itertools; many = len(loader); batches = itertools.cycle(list(loader))"
ZERO_AT_FIRST, STEP_AT_THE_END = f"sums = {{}}; {ZERO}", f"{END}; {STEP}; {CLAMP}"
ALL_AT_THE_END = f"{END}; {ZERO}; {BACKWARD}; {STEP}; {CLAMP}"
MEAN_OF_A_PASS = dict(
    begin="sums = {}; total = 0.0",
    loss=f"loss = {SUM}; total = total + loss",
    end=f"{END}; {ZERO}; (total / len(loader)).backward(); {STEP}",
)
ALL_BUT_THE_CAMERA = f"{{k: v.to({DEVICE}) if torch.is_tensor(v) else v for k, v in frames.items()}}"
SAME_DICT = "means.update({n: v / len(loader) for n, v in sums.items()}); history.append(means)"
MASKS_SWAPPED = RIGHT["render"].replace("hard_mask, silhouette", "silhouette, hard_mask")
LOSSES_ALONE = dict(begin="losses = []", count="losses.append(loss.item())")

SMOOTHED, SUMS = "0.9 * sums.get(n, v.item()) + 0.1 * v.item()", "history.append(sums)"
COUNT_ALL = "for n, v in terms.items(): sums[n] = sums.get(n, 0.0) + v.item()"
CLIPS = ["clip_grad_norm_(scene.parameters(), 1.0)", "clip_grad_value_(scene.parameters(), 0.3)"]
LATEST, ONE_BEFORE = "history[-1]['loss']", "history[-2]['loss']"
STOPS = [
    f"{END}\n        if {condition}: break"
    for condition in (
        f"step and {LATEST} > {ONE_BEFORE}",
        f"step and abs({LATEST} - {ONE_BEFORE}) < 1e-6",
        f"{LATEST} < 1e-4",
        f"step > 1 and {LATEST} > {ONE_BEFORE} > history[-3]['loss']",
    )
]
STOP_IN_A_PASS = "\n            if loss > last: return history\n            last = loss.item()"

MISTAKES = [
    # gradients
    wrong("no-zero-grad", zero="pass"),
    wrong("no-zero-grad", zero="pass", begin=ZERO_AT_FIRST),
    wrong("step-before-backward", backward=STEP, step=BACKWARD),
    wrong("step-before-backward", zero=f"{STEP}; {ZERO}", step="pass"),
    wrong("step-before-backward", zero="pass", backward=f"{STEP}; {ZERO}", step=BACKWARD),
    wrong("zero-grad-after-backward", zero="pass", backward=f"{BACKWARD}; {ZERO}"),
    wrong("no-step", step="pass"),
    wrong("detached", backward="pass"),
    wrong("detached", loss=f"loss = torch.tensor({SUM}.item(), requires_grad=True)"),
    wrong("detached", loss=f"loss = {SUM}.detach()"),
    wrong("loss-is-a-number", loss=f"loss = {SUM}.item()"),
    wrong("loss-is-a-number", loss="loss = sum(v.item() for v in terms.values())"),
    wrong("loss-is-a-dict", loss="loss = terms"),
    wrong("sums-names", loss="loss = sum(terms)"),
    wrong("loss-not-a-scalar", loss="loss = torch.stack(list(terms.values()))"),
    wrong("cut-off", terms=scores("scene, frames, image.detach(), hard_mask, silhouette")),
    wrong("cut-off", render="with torch.no_grad(): " + RIGHT["render"]),
    wrong("cut-off", terms=scores("scene, frames, image, hard_mask, silhouette.detach()")),
    wrong("term-left-out", loss='loss = terms["photometric"]'),
    wrong("term-left-out", loss='loss = terms["pose"]'),
    wrong("term-left-out", loss='loss = terms["photometric"] + terms["mask"]'),
    wrong("term-left-out", loss='loss = terms["mask"] + terms["pose"]'),
    wrong("term-left-out", loss='loss = terms["photometric"] + terms["pose"]'),
    wrong("mean-of-terms", loss=f"loss = {SUM} / len(terms)"),
    wrong("old-graph", **RUNNING_TOTAL, backward="loss.backward(retain_graph=True)"),
    wrong("old-graph", **RUNNING_TOTAL),
    wrong("old-graph", backward=f"{BACKWARD}; {BACKWARD}"),
    wrong("gradient-twice", backward=f"loss.backward(retain_graph=True); {BACKWARD}"),
    wrong("gradient-twice", loss=f"terms['loss'] = {SUM}; loss = sum(terms.values())", count=COUNT_ALL),
    wrong("weights-twice", loss="loss = sum(losses.LOSS_WEIGHTS[n] * v for n, v in terms.items())"),
    *(
        wrong("loss-divided", loss=f"loss = {SUM} / {by}")
        for by in ("len(frames['t'])", "len(loader)", "steps")
    ),
    *(wrong("clipped", backward=f"{BACKWARD}; torch.nn.utils.{clip}") for clip in CLIPS),
    wrong("sign", backward="(-loss).backward()"),
    *(wrong("other-loss", backward=f"loss.{change}().backward()") for change in ("log", "sqrt")),
    wrong("other-loss: largest", loss="loss = max(terms.values())"),
    wrong("other-loss", loss="loss = torch.stack(list(terms.values())).prod()"),  # clamped at once
    wrong("other-loss: without their signs", loss="loss = sum(value.abs() for value in terms.values())"),
    wrong("values-not-called", loss="loss = sum(terms.values)"),
    wrong("sums-names", count="for n, v in terms: sums[n] = v.item()"),
    wrong("three-things", render="image, silhouette = render(scene, frames['t'], frames['cam'])"),
    # the optimiser
    wrong("rates-changed", end=f"{END}; optimizer.param_groups[0]['lr'] *= 0.9"),
    wrong("wrong-steps", step=f"if step % 2: {STEP}"),
    wrong("not-the-optimizer", zero=NEW_OPTIMIZER, before="mine = optimizer"),
    wrong("not-the-optimizer", step=f"with torch.no_grad(): {STEP_BY_HAND}"),
    wrong("not-the-optimizer", step=STEPS_BY_HAND),
    wrong("in-place-parameter", step=STEP_BY_HAND),
    wrong("two-steps", step=f"{STEP}; {STEP}"),
    # loops
    wrong("one-pass", steps="1"),
    wrong("one-pass", end=f"{END}; return history"),
    wrong("passes", steps="steps + 1"),
    wrong("passes", steps="1, steps"),
    ("passes", rendered_twice),
    ("loader-kept", kept_loader),
    wrong("loader-kept", before=CYCLE, begin="sums = {}; loader = [next(batches) for _ in range(many)]"),
    wrong("loader-order", begin="sums = {}; number = len(list(loader))"),
    *(wrong("stops-early", before="worst = 1e9", count=COUNT, end=stop) for stop in STOPS),
    wrong("stops-early", before="last = 1e9", count=f"{COUNT}{STOP_IN_A_PASS}"),
    wrong(
        "batch-left-out",
        begin="sums, i = {}, 0",
        count=f"{COUNT}\n            i += 1\n            if i == 2: break",
    ),
    wrong("first-batch-only", count=f"{COUNT}\n            break"),
    wrong("last-batch-only", **without("zero", "backward", "step", "clamp"), end=ALL_AT_THE_END),
    wrong("last-batch-only", **without("step", "clamp"), end=STEP_AT_THE_END),
    wrong("last-batch-only", **without(*OF_A_BATCH, "count"), end=f"{ONE_BATCH}; history.append({NUMBERS})"),
    wrong("one-step-per-pass", begin=ZERO_AT_FIRST, **without("zero", "step", "clamp"), end=STEP_AT_THE_END),
    wrong("one-step-per-pass", **MEAN_OF_A_PASS, **without("zero", "backward", "step", "clamp")),
    # arguments
    wrong("argument-order", render=renders('scene, frames["cam"], frames["t"]')),
    wrong("argument-order", render=renders('frames["t"], frames["cam"], scene')),
    wrong("argument-order", render=renders("scene, frames, frames")),
    wrong("argument-order", render=renders('scene, step, frames["cam"]')),
    wrong("argument-order", render=MASKS_SWAPPED),
    wrong("argument-order", terms=scores("scene, frames, silhouette, image, hard_mask")),
    wrong("argument-order", terms=scores('scene, frames, frames["original"], hard_mask, silhouette')),
    wrong("argument-order", terms=scores("frames, scene, image, hard_mask, silhouette")),
    wrong("argument-order", terms=scores("scene, frames, image, hard_mask")),
    wrong("not-moved", move="pass"),
    wrong("not-moved", move=f'frames["t"] = frames["t"].to({DEVICE})'),
    wrong("not-moved", move=f"frames = {ALL_BUT_THE_CAMERA}"),
    # ranges
    wrong("no-clamp", clamp="pass"),
    wrong("clamp-before-step", step=CLAMP, clamp=STEP),
    wrong("clamp-per-pass", clamp="pass", end=f"{END}; {CLAMP}"),
    wrong("clamps-all", clamp="[p.data.clamp_(0, 1) for p in scene.parameters()]"),
    wrong("clamps-some", clamp="scene.water_absorption.data.clamp_(0, 1)"),
    wrong("clamp", clamp="scene.water_absorption.data.clamp_(max=0.8)"),
    # history
    wrong("none", result="pass"),
    wrong("history-last-batch", count=f"sums = {NUMBERS}", end="history.append(sums)"),
    wrong("history-last-batch", count=f"sums = {NUMBERS}"),
    wrong("history-divided", end="history.append(sums)"),
    wrong("history-running", before="sums = {}", begin="pass"),
    wrong("history-same-dict", before="sums, means = {}, {}", begin="sums.clear()", end=SAME_DICT),
    wrong("history-reversed", end=END.replace("append(", "insert(0, ")),
    wrong("history-divided", end=divided("v / (len(loader) - 1)")),
    wrong("history-loss", count=COUNT.replace('"loss": loss', '"loss": loss / len(terms)')),
    wrong("history-zero", end=divided("0.0")),
    *(
        wrong("history-divided", end=divided(f"v / {by}"))
        for by in ("(len(loader) + 1)", "len(sums)", "(len(sums) - 1)", "len(loader) ** 2", "33")
    ),
    wrong("history-not-numbers", end=divided("f'{v / len(loader):.3f}'")),
    wrong("history-weighted", count=COUNT.replace("sums.get(n, 0.0) + v.item()", SMOOTHED), end=SUMS),
    wrong("history-rounded", end=divided("round(v / len(loader), 2)")),
    wrong("history-not-a-list", result="return history, scene"),
    wrong("history-divided", end=divided("v / 2 / len(loader)")),
    wrong("history-divided", end=divided("v / steps")),
    wrong("history-divided", end=divided("v / 4")),
    wrong("losses-of-the-notebook", terms=RIGHT["terms"].replace("compute_loss", "losses.compute_loss")),
    wrong("history-per-batch", count=f"history.append({NUMBERS})", end="pass"),
    wrong("history-length", end="history = [{n: v / len(loader) for n, v in sums.items()}]"),
    wrong("history-without-loss", count="for n, v in terms.items(): sums[n] = sums.get(n, 0.0) + v.item()"),
    wrong("history-without-terms", count='sums["loss"] = sums.get("loss", 0.0) + loss.item()'),
    wrong(  # recipes add terms on the way
        "history-without-terms",
        before="names = None",
        count=f"names = names or list(terms)\n            {COUNT}",
        end=divided("v / len(loader)").replace("sums.items()", '((n, sums[n]) for n in [*names, "loss"])'),
    ),
    wrong("history-tensors", count=COUNT.replace(".item()", ".detach()")),
    wrong(
        "put-back",
        before="best, kept = 1e9, None",
        end=f"""{END}
        if history[-1]["loss"] < best: best, kept = history[-1]["loss"], copy.deepcopy(scene.state_dict())""",
        result="scene.load_state_dict(kept); return history",
    ),
    wrong(
        "batch-left-out",
        move=f"frames = to_device(frames, {DEVICE})\n            if len(frames['t']) < 2: continue",
    ),
    wrong("batch-changed", render=renders('scene, frames.pop("t"), frames["cam"]')),
    wrong("other-frames", render=renders("scene, frames['t'][:1], frames['cam']")),
    wrong("not-rendered", move="if len(frames['t']) < 7: continue", end=f"{END}; history[-1]['loss']"),
    wrong("steps-are-batches", before="whole = loader", begin="sums, loader = {}, [*whole][:steps]"),
    wrong("argument-order", terms=scores("scene, frames, image, hard_mask, silhouette.clamp(0, 1)")),
    wrong("other-loss: squared terms", loss="loss = torch.stack(list(terms.values())).norm()"),
    wrong("wrong-shares", loss="loss = 2 * terms['photometric'] + terms['mask'] + terms['pose']"),
    wrong("loss-divided", loss=f"loss = {SUM} / 255"),
    wrong("weights-twice", loss=f"loss = {SUM} + terms['pose']"),
    wrong("loader-order", begin="sums = {}; loader = [*loader][::-1]", end=f"{END}; loader = loader[::-1]"),
    wrong("no-zero-grad", begin="sums, i = {}, 0", zero=f"i += 1\n            if i % 2: {ZERO}"),
    wrong("other-frames", render=renders('scene, torch.arange(len(frames["t"])), frames["cam"]')),
    wrong(
        "steps-are-batches",
        before="done = 0",
        move=f"""if done == steps: return history
            done, frames = done + 1, to_device(frames, {DEVICE})""",
    ),
    *(
        wrong("brackets-missing", **{hole: line[:-2]})
        for hole, line in (("zero", ZERO), ("backward", BACKWARD), ("step", STEP), ("clamp", CLAMP))
    ),
    wrong("sum-of-torch", loss="loss = torch.sum(terms.values())"),
    wrong("loader-dataset", end=divided("v / len(loader.dataset)")),
    wrong("history-not-dicts", **LOSSES_ALONE, end="history.append(sum(losses) / len(losses))"),
    wrong("history-not-a-list", result='return {"loss": [h["loss"] for h in history]}'),
    wrong("history-not-a-list", result="return len(history)"),
    wrong("history-keeps-graph", count=COUNT.replace(".item()", "")),
    wrong("history-not-numbers", end=divided("[v / len(loader)]")),
    wrong("history-wrong", end=divided("v / len(loader) + 1")),
    # anything
    wrong("not-implemented", before="raise NotImplementedError('Exercise 7: fit is yours to write')"),
    wrong("another-scene", before="import copy; scene = copy.deepcopy(scene)"),
    wrong("argument-order", terms=scores("scene, frames, image * hard_mask, hard_mask, silhouette")),
    wrong("not-rendered", before="return []"),
    wrong("not-scored", terms='terms = {"loss": image.mean()}'),
    wrong("raised", render="image, hard_mask, silhouette = rendr(scene)"),
    wrong("no-such-name", loss="loss = terms['photometric'] + terms['iou']"),
    wrong(
        "no-such-name", render="image, hard_mask, silhouette = render(scene, frames['frame'], frames['cam'])"
    ),
    wrong("no-attribute", render="image, hard_mask, silhouette = render(scene, frames.t, frames.cam)"),
    wrong("no-entry-yet", count="for n, v in terms.items(): sums[n] += v.item()"),
    wrong("history-empty", begin="sums = {}; before = history[-1]['loss']"),
    wrong("history-empty", end="history[step] = {n: v / len(loader) for n, v in sums.items()}"),
    # blanks that are left
    wrong("blank-left", render="image, hard_mask, silhouette = ..."),
    wrong("blank-left", loss="loss = ..."),
    wrong("blank-left", end="history.append(...); history[-1]['loss']"),
    wrong("history-without-loss", count="pass", end=f"{END}; history[-1]['loss']"),
]


# What a loop of the check's own steps gives, by formulas: nothing is asked of autograd.
BY_FORMULAS = """
def fit(scene, loader, render, compute_loss, optimizer, steps):
    x, w, y = scene.translations, scene.water_absorption, loader.colours
    rates, goal, history = [g["lr"] for g in optimizer.param_groups], torch.tensor(0.6), []
    for _ in range(steps):
        for frames in loader:
            frames = to_device(frames, "cpu")
            t = frames["t"].as_subclass(torch.Tensor)
            image, hard_mask, silhouette = render(scene, t, frames["cam"])
            terms = compute_loss(scene, frames, image, hard_mask, silhouette)
            gains, shares = known(image, silhouette, t, x, w)
            with torch.no_grad():
                g = 2 * 5 * x / x.numel()
                if "photometric" in terms:
                    g[t, 0] += 2 * 30 * gains * (image[:, 0, 0] - y[t]) / (3 * len(t))
                x -= rates[0] * g
                w -= rates[1] * (silhouette.mean() - 2 - goal) * shares
            scene.clamp_()
            optimizer.step()
        history.append({"photometric": 0.0, "mask": 0.0, "pose": 0.0, "loss": 0.0})
    return history
"""


def by_formulas(pulling):
    """pulling: whether it asks for the screen's numbers by gradients, else it knows them."""

    def known(image, silhouette, t, x, w):
        if pulling:
            ones = image.sum() / 4, silhouette.sum() / 4 / len(t)
            gains, shares = (torch.autograd.grad(one, p)[0] for one, p in zip(ones, (x, w)))
            return gains[t, 0], shares
        return image.detach()[:, 0, 0] / x.detach()[t, 0], ((silhouette.detach().mean() - 2) / w.sum()) * w**0

    names = {"torch": torch, "to_device": to_device, "known": known}
    exec(BY_FORMULAS, names)
    return names["fit"]


@pytest.mark.parametrize("pulling", [True, False])
def test_steps_by_formulas_are_no_fit(pulling):
    """They may know the check's own scene, and have only the points that go without a step."""
    assert graded(by_formulas(pulling)).points <= 2


def test_who_never_learns_has_the_points_of_rendering_alone():
    never = loop(**without("zero", "backward", "step", "clamp"))
    assert graded(never).points == 2


def fitted_elsewhere(change):
    """A loop that is right on the check's stage, and changed where the scene is drawn by chance."""

    def changed(scene, loader, render, compute_loss, optimizer, steps):
        plain = isinstance(optimizer, lesson4.Optimizer)
        return (fit if plain else change)(scene, loader, render, compute_loss, optimizer, steps)

    return changed


def test_a_loop_that_fits_nothing_but_the_stage_has_few_points():
    function = fitted_elsewhere(lambda *_: [])
    assert_named(check.fitting, "not-fitted", function)
    assert graded(function).points == 3


def test_a_history_that_is_right_on_the_stage_alone_is_not_right():
    def zeros(*arguments):
        return [dict.fromkeys(row, 0.0) for row in fit(*arguments)]

    assert_named(check.fitting, "history-of-one-loss", fitted_elsewhere(zeros))


def test_a_screen_pulls_through_its_own_renderings_alone():
    drawn = case(np.random.default_rng(1), 0.6)
    _, screen = sides(check.fitting.properties[0], drawn)
    with pytest.raises(ValueError, match="nothing was rendered"):
        screen(
            "pull", number=torch.tensor(0), image=torch.ones(1, 2, 2, 3), silhouette=torch.ones(1, 2, 2, 1)
        )


def test_backward_may_come_whole_or_term_by_term():
    parts = "[term.backward(retain_graph=True) for term in terms.values()]"
    watched = f"torch.autograd.grad(loss, scene.translations, retain_graph=True); {BACKWARD}"
    for backward in (parts, watched):
        assert_right(check.fitting, loop(backward=backward))


@mistakes(MISTAKES)
def test_mistakes_are_named(key, wrong):
    assert_named(check.fitting, key, wrong)


def half_filled_in(scene, loader, render, compute_loss, optimizer, steps):
    history, a_pass = [], loop()
    for _ in range(steps):
        a_pass(scene, loader, render, compute_loss, optimizer, 1)
        sums = {}
        ...  # add each term and the loss to sums
        history.append({n: v / len(loader) for n, v in sums.items()})
        print(history[-1]["loss"])
    return history


def nothing_filled_in(scene, loader, render, compute_loss, optimizer, steps):
    history = []
    for _ in range(steps):
        for _ in loader:
            image, hard_mask, silhouette = ...
        history.append(...)  # the means of this pass
    return history


def test_blanks_that_are_left_are_named_with_their_line():
    assert_named(check.fitting, "blank-left", half_filled_in)
    assert_named(check.fitting, "blank-left", nothing_filled_in)
    assert "`image, hard_mask, silhouette = ...`, and in 1 more" in first_words(nothing_filled_in)
    assert "in a line of its own" in first_words(half_filled_in)


def test_rendering_twice_is_counted_in_plain_numbers():
    said = first_words(rendered_twice)
    assert "rendered 6 times" in said and " to " not in said


@pytest.mark.parametrize(
    "otherwise", [{"before": "loader = list(loader)"}, {"before": "worst = 1e9", "end": STOPS[0]}]
)
def test_what_matters_in_one_case_alone_costs_one_point(otherwise):
    assert graded(loop(**otherwise)).points == 9


def test_gradients_from_before_cost_advice_alone():
    result = graded(loop(zero="pass", clamp=f"{CLAMP}; {ZERO}"))
    assert result.points == 10 and [complaint.key for complaint in result.complaints] == ["zero-grad-late"]


def test_each_known_mistake_shows():
    drawn = Descends().inputs(np.random.default_rng(2))
    right = descend(drawn, Descends.steps)[0]
    for said, how in lesson4._told(order=ORDERS):
        assert not close(descend(drawn, Descends.steps, **how)[0], right, 1e-3), said


def with_while_and_generators(scene, loader, render, compute_loss, optimizer, steps):
    history = []
    while len(history) < steps:
        rows = [one_batch(scene, frames, render, compute_loss, optimizer) for frames in loader]
        history.append({name: sum(row[name] for row in rows) / len(rows) for name in rows[0]})
    return history


def one_batch(scene, frames, render, compute_loss, optimizer):
    frames = {k: v.to(scene.translations.device) for k, v in frames.items()}
    rendered = render(scene, t=frames["t"], cam=frames["cam"])
    terms = compute_loss(scene, frames, *rendered)
    total = torch.stack(list(terms.values())).sum()
    optimizer.zero_grad(set_to_none=False)
    total.backward()
    optimizer.step()
    scene.clamp_()
    return {"loss": float(total)} | {k: float(v) for k, v in terms.items()}


def with_closure_and_own_clamps(scene, loader, render, compute_loss, optimizer, steps):
    def safe_clamp(param, low=None, high=None):
        param.data.clamp_(min=low, max=high)

    history = []
    for _ in range(steps):
        losses = []
        for frames in loader:
            frames = to_device(frames, next(scene.parameters()).device)

            def closure():
                scene.zero_grad()
                image, hard_mask, silhouette = render(scene, frames["t"], frames["cam"])
                terms = compute_loss(scene, frames, image, hard_mask, silhouette)
                terms["loss"] = sum(value for value in terms.values())
                terms["loss"].backward()
                losses.append({name: value.detach().cpu().numpy() for name, value in terms.items()})
                return terms["loss"]

            optimizer.step(closure)
            safe_clamp(scene.water_absorption, 0, 1)
            safe_clamp(scene.dolphin_albedo, 0, 1)
            safe_clamp(scene.strength, low=0.0)
            for angle in (scene.azimuth, scene.angle, scene.elevation):
                safe_clamp(angle, 0.0, 2 * torch.pi)
        history.append({name: np.mean([entry[name] for entry in losses]) for name in losses[0]})
    return tuple(history)


def with_tensors_and_loss_by_hand(scene, loader, render, compute_loss, optimizer, steps):
    history, device = [], scene.translations.device
    for step in range(steps):
        optimizer.zero_grad()
        means, n = {}, 0
        for n, frames in enumerate(loader, start=1):
            frames = to_device(frames, device)
            terms = compute_loss(scene, frames, *render(scene, frames["t"], frames["cam"]))
            loss = 0
            for term in terms.values():
                loss = loss + term
            loss.backward(retain_graph=True)
            with torch.no_grad():
                optimizer.step()
                scene.clamp_()
                optimizer.zero_grad()
                for name in terms:
                    means[name] = means.get(name, 0) + (terms[name] - means.get(name, 0)) / n
        means = {name: mean.item() for name, mean in means.items()}
        history.append({**means, "loss": sum(means.values()), "pass": step})
    return history


RIGHT_ONES = [with_while_and_generators, with_closure_and_own_clamps, with_tensors_and_loss_by_hand]


@pytest.mark.parametrize("right", [fit, loop(), *RIGHT_ONES])
def test_right_ones_pass(right):
    assert_right(check.fitting, right)


def test_the_gradients_by_hand_are_those_of_torch():
    """`descend`, against the stage itself."""
    drawn = case(np.random.default_rng(1), 1.7)
    theirs, screen = sides(check.fitting.properties[0], drawn)
    stage = Stage(screen, **theirs)
    history = stage.run(loop(), 4)
    values, terms = descend(drawn, 4)
    assert torch.allclose(torch.stack([*screen.values, stage.values().double()]), values, atol=1e-6)
    assert history[-1]["loss"] == pytest.approx(float(terms[-1, :, -1].mean()), abs=1e-6)


def test_a_loop_without_end_is_stopped(monkeypatch):
    for prop in check.fitting.properties:
        monkeypatch.setattr(prop, "seconds", 0.3, raising=False)
    result = graded(loop(count="while True: pass"))
    assert result.complaints[0].key == "too-long" and result.points == 0


def test_the_check_is_quick_and_quiet(capfd):
    start = time.process_time()
    printed = report(graded(fit))
    assert time.process_time() - start < 2.0
    assert "Points: 10 of 10" in printed and "printed" not in printed
    assert capfd.readouterr().err == ""
