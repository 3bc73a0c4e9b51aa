"""A class graded, from the notebooks that it gets to the table of its grades.

The modules in the order in which a class goes through them:

    release                 what students get, and the course folder
    collect                 what they handed in -> submitted/; with downloads (the files of zips and folders),
                            whose (of which student and lesson a file is) and roster (the class)
    repair                  a submitted notebook against the released one
    sandbox                 runs student code confined; inside_sandbox is the program in it. Memory is bounded
                            by cgroup (the kernel does it) or watcher (it is looked at from outside)
    judge                   decides outside of it, from hidden cases and the reference
    worker                  grades one submission: these three, as one task
    cluster                 the Dask workers that do so
    grade                   a whole class; with autograded_notebook (the notebook that formgrader shows) and
                            records (the course folder, its submissions and the record of each grade)
    gradebook               the records -> nbgrader's gradebook
    class_report            tables of grades, pages of feedback, the page of the class
    sample_class            a class of honest, unlucky and hostile students, for `make grade`
    grade_on_colab          the instructors' notebook, for those without a Linux machine
"""
