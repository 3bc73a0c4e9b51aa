"""The learning systems: what each calls the files that students hand in.

    canvas      lastfirst_LATE_12345_67890_name-1.ipynb            (Canvas: lib/content_zipper.rb)
                the sortable name, or the group's, in small letters, of which letters (with accents), digits
                and _ are left; LATE where it is; the user's number, of a group's file one member's; the
                file's number, which grows with time; the file's name, with -1, -2 from attempt to attempt
    moodle      First Last_123_assignsubmission_file/name.ipynb, ..._file_/name.ipynb (before Moodle 4), or
                ..._file_name.ipynb (Moodle: mod/assign/classes/downloader.php); the full name as Moodle is
                set to show it, without _; the number of the participant; Participant_123_... where marking
                is blind. Of a group's file GROUP_45_..., the number of the group, or "Default group_..."
    blackboard  ASSIGNMENT_login_attempt_2026-11-18-22-05-00_name.ipynb, and ....txt with what was written
                beside it (Blackboard's help: "Download assignments"); what nbgrader zip_collect is shown
                with in nbgrader's plugins/zipcollect.py, too
    brightspace 12345-678901 - First Last - Nov 18, 2026 1105 PM/name.ipynb, and index.html; the numbers are
                those of the submission
    nbgrader    submitted/ID/ASSIGNMENT/name.ipynb and timestamp.txt, as nbgrader collect and ngshare leave
                it; in the exchange, inbound/ID+ASSIGNMENT+2026-11-18 22:05:00.123456 UTC+LETTERS/name.ipynb
    sakai       ASSIGNMENT/Last, First(login)/Submission attachment(s)/name.ipynb and timestamp.txt (Sakai:
                AssignmentServiceImpl.java); of a group's work GROUP (its number)/...
    github      ASSIGNMENT-submissions/ASSIGNMENT-login/..., as `gh classroom clone student-repos` makes it;
                of a group's work the team's name is in place of the login. The times of files are those of
                the clone
    gradescope  assignment_123_export/submission_456/..., and submission_metadata.yml, which says whose it is
    google      what Google Drive packs of Google Classroom's folders: NAME-20261118T220500Z-001.zip; files as
                the students called them, or "First Last - title" where Classroom made the copies

A system's reader says of one part of a path what it claims. Students choose some of it: a display name that
ends in _4001, a file's name like somebody else's. So where a part can be read in several ways, the last
reading counts whose number somebody has, for nobody can put own letters behind the system's.
"""

import contextlib
import datetime
import itertools
import os
import re
from collections import Counter
from dataclasses import dataclass, field

from lessons.build import lesson_names

from .downloads import files
from .repair import MOST_BYTES

JUNK = re.compile(r"^(__MACOSX|\.DS_Store|Thumbs\.db|desktop\.ini|\.git|\._.*)$", re.IGNORECASE)
CANVAS = re.compile(  # LATE in capitals: names are small, and a group may call itself team_late
    r"(?P<late>_LATE)?_(?P<user>[0-9]{1,18})(?=_(?:(?P<file>[0-9]{1,18})_.|(?P<what>text|link)\.html$))",
    re.DOTALL,
)
ANONYMOUS = re.compile(r"^(?:LATE_)?anon_\w+?_[0-9]+_", re.IGNORECASE)
MOODLE = re.compile(r"(?:_(?P<user>[0-9]{1,18}))?_assignsubmission_(?P<what>[a-z]+)")
BLACKBOARD = re.compile(r"_attempt_(?P<time>[0-9]{4}(?:-[0-9]{2}){5})(?P<rest>_|\.txt$)")
BRIGHTSPACE = re.compile(
    r"(?:[0-9]+-[0-9]+ ?- ?)?(?P<name>.+?) ?- ?(?P<date>[^\W\d]{3,10}\.? [0-9]{1,2},? [0-9]{4}|"
    r"[0-9]{1,2}\.? [^\W\d]{3,10}\.?,? [0-9]{4}),? (?P<hour>[0-9]{1,2}):?(?P<minute>[0-9]{2})"
    r" ?(?P<half>[AP]M)?"
)
EXCHANGE = re.compile(  # ids may have + in them; the time is nbgrader's
    r"(?P<id>.+)\+(?P<lesson>[^+]+)\+(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]{8,15} [A-Z]{3,4})(\+\w+)?"
)
SAKAI = re.compile(r"(?P<name>.+?) ?\((?P<login>[^()]+)\)")
DRIVE = re.compile(r"-[0-9]{8}T[0-9]{6}Z(-[0-9]+)+(\.zip)?$")
MOST_FOUND = 20  # readings of one part
MOST_VOTES = 200  # paths in one folder that say which system a download is of


