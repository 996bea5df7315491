#!/usr/bin/python3
"""Writes cron_vectors.h: when random schedules are due, by looking at every minute.

    /usr/bin/python3 tests/unit/base/cron_vectors.py > tests/unit/base/cron_vectors.h

The rules are those of base/cron.h, told here a second time and in another way.
"""

import datetime
import random
import zoneinfo

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
FIELDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
MINUTES = 60 * 24 * 40  # how far is looked at


def part(random, first, last):
    a, b = sorted((random.randint(first, last), random.randint(first, last)))
    return random.choice([f"{a}", f"{a}-{b}", f"{a}-{b}/{random.randint(1, 7)}",
                          f"*/{random.randint(2, 9)}", f"{a}/{random.randint(2, 9)}"])


def values(text, first, last):
    found = set()
    for one in text.split(","):
        span, _, step = one.partition("/")
        low, _, high = span.partition("-")
        low = first if span == "*" else int(low)
        high = last if span == "*" else int(high or (last if step else low))
        found |= set(range(low, high + 1, int(step or 1)))
    return found


def matches(wall, fields, texts):
    minute, hour, day, month, weekday = fields
    if wall.minute not in minute or wall.hour not in hour or wall.month not in month:
        return False
    days = wall.day in day, wall.isoweekday() % 7 in {v % 7 for v in weekday}
    return any(days) if "*" not in (texts[2], texts[4]) else all(days)


def due(texts, zone, after):
    """The first minute after `after` at which it is due, or None within MINUTES."""
    fields = [values(text, *bounds) for text, bounds in zip(texts, FIELDS)]
    seen = set()
    minute = datetime.timedelta(minutes=1)
    at = after - after % 60 + 60
    walls = [datetime.datetime.fromtimestamp(at + 60 * i, zone).replace(tzinfo=None)
             for i in range(-120, MINUTES)]
    for i, wall in enumerate(walls):
        skipped = []
        if i and wall - walls[i - 1] > minute:
            step = walls[i - 1] + minute
            while step < wall:
                skipped.append(step)
                step += minute
        is_repeated = wall in seen
        seen.add(wall)
        if i < 120:
            continue
        fixed = texts[1] != "*"
        if (matches(wall, fields, texts) and not (fixed and is_repeated)) or (
                fixed and any(matches(s, fields, texts) for s in skipped)):
            return at + 60 * (i - 120)
    return None


def main():
    pick = random.Random(4)
    print("/* Written by cron_vectors.py. */")
    for _ in range(160):
        texts = ["*" if pick.random() < 0.4 else
                 ",".join(part(pick, *bounds) for _ in range(pick.randint(1, 2)))
                 for bounds in FIELDS]
        if pick.random() < 0.5:
            texts[2:] = ["*", "*", "*"]
        if pick.random() < 0.4:
            texts[1] = pick.choice(["1", "2", "1-3", "2,3"])
        name = pick.choice(ZONES)
        zone = zoneinfo.ZoneInfo(name)
        around = pick.choice(["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05",
                              "2026-10-04", "2027-02-27", "2026-12-31"])
        start = datetime.datetime.fromisoformat(around).replace(tzinfo=zone).timestamp()
        after = int(start) + pick.randint(-7200, 6 * 3600)
        at = due(texts, zone, after)
        if at is not None:
            print(f'{{"{" ".join(texts)}", "{name}", {after}, {at}}},')


main()
