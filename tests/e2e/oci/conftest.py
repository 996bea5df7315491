"""Jobs run by hand, as the daemon runs them, on a store of the test's own."""

import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import pytest

from support import accounts
from support.faulty_proxy import FaultyProxy
from support.sandbox import programs_of


def make_tar(files, links=None):
    """{name: bytes} as the bytes of a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return out.getvalue()


class Outcome:
    def __init__(self, process):
        self.status = process.returncode
        self.events = [json.loads(line) for line in process.stdout.splitlines()]
        self.err = process.stderr
        assert self.events and self.events[-1]["event"] == "result", process
        self.result = self.events[-1]

    @property
    def error(self):
        assert not self.result["ok"], self.result
        assert self.status != 0
        return self.result["error"]

    @property
    def ok(self):
        assert self.result["ok"], self.result
        assert self.status == 0, self.err
        return self.result


class Store:
    """An image store of an account, in a folder of its own below /tmp."""

    def __init__(self, locald, account):
        self.account = account
        self.program = programs_of(locald)("daemon", "locald-job")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ld-oci-"))
        self.folder.chmod(0o755)
        os.chown(self.folder, account.uid, account.gid)
        self.path = self.folder / "images"

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder)}

    def popen(self, kind, **params):
        """A job that is under way."""
        process = subprocess.Popen(
            [self.program, kind], env=self.environment(), cwd="/", text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            **self.account.popen_arguments())
        process.stdin.write(json.dumps({"store": str(self.path), **params}))
        process.stdin.close()
        return process

    def job(self, kind, **params):
        return Outcome(subprocess.run(
            [self.program, kind], env=self.environment(), cwd="/", text=True, check=False,
            input=json.dumps({"store": str(self.path), **params}), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=100, **self.account.popen_arguments()))

    def images(self):
        return {image["name"]: image for image in self.job("image-list").ok["images"]}

    def layers(self):
        folder = self.path / "layers"
        return {entry.name for entry in folder.iterdir()} if folder.exists() else set()

    def blobs(self):
        folder = self.path / "blobs/sha256"
        return {entry.name for entry in folder.iterdir()} if folder.exists() else set()

    def write(self, name, data):
        """A file of the account beside its store."""
        path = self.folder / name
        path.write_bytes(data)
        os.chown(path, self.account.uid, self.account.gid)
        path.chmod(0o644)
        return str(path)

    def remove(self):
        """Layers of an ordinary user belong to subordinate ids."""
        if os.getuid() != 0:
            subprocess.run(["unshare", "-Ur", "--map-auto", "chmod", "-R", "u+rwX", self.folder],
                           check=False)
            subprocess.run(["unshare", "-Ur", "--map-auto", "rm", "-rf", self.folder], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


CALLERS = ["caller", "ordinary user"] if os.getuid() == 0 else ["caller"]


@pytest.fixture(params=CALLERS)
def store(request, installed):
    """A store as the user who runs the tests, and once as an ordinary user."""
    account, reason = accounts.caller(), None
    if request.param != "caller":
        account, reason = accounts.ordinary_user()
    if not account:
        pytest.skip(reason)
    store = Store(installed, account)
    yield store
    store.remove()


@pytest.fixture
def proxy(registry):
    proxy = FaultyProxy(registry.port)
    yield proxy
    proxy.stop()
