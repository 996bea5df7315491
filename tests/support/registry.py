"""A real OCI registry (Debian's docker-registry) on a free port of 127.0.0.1."""

import gzip
import hashlib
import http.client
import json
import platform
import shutil
import subprocess
import time

from support.sandbox import STARTED
from support.web import free_port

CONFIG = """\
version: 0.1
log:
  level: error
storage:
  filesystem:
    rootdirectory: {folder}
http:
  addr: 127.0.0.1:{port}
"""


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry:
    def __init__(self, folder):
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        config = folder / "config.yml"
        config.write_text(CONFIG.format(folder=folder / "data", port=self.port))
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [shutil.which("docker-registry"), "serve", str(config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        STARTED.add(self.process.pid)
        self._wait(folder / "log")

    def _wait(self, log):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            try:
                connection.request("GET", "/v2/")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        self.stop()
        raise AssertionError(f"docker-registry does not answer:\n{log.read_text()}")

    def _request(self, method, path, body=None, headers=None, expect=(200, 201, 202)):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status in expect, f"{method} {path}: {answer.status} {text!r}"
            return answer
        finally:
            connection.close()

    def _push_blob(self, name, data):
        location = self._request("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        path = location.partition(self.host)[2]
        digest = digest_of(data)
        self._request("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", data)
        return {"digest": digest, "size": len(data)}

    def push(self, name, tag, tar, claim=None):
        """An image of one gzip layer; returns its reference.  `claim` is what the image's
        configuration says the layer unpacks to, when that is to be a lie."""
        layer = self._push_blob(name, gzip.compress(tar, compresslevel=1))
        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
        config = self._push_blob(name, json.dumps({
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": ["PATH=/bin:/usr/bin"], "Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(claim or tar)]},
        }).encode())
        config["mediaType"] = "application/vnd.oci.image.config.v1+json"
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}
        self._request("PUT", f"/v2/{name}/manifests/{tag}", json.dumps(manifest).encode(),
                      {"Content-Type": kind})
        return f"{self.host}/{name}:{tag}"

    def stop(self):
        self.process.terminate()
        self.process.wait()
        STARTED.discard(self.process.pid)
