"""locald init: what it finds in folders as they are, and how it treats what is there already."""

import json
import os

import pytest

from support.pty import Terminal
from support.sandbox import Project


@pytest.fixture
def empty(sandbox):
    """A folder without anything."""
    return sandbox.project(None, "fresh")


def init(project, *arguments):
    result = project.run("init", *arguments)
    project.run("config", "check")
    return result


def written(project):
    return (project.folder / "locald.toml").read_text()


def test_three_sources_become_one_file(empty):
    empty.write("package.json", json.dumps({
        "scripts": {"dev": "vite"}, "devDependencies": {"vite": "6", "react": "19"},
    }))
    empty.write("Procfile", "worker: python3 worker.py\n")
    empty.write("docker-compose.yml", """
        services:
          db: {image: "postgres:16", ports: ["5432:5432"]}
          cache: {image: "redis:7"}
          web: {build: .}
    """)
    result = init(empty)
    assert "found Procfile (worker), package.json (vite), docker-compose.yml (db, cache)" in result.out
    assert "wrote locald.toml: worker, web, db, cache (from 3 sources; each line says which)" in result.out
    assert result.out.endswith("next  locald up\n")
    text = written(empty)
    assert '[services.web]  # package.json\ncommand = "npm run dev -- --port $PORT"' in text
    assert '[services.worker]  # Procfile:1\ntype = "worker"' in text
    assert 'image = "postgres:16"  # docker-compose.yml:2' in text


@pytest.mark.parametrize("files, service, command", [
    ({"package.json": '{"scripts": {"start": "node ."}}'}, "web", "npm run start"),
    ({"package.json": '{"scripts": {"dev": "next dev"}, "dependencies": {"next": "15"}}',
      "pnpm-lock.yaml": ""}, "web", "pnpm run dev"),
    ({"package.json": '{"scripts": {"dev": "tsc && vite"}, "dependencies": {"vite": "6"}}'},
     "web", "npm run dev"),
    ({"manage.py": "", "poetry.lock": ""}, "web",
     "poetry run python3 manage.py runserver 127.0.0.1:$PORT"),
    ({"requirements.txt": "flask==3\n", "app.py": "app = 1\n"}, "web",
     "flask --app app run --port $PORT"),
    ({"pyproject.toml": '[project]\ndependencies = ["fastapi"]\n', "main.py": "", "uv.lock": ""},
     "web", "uv run uvicorn main:app --port $PORT --reload"),
    ({"go.mod": "module x\n", "cmd/serve/main.go": 'os.Getenv("PORT")'}, "web",
     "go run ./cmd/serve"),
    ({"Cargo.toml": "[package]\n", "src/main.rs": "TcpListener::bind; fn listen"}, "web",
     "cargo run"),
    ({"Gemfile": "", "config.ru": ""}, "web", "bundle exec rackup -o 127.0.0.1 -p $PORT"),
    ({"Gemfile": "", "bin/rails": ""}, "web", "bin/rails server -b 127.0.0.1 -p $PORT"),
])
def test_a_project_of_one_language(empty, files, service, command):
    for name, text in files.items():
        empty.write(name, text)
    init(empty)
    shown = empty.run("config", "show", "--json").json
    assert shown["services"][service]["command"] == command
    assert shown["services"][service]["type"] == "exec"


def test_a_program_without_a_port_is_a_worker(empty):
    empty.write("go.mod", "module x\n")
    empty.write("main.go", "package main\n")
    init(empty)
    assert empty.run("config", "show", "--json").json["services"]["web"]["type"] == "worker"


def test_a_file_is_replaced_only_when_told_to(empty):
    empty.write("locald.toml", "# mine\n")
    empty.write("Procfile", "web: true\n")
    refused = empty.fail("init", status=7)
    assert "there is a locald.toml already" in refused.err and "--force" in refused.err
    assert written(empty) == "# mine\n"
    shown = empty.run("init", "--print")
    assert 'command = "true"' in shown.out and written(empty) == "# mine\n"
    init(empty, "--force")
    assert 'command = "true"' in written(empty)
    assert not [name for name in os.listdir(empty.folder) if name.startswith("locald.toml.")]


def test_nothing_is_asked_where_nobody_can_answer(empty):
    refused = empty.fail("init", status=4)
    assert "nothing in" in refused.err and "locald add web -- COMMAND" in refused.err
    assert not (empty.folder / "locald.toml").exists()


def test_the_one_question(empty):
    with Terminal(empty, "init") as terminal:
        terminal.expect("Which command starts the project?")
        terminal.type("python3 -m http.server $PORT\r")
        terminal.expect("next  locald up")
        assert terminal.wait() == 0
    assert 'command = "python3 -m http.server $PORT"' in written(empty)
    (empty.folder / "locald.toml").unlink()
    for option in ("-y", "--no-input"):
        with Terminal(empty, "init", option) as terminal:
            terminal.expect("nothing in")
            assert terminal.wait() == 4


def test_broken_sources_are_shown_with_their_place(empty):
    empty.write("Procfile", "web: true\nbroken\n")
    assert "Procfile:2:1" in empty.fail("init", status=2).err
    empty.write("Procfile", "web: true\n")
    empty.write("compose.yaml", "services:\n  a: [\n")
    failed = empty.fail("init", status=2)
    assert "error[C046]" in failed.err and "compose.yaml:3:1" in failed.err
    assert "nothing was written" in failed.err
    assert not (empty.folder / "locald.toml").exists()


def test_a_source_elsewhere_is_read_for_this_folder(sandbox, empty):
    other = Project(sandbox, sandbox.root / "other")
    other.write("Procfile.dev", "web: exec python3 -m http.server $PORT\n")
    init(empty, "--from", str(other.folder / "Procfile.dev"))
    assert f"# {other.folder}/Procfile.dev:1" in written(empty)
    missing = empty.fail("init", "--force", "--from", "compose.yaml", status=4)
    assert "no file compose.yaml" in missing.err


def test_json_says_what_was_done(empty):
    empty.write("compose.yaml", """
        services:
          db: {image: "redis:7", privileged: true}
    """)
    done = empty.run("init", "--json").json
    assert done["schema"] == 1 and done["services"] == ["db"]
    assert done["path"] == str(empty.folder / "locald.toml")
    [left_out] = done["left_out"]
    assert left_out["id"] == "W003" and "services.db.privileged" in left_out["text"]
    assert left_out["places"][0]["line"] == 2
