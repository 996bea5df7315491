#!/usr/bin/env python3
"""Runs other people's test suites against OCI runtimes and writes docs/oci-conformance.md's table.

    tools/oci_conformance.py --crun-tests DIR --validation DIR [--runtime NAME=PATH ...]

--crun-tests is a checkout of crun whose tests/init is built; --validation is a checkout of
opencontainers/runtime-tools with runtimetest and validation/*/*.t built in place.  Both stay
outside this repository and are only read.  Every subject runs every suite as root and as an ordinary
user, first with the host's cgroups as they are and, where these are hybrid, once more with the v2
tree hidden.  Each program has a process namespace and a working directory of its own, so that
nothing of it is left.  Without --write the table is only printed.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/oci-conformance.md"
BEGIN, END = "<!-- counts: written by tools/oci_conformance.py -->", "<!-- end of counts -->"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

import reliability  # noqa: E402

CGROUP = pathlib.Path("/sys/fs/cgroup")
UNIFIED = CGROUP / "unified"
TIMEOUT_S = 600
CRUN_TIMEOUT_S, CRUN_TEST_TIMEOUT_S = 60, 20  # of a program, then of each of its tests by itself
THAW_AFTER_S = 20  # a suite that freezes a process and leaves it could never end
# What the suites call their containers and cgroups: nobody else's is touched.
THEIRS = re.compile(r"/(locald-)?(test-|[0-9a-f]{8}(-[0-9a-f]{4}){3}-)|/(frozen|cgrouptest)\b")
KINDS = ("passed", "failed", "skipped")
POINT = re.compile(r"^(ok|not ok)\b\s*(\d*)\s*-?\s*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")
SKIP = re.compile(r"#\s*SKIP\b", re.IGNORECASE)
KILLED = f"exit status {-signal.SIGKILL}"
CRUN_TEST = re.compile(r'^ +"([^" ]+)" *: *test_\w+,?', re.MULTILINE)
TIMING = re.compile(r"\s*#\s*[\d.]+s\s*$")


class Subject:
    def __init__(self, text):
        self.name, _, path = text.rpartition("=")
        self.path = pathlib.Path(shutil.which(path) or path).resolve()
        if not os.access(self.path, os.X_OK):
            sys.exit(f"oci_conformance: {path} is not a program")
        self.name = self.name or self.path.name
        said = subprocess.run([self.path, "--version"], stdout=subprocess.PIPE, text=True, check=True)
        self.version = re.search(r"version (\S+)", said.stdout)[1]


class Where:
    """Who runs a suite, with which cgroups."""

    def __init__(self, user, is_v2_hidden):
        self.user, self.is_v2_hidden = user, is_v2_hidden

    def __str__(self):
        who = "root" if self.user.uid == 0 else "rootless"
        return who + (", v2 hidden" if self.is_v2_hidden else "")

    def command(self, folder):
        """Runs what follows as the user, in namespaces of its own; nothing outlives it."""
        if os.getuid() != 0:
            return []
        script = 'mount --make-rprivate / && '
        if self.is_v2_hidden:
            script += f"umount {UNIFIED} && "
        become = [] if self.user.uid == 0 else [
            "setpriv", f"--reuid={self.user.uid}", f"--regid={self.user.gid}", "--init-groups"]
        return ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--",
                "sh", "-c", script + '"$@"; exit', "sh", *become,
                "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                f"HOME={folder}", f"XDG_RUNTIME_DIR={folder}/run", f"TMPDIR={folder}/tmp"]


def parse_tap(text):
    """{name: passed | failed | skipped} of a program's output; names that come again are numbered."""
    results, planned, seen = {}, None, 0
    for line in text.splitlines():
        plan, point = PLAN.match(line), POINT.match(line)
        if plan:
            planned = int(plan[1])
        if not point:
            continue
        seen += 1
        name = TIMING.sub("", SKIP.split(point[3])[0]).strip() or f"point {seen}"
        count = 1
        while (key := name if count == 1 else f"{name} ({count})") in results:
            count += 1
        results[key] = ("failed" if point[1] == "not ok" else
                        "skipped" if SKIP.search(point[3]) else "passed")
    for number in range(seen, planned or 0):
        results[f"point {number + 1} did not come"] = "failed"
    return results


def cgroups():
    return {pathlib.Path(parent, name) for parent, names, _ in os.walk(CGROUP) for name in names
            if THEIRS.search(f"{parent}/{name}")}


def remove_cgroups(paths):
    for path in sorted(paths, key=lambda path: -len(path.parts)):
        try:
            path.rmdir()
        except OSError:
            continue


def thaw(paths):
    for path in paths:
        try:
            (path / "freezer.state").write_text("THAWED")
        except OSError:
            continue


