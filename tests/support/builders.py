"""Builders of one buildpack, `test/NAME`, made of a sandbox's image `base`."""

from support.sandbox import Project

BUILDPACK = """
    api = "0.10"

    [buildpack]
    id = "test/{name}"
    version = "1.0.0"

    [[targets]]
    os = "linux"
"""
BUILDER = """
    description = "for tests"

    [[buildpacks]]
    uri = "buildpack"

    [[order]]
    [[order.group]]
    id = "test/{name}"
    version = "1.0.0"

    [build]
    image = "base"

    [run]
    [[run.images]]
    image = "base"
"""


def create(sandbox, name, build, detect="#!/bin/sh\n"):
    """The builder NAME; `build` and `detect` are the buildpack's scripts."""
    made = Project(sandbox, sandbox.root / f"builder-{name}")
    made.write("builder.toml", BUILDER.format(name=name))
    made.write("buildpack/buildpack.toml", BUILDPACK.format(name=name))
    made.write("buildpack/bin/detect", detect, mode=0o755)
    made.write("buildpack/bin/build", build, mode=0o755)
    sandbox.run("builder", "create", name, "-c", str(made.folder / "builder.toml"))
