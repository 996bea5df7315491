"""URLs: routing by Host, WebSockets, and the pages for what is not there."""

import contextlib
import http.client
import json
import os
import signal
import socket
import urllib.parse

from support import web as http_client
from support.waiting import until

from .conftest import with_app

ONCE = """
    [services.web]
    command = "python3 app.py"
    restart = "no"
"""
HTML = {"Accept": "text/html"}
TWO = """
    [services.web]
    command = "python3 app.py web"

    [services.api]
    command = "python3 app.py api"
"""


def two_services(sandbox):
    project = with_app(sandbox.project(TWO))
    project.up()
    return project, project.services()


def test_each_service_has_its_url(sandbox):
    _, services = two_services(sandbox)
    for name, service in services.items():
        parts = urllib.parse.urlsplit(service["url"])
        assert parts.scheme == "http" and parts.hostname.endswith("shop.localhost")
        answer = json.loads(http_client.get(service["url"], "/whoami").text)
        assert answer["argv"][1] == name


def test_service_dot_project_dot_localhost(sandbox):
    _, services = two_services(sandbox)
    port = sandbox.proxy_port()
    answer = http_client.get(f"http://api.shop.localhost:{port}", "/whoami")
    assert json.loads(answer.text)["argv"][1] == "api"
    answer = http_client.get(f"http://API.Shop.LocalHost:{port}", "/whoami")
    assert json.loads(answer.text)["argv"][1] == "api"
    assert services["api"]["url"].rstrip("/") in (
        f"http://api.shop.localhost:{port}", "http://api.shop.localhost")


def test_bodies_both_ways(sandbox):
    _, services = two_services(sandbox)
    body = b"x" * (3 * 1024 * 1024)
    answer = http_client.get(services["web"]["url"], "/echo", method="POST", body=body)
    assert answer.status == 200 and answer.body == body


def test_forwarded_headers_are_ours(sandbox):
    _, services = two_services(sandbox)
    url = services["web"]["url"]
    host = urllib.parse.urlsplit(url).netloc
    answer = http_client.get(url, "/headers", headers={"X-Forwarded-For": "6.6.6.6"})
    headers = {k.lower(): v for k, v in json.loads(answer.text).items()}
    assert headers["host"] == host
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"


def test_keep_alive_over_two_services(sandbox):
    _, services = two_services(sandbox)
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.proxy_port(), timeout=10)
    for name in ("web", "api", "web"):
        host = urllib.parse.urlsplit(services[name]["url"]).netloc
        connection.request("GET", "/whoami", headers={"Host": host})
        assert json.loads(connection.getresponse().read())["argv"][1] == name
    connection.close()


def test_websocket(sandbox):
    _, services = two_services(sandbox)
    client = http_client.WebSocket(services["web"]["url"], "/live")
    assert client.status == 101, client.head
    for text in ("one", "two", "three"):
        client.send(text)
        assert client.receive() == text
    client.close()


def test_a_websocket_survives_a_change_of_the_routes(sandbox):
    project, services = two_services(sandbox)
    client = http_client.WebSocket(services["web"]["url"], "/live")
    project.run("stop", "api")
    client.send("still here")
    assert client.receive() == "still here"
    client.close()


def test_unknown_host_is_a_404_that_lists_what_there_is(sandbox):
    _, services = two_services(sandbox)
    port = sandbox.proxy_port()
    answer = http_client.get(f"http://nothing.localhost:{port}", "/", headers=HTML)
    assert answer.status == 404
    assert "text/html" in answer.headers["Content-Type"]
    for service in services.values():
        assert service["url"] in answer.text


def test_clients_that_want_no_html_get_problem_json(sandbox):
    two_services(sandbox)
    answer = http_client.get(f"http://nothing.localhost:{sandbox.proxy_port()}", "/")
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert json.loads(answer.text)["status"] == 404


def test_stopped_service_is_a_502_or_503_that_says_why(sandbox):
    project, services = two_services(sandbox)
    project.run("stop", "web")
    answer = http_client.get(services["web"]["url"], "/", headers=HTML)
    assert answer.status in (502, 503)
    assert "stopped" in answer.text and "web" in answer.text


def test_a_proxy_that_was_held_up_hears_all_that_is_new_first(sandbox):
    project, _ = two_services(sandbox)
    memory = json.loads((sandbox.root / "run/locald/proxy.json").read_text())
    os.kill(memory["pid"], signal.SIGSTOP)
    try:
        project.run("stop", "web")
        project.run("up")
        client = socket.create_connection(("127.0.0.1", memory["port"]), 30)
        client.sendall(b"GET /whoami HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n")
    finally:
        os.kill(memory["pid"], signal.SIGCONT)
    with client:
        assert client.recv(4096).split()[1] == b"200"


def crash(project):
    """Its service `web`, which has crashed for good when this returns."""
    service = project.service("web")
    with contextlib.suppress(OSError, http.client.HTTPException):
        http_client.get(service["url"], "/crash")
    until(lambda: project.service("web")["state"] in ("exited", "crashed"))
    return service


def test_who_was_told_of_a_change_finds_it_at_the_url(testing_sandbox):
    """The daemon dies as soon as it has answered; the proxy goes on with what it knows."""
    project = with_app(testing_sandbox.project(ONCE))
    project.up()
    service = crash(project)
    testing_sandbox.kill_daemon()
    testing_sandbox.environment["LOCALD_FAULT"] = "operation.answered:kill"
    project.attempt("stop", "web")
    answer = http_client.get(service["url"], "/", headers=HTML)
    assert answer.status in (502, 503) and "stopped" in answer.text, answer.text
    del testing_sandbox.environment["LOCALD_FAULT"]
    assert project.service("web")["state"] == "stopped"


def test_crashed_service_is_a_502_with_its_last_words(sandbox):
    project = with_app(sandbox.project(ONCE))
    project.up()
    service = crash(project)
    answer = http_client.get(service["url"], "/", headers=HTML)
    assert answer.status in (502, 503), answer.text
    assert "code 3" in answer.text and "listening on" in answer.text


def test_page_text_is_escaped(sandbox):
    two_services(sandbox)
    port = sandbox.proxy_port()
    answer = http_client.get("http://x.localhost:%d" % port, "/<script>alert(1)</script>", headers={
        "Accept": "text/html", "Host": "nothing.localhost"})
    assert "<script>alert(1)" not in answer.text


def test_a_request_with_two_hosts_is_refused(sandbox):
    two_services(sandbox)
    with socket.create_connection(("127.0.0.1", sandbox.proxy_port()), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: web.shop.localhost\r\nHost: api.shop.localhost\r\n\r\n")
        assert client.recv(4096).split()[1] == b"400"


def test_only_loopback(sandbox):
    two_services(sandbox)
    addresses = listening_addresses(sandbox.proxy_port())
    assert addresses and addresses <= {"0100007F", "00000000000000000000000001000000"}


def listening_addresses(port):
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                address, _, local_port = fields[1].partition(":")
                if fields[3] == "0A" and int(local_port, 16) == port:
                    found.add(address)
    return found
