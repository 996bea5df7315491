"""What services tell through NOTIFY_SOCKET, from a grandchild that ends at once."""

import socket

from support.keeper import Keeper
from support.waiting import until

from . import loads

ROW = "R25"
TITLE = "sd_notify"
PASS = "READY=1, STATUS=, STOPPING=1 and EXTEND_TIMEOUT_USEC from a grandchild: 100 % seen"

TOLD = {
    "notify_ready": lambda value: value == "1",
    "notify_text": lambda value: value == "nearly gone",
    "notify_stopping": lambda value: value == "1",
    "extend_us": lambda value: int(value) > 0,
    "watchdog_us": lambda value: value == "60000000",
}


def test_a_grandchild_is_heard(sandbox, svc, row):
    number = row.choose(small=5, full=100)
    project = sandbox.project("".join(f"""
        [services.s{i}]
        type = "worker"
        command = "exec sh ./talk"
    """ for i in range(number)))
    project.write("talk", f"""
        trap '{svc} notify STOPPING=1 2; {svc} notify "STATUS=nearly gone" 2; exit 0' TERM
        {svc} notify 'READY=1\\nWATCHDOG_USEC=60000000' 2
        {svc} notify STATUS=up 2
        {svc} notify EXTEND_TIMEOUT_USEC=1000000 2
        {svc} wait &
        wait
    """)
    project.up()
    keepers = [Keeper(sandbox, project, f"s{i}") for i in range(number)]
    for keeper in keepers:
        keeper.until(lambda status: int(status["extend_us"]) > 0)
    project.run("stop", "--json")
    seen = 0
    for keeper in keepers:
        with keeper:
            status = keeper.until(lambda status: status["state"] == "exited")
        seen += sum(is_right(status[key]) for key, is_right in TOLD.items())
    row.figure("seen", f"{seen}/{number * len(TOLD)}", wanted=f"{number * len(TOLD)}/{number * len(TOLD)}")


def test_a_stranger_is_not_heard(sandbox, svc, row):
    project = sandbox.project(f"""
        [services.web]
        type = "worker"
        command = ["{svc}", "env", "NOTIFY_SOCKET", ",", "notify", "STATUS=mine", ",", "wait"]
    """)
    project.up()
    (line,) = until(lambda: project.log("web"))
    path = line.removeprefix("NOTIFY_SOCKET=").strip()
    with Keeper(sandbox, project, "web") as keeper, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        keeper.until(lambda status: status["notify_text"] == "mine")
        for text in (b"STATUS=theirs", b"READY=1", b"\xff" * 5000, b"\0\n=\n", b""):
            stranger.sendto(text, path)
        project.run("stop", "web", "--json")
        status = None
        while (packet := keeper.hear()) is not None:
            status = packet[1]
    row.figure("believed", int(status["notify_text"] != "mine" or status["notify_ready"] != "0"), wanted=0)


def test_a_watchdog_that_is_not_fed(sandbox, svc, row):
    project = sandbox.project(f"""
        [services.web]
        type = "worker"
        command = ["{svc}", "notify", "WATCHDOG_USEC=200000", ",", "wait"]
    """)
    project.up()
    with Keeper(sandbox, project, "web") as keeper:
        status = keeper.until(lambda status: status["watchdog_missed"] == "1")
    row.figure("watchdog missed", status["watchdog_missed"], wanted="1")


def test_a_stop_that_asks_for_time_gets_it(sandbox, svc, row):
    project = sandbox.project(f'''
        [services.web]
        type = "worker"
        command = """
            trap '{svc} notify EXTEND_TIMEOUT_USEC=30000000; sleep 4; echo done; exit 0' TERM
            {svc} wait & echo ready; wait
        """
        stop_timeout = 3
    ''')
    project.up()
    loads.wait_for_line(project, "web", "ready")
    project.run("stop", "web", "--json")
    row.figure("last words", project.log("web")[-1:], wanted=["done"])