@dataclass
class Claim:
    """What a part of a path says of whose it is."""

    name: str = ""
    evidence: list = field(default_factory=list)  # [(what it is, ids of whom it means)]
    group: str = ""
    login: str = ""  # GitHub's
    number: str = ""  # Canvas's of the user, Moodle's of the participant or group
    rivals: list = field(default_factory=list)  # evidence of other readings: only this very name will do
    late: bool = False
    file_id: int = 0
    time: object = None  # datetime
    instead: str = ""  # of a file: an online text, a link
    others: list = field(default_factory=list)  # Claims of who handed it in too
    problem: str = ""  # why it is nobody's


@dataclass
class Download:
    """What is known of a whole download before its files are taken in: see `survey`."""

    roster: object
    top: str = ""  # its name
    times: dict = field(default_factory=dict)  # {path of a folder: what timestamp.txt in it says}
    gradescope: dict = field(default_factory=dict)  # {path of a folder: what Gradescope says of it}
    numbered: bool = False  # some of Moodle's numbers are in the worksheet, so it is this assignment's
    # {path of GitHub's folder: what in it has a login of the class, and no team's name; or a team's}
    single: dict = field(default_factory=dict)
    teams: dict = field(default_factory=dict)
    titles: dict = field(default_factory=dict)  # {Blackboard's assignment: ids of whose login follows it}
    kinds: Counter = field(default_factory=Counter)  # {system, or None: how many names are like its}
    # {(system, how deep its part stands): the outermost parts in which it does}
    depths: dict = field(default_factory=dict)
    shared: int = 0  # how many folders all that was downloaded lies in
    outermost: int = 0  # how many parts there are below what all paths share, each perhaps a student's
    below: set = field(default_factory=set)  # ids of whom these name

    @property
    def kind(self):
        """The system of most names, a folder where there is none."""
        return max(SYSTEMS, key=lambda kind: (self.kinds[kind], kind == "folder"))

    def is_above_all(self, at):
        """Whether the part that stands so deep is that of a whole class: below it half of them are named."""
        return at < self.shared and len(self.below) > 1 and 2 * len(self.below) >= len(self.roster.students)

    def stands(self, kind, at):
        """Whether a system's part stands so deep in this download. All that is deeper students made."""
        usual, count = self.depth(kind), len(self.depths.get((kind, self.depth(kind)), ()))
        if kind == "folder":  # what stands higher may mean somebody, too
            return usual is None or at <= usual or count < 2
        # In others there are no folders of students'.
        return kind not in ("github", "nbgrader") or at == usual and 2 * count >= self.outermost

    def depth(self, kind):
        """How deep a system's part stands in most of the outermost parts, None where none is like it."""
        depths = {depth: len(found) for (of, depth), found in self.depths.items() if of == kind}
        return min(depths, key=lambda depth: (-depths[depth], depth), default=None)


# --- what a part claims


def _last_that_counts(claims, system, download):
    """Of several readings the one that counts. claims: from left to right -> Claim, or None of none"""
    roster = download.roster
    if not claims or len(claims) > MOST_FOUND:
        return Claim(problem="its name can be read in very many ways") if claims else None
    owned = [claim for claim in claims if roster.numbered(system, claim.number)]
    if owned:
        last, said = owned[-1], [claim.evidence[0] for claim in owned]
        last.rivals = [(what, ids) for what, ids in said if ids != said[-1][1]]
        return last
    named = [claim for claim in claims if roster.called(claim.name, system == "canvas")]
    return named[-1] if named else claims[0]


