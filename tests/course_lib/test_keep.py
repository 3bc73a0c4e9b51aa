"""`keep` in a real IPython: what is written works after a restart; what cannot be kept is said in a line."""

import subprocess
import sys
import textwrap
import zipfile

import pytest

from course_lib import keep as work

pytestmark = pytest.mark.slow

SHELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in {cells!r}:
    result = shell.run_cell(cell, store_history=True)
    if result.error_before_exec or result.error_in_exec:
        sys.exit("the cell failed: " + cell)
"""


def python(folder, code, **settings):
    """Runs code in a fresh Python, as after a restart. -> what it printed"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **settings)
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    return done.stdout.strip()


def notebook(folder, *cells):
    """Runs cells in an IPython of its own, in a folder. -> what they printed"""
    cells = ["from course_lib.keep import keep", *(textwrap.dedent(cell) for cell in cells)]
    home = {"PATH": "", "HOME": str(folder), "IPYTHONDIR": str(folder / ".ipython")}
    return python(folder, SHELL.format(cells=cells), env=home)


def write(folder, name, text):
    (folder / "my_work").mkdir(exist_ok=True)
    (folder / "my_work" / f"{name}.py").write_text(text)


@pytest.fixture(scope="module")
def kept_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    printed = notebook(
        folder,
        "import math, os\nimport os.path as path\nfrom math import pi as PI, tau",
        "SCALE, OFFSET = 3, 1\nLIMIT: int = SCALE * 10",
        "def helper(x):\n    return min(x * SCALE + OFFSET, LIMIT)",
        "class Box:\n    size = 2",
        "def area(r):\n    return 0",
        """
        # redefined: this is the one that counts
        def area(r, box=Box):
            inner = [math.floor(helper(v)) for v in range(2)]
            return PI * r ** 2 + sum(inner) + box.size + len(path.basename("ab"))

        def other():
            return "other"
        """,
        "SCALE, OFFSET = 5, 2              # run again, changed",
        "keep(area, other)",
        "%time x = 1\ndef third(): return 'a %d' % LIMIT",
        "keep(third)",
        "from my_work import area as again, third\nprint('again', again(1) == area(1), third())",
        "def other():\n    return 'newer'\nkeep(other)\nfrom my_work import other as newest\nprint(newest())",
    )
    return folder, printed


def test_it_works_after_a_restart(kept_folder):
    folder, printed = kept_folder
    assert "Kept area in my_work/area.py: from my_work import area" in printed
    area = 3.141592653589793 + (2 + 7) + 2 + 2
    code = "from my_work import area, other, third; print(area(1), other(), third())"
    assert python(folder, code) == f"{area} newer a 50"


def test_it_works_at_once_and_the_newest_counts(kept_folder):
    assert "again True a 50" in kept_folder[1] and kept_folder[1].endswith("newer")


def test_only_what_is_used_is_written(kept_folder):
    text = (kept_folder[0] / "my_work" / "area.py").read_text()
    assert "tau" not in text and "import os\n" not in text and "other" not in text and "return 0" not in text
    assert text.count("SCALE, OFFSET = 5, 2") == 1


def test_the_package_has_functions_where_files_have_their_names(kept_folder):
    code = """
import my_work.area; from my_work import area; print(callable(area))
import my_work.other; print(callable(my_work.other))"""
    assert python(kept_folder[0], code) == "True\nTrue"


def test_what_was_never_kept_is_said(kept_folder):
    code = "try:\n    from my_work import fit\nexcept ImportError as error:\n    print(error)"
    assert "my_work has no fit yet. Solve its exercise and run keep(fit)" in python(kept_folder[0], code)


def test_whatever_cannot_be_kept_is_said_in_a_line(tmp_path):
    printed = notebook(
        tmp_path,
        '''
        def stub(x):
            """What it should do."""
            raise NotImplementedError("Exercise 2: stub is yours to write")
            y = ...
        ''',
        "with open('x', 'w') as handle:\n    total = 3\nfor step in range(3):\n    pass",
        "def uses_total(x): return x + total",
        "def missing(): return 1\nMADE = missing()\nREADS = MADE + 1\ndel missing",
        "def needs(): return READS",
        "def fails_alone(x=missing_name if False else int('1')): return x",
        "def outer(n):\n    def inner(x):\n        return x + n\n    return inner",
        "def renamed(): pass\nrenamed.__name__ = 'another'",
        "from solutions.rotations import batch_rodrigues",
        "keep(stub, lambda x: x, 3, uses_total, needs, outer(2), batch_rodrigues, print, None, fails_alone)",
        "keep()\nkeep(renamed)",
    )
    not_kept = (
        "stub is still to be written (there is a `raise NotImplementedError` in it).",
        "a lambda has no name to keep it by. Write it as `def name(...): return ...`.",
        "this is of the type int, not a function. Name the function itself, without calling it: keep(",
        "uses_total: it uses `total`, which is not made by a single line at the top of a cell. Pass it to",
        "needs does not work on its own: NameError: name 'missing' is not defined. Give it what it needs",
        "inner: it uses n of a function around it. Define it at the top of a cell.",
        "this batch_rodrigues is the course's, from solutions.rotations. Run the cell in which you write",
        "this is of the type builtin_function_or_method",
        "this is of the type NoneType",
        "another does not work on its own",
    )
    lines = printed.splitlines()
    assert lines.pop(-2).startswith("Kept fails_alone")
    for line, expected in zip(lines, not_kept, strict=True):
        assert line.startswith(f"Not kept: {expected}"), line
    assert not (tmp_path / "my_work" / "stub.py").exists()


