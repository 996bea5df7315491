"""SCMP_ACT_NOTIFY: an agent outside decides about system calls of the container."""

import errno
import json
import socket
import threading

import pytest

from support import seccomp_agent

MKDIR = ["mkdir", "mkdirat"]
# What the runtime itself calls behind the filter, but for the one that it must have.
OWN = ["setresuid", "setresgid", "setgroups", "capset", "prctl", "rt_sigaction", "wait4", "execve",
       "sendmsg", "sendto", "close", "futex", "exit_group"]


def agent(shim, answer=0):
    return seccomp_agent.Agent(shim.folder / "agent", shim.user.account, answer)


def notify(shim, bundle, names, **more):
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(shim.folder / "agent"),
        "syscalls": [{"names": names, "action": "SCMP_ACT_NOTIFY"}], **more}
    return bundle


@pytest.mark.parametrize("options", [(), ("--init",)])
@pytest.mark.parametrize("nnp", [True, False])
def test_an_agent_answers(shim, bundle, nnp, options):
    bundle.config["process"]["noNewPrivileges"] = nnp
    bundle.config["annotations"] = {"a": "b"}
    notify(shim, bundle, MKDIR, listenerMetadata='some "words"')
    with agent(shim, errno.EXDEV) as its:
        out = shim.output(bundle, "mkdir /tmp/a 2>&1; echo next; echo /proc/self/fd/*", options)
    assert "Invalid cross-device link" in out and "next" in out
    # Nothing of the way there is left in the program: its streams, and the folder it lists.
    assert [path.rsplit("/")[-1] for path in out.splitlines()[-1].split()][:4] == list("0123")
    assert len(out.splitlines()[-1].split()) == 4
    told, = its.told
    assert told["ociVersion"] == "1.2.0" and told["fds"] == ["seccompFd"]
    assert told["metadata"] == 'some "words"' and told["pid"] == told["state"]["pid"] > 1
    assert told["state"]["id"] == "c" and told["state"]["status"] == "creating"
    assert told["state"]["bundle"] == str(bundle.path)
    assert told["state"]["annotations"] == {"a": "b"}
    assert len(its.asked) == 1


@pytest.mark.parametrize("nnp", [True, False])
def test_the_calls_of_the_runtime_may_be_notified(shim, bundle, nnp):
    bundle.config["process"]["noNewPrivileges"] = nnp
    with agent(shim) as its:
        assert shim.output(notify(shim, bundle, OWN), "echo done") == "done\n"
    assert len(its.asked) > 3


def test_a_large_message_comes_whole(shim, bundle):
    bundle.config["annotations"] = {"large": "x" * 300_000}
    with agent(shim) as its:
        assert shim.output(notify(shim, bundle, MKDIR), "mkdir /tmp/a && echo made") == "made\n"
    assert its.told[0]["state"]["annotations"] == bundle.config["annotations"]


def test_exec_has_the_filter_with_a_listener_of_its_own(shim, bundle):
    notify(shim, bundle, MKDIR)
    with agent(shim, errno.EXDEV) as its:
        with shim.running(bundle):
            result = shim("exec", "c", "/bin/mkdir", "/tmp/a")
    assert result.returncode == 1 and "Invalid cross-device link" in result.stderr
    first, second = its.told
    assert second["state"]["status"] == "running" and second["state"]["pid"] == first["pid"]
    assert second["pid"] == its.asked[0][0] != first["pid"]


def test_created_and_started(shim, bundle):
    notify(shim, bundle, MKDIR).sh("mkdir /tmp/a 2>&1")
    with agent(shim, errno.EXDEV) as its:
        shim.detached("create", "--bundle", bundle.path, "c")
        assert not its.told
        shim("start", "c", check=0)
        shim.wait_status("stopped")
        shim("delete", "c", check=0)
    assert len(its.asked) == 1 and its.told[0]["state"]["id"] == "c"


def closing(listener):
    with listener:
        listener.accept()[0].close()


@pytest.mark.parametrize("names", [MKDIR, MKDIR + OWN], ids=["few", "many"])
def test_an_agent_that_goes_away_is_named(shim, bundle, names):
    """What waits for it must not wait for ever."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(shim.folder / "agent"))
    (shim.folder / "agent").chmod(0o666)
    listener.listen(1)
    thread = threading.Thread(target=closing, args=(listener,))
    thread.start()
    notify(shim, bundle, names).write()
    shim.detached("create", "--bundle", bundle.path, "c")
    thread.join()
    assert "linux.seccomp.listenerPath: tell the agent" in shim("start", "c", check=1).stderr
    shim.wait_status("stopped")
    shim("delete", "c", check=0)


def test_an_agent_that_is_not_there_is_named(shim, bundle):
    result = shim.run(notify(shim, bundle, MKDIR).write(), check=1)
    assert f"linux.seccomp.listenerPath: {shim.folder}/agent: No such file" in result.stderr
    assert json.loads(shim("list", "--format=json", check=0).stdout) in (None, [])


def test_a_path_without_notification_is_ignored(shim, bundle):
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(shim.folder / "agent")}
    assert shim.output(bundle, "echo done") == "done\n"
