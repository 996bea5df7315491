#!/usr/bin/env python3
"""Runs the rows of tests/e2e/reliability and writes their lines into docs/reliability.md.

Without --row, every row; with it, only those, and the page's other lines stay.  A row is skipped
only with a reason, and a row that has no test says so.
"""

import argparse
import ast
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests/e2e/reliability"
PAGE = ROOT / "docs/reliability.md"

# What a row is called while it has no test; with one, its TITLE says it.
TITLES = {
    "R01": "Daemon SIGKILL", "R02": "Daemon upgrade", "R03": "Keeper SIGKILL",
    "R04": "Crash during start and stop", "R05": "Reboot, stale state",
    "R06": "PID reuse", "R07": "Double forks, setsid, daemons",
    "R08": "Stop timeout, then SIGKILL of the tree", "R09": "Zombies",
    "R10": "Crash, restart, back-off", "R11": "Fork bomb", "R12": "1 GB/s log writer",
    "R13": "Slow or paused reader of logs", "R14": "Huge line", "R15": "Binary, invalid UTF-8",
    "R16": "Last words", "R17": "stderr and stdout", "R18": "Disk full",
    "R19": "Descriptors exhausted", "R20": "Out of memory", "R21": "Clock jumps, suspend",
    "R22": "Races of operations", "R23": "Start order and readiness",
    "R24": "Liveness after ready", "R25": "sd_notify",
    "R26": "Dependency cycle, unknown dependency", "R27": "Config broken while running",
    "R28": "Port in use", "R29": "Wrong port", "R30": "1,000 services",
    "R31": "Long build does not block control", "R32": "20 parallel first `up`",
    "R33": "Protocol abuse", "R34": "SIGTERM, logout of the daemon", "R35": "Watch limits", "soak": "Ledger",
}

HEAD = """\
# Reliability

Every row is a black-box test with figures, in `tests/e2e/reliability/`. This page is written by
`make reliability` from a real run; `make reliability T=R09` runs one row again, `SIZE=full` at the
size that the column *promise* tells (`small`, as in `make check`, is a scaled-down one). A time that
is over its limit at the small size is told and is no failure, as other things run beside it.
A row that this machine cannot do is skipped, with the reason.

Machine: {machine}.

| Row | Scenario | Promise | Result | Size | Figures |
|---|---|---|---|---|---|
"""
LINE = re.compile(r"^\| (R\d\d|soak) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \| (.*) \|$", re.MULTILINE)


class RowFile:
    """What a test file says about its row."""

    def __init__(self, path):
        self.path = path
        said = {}
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                try:
                    said[statement.targets[0].id] = ast.literal_eval(statement.value)
                except ValueError:
                    continue
        self.id, self.title, self.promise = (said.get(k) for k in ("ROW", "TITLE", "PASS"))

    def problem(self):
        if not (self.id and self.title and self.promise):
            return "says no ROW, TITLE and PASS"
        if self.id not in TITLES or not self.path.name.startswith(f"test_{self.id.lower()}_"):
            return f"is not the file of a row {self.id}"
        return None


def row_files():
    return [RowFile(path) for path in sorted([*TESTS.glob("test_r*.py"), *TESTS.glob("test_soak_*.py")])]


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def page_problems():
    """How the page and the test files differ; for tools/check_docs.py."""
    found = row_files()
    if not found and not PAGE.exists():
        return
    for file in found:
        if file.problem():
            yield f"{file.path.relative_to(ROOT)} {file.problem()}"
    files = {file.id: file for file in found if not file.problem()}
    lines = {line[1]: line for line in LINE.finditer(PAGE.read_text(encoding="utf-8"))}
    for row in TITLES:
        line, file = lines.get(row), files.get(row)
        if not line:
            yield f"docs/reliability.md: no row {row}: run `make reliability T={row}`"
        elif not file and line[4] != "no test":
            yield f"docs/reliability.md: {row} has a result and no test"
        elif file and (line[2], line[3]) != (cell(file.title), cell(file.promise)):
            yield f"docs/reliability.md: {row} is not what {file.path.name} says: " \
                  f"run `make reliability T={row}`"
        elif file and line[4] == "no test":
            yield f"docs/reliability.md: {row} has a test by now: run `make reliability T={row}`"


# --- running ---

def cgroup_mode():
    kinds = {line.split()[2] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()
             if line.split()[2] in ("cgroup", "cgroup2")}
    if kinds == {"cgroup", "cgroup2"}:
        return "cgroup v1 and v2 (hybrid)"
    return {"cgroup": "cgroup v1", "cgroup2": "cgroup v2"}.get("".join(kinds), "no cgroups")


def machine():
    with open("/proc/meminfo", encoding="ascii") as file:
        gib = int(file.readline().split()[1]) / (1 << 20)
    user = "root" if os.getuid() == 0 else "an ordinary user"
    return (f"Linux {platform.release().split('-')[0]}, {platform.machine()}, "
            f"{len(os.sched_getaffinity(0))} cores, {gib:.0f} GiB, {cgroup_mode()}, as {user}")


def run_tests(build, files, size):
    """The reports of all tests, and pytest's exit status."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as results:
        env = dict(os.environ, LOCALD_BUILD=str(build), LOCALD_RELIABILITY=size,
                   LOCALD_RELIABILITY_RESULTS=results.name, PYTHONDONTWRITEBYTECODE="1")
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider",
             *[str(file.path) for file in files]], cwd=ROOT, env=env).returncode
        text = pathlib.Path(results.name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()], status


def told(figure):
    text = f"{figure['name']} {figure['value']}"
    return text if figure["ok"] else f"{text} (wanted {figure['wanted']})"


def result_line(file, reports):
    kinds = [report["status"] for report in reports]
    status = next((k for k in ("failed", "passed", "skipped") if k in kinds), "not run")
    figures = [told(figure) for report in reports for figure in report["figures"]]
    reasons = [f"{report['status']}: {report['reason']}" for report in reports if report["reason"]]
    size = reports[0]["size"] if reports else ""
    words = [file.id, file.title, file.promise, status, size, "; ".join([*figures, *reasons])]
    return "| " + " | ".join(cell(word) for word in words) + " |"


def write_page(lines):
    """Replaces the lines of these rows; those of other rows stay as they are."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    known = {line[1]: line[0] for line in LINE.finditer(old)}
    tested = {file.id for file in row_files()}
    text = HEAD.format(machine=machine())
    for row, title in TITLES.items():
        missing = f"| {row} | {cell(title)} |  | no test |  |  |"
        text += (lines.get(row) or (known.get(row) if row in tested else None) or missing) + "\n"
    PAGE.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="folder of the build")
    parser.add_argument("--row", action="append", help="only this row (R09); may be repeated")
    parser.add_argument("--size", choices=("small", "full"), default="small")
    args = parser.parse_args()

    files = [file for file in row_files() if not args.row or file.id in args.row]
    if not files and args.row:
        print(f"reliability: no test of {', '.join(args.row)}", file=sys.stderr)
        return 2
    reports, status = run_tests((ROOT / args.build).resolve(), files, args.size)
    lines = {file.id: result_line(file, [r for r in reports if r["row"] == file.id])
             for file in files if not file.problem()}
    write_page(lines)
    print(*lines.values(), sep="\n")
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
