"""Requests to services and answers back: heads, bodies, connections."""

import contextlib
import http.client
import http.server
import socket
import threading
import time

from .conftest import answer, is_closed, read_exactly, read_head, read_to_end, route

HOST = "web.shop.localhost"
GET = b"GET / HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n"


def get(proxy, method="GET", path="/", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    connection.request(method, path, body=body, headers={"Host": HOST, **(headers or {})})
    response = connection.getresponse()
    response.text = response.read()
    connection.close()
    return response


def echo_head(sock, number):
    """Answers with the head it got."""
    while head := read_head(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)


def fields_of(head):
    return [line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line]


def test_real_file_server(proxy, tmp_path):
    (tmp_path / "a.txt").write_text("hello")

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *args):
            super().__init__(*args, directory=tmp_path)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxy.routes(route(HOST, server.server_port))
    try:
        response = get(proxy, path="/a.txt")
        assert (response.status, response.text) == (200, b"hello")
        assert get(proxy, path="/none").status == 404
        response = get(proxy, method="HEAD", path="/a.txt")
        assert (response.text, response.headers["Content-Length"]) == (b"", "5")
    finally:
        server.shutdown()
        server.server_close()


def test_request_head_is_rewritten(proxy, service):
    proxy.routes(route(HOST, service(echo_head).port))
    request = (
        b"GET /path?q=%20x HTTP/1.1\r\nHost: WEB.shop.localhost.:8080\r\nAccept: */*\r\n"
        b"X-Forwarded-For: 6.6.6.6\r\nx-forwarded-proto: https\r\nX-Forwarded-Prefix: /evil\r\n"
        b"Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nKeep-Alive: 5\r\nTE: trailers, gzip\r\n"
        b"Proxy-Connection: keep-alive\r\nProxy-Authorization: secret\r\n"
        b"Connection: close, X-Hop\r\nX-Hop: drop me\r\nCookie: a=b\r\nX-Dup: 1\r\nX-Dup: 2\r\n\r\n"
    )
    head, body = proxy.raw(request).split(b"\r\n\r\n", 1)
    assert b"Connection: close" in head
    assert body.startswith(b"GET /path?q=%20x HTTP/1.1\r\n")
    assert fields_of(body) == [
        ["Host", "WEB.shop.localhost.:8080"], ["Accept", "*/*"], ["Cookie", "a=b"],
        ["X-Dup", "1"], ["X-Dup", "2"], ["X-Forwarded-For", "127.0.0.1"],
        ["X-Forwarded-Proto", "http"], ["X-Forwarded-Host", "WEB.shop.localhost.:8080"],
        ["X-Forwarded-Port", str(proxy.port)], ["X-Locald-Hops", "1"], ["TE", "trailers"],
        ["Connection", "TE"],
    ]


