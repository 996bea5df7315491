"""An agent that answers SCMP_ACT_NOTIFY: takes listeners on a unix socket and decides for each call."""

import fcntl
import json
import os
import select
import socket
import struct
import threading

NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101  # linux/seccomp.h
NOTIF_SIZE = 80
CONTINUE = 1


class Agent:
    """Answers with an errno, or lets the call go on with 0; keeps what it was told."""

    def __init__(self, path, account, answer):
        self.path, self.answer = path, answer
        self.told, self.asked, self.errors = [], [], []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        os.chown(path, account.uid, account.gid)
        self.socket.listen(8)
        self.threads = [threading.Thread(target=self.accept)]

    def __enter__(self):
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(timeout=60)
        self.socket.close()
        assert not self.errors, self.errors

    def accept(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            thread = threading.Thread(target=self.serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def serve(self, connection):
        try:
            with connection:
                text, fds, _, _ = socket.recv_fds(connection, 1 << 20, 4)
                while True:
                    try:
                        message = json.loads(text)
                        break
                    except ValueError:
                        more = connection.recv(1 << 20)
                        if not more:
                            return
                        text += more
                self.told.append(message)
            assert len(fds) == 1, fds
            self.watch(fds[0])
        except Exception as error:  # told by __exit__
            self.errors.append(error)

    def watch(self, fd):
        """Until no process has the filter any more."""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while True:
            events = poll.poll()[0][1]
            if not events & select.POLLIN:
                break
            request = bytearray(NOTIF_SIZE)
            try:
                fcntl.ioctl(fd, NOTIF_RECV, request, True)
                key, pid, _, number = struct.unpack_from("QIIi", request)
                self.asked.append((pid, number))
                fcntl.ioctl(fd, NOTIF_SEND, bytearray(struct.pack(
                    "QqiI", key, 0, -self.answer, 0 if self.answer else CONTINUE)), True)
            except FileNotFoundError:  # it was killed meanwhile
                continue
        os.close(fd)
