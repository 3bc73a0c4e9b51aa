"""What matrices and pixels that are not right are made of: fitted to the numbers, and written as a formula.

What is said is true of the numbers, whatever code they come from. `difference` tells what it can of any
value, this what takes knowledge of rotations and images.
"""

import itertools

import torch
from torch.nn.functional import normalize

from .difference import apart, in_digits, in_words, linear, of_all

# --- rotations


def cross_matrix(v):
    """K with K x = v × x. (B, 3) -> (B, 3, 3)"""
    return torch.linalg.cross(v[:, None], torch.eye(3).to(v)[None]).mT


def _of_parts(sine, cosine=None, long=1.0):
    """The angle of the quaternion (cos b/2, sin a/2 · long) of angles a and b."""
    return 2 * torch.atan2((sine / 2).sin() * long, ((sine if cosine is None else cosine) / 2).cos())


# Angles that are taken for the angle a of theta, t, by what is said: of rotations about the right axis.
OF_ANGLES = {
    """series: {} as the series for small angles says, which is wrong for these. Does it reach too far, or are
    the branches of `torch.where` exchanged?""": (
        lambda t, a: 2 * torch.atan2(a / 2 - a**3 / 48, 1 - a**2 / 8),
        lambda t, a: 2 * torch.atan(a / 2),
    ),
    """angle-doubled: {} by twice the angle. In q = (cos a/2, sin a/2 · axis) it is half of the angle that
    counts; and where a is small, sin(a/2) / a is 1/2.""": lambda t, a: 2 * a,
    """angle-halved: {} by half of the angle. In q = (cos a/2, sin a/2 · axis) it is half of the angle that
    counts, but only once.""": lambda t, a: a / 2,
    "identity: These do not turn at all: theta does not reach the result.": lambda t, a: 0 * a,
    "other-way: {} the other way.": lambda t, a: -a,
    """degrees: {} by the angle turned into degrees, or back. theta is in radians, as sin and cos take
    it.""": (
        lambda t, a: torch.deg2rad(a),
        lambda t, a: torch.rad2deg(a),
        lambda t, a: _of_parts(a, torch.rad2deg(a)),
    ),
    """half-once: {} by another angle: half of the angle belongs under cos and under sin, q = (cos a/2, sin
    a/2 · axis).""": (lambda t, a: _of_parts(a, 2 * a), lambda t, a: _of_parts(2 * a, a)),
    """sin-doubled: {} by another angle: (x, y, z) is twice as large as it should be beside w. It is sin(a/2)
    times the axis, theta / a.""": lambda t, a: _of_parts(a, a, 2),
    """axis-not-normalised: {} by another angle: the axis in your formula does not have length 1: divide theta
    by its own length.""": lambda t, a: _of_parts(a, a, a),
    """sine-for-cosine: {} by pi - a. In the quaternion sin a/2 and cos a/2 are exchanged; or, if you use the
    formula with K K, it has 1 + cos a where 1 - cos a belongs.""": lambda t, a: torch.pi - a,
    "sinc: {} as if `torch.sinc(x)` were sin(x) / x. It is sin(pi x) / (pi x).": (
        lambda t, a: 2 * torch.atan2(a / 2 * torch.sinc(a / 2), (a / 2).cos())
    ),
}
STANDS = "stands for its length, the root of the sum of the three squares."
# What is taken for the length of theta: as the angle, or also where theta is divided by it.
LENGTHS = {
    "squared-angle: {} by another angle: the root of the length is missing.": lambda t, a: a**2,
    f"sum-for-length: {{}} by another angle: the sum of theta's numbers, without signs, {STANDS}": (
        lambda t, a: t.abs().sum(-1)
    ),
    f"mean-for-sum: {{}} by another angle: the root of the mean of theta's squares {STANDS}": lambda t, a: (
        a / 3**0.5
    ),
    f"largest-for-length: {{}} by another angle: theta's largest number, without its sign, {STANDS}": (
        lambda t, a: t.abs().amax(-1)
    ),
    f"two-for-length: {{}} by another angle: the length of two of theta's numbers {STANDS}": tuple(
        lambda t, a, pair=pair: t[:, pair].norm(dim=-1) for pair in ([0, 1], [1, 2], [0, 2])
    ),
    """series: {} as with the harmless number that stands for small angles, 1: for these the series must be
    used.""": lambda t, a: torch.ones_like(a),
    "wrapped: {} by pi at most. Angles of more than half a turn are allowed too.": (
        lambda t, a: a.clamp(max=torch.pi)
    ),
    """wrapped: {} by the angle without whole multiples of pi. An angle may be left as it is; what may be
    taken off is 2 pi.""": lambda t, a: a % torch.pi,
}


