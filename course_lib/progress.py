"""The progress bar of the notebooks: tqdm's own, on standard output, and only where somebody sees it."""

import sys

from tqdm.std import tqdm as standard_tqdm


class tqdm(standard_tqdm):
    """tqdm for notebooks: `for step in tqdm(range(steps), desc="fit")`.

    tqdm writes to standard error, which notebooks show as if something were wrong, and its widgets need what
    not every notebook has. This one writes a line of text to standard output; into a file, or during a check,
    nothing.
    """

    def __init__(self, *args, **options):
        options = {"file": sys.stdout, "ncols": 96, "mininterval": 0.5, **options}
        options["disable"] = bool(options.get("disable")) or not is_seen(options["file"])
        super().__init__(*args, **options)


def is_seen(stream):
    """Whether what is written to this stream is shown at once, in a notebook or a terminal."""
    return type(stream).__module__.startswith("ipykernel") or (hasattr(stream, "isatty") and stream.isatty())
