"""Check of lesson 4: the optimisation loop (exercise 7).

The loop is run on a scene of which only two parameters matter, with a renderer and a loss so simple that
every step is known: the gradients are written out by hand below, in float64, and `descend` follows them, in
the right order or in that of a usual mistake.

What the loop does is told from the numbers that it makes, not from notes in its own process, which could be
written without it. A `Screen` plays the renderer, and stays with who judges: it alone knows what the
parameters look like, and it sees them at every rendering. To move them rightly the loop has to render,
score, and ask for the gradient, batch by batch. Notes (`Stage.log`) only tell which mistake it is.
"""

import ast
import inspect
import textwrap
import traceback
import types
from functools import partial

import torch

from .. import losses
from ..errors import fold
from ..scene import DolphinScene
from .core import Complaint, Exercise, Problem, Property, close, describe, named, probable, tensor

START, ABSORPTION = 0.4, (0.3, 0.2, 0.1)  # where the two parameters begin
WEIGHTS = {"photometric": 1.0, "mask": 0.5, "prior": 0.3}
NAMES = (*WEIGHTS, "loss")
PARTS = 7
RENDER, BACKWARD, STEP, CUT_OFF = range(4)  # what the stand-ins note, in the order in which it happens
MOST_ASKED = 2000  # of a screen: no loop needs so much
ALL_TERMS = "The loss is the sum of all terms: `sum(terms.values())`."

# What is said of each named mistake. Where one mistake has several texts, a comma and more words tell them
# apart.
MISTAKES = {
    # what Python or torch stop at
    "losses-of-the-notebook": fold("""It calls `losses.compute_loss`. Call the argument, `compute_loss(scene,
        frames, image, hard_mask, silhouette)`: another recipe has another loss, and so has this check."""),
    "history-without-loss": fold("""The entries of the history have no `loss`: add the mean of the sum of all
        terms under that name."""),
    "old-graph": fold("""The second backward reaches back into a batch that is done: its loss is still in the
        sum, or retain_graph keeps it. Each batch has a loss of its own. For the history add up numbers,
        `loss.item()`."""),
    "detached": fold("""No gradient leads from the loss back to the scene: a `.detach()`, `.item()`,
        `torch.no_grad()` or `torch.tensor(...)` between render and backward has cut it off."""),
    "loss-is-a-number, item": fold("""The loss is a plain number when backward is called: after `.item()` or
        `float()` nothing is known of where it came from. Call `loss.backward()` on the tensor, and `.item()`
        only for the history."""),
    "loss-is-a-number, sum": fold("""The loss is a plain number when backward is called. It should be the sum
        of the tensors in `terms.values()`."""),
    "loss-is-a-dict": fold("""compute_loss gives a dict of terms. The loss is the sum of its values:
        `sum(terms.values())`."""),
    "sums-names": "`sum(terms)` adds up the names of the terms. Their values are in `terms.values()`.",
    "in-place-parameter": fold("""A parameter is changed by hand, with `+=` or the like. The optimizer does
        that: `optimizer.step()`."""),
    "loss-not-a-scalar": fold("""backward needs one number: the loss is the sum of all values in `terms`, each
        a tensor of shape ()."""),
    # the steps
    "no-zero-grad, ever": fold("""Gradients pile up: each batch adds its own to those of all before. Call
        `optimizer.zero_grad()` for every batch."""),
    "no-zero-grad, per pass": fold("""Gradients pile up within a pass: zero_grad is called once per pass, but
        every batch needs it."""),
    "step-before-backward": fold("""The optimizer steps before backward has computed this batch's gradients:
        it uses none, or those of the batch before. First `loss.backward()`, then `optimizer.step()`."""),
    "last-batch-only, both": fold("""There is one step per pass, with the gradient of its last batch alone:
        backward and step must be indented to stand within the loop over the loader."""),
    "last-batch-only, step": fold("""There is one step per pass, with the gradient of its last batch alone:
        the step must be indented to stand within the loop over the loader."""),
    "one-step-per-pass": fold("""There is one step per pass, with the gradients of all batches together. Let
        every batch have its own: zero_grad, backward and step within the loop over the loader."""),
    "image-detached, all": fold("""Only the priors move the parameters: what was rendered is cut off from the
        scene, by `.detach()` or `torch.no_grad()`."""),
    "image-detached, colour": fold("""The photometric term moves nothing: the image is cut off from the scene,
        by `.detach()` or `.data`."""),
    "silhouette-detached": fold("""The mask term moves nothing: the silhouette is cut off from the scene, by
        `.detach()` or `.data`."""),
    "mean-of-terms": fold("""The mean of the terms is minimised, not their sum: every step is too short by the
        number of terms."""),
    "two-steps": "The optimizer makes two steps for each batch.",
    # the history
    "history-last-batch, alone": fold("""These are the numbers of the last batch of each pass. Add up over the
        batches, and divide by their number."""),
    "history-sum": fold("""These are sums over the batches. Divide by their number, `len(loader)`, to make
        means of them."""),
    "history-running, sums": fold("""The sums go on from one pass to the next. Begin every pass at zero: `sums
        = {}` within the outer loop."""),
    "history-running, means": fold("""The means are taken over all passes so far. Begin every pass at zero:
        `sums = {}` within the outer loop."""),
    "history-last-batch, divided": fold("""Only the last batch of each pass is counted, yet divided by the
        number of batches."""),
    "history-same-dict": fold("""All passes show the numbers of the last one: the same dict is appended every
        time. Make a new one for each pass."""),
    "history-per-step": fold("""The sums over the batches are divided by 3, the number of passes here. Divide
        by the number of batches, `len(loader)`."""),
    "history-per-frame": fold("""The sums over the batches are divided by the number of frames; divide by the
        number of batches, `len(loader)`."""),
}
for _name in WEIGHTS:
    MISTAKES[f"one-term-only, {_name}"] = f"Only the term `{_name}` is minimised. {ALL_TERMS}"
    left_out = f"The term `{_name}` moves nothing: it is left out of the sum. {ALL_TERMS}"
    MISTAKES[f"term-left-out, {_name}"] = left_out

