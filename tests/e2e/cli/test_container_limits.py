"""limits of container services: where cgroups can be had they hold, elsewhere it is said."""

import pathlib

import pytest

from support.waiting import until


@pytest.fixture(scope="module")
def missing(store):
    """Which limits cannot be set, as doctor says it."""
    checks = store.attempt("doctor", "--json").json["checks"]
    text = next(check["text"] for check in checks if check["id"] == "container.limits")
    return {name for name in ("cpu", "memory", "pids") if f"no {name}" in text}


def needs(missing, *names):
    for name in names:
        if name in missing:
            pytest.skip(f"no cgroup with `{name}` can be had here by this user")


def worker(command, limits, more=""):
    return f"""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", '''{command}''']
        limits = {limits}
        {more}
    """


def cgroup_file(project, controller, v1, v2):
    """A file of the container's cgroup, through a process of it."""
    project.run("exec", "job", "--", "true")  # it waits for the container
    pid = project.service("job")["pid"]
    inside = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
    for line in pathlib.Path(f"/proc/{inside}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return pathlib.Path(f"/sys/fs/cgroup/{controllers}{path}/{v1}").read_text().strip()
    unified = pathlib.Path(f"/proc/{inside}/cgroup").read_text().rsplit("0::", 1)[1].strip()
    return pathlib.Path(f"/sys/fs/cgroup{unified}/{v2}").read_text().strip()


def test_out_of_memory_is_named(store, missing):
    needs(missing, "memory")
    shop = store.project(worker("exec dd if=/dev/zero of=/dev/null bs=200M count=1",
                                '{ memory = "64M" }', 'restart = "no"'), name="oom")
    store.attempt("up", cwd=shop.folder)
    until(lambda: shop.service("job").get("last_exit"))
    service = shop.service("job")
    assert service["last_exit"]["code"] == 137, service
    assert service["detail"].startswith("killed: out of memory (limit 64 MiB) after"), service
    assert "out of memory" in shop.run("status").out
    shop.run("stop")


def test_a_kill_is_no_lack_of_memory(store, missing):
    needs(missing, "memory")
    shop = store.project(worker("kill -9 $$", '{ memory = "64M" }', 'restart = "no"'), name="killed")
    store.attempt("up", cwd=shop.folder)
    until(lambda: shop.service("job").get("last_exit"))
    assert shop.service("job")["last_exit"]["code"] == 137
    assert "memory" not in shop.service("job")["detail"]
    shop.run("stop")


def test_processes_are_counted(store, missing):
    needs(missing, "pids")
    shop = store.project(worker("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; wait",
                                "{ pids = 6 }", 'restart = "no"'), name="pids")
    store.attempt("up", cwd=shop.folder)
    until(lambda: "can't fork" in "".join(shop.log("job")))
    shop.run("stop")


def test_processors_are_shared(store, missing):
    needs(missing, "cpu", "memory")
    shop = store.project(worker("sleep 1000", '{ cpus = 0.5, memory = "1G" }'), name="cpus")
    shop.up()
    assert shop.service("job")["warnings"] == []
    assert cgroup_file(shop, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    assert cgroup_file(shop, "memory", "memory.limit_in_bytes", "memory.max") == str(1 << 30)
    shop.run("stop")


def test_what_cannot_be_limited_is_said(store, missing):
    if not missing:
        pytest.skip("every limit can be set here by this user")
    shop = store.project(worker("sleep 1000", '{ cpus = 1.5, memory = "64M", pids = 100 }'), name="without")
    told = shop.run("up").out
    assert shop.service("job")["ready"], "it runs all the same"
    warnings = shop.service("job")["warnings"]
    assert len(warnings) == len(missing), (warnings, missing)
    keys = {"cpu": "limits.cpus", "memory": "limits.memory", "pids": "limits.pids"}
    for name in missing:
        assert any(f"{keys[name]} is not applied" in text for text in warnings)
        assert f"{keys[name]} is not applied" in told and keys[name] in shop.run("status").out
    shop.run("stop")


def test_the_host_mode_has_none_yet(store):
    shop = store.project("""
        [services.job]
        type = "worker"
        command = "sleep 1000"
        limits = { memory = "64M" }
    """, name="onhost")
    result = shop.fail("up", status=2)
    assert "locald.toml:4:" in result.err and "not supported yet without a container" in result.err