def test_response_head_is_rewritten(proxy, service):
    fields = ["Connection: X-Hop, keep-alive", "X-Hop: drop", "Keep-Alive: timeout=5",
              "Proxy-Connection: x", "Set-Cookie: a=1", "Set-Cookie: b=2", "Upgrade: h2c"]
    proxy.routes(route(HOST, service(answer(b"x", "299 Odd Reason", *fields)).port))
    with proxy.connect() as sock:
        sock.sendall(GET)
        head = read_head(sock)
    assert head == (b"HTTP/1.1 299 Odd Reason\r\nContent-Length: 1\r\n"
                    b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n")


def test_bodies_both_ways(proxy, service):
    """Content-Length stays one, chunked stays chunked, with its trailers."""

    def handler(sock, number):
        while head := read_head(sock):
            if b"chunked" in head:
                body = b""
                while not body.endswith(b"0\r\nX-Sum: 7\r\n\r\n"):
                    body += sock.recv(65536)
                sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            else:
                length = int(dict(fields_of(head))["Content-Length"])
                body = read_exactly(sock, length)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + body)

    proxy.routes(route(HOST, service(handler).port))
    body = bytes(range(256)) * 4000
    assert get(proxy, "POST", body=body).text == body
    with proxy.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: web.shop.localhost\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        time.sleep(0.05)
        sock.sendall(b"6;x=y\r\n world\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in read_head(sock)
        assert read_exactly(sock, 36) == b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n"


def test_keep_alive_on_both_sides(proxy, service):
    upstream = service(answer())
    proxy.routes(route(HOST, upstream.port))
    with proxy.connect() as sock:
        for _ in range(50):
            sock.sendall(GET)
            read_head(sock)
            assert read_exactly(sock, 2) == b"ok"
    for _ in range(10):
        assert get(proxy).text == b"ok"
    assert upstream.connections == 1
    assert proxy.counts()["idle_upstreams"] == 1
    assert proxy.routes()["idle_upstreams"] == 0


def test_pipelined_requests_are_answered_in_order(proxy, service):
    proxy.routes(route(HOST, service(echo_head).port))
    requests = b"".join(GET.replace(b"GET /", b"GET /%d" % i) for i in range(20))
    with proxy.connect() as sock:
        sock.sendall(requests)
        for i in range(20):
            length = int(dict(fields_of(read_head(sock)))["Content-Length"])
            assert read_exactly(sock, length).startswith(b"GET /%d HTTP" % i)


def test_answers_without_a_body(proxy, service):
    def handler(sock, number):
        while head := read_head(sock):
            status = head.split()[1][1:].decode()
            sock.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n".encode())
            if status == "200" and not head.startswith(b"HEAD"):
                sock.sendall(b"abcde")

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        for path, length in (("204", None), ("304", "5"), ("200", "5"), ("204", None)):
            method = b"HEAD" if path == "200" else b"GET"
            sock.sendall(GET.replace(b"GET /", method + b" /" + path.encode()))
            head = read_head(sock)
            assert head.startswith(b"HTTP/1.1 " + path.encode())
            assert dict(fields_of(head)).get("Content-Length") == length


def test_answer_until_close_becomes_chunked(proxy, service):
    def handler(sock, number):
        read_head(sock)
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it")

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        for _ in range(2):
            sock.sendall(GET)
            assert b"Transfer-Encoding: chunked" in read_head(sock)
            assert read_exactly(sock, 19) == b"9\r\nall of it\r\n0\r\n\r\n"
    # A client of HTTP/1.0 gets it as it is.
    assert proxy.raw(GET.replace(b"1.1", b"1.0")).endswith(b"close\r\n\r\nall of it")


def test_cut_answer_is_seen_as_cut(proxy, service):
    def handler(sock, number):
        path = read_head(sock).split()[1]
        framing = b"Content-Length: 10" if path == b"/length" else b"Transfer-Encoding: chunked"
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n4\r\nabcd\r\n"[:10])

    proxy.routes(route(HOST, service(handler).port))
    for path in (b"/length", b"/chunked"):
        answer_ = proxy.raw(GET.replace(b"GET /", b"GET " + path))
        assert answer_.startswith(b"HTTP/1.1 200 OK")
        assert not answer_.endswith(b"0\r\n\r\n")


def test_interim_answers_pass(proxy, service):
    def handler(sock, number):
        while head := read_head(sock):
            sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
            if b"Expect" in head:
                sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                read_exactly(sock, 4)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nContent-Length: 4\r\n"
                     b"Expect: 100-continue\r\n\r\n")
        assert read_head(sock) == (b"HTTP/1.1 103 Early Hints\r\n"
                                   b"Link: </a.css>; rel=preload\r\n\r\n")
        assert read_head(sock) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert read_head(sock).startswith(b"HTTP/1.1 200")
    assert proxy.raw(GET.replace(b"1.1", b"1.0")).startswith(b"HTTP/1.1 200 OK")


def test_ipv6_only_service(proxy, service):
    proxy.routes(route(HOST, service(answer(b"six"), address="::1").port))
    assert get(proxy).text == b"six"


def test_client_over_ipv6(proxy, service):
    proxy.routes(route(HOST, service(echo_head).port))
    with socket.create_connection(("::1", proxy.port), 20) as sock:
        sock.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert b"\r\nX-Forwarded-For: ::1\r\n" in read_to_end(sock)


def test_events_are_flushed_at_once(proxy, service):
    go_on = threading.Event()

    def handler(sock, number):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for i in range(3):
            sock.sendall(b"data: %d\n\n" % i)
            assert go_on.wait(20)
            go_on.clear()

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        sock.sendall(GET)
        read_head(sock)
        for i in range(3):  # each arrives before the next is sent
            assert read_exactly(sock, 14) == b"9\r\ndata: %d\n\n\r\n" % i
            go_on.set()
        assert read_exactly(sock, 5) == b"0\r\n\r\n"


def test_slow_reader_holds_the_service_back(proxy, service):
    sent = [0]

    def handler(sock, number):
        read_head(sock)
        total = 64 << 20
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent[0] < total:
            sent[0] += sock.send(bytes(min(65536, total - sent[0])))

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        sock.sendall(GET)
        read_head(sock)
        before = -1
        while before != sent[0]:  # until all buffers are full
            before = sent[0]
            time.sleep(0.3)
        assert sent[0] < 32 << 20
        left = 64 << 20
        while left:
            left -= len(read_exactly(sock, min(left, 1 << 20)))