# What torch says, and the mistake that it means.
TORCH_SAYS = {
    "'float' object has no attribute 'backward'": "loss-is-a-number, item",
    "'int' object has no attribute 'backward'": "loss-is-a-number, sum",
    "'dict' object has no attribute 'backward'": "loss-is-a-dict",
    "unsupported operand type(s) for +: 'int' and 'str'": "sums-names",
    "does not require grad": "detached",
    "backward through the graph a second time": "old-graph",
    "modified by an inplace operation": "old-graph",
    "a leaf Variable that requires grad": "in-place-parameter",
    "only for scalar outputs": "loss-not-a-scalar",
}

# What each mistake does instead of the right steps, as `descend` takes it.
WRONG_STEPS = (
    ("no-zero-grad, ever", dict(each="rbsc")),
    ("no-zero-grad, per pass", dict(each="rbsc", first="z")),
    ("step-before-backward", dict(each="rszbc")),
    ("step-before-backward", dict(each="rsbc")),
    ("step-before-backward", dict(each="szrbc")),
    ("last-batch-only, both", dict(each="r", last="zbsc")),
    ("last-batch-only, step", dict(each="zrb", last="sc")),
    ("one-step-per-pass", dict(each="rb", first="z", last="sc")),
    ("one-step-per-pass", dict(each="rb", first="z", last="sc", share=1 / 3)),
    ("image-detached, all", dict(seen=("prior",))),
    ("image-detached, colour", dict(seen=("mask", "prior"))),
    ("silhouette-detached", dict(seen=("photometric", "prior"))),
    *((f"one-term-only, {name}", dict(seen=(name,))) for name in WEIGHTS),
    *((f"term-left-out, {name}", dict(seen=tuple(n for n in WEIGHTS if n != name))) for name in WEIGHTS),
    ("mean-of-terms", dict(share=1 / len(WEIGHTS))),
    ("two-steps", dict(each="zrbssc")),
)


# --- what the loop is given


