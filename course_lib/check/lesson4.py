"""Check of lesson 4: the optimisation loop (exercise 7).

The loop is run on a scene of which only two parameters matter, with a renderer and a loss so simple that
every step is known: the gradients are written out by hand below, in float64, and `descend` follows them, in
the right order or in that of a usual mistake.
"""

import ast
import inspect
import textwrap
import traceback
import types

import torch

from course_lib import losses
from course_lib.scene import DolphinScene

from .core import Complaint, Exercise, Problem, Property, close, describe, tensor

START, ABSORPTION = 0.4, (0.3, 0.2, 0.1)  # where the two parameters begin
RATE = 0.4  # of the gradient descent; the optimiser has no memory, so each step can be told
WEIGHTS = {"photometric": 1.0, "mask": 0.5, "prior": 0.3}
NAMES = (*WEIGHTS, "loss")
PARTS = 7
RENDER, BACKWARD, ZERO, STEP, CUT_OFF = range(5)  # what the stand-ins note, in the order in which it happens


# --- what the loop is given
# ----------------------------------------------------------------------------------


class Camera:
    """Stands in for the cameras of a batch; knows whether it was moved to the scene's device."""

    def __init__(self, moved=True):
        self.moved = moved

    def to(self, *_, **__):
        return Camera()


class Elsewhere(torch.Tensor):
    """A tensor that counts as lying on another device until it is moved."""

    def to(self, *_, **__):
        return self.as_subclass(torch.Tensor)


class Loader:
    """Batches of two frames, in the same order each time; if `turning`, each time it begins one batch further
    on.

    to_be_moved: what is to be moved is told from what was.
    """

    def __init__(self, colours, to_be_moved=False, turning=False):
        self.colours, self.to_be_moved, self.turning, self.begun = colours, to_be_moved, turning, 0

    def __len__(self):
        return len(self.colours) // 2

    def order(self, n):
        """The numbers of the frames as they come when it is gone through for the n-th time, from 0."""
        return torch.arange(len(self.colours)).roll(-2 * n if self.turning else 0)

    def __iter__(self):
        order, self.begun = self.order(self.begun), self.begun + 1
        for t in order.split(2):
            original = self.colours[t][:, None, None].expand(-1, 2, 2, -1).clone()  # (2, 2, 2, 3)
            segmented = torch.ones(2, 2, 2, 1)
            if self.to_be_moved:
                t, original, segmented = (x.as_subclass(Elsewhere) for x in (t, original, segmented))
            yield {
                "t": t,
                "cam": Camera(moved=not self.to_be_moved),
                "original": original,
                "segmented": segmented,
            }


class Optimizer(torch.optim.SGD):
    """Gradient descent that notes when it is asked for what."""

    def __init__(self, parameters, log):
        super().__init__(parameters, lr=RATE)
        self.log = log

    def zero_grad(self, *args, **kwargs):
        self.log.append(ZERO)
        super().zero_grad(*args, **kwargs)

    def step(self, closure=None):
        result = super().step(closure)
        self.log.append(STEP)
        return result


