"""What a check says of a wrong value is true, for any value; every mistake of the lists gets its name."""

import contextlib
import re

import numpy as np
import pytest
import torch

from autograder.questions import exercises
from course_lib.check import core, same
from course_lib.check.difference import OF_EACH, difference, pattern

SAME = [
    prop for exercise in exercises().values() for prop in exercise.properties if isinstance(prop, same.Same)
]
SHAPES = (), (1,), (7,), (40,), (5, 3), (1, 4), (6, 3, 3), (3, 4, 4), (2, 5, 6, 3), (9, 1), (3, 3)


def numbers(rng, shape):
    """Random numbers of any size, some of them equal, some zero."""
    values = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4)
    match rng.integers(6):
        case 0:
            values = np.round(values)
        case 1:
            values = np.zeros(shape) + rng.normal()
        case 2 if shape:
            values = np.broadcast_to(values[:1], shape)
    return torch.from_numpy(np.array(values)).to(torch.float64 if rng.integers(3) == 0 else torch.float32)


def one(value, rng, change):
    """The value in which one number is changed."""
    value = value.clone(memory_format=torch.contiguous_format)
    flat = value.view(-1)
    n = int(rng.integers(len(flat)))
    flat[n] = change(flat[n])
    return value


def first_items(value, rng):
    kept = value.clone(memory_format=torch.contiguous_format)
    kept.view(-1)[int(rng.integers(value.numel())) :] = 0
    return kept


def along(rng, value):
    return int(rng.integers(value.dim()))


WRONG = {
    "a factor": lambda x, rng: x * float(rng.choice([-1, 2, 0.5, 1 / 3, 1.0012, 0.9988, 255, -0.1, 1e-3])),
    "a difference": lambda x, rng: x + float(rng.choice([0.5, -1, 1.0012, 1e-3, -255, 3e-4])),
    "a sign of one number": lambda x, rng: one(x, rng, torch.neg),
    "a little more in one": lambda x, rng: one(
        x, rng, lambda y: y + 2e-4 + y * float(rng.choice([1e-3, 1e-2]))
    ),
    "only the first": first_items,
    "a constant": lambda x, rng: torch.full_like(x, float(rng.choice([0, 1, 0.3]))),
    "an eps too large": lambda x, rng: x / (1 + float(rng.choice([1e-2, 1e-3, 3e-4]))),
    "another order": lambda x, rng: x.flatten()[torch.from_numpy(rng.permutation(x.numel()))].reshape(
        x.shape
    ),
    "turned round": lambda x, rng: x.flip(along(rng, x)) if x.dim() else -x,
    "items in another order": lambda x, rng: x.roll(1, along(rng, x)) if x.dim() else 2 * x,
    "the last dimension in another order": lambda x, rng: x.roll(1, -1) if x.dim() else x + 1,
    "one for all": lambda x, rng: x[-1:].expand_as(x) if x.dim() else 0 * x,
    "one less": lambda x, rng: 1 - x,
    "a line": lambda x, rng: 2 * x - 1,
    "without signs": lambda x, rng: x.abs(),
    "squared": lambda x, rng: x * x,
    "inverse": lambda x, rng: 1 / (x + (x == 0)),
    "degrees": lambda x, rng: x * torch.tensor(180 / np.pi),
    "sums": lambda x, rng: x.cumsum(0) if x.dim() else x + 2,
    "the first taken off": lambda x, rng: x - x[:1] if x.dim() else x + 2,
    "steps": lambda x, rng: torch.cat([x[:1], x.diff(dim=0)]) if x.dim() else x + 2,
    "of the item before": lambda x, rng: torch.cat([x[:1], x[:-1]]) if x.dim() else x + 2,
    "of the item after": lambda x, rng: torch.cat([x[1:], x[-1:]]) if x.dim() else x + 2,
    "unit rows": lambda x, rng: torch.nn.functional.normalize(x, dim=-1) if x.dim() else x + 2,
    "rows of any length": lambda x, rng: x * x.norm(dim=-1, keepdim=True) if x.dim() else x + 2,
    "its mean": lambda x, rng: x.mean().expand_as(x),
    "one channel": lambda x, rng: torch.cat([x[..., :1] * 2, x[..., 1:]], -1) if x.dim() else x - 1,
    "noise": lambda x, rng: (
        x + torch.from_numpy(rng.normal(size=x.shape)).to(x) * 10.0 ** rng.integers(-3, 2)
    ),
    "not finite": lambda x, rng: one(x, rng, lambda y: y * float(rng.choice([np.nan, np.inf]))),
    "whole": lambda x, rng: x.round(),
    "cut off": lambda x, rng: x.clamp(0, 1),
    "where it is large": lambda x, rng: torch.where(x > x.mean(), -1.5 * x, x),
    "of each its own": lambda x, rng: torch.atan(x) + x,
    "of few digits": lambda x, rng: x.bfloat16().to(x),
    "exchanged": lambda x, rng: x.mT.reshape(x.shape) if x.dim() > 1 else x.sin(),
    "of each its mean": lambda x, rng: (
        x.flatten(1).mean(1).view(-1, 1, 1).expand_as(x) if x.dim() == 3 else x + 1
    ),
    "wrapped": lambda x, rng: x % (0.7 * float(x.abs().max()) + 1),
    "where another is small": lambda x, rng: (
        torch.where(x.flatten(1).amin(1) < -0.5, -1.7 * x.T, x.T).T if x.dim() == 2 else 3 * x
    ),
}


