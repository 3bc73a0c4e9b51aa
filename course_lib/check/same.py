"""An exercise that is a function: it gives what the right function gives, and usual mistakes have names.

A mistake is written as what it computes, a function of the same arguments as the right one, beside what is
said of it, "key: a sentence or two":

    mistakes = {"transposed: These are the transposes of the right matrices.": lambda theta: right(theta).mT}

`Same` draws a case in which every mistake of its list differs visibly from what is right, compares, and names
a mistake only where the student's code gave what the mistake gives. Where none does, `difference` says what
is wrong, and where. The tests' bank of wrong attempts begins with these lists (`bank`).
"""

import torch

from .core import Complaint, Problem, Property, close, tensor
from .difference import difference

TRIES = 50  # cases that are drawn until one tells all mistakes from what is right
VISIBLE = 10  # times the tolerance that a mistake must differ by


class Same(Property):
    """A function gives the same as the right one.

    function: the name of the student's function; shows: how its call is written, "batch_rodrigues(theta)".
    right: the right function, of the same arguments. mistakes: {"key: what is said": function, or a tuple of
    functions, of the same arguments -> the wrong value}, the likeliest first. otherwise: the key of what none
    of them explains. explained: how near to what a mistake gives a value must be, as `core.close` has it;
    whole: in all calls, also in those where the value is right.
    """

    function, shows, otherwise = "", "", "differs"
    right, mistakes = None, {}
    explained, whole = 1e-3, False

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
        return tensor(shows, value, self.shape(*arguments), arguments[0])

    def call(self, given, **inputs):
        outputs = {}
        for said, arguments in self.calls(**inputs).items():
            try:
                value = self.value(getattr(given, self.function), *arguments)
            except Exception as error:
                error.case = said  # `core` says it with the error
                raise
            outputs[said] = self.taken(self.shows + said, value, *arguments)
        return outputs

    # --- what follows is the judge's

    def inputs(self, rng):
        best, most = None, -1
        for _ in range(TRIES):
            case = self.cases(rng)
            right, wrong = self.made(self.right, case), [makes for _, makes in self.named()]
            seen = sum(self.apart(self.made(makes, case), right) for makes in wrong)
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
        return {said: self.value(function, *arguments).detach() for said, arguments in calls}

    def apart(self, wrong, right):
        """Whether what a mistake makes differs visibly from what is right, in one call at least."""
        return any(not close(wrong[said], right[said], VISIBLE * self.tolerance) for said in right)

    def judge(self, outputs, **inputs):
        right = self.made(self.right, inputs)
        wrong = [said for said in right if not close(outputs[said], right[said], self.tolerance)]
        if not wrong:
            return None
        for said, makes in self.named():
            made = self.made(makes, inputs)
            looked_at = right if self.whole else wrong
            explains = all(close(outputs[call], made[call], self.explained) for call in looked_at)
            if explains and self.apart(made, right):
                return Complaint.of(said)
        return self.unexplained(wrong[0], outputs[wrong[0]], right[wrong[0]], inputs)

    def unexplained(self, said, yours, right, inputs):
        """What is said of a call whose value no mistake gives. -> Complaint"""
        text = difference(self.shows + said, yours, right, self.shown(said, inputs), self.tolerance)
        return Complaint(self.otherwise, text)

    def shown(self, said, inputs):
        """What is shown of a call's arguments. -> {name: tensor}"""
        return dict(zip(inputs, self.calls(**inputs)[said]))


class SameGradient(Same):
    """The gradient of a function's value, weighted and summed, is that of the right function.

    inputs: the function's argument, and the weights, of the value's shape. The mistakes are functions too.
    """

    def value(self, function, x, weights):
        x = x.clone().requires_grad_()
        try:
            value = function(x)
        except RuntimeError as error:
            if "requires grad" not in str(error):
                raise
            value = None  # numpy() of a tensor that requires grad
        if not torch.is_tensor(value) or not value.requires_grad:
            raise Problem.of(f"""no-gradient: No gradient flows from `{self.shows}` back to its argument. Is
                there a `.detach()`, `.item()`, `.numpy()`, or a new tensor made from numbers?""")
        (value * weights).sum().backward()
        return torch.zeros_like(x) if x.grad is None else x.grad

    def taken(self, shows, value, *arguments):
        return value


def bank(exercise):
    """The wrong attempts that an exercise's properties know. -> list of (property, key, wrong function)"""
    props = [prop for prop in exercise.properties if isinstance(prop, Same)]
    return [(prop, Complaint.of(said).key, makes) for prop in props for said, makes in prop.named()]