def _canvas(where, at, download):
    part, claims = where[at], []
    if ANONYMOUS.match(part):
        return Claim(problem="an anonymous download; show the students' names in Canvas, then download again")
    for found in itertools.islice(CANVAS.finditer(part), MOST_FOUND + 2):
        name, number = part[: found.start()], found["user"]
        claim = Claim(name, [(f"the number {number}", download.roster.numbered("canvas", number))], name)
        claim.number, claim.late, claim.instead = number, bool(found["late"]), found["what"] or ""
        claim.file_id = int(found["file"] or 0)
        claims.append(claim)
    return _last_that_counts(claims, "canvas", download)


def _moodle(where, at, download):
    part, claims = where[at], []
    for found in itertools.islice(MOODLE.finditer(part), MOST_FOUND + 2):
        name, number = part[: found.start()], found["user"] or ""
        claim = Claim(name, group=name, number=number, instead=found["what"].removeprefix("file"))
        if number:
            claim.evidence = [(f"the number {number}", download.roster.numbered("moodle", number))]
        claims.append(claim)
    return _last_that_counts(claims, "moodle", download)


def _blackboard(where, at, download):
    found = BLACKBOARD.search(where[at])
    if found is None:
        return None
    roster, cuts = download.roster, _titles_and_logins(where[at])
    # Title and logins may have _ in them. The title is that of the most students, else the shortest: behind a
    # longer one stands the end of a login, which may be another's.
    usual = max(cuts, key=lambda cut: len(download.titles.get(cut[0], ())))
    known = [login for title, login in cuts if roster.logged_in(login) or roster.groups(login)]
    login = usual[1] if download.titles.get(usual[0]) else (known or [cuts[-1][1]])[0]
    evidence = [(f"the login {login[:80]!r}", roster.logged_in(login))]
    try:
        time = datetime.datetime.strptime(found["time"], "%Y-%m-%d-%H-%M-%S")
    except ValueError:
        time = None
    return Claim(evidence=evidence, group=login, time=time)


def _titles_and_logins(part):
    """How Blackboard's name can be read. -> list of (title of the assignment, login), short titles first"""
    before = part[: BLACKBOARD.search(part).start()]
    cuts = list(re.finditer("_", before))[-MOST_FOUND:]
    return [(before[: cut.start()], before[cut.end() :]) for cut in cuts] or [("", before)]


def _brightspace(where, at, download):
    part = where[at]
    last = at == len(where) - 1  # flat, with the file's name behind the time
    found = BRIGHTSPACE.match(part) if last else _last_match(BRIGHTSPACE, part)
    if found is None or last and not part[found.end() :].startswith(" -"):
        return None
    return Claim(found["name"], group=found["name"], time=_brightspace_time(found))


def _last_match(pattern, part):
    """A match of the whole part: with a date in the name the last one is the system's."""
    return re.fullmatch(pattern.pattern.replace("(?P<name>.+?)", "(?P<name>.+)"), part[:300])


def _brightspace_time(found):
    hour, minute = int(found["hour"]), int(found["minute"])
    if found["half"]:
        hour = hour % 12 + 12 * (found["half"] == "PM")
    for form in ("%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y"):
        try:
            day = datetime.datetime.strptime(re.sub("[,.]", "", found["date"]), form)
            return day.replace(hour=hour, minute=minute)
        except ValueError:
            continue
    return None


def _nbgrader(where, at, download):
    if (found := EXCHANGE.fullmatch(where[at][:300])) and len(where) > at + 1:
        evidence = [(f"the id {found['id'][:80]!r}", download.roster.keyed(found["id"]))]
        return Claim(evidence=evidence, time=_utc(found["time"].encode()))
    folder = where[: at + 2]
    in_submitted = (where[at - 1] if at else download.top) == "submitted"
    if len(where) < at + 3 or not (in_submitted or folder in download.times):
        return None
    name, roster = where[at], download.roster
    ids = {name} if name in roster.students else roster.keyed(name)
    if not (ids or in_submitted) and roster.mentioned(stem(where[at + 1]))[0]:
        return None  # Sakai's, whose title stands above the students
    claim = Claim("" if ids else name, [(f"the id {name[:80]!r}", ids)])
    claim.time = download.times.get(folder)
    return claim


