"""What a container service has of its image and of its configuration: health, terminal, stopping."""

import pathlib

import pytest

from support import images
from support.waiting import until, watches_files

SERVE = 'exec httpd -f -p "${HOST:-0.0.0.0}:$PORT" -h /srv/www'
CHECK = {
    "Healthcheck": {
        "Test": ["CMD-SHELL", "echo look >> /tmp/looks; test -e /tmp/healthy"],
        "Interval": 200_000_000, "Timeout": 5_000_000_000, "Retries": 2,
        "StartPeriod": 60_000_000_000,
    },
    "StopSignal": "SIGUSR1",
}


@pytest.fixture(scope="module")
def store(shared_sandbox, build):
    """A sandbox with the images `base`, and `checked`, which has a HEALTHCHECK and a STOPSIGNAL."""
    root = shared_sandbox.root
    tar = images.busybox_tar(root / "base.tar", extra={"teller": build / "tests/support/svc"})
    shared_sandbox.run("image", "import", str(tar), "base")
    archive = images.oci_archive(root / "checked.tar", tar, {"Cmd": ["sh"], **CHECK})
    shared_sandbox.run("image", "import", str(archive), "checked")
    return shared_sandbox


def named(request, store):
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:36].strip("-")
    return f"{name}-{store.account.uid}"


@pytest.fixture
def project(store, request):
    made = []

    def make(toml):
        made.append(store.project(toml, name=named(request, store)))
        return made[0]

    yield make
    for project in made:
        project.run("stop")


def test_the_healthcheck_of_the_image_is_its_health(project):
    shop = project("""
        [services.job]
        type = "worker"
        image = "checked"
        command = ["sh", "-c", "trap 'echo usr1; exit 0' USR1; echo trapped; while :; do sleep 0.05; done"]
    """)
    process = shop.popen("up")
    until(lambda: "exited with code 1" in (shop.services().get("job", {}).get("detail") or ""))
    service = shop.service("job")
    assert not service["ready"], service
    assert service["health"]["kind"] == "command"
    shop.run("exec", "job", "--", "touch", "/tmp/healthy")
    assert shop.sandbox.finish(process).status == 0
    assert shop.service("job")["ready"]
    assert int(shop.run("exec", "job", "--", "sh", "-c", "wc -l < /tmp/looks").out) >= 2
    shop.run("exec", "job", "--", "rm", "/tmp/healthy")
    until(lambda: shop.service("job")["state"] == "unhealthy")
    shop.run("exec", "job", "--", "touch", "/tmp/healthy")
    until(lambda: shop.service("job")["ready"])
    until(lambda: "trapped" in shop.log("job"))
    shop.run("stop")
    assert "usr1" in shop.log("job"), "the image's STOPSIGNAL ended it"


def test_the_configuration_comes_before_the_image(project):
    shop = project(f"""
        [services.web]
        image = "checked"
        command = '{SERVE}'
        health_check = {{ type = "http", path = "/" }}
        stop_signal = "SIGTERM"
    """)
    shop.up()
    assert shop.service("web")["health"]["kind"] == "http" and shop.service("web")["ready"]


def test_a_health_command_runs_inside(project):
    shop = project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", "echo mine > /tmp/inside; exec sleep 1000"]
        health_check = 'test "$(cat /tmp/inside)" = mine -a "$LOCALD_SERVICE" = job'
    """)
    shop.up()
    assert shop.service("job")["ready"]


def test_a_stop_command_runs_inside(project):
    shop = project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", "trap '' TERM; echo up; while ! test -e /tmp/stop; do sleep 0.05; done; echo bye"]
        stop_command = "touch /tmp/stop"
        stop_timeout = "60s"
    """)
    shop.up()
    until(lambda: shop.log("job") == ["up"])
    shop.run("stop")
    last = shop.service("job")["last_exit"]
    assert last["code"] == 0 and not last["killed"], last
    assert shop.log("job")[-1] == "bye"


def test_what_ignores_the_signal_is_killed(project):
    shop = project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1000; done"]
        stop_timeout = "1s"
    """)
    shop.up()
    until(lambda: shop.log("job") == ["up"])
    shop.run("stop")
    last = shop.service("job")["last_exit"]
    assert last["killed"] and shop.service("job")["state"] == "stopped", last


def test_sd_notify_reaches_out_of_the_container(project):
    shop = project("""
        [services.job]
        type = "worker"
        image = "base"
        user = "app"
        command = ["sh", "-c", "until test -e /tmp/go; do sleep 0.05; done; teller notify 'READY=1\\nSTATUS=at work'; exec sleep 1000"]
        health_check = { type = "notify" }
    """)
    process = shop.popen("up")
    until(lambda: "job" in shop.services() and shop.service("job")["state"] == "running")
    assert not shop.service("job")["ready"]
    shop.run("exec", "job", "--", "touch", "/tmp/go")
    assert shop.sandbox.finish(process).status == 0
    assert shop.service("job")["ready"]


def test_a_terminal_in_a_container(project):
    shop = project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", "test -t 1 && tty && echo $TERM; exec sleep 1000"]
        tty = true
    """)
    shop.up()
    until(lambda: "xterm-256color" in "".join(shop.log("job")))
    assert "/dev/pts/0" in "".join(shop.log("job"))


def folders(project):
    top = project.sandbox.root / "state/locald/containers"
    return sorted(path.name for path in top.glob(f"{project.folder.name}-????????/*"))


def test_a_stopped_container_leaves_no_folder(project):
    shop = project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sleep", "1000"]

        [services.once]
        type = "worker"
        image = "base"
        command = ["true"]
        oneshot = true
    """)
    shop.up()
    until(lambda: folders(shop) == ["job"])
    shop.run("restart", "job")
    assert folders(shop) == ["job"] and shop.service("job")["state"] == "running"
    shop.run("stop")
    until(lambda: not folders(shop))
    shop.up()
    assert shop.service("job")["state"] == "running"


def test_a_command_waits_for_a_container_that_is_being_made(testing_sandbox, tmp_path):
    """A worker is ready when its process runs, and that is the runtime at first."""
    gate = tmp_path / "gate"
    runtime = pathlib.Path(testing_sandbox.environment["LOCALD_LIBEXEC"]) / "locald-shim"
    program = runtime.readlink()
    runtime.unlink()
    runtime.write_text('#!/bin/sh\ncase " $* " in *" run --init "*)\n'
                       f"    until [ -e {gate} ]; do sleep 0.05; done\nesac\nexec {program} \"$@\"\n")
    runtime.chmod(0o755)
    tar = images.busybox_tar(testing_sandbox.root / "base.tar")
    testing_sandbox.run("image", "import", str(tar), "base")
    shop = testing_sandbox.project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sleep", "1000"]
    """)
    shop.up()
    process = shop.popen("exec", "job", "--", "echo", "inside")
    until(lambda: process.poll() is not None or watches_files(process.pid), what="exec waits")
    gate.touch()
    result = testing_sandbox.finish(process)
    assert (result.status, result.out) == (0, "inside\n"), str(result)
