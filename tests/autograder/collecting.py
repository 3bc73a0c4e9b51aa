"""What tests of collecting share: notebooks, zips and folders of them, a course that takes them in."""

import io
import json
import zipfile

from autograder import collect, roster
from course_lib.files import write
from lessons.build import STUDENT

TWO, THREE = "02_template_model", "03_differentiable_rendering"
CANVAS_CSV = """Student,ID,SIS User ID,SIS Login ID,Section,Lesson 2 (77),Current Score
,,,,,Manual Posting,
    Points Possible,,,,,10,(read only)
"Núñez O'Brien, María José",101,S101,maria@uni.example,A,,
"Müller, Jörg",102,S102,joerg@uni.example,A,,
"Smith, Ann",103,S103,ann1@uni.example,A,,
"Smith, Ann",104,S104,ann2@uni.example,B,,
"Łukasz, Đặng",105,S105,dang@uni.example,B,,
"Student, Test",999,,f00f,A,,
"""


def notebook(mark="", lesson=TWO):
    """A student's notebook of a lesson; mark: makes it another file."""
    data = (STUDENT / f"{lesson}.ipynb").read_bytes().rstrip()
    return data.removesuffix(b"}") + f', "mark": {json.dumps(mark)}}}\n'.encode()


def zipped(files, into=None):
    """{name, or ZipInfo: bytes} -> a zip, as a file or as bytes"""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
    if into is None:
        return memory.getvalue()
    into.write_bytes(memory.getvalue())
    return into


def lay(folder, files):
    """Writes files into a folder. files: {path: bytes} -> the folder"""
    for name, data in files.items():
        write(folder / name, data)
    return folder


class Course:
    """A course folder, collected into from zips; what a call leaves out is remembered."""

    def __init__(self, tmp_path):
        self.tmp, self.path = tmp_path, tmp_path / "course"

    def csv(self, text, name="roster.csv"):
        path = self.tmp / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def students(self, csv):
        return roster.students_in(self.csv(csv))[0]

    def take(self, files, kind="canvas", csv=CANVAS_CSV, **options):
        """files: {name: bytes} of a zip, or the path of a download."""
        source = zipped(files, self.tmp / "submissions.zip") if isinstance(files, dict) else files
        csv = None if csv is None else self.csv(csv)
        result = collect.collect(source, kind, self.path, roster=csv, **options)
        if result.recorded:
            listed = self.register()["left_out"][source.name]
            assert listed == [{"from": where, "reason": reason} for where, reason in result.left_out]
        return result

    def register(self):
        return json.loads((self.path / "grading" / "collected.json").read_text())

    def there(self, lesson=TWO):
        """{student: bytes}; and nothing else lies in submitted/."""
        paths = [path for path in (self.path / "submitted").rglob("*") if path.is_file()]
        files = {path.relative_to(self.path / "submitted").parts: path.read_bytes() for path in paths}
        files = {parts: data for parts, data in files.items() if parts[-1] != "timestamp.txt"}
        assert all(len(parts) == 3 and parts[2] == f"{parts[1]}.ipynb" for parts in files)
        return {parts[0]: data for parts, data in files.items() if parts[1] == lesson}

    def snapshot(self):
        paths = [path for path in self.path.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.path)): path.read_bytes() for path in paths}

    def roster(self):
        return {student.id: student for student in roster.read(self.path)}


def reasons(result):
    return " | ".join(f"{where}: {reason}" for where, reason in result.left_out)


def says(text, *parts):
    for part in parts:
        assert part in text, part
