"""Builders and builds through `locald-job`, in containers, as the caller and as an ordinary user."""

import json
import os
import pathlib
import signal
import subprocess
import textwrap
import time

import pytest

from support import images
from support.sandbox import programs_of

DETECT = """\
#!/bin/sh
[ "$(id -u)" = 1000 ] || exit 3
if [ -f cannot-say ]; then echo "the detector is confused"; exit 3; fi
[ -f index.html ] || { echo "no index.html"; exit 100; }
"""

BUILD = """\
#!/bin/sh
set -e
if [ -f fail ]; then
	echo "the reason why it fails" >&2
	exit 7
fi
if [ -f hang ]; then
	echo "hanging"
	trap '' TERM
	while :; do sleep 1; done
fi
layer="$CNB_LAYERS_DIR/pages"
if [ -f "$layer/index.html" ] && cmp -s index.html "$layer/index.html"; then
	echo "keeping the pages"
else
	echo "making the pages with $GREETING"
	mkdir -p "$layer"
	cp index.html "$layer/"
fi
touch made-by-the-build
printf '[types]\\nlaunch = true\\ncache = true\\n' >"$layer.toml"
cat >"$CNB_LAYERS_DIR/launch.toml" <<'END'
[[processes]]
type = "web"
command = ["sh", "-c", "cat /layers/test_pages/pages/index.html; id -u; ls"]
default = true

[[processes]]
type = "worker"
command = ["echo", "works"]
END
"""

BUILDPACK_TOML = """\
api = "0.10"
[buildpack]
id = "test/pages"
version = "1.0.0"
"""

BUILDER_TOML = """\
description = "for tests"
[[buildpacks]]
uri = "buildpack"
[[order]]
[[order.group]]
id = "test/pages"
[build]
image = "base"
"""


class Jobs:
    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.program = programs_of(sandbox.binary)
        self.root = sandbox.root / "cnb"
        self.root.mkdir()
        self.store = self.root / "images"
        sandbox.own(self.root)

    def write(self, name, text, mode=0o644):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        path.chmod(mode)
        self.sandbox.own(path.parent)
        for parent in path.parents:
            if parent == self.root:
                break
            self.sandbox.own(parent)
        return path

    def start(self, kind, **params):
        process = self.sandbox.popen(
            argv=[self.program("daemon", "locald-job"), kind], stdin=subprocess.PIPE)
        process.stdin.write(json.dumps({"store": str(self.store), **params}).encode())
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, kind, **params):
        """All events of a job; the result is the last."""
        result = self.sandbox.finish(self.start(kind, **params), timeout=120)
        assert not result.err, result
        assert result.result["ok"] == (result.status == 0), result
        return result.events

    def builder(self, name="pages", config="builder.toml"):
        return self.run("builder-create", name=name, config=str(self.root / config),
                        lifecycle=self.program("lifecycle", "locald-lifecycle"),
                        launcher=self.program("lifecycle", "locald-launcher"))

    def build_params(self, source, **more):
        return {"cache": str(self.root / f"cache-{source}"),
                "shim": self.program("shim", "locald-shim"), "builder": "pages",
                "source": str(self.root / source), "image": f"locald/test/{source}:latest", **more}

    def build(self, source, **more):
        return self.run("build", **self.build_params(source, **more))

    def start_image(self, source, *args):
        """What the image's process writes, by its own entry point or another."""
        folder = self.root / "container"
        self.run("bundle", image=f"locald/test/{source}:latest", dir=str(folder), args=list(args))
        process = self.sandbox.popen(argv=[
            self.program("shim", "locald-shim"), "--root", str(self.root / "shim"), "run",
            "--bundle", str(folder / "bundle"), "test-image"])
        result = self.sandbox.finish(process)
        self.run("cleanup", dir=str(folder))
        return result

    def snapshot(self, *names):
        """Every entry below, with what a write would change."""
        found = {}
        for name in names:
            for top, folders, files in os.walk(self.root / name):
                for entry in [".", *folders, *files]:
                    st = os.lstat(os.path.join(top, entry))
                    found[os.path.join(top, entry)] = (st.st_ino, st.st_mtime_ns, st.st_size)
        return found


@pytest.fixture(scope="module")
def jobs(shared_sandbox):
    """A store with the image `base` and the builder `pages`."""
    jobs = Jobs(shared_sandbox)
    tar = images.busybox_tar(shared_sandbox.root / "base.tar")
    jobs.run("image-import", path=str(tar), name="base")
    jobs.write("builder.toml", BUILDER_TOML)
    jobs.write("buildpack/buildpack.toml", BUILDPACK_TOML)
    jobs.write("buildpack/bin/detect", DETECT, 0o755)
    jobs.write("buildpack/bin/build", BUILD, 0o755)
    assert jobs.builder()[-1]["ok"]
    return jobs


