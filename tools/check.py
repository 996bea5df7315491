#!/usr/bin/env python3
"""Runs the parts of `make check` one after the other; a failing part hides no later one.

The end-to-end tests wait more than they compute, so those with sanitizers run beside the others.

The last line counts what ran: `N passed, N failed, N skipped`; the exit status is 1 when
something failed.  A check is one test; a program under tests/unit is one; an e2e test is one.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
E2E = ROOT / "tests/e2e"

# More failures than this are no matter of a busy machine.
AGAIN_MAX = 12


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __add__(self, other):
        return Counts(self.passed + other.passed, self.failed + other.failed,
                      self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run(*argv, **options):
    sys.stdout.flush()
    return subprocess.run(argv, cwd=ROOT, **options).returncode


def one(*argv):
    """A command that is one test."""
    return Counts(failed=1) if run(*argv) else Counts(passed=1)


def build(folder, *options):
    if not (folder / "build.ninja").exists() and run(
        "meson", "setup", str(folder), *options, stdout=subprocess.DEVNULL
    ):
        return Counts(failed=1)
    return one("ninja", "-C", str(folder), "--quiet")


def meson_tests(folder, match, *suites):
    """The tests that Meson knows, of these suites or of all."""
    log = folder / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    names, chosen = [], [word for suite in suites for word in ("--suite", suite)]
    if match:
        listed = subprocess.run(["meson", "test", "-C", str(folder), "--no-rebuild", "--list",
                                 *chosen],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        names = [line.rpartition(" / ")[2] for line in listed.stdout.splitlines() if match in line]
        if not names:
            return Counts()
    status = run("meson", "test", "-C", str(folder), "--no-rebuild", "--print-errorlogs", *chosen,
                 *names)
    counts = Counts()
    with contextlib.suppress(FileNotFoundError), log.open(encoding="utf-8") as lines:
        for line in lines:
            result = json.loads(line)["result"]
            counts += Counts(result in ("OK", "EXPECTEDFAIL"),
                             result not in ("OK", "EXPECTEDFAIL", "SKIP"), result == "SKIP")
    if status and not counts.failed:
        counts += Counts(failed=1)
    return counts


def pytest_once(folders, build_folder, out, *options):
    """pytest's exit status and its suites; None where it wrote no report."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        env = dict(os.environ, LOCALD_BUILD=str(build_folder), PYTHONDONTWRITEBYTECODE="1")
        status = run(
            sys.executable, "-m", "pytest", *folders, "-q", "-rfE", "--tb=short",
            "--durations=10", f"--junitxml={report.name}", *options, env=env, stdout=out,
        )
        try:
            suites = list(xml.etree.ElementTree.parse(report.name).getroot().iter("testsuite"))
        except xml.etree.ElementTree.ParseError:
            suites = None
    return status, suites


def counts_of(suites):
    counts = Counts()
    for suite in suites:
        total, skipped = int(suite.get("tests")), int(suite.get("skipped"))
        failed = int(suite.get("failures")) + int(suite.get("errors"))
        counts += Counts(max(total - failed - skipped, 0), failed, skipped)
    return counts


def pytest(folders, build_folder, match, but_not=None, out=None):
    """Runs the tests; a few that failed run once more by themselves, and are named when they pass."""
    chosen = " and ".join(
        ([f"({match})"] if match else []) + ([f"not {but_not}"] if but_not else []))
    with tempfile.TemporaryDirectory() as cache:
        options = ["-o", f"cache_dir={cache}", *(["-k", chosen] if chosen else [])]
        status, suites = pytest_once(folders, build_folder, out, *options)
        if suites is None:
            return Counts(failed=1)
        counts = counts_of(suites)
        reasons = collections.Counter(
            skip.get("message") for suite in suites for skip in suite.iter("skipped"))
        for reason, number in reasons.most_common():
            print(f"skipped {number:4}: {reason}", file=out, flush=True)
        if 0 < counts.failed <= AGAIN_MAX:
            print(f"== {counts.failed} failed; once more by themselves", file=out, flush=True)
            status, again = pytest_once(folders, build_folder, out, "--last-failed", *options)
            if again is None:
                return counts
            left = counts_of(again).failed
            names = [case.get("name") for suite in again for case in suite.iter("testcase")]
            print(f"unsteady: {counts.failed - left} of {', '.join(names)} passed the second time",
                  file=out, flush=True)
            counts = Counts(counts.passed + counts.failed - left, left, counts.skipped)
    nothing_matched = status == 5
    if status and not counts.failed and not nothing_matched:
        counts += Counts(failed=1)
    return counts


