"""A row of the reliability table: its figures while a test runs, and what is reported of it."""

import json
import os
import random
import time

SIZES = ("small", "full")


def size():
    """`small` in make check, `full` with LOCALD_RELIABILITY=full."""
    name = os.environ.get("LOCALD_RELIABILITY") or "small"
    if name not in SIZES:
        raise SystemExit(f"LOCALD_RELIABILITY is one of {', '.join(SIZES)}, not {name}")
    return name


class Row:
    def __init__(self, module, test):
        self.id, self.title, self.wanted = module.ROW, module.TITLE, module.PASS
        self.test, self.size = test, size()
        self.figures, self.reason, self.outcome = [], "", "passed"
        self.seed = int(os.environ.get("LOCALD_RELIABILITY_SEED") or random.SystemRandom().getrandbits(32))
        self.random = random.Random(self.seed)
        self.began = time.monotonic()

    def choose(self, small, full):
        """What of the two belongs to this run's size."""
        return full if self.size == "full" else small

    def figure(self, name, value, wanted=None):
        """Notes a figure for the table; with `wanted`, it must be that."""
        is_good = wanted is None or value == wanted
        self._note(name, value, wanted, is_good)
        assert is_good, f"{self.id} {name}: {value}, wanted {wanted}"

    def at_most(self, name, value, limit, unit=""):
        """A count or a size with an upper limit; see `took` for times."""
        self._limited(name, value, limit, unit, value <= limit, "≤")

    def at_least(self, name, value, limit, unit=""):
        self._limited(name, value, limit, unit, value >= limit, "≥")

    def took(self, name, seconds, limit):
        """A time with an upper limit: only told at the small size, as other things run beside
        `make check`; a limit that was missed shows in the table."""
        is_good = seconds <= limit
        self._note(name, duration(seconds), f"≤ {duration(limit)}", is_good)
        assert is_good or self.size != "full", \
            f"{self.id} {name}: {duration(seconds)}, wanted ≤ {duration(limit)}"

    def share(self, name, value, least):
        """A speed beside another one's, in %; as with times, a small run only tells it."""
        is_good = value >= least
        self._note(name, number(value, "%"), f"≥ {number(least, '%')}", is_good)
        assert is_good or self.size != "full", f"{self.id} {name}: {value:.0f} %, wanted ≥ {least} %"

    def _limited(self, name, value, limit, unit, is_good, sign):
        shown, bound = number(value, unit), f"{sign} {number(limit, unit)}"
        self._note(name, shown, bound, is_good)
        assert is_good, f"{self.id} {name}: {shown}, wanted {bound}"

    def _note(self, name, value, wanted, is_good):
        figure = {"name": name, "value": str(value), "ok": bool(is_good)}
        if wanted is not None:
            figure["wanted"] = str(wanted)
        self.figures.append(figure)

    def failed(self, reason):
        self.outcome, self.reason = "failed", reason

    def skipped(self, reason):
        self.outcome, self.reason = "skipped", reason

    def report(self):
        """One line for the file that $LOCALD_RELIABILITY_RESULTS names."""
        return {
            "row": self.id, "title": self.title, "test": self.test, "status": self.outcome,
            "size": self.size, "figures": self.figures, "reason": self.reason,
            "seconds": round(time.monotonic() - self.began, 2), "seed": self.seed,
        }

    def write_report(self):
        path = os.environ.get("LOCALD_RELIABILITY_RESULTS")
        if path:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(self.report(), ensure_ascii=False) + "\n")

    def __str__(self):
        told = "".join(f"\n  {f['name']}: {f['value']}" + (f" (wanted {f['wanted']})" if "wanted" in f else "")
                       for f in self.figures)
        return (f"{self.id} {self.title}: wanted {self.wanted}{told}\n"
                f"again with LOCALD_RELIABILITY_SEED={self.seed}")


def number(value, unit=""):
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return f"{text} {unit}".rstrip()


def duration(seconds):
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
