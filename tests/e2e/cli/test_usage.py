"""What status says a service takes: the sum of its tree, and of nothing else."""

import os
import pathlib
import signal

from support import audit
from support.keeper import Keeper
from support.waiting import until

# A process of a thread that is not the first, and one that is an orphan at once.
TREE = """
import subprocess, threading, time
subprocess.run(["sh", "-c", "sleep 1001 & "])
other = threading.Thread(target=lambda: subprocess.run(["sleep", "1002"]))
other.start()
other.join()
"""


def resident(pids):
    """Bytes, as /proc/PID/stat has them."""
    texts = [pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8") for pid in pids]
    return sum(int(text.rpartition(")")[2].split()[21]) for text in texts) * os.sysconf("SC_PAGESIZE")


def test_memory_is_that_of_the_tree(sandbox):
    project = sandbox.project("""
        [services.tree]
        type = "worker"
        command = ["python3", "tree.py"]

        [services.other]
        type = "worker"
        command = ["sleep", "1000"]
    """)
    project.write("tree.py", TREE)
    project.up()

    def tree():
        ours = (p for p in audit.processes().values() if p.tag() == sandbox.tag)
        found = [p.pid for p in ours if p.command() in ("python3 tree.py", "sleep 1001", "sleep 1002")]
        return len(found) == 3 and found

    pids = until(tree)
    until(lambda: project.service("tree")["memory_bytes"] == resident(pids) > 0)

    # Without its keeper it is no child of the next one.
    with Keeper(sandbox, project, "other") as keeper:
        os.kill(keeper.pid, signal.SIGKILL)
    until(lambda: project.service("other").get("degraded"))
    program = project.service("other")["pid"]
    until(lambda: project.service("other")["memory_bytes"] == resident([program]))