def _sakai(where, at, download):
    found, folder = SAKAI.fullmatch(where[at]), where[: at + 1]
    if found is None or folder not in download.times or len(where) < at + 2:
        return None
    evidence = [(f"the login {found['login'][:80]!r}", download.roster.logged_in(found["login"]))]
    return Claim(found["name"], evidence, found["name"], time=download.times[folder])


def _is_sakais(where):
    """Whether Sakai or a teacher made a file: what stands beside the attachments, and feedback."""
    own = ("timestamp.txt", "comments.txt", "feedbacktext.html", "grades.csv", "grades.xls", "grades.xlsx")
    return where[-1].lower() in own or any(part.startswith("Feedback Attachment") for part in where[:-1])


def _github(where, at, download):
    above = where[at - 1] if at else download.top
    assignment = above.removesuffix("-submissions")
    if assignment == above or not where[at].startswith(f"{assignment}-") or len(where) < at + 2:
        return None
    login = where[at].removeprefix(f"{assignment}-")
    ids, folder = download.roster.on_github(login), where[:at]
    own = len(download.single.get(folder, ())) >= len(download.teams.get(folder, ()))
    # Work is either everybody's own or all of it teams'. Students choose the names of both.
    if not own and not download.roster.groups(login, "github"):
        ids = set()
    evidence = [(f"the GitHub {'login' if own else 'team'} {login[:80]!r}", ids)]
    return Claim(evidence=evidence, group="" if own else login, login=login)


def _gradescope(where, at, download):
    row = download.gradescope.get(where[: at + 1])
    if row is None:
        return None
    claims = []
    for person in row["submitters"]:
        name, *keys = (person[key] for key in ("name", "email", "sid"))
        told = [(what, key) for what, key in zip(("email", "id"), keys) if key]
        evidence = [(f"the {what} {key[:80]!r}", download.roster.keyed(key)) for what, key in told]
        claims.append(Claim(name, evidence, time=row["time"]))
    first, *others = claims or [Claim(problem="submission_metadata.yml does not say whose it is")]
    first.others = others
    return first


def _google(where, at, download):
    is_file = at == len(where) - 1 or where[at].lower().endswith(".zip")
    packed = any(map(DRIVE.search, (download.top, *where[:at])))
    if not is_file or DRIVE.search(where[at]) or not (packed or "Classroom" in where):
        return None
    return Claim(stem(where[at]))


def stem(name):
    """A part of a path without lesson, file type and numbers of copies."""
    name = re.sub(r"(\.(ipynb|zip|json|txt))+$", "", name[:300], flags=re.IGNORECASE)
    for lesson in lesson_names():
        name = re.sub(re.escape(lesson), "", name, flags=re.IGNORECASE)
    return re.sub(r"\s?\([0-9]{1,3}\)$|-[0-9]{1,2}$", "", name).strip(" _-")


@dataclass(frozen=True)
class System:
    """A learning system, or whatever files come from."""

    title: str
    shape: str  # what its names are like
    read: object = None  # (path in parts, which part, Download) -> Claim or None
    ordered_by: str = "time"  # the attempts: by "time", by Canvas's "file_id", or by the "run" they came in
    is_own: object = lambda where: False  # whether a file is the system's, not a student's
    undated: str = "some files carry no time."
    # Whether a student packed a zip of that name in a folder.
    is_students: object = lambda name: True
    file_times: bool = False  # the files' own times are those of handing in
    caution: str = ""  # what to know of every download
    unconfirmed: bool = False  # students choose all that says whose a file is


