"""Volumes of container services: folders of the project, and named ones that locald keeps."""

import itertools
import os

import pytest

from support.waiting import until


NUMBERS = itertools.count(1)


@pytest.fixture
def project(store, request):
    made = []

    def make(toml, files=()):
        name = request.node.originalname.removeprefix("test_").replace("_", "-")[:36].strip("-")
        project = store.project(None, name=f"{name}-{next(NUMBERS)}")
        made.append(project)
        for file, text in files:
            project.write(file, text)
        project.write("locald.toml", toml)
        return project

    yield make
    for project in made:
        project.run("stop")


def worker(volumes, command="sleep 1000", more=""):
    return f"""
        [services.job]
        type = "worker"
        image = "base"
        command = ["sh", "-c", '''{command}''']
        volumes = {volumes}
        {more}
    """


def inside(project, script, service="job"):
    return project.run("exec", service, "--", "sh", "-c", script).out.strip()


def test_a_folder_and_a_file_of_the_project(project):
    shop = project(worker('["./data:/srv/data", "./motd:/etc/motd:ro"]'),
                   [("data/greeting", "hello\n"), ("motd", "welcome\n")])
    (shop.folder / "data").chmod(0o700)
    (shop.folder / "motd").chmod(0o600)
    shop.up()
    if any("cannot be mapped" in text for text in shop.service("job")["warnings"]):
        pytest.skip("this file system has no id-mapped mounts, and root of the host is nobody inside")
    assert inside(shop, "cat /srv/data/greeting /etc/motd") == "hello\nwelcome"
    inside(shop, "echo more > /srv/data/written")
    written = shop.folder / "data/written"
    assert written.read_text() == "more\n"
    # Root inside is the caller outside, and the other way round.
    assert (written.stat().st_uid, written.stat().st_gid) == (shop.sandbox.account.uid, shop.sandbox.account.gid)
    assert inside(shop, "stat -c %u:%g /srv/data /srv/data/greeting /srv/data/written /etc/motd").split() == ["0:0"] * 4
    assert "ead-only" in inside(shop, "echo x 2>&1 > /etc/motd || true; touch /etc/motd 2>&1 || true")


def test_others_of_the_container_are_no_users_of_the_host(project):
    """Only the caller's own id is given away: 1000 inside is a subordinate id outside."""
    if os.getuid() != 0:
        pytest.skip("only root gives files to others")
    shop = project(worker('["./data:/data"]'), [("data/x", "")])
    (shop.folder / "data").chmod(0o777)
    os.chown(shop.folder / "data/x", 54321, 54321)
    shop.up()
    inside(shop, "touch /data/y && chown 1000:1000 /data/y")
    there = (shop.folder / "data/y").stat()
    assert there.st_uid > 65535 and there.st_gid > 65535, there
    assert inside(shop, "stat -c %u:%g /data/y") == "1000:1000"
    assert inside(shop, "stat -c %u:%g /data/x") == "65534:65534"


def test_what_cannot_be_mapped_is_told(project):
    """sysfs has no id-mapped mounts."""
    shop = project(worker('["/sys/kernel:/kernel", "/sys/fs:/fs:ro", "./data:/data"]'), [("data/x", "")])
    if shop.sandbox.account.uid != 0:
        pytest.skip("only root's folders are mapped")
    shop.up()
    warnings = shop.service("job")["warnings"]
    assert len(warnings) == 1 and "/sys/kernel" in warnings[0], warnings
    assert "and cannot be mapped: its file system, or one that is mounted below, cannot" in warnings[0]
    assert inside(shop, "stat -c %u /kernel /fs /data").split() == ["65534", "65534", "0"]


def test_a_folder_that_the_user_inside_cannot_write_is_told(project):
    shop = project(worker('["./data:/data", "./open:/open", "./seen:/seen:ro"]', more='user = "app"'),
                   [("data/x", ""), ("open/x", ""), ("seen/x", "")])
    (shop.folder / "open").chmod(0o777)
    told = shop.run("up").out
    warnings = shop.service("job")["warnings"]
    assert len(warnings) == 1 and "/data" in warnings[0] and "named volume" in warnings[0], warnings
    assert "user 1000 of the container cannot write" in told, told
    assert "denied" in inside(shop, "touch /data/y 2>&1; touch /open/y")
    shop.sandbox.kill_daemon()
    assert shop.service("job")["warnings"] == warnings
    shop.write("locald.toml", worker('["./open:/open"]', more='user = "app"'))
    shop.up()
    assert shop.service("job")["warnings"] == []


