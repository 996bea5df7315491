"""Process 1 and the tree below it: it reaps, it forwards, and nothing outlives it."""

import os
import signal
import subprocess

import pytest

from support.waiting import until

from . import conftest

# A child, one in its own session, one that lost its parent, and one that ignores everything.
TREE = """
    sleep 600 & setsid sleep 601 & (sleep 602 &) ; sh -c 'trap "" TERM HUP INT; echo up; sleep 603' &
    echo ready; cat; wait"""
MEMBERS = 6  # the four, the shell that ignores, and the script


def processes_of(namespace):
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                found[int(pid)] = open(f"/proc/{pid}/comm", encoding="utf-8").read().strip()
        except OSError:
            continue
    return found


@pytest.fixture(params=[(), ("--init",)], ids=["program", "init"])
def options(request):
    return request.param


@pytest.fixture
def tree(shim, bundle, options):
    """(the shim's process, the namespace) of a container whose tree is up."""
    if os.getuid() != 0:
        pytest.skip("needs root to look into namespaces of others")
    process = shim.start("run", *options, "--bundle", bundle.sh(TREE).path, "c",
                         stdin=subprocess.PIPE)
    try:
        assert {process.stdout.readline(), process.stdout.readline()} == {"ready\n", "up\n"}
        namespace = os.readlink(f"/proc/{shim.state_of()['pid']}/ns/pid")
        # The last of them may not be what it is to be yet.
        missing = conftest.wait_gone(
            lambda: len(processes_of(namespace)) < MEMBERS + len(options))
        assert not missing, processes_of(namespace)
        yield process, namespace
    finally:
        process.kill()
        process.communicate(timeout=60)


def is_gone(namespace):
    return not conftest.wait_gone(lambda: processes_of(namespace))


def number_inside(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(line.split()[-1] for line in file if line.startswith("NSpid:"))


def test_the_tree_is_gone_when_the_program_ends(tree, options):
    process, namespace = tree
    program = str(1 + len(options))  # process 1, or the one that it watches
    os.kill(next(pid for pid in processes_of(namespace) if number_inside(pid) == program), signal.SIGKILL)
    assert process.wait(60) == 128 + signal.SIGKILL
    assert is_gone(namespace)


def test_the_tree_is_gone_after_kill(shim, tree):
    process, namespace = tree
    shim("kill", "c", "KILL", check=0)
    assert process.wait(60) == 128 + signal.SIGKILL
    assert is_gone(namespace)


def test_the_tree_is_gone_after_delete(shim, tree):
    process, namespace = tree
    shim("delete", "--force", "c", check=0)
    process.wait(60)
    assert is_gone(namespace)


def test_the_tree_is_gone_after_sigkill_of_the_shim(shim, tree):
    process, namespace = tree
    inside = shim.state_of()["pid"]
    process.kill()
    process.wait(60)
    os.waitpid(inside, 0)
    assert is_gone(namespace)


def test_the_tree_is_gone_when_process_one_is_killed(shim, tree):
    process, namespace = tree
    os.kill(shim.state_of()["pid"], signal.SIGKILL)
    assert process.wait(60) == 128 + signal.SIGKILL
    assert is_gone(namespace)


def test_programs_of_exec_are_gone_with_it(shim, tree):
    process, namespace = tree
    more = shim.start("exec", "c", "/bin/sh", "-c", "echo ready; sleep 604")
    assert more.stdout.readline() == "ready\n"
    shim("kill", "c", "KILL", check=0)
    assert more.wait(60) == 128 + signal.SIGKILL and process.wait(60) == 128 + signal.SIGKILL
    assert is_gone(namespace)


def test_a_program_of_exec_dies_with_its_shim(shim, tree):
    more = shim.start("exec", "c", "/bin/sh", "-c", "echo ready; exec sleep 605")
    assert more.stdout.readline() == "ready\n"
    (program,) = until(lambda: [pid for pid in processes_of(tree[1])
                                if b"605" in conftest.command_line(pid)])
    more.kill()
    more.wait(60)
    os.waitpid(program, 0)
    assert program not in processes_of(tree[1]) and tree[0].poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT,
                                    signal.SIGUSR2, signal.SIGCONT, signal.SIGRTMIN + 3])
def test_signals_to_the_shim_reach_the_program(shim, bundle, options, number):
    script = f"trap 'exit 7' {int(number)}; echo ready; while :; do sleep 0.05; done"
    process = shim.start("run", *options, "--bundle", bundle.sh(script).path, "c")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait(60) == 7


def test_a_thousand_orphans_are_reaped(shim, bundle):
    """All of them end before the shell that counts looks."""
    script = """
        i=0; while [ $i -lt 1000 ]; do (true &); i=$((i + 1)); done
        while [ $(ls -d /proc/[0-9]* | wc -l) -gt 6 ]; do sleep 0.05; done; echo done"""
    assert shim.run(bundle.sh(script), "--init", check=0).stdout == "done\n"
