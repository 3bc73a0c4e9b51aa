"""One file of an npm package, of a pinned version, checked and kept: no npm is needed."""

import hashlib
import io
import tarfile
import urllib.request

from course_lib.errors import CourseError
from course_lib.files import write

REGISTRY = "https://registry.npmjs.org"
MATHJAX = (
    "mathjax",
    "3.2.2",
    "es5/tex-svg.js",  # one file, fonts included
    "d4295dc33744836935c1399feece5159577b34c5c8ffb9f1c6324cd82e03a882",
)


def npm_file(name, version, member, sha256, folder):
    """The file `member` of a package, from `folder`, or fetched and put there. -> path

    sha256: of the file, in hexadecimal. Raises CourseError where it cannot be fetched, or is another.
    """
    path = folder / f"{name}-{version}.js"
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
        return path
    address = f"{REGISTRY}/{name}/-/{name}-{version}.tgz"
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            package = answer.read()
        with tarfile.open(fileobj=io.BytesIO(package)) as archive:
            content = archive.extractfile(f"package/{member}").read()
    except (OSError, KeyError, tarfile.TarError) as error:
        raise CourseError(f"""{name} {version} could not be fetched from {address} ({error}). It is needed
            once: connect to the internet and run this again.""") from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise CourseError(f"""{member} of {address} has the SHA-256 {found}, expected {sha256}: it is not the
            file that was tested. It was not used; find out why before you go on.""")
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, content)