@pytest.fixture
def source(jobs, request):
    """A folder of this test's own that can be built."""
    name = request.node.name.split("[")[0].replace("_", "-")
    jobs.write(f"{name}/index.html", "first page\n")
    return name


def texts(events, kind="log"):
    return [event["text"] for event in events if event["event"] == kind]


def phases(events):
    return [event["phase"] for event in events
            if event["event"] == "progress" and event["text"].startswith("done in")]


def error(events):
    assert not events[-1]["ok"], events[-1]
    return events[-1]["error"]


def work_folders(jobs, source):
    return list((jobs.root / f"cache-{source}").glob("work-*"))


def test_the_same_builder_has_the_same_digest(jobs):
    first = jobs.run("builder-list")[-1]["builders"]
    assert jobs.builder()[-1]["digest"] == first[0]["digest"]
    assert first[0]["name"] == "pages"
    assert first[0]["description"] == "for tests"
    assert first[0]["buildpacks"] == [{"id": "test/pages", "version": "1.0.0"}]


@pytest.mark.parametrize("change, text", [
    (("uri = \"buildpack\"", "uri = \"missing\""), "builder.toml:3:7: no buildpack in"),
    (("id = \"test/pages\"", "id = \"test/page\""), "builder.toml:6:6: no [[buildpacks]] has test/page"),
    (("image = \"base\"", "image = \"bse\""), "builder.toml:8:9: "),
    (("image = \"base\"", "imag = \"base\""), "builder.toml:8:1: unknown key `imag`"),
    (("[build]", "[build"), "builder.toml:7:"),
])
def test_mistakes_in_builder_toml(jobs, change, text):
    jobs.write("wrong.toml", BUILDER_TOML.replace(*change))
    before = jobs.run("builder-list")[-1]["builders"]
    failure = error(jobs.builder(name="wrong", config="wrong.toml"))
    assert text.replace("builder.toml", "wrong.toml") in failure["text"]
    assert jobs.run("builder-list")[-1]["builders"] == before


def test_a_first_build_runs_every_phase(jobs, source):
    events = jobs.build(source, env={"GREETING": "hello"})
    result = events[-1]
    assert result["ok"] and not result["hit"] and result["reason"] == "first build"
    assert phases(events) == ["prepare", "analyze", "detect", "restore", "build", "export", "store"]
    assert "making the pages with hello" in texts(events)
    assert result["processes"] == [
        {"type": "web", "default": True,
         "command": ["sh", "-c", "cat /layers/test_pages/pages/index.html; id -u; ls"]},
        {"type": "worker", "default": False, "command": ["echo", "works"]}]
    assert work_folders(jobs, source) == []


def test_the_image_runs(jobs, source):
    assert jobs.build(source)[-1]["ok"]
    assert jobs.start_image(source).out.split() == [
        "first", "page", "1000", "index.html", "made-by-the-build"]
    assert jobs.start_image(source, "/cnb/process/worker").out == "works\n"
    assert jobs.start_image(source, "/cnb/lifecycle/launcher", "--", "pwd").out == "/workspace\n"
    # The source folder is not touched by what the build makes.
    assert os.listdir(jobs.root / source) == ["index.html"]


def test_an_unchanged_build_starts_and_writes_nothing(jobs, source):
    jobs.build(source)
    # Once more: files that changed just before a scan are looked at again.
    time.sleep(2.1)
    jobs.build(source)
    before = jobs.snapshot("images", f"cache-{source}", source)
    events = jobs.build(source)
    assert jobs.snapshot("images", f"cache-{source}", source) == before
    assert events == [events[-1]], "no phase was run"
    assert events[-1]["hit"] and events[-1]["reason"] == "unchanged"


def test_a_change_says_why_and_keeps_layers(jobs, source):
    first = jobs.build(source)[-1]
    jobs.write(f"{source}/other.txt", "x")
    events = jobs.build(source)
    assert events[-1]["reason"] == "other.txt is new" and not events[-1]["hit"]
    assert "keeping the pages" in texts(events)
    assert "Reusing layer 'test/pages:pages'" in texts(events)
    jobs.write(f"{source}/index.html", "second page\n")
    events = jobs.build(source)
    assert events[-1]["reason"] == "index.html changed"
    assert any("making the pages" in text for text in texts(events))
    assert events[-1]["digest"] != first["digest"]
    assert jobs.start_image(source).out.startswith("second page\n")