class Screen:
    """The renderer of a case, on the side of who judges; keeps what it was asked.

    Frame t has everywhere the colour gains[t] * translations[t], the silhouette is everywhere
    shares @ water_absorption. gains: (T, 3); shares: (3,). A camera that was not moved has a shift, which is
    added to the colours.
    """

    def __init__(self, gains, shares):
        self.gains, self.shares = gains.cpu(), shares.cpu()
        self.values, self.frames, self.shifts = [], [], []
        self.asked = 0

    def __call__(self, what, **tensors):
        """Renders the frames t (B,), or pulls gradients back. -> dict of tensors, on the CPU

        render: t, places (T, 1, 3), absorption (3,), shift () -> image (B, 2, 2, 3), silhouette (B, 2, 2, 1)
        pull: t, their gradients, image and silhouette -> places, absorption. Raises ValueError, IndexError.
        """
        self.asked += 1
        tensors = {name: value.detach().cpu() for name, value in tensors.items()}
        t = tensors.pop("t").long()
        gains = self.gains[t]  # (B, 3)
        if self.asked > MOST_ASKED or gains.shape != (2, 3):
            raise ValueError("a screen is asked for two frames at a time, and not for ever")
        if what == "render":
            return self.render(t, gains, **tensors)
        image = tensors["image"].reshape(2, 4, 3).sum(1)  # (B, 3)
        places = self.gains.new_zeros(len(self.gains), 1, 3).index_put((t,), (gains * image)[:, None], True)
        return {"places": places, "absorption": self.shares * tensors["silhouette"].sum()}

    def render(self, t, gains, places, absorption, shift):
        values = torch.cat([places.reshape(len(self.gains) * 3), absorption.reshape(3)])
        self.values.append(values.double())
        self.frames.append(t)
        self.shifts.append(shift.reshape(1))
        image = gains * places.reshape(-1, 3)[t] + shift  # (B, 3)
        silhouette = (self.shares * absorption).sum().expand(2, 2, 2, 1).clone()
        return {"image": image[:, None, None].expand(-1, 2, 2, -1).clone(), "silhouette": silhouette}

    def seen(self):
        """What it was asked to render: values (N, P), frames (2 N,), shifts (N,)."""
        none = self.gains.new_zeros(0)
        values = torch.stack(self.values) if self.values else none.double().reshape(0, self.gains.numel() + 3)
        frames = torch.cat([none.long(), *self.frames])
        return {"values": values, "frames": frames, "shifts": torch.cat([none, *self.shifts])}


class Shown(torch.autograd.Function):
    """What a screen shows, and the gradients that it pulls back. ask: the screen, or the way to it"""

    @staticmethod
    def forward(ctx, places, absorption, t, shift, ask):
        ctx.t, ctx.ask = t, ask
        shown = ask("render", t=t, places=places, absorption=absorption, shift=shift)
        return shown["image"].to(places), shown["silhouette"].to(places)

    @staticmethod
    def backward(ctx, image, silhouette):
        pulled = ctx.ask("pull", t=ctx.t, image=image, silhouette=silhouette)
        return pulled["places"].to(image), pulled["absorption"].to(image), None, None, None