def cases(count):
    """Wrong values beside right ones: by the change, right, yours, arguments, the tolerance."""
    rng = np.random.default_rng(12)
    for _ in range(count):
        for how, change in WRONG.items():
            right = numbers(rng, SHAPES[rng.integers(len(SHAPES))])
            yours = change(right, rng)
            tolerance = float(rng.choice([1e-4, 1e-3, 1e-5]))
            if not core.close(yours, right, tolerance):
                shape = (len(right), 3) if right.dim() else (3,)
                yield how, right, yours, {"x": torch.from_numpy(rng.normal(size=shape))}, tolerance


def told_by(said, wrong, x):
    """Whether it is true by which numbers of x (N, 3) the wrong items, flags (N,), are told."""
    size = x.norm(dim=1) if " long" in said else x.amin(1)
    if column := re.search(r"x\[:, (\d)\]", said):
        size = x[:, int(column[1])]
    if "nowhere else" in said:
        return (wrong == (size < 0)).all()
    end = float(re.search(r"(-?\d[\d.e-]*) (?:to|or) ", said)[1])  # the one that is nearest to a right item
    inside = (size >= size[wrong].min()) & (size <= size[wrong].max())
    return (wrong == inside).all() and min(abs(size[wrong] - end).tolist()) <= 6e-3 * abs(end)


