"""Where the notebooks come from.

In the order of use:

01_preprocessing.py to 06_your_own_animal.py    the lessons, in percent format
pictures/                               the programs that draw their pictures, and the pictures
setup_cell.py, fetch_cell.py            how every notebook begins: finds the course, or gets it
build.py                                makes the notebooks of these: `dolphins notebooks`
execute.py                              runs notebooks as a person would: `make walkthrough`
bundle.py                               packs the course as a zip: `make bundle`
"""
