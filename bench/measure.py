"""Timing of commands, and the table of ratios."""

import os
import statistics
import subprocess
import time

DEVNULL = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)


class Broken(Exception):
    """What was to be measured does not work here."""


def once(argv, env=None):
    """Seconds from spawn to exit."""
    actions = [(os.POSIX_SPAWN_DUP2, DEVNULL, fd) for fd in (0, 1, 2)]
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env or os.environ, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    seconds = time.perf_counter() - began
    if status != 0:
        raise Broken(f"ended with status {os.waitstatus_to_exitcode(status)}")
    return seconds


def timed(function, *arguments):
    """Seconds that a call takes."""
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def why_it_fails(argv, env=None):
    """The last line that a command says, for the table."""
    result = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace", timeout=60)
    lines = result.stdout.strip().splitlines()
    return lines[-1][:100] if lines else f"exit status {result.returncode}"


def interleaved(commands, rounds, env=None):
    """{name: median seconds} of commands that take turns, so that noise meets all alike.

    A command is a list, or a function that makes one for the given round.  One that fails is left
    out, with its reason in the second result.
    """
    samples = {name: [] for name in commands}
    reasons = {}
    for number in range(rounds + 2):
        for name, command in commands.items():
            if name in reasons:
                continue
            argv = command(number) if callable(command) else command
            try:
                seconds = once(argv, env)
            except OSError as error:
                reasons[name] = str(error)
                continue
            except Broken as error:
                reasons[name] = f"{error}: {why_it_fails(argv, env)}"
                continue
            if number >= 2:  # the first two fill the caches
                samples[name].append(seconds)
    medians = {n: statistics.median(s) for n, s in samples.items() if n not in reasons}
    return medians, reasons


class Table:
    """Rows of one subject: each figure beside ours, and the ratio."""

    def __init__(self, title, ours, unit, digits=2, more_is_better=False):
        self.title, self.ours, self.unit, self.digits = title, ours, unit, digits
        self.more_is_better = more_is_better
        self.figures, self.reasons, self.notes = {}, {}, []

    def show(self):
        better = "more is better" if self.more_is_better else "less is better"
        print(f"\n{self.title} ({self.unit}, {better})")
        own = self.figures.get(self.ours)
        width = max(map(len, [*self.figures, *self.reasons]), default=10)
        for name, figure in self.figures.items():
            ratio = ""
            if own is not None and name != self.ours and own and figure:
                ratio = f"locald is {own / figure:.2f} x this"
            print(f"  {name:{width}}  {figure:12.{self.digits}f}  {ratio}".rstrip())
        for name, reason in self.reasons.items():
            print(f"  {name:{width}}  {'not measured':>12}  {reason}")
        for note in self.notes:
            print(f"  {note}")
