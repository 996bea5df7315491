"""The worker as a process: its control socket, its limits, what it gives up."""

import fcntl
import http.client
import json
import os
import pathlib
import resource
import subprocess

import pytest

from .conftest import Proxy, answer, read_exactly, read_head, route

GET = b"GET / HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n"


def status_of(proxy):
    text = pathlib.Path(f"/proc/{proxy.process.pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines())


def sealed_memfd(data, seals=fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE):
    fd = os.memfd_create("routes", os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def get(proxy, host):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    connection.request("GET", "/", headers={"Host": host})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_needs_its_control_socket(worker_program):
    result = subprocess.run([worker_program], capture_output=True, text=True, close_fds=True)
    assert result.returncode == 2
    assert "descriptor 3 is not the daemon's socket" in result.stderr


def test_a_large_table_comes_in_a_memfd(proxy, service):
    routes = [route(f"s{i}.shop.localhost", 0, "stopped") for i in range(5000)]
    routes.append(route("web.shop.localhost", service(answer()).port))
    table = json.dumps({"op": "routes", "version": 1, "routes": routes}).encode()
    assert len(table) > 65536
    fd = sealed_memfd(table)
    proxy.send({"op": "routes", "memfd": True}, [fd])
    os.close(fd)
    proxy.counts()
    assert get(proxy, "web.shop.localhost") == 200
    assert get(proxy, "s4999.shop.localhost") == 502


@pytest.mark.parametrize("message", [
    b"not json", b'{"op":"dance"}', b'{"op":"routes"}', b'{"op":"routes","memfd":true}', b"[]",
    b'{"op":"routes","routes":[{"host":"a b","project":"p","service":"s","state":"running"}]}',
    b'{"op":"routes","routes":[{"host":"a","project":"p","service":"s"}]}',
    b'{"op":"routes","routes":[{"host":"a","project":"p","service":"s","state":"running",'
    b'"port":65536}]}',
])
def test_a_bad_message_changes_nothing(proxy, service, message):
    proxy.routes(route("web.shop.localhost", service(answer()).port))
    proxy.send(message)
    proxy.counts()
    assert get(proxy, "web.shop.localhost") == 200
    assert "message from the daemon" in proxy.log.read_text()


def test_an_unsealed_table_is_refused(proxy, service):
    proxy.routes(route("web.shop.localhost", service(answer()).port))
    fd = sealed_memfd(b'{"op":"routes","routes":[]}', fcntl.F_SEAL_GROW)
    proxy.send({"op": "routes", "memfd": True}, [fd])
    os.close(fd)
    proxy.counts()
    assert get(proxy, "web.shop.localhost") == 200
    assert "not sealed" in proxy.log.read_text()


def test_gives_up_what_it_does_not_need(proxy):
    status = status_of(proxy)
    for kind in ("CapInh", "CapPrm", "CapEff"):
        assert int(status[kind], 16) == 0
    assert status["NoNewPrivs"] == "1"
    if os.getuid() == 0:
        assert status["Uid"].split() == ["65534"] * 4
        assert status["Gid"].split() == ["65534"] * 4
        assert status["Groups"].strip() == ""


def test_survives_the_end_of_descriptors(worker_program, tmp_path, service):
    """With few descriptors: it goes on, and serves again when there is room."""
    limits = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
    proxy = Proxy(worker_program, tmp_path / "proxy.log", preexec_fn=limits)
    try:
        proxy.routes(route("web.shop.localhost", service(answer()).port))
        held = [proxy.connect() for _ in range(200)]
        for sock in held:
            sock.sendall(GET[:20])
        proxy.counts()
        for sock in held:
            sock.close()
        with proxy.connect() as sock:
            sock.sendall(GET)
            read_head(sock)
            assert read_exactly(sock, 2) == b"ok"
    finally:
        proxy.stop()


def test_ends_with_its_clients_when_the_daemon_goes(worker_program, tmp_path, service):
    proxy = Proxy(worker_program, tmp_path / "proxy.log")
    proxy.routes(route("web.shop.localhost", 0, "starting"))
    with proxy.connect() as sock:
        sock.sendall(GET)
        while proxy.counts()["waiting"] == 0:
            pass
        proxy.stop()
        assert sock.recv(1) == b""
