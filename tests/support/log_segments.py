"""Reads the segments of a service's log (src/keeper/log_record.h), without locald's own code."""

import struct

HEAD = struct.Struct("=IIQQqqIIBBHI")
STREAMS = {1: "out", 2: "err", 3: "event"}


class Record:
    def __init__(self, fields, data):
        (_, _, self.seq, self.pos, self.mono_ns, self.real_ns, self.run, _, stream, self.flags, lines,
         _) = fields
        self.stream, self.lines, self.data = STREAMS[stream], lines + 1, data

    @property
    def event(self):
        return dict(line.split("=", 1) for line in self.data.decode().splitlines() if "=" in line)


def read_segment(path):
    data, at = path.read_bytes(), 0
    while at + HEAD.size <= len(data):
        fields = HEAD.unpack_from(data, at)
        end = at + HEAD.size + fields[1]
        if end + 4 > len(data) or struct.unpack_from("=I", data, end)[0] != end + 4 - at:
            return  # torn: its keeper was killed in the middle of it
        yield Record(fields, data[at + HEAD.size:end])
        at = end + 4


def read_log(folder):
    """Every record that is stored, oldest first."""
    for path in sorted(folder.glob("*.seg")):
        yield from read_segment(path)


class Account:
    """What a log says of the bytes and runs of its service: stored + evicted + dropped."""

    def __init__(self, folder):
        self.stored = {"out": 0, "err": 0}
        self.evicted = self.dropped = self.unexplained_gap = 0
        self.lost_events = 0  # that a full disk refused
        self.starts, self.exits, self.out_of_order = [], [], 0
        position, sequence, told_drops = None, 0, 0
        for record in read_log(folder):
            if record.stream == "event":
                told_drops += self._event(record)
            self.out_of_order += record.seq <= sequence
            sequence = record.seq + record.lines - 1
            if position is None:
                self.evicted = record.pos
            elif record.pos != position:
                self.dropped += record.pos - position
            position = record.pos
            if record.stream != "event":
                self.stored[record.stream] += len(record.data)
                position += len(record.data)
        self.unexplained_gap = self.dropped - told_drops
        self.position = position or 0

    def _event(self, record):
        event = record.event
        if event["event"] == "start":
            self.starts.append(record.run)
        elif event["event"] == "exit":
            self.exits.append((record.run, int(event["code"]), int(event["signal"])))
        elif event["event"] == "drop":
            self.lost_events += int(event["records"]) - int(event["lines"])
            return int(event["bytes"])
        return 0
