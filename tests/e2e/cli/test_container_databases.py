"""redis and postgres as containers of Debian's packages: what a container service is for.

They run, are checked for health by what their images say, take data from the host's clients, keep it
in named volumes, are restarted, limited and stopped, and leave nothing, as an ordinary user.
"""

import shutil
import signal
import subprocess

import pytest

from support import images
from support.waiting import until

REDIS = {
    "Entrypoint": ["redis-server"],
    "Cmd": ["--save", "", "--appendonly", "yes", "--dir", "/var/lib/redis", "--protected-mode", "no"],
    "User": "redis",
    "WorkingDir": "/var/lib/redis",
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "Healthcheck": {"Test": ["CMD", "redis-cli", "ping"], "Interval": 1_000_000_000,
                    "Timeout": 20_000_000_000},
}
CLUSTER = "/var/lib/postgresql/15/main"
POSTGRES = {
    "Entrypoint": ["/usr/lib/postgresql/15/bin/postgres", "-D", CLUSTER],
    "Cmd": ["-c", "config_file=/etc/postgresql/15/main/postgresql.conf",
            "-c", "hba_file=/etc/trust", "-c", "ssl=off", "-c", "jit=off",
            "-c", "unix_socket_directories=/tmp"],
    "User": "postgres",
    "Env": ["PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin"],
    "StopSignal": "SIGINT",
    "Healthcheck": {"Test": ["CMD-SHELL", "pg_isready -q -h /tmp"], "Interval": 1_000_000_000,
                    "Timeout": 20_000_000_000, "StartPeriod": 60_000_000_000},
}
TRUST = "local all all trust\nhost all all 127.0.0.1/32 trust\n"

TOML = """
    [services.cache]
    type = "container"
    image = "debian-redis"
    container_port = 6379
    volumes = ["cache:/var/lib/redis"]

    [services.db]
    type = "container"
    image = "debian-postgres"
    container_port = 5432
    volumes = ["db:/var/lib/postgresql", "./trust:/etc/trust:ro"]
    limits = { memory = "512M", pids = 200 }
    depends_on = ["cache"]
"""


@pytest.fixture
def store(user_sandbox):
    """A sandbox with the two images, made of tars that are kept between runs."""
    for name, config in (("redis", REDIS), ("postgres", POSTGRES)):
        tar, reason = images.debian_tar(name)
        if not tar:
            pytest.skip(reason)
        archive = images.oci_archive(user_sandbox.root / f"{name}.tar", tar, config)
        user_sandbox.run("image", "import", str(archive), f"debian-{name}", timeout=100)
        archive.unlink()
    return user_sandbox


def client(*words):
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def redis(project, *words):
    return client("redis-cli", "-h", "127.0.0.1", "-p", str(project.service("cache")["port"]), *words)


def psql(project, text):
    return client("psql", "-h", "127.0.0.1", "-p", str(project.service("db")["port"]), "-U", "postgres",
                  "-Atqc", text, "postgres")


@pytest.mark.timeout(300)
def test_databases_of_debian(store):
    shop = store.project(TOML, name="databases")
    shop.write("trust", TRUST)
    shop.run("up", timeout=100)
    for service in shop.services().values():
        assert service["ready"] and service["mode"] == "container", service
        assert service["health"]["kind"] == "command", "the image's own check"

    assert redis(shop, "set", "colour", "green") == "OK"
    psql(shop, "create table colours (name text)")
    psql(shop, "insert into colours values ('green'), ('blue')")
    assert shop.service("db")["memory_bytes"] > 1 << 20
    for text in shop.service("db")["warnings"]:
        assert text.startswith("limits."), "a limit that cannot be set here is said, and no more"

    shop.run("restart", timeout=100)
    assert redis(shop, "get", "colour") == "green", "the volume has it"
    assert psql(shop, "select count(*) from colours") == "2"

    before = shop.service("db")["run"]
    killer = shop.attempt("exec", "db", "--", "sh", "-c",
                          f"kill -9 $(head -1 {CLUSTER}/postmaster.pid)")
    assert killer.status in (0, 128 + signal.SIGKILL), "it may go down with its container"
    until(lambda: shop.service("db")["run"] > before and shop.service("db")["ready"], timeout=60)
    assert psql(shop, "select count(*) from colours") == "2", "it recovered from the crash"

    shop.run("stop", timeout=60)
    for name in ("cache", "db"):
        last = shop.service(name)["last_exit"]
        assert (last["code"], last["killed"]) == (0, False), (name, last)
    assert "database system is shut down" in "\n".join(shop.log("db"))
    folder = store.root / "state/locald/containers"
    until(lambda: not list(folder.glob("databases-*/*")), what="the containers' folders are removed")
    volumes = [v["name"] for v in store.run("volume", "list", "--json").json["volumes"]]
    assert sorted(volumes) == ["cache", "db"]
    shop.run("volume", "rm", "cache", "db")
    assert store.run("volume", "list", "--json").json["volumes"] == []
