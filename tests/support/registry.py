"""A real OCI registry (Debian's docker-registry) on a free port of 127.0.0.1."""

import http.client
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
        deadline = time.monotonic() + 20
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

    def stop(self):
        self.process.terminate()
        self.process.wait()
        STARTED.discard(self.process.pid)
