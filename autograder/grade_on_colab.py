# %% [markdown]
# # Dolphins in 3D · Grade a class on Colab
#
# For instructors without a Linux machine of their own. It takes what your students handed in, grades it on
# this Colab machine, and gives you `grades.csv` and a page of feedback for each student. It grades as
# `dolphins grade` does: students' code runs in a process of its own, the decisions fall in another one, from
# hidden cases and the reference solutions.
#
# **What is missing here.** Colab allows no sandbox. What your students wrote runs with this machine's rights:
# it could read the reference solutions, other submissions and anything that you mount or upload, and use the
# network. So:
#
# - use a fresh runtime (*Runtime > Disconnect and delete runtime* before and after),
# - do not mount your Drive, and sign in nowhere,
# - look at the class page's list of what to look at by hand. For a class in which somebody may mean ill,
#   grade on Linux, in the sandbox: the README's page for instructors says how.
#
# **You need** the course as a zip *with solutions and autograder* (`make bundle` makes `dolphins-in-3d.zip`),
# and one zip of submissions. Drag both into the files panel on the left.

# %% setup=0
import importlib.util

from course_lib.errors import CourseError

if importlib.util.find_spec("autograder.judge") is None:
    raise CourseError(
        "This zip of the course is one for students. Delete the folder dolphins-in-3d and its zip, and put "
        "the one that `make bundle` makes beside this notebook."
    )
print("The course is here, with its solutions and its judge.")

# %% [markdown]
# ## What was handed in
#
# `FROM` is where the zip comes from: `"auto"` is what it looks like. Else `"canvas"` (*Assignments >
# Download submissions*), `"moodle"` (*View all submissions > Download all submissions*), another learning
# system, or `"folder"`: a folder for each student, named after them.
#
# `ROSTER` is the class as a csv: Canvas's gradebook export, Moodle's grading worksheet, or columns
# `id,first_name,last_name,email`.

# %%
SUBMISSIONS = "submissions.zip"
FROM = "auto"
ROSTER = "roster.csv"
DEADLINE = None  # for example "2026-11-20T23:59+01:00"
CLASS = "class"  # the folder that everything goes into

# %%
from autograder.collect import collect

print(collect(SUBMISSIONS, FROM, CLASS, roster=ROSTER, deadline=DEADLINE).text())

# %% [markdown]
# ## Grade
#
# About three seconds for a submission, and half a minute to begin. Stopped, it goes on where it was when you
# run the cell again. A GPU is of no use here: everything is judged on the CPU.

# %%
from autograder.grade import grade

print(grade(CLASS, sandbox="none", gradebook=False).text())

# %% [markdown]
# ## The result
#
# The class page, and `graded.zip` with everything: `grades.csv` in nbgrader's, Canvas's and Moodle's form,
# and a page of feedback for each student. Colab deletes its files when the runtime ends: download the zip.

# %%
import html
import shutil
from pathlib import Path

from IPython.display import HTML

from autograder.class_report import write_report

page = write_report(CLASS)
for name in ("feedback", "grading/report"):
    shutil.copytree(Path(CLASS) / name, Path("graded") / name, dirs_exist_ok=True)
print(shutil.make_archive("graded", "zip", "graded"))
if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
    from google.colab import files

    files.download("graded.zip")
HTML(f'<iframe srcdoc="{html.escape(page.read_text())}" width="100%" height="900"></iframe>')
