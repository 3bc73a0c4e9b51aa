"""How a value differs from the right one, in words that are true of them: the entry, the digits, the pattern.

All that is said here is computed from the two values. It guesses at no cause: `same.Same` names causes.
"""

import itertools
import math
from functools import partial

import torch
from torch.nn.functional import normalize

from ..errors import fold
from .core import margin
from .places import broadcast, where_known

MOST_SHOWN = 9  # numbers of an argument that are shown whole
TOLERANCE = 1e-3  # of a pattern: its largest error against the largest entry
FACTORS = {"pi": math.pi, "2 pi": 2 * math.pi, "1/pi": 1 / math.pi, "1/(2 pi)": 0.5 / math.pi}
FACTORS |= {"180/pi, degrees": 180 / math.pi, "pi/180": math.pi / 180}
# What may have become of each number, and what makes it.
OF_EACH = {
    "without its sign": torch.abs,
    "squared": torch.square,
    "the square root of it": lambda x: x.abs().sqrt() * torch.where(x < 0, torch.nan, 1),
    "squared, with the opposite sign": lambda x: -(x**2),
    "the cube root of it": lambda x: x.sign() * x.abs() ** (1 / 3),
    "1 divided by it": torch.reciprocal,
    "rounded": torch.round,
    "rounded down": torch.floor,
    "rounded up": torch.ceil,
    **{f"rounded to {k} decimals": partial(torch.round, decimals=k) for k in (1, 2, 3, 4)},
}


def difference(call, yours, right, arguments=None, tolerance=1e-4, of="", corner=None, item="item", part=""):
    """What a student reads of a value that is not the right one. -> text, one to three sentences

    call: what gave it, "batch_rodrigues(theta)"; of: more about this call, " of three". yours, right: tensors
    of one shape, that differ by more than `tolerance` as `core.close` has it. arguments: {name: tensor}; of
    those that are as long as the value, that part is shown which belongs to the entry named. item: what the
    first dimension counts. Where the two are a part of what the call gave, corner: the index of their first
    entry in it; part: "In that tile".
    """
    index = _worst(yours, right)
    should, actually = in_digits(right[index], yours[index])
    whole = tuple(i + first for i, first in zip(index, corner or itertools.repeat(0)))
    place = f"[{', '.join(map(str, whole))}]" if index else ""
    case = _case(index, yours, arguments or {})
    said = f"`{call}{place}`{of} should be {should}, yours is {actually}{case}."
    more = pattern(yours, right, tolerance, item, arguments)
    return fold(" ".join([said, f"{part}: {more}" if part and more else more]).strip())


def in_digits(*values):
    """Numbers with as many digits as tell them apart, and the halves of pixels. -> list of texts"""
    values = [value.item() if torch.is_tensor(value) else value for value in values]
    if not all(isinstance(value, float) for value in values):
        return [str(value) for value in values]
    for digits in range(4 if max(map(abs, values)) >= 100 else 3, 18):
        texts = [f"{value + 0.0:.{digits}g}" for value in values]  # + 0.0: no -0
        if len(set(texts)) == len(set(values)):
            break
    return texts


def in_words(values):
    """Numbers (N,), or one, as they are shown: (0.31, -0.2, 1.1)."""
    texts = [in_digits(value)[0] for value in values.detach().reshape(-1)]
    return texts[0] if values.numel() == 1 else f"({', '.join(texts)})"


def linear(factors, names, number="{:.3g}".format, least=5e-3):
    """A sum of named things as a formula: "0.5 x - y + 0.1".

    names: of what each factor is of, "" for a number alone; number: how a factor's size is written; least:
    what is smaller counts as 0.
    """
    text = ""
    for factor, name in zip(factors, names):
        if abs(factor) >= least:
            size = number(abs(factor))
            size = (
                "" if size == "1" and name else f"({size})" if " " in size and (name or factor < 0) else size
            )
            text += f" {'-' if factor < 0 else '+'} {f'{size} {name}'.strip()}"
    return text.removeprefix(" + ").replace(" - ", "-", text.startswith(" - ")) or "0"


def pattern(yours, right, tolerance=1e-4, item="item", arguments=None):
    """What is true of a value that differs from the right one. -> a sentence or two, or ''

    arguments: {name: tensor}; of those that broadcast to the value's shape, what they have to do with it.
    """
    yours, right = yours.detach().double().cpu(), right.detach().double().cpu()
    if yours.numel() == 0 or not torch.isfinite(yours).all():
        return ""
    known = broadcast(arguments or {}, yours)
    found = of_all(yours, right, tolerance, known) or _apart_by(yours, right, tolerance, known)
    found = found or _equal_for_equal(yours, right) or _where(yours, right, tolerance, item)
    items = ((yours - right).abs() > margin(right, tolerance)).reshape(*yours.shape[:1], -1).any(-1)
    return f"{found} {_told_by(items, arguments or {})}".strip()


