"""A live locald.toml that is edited at random: what is broken changes nothing and is shown at once, and a repair
restarts what changed."""

import http.client
import json
import socket
import time

from support.waiting import until

from . import loads

ROW = "R27"
TITLE = "Config broken while running"
PASS = "10,000 random edits of a live file: 0 restarts from invalid files, diagnostics with file:line:col in " \
       "`status` ≤ 1 s, after a repair only what changed restarts, no crash"

SERVICES = ["web", "api", "db", "queue"]
PIECES = ["[", "]", "=", '"', "'", "\n", "{", "}", ",", ".", "#", "\\", "\0", "é", "\t", "-1", "1e999", "true", "[[",
          '"""', "services", "depends_on = [\"web\"]\n", "port = 70000\n", "${", "env = {", "0x", "[services.web]\n"]


def toml(svc, edits):
    text = '# A shop.\n[project]\nname = "shop"\n\n[env]\nALL = "1"\n\n'
    for at, name in enumerate(SERVICES):
        text += loads.service(name, [svc, "wait"], type="worker", depends_on=SERVICES[:at][-1:], stop_timeout=5)
        text += f'[services.{name}.env]\nEDIT = "{edits[name]}"\nNAME = "${{ALL}}"\n\n'
    return text


def mutated(random, text):
    """One to three edits, each somewhere."""
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(text))
        end = min(len(text), at + random.choice([1, 1, 2, 5, 20, 100]))
        text = random.choice([
            lambda: text[:at] + text[end:],
            lambda: text[:at] + random.choice(PIECES) + text[at:],
            lambda: text[:at] + random.choice(PIECES) + text[end:],
            lambda: text[:end] + text[at:end] + text[end:],
            lambda: text[:at] + chr(random.randrange(1, 0x2ff)) + text[at + 1:],
            lambda: text[:at],
        ])() or "#"
    return text


class Api:
    """The control socket, without the time that starting a command takes."""

    def __init__(self, sandbox):
        self.path = str(sandbox.root / "run/locald/daemon.sock")

    def status(self):
        connection = http.client.HTTPConnection("locald", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path)
        connection.request("GET", "/v1/status?all=1")
        status = json.loads(connection.getresponse().read())
        connection.close()
        return status


def diagnostics(project):
    """What `config check` says of the file: None where it is good."""
    result = project.attempt("config", "check", "--json")
    assert result.status in (0, 2), str(result)
    return result.json["error"]["diagnostics"] if result.status == 2 else None


def has_place(found):
    """A file without services has no line that is to blame."""
    return found["text"].endswith("no services") or any(
        place["file"] and place["line"] >= 1 and place["column"] >= 1 for place in found["places"])


def runs(status):
    return {s["name"]: (s["run"], s["pid"], s["state"], s["ready"]) for s in status["projects"][0]["services"]}


def are_up(api):
    return all(state == "running" and ready for _, _, state, ready in runs(api.status()).values())


def test_random_edits_of_a_live_file(sandbox, svc, row):
    number, random = row.choose(40, 10000), row.random
    edits = dict.fromkeys(SERVICES, 0)
    project = sandbox.project(toml(svc, edits))
    project.up()
    daemon, api = sandbox.daemon_pid(), Api(sandbox)
    counts = {"invalid": 0, "restarts from an invalid file": 0, "valid": 0, "repairs": 0, "wrong": 0,
              "without a place": 0}
    slowest, before = 0, runs(api.status())
    for _ in range(number):
        project.write("locald.toml", mutated(random, toml(svc, edits)))
        began, expected = time.monotonic(), diagnostics(project)
        if expected is None:
            # Whatever it means, it may be applied; the next round begins with what it should be.
            counts["valid"] += 1
            project.write("locald.toml", toml(svc, edits))
            project.up(timeout=120)
            before = runs(api.status())
            continue
        counts["invalid"] += 1
        until(lambda: api.status()["projects"][0].get("config_errors") == expected, timeout=20,
              what=f"status says {expected}")
        slowest = max(slowest, time.monotonic() - began)
        counts["restarts from an invalid file"] += runs(api.status()) != before
        counts["without a place"] += not all(has_place(found) for found in expected)
        if random.random() < 0.3:
            changed = set(random.sample(SERVICES, random.randint(0, 2)))
            for name in changed:
                edits[name] += 1
            project.write("locald.toml", toml(svc, edits))
            wanted = {n: before[n][0] + (n in changed) for n in SERVICES}
            until(lambda: "config_errors" not in api.status()["projects"][0] and are_up(api)
                  and {n: r[0] for n, r in runs(api.status()).items()} == wanted, timeout=30,
                  what=f"runs {wanted}")
            after = runs(api.status())
            counts["repairs"] += 1
            counts["wrong"] += any(after[n] != before[n] for n in SERVICES if n not in changed)
            before = after
    row.figure("edits that broke the file", counts["invalid"])
    row.figure("that did not", counts["valid"])
    row.figure("restarts from invalid files", counts["restarts from an invalid file"], wanted=0)
    row.figure("errors without file, line and column", counts["without a place"], wanted=0)
    row.took("until status shows them, slowest", slowest, limit=1)
    row.figure("repairs", counts["repairs"])
    row.figure("that restarted what had not changed", counts["wrong"], wanted=0)
    row.figure("same daemon", sandbox.daemon_pid() == daemon, wanted=True)
