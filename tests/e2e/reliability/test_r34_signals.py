"""Signals to the daemon: services and URLs go on, the control socket goes, the state is whole."""

import signal

import pytest

from support import web

from . import loads

ROW = "R34"
TITLE = "SIGTERM, logout of the daemon"
PASS = "SIGTERM, SIGHUP, SIGINT: services and their URLs stay, the control socket is removed, the state is valid"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_services_stay_and_the_socket_goes(sandbox, row, name):
    project = sandbox.project(loads.service("web", loads.APP))
    project.up()
    service, before = project.service("web"), loads.identities(project)
    socket = sandbox.root / "run/locald/daemon.sock"
    assert socket.exists()
    loads.kill(sandbox.daemon_pid(), getattr(signal, name))
    row.figure(f"{name}: socket is there", socket.exists(), wanted=False)
    row.figure(f"{name}: URL answers", web.get(service["url"], "/").status, wanted=200)
    row.figure(f"{name}: service unchanged", loads.identities(project) == before, wanted=True)