def test_settings_are_part_of_the_key(jobs, source):
    jobs.build(source, env={"GREETING": "one"})
    assert jobs.build(source, env={"GREETING": "two"})[-1]["reason"] == "variable GREETING changed"
    assert jobs.build(source, env={"GREETING": "two"})[-1]["hit"]
    assert jobs.build(source)[-1]["reason"] == "variable GREETING was removed"
    assert jobs.build(source, process="worker")[-1]["reason"] == "the process changed"
    assert jobs.start_image(source).out == "works\n"
    events = jobs.build(source, process="worker", force=True, no_cache=True)
    assert events[-1]["reason"] == "asked for"
    assert any("making the pages" in text for text in texts(events))


def test_exclude_keeps_files_out(jobs, source):
    jobs.write(f"{source}/secret.txt", "x")
    jobs.write(f"{source}/.git/HEAD", "x")
    jobs.build(source, exclude=["secret.*"])
    assert jobs.start_image(source).out.split()[3:] == ["index.html", "made-by-the-build"]
    jobs.write(f"{source}/.git/HEAD", "y")
    jobs.write(f"{source}/secret.txt", "y")
    assert jobs.build(source, exclude=["secret.*"])[-1]["hit"]


def test_a_failing_buildpack_leaves_the_last_image(jobs, source):
    first = jobs.build(source)[-1]
    jobs.write(f"{source}/fail", "")
    events = jobs.build(source)
    failure = error(events)
    assert failure["code"] == "failed"
    assert failure["text"].startswith("build: buildpack test/pages@1.0.0 failed with exit code 7")
    assert "the reason why it fails" in failure["text"]
    assert "the reason why it fails" in texts(events)
    assert work_folders(jobs, source) == []
    (jobs.root / source / "fail").unlink()
    assert jobs.build(source)[-1]["digest"] == first["digest"]


def test_nothing_detected(jobs, source):
    (jobs.root / source / "index.html").rename(jobs.root / source / "other.html")
    events = jobs.build(source)
    assert "no buildpack of pages can build" in error(events)["text"]
    assert "no index.html" in texts(events), "the buildpack's own reason is shown"
    assert work_folders(jobs, source) == []


def test_a_detector_that_cannot_say(jobs, source):
    jobs.write(f"{source}/cannot-say", "")
    events = jobs.build(source)
    assert "no buildpack of pages can build" in error(events)["text"]
    assert "the detector is confused" in texts(events)


def test_a_cancelled_build_leaves_the_last_image(jobs, source):
    first = jobs.build(source)[-1]
    jobs.write(f"{source}/hang", "")
    process = jobs.start("build", **jobs.build_params(source))
    seen = b""
    while b"hanging" not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    process.send_signal(signal.SIGTERM)
    result = jobs.sandbox.finish(process)
    assert error(result.events)["code"] == "interrupted"
    assert work_folders(jobs, source) == []
    (jobs.root / source / "hang").unlink()
    listed = {image["name"]: image["digest"] for image in jobs.run("image-list")[-1]["images"]}
    assert listed[f"locald/test/{source}:latest"] == first["digest"]
    assert jobs.build(source)[-1]["hit"]


def test_a_killed_build_is_cleaned_up_by_the_next(jobs, source):
    jobs.write(f"{source}/hang", "")
    process = jobs.start("build", **jobs.build_params(source))
    while b"hanging" not in process.stdout.readline():
        pass
    process.kill()
    jobs.sandbox.finish(process)
    assert len(work_folders(jobs, source)) == 1
    (jobs.root / source / "hang").unlink()
    assert jobs.build(source)[-1]["ok"]
    assert work_folders(jobs, source) == []
    assert not jobs.sandbox.leaks(), "the container of the killed build is gone"


def test_things_that_do_not_exist(jobs, source):
    failure = error(jobs.build(source, builder="pags"))
    assert failure["code"] == "not_found" and "pags" in failure["text"]
    failure = error(jobs.build(source, builder="base"))
    assert "base is not a builder" in failure["text"] and "builder list" in failure["hint"]
    failure = error(jobs.build(source, buildpacks=["test/other"]))
    assert "no buildpack test/other" in failure["text"] and "test/pages@1.0.0" in failure["hint"]
    failure = error(jobs.build("no-such-folder"))
    assert "no-such-folder" in failure["text"]
    assert jobs.build(source, buildpacks=["test/pages"])[-1]["ok"]
