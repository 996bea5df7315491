#!/usr/bin/env python3
"""Removes the files that `make install` put below PREFIX (and DESTDIR), and folders left empty."""

import argparse
import json
import pathlib
import subprocess


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--destdir", default="")
    args = parser.parse_args()
    plan = subprocess.run(
        ["meson", "introspect", args.build, "--installed"], check=True, stdout=subprocess.PIPE
    )
    for target in json.loads(plan.stdout).values():
        path = pathlib.Path(args.destdir + target)
        if path.is_file() or path.is_symlink():
            path.unlink()
            print(f"removed {path}")
        if path.parent.name == "locald" and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


if __name__ == "__main__":
    main()
