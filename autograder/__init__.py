"""A class graded, from the notebooks that it gets to the table of its grades.

The modules in the order in which a class goes through them:

    release                 what students get, and the course folder
    collect                 what they handed in -> submitted/; with downloads (the files of zips and folders),
                            systems (what each learning system calls them), whose (of which student and lesson
                            a file is), identity (who a number, id or name means) and roster (the class)
    boundary                a process of its own, in which students' files are read
    repair                  a submitted notebook against the released one
    preparation             what of it runs, found before any of it does; with cell_names (which names a cell
                            reads and gives)
    allowance               how long a submission may take, all its processes together
    sandbox                 runs student code confined; inside_sandbox is the program in it. Memory is bounded
                            by cgroup (the kernel does it) or watcher (it is looked at from outside)
    questions               what an exercise asks in there: the checks without what they know
    judge                   decides outside of it, from hidden cases and the reference
    worker                  grades one submission: these three, as one task
    cluster                 the Dask workers that do so
    grade                   a whole class; with autograded_notebook (the notebook that formgrader shows) and
                            records (the course folder, its submissions and the record of each grade)
    gradebook               the records -> nbgrader's gradebook
    class_report            tables of grades, pages of feedback, the page of the class; with feedback (one
                            student's page) and likeness (solutions that are nearly the same)
    sample_class            a class of honest, unlucky and hostile students, for `make grade`
    grade_on_colab          the instructors' notebook, for those without a Linux machine
"""

import sys

# jsonschema, which nbformat imports, would compile a grammar of web addresses: two seconds of every start.
sys.modules.setdefault("rfc3987_syntax", None)