def _both_ways(length):
    return length, lambda t, a: _of_parts(length(t, a), long=a / length(t, a))


OF_ANGLES |= {
    said: sum(map(_both_ways, lengths if isinstance(lengths, tuple) else (lengths,)), ())
    for said, lengths in LENGTHS.items()
}


def _products(theta):
    """1, the numbers of rotation vectors' quaternions (w, x, y, z) and their products. -> names, (B, 14)"""
    half = theta.double().norm(dim=-1, keepdim=True) / 2
    quat = torch.cat([half.cos(), half.sin() * normalize(theta.double())], -1)
    numbers = dict(zip("wxyz", quat.unbind(-1)))
    found = {"": torch.ones_like(numbers["w"])} | numbers
    for a, b in itertools.combinations_with_replacement("xyzw", 2):
        found[f"{a}²" if a == b else f"w {a}" if b == "w" else f"{a} {b}"] = numbers[a] * numbers[b]
    del found["w²"]  # of unit quaternions it is 1 - x² - y² - z²
    return list(found), torch.stack(list(found.values()), -1)


def other_formula(yours, right, theta):
    """The entries of matrices as sums of products of theta's quaternions, where they are. -> text or ''"""
    if len(theta) < 20 or theta.norm(dim=-1).min() < 0.1:
        return ""
    names, columns = _products(theta)
    made, should = (
        (2 * torch.linalg.lstsq(columns, R.double().flatten(1)).solution).round() / 2 for R in (yours, right)
    )
    wrong = (made != should).any(0).nonzero().flatten().tolist()
    if not wrong or apart(columns @ made, yours.flatten(1)) > 1e-2:
        return ""
    told = [
        f"row {k // 3}, column {k % 3} is {yours} in yours, {right} is right"
        for k in wrong[:3]
        for yours, right in [[linear(factors[:, k].tolist(), names) for factors in (made, should)]]
    ]
    more = f"; {len(wrong)} of the 9 are not right" if len(wrong) > 3 else ""
    return f"formula: Counted from 0, {'; '.join(told)}{more}."


def _between(a, b):
    """The way from an angle to another. -> from -pi to pi"""
    return (b - a + torch.pi) % (2 * torch.pi) - torch.pi


def turned_otherwise(yours, theta):
    """What is said of matrices p 1 + q K + r K K, K of the unit axis of theta (B, 3). -> text or ''"""
    yours, theta = yours.double(), theta.double()
    a, K = theta.norm(dim=-1), cross_matrix(normalize(theta))
    basis = torch.stack([torch.eye(3).to(K).expand_as(K), K, K @ K], -1).flatten(1, 2)  # (B, 9, 3)
    factors = torch.linalg.lstsq(basis, yours.flatten(1)[..., None]).solution  # (B, 3, 1)
    one, sine, rest, n = torch.ones_like(a), a.sin(), 1 - a.cos(), int((a - 2).abs().argmin())
    entries, off = yours.flatten(1)[..., None], 1e-3 * float(yours.abs().max())
    off = min(off, 0.1 * apart(basis @ torch.stack([one, sine, rest], 1)[..., None], entries))
    if apart(basis @ factors, entries) > off:
        return ""
    p, q, r = factors[..., 0].unbind(-1)
    if apart(p, one) + apart(q**2 + (1 - r) ** 2, one) < 3e-4:
        return _by_other_angles(torch.atan2(q, 1 - r), theta, a, n)
    length = ((q * sine + r * rest) / (sine**2 + rest**2)).clamp(min=0).sqrt()
    scaled = apart(q, length**2 * sine) + apart(r, length**2 * rest) < 1e-2 * float(length.max() ** 2)
    if scaled and min(apart(p, one), apart(p, length**2)) < 1e-2 * float(p.abs().max()):
        return f"""length: These are what the formula gives for quaternions whose length is not 1, but for
            example {in_digits(length[n], 1.0)[0]}. Divide each by its own length: `dim=-1, keepdim=True`."""
    words = ["v", "sin a (n × v)", "(1 - cos a) n × (n × v)"]
    times = torch.stack([p / one, q / sine, r / rest])  # (3, B)
    if apart(times, times[:, :1].expand_as(times)) < 1e-3:
        yours = linear(times[:, 0].tolist(), words, least=1e-6)
        return f"factors: Yours gives {yours}. Right is {' + '.join(words)}."
    yours = linear(factors[n, :, 0].tolist(), ["v", "(n × v)", "n × (n × v)"], least=1e-6)
    right = in_digits(sine[n])[0], in_digits(rest[n])[0]
    return f"""factors: With the axis n, for an angle of {in_digits(a[n])[0]}, yours gives {yours}. Right is
        {" + ".join(words)}, where sin a is {right[0]} and 1 - cos a is {right[1]}."""


