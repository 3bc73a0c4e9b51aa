"""Where wrong numbers are, by an argument: "those where `image` is below 0". It knows no answer."""

import itertools

import torch

MOSTLY = 0.75  # of the entries that an argument tells apart, how many must differ


def told_apart(wrong, arguments):
    """Where entries are wrong, flags: where an argument passes a number or is between two. -> text or ''"""
    said = where_known(wrong.cpu(), broadcast(arguments, wrong))
    return f"They are {said}" if said else ""


def where_known(wrong, known):
    """known: {name: tensor of the shape of wrong}; '' names the right value. -> text or ''"""
    if not 4 <= wrong.sum() < 0.9 * wrong.numel():
        return ""
    best, said = MOSTLY, ""
    for side, (name, value) in itertools.product(("above", "below", "between"), known.items()):
        if side == "between" and said:
            break
        low, high = value[wrong].min(), value[wrong].max()
        under, over = value[value < low], value[value > high]
        outside = len(under) * (side != "below") + len(over) * (side != "above")
        most = wrong.sum() / (wrong.numel() - outside)  # of what passes the number
        if most > best and outside >= 0.1 * wrong.numel() and (side != "between" or len(under) and len(over)):
            ends = [] if side == "below" else [between(float(under.max()), float(low))]
            ends += [] if side == "above" else [between(float(high), float(over.min()))]
            where = f"where {f'`{name}`' if name else 'the right one'} is {side} {' and '.join(ends)}"
            best, said = most, f"{'those' if most == 1 else 'all of them'} {where}."
    return said


def between(low, high):
    """A number between two, that has few digits. -> text"""
    texts = ["0", "1", "-1", "0.5", "-0.5", *(f"{(low + high) / 2:.{digits}g}" for digits in range(1, 18))]
    return next((text for text in texts if low < float(text) < high), f"{high:.17g}")


def broadcast(arguments, like):
    """The arguments that have a number for each entry of a value, in its shape. -> {name: tensor}"""
    known = {}
    for name, value in arguments.items():
        if torch.is_tensor(value) and value.numel() > 1 and not value.is_complex():
            try:
                known[name] = value.detach().double().cpu().broadcast_to(like.shape)
            except RuntimeError:  # of another shape
                continue
    return known
