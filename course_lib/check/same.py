"""An exercise that is a function: it gives what the right function gives, and usual mistakes have names.

A mistake is written as what it computes, a function of the same arguments as the right one, beside what is
said of it, "key: a sentence or two":

    mistakes = {"transposed: These are the transposes of the right matrices.": lambda theta: right(theta).mT}

`Same` draws a case in which every mistake of its list differs visibly from what is right, compares, and names
a mistake only where the student's code gave what the mistake gives, in every call. Where none does,
`difference` says what is wrong, and where. The tests' bank of wrong attempts begins with these lists.
"""

import inspect
import itertools
import re
from functools import partial

import torch

from .card import Shown
from .core import Complaint, Problem, Property, changed, clone, close, tensor
from .difference import apart, difference, of_all
from .places import told_apart

# What a student may have made of an argument first, in words: "Yours would be right if `x` were ...".
TAKEN = {
    "with the opposite sign": torch.neg,
    "without its sign": torch.abs,
    "squared": torch.square,
    "its square root": torch.sqrt,
    "1 divided by it": torch.reciprocal,
    "rounded": torch.round,
    "rounded down": torch.floor,
    "in radians, and it is turned into degrees": torch.rad2deg,
    "in degrees, and it is turned into radians": torch.deg2rad,
    **{
        f"{k:g} times what it is": partial(torch.mul, other=k)
        for k in (2, 0.5, 3, 4, 0.25, 10, 0.1, 100, 0.01, 1000, 0.001, 3.28, 3.28084, 1 / 3.28)
    },
    "its mean everywhere": lambda x: x.mean().expand_as(x),
    "its first item everywhere": lambda x: x[:1].expand_as(x),
    "its last item everywhere": lambda x: x[-1:].expand_as(x),
    "one item later": lambda x: torch.cat([x[:1], x[:-1]]),
    "one item earlier": lambda x: torch.cat([x[1:], x[-1:]]),
    "backwards along its first dimension": lambda x: x.flip(0),
    "backwards along its last dimension": lambda x: x.flip(-1),
    "with its last two dimensions exchanged": lambda x: x.mT if x.dim() > 1 else None,
    **{f"with the opposite sign in [..., {k}]": lambda x, k=k: _negated(x, k) for k in range(4)},
}


def _negated(x, k):
    """With the k-th of the few numbers of the last dimension negated. -> None where there are others"""
    few = x.dim() > 1 and k < x.shape[-1] <= 4
    return torch.where(torch.arange(x.shape[-1]) == k, -x, x) if few else None


TRIES = 50  # cases that are drawn until one tells all mistakes from what is right


def steps(mistakes, right, step, more=""):
    """Mistakes that are the right function with another step, as `Same` has them: {what is said: functions}.

    mistakes: {what is said, {} where `more` belongs: what stands in the place of the argument `step`, or a
    tuple of such}.
    """
    return {
        said.format(more): tuple(
            partial(right, **{step: one}) for one in (wrong if isinstance(wrong, tuple) else (wrong,))
        )
        for said, wrong in mistakes.items()
    }


