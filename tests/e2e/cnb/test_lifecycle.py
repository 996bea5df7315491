"""locald-lifecycle alone: the phases on the host, as an ordinary user, with all paths by flags."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import textwrap

import pytest

LAYER = "sha256:" + "a" * 64

DETECT_BY_FILE = """\
#!/bin/sh
echo "looking for {file}"
[ -f {file} ] || exit 100
{plan}
"""

BUILD = """\
#!/bin/sh
set -e
layer="$CNB_LAYERS_DIR/data"
if [ -f "$layer/content" ] && cmp -s input "$layer/content"; then
	echo "keeping the layer"
else
	echo "making the layer"
	mkdir -p "$layer/env"
	cp input "$layer/content"
	printf from-layer >"$layer/env/MADE"
fi
printf '[types]\\nlaunch = true\\nbuild = true\\ncache = true\\n[metadata]\\nkey = "k"\\n' >"$layer.toml"
cat >"$CNB_LAYERS_DIR/launch.toml" <<'END'
[[processes]]
type = "web"
command = ["sh", "-c", 'echo "$MADE $1 $2"', "web"]
args = ["default"]
default = true
END
"""


class Phases:
    """A folder with everything a build needs, and the phases."""

    def __init__(self, root, programs, account):
        self.root, self.programs, self.account = root, programs, account
        for name in ("app", "buildpacks", "layers", "layout", "cache", "platform/env", "home"):
            (root / name).mkdir(parents=True)
        self.make_run_image()

    def write(self, name, text, mode=0o644):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        path.chmod(mode)
        return path

    def buildpack(self, name, detect="#!/bin/sh\n", build=BUILD, api="0.10", about=""):
        base = f"buildpacks/test_{name}/1"
        self.write(f"{base}/buildpack.toml",
                   f'api = "{api}"\n[buildpack]\nid = "test/{name}"\nversion = "1"\n{about}')
        self.write(f"{base}/bin/detect", detect, 0o755)
        self.write(f"{base}/bin/build", build, 0o755)

    def order(self, *groups):
        """Each group is a list of names; "?" behind one makes it optional."""
        text = ""
        for group in groups:
            text += "[[order]]\n"
            for name in group:
                text += f'[[order.group]]\nid = "test/{name.rstrip("?")}"\nversion = "1"\n'
                text += "optional = true\n" if name.endswith("?") else ""
        self.write("order.toml", text)

    def make_run_image(self):
        folder = self.root / "layout/index.docker.io/test/run/latest"
        (folder / "blobs/sha256").mkdir(parents=True)

        def put(value, kind):
            data = json.dumps(value).encode()
            digest = hashlib.sha256(data).hexdigest()
            (folder / "blobs/sha256" / digest).write_bytes(data)
            return {"mediaType": f"application/vnd.oci.image.{kind}.v1+json",
                    "digest": f"sha256:{digest}", "size": len(data)}

        config = put({"architecture": "amd64", "os": "linux",
                      "config": {"Env": ["PATH=/bin", "KEPT=1"], "User": "1000:1000",
                                 "Cmd": ["gone"], "Labels": {"kept": "yes"}},
                      "rootfs": {"type": "layers", "diff_ids": [LAYER]}}, "config")
        layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": LAYER, "size": 9}
        manifest = put({"schemaVersion": 2, "config": config, "layers": [layer]}, "manifest")
        (folder / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": [manifest]}))

    def own(self):
        subprocess.run(["chown", "-R", f"{self.account.uid}:{self.account.gid}", str(self.root)],
                       check=True)

    def phase(self, name, *flags, env=None):
        if not self.account.is_caller:
            self.own()
        return subprocess.run(
            [str(self.programs / "locald-lifecycle"), name, "-layers", str(self.root / "layers"),
             *[str(flag) for flag in flags]],
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.root / "home"),
                 "CNB_PLATFORM_API": "0.12", **(env or {})},
            cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            **self.account.popen_arguments())

    def image_flags(self):
        return ["-layout", "-layout-dir", self.root / "layout"]

    def analyze(self):
        return self.phase("analyzer", *self.image_flags(), "-run-image", "test/run", "test/app")

    def detect(self, **options):
        return self.phase("detector", "-app", self.root / "app", "-buildpacks",
                          self.root / "buildpacks", "-order", self.root / "order.toml",
                          "-platform", self.root / "platform", "-build-config",
                          self.root / "none", **options)

    def restore(self):
        return self.phase("restorer", "-cache-dir", self.root / "cache")

    def build(self):
        return self.phase("builder", "-app", self.root / "app", "-buildpacks",
                          self.root / "buildpacks", "-platform", self.root / "platform",
                          "-build-config", self.root / "none")

    def export(self):
        return self.phase("exporter", "-app", self.root / "app", *self.image_flags(),
                          "-cache-dir", self.root / "cache", "-launcher",
                          self.programs / "locald-launcher", "test/app")

    def all(self):
        """Every phase, with fresh layers; the outputs by name."""
        shutil.rmtree(self.root / "layers")
        (self.root / "layers").mkdir()
        outputs = {}
        for name in ("analyze", "detect", "restore", "build", "export"):
            result = getattr(self, name)()
            assert result.returncode == 0, f"{name}: {result.stdout}{result.stderr}"
            outputs[name] = result.stdout
        return outputs

    def launch(self, *args, argv0="/cnb/process/web"):
        return subprocess.run(
            [argv0, *args], executable=str(self.programs / "locald-launcher"),
            env={"PATH": "/cnb/process:/usr/bin:/bin", "CNB_PLATFORM_API": "0.12",
                 "CNB_LAYERS_DIR": str(self.root / "layers"),
                 "CNB_APP_DIR": str(self.root / "app")},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @property
    def image(self):
        return self.root / "layout/index.docker.io/test/app/latest"

    def blob(self, digest):
        return self.image / "blobs/sha256" / digest.removeprefix("sha256:")

    def manifest(self):
        index = json.loads((self.image / "index.json").read_text())
        return json.loads(self.blob(index["manifests"][0]["digest"]).read_text())

    def config(self):
        return json.loads(self.blob(self.manifest()["config"]["digest"]).read_text())


@pytest.fixture
def phases(build, ordinary_user):
    root = pathlib.Path(tempfile.mkdtemp(prefix="ld-phases-", dir="/tmp"))
    root.chmod(0o755)
    programs = root / "programs"
    programs.mkdir(mode=0o755)
    for name in ("locald-lifecycle", "locald-launcher"):
        shutil.copy(build / "src/lifecycle" / name, programs / name)
    phases = Phases(root, programs, ordinary_user)
    yield phases
    shutil.rmtree(root)


@pytest.fixture
def ready(phases):
    """With one buildpack that takes every folder."""
    phases.buildpack("one")
    phases.order(["one"])
    phases.write("app/input", "first\n")
    return phases


def test_a_build_makes_an_image(ready):
    ready.all()
    config, manifest = ready.config(), ready.manifest()
    settings = config["config"]
    assert settings["Entrypoint"] == ["/cnb/process/web"]
    assert "Cmd" not in settings
    assert settings["User"] == "1000:1000"
    assert settings["WorkingDir"] == str(ready.root / "app")
    assert "KEPT=1" in settings["Env"] and "CNB_PLATFORM_API=0.12" in settings["Env"]
    assert "PATH=/cnb/process:/cnb/lifecycle:/bin" in settings["Env"]
    assert settings["Labels"]["kept"] == "yes"
    processes = json.loads(settings["Labels"]["io.buildpacks.build.metadata"])["processes"]
    assert [p["type"] for p in processes] == ["web"]
    assert len(manifest["layers"]) == len(config["rootfs"]["diff_ids"]) == len(config["history"])
    assert config["rootfs"]["diff_ids"][0] == LAYER
    for layer, diff_id in zip(manifest["layers"][1:], config["rootfs"]["diff_ids"][1:]):
        data = ready.blob(layer["digest"]).read_bytes()
        assert layer["digest"] == diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
        assert layer["size"] == len(data)


def test_layers_have_the_right_names_and_owners(ready):
    ready.all()
    names = {}
    for layer in ready.manifest()["layers"][1:]:
        with tarfile.open(ready.blob(layer["digest"])) as archive:
            names.update({"/" + m.name.lstrip("/"): m for m in archive.getmembers()})
    assert names[f"{ready.root}/layers/test_one/data/content"].uid == ready.account.uid
    assert names["/cnb/lifecycle/launcher"].mode == 0o755
    assert names["/cnb/lifecycle/launcher"].uid == 0
    assert names["/cnb/process/web"].linkname == "/cnb/lifecycle/launcher"
    assert all(m.mtime == 315532801 for m in names.values())


def test_the_same_input_gives_the_same_image(ready):
    ready.all()
    first = (ready.image / "index.json").read_text()
    shutil.rmtree(ready.image)
    shutil.rmtree(ready.root / "cache")
    (ready.root / "cache").mkdir()
    ready.all()
    assert (ready.image / "index.json").read_text() == first


def test_unchanged_layers_are_kept_and_not_written(ready):
    first = ready.all()
    assert "making the layer" in first["build"]
    before = {path: path.stat().st_mtime_ns for path in ready.image.glob("blobs/sha256/*")}
    cache = (ready.root / "cache/committed").stat().st_ino
    second = ready.all()
    assert "keeping the layer" in second["build"]
    assert "Reusing layer 'test/one:data'" in second["export"]
    config = ready.manifest()["config"]["digest"].removeprefix("sha256:")
    index = json.loads((ready.image / "index.json").read_text())
    manifest = index["manifests"][0]["digest"].removeprefix("sha256:")
    for path, mtime in before.items():
        if path.name not in (config, manifest):
            assert path.stat().st_mtime_ns == mtime, path
    assert (ready.root / "cache/committed").stat().st_ino == cache


def test_a_changed_source_makes_new_layers(ready):
    ready.all()
    first = ready.manifest()["layers"]
    ready.write("app/input", "second\n")
    outputs = ready.all()
    assert "making the layer" in outputs["build"]
    second = ready.manifest()["layers"]
    changed = [a["digest"] != b["digest"] for a, b in zip(first, second)]
    assert changed.count(True) == 2, "the buildpack's layer and the application's"


def test_layers_for_the_build_alone_are_cached(ready):
    ready.buildpack("one", build=BUILD.replace("launch = true\\nbuild", "build"))
    assert "making the layer" in ready.all()["build"]
    assert len(ready.manifest()["layers"]) == 1 + 5, "the layer is not in the image"
    cache = (ready.root / "cache/committed").stat().st_ino
    assert "keeping the layer" in ready.all()["build"]
    assert (ready.root / "cache/committed").stat().st_ino == cache
    ready.write("app/input", "second\n")
    assert "making the layer" in ready.all()["build"]
    assert "keeping the layer" in ready.all()["build"]
    assert [path.name for path in (ready.root / "cache").iterdir()] == ["committed"]


def test_a_damaged_cache_costs_the_layer_only(ready):
    ready.all()
    tar = next((ready.root / "cache/committed").glob("sha256:*.tar"))
    tar.write_bytes(tar.read_bytes()[:-512] + b"x" * 512)
    outputs = ready.all()
    assert "is not used" in outputs["restore"]
    assert "making the layer" in outputs["build"]


def test_the_launcher_runs_the_process(ready):
    ready.all()
    assert ready.launch().stdout == "from-layer default \n"
    assert ready.launch("a", "b").stdout == "from-layer a b\n"
    direct = ready.launch("--", "env", argv0="launcher")
    assert "MADE=from-layer" in direct.stdout
    assert "PATH=/usr/bin:/bin\n" in direct.stdout
    assert "CNB_LAYERS_DIR" not in direct.stdout
    shell = ready.launch("echo $MADE | tr a-z A-Z", argv0="launcher")
    assert shell.stdout == "FROM-LAYER\n"
    words = ready.launch("echo", "$MADE", "two words", argv0="launcher")
    assert words.stdout == "from-layer two words\n"
    assert ready.launch(argv0="launcher").returncode == 82
    missing = ready.launch("--", "no-such-program", argv0="launcher")
    assert missing.returncode == 82 and "no-such-program" in missing.stderr


def test_the_platform_api_is_required(ready):
    for api in ({"CNB_PLATFORM_API": ""}, {"CNB_PLATFORM_API": "0.3"}):
        result = ready.detect(env=api)
        assert result.returncode == 11
        assert "CNB_PLATFORM_API" in result.stderr


def detected(phases):
    group = (phases.root / "layers/group.toml").read_text()
    return [line.split('"')[1] for line in group.splitlines() if line.startswith("id = ")]


def test_the_first_group_that_passes_wins(phases):
    for name in ("a", "b", "c"):
        phases.buildpack(name, DETECT_BY_FILE.format(file=name, plan=""))
    phases.order(["a", "b"], ["b", "c?"], ["c"])
    phases.write("app/b", "")
    result = phases.detect()
    assert result.returncode == 0, result.stdout + result.stderr
    assert detected(phases) == ["test/b"]


def test_each_detect_runs_once_and_all_at_once(phases):
    """Each waits for the other, so that one after the other would hang."""
    meet = """\
        #!/bin/sh
        echo run >>"{root}/runs-{me}"
        mkfifo "{root}/{me}" 2>/dev/null
        if [ {me} = a ]; then : >"{root}/a"; else : <"{root}/a"; fi
        exit 100
        """
    (phases.root / "meet").mkdir()
    phases.root.joinpath("meet").chmod(0o777)
    subprocess.run(["mkfifo", str(phases.root / "meet/a")], check=True)
    (phases.root / "meet/a").chmod(0o666)
    for name in ("a", "b"):
        phases.buildpack(name, textwrap.dedent(meet).format(root=phases.root / "meet", me=name))
    phases.order(["a", "b"], ["b", "a"])
    result = phases.detect()
    assert result.returncode == 20
    for name in ("a", "b"):
        assert (phases.root / f"meet/runs-{name}").read_text() == "run\n"


def test_composites_are_expanded(phases):
    phases.buildpack("a")
    phases.buildpack("b", DETECT_BY_FILE.format(file="b", plan=""))
    phases.write("buildpacks/test_both/1/buildpack.toml", """\
        api = "0.10"
        [buildpack]
        id = "test/both"
        version = "1"
        [[order]]
        [[order.group]]
        id = "test/b"
        version = "1"
        [[order]]
        [[order.group]]
        id = "test/a"
        version = "1"
        """)
    phases.order(["both"])
    assert phases.detect().returncode == 0
    assert detected(phases) == ["test/a"]


def test_plans_connect_buildpacks(phases):
    phases.buildpack("node", """\
        #!/bin/sh
        printf '[[provides]]\\nname = "node"\\n' >"$CNB_BUILD_PLAN_PATH"
        """, """\
        #!/bin/sh
        echo "plan: $(cat "$CNB_BP_PLAN_PATH")"
        """)
    phases.buildpack("app", """\
        #!/bin/sh
        printf '[[requires]]\\nname = "node"\\n[requires.metadata]\\nversion = "20"\\n' >"$2"
        """, "#!/bin/sh\ncat \"$3\"\n")
    phases.order(["node", "app"])
    assert phases.detect().returncode == 0
    result = phases.build()
    assert result.returncode == 0, result.stderr
    assert 'name = "node"' in result.stdout and 'version = "20"' in result.stdout


def test_when_nothing_passes_every_output_is_shown(phases):
    phases.buildpack("a", DETECT_BY_FILE.format(file="a", plan=""))
    phases.buildpack("b", DETECT_BY_FILE.format(file="b", plan=""))
    phases.order(["a"], ["b"])
    result = phases.detect()
    assert result.returncode == 20
    assert "looking for a" in result.stdout and "looking for b" in result.stdout
    assert "test/a@1" in result.stdout


@pytest.mark.parametrize("detect", [
    "#!/bin/sh\necho broken here; exit 3\n",
    "#!/bin/sh\necho 'not toml' >$CNB_BUILD_PLAN_PATH\n",
    "#!/bin/sh\nprintf '[[requires]]\\nname = \"x\"\\nversion = \"1\"\\n' >$CNB_BUILD_PLAN_PATH\n",
    "#!/no/such/interpreter\n",
])
def test_a_buildpack_that_cannot_say_is_an_error(phases, detect):
    phases.buildpack("a", detect)
    phases.order(["a"])
    result = phases.detect()
    assert result.returncode == 21, result.stdout + result.stderr
    assert "test/a@1" in result.stdout


def test_unknown_buildpacks_and_apis(phases):
    phases.buildpack("old", api="0.2")
    phases.order(["old"])
    result = phases.detect()
    assert result.returncode == 12 and "test/old@1" in result.stderr
    phases.order(["missing"])
    result = phases.detect()
    assert result.returncode == 22 and "test/missing@1" in result.stderr


def test_a_failing_buildpack_has_exit_code_51(phases):
    phases.buildpack("a", build="#!/bin/sh\necho the reason >&2\nexit 7\n")
    phases.order(["a"])
    assert phases.detect().returncode == 0
    result = phases.build()
    assert result.returncode == 51
    assert "the reason" in result.stdout
    assert "test/a@1 failed with exit code 7" in result.stderr


def test_types_at_the_top_level_are_an_error(phases):
    phases.buildpack("a", build="#!/bin/sh\nmkdir $1/l; echo 'launch = true' >$1/l.toml\n")
    phases.order(["a"])
    assert phases.detect().returncode == 0
    result = phases.build()
    assert result.returncode == 52 and "[types]" in result.stderr


def test_the_environment_of_a_buildpack(phases):
    show = "#!/bin/sh\nenv\n"
    make = """\
        #!/bin/sh
        mkdir -p "$CNB_LAYERS_DIR/l/bin" "$CNB_LAYERS_DIR/l/env.build"
        printf built >"$CNB_LAYERS_DIR/l/env.build/FROM_LAYER"
        printf '[types]\\nbuild = true\\n' >"$CNB_LAYERS_DIR/l.toml"
        """
    phases.buildpack("make", build=make)
    phases.buildpack("show", build=show)
    phases.buildpack("clear", build=show, about="clear-env = true\n")
    phases.write("platform/env/MINE", "my value")
    phases.write("platform/env/PATH", "/my/path")
    phases.order(["make", "show"])
    assert phases.detect(env={"SECRET_OF_THE_PLATFORM": "1"}).returncode == 0
    seen = phases.build().stdout
    assert "MINE=my value\n" in seen and "FROM_LAYER=built\n" in seen
    assert f"PATH=/my/path:{phases.root}/layers/test_make/l/bin:/usr/bin:/bin\n" in seen
    assert "CNB_TARGET_OS=linux\n" in seen and "CNB_BUILDPACK_DIR=" in seen
    assert "SECRET_OF_THE_PLATFORM" not in seen
    phases.order(["clear"])
    assert phases.detect().returncode == 0
    assert "MINE" not in phases.build().stdout


def test_root_may_not_run_buildpacks(ready):
    if ready.account.is_caller:
        pytest.skip("not root")
    result = subprocess.run([str(ready.programs / "locald-lifecycle"), "detector"],
                            env={"CNB_PLATFORM_API": "0.12"}, stderr=subprocess.PIPE, text=True)
    assert result.returncode != 0 and "root" in result.stderr
