"""Connections cost the proxy memory while they last, and none after."""

import pytest

from support import heap

from .conftest import Proxy, answer, route

HOST = "web.shop.localhost"
GET = b"GET / HTTP/1.1\r\nHost: web.shop.localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def counted(worker_program, build, tmp_path):
    """A proxy whose memory is counted."""
    proxy = Proxy(worker_program, tmp_path / "proxy.log", env=heap.environment(build, tmp_path))
    proxy.heap = heap.Heap(tmp_path, proxy.process.pid)
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("data, starts", [
    (GET, b"HTTP/1.1 200 "),
    (GET.replace(b"web.", b"nobody."), b"HTTP/1.1 4"),
    (b"\0\1\2\r\n\r\n", b"HTTP/1.1 400 "),
], ids=["of a service", "of an unknown name", "of what is no HTTP"])
def test_of_answers(counted, service, data, starts):
    counted.routes(route(HOST, service(answer(b"hello")).port))

    def ask():
        assert counted.raw(data).startswith(starts)

    counted.heap.assert_no_growth(ask, rounds=60)


def test_of_clients_that_go_away(counted, service):
    counted.routes(route(HOST, service(answer(b"hello")).port))

    def leave():
        with counted.connect() as sock:
            sock.sendall(GET[:30])
        with counted.connect() as sock:
            sock.sendall(GET)
        assert counted.raw(GET).startswith(b"HTTP/1.1 200 ")

    counted.heap.assert_no_growth(leave, rounds=40)


def test_of_routes(counted):
    def change():
        counted.routes(*(route(f"s{i}.shop.localhost", 1000 + i) for i in range(20)))
        counted.routes(route(HOST, 1000))

    counted.heap.assert_no_growth(change, rounds=50)
