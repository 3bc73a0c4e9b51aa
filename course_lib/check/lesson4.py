"""Check of lesson 4: the optimisation loop (exercise 7).

The loop is run on a scene of which only two parameters matter, with a renderer and a loss so simple that
every step is known: the gradients are written out by hand below, in float64, and `descend` follows them, in
the right order or in that of a usual mistake.

What the loop does is told from the numbers that it makes, not from notes in its own process, which could be
written without it. A `Screen` plays the renderer, and stays with who judges: it alone knows what the
parameters look like, and it sees them at every rendering. To move them rightly the loop has to render,
score, and ask for the gradient, batch by batch. Notes (`Stage.log`) only tell which mistake it is.

Steps so simple could be made by formulas instead. So most points wait for `Fits`: a scene whose picture and
loss are drawn by chance, and are known to autograd alone.
"""

import ast
import functools
import inspect
import math
import re
import textwrap
import traceback
import types

import torch

from .. import losses
from ..scene import DolphinScene
from .core import Complaint, Exercise, Problem, Property, close, describe, number, tensor, theirs
from .difference import in_digits
from .same import TRIES

START, ABSORPTION = 0.4, (0.3, 0.2, 0.1)  # where the two parameters begin
# The names are those of the lesson's loss. The colours weigh so much that clipping shows: the gradient of a
# batch is some tens long.
WEIGHTS = {"photometric": 30.0, "mask": 0.5, "pose": 5.0}
NAMES = (*WEIGHTS, "loss")
PARTS = 7
CALLS = ("zero_grad", "backward", "step", "clamp_")  # by their last names
RENDER, BACKWARD, STEP, CUT_OFF = range(4)  # what the stand-ins note, in the order in which it happens
FAR = 2.0  # of every silhouette: it need not be in [0, 1], another recipe's is a distance
MOST_ASKED = 2000  # of a screen: no loop needs so much
ASTRAY = {"dolphin_albedo": 1.5, "azimuth": 7.0, "elevation": 7.0, "angle": 7.0, "strength": -1.0}

# --- what goes wrong

CALL = "`compute_loss(scene, frames, image, hard_mask, silhouette)`"
ALL_TERMS = "The loss is the sum of all terms: `sum(terms.values())`."
NO_LOSS = """history-without-loss: An entry of the history has no `loss`: add the mean of the sum of all
    terms under that name. Or was the pass empty? An iterator that was made before the passes is used up after
    the first, so write `for frames in loader` in each."""
NO_BATCH = """not-rendered: A pass ends without a batch rendered and scored. Are batches left out, by their
    size or number? Take all that the loader gives: here two frames each, and the last perhaps one."""
OTHER_ORDER = """loader-order: The batches do not come in the order in which the loader gives them. Go through
    it once in every pass, `for frames in loader`, and nowhere else: recipes count the passes by it."""
REVERSED = "history-reversed: The last pass comes first. Append each at the end."
RENDER_CALL = '`render(scene, frames["t"], frames["cam"])`'
ZERO_LATE = """zero-grad-late: Gradients that the parameters had before `fit` are added to those of the first
    batch: `optimizer.zero_grad()` comes after the step alone. Call it before every backward."""
STEP_FIRST = """step-before-backward: The optimizer steps before backward has computed this batch's gradients:
    it uses none, or those of the batch before. First `loss.backward()`, then `optimizer.step()`."""
# What Python and torch say, a regular expression, and the mistake that it means.
RAISES = {
    "'(float|int)' object has no attribute 'backward'": """loss-is-a-number: The loss is a plain number when
        backward is called, as `.item()` and `float()` make one: nothing is known of where it came from. Call
        `loss.backward()` on the sum of the tensors in `terms.values()`; `.item()` is for the history.""",
    "'(dict|dict_values)' object has no attribute '?backward": f"""loss-is-a-dict: The loss is a dict, or its
        values. {ALL_TERMS}""",
    "'list' object has no attribute 'backward'": f"loss-not-a-scalar: The loss is a list. {ALL_TERMS}",
    "'builtin_function_or_method' object is not iterable": f"""values-not-called: `values` is a method: it
        wants its brackets. {ALL_TERMS}""",
    "and 'str'|but got str": f"""sums-names: Looping over `terms` gives the terms' names, not their values.
        {ALL_TERMS}""",
    "must be Tensor, not": """sum-of-torch: `torch.sum` adds up the numbers of one tensor. For a dict's
        values take Python's own: `sum(terms.values())`.""",
    "has no attribute 'dataset'": """loader-dataset: A loader tells the number of its batches,
        `len(loader)`: that is what to divide by.""",
    "does not require grad": """detached: No gradient leads from the loss back to the scene: a `.detach()`,
        `.item()`, `torch.no_grad()` or `torch.tensor(...)` between render and backward has cut it off.""",
    "backward through the graph a second time|modified by an inplace operation": """old-graph: backward goes
        through the graph of a batch that is done already: it is called twice, or the loss of a batch before
        is still in the sum. Call it once for each batch, on that batch's own loss. For the history add up
        numbers, `loss.item()`.""",
    "a leaf Variable that requires grad": """in-place-parameter: A parameter is changed by hand, with `+=` or
        the like. The optimizer does that: `optimizer.step()`.""",
    "only for scalar outputs": """loss-not-a-scalar: backward needs one number: the loss is the sum of all
        values in `terms`, each a tensor of shape ().""",
    "'dict' object has no attribute": """no-attribute: What a dict holds is read with brackets:
        `frames["t"]`.""",
    "list (assignment )?index out of range": """history-empty: A list has no entry at that place. In the first
        pass the history is empty, and `history.append(...)` adds an entry.""",
}

# What is done instead of the right steps, by the argument of `descend` that it is, in the order in which they
# are tried. A tuple has several ways to make one mistake.
ORDERS = {
    """no-zero-grad: Gradients pile up: each batch adds its own to those of all before. Call
        `optimizer.zero_grad()` for every batch.""": "|rbsc|",
    """no-zero-grad: Gradients pile up within a pass: zero_grad is called once per pass, but every batch needs
        it.""": ("z|rbsc|", "|rbsc|z"),
    STEP_FIRST: ("|rszbc|", "|rsbc|", "|szrbc|"),
    """last-batch-only: There is one step per pass, with the gradient of its last batch alone: backward and
        step must be indented to stand within the loop over the loader.""": ("|r|zbsc", "|zrb|sc"),
    """one-step-per-pass: There is one step per pass, with the gradients of all batches together. Let every
        batch have its own: zero_grad, backward and step within the loop over the loader.""": (
        "z|rb|sc",
        "z|rb|msc",
    ),
    """clamps-all: All parameters are brought into [0, 1], positions too. Each has a range of its own, or
        none: `scene.clamp_()` knows them.""": ("|zrbsa|", "|zrbsac|"),
}
# What is minimised instead of the sum of the terms.
SUMS = {
    f"other-loss: {what} is minimised, not their sum. {ALL_TERMS}": makes
    for what, makes in {
        "The sum of the squared terms": lambda terms: terms.square().sum(),
        "The square of the terms' sum": lambda terms: terms.sum() ** 2,
        "The root of the terms' sum": lambda terms: terms.sum().sqrt(),
        "The logarithm of the terms' sum": lambda terms: terms.sum().log(),
        "The product of the terms": torch.prod,
        "The root of the squared terms' sum": torch.norm,
        "The largest of the terms": torch.max,
        "The sum of the terms without their signs": lambda terms: terms.abs().sum(),
    }.items()
}
TWICE = (
    "gradient-twice: backward is called twice for each batch, and gradients add up: call it once.",
    """gradient-twice: Every gradient is twice what it should be. Count each term once: was the loss put into
        `terms` before they were summed?""",
    "two-steps: The optimizer makes two steps for each batch.",
)
CLIPPED = """clipped: The gradients are clipped before the step: then their lengths, which say how far to go,
    are lost. Nothing here asks for that: leave them as backward gives them."""
