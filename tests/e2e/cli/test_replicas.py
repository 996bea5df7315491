"""replicas: several copies of a service behind one URL."""

import json
import os
import signal

import pytest

from support import web as http
from support.waiting import until

from .conftest import with_app

TOML = """
    [services.web]
    command = "echo hello; exec python3 app.py"
    replicas = {replicas}
    restart = "no"

    [services.front]
    type = "worker"
    command = "echo $WEB; exec sleep 1000"
    depends_on = ["web"]
    env = {{ WEB = "${{services.web.port}}" }}
"""


@pytest.fixture
def three(sandbox):
    project = with_app(sandbox.project(TOML.format(replicas=3)))
    project.up()
    return project


def asked(project, count):
    """The pids that answer so many requests to the one URL."""
    url = project.service("web-1")["url"]
    return [json.loads(http.get(url, "/whoami").text)["pid"] for _ in range(count)]


def test_each_is_a_service_of_its_own_and_all_share_a_url(three):
    services = three.services()
    assert sorted(services) == ["front", "web-1", "web-2", "web-3"]
    webs = [services[f"web-{i}"] for i in (1, 2, 3)]
    assert len({web["port"] for web in webs}) == 3
    assert {web["url"].split(":")[1] for web in webs} == {"//web.shop.localhost"}
    assert {web["replica_of"] for web in webs} == {"web"}
    until(lambda: three.log("front") == [str(webs[0]["port"])])


def test_visitors_are_sent_to_each_in_turn(three):
    pids = asked(three, 12)
    assert all(pids.count(pid) == 4 for pid in set(pids)) and len(set(pids)) == 3


def test_one_that_is_gone_gets_no_visitors_and_none_is_refused(three):
    before = three.service("web-2")
    os.kill(before["pid"], signal.SIGKILL)
    pids = asked(three, 30)
    until(lambda: three.service("web-2")["state"] == "crashed", what="the crash was seen")
    assert before["pid"] not in pids and len(set(pids)) == 2


def test_one_that_accepts_no_more_is_passed_over(three):
    """It still runs and counts as ready; its refusals are made good by the others."""
    before = three.service("web-2")
    answer = http.get(f"http://127.0.0.1:{before['port']}", "/close")
    assert answer.status == 200
    assert before["pid"] not in asked(three, 30)


def test_the_name_of_the_service_means_all_of_them(three):
    until(lambda: three.log("web").count("hello") == 3)
    assert three.log("web-1").count("hello") == 1
    three.run("restart", "web")
    assert {name: s["run"] for name, s in three.services().items()} == {
        "front": 1, "web-1": 2, "web-2": 2, "web-3": 2}
    three.run("stop", "web-3")
    assert three.service("web-3")["state"] == "stopped" and three.service("web-2")["ready"]
    three.run("stop", "web")
    states = {name: s["state"] for name, s in three.services().items()}
    assert states == {"front": "running", "web-1": "stopped", "web-2": "stopped",
                      "web-3": "stopped"}
    three.fail("stop", "wbe", status=4)


def test_fewer_or_more_leaves_the_others_alone(three):
    before = three.services()
    three.write("locald.toml", TOML.format(replicas=2))
    three.up()
    after = three.services()
    gone = before.pop("web-3")
    assert {n: s["pid"] for n, s in after.items()} == {n: s["pid"] for n, s in before.items()}
    assert not os.path.exists(f"/proc/{gone['pid']}")


def test_a_new_daemon_knows_them(three):
    before = three.services()
    three.sandbox.kill_daemon()
    after = three.services()
    assert {n: s["pid"] for n, s in after.items()} == {n: s["pid"] for n, s in before.items()}
    assert len(set(asked(three, 9))) == 3
