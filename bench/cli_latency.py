"""How long the command line takes, beside the least that a program can take."""

from measure import Table, interleaved
from support.sandbox import Sandbox

ROUNDS = 60


def bench(build):
    table = Table("command line: start to exit", "locald version", "ms")
    sandbox = Sandbox(build / "src/cli/locald")
    try:
        project = sandbox.project('[services.web]\ntype = "worker"\ncommand = ["sleep", "1000"]\n')
        project.run("up")
        at = ["-C", str(project.folder)]
        medians, table.reasons = interleaved({
            "locald version": [sandbox.binary, "version"],
            "locald status": [sandbox.binary, *at, "status"],
            "locald up (unchanged)": [sandbox.binary, *at, "up"],
            "/bin/true": ["/bin/true"],
        }, ROUNDS, sandbox.environment)
        table.figures = {name: seconds * 1000 for name, seconds in medians.items()}
    finally:
        sandbox.shutdown()
        sandbox.remove()
    yield table