class Stage:
    """A scene, and all else that `fit` takes; notes what happens to it.

    The picture of frame t has everywhere the colour `translations[t]`; the silhouette has everywhere the mean
    of `water_absorption`, and should have `goal`.
    """

    def __init__(self, colours, goal, to_be_moved=False, turning=False):
        model = types.SimpleNamespace(V=torch.zeros(1, 1, 3), LBS=types.SimpleNamespace(n_groups=PARTS))
        self.scene = DolphinScene(model, len(colours), texture_size=2)
        self.goal, self.rendered, self.scored, self.first = goal, None, 0, torch.zeros(len(WEIGHTS))
        self.log, self.snapshots, self.frames_seen, self.unmoved = [], [], [], []
        with torch.no_grad():
            self.scene.translations.fill_(START)
            self.scene.water_absorption.copy_(torch.tensor(ABSORPTION))
        self.loader = Loader(colours, to_be_moved, turning)
        self.parameters = [self.scene.translations, self.scene.water_absorption]
        self.optimizer = Optimizer(self.parameters, self.log)
        self.scene.translations.register_hook(lambda _: self.log.append(BACKWARD))

    def values(self):
        return torch.cat([p.detach().flatten() for p in self.parameters]).clone()

    def render(self, scene=None, t=None, cam=None):
        """Instead of `solutions.rendering.render`."""
        if scene is not self.scene or isinstance(t, (Camera, dict)) or isinstance(cam, (torch.Tensor, dict)):
            kinds = {Camera: "cameras", DolphinScene: "the scene", dict: "the batch"}
            got = ", ".join(kinds.get(type(x)) or describe(x) for x in (scene, t, cam))
            raise Problem.of(f"""argument-order: render gets ({got}), expected the scene, the batch's frame
                numbers and its cameras: `render(scene, frames["t"], frames["cam"])`.""")
        if not torch.is_tensor(t) or not isinstance(cam, Camera):
            raise Problem.of(f"""not-from-the-batch: render gets {describe(t)} and {describe(cam)}, expected what
                the batch holds: `frames["t"]` and `frames["cam"]`.""")
        self.unmoved += [
            name for name, there in (("t", not isinstance(t, Elsewhere)), ("cam", cam.moved)) if not there
        ]
        t = t.as_subclass(torch.Tensor)
        self.log.append(RENDER)
        self.snapshots.append(self.values())
        self.frames_seen.append(t.clone())
        shape = (len(t), 2, 2)
        image = scene.translations[t][:, :, None].expand(*shape, 3) * 1.0  # (B, 2, 2, 3)
        silhouette = scene.water_absorption.mean().expand(*shape, 1) * 1.0
        self.rendered = image, torch.ones(*shape, 1), silhouette
        return self.rendered

    def compute_loss(
        self, scene=None, frames=None, image=None, hard_mask=None, silhouette=None, soft_mask=None
    ):
        """Instead of `losses.compute_loss`."""
        silhouette = soft_mask if silhouette is None else silhouette
        call = "`compute_loss(scene, frames, image, hard_mask, silhouette)`"
        if self.rendered is None:
            raise Problem.of("not-rendered: compute_loss is called before render.")
        if scene is not self.scene or not isinstance(frames, dict):
            raise Problem.of(f"""argument-order: compute_loss gets {describe(scene)} and {describe(frames)}
                first, expected the scene and the batch: {call}.""")
        for name, value, right in zip(
            ("image", "hard_mask", "silhouette"), (image, hard_mask, silhouette), self.rendered
        ):
            if (
                not torch.is_tensor(value)
                or value.shape != right.shape
                or not torch.equal(value.detach(), right.detach())
            ):
                swapped = [
                    n for n, r in zip(("image", "hard_mask", "silhouette"), self.rendered) if value is r
                ]
                given = f"the {swapped[0]}" if swapped else f"{describe(value)} that is not what render gave"
                raise Problem.of(f"""argument-order: compute_loss gets {given} as its {name}. Hand on what render
                    gives, in its order: {call}.""")
        self.unmoved += [name for name in ("original", "segmented") if isinstance(frames[name], Elsewhere)]
        self.log += [CUT_OFF] * (not (image.requires_grad and silhouette.requires_grad))
        original = frames["original"].as_subclass(torch.Tensor)
        terms = {
            "photometric": WEIGHTS["photometric"] * (image - original).square().mean(),
            "mask": WEIGHTS["mask"] * (silhouette - self.goal).square().mean(),
            "prior": WEIGHTS["prior"] * scene.translations.square().mean(),
        }
        self.scored += 1
        if self.scored == 1:
            self.first = torch.stack(list(terms.values())).detach()
        return terms

    def run(self, fit, steps):
        """The student's loop on this stage. -> what it returns; what torch says about usual mistakes is said
        in other words."""
        try:
            return fit(self.scene, self.loader, self.render, self.compute_loss, self.optimizer, steps)
        except (AttributeError, KeyError, RuntimeError, TypeError) as error:
            if called_the_other_loss(error):
                raise Problem("losses-of-the-notebook", OTHER_LOSS) from None
            if "ellipsis" in str(error) or (isinstance(error, KeyError) and blanks(fit)):
                raise Problem("blank-left", still_blank(fit)) from None
            if isinstance(error, KeyError):
                if error.args == ("loss",):
                    raise Problem("history-without-loss", NO_LOSS) from None
                raise
            since = self.log[len(self.log) - self.log[::-1].index(RENDER) :] if RENDER in self.log else []
            if "modified by an inplace operation" in str(error) and STEP in since:
                raise Problem("step-before-backward", STEP_FIRST) from None
            for words, key, text in TORCH_SAYS:
                if words in str(error):
                    raise Problem(key, text) from None
            raise


