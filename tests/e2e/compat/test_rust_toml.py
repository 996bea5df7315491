"""Files in the documented format of the Rust version: tests/conformance/rust_toml/*.toml.

Each is accepted as it is, and runs.  Comments at its top say what else is expected:

  # warns: KEY…           the keys that are accepted without effect
  # hosts: NAME=HOST…     the host of each service's URL; nothing after = is no URL
  # run: no               only checked: it needs images that are not here
  # later: TYPE           a service type that is not there yet, and is refused as such
"""

import pathlib
import re
import urllib.parse

import pytest

FILES = sorted((pathlib.Path(__file__).parents[2] / "conformance/rust_toml").glob("*.toml"))


def expectations(text):
    return {
        key: value.split()
        for key, value in re.findall(r"^# (warns|hosts|run|later): *(.*)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_of_the_rust_version(sandbox, file):
    text = file.read_text(encoding="utf-8")
    expected = expectations(text)
    project = sandbox.project(text, name="rust")
    if "later" in expected:
        refused = project.fail("config", "check", status=2)
        assert f'"{expected["later"][0]}" is not supported yet' in refused.err
        assert refused.err.count("error[") == 1, str(refused)
        return
    checked = project.run("config", "check", "--json").json
    warned = [d["text"].split()[0] for d in checked["diagnostics"]]
    assert warned == expected.get("warns", [])
    if expected.get("run") == ["no"]:
        return
    project.up()
    services = project.services()
    assert all(s["ready"] or s["state"] == "exited" for s in services.values()), services
    for pair in expected.get("hosts", []):
        name, host = pair.split("=")
        url = services[name]["url"]
        assert (urllib.parse.urlsplit(url).hostname if url else "") == host
        assert project.run("logs", name).status == 0
