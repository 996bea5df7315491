"""Runs as pid 1 of a pid namespace: locald's service ends, a stranger gets its number, and then the
service is stopped.  Prints how many strangers were left alone, as JSON.

    pid_reuse.py LOCALD SVC PROJECT ROUNDS
"""

import json
import os
import subprocess
import sys
import time


def locald(*words):
    return subprocess.run([sys.argv[1], *words], cwd=sys.argv[3], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)


def service():
    return json.loads(locald("status", "--json").stdout)["services"][0]


def stranger_with(pid):
    """A process of this number, or None when others were faster each time."""
    for _ in range(20):
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
            file.write(str(pid - 1))
        child = os.fork()
        if child == 0:
            os.setsid()
            os.execv(sys.argv[2], [sys.argv[2], "wait"])
        if child == pid:
            return child
        os.kill(child, 9)
        os.waitpid(child, 0)
    return None


def one_round():
    """True when the stranger lives, False when it was hit, None when its number was not to be had."""
    locald("up")
    pid = service()["pid"]
    os.kill(pid, 9)
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.002)
    stranger = stranger_with(pid)
    locald("stop")
    if not stranger:
        return None
    ended, _ = os.waitpid(stranger, os.WNOHANG)
    if ended == 0:
        os.kill(stranger, 9)
        os.waitpid(stranger, 0)
    return ended == 0


def main():
    rounds = [one_round() for _ in range(int(sys.argv[4]))]
    locald("daemon", "stop", "--services")
    print(json.dumps({"reused": sum(r is not None for r in rounds), "hit": rounds.count(False)}))


main()