def called_the_other_loss(error):
    """Whether an exception comes from `losses.compute_loss`, or from what that called."""
    calls = traceback.extract_tb(error.__traceback__)
    return any((call.filename, call.name) == (losses.__file__, "compute_loss") for call in calls)


def blanks(function):
    """The lines of a function in which `...` stands for something that is still to be written. -> list"""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        found = {
            node.lineno
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Constant) and node.value is Ellipsis
        }
    except (OSError, TypeError, SyntaxError):  # the source is not to be had
        return []
    return [source.splitlines()[n - 1].split("#")[0].strip() for n in sorted(found)]


def still_blank(function):
    """Says that something is still to be filled in, and where, if that can be told."""
    lines = blanks(function)
    where = (f" in the line `{lines[0]}`" if lines[0] != "..." else " in a line of its own") if lines else ""
    more = f", and in {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"`...` still stands{where}{more}: it marks what is left for you to write."


OTHER_LOSS = (
    "It calls `losses.compute_loss`. Call the argument, `compute_loss(scene, frames, image, hard_mask, silhouette)`: "
    "another recipe has another loss, and so has this check."
)
NO_LOSS = "The entries of the history have no `loss`: add the mean of the sum of all terms under that name."
ONE_GRAPH = (
    "The second backward reaches back into a batch that is done: its loss is still in the sum, or retain_graph keeps "
    "it. Each batch has a loss of its own. For the history add up numbers, `loss.item()`."
)
CUT = (
    "No gradient leads from the loss back to the scene: a `.detach()`, `.item()`, `torch.no_grad()` or `torch.tensor(...)` "
    "between render and backward has cut it off."
)
TORCH_SAYS = (  # what torch says, the mistake's name, what we say
    (
        "'float' object has no attribute 'backward'",
        "loss-is-a-number",
        "The loss is a plain number when backward is called: after `.item()` or `float()` nothing is known of where it came "
        "from. Call `loss.backward()` on the tensor, and `.item()` only for the history.",
    ),
    (
        "'int' object has no attribute 'backward'",
        "loss-is-a-number",
        "The loss is a plain number when backward is called. It should be the sum of the tensors in `terms.values()`.",
    ),
    (
        "'dict' object has no attribute 'backward'",
        "loss-is-a-dict",
        "compute_loss gives a dict of terms. The loss is the sum of its values: `sum(terms.values())`.",
    ),
    (
        "unsupported operand type(s) for +: 'int' and 'str'",
        "sums-names",
        "`sum(terms)` adds up the names of the terms. Their values are in `terms.values()`.",
    ),
    ("does not require grad", "detached", CUT),
    ("backward through the graph a second time", "old-graph", ONE_GRAPH),
    ("modified by an inplace operation", "old-graph", ONE_GRAPH),
    (
        "a leaf Variable that requires grad",
        "in-place-parameter",
        "A parameter is changed by hand, with `+=` or the like. The optimizer does that: `optimizer.step()`.",
    ),
    (
        "only for scalar outputs",
        "loss-not-a-scalar",
        "backward needs one number: the loss is the sum of all values in `terms`, each a tensor of shape ().",
    ),
)
STEP_FIRST = (
    "The optimizer steps before backward has computed this batch's gradients: it uses none, or those of the batch "
    "before. First `loss.backward()`, then `optimizer.step()`."
)