def _by_other_angles(found, theta, a, n):
    """What is said of angles that are not those of theta. n: which is shown. -> text"""
    they, wrong = "These turn about the right axis, but", _between(a, found).abs()
    of_one = len(a) > 1 and float(a.max() - a.min()) < 0.01  # several rules may hold for one angle
    limit = torch.minimum(0.03 * wrong, 2e-3 * a.clamp(max=1)) + 1e-7
    for said, makes in () if of_one else OF_ANGLES.items():
        for one in makes if isinstance(makes, tuple) else (makes,):
            if (_between(found, one(theta, a)).abs() <= limit).all():
                return said.format(they)
    by, long = in_digits(found[n] % (2 * torch.pi), a[n])
    more = len(a) > 1 and of_all(found % (2 * torch.pi), a, 1e-6)
    more = f" Of these angles: {more}" if more else ""
    if not more and (wrong < 0.01 * a).all():
        more = " None is off by more than 1 %: is a small number added to the length, or a series too short?"
    return f"other-angle: {they} by other angles: for example by {by} where the angle is {long}.{more}"


# --- pixels


def _in_sizes(number, sizes):
    """A number, 0 or more, by W and H, where it is near one of them, a half or twice of it: "W/2 - 0.5"."""
    for name, size in sizes.items():
        for times, text in ((0.5, f"{name}/2"), (1, name), (2, f"2 {name}")):
            rest = number - times * size
            if abs(rest) < 1.2:
                return f"{text} {'+' if rest > 0 else '-'} {abs(rest):.3g}" if abs(rest) > 5e-3 else text
    return in_digits(number)[0]


HINTS = {
    "y-flipped": "The camera's y goes up, an image's rows go down.",
    "x-flipped": "x grows to the right, in the camera and in the image.",
    "xy-swapped": "The first number of a pixel is its column, made of x, the second its row, made of y.",
    "half-pixel": "(0, 0) is the CENTRE of the upper left pixel, at x = (1 - W) / W, not its edge, at -1.",
    "other-formula": "Solve x = (2 i + 1 - W) / W for i, and y = (H - 2 j - 1) / H for j.",
}


def other_lines(yours, normalised, width, height):
    """What is said of pixels that are lines of x and y, (..., 2) each. -> text or ''"""
    xy, sizes = normalised.reshape(-1, 2).double(), {"W": width, "H": height}
    xy1 = torch.cat([xy, torch.ones_like(xy[:, :1])], -1)
    made = torch.linalg.lstsq(xy1, yours.reshape(-1, 2).double()).solution.T  # (2, 3): by x, y and 1
    if apart(xy1 @ made.T, yours.reshape(-1, 2)) > 0.02:
        return ""
    right = torch.tensor([[width / 2, 0, (width - 1) / 2], [0, -height / 2, (height - 1) / 2]]).double()
    off, (a, b) = made - right, made.T[:2]
    wrong = [k for k in range(2) if off[k].abs().max() > 0.02]
    if not wrong:
        return ""
    key = "half-pixel" if off[:, :2].abs().max() < 0.02 and off[:, 2].abs().max() < 1.5 else "other-formula"
    key = "x-flipped" if a[0] < -1 else key
    key = "y-flipped" if b[1] > 1 else key
    key = "xy-swapped" if abs(b[0]) > abs(a[0]) and abs(a[1]) > abs(b[1]) else key
    names = ("columns", "rows")
    written = [linear(line, ("x", "y", ""), lambda size: _in_sizes(size, sizes)) for line in made.tolist()]
    told = " and ".join(f"your {names[k]} are {written[k]}" for k in wrong)
    corner = torch.tensor([1 - width, height - 1]).double() / torch.tensor([width, height])
    corners = {"upper left": (corner, (0, 0)), "lower right": (-corner, (width - 1, height - 1))}
    ends = {name: made[:, :2] @ at + made[:, 2] for name, (at, _) in corners.items()}
    ends = {name: in_words((end * 1000).round() / 1000) for name, end in ends.items()}
    moved = ", ".join(
        f"that of the {name} pixel comes out at {ends[name]}, where {should} is right"
        for name, (_, should) in corners.items()
        if ends[name] != str(should)
    )
    moved = moved.replace("that", "So the centre", 1) + ". " * bool(moved)
    return f"""{key}: By x and y as `cameras.transform` gives them, with W = {width} and H = {height}, {told}.
        {moved}{HINTS[key]}"""