FLAT = {"canvas": CANVAS, "moodle": MOODLE}
SYSTEMS = {
    "gradescope": System(
        "Gradescope",
        "submission_456/, which submission_metadata.yml names",
        _gradescope,
        is_own=lambda where: where[-1] == "submission_metadata.yml",
    ),
    "github": System(
        "GitHub Classroom",
        "ASSIGNMENT-submissions/ASSIGNMENT-login/",
        _github,
        "run",
        is_own=lambda where: not where[-1].lower().endswith((".ipynb", ".zip")),
        undated="the files of a clone carry no times; check out what was there at the deadline.",
    ),
    "nbgrader": System(
        "nbgrader",
        "submitted/ID/ASSIGNMENT/ with timestamp.txt",
        _nbgrader,
        is_own=lambda where: where[-1] == "timestamp.txt",
    ),
    "sakai": System("Sakai", "ASSIGNMENT/Last, First(login)/ with timestamp.txt", _sakai, is_own=_is_sakais),
    "moodle": System(
        "Moodle",
        "full name_number_assignsubmission_file",
        _moodle,
        "run",
        undated="""Moodle's files carry no times of submission; give the assignment's grading worksheet as
            --roster.""",
        is_students=MOODLE.search,
    ),
    "blackboard": System(
        "Blackboard",
        "ASSIGNMENT_login_attempt_TIME_file",
        _blackboard,
        is_own=lambda where: re.search(r"_attempt_[0-9-]{19}\.txt$", where[-1]),
        is_students=BLACKBOARD.search,
    ),
    "brightspace": System(
        "Brightspace",
        "number-number - First Last - Nov 18, 2026 1105 PM/",
        _brightspace,
        is_own=lambda where: where[-1] == "index.html",
    ),
    "canvas": System(
        "Canvas",
        "last name first_number_number_file",
        _canvas,
        "file_id",
        undated="Canvas's files carry no times of submission; its LATE was applied.",
        is_students=CANVAS.search,
    ),
    "google": System(
        "Google Classroom",
        "NAME-20261118T220500Z-001",
        _google,
        file_times=True,
        caution="""Google's files are known only by the names that students gave them, which nothing confirms:
            compare who handed in what with what Classroom shows.""",
        unconfirmed=True,
        is_students=lambda name: not DRIVE.search(name),
    ),
    "folder": System("a folder", "an id, email or name of the class in it", file_times=True),
}


# --- a download as a whole


def readings(where, download):
    """The systems that a path has a name of. -> {kind: (the first such part, what it claims)}"""
    found = {}
    for kind, system in SYSTEMS.items():
        claims = ((at, system.read and system.read(where, at, download)) for at in range(len(where)))
        if first := next(((at, claim) for at, claim in claims if claim), None):
            found[kind] = first
    return found


def system_of(where, download):
    """The system whose name stands outermost in a path, and in which part. -> (kind or None, at)"""
    found = readings(where, download)
    kind = min(found, key=lambda kind: found[kind][0], default=None)
    return kind, found[kind][0] if kind else 0


def survey(source, roster):
    """Goes over the names of a download: what the systems wrote beside the files, and which system it was.

    source: its path; roster: a Roster. What students packed counts no more than what it is packed in.
    -> Download
    """
    download, paths, told = Download(roster, re.sub(r"\.zip$", "", source.resolve().name)), [], []
    for file in files(source, lambda name: False):
        where = tuple(file.where)
        paths.append(where)
        if any(part.lower().endswith(".zip") for part in where[:-1]):
            continue
        if where[-1] == "timestamp.txt":
            if time := file.read_by(_utc, 100):
                download.times[where[:-1]] = time
        elif where[-1] == "submission_metadata.yml":
            told.append(file)
    least = min((len(file.where) for file in told), default=0)  # deeper ones lie in what students made
    for file in [file for file in told if len(file.where) == least]:
        if not _is_somebodys(tuple(file.where), download):
            rows = file.read_by(_gradescope_rows, MOST_BYTES) or {}
            download.gradescope |= {(*file.where[:-1], name): row for name, row in rows.items()}
    _vote(download, [where for where in paths if not any(JUNK.match(part) for part in where)])
    return download


def _vote(download, paths):
    """Finds out which system a download is of, by what its names are like: each student's part is a vote.

    It is one for each system that it is like: a student may give files names that are like another's, too.
    paths: all of the download in parts, without junk.
    """
    shared = os.path.commonprefix([where[:-1] for where in paths]) if paths else ()
    download.shared, outermost = len(shared), {where[len(shared)] for where in paths}
    for part in outermost:
        with contextlib.suppress(Exception):  # a name that cannot be read names nobody
            download.below |= _wholly_named(part, download.roster)
    votes, seen = set(), Counter()
    for where in paths:
        part = where[len(shared)]
        seen[part] += 1
        if seen[part] > MOST_VOTES:
            continue
        try:
            votes |= {(kind, part) for kind in _likenesses(where, part, download)}
        except Exception:  # a name that cannot be read says nothing of the others
            continue
    download.outermost = len({part for _, part in votes})
    download.kinds = Counter(kind for kind, _ in votes)