# --- what should come of it
# ----------------------------------------------------------------------------------


def descend(colours, goal, steps, each="zrbsc", first="", last="", seen=tuple(WEIGHTS), share=1.0):
    """Gradient descent on the stage, by hand. -> (values at each rendering and at the end (N + 1, P), terms
    (steps, batches, 4))

    each: what is done for a batch, z zero_grad, r render, b backward, s step, c clamp; first, last: at the
    beginning and the end of a pass, when the batch is the last one. seen: the terms whose gradient arrives.
    share: of the gradient that arrives.
    """
    x, w = (
        torch.full((len(colours), 3), START, dtype=torch.float64),
        torch.tensor(ABSORPTION, dtype=torch.float64),
    )
    y, grads = colours.double(), [torch.zeros_like(x), torch.zeros_like(w)]
    snapshots, terms = [], []

    def act(do, t):
        nonlocal x, w, grads
        if do == "z":
            grads = [torch.zeros_like(x), torch.zeros_like(w)]
        elif do == "r":
            snapshots.append(torch.cat([x.flatten(), w]))
        elif do == "b":
            if "photometric" in seen:
                grads[0][t] += share * WEIGHTS["photometric"] * 2 * (x[t] - y[t]) / x[t].numel()
            if "mask" in seen:
                grads[1] += share * WEIGHTS["mask"] * 2 * (w.mean() - goal) / 3
            if "prior" in seen:
                grads[0] += share * WEIGHTS["prior"] * 2 * x / x.numel()
        elif do == "s":
            x, w = x - RATE * grads[0], w - RATE * grads[1]
        elif do == "c":
            w = w.clamp(0, 1)

    for _ in range(steps):
        t = None
        for do in first:
            act(do, t)
        of_pass = []
        for t in torch.arange(len(colours)).split(2):
            values = [
                WEIGHTS["photometric"] * (x[t] - y[t]).square().mean(),
                WEIGHTS["mask"] * (w.mean() - goal).square(),
                WEIGHTS["prior"] * x.square().mean(),
            ]
            of_pass.append(torch.stack([*values, sum(values)]))
            for do in each:
                act(do, t)
        for do in last:
            act(do, t)
        terms.append(torch.stack(of_pass))
    return torch.stack([*snapshots, torch.cat([x.flatten(), w])]), torch.stack(terms)


def scored_at_start(first, colours, goal):
    """Whether the first loss that was computed is that of one of the batches, with the scene as it begins. ->
    bool"""
    batches = descend(colours, float(goal), 1, each="")[1][0]  # (batches, 4)
    return any(close(first, batch[:3]) for batch in batches)


def case(rng, goal, frames=6):
    """Colours of the frames, (T, 3), and what the silhouette should become."""
    return {
        "colours": torch.from_numpy(rng.uniform(0.5, 2.0, size=(frames, 3))).float(),
        "goal": torch.tensor(goal),
    }


class Arguments(Property):
    name = "renders every batch, and scores what it rendered"
    points = 3
    hidden = (
        "rendered",
        "scored",
        "first",
    )  # how often, and which batch is the first, is for the other properties

    def inputs(self, rng):
        return case(rng, 0.6)

    def call(self, given, colours, goal):
        stage = Stage(colours, float(goal))
        stage.run(given.fit, 2)
        return {
            "rendered": torch.tensor(len(stage.frames_seen)),
            "scored": torch.tensor(stage.scored),
            "first": stage.first,
        }

    def judge(self, outputs, colours, goal):
        if outputs["rendered"] == 0:
            return Complaint.of("""not-rendered: render is never called. For every batch of the loader:
                `render(scene, frames["t"], frames["cam"])`.""")
        if outputs["scored"] == 0:
            return Complaint.of("""not-scored: compute_loss is never called. It gives the terms of the loss
                for what render gave.""")
        if not scored_at_start(outputs["first"], colours, goal):
            return Complaint.of("""changed-before: The first loss is not that of a batch with the scene as it
                was handed over. Is something in the scene or the batch changed before it?""")
        return None


