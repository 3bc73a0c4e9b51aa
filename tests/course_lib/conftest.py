"""What the tests of several modules share."""

import pytest

from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel


@pytest.fixture(scope="session")
def model():
    """The template of the embedded pack."""
    return DolphinModel(find_pack())
