#!/usr/bin/env python3
"""`make demo`: the project examples/demo, once on the host and once in containers.

Makes a root file system of Debian, a builder of it with the buildpacks of examples/buildpacks,
runs the project in both modes, shows what each URL answered and how long each step took, and
leaves the project running.  It may be run again at any time.
"""

import argparse
import http.client
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
import urllib.parse

import debian_root

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECT = ROOT / "examples/demo"
SERVICES = ("web", "api", "worker")
IMAGE, BUILDER = "demo-base", "demo"
PATIENCE_SECONDS = 20


class Failed(Exception):
    """A step of the demo did not do what it should."""


class Steps:
    """Runs the steps, says which, and keeps the time that each took."""

    def __init__(self):
        self.rows = []
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def title(self, text):
        bold, plain = ("\033[1m", "\033[0m") if self.colour else ("", "")
        print(f"\n{bold}== {text}{plain}", flush=True)

    def run(self, what, function, *arguments):
        self.title(what)
        began = time.monotonic()
        value = function(*arguments)
        self.rows.append((what, time.monotonic() - began))
        return value

    def table(self):
        self.title("the time each step took")
        for what, seconds in self.rows:
            print(f"  {seconds:7.2f} s  {what}")


class Locald:
    """The built program, run in the demo's folder as anybody would."""

    def __init__(self, build):
        self.path = (ROOT / build / "src/cli/locald").resolve()

    @property
    def shown(self):
        sandbox = os.environ.get("LOCALD_SANDBOX")
        before = f"LOCALD_SANDBOX={shlex.quote(sandbox)} " if sandbox else ""
        try:
            return before + str(self.path.relative_to(pathlib.Path.cwd()))
        except ValueError:
            return before + str(self.path)

    def __call__(self, *arguments):
        print(f"$ locald {shlex.join(arguments)}", flush=True)
        status = subprocess.run([str(self.path), *arguments], cwd=PROJECT).returncode
        if status != 0:
            raise Failed(f"`locald {shlex.join(arguments)}` ended with exit status {status}")

    def services(self):
        answer = subprocess.run(
            [str(self.path), "status", "--json"], cwd=PROJECT, stdout=subprocess.PIPE
        )
        if answer.returncode != 0:
            raise Failed("`locald status` failed")
        return {service["name"]: service for service in json.loads(answer.stdout)["services"]}


def ask(url, path):
    """GET, straight to loopback: a program's resolver need not know *.localhost."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": parts.netloc})
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise Failed(f"{url}{path} cannot be reached: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise Failed(f"{url}{path} answered {answer.status}: {body.decode(errors='replace')}")
    return json.loads(body)


def heard_of_everyone(url, former_worker):
    """What the page's server collected, once the worker of this run has reported too."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answers = ask(url, "/everyone")
        if answers["worker"] and answers["worker"] != former_worker:
            return answers
        time.sleep(0.1)
    raise Failed(f"the worker has told the API nothing in {PATIENCE_SECONDS} s: locald logs worker")


def show_answers(locald, mode, former_worker=None):
    services = locald.services()
    for name in SERVICES:
        if services[name]["mode"] != mode:
            raise Failed(f"{name} runs in mode {services[name]['mode']}, not {mode}")
    answers = heard_of_everyone(services["web"]["url"], former_worker)
    answers["api"] = ask(services["api"]["url"], "/")
    columns = ("hostname", "pid", "uid", "uid_map", "root", "system", "runtime")
    rows = [("service", *columns)]
    rows += [(name, *(str(answers[name][column]) for column in columns)) for name in SERVICES]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    for name in ("web", "api"):
        print(f"  {name}: {services[name]['url']}")
    return answers["worker"]


def install_node_modules():
    print("$ npm ci", flush=True)
    status = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=PROJECT / "web").returncode
    if status != 0:
        raise Failed("`npm ci` in examples/demo/web failed; the demo needs the npm registry")


def stop_former_run(locald):
    """The demo replaces node_modules, which a server of the last demo would not like."""
    try:
        is_running = any(s.get("pid") for s in locald.services().values())
    except Failed:
        return
    if is_running:
        print("stopping what the last demo left running")
        locald("stop")


def farewell(locald):
    services = locald.services()
    print(f"""
The demo runs on, in containers.  To look:

  {services["web"]["url"]}   in a browser, or with curl
  {locald.shown} -C examples/demo status
  {locald.shown} -C examples/demo logs -f
  {locald.shown} -C examples/demo up               everything on the host again

To stop it, and then locald itself:

  {locald.shown} -C examples/demo stop
  {locald.shown} daemon stop
""", end="")


def demo(locald, steps):
    stop_former_run(locald)
    tar = steps.run("a root file system of Debian 12 with Node.js and Python (kept for next time)",
                    debian_root.debian_root)
    print(f"  {tar}, {tar.stat().st_size // 2**20} MiB")
    steps.run("the root file system becomes an image", locald, "image", "import", str(tar), IMAGE)
    steps.run("the image and two buildpacks become a builder",
              locald, "builder", "create", BUILDER, "-c", str(PROJECT / "builder.toml"))
    steps.run("npm ci for the host", install_node_modules)

    steps.run("host: up", locald, "up")
    steps.title("host: what the services say")
    worker = show_answers(locald, "host")

    everything = [word for name in SERVICES for word in ("--container", name)]
    steps.run("containers: build and up", locald, "up", *everything)
    steps.title("containers: what the services say")
    show_answers(locald, "container", worker)
    steps.run("containers: the second, unchanged build", locald, "build")
    steps.run("containers: up again, unchanged", locald, "up", *everything)

    steps.table()
    farewell(locald)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    args = parser.parse_args()
    try:
        demo(Locald(args.build), Steps())
    except Failed as failure:
        print(f"\ndemo: FAILED: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
