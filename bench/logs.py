"""A service that writes flat out beside `writer | cat > file`, and a search of its log beside grep."""

import statistics
import subprocess

from measure import Table, timed
from support.sandbox import Sandbox

BYTES, WIDTH = 400_000_000, 199
ROUNDS = 5
RARE = "99999[0-9]\\."


def words(svc):
    return [str(svc), "chunk", "65536", ",", "lines", str(BYTES // (WIDTH + 1)), "0", str(WIDTH)]


def into_a_file(argv, path):
    with path.open("wb") as file, subprocess.Popen(argv, stdout=subprocess.PIPE) as writer:
        subprocess.run(["cat"], stdin=writer.stdout, stdout=file, check=True)
    return path


def search(project, pattern):
    return project.run("logs", "--raw", "--grep", pattern, "loud").raw_out


def grep(file):
    return subprocess.run(["grep", "-E", RARE, str(file)], stdout=subprocess.PIPE, check=False).stdout


def bench(build):
    writing = Table("400 MB written flat out", "a service of locald", "MB/s", digits=0, more_is_better=True)
    searching = Table("search in 64 MiB", "locald logs --grep", "ms", digits=0)
    argv = words(build / "tests/support/svc")
    sandbox = Sandbox(build / "src/cli/locald")
    try:
        file = sandbox.root / "file"
        command = ", ".join(f'"{word}"' for word in argv)
        project = sandbox.project(
            f'[services.loud]\ntype = "worker"\noneshot = true\ncommand = [{command}]\n')
        project.run("up")
        samples = {"service": [], "file": [], "logs": [], "grep": []}
        for _ in range(ROUNDS):
            samples["file"].append(timed(into_a_file, argv, file))
            file.unlink()  # or the next round would have to empty it first
            samples["service"].append(timed(project.run, "restart", "loud"))
        kept = project.run("logs", "--raw", "-n", "10000000", "loud").raw_out
        file.write_bytes(kept)
        for _ in range(ROUNDS):
            samples["logs"].append(timed(search, project, RARE))
            samples["grep"].append(timed(grep, file))
    finally:
        sandbox.shutdown()
        sandbox.remove()
    median = {name: statistics.median(values) for name, values in samples.items() if values}
    writing.figures = {"a service of locald": BYTES / 1e6 / median["service"],
                       "writer | cat > file": BYTES / 1e6 / median["file"]}
    searching.figures = {"locald logs --grep": median["logs"] * 1000, "grep -E": median["grep"] * 1000}
    searching.notes = [f"{len(kept) / (1 << 20):.0f} MiB of lines of {WIDTH + 1} bytes; the log has their times, too"]
    yield from (writing, searching)