def holds(said, yours, right, tolerance, arguments):
    """Whether a sentence about all entries is true: what it says is computed from its own words."""
    yours, right = yours.double(), right.double()
    limit = max(6e-3 * float(yours.abs().max()), 1e-12)
    number = r"(-?1/\d+|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"

    def near(made, yours=yours):
        return float((yours - made).abs().max()) <= limit

    def value(text):
        return (
            1 / float(text.partition("/")[2]) * (-1) ** text.startswith("-") if "/" in text else float(text)
        )

    def of_one(said, yours, right):
        if found := re.search(f"is {number}(?: \\(.*\\))? times the right one ([+-]) {number}", said):
            return near(value(found[1]) * right + value(found[2] + found[3]), yours)
        if found := re.search(f"is {number} minus the right one", said):
            return near(value(found[1]) - right, yours)
        if found := re.search(r"cut off(?: below (\S+?))?(?: and)?(?: above (\S+?))?[.]$", said.strip()):
            return near(right.clamp(*(end and float(end) for end in found.groups())), yours)
        if found := re.search("is the right one, (.*)[.]", said):
            return near(OF_EACH[found[1]](right), yours)
        if found := re.search(f"is {number} everywhere", said):
            return near(value(found[1]), yours)
        if "opposite sign" in said:
            return near(-right, yours)
        if found := re.search(f"is {number}(?: \\(.*\\))? times the right one", said):
            return value(found[1]) != 1 and near(value(found[1]) * right, yours)
        found = re.search(f"is (larger|smaller) than the right one by {number}", said)
        step = value(found[2]) * (1 if found[1] == "larger" else -1)
        return step != 0 and float((yours - right - step).abs().max()) <= max(0.02 * abs(step), 1e-6 * limit)

    def beside(said, yours, right, x):
        made = {"as it came": x, "plus that": right + x, "right one minus that": right - x}
        made |= {"minus the right one": x - right, "right one times that": right * x}
        if found := re.search("With R .* is (.*)[.]", said):
            formula = re.sub(r"(\d) ([R`])", r"\1 * \2", found[1].replace("·", "*").replace("`", ""))
            formula = re.sub(r"(\d) x", r"\1 * x", formula)
            return near(eval(formula, {"R": right, "x": x}), yours)
        return near(next(value for words, value in made.items() if words in said), yours)

    said, _, where = (f" {part.strip()}" for part in said.partition("So it is where "))
    said, where = said.rstrip(), where.strip()
    said, _, each = said.partition(" Each of these is off by ")
    if each:
        turns = (yours - right)[(yours - right).abs() > tolerance * max(1.0, float(right.abs().max()))]
        turns = turns / float(each.partition(",")[0])
        return bool(((turns - turns.round()).abs() <= 6e-3 * turns.abs() + 1e-3).all())
    said, _, none = said.partition(" None is off by more than ")
    if none and ((yours - right).abs() > 1.01e-2 * float(none.split()[0]) * right.abs().max()).any():
        return False
    said, _, there = said.replace(" There: ", " Of those that differ: ").partition(" Of those that differ: ")
    wrong = (yours - right).abs() > tolerance * max(1.0, float(right.abs().max()))
    items = wrong.flatten(1).any(1) if wrong.dim() > 1 else wrong
    if where and not told_by(where, items, arguments["x"].double()):
        return False
    if not (said := said.strip()):
        return True
    known = {}
    with contextlib.suppress(RuntimeError):  # of another shape
        known["x"] = arguments["x"].double().broadcast_to(yours.shape)
    if there and "`x`" in there:
        return beside(there, yours[wrong], right[wrong], known["x"][wrong])
    if there and not of_one(there, yours[wrong], right[wrong]):
        return False
    if "`x`" in said and "differ" not in said:
        return beside(said, yours, right, known["x"])
    if found := re.search(
        f"(those|all of them) where (`x`|the right one) is (above|below) {number}[.]", said
    ):
        values = known["x"] if found[2] == "`x`" else right
        passes = values > value(found[4]) if found[3] == "above" else values < value(found[4])
        return not wrong[~passes].any() and (found[1] == "all of them" or wrong[passes].all())
    if "Where the right numbers are equal" in said:
        pairs = re.findall(r"(\S+) becomes ([^,]+)[,.]", said)
        at = [(right - value(should)).abs().argmin() for should, _ in pairs]
        return all(abs(float(yours.flatten()[i]) - value(y)) <= limit for i, (_, y) in zip(at, pairs))
    if "has the right direction" in said:
        return near(yours.norm(dim=-1, keepdim=True) * torch.nn.functional.normalize(right, dim=-1))
    if "the sum of the right ones" in said:
        return near(right.cumsum(0))
    if "is subtracted" in said:
        return near(right - right[:1])
    if said.startswith("Each item of yours, but"):
        made = {"before": right[:-1], "after": right[1:], "less": right[1:] - right[:-1]}
        how = "less" if "less that" in said else "before" if "the item before" in said else "after"
        return near(made[how], yours[:-1] if how == "after" else yours[1:])
    if said.startswith(("Yours is", "Each entry")) and "order" not in said:
        return of_one(said, yours, right)
    if said.startswith("In the last dimension"):
        for k, fact in re.findall(r"\[\.\.\., (\d)\]:? (.*?)[;.](?= |$)", said):
            mine, should = yours[..., int(k)], right[..., int(k)]
            told = not wrong[..., int(k)].any() if fact == "is right" else of_one(fact, mine, should)
            if not told:
                return False
        return True
    if found := re.search(r"those of \[\.\.\., \[(.*)\]\]", said):
        return near(right[..., list(map(int, found[1].split(", ")))])
    if found := re.search(r"dimension (\d) runs backwards", said):
        return near(right.flip(int(found[1])))
    if found := re.search(r"dimensions (\d) and (\d) are exchanged", said):
        return near(right.transpose(int(found[1]), int(found[2])))
    if found := re.search(r"items of yours are the same(?:: the right one for \[(\d+)\])?", said):
        return near((right[int(found[1])] if found[1] else yours[0]).expand_as(yours))
    if "one number everywhere" in said:
        values = right.flatten(1).mean(1) if "mean" in said else yours.flatten(1)[:, 0]
        return near(values.view(-1, *[1] * (yours.dim() - 1)).expand_as(yours))
    if "in other places" in said:
        return near(
            right.flatten().sort().values.gather(0, yours.flatten().argsort().argsort()).view_as(right)
        )
    count, of = (
        int(x.replace(",", "")) for x in re.match(r"([\d,]+) of ([\d,]+) numbers differ", said).groups()
    )
    told = count == wrong.sum() and of == wrong.numel()
    if found := re.search(r"first (\d+) items are right", said):
        told = told and not items[: int(found[1])].any() and items[int(found[1]) :].all()
    elif "; item 0 is right" in said:
        told = told and not items[0] and items[1:].all()
    elif found := re.search(r"all of them in the first (\d+) items", said):
        told = told and items[: int(found[1])].all() and not items[int(found[1]) :].any()
    elif found := re.search(r"of the (\d+) items (\d+) (?:is|are) right", said):
        told = told and len(items) == int(found[1]) and (~items).sum() == int(found[2])
    elif found := re.search(r"all of them in items? ([\d and]+)", said):
        bad = list(map(int, found[1].split(" and ")))
        told = told and items.nonzero().flatten().tolist() == bad
    elif "all of them in [..., " in said:
        inside = torch.zeros_like(wrong)
        for k in re.findall(r"\[\.\.\., (\d)\]", said):
            inside[..., int(k)] = True
        told = told and not (wrong & ~inside).any()
    elif "all of them in" in said:
        places = re.findall(r"\[(:, )?([\d, ]+)\]", said)
        inside = torch.zeros_like(wrong)
        for every, place in places:
            index = tuple(map(int, place.split(", ")))
            inside[(slice(None), *index) if every else index] = True
        told = told and not (wrong & ~inside).any()
    return bool(told)


