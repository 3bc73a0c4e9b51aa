"""What the tests of the autograder share."""

import pytest

from .collecting import Course


@pytest.fixture
def course(tmp_path):
    """A course folder to collect into."""
    return Course(tmp_path)
