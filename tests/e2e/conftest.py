"""Fixtures of the end-to-end tests: real programs, each test in a sandbox of its own.

The programs are those of $LOCALD_BUILD (build/ by default).  After each test everything is shut
down and the leak audit must find nothing: see tests/support/audit.py.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support import accounts, audit, faults, registry as registries  # noqa: E402
from support.sandbox import Sandbox  # noqa: E402

TEST_TIMEOUT = 120
LIVE = set()  # tags of the sandboxes that are in use


def pytest_configure(config):
    config.addinivalue_line("markers", "timeout(seconds): how long this test may take")
    audit.become_subreaper()
    # In the background of a script it is ignored, and would be in all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """A test that hangs is a failed test."""
    marker = item.get_closest_marker("timeout")
    seconds = marker.args[0] if marker else TEST_TIMEOUT

    def expired(*_):
        pytest.fail(f"the test did not end in {seconds} s", pytrace=True)

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The daemon's log belongs to the report of a test that failed."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Sandbox):
                report.sections.append(("locald", value.log()))


@pytest.fixture(scope="session")
def build():
    folder = pathlib.Path(os.environ.get("LOCALD_BUILD", ROOT / "build")).resolve()
    if not (folder / "src/cli/locald").exists():
        pytest.exit(f"{folder} has no locald: run `make` or set LOCALD_BUILD", returncode=2)
    return folder


@pytest.fixture(scope="session")
def locald(build):
    """The program under test."""
    return build / "src/cli/locald"


@pytest.fixture(scope="session")
def installed(build, tmp_path_factory):
    """`make install` into a folder that every user can read; the program in its bin/."""
    folder = pathlib.Path(audit_safe_folder(tmp_path_factory))
    subprocess.run(
        ["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", "--destdir", str(folder)],
        check=True, stdout=subprocess.DEVNULL,
    )
    program = next(folder.rglob("bin/locald"))
    yield program
    shutil.rmtree(folder)


def audit_safe_folder(tmp_path_factory):
    """pytest's own folders are 0700, so this one is beside them."""
    base = tmp_path_factory.getbasetemp()
    folder = pathlib.Path("/tmp") / f"ld-install-{os.getpid()}-{base.name}"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture(scope="session")
def ordinary_user():
    """Somebody who is not root, with subordinate ids."""
    account, reason = accounts.ordinary_user()
    if not account:
        pytest.skip(reason)
    return account


def dispose(sandbox):
    """Shuts a sandbox down, audits it, removes it."""
    try:
        sandbox.shutdown()
        leaks = sandbox.leaks(others=LIVE - {sandbox.tag})
        reports = sandbox.sanitizer_reports()
        if leaks:
            sandbox.kill_leaks()
        assert not leaks, "left behind:\n  " + "\n  ".join(leaks) + f"\n{sandbox.log()}"
        assert not reports, "sanitizers found:\n" + "\n".join(reports)
    finally:
        LIVE.discard(sandbox.tag)
        sandbox.remove()


def new_sandbox(locald, account=None):
    sandbox = Sandbox(locald, account)
    LIVE.add(sandbox.tag)
    return sandbox


@pytest.fixture
def sandbox(locald):
    """locald with nothing in it, as the user who runs the tests; audited afterwards."""
    sandbox = new_sandbox(locald)
    yield sandbox
    dispose(sandbox)


@pytest.fixture
def testing_sandbox(build, tmp_path):
    """The same with the programs that have fault points and a speed (src/base/testing.h)."""
    sandbox = faults.sandbox(build, tmp_path / "libexec")
    LIVE.add(sandbox.tag)
    yield sandbox
    dispose(sandbox)


@pytest.fixture
def user_sandbox(installed, ordinary_user):
    """The same as an ordinary user, with the installed programs."""
    sandbox = new_sandbox(installed, ordinary_user)
    yield sandbox
    dispose(sandbox)


@pytest.fixture
def sandbox_of():
    """A function that makes a sandbox of another program, and of an account."""
    made = []

    def make(program, account=None):
        made.append(new_sandbox(program, account))
        return made[-1]

    yield make
    for sandbox in made:
        dispose(sandbox)


CALLERS = ["caller", "ordinary user"] if os.getuid() == 0 else ["caller"]


@pytest.fixture(scope="module", params=CALLERS)
def shared_sandbox(request, locald, installed):
    """One sandbox for all tests of a module (for what is slow to set up, such as images), once as
    the user who runs the tests and once as an ordinary one.  Projects need names of their own."""
    if request.param == "caller":
        sandbox = new_sandbox(locald)
    else:
        account, reason = accounts.ordinary_user()
        if not account:
            pytest.skip(reason)
        sandbox = new_sandbox(installed, account)
    yield sandbox
    dispose(sandbox)


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """docker-registry on 127.0.0.1."""
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed")
    registry = registries.Registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.stop()
