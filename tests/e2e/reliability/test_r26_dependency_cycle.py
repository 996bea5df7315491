"""Dependencies that cannot be: the error shows the whole way and its lines, and nothing happens."""

import re

ROW = "R26"
TITLE = "Dependency cycle, unknown dependency"
PASS = "300 random graphs with one cycle or one unknown name: the full path with file:line, exit 2, " \
       "nothing started or registered, what runs goes on"

CYCLE = re.compile(r"^error\[C031\]: dependency cycle: (.+)$", re.MULTILINE)
EDGE = re.compile(r"locald\.toml:(\d+):\d+  ([\w-]+)\.depends_on")


class Graph:
    """Services below each other, a ring among them, and where in the file each edge is."""

    def __init__(self, random):
        below = [f"b{i}" for i in range(random.randint(0, 8))]
        self.ring = [f"r{i}" for i in range(random.randint(1, 12))]
        above = [f"a{i}" for i in range(random.randint(0, 8))]
        self.deps = {}
        for at, name in enumerate(below):
            self.deps[name] = random.sample(below[:at], random.randint(0, min(at, 3)))
        for at, name in enumerate(self.ring):
            self.deps[name] = [*random.sample(below, random.randint(0, min(len(below), 2))),
                               self.ring[(at + 1) % len(self.ring)]]
            random.shuffle(self.deps[name])
        for at, name in enumerate(above):
            some = [*below, *self.ring, *above[:at]]
            self.deps[name] = random.sample(some, random.randint(1, min(len(some), 4)))
        self.names = random.sample(sorted(self.deps), len(self.deps))

    def toml(self):
        self.lines, text = {}, ""
        for name in self.names:
            text += f'[services.{name}]\ntype = "worker"\ncommand = "touch started; sleep 1000"\n'
            self.lines[name] = text.count("\n") + 1
            text += f"depends_on = {self.deps[name]!r}\n\n".replace("'", '"')
        return text

    def is_the_ring(self, shown):
        """The names of a path, from wherever it begins and back to there."""
        names = shown.split(" → ")
        if names[0] != names[-1] or sorted(names[:-1]) != sorted(self.ring):
            return False
        return all(here == self.ring[(self.ring.index(before) + 1) % len(self.ring)]
                   for before, here in zip(names, names[1:], strict=False))


def test_the_whole_path_is_named(sandbox, row):
    number = row.choose(12, 300)
    other = sandbox.project('[services.quiet]\ntype = "worker"\ncommand = "exec sleep 1000"\n', "other")
    other.up()
    before = other.service("quiet")
    project = sandbox.project("")
    named = placed = refused = 0
    for _ in range(number):
        graph = Graph(row.random)
        project.write("locald.toml", graph.toml())
        result = project.attempt("up")
        refused += result.status == 2
        shown = CYCLE.findall(result.err)
        named += len(shown) == 1 and graph.is_the_ring(shown[0])
        edges = {name: int(line) for line, name in EDGE.findall(result.err)}
        if len(graph.ring) == 1:
            placed += f"locald.toml:{graph.lines[graph.ring[0]]}:" in result.err
        else:
            placed += edges == {name: graph.lines[name] for name in graph.ring}
    row.figure("cycles: exit 2", f"{refused}/{number}", wanted=f"{number}/{number}")
    row.figure("full path", f"{named}/{number}", wanted=f"{number}/{number}")
    row.figure("file:line of each edge", f"{placed}/{number}", wanted=f"{number}/{number}")
    nothing_happened(sandbox, project, other, before, row)


def test_an_unknown_name_is_shown_in_its_place(sandbox, row):
    number = row.choose(8, 300)
    other = sandbox.project('[services.quiet]\ntype = "worker"\ncommand = "exec sleep 1000"\n', "other")
    other.up()
    before = other.service("quiet")
    project = sandbox.project("")
    told = 0
    for _ in range(number):
        graph = Graph(row.random)
        graph.deps[graph.ring[-1]].remove(graph.ring[0])
        who = row.random.choice(graph.names)
        graph.deps[who].insert(row.random.randint(0, len(graph.deps[who])), "nobody")
        project.write("locald.toml", graph.toml())
        result = project.attempt("up")
        column = graph.toml().splitlines()[graph.lines[who] - 1].index('"nobody"') + 1
        told += result.status == 2 and "no service `nobody`" in result.err \
            and f"locald.toml:{graph.lines[who]}:{column}" in result.err and "cycle" not in result.err
    row.figure("unknown names: exit 2 and their place", f"{told}/{number}", wanted=f"{number}/{number}")
    nothing_happened(sandbox, project, other, before, row)


def nothing_happened(sandbox, project, other, before, row):
    row.figure("started", (project.folder / "started").exists(), wanted=False)
    roots = [p["root"] for p in sandbox.run("status", "-A", "--json").json["projects"]]
    row.figure("registered", str(project.folder.resolve()) in roots, wanted=False)
    after = other.service("quiet")
    row.figure("what runs goes on", (after["pid"], after["run"]) == (before["pid"], before["run"]),
               wanted=True)