class Camera:
    """Stands in for the cameras of a batch; unlike one that was moved, one that was not shifts colours."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def to(self, *_, **__):
        return Camera()


class Elsewhere(torch.Tensor):
    """A tensor that counts as lying on another device: it has its numbers only once it is moved."""

    @classmethod
    def of(cls, tensor):
        return (-1 - tensor).as_subclass(cls)  # of frames, those from the end

    def to(self, *_, **__):
        return -1 - self.as_subclass(torch.Tensor)


class Loader:
    """Batches of two frames, in the same order each time; if `turning`, each begins one batch further on.

    order: the numbers of the frames, mixed; to_be_moved: the batches lie elsewhere.
    """

    def __init__(self, colours, order, to_be_moved=False, turning=False):
        self.colours, self.first, self.to_be_moved = colours, order, to_be_moved
        self.turning, self.begun = turning, 0

    def __len__(self):
        return len(self.colours) // 2

    def order(self, n):
        """The numbers of the frames as they come when it is gone through for the n-th time, from 0."""
        return self.first.roll(-2 * n if self.turning else 0)

    def __iter__(self):
        order, self.begun = self.order(self.begun), self.begun + 1
        for t in order.split(2):
            original = self.colours[t][:, None, None].expand(-1, 2, 2, -1).clone()  # (2, 2, 2, 3)
            frames = {"t": t, "original": original, "segmented": torch.ones_like(original[..., :1])}
            if self.to_be_moved:
                frames = {name: Elsewhere.of(value) for name, value in frames.items()}
            yield {**frames, "cam": Camera(shift=1.0 * self.to_be_moved)}


class Optimizer(torch.optim.SGD):
    """Gradient descent that notes when it makes a step; it has no memory, so each step can be told."""

    def __init__(self, parameters, rates, log):
        super().__init__([{"params": [p], "lr": rate} for p, rate in zip(parameters, rates.tolist())])
        self.log = log

    def step(self, closure=None):
        result = super().step(closure)
        self.log.append(STEP)
        return result


class Stage:
    """A scene, and all else that `fit` takes. What should be seen are `colours`, and `goal` as silhouette.

    ask: the screen, or the way to it; colours (T, 3), goal (), order (T,), rates (2,): as of `case`
    """

    def __init__(self, ask, colours, goal, order, rates, to_be_moved=False, turning=False):
        model = types.SimpleNamespace(V=colours.new_zeros(1, 1, 3), LBS=types.SimpleNamespace(n_groups=PARTS))
        self.scene = DolphinScene(model, len(colours), texture_size=2)
        self.ask, self.goal, self.rendered, self.log = ask, goal, None, []
        self.scored, self.first = 0, colours.new_zeros(len(WEIGHTS))
        with torch.no_grad():
            self.scene.translations.fill_(START)
            self.scene.water_absorption.copy_(torch.tensor(ABSORPTION))
        self.loader = Loader(colours.cpu(), order.cpu(), to_be_moved, turning)
        self.parameters = [self.scene.translations, self.scene.water_absorption]
        self.optimizer = Optimizer(self.parameters, rates, self.log)
        self.scene.translations.register_hook(lambda _: self.log.append(BACKWARD))

    def values(self):
        return torch.cat([p.detach().flatten() for p in self.parameters])

    def render(self, scene=None, t=None, cam=None):
        """Instead of `solutions.rendering.render`."""
        if scene is not self.scene or isinstance(t, (Camera, dict)) or isinstance(cam, (torch.Tensor, dict)):
            kinds = {Camera: "cameras", DolphinScene: "the scene", dict: "the batch"}
            got = ", ".join(kinds.get(type(x)) or describe(x) for x in (scene, t, cam))
            raise Problem.of(f"""argument-order: render gets ({got}), expected the scene, the batch's frame
                numbers and its cameras: `render(scene, frames["t"], frames["cam"])`.""")
        if not torch.is_tensor(t) or not isinstance(cam, Camera):
            raise Problem.of(f"""not-from-the-batch: render gets {describe(t)} and {describe(cam)}, expected
                what the batch holds: `frames["t"]` and `frames["cam"]`.""")
        self.log.append(RENDER)
        t, shift = t.as_subclass(torch.Tensor), torch.tensor(cam.shift)
        image, silhouette = Shown.apply(scene.translations, scene.water_absorption, t, shift, self.ask)
        self.rendered = image, torch.ones_like(silhouette), silhouette
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
        rendered = dict(zip(("image", "hard_mask", "silhouette"), self.rendered))
        for (name, right), value in zip(rendered.items(), (image, hard_mask, silhouette)):
            tensors = torch.is_tensor(value) and value.shape == right.shape
            if not tensors or not torch.equal(value.detach(), right.detach()):
                swapped = [f"the {other}" for other, it in rendered.items() if value is it]
                given = swapped[0] if swapped else f"{describe(value)} that is not what render gave"
                raise Problem.of(f"""argument-order: compute_loss gets {given} as its {name}. Hand on what
                    render gives, in its order: {call}.""")
        if not (image.requires_grad and silhouette.requires_grad):
            self.log.append(CUT_OFF)
        original, segmented = (frames[name].as_subclass(torch.Tensor) for name in ("original", "segmented"))
        terms = {
            "photometric": WEIGHTS["photometric"] * (image - original).square().mean(),
            "mask": WEIGHTS["mask"] * (silhouette - self.goal * segmented).square().mean(),
            "prior": WEIGHTS["prior"] * scene.translations.square().mean(),
        }
        self.scored += 1
        if self.scored == 1:
            self.first = torch.stack(list(terms.values())).detach()
        return terms

    def run(self, fit, steps):
        """The student's loop on this stage. -> what it returns

        What torch says about usual mistakes is said in other words.
        """
        try:
            return fit(self.scene, self.loader, self.render, self.compute_loss, self.optimizer, steps)
        except (AttributeError, KeyError, RuntimeError, TypeError) as error:
            if complaint := self.meaning(error, fit):
                raise Problem(*complaint) from None
            raise

    def meaning(self, error, fit):
        """What an exception means, where a usual mistake has caused it. -> Complaint or None"""
        words, no_such_key = str(error), isinstance(error, KeyError)
        calls = [(call.filename, call.name) for call in traceback.extract_tb(error.__traceback__)]
        if (losses.__file__, "compute_loss") in calls:
            return named("losses-of-the-notebook", MISTAKES)
        if "ellipsis" in words or no_such_key and _blanks(fit):
            return Complaint("blank-left", _still_blank(fit))
        if no_such_key:
            return named("history-without-loss", MISTAKES) if error.args == ("loss",) else None
        latest = {event: n for n, event in enumerate(self.log)}
        stepped = latest.get(STEP, -1) > latest.get(RENDER, len(self.log))  # since the last rendering
        if stepped and "modified by an inplace operation" in words:
            return named("step-before-backward", MISTAKES)
        return next((named(key, MISTAKES) for said, key in TORCH_SAYS.items() if said in words), None)


def _blanks(function):
    """The lines of a function in which `...` stands for something that is still to be written. -> list"""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        constants = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
        found = {node.lineno for node in constants if node.value is Ellipsis}
    except (OSError, TypeError, SyntaxError):  # the source is not to be had
        return []
    return [source.splitlines()[n - 1].split("#")[0].strip() for n in sorted(found)]


def _still_blank(function):
    """Says that something is still to be filled in, and where, if that can be told."""
    lines = _blanks(function)
    where = (f" in the line `{lines[0]}`" if lines[0] != "..." else " in a line of its own") if lines else ""
    more = f", and in {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"`...` still stands{where}{more}: it marks what is left for you to write."


# --- what should come of it


def descend(case, steps, each="zrbsc", first="", last="", seen=tuple(WEIGHTS), share=1.0):
    """Gradient descent on the stage of a case, by hand.

    -> values at each rendering and at the end (N + 1, P), terms (steps, batches, 4)

    each: what is done for a batch, z zero_grad, r render, b backward, s step, c clamp; first, last: at the
    beginning and the end of a pass, when the batch is the last one. seen: the terms whose gradient arrives.
    share: of the gradient that arrives.
    """
    y, goal, gains, shares, rates = (
        case[name].double() for name in "colours goal gains shares rates".split()
    )
    parameters = torch.tensor([[START] * 3] * len(y) + [ABSORPTION], dtype=torch.float64)  # (T + 1, 3)
    rates = torch.cat([rates[:1].expand(len(y)), rates[1:]])[:, None]  # (T + 1, 1)
    grads = torch.zeros_like(parameters)
    (x, w), (x_grad, w_grad) = ((values[:-1], values[-1]) for values in (parameters, grads))
    force = {name: share * WEIGHTS[name] * (name in seen) for name in WEIGHTS}
    snapshots, terms = [], []

    def act(what, t=None):
        for do in what:
            if do == "z":
                grads.zero_()
            elif do == "r":
                snapshots.append(parameters.flatten().clone())
            elif do == "b":
                difference = gains[t] * x[t] - y[t]
                x_grad[t] += force["photometric"] * 2 * gains[t] * difference / difference.numel()
                w_grad.add_(force["mask"] * 2 * (shares @ w - goal) * shares)
                x_grad.add_(force["prior"] * 2 * x / x.numel())
            elif do == "s":
                parameters.sub_(rates * grads)
            elif do == "c":
                w.clamp_(0, 1)

    def loss(t):
        photometric = WEIGHTS["photometric"] * (gains[t] * x[t] - y[t]).square().mean()
        mask, prior = WEIGHTS["mask"] * (shares @ w - goal).square(), WEIGHTS["prior"] * x.square().mean()
        return torch.stack([photometric, mask, prior, photometric + mask + prior])

    for _ in range(steps):
        act(first)
        for t in case["order"].split(2):
            terms.append(loss(t))
            act(each, t)
        act(last, t)
    act("r")
    return torch.stack(snapshots), torch.stack(terms).view(steps, -1, 4)


def scores_at_start(case):
    """The losses of the batches, with the scene as it begins. -> (batches, 3)"""
    return descend(case, 1, each="")[1][0, :, :3]


def case(rng, goal, frames=6):
    """What is to be seen, how the screen shows it, the order of the frames, and the optimizer's two rates."""

    def between(low, high, *shape):
        return torch.from_numpy(rng.uniform(low, high, size=shape)).float()

    return {
        "colours": between(0.5, 2.0, frames, 3),
        "goal": torch.tensor(goal),
        "gains": between(0.8, 1.2, frames, 3),
        "shares": between(0.27, 0.4, 3),
        "rates": between(0.35, 0.45, 2),
        "order": torch.from_numpy(rng.permutation(frames)),
    }