RANGES = {
    """clamp-before-step: clamp_ is called before the step: what the last step pushes out stays out. Call it
        after `optimizer.step()`.""": ("|czrbs|", "|zrbcs|"),
    """clamp-per-pass: clamp_ is called once per pass. Call it after every step, or batches are rendered with
        colours and light that do not exist.""": ("|zrbs|c", "c|zrbs|"),
}
# What the history shows: of the terms of all batches, b (passes, batches, 4), it makes (passes, 4).
AVERAGED = {
    """history-last-batch: These are the numbers of the last batch of each pass. Add up over the batches, and
        divide by their number.""": lambda b: b[:, -1],
    """history-first-batch: These are the numbers of the first batch of each pass. Add up over all batches,
        and divide by their number.""": lambda b: b[:, 0],
    """history-running: The sums go on from one pass to the next. Begin every pass at zero: `sums = {}` within
        the outer loop.""": (lambda b: b.mean(1).cumsum(0), lambda b: b.sum(1).cumsum(0)),
    """history-running: The means are taken over all passes so far. Begin every pass at zero: `sums = {}`
        within the outer loop.""": lambda b: b.mean(1).cumsum(0) / torch.arange(1, len(b) + 1)[:, None],
    """history-last-batch: Only the last batch of each pass is counted, yet divided by the number of
        batches.""": lambda b: b[:, -1] / b.shape[1],
    """history-same-dict: All passes show the numbers of the last one: the same dict is appended every time.
        Make a new one for each pass.""": lambda b: b.mean(1)[-1:].expand(len(b), -1),
    REVERSED: lambda b: b.mean(1).flip(0),
    **{
        f"history-extreme: These are the batches' {what}. Take their mean.": makes
        for what, makes in {
            "largest numbers": lambda b: b.amax(1),
            "smallest numbers": lambda b: b.amin(1),
            "medians": lambda b: b.median(1).values,
        }.items()
    },
    "history-zero: It is 0 everywhere: nothing is added up.": lambda b: 0 * b.mean(1),
    """history-weighted: Each batch counts for a part, and all before it for the rest, as in 0.9 * old + 0.1 *
        new. Add all up, and divide by their number.""": tuple(
        lambda b, k=k: functools.reduce(lambda old, new: (1 - k) * old + k * new, b.unbind(1))
        for k in (0.5, 0.1, 0.2, 0.3, 0.05, 0.01, 0.7, 0.8, 0.9, 0.95, 0.99)
    ),
    "history-rounded: The numbers are rounded. Leave them whole, and round where they are printed.": (
        *(lambda b, k=k: b.mean(1).round(decimals=k) for k in range(4)),
        lambda b: b.mean(1).floor(),
    ),
    "history-loss: It is the mean of the terms. It should be their sum.": lambda b: (
        b.mean(1) / (b[..., :-1].amax(1) > 0).sum(-1, keepdim=True)
    ),
}


def _told(**tables):
    """The mistakes of tables one by one. -> pairs of what is said, and the argument that makes it"""
    for argument, table in tables.items():
        for said, values in table.items():
            for value in values if isinstance(values, tuple) else (values,):
                yield said, {argument: value}


# --- what the loop is given


class Screen:
    """The renderer of a case, on the side of who judges; keeps what it was asked.

    It pulls gradients back through its own renderings alone, and says through which, and when.

    Frame t has everywhere the colour gains[t] * translations[t], the silhouette is everywhere
    FAR + shares @ water_absorption. gains: (T, 3); shares: (3,). A camera that was not moved has a shift,
    which is added to the colours.
    """

    def __init__(self, gains, shares):
        self.gains, self.shares = gains.cpu(), shares.cpu()
        self.values, self.frames, self.shifts, self.pulls = [], [], [], []
        self.asked = 0

    def __call__(self, what, **tensors):
        """Renders, or pulls gradients back. -> dict of tensors, on the CPU

        render: t (B,), places (T, 1, 3), absorption (3,), shift () -> image (B, 2, 2, 3), silhouette
        (B, 2, 2, 1), number (). pull: the number of a rendering, the gradients of its image and silhouette ->
        places, absorption. Raises ValueError, IndexError.
        """
        self.asked += 1
        if self.asked > MOST_ASKED:
            raise ValueError("a screen is not asked for ever")
        tensors = {name: value.detach().cpu() for name, value in tensors.items()}
        return self.render(**tensors) if what == "render" else self.pull(**tensors)

    def pull(self, number, image, silhouette):
        if not 0 <= int(number) < len(self.frames):
            raise ValueError("nothing was rendered that could be pulled at")
        t = self.frames[int(number)]
        image = image.reshape(len(t), 4, 3).sum(1)  # (B, 3)
        row = torch.zeros(9)
        row[:2] = torch.tensor([int(number), len(self.frames) - 1])
        row[2 : 2 + image.numel()], row[8] = image.flatten(), silhouette.sum()
        self.pulls.append(row)
        gains = self.gains[t]
        places = self.gains.new_zeros(len(self.gains), 1, 3).index_put((t,), (gains * image)[:, None], True)
        return {"places": places, "absorption": self.shares * silhouette.sum()}

    def render(self, t, places, absorption, shift):
        t = t.long()
        gains = self.gains[t]  # (B, 3)
        if gains.shape not in ((1, 3), (2, 3)):
            raise ValueError("a screen is asked for one or two frames at a time")
        values = torch.cat([places.reshape(len(self.gains) * 3), absorption.reshape(3)])
        self.values.append(values.double())
        self.frames.append(t)
        self.shifts.append(shift.reshape(1))
        image = gains * places.reshape(-1, 3)[t] + shift  # (B, 3)
        silhouette = FAR + (self.shares * absorption).sum().expand(len(t), 2, 2, 1).clone()
        image = image[:, None, None].expand(-1, 2, 2, -1).clone()
        return {"image": image, "silhouette": silhouette, "number": torch.tensor(len(self.frames) - 1)}

    def seen(self):
        """What it was asked to render: values (N, P), frames (all of them,), how many each time, sizes
        (N,), and shifts (N,); and to pull: pulls (M, 9): number, that of the latest rendering, then the sums
        of the gradients, (2, 3) of the frames' images and one of the silhouettes."""
        none = self.gains.new_zeros(0)
        values = torch.stack(self.values) if self.values else none.double().reshape(0, self.gains.numel() + 3)
        sizes = torch.tensor([len(t) for t in self.frames], dtype=torch.long)
        frames = torch.cat([none.long(), *self.frames])
        shifts, pulls = torch.cat([none, *self.shifts]), torch.cat([none, *self.pulls]).view(-1, 9)
        return {"values": values, "frames": frames, "sizes": sizes, "shifts": shifts, "pulls": pulls}


class Shown(torch.autograd.Function):
    """What a screen shows, and the gradients that it pulls back. ask: the screen, or the way to it"""

    @staticmethod
    def forward(ctx, places, absorption, t, shift, ask):
        shown = ask("render", t=t, places=places, absorption=absorption, shift=shift)
        ctx.number, ctx.ask = shown["number"], ask
        return shown["image"].to(places), shown["silhouette"].to(places)

    @staticmethod
    def backward(ctx, image, silhouette):
        pulled = ctx.ask("pull", number=ctx.number, image=image, silhouette=silhouette)
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
    """Batches of two frames, the last perhaps of one, in the same order each time.

    turning: instead each time begins one batch further on.
    order: the numbers of the frames, mixed; to_be_moved: the batches lie elsewhere.
    """

    def __init__(self, colours, order, to_be_moved=False, turning=False):
        self.colours, self.first, self.to_be_moved = colours, order, to_be_moved
        self.turning, self.begun = turning, 0

    def __len__(self):
        return math.ceil(len(self.colours) / 2)

    def order(self, n):
        """The numbers of the frames as they come when it is gone through for the n-th time, from 0."""
        return self.first.roll(-2 * n if self.turning else 0)

    def __iter__(self):
        order, self.begun = self.order(self.begun), self.begun + 1
        for t in order.split(2):
            original = self.colours[t][:, None, None].expand(-1, 2, 2, -1).clone()  # (B, 2, 2, 3)
            frames = {"t": t, "original": original, "segmented": torch.ones_like(original[..., :1])}
            if self.to_be_moved:
                frames = {name: Elsewhere.of(value) for name, value in frames.items()}
            yield {**frames, "cam": Camera(shift=1.0 * self.to_be_moved)}