def test_what_is_said_of_any_wrong_value_is_true():
    said_of = set()
    for how, right, yours, arguments, tolerance in cases(25):
        text = difference("f(x)", yours, right, arguments, tolerance, of=" of three")
        place, should, actually = re.match(
            r"`f\(x\)(?:\[(.*?)\])?` of three should be (\S+), yours is (\S+?)[,.](?: |$)", text
        ).groups()
        index = tuple(map(int, place.split(", "))) if place else ()
        assert should != actually, (how, text)
        assert not core.close(yours[index], right[index], 1e-9), (how, text)
        for shown, entry in ((should, right[index]), (actually, yours[index])):
            assert np.isclose(float(shown), float(entry), rtol=6e-3, atol=0, equal_nan=True), (how, text)
        if found := re.search(r"where x\[(\d+)\] is", text):
            assert int(found[1]) == index[0], text
        told = pattern(yours, right, tolerance, arguments=arguments)
        assert text.endswith(told)
        assert not told or holds(told, yours, right, tolerance, arguments), (how, told, yours, right)
        said_of.add(re.sub(r"[-\d.,e/]+", "#", told).partition(";")[0])
    assert len(said_of) > 25, said_of


BY_ARGUMENT = {
    "Yours is `x`, as it came.": lambda x, y: x,
    "Each entry of yours is the right one plus that of `x`.": lambda x, y: y + x,
    "Each entry of yours is the right one minus that of `x`.": lambda x, y: y - x,
    "Each entry of yours is that of `x` minus the right one.": lambda x, y: x - y,
    "Each entry of yours is the right one times that of `x`.": lambda x, y: y * x,
    "those where `x` is above -0.5. There: yours is `x`, as it came.": lambda x, y: torch.where(
        x > -0.5, x, y
    ),
    "those where `x` is below 0. There: yours is 7 everywhere.": lambda x, y: torch.where(x < 0, 7.0, y),
}


@pytest.mark.parametrize("said", BY_ARGUMENT)
def test_what_the_arguments_have_to_do_with_it_is_said(said):
    rng = np.random.default_rng(4)
    x, right = (torch.from_numpy(rng.normal(size=(4, 20, n))).float() for n in (1, 3))
    wrong = BY_ARGUMENT[said](x, right).broadcast_to(right.shape)
    assert pattern(wrong, right, arguments={"x": x, "t": torch.arange(4)}).endswith(said)


def turned(x):
    return torch.stack([x[:, 1], -x[:, 0]], -1)


class Turned(same.Same):
    """A plain exercise: vectors are turned by a right angle."""

    function, shows, right = "turn", "turn(x)", staticmethod(turned)
    mistakes = {
        "other-way: It turns the other way.": lambda x: -turned(x),
        "not-turned: It does not turn.": lambda x: x,
    }

    def cases(self, rng):
        return {name: torch.from_numpy(rng.normal(size=(n, 2))) for name, n in (("few", 2), ("many", 50))}

    def calls(self, few, many):
        return {" of two": (few,), " of 50": (many,)}

    def shape(self, x):
        return x.shape


