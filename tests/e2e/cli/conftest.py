"""What the command line's tests share."""

import pathlib
import shutil

import pytest

from support import images
from support.sandbox import Project

APPS = pathlib.Path(__file__).resolve().parent.parent.parent / "support/apps"


def with_app(project):
    """app.py, an HTTP service that tells about itself, put into the project's folder."""
    shutil.copy(APPS / "app.py", project.folder / "app.py")
    project.sandbox.own(project.folder)
    return project


ONE_SERVICE = """
    [services.web]
    command = "python3 app.py"
"""


@pytest.fixture
def web(sandbox):
    """A project of one service, not started."""
    return with_app(sandbox.project(ONE_SERVICE))


@pytest.fixture
def chain(sandbox):
    """web needs api, api needs db; started by nobody yet."""
    return with_app(sandbox.project("""
        [services.web]
        command = "python3 app.py web"
        depends_on = ["api"]

        [services.api]
        command = "python3 app.py api"
        depends_on = ["db"]

        [services.db]
        command = "python3 app.py db"
        env = { DELAY = "0.5" }
    """))


@pytest.fixture(scope="module")
def store(shared_sandbox):
    """A sandbox with the image `base`."""
    shared_sandbox.run("image", "import", str(images.busybox_tar(shared_sandbox.root / "base.tar")), "base")
    return shared_sandbox


@pytest.fixture(scope="module")
def place(store):
    """A folder that is no project, in a sandbox that has the image `base`."""
    folder = store.root / "elsewhere"
    folder.mkdir()
    store.own(folder)
    return Project(store, folder)