class Optimizer(torch.optim.SGD):
    """Gradient descent that notes when it makes a step; it has no memory, so each step can be told."""

    def __init__(self, parameters, rates, log):
        super().__init__([{"params": [p], "lr": rate} for p, rate in zip(parameters, rates.tolist())])
        self.log, self.left = log, None  # what the last step left the parameters as

    def step(self, closure=None):
        result = super().step(closure)
        self.log.append(STEP)
        self.left = [p.detach().clone() for group in self.param_groups for p in group["params"]]
        return result


def _scene_for(colours):
    """A scene of as many frames as there are colours, with a model that has no more than its form."""
    model = types.SimpleNamespace(V=colours.new_zeros(1, 1, 3), LBS=types.SimpleNamespace(n_groups=PARTS))
    return DolphinScene(model, len(colours), texture_size=2)


class Stage:
    """A scene, and all else that `fit` takes. What should be seen are `colours`, and `goal` as silhouette.

    ask: the screen, or the way to it; colours (T, 3), goal (), order (T,), rates (2,): as of `case`; factors:
    of the loss in each pass; astray: the parameters that play no part begin beyond their ranges; late: the
    passes before the first term comes, which recipes add on the way; left: a gradient that each parameter has
    from before
    """

    def __init__(self, ask, colours, goal, order, rates, to_be_moved=False, turning=False, **kind):
        self.scene = _scene_for(colours)
        self.ask, self.goal, self.rendered, self.log = ask, goal, None, []
        self.factors, self.late = kind.get("factors", ()), kind.get("late", 0)
        self.scored, self.first = 0, colours.new_zeros(len(WEIGHTS))
        with torch.no_grad():
            self.scene.translations.fill_(START)
            self.scene.water_absorption.copy_(torch.tensor(ABSORPTION))
            for name, value in ASTRAY.items() if kind.get("astray") else ():
                getattr(self.scene, name).fill_(value)
        self.loader = Loader(colours.cpu(), order.cpu(), to_be_moved, turning)
        self.parameters = [self.scene.translations, self.scene.water_absorption]
        for parameter in self.parameters:
            parameter.grad = torch.full_like(parameter, kind["left"]) if "left" in kind else None
        self.optimizer = Optimizer(self.parameters, rates, self.log)
        self.scene.translations.register_hook(lambda _: self.log.append(BACKWARD))

    def values(self):
        return torch.cat([p.detach().flatten() for p in self.parameters])

    def outputs(self):
        """What is told of a loop that has come to its end. -> dict of tensors, as `OnStage.played` has it"""
        rates = torch.tensor([group["lr"] for group in self.optimizer.param_groups])
        strays = [bool((getattr(self.scene, name) == value).all()) for name, value in ASTRAY.items()]
        return {
            "end": tensor(
                "the scene's parameters", self.values(), (self.loader.colours.numel() + 3,), None, False
            ),
            "first": self.first,
            "scored": torch.tensor(self.scored),
            "final_rates": rates,
            "astray": torch.tensor(strays),
            "events": torch.tensor(self.log, dtype=torch.long),
        }

    def require_mine(self, scene, what):
        """Raises a Problem where another scene comes in than the one that was handed over."""
        if isinstance(scene, DolphinScene) and scene is not self.scene:
            raise Problem.of(f"""another-scene: {what} gets another scene than `fit` was given. The optimizer
                moves the parameters of that one: copy nothing, and hand on `scene` itself.""")

    def require_unmoved(self):
        """Raises a Problem where something but the step and `clamp_` has moved the parameters."""
        for mine, left in zip(self.parameters, self.optimizer.left or []):
            cut = left.clamp(mine.min(), mine.max())  # what is clamped has a name of its own
            kept = torch.equal(mine, cut) or mine is self.scene.water_absorption
            if not kept and left.isfinite().all() and STEP in self.log[-1:]:
                far = in_digits(float((mine - left).abs().max()))[0]
                raise Problem.of(f"""moved-by-hand: After the step your code itself changes the scene's
                    translations, by up to {far}. Nothing but `optimizer.step()` moves them;
                    `scene.clamp_()` leaves them as they are.""")

    def render(self, scene=None, t=None, cam=None):
        """Instead of `solutions.rendering.render`."""
        self.require_mine(scene, "render")
        if scene is not self.scene or not torch.is_tensor(t) or not isinstance(cam, Camera):
            kinds = {Camera: "cameras", DolphinScene: "the scene", dict: "the batch", type(None): "nothing"}
            got = ", ".join(kinds.get(type(x)) or describe(x) for x in (scene, t, cam))
            raise Problem.of(f"""argument-order: render gets ({got}), expected the scene, the batch's frame
                numbers and its cameras: {RENDER_CALL}.""")
        self.require_unmoved()
        self.log.append(RENDER)
        t, shift = t.as_subclass(torch.Tensor), torch.tensor(cam.shift)
        image, silhouette = Shown.apply(scene.translations, scene.water_absorption, t, shift, self.ask)
        hard_mask = torch.ones_like(silhouette)
        hard_mask[:, 0] = 0.0
        self.rendered = image, hard_mask, silhouette
        return self.rendered

    def compute_loss(
        self, scene=None, frames=None, image=None, hard_mask=None, silhouette=None, soft_mask=None
    ):
        """Instead of `losses.compute_loss`."""
        silhouette = soft_mask if silhouette is None else silhouette
        self.require_mine(scene, "compute_loss")
        if self.rendered is None:
            raise Problem.of("not-rendered: compute_loss is called before render.")
        if scene is not self.scene or not isinstance(frames, dict):
            raise Problem.of(f"""argument-order: compute_loss gets {describe(scene)} and {describe(frames)}
                first, expected the scene and the batch: {CALL}.""")
        if missing := [f"`{name}`" for name in ("t", "cam", "original", "segmented") if name not in frames]:
            raise Problem.of(f"""batch-changed: compute_loss gets a batch without {" and ".join(missing)}.
                `pop` takes an entry out: read it with brackets, and hand on the whole batch.""")
        rendered = dict(zip(("image", "hard_mask", "silhouette"), self.rendered))
        for (name, right), value in zip(rendered.items(), (image, hard_mask, silhouette)):
            tensors = torch.is_tensor(value) and value.shape == right.shape
            # Of a loss that is not the sum NaN may come; it is not equal to itself.
            if not tensors or value is not right and not torch.equal(value.detach(), right.detach()):
                swapped = [f"the {other}" for other, it in rendered.items() if value is it]
                given = swapped[0] if swapped else f"{describe(value)} that is not what render gave"
                raise Problem.of(f"""argument-order: compute_loss gets {given} as its {name}. Hand on what
                    render gives, in its order: {CALL}.""")
        if not (image.requires_grad and silhouette.requires_grad):
            self.log.append(CUT_OFF)
        original, segmented = (frames[name].as_subclass(torch.Tensor) for name in ("original", "segmented"))
        terms = {
            "photometric": WEIGHTS["photometric"] * (image - original).square().mean(),
            "mask": WEIGHTS["mask"] * (silhouette - (FAR + self.goal) * segmented).square().mean(),
            "pose": WEIGHTS["pose"] * scene.translations.square().mean(),
        }
        if self.factors:
            factor = self.factors[min(self.loader.begun, len(self.factors)) - 1]
            terms = {name: factor * term for name, term in terms.items()}
        self.scored += 1
        if self.scored == 1:
            self.first = torch.stack(list(terms.values())).detach()
        if self.scored <= self.late * len(self.loader):
            terms.pop(NAMES[0])
        return terms

    def run(self, fit, steps):
        """The student's loop on this stage. -> what it returns

        What Python and torch say about usual mistakes is said in other words.
        """

        def render(*arguments, **named):  # no method: that would hand over the stage with itself
            return self.render(*arguments, **named)

        def compute_loss(*arguments, **named):
            return self.compute_loss(*arguments, **named)

        try:
            return fit(self.scene, self.loader, render, compute_loss, self.optimizer, steps)
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            if complaint := self.meaning(error, fit):
                raise Problem(*complaint) from None
            raise

    def meaning(self, error, fit):
        """What an exception means, where a usual mistake has caused it. -> Complaint or None"""
        words, calls = str(error), traceback.extract_tb(error.__traceback__)
        line = next((call.line or "" for call in reversed(calls) if theirs(call.filename)), "")
        if any(call.name == "render" and call.filename != __file__ for call in calls[2:]):
            return Complaint.of(f"""render-of-the-notebook: It calls a `render` of its own. Call the argument,
                {RENDER_CALL}: another recipe has another renderer, and so has this check.""")
        if (losses.__file__, "compute_loss") in [(call.filename, call.name) for call in calls]:
            return Complaint.of("""losses-of-the-notebook: It calls `losses.compute_loss`. Call the argument,
                `compute_loss(scene, frames, image, hard_mask, silhouette)`: another recipe has another loss,
                and so has this check.""")
        if "ellipsis" in words or isinstance(error, KeyError) and _blanks(fit):
            return Complaint("blank-left", _still_blank(fit))
        if isinstance(error, KeyError):
            key = error.args[0] if error.args else None
            return Complaint.of(NO_BATCH) if key == "loss" and not self.scored else _no_such_key(key, line)
        if "values to unpack" in words and "render(" in line:
            return Complaint.of("""three-things: render gives three things, in this order: `image, hard_mask,
                silhouette = render(...)`.""")
        if "values to unpack" in words and "in terms:" in line:
            return Complaint.of(RAISES["and 'str'|but got str"])
        if "values to unpack" in words and "in loader" in line:
            return Complaint.of("""loader-unpacked: The loader gives one thing at a time, a dict. With
                numbers beside them: `for number, frames in enumerate(loader)`.""")
        latest = {event: n for n, event in enumerate(self.log)}
        stepped = latest.get(STEP, -1) > latest.get(RENDER, len(self.log))  # since the last rendering
        if stepped and "modified by an inplace operation" in words:
            return Complaint.of(STEP_FIRST)
        return next((Complaint.of(said) for heard, said in RAISES.items() if re.search(heard, words)), None)