def test_a_read_only_folder(project):
    shop = project(worker('["./data:/data:ro"]'), [("data/x", "")])
    shop.up()
    assert "ead-only" in inside(shop, "touch /data/y 2>&1 || true")


def test_a_named_volume_outlives_its_containers(project):
    shop = project(worker('["kept:/home/app"]', command="date >> /home/app/starts; sleep 1000",
                          more='user = "app"'))
    def has_started(times):
        until(lambda: inside(shop, "cat /home/app/starts 2>/dev/null | wc -l") == str(times),
              what=f"start {times} is in the volume")

    shop.up()
    assert inside(shop, "stat -c '%U %a' /home/app") == "app 755", "as the image has it"
    has_started(1)
    shop.run("restart")
    has_started(2)
    shop.run("stop")
    shop.up()
    has_started(3)
    entry = next(v for v in shop.sandbox.run("volume", "list", "--json").json["volumes"]
                 if v["project"].startswith(shop.folder.name))
    assert entry["name"] == "kept" and os.path.isdir(entry["path"])

    refused = shop.fail("volume", "rm", "kept", status=7)
    assert "in use by job" in refused.err
    shop.run("stop")
    until(lambda: shop.attempt("volume", "rm", "kept").status == 0)
    assert not os.path.exists(entry["path"])
    assert "no volume" in shop.fail("volume", "rm", "kept", status=4).err


def test_a_new_volume_begins_with_what_the_image_has(project):
    shop = project(worker('["www:/srv/www", "new:/var/lib/new", "bare:/etc/bare:nocopy"]',
                          more='user = "app"'))
    shop.up()
    assert inside(shop, "ls /etc/bare; stat -c %U /etc/bare") == "app"
    assert inside(shop, "cat /srv/www/index.html") == "hello from a container"
    assert inside(shop, "stat -c '%u %a' /srv/www/cgi-bin/whoami") == "0 755"
    assert inside(shop, "touch /var/lib/new/x; stat -c %U /var/lib/new /var/lib/new/x").split() == \
        ["app", "app"], "a folder that the image does not have is the user's"


def test_what_a_service_may_not_have(project):
    shop = project("""
        [services.job]
        type = "worker"
        image = "base"
        command = ["true"]
        volumes = [
            "./data",
            "./data:relative",
            "../outside:/data",
            "./data:/data/../etc",
            "./data:/data:rw,exec",
            "no name:/data",
            "./data:/proc/x",
            "./data:/",
            7,
        ]
    """)
    told = shop.fail("up", status=2).err
    for line, text in [(6, "no target"), (7, "not absolute"), (8, "`..`"), (9, "`..`"),
                       (10, 'no option "exec"'), (11, "no name"), (12, "/proc"), (13, "whole file"),
                       (14, "a string")]:
        assert f"locald.toml:{line}:" in told and text in told, (line, text, told)


@pytest.mark.parametrize("source, told", [
    ("./missing", "mkdir -p ./missing"), ("./out", "leads out of the project"),
    ("/nowhere/at/all", "/nowhere/at/all"),
])
def test_a_source_that_is_not_there(project, source, told):
    shop = project(worker(f'[\n "cache:/cache",\n "{source}:/data"]'))
    os.symlink("/etc", shop.folder / "out")
    result = shop.fail("up", status=2)
    assert told in result.err and "locald.toml:7:" in result.err, str(result)


def test_a_link_of_the_image_leads_nowhere_else(project):
    """A target is looked up in the container's own root."""
    shop = project(worker('["./data:/etc/link/data"]', command="test -e /etc/link/data/x && sleep 1000"),
                   [("data/x", "")])
    shop.up()
    assert inside(shop, "ls /etc/link/data") == "x"