class Passes(Property):
    name = "goes through the whole clip as often as asked"
    points = 1
    after = (Arguments,)
    steps = 3

    def inputs(self, rng):
        return case(rng, 0.6)

    def call(self, given, colours, goal):
        stage = Stage(colours, float(goal))
        stage.run(given.fit, self.steps)
        seen = torch.cat(stage.frames_seen)
        return {"seen": torch.bincount(seen, minlength=len(colours)), "visited": colours[seen]}

    def judge(self, outputs, colours, goal):
        seen = outputs["seen"]
        if bool((seen == self.steps).all()):
            return None
        if bool((seen == 1).all()):
            return Complaint.of(f"""one-pass: With steps = {self.steps} the clip is gone through once. Go
                through the loader anew in every step, and return after the last one: is the `return` indented
                too far, or the loader's iterator used up?""")
        if bool((seen[:-2] == 0).all()) and seen[-1] > 0:
            return Complaint.of("""last-batch-only: Only the last batch of each pass is rendered: what belongs
                to a batch must be indented to stand within the loop over the loader.""")
        if bool((seen[2:] == 0).all()) and seen[0] > 0:
            return Complaint.of("""first-batch-only: Only the first batch of each pass is rendered. Is there a
                `break` or a `return` within the loop over the loader?""")
        least, most = int(seen.min()), int(seen.max())
        times = f"{most} times" if least == most else f"{least} to {most} times"
        return Complaint(
            "passes",
            f"With steps = {self.steps} every frame should be rendered {self.steps} times, but they are "
            f"rendered {times}."
            + (
                " Is render called more than once for a batch?"
                if least == most and most % self.steps == 0 and most
                else ""
            ),
        )


class Descends(Property):
    name = "each batch moves the parameters along its own gradient"
    points = 5
    after = (Arguments, Passes)
    hidden = varying = ("events",)
    steps = 2

    def inputs(self, rng):
        return case(rng, 0.6)

    def call(self, given, colours, goal):
        stage = Stage(colours, float(goal))
        stage.run(given.fit, self.steps)
        return {
            "values": tensor(
                "the scene's parameters",
                torch.stack([*stage.snapshots, stage.values()]),
                (len(stage.snapshots) + 1, colours.numel() + 3),
            ),
            "events": torch.tensor(stage.log),
        }

    def judge(self, outputs, colours, goal):
        values, events = outputs["values"], outputs["events"].tolist()

        def comes_out(each="zrbsc", first="", last="", **more):
            return close(
                values, descend(colours, float(goal), self.steps, each, first, last, **more)[0], 1e-4
            )

        if STEP not in events and not close(values[-1], values[0]):
            return Complaint.of("""not-the-optimizer: The parameters change, but the optimizer that was passed
                is never asked for a step. A new one in every step has no memory, and changes by hand have no
                rates: use `optimizer.step()` of the one you are given.""")
        if comes_out():
            return None
        if close(values[-1], values[0]):
            return self.stands_still(events)
        for key, text, how in MISTAKES:
            if (
                key.endswith("-detached") and CUT_OFF not in events
            ):  # it came whole: then it is left out below
                continue
            if comes_out(**how):
                return Complaint(key, text)
        pairs = zip(values, descend(colours, float(goal), self.steps)[0])
        wrong = next(n for n, (mine, right) in enumerate(pairs) if not close(mine, right))
        return Complaint.of(f"""wrong-steps: Up to batch {wrong - 1} the parameters are right, after batch
            {wrong} they are not. For each batch, in this order: zero_grad, render, the loss of all terms,
            backward, step, clamp.""")

    @staticmethod
    def stands_still(events):
        """Which mistake it is when no parameter ever changes."""
        if STEP not in events:
            return Complaint.of("no-step: The parameters never change: `optimizer.step()` is missing.")
        if BACKWARD not in events:
            return Complaint.of("""detached: The parameters never change, as no gradient arrives at them:
                `loss.backward()` is missing, or a `.detach()`, `.item()` or `torch.tensor(...)` has cut the
                loss off from the scene.""")
        if events.index(STEP) < events.index(BACKWARD):
            return Complaint("step-before-backward", STEP_FIRST)
        return Complaint.of("""zero-grad-after-backward: The parameters never change: zero_grad throws away
            the gradients after backward has computed them, before the step can use them. It belongs before
            backward, or after step.""")


