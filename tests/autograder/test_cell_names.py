import pytest

from autograder.cell_names import names_in

CASES = [  # source, what it reads, what it binds, what it changes
    ("x = y + 1", "y", "x", ""),
    ("x = x + 1", "x", "x", ""),
    ("x = 1\nprint(x, z)", "print z", "x", ""),
    ("a.b[0] = c", "a c", "", "a"),
    ("a, (b, *c) = d", "d", "a b c", ""),
    ("x: int = y", "int y", "x", ""),
    ("x: int", "int", "", ""),
    ("with a:\n    b.c.copy_(d)", "a b d", "", "b"),
    ("with a as b:\n    c = b", "a", "b c", ""),
    ("x += 1", "x", "x", ""),
    ("x = 1\nx += y", "y", "x", ""),
    ("del x.y", "x", "", "x"),
    ("import a.b, c as d", "", "a d", ""),
    ("from a import b as c", "", "c", ""),
    # branches and loops: what they bind may be bound
    ("if a:\n    b = c\nd = b", "a b c", "d", "b"),
    ("if a:\n    import b\nelse:\n    b = None\n    c = b", "a", "", "b c"),
    ("for i in a:\n    b = i\n    c = b + d", "a d", "", "i b c"),
    ("for i in a:\n    total = total + i", "a total", "", "i total"),
    ("while a:\n    b = 1", "a", "", "b"),
    ("try:\n    a = b\nexcept c as d:\n    e = d\nfinally:\n    f = a", "a b c", "f", "a d e"),
    ("match a:\n    case [b, *c]:\n        d = b + c", "a", "", "b c d"),
    ("a and (b := c)", "a c", "", "b"),
    # functions, classes and comprehensions have names of their own
    ("def f(u, *v, w=x):\n    y = u\n    return y + z", "x z", "f", ""),
    ("def f():\n    return g()\ndef g():\n    pass", "g", "f g", ""),
    ("def f():\n    global a\n    a = b", "b", "f", "a"),
    ("def f():\n    a.b = 1\n    c = []\n    c.append(1)", "a", "f", "a"),
    ("def f():\n    def g(u):\n        return u + v\n    v = 1\n    return g", "", "f", ""),
    ("def f():\n    for i in a:\n        b = i\n    return b", "a", "f", ""),
    ("@a\ndef f(u: b) -> c:\n    import d\n    return d", "a b c", "f", ""),
    ("class A(B):\n    c = d\n    def f(self):\n        return self.c", "B d", "A", "c f"),
    ("x = lambda u, v=w: u + v + y", "w y", "x", ""),
    ("x = {a: b for a in c for b in a if d}", "c d", "x", ""),
    ("x = [x for x in x]", "x", "x", ""),
    ("x = f'{y:{z}}'", "y z", "x", ""),
    # no plain Python
    ("%matplotlib inline\nx = y", "y", "x", ""),
    ("x = (", "x", "", ""),
]


@pytest.mark.parametrize("source, read, bound, changed", CASES)
def test_names_of_a_cell(source, read, bound, changed):
    assert names_in(source) == (set(read.split()), set(bound.split()), set(changed.split()))


def test_modules_are_not_changed():
    assert names_in("a.b = 1\nc.d()", imported={"a"}) == ({"a", "c"}, set(), {"c"})


@pytest.mark.parametrize(
    "source",
    ["x = " + "+".join(["a"] * 9_000), "x = " + "a" + ".b" * 9_000, "x = " + "-" * 9_000 + "a", "(" * 9_000],
)
def test_of_what_is_too_deep_every_word_is_read(source):
    assert {"a"} >= names_in(source)[0] - {"x", "b"}
