"""Nothing is executed before what it needs is there; what needs nothing of each other starts together."""

import time

from support.log_segments import read_log

from . import loads

ROW = "R23"
TITLE = "Start order and readiness"
PASS = "500 random graphs: each program is executed after what it depends on was ready, started or completed; " \
       "100 services that take 1 s, in two layers: up ≤ 3 s"


class Graph:
    """Random services; each says in files when it was executed and when it was as others want it."""

    def __init__(self, random, project, folder, svc, number):
        self.project, self.folder, self.needs, self.text = project, folder, {}, ""
        for i in range(number):
            name = f"s{i}"
            is_oneshot = random.random() < 0.25
            self.needs[name] = {f"s{on}": None for on in random.sample(range(i), random.randint(0, min(i, 3)))}
            wait = random.randint(0, 150)
            words = [svc, "clock", self.executed(name), ",", "sleep", wait, ",", "clock", self.there(name)]
            words += [",", "exit", "0"] if is_oneshot else [",", "listen", ",", "wait"]
            keys = {"type": "worker", "oneshot": True} if is_oneshot else {}
            for on in self.needs[name]:
                kinds = ["completed", "started"] if self.is_oneshot(on) else ["ready", "started"]
                self.needs[name][on] = random.choice(kinds)
            table = ", ".join(f'{on} = "{kind}"' for on, kind in self.needs[name].items())
            self.text += loads.service(name, words, **keys).rstrip() + f"\ndepends_on = {{ {table} }}\n\n"
            self.needs[name]["?"] = is_oneshot

    def is_oneshot(self, name):
        return self.needs[name]["?"]

    def executed(self, name):
        return self.folder / f"{name}.executed"

    def there(self, name):
        return self.folder / f"{name}.there"

    def forget(self):
        for name in self.needs:
            self.executed(name).unlink(missing_ok=True)
            self.there(name).unlink(missing_ok=True)

    def started_ns(self, name):
        """By its keeper: the program itself may come to its first step late."""
        return [record.mono_ns for record in read_log(loads.log_folder(self.project, name))
                if record.stream == "event" and record.event["event"] == "start"][-1]

    def too_early(self):
        found = []
        for name, needs in self.needs.items():
            for on, kind in needs.items():
                if on == "?":
                    continue
                wanted = self.started_ns(on) if kind == "started" else int(self.there(on).read_text())
                if int(self.executed(name).read_text()) < wanted:
                    found.append(f"{name} before {on} was {kind}")
        return found


def test_random_graphs(sandbox, svc, row, tmp_path):
    graphs, early, slowest = row.choose(8, 500), [], 0.0
    project = sandbox.project("")
    for _ in range(graphs):
        graph = Graph(row.random, project, tmp_path, svc, row.random.randint(3, 10))
        graph.forget()
        project.write("locald.toml", graph.text)
        began = time.monotonic()
        project.up()
        slowest = max(slowest, time.monotonic() - began)
        early += graph.too_early()
        project.run("stop")
    row.figure("executed too early", early, wanted=[])
    row.figure("graphs", graphs)
    row.figure("up, slowest", f"{slowest:.2f} s")


def test_layers_start_together(sandbox, svc, row):
    width = row.choose(10, 50)
    words = [svc, "sleep", 1000, ",", "listen", ",", "wait"]
    project = sandbox.project(
        "".join(loads.service(f"a{i}", words) for i in range(width)) +
        "".join(loads.service(f"b{i}", words, depends_on=[f"a{i}"]) for i in range(width)))
    sandbox.run("daemon", "start")
    began = time.monotonic()
    project.up()
    row.took(f"up of {2 * width} services of 1 s in two layers", time.monotonic() - began, limit=3)
