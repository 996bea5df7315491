"""Applications that we did not write, under a few lines of locald.toml, in both modes."""

import pathlib
import shutil
import subprocess

import pytest

from support import images, web as http
from support.sandbox import Project

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
# Vite 6 is the last one that runs on Node 18, which is Debian 12's.
CREATE_VITE = "create-vite@6"

pytestmark = pytest.mark.timeout(700)


def npm(sandbox, *arguments, cwd):
    """npm as the sandbox's user, with the caller's own npm configuration."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    environment = {"npm_config_update_notifier": "false", "npm_config_fund": "false"}
    certificates = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        environment["NODE_EXTRA_CA_CERTS"] = str(certificates)
    process = sandbox.popen(argv=["npm", *arguments], cwd=cwd, env=environment)
    return sandbox.finish(process, timeout=400)


@pytest.fixture(scope="module")
def builder(shared_sandbox):
    """The demo's builder: Debian with Node and Python, and our two buildpacks."""
    tar, reason = images.debian_tar()
    if not tar:
        pytest.skip(reason)
    copy = shared_sandbox.root / "debian.tar"
    shutil.copyfile(tar, copy)  # the cache is the caller's own
    shared_sandbox.run("image", "import", str(copy), "demo-base", timeout=400)
    copy.unlink()
    examples = shared_sandbox.root / "examples"
    shutil.copytree(ROOT / "examples", examples, ignore=shutil.ignore_patterns("node_modules"))
    shared_sandbox.own(examples)
    config = examples / "demo/builder.toml"
    shared_sandbox.run("builder", "create", "demo", "-c", str(config), timeout=400)
    return shared_sandbox


@pytest.fixture(scope="module")
def vite(shared_sandbox):
    """A fresh Vite project, with its dependencies installed for the host."""
    source = shared_sandbox.root / "src"
    source.mkdir(exist_ok=True)
    shared_sandbox.own(source)
    created = npm(shared_sandbox, "exec", "--yes", "--", CREATE_VITE, "shop-vite",
                  "--template", "vanilla", cwd=source)
    if created.status != 0:
        if not (source / "shop-vite/package.json").exists() and is_unreachable(created):
            pytest.skip("the npm registry cannot be reached")
        raise AssertionError(str(created))
    project = Project(shared_sandbox, source / "shop-vite")
    installed = npm(shared_sandbox, "install", cwd=project.folder)
    assert installed.status == 0, str(installed)
    return project


def is_unreachable(result):
    return any(word in result.err for word in ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN"))


VITE_TOML = """
    [services.web]
    command = "npm run dev -- --port $PORT --host ${HOST:-127.0.0.1} --strictPort"
    mode = "host"
    build = { builder = "demo" }
"""


def check_vite(project):
    url = project.service("web")["url"]
    page = http.get(url, "/", headers={"Accept": "text/html"})
    assert page.status == 200 and "/@vite/client" in page.text, page.text
    assert http.get(url, "/src/main.js").status == 200


def test_vite_on_the_host(vite):
    vite.write("locald.toml", VITE_TOML)
    vite.run("up")
    check_vite(vite)
    vite.run("stop")


def test_vite_in_a_container(vite, builder):
    vite.write("locald.toml", VITE_TOML)
    vite.run("up", "--container", "web", timeout=600)
    assert vite.service("web")["mode"] == "container"
    check_vite(vite)
    vite.run("stop")


FLASK_APP = """
    from flask import Flask

    app = Flask(__name__)


    @app.route("/")
    def hello_world():
        return "<p>Hello, World!</p>"
"""
FLASK_TOML = """
    [services.web]
    command = "{python} -m flask --app hello run --host ${{HOST:-127.0.0.1}} --port $PORT"
    mode = "host"
    build = {{ builder = "demo" }}
"""


def test_flask_on_the_host(shared_sandbox):
    probe = subprocess.run(["/usr/bin/python3", "-c", "import flask"], stderr=subprocess.DEVNULL)
    if probe.returncode != 0:
        pytest.skip("python3-flask is not installed")
    project = shared_sandbox.project(FLASK_TOML.format(python="/usr/bin/python3"), name="flask-host")
    project.write("hello.py", FLASK_APP)
    project.up()
    assert http.get(project.service("web")["url"], "/").text == "<p>Hello, World!</p>"
    project.run("stop")


def test_flask_in_a_container(builder):
    project = builder.project(FLASK_TOML.format(python="python3"), name="flask-container")
    project.write("hello.py", FLASK_APP)
    project.write("requirements.txt", "flask>=2,<4\n")
    up = builder.attempt("up", "--container", "web", cwd=project.folder, timeout=600)
    if up.status != 0 and any(
        word in up.err + up.out for word in ("No matching distribution", "Failed to establish")
    ):
        pytest.skip("the Python package index cannot be reached")
    assert up.status == 0, str(up)
    assert project.service("web")["mode"] == "container"
    assert http.get(project.service("web")["url"], "/").text == "<p>Hello, World!</p>"
    project.run("stop")