def _no_such_key(key, line):
    """What is said where a dict of the loop has no entry of this name. -> Complaint"""
    where = f" in the line `{line.strip()}`" if line else ""
    if key == "loss" and "history" in (line or "history"):
        return Complaint.of(NO_LOSS)
    if key in NAMES:
        return Complaint.of(f"""no-entry-yet: There is no entry {key!r}{where}. A dict has an entry once it
            was given one: begin with 0, `sums.get(name, 0.0)`.""")
    names = "Take the terms' names from the dict, `for name, value in terms.items()`: recipes have their own."
    if "frames" in (line or ""):
        names = "A batch holds `t`, `cam`, `original` and `segmented`."
    return Complaint.of(f"no-such-name: There is no entry {key!r}{where}. {names}")


def _nodes(function, kind):
    """A function's source, and the parts of it that are of a kind. -> (text, list of ast nodes)"""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        return source, [node for node in ast.walk(ast.parse(source)) if isinstance(node, kind)]
    except (OSError, TypeError, SyntaxError):  # the source is not to be had
        return "", []


def _blanks(function):
    """The lines of a function in which `...` stands for something that is still to be written. -> list"""
    source, constants = _nodes(function, ast.Constant)
    found = {node.lineno for node in constants if node.value is Ellipsis}
    return [source.splitlines()[n - 1].split("#")[0].strip() for n in sorted(found)]


def _uncalled(function):
    """Which of CALLS stand in a function as a statement, without brackets. -> (4,), bool"""
    bare = [
        node.value.attr for node in _nodes(function, ast.Expr)[1] if isinstance(node.value, ast.Attribute)
    ]
    return torch.tensor([name in bare for name in CALLS])


def _still_blank(function):
    """Says that something is still to be filled in, and where, if that can be told."""
    lines = _blanks(function)
    where = (f" in the line `{lines[0]}`" if lines[0] != "..." else " in a line of its own") if lines else ""
    more = f", and in {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"`...` still stands{where}{more}: it marks what is left for you to write."


# --- what should come of it


def _weights_in(number, factors, late):
    """The weights of the terms in pass `number`, from 0; factors, late: as of `Stage`. -> {term: weight}"""
    factor = factors[min(number, len(factors) - 1)] if factors else 1.0
    weights = {name: factor * weight for name, weight in WEIGHTS.items()}
    return weights | {NAMES[0]: weights[NAMES[0]] * (number >= late)}


def _gradients_by_hand(case, parameters, t):
    """The gradients of the terms, without their weights, for the frames t. -> (3, T + 1, 3), as parameters"""
    y, goal, gains, shares = (case[name].double() for name in ("colours", "goal", "gains", "shares"))
    x, w = parameters[:-1], parameters[-1]
    difference = gains[t] * x[t] - y[t]
    found = torch.zeros(3, *parameters.shape, dtype=torch.float64)
    found[0, t] = 2 * gains[t] * difference / difference.numel()
    found[1, -1] = 2 * (shares @ w - goal) * shares
    found[2, :-1] = 2 * x / x.numel()
    return found


