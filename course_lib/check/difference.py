"""How a value differs from the right one, in words that are true of them: the entry, the digits, the pattern.

All that is said here is computed from the two values. It guesses at no cause: `same.Mistake` names causes.
"""

import itertools

import torch

from ..errors import fold

MOST_SHOWN = 9  # numbers of an argument that are shown whole
TOLERANCE = 1e-3  # of a pattern: largest error against the largest entry


def difference(call, yours, right, arguments=None, tolerance=1e-4):
    """What a student reads of a value that is not the right one. -> text, one to three sentences

    call: what gave it, "batch_rodrigues(theta)". yours, right: tensors of one shape, that differ by more than
    `tolerance` as `core.close` has it. arguments: {name: tensor}; of those that are as long as the
    value, that part is shown which belongs to the entry named.
    """
    index = _worst(yours, right)
    should, actually = in_digits(right[index], yours[index])
    place = f"[{', '.join(map(str, index))}]" if index else ""
    case = _case(index, yours, arguments or {})
    said = f"`{call}{place}` should be {should}, yours is {actually}{case}."
    return fold(" ".join(filter(None, [said, pattern(yours, right, tolerance)])))


def in_digits(*values):
    """Numbers with as many digits as tell them apart, three at least. -> list of texts"""
    values = [value.item() if torch.is_tensor(value) else value for value in values]
    if not all(isinstance(value, float) for value in values):
        return [str(value) for value in values]
    for digits in range(3, 18):
        texts = [f"{value + 0.0:.{digits}g}" for value in values]  # + 0.0: no -0
        if len(set(texts)) == len(set(values)):
            break
    return texts


def in_words(values):
    """Numbers (N,), or one, as they are shown: (0.31, -0.2, 1.1)."""
    texts = [in_digits(value)[0] for value in values.detach().reshape(-1)]
    return texts[0] if values.numel() == 1 else f"({', '.join(texts)})"


def pattern(yours, right, tolerance=1e-4):
    """What is true of all entries of a value that differs from the right one. -> a sentence or two, or ''"""
    yours, right = yours.detach().double().cpu(), right.detach().double().cpu()
    if yours.numel() == 0 or not torch.isfinite(yours).all():
        return ""
    if yours.numel() == 1:
        return _proportion(yours, right) or ""
    return next(filter(None, (found(yours, right) for found in PATTERNS)), "") or _where(
        yours, right, tolerance
    )


def _near(a, b, tolerance=TOLERANCE):
    return a.shape == b.shape and bool((a - b).abs().max() <= tolerance * max(float(b.abs().max()), 1e-12))


def _worst(yours, right):
    """The index of the entry that differs most; what is not finite differs more than all that is."""
    apart = (yours.detach().double().cpu() - right.detach().double().cpu()).abs()
    flat = int(torch.nan_to_num(apart, nan=torch.inf).argmax())
    return tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), apart.shape))


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


# --- patterns: each is one fact that holds of all entries


def _constant(yours, right):
    value = yours.flatten()[0]
    return f"Yours is {in_digits(value)[0]} everywhere." if _near(yours, value.expand_as(yours)) else None


def _proportion(yours, right):
    """One factor, or one difference, between all entries of yours and the right ones."""
    square = float((right * right).sum())
    factor = float((yours * right).sum()) / square if square else 0.0
    if abs(factor) > 1e-6 and abs(factor - 1) > TOLERANCE and _near(yours, factor * right):
        each = "Each entry of yours is" if yours.numel() > 1 else "Yours is"
        if abs(factor + 1) < TOLERANCE:
            return f"{each} the right one with the opposite sign."
        return f"{each} {_factor(factor)} times the right one."
    if yours.numel() == 1:
        return None
    gap = float((yours - right).mean())
    if abs(gap) > 1e-6 and float((yours - right - gap).abs().max()) <= TOLERANCE * abs(gap):
        more = "larger" if gap > 0 else "smaller"
        return f"Each entry of yours is {more} than the right one by {in_digits(abs(gap))[0]}."
    return None


