"""Requests through locald's proxy and through nginx, to the same upstream; 1 KiB, keep-alive."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from measure import Table
from support.sandbox import Sandbox
from support.web import free_port, get

CONNECTIONS = 32
SECONDS = 4
ROUNDS = 3

UPSTREAM = """\
worker_processes 1;
daemon off;
pid {folder}/upstream.pid;
error_log {folder}/upstream.log error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 10000000;
    server {{
        listen 127.0.0.1:{port};
        location / {{ default_type text/plain; return 200 "{body}"; }}
    }}
}}
"""

PEER = """\
worker_processes 1;
daemon off;
pid {folder}/peer.pid;
error_log {folder}/peer.log error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 10000000;
    upstream up {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 10000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://up;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
}}
"""


def cpu_seconds(pid):
    """Of a process and its children that live."""
    ticks = 0
    for candidate in [pid, *children(pid)]:
        fields = pathlib.Path(f"/proc/{candidate}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def wrk(port, host):
    """(requests a second, requests, median latency in microseconds, errors)"""
    out = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-H", f"Host: {host}",
         f"http://127.0.0.1:{port}/"],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    total = int(re.search(r"(\d+) requests in", out).group(1))
    value, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", out).groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", out)
    return rate, total, float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit], bad and bad.group()


def nginx(folder, name, text):
    config = folder / f"{name}.conf"
    config.write_text(text)
    return subprocess.Popen([shutil.which("nginx"), "-p", str(folder), "-c", str(config)],
                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(port):
    deadline = time.monotonic() + 10
    while True:
        try:
            return get(f"http://127.0.0.1:{port}")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def bench(build):
    rates = Table(f"proxy: requests a second, {CONNECTIONS} connections", "locald proxy",
                  "requests/s", digits=0, more_is_better=True)
    per_cpu = Table("proxy: requests for a second of the proxy's own CPU", "locald proxy",
                    "requests/CPU s", digits=0, more_is_better=True)
    latency = Table("proxy: median latency under that load", "locald proxy", "us", digits=0)
    missing = [name for name in ("nginx", "wrk") if not shutil.which(name)]
    if missing:
        rates.reasons = {name: "not installed" for name in missing}
        yield rates
        return
    sandbox = Sandbox(build / "src/cli/locald")
    peer = None
    try:
        project = sandbox.project('[services.web]\ncommand = ["sh", "-c", '
                                  '"sed -i s/@PORT@/$PORT/ upstream.conf; '
                                  'exec nginx -p . -c $PWD/upstream.conf"]\n')
        project.write("upstream.conf", UPSTREAM.format(
            folder=project.folder, port="@PORT@", body="x" * 1024))
        project.run("up")
        service = project.service("web")
        status = sandbox.run("status", "-A", "--json").json["daemon"]["proxy"]
        port = free_port()
        peer = nginx(project.folder, "peer", PEER.format(
            folder=project.folder, port=port, upstream=service["port"]))
        wait_for(port)
        host = re.sub(r"^http://|/$", "", service["url"])
        subjects = {
            "locald proxy": (status["port"], host, status["pid"]),
            "nginx": (port, f"127.0.0.1:{port}", peer.pid),
            "no proxy": (service["port"], f"127.0.0.1:{service['port']}", None),
        }
        found = {name: [] for name in subjects}
        for _ in range(ROUNDS):
            for name, (at, named, pid) in subjects.items():
                before = cpu_seconds(pid) if pid else 0
                rate, total, median, bad = wrk(at, named)
                spent = cpu_seconds(pid) - before if pid else 0
                if bad:
                    rates.notes.append(f"{name}: {bad}")
                found[name].append((rate, total / spent if spent else 0, median))
        for name, samples in found.items():
            middle = [sorted(column)[len(column) // 2] for column in zip(*samples)]
            rates.figures[name], latency.figures[name] = middle[0], middle[2]
            if middle[1]:
                per_cpu.figures[name] = middle[1]
    finally:
        if peer:
            peer.terminate()
            peer.wait()
        sandbox.shutdown()
        sandbox.remove()
    yield from (rates, per_cpu, latency)
