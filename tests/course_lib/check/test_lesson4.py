"""The bank of exercise 7: loops with a mistake, each named rightly, and right ones written in other ways."""

import sys
from pathlib import Path

import pytest
import torch

from course_lib import check, losses
from course_lib.check.core import grade, report
from course_lib.check.lesson4 import Stage, descend
from course_lib.video import to_device
from solutions.fitting import fit

sys.path.insert(0, str(Path(__file__).parent))
from bank import assert_named, assert_right, given  # noqa: E402

DEVICE = "scene.translations.device"


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
RIGHT = dict(
    before="pass",
    steps="steps",
    begin="sums = {}",
    move=f"frames = to_device(frames, {DEVICE})",
    zero="optimizer.zero_grad()",
    render='image, hard_mask, silhouette = render(scene, frames["t"], frames["cam"])',
    terms="terms = compute_loss(scene, frames, image, hard_mask, silhouette)",
    loss="loss = sum(terms.values())",
    backward="loss.backward()",
    step="optimizer.step()",
    clamp="scene.clamp_()",
    count='for n, v in {**terms, "loss": loss}.items(): sums[n] = sums.get(n, 0.0) + v.item()',
    end="history.append({n: v / len(loader) for n, v in sums.items()})",
    result="return history",
)
ONE_BATCH = "; ".join(
    RIGHT[name] for name in ("render", "terms", "loss", "zero", "backward", "step", "clamp")
)
APPEND = 'history.append({n: v.item() for n, v in {**terms, "loss": loss}.items()})'


def loop(**otherwise):
    names = {"to_device": to_device, "torch": torch, "losses": losses}
    exec(LOOP.format(**{**RIGHT, **otherwise}), names)
    return names["fit"]


