"""locald attach: a terminal, or the output of pipes."""

import fcntl
import os
import signal
import struct
import termios

from support.keeper import Keeper
from support.pty import Terminal
from support.waiting import until

ESCAPE = "\x1c"


def console(sandbox, script, extra="tty = true", says=None):
    """The service that runs the script, which has said `says` when this returns."""
    project = sandbox.project(f"""
        [services.console]
        type = "worker"
        command = "exec sh ./script"
        restart = "no"
        {extra}
    """)
    project.write("script", script)
    project.up()
    until(lambda: not says or says in "".join(project.log("console")), what=f"it says {says}")
    return project


def untouched():
    """The settings of a terminal that nobody changed."""
    master, slave = os.openpty()
    settings = termios.tcgetattr(master)
    os.close(master)
    os.close(slave)
    return settings


ECHO = """
    stty size
    echo "TERM is $TERM, on $(tty)"
    while read line; do echo "got <$line>"; done
"""


def test_a_terminal_is_used_and_left(sandbox):
    project = console(sandbox, ECHO, says="TERM is")
    with Terminal(project, "attach", "console", rows=31, columns=77) as terminal:
        terminal.expect("attached to console")
        terminal.expect("Ctrl-\\ d detaches")
        terminal.expect("24 80")
        terminal.expect("TERM is xterm-256color, on /dev/pts/")
        terminal.type("hello\r")
        terminal.expect("got <hello>")
        terminal.type(ESCAPE + "d")
        terminal.expect("detached; console goes on")
        assert terminal.wait() == 0
        assert termios.tcgetattr(terminal.master) == untouched()
    assert project.service("console")["state"] == "running"
    until(lambda: "got <hello>\r" in [line.removesuffix("\n") for line in project.log("console")])


def test_the_terminal_has_the_size_of_the_client(sandbox):
    project = console(sandbox, "trap 'stty size' WINCH\necho ready\nwhile :; do sleep 0.1; done", says="ready")
    with Terminal(project, "attach", "console", rows=31, columns=77) as terminal:
        terminal.expect("31 77")
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
        terminal.expect("20 60")


def test_keys_reach_the_program_as_signals(sandbox):
    project = console(sandbox, "trap 'echo interrupted; exit 7' INT\necho ready\nwhile :; do sleep 0.1; done")
    with Terminal(project, "attach", "console") as terminal:
        terminal.expect("ready")
        terminal.interrupt()
        terminal.expect("interrupted")
        terminal.expect("console exited with code 7")
        assert terminal.wait() == 7


def test_the_terminal_is_restored_after_a_signal(sandbox):
    project = console(sandbox, "printf '\\033[?1049h'; echo full screen; read x")
    with Terminal(project, "attach", "console") as terminal:
        terminal.expect("full screen")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 0
        assert b"\x1b[?1049l" in terminal.raw
        assert termios.tcgetattr(terminal.master) == untouched()
    assert project.service("console")["state"] == "running"


def test_one_writes_and_several_watch(sandbox):
    project = console(sandbox, ECHO)
    with Terminal(project, "attach", "console") as first:
        first.expect("TERM is")
        first.type("one\r")
        first.expect("got <one>")
        with Terminal(project, "attach", "console") as second:
            second.expect("another client writes: watching only")
            second.expect("got <one>")
            second.type("two\r")
            first.type("three\r")
            second.expect("got <three>")
            assert "two" not in first.expect("got <three>")


def test_killing_the_client_leaves_the_service_alone(sandbox):
    project = console(sandbox, ECHO)
    pid = project.service("console")["pid"]
    with Terminal(project, "attach", "console") as terminal:
        terminal.expect("TERM is")
    with Terminal(project, "attach", "console") as terminal:
        terminal.expect("TERM is")
        terminal.type("again\r")
        terminal.expect("got <again>")
    assert project.service("console")["pid"] == pid


def test_the_output_of_pipes_is_shown(sandbox):
    project = console(sandbox, "echo out; echo err >&2; read x || echo nothing to read; sleep 1000", "")
    with Terminal(project, "attach", "console") as terminal:
        terminal.expect("its output only; Ctrl-C detaches")
        terminal.expect("nothing to read")
        terminal.expect("out\n")
        terminal.expect("err\n")
        terminal.interrupt()
        terminal.expect("detached")
        assert terminal.wait() == 0


def test_lines_for_a_pipe(sandbox):
    project = console(sandbox, "while read line; do echo \"got <$line>\"; done", "stdin = true")
    with Terminal(project, "attach", "console") as terminal:
        terminal.expect("Ctrl-C detaches")
        terminal.type("hello\n")
        terminal.expect("got <hello>")


def test_it_works_without_the_daemon(sandbox):
    project = console(sandbox, ECHO)
    sandbox.kill_daemon()
    with Terminal(project, "attach", "console") as terminal:
        terminal.expect("TERM is")
        terminal.type("alone\r")
        terminal.expect("got <alone>")


def test_what_cannot_be_attached(sandbox):
    project = console(sandbox, ECHO)
    result = project.fail("attach", "console", status=2)
    assert "needs a terminal" in result.err and "locald logs -f console" in result.err
    with Terminal(project, "attach", "consol") as terminal:
        terminal.expect("did you mean `console`?")
        assert terminal.wait() == 4


def test_a_slow_client_delays_nobody(sandbox):
    project = console(sandbox, "head -c 30000000 /dev/zero | tr '\\0' x; echo; echo written; sleep 1000")
    with Keeper(sandbox, project, "console") as slow:
        slow.say("attach", write=0)
        until(lambda: any("written" in text for text in project.log("console")), timeout=60)
        received = 0
        while (packet := slow.hear()) is not None and packet[0] == "data":
            received += len(packet[1])
        assert packet is None and received < 30000000