def said_of(turn, seed=0):
    prop = Turned()
    inputs = prop.inputs(np.random.default_rng(seed))
    outputs = prop.call(core.types.SimpleNamespace(turn=turn), **inputs)
    return core.verdict(prop, outputs, inputs)


def test_a_mistake_is_named_where_it_is_what_came_out_in_every_call():
    assert said_of(turned) is None
    assert said_of(lambda x: -turned(x)) == ("other-way", "It turns the other way.")
    assert said_of(lambda x: x).key == "not-turned"
    half = said_of(lambda x: x if len(x) == 50 else turned(x))  # right where the mistake is not
    assert half.key == "differs" and "`turn(x)[" in half.text and "` of 50 should be" in half.text
    assert said_of(lambda x: -1.1 * turned(x)).key == "differs"


def test_the_argument_that_is_shown_has_the_name_that_the_student_knows():
    text = said_of(lambda x: torch.cat([turned(x)[:-1], x[-1:]])).text
    assert "` of two should be" in text and re.search(r"where x is \(", text)


def test_where_it_is_not_finite_is_said_of_the_arguments():
    prop, inputs = Turned(), {"few": torch.ones(2, 2), "many": torch.linspace(-1, 1, 100).view(50, 2)}
    turn = core.types.SimpleNamespace(turn=lambda x: turned(x).where(x > -0.5, torch.nan))
    _, complaint, _ = core.attempt(prop, turn, inputs, 5)
    assert complaint.key == "not-finite" and complaint.text.endswith(
        "They are those where `x` is below -0.5."
    )


def test_the_items_that_differ_are_told_by_the_smallest_of_their_numbers():
    rng = np.random.default_rng(2)
    theta, right, other = (torch.from_numpy(rng.normal(size=size)) for size in ((40, 3), *2 * [(40, 3, 3)]))
    yours = torch.where(theta.amin(1)[:, None, None] < -0.5, other, right)
    text = pattern(yours, right, arguments={"theta": theta})
    assert "So it is where the smallest number of theta is " in text and "with -0.4" in text, text


def test_numbers_that_become_what_they_were_are_not_shown():
    right = torch.from_numpy(np.random.default_rng(3).uniform(size=(6, 8, 1))).repeat(1, 1, 3)
    yours = right.clone()
    yours[0] = 1
    assert "becomes" not in pattern(yours, right) and "all of them in item 0" in pattern(yours, right)
    some = pattern(torch.where(right > 0.5, 2 * right - 0.5, right), right)
    pairs = re.findall(r"(\S+) becomes ([^,. ]+\.?\d*)", some)
    assert all(should != is_ for should, is_ in pairs), some


def test_arguments_in_another_order_are_named():
    def turn(y, x):
        return x - y

    same.in_order(turn, "turn(y, x)")
    same.in_order(turn, "turn(a, b)")
    with pytest.raises(core.Problem, match="keep the order"):
        same.in_order(turn, "turn(x, y)")


@pytest.mark.parametrize("how", WRONG)
def test_no_wrong_function_ends_in_a_traceback(how):
    prop, rng = Turned(), np.random.default_rng(3)
    functions = core.types.SimpleNamespace(turn=lambda x: WRONG[how](turned(x), rng))
    for seed in range(5):
        inputs = prop.inputs(np.random.default_rng(seed))
        outputs, complaint, _ = core.attempt(prop, functions, inputs, 5)
        complaint = complaint or core.verdict(prop, outputs, inputs)
        assert complaint is None or complaint.key in ("not-finite", "differs", "other-way"), complaint


@pytest.mark.parametrize("prop", SAME, ids=lambda prop: type(prop).__name__)
def test_every_mistake_of_the_lists_is_seen_and_named(prop):
    texts = {core.Complaint.of(told).text for told, _ in prop.named()}
    for seed in range(3):
        inputs = prop.inputs(np.random.default_rng([seed, 7]))
        assert core.verdict(prop, prop.made(prop.right, inputs), inputs) is None
        for said, makes in prop.named():
            made = prop.made(makes, inputs)
            complaint = core.verdict(prop, made, inputs)
            # Where nothing at all is seen, that is said, whatever the cause.
            keys = {core.Complaint.of(said).key, None if any(x.any() for x in made.values()) else "empty"}
            assert complaint and "\n" not in complaint.text and complaint.key in keys, (said, complaint)
            assert complaint.text in texts or complaint.key == "empty", (said, complaint)
