"""A command on a pseudo-terminal, as a person would run it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

# Cursor movement and colours: what is left is the text.
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


class Terminal:
    """`locald ARGUMENTS` on a terminal of its own; what it shows gathers in `screen`."""

    def __init__(self, project, *arguments, rows=24, columns=80, env=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.sandbox = project.sandbox
        self.raw = b""
        self.process = project.popen(
            *arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={"TERM": "xterm", **(env or {})},
        )
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)

    @property
    def screen(self):
        return CONTROL.sub(b"", self.raw).decode(errors="replace").replace("\r\n", "\n")

    def read(self, timeout):
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        with contextlib.suppress(OSError):  # EIO: nobody has the other side open
            data = os.read(self.master, 65536)
            self.raw += data
            return bool(data)
        return None

    def expect(self, text, timeout=30.0):
        """Waits until the text is on the screen."""
        deadline = time.monotonic() + timeout
        while text not in self.screen:
            left = deadline - time.monotonic()
            assert left > 0 and self.read(left) is not None, f"no {text!r} in:\n{self.screen}"
        return self.screen

    def type(self, text):
        os.write(self.master, text.encode())

    def interrupt(self):
        """Ctrl-C."""
        self.type("\x03")

    def wait(self, timeout=30.0):
        """Reads to the end; the exit status."""
        deadline = time.monotonic() + timeout
        while self.read(max(0.0, deadline - time.monotonic())):
            pass
        return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))