def descend(case, steps, order="|zrbsc|", seen=None, clip=None, factors=(), late=0, left=0.0):
    """Gradient descent on the stage of a case, by hand.

    -> values at each rendering and at the end (N + 1, P), terms (steps, batches, 4)

    order: what is done at the beginning of a pass | for each batch | at the end of a pass: z zero_grad, r
    render, b backward, s step, c clamp, a clamp all to [0, 1], m divide the gradients by the number of
    batches. seen: {term: what its gradient is multiplied by}, or the loss as a function of the terms, (3,).
    clip: what becomes of the gradients before a step. factors, late, left: as of `Stage`.
    """
    names = ("colours", "goal", "gains", "shares", "rates")
    y, goal, gains, shares, rates = (case[name].double() for name in names)
    parameters = torch.tensor([[START] * 3] * len(y) + [ABSORPTION], dtype=torch.float64)  # (T + 1, 3)
    rates = torch.cat([rates[:1].expand(len(y)), rates[1:]])[:, None]  # (T + 1, 1)
    grads = torch.full_like(parameters, left)
    x, w = parameters[:-1], parameters[-1]
    snapshots, terms = [], []

    def loss(t):
        photometric = weights["photometric"] * (gains[t] * x[t] - y[t]).square().mean()
        mask, pose = weights["mask"] * (shares @ w - goal).square(), weights["pose"] * x.square().mean()
        return torch.stack([photometric, mask, pose, photometric + mask + pose])

    def backward(t):
        if callable(seen):
            share = torch.func.grad(seen)(loss(t)[:3])
        else:
            share = torch.tensor([(seen or {}).get(name, 1.0) for name in WEIGHTS]).double()
        force = share * torch.tensor(list(weights.values())).double()
        grads.add_((force[:, None, None] * _gradients_by_hand(case, parameters, t)).sum(0))

    does = {
        "z": lambda t: grads.zero_(),
        "r": lambda t: snapshots.append(parameters.flatten().clone()),
        "b": backward,
        "s": lambda t: parameters.sub_(rates * (clip(grads) if clip else grads)),
        "c": lambda t: w.clamp_(0, 1),
        "a": lambda t: parameters.clamp_(0, 1),
        "m": lambda t: grads.div_(len(y) // 2),
    }

    def act(what, t=None):
        for do in what:
            does[do](t)

    first, each, last = order.split("|")
    for turn in range(steps):
        weights = _weights_in(turn, factors, late)
        act(first)
        for t in case["order"].split(2):
            terms.append(loss(t))
            act(each, t)
        act(last, t)
    act("r")
    return torch.stack(snapshots), torch.stack(terms).view(steps, -1, 4)


def scores_at_start(case):
    """The losses of the batches, with the scene as it begins. -> (batches, 3)"""
    return descend(case, 1, order="||")[1][0, :, :3]


def close_to(number, right):
    """Whether two numbers are the same to three digits."""
    return abs(number - right) < 1e-3 * max(1.0, abs(right))


def case(rng, goal, frames=6):
    """What is to be seen, how the screen shows it, the order of the frames, and the optimizer's two rates."""

    def between(low, high, *shape):
        return torch.from_numpy(rng.uniform(low, high, size=shape)).float()

    return {
        "colours": between(0.5, 2.0, frames, 3),
        "goal": torch.tensor(goal),
        "gains": between(0.8, 1.2, frames, 3),
        "shares": between(0.27, 0.4, 3),
        "rates": torch.cat([between(0.03, 0.05, 1), between(0.35, 0.45, 1)]),
        "order": torch.from_numpy(rng.permutation(frames)),
    }


# --- a scene by chance

CHANCE = (
    "originals goal_of_chance mixing turning dimming edges places turns light weights paces sequence".split()
)
MOMENTUM = 0.5  # of its optimizer, which has a memory
BEGUN = 0.5  # where the light's absorption begins: it stays in its range


def by_chance(rng, frames=6):
    """A scene whose picture and loss nobody knows: for `fit_by_chance`. -> dict, by the names of CHANCE"""

    def normal(size, *shape):
        return torch.from_numpy(size * rng.normal(size=shape)).float()

    uniform = torch.from_numpy(rng.uniform(size=(frames, 3))).float()
    weights, paces = (torch.from_numpy(rng.uniform(*ends, size=3)).float() for ends in ((5, 10), (0.1, 0.3)))
    shapes = {"mixing": (3, 12), "turning": (3, 12), "dimming": (3, 12), "edges": (3, 4)}
    return {
        "originals": uniform,
        "goal_of_chance": torch.tensor(rng.uniform(0.7, 0.9)).float(),
        **{name: normal(1.0, *shape) for name, shape in shapes.items()},
        "places": normal(0.3, frames, 1, 3),
        "turns": normal(0.3, frames, 1, 3),
        "light": torch.full((3,), BEGUN),
        "weights": weights,
        "paces": paces * torch.tensor([1, 1, 0.1]),
        "sequence": torch.from_numpy(rng.permutation(frames)),
    }


def _shown_by_chance(drawn, places, turns, light):
    """What is to be seen of B frames. -> image (B, 2, 2, 3), silhouette (B, 2, 2, 1)

    places, turns: (B, 3); light: (3,).
    """
    image = places @ drawn["mixing"] + turns @ drawn["turning"] + light @ drawn["dimming"]  # (B, 12)
    return image.sigmoid().view(-1, 2, 2, 3), (places @ drawn["edges"]).sigmoid().view(-1, 2, 2, 1)


def _terms_by_chance(drawn, original, image, silhouette, turns):
    """-> {term: ()}"""
    # One of them is negative, as a term may be; their sum is not.
    terms = (image - original).square() + 0.5, (silhouette - drawn["goal_of_chance"]).square(), turns.square()
    terms = *terms[:2], terms[2] - 0.3
    return {name: weight * term.mean() for name, weight, term in zip(WEIGHTS, drawn["weights"], terms)}


def fit_by_chance(fit, drawn, steps):
    """Lets a loop fit the scene. -> what it returns, and the parameters at the end (P,)"""
    scene = _scene_for(drawn["originals"])
    parameters = [scene.translations, scene.global_poses, scene.water_absorption]
    with torch.no_grad():
        for parameter, name in zip(parameters, ("places", "turns", "light")):
            parameter.copy_(drawn[name])
    groups = [{"params": [p], "lr": pace} for p, pace in zip(parameters, drawn["paces"].tolist())]

    def render(scene, t, cam):
        places, turns = scene.translations[t, 0], scene.global_poses[t, 0]
        image, silhouette = _shown_by_chance(drawn, places, turns, scene.water_absorption)
        return image, (silhouette > 0.5).to(image), silhouette

    def compute_loss(scene, frames, image, hard_mask=None, silhouette=None, soft_mask=None):
        silhouette = soft_mask if silhouette is None else silhouette
        return _terms_by_chance(drawn, frames["original"], image, silhouette, scene.global_poses)

    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=MOMENTUM)
    history = fit(
        scene, Loader(drawn["originals"], drawn["sequence"]), render, compute_loss, optimizer, steps
    )
    end = torch.cat([p.detach().flatten() for p in parameters])
    return history, tensor("the scene's parameters", end, (sum(p.numel() for p in parameters),))


def descend_by_chance(drawn, steps, loss=torch.sum):
    """What comes of it, by hand. -> parameters at the end (P,), terms (steps, batches, 4)

    loss: what is minimised, a function of the terms (3,).
    """
    drawn = {name: value.double() if value.is_floating_point() else value for name, value in drawn.items()}
    parameters = [drawn[name].clone().requires_grad_() for name in ("places", "turns", "light")]
    memory, rows = [torch.zeros_like(p) for p in parameters], []
    for t in drawn["sequence"].split(2) * steps:
        places, turns, light = parameters
        original = drawn["originals"][t][:, None, None]
        shown = _shown_by_chance(drawn, places[t, 0], turns[t, 0], light)
        terms = torch.stack([*_terms_by_chance(drawn, original, *shown, turns).values()])
        rows.append(torch.cat([terms, terms.sum()[None]]).detach())
        gradients = torch.autograd.grad(loss(terms), parameters)
        with torch.no_grad():
            for p, before, gradient, pace in zip(parameters, memory, gradients, drawn["paces"]):
                p -= pace * before.mul_(MOMENTUM).add_(gradient)
            light.clamp_(0, 1)
    return torch.cat([p.detach().flatten() for p in parameters]), torch.stack(rows).view(steps, -1, 4)


class OnStage(Property):
    """A property of what the loop does on a stage: of what the screen is asked, and of where it ends."""

    steps, kind, finite = 3, {}, False
    kept, partner = ("gains", "shares"), Screen
    hidden = tuple(
        "end first scored final_rates astray events uncalled values frames sizes shifts pulls".split()
    )
    varying = ("events", "values", "frames", "sizes", "shifts", "pulls")

    def inputs(self, rng):
        return case(rng, 0.6)

    def call(self, given, ask, **inputs):
        return self.played(given, ask, **inputs)[1]

    def played(self, given, ask, **inputs):
        """What the loop returns, and what is told of it: end (P,), first (3,) terms, scored (), final_rates
        (2,), astray (5,), events (N,), uncalled (4,)."""
        stage = Stage(ask, **inputs, **self.kind)
        return stage.run(given.fit, self.steps), stage.outputs() | {"uncalled": _uncalled(given.fit)}

    def judge(self, outputs, **case):
        complaint = self.wrong(outputs, **case)
        left = [f"`{name}`" for name, bare in zip(CALLS, outputs["uncalled"]) if bare]
        if complaint is None or not left:
            return complaint
        return Complaint.of(f"""brackets-missing: {complaint.text} Without brackets nothing is called:
            {" and ".join(left)} in your code.""")

    def wrong(self, outputs, **case):
        """As `judge`; it adds what was not called."""
        raise NotImplementedError

    @staticmethod
    def path(outputs):
        """The parameters at each rendering and at the end. -> (N + 1, P), float64"""
        return torch.cat([outputs["values"], outputs["end"][None].double()])


class Arguments(OnStage):
    name = "renders every batch, and scores what it rendered"
    points = 1
    steps = 2

    def wrong(self, outputs, **case):
        if len(outputs["values"]) == 0:
            return Complaint.of(f"""not-rendered: render is never called. For every batch of the loader:
                {RENDER_CALL}.""")
        if outputs["scored"] == 0:
            return Complaint.of("""not-scored: compute_loss is never called. It gives the terms of the loss
                for what render gave.""")
        asked, batches = outputs["frames"][: outputs["sizes"][0]], case["order"].split(2)
        asked = asked % len(case["order"])
        if not any(torch.equal(asked, batch) for batch in batches):
            asked, first = (" and ".join(map(str, frames.tolist())) for frames in (asked, batches[0]))
            return Complaint.of(f"""other-frames: The first batch has the frames {first}, but render is
                asked for {asked}: {RENDER_CALL}.""")
        if not any(close(outputs["first"], batch) for batch in scores_at_start(case)):
            return Complaint.of("""changed-before: The first loss is not that of a batch with the scene as it
                was handed over. Is something in the scene or the batch changed before it?""")
        return None


