"""Many clients at once start, stop, restart and edit: what was accepted last holds."""

import re
import threading

from support.waiting import until

from . import loads

ROW = "R22"
TITLE = "Races of operations"
PASS = "10 clients × 1,000 random up, stop, restart and edits: the state is that of the operation accepted last, its " \
       "configuration that of the file, never two processes of a service, nothing left"

NAMES = [f"s{i}" for i in range(5)]


class Client(threading.Thread):
    """Runs random commands; keeps what each was accepted as, and for which services."""

    def __init__(self, project, edit, seed_random, operations):
        super().__init__(daemon=True)
        self.project, self.edit, self.random, self.operations = project, edit, seed_random, operations
        self.accepted, self.errors = [], []

    def run(self):
        for _ in range(self.operations):
            verb = self.random.choice(["up", "up", "stop", "stop", "restart", "edit"])
            names = self.random.sample(NAMES, self.random.choice([0, 1, 1, 2]))
            if verb == "edit":
                self.edit()
                continue
            result = self.project.attempt(verb, "--json", *names, timeout=110)
            try:
                self.note(verb, names or NAMES, result.result)
            except (AssertionError, KeyError, ValueError, IndexError):
                self.errors.append(str(result))
                return

    def note(self, verb, names, result):
        if not result["ok"] and result["error"]["code"] != "interrupted":
            self.errors.append(str(result["error"]))
        if "operation" in result:
            self.accepted.append((result["operation"], verb != "stop", names))


def test_the_last_accepted_operation_holds(sandbox, svc, row):
    clients, operations = row.choose((8, 25), (10, 1000))
    lock, version = threading.Lock(), 0
    places = {name: sandbox.root / f"lock-{name}" for name in NAMES}
    project = sandbox.project("")

    def edit():
        nonlocal version
        with lock:
            version += 1
            # In one step, as editors do: a half written file is another row's.
            draft = project.write("draft", "".join(
                loads.service(name, [svc, "alone", places[name], ",", "env", "VERSION", ",", "listen", ",", "wait"],
                              **{"env.VERSION": str(version)}) for name in NAMES))
            draft.rename(project.folder / "locald.toml")

    edit()
    project.up()
    threads = [Client(project, edit, type(row.random)(row.random.random()), operations) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(thread.errors for thread in threads), [thread.errors for thread in threads]
    accepted = sorted(entry for thread in threads for entry in thread.accepted)
    wanted = {name: next((up for _, up, names in reversed(accepted) if name in names), True) for name in NAMES}
    row.figure("operations accepted", len(accepted))
    row.figure("edits", version - 1)

    def are_as_wanted():
        states = {name: s["state"] for name, s in project.services().items()}
        return all(states[name] == ("running" if up else "stopped") for name, up in wanted.items())

    until(are_as_wanted, timeout=30, what=f"{wanted}")
    row.figure("services as the last operation wants them", f"{len(NAMES)}/{len(NAMES)}")
    running = [name for name, up in wanted.items() if up]
    until(lambda: all(said(project, name) == version for name in running), timeout=30,
          what=f"{running} run version {version}: {[said(project, name) for name in running]}")
    row.figure("of them with the file's configuration", f"{len(running)}/{len(running)}")
    met = [str(place) for place in places.values() if place.with_name(place.name + ".met").exists()]
    row.figure("two processes of a service at once", met, wanted=[])


def said(project, name):
    told = [record for record in loads.output(project, name) if record["text"].startswith("VERSION=")]
    return int(re.sub(r"\D", "", told[-1]["text"])) if told else None
