"""type = "postgres" and "redis": real servers, made and run by locald."""

import os
import pathlib
import shutil
import socket
import stat

import pytest

POSTGRES = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))

needs_postgres = pytest.mark.skipif(not POSTGRES, reason="postgresql is not installed")
needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server")


@pytest.fixture
def postgres(user_sandbox):
    return user_sandbox.project(f"""
        [services.db]
        type = "postgres"
        version = "{POSTGRES[-1].parts[-3]}"

        [services.query]
        type = "worker"
        oneshot = true
        command = "psql -X -A -t -f query.sql \\"$DATABASE_URL\\""
        depends_on = ["db"]
        env = {{ DATABASE_URL = "${{services.db.url}}", DB_USER = "${{services.db.user}}" }}
    """)


@needs_postgres
def test_postgres_is_made_once_and_keeps_its_data(postgres):
    postgres.write("query.sql", "create table t (n int); insert into t values (41), (42);")
    postgres.up()
    db = postgres.service("db")
    assert db["ready"] and db["health"]["kind"] == "command" and db["url"] is None
    assert "INSERT 0 2" in postgres.log("query")
    data = next((postgres.sandbox.root / "data/locald/services").glob("*/db"))
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", db["port"]), 5)
    postgres.run("stop")
    made = (data / "PG_VERSION").stat().st_mtime_ns
    postgres.write("query.sql", "select sum(n) from t")
    postgres.up()
    assert "83" in postgres.log("query")
    assert (data / "PG_VERSION").stat().st_mtime_ns == made


@needs_postgres
def test_reset_deletes_the_data_and_asks_first(postgres):
    postgres.write("query.sql", "create table t (n int)")
    postgres.up()
    data = next((postgres.sandbox.root / "data/locald/services").glob("*/db"))
    refused = postgres.fail("service", "reset", "db", status=2)
    assert "--yes" in refused.err and data.exists()
    assert "deleted the data of db" in postgres.run("service", "reset", "db", "--yes").out
    assert not data.exists() and list(data.parent.iterdir()) == []
    assert postgres.service("db")["state"] == "stopped"
    postgres.up()
    postgres.run("restart", "query")  # there is no table t: it can be made again
    assert postgres.log("query").count("CREATE TABLE") == 2


@needs_postgres
def test_data_of_another_version_is_not_touched(postgres):
    postgres.write("query.sql", "select 1")
    postgres.up("db")
    data = next((postgres.sandbox.root / "data/locald/services").glob("*/db"))
    postgres.run("stop")
    (data / "PG_VERSION").write_text("9\n")
    failed = postgres.fail("up", "db", status=1)
    assert "the data was made by version 9" in failed.err, str(failed)


def test_a_version_that_is_not_installed_names_the_package(user_sandbox):
    project = user_sandbox.project("""
        [services.db]
        type = "postgres"
        version = "99"
    """)
    failed = project.fail("up", status=2)
    assert "postgresql-99" in failed.err and "locald.toml:2:8" in failed.err, str(failed)


@pytest.mark.skipif(os.getuid() != 0, reason="root only")
def test_postgres_does_not_run_as_root(sandbox):
    project = sandbox.project("""
        [services.db]
        type = "postgres"
    """)
    failed = project.fail("up", status=2)
    assert "refuses to run as root" in failed.err and "ordinary user" in failed.err


def redis(port, *words):
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall((" ".join(words) + "\r\n").encode())
        return connection.makefile("rb").readline().decode().strip()


@needs_redis
def test_redis_keeps_its_data(sandbox):
    project = sandbox.project("""
        [services.cache]
        type = "redis"

        [services.shown]
        type = "worker"
        oneshot = true
        command = "echo $REDIS_URL"
        env = { REDIS_URL = "${services.cache.url}" }
    """)
    project.up()
    port = project.service("cache")["port"]
    assert f"redis://127.0.0.1:{port}" in project.log("shown")
    assert redis(port, "SET", "key", "value") == "+OK"
    project.run("stop")
    project.up()
    assert redis(port, "GET", "key") == "$5"
    project.run("service", "reset", "cache", "-y")
    project.up()
    assert redis(port, "GET", "key") == "$-1"


def test_only_a_database_has_data_to_reset(sandbox):
    project = sandbox.project("""
        [services.web]
        type = "worker"
        command = "exec sleep 1000"
    """)
    assert "no database" in project.fail("service", "reset", "web", "-y", status=2).err
    assert "did you mean" in project.fail("service", "reset", "wep", "-y", status=4).err
