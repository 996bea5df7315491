"""Container execution: import, pull, build, run, flip; as the caller and as an ordinary user."""

import os

import pytest

from support import audit, builders, web as http
from support.waiting import until

SERVE = 'exec httpd -f -p "${HOST:-0.0.0.0}:$PORT" -h /srv/www'
DETECT = """
    #!/bin/sh
    [ -f index.html ] || exit 100
"""
BUILD = """
    #!/bin/sh
    set -e
    if [ -f fail ]; then
        echo "the reason why it fails" >&2
        exit 7
    fi
    echo "pages: building"
    mkdir -p "$1/pages/www/cgi-bin" "$1/pages/env.launch"
    printf 'by the buildpack' > "$1/pages/env.launch/MADE.override"
    cp index.html "$1/pages/www/"
    cp /srv/www/cgi-bin/whoami "$1/pages/www/cgi-bin/"
    printf '[types]\\nlaunch = true\\ncache = true\\n' > "$1/pages.toml"
    cat > "$1/launch.toml" <<'END'
    [[processes]]
    type = "web"
    command = ["sh", "-c", 'exec httpd -f -p "${HOST:-0.0.0.0}:$PORT" -h /layers/test_pages/pages/www']
    default = true
    END
"""


@pytest.fixture(scope="module")
def store(shared_sandbox, store):
    """A sandbox whose store has the image `base` and the builder `pages`."""
    builders.create(store, "pages", BUILD.replace("\n    ", "\n"), DETECT)
    return store


def image_project(store, name, extra=""):
    return store.project(f"""
        [services.web]
        image = "base"
        command = '{SERVE}'
        {extra}
    """, name=name)


def build_project(store, name):
    project = store.project("""
        [services.web]
        build = { builder = "pages" }
    """, name=name)
    project.write("index.html", "built page\n")
    return project


def whoami(service):
    answer = http.get(service["url"], "/cgi-bin/whoami")
    assert answer.status == 200, answer.text
    return dict(line.split("=", 1) for line in answer.text.splitlines())


def test_what_was_imported_is_listed(store):
    names = {image["name"] for image in store.run("image", "list", "--json").json["images"]}
    assert any(name.endswith("base") or "base:" in name for name in names), names
    builders = {b["name"] for b in store.run("builder", "list", "--json").json["builders"]}
    assert any("pages" in name for name in builders), builders


def test_an_image_runs_behind_its_url(store):
    project = image_project(store, "plain")
    project.up()
    service = project.service("web")
    assert service["mode"] == "container" and service["ready"]
    assert http.get(service["url"], "/").text == "hello from a container\n"
    project.run("stop")


def test_the_container_is_one(store):
    project = image_project(store, "isolated")
    project.up()
    seen = whoami(project.service("web"))
    assert seen["root"] == "overlay"
    assert seen["port"] == str(project.service("web")["port"]) or seen["port"]
    assert seen["service"] == "web"
    assert seen["nnp"] == "1"
    assert "systemd" not in seen["init"]
    host_uids = [int(line.split()[1]) for line in seen["uid_map"].split(";") if line]
    assert 0 not in host_uids, f"root of the host is mapped: {seen['uid_map']}"
    with open("/proc/sys/kernel/hostname", encoding="utf-8") as name:
        assert seen["hostname"] != name.read().strip()
    project.run("stop")


def test_files_that_a_container_writes_are_gone_with_its_image_untouched(store):
    project = store.project(f"""
        [services.web]
        image = "base"
        command = 'echo changed > /srv/www/index.html; {SERVE}'
    """, name="writes")
    project.up()
    assert http.get(project.service("web")["url"], "/").text == "changed\n"
    project.run("stop")
    other = image_project(store, "reads")
    other.up()
    assert http.get(other.service("web")["url"], "/").text == "hello from a container\n"
    other.run("stop")


def test_build_and_run(store):
    project = build_project(store, "built")
    project.run("up", timeout=100)
    service = project.service("web")
    assert service["mode"] == "container"
    assert http.get(service["url"], "/").text == "built page\n"
    seen = whoami(service)
    assert seen["root"] == "overlay" and seen["uid"] != "0"
    project.run("stop")


def test_the_second_unchanged_build_does_nothing(store):
    project = build_project(store, "twice")
    first = project.run("build", "--json", timeout=100).out
    assert "pages: building" in first
    second = project.run("build", "--json", timeout=100).out
    assert "pages: building" not in second, second


def test_an_edit_is_built(store):
    project = build_project(store, "edited")
    project.run("up", timeout=100)
    project.write("index.html", "second edition\n")
    project.run("up", timeout=100)
    assert http.get(project.service("web")["url"], "/").text == "second edition\n"
    project.run("stop")


def test_commands_inside_have_the_environment_of_the_buildpacks(store):
    project = build_project(store, "inside")
    project.up("--container", "web")
    for verb in ("exec", "run"):
        assert project.run(verb, "web", "--", "sh", "-c", 'echo "$MADE"; exit 0').out == "by the buildpack\n", verb
    assert project.run("exec", "--shell", "web", "echo $MADE | wc -w").out.split() == ["3"]
    image = next(each["name"] for each in project.run("image", "list", "--json").json["images"] if "inside" in each["name"])
    name = project.run("container", "run", "-d", "-e", "PORT=80", image).out.strip()
    assert project.run("container", "exec", name, "--", "sh", "-c", "echo $MADE").out == "by the buildpack\n"
    project.run("container", "rm", "-f", name)
    project.run("stop")


