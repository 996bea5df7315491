"""What several rows do: projects of many services, and a look at every line that was stored."""

import hashlib
import contextlib
import json
import os
import pathlib
import signal
import socket
import struct
import threading
import time
import urllib.parse

from support import audit
from support.log_segments import read_log
from support.sandbox import wait_readable
from support.waiting import until

# HTTP and an echoing WebSocket on $PORT.
APP = ["python3", pathlib.Path(__file__).resolve().parent.parent.parent / "support/apps/app.py"]
LEDGER = ("starts", "ends", "lines", "begun_out", "begun_err", "written_out", "written_err")


def service(name, words, **keys):
    """A table of locald.toml."""
    lines = [f"[services.{name}]", f"command = {json.dumps([str(word) for word in words])}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n\n"


def ledger(path):
    """The counters of `svc ledger FILE` (struct svc_ledger)."""
    return dict(zip(LEDGER, struct.unpack("=7Q", path.read_bytes()), strict=True))


def output(project, name):
    """Every stored record of what a service wrote, oldest first."""
    events = project.run("logs", "--json", "-n", "10000000", name).events
    return [event for event in events if event.get("stream") in ("out", "err")]


def last_line(project, name):
    """Of what a service has written, so far."""
    records = output(project, name)
    return records[-1]["text"] if records else None


def wait_for_line(project, name, line):
    """Returns when a service has written it: it has done its steps before."""
    until(lambda: line in project.log(name), timeout=60, what=f"{name} says {line}")


def numbers(project, name):
    """The numbered lines of `svc lines` that are stored."""
    return [int(record["text"]) for record in output(project, name) if record["text"].isdigit()]


def missing_and_doubled(found):
    """Of numbers that should count up by one."""
    wanted = range(found[0], found[-1] + 1) if found else []
    return len(set(wanted) - set(found)), len(found) - len(set(found))


def identities(project):
    return {name: (s["pid"], s["run"]) for name, s in project.services().items()}


def read_digest(process):
    """(SHA-256, length) of all that a started command writes."""
    digest, size = hashlib.sha256(), 0
    while piece := process.stdout.read1(1 << 20):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def raw_digest(project, name):
    """(SHA-256, length) of `logs --raw`."""
    process = project.popen("logs", "--raw", "-n", "100000000", name)
    found = read_digest(process)
    result = project.sandbox.finish(process)
    assert result.status == 0, str(result)
    return found


def log_folder(project, name):
    return next((project.sandbox.root / "state/locald/logs").glob(f"*/{name}"))


def keeper_of(project, name):
    return audit.processes()[project.service(name)["pid"]].parent


def kill(pid, signo=signal.SIGKILL):
    """Returns when the process is gone."""
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signo)
        wait_readable(pidfd, 20)
    finally:
        os.close(pidfd)


def rss_kib(pid, which="VmRSS"):
    """VmHWM is the most it ever was."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(f"{which}:"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Visitor:
    """Asks a URL again and again, one new connection each, and counts what goes wrong."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.address, self.host = ("127.0.0.1", parts.port or 80), parts.netloc
        self.answered, self.refused, self.broken = 0, 0, []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        request = f"GET / HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n".encode()
        while not self.is_over.is_set():
            try:
                with socket.create_connection(self.address, 30) as sock:
                    sock.sendall(request)
                    answer = b""
                    while piece := sock.recv(65536):
                        answer += piece
            except ConnectionRefusedError:
                self.refused += 1
            except OSError as error:
                self.broken.append(repr(error))
            else:
                if answer.startswith(b"HTTP/1.1 200 "):
                    self.answered += 1
                else:
                    self.broken.append(answer[:200].decode(errors="replace"))
            time.sleep(0.002)

    def stop(self):
        self.is_over.set()
        self.thread.join(60)


def processes_of(project, name):
    """The processes that have the mark of a run of this service in their environment."""
    mark, found = f"LOCALD_RUN={log_folder(project, name)}/".encode(), []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit() and any(value.startswith(mark) for value in
                                       pathlib.Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")):
                found.append(int(entry))
    return found


def processes_started(project, name, number):
    """Returns when the tree is as large as it gets."""
    until(lambda: len(processes_of(project, name)) >= number, timeout=120, what=f"{number} processes of {name}")
    return processes_of(project, name)


def runs(sandbox, name):
    """The runs of a service that have a start in its log."""
    folder = next((sandbox.root / "state/locald/logs").glob(f"*/{name}"))
    return [record.run for record in read_log(folder)
            if record.stream == "event" and record.event["event"] == "start"]


class Events:
    """What the daemon tells of its services from now on: (CLOCK_MONOTONIC, event) in order."""

    def __init__(self, sandbox):
        self.told, self.lock = [], threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(sandbox.root / "run/locald/daemon.sock"))
        self.socket.sendall(b"GET /v1/events HTTP/1.1\r\nHost: locald\r\n\r\n")
        self.stream = self.socket.makefile("rb")
        assert b" 200 " in self.stream.readline()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for line in self.stream:
            if line.startswith(b"{"):
                with self.lock:
                    self.told.append((time.monotonic(), json.loads(line)))

    def find(self, service, **wanted):
        """(moment, event) of the first that is like this, or None."""
        with self.lock:
            return next(((when, event) for when, event in self.told if event.get("service") == service and
                         all(event.get(key) == value for key, value in wanted.items())), None)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.stream.close()
        self.socket.close()


def end(project, name, signo):
    """Sends a signal to the leader, and returns when status says that it is gone: when it was sent."""
    pid = project.service(name)["pid"]
    began = time.monotonic()
    os.kill(pid, getattr(signal, f"SIG{signo}"))
    until(lambda: project.service(name)["pid"] is None, timeout=60)
    return began