def wait_for(process, timeout_s):
    end = time.monotonic() + timeout_s
    while True:
        try:
            return process.wait(min(THAW_AFTER_S, timeout_s))
        except subprocess.TimeoutExpired:
            thaw(path for path in cgroups() if path.name == "frozen")
            if time.monotonic() > end:
                os.killpg(process.pid, signal.SIGKILL)


def run_program(where, command, cwd, environ, timeout_s=TIMEOUT_S):
    """The program's TAP; what is not a test point of it is in the second."""
    # A path with a symbolic link or a closed folder in it would be another test.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="oci-", dir="/tmp"))
    for name in ("run", "tmp", "work"):
        (folder / name).mkdir()
    for path in (folder, *folder.iterdir()):
        os.chown(path, where.user.uid, where.user.gid)
        path.chmod(0o755)
    before = cgroups()
    try:
        with open(folder / "out", "w+b") as out:
            process = subprocess.Popen(
                [*where.command(folder), *[f"{k}={v}" for k, v in environ.items()], *command],
                cwd=cwd or folder / "work", stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True)
            status = wait_for(process, timeout_s)
            out.seek(0)
            text = out.read().decode(errors="replace")
    finally:
        remove_cgroups(cgroups() - before)
        shutil.rmtree(folder, ignore_errors=True)
    results = parse_tap(text)
    if not results:
        results = {"ends well" if status == 0 else f"exit status {status}":
                   "skipped" if status in (0, 77) else "failed"}
    return results, text


class Details:
    """Every run of a program; on disk at once, so that a long run can be looked at."""

    def __init__(self, path):
        self.runs, self.file = [], open(path, "w", encoding="utf-8") if path else None

    def add(self, run):
        self.runs.append(run)
        if self.file:
            print(json.dumps(run), file=self.file, flush=True)


class Suite:
    """A folder of programs that say what they found as TAP."""

    def __init__(self, name, folder, runtime_key, pattern):
        self.name, self.folder = name, folder.resolve()
        self.key, self.programs = runtime_key, sorted(self.folder.glob(pattern))
        if not self.programs:
            sys.exit(f"oci_conformance: no {pattern} in {folder}: build it there first")

    def version(self):
        said = subprocess.run(["git", "-C", self.folder, "-c", "safe.directory=*", "describe",
                               "--always", "--tags"], stdout=subprocess.PIPE, text=True, check=False)
        return said.stdout.strip() or "unknown"


class CrunSuite(Suite):
    def __init__(self, folder):
        super().__init__("crun's tests", folder, "OCI_RUNTIME", "tests/test_*.py")
        if not (self.folder / "tests/init").exists():
            sys.exit(f"oci_conformance: {folder}/tests/init is missing: build tests/init.c first")

    def run(self, program, where, runtime):
        command = ["/usr/bin/python3", program]
        environ = {self.key: runtime, "INIT": self.folder / "tests/init",
                   "PYTHONDONTWRITEBYTECODE": "1"}
        results, text = run_program(where, command, None, environ, CRUN_TIMEOUT_S)
        if KILLED not in results:
            return results, text
        # A test that waits for ever takes no other with it.
        results = {}
        for name in CRUN_TEST.findall(program.read_text(encoding="utf-8")):
            environ["RUN_TESTS"] = name
            one, said = run_program(where, command, None, environ, CRUN_TEST_TIMEOUT_S)
            results[name], text = one.get(name, "failed"), text + said
        return results, text


class ValidationSuite(Suite):
    def __init__(self, folder):
        super().__init__("runtime-tools validation", folder, "RUNTIME", "validation/*/*.t")
        if not (self.folder / "runtimetest").exists():
            sys.exit(f"oci_conformance: {folder}/runtimetest is missing: build it first")

    def run(self, program, where, runtime):
        return run_program(where, [program], self.folder, {self.key: runtime})


def place(subject, folder):
    """A copy that root owns and everybody can run, as an installation has it.  All of them go by
    the name that crun's tests look for in what a runtime says of its usage."""
    own = folder / str(len(list(folder.iterdir())))
    own.mkdir(mode=0o755)
    path = own / "crun"
    shutil.copy(subject.path, path)
    path.chmod(0o755)
    return path


def run_suite(suite, subjects, place_at, details, args):
    """Each program with all subjects in turn, so that they meet the same machine."""
    for where in places():
        if args.where and args.where != str(where):
            continue
        for program in suite.programs:
            if args.only and not re.search(args.only, program.stem):
                continue
            for subject in subjects:
                start = time.monotonic()
                results, text = suite.run(program, where, place_at[subject])
                told = collections.Counter(results.values())
                print(f"{suite.name}: {where}: {subject.name}: {program.stem}:",
                      *[f"{told[kind]} {kind}" for kind in KINDS],
                      f"({time.monotonic() - start:.1f} s)", flush=True)
                details.add({"suite": suite.name, "where": str(where), "runtime": subject.name,
                             "version": subject.version, "suite_version": suite.version(),
                             "program": program.stem, "results": results, "output": text})