class OnStage(Property):
    """A property of what the loop does on a stage: of what the screen is asked, and of where it ends."""

    steps, kind = 3, {}
    kept, partner = ("gains", "shares"), Screen
    hidden = ("end", "first", "scored", "events", "values", "frames", "shifts")
    varying = ("events", "values", "frames", "shifts")

    def inputs(self, rng):
        return case(rng, 0.6)

    def call(self, given, ask, **inputs):
        return self.played(given, ask, **inputs)[1]

    def played(self, given, ask, **inputs):
        """-> what the loop returns, and outputs: end (P,), first (3,) terms, scored (), events (N,)"""
        stage = Stage(ask, **inputs, **self.kind)
        returned = stage.run(given.fit, self.steps)
        end = tensor("the scene's parameters", stage.values(), (inputs["colours"].numel() + 3,))
        outputs = {"end": end, "first": stage.first, "scored": torch.tensor(stage.scored)}
        return returned, outputs | {"events": torch.tensor(stage.log, dtype=torch.long)}

    @staticmethod
    def path(outputs):
        """The parameters at each rendering and at the end. -> (N + 1, P), float64"""
        return torch.cat([outputs["values"], outputs["end"][None].double()])


class Arguments(OnStage):
    name = "renders every batch, and scores what it rendered"
    points = 3
    steps = 2

    def judge(self, outputs, **case):
        if len(outputs["values"]) == 0:
            return Complaint.of("""not-rendered: render is never called. For every batch of the loader:
                `render(scene, frames["t"], frames["cam"])`.""")
        if outputs["scored"] == 0:
            return Complaint.of("""not-scored: compute_loss is never called. It gives the terms of the loss
                for what render gave.""")
        if not any(close(outputs["first"], batch) for batch in scores_at_start(case)):
            return Complaint.of("""changed-before: The first loss is not that of a batch with the scene as it
                was handed over. Is something in the scene or the batch changed before it?""")
        return None