MISTAKES = [
    # gradients
    ("no-zero-grad", dict(zero="pass")),
    ("no-zero-grad", dict(zero="pass", begin="sums = {}; optimizer.zero_grad()")),
    ("step-before-backward", dict(backward="optimizer.step()", step="loss.backward()")),
    ("step-before-backward", dict(zero="optimizer.step(); optimizer.zero_grad()", step="pass")),
    (
        "step-before-backward",
        dict(zero="pass", backward="optimizer.step(); optimizer.zero_grad()", step="loss.backward()"),
    ),
    ("zero-grad-after-backward", dict(zero="pass", backward="loss.backward(); optimizer.zero_grad()")),
    ("no-step", dict(step="pass")),
    ("detached", dict(backward="pass")),
    ("detached", dict(loss="loss = torch.tensor(sum(terms.values()).item(), requires_grad=True)")),
    ("detached", dict(loss="loss = sum(terms.values()).detach()")),
    ("loss-is-a-number", dict(loss="loss = sum(terms.values()).item()")),
    ("loss-is-a-number", dict(loss="loss = sum(v.item() for v in terms.values())")),
    ("loss-is-a-dict", dict(loss="loss = terms")),
    ("sums-names", dict(loss="loss = sum(terms)")),
    ("loss-not-a-scalar", dict(loss="loss = torch.stack(list(terms.values()))")),
    (
        "image-detached",
        dict(terms="terms = compute_loss(scene, frames, image.detach(), hard_mask, silhouette)"),
    ),
    ("image-detached", dict(render="with torch.no_grad(): " + RIGHT["render"])),
    (
        "silhouette-detached",
        dict(terms="terms = compute_loss(scene, frames, image, hard_mask, silhouette.detach())"),
    ),
    ("one-term-only", dict(loss='loss = terms["photometric"]')),
    ("one-term-only", dict(loss='loss = terms["prior"]')),
    ("term-left-out", dict(loss='loss = terms["photometric"] + terms["mask"]')),
    ("term-left-out", dict(loss='loss = terms["mask"] + terms["prior"]')),
    ("term-left-out", dict(loss='loss = terms["photometric"] + terms["prior"]')),
    ("mean-of-terms", dict(loss="loss = sum(terms.values()) / len(terms)")),
    (
        "old-graph",
        dict(
            before="total = 0.0",
            loss="loss = total = total + sum(terms.values())",
            backward="loss.backward(retain_graph=True)",
        ),
    ),
    ("old-graph", dict(before="total = 0.0", loss="loss = total = total + sum(terms.values())")),
    # the optimiser
    (
        "not-the-optimizer",
        dict(zero="optimizer = torch.optim.SGD(scene.parameters(), lr=0.4)", before="mine = optimizer"),
    ),
    (
        "not-the-optimizer",
        dict(step="with torch.no_grad(): scene.translations -= 0.4 * scene.translations.grad"),
    ),
    (
        "not-the-optimizer",
        dict(step="for p in scene.parameters(): p.data -= 0.01 * (p.grad if p.grad is not None else 0)"),
    ),
    ("in-place-parameter", dict(step="scene.translations -= 0.4 * scene.translations.grad")),
    ("two-steps", dict(step="optimizer.step(); optimizer.step()")),
    # loops
    ("one-pass", dict(steps="1")),
    ("one-pass", dict(end="history.append({n: v / len(loader) for n, v in sums.items()}); return history")),
    ("passes", dict(steps="steps + 1")),
    ("passes", dict(steps="1, steps")),
    ("passes", dict(zero="render(scene, frames['t'], frames['cam']); optimizer.zero_grad()")),
    ("loader-kept", dict(before="loader = list(loader)")),
    (
        "loader-kept",
        dict(
            before="import itertools; many = len(loader); batches = itertools.cycle(list(loader))",
            begin="sums = {}; loader = [next(batches) for _ in range(many)]",
        ),
    ),
    ("loader-order", dict(begin="sums = {}; number = len(list(loader))")),
    ("first-batch-only", dict(count=RIGHT["count"] + "\n            break")),
    (
        "last-batch-only",
        dict(
            zero="pass",
            backward="pass",
            step="pass",
            clamp="pass",
            end=RIGHT["end"] + "; optimizer.zero_grad(); loss.backward(); optimizer.step(); scene.clamp_()",
        ),
    ),
    (
        "last-batch-only",
        dict(step="pass", clamp="pass", end=RIGHT["end"] + "; optimizer.step(); scene.clamp_()"),
    ),
    (
        "last-batch-only",
        dict(
            zero="pass",
            render="pass",
            terms="pass",
            loss="pass",
            backward="pass",
            step="pass",
            clamp="pass",
            count="pass",
            end=f"{ONE_BATCH}; {APPEND}",
        ),
    ),
    (
        "one-step-per-pass",
        dict(
            begin="sums = {}; optimizer.zero_grad()",
            zero="pass",
            step="pass",
            clamp="pass",
            end=RIGHT["end"] + "; optimizer.step(); scene.clamp_()",
        ),
    ),
    (
        "one-step-per-pass",
        dict(
            begin="sums = {}; total = 0.0",
            zero="pass",
            backward="pass",
            step="pass",
            clamp="pass",
            loss="loss = sum(terms.values()); total = total + loss",
            end=RIGHT["end"] + "; optimizer.zero_grad(); (total / len(loader)).backward(); optimizer.step()",
        ),
    ),
    # arguments
    (
        "argument-order",
        dict(render='image, hard_mask, silhouette = render(scene, frames["cam"], frames["t"])'),
    ),
    (
        "argument-order",
        dict(render='image, hard_mask, silhouette = render(frames["t"], frames["cam"], scene)'),
    ),
    ("argument-order", dict(render="image, hard_mask, silhouette = render(scene, frames, frames)")),
    ("not-from-the-batch", dict(render='image, hard_mask, silhouette = render(scene, step, frames["cam"])')),
    (
        "argument-order",
        dict(render='image, silhouette, hard_mask = render(scene, frames["t"], frames["cam"])'),
    ),
    ("argument-order", dict(terms="terms = compute_loss(scene, frames, silhouette, image, hard_mask)")),
    (
        "argument-order",
        dict(terms='terms = compute_loss(scene, frames, frames["original"], hard_mask, silhouette)'),
    ),
    ("argument-order", dict(terms="terms = compute_loss(frames, scene, image, hard_mask, silhouette)")),
    ("argument-order", dict(terms="terms = compute_loss(scene, frames, image, hard_mask)")),
    ("not-moved", dict(move="pass")),
    ("not-moved", dict(move=f'frames["t"] = frames["t"].to({DEVICE})')),
    (
        "not-moved",
        dict(move=f"frames = {{k: v.to({DEVICE}) if torch.is_tensor(v) else v for k, v in frames.items()}}"),
    ),
    # ranges
    ("no-clamp", dict(clamp="pass")),
    ("clamp-before-step", dict(step="scene.clamp_()", clamp="optimizer.step()")),
    ("clamp-per-pass", dict(clamp="pass", end=RIGHT["end"] + "; scene.clamp_()")),
    ("clamp", dict(clamp="scene.water_absorption.data.clamp_(max=0.8)")),
    # history
    ("none", dict(result="pass")),
    (
        "history-last-batch",
        dict(
            count='sums = {n: v.item() for n, v in {**terms, "loss": loss}.items()}',
            end="history.append(sums)",
        ),
    ),
    ("history-last-batch", dict(count='sums = {n: v.item() for n, v in {**terms, "loss": loss}.items()}')),
    ("history-sum", dict(end="history.append(sums)")),
    ("history-running", dict(before="sums = {}", begin="pass")),
    (
        "history-same-dict",
        dict(
            before="sums, means = {}, {}",
            begin="sums.clear()",
            end="means.update({n: v / len(loader) for n, v in sums.items()}); history.append(means)",
        ),
    ),
    ("history-per-frame", dict(end="history.append({n: v / 2 / len(loader) for n, v in sums.items()})")),
    ("history-per-step", dict(end="history.append({n: v / steps for n, v in sums.items()})")),
    ("history-per-step", dict(end="history.append({n: v / 3 for n, v in sums.items()})")),
    (
        "losses-of-the-notebook",
        dict(terms="terms = losses.compute_loss(scene, frames, image, hard_mask, silhouette)"),
    ),
    (
        "history-per-batch",
        dict(count='history.append({n: v.item() for n, v in {**terms, "loss": loss}.items()})', end="pass"),
    ),
    ("history-length", dict(end="history = [{n: v / len(loader) for n, v in sums.items()}]")),
    ("history-without-loss", dict(count="for n, v in terms.items(): sums[n] = sums.get(n, 0.0) + v.item()")),
    ("history-without-terms", dict(count='sums["loss"] = sums.get("loss", 0.0) + loss.item()')),
    (
        "history-not-dicts",
        dict(
            begin="losses = []",
            count="losses.append(loss.item())",
            end="history.append(sum(losses) / len(losses))",
        ),
    ),
    ("history-dict", dict(result='return {"loss": [h["loss"] for h in history]}')),
    ("history-not-a-list", dict(result="return len(history)")),
    (
        "history-keeps-graph",
        dict(count='for n, v in {**terms, "loss": loss}.items(): sums[n] = sums.get(n, 0.0) + v'),
    ),
    ("history-not-numbers", dict(end="history.append({n: [v / len(loader)] for n, v in sums.items()})")),
    (
        "history-wrong",
        dict(end='history.append({n: v / len(loader) if n == "loss" else 0.0 for n, v in sums.items()})'),
    ),
    # anything
    ("not-implemented", dict(before="raise NotImplementedError('Exercise 7: fit is yours to write')")),
    ("not-rendered", dict(before="return []")),
    ("not-scored", dict(terms='terms = {"loss": image.mean()}')),
    ("raised", dict(render="image, hard_mask, silhouette = rendr(scene)")),
    ("raised", dict(begin="sums = {}; history[-1]['loss'] if history else {}['term']")),
    # blanks that are left
    ("blank-left", dict(render="image, hard_mask, silhouette = ...")),
    ("blank-left", dict(loss="loss = ...")),
    ("blank-left", dict(end="history.append(...); history[-1]['loss']")),
    ("history-without-loss", dict(count="pass", end=RIGHT["end"] + "; history[-1]['loss']")),
]


