"""Works out the digests in tests/unit/oci/test_tar_writer.c, from the rules and without our code.

The rules are those of Go's archive/tar, which the reference lifecycle of buildpacks uses: a ustar
header where one can hold the entry, else a PAX header before one with truncated ASCII texts.
Run it to print the table.
"""

import hashlib

TIME = 315532801


def octal(number, size):
    return b"%0*o\0" % (size - 1, number if number < 1 << 3 * (size - 1) else 0)


def ascii_only(text):
    return bytes(byte for byte in text if byte < 0x80)


def block(name=b"", mode=0, uid=0, gid=0, size=0, mtime=0, kind=b"0", link=b"", prefix=b"",
          device=(0, 0)):
    header = bytearray(512)

    def put(offset, length, text):
        header[offset:offset + len(text[:length])] = text[:length]

    put(0, 100, name)
    put(100, 8, octal(mode, 8))
    put(108, 8, octal(uid, 8))
    put(116, 8, octal(gid, 8))
    put(124, 12, octal(size, 12))
    put(136, 12, octal(mtime, 12))
    put(148, 8, b" " * 8)
    put(156, 1, kind)
    put(157, 100, link)
    put(257, 8, b"ustar\x0000")
    if device:
        put(329, 8, octal(device[0], 8))
        put(337, 8, octal(device[1], 8))
    put(345, 155, prefix)
    put(148, 8, b"%06o\0 " % sum(header))
    return bytes(header)


def split(name):
    if len(name) <= 100 or ascii_only(name) != name:
        return None
    at = name[:156].rfind(b"/")
    if at <= 0 or not 0 < len(name) - at - 1 <= 100 or at > 155:
        return None
    return name[:at], name[at + 1:]


def record(key, value):
    size = len(key) + len(value) + 3
    for _ in range(3):
        text = b"%d %s=%s\n" % (size, key, value)
        size = len(text)
    return text


def entry(name, kind=b"0", mode=0o644, uid=0, gid=0, data=b"", link=b"", size=None, device=(0, 0)):
    size = len(data) if size is None else size
    padding = b"\0" * (-len(data) % 512)
    records, fits = {}, True
    if len(name) > 100 or ascii_only(name) != name:
        records[b"path"] = name
        fits = split(name) is not None
    if len(link) > 100 or ascii_only(link) != link:
        records[b"linkpath"] = link
        fits = False
    for key, number, limit in ((b"uid", uid, 1 << 21), (b"gid", gid, 1 << 21),
                               (b"size", size, 1 << 33)):
        if number >= limit:
            records[key] = b"%d" % number
            fits = False
    if fits:
        prefix, short = split(name) or (b"", name)
        return block(short, mode, uid, gid, size, TIME, kind, link, prefix, device) + data + padding
    body = b"".join(record(key, records[key]) for key in sorted(records))
    folder, slash, base = name.rpartition(b"/")
    pax = ascii_only(folder + slash + b"PaxHeaders.0/" + base)[:100].rstrip(b"/")
    short = ascii_only(name)
    if len(short) > 100 and short[99:100] == b"/":
        short = short[:100].rstrip(b"/")
    return (block(pax, size=len(body), kind=b"x", device=None) + body + b"\0" * (-len(body) % 512)
            + block(short, mode, uid, gid, size, TIME, kind, ascii_only(link), device=device)
            + data + padding)


VECTORS = {
    "kinds": entry(b"/layers", b"5", 0o755)
    + entry(b"/layers/a_b", b"5", 0o755, 1000, 1001)
    + entry(b"/layers/a_b/run", b"0", 0o4755, 1000, 1001, b"#!/bin/sh\n")
    + entry(b"/layers/a_b/link", b"2", 0o777, link=b"run")
    + entry(b"/layers/a_b/pipe", b"6", 0o600)
    + entry(b"/layers/a_b/exact", data=b"x" * 512)
    + entry(b"/layers/a_b/none")
    + entry(b"/dev/null", b"3", 0o666, device=(1, 3)),
    "splits": b"".join(
        entry(b"/" + b"d" * dirs + (b"/" + b"e" * base if base else b""), b"5", 0o755)
        for dirs, base in ((99, 0), (100, 0), (153, 100), (154, 100), (155, 100), (10, 101), (60, 70))
    ),
    "texts": entry("/w/café/日本.txt".encode(), data=b"x") + entry(b"/w/latin-\xe9", data=b"y"),
    "ids": entry(b"/f", uid=2097151, gid=2097152) + entry(b"/g", uid=4294967294),
    "links": entry(b"/" + b"d" * 60 + b"/" + b"e" * 60, b"2", 0o777, link=b"t" * 101)
    + entry(b"/lien", b"2", 0o777, link="é".encode())
    + entry(b"/ok", b"2", 0o777, link=b"t" * 100),
    "lengths": b"".join(entry(b"/" + b"n" * n) for n in range(80, 1000)),
    "cut": entry(b"/" + b"a" * 98 + b"/" + b"b" * 200),
    "nothing": b"",
}

if __name__ == "__main__":
    for title, text in VECTORS.items():
        print(title, hashlib.sha256(text + b"\0" * 1024).hexdigest())
    for length in ((1 << 33) - 1, 1 << 33):
        print("size", length, hashlib.sha256(entry(b"/big", size=length)).hexdigest())
