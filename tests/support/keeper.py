"""A keeper's socket, as its clients see it (docs/architecture.md, "Keeper")."""

import array
import socket
import struct

PACKET_MAX = 4096


class Keeper:
    """A connection to the keeper of one service.  Use it with `with`."""

    def __init__(self, sandbox, project, service):
        paths = list((sandbox.root / "run/locald/keepers").glob(f"{project.folder.name}-*/{service}.sock"))
        assert len(paths) == 1, f"no socket of {service}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.is_subscribed = False
        self.socket.connect(str(paths[0]))
        self.pid = struct.unpack("iII", self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, op, **values):
        lines = [f"op={op}", *(f"{key}={value}" for key, value in values.items())]
        self.socket.send("\n".join([*lines, ""]).encode())

    def write(self, data):
        self.socket.send(b"op=data\n\n" + data)

    def hear(self):
        """The next packet: (op, bytes of data or a dict); None at the end."""
        packet, ancillary, _, _ = self.socket.recvmsg(PACKET_MAX, socket.CMSG_SPACE(16 * 4))
        self.passed = array.array("i")
        for _, _, data in ancillary:
            self.passed.frombytes(data)
        if not packet:
            return None
        if packet.startswith(b"op=data\n\n"):
            return "data", packet[len(b"op=data\n\n"):]
        values = dict(line.split("=", 1) for line in packet.decode().splitlines())
        return values.pop("op"), values

    def status(self):
        self.say("hello")
        op, values = self.hear()
        assert op == "status", (op, values)
        return values

    def until(self, condition):
        """Subscribed, the first status for which condition(status) holds."""
        if not self.is_subscribed:
            self.say("subscribe")
        self.is_subscribed = True
        while True:
            packet = self.hear()
            assert packet, "the keeper ended first"
            if packet[0] == "status" and condition(packet[1]):
                return packet[1]
