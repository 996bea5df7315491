"""The root file system as an overlay that is mounted inside the user namespace."""

import os
import pathlib

import pytest


@pytest.fixture
def overlay(shim):
    """A bundle whose rootfs folder is empty and whose root is two layers and an upper one."""
    bundle = shim.new_bundle()
    lower = bundle.path / "lower"
    bundle.rootfs.rename(lower)
    bundle.rootfs.mkdir()
    second = bundle.mkdir("second")
    (second / "layer").write_text("second")
    (lower / "layer").write_text("first")
    shim.user.own(second / "layer")
    bundle.mkdir("upper")
    bundle.mkdir("work")
    bundle.config["mounts"].insert(0, {
        "destination": "/", "type": "overlay", "source": "overlay",
        "options": [f"lowerdir={second}:{lower}", f"upperdir={bundle.path}/upper",
                    f"workdir={bundle.path}/work", "userxattr"]})
    return bundle.write()


def test_layers_are_merged_and_changes_go_to_the_upper_one(shim, overlay):
    out = shim.output(overlay, "cat /layer; echo changed > /layer; rm /bin/yes; touch /new; "
                      "cat /layer; ls /bin/yes 2>/dev/null")
    assert out == "secondchanged\n"
    assert (overlay.path / "second/layer").read_text() == "second"
    assert (overlay.path / "upper/layer").read_text() == "changed\n"
    assert (overlay.path / "upper/new").stat().st_uid == shim.user.uid_map[0][1]
    assert (overlay.path / "lower/bin/yes").is_symlink()
    # And the next run finds them.
    assert shim.output(overlay, "cat /layer; test -e /bin/yes || echo gone") == "changed\ngone\n"


def test_nothing_is_mounted_on_the_host(shim, overlay):
    before = pathlib.Path("/proc/self/mountinfo").read_text()
    shim.run(overlay, check=0)
    assert pathlib.Path("/proc/self/mountinfo").read_text() == before
    assert not list(overlay.rootfs.iterdir())


def test_a_store_in_a_closed_folder_works(shim, overlay):
    """0700 above the layers, owned by the caller, whose id may not exist inside."""
    overlay.path.chmod(0o700)
    assert shim.output(overlay, "cat /layer") == "second"


def test_without_an_upper_layer_it_is_read_only(shim, overlay):
    mount = overlay.config["mounts"][0]
    mount["options"] = [o for o in mount["options"] if not o.startswith(("upper", "work"))]
    (overlay.path / "lower/tmp/x").touch()
    result = shim.run(overlay.sh("cat /layer; touch /layer"))
    assert result.stdout == "second" and "Read-only" in result.stderr


@pytest.mark.parametrize("count", [40, 120])
def test_many_layers_and_names_with_colons(shim, overlay, count):
    layers = []
    for i in range(count):
        folder = overlay.mkdir(f"layer:{i}")
        (folder / f"file{i}").touch()
        layers.append(str(folder).replace(":", "\\:"))
    mount = overlay.config["mounts"][0]
    mount["options"][0] = "lowerdir=" + ":".join(layers) + f":{overlay.path}/lower"
    result = shim.run(overlay.sh("ls -d /file*"))
    if result.returncode and "6.8" in result.stderr:
        pytest.skip("this kernel takes 80 layers")
    assert len(result.stdout.split()) == count, result


def test_the_mount_shows_no_path_of_the_host(shim, overlay):
    assert str(overlay.path) not in shim.output(overlay, "cat /proc/self/mounts")


@pytest.mark.parametrize("folder", ["lower", "upper", "work"])
def test_a_missing_layer_is_named(shim, overlay, folder):
    path = overlay.path / folder
    path.rename(overlay.path / "away")
    result = shim.run(overlay, check=1)
    assert f"{folder}dir" in result.stderr and str(path) in result.stderr


@pytest.mark.parametrize("drop", ["lowerdir", "upperdir", "workdir"])
def test_a_missing_option_is_named(shim, overlay, drop):
    mount = overlay.config["mounts"][0]
    mount["options"] = [o for o in mount["options"] if not o.startswith(drop)]
    assert "mounts[0]" in shim.run(overlay.write(), check=1).stderr


def test_another_type_of_root_is_refused_by_name(shim, overlay):
    overlay.config["mounts"][0]["type"] = "tmpfs"
    assert "`tmpfs` is not supported" in shim.run(overlay.write(), check=1).stderr


def test_a_missing_root_is_named(shim, bundle):
    bundle.config["root"]["path"] = "nosuch"
    assert "root.path" in shim.run(bundle.write(), check=1).stderr
    bundle.config["root"]["path"] = "config.json"
    assert "Not a directory" in shim.run(bundle.write(), check=1).stderr
    os.unlink(bundle.path / "config.json")
    assert "config.json" in shim.run(bundle, check=1).stderr
