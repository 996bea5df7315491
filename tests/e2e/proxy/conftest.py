"""The proxy worker alone: these tests play the daemon on its descriptor 3, and the services."""

import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent

# Puts the control socket on descriptor 3, whatever else is open here.
LAUNCH = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"


@pytest.fixture(scope="session")
def worker_program():
    build = pathlib.Path(os.environ.get("LOCALD_BUILD", ROOT / "build")).resolve()
    program = build / "tests/unit/proxy/locald-proxy-test"
    if not program.exists():
        pytest.exit(f"{program} is not built: run `make` or set LOCALD_BUILD", returncode=2)
    return program


def listen_loopback():
    """The same port on 127.0.0.1 and ::1."""
    while True:
        ipv4 = socket.create_server(("127.0.0.1", 0), backlog=1024)
        port = ipv4.getsockname()[1]
        try:
            return port, [ipv4, socket.create_server(("::1", port), family=socket.AF_INET6)]
        except OSError:
            ipv4.close()


def route(host, port, state="running", **more):
    service, _, project = host.partition(".")
    return {
        "host": host, "project": project.partition(".")[0] or service, "service": service,
        "port": port, "state": state, "detail": "", "log": [], **more,
    }


class Proxy:
    def __init__(self, program, log, **options):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(20)
        self.log = log
        with theirs, open(log, "wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, str(theirs.fileno()), str(program)],
                pass_fds=[theirs.fileno()], stderr=stderr, **options,
            )
        self.port, listeners = listen_loopback()
        self.send({"op": "listen", "ports": [self.port] * 2}, [s.fileno() for s in listeners])
        for listener in listeners:
            listener.close()
        assert self.receive() == {"op": "ready"}
        self.version = 0

    def send(self, message, fds=()):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        socket.send_fds(self.control, [data], fds)

    def receive(self):
        return json.loads(self.control.recv(65536))

    def routes(self, *routes):
        """Sets the table; returns once the worker has it."""
        self.version += 1
        self.send({"op": "routes", "version": self.version, "routes": list(routes)})
        return self.counts()

    def counts(self):
        self.send({"op": "count"})
        counts = self.receive()
        assert counts["op"] == "counts"
        return counts

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def raw(self, data, timeout=20):
        """Sends bytes; everything that comes until the proxy closes."""
        with self.connect(timeout) as sock:
            sock.sendall(data)
            return read_to_end(sock)

    def stop(self):
        self.control.close()
        try:
            status = self.process.wait(20)
        finally:
            self.process.kill()
        text = pathlib.Path(self.log).read_text()
        assert status == 0 and "Sanitizer" not in text, f"status {status}\n{text}"


@pytest.fixture
def proxy(worker_program, tmp_path):
    proxy = Proxy(worker_program, tmp_path / "proxy.log")
    yield proxy
    proxy.stop()


def read_to_end(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def read_head(sock):
    """A head, byte by byte so that nothing after it is taken."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            return data
        data += byte
    return data


def read_exactly(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, f"{len(data)} of {size} bytes came"
        data += piece
    return data


class Service:
    """A service whose every connection is served by `handler(sock, number)` in a thread."""

    def __init__(self, handler, address="127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, 0), family=family, backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.handler = handler
        self.connections = 0
        self.received = []  # handlers put what they saw here
        self.errors = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.run, args=(sock, self.connections), daemon=True).start()

    def run(self, sock, number):
        sock.settimeout(30)
        with sock:
            try:
                self.handler(sock, number)
            except (ConnectionError, TimeoutError):
                pass
            except Exception as error:  # shown by the fixture
                self.errors.append(error)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def service():
    """Makes services: service(handler) -> Service."""
    started = []

    def start(handler, **options):
        started.append(Service(handler, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()
        assert not one.errors, one.errors


def answer(body=b"ok", status="200 OK", *fields):
    """The handler of a service that always answers the same, on connections that stay."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{field}\r\n" for field in fields)

    def handler(sock, number):
        while read_head(sock):
            sock.sendall(head.encode() + b"\r\n" + body)

    return handler


def is_closed(sock, timeout=20):
    """Does the other side close within that time?"""
    ready, _, _ = select.select([sock], [], [], timeout)
    return bool(ready) and sock.recv(1) == b""