def test_it_says_so_where_the_check_has_found_a_mistake(tmp_path):
    wrong = "def absorb(image, sea_level_height, hard_mask, water_absorption):\n    return image * hard_mask"
    check = "from course_lib import check\ncheck.absorption()"
    right = """
        from solutions import rendering
        def absorb(*inputs, **named):
            return rendering.absorb(*inputs, **named)"""
    again = (wrong, "keep(absorb)", right, check, "keep(absorb)")
    printed = notebook(tmp_path, wrong, check, "keep(absorb)", *again)
    checked, unchecked, whole = (line for line in printed.splitlines() if line.startswith("Kept absorb"))
    assert "its check gave 0 of 10 points" in checked, printed
    assert "its check" not in unchecked + whole  # written anew and not yet checked; right
    code = "import my_work.absorb, sys; print(sys.modules['my_work.absorb'].CHECK_GAVE)"
    assert python(tmp_path, code) == "(10, 10)"


SPARE = "json.dumps"  # stands for a function of the course, and is quick to import
INSTEAD = f"so {SPARE} is used in this lesson."


@pytest.mark.parametrize(
    "last, said, taken",
    [
        ("CHECK_GAVE = 0, 20", f": the one that you kept had 0 of 20 points in its check, {INSTEAD}", "json"),
        ("", f": the one that you kept was not checked before it was kept, {INSTEAD}", "json"),
        ("CHECK_GAVE = 20, 20", ": your own, from my_work.", "my_work.rodrigues"),
    ],
)
def test_a_release_takes_what_was_kept_only_if_its_check_gave_all_points(tmp_path, last, said, taken):
    """Where something else does meanwhile; where nothing does, it takes it and says what it is."""
    program = f"""
from course_lib.stand_ins import yours
for spare in ({SPARE!r}, ""):
    print(yours("solutions", "rodrigues", {{"rodrigues": (2, spare)}}, "lessons 1-3").__module__)
"""
    write(tmp_path, "rodrigues", f"def rodrigues(theta): pass\n\n{last}\n")
    with_spare, module, alone, own_module = python(tmp_path, program).splitlines()
    assert with_spare.startswith(f"rodrigues{said}") and module == taken
    assert alone.startswith("rodrigues: your own, from my_work.") and own_module == "my_work.rodrigues"
    assert ("look there first" in alone) == ("20, 20" not in last)


def test_a_folder_that_was_not_brought_along_is_said_in_a_line(tmp_path):
    """And functions that were copied one by one are found, with or without the __init__ that keep wrote."""
    asked = """
from course_lib import keep
try:
    from my_work import f
    print(f())
except ImportError as error:
    print(*error._render_traceback_())"""
    line = "is in the folder my_work beside the notebook in which you ran it: copy that folder into"
    assert f"{line} {tmp_path}, or set" in python(tmp_path, asked)
    (tmp_path / "my_work").mkdir()
    (tmp_path / "my_work" / "dolphin_fit.pth").write_bytes(b"x")
    assert f"{line} {tmp_path}, or set" in python(tmp_path, asked)
    write(tmp_path, "f", "def f(): return 1")
    assert python(tmp_path, asked) == "1"
    assert (tmp_path / "my_work" / "__init__.py").is_file()
    write(tmp_path, "g", "1 / 0")
    assert python(tmp_path, asked) == "1"  # another that fails does not stand in the way
    (tmp_path / "my_work" / "f.py").unlink()
    said = python(tmp_path, asked)
    assert "my_work has no f yet" in said and "copy the f.py that you kept into" in said


def test_what_was_kept_before_stays_where_the_new_one_fails(tmp_path):
    printed = notebook(
        tmp_path,
        "def f(): return 1",
        "keep(f)",
        "A = 1\ndef f(): return A",
        "import os\nA = os.environ['GONE'] if 0 else 2",
        "keep(f)",
        "A = undefined_thing if False else 3\ndef f(x=1/A): raise NotImplementedError",
        "keep(f)",
    )
    assert printed.count("Kept f") == 2 and "Not kept: f is still" in printed
    assert python(tmp_path, "from my_work import f; print(f())") == "2"
    assert not list((tmp_path / "my_work").glob(".*"))


def test_colab_says_that_files_vanish_and_brings_them_back(tmp_path):
    colab = "import os; os.environ['COLAB_RELEASE_TAG'] = 'x'"
    printed = notebook(tmp_path, colab, "def f(): return 1", "keep(f)")
    assert "Colab deletes its files" in printed and "files.download('my_work.zip')" in printed
    later = tmp_path / "later"
    later.mkdir()
    (tmp_path / "my_work.zip").rename(later / "my_work.zip")
    assert work.bring_back(later) == "Brought back from my_work.zip: f."
    assert python(later, "from my_work import f; print(f())") == "1"
    assert work.bring_back(later) is None


def test_a_zip_from_elsewhere_does_no_harm(tmp_path):
    with zipfile.ZipFile(tmp_path / "my_work.zip", "w") as packed:
        packed.writestr("../evil.py", "x")
        packed.writestr("my_work/__init__.py", "raise SystemExit")
        packed.writestr("my_work/a-b.py", "x")
    assert "Brought back from my_work.zip: evil." == work.bring_back(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*.py")) == ["__init__.py", "evil.py"]
    assert not (tmp_path.parent / "evil.py").exists()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "my_work.zip").write_bytes(b"PK nothing")
    assert "cannot be read" in work.bring_back(broken)
