"""Runs every case of cases.py through toml_decode, with Python's tomllib as the oracle.

A valid case must give the value written beside it, the oracle must agree (unless the case says that
it does not), and what our writer makes of it must read back as the same. An invalid case must be
refused at the line and column written beside it, and by the oracle too.
"""

import datetime
import json
import math
import subprocess
import sys
import tomllib

import cases


def run(decoder, text, *args):
    done = subprocess.run([decoder, *args], input=text, capture_output=True, timeout=20)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def parse_time(text):
    head, _, fraction = text.partition(".")
    return datetime.time.fromisoformat(head + ("." + fraction[:6].ljust(6, "0") if fraction else ""))


def parse_datetime(text):
    date, time = text[:10], text[11:]
    zone = None
    if time[-1] == "Z":
        time, zone = time[:-1], datetime.timezone.utc
    elif time[-6] in "+-":
        sign = -1 if time[-6] == "-" else 1
        delta = datetime.timedelta(hours=int(time[-5:-3]), minutes=int(time[-2:]))
        time, zone = time[:-6], datetime.timezone(sign * delta)
    return datetime.datetime.combine(datetime.date.fromisoformat(date), parse_time(time), zone)


UNTAG = {
    "string": str,
    "integer": int,
    "float": float,
    "bool": lambda text: text == "true",
    "datetime": parse_datetime,
    "datetime-local": parse_datetime,
    "date-local": datetime.date.fromisoformat,
    "time-local": parse_time,
}


def untag(value):
    if isinstance(value, list):
        return [untag(item) for item in value]
    if set(value) == {"type", "value"} and isinstance(value["type"], str):
        return UNTAG[value["type"]](value["value"])
    return {key: untag(item) for key, item in value.items()}


def same(a, b):
    """Equal, and of the same types, the order of keys included; nan equals nan."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return a == b


def unordered(value):
    if isinstance(value, dict):
        return {key: unordered(value[key]) for key in sorted(value)}
    return [unordered(item) for item in value] if isinstance(value, list) else value


def oracle(text):
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return None


def check_valid(decoder, case):
    code, out, err = run(decoder, case.text)
    if code != 0:
        return f"refused: {err.strip()}"
    got = untag(json.loads(out))
    if not same(unordered(got), unordered(case.value)):
        return f"expected {case.value!r}, got {got!r}"
    if case.oracle and not same(unordered(oracle(case.text)), unordered(got)):
        return f"the oracle says {oracle(case.text)!r}, we {got!r}"
    code, written, err = run(decoder, case.text, "-w")
    code, out, err = run(decoder, written.encode())
    if code != 0 or not same(unordered(untag(json.loads(out))), unordered(got)):
        return f"does not survive the writer: {written!r} {err.strip()}"
    return None


def check_invalid(decoder, case):
    code, out, err = run(decoder, case.text)
    if code != 1:
        return f"accepted: {out.strip()}" if code == 0 else f"status {code}: {err.strip()}"
    if not err.startswith(f"{case.at}: "):
        return f"expected an error at {case.at}, got {err.strip()}"
    if case.message and case.message not in err:
        return f"expected {case.message!r} in {err.strip()!r}"
    if case.oracle and oracle(case.text) is not None:
        return "the oracle accepts it"
    return None


def main(decoder):
    failed = 0
    names = [case.name for case in cases.VALID + cases.INVALID]
    assert len(names) == len(set(names)), "a name is used twice"
    for check, group in ((check_valid, cases.VALID), (check_invalid, cases.INVALID)):
        for case in group:
            problem = check(decoder, case)
            if problem:
                failed += 1
                print(f"not ok {check.__name__[6:]} {case.name}: {problem}")
    print(f"{len(names) - failed} of {len(names)} cases pass")
    return 1 if failed or len(names) < 150 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
