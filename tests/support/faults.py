"""The fault points of base/testing.h, as the source has them, and the programs that have them."""

import pathlib
import re

from support.sandbox import Sandbox

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent / "src"
CALL = re.compile(r"\bfault_(point|errno)\(\"([^\"]+)\"\)")


def points():
    """{name: file below src/}, of points that are used; each name once."""
    found = {}
    for path in sorted(SOURCE.rglob("*.c")):
        for _, name in CALL.findall(path.read_text(encoding="utf-8")):
            assert name not in found, f"{name} is in {found[name]} and in {path}"
            found[name] = path.relative_to(SOURCE)
    assert found, f"no points in {SOURCE}"
    return found


def is_of_keeper(file):
    return file.parts[0] == "keeper"


def make_libexec(build, folder, keeper="locald-keeper-testing"):
    """The programs that the daemon starts, with one of the keepers of the tests."""
    folder.mkdir()
    for program in build.glob("src/*/locald-*"):
        if program.is_file() and program.name not in ("locald-keeper", "locald-other"):
            (folder / program.name).symlink_to(program)
    (folder / "locald-keeper").symlink_to(build / "tests/support" / keeper)
    return folder


def sandbox(build, folder, **environment):
    """A sandbox whose daemon and keepers have the points, with these variables for all of it."""
    made = Sandbox(build / "tests/support/locald-testing", libexec=make_libexec(build, folder))
    made.environment.update(environment)
    return made
