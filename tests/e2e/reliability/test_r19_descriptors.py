"""The daemon has few descriptors and many clients: it waits, and its own work goes on."""

import contextlib
import resource
import socket
import time

from support.waiting import until

from . import loads

ROW = "R19"
TITLE = "Descriptors exhausted"
PASS = "64 descriptors, 500 clients: CPU ≤ 5 %, a crashed service is restarted meanwhile, " \
       "a new client is served ≤ 1 s after release"


def test_clients_do_not_take_the_last_descriptor(sandbox, svc, row):
    clients, seconds = 500, row.choose(2, 20)
    project = sandbox.project(
        loads.service("quiet", [svc, "wait"], type="worker")
        + loads.service("crasher", [svc, "wait"], type="worker", restart="always"))
    project.up()
    pid, before = sandbox.daemon_pid(), loads.identities(project)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
    with contextlib.ExitStack() as stack:
        for _ in range(clients):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(str(sandbox.root / "run/locald/daemon.sock"))
        began, used = time.monotonic(), loads.cpu_seconds(pid)
        loads.kill(before["crasher"][0])
        time.sleep(seconds)  # the span that is measured
        share = (loads.cpu_seconds(pid) - used) / (time.monotonic() - began) * 100
        until(lambda: loads.runs(sandbox, "crasher")[-1] == before["crasher"][1] + 1,
              what="it is restarted while the clients are there")
    began = time.monotonic()
    after = loads.identities(project)
    row.took("a new client after release", time.monotonic() - began, limit=1)
    row.at_most("CPU of the daemon", share, 5.0, "%")
    row.figure("restarted meanwhile", True)
    row.figure("the other service unchanged", after["quiet"] == before["quiet"], wanted=True)
    row.figure("same daemon", sandbox.daemon_pid() == pid, wanted=True)
    until(lambda: project.service("crasher")["state"] == "running")