class Passes(OnStage):
    name = "goes through the whole clip as often as asked"
    points = 1
    after = (Arguments,)
    hidden = tuple(name for name in OnStage.hidden if name != "frames")

    def judge(self, outputs, order, **_):
        seen = torch.bincount(outputs["frames"] % len(order), minlength=len(order))[order]
        if (seen == self.steps).all():
            return None
        if (seen == 1).all():
            return Complaint.of(f"""one-pass: With steps = {self.steps} the clip is gone through once. Go
                through the loader anew in every step, and return after the last one: is the `return` indented
                too far, or the loader's iterator used up?""")
        if (seen[:-2] == 0).all() and seen[-1] > 0:
            return Complaint.of("""last-batch-only: Only the last batch of each pass is rendered: what belongs
                to a batch must be indented to stand within the loop over the loader.""")
        if (seen[2:] == 0).all() and seen[0] > 0:
            return Complaint.of("""first-batch-only: Only the first batch of each pass is rendered. Is there a
                `break` or a `return` within the loop over the loader?""")
        least, most = int(seen.min()), int(seen.max())
        times = f"{most} times" if least == most else f"{least} to {most} times"
        extra = " Is render called more than once for a batch?"
        again = least == most and most % self.steps == 0 and most
        return Complaint.of(f"""passes: With steps = {self.steps} every frame should be rendered {self.steps}
            times, but they are rendered {times}.{extra if again else ""}""")