def of_all(yours, right, tolerance=1e-4, known=None):
    """What is true of all entries of a value, finite ones. -> a sentence, or ''

    known: {name: tensor of the value's shape} that it may have to do with.
    """
    yours, right = yours.detach().double().cpu(), right.detach().double().cpu()
    numbers = _constants, _proportions, _differences, partial(_of_arguments, known=known or {}), _functions
    orders = (
        _other_orders,
        _turned_round,
        _one_for_all,
        _one_each,
        _along_the_first,
        _directions,
        _lines,
        _other_places,
    )
    found = _first(numbers[1:3] if yours.numel() == 1 else (*numbers, *orders), yours, right)
    return found or _by_channel(yours, right, tolerance)


def apart(a, b):
    """The largest difference of two tensors of one shape. -> float"""
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    return float((a - b).abs().max()) if a.numel() else 0.0


def _worst(yours, right):
    """The index of the entry that differs most; what is not finite differs more than all that is."""
    by = (yours.detach().double() - right.detach().double()).abs().cpu()
    flat = int(torch.nan_to_num(by, nan=torch.inf).argmax())
    return tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), by.shape))


def _case(index, yours, arguments):
    """The part of the arguments that belongs to an entry. -> text that begins with ", where", or ''"""
    shown = []
    for name, value in arguments.items():
        if not torch.is_tensor(value) or value.numel() == 0:
            continue
        place = []
        while (
            value.numel() > MOST_SHOWN
            and len(place) < len(index)
            and (value.shape[:1] == yours.shape[len(place) : len(place) + 1])
        ):
            place.append(index[len(place)])
            value = value[place[-1]]
        place = f"[{', '.join(map(str, place))}]" if place else ""
        if value.numel() <= MOST_SHOWN:
            shown.append(f"{name}{place} is {in_words(value)}")
    return f", where {' and '.join(shown)}" if shown else ""


def which(wrong, arguments):
    """By what of the arguments the wrong items, flags (N,), can be told from the others. -> text or ''

    It is their length, or one of their numbers, if the wrong ones follow one another in its order.
    """
    if int(wrong.sum()) == len(wrong) - 1 > 1:
        return f"Only item {int(wrong.int().argmin())} is right."
    return _told_by(wrong, arguments)


def _told_by(wrong, arguments):
    """As `which`, of several items that are wrong and several that are right."""
    count, of = int(wrong.sum()), wrong.numel()
    for name, value in arguments.items():
        if (
            not torch.is_tensor(value)
            or value.dim() != 2
            or len(value) != of
            or of < 6
            or not 1 < count < of - 1
        ):
            continue
        value = value.detach().double().cpu()
        sizes = {f"{name} is {{}} long": value.norm(dim=-1)}
        if math.comb(of, count) > 200 * value.shape[1]:  # else it may be by chance
            sizes |= {f"{name}[:, {k}] is {{}}": value[:, k] for k in range(value.shape[1])}
            sizes |= {f"the smallest number of {name} is {{}}": value.amin(1)}
        for said, size in sizes.items():
            if said_of := _range(wrong[size.argsort()], size.sort().values, said):
                return said_of
    return ""


def _range(wrong, size, said):
    """Where the wrong ones, flags in the order of sizes, lie without a gap. -> text or ''"""
    first, last = wrong.nonzero()[0, 0], wrong.nonzero()[-1, 0]
    if not wrong[first : last + 1].all():
        return ""
    ends = in_digits(size[first])[0], in_digits(size[last])[0]
    if first == 0 and size[last] < 0 <= size[last + 1]:
        return f"So it is where {said.format('negative')}, and nowhere else."
    if first and last < len(wrong) - 1:
        return f"So it is where {said.format(f'{ends[0]} to {ends[1]}')}; below and above it is right."
    near, far = (first, first - 1) if first else (last, last + 1)
    near, far = in_digits(size[near], size[far])
    ways = ("more", "less") if first else ("less", "more")
    return f"So it is where {said.format(f'{near} or {ways[0]}')}; with {far} or {ways[1]} it is right."


# --- patterns: each gives pairs, what would be in the place of yours if it held, and what is said then


