# Gets the course from where it is published, if it is not here yet.
import pathlib, urllib.request

REPOSITORY = ""  # owner/name on GitHub
here = pathlib.Path.cwd()
parents = any((folder / "course_lib").is_dir() for folder in (here, *here.parents))
if not (parents or list(here.glob("dolphins*"))):
    url = f"https://github.com/{REPOSITORY}/archive/HEAD.zip"
    try:
        part, _ = urllib.request.urlretrieve(url, "course.part")
        pathlib.Path(part).rename("dolphins-in-3d.zip")
    except OSError as error:
        print(f"{url} cannot be downloaded ({error}).")
