"""Upgrades: after a real 101 the connection is a byte tunnel."""

import asyncio
import socket
import threading

import websockets

from .conftest import answer, is_closed, read_exactly, read_head, route

HOST = "web.shop.localhost"
UPGRADE = (b"GET /ws HTTP/1.1\r\nHost: web.shop.localhost\r\nUpgrade: echo\r\n"
           b"Connection: keep-alive, Upgrade\r\n\r\n")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"


def echo(sock, number):
    """Switches, and echoes until its client has said all; then says goodbye."""
    read_head(sock)
    sock.sendall(SWITCH + b"first")
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.sendall(b"bye")


def test_websocket(proxy):
    async def run():
        async def handler(socket):
            async for message in socket:
                await socket.send(message)

        async with websockets.serve(handler, "127.0.0.1", 0, max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            proxy.routes(route(HOST, port))
            url = f"ws://{HOST}:{proxy.port}/"
            async with websockets.connect(url, host="127.0.0.1", max_size=None) as client:
                for message in ("hello", b"\x00\xff" * 50000, "x" * (8 << 20)):
                    await client.send(message)
                    assert await client.recv() == message
                # The table may change, even lose the service: what is open stays open.
                assert proxy.routes()["tunnels"] == 1
                await client.send("still here")
                assert await client.recv() == "still here"

    asyncio.run(run())
    while proxy.counts()["tunnels"] > 0:
        pass


def test_bytes_around_the_switch_are_not_lost(proxy, service):
    proxy.routes(route(HOST, service(echo).port))
    with proxy.connect() as sock:
        sock.sendall(UPGRADE + b"early")
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"\r\nUpgrade: echo\r\n" in head and b"\r\nConnection: upgrade\r\n" in head
        assert read_exactly(sock, 10) == b"firstearly"


def test_half_close_passes(proxy, service):
    proxy.routes(route(HOST, service(echo).port))
    with proxy.connect() as sock:
        sock.sendall(UPGRADE)
        read_head(sock)
        sock.sendall(b"x" * 100000)
        sock.shutdown(socket.SHUT_WR)
        assert read_exactly(sock, 5 + 100000 + 3).endswith(b"xbye")
        assert is_closed(sock)


def test_a_slow_end_holds_the_other_back(proxy, service):
    sent = [0]

    def flood(sock, number):
        read_head(sock)
        sock.sendall(SWITCH)
        sock.settimeout(1)
        try:
            while sent[0] < 64 << 20:
                sent[0] += sock.send(bytes(65536))
        except TimeoutError:
            sock.settimeout(30)
            while sent[0] < 64 << 20:
                sent[0] += sock.send(bytes(65536))

    proxy.routes(route(HOST, service(flood).port))
    with proxy.connect() as sock:
        sock.sendall(UPGRADE)
        read_head(sock)
        read_exactly(sock, 1)
        threading.Event().wait(1)
        assert sent[0] < 32 << 20
        left = (64 << 20) - 1
        while left:
            left -= len(read_exactly(sock, min(left, 1 << 20)))


def test_an_end_that_dies_ends_the_tunnel(proxy, service):
    closed = threading.Event()

    def handler(sock, number):
        read_head(sock)
        sock.sendall(SWITCH)
        if is_closed(sock, 20):
            closed.set()

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        sock.sendall(UPGRADE)
        read_head(sock)
    assert closed.wait(20)
    while proxy.counts()["tunnels"] > 0:
        pass


def test_a_service_may_decline(proxy, service):
    upstream = service(answer(b"no", "426 Upgrade Required"))
    proxy.routes(route(HOST, upstream.port))
    with proxy.connect() as sock:
        for _ in range(2):
            sock.sendall(UPGRADE)
            assert read_head(sock).startswith(b"HTTP/1.1 426 ")
            assert read_exactly(sock, 2) == b"no"


def test_an_upgrade_with_a_body_is_a_plain_request(proxy, service):
    heads = []

    def handler(sock, number):
        heads.append(read_head(sock))
        read_exactly(sock, 2)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        sock.sendall(UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nhi"))
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    assert b"Upgrade" not in heads[0]
