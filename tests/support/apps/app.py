"""A service for tests: HTTP on $PORT that tells about itself, and a WebSocket that echoes.

Only the standard library, and nothing of locald but $PORT (and $HOST where it is given).
"""

import base64
import hashlib
import json
import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, status=200, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.echo_frames()
        elif self.path == "/env":
            self.answer(dict(os.environ))
        elif self.path == "/whoami":
            self.answer({
                "pid": os.getpid(),
                "uid": os.getuid(),
                "cwd": os.getcwd(),
                "argv": sys.argv,
                "hostname": os.uname().nodename,
                "started": START,
            })
        elif self.path == "/headers":
            self.answer({name: value for name, value in self.headers.items()})
        elif self.path == "/crash":
            os._exit(3)
        elif self.path == "/close":
            self.server.socket.shutdown(socket.SHUT_RDWR)  # before anybody hears of it
            self.answer({})
        else:
            self.answer({"path": self.path})

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])), kind="text/plain")

    def echo_frames(self):
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2 or head[0] & 0x0F == 8:
                return
            length = head[1] & 0x7F
            assert length < 126
            mask = self.rfile.read(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(length)))
            self.wfile.write(bytes([0x81, len(data)]) + data)
            self.wfile.flush()

    def log_message(self, format, *args):
        print(format % args, flush=True)


def main():
    global START
    START = time.monotonic()
    delay = float(os.environ.get("DELAY", "0"))
    print(f"starting with {sys.argv[1:]}", flush=True)
    print("a line of stderr", file=sys.stderr, flush=True)
    time.sleep(delay)
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"]))
    server = ThreadingHTTPServer(address, Handler)
    print(f"listening on {address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