@pytest.mark.parametrize(
    "key, otherwise", MISTAKES, ids=[f"{n}-{key}" for n, (key, _) in enumerate(MISTAKES)]
)
def test_mistakes_are_named(key, otherwise):
    assert_named(check.fitting, key, loop(**otherwise))


def half_filled_in(scene, loader, render, compute_loss, optimizer, steps):
    history = []
    for step in range(steps):
        sums = {}
        for frames in loader:
            frames = to_device(frames, scene.translations.device)
            optimizer.zero_grad()
            image, hard_mask, silhouette = render(scene, frames["t"], frames["cam"])
            terms = compute_loss(scene, frames, image, hard_mask, silhouette)
            loss = sum(terms.values())
            loss.backward()
            optimizer.step()
            scene.clamp_()
            ...  # add each term and the loss to sums
        history.append({n: v / len(loader) for n, v in sums.items()})
        print(history[-1]["loss"])
    return history


def nothing_filled_in(scene, loader, render, compute_loss, optimizer, steps):
    history = []
    for step in range(steps):
        for frames in loader:
            image, hard_mask, silhouette = ...
        history.append(...)  # the means of this pass
    return history


def test_blanks_that_are_left_are_named_with_their_line():
    assert_named(check.fitting, "blank-left", half_filled_in)
    assert_named(check.fitting, "blank-left", nothing_filled_in)
    said = grade(check.fitting, given(check.fitting, nothing_filled_in)).complaints[0].text
    assert "`image, hard_mask, silhouette = ...`, and in 1 more" in said
    said = grade(check.fitting, given(check.fitting, half_filled_in)).complaints[0].text
    assert "in a line of its own" in said