class Passes(OnStage):
    name = "goes through the whole clip as often as asked"
    points = 1
    after = (Arguments,)
    hidden = tuple(name for name in OnStage.hidden if name != "frames")

    def inputs(self, rng):
        return case(rng, 0.6, frames=9)

    def wrong(self, outputs, **case):
        order, steps, sizes = case["order"], self.steps, [len(t) for t in case["order"].split(2)]
        frames, right = outputs["frames"] % len(order), order.repeat(steps)
        seen = torch.bincount(frames, minlength=len(order))[order]
        batches, most = seen[::2], int(seen.max())
        if (seen == steps).all():
            return None if torch.equal(frames, right) else Complaint.of(OTHER_ORDER)
        if len(frames) == sum(sizes[:steps]) and torch.equal(frames, right[: len(frames)]):
            return Complaint.of(f"""steps-are-batches: With steps = {steps} it ends after {steps} batches.
                `steps` counts passes: go through the whole loader as often.""")
        if (seen == 1).all():
            return Complaint.of(f"""one-pass: With steps = {steps} the clip is gone through once. Go through
                the loader anew in every step, and return after the last one: is the `return` indented too
                far, or the loader's iterator used up?""")
        for end, others in {"last": batches[:-1], "first": batches[1:]}.items():
            if (others == 0).all():
                return Complaint.of(f"""{end}-batch-only: Only the {end} batch of each pass is rendered. What
                    belongs to a batch stands within the loop over the loader, and nothing ends that loop
                    early: no `break`, no `return`.""")
        if most == steps and ((batches == 0) | (batches == most)).all():
            left = " and ".join(str(n + 1) for n in (batches == 0).nonzero().flatten().tolist())
            if (batches[:steps] > 0).all() and (batches[steps:] == 0).all():
                return Complaint.of(f"""steps-are-batches: Of each pass only the first {steps} batches are
                    rendered, as many as `steps`. It counts passes: take all that the loader gives.""")
            return Complaint.of(f"""batch-left-out: Of the {len(batches)} batches of each pass number {left}
                is never rendered. Take all that the loader gives: the last may be smaller.""")
        if ends := self.ends_early(frames, right, case):
            return ends
        times = f"{most} times" if (seen == most).all() else f"{int(seen.min())} to {most} times"
        extra = (
            " Is render called more than once for a batch?" if "to" not in times and most % steps == 0 else ""
        )
        return Complaint.of(f"""passes: With steps = {steps} every frame should be rendered {steps} times, but
            they are rendered {times}.{extra}""")

    def ends_early(self, frames, right, case):
        """What is said where all is well up to a batch after which the loop, or the pass, ends. -> or None"""
        apart = (frames[: len(right)] != right[: len(frames)]).nonzero()
        n = int(apart[0]) if len(apart) else len(frames)  # frames that come as they should
        scores = descend(case, self.steps)[1][..., -1]  # (steps, batches)
        if factors := self.kind.get("factors"):
            scores = scores * torch.tensor(factors)[:, None]
        last, batch = (
            n // len(case["order"]),
            math.ceil(n % len(case["order"]) / 2),
        )  # passes, batches of the next
        if n == len(frames) and batch == 0 and last < self.steps - 1:
            now, before = scores[last - 1].sum(), scores[last - 2].sum()
            loss = "higher than in" if now > before else "lower than in" if now < before else "the same as in"
            return Complaint.of(f"""stops-early: The loop ends after pass {last} of {self.steps}, where the
                loss is {loss} the pass before. Go through the clip as often as `steps` says, whatever the
                loss does: in a fit it often rises for a while.""")
        if batch and (n == len(frames) or len(frames) < len(right) and frames[n] == right[0]):
            higher = batch > 1 and scores[last, batch - 1] > scores[last, batch - 2]
            rises = ", whose loss is higher than that of the batch before" if higher else ""
            return Complaint.of(f"""stops-early: Pass {last + 1} ends after batch {batch} of
                {scores.shape[1]}{rises}. Take all batches that the loader gives, whatever the loss does.""")
        return None