def test_slow_service_holds_the_client_back(proxy, service):
    go_on = threading.Event()

    def handler(sock, number):
        read_head(sock)
        assert go_on.wait(30)
        left = 64 << 20
        while left:
            left -= len(sock.recv(min(left, 1 << 20)))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        sock.sendall(b"PUT / HTTP/1.1\r\nHost: web.shop.localhost\r\nContent-Length: %d\r\n\r\n"
                     % (64 << 20))
        sock.setblocking(False)
        sent, block = 0, bytes(65536)
        deadline = time.monotonic() + 20
        quiet = 0
        while quiet < 10 and time.monotonic() < deadline:
            try:
                sent += sock.send(block)
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.05)
        assert sent < 32 << 20
        go_on.set()
        sock.settimeout(20)
        while sent < 64 << 20:
            sent += sock.send(block[:min(len(block), (64 << 20) - sent)])
        read_head(sock)
        assert read_exactly(sock, 4) == b"done"


def test_client_that_leaves_is_told_to_the_service(proxy, service):
    closed = threading.Event()

    def handler(sock, number):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        if is_closed(sock, 20):
            closed.set()

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        sock.sendall(GET)
        read_head(sock)
    assert closed.wait(20)


def test_answer_before_the_whole_request(proxy, service):
    """A service that refuses a big upload: its answer arrives, and the connection ends."""
    arrived = threading.Event()

    def handler(sock, number):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 413 Too Big\r\nContent-Length: 3\r\n\r\nbig")
        arrived.wait(20)

    proxy.routes(route(HOST, service(handler).port))
    with proxy.connect() as sock:
        with contextlib.suppress(ConnectionError):  # it may have ended before all was sent
            sock.sendall(b"PUT / HTTP/1.1\r\nHost: web.shop.localhost\r\n"
                         b"Content-Length: 100000000\r\n\r\n" + bytes(1 << 20))
        assert read_head(sock).startswith(b"HTTP/1.1 413 Too Big")
        assert read_exactly(sock, 3) == b"big"
        arrived.set()
        assert is_closed(sock)


def test_many_clients_at_once(proxy, service):
    proxy.routes(route(HOST, service(answer(b"x" * 3000)).port))
    results = []

    def client():
        results.append(all(get(proxy).text == b"x" * 3000 for _ in range(20)))

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 16
    assert proxy.counts()["requests"] == 320


def test_requests_are_repeated_only_when_that_is_safe(proxy, service):
    """A service that closes its kept connections when the next request comes."""
    bodies = []

    def handler(sock, number):
        first = True
        while head := read_head(sock):
            if not first:
                return  # closes without an answer
            first = False
            bodies.append(read_exactly(sock, 4) if b"POST" in head else b"")
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    upstream = service(handler)
    proxy.routes(route(HOST, upstream.port))
    for _ in range(5):
        assert get(proxy).status == 200  # the first of all, then each after a failed reuse
    assert upstream.connections == 5
    for _ in range(5):
        assert get(proxy, "POST", body=b"data").status == 200
    assert bodies == [b""] * 5 + [b"data"] * 5


def test_a_post_without_an_answer_is_not_repeated(proxy, service):
    posts = []

    def handler(sock, number):
        read_head(sock)
        posts.append(read_exactly(sock, 4))

    proxy.routes(route(HOST, service(handler).port))
    response = get(proxy, "POST", body=b"data")
    assert response.status == 502
    assert b"without an answer" in response.text
    assert posts == [b"data"]


def test_bad_answers_become_502(proxy, service):
    answers = [
        b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\nA: b\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n", b"HTTP/1.1 2", b"",
    ]

    def handler(sock, number):
        read_head(sock)
        sock.sendall(answers[number - 1])

    proxy.routes(route(HOST, service(handler).port))
    for bad in answers:
        response = get(proxy)
        assert response.status == 502, bad
        assert b"garbage" not in response.text


def test_an_answer_nobody_asked_for_is_not_given_to_the_next(proxy, service):
    def handler(sock, number):
        read_head(sock)
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
        sock.sendall(reply + reply.replace(b"good", b"evil"))
        is_closed(sock)

    upstream = service(handler)
    proxy.routes(route(HOST, upstream.port))
    for _ in range(3):
        assert get(proxy).text == b"good"
    assert upstream.connections == 3
