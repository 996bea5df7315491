#!/usr/bin/env python3
"""Checks every #include against the layers of docs/architecture.md.

A room includes itself and rooms on its left, never a sibling.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

LIBRARY = {"base", "loop"}
LOWER = LIBRARY | {"net", "config", "keeper"}

# What each room may include besides itself: rooms, or files of a room by their first letters.
ALLOWED = {
    "base": set(),
    "loop": {"base"},
    "net": LIBRARY,
    "config": LIBRARY,
    "keeper": LIBRARY,
    "api": LOWER,
    "oci": LOWER,
    "cnb": LOWER | {"api", "oci"},
    "service": LOWER | {"api"},
    "proxy": LOWER | {"api"},
    "daemon": LOWER | {"api", "oci", "cnb", "service", "proxy"},
    "cli": LOWER | {"api", "oci", "cnb", "service", "proxy", "daemon"},
    "shim": {"base"},
    "helper": {"base"},
    "lifecycle": {"base", "config/toml", "oci/tar_"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def is_allowed(room, target):
    target_room = target.split("/")[0]
    if target_room == room or target_room in ALLOWED[room]:
        return True
    return any("/" in prefix and target.startswith(prefix) for prefix in ALLOWED[room])


def problems_in(path):
    name = path.relative_to(ROOT).as_posix()
    room = path.relative_to(ROOT / "src").parts[0]
    if room not in ALLOWED:
        yield f"{name}: the room src/{room} is in no layer of tools/check_layers.py"
        return
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        target, line = match.group(1), text.count("\n", 0, match.start()) + 1
        if "/" not in target:
            yield f'{name}:{line}: "{target}" needs its room in front ("{room}/{target}")'
        elif not (ROOT / "src" / target).is_file():
            yield f'{name}:{line}: "{target}" does not exist'
        elif not is_allowed(room, target):
            yield f'{name}:{line}: {room} may not include "{target}" (docs/architecture.md, layers)'


def main():
    files = sorted(p for p in (ROOT / "src").rglob("*.[ch]") if p.is_file())
    problems = [problem for path in files for problem in problems_in(path)]
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"layers: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
