#!/usr/bin/env python3
"""Checks that the documents say what is there.

* a link between files reaches a file (and a heading, where it names one)
* a code block marked `toml` parses; `toml locald` is a whole locald.toml and passes
  `locald config check`, `toml builder` is a builder.toml
* a `$ locald X` or `make X` line in a `console` block names a command or a target that exists
* every command of `locald __surface` has a section in docs/cli.md that mentions its options, and
  every section has a command
* every key of `locald config schema` is in docs/configuration.md
* docs/oci-conformance.md has a table of counts, as tools/oci_conformance.py writes it
* docs/reliability.md has the rows of tests/e2e/reliability, called as they are there
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib

import oci_conformance
import reliability

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\!)\[[^\]]+\]\(([^)\s]+)\)")


def documents():
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others",
         "--exclude-standard", "*.md"],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout
    return [ROOT / name for name in sorted(set(listed.split("\0"))) if name]


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def anchors(path):
    """The names that a renderer gives to headings."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE):
        plain = re.sub(r"[`*]", "", heading).strip().lower()
        yield re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def check_links(path, text):
    text = FENCE.sub(lambda m: "\n" * m.group().count("\n"), text)
    for match in LINK.finditer(text):
        target, _, anchor = match.group(1).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (path.parent / target) if target else path
        if not file.exists():
            yield line_of(text, match.start()), f"link to {target}, which does not exist"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            yield line_of(text, match.start()), f"link to #{anchor}, which no heading is called"


class Program:
    """The built locald, as the checks use it; in a sandbox of its own."""

    def __init__(self, build):
        self.path = pathlib.Path(build).resolve() / "src/cli/locald"
        self.home = tempfile.TemporaryDirectory(prefix="locald-docs-")

    def run(self, *arguments, cwd=None):
        env = {"HOME": self.home.name, "PATH": os.environ["PATH"], "NO_COLOR": "1"}
        return subprocess.run(
            [str(self.path), *arguments], cwd=cwd, env=env, timeout=30,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )

    def surface(self):
        result = self.run("__surface")
        if result.returncode != 0:
            raise SystemExit(f"check_docs: locald __surface failed: {result.stderr}")
        return json.loads(result.stdout)


def check_toml(kind, body, program):
    try:
        tomllib.loads(body)
    except tomllib.TOMLDecodeError as error:
        yield f"not TOML: {error}"
        return
    if kind != "locald" or not program:
        return
    with tempfile.TemporaryDirectory(prefix="locald-docs-") as folder:
        (pathlib.Path(folder) / "locald.toml").write_text(body, encoding="utf-8")
        result = program.run("config", "check", cwd=folder)
        if result.returncode != 0:
            yield f"`locald config check` refuses it:\n{result.stderr.rstrip()}"


def make_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+):", text, re.MULTILINE))


class CommandLine:
    """What `locald __surface` says: commands below commands, each with its options."""

    def __init__(self, surface):
        self.commands, self.command_at = {}, {}
        self.shared = self._options(surface)
        self._add(surface.get("commands", []), "")

    @staticmethod
    def _options(holder):
        options = {}
        for option in holder.get("options", []):
            options[f"--{option['name']}"] = "value" in option
            if "letter" in option:
                options[f"-{option['letter']}"] = "value" in option
        return options

    def _add(self, commands, before):
        for command in commands:
            name = before + command["name"]
            if command.get("commands"):
                self._add(command["commands"], name + " ")
            else:
                self.commands[name] = self._options(command)
                self.command_at[name] = command.get("command_at", 0)

    def problem(self, words):
        """What is wrong with the words after `locald`, or None."""
        arguments, name = [], ""
        words = list(words)
        while words:
            word = words.pop(0)
            at = self.command_at.get(name, 0)
            if word == "--" or (at and len(arguments) - len(name.split()) >= at):
                break  # what follows is another program's
            if word.startswith("-"):
                option, has_value, _ = word.partition("=")
                known = {**self.shared, **self.commands.get(name, {})}
                while option not in known and word[1:2] != "-" and known.get(word[:2]) is False:
                    option = word = "-" + word[2:]  # `-it` is `-i -t`
                if option not in known:
                    return f"`locald {name}` has no option {option}"
                if known[option] and not has_value and words:
                    words.pop(0)
            else:
                arguments.append(word)
                longer = " ".join(arguments)
                if longer in self.commands:
                    name = longer
        return None if name or not arguments else f"`locald {' '.join(arguments)}` is no command"


