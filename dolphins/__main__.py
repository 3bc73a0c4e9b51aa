"""`python -m dolphins` is the command line."""

from .cli import main

main()
