"""The checks of tools/ find what they are for."""

import pathlib
import shutil
import subprocess
import sys

import pytest

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent.parent / "tools"


class Tree:
    """A small repository with our tools in it."""

    def __init__(self, root):
        self.root = root
        shutil.copytree(TOOLS, root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        self.write("Makefile", "check:\n")
        for name in ("src", "tests"):
            (root / name).mkdir()
        subprocess.run(["git", "init", "-q", str(root)], check=True)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def check(self, tool, *arguments):
        result = subprocess.run(
            [sys.executable, str(self.root / "tools" / tool), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        return result.returncode, result.stdout


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.mark.parametrize("room, target, is_fine", [
    ("base", "base/x.h", True),
    ("base", "loop/x.h", False),
    ("net", "config/x.h", False),
    ("cnb", "oci/x.h", True),
    ("service", "oci/x.h", False),
    ("proxy", "service/x.h", False),
    ("daemon", "service/x.h", True),
    ("shim", "loop/x.h", False),
    ("lifecycle", "config/toml.h", True),
    ("lifecycle", "config/schema.h", False),
    ("base", "base/missing.h", False),
    ("nowhere", "base/x.h", False),
])
def test_layers(tree, room, target, is_fine):
    if not target.endswith("missing.h"):
        tree.write(f"src/{target}", "/* x - x */\n")
    tree.write(f"src/{room}/a.c", f'#include <stdio.h>\n#include "{target}"\n')
    status, out = tree.check("check_layers.py")
    assert (status == 0) == is_fine, out
    assert is_fine or f"src/{room}/a.c" in out


@pytest.mark.parametrize("name, text, problem", [
    ("src/base/a.c", "int f(void)\n{\n" + "\tf();\n" * 90 + "}\n", "a function of 92 lines"),
    ("src/base/a.c", "int x;\n" * 601, "601 lines"),
    ("src/base/a.c", "int x; // why\n", "`//` comment"),
    ("src/base/a.h", "#pragma once\n", "opens with a comment"),
    ("src/base/a.h", "/*\n * b - wrong name\n */\n", 'starts with "a - "'),
    ("src/base/a.h", "/*\n * a - long\n" + " *\n" * 20 + " */\n", "21 lines, more than 15"),
    ("src/base/a.h", "/* a - short */\n", None),
    ("src/base/a.c", 'char *u = "http://x"; /* // */\n', None),
])
def test_style(tree, name, text, problem):
    tree.write(name, text)
    status, out = tree.check("check_style.py")
    assert (status == 0) == (problem is None), out
    assert problem is None or problem in out


@pytest.mark.parametrize("declaration, is_state", [
    ("static int counter; int f(void) { return ++counter; }", True),
    ("int f(void) { static int calls; return ++calls; }", True),
    ("const char *const names[] = {\"a\"};", False),
    ("static int g(void) { return 1; } int (*const table[])(void) = {g};", False),
])
def test_state_of_the_whole_program(tree, declaration, is_state):
    folder = tree.root / "build/src/base/libbase.a.p"
    folder.mkdir(parents=True)
    subprocess.run(["cc", "-x", "c", "-fPIC", "-c", "-o", str(folder / "a.c.o"), "-"],
                   input=declaration, check=True, text=True)
    status, out = tree.check("check_style.py", "--build", str(tree.root / "build"))
    assert (status != 0) == is_state, out


@pytest.mark.parametrize("text, problem", [
    ("[a](missing.md)\n", "which does not exist"),
    ("[a](#nowhere)\n", "no heading is called"),
    ("# Some `where`\n[a](#some-where)\n", None),
    ("```toml\na = \n```\n", "not TOML"),
    ("```toml\na = 1\n```\n", None),
    ("```console\n$ make nothing\n```\n", "no target"),
    ("```console\n$ make check T=x\n```\n", None),
])
def test_docs(tree, text, problem):
    tree.write("README.md", text)
    status, out = tree.check("check_docs.py")
    assert (status == 0) == (problem is None), out
    assert problem is None or problem in out