def places():
    hidden = (False, True) if UNIFIED.is_mount() and os.getuid() == 0 else (False,)
    from support import accounts  # of the tests: not needed to check the page

    users = [accounts.caller()]
    if os.getuid() == 0:
        ordinary, reason = accounts.ordinary_user()
        if ordinary:
            users.append(ordinary)
        else:
            print(f"oci_conformance: not as an ordinary user: {reason}", file=sys.stderr)
    return [where for hide in hidden for where in (Where(user, hide) for user in users)]


def table(runs):
    counts, versions = collections.defaultdict(collections.Counter), {}
    for run in runs:
        counts[run["suite"], run["where"], run["runtime"]].update(run["results"].values())
        versions[run["runtime"]] = run["version"]
        versions[run["suite"]] = f"at `{run['suite_version']}`"
    kernel = reliability.machine().rpartition(", as ")[0]
    lines = [f"Made {time.strftime('%Y-%m-%d', time.gmtime())} on {kernel}, with "
             + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
             "", "| suite | as | runtime | passed | failed | skipped |", "|---|---|---|---|---|---|"]
    for names, count in counts.items():
        lines.append(f"| {' | '.join(names)} | {' | '.join(str(count[k]) for k in KINDS)} |")
    return "\n".join(lines)


def differences(runs, ours):
    """Points that another runtime passes and ours does not, as the page must explain them."""
    by_point = collections.defaultdict(dict)
    for run in runs:
        for name, result in run["results"].items():
            by_point[run["suite"], run["where"], run["program"], name][run["runtime"]] = result
    for (suite, where, program, name), results in sorted(by_point.items()):
        others = [n for n, result in results.items() if n != ours and result == "passed"]
        if others and results.get(ours) != "passed":
            yield f"{suite}: {where}: {program}: {name}: {results.get(ours, 'not seen')}, " \
                  f"passed by {', '.join(others)}"


def write_page(text):
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def page_problems():
    """Whether the page has a table as table() makes it; for tools/check_docs.py."""
    if not PAGE.exists():
        return  # whoever links to it is told
    page = PAGE.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        yield "docs/oci-conformance.md: the marks of the counts are missing"
        return
    counts = page.split(BEGIN)[1].split(END)[0]
    if not re.search(r"^Made \d{4}-\d\d-\d\d on .*with locald-shim ", counts, re.MULTILINE):
        yield "docs/oci-conformance.md: the counts do not say when and of what they were made"
    for suite in ("crun's tests", "runtime-tools validation"):
        rows = re.findall(rf"^\| {suite} \| (.*?) \| (.*?) \| \d+ \| \d+ \| \d+ \|$", counts,
                          re.MULTILINE)
        ours = {where for where, runtime in rows if runtime == "locald-shim"}
        if not ours or {where for where, _ in rows} != ours:
            yield f"docs/oci-conformance.md: {suite}: not every row of others has one of locald-shim"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crun-tests", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--validation", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--runtime", action="append", metavar="NAME=PATH", default=[],
                        help="one more subject; may be repeated")
    parser.add_argument("--only", metavar="REGEX", help="only programs with such a name")
    parser.add_argument("--where", help="only there: \"root\", \"rootless, v2 hidden\" and so on")
    parser.add_argument("--details", type=pathlib.Path, metavar="FILE",
                        help="every point and every output, as JSON lines")
    parser.add_argument("--from", dest="from_file", action="append", type=pathlib.Path, default=[],
                        metavar="FILE", help="count runs that --details wrote, too")
    parser.add_argument("--write", action="store_true", help="write the table into the document")
    args = parser.parse_args()

    subjects = [Subject(f"locald-shim={args.build}/src/shim/locald-shim"),
                *[Subject(text) for text in args.runtime]]
    suites = [kind(folder) for kind, folder in
              ((CrunSuite, args.crun_tests), (ValidationSuite, args.validation)) if folder]
    if not suites and not args.from_file:
        parser.error("give --crun-tests, --validation or both")
    if args.write and (args.only or args.where):
        parser.error("--write is for a whole run")
    details = Details(args.details)
    for path in args.from_file:
        details.runs += map(json.loads, path.read_text(encoding="utf-8").splitlines())
    with tempfile.TemporaryDirectory(prefix="oci-subjects-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        place_at = {subject: place(subject, pathlib.Path(folder)) for subject in subjects}
        for suite in suites:
            run_suite(suite, subjects, place_at, details, args)
    print(*differences(details.runs, subjects[0].name), sep="\n")
    text = table(details.runs)
    print(text)
    if args.write:
        write_page(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
