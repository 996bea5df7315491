#!/usr/bin/env python3
"""Checks what clang-format and the compiler do not: sizes, comments, file-scope state.

Function <= 80 lines, file <= 600 lines, no `//` comment, every header opens with a comment that
says what it is for in <= 15 lines, and no object file but those of base/log.c and cli/ holds a
writable variable (read from the object files of --build, so const tables are told from state).
"""

import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUNCTION_LINES, FILE_LINES, HEAD_LINES = 80, 600, 15

TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL
)
# The NUL byte that all empty buffers point to; nobody writes it.
ALLOWED_STATE = {"strbuf_empty"}
WRITABLE = re.compile(r"^\.(data|bss|tdata|tbss)(?!\.rel\.ro)(\.|$)")


def line_comments(text):
    for match in TOKEN.finditer(text):
        if match.group().startswith("//"):
            yield text.count("\n", 0, match.start()) + 1


def long_functions(lines):
    """clang-format puts the braces of a function, and only those, alone in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start + 1 > FUNCTION_LINES:
                yield start, number - start + 1
            start = None


def head_problem(path, lines):
    head = re.match(r"/\*(.*?)\*/", "\n".join(lines), re.DOTALL)
    if not head:
        return "a header opens with a comment that says what it is for"
    length = len(head.group(1).strip("\n ").splitlines())
    if length > HEAD_LINES:
        return f"the head comment has {length} lines, more than {HEAD_LINES}"
    if not re.match(rf"[\s*]*{re.escape(path.stem)} - \S", head.group(1)):
        return f'the head comment starts with "{path.stem} - ", what it is for'
    return None


def problems_in(path):
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) > FILE_LINES:
        yield f"{name}: {len(lines)} lines, more than {FILE_LINES}"
    for line in line_comments(text):
        yield f"{name}:{line}: `//` comment; write /* */"
    for line, length in long_functions(lines):
        yield f"{name}:{line}: a function of {length} lines, more than {FUNCTION_LINES}"
    if path.suffix == ".h" and path.is_relative_to(ROOT / "src"):
        problem = head_problem(path, lines)
        if problem:
            yield f"{name}:1: {problem}"


def room_of(object_path, build):
    """src/<room>/… of an object, or None: meson names objects after their source."""
    parts = object_path.relative_to(build).parts
    if parts[0] != "src" or len(parts) < 2:
        return None
    return parts[1]


def state_problems(build):
    for path in sorted(build.rglob("*.c.o")):
        room = room_of(path, build)
        source = path.name.removesuffix(".o").replace("_", "/", 1)
        if room in (None, "cli") or path.name.endswith("log.c.o"):
            continue
        table = subprocess.run(
            ["objdump", "-t", str(path)], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        for line in table.splitlines():
            match = re.match(r"^\S+ .{7} (\S+)\s+([0-9a-f]+)\s+(.*)$", line)
            if not match or line[23:24] != "O" or not WRITABLE.match(match.group(1)):
                continue
            symbol = match.group(3).split()[-1]
            if symbol in ALLOWED_STATE:
                continue
            yield f"src/{room} ({source}): `{symbol}` is mutable state of the whole program"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", help="a plain (not sanitized) build, for the state check")
    args = parser.parse_args()
    files = sorted(
        p for top in ("src", "tests") for p in (ROOT / top).rglob("*.[ch]") if p.is_file()
    )
    problems = [problem for path in files for problem in problems_in(path)]
    if args.build:
        problems += sorted(set(state_problems(pathlib.Path(args.build).resolve())))
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"style: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