def _first(patterns, yours, right):
    """What is said of the first that explains yours, and the difference. -> a sentence, or ''"""
    limit = min(TOLERANCE * float(yours.abs().max()), 0.01 * apart(yours, right))
    pairs = itertools.chain.from_iterable(found(yours, right) for found in patterns)
    return next((said for made, said in pairs if apart(yours, made) <= limit), "")


def _constants(yours, right):
    value = yours.flatten()[0]
    facts = {"mean": right.mean(), "smallest": right.min(), "largest": right.max(), "sum": right.sum()}
    known = [name for name, fact in facts.items() if abs(fact - value) <= TOLERANCE * abs(value)]
    more = f", the {known[0]} of the right ones" if known and yours.numel() > 1 else ""
    yield value.expand_as(yours), f"Yours is {in_digits(value)[0]} everywhere{more}."


def _proportions(yours, right):
    square = float((right * right).sum())
    factor = float((yours * right).sum()) / square if square else 0.0
    if factor:
        times = f"{_factor(factor)} times the right one"
        times = "the right one with the opposite sign" if abs(factor + 1) < TOLERANCE else times
        yield factor * right, f"{'Each entry of yours' if yours.numel() > 1 else 'Yours'} is {times}."


def _factor(factor):
    for name, value in FACTORS.items():
        if abs(abs(factor) / value - 1) < TOLERANCE:
            return f"{in_digits(factor)[0]} ({'-' * (factor < 0)}{name})"
    inverse = round(1 / factor) if abs(factor) < 0.9 else 0
    if inverse and abs(factor * inverse - 1) < TOLERANCE:
        return f"1/{inverse}" if inverse > 0 else f"-1/{-inverse}"
    return in_digits(factor, 1.0)[0]


def _differences(yours, right):
    by = float((yours - right).mean())
    more = "larger" if by > 0 else "smaller"
    yield right + by, f"Each entry of yours is {more} than the right one by {in_digits(abs(by))[0]}."


def _lines(yours, right):
    """A factor and a difference."""
    x, y = right.flatten() - right.mean(), yours.flatten() - yours.mean()
    square = float(x @ x)
    if yours.numel() > 3 and square and (factor := float(x @ y) / square):
        by = float(yours.mean() - factor * right.mean())
        said = f"{_factor(factor)} times the right one {'+' if by > 0 else '-'} {in_digits(abs(by))[0]}"
        if abs(factor + 1) < TOLERANCE:
            said = f"{in_digits(by)[0]} minus the right one"
        yield factor * right + by, f"Each entry of yours is {said}."


def _functions(yours, right):
    low, high = (in_digits(end)[0] for end in (yours.min(), yours.max()))
    is_cut = "Each entry of yours is the right one, cut off"
    yield right.clamp(max=yours.max()), f"{is_cut} above {high}."
    yield right.clamp(min=yours.min()), f"{is_cut} below {low}."
    yield right.clamp(yours.min(), yours.max()), f"{is_cut} below {low} and above {high}."
    for what, makes in OF_EACH.items():
        made = makes(right)
        if torch.isfinite(made).all():
            yield made, f"Each entry of yours is the right one, {what}."


def _directions(yours, right):
    """Vectors of the last dimension that have the right directions, and other lengths."""
    if yours.dim() > 1 and 2 <= yours.shape[-1] <= 4:
        lengths, ways = yours.norm(dim=-1, keepdim=True), normalize(right, dim=-1).flatten(0, -2)
        if not lengths.all() or apart(ways, ways[:1]) < 0.1:
            return  # nothing, or grey everywhere
        one = apart(lengths, lengths.mean().expand_as(lengths)) < TOLERANCE * float(lengths.mean())
        said = f"the length {in_digits(lengths.mean())[0]}" if one else "another length"
        yield lengths * normalize(right, dim=-1), f"Each row of yours has the right direction, but {said}."


def _along_the_first(yours, right):
    """Sums, differences and neighbours of the first dimension's items."""
    if len(yours) > 2:
        yield right.cumsum(0), "Each item of yours is the sum of the right ones up to it."
        yield right - right[:1], "From each item of yours the right one for [0] is subtracted."
        said = "Each item of yours, but for the"
        yield torch.cat([yours[:1], right[:-1]]), f"{said} first, is the right one for the item before."
        yield torch.cat([right[1:], yours[-1:]]), f"{said} last, is the right one for the item after."
        steps = torch.diff(right, dim=0)
        yield torch.cat([yours[:1], steps]), f"{said} first, is the right one less that before."