def test_rendering_twice_is_counted_in_plain_numbers():
    twice = loop(zero="render(scene, frames['t'], frames['cam']); optimizer.zero_grad()")
    said = grade(check.fitting, given(check.fitting, twice)).complaints[0].text
    assert "rendered 6 times" in said and " to " not in said


def test_whose_loader_is_kept_loses_one_point():
    assert grade(check.fitting, given(check.fitting, loop(before="loader = list(loader)"))).points == 14


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
    total.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    scene.clamp_()
    return {"loss": float(total)} | {k: float(v) for k, v in terms.items()}


def with_closure_and_own_clamps(scene, loader, render, compute_loss, optimizer, steps):
    import numpy as np

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
        history.append({**means, "loss": sum(means.values()), "pass": step})
    return history


def test_right_ones_pass():
    for right in (
        fit,
        loop(),
        with_while_and_generators,
        with_closure_and_own_clamps,
        with_tensors_and_loss_by_hand,
    ):
        assert_right(check.fitting, right)


def test_the_gradients_by_hand_are_those_of_torch():
    """`descend`, against the stage itself."""
    colours = torch.rand(6, 3)
    stage = Stage(colours, goal=1.7)
    history = stage.run(loop(), 4)
    values, terms = descend(colours, 1.7, 4)
    assert torch.allclose(torch.stack([*stage.snapshots, stage.values()]).double(), values, atol=1e-6)
    assert history[-1]["loss"] == pytest.approx(float(terms[-1, :, -1].mean()), abs=1e-6)


@pytest.mark.parametrize("value", [None, 3, "fit", torch.zeros(2)])
def test_what_is_no_function_is_named(value):
    result = grade(check.fitting, given(check.fitting, value))
    assert result.points == 0 and result.complaints[0].key == "not-defined"


def test_a_loop_without_end_is_stopped(monkeypatch):
    from course_lib.check import lesson4

    for prop in check.fitting.properties:
        monkeypatch.setattr(prop, "seconds", 0.3, raising=False)
    result = grade(lesson4.fitting, given(check.fitting, loop(count="while True: pass")))
    assert result.complaints[0].key == "too-long" and result.points == 0


def test_the_check_is_quick_and_quiet(capfd):
    import time

    start = time.perf_counter()
    result = grade(check.fitting, given(check.fitting, fit))
    assert time.perf_counter() - start < 2.0
    printed = report(result)
    assert "Points: 15 of 15" in printed and "printed" not in printed
    assert capfd.readouterr().err == ""


def test_the_stub_asks_for_no_more_than_the_student_needs():
    """The reference takes more than the exercise does; the stub has the exercise's signature, and
    compiles."""
    import ast

    from lessons.build import stub, take_stubs

    cell = "# stub fit(scene, loader, render, compute_loss, optimizer, steps)\n#     history = ...\n"
    _, given_lines = take_stubs(cell)
    text = stub(fit, check.fitting, *given_lines["fit"])
    arguments = ast.parse(text).body[0].args
    assert [a.arg for a in arguments.args] == [
        "scene",
        "loader",
        "render",
        "compute_loss",
        "optimizer",
        "steps",
    ]
    assert text.count('"""') == 2 and text.rstrip().endswith("history = ...") and "before_pass" not in text
