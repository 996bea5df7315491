"""Each kind of error has its exit status, its code, and a page of `locald explain`."""

import re

import pytest

PROJECT = """
    [services.web]
    command = "exec python3 -m http.server $PORT"

    [services.broken]
    type = "worker"
    command = "exit 3"
    restart = "no"
    autostart = false

    [services.slow]
    command = "exec sleep 1000"
    autostart = false

    [services.console]
    type = "worker"
    command = "exec sleep 1000"
    autostart = false
"""


@pytest.fixture(scope="module")
def project(shared_sandbox):
    return shared_sandbox.project(PROJECT)


@pytest.mark.parametrize("line, status, code", [
    (["up", "broken"], 1, None),
    (["why"], 2, "E400"),
    (["statsu"], 2, "E400"),
    (["up", "--plna"], 2, "E400"),
    (["logs", "--level", "loud"], 2, "E400"),
    (["attach", "console"], 2, "E400"),
    (["service", "reset", "web"], 2, "E400"),
    (["stop", "wbe"], 4, "E404"),
    (["why", "wbe"], 4, "E404"),
    (["logs", "wbe"], 4, "E404"),
    (["wait", "wbe"], 4, "E404"),
    (["run", "wbe", "--", "true"], 4, "E404"),
    (["init", "--force", "--from", "missing.yaml"], 4, "E404"),
    (["add", "last"], 4, "E404"),
    (["-C", "/", "status"], 4, "E404"),
    (["wait", "--timeout", "10ms", "--for", "stopped", "web"], 5, "E408"),
    (["init"], 7, "E409"),
    (["add", "web", "--", "true"], 7, "E409"),
    (["run", "web", "--", "sh", "-c", "exit 42"], 42, None),
    (["run", "web", "--", "/does/not/exist"], 127, "E500"),
    (["run", "web", "--", "/etc/passwd"], 126, "E500"),
    (["try", "sh", "-c", "exit 43"], 43, None),
])
def test_error_to_exit_status(project, line, status, code):
    project.up()
    result = project.attempt(*line)
    assert result.status == status, result
    said = re.findall(r"error\[(\w+)\]", result.err)
    assert said == ([code] if code else []), result
    if code:
        page = project.run("explain", code).out
        assert page.startswith(f"{code}: ")
        if status < 100 and code != "E500":
            assert f"Exit\nstatus {status}" in page or f"Exit status {status}" in page


def test_json_has_the_code_too(project):
    failed = project.attempt("status", "--json", "-C", "/")
    assert failed.json["error"]["id"] == "E404" and failed.json["error"]["code"] == "not_found"


def test_a_broken_file_has_codes_of_its_own(sandbox):
    project = sandbox.project("[services.web]\ncomand = 'true'\n")
    failed = project.fail("up", status=2)
    assert "error[C012]" in failed.err and "did you mean `command`?" in failed.err
    assert "error[E" not in failed.err


def test_every_code_has_a_page(project):
    codes = [line.split()[0] for line in project.run("explain").out.splitlines()]
    assert {"C012", "W003", "E404"} <= set(codes)
    for code in codes:
        assert len(project.run("explain", code).out.splitlines()) >= 3


def test_completions_know_the_new_commands(project):
    def offers(*words):
        lines = project.run("__complete", "--", *words).out.splitlines()
        return [line.split("\t")[0] for line in lines]

    assert {"init", "try", "add"} <= set(offers(""))
    assert "--from" in offers("init", "--f") and "--attach" in offers("up", "--a")
    assert offers("init", "--from", "") == [":files"]
    assert offers("try", "") == [":files"]
