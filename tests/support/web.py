"""HTTP and WebSocket clients that say exactly what is sent, and to which address."""

import base64
import contextlib
import http.client
import os
import random
import socket
import struct
import urllib.parse


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode(errors="replace")


def get(url, path="/", method="GET", headers=None, body=None, timeout=20):
    """One request to a URL of the proxy; its name needs no resolver, as it is on loopback."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=timeout)
    try:
        fields = {"Host": parts.netloc, **(headers or {})}
        connection.request(method, path, body=body, headers=fields)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class WebSocket:
    """RFC 6455, the client's side: text frames of at most 64 KiB."""

    def __init__(self, url, path="/", timeout=20):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection(("127.0.0.1", parts.port or 80), timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.stream = self.socket.makefile("rb")
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            line = self.stream.readline()
            assert line, f"the connection ended in the head: {self.head!r}"
            self.head += line
        self.status = int(self.head.split()[1])

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        length = len(data)
        head = bytes([0x81, 0x80 | length]) if length < 126 else struct.pack(">BBH", 0x81, 0xFE, length)
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def receive(self):
        first, length = self.stream.read(2)
        assert first & 0x0F == 1, f"not a text frame: {first:#x}"
        if length == 126:
            (length,) = struct.unpack(">H", self.stream.read(2))
        return self.stream.read(length).decode()

    def close(self):
        self.stream.close()
        self.socket.close()


def free_port():
    """Of those that nobody is given by chance: neither by the kernel (from 32768 on) nor by locald
    (20000 to 29999)."""
    while True:
        port = random.SystemRandom().randrange(10000, 20000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