NOTHING_SEEN = (
    "Only the priors move the parameters: what was rendered is cut off from the scene, by `.detach()` or "
    "`torch.no_grad()`."
)
PER_PASS = (
    "There is one step per pass, with the gradients of all batches together. Let every batch have its own: zero_grad, "
    "backward and step within the loop over the loader."
)
MISTAKES = (
    (
        "no-zero-grad",
        "Gradients pile up: each batch adds its own to those of all before. Call `optimizer.zero_grad()` for "
        "every batch.",
        dict(each="rbsc"),
    ),
    (
        "no-zero-grad",
        "Gradients pile up within a pass: zero_grad is called once per pass, but every batch needs it.",
        dict(each="rbsc", first="z"),
    ),
    ("step-before-backward", STEP_FIRST, dict(each="rszbc")),
    ("step-before-backward", STEP_FIRST, dict(each="rsbc")),
    ("step-before-backward", STEP_FIRST, dict(each="szrbc")),
    (
        "last-batch-only",
        "There is one step per pass, with the gradient of its last batch alone: backward and step must be "
        "indented to stand within the loop over the loader.",
        dict(each="r", last="zbsc"),
    ),
    (
        "last-batch-only",
        "There is one step per pass, with the gradient of its last batch alone: the step must be indented to "
        "stand within the loop over the loader.",
        dict(each="zrb", last="sc"),
    ),
    ("one-step-per-pass", PER_PASS, dict(each="rb", first="z", last="sc")),
    ("one-step-per-pass", PER_PASS, dict(each="rb", first="z", last="sc", share=1 / 3)),
    ("image-detached", NOTHING_SEEN, dict(seen=("prior",))),
    (
        "image-detached",
        "The photometric term moves nothing: the image is cut off from the scene, by `.detach()` or `.data`.",
        dict(seen=("mask", "prior")),
    ),
    (
        "silhouette-detached",
        "The mask term moves nothing: the silhouette is cut off from the scene, by `.detach()` or `.data`.",
        dict(seen=("photometric", "prior")),
    ),
    *(
        (
            "one-term-only",
            f"Only the term `{name}` is minimised. The loss is the sum of all terms: `sum(terms.values())`.",
            dict(seen=(name,)),
        )
        for name in WEIGHTS
    ),
    *(
        (
            "term-left-out",
            f"The term `{name}` moves nothing: it is left out of the sum. The loss is the sum of all terms: "
            "`sum(terms.values())`.",
            dict(seen=tuple(other for other in WEIGHTS if other != name)),
        )
        for name in WEIGHTS
    ),
    (
        "mean-of-terms",
        "The mean of the terms is minimised, not their sum: every step is too short by the number of terms.",
        dict(share=1 / len(WEIGHTS)),
    ),
    ("two-steps", "The optimizer makes two steps for each batch.", dict(each="zrbssc")),
)