class Same(Property):
    """A function gives the same as the right one.

    function: the name of the student's function; shows: how its call is written, "batch_rodrigues(theta)";
    "" where `call` gives outputs by their names, which then stand for it.
    right: the right function, of the same arguments. mistakes: {"key: what is said": function, or a tuple of
    functions, of the same arguments -> the wrong value}, the likeliest first. otherwise: the key of what none
    of them explains. explained: how near to what a mistake gives a value must be, as `core.close` has it.
    """

    function, shows, otherwise = "", "", "differs"
    right, mistakes = None, {}
    explained = 1e-3
    visible = 10  # times the tolerance that a mistake must differ by
    by_arguments = False  # whether it is asked of what other arguments a wrong value is right
    looks = ()  # what the value is, and its kind, where a card shows it: see `card.Shown`

    def cases(self, rng):
        """One case, by chance. -> dict of tensors"""
        raise NotImplementedError

    def calls(self, **inputs):
        """What the function is called with, once or more often. -> {what is said of a call: its arguments}"""
        return {"": tuple(inputs.values())}

    def shape(self, *arguments):
        """The shape of what the function should give."""
        raise NotImplementedError

    def value(self, function, *arguments):
        """What is compared: what a function gives, or what is made of that."""
        return function(*arguments)

    def taken(self, shows, value, *arguments):
        """The student's value, if it is of the right kind; else raises a Problem that names the call."""
        try:
            return tensor(shows, value, self.shape(*arguments), arguments[0])
        except Problem as problem:
            if problem.complaint.key == "not-finite":
                where = told_apart(~value.isfinite(), self.named_as_shown(arguments))
                raise Problem(*problem.complaint[:1], f"{problem.complaint.text} {where}".strip()) from None
            raise

    def compared(self, value):
        """The one tensor in which a value of the right kind is compared."""
        return value

    def call(self, given, **inputs):
        outputs = {}
        in_order(getattr(given, self.function), self.shows)
        for said, arguments in self.calls(**inputs).items():
            before = clone(self.named_as_shown(arguments))
            try:
                value = self.value(getattr(given, self.function), *arguments)
                if complaint := changed(before, self.named_as_shown(arguments)):
                    raise Problem(*complaint)
                outputs[said] = self.compared(self.taken(self.shows, value, *arguments))
            except Problem as problem:  # what is said of the call stands behind it
                key, text = problem.complaint
                raise Problem(key, text.replace(f"`{self.shows}`", f"`{self.shows}`{said}", 1)) from None
            except Exception as error:
                error.case = said  # `core` says it with the error
                raise
        return outputs

    def named_as_shown(self, arguments):
        """The arguments of a call by the names that `shows` has for them. -> dict"""
        return dict(zip(re.search(r"\(([^()]*)\)", self.shows)[1].split(", "), arguments))

    # --- what follows is the judge's

    near = staticmethod(close)  # whether two values agree, within a tolerance

    def inputs(self, rng):
        best, most, wrong = None, -1, [makes for _, makes in self.named()]
        for _ in range(TRIES):
            case = self.cases(rng)
            right = self.made(self.right, case)
            seen = sum(self.seen(self.made(makes, case), right) for makes in wrong)
            best, most = (case, seen) if seen > most else (best, most)
            if most == len(wrong):
                break
        return best

    def named(self):
        """The mistakes one by one. -> pairs of what is said, and the function"""
        for said, makes in self.mistakes.items():
            yield from ((said, one) for one in (makes if isinstance(makes, tuple) else (makes,)))

    def made(self, function, inputs):
        """What a function makes of a case. -> as `call`"""
        calls = self.calls(**inputs).items()
        return {said: self.compared(self.value(function, *each)).detach() for said, each in calls}

    def seen(self, wrong, right):
        """Whether what a mistake makes differs visibly from what is right, in one call at least."""
        return any(not self.near(wrong[said], right[said], self.visible * self.tolerance) for said in right)

    def explains(self, made, outputs, right):
        """Whether what a mistake makes is what came out, in every call, and not what is right as well."""
        if not all(self.near(outputs[said], made[said], self.explained) for said in right):
            return False
        far, off = (sum(apart(values[said], outputs[said]) for said in right) for values in (right, made))
        return off < 0.1 * far and self.seen(made, right)

    def judge(self, outputs, **inputs):
        right = {said: value for said, value in self.made(self.right, inputs).items() if said in outputs}
        wrong = [said for said in right if not self.near(outputs[said], right[said], self.tolerance)]
        if not wrong:
            return None
        for said, makes in self.named():
            if self.explains(self.made(makes, inputs), outputs, right):
                return Complaint.of(said)
        both = (torch.cat([values[said].flatten() for said in wrong]) for values in (outputs, right))
        told = of_all(*both) or outputs[wrong[0]].dim() and of_all(outputs[wrong[0]], right[wrong[0]])
        if self.by_arguments and not told and (said := self.of_others(outputs, right, inputs)):
            return Complaint(self.otherwise, said)
        return self.unexplained(wrong[0], outputs[wrong[0]], right[wrong[0]], inputs)

    def of_others(self, outputs, right, inputs):
        """Of what other arguments the wrong values would be right. -> a sentence or ''"""
        calls = {said: self.named_as_shown(given) for said, given in self.calls(**inputs).items()}
        calls = {said: given for said, given in calls.items() if said in right}
        names = [
            name for name, x in next(iter(calls.values())).items() if torch.is_tensor(x) or type(x) is float
        ]
        ways = [({name: change}, f"`{name}` were {what}") for name in names for what, change in TAKEN.items()]
        ways += [
            ({a: b, b: a}, f"`{a}` and `{b}` were exchanged") for a, b in itertools.combinations(names, 2)
        ]
        for changes, what in ways:
            try:
                made = {said: self.of_changed(given, changes) for said, given in calls.items()}
                if all(value is not None for value in made.values()) and self.explains(made, outputs, right):
                    return f"Yours would be right if {what}."
            except (RuntimeError, IndexError, ValueError, ArithmeticError):  # not of this argument
                continue
        return ""

    def of_changed(self, given, changes):
        """What is right of arguments that are changed. -> as `call`'s, None where that makes no sense"""
        made = dict(given)
        for name, change in changes.items():
            if name not in given:
                continue
            x = torch.as_tensor(given[name])
            made[name] = given[change] if isinstance(change, str) else change(x)
            if made[name] is None or not x.is_floating_point():
                return None
            if not torch.is_tensor(given[name]):
                made[name] = float(made[name])
        return self.compared(self.value(self.right, *made.values())).detach()

    def unexplained(self, said, yours, right, inputs):
        """What is said of a call whose value no mistake gives. -> Complaint"""
        call, more = (self.shows, said) if self.shows else (said, "")
        shown = self.shown(said, inputs)
        return Complaint(self.otherwise, difference(call, yours, right, shown, self.tolerance, of=more))

    def shown(self, said, inputs):
        """What is shown of a call's arguments. -> {name: tensor}"""
        return self.named_as_shown(self.calls(**inputs)[said])

    def picture(self, outputs, **inputs):
        if not self.looks:
            return None
        what, kind = self.looks
        right = self.made(self.right, inputs)
        call = next(call for call in right if not self.near(outputs[call], right[call], self.tolerance))
        return Shown(what, outputs[call], right[call], kind)


