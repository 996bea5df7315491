#!/usr/bin/env python3
"""`make bench`: locald beside its peers, on this machine, in one run.

Prints ratios.  Figures from two machines, or from two runs, are not to be compared; a test never
asserts one.  What is not installed, or does not work here, is shown with the reason.
"""

import argparse
import os
import pathlib
import platform
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests")]

import cli_latency  # noqa: E402
import containers  # noqa: E402
import logs  # noqa: E402
import network  # noqa: E402
import proxy  # noqa: E402
import restart  # noqa: E402
import scale  # noqa: E402
import supervision  # noqa: E402

BENCHES = {
    "containers": containers.bench,
    "proxy": proxy.bench,
    "network": network.bench,
    "supervision": supervision.bench,
    "logs": logs.bench,
    "restart": restart.bench,
    "scale": scale.bench,
    "cli": cli_latency.bench,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--match", default="", help="only benches with this in their name")
    args = parser.parse_args()
    build = (ROOT / args.build).resolve()
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"

    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, "
          f"{'root' if os.getuid() == 0 else 'an ordinary user'}")
    chosen = [bench for name, bench in BENCHES.items() if args.match in name]
    if not chosen:
        sys.exit(f"bench: none of {', '.join(BENCHES)} has `{args.match}` in its name")
    for bench in chosen:
        for table in bench(build):
            table.show()


if __name__ == "__main__":
    main()