class Beside:
    """A part that runs while others do; what it printed is shown when its turn comes."""

    def __init__(self, part, *args):
        self.out = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.counts = concurrent.futures.ThreadPoolExecutor(1).submit(part, *args, out=self.out)

    def show(self):
        counts = self.counts.result()
        self.out.seek(0)
        shutil.copyfileobj(self.out, sys.stdout)
        return counts


def parts_of(args):
    """(name, function) in order.  A part that needs a build comes after it."""
    plain = ROOT / args.build if args.build else None
    asan = ROOT / args.asan if args.asan else None
    tool = str(ROOT / "tools") + "/"
    python = sys.executable
    if plain:
        yield "build", lambda: build(plain)
    if asan:
        yield "build with sanitizers", lambda: build(
            asan, "-Db_sanitize=address,undefined", "-Dbuildtype=debug")
    if args.only is None:
        yield "layers", lambda: one(python, tool + "check_layers.py")
        yield "format", lambda: one(tool + "check_format.sh")
        yield "style", lambda: one(python, tool + "check_style.py", "--build", str(plain))
        yield "docs", lambda: one(python, tool + "check_docs.py", "--build", str(plain))
    if args.only in (None, "unit"):
        yield "unit", lambda: meson_tests(asan, args.match, "unit")
        yield "fuzz replay", lambda: meson_tests(asan, args.match, "fuzz-replay")
    if args.only is None:
        yield "conformance", lambda: meson_tests(asan, args.match, "conformance")
        yield "all of these, optimised", lambda: meson_tests(plain, args.match)
    if args.only is None:
        beside = Beside(pytest, [E2E / "cli"], asan, args.match, "third_party")
    if args.only in (None, "e2e"):
        rooms = sorted(path.parent for path in E2E.glob("*/__init__.py"))
        yield "e2e", lambda: pytest([room for room in rooms if room.name != "reliability"],
                                    plain, args.match)
    if args.only is None:
        yield "e2e with sanitizers, beside it", beside.show
    if args.only in (None, "e2e"):
        yield "reliability", lambda: pytest([E2E / "reliability"], plain, args.match)


def is_wanted(name, match):
    return not match or name not in ("layers", "format", "style", "docs") or match in name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", help="folder of the plain build")
    parser.add_argument("--asan", help="folder of the build with sanitizers")
    parser.add_argument("--only", choices=("unit", "e2e"))
    parser.add_argument("--match", help="only tests with this in their name")
    args = parser.parse_args()

    start, total, rows = time.monotonic(), Counts(), []
    for name, part in parts_of(args):
        if not is_wanted(name, args.match):
            continue
        print(f"\n== {name}", flush=True)
        began = time.monotonic()
        counts = part()
        rows.append((name, counts, time.monotonic() - began))
        if args.match and name.startswith("build") and not counts.failed:
            continue
        total += counts

    print("\n== summary")
    for name, counts, seconds in rows:
        print(f"  {'FAILED' if counts.failed else 'ok':6}  {name:30} {seconds:6.1f} s   {counts}")
    seconds = round(time.monotonic() - start)
    nothing = not (total.passed or total.failed or total.skipped)
    if nothing and args.match:
        print(f"no test has `{args.match}` in its name")
    print(f"  in {seconds // 60} min {seconds % 60} s")
    print(total)
    return 1 if total.failed or nothing else 0


if __name__ == "__main__":
    sys.exit(main())