def check_console(body, line, targets):
    for text in body.splitlines():
        if not text.startswith("$ "):
            continue
        try:
            words = shlex.split(text[2:], comments=True)
        except ValueError as error:
            yield f"`{text}` is no shell command: {error}"
            continue
        while words and (words[0] == "sudo" or re.match(r"\w+=", words[0])):
            words = words[1:]
        if not words:
            continue
        goals = [w for w in words[1:] if not w.startswith("-") and "=" not in w]
        if words[0] == "make" and goals and goals[0] not in targets:
            yield f"`make {goals[0]}` is no target of the Makefile"
        if words[0] == "locald" and line:
            problem = line.problem(words[1:])
            if problem:
                yield problem


def check_command_pages(line):
    page = ROOT / "docs/cli.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    sections = dict(re.findall(r"^## locald ([a-z ]+?) *\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    for name in sorted(line.commands.keys() - sections.keys()):
        yield f"docs/cli.md: no section `locald {name}`"
    for name in sorted(sections.keys() - line.commands.keys()):
        yield f"docs/cli.md: the section `locald {name}` describes no command"
    for name in sorted(line.commands.keys() & sections.keys()):
        for option in line.commands[name]:
            # --json is the same for all, and has a paragraph of its own.
            if option.startswith("--") and option != "--json" and option not in sections[name]:
                yield f"docs/cli.md: the section `locald {name}` does not mention {option}"


def check_keys(program):
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    result = program.run("config", "schema")
    if result.returncode != 0:
        yield f"`locald config schema` failed: {result.stderr.rstrip()}"
        return

    def names(schema, seen):
        for name, below in schema.get("properties", {}).items():
            seen.add(name)
            names(below, seen)
        for key in ("additionalProperties", "items"):
            if isinstance(schema.get(key), dict):
                names(schema[key], seen)
        for key in ("oneOf", "anyOf", "allOf"):
            for below in schema.get(key, []):
                names(below, seen)
        for below in schema.get("$defs", {}).values():
            names(below, seen)
        return seen

    for name in sorted(names(json.loads(result.stdout), set())):
        if not re.search(rf"\b{re.escape(name)}\b", page):
            yield f"docs/configuration.md: the key `{name}` is not described"


def check_blocks(text, program, line, targets):
    for match in FENCE.finditer(text):
        info, body = match.group(1).split(), match.group(2)
        if info[:1] == ["toml"]:
            problems = check_toml(info[1] if len(info) > 1 else "", body, program)
        elif info[:1] == ["console"]:
            problems = check_console(body, line, targets)
        else:
            continue
        for problem in problems:
            yield line_of(text, match.start()), problem


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", help="a build whose locald is asked; without it, only the text")
    args = parser.parse_args()

    program = Program(args.build) if args.build else None
    line = CommandLine(program.surface()) if program else None
    targets, problems, pages = make_targets(), [], documents()
    for path in pages:
        text = path.read_text(encoding="utf-8")
        found = [*check_links(path, text), *check_blocks(text, program, line, targets)]
        problems += [f"{path.relative_to(ROOT)}:{at}: {what}" for at, what in sorted(found)]
    if program:
        problems += [*check_command_pages(line), *check_keys(program)]
    problems += reliability.page_problems()
    problems += oci_conformance.page_problems()
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"docs: {len(pages)} pages, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