class SameGradient(Same):
    """The gradient of a function's value, weighted and summed, is that of the right function.

    inputs: the function's argument, and the weights, of the value's shape. The mistakes are functions too.
    """

    looks, by_arguments = (), False

    def value(self, function, x, weights):
        x = x.clone().requires_grad_()
        try:
            value = function(x)
        except RuntimeError as error:
            if "requires grad" not in str(error):
                raise
            value = None  # numpy() of a tensor that requires grad
        if torch.is_tensor(value) and value.requires_grad:
            (value * weights).sum().backward()
        if x.grad is None:
            raise Problem.of(f"""no-gradient: No gradient flows from `{self.shows}` back to its argument.
                `float()`, `.item()`, `.numpy()`, `.detach()`, `torch.no_grad` and new tensors made from
                numbers (`torch.tensor`, `torch.eye`) cut it off: the result must be computed from the
                argument, in torch.""")
        return x.grad

    def taken(self, shows, value, *arguments):
        return value


def in_order(function, call):
    """Raises a Problem where a function's arguments are those of a call, "f(a, b)", in another order."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # its signature is not known
        return
    asked = re.search(r"\(([^()]*)\)", call)[1].split(", ")
    theirs = names[: len(asked)]
    if theirs != asked and sorted(theirs) == sorted(asked):
        raise Problem.of(f"""parameters: Your function takes its arguments as ({", ".join(theirs)}), but it is
            called as `{call}`: keep the order of the line that was given.""")