class Descends(OnStage):
    name = "each batch moves the parameters along its own gradient"
    points = 5
    after = (Arguments, Passes)
    steps = 2

    def judge(self, outputs, **case):
        values, events = self.path(outputs), outputs["events"].tolist()
        descended = partial(descend, case, self.steps)
        right = descended()[0]
        if STEP not in events and not close(values[-1], values[0]):
            return Complaint.of("""not-the-optimizer: The parameters change, but the optimizer that was passed
                is never asked for a step. A new one in every step has no memory, and changes by hand have no
                rates: use `optimizer.step()` of the one you are given.""")
        if close(values, right, 1e-4):
            return None
        if close(values[-1], values[0]):
            return self.stands_still(events)
        whole = CUT_OFF not in events  # what came whole was left out later
        known = [(key, how) for key, how in WRONG_STEPS if not (whole and "-detached" in key)]
        if guessed := probable(values, ((key, descended(**how)[0]) for key, how in known), MISTAKES, 1e-4):
            return guessed
        wrong = next(n for n, pair in enumerate(zip(values, right)) if not close(*pair))
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
            return named("step-before-backward", MISTAKES)
        return Complaint.of("""zero-grad-after-backward: The parameters never change: zero_grad throws away
            the gradients after backward has computed them, before the step can use them. It belongs before
            backward, or after step.""")


class Clamps(OnStage):
    name = "brings the parameters back into range after every step"
    points = 2
    after = (Arguments, Passes, Descends)
    steps = 5

    def inputs(self, rng):
        return case(rng, float(rng.uniform(2.3, 2.8)))  # more than can be: it climbs to the end of its range

    def judge(self, outputs, **case):
        mine = self.path(outputs)[:, -3:]  # (N + 1, 3)

        def comes_out(**how):
            return close(mine, descend(case, self.steps, **how)[0][:, -3:])

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
        if mine.max() > 1 + 1e-6:
            return Complaint.of(f"""clamp: The water absorption reaches {float(mine.max()):.2f} while batches
                are rendered; it should stay between 0 and 1.""")
        return Complaint.of("""clamp: Near the ends of their ranges the parameters are not what
            `scene.clamp_()` after every step makes of them.""")


