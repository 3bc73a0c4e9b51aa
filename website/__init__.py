"""The course to read: `make site` writes it to out/site/, which opens in any browser, without a network.

build       from the sources to the pages to the site, step by step
lessons     the lessons, executed, as pages: the student's exercises with the outputs of the solved notebooks
texts       the project's own texts as pages, with their links; the reference, of the docstrings
npm         one file of an npm package, of a pinned version: MathJax here, axe-core in the tests

and for Sphinx: conf.py, index.md (the first page), templates/ and static/. Nothing else is written for the
site alone.
"""
