"""type = "site": a folder of files, built first, served by locald itself."""

import socket

import pytest
from support import web as http
from support.waiting import until


@pytest.fixture
def site(sandbox):
    project = sandbox.project("""
        [services.docs]
        type = "site"
        path = "out"
        build = "mkdir -p out/sub && cp page.html out/index.html && cp page.html out/sub/index.html"
        env = { FLAVOUR = "x" }
    """)
    project.write("page.html", "<h1>first</h1>\n")
    return project


def test_a_site_is_built_and_served(site):
    site.up()
    services = site.services()
    assert services["docs"]["ready"] and services["docs-build"]["state"] == "exited"
    page = http.get(services["docs"]["url"], "/")
    assert (page.status, page.text) == (200, "<h1>first</h1>\n")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    moved = http.get(services["docs"]["url"], "/sub?x=1")
    assert (moved.status, moved.headers["Location"]) == (301, "/sub/?x=1")
    again = http.get(services["docs"]["url"], "/", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    part = http.get(services["docs"]["url"], "/", headers={"Range": "bytes=4-8"})
    assert (part.status, part.text, part.headers["Content-Range"]) == (206, "first", "bytes 4-8/15")
    head = http.get(services["docs"]["url"], "/", method="HEAD")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "15", b"")
    assert http.get(services["docs"]["url"], "/", method="POST", body="x").status == 405
    until(lambda: "304 GET /" in site.log("docs"))


def test_a_build_may_replace_the_folder(site):
    site.up()
    site.write("page.html", "<h1>second</h1>\n")
    site.write("locald.toml", """
        [services.docs]
        type = "site"
        path = "out"
        build = "rm -rf out && mkdir out && cp page.html out/index.html"
    """)
    site.up()
    assert http.get(site.service("docs")["url"], "/").text == "<h1>second</h1>\n"


def test_a_build_that_fails_is_the_error(site):
    site.write("locald.toml", """
        [services.docs]
        type = "site"
        path = "out"
        build = "echo no such template; exit 3"
    """)
    failed = site.fail("up", status=1)
    assert "docs-build" in failed.err and "no such template" in failed.err, str(failed)


def test_a_folder_that_is_not_there_is_the_error(sandbox):
    project = sandbox.project("""
        [services.docs]
        type = "site"
        path = "out"
    """)
    failed = project.fail("up", status=1)
    assert "there is no folder" in failed.err, str(failed)


def test_a_large_file_comes_whole(site):
    site.up()
    data = bytes(range(256)) * 40000
    (site.folder / "out/big.bin").write_bytes(data)
    assert http.get(site.service("docs")["url"], "/big.bin").body == data


def raw(port, target):
    """A request as it is: no client may tidy the path."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as stream:
            return stream.read()


VECTORS = [
    b"/../secret", b"/%2e%2e/secret", b"/sub/../../secret", b"/..%2fsecret", b"/%2e%2e%2fsecret",
    b"//../secret", b"/./../secret", b"/sub/..%5c..%5csecret", b"/..;/secret", b"/link", b"/link/",
    b"/%252e%252e/secret", b"/secret%00.html", b"/.env", b"/sub/.hidden", b"/%c0%ae%c0%ae/secret",
    b"http://x/../secret", b"/..", b"/sub/..",
]


@pytest.mark.parametrize("target", VECTORS, ids=lambda v: v.decode())
def test_nothing_outside_of_the_folder_is_served(site_with_secrets, target):
    answer = raw(site_with_secrets, target)
    status = int(answer.split()[1])
    assert b"TOP-SECRET" not in answer and 400 <= status < 500, answer[:200]


@pytest.fixture(scope="module")
def site_with_secrets(shared_sandbox):
    project = shared_sandbox.project("""
        [services.web]
        type = "site"
        path = "public"
    """, name="secrets")
    for name in ("secret", "public/.env", "public/sub/.hidden"):
        project.write(name, "TOP-SECRET")
    project.write("public/index.html", "home")
    (project.folder / "public/link").symlink_to("../secret")
    project.up()
    yield project.service("web")["port"]
    project.run("stop")
