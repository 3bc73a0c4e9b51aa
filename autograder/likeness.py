"""Solutions that are nearly the same, found without comparing everybody with everybody."""

import ast
import collections
import functools
import hashlib

SHINGLE = 6


class Likeness:
    """Finds solutions that are nearly the same, whatever their names, comments and layout. A hint, no proof.

    A solution becomes the set of all runs of SHINGLE nodes of its syntax tree, names replaced by their order.
    What the stub has too, and what is common in the class, tells nothing and is left out. Two sets that share
    most of their entries share most of their smallest hash values (MinHash; Broder 1997): so only solutions
    that agree in one of BANDS groups of such values are compared, and each with the first of its group alone.
    The time is linear in the class.
    """

    BANDS, ROWS = 16, 4
    ALIKE = 0.85  # share of entries that two have in common (Jaccard)
    LEAST = 40  # entries that a solution must have left: short ones are alike by nature

    def __init__(self, stub):
        self.stub, self.known = shingles(stub), {}

    def add(self, student, found):
        """Takes in the solution of a student, as `shingles` sees it."""
        found = found - self.stub
        if found:
            self.known[student] = found

    def groups(self):
        """-> list of lists of students, sorted"""
        count = collections.Counter(entry for found in self.known.values() for entry in found)
        common = {entry for entry, n in count.items() if n > max(3, 0.2 * len(self.known))}
        left = {student: found - common for student, found in self.known.items()}
        for student, own in left.items():
            if len(own) < self.LEAST:  # copied by many, what they share is common: compared as they are
                left[student] = self.known[student]
        left = {student: own for student, own in left.items() if len(own) >= self.LEAST}
        first, parent = {}, {student: student for student in left}

        def root(student):
            while parent[student] != student:
                parent[student] = student = parent[parent[student]]
            return student

        for student, own in sorted(left.items()):
            for band in _bands(own, self.BANDS, self.ROWS):
                other = first.setdefault(band, student)
                if root(other) == root(student):
                    continue
                if len(own & left[other]) >= self.ALIKE * len(own | left[other]):
                    parent[root(student)] = root(other)
        groups = collections.defaultdict(list)
        for student in left:
            groups[root(student)].append(student)
        return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def shingles(source):
    """Runs of nodes of a program's syntax tree, as a set of 64-bit numbers; empty where it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    words, names, queue = [], {}, [tree]
    while queue:
        node = queue.pop()
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if docstring or isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        word = type(node).__name__
        if isinstance(node, ast.Name):
            word += str(names.setdefault(node.id, len(names)))
        elif isinstance(node, ast.Attribute):
            word += node.attr
        elif isinstance(node, ast.Constant):
            # A whole number may have more digits than Python turns into decimal ones.
            word += (hex if type(node.value) is int else repr)(node.value)[:20]
        words.append(word)
        queue += reversed(list(ast.iter_child_nodes(node)))
    return {_hash(" ".join(words[i : i + SHINGLE])) for i in range(len(words) - SHINGLE + 1)}


def _hash(text):
    """A text as 64 bits that hardly any other has."""
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@functools.cache
def _multipliers(count):
    return [_hash(f"band {i}") | 1 for i in range(count)]


def _bands(entries, count, rows):
    """The MinHash signature of a set, cut into bands. -> list of hashable"""
    smallest = [min(entry * factor % 2**64 for entry in entries) for factor in _multipliers(count * rows)]
    return [(i, *smallest[i * rows : (i + 1) * rows]) for i in range(count)]
