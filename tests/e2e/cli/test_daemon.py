"""The daemon's own life: it starts once, may die at any moment, and leaves nothing behind."""

import contextlib
import json
import os
import stat

from support import web as http
from support.waiting import until

from .conftest import ONE_SERVICE, with_app


def test_services_outlive_a_killed_daemon_and_are_found_again(chain):
    chain.up()
    before = chain.services()
    chain.sandbox.kill_daemon()
    for service in before.values():
        assert http.get(f"http://127.0.0.1:{service['port']}", "/").status == 200
    chain.up()
    after = chain.services()
    for name, service in before.items():
        assert (after[name]["pid"], after[name]["run"]) == (service["pid"], service["run"])
        assert after[name]["ready"]


def test_status_after_a_killed_daemon_finds_the_services(web):
    web.up()
    before = web.service("web")
    web.sandbox.kill_daemon()
    after = web.service("web")
    assert after["pid"] == before["pid"] and after["state"] == "running"


def test_what_a_service_says_while_there_is_no_daemon_is_kept(sandbox):
    project = sandbox.project("""
        [services.clock]
        type = "worker"
        command = ["sh", "-c", "while read line; do echo got $line; done < fifo"]
    """)
    os.mkfifo(project.folder / "fifo")
    project.up()
    writer = os.open(project.folder / "fifo", os.O_WRONLY)
    os.write(writer, b"before\n")
    sandbox.kill_daemon()
    os.write(writer, b"between\n")
    sandbox.run("server", "start")
    os.write(writer, b"after\n")
    viewer = project.popen("logs", "-f", "clock")
    seen = b""
    while b"got after" not in seen:
        seen += os.read(viewer.stdout.fileno(), 4096)
    assert seen.index(b"got before") < seen.index(b"got between") < seen.index(b"got after")
    viewer.terminate()
    sandbox.finish(viewer)
    os.close(writer)


def test_a_service_that_ended_while_there_was_no_daemon(web):
    web.write("locald.toml", """
        [services.web]
        command = "python3 app.py"
        restart = "no"
    """)
    web.up()
    service = web.service("web")
    web.sandbox.kill_daemon()
    with contextlib.suppress(OSError):
        http.get(f"http://127.0.0.1:{service['port']}", "/crash")
    # Its keeper may not have heard of its end when the next daemon asks.
    until(lambda: web.service("web")["state"] in ("exited", "crashed"))
    assert web.service("web")["last_exit"]["code"] == 3


def test_the_proxy_is_back_after_a_killed_daemon(web):
    web.up()
    web.sandbox.kill_daemon()
    service = web.service("web")
    assert http.get(service["url"], "/x").status == 200


def test_shutdown_leaves_services_running(web):
    web.up()
    service = web.service("web")
    web.sandbox.run("server", "shutdown")
    assert web.sandbox.attempt("server", "status").status != 0
    assert http.get(f"http://127.0.0.1:{service['port']}", "/").status == 200
    assert web.service("web")["pid"] == service["pid"]


def test_shutdown_with_services_leaves_nothing(chain):
    chain.up()
    chain.sandbox.run("server", "shutdown", "--services")
    assert chain.sandbox.leaks() == []


def test_stop_and_shutdown_leave_nothing(chain):
    chain.up()
    chain.run("stop")
    chain.sandbox.run("server", "shutdown")
    assert chain.sandbox.leaks() == []


def test_server_start_is_idempotent(sandbox):
    sandbox.run("server", "start")
    pid = sandbox.daemon_pid()
    sandbox.run("server", "start")
    assert sandbox.daemon_pid() == pid


def test_shutdown_without_a_daemon_is_no_failure_of_anything(sandbox):
    assert sandbox.attempt("server", "shutdown").status in (0, 3)


def test_everything_private_is_private(web):
    web.up()
    for name in ("run", "state"):
        for folder, folders, files in os.walk(web.sandbox.root / name / "locald"):
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
            for path in (os.path.join(folder, file) for file in files):
                with contextlib.suppress(FileNotFoundError):  # one that is written anew has two names
                    assert stat.S_IMODE(os.lstat(path).st_mode) & 0o077 == 0, path


def test_a_readable_run_folder_is_refused(sandbox):
    folder = sandbox.root / "run/locald"
    folder.mkdir()
    folder.chmod(0o777)
    sandbox.own(folder)
    result = sandbox.attempt("server", "start")
    assert result.status != 0 and str(folder) in result.err, str(result)
    folder.chmod(0o700)


def test_a_shell_with_another_run_folder_is_told_where_the_daemon_is(web):
    web.up()
    daemon, sandbox = web.status()["daemon"], web.sandbox
    other = sandbox.root / "other-run"
    other.mkdir(mode=0o700)
    sandbox.own(other)
    result = web.fail("up", status=3, env={"XDG_RUNTIME_DIR": str(other)})
    assert f"is process {daemon['pid']}; it serves {sandbox.root}/run/locald, and not {other}/locald" in result.err
    assert f"kill {daemon['pid']}" in result.err and "XDG_RUNTIME_DIR" in result.err
    assert web.status()["daemon"]["pid"] == daemon["pid"]


def test_named_sandboxes_do_not_meet(sandbox):
    project = with_app(sandbox.project(ONE_SERVICE))
    plain = {k: v for k, v in sandbox.environment.items() if not k.startswith("XDG_")}

    def run(name, *arguments):
        command = sandbox.popen(cwd=project.folder, argv=[
            "env", "-i", *[f"{k}={v}" for k, v in plain.items()],
            sandbox.binary, "--sandbox", name, *arguments])
        result = sandbox.finish(command)
        assert result.status == 0, str(result)
        return result

    run("one", "up")
    run("two", "up")
    pids = []
    for name in ("one", "two"):
        status = run(name, "status", "--json").json
        pids.append(status["services"][0]["pid"])
        assert (sandbox.home / f".local/state/locald/sandbox/{name}").is_dir()
    assert pids[0] != pids[1]
    for name in ("one", "two"):
        run(name, "server", "shutdown", "--services")


def test_status_json_names_its_schema(web):
    web.up()
    status = web.run("status", "--json").json
    assert status["schema"] == 1
    assert json.dumps(status)
    assert status["daemon"]["pid"] == web.sandbox.daemon_pid()


def test_only_jobs_have_the_libraries_of_images(web):
    """Forty libraries come with them: each command and each daemon would wait for those."""
    web.up()
    with open(f"/proc/{web.sandbox.daemon_pid()}/maps", encoding="utf-8") as file:
        mapped = {os.path.basename(line.split()[-1]).split(".")[0] for line in file}
    assert "libcrypto" in mapped
    assert not mapped & {"libcurl", "libarchive"}