class Descends(OnStage):
    name = "each batch moves the parameters along its own gradient"
    points = 1
    after = (Arguments, Passes)
    steps = 4  # not as many as there are batches, terms, or frames in a batch: each may be what divides

    def inputs(self, rng):
        return case(rng, 0.6, frames=10)

    def wrong(self, outputs, **case):
        values, events = self.path(outputs), outputs["events"].tolist()
        right = descend(case, self.steps)[0]
        if STEP not in events and not close(values[-1], values[0]):
            return Complaint.of("""not-the-optimizer: The parameters change, but the optimizer that was
                passed is never asked for a step. It knows the recipe's rates, and keeps its memory from
                step to step: use its `optimizer.step()`, no other, and no changes by hand.""")
        if close(values, right, 1e-4):
            return self.not_pulled(outputs["pulls"].double(), right, case)
        if close(values[-1], values[0]):
            return self.stands_still(events)
        if not close(outputs["final_rates"], case["rates"], 1e-6):
            return Complaint.of("""rates-changed: The loop changes the optimizer's rates. They belong to the
                recipe: leave the optimizer as it is handed over.""")
        known = int(values.isfinite().all(1).int().cumprod(0).sum())  # renderings before the first NaN
        clips = {CLIPPED: tuple(self.clips(values, case))}
        for said, how in _told(order=ORDERS, clip=clips, seen=SUMS):
            if close(values[:known], descend(case, self.steps, **how)[0][:known], 1e-4):
                return Complaint.of(said)
        wrong = next(n for n, pair in enumerate(zip(values, right)) if not close(*pair))
        if not values[wrong].isfinite().all():
            return Complaint.of(f"""not-finite: After batch {wrong} parameters are NaN or infinite. Is
                anything but the sum of the terms minimised? {ALL_TERMS}""")
        mine, of_terms = self.gradient(values, case, wrong), self.of_terms(values, case, wrong)
        if wrong > 1 and close(mine - self.gradient(values, case, wrong - 1), of_terms.sum(0), 1e-3):
            return Complaint.of(f"""no-zero-grad: In batch {wrong} the gradients of the batch before are still
                there, and its own are added. Call `optimizer.zero_grad()` for every batch.""")
        found = torch.linalg.lstsq(of_terms.T, mine[:, None]).solution[:, 0]  # (3,)
        if found.abs().max() > 1e-3 and close(found @ of_terms, mine, 1e-3):
            shares = dict(zip(WEIGHTS, torch.where(found.abs() < 1e-3, 0, found).tolist()))
            always = close(values, descend(case, self.steps, seen=shares)[0], 1e-4)
            return self.of_shares(shares, always, wrong, events, len(case["order"]))
        before = f"Up to batch {wrong - 1} the parameters are right, after batch {wrong} they are not."
        if wrong == 1:
            before = "After the first batch the parameters are wrong."
        if close(values[wrong], values[wrong - 1], 1e-6):
            before += " There they do not change."
        return Complaint.of(f"""wrong-steps: {before} For each batch, in this order: zero_grad, render, the
            loss of all terms, backward, step, clamp.""")

    @staticmethod
    def not_pulled(pulls, values, case):
        """What is said where no backward has pulled at each rendering before the next. -> Complaint or None

        Its gradient may come whole, perhaps more than once, or in parts, term by term.
        """
        y, goal, gains, shares = (case[name].double() for name in ("colours", "goal", "gains", "shares"))
        batches = case["order"].split(2)
        for n, parameters in enumerate(values[:-1].view(len(values) - 1, -1, 3)):
            t = batches[n % len(batches)]
            right = 2 * WEIGHTS["photometric"] * (gains[t] * parameters[t] - y[t]) / (3 * len(t))
            right = torch.cat([right.flatten(), 2 * WEIGHTS["mask"] * (shares @ parameters[-1] - goal)[None]])
            mine = pulls[(pulls[:, 0] == n) & (pulls[:, 1] == n), 2:]  # (M, 7)
            if not any(close(pulled, right, 1e-3) for pulled in (*mine, mine.sum(0))):
                return Complaint.of(f"""not-by-backward: The parameters come to where they should, but in
                    batch {n + 1} no backward has brought the gradient of the loss to what was rendered. Call
                    `loss.backward()` between render and `optimizer.step()`, for every batch.""")
        return None

    @staticmethod
    def gradient(values, case, n):
        """With which the n-th step was made. -> (P,)"""
        rates = torch.cat([case["rates"][:1].expand(3 * len(case["order"])), case["rates"][1:].expand(3)])
        return (values[n - 1] - values[n]) / rates

    @staticmethod
    def of_terms(values, case, n):
        """The terms' gradients in the n-th batch. -> (3, P)"""
        t = case["order"].split(2)[(n - 1) % (len(case["order"]) // 2)]
        weights = torch.tensor(list(WEIGHTS.values())).double()[:, None]
        return weights * _gradients_by_hand(case, values[n - 1].view(-1, 3), t).flatten(1)

    def of_shares(self, shares, always, n, events, frames):
        """What is said where the terms' gradients are multiplied by these factors, always or in batch n."""
        none = [f"`{name}`" for name, share in shares.items() if close_to(share, 0)]
        parts = ", ".join(f"that of `{name}` {in_digits(share)[0]}" for name, share in shares.items())
        more = f"In batch {n} each term's gradient arrives so many times: {parts}. {ALL_TERMS}"
        if none and all(close_to(share * (1 - share), 0) for share in shares.values()):
            when, names = "" if always else f" in batch {n}", " and ".join(none)
            if CUT_OFF in events:  # what came whole to the loss was left out later
                return Complaint.of(f"""cut-off: No gradient arrives{when} of {names}: what was rendered is
                    cut off from the scene, by `.detach()`, `.data` or `torch.no_grad()`.""")
            return Complaint.of(f"term-left-out: Left out of the loss{when}: {names}. {ALL_TERMS}")
        share = shares[NAMES[0]]
        if all(close_to(other / losses.LOSS_WEIGHTS[name], 1) for name, other in shares.items()):
            return Complaint.of(f"""weights-twice: {more} These numbers are the weights of the lesson's loss;
                the terms come weighted.""")
        if not all(close_to(other, share) for other in shares.values()):
            return Complaint.of(f"wrong-shares: {more}")
        if not always:
            return Complaint.of(f"""loss-changed: {more} Is a function of the loss minimised, as its root or
                logarithm, or are its gradients changed?""")
        backward, step = (events.count(event) > events.count(RENDER) for event in (BACKWARD, STEP))
        whats = {
            2.0: TWICE[2 if step else 0 if backward else 1],
            -1.0: "sign: The loss is made larger, not smaller: its negative is minimised.",
            1 / len(WEIGHTS): "mean-of-terms: The mean of the terms is minimised, not their sum.",
        }
        times = f"loss-divided: Every gradient is {in_digits(share)[0]} times the right one"
        divided = {"frames in a batch": 2, "batches": frames / 2, "frames": frames, "passes": self.steps}
        whats |= {
            1 / by: f"{times}, as if the loss were divided by the number of {of}."
            for of, by in divided.items()
        }
        said = next((said for factor, said in whats.items() if close_to(share / factor, 1)), f"{times}.")
        return Complaint.of(f"{said} {ALL_TERMS if abs(share) < 0.9 else ''}")

    @staticmethod
    def clips(values, case):
        """What clipping would make of the gradients, by their norm or one by one, if it made the first
        step."""
        first = Descends.gradient(values, case, 1)
        yield lambda g: g * min(1.0, first.norm() / g.norm())
        yield lambda g: g.clamp(-first.abs().max(), first.abs().max())

    @staticmethod
    def stands_still(events):
        """Which mistake it is when no parameter ever changes."""
        if STEP not in events:
            return Complaint.of("no-step: The parameters never change: `optimizer.step()` is never called.")
        if BACKWARD not in events:
            return Complaint.of("""detached: The parameters never change, as no gradient arrives at them:
                `loss.backward()` is not called, or a `.detach()`, `.item()` or `torch.tensor(...)` has cut
                the loss off from the scene.""")
        if events.index(STEP) < events.index(BACKWARD):
            return Complaint.of(STEP_FIRST)
        return Complaint.of("""zero-grad-after-backward: The parameters never change: zero_grad throws away
            the gradients after backward has computed them, before the step can use them. It belongs before
            backward.""")


class Fits(Property):
    """A scene whose picture and loss are drawn by chance: who does not call backward has to work out their
    gradients, which autograd has."""

    name = "fits a scene by the gradients of whatever its picture and loss are"
    points = 2
    after = (Arguments, Passes, Descends)
    steps = 4

    def inputs(self, rng):
        """A case whose loss falls from pass to pass: who stops where it rises is found by `Persists`."""
        for _ in range(TRIES):
            drawn = by_chance(rng)
            losses = descend_by_chance(drawn, self.steps)[1][..., -1].mean(1)
            if (losses.diff() < -0.01 * losses[:-1].abs()).all():
                break
        return drawn

    def call(self, given, **drawn):
        return {"end": fit_by_chance(given.fit, drawn, self.steps)[1]}

    def judge(self, outputs, **case):
        if close(outputs["end"], descend_by_chance(case, self.steps)[0]):
            return None
        for said, makes in SUMS.items():
            if close(outputs["end"], descend_by_chance(case, self.steps, makes)[0]):
                return Complaint.of(f"{said} A term can be negative.")
        return Complaint.of("""not-fitted: With another picture, another loss and an optimizer that has a
            memory the parameters do not come to where backward and step bring them, though with the first
            ones they do. Is a gradient or a step computed by hand?""")


class Persists(Passes):
    """In each pass the loss is as many times as large as `factors` say; the rates are next to 0. So it
    stays nearly the same, rises, and is next to nothing: whoever stops then has not gone on as long as
    asked. The last pass is not the best, and its parameters are those that count."""

    name = "goes on whatever the loss does"
    points = 1
    after = (Arguments, Passes, Descends, Fits)
    steps, kind = 8, {"factors": (1.0, 1.0, 1.5, 2.3, 1e-9, 0.9e-9, 0.8e-9, 3.4)}

    def inputs(self, rng):
        return case(rng, 0.6) | {"rates": torch.tensor([0.0, 1e-3])}

    def wrong(self, outputs, **case):
        if complaint := super().wrong(outputs, **case):
            return complaint
        path, right = self.path(outputs), descend(case, self.steps, **self.kind)[0]
        end_is_right, moved = close(path[-1], right[-1], 1e-5), close(path[:-1], right[:-1], 1e-5)
        if end_is_right or not moved or not any(close(path[-1], before, 1e-6) for before in right[:-2]):
            return None
        return Complaint.of("""put-back: At the end the parameters are those of an earlier pass. Leave those
            of the last: losses of different passes cannot be compared, as recipes change their terms on the
            way.""")


class Clamps(OnStage):
    name = "brings the parameters back into range after every step"
    points = 1
    after = (Arguments, Passes, Descends, Fits)
    steps, kind = 5, {"astray": True}

    def inputs(self, rng):
        return case(rng, float(rng.uniform(2.3, 2.8)))  # more than can be: it climbs to the end of its range

    def wrong(self, outputs, **case):
        mine = self.path(outputs)[:, -3:]  # (N + 1, 3)

        def comes_out(**how):
            return close(mine, descend(case, self.steps, **how)[0][:, -3:])

        left = [f"`{name}`" for name, astray in zip(ASTRAY, outputs["astray"]) if astray]
        if comes_out() and left:
            return Complaint.of(f"""clamps-some: Beyond its range stays {", ".join(left)}. `scene.clamp_()`
                brings back all that have one.""")
        if comes_out():
            return None
        if comes_out(order="|zrbs|"):
            return Complaint.of(f"""no-clamp: The water absorption of 0 to 1 rises to {float(mine.max()):.2f}:
                a step may leave the range in which a parameter has a meaning. Call `scene.clamp_()` after
                every step.""")
        for said, how in _told(order=RANGES):
            if comes_out(**how):
                return Complaint.of(said)
        if mine.max() > 1 + 1e-6:
            return Complaint.of(f"""clamp: The water absorption reaches {float(mine.max()):.2f} while batches
                are rendered; it should stay between 0 and 1.""")
        return Complaint.of("""clamp: Near the ends of their ranges the parameters are not what
            `scene.clamp_()` after every step makes of them.""")


class History(OnStage):
    name = "returns the history: for each pass the mean of every term, and loss"
    points = 1
    after = (Arguments, Passes, Descends, Fits)
    steps, kind = 5, {"late": 4}

    def inputs(self, rng):
        # The numbers of passes and of batches, also with one more or less, differ from each other.
        return case(rng, 0.6, frames=int(rng.choice([16, 18]))) | by_chance(rng)

    def call(self, given, ask, **inputs):
        chance = {name: inputs.pop(name) for name in CHANCE}
        history, outputs = self.played(given, ask, **inputs)
        table = history_table(history, self.steps, len(inputs["order"]) // 2, **self.kind)
        again = fit_by_chance(given.fit, chance, self.steps)[0]
        again = history_table(again, self.steps, len(chance["sequence"]) // 2)
        return outputs | {"history": table, "again": again}

    def wrong(self, outputs, **case):
        mine = outputs["history"]  # (steps, 4)
        batches = descend(case, self.steps, **self.kind)[1]  # (steps, batches, 4)
        mean = batches.mean(1)
        wrong = [k for k in range(len(NAMES)) if not close(mine[:, k], mean[:, k], 1e-4)]
        if not wrong and close(outputs["again"], descend_by_chance(case, self.steps)[1].mean(1)):
            return None
        if not wrong:
            return Complaint.of("""history-of-one-loss: With another picture and another loss the history does
                not hold the means over the batches, though with the first ones it does. Take the terms as
                `compute_loss` gives them.""")
        for said, how in _told(averaged=AVERAGED):
            instead = how["averaged"](batches)
            if all(close(mine[:, k], instead[:, k], 1e-4) for k in wrong):
                alone = f"Of {', '.join(f'`{NAMES[k]}`' for k in wrong)}: " if len(wrong) < len(NAMES) else ""
                key, text = Complaint.of(said)
                return Complaint(key, alone + text)
        if complaint := self.divided(mine[:, wrong], batches, wrong):
            return complaint
        k = wrong[0]
        p = int((mine[:, k] - mean[:, k]).abs().argmax())
        should, yours = in_digits(mean[p, k], mine[p, k])
        return Complaint.of(f"""history-wrong: `history[{p}]["{NAMES[k]}"]` should be {should}, the mean
            over the batches of that pass, weights included, of the loss before the step; yours is
            {yours}.""")

    def divided(self, mine, batches, wrong):
        """What is said where sums over the batches were divided by another number. -> Complaint or None

        mine: the wrong columns, (steps, K); wrong: their numbers.
        """
        sums, count = batches.sum(1)[:, wrong], batches.shape[1]
        terms = (batches[:, 0, :-1] > 0).sum(-1, keepdim=True)  # (steps, 1)
        numbers = {
            "1: they are not divided": 1,
            "the number of frames in a batch": 2,
            "the number of frames": 2 * count,
            "the number of passes": self.steps,
            "the number of terms": terms,
            "the number of terms and the loss": terms + 1,
            "the number of batches twice": count**2,
            "the number of batches, and by that of the terms": count * terms,
        }
        any_number = (sums[sums > 0] / mine[sums > 0]).mean()  # such as one more or less
        numbers[in_digits(any_number)[0]] = any_number
        said = next((said for said, by in numbers.items() if close(mine, sums / by)), None)
        names = ", ".join(f"`{NAMES[k]}`" for k in wrong)
        return said and Complaint.of(f"""history-divided: Of {names} the sums over the batches are divided by
            {said}. Divide by the number of batches, `len(loader)`, here {count}.""")


def history_table(history, steps, batches, late=0):
    """The history as numbers (steps, 4), the terms in the order of NAMES.

    late: as many entries at its beginning may lack the first of them.

    Raises a Problem for anything else.
    """
    if history is None:
        raise Problem.of("""none: fit gives None, expected the history, a list of dicts. Is the `return`
            missing?""")
    if not isinstance(history, (list, tuple)):
        raise Problem.of(
            f"history-not-a-list: fit gives {describe(history)}, expected a list with a dict for every pass."
        )
    if isinstance(history, tuple) and any(isinstance(part, list) for part in history):
        raise Problem.of(f"history-not-a-list: fit gives {len(history)} things. Return the history alone.")
    if len(history) != steps:
        if len(history) == steps * batches:
            raise Problem.of(f"""history-per-batch: The history has an entry for each of the {steps * batches}
                batches. One for each pass is wanted: the means over its batches.""")
        raise Problem.of(f"history-length: The history has {len(history)} entries after {steps} passes.")
    if late and all(isinstance(entry, dict) for entry in history):
        if NAMES[0] in history[0] and NAMES[0] not in history[-1]:
            raise Problem.of(REVERSED)
    rows = []
    for place, entry in enumerate(history):
        if not isinstance(entry, dict):
            raise Problem.of(f"""history-not-dicts: An entry of the history is {describe(entry)}, expected a
                dict: the mean of each term by its name, and `loss`.""")
        if "loss" not in entry:
            has = ", ".join(f"`{name}`" for name in entry)
            raise Problem.of(NO_LOSS.replace("no `loss`", f"no `loss`, but {has}") if has else NO_BATCH)
        if place < late:
            entry = {NAMES[0]: 0.0, **entry}
        if missing := ", ".join(f"`{name}`" for name in NAMES if name not in entry):
            raise Problem.of(f"""history-without-terms: Entry {place} of the history lacks {missing}: keep
                the mean of every term that its batches had, under its name. A recipe may add terms on the
                way.""")
        rows.append([_number(name, entry[name]) for name in NAMES])
    return torch.tensor(rows, dtype=torch.float64)


def _number(name, value):
    if torch.is_tensor(value) and value.requires_grad:
        raise Problem.of(f"""history-keeps-graph: `{name}` of the history is a tensor that still holds the
            graph of its batch, and with it all memory of it. Keep the number: `.item()`.""")
    if torch.is_tensor(value):
        raise Problem.of(f"""history-tensors: `{name}` of the history is a tensor, expected a plain number:
            `.item()`.""")
    try:
        return number(f"`{name}` of the history is", value, _printed, finite=False)
    except Problem as problem:
        raise Problem("history-not-numbers", problem.complaint.text) from None


def _printed(_, value):
    return " Format it where it is printed." * isinstance(value, str)


class Moves(OnStage):
    name = "moves each batch to the scene's device"
    points = 1
    steps, kind = 1, {"to_be_moved": True}
    after = (Arguments, Passes, Descends, Fits)

    def wrong(self, outputs, **case):
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
    name = "begins the loader anew in every pass"
    points = 1
    kind = {"turning": True}
    after = (Arguments, Passes, Descends, Fits)

    def wrong(self, outputs, order, **case):
        loader, frames, case = Loader(order, order, turning=True), outputs["frames"], case | {"order": order}
        if torch.equal(frames, order.repeat(self.steps)):
            return Complaint.of("""loader-kept: The loader is gone through once, and its batches are kept for
                all passes. Go through it anew in every pass, `for frames in loader`: it shuffles them anew,
                and recipes narrow their reach and lower their rates when a pass begins.""")
        if not torch.equal(frames, torch.cat([loader.order(n) for n in range(self.steps)])):
            return Complaint.of(OTHER_ORDER)
        return None


class OwnGradients(OnStage):
    name = "uses no gradients from before"
    points = 0  # advice: in a loop that a lesson runs there are none
    steps, kind = 1, {"left": 2.0}
    after = (Arguments, Passes, Descends, Fits)

    def wrong(self, outputs, **case):
        late = descend(case, 1, order="|rbscz|", left=self.kind["left"])[0][1]
        return Complaint.of(ZERO_LATE) if close(self.path(outputs)[1], late) else None


PROPERTIES = (
    *(Arguments(), Passes(), Descends(), Fits(), Persists(), Clamps(), History(), Moves(), Anew()),
    OwnGradients(),
)
fitting = Exercise(7, "The optimisation loop", ("fit",), PROPERTIES)
