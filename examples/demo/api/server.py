"""The demo's API: says where it runs, and counts what the worker tells it."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from whoami import whoami


class Ledger:
    """What the worker has reported."""

    def __init__(self):
        self._lock = threading.Lock()
        self._ticks = 0
        self._worker = None

    def tick(self, worker):
        with self._lock:
            self._ticks += 1
            self._worker = worker
            return self._ticks

    @property
    def ticks(self):
        with self._lock:
            return self._ticks

    @property
    def worker(self):
        with self._lock:
            return self._worker


LEDGER = Ledger()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/":
            self.answer(200, whoami())
        elif self.path == "/everyone":
            self.answer(200, {"api": whoami(), "worker": LEDGER.worker})
        elif self.path == "/ticks":
            self.answer(200, {"ticks": LEDGER.ticks})
        else:
            self.answer(404, {"error": f"nothing at {self.path}"})

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(min(length, 64 * 1024))
        if self.path != "/ticks":
            self.answer(404, {"error": f"nothing at {self.path}"})
            return
        try:
            worker = json.loads(body)
        except ValueError:
            self.answer(400, {"error": "the body is not JSON"})
            return
        self.answer(200, {"ticks": LEDGER.tick(worker)})


def main():
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000")))
    server = ThreadingHTTPServer(address, Handler)
    # shutdown() waits for the loop that the signal interrupted, so it needs a thread.
    signal.signal(
        signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    )
    print(f"api listens on {address[0]}:{address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