def _factor(factor):
    inverse = round(1 / factor)
    if abs(factor) < 0.9 and abs(factor * inverse - 1) < TOLERANCE:
        return f"1/{inverse}" if inverse > 0 else f"-1/{-inverse}"
    return in_digits(float(f"{factor:.4g}"))[0]


def _another_order(yours, right):
    """Entries of the last dimension, where there are few, in another order or with other signs."""
    K = right.shape[-1]
    if not 2 <= K <= 4:
        return None
    for order in itertools.permutations(range(K)):
        if order != tuple(range(K)) and _near(yours, right[..., list(order)]):
            return f"Yours are the right numbers in another order: those of [..., {list(order)}]."
    return None


def _turned_round(yours, right):
    """Whole dimensions backwards, or two of them exchanged."""
    for d in range(yours.dim()):
        if yours.shape[d] > 1 and _near(yours, right.flip(d)):
            return f"Yours is right but for its order: dimension {d} runs backwards."
    for a, b in itertools.combinations(range(yours.dim()), 2):
        if yours.shape[a] == yours.shape[b] > 1 and _near(yours, right.transpose(a, b)):
            return f"Yours is right but for its order: dimensions {a} and {b} are exchanged."
    return None


def _one_for_all(yours, right):
    """The first dimension's items, different in what is right, are all the same in yours."""
    if (
        len(yours) < 2
        or not _near(yours, yours[:1].expand_as(yours))
        or _near(right, right[:1].expand_as(right))
    ):
        return None
    which = next((i for i, item in enumerate(right) if _near(yours[0], item)), None)
    return f"All {len(yours)} items of yours are the same" + (
        "." if which is None else f": the right one for [{which}]."
    )


def _by_channel(yours, right):
    """For each entry of the last dimension a fact of its own."""
    K = right.shape[-1]
    if yours.dim() < 2 or not 2 <= K <= 4 or yours[..., 0].numel() < 2:
        return None
    facts = []
    for k in range(K):
        mine, should = yours[..., k], right[..., k]
        if _near(mine, should, 1e-4):
            facts.append(f"[..., {k}] is right")
        elif fact := _constant(mine, should) or _proportion(mine, should):
            facts.append(f"of [..., {k}]: {fact[0].lower()}{fact[1:-1]}")
        else:
            return None
    return "In the last dimension, " + "; ".join(facts) + "."


PATTERNS = (_constant, _proportion, _another_order, _turned_round, _one_for_all, _by_channel)


def _where(yours, right, tolerance):
    """Which items of the first dimension, or entries of the others, are right. -> a sentence"""
    apart = (yours - right).abs() > tolerance * max(1.0, float(right.abs().max()))
    count = int(apart.sum())
    if count in (0, apart.numel()):
        return ""
    sentence = f"{count:,} of {apart.numel():,} numbers differ"
    if yours.dim() == 1:
        return f"{sentence}{_which(apart)}."
    items = apart.flatten(1).any(1)
    if not items.all():
        return f"{sentence}{_which(items)}."
    channels = apart.flatten(0, -2).any(0)
    if 2 <= len(channels) <= 4 and not channels.all():
        bad, good = (
            " and ".join(f"[..., {k}]" for k in flags.nonzero()[:, 0]) for flags in (channels, ~channels)
        )
        return f"{sentence}, all of them in {bad}; {good} is right."
    rest = apart.any(0)  # of all items together
    if rest.sum() < rest.numel() and int(rest.sum()) <= 3:
        places = " and ".join(f"[:, {', '.join(map(str, place))}]" for place in rest.nonzero().tolist())
        return f"{sentence}, all of them in {places}."
    return f"{sentence}."


def _which(wrong):
    """Of flags (N,) that say which items are wrong. -> text"""
    bad, good = (flags.nonzero().flatten().tolist() for flags in (wrong, ~wrong))
    if good == list(range(len(good))):
        return f"; the first {len(good)} items are right" if len(good) > 1 else "; [0] is right"
    if bad == list(range(len(bad))):
        return f", all of them in the first {len(bad)} items" if len(bad) > 1 else ", all of them in [0]"
    if len(bad) <= 3:
        return ", all of them in " + " and ".join(f"[{i}]" for i in bad)
    return f"; right are {len(good)} of {len(wrong)} items"