def _other_orders(yours, right):
    """The few entries of the last dimension in another order."""
    K = right.shape[-1]
    for order in itertools.permutations(range(K)) if 2 <= K <= 4 else ():
        said = f"Yours are the right numbers in another order: those of [..., {list(order)}]."
        yield right[..., list(order)], said


def _turned_round(yours, right):
    """A whole dimension backwards, or two of them exchanged."""
    said = "Yours is right but for its order: dimension"
    for d in range(yours.dim()):
        yield right.flip(d), f"{said} {d} runs backwards."
    for a, b in itertools.combinations(range(yours.dim()), 2):
        if yours.shape[a] == yours.shape[b]:
            yield right.transpose(a, b), f"{said}s {a} and {b} are exchanged."


def _one_for_all(yours, right):
    """The first dimension's items, different in what is right, are all the same in yours."""
    if len(yours) > 1 and apart(right, right[:1]) > TOLERANCE * float(right.abs().max()):
        said = f"All {len(yours)} items of yours are the same"
        for i, item in enumerate(right):
            yield item.expand_as(right), f"{said}: the right one for [{i}]."
        yield right.mean(0).expand_as(yours), f"{said}: the mean of the right ones."
        yield yours[0].expand_as(yours), f"{said}."


def _one_each(yours, right):
    """Each item of the first dimension is one number."""
    items = right.flatten(1) if right.dim() > 1 else right[..., None]
    if items[0].numel() > 3 and apart(items, items[:, :1]) > TOLERANCE * float(right.abs().max()):
        said = "Each item of yours is one number everywhere"
        means, first = items.mean(1), yours.flatten(1)[:, 0]
        for values, what in ((means, ", the mean of the right ones"), (first, "")):
            yield values.view(-1, *[1] * (yours.dim() - 1)).expand_as(yours), f"{said}{what}."


def _other_places(yours, right):
    """The same numbers, in whatever order."""
    order = yours.flatten().argsort()
    made = torch.empty_like(right.flatten())
    made[order] = right.flatten().sort().values
    yield made.view_as(right), "Yours are the right numbers, in other places."


def _by_channel(yours, right, tolerance):
    """For each entry of the last dimension a fact of its own. -> a sentence, or ''"""
    K = right.shape[-1] if right.dim() > 1 and right[..., 0].numel() > 1 else 0
    facts, limit = [], margin(right, tolerance)
    for k in range(K) if K <= 4 else ():
        mine, should = yours[..., k], right[..., k]
        fact = "is right" if apart(mine, should) <= limit else ""
        fact = fact or _first((_constants, _proportions, _differences, _lines), mine, should)
        facts.append(f"[..., {k}] {fact}" if fact == "is right" else fact and _of(k, fact))
    return f"In the last dimension, {'; '.join(facts)}." if len(facts) > 1 and all(facts) else ""


def _of(k, fact):
    return f"of [..., {k}]: {fact[0].lower()}{fact[1:-1]}"


def _of_arguments(yours, right, known):
    """An argument as it is, or a sum of the right value, of arguments and of products of both."""
    for name, value in known.items():
        yield value, f"Yours is `{name}`, as it came."
        yield right + value, f"Each entry of yours is the right one plus that of `{name}`."
        yield right - value, f"Each entry of yours is the right one minus that of `{name}`."
        yield value - right, f"Each entry of yours is that of `{name}` minus the right one."
        yield right * value, f"Each entry of yours is the right one times that of `{name}`."
    columns = {"R": right, "": torch.ones_like(right)} | {f"`{name}`": value for name, value in known.items()}
    columns |= {f"R · `{name}`": right * value for name, value in known.items()}
    if known and yours.numel() >= 3 * len(columns):
        table = torch.stack([column.flatten() for column in columns.values()], -1)
        sizes = table.abs().amax(0).clamp(min=1e-12)
        factors = torch.linalg.lstsq(table / sizes, yours.flatten()[:, None], driver="gelsd").solution[:, 0]
        factors = torch.where(factors.abs() > 1e-5 * factors.abs().max(), factors / sizes, 0)
        if factors[2:].any() and 2 <= int((factors != 0).sum()) <= 3:  # more may be by chance, and say little
            said = linear(factors.tolist(), columns, least=1e-9)
            yield (
                (table @ factors).view_as(right),
                f"With R for the right one, each entry of yours is {said}.",
            )