class Clamps(Property):
    name = "brings the parameters back into range after every step"
    points = 2
    after = (Arguments, Passes, Descends)
    steps = 5

    def inputs(self, rng):
        return case(
            rng, float(rng.uniform(2.3, 2.8))
        )  # more than there can be: it climbs to the end of its range

    def call(self, given, colours, goal):
        stage = Stage(colours, float(goal))
        stage.run(given.fit, self.steps)
        return {"absorption": torch.stack([*stage.snapshots, stage.values()])[:, -3:]}  # (N + 1, 3)

    def judge(self, outputs, colours, goal):
        mine = outputs["absorption"]

        def comes_out(**how):
            return close(mine, descend(colours, float(goal), self.steps, **how)[0][:, -3:])

        if comes_out():
            return None
        if comes_out(each="zrbs"):
            return Complaint.of(f"""no-clamp: The water absorption of 0 to 1 rises to {float(mine.max()):.2f}:
                a step may leave the range in which a parameter has a meaning. Call `scene.clamp_()` after
                every step.""")
        if comes_out(each="czrbs") or comes_out(each="zrbcs"):
            return Complaint.of("""clamp-before-step: clamp_ is called before the step: what the last step
                pushes out stays out. Call it after `optimizer.step()`.""")
        if comes_out(each="zrbs", last="c"):
            return Complaint.of("""clamp-per-pass: clamp_ is called once per pass. Call it after every step,
                or batches are rendered with colours and light that do not exist.""")
        out = mine.max() > 1 + 1e-6
        return Complaint(
            "clamp",
            f"The water absorption reaches {float(mine.max()):.2f} while batches are rendered; it should "
            "stay between 0 and 1."
            if out
            else "Near the ends of their ranges the parameters are not what `scene.clamp_()` after every step makes "
            "of them.",
        )


class History(Property):
    name = "returns the history: for each pass the mean of every term, and loss"
    points = 2
    after = (Arguments, Passes, Descends)
    steps = 3

    def inputs(self, rng):
        return case(rng, 0.6, frames=int(rng.choice([8, 10, 14])))  # in other batches than there are steps

    def call(self, given, colours, goal):
        stage = Stage(colours, float(goal))
        history = stage.run(given.fit, self.steps)
        return {"history": history_table(history, self.steps, len(stage.loader))}

    def judge(self, outputs, colours, goal):
        mine = outputs["history"]  # (steps, 4)
        batches = descend(colours, float(goal), self.steps)[1]  # (steps, batches, 4)
        mean, total = batches.mean(1), batches.sum(1)
        if close(mine, mean, 1e-4):
            return None
        so_far = torch.arange(1, self.steps + 1).double()[:, None]
        for key, text, wrong in (
            (
                "history-last-batch",
                "These are the numbers of the last batch of each pass. Add up over the batches, and divide "
                "by their number.",
                batches[:, -1],
            ),
            (
                "history-sum",
                "These are sums over the batches. Divide by their number, `len(loader)`, to make means of "
                "them.",
                total,
            ),
            (
                "history-running",
                "The sums go on from one pass to the next. Begin every pass at zero: `sums = {}` within the "
                "outer loop.",
                total.cumsum(0) / batches.shape[1],
            ),
            (
                "history-running",
                "The means are taken over all passes so far. Begin every pass at zero: `sums = {}` within the "
                "outer loop.",
                mean.cumsum(0) / so_far,
            ),
            (
                "history-last-batch",
                "Only the last batch of each pass is counted, yet divided by the number of batches.",
                batches[:, -1] / batches.shape[1],
            ),
            (
                "history-same-dict",
                "All passes show the numbers of the last one: the same dict is appended every time. Make a "
                "new one for each pass.",
                mean[-1:].expand_as(mean),
            ),
            (
                "history-per-step",
                "The sums over the batches are divided by 3, the number of passes here. Divide by the number of "
                "batches, `len(loader)`.",
                total / self.steps,
            ),
            (
                "history-per-frame",
                "The sums over the batches are divided by the number of frames; divide by the number of "
                "batches, `len(loader)`.",
                total / len(colours),
            ),
        ):
            if close(mine, wrong, 1e-4):
                return Complaint(key, text)
        wrong = [name for name, a, b in zip(NAMES, mine.T, mean.T) if not close(a, b, 1e-4)]
        return Complaint.of(f"""history-wrong: `{wrong[0]}` of the history should be the mean over the batches
            of each pass, weights included, of the loss before the step:
            {float(mean[0, NAMES.index(wrong[0])]):.4f} for the first pass, yours is
            {float(mine[0, NAMES.index(wrong[0])]):.4f}.""")


