"""Whether a process lives, as the system says it."""

from pathlib import Path


def alive(pid):
    """Not so of one that is dead but not yet counted as such by its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
