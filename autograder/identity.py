"""Who of a class is meant by a number, by an id or email, by a name, by the name of a group.

`Roster` looks all of them up in tables that are made once, names by pairs of a first and a last name: a
look-up takes no longer in a larger class. It says whom something may mean, one, several or nobody, and
decides nothing: that what names a file agrees is for `whose` to see.

Names are compared without accents, signs and capitals, in any order, with ä as a or ae. Letters of another
alphabet that look alike are other letters. In many scripts a mark is no accent but a vowel, or another
consonant: राम and रमा are two people, so these marks count as letters.
"""

import collections
import itertools
import re
import unicodedata

LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
# Marks that one name is written with and without: accents, points of Hebrew, Arabic and Syriac vowels, signs
# of how something is drawn.
ACCENT = re.compile(
    r"[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0730-\u074a"
    r"\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f]"
)
JOINERS = "\u200c\u200d"  # within words of Persian and India: they part nothing
WORD = r"[^\s_,;()\[\]&+-]"  # of a part of a path
NUMBER = re.compile(rf"(?<!{WORD})[0-9]+(?!{WORD})")
MOST_WORDS = 12  # of a name, or of a part of a path, that are looked at
MOST_ALIKE = 50  # students of the same names that are told apart
# "Participant" in Moodle's languages, after `letters`: what it calls everybody where marking is blind.
PARTICIPANT = re.compile(
    "(particip|partecip|teilnehm|deelnem|delta[gk]|osallistu|uczestni|ucastn|resztvev|katilimci|учасн|участн)"
    r"[^\W\d]*"
)


def letters(text):
    """A name without accents, capitals, spaces and signs: "Núñez-O'Brien" -> "nunezobrien".

    Composed or not, it is the same.
    """
    text = unicodedata.normalize("NFC", text).casefold().translate(LETTERS)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if is_letter(c) and not ACCENT.match(c))


def is_letter(c):
    """Whether a character is a letter, a digit, or a mark on one."""
    return c.isalnum() or unicodedata.category(c).startswith("M")


def unmixed(text):
    """Undoes UTF-8 that was read as the zip format's old code page."""
    try:
        return text.encode("cp437").decode("utf-8")
    except UnicodeError:
        return text


def words_of(text):
    """The words of a name, as `letters` writes them. -> list, at most MOST_WORDS"""
    text = unicodedata.normalize("NFC", text[:1000])
    pieces = "".join(c if is_letter(c) or c in "'’#" else " " * (c not in JOINERS) for c in text).split()
    return [word for word in map(letters, pieces) if word][:MOST_WORDS]