def history_table(history, steps, batches):
    """The history as numbers (steps, 4), the terms in the order of NAMES; else a Problem that says what it is
    instead."""
    if history is None:
        raise Problem.of(
            "none: fit gives None, expected the history, a list of dicts. Is the `return` missing?"
        )
    if isinstance(history, dict):
        raise Problem.of("history-dict: fit gives a dict, expected a list with a dict for every pass.")
    if not isinstance(history, (list, tuple)):
        raise Problem.of(f"""history-not-a-list: fit gives {describe(history)}, expected a list with a dict for
            every pass.""")
    if len(history) != steps:
        if len(history) == steps * batches:
            raise Problem.of(f"""history-per-batch: The history has an entry for each of the {steps * batches}
                batches. One for each pass is wanted: the means over its batches.""")
        raise Problem.of(f"history-length: The history has {len(history)} entries after {steps} passes.")
    rows = []
    for entry in history:
        if not isinstance(entry, dict):
            raise Problem.of(f"""history-not-dicts: An entry of the history is {describe(entry)}, expected a
                dict: the mean of each term by its name, and `loss`.""")
        if "loss" not in entry:
            raise Problem("history-without-loss", NO_LOSS)
        missing = [name for name in NAMES if name not in entry]
        if missing:
            raise Problem.of(f"""history-without-terms: The entries of the history lack
                {", ".join(f"`{name}`" for name in missing)}: keep the mean of every term, under its name.""")
        rows.append([number(name, entry[name]) for name in NAMES])
    return torch.tensor(rows, dtype=torch.float64)


def number(name, value):
    if torch.is_tensor(value) and value.requires_grad:
        raise Problem.of(f"""history-keeps-graph: `{name}` of the history is a tensor that still holds the graph
            of its batch, and with it all memory of it. Keep the number: `.item()`.""")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise Problem.of(f"""history-not-numbers: `{name}` of the history is {describe(value)}, expected a
            number.""") from None


MOVED = ("t", "cam", "original", "segmented")


class Moves(Property):
    name = "moves each batch to the scene's device"
    points = 1
    after = (Arguments,)
    hidden = ("first",)

    def inputs(self, rng):
        return case(rng, 0.6)

    def call(self, given, colours, goal):
        stage = Stage(colours, float(goal), to_be_moved=True)
        stage.run(given.fit, 1)
        return {name: torch.tensor(stage.unmoved.count(name)) for name in MOVED} | {"first": stage.first}

    def judge(self, outputs, colours, goal):
        left = [name for name in MOVED if outputs[name]]
        if not left and not scored_at_start(outputs["first"], colours, goal):
            left = ["original"]
        if not left:
            return None
        names = " and ".join(f"`{name}`" for name in left)
        return Complaint.of(f"""not-moved: {names} of the batch stay where the loader made them. With the
            scene on a GPU that is an error: `frames = to_device(frames, scene.translations.device)` moves all
            of it.""")


class Anew(Property):
    name = "asks the loader anew in every pass"
    points = 1
    after = (Arguments, Passes)
    steps = 3

    def inputs(self, rng):
        return case(rng, 0.6)

    def call(self, given, colours, goal):
        stage = Stage(colours, float(goal), turning=True)
        stage.run(given.fit, self.steps)
        return {"visited": colours[torch.cat(stage.frames_seen)]}  # (steps * T, 3)

    def judge(self, outputs, colours, goal):
        loader = Loader(colours, turning=True)
        if close(outputs["visited"], colours[torch.cat([loader.order(n) for n in range(self.steps)])]):
            return None
        if close(outputs["visited"], colours.repeat(self.steps, 1)):
            return Complaint.of("""loader-kept: The loader is gone through once, and its batches are kept for
                all passes. Go through it anew in every pass, `for frames in loader`: it shuffles them anew,
                and recipes narrow their reach and lower their rates when a pass begins.""")
        return Complaint.of("""loader-order: The batches do not come in the order in which the loader gives
            them. Go through it once in every pass, `for frames in loader`, and nowhere else: recipes count
            the passes by it.""")


fitting = Exercise(
    7,
    "The optimisation loop",
    ("fit",),
    (Arguments(), Passes(), Descends(), Clamps(), History(), Moves(), Anew()),
)
