"""What is refused: malformed and ambiguous requests never reach a service."""

import pytest

from .conftest import answer, read_head, read_exactly, route

HOST = b"Host: web.shop.localhost\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"

SMUGGLING = {
    "cl-te": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "te-cl": CHUNKED + b"Content-Length: 4\r\n\r\n1c\r\n" + HIDDEN + b"\r\n0\r\n\r\n",
    "te-te": CHUNKED + b"Transfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "te identity": POST + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
    "te list": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "te xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "te space before colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "te tab in name": POST + b"Transfer\tEncoding: chunked\r\n\r\n0\r\n\r\n",
    "te vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "te folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "te on 1.0": CHUNKED.replace(b"1.1", b"1.0") + b"\r\n0\r\n\r\n",
    "cl cl": POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "cl list": POST + b"Content-Length: 0, 5\r\n\r\nhello",
    "cl plus": POST + b"Content-Length: +5\r\n\r\nhello",
    "cl minus": POST + b"Content-Length: -5\r\n\r\nhello",
    "cl hex": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "cl space": POST + b"Content-Length: 5 0\r\n\r\nhello",
    "cl huge": POST + b"Content-Length: 18446744073709551617\r\n\r\nhello",
    "bare lf": b"GET / HTTP/1.1\nHost: web.shop.localhost\n\n",
    "bare lf at the end": GET + b"\n",
    "bare cr": GET + b"A: b\rX: y\r\n\r\n",
    "nul": GET + b"A: b\x00c\r\n\r\n",
    "obs-fold": GET + b"A: b\r\n c\r\n\r\n",
    "field before the request": b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no colon": GET + b"Transfer-Encoding chunked\r\n\r\n",
    "empty name": GET + b": x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: other.localhost\r\n\r\n",
    "host list": b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: web.shop.localhost/x\r\n\r\n",
    "host with a user": b"GET / HTTP/1.1\r\nHost: me@web.shop.localhost\r\n\r\n",
    "host with a bad port": b"GET / HTTP/1.1\r\nHost: web.shop.localhost:x\r\n\r\n",
    "target of another host": b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "tab in the request line": b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n",
}

CHUNKS = {
    "bare lf after the size": b"3\nabc\r\n0\r\n\r\n",
    "bare lf after an extension": b"3;x\nabc\r\n0\r\n\r\n",
    "bare lf after the data": b"3\r\nabc\n0\r\n\r\n",
    "size too small": b"2\r\nabc\r\n0\r\n\r\n",
    "size too big": b"4\r\nabc\r\n0\r\n\r\n",
    "size overflow": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "size with a space before": b" 3\r\nabc\r\n0\r\n\r\n",
    "negative size": b"-3\r\nabc\r\n0\r\n\r\n",
    "nul in an extension": b"3;\x00\r\nabc\r\n0\r\n\r\n",
    "folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
}


@pytest.fixture
def upstream(proxy, service):
    """A service that notes each request head it gets."""
    upstream = None

    def handler(sock, number):
        while head := read_head(sock):
            upstream.received.append(head)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    upstream = service(handler)
    proxy.routes(route("web.shop.localhost", upstream.port))
    return upstream


@pytest.mark.parametrize("name", SMUGGLING)
def test_ambiguous_requests_are_refused(proxy, upstream, name):
    # What follows on the connection must not be answered either.
    reply = proxy.raw(SMUGGLING[name] + HIDDEN)
    assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n"), reply
    assert reply.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in reply
    assert upstream.received == []


@pytest.mark.parametrize("name", CHUNKS)
def test_malformed_chunks_end_the_request(proxy, service, name):
    """The head may have been sent on by then, but the body never looks complete."""
    bodies = []

    def handler(sock, number):
        read_head(sock)
        body = b""
        while piece := sock.recv(65536):
            body += piece
        bodies.append(body)

    proxy.routes(route("web.shop.localhost", service(handler).port))
    reply = proxy.raw(CHUNKED + b"\r\n" + CHUNKS[name] + HIDDEN)
    assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n"), reply
    assert reply.count(b"HTTP/1.1") == 1
    assert all(b"0\r\n\r\n" not in body and b"hidden" not in body for body in bodies)


@pytest.mark.parametrize("request_, status", [
    (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    (b"CONNECT web.shop.localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    (b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    (GET + b"A: " + b"a" * 17000 + b"\r\n\r\n", 431),
    (GET + (b"A: " + b"a" * 15000 + b"\r\n") * 5 + b"\r\n", 431),
    (GET + b"A: b\r\n" * 100 + b"\r\n", 431),
    (GET + b"X-Locald-Hops: 5\r\n\r\n", 508),
    (GET + b"X-Locald-Hops: x\r\n\r\n", 508),
])
def test_other_refusals(proxy, upstream, request_, status):
    with proxy.connect() as sock:
        sock.sendall(request_)
        assert read_head(sock).startswith(b"HTTP/1.1 %d " % status)
    assert upstream.received == []


def test_limits_are_not_lower_than_they_should_be(proxy, upstream):
    with proxy.connect() as sock:
        sock.sendall(GET + b"A: b\r\n" * 90 + (b"B: " + b"b" * 9000 + b"\r\n") * 6 + b"\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        sock.sendall(b"\r\n" + GET + b"X-Locald-Hops: 4\r\n\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    assert b"X-Locald-Hops: 5\r\n" in upstream.received[1]


def test_a_loop_ends(proxy):
    """A service whose port is the proxy's own."""
    proxy.routes(route("web.shop.localhost", proxy.port))
    with proxy.connect() as sock:
        sock.sendall(GET + b"\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 508 Loop Detected\r\n")


def test_h2c_upgrade_is_not_passed(proxy, upstream):
    with proxy.connect() as sock:
        sock.sendall(GET + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
                     b"Connection: Upgrade, HTTP2-Settings\r\n\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    assert b"h2c" not in upstream.received[0]
    assert b"Settings" not in upstream.received[0]


def test_other_clients_are_served_beside_slow_ones(proxy, service):
    proxy.routes(route("web.shop.localhost", service(answer()).port))
    slow = [proxy.connect() for _ in range(200)]
    for sock in slow:
        sock.sendall(b"GET / HTTP/1.1\r\nHo")
    with proxy.connect() as sock:
        sock.sendall(GET + b"\r\n")
        read_head(sock)
        assert read_exactly(sock, 2) == b"ok"
    for sock in slow:
        sock.close()