def _likenesses(where, outermost, download):
    """The systems that a path is like, where nobody is named above; and notes where their parts stand.

    -> iterator of kinds, {"folder"} where somebody is named, {None} where nobody is
    """
    found, roster, like = readings(where, download), download.roster, []
    for kind, (at, claim) in found.items():
        if kind == "moodle" and roster.numbered(kind, claim.number):
            download.numbered = True
        elif kind == "github" and roster.groups(claim.login, kind):
            download.teams.setdefault(where[:at], set()).add(where[at])
        elif kind == "github" and roster.on_github(claim.login):
            download.single.setdefault(where[:at], set()).add(where[at])
        elif kind == "blackboard":
            for title, login in _titles_and_logins(where[at]):
                download.titles.setdefault(title, set()).update(roster.logged_in(login))
        download.depths.setdefault((kind, at), set()).add(outermost)
        like += [kind] * (not _first_named(where[:at], download)[1])
    first = min((at for at, _ in found.values()), default=len(where))
    depth, named = _first_named(where[:first], download)
    if depth is not None:
        download.depths.setdefault(("folder", depth), set()).add(outermost)
    return like or ["folder" if named else None]


def _wholly_named(part, roster):
    """Whom a whole part of a path means, not something in it. -> ids"""
    return roster.keyed(stem(part)) | roster.called(stem(part))


def named_within(where, at, roster):
    """Whom the parts below one part of a path mean, each as a whole. -> ids"""
    return set().union(*(_wholly_named(part, roster) for part in where[at + 1 :]))


def _first_named(parts, download):
    """-> how deep the first part is that means a student or group, or None; whether one means a student"""
    depth, roster = None, download.roster
    for at, part in enumerate(map(stem, parts)):
        ids = roster.mentioned(part)[0]
        if ids and not (download.is_above_all(at) and roster.only_numbered(part, ids)):
            return at if depth is None else depth, True
        if depth is None and roster.groups(part):
            depth = at
    return depth, False


def _is_somebodys(where, download):
    """Whether a file lies in what names a student: then it is theirs, whatever it is called."""
    try:
        of_system = system_of(where, download)[0] is not None
        return of_system or any(download.roster.mentioned(stem(part))[0] for part in where[:-1])
    except Exception:  # a name that cannot be read is no system's own
        return True


def _utc(data):
    """What timestamp.txt says: "2026-11-20 22:05:00.123 UTC", or with +0100; of an older Sakai
    "20261120220500123". -> datetime or None"""
    text = data.decode(errors="replace").strip()
    text = re.sub(r"^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\d{3}$", r"\1-\2-\3 \4:\5:\6", text)
    found = re.match(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)\S*? ?(UTC|Z|[+-]\d\d:?\d\d)?\s*$", text)
    try:
        time = datetime.datetime.fromisoformat(f"{found[1]} {found[2]}")
        zone = (found[3] or "UTC").replace(":", "")
        shift = 0 if zone in ("UTC", "Z") else int(zone[:3]) * 60 + int(zone[0] + zone[3:])
        return time.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=shift)))
    except (TypeError, ValueError):
        return None


def _short(value):
    """A name or number of a YAML file as text; of what is neither, whatever it would grow to, nothing."""
    return str(value)[:200] if isinstance(value, (str, int)) else ""


def _gradescope_rows(data):
    """What submission_metadata.yml says. -> {folder: {"submitters": list of dict, "time": datetime, None}}"""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """Results of tests are objects of Ruby's, which nobody needs here."""

    Loader.add_multi_constructor("", lambda loader, suffix, node: None)
    try:
        content = yaml.load(data, Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    rows = {}
    for name, row in content.items() if isinstance(content, dict) else ():
        row = row if isinstance(row, dict) else {}
        people, time = row.get(":submitters"), row.get(":created_at")
        people = [one for one in people if isinstance(one, dict)] if isinstance(people, list) else []
        people = [{key: _short(one.get(f":{key}")) for key in ("name", "email", "sid")} for one in people]
        time = time if isinstance(time, datetime.datetime) else None
        rows[_short(name)] = {"submitters": people, "time": time}
    return rows