class History(OnStage):
    name = "returns the history: for each pass the mean of every term, and loss"
    points = 2
    after = (Arguments, Passes, Descends)

    def inputs(self, rng):
        return case(rng, 0.6, frames=int(rng.choice([8, 10, 14])))  # in other batches than there are steps

    def call(self, given, ask, **inputs):
        history, outputs = self.played(given, ask, **inputs)
        return outputs | {"history": history_table(history, self.steps, len(inputs["order"]) // 2)}

    def judge(self, outputs, **case):
        mine = outputs["history"]  # (steps, 4)
        batches = descend(case, self.steps)[1]  # (steps, batches, 4)
        mean, total = batches.mean(1), batches.sum(1)
        if close(mine, mean, 1e-4):
            return None
        so_far = torch.arange(1, self.steps + 1).double()[:, None]
        guesses = (
            ("history-last-batch, alone", batches[:, -1]),
            ("history-sum", total),
            ("history-running, sums", total.cumsum(0) / batches.shape[1]),
            ("history-running, means", mean.cumsum(0) / so_far),
            ("history-last-batch, divided", batches[:, -1] / batches.shape[1]),
            ("history-same-dict", mean[-1:].expand_as(mean)),
            ("history-per-step", total / self.steps),
            ("history-per-frame", total / len(case["order"])),
        )
        if guessed := probable(mine, guesses, MISTAKES, 1e-4):
            return guessed
        k = next(k for k, (a, b) in enumerate(zip(mine.T, mean.T)) if not close(a, b, 1e-4))
        return Complaint.of(f"""history-wrong: `{NAMES[k]}` of the history should be the mean over the batches
            of each pass, weights included, of the loss before the step: {float(mean[0, k]):.4f} for the first
            pass, yours is {float(mine[0, k]):.4f}.""")


def history_table(history, steps, batches):
    """The history as numbers (steps, 4), the terms in the order of NAMES.

    Raises a Problem for anything else.
    """
    if history is None:
        raise Problem.of("""none: fit gives None, expected the history, a list of dicts. Is the `return`
            missing?""")
    if not isinstance(history, (list, tuple)):
        key = "history-dict" if isinstance(history, dict) else "history-not-a-list"
        raise Problem.of(f"{key}: fit gives {describe(history)}, expected a list with a dict for every pass.")
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
            raise Problem(*named("history-without-loss", MISTAKES))
        if missing := ", ".join(f"`{name}`" for name in NAMES if name not in entry):
            raise Problem.of(f"""history-without-terms: The entries of the history lack {missing}: keep the
                mean of every term, under its name.""")
        rows.append([_number(name, entry[name]) for name in NAMES])
    return torch.tensor(rows, dtype=torch.float64)


def _number(name, value):
    if torch.is_tensor(value) and value.requires_grad:
        raise Problem.of(f"""history-keeps-graph: `{name}` of the history is a tensor that still holds the
            graph of its batch, and with it all memory of it. Keep the number: `.item()`.""")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise Problem.of(f"""history-not-numbers: `{name}` of the history is {describe(value)}, expected a
            number.""") from None


class Moves(OnStage):
    name = "moves each batch to the scene's device"
    points = 1
    steps, kind = 1, {"to_be_moved": True}
    after = (Arguments,)

    def judge(self, outputs, **case):
        left = ["`t`"] * bool((outputs["frames"] < 0).any()) + ["`cam`"] * bool(outputs["shifts"].any())
        if not left:
            first, right = outputs["first"].double(), scores_at_start(case)
            for k, name in enumerate(("`original`", "`segmented`")):
                left += [name] * bool(((right[:, k] - first[k]).abs() > 1e-4).all())
        if not left and any(close(first, batch) for batch in right):
            return None
        return Complaint.of(f"""not-moved: {" and ".join(left) or "Parts"} of the batch stay where the loader
            made them. With the scene on a GPU that is an error: `frames = to_device(frames,
            scene.translations.device)` moves all of it.""")


class Anew(OnStage):
    name = "asks the loader anew in every pass"
    points = 1
    kind = {"turning": True}
    after = (Arguments, Passes)

    def judge(self, outputs, order, **_):
        loader, frames = Loader(order, order, turning=True), outputs["frames"]
        if torch.equal(frames, torch.cat([loader.order(n) for n in range(self.steps)])):
            return None
        if torch.equal(frames, order.repeat(self.steps)):
            return Complaint.of("""loader-kept: The loader is gone through once, and its batches are kept for
                all passes. Go through it anew in every pass, `for frames in loader`: it shuffles them anew,
                and recipes narrow their reach and lower their rates when a pass begins.""")
        return Complaint.of("""loader-order: The batches do not come in the order in which the loader gives
            them. Go through it once in every pass, `for frames in loader`, and nowhere else: recipes count
            the passes by it.""")


PROPERTIES = (Arguments(), Passes(), Descends(), Clamps(), History(), Moves(), Anew())
fitting = Exercise(7, "The optimisation loop", ("fit",), PROPERTIES)