def test_a_failing_buildpack(store):
    project = build_project(store, "failing")
    project.write("fail", "\n")
    result = project.fail("up", status=1, timeout=100)
    assert "the reason why it fails" in result.err + result.out, str(result)
    assert "test/pages" in result.err or "buildpack" in result.err, str(result)
    services = project.services()
    assert not services or not services["web"].get("pid")
    names = {image["name"] for image in store.run("image", "list", "--json").json["images"]}
    assert not any("failing" in name for name in names), names


def test_a_failing_build_keeps_what_ran(store):
    project = build_project(store, "keeps")
    project.run("up", timeout=100)
    before = project.service("web")
    project.write("fail", "\n")
    project.fail("up", status=1, timeout=100)
    after = project.service("web")
    assert (after["pid"], after["state"]) == (before["pid"], "running")
    project.run("stop")


def test_no_buildpack_detects(store):
    project = build_project(store, "undetected")
    (project.folder / "index.html").unlink()
    result = project.fail("build", status=1, timeout=100)
    assert "detect" in result.err, str(result)


EITHER = (
    'if [ -x /bin/httpd ]; then exec httpd -f -p "$HOST:$PORT" -h /layers/test_pages/pages/www; '
    "else exec python3 -m http.server --bind $HOST $PORT; fi"
)


def test_a_service_is_flipped_for_one_run(store):
    project = store.project(f"""
        [services.web]
        command = ["sh", "-c", '''{EITHER}''']
        mode = "host"
        build = {{ builder = "pages" }}
    """, name="flipped")
    project.write("index.html", "either way\n")
    project.up()
    on_host = project.service("web")
    assert on_host["mode"] == "host"
    assert http.get(on_host["url"], "/").text == "either way\n"

    project.run("up", "--container", "web", timeout=100)
    in_container = project.service("web")
    assert in_container["mode"] == "container"
    assert (in_container["url"], in_container["port"]) == (on_host["url"], on_host["port"])
    assert whoami(in_container)["root"] == "overlay"
    assert http.get(in_container["url"], "/").text == "either way\n"

    project.up()
    assert project.service("web")["mode"] == "host"
    assert http.get(on_host["url"], "/").text == "either way\n"
    project.run("stop")


def test_container_logs(store):
    project = store.project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", "echo out; echo err >&2; exec sleep 1000"]
    """, name="logging")
    project.up()
    until(lambda: sorted(project.log("job")) == ["err", "out"])
    project.run("stop")


def test_a_stopped_container_leaves_nothing(store):
    numbers = [str(os.getpid() * 10 + n) for n in (1, 2)]  # of this run alone: it may have one beside it
    project = store.project(f"""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", "(sleep {numbers[0]} &) ; sleep {numbers[1]} & echo up; wait"]
    """, name="leftovers")
    project.up()
    until(lambda: project.log("job") == ["up"])
    sleepers = [f"sleep {number}" for number in numbers]
    until(lambda: audit.commands(sleepers) == sleepers, what="the sleepers sleep")
    project.run("stop")
    assert not audit.commands(sleepers)


def test_the_exit_code_of_a_container(store):
    project = store.project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", "echo last words; exit 42"]
        restart = "no"
    """, name="exits")
    store.attempt("up", cwd=project.folder)
    until(lambda: project.service("job").get("last_exit"))
    assert project.service("job")["last_exit"]["code"] == 42


def test_containers_outlive_a_killed_daemon(store):
    project = image_project(store, "outlives")
    project.up()
    before = project.service("web")
    store.kill_daemon()
    assert project.service("web")["pid"] == before["pid"]
    assert http.get(project.service("web")["url"], "/").status == 200
    project.run("stop")


def test_pull_and_run(store, registry):
    tar = (store.root / "base.tar").read_bytes()
    reference = registry.push("tests/base", "1", tar)
    store.run("image", "pull", reference)
    project = store.project(f"""
        [services.web]
        image = "{reference}"
        command = '{SERVE}'
    """, name="pulled")
    project.up()
    assert http.get(project.service("web")["url"], "/").text == "hello from a container\n"
    project.run("stop")


def test_pull_of_what_is_not_there(store, registry):
    result = store.attempt("image", "pull", f"{registry.host}/tests/nothing:9")
    assert result.status in (1, 4) and "tests/nothing" in result.err, str(result)


def test_a_pulled_layer_is_verified(store, registry):
    reference = registry.push("tests/forged", "1", b"\0" * 10240, claim=b"something else")
    result = store.attempt("image", "pull", reference)
    assert result.status == 1, str(result)
    names = {image["name"] for image in store.run("image", "list", "--json").json["images"]}
    assert not any("forged" in name for name in names)


def test_remove_an_image(store):
    tar = store.root / "base.tar"
    store.run("image", "import", str(tar), "short-lived")
    store.run("image", "rm", "short-lived")
    names = {image["name"] for image in store.run("image", "list", "--json").json["images"]}
    assert not any("short-lived" in name for name in names)


def test_what_a_service_may_not_call(store):
    """New namespaces, mounts and keyrings are refused; the filter and no_new_privs are on."""
    project = store.project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", '''
            unshare -U true 2>&1 || echo no namespace
            mount -t tmpfs none /tmp 2>&1 || echo no mount
            grep -E "^(Seccomp|NoNewPrivs|CapEff):" /proc/self/status
            echo end
            sleep 1000
        ''']
    """, name="filtered")
    project.up()
    until(lambda: "end" in project.log("job"))
    log = project.log("job")
    assert "no namespace" in log and "no mount" in log
    assert "Seccomp:\t2" in log and "NoNewPrivs:\t1" in log
    project.run("stop")
