"""The rows of docs/reliability.md: what must hold, each a black-box test with a figure.

A row is a file test_rNN_<name>.py which says, as constants at its top,

    ROW = "R09"                                   the row of the table
    TITLE = "Zombies"                             its name there
    PASS = "10,000 orphans: 0 zombies 1 s later"  what the row promises at its full size

and whose tests tell figures to the fixture `row` (tests/support/rows.py):

    def test_orphans_are_collected(sandbox, svc, row):
        number = row.choose(small=500, full=10000)
        ...
        row.figure("zombies", zombies, wanted=0)
        row.figure("pids unchanged", f"{same}/{number}", wanted=f"{number}/{number}")
        row.at_most("keeper", kib, 300, "KiB")
        row.took("status", seconds, limit=0.2)    a time: only told at the small size
        row.share("writer", percent, least=50)    a speed: the same

`row.random` is a generator whose seed is printed when the test fails.  The small size runs in
`make check` and takes seconds; LOCALD_RELIABILITY=full runs the size of PASS.  A row skips, with a
reason, only where the machine cannot do it.  `svc` is the service that the rows run: see
`build/tests/support/svc --help`.  Each test ends with the leak audit of its sandbox.

`make reliability` runs all of them and writes docs/reliability.md; `make reliability T=R09` writes
one line of it, which a new or changed row needs (tools/check_docs.py compares).
"""

import os
import pathlib
import shutil

import pytest

from support import rows, web

FULL_TIMEOUT = 3600
HERE = pathlib.Path(__file__).resolve().parent
ROW_KEY = pytest.StashKey()


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and rows.size() == "full":
            item.add_marker(pytest.mark.timeout(FULL_TIMEOUT), append=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Notes what became of a row, and writes it down when its sandbox has been audited, too."""
    outcome = yield
    report = outcome.get_result()
    row = item.stash.get(ROW_KEY, None)
    if row is None and hasattr(item.module, "ROW"):
        row = item.stash[ROW_KEY] = rows.Row(item.module, item.name)
    if row is None:
        return
    if report.failed:
        said = str(call.excinfo.value).strip() or repr(call.excinfo.value) if call.excinfo else report.when
        row.failed(said.splitlines()[0])
        report.sections.append(("row", str(row)))
    elif report.skipped:
        row.skipped(str(call.excinfo.value))
    if report.when == "teardown":
        row.write_report()


@pytest.fixture
def row(request):
    """The row that this test is about, for its figures."""
    made = request.node.stash[ROW_KEY] = rows.Row(request.module, request.node.name)
    return made


@pytest.fixture
def channels():
    """Opens WebSockets: channels(url); closed before the audit."""
    opened = []

    def open_one(url):
        opened.append(web.WebSocket(url))
        assert opened[-1].status == 101
        return opened[-1]

    yield open_one
    for channel in opened:
        channel.close()


@pytest.fixture(scope="session")
def svc(build):
    """The service of the rows, where every user and every container can run it."""
    folder = pathlib.Path(f"/tmp/ld-svc-{os.getpid()}")
    folder.mkdir(mode=0o755)
    program = shutil.copy(build / "tests/support/svc", folder / "svc")
    os.chmod(program, 0o755)
    yield program
    shutil.rmtree(folder)
