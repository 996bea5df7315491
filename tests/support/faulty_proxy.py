"""A proxy in front of a registry that does to answers what a test asks for, and notes requests."""

import http.client
import http.server
import json
import threading


class Request:
    def __init__(self, handler):
        self.path = handler.path
        self.headers = handler.headers

    @property
    def range(self):
        return self.headers.get("Range")

    @property
    def authorization(self):
        return self.headers.get("Authorization")


class Answer:
    """What goes back; `cut` ends the connection after so many bytes of the body."""

    def __init__(self, status, headers=None, body=b"", cut=None):
        self.status, self.headers, self.body, self.cut = status, dict(headers or {}), body, cut

    def flipped(self, at=None):
        body = bytearray(self.body)
        body[len(body) // 2 if at is None else at] ^= 1
        self.body = bytes(body)
        return self

    def shortened(self, length):
        self.cut = length
        return self


def refusal(status, text, **headers):
    body = json.dumps({"errors": [{"code": text}]}).encode()
    return Answer(status, {"Content-Type": "application/json", **headers}, body)


class FaultyProxy:
    """`rule(request, forward)` returns the Answer; forward() asks the registry.  `tls` is an SSL
    context, for https."""

    def __init__(self, upstream_port, rule=None, tls=None):
        self.requests = []
        self.rule = rule or (lambda request, forward: forward())
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                request = Request(self)
                proxy.requests.append(request)
                self._send(proxy.rule(request, lambda: self._forward()))

            def _forward(self):
                connection = http.client.HTTPConnection("127.0.0.1", upstream_port, timeout=30)
                wanted = {name: value for name, value in self.headers.items()
                          if name.lower() in ("accept", "range")}
                connection.request("GET", self.path, headers=wanted)
                answer = connection.getresponse()
                kept = {name: value for name, value in answer.getheaders()
                        if name.lower() in ("content-type", "content-range",
                                            "docker-content-digest")}
                body = answer.read()
                connection.close()
                return Answer(answer.status, kept, body)

            def _send(self, answer):
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body if answer.cut is None else answer.body[:answer.cut])
                if answer.cut is not None:
                    self.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
