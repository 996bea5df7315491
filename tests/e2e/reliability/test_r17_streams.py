"""Which of its two streams a service wrote a line to."""

from support.keeper import Keeper
from support.waiting import until

from . import loads

ROW = "R17"
TITLE = "stderr and stdout"
PASS = "10^6 lines written to both in turn: the tag is right for all of them; a terminal only where it is asked for"


def test_each_line_has_its_stream(sandbox, svc, row):
    number = row.choose(20000, 1000000)
    project = sandbox.project(loads.service("web", [
        svc, "stream", "both", ",", "lines", number, ",", "say", "done", ",", "wait"], type="worker"))
    project.up()
    until(lambda: "done" in project.run("logs", "web", "--stream", "out", "-n", "4").out, timeout=300)
    project.run("stop")  # with it, the last of the other stream is stored, too
    wrong, seen = 0, {"out": 0, "err": 0}
    for record in loads.output(project, "web"):
        if record["text"].isdigit():
            seen[record["stream"]] += 1
            # Even ones go to the first of the two.
            wrong += record["stream"] != ("out", "err")[int(record["text"]) % 2]
    row.figure("lines of stdout, stderr", f"{seen['out']}, {seen['err']}", wanted=f"{number // 2}, {number // 2}")
    row.figure("wrong tags", wrong, wanted=0)


def test_a_terminal_only_where_it_is_asked_for(sandbox, row):
    script = "test -t 1 && echo terminal || echo pipe; echo two >&2; exec sleep 1000"
    project = sandbox.project(
        loads.service("plain", ["sh", "-c", script], type="worker")
        + loads.service("asked", ["sh", "-c", script], type="worker", tty=True))
    project.up()
    found = {}
    for name in ("plain", "asked"):
        until(lambda name=name: len(loads.output(project, name)) >= 2)
        found[name] = [(r["stream"], r["text"].strip()) for r in loads.output(project, name)]
        with Keeper(sandbox, project, name) as keeper:
            found[name].append(keeper.status()["tty"])
    row.figure("pipes by default", sorted(found["plain"][:2]) + found["plain"][2:],
               wanted=[("err", "two"), ("out", "pipe"), "0"])
    row.figure("a terminal when asked", found["asked"], wanted=[("out", "terminal"), ("out", "two"), "1"])
