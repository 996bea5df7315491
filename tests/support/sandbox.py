"""A sandbox: one user's whole locald - home, XDG folders, daemon - in a folder of its own."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile
import textwrap
import uuid

from support import accounts, audit

# Children that somebody waits for; every other zombie of ours is an orphan (audit.reap).
STARTED = set()


def programs_of(binary):
    """Where the other programs of an installed or a built locald are."""
    binary = pathlib.Path(binary)
    installed = binary.parent.parent / "libexec/locald"
    if installed.is_dir():
        return lambda room, name: str(installed / name)
    return lambda room, name: str(binary.parent.parent / room / name)


class Result:
    """What a command did.  `events` and `json` read its standard output."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status = argv, status
        self.raw_out, self.raw_err = out, err
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def events(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self):
        """The last event of a long operation."""
        last = self.events[-1]
        assert last["event"] == "result", f"no result at the end of:\n{self.out}"
        return last

    def __str__(self):
        return (
            f"$ {' '.join(self.argv)}\nexit status {self.status}\n"
            f"--- stdout\n{self.out}--- stderr\n{self.err}"
        )


class Project:
    """A folder with files, and the commands that are about it."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.folder = sandbox, folder

    def write(self, name, text, mode=None):
        """The file is there as a whole, as an editor saves it: nobody reads or watches a half of it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        target, whole = path.resolve(), self.sandbox.root / "whole"
        whole.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        if mode is not None:
            whole.chmod(mode)
        elif target.exists():
            whole.chmod(stat.S_IMODE(target.stat().st_mode))
        self.sandbox.own(whole)
        whole.rename(target)
        self.sandbox.own(self.folder)
        return path

    def run(self, *arguments, **options):
        return self.sandbox.run(*arguments, cwd=self.folder, **options)

    def attempt(self, *arguments, **options):
        return self.sandbox.attempt(*arguments, cwd=self.folder, **options)

    def fail(self, *arguments, **options):
        return self.sandbox.fail(*arguments, cwd=self.folder, **options)

    def popen(self, *arguments, **options):
        return self.sandbox.popen(*arguments, cwd=self.folder, **options)

    def up(self, *arguments, **options):
        """The result event of `locald up`."""
        return self.run("up", "--json", *arguments, **options).result

    def status(self):
        """What status says about this project."""
        return self.run("status", "--json").json

    def services(self):
        return {service["name"]: service for service in self.status()["services"]}

    def service(self, name):
        return self.services()[name]

    def log(self, *services):
        """The output of services: the text of each record of stdout and stderr."""
        records = self.run("logs", "--json", "-n", "100000", *services).events
        return [r.get("text", "") for r in records if r.get("stream") in ("out", "err")]


