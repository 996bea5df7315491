"""locald-shim net: sockets of a container's network, handed out."""

import array
import json
import os
import socket
import threading

import pytest

from support import accounts


class Relay:
    """Takes what it is sent, and answers at the end."""

    def __init__(self, shim, answer):
        self.path = shim.folder / "relay.sock"
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listening.bind(str(self.path))
        self.listening.listen()
        os.chown(self.path, shim.user.account.uid, shim.user.account.gid)
        self.packets, self.answer = [], answer
        self.thread = threading.Thread(target=self.take)
        self.thread.start()

    def take(self):
        guest, _ = self.listening.accept()
        while True:
            text, parts, _, _ = guest.recvmsg(65536, socket.CMSG_SPACE(4 * 16))
            fds = array.array("i")
            for _, _, data in parts:
                fds.frombytes(data)
            if not text:
                break
            packet = json.loads(text)
            self.packets.append((packet, list(fds)))
            if packet["op"] == "end":
                guest.send(json.dumps(self.answer).encode())
        guest.close()

    def close(self):
        self.thread.join(20)
        for _, fds in self.packets:
            for fd in fds:
                os.close(fd)
        self.listening.close()
        self.path.unlink()


@pytest.fixture
def relay(shim):
    made = []

    def make(answer=None):
        made.append(Relay(shim, answer or {"op": "ok"}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def sockets(relay, op):
    return [fd for packet, fds in relay.packets if packet["op"] == op for fd in fds]


SERVE = "nc -ll -p 7000 -e cat & until grep -q :1B58 /proc/net/tcp*; do :; done; echo ready; cat"


def test_sockets_connect_inside(shim, bundle, relay):
    taker = relay()
    with shim.running(bundle, SERVE):
        shim("net", "--socket", taker.path, "--sockets", "20", "--publish", "12345:7000",
             "--peer", "127.108.0.2:80=4321", "c", check=0)
        taker.thread.join(20)
        container, pidfds = taker.packets[0]
        assert container == {"op": "container", "id": "c", "publish": [[12345, 7000]], "open": False}
        assert len(pidfds) == 1
        assert [p["ports"] for p, _ in taker.packets if p["op"] == "listeners"] == [[4321]]
        plain = sockets(taker, "sockets")
        assert len(plain) == 20
        with socket.socket(fileno=os.dup(plain[0])) as sock:
            sock.settimeout(20)
            sock.connect(("::ffff:127.0.0.1", 7000) if sock.family == socket.AF_INET6
                         else ("127.0.0.1", 7000))
            sock.sendall(b"from outside\n")
            assert sock.recv(100) == b"from outside\n"
        # Who is inside finds the listener, a port below 1024, at its address.
        with socket.socket(fileno=os.dup(sockets(taker, "listeners")[0])) as listening:
            caller = shim.start("exec", "c", "/bin/sh", "-c", "echo from inside | nc 127.108.0.2 80")
            listening.settimeout(20)
            listening.setblocking(True)
            accepted, _ = listening.accept()
            assert accepted.recv(100) == b"from inside\n"
            accepted.close()
            caller.communicate(timeout=20)


def test_a_hook_of_an_ordinary_user_enters_the_network(shim, bundle, relay):
    taker = relay()
    bundle.config["hooks"] = {"createRuntime": [
        {"path": str(shim.program), "args": [*shim.command("net", "--socket", taker.path,
                                                           "--sockets", "1", "c")]}]}
    assert shim.output(bundle, "echo started") == "started\n"
    taker.thread.join(20)
    assert len(sockets(taker, "sockets")) == 1


def test_what_the_relay_says_ends_the_start(shim, bundle, relay):
    taker = relay({"op": "error", "text": "port 80: Address already in use"})
    bundle.config["hooks"] = {"createRuntime": [
        {"path": str(shim.program), "args": [*shim.command("net", "--socket", taker.path, "c")]}]}
    result = shim.run(bundle.sh("echo started"))
    assert result.returncode == 1 and "started" not in result.stdout
    assert "port 80: Address already in use" in result.stderr


@pytest.mark.parametrize("options, text", [
    (["c"], "either --socket or --fd"),
    (["--fd", "3", "--socket", "/x", "c"], "either --socket or --fd"),
    (["--socket", "/x", "--sockets", "100000", "c"], "at most 256"),
    (["--socket", "/x", "--publish", "80", "c"], "PORT:PORT"),
    (["--socket", "/x", "--publish", "80:0", "c"], "--publish 80:0"),
    (["--socket", "/x", "--publish", "80:70000", "c"], "--publish"),
    (["--socket", "/x", "--peer", "127.0.0.2:80", "c"], "ADDRESS:PORT=PORT"),
    (["--socket", "/x", "--peer", "10.0.0.1:80=80", "c"], "loopback"),
    (["--socket", "/x", "--peer", "127.0.0.2:x=80", "c"], "--peer"),
    (["--socket", "/x", "none"], "none"),
])
def test_bad_options(shim, options, text):
    result = shim("net", *options)
    assert result.returncode in (1, 2) and text in result.stderr, result


def test_the_hosts_network_is_nobodys(shim, bundle):
    with shim.running(bundle.without("network")):
        result = shim("net", "--socket", shim.folder / "none.sock", "c")
        assert result.returncode == 1 and "none.sock" in result.stderr
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            result = shim("net", "--fd", theirs.fileno(), "--sockets", "1", "c",
                          pass_fds=[theirs.fileno()])
    assert result.returncode == 1 and "host's network" in result.stderr, result


def test_another_users_container_is_not_entered(shim, bundle):
    if os.getuid() != 0 or shim.user.name != "root":
        pytest.skip("needs root and another user")
    account, reason = accounts.ordinary_user()
    if not account:
        pytest.skip(reason)
    with shim.running(bundle):
        shim.user, mine = type(shim.user)("other", account, [], []), shim.user
        try:
            result = shim("net", "--socket", "/x", "c")
        finally:
            shim.user = mine
    assert result.returncode == 1 and result.stderr, result
