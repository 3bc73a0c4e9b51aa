"""Which versions the run with Colab's packages installs."""

from .run import LEFT_OUT, pins

NEWEST = """# a comment
absl-py==1.4.0
imageio_ffmpeg==0.7.1
NumPy==2.5.0
torch==2.13.0+cu130
en_core_web_sm @ https://example.org/en_core_web_sm-3.8.0-py3-none-any.whl
scipy @ file:///build/scipy
"""


def test_a_freeze_of_colabs_image_gives_the_versions(tmp_path):
    (tmp_path / "pip-freeze.gpu.txt").write_text(NEWEST)
    listed = dict(pin.split("==") for pin in pins())
    newest = dict(pin.split("==") for pin in pins(tmp_path / "pip-freeze.gpu.txt"))
    assert newest == {**listed, "imageio-ffmpeg": "0.7.1", "numpy": "2.5.0"}
    assert len(listed) > 30 and not set(listed) & set(LEFT_OUT)