class Sandbox:
    def __init__(self, binary, account=None, libexec=None):
        self.binary = str(binary)
        self.account = account or accounts.caller()
        # Short, because a socket's path has 107 bytes; pytest's tmp_path alone can have those.
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="ld-", dir="/tmp"))
        self.tag = uuid.uuid4().hex
        self.processes_before = frozenset(audit.processes())
        self.cgroups_before = audit.cgroups()
        self.home = self.root / "home"
        self.environment = {
            "HOME": str(self.home),
            "USER": self.account.name,
            "LOGNAME": self.account.name,
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "XDG_DATA_HOME": str(self.root / "data"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "ASAN_OPTIONS": f"detect_leaks=1:log_path={self.root}/sanitizer",
            "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={self.root}/sanitizer",
            audit.TAG: self.tag,
        }
        if libexec:
            self.environment["LOCALD_LIBEXEC"] = str(libexec)
        for name in ("home", "run", "state", "data", "cache", "config"):
            (self.root / name).mkdir(mode=0o700)
        self.root.chmod(0o755)
        self.own(self.root)

    def own(self, top):
        """Gives what the test wrote to the account that runs locald."""
        if self.account.is_caller:
            return
        below = [os.path.join(folder, name) for folder, folders, files in os.walk(top) for name in folders + files]
        for path in [top, *below]:
            with contextlib.suppress(FileNotFoundError):  # services come and go in it
                os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def project(self, toml, name="shop"):
        """A new project folder with this locald.toml (None: without one)."""
        folder = self.root / "src" / name
        folder.mkdir(parents=True)
        project = Project(self, folder)
        if toml is not None:
            project.write("locald.toml", toml)
        self.own(self.root / "src")
        return project

    def popen(self, *arguments, cwd=None, env=None, argv=None, **options):
        """A started command; whoever starts it waits for it."""
        process = subprocess.Popen(
            argv or [self.binary, *arguments],
            cwd=cwd or self.root,
            env={**self.environment, **(env or {})},
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            **self.account.popen_arguments(),
            **options,
        )
        STARTED.add(process.pid)
        return process

    def finish(self, process, timeout=60):
        """Waits for a started command."""
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            result = Result(process.args, "none", out or b"", err or b"")
            raise AssertionError(f"did not end in {timeout} s:\n{result}\n{self.log()}") from None
        finally:
            STARTED.discard(process.pid)
        return Result(process.args, process.returncode, out or b"", err or b"")

    def attempt(self, *arguments, timeout=60, **options):
        """Runs `locald ARGUMENTS`, whatever becomes of it."""
        return self.finish(self.popen(*arguments, **options), timeout)

    def run(self, *arguments, **options):
        """Runs `locald ARGUMENTS`, which must succeed."""
        result = self.attempt(*arguments, **options)
        assert result.status == 0, str(result)
        return result

    def fail(self, *arguments, status, **options):
        """Runs `locald ARGUMENTS`, which must end with this exit status and say why on stderr."""
        result = self.attempt(*arguments, **options)
        assert result.status == status, f"expected exit status {status}:\n{result}"
        assert "--json" in arguments or result.err.strip(), f"said nothing on stderr:\n{result}"
        return result

    @property
    def daemon_log(self):
        return self.root / "state/locald/daemon.log"

    def log(self):
        if not self.daemon_log.exists():
            return "(there is no daemon.log)"
        return f"--- daemon.log\n{self.daemon_log.read_text(errors='replace')[-16384:]}"

    def daemon_pid(self):
        """Of the daemon that runs, or None."""
        result = self.attempt("server", "status", "--json")
        return result.json["daemon"]["pid"] if result.status == 0 else None

    def proxy_port(self):
        return self.run("status", "-A", "--json").json["daemon"]["proxy"]["port"]

    def relay_pid(self):
        """Of the relay that runs, or None."""
        found = [p.pid for p in audit.processes().values()
                 if f"relay {self.root}" in p.command() and not p.is_zombie]
        return found[0] if found else None

    def kill_daemon(self):
        """SIGKILL, and the daemon is gone when this returns."""
        pid = self.daemon_pid()
        pidfd = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            wait_readable(pidfd, 30)
        finally:
            os.close(pidfd)
        audit.reap()
        return pid

    def sanitizer_reports(self):
        return [
            path.read_text(encoding="utf-8", errors="replace")
            for path in sorted(self.root.glob("sanitizer.*"))
        ]

    def shutdown(self):
        """Ends everything the public way, when anything runs."""
        self.attempt("server", "shutdown", "--services", timeout=60)

    def leaks(self, others=frozenset(), patience=30.0):
        return audit.leaks(self.root, self.tag, self.processes_before, self.cgroups_before, others,
                           patience)

    def kill_leaks(self):
        """After a failed audit, so that later tests do not meet what this one left."""
        for process in audit.left_processes(self.tag, others={"any"}):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def remove(self):
        """Containers leave files of subordinate ids, which only root or their namespace removes."""
        shutil.rmtree(self.root, ignore_errors=True)
        if self.root.exists():
            remove_in_namespace(self.root)


def wait_readable(fd, timeout):
    import select

    poll = select.poll()
    poll.register(fd, select.POLLIN)
    assert poll.poll(timeout * 1000), f"nothing happened in {timeout} s"


def remove_in_namespace(path):
    """As an ordinary user: in a user namespace with the caller's subordinate ids."""
    subprocess.run(
        ["unshare", "--map-root-user", "--map-auto", "rm", "-rf", str(path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