def _spellings(text):
    """A name as it may be spelt: Müller, Muller, Mueller; also where é was changed in a zip. -> set"""
    found = set()
    unescaped = re.sub(r"#U([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    for one in {text, unescaped, unmixed(text)}:
        one = unicodedata.normalize("NFC", one).casefold()
        found |= {letters(one), letters(one.translate(SPELT_OUT))}
    return found - {""}


def _key(text):
    return unicodedata.normalize("NFC", text.strip()).casefold()


# What systems leave out of names, or put a space for.
_UNFILED = str.maketrans(dict.fromkeys("&<>\"'’|`:\\/*?\0", "") | {"_": " "})


def _filed(name):
    """The name of a group as it is in the names of files."""
    return " ".join(_key(name).translate(_UNFILED).split())


class Roster:
    """Who of a class may be meant. Everything is given as ids of students; a set may be empty."""

    def __init__(self, students):
        self.students = {student.id: student for student in students}
        table = collections.defaultdict
        self._numbers, self._keys, self._logins, self._github = table(set), table(set), table(set), table(set)
        self._names, self._short, self._pairs, self._groups = table(set), table(set), table(set), table(dict)
        for student in students:
            self._enter(student)

    def _enter(self, student):
        own = student.id
        for system in ("canvas", "moodle"):
            for number in student.numbers(system):
                self._numbers[system, number].add(own)
        for what, key in student.marks():
            if what == "github":  # chosen by the student: it means something in a download of GitHub's only
                self._github[_key(key)].add(own)
                continue
            self._keys[_key(key)].add(own)
            if what == "email":
                self._keys[_key(key).partition("@")[0]].add(own)
            elif what in ("id", "login"):
                self._logins[_key(key)].add(own)
        for both in (student.first_name + student.last_name, student.last_name + student.first_name):
            for name in _spellings(both):
                self._names[name].add(own)
        first, last = words_of(student.first_name), words_of(student.last_name)
        for one, other in itertools.product(range(len(first)), range(len(last))):
            # The first of several first names, and of several last names.
            self._short["".join(last[: other + 1] + first[: one + 1])].add(own)
            self._pairs[frozenset((first[one], last[other]))].add(own)
        for name in student.groups():
            self._groups[letters(name)].setdefault(name, set()).add(own)

    def numbered(self, system, number):
        """Whom a system's number means. system: "canvas" or "moodle"."""
        return self._numbers.get((system, number.lstrip("0")), set())

    def keyed(self, key):
        """Whom an id, a login, an email or what stands before its @, or a number of the roster means."""
        return self._keys.get(_key(key), set())

    def logged_in(self, login):
        """Whom a login or id means, else what stands before the @ of an email."""
        return self._logins.get(_key(login)) or self.keyed(login)

    def on_github(self, login):
        """Whom a login at GitHub means."""
        return self._github.get(_key(login), set())

    def groups(self, name, system="folder"):
        """The groups that a name may mean, as a system writes it. -> {group's name: ids of its members}

        Signs tell groups apart, 1.1 from 11, but Canvas leaves them out, and GitHub writes team-1-1.
        """
        alike = self._groups.get(letters(name), {})
        if system == "canvas":
            return alike
        if system == "github":
            return {one: ids for one, ids in alike.items() if words_of(one) == words_of(name)}
        return {one: ids for one, ids in alike.items() if _filed(one) == _filed(name)} or alike

    def called(self, name, squeezed=False):
        """Who has exactly this name. squeezed: last name first, in one word, as Canvas writes it; then some
        of several names may be missing in it, for nobody can say where such a word ends."""
        exact = set().union(*(self._names.get(one, ()) for one in _spellings(name)))
        if exact or not squeezed:
            return exact
        return set().union(*(self._short.get(one, ()) for one in _spellings(name)))

    def fits(self, student, name, squeezed=False):
        """Whether a student, known by something else, may have a name that is nobody's as it stands."""
        own = self.students[student]
        word, first, last = letters(re.sub(r"\d", "", own.identifier)), *map(words_of, own.names())
        if not first + last or letters(name) == word or PARTICIPANT.fullmatch(letters(name)):
            return True
        if squeezed:
            written = letters(name)
            return written.startswith("".join(last)) and all(word in written for word in first)
        found = set(words_of(name)) | set(words_of(unmixed(name)))
        return found >= {*first, *last} or len(found) > 1 and found <= {*first, *last}

    def only_numbered(self, text, ids):
        """Whether nothing but a number within a longer text means these students, as in "Section 101"."""
        rest = NUMBER.sub(" ", text)
        return rest.strip() != "" and rest != text and not ids & self.mentioned(rest)[0]

    def mentioned(self, text):
        """Whom a text means in which other things may stand: a part of a path, a name with a nickname.

        Ids, emails and names are looked for in every run of its words. What lies within something longer
        that is found means nothing: the login smith is not meant by "ann smith". -> (ids, whether only
        a part of somebody's names was found)
        """
        whole = self.keyed(text) | self.called(text)
        if whole:
            return whole, False
        spans = list(itertools.islice(re.finditer(f"{WORD}+", text[:1000]), MOST_WORDS))
        found = []
        for start, end in itertools.combinations_with_replacement(range(len(spans)), 2):
            piece = text[spans[start].start() : spans[end].end()]
            ids = len(piece) > 2 and self.keyed(piece) or self.called(piece)
            if ids:
                found.append((set(range(start, end + 1)), ids, False))
        places = {word: at for at, span in enumerate(spans) for word in words_of(span[0])}
        places |= {word: at for at, span in enumerate(spans) for word in words_of(unmixed(span[0]))}
        for pair in itertools.combinations(places, 2):
            ids = set(itertools.islice(self._pairs.get(frozenset(pair), ()), MOST_ALIKE))
            for one in ids:
                own = set(map(letters, self.students[one].names()))
                own |= {word for name in self.students[one].names() for word in words_of(name)}
                found.append(({at for word, at in places.items() if word in own}, {one}, True))
        kept = [one for one in found if not any(_outweighs(other, one) for other in found)]
        return set().union(*(ids for _, ids, _ in kept)), any(partly for *_, partly in kept)


def _outweighs(one, other):
    """Whether what was found lies within something longer, or as long and not only a part of a name."""
    (places, _, partly), (inner, _, inner_partly) = one, other
    return inner < places or inner == places and inner_partly and not partly


def namesakes(students):
    """Names that several students share, for a warning. -> list of names"""
    names = collections.defaultdict(list)
    for student in students:
        names[letters(student.last_name + student.first_name)].append(student.name)
    return sorted({name for same in names.values() if len(same) > 1 for name in same if name})