def _apart_by(yours, right, tolerance, known):
    """Whether those entries differ where an argument, or the right value, passes a number or is between two.

    Most of these must differ, and nothing else. -> a sentence or two, or ''
    """
    wrong = (yours - right).abs() > margin(right, tolerance)
    if wrong.dim() > 1 and not wrong.flatten(1).any(1).all():
        return ""
    if not (said := where_known(wrong, known | {"": right})):
        return ""
    there = partial(_of_arguments, known={name: value[wrong] for name, value in known.items()})
    there = _first((_constants, _proportions, _differences, there, _functions), yours[wrong], right[wrong])
    said = f"{int(wrong.sum()):,} of {wrong.numel():,} numbers differ, {said}"
    return f"{said} There: {there[0].lower()}{there[1:]}" if there else said


def _equal_for_equal(yours, right):
    """Whether what each number becomes depends on it alone, with three of them. -> a sentence, or ''"""
    x, group = right.flatten().unique(return_inverse=True)
    y = torch.zeros_like(x).scatter_(0, group, yours.flatten())
    if len(x) < 30 or apart(y[group], yours.flatten()) > 1e-3 * float(y.max() - y.min()):
        return ""
    share = ((x[1:-1] - x[:-2]) / (x[2:] - x[:-2]).clamp(min=1e-12)).clamp(0, 1)
    off = apart(y[1:-1], y[:-2] + share * (y[2:] - y[:-2]))  # from the line between its neighbours
    if off > 0.02 * float(y.max() - y.min()) or off > 0.1 * apart(yours, right):
        return ""
    differ = ((x - y).abs() > 0.02 * apart(x, y)).nonzero().flatten().tolist()
    pairs = (in_digits(x[k], y[k]) for k in sorted({differ[0], differ[len(differ) // 2], differ[-1]}))
    pairs = ", ".join(f"{should} becomes {is_}" for should, is_ in pairs)
    return f"Where the right numbers are equal, yours are too: {pairs}."


def _where(yours, right, tolerance, item="item"):
    """Which items of the first dimension, or entries of the others, are right. -> a sentence"""
    wrong = (yours - right).abs() > margin(right, tolerance)
    count = int(wrong.sum())
    if not count:
        return ""
    kinds = _constants, _proportions, _differences, _functions
    there = _first(kinds, yours[wrong], right[wrong]) if count > 2 else ""
    more = f" Of those that differ: {there[0].lower()}{there[1:]}" if there else ""
    by = (yours - right)[wrong]
    turns = by / by.abs().min()
    most = 100 * float(by.abs().max() / right.abs().max().clamp(min=1e-12))
    if not there and count > 1 and apart(turns, turns.round()) < TOLERANCE:
        more = f" Each of these is off by {in_digits(by.abs().min())[0]}, or a multiple of it."
    elif not there and most < 0.5:
        more = (
            f" None is off by more than {in_digits(most)[0]} % of the largest: something is rounded, has few "
        )
        more += "digits, or a small number is added."
    return f"{_which_differ(wrong, item) if count < wrong.numel() else ''}{more}".strip()


def _which_differ(wrong, item):
    sentence = f"{int(wrong.sum()):,} of {wrong.numel():,} numbers differ"
    items = wrong.flatten(1).any(1) if wrong.dim() > 1 else wrong
    if not items.all():
        return f"{sentence}{_which(items, item)}."
    channels = wrong.flatten(0, -2).any(0)
    if 2 <= len(channels) <= 4 and not channels.all():
        bad = " and ".join(f"[..., {k}]" for k in channels.nonzero()[:, 0])
        return f"{sentence}, all of them in {bad}."
    rest = wrong.any(0)  # of all items together
    if rest.sum() < rest.numel() and int(rest.sum()) <= 3:
        places = " and ".join(f"[:, {', '.join(map(str, place))}]" for place in rest.nonzero().tolist())
        return f"{sentence}, all of them in {places}."
    return f"{sentence}."


def _which(wrong, item):
    """Of flags (N,) that say which items are wrong. -> text"""
    bad, good = (flags.nonzero().flatten().tolist() for flags in (wrong, ~wrong))
    if good == list(range(len(good))):
        return f"; the first {len(good)} {item}s are right" if len(good) > 1 else f"; {item} 0 is right"
    if bad == list(range(len(bad))):
        return (
            f", all of them in the first {len(bad)} {item}s" if len(bad) > 1 else f", all of them in {item} 0"
        )
    if len(bad) <= 3:
        return f", all of them in {item}{'s' * (len(bad) > 1)} " + " and ".join(map(str, bad))
    return f"; of the {len(wrong)} {item}s {len(good)} {'is' if len(good) == 1 else 'are'} right"
