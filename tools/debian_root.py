#!/usr/bin/env python3
"""Makes a root file system of Debian 12 with a set of packages, and prints where its tar is.

It is made once with mmdebstrap (about a minute) and kept in the user's cache folder, under a name
that stands for everything that went into it.  Certificates that this machine's owner trusts
besides Debian's are put into it, so that `npm ci` works behind the same proxies as on the host.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys

SUITE = "bookworm"
PACKAGES = {
    "apps": ["ca-certificates", "nodejs", "npm", "python3", "python3-venv"],
    "redis": ["redis-server"],
    "postgres": ["postgresql"],
}
LOCAL_CERTIFICATES = pathlib.Path("/usr/local/share/ca-certificates")

OPTIONS = [
    "--variant=minbase",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
]
# What a server at work does not need; tests import these roots again and again.
NOT_AT_WORK = (
    "/usr/share/perl*", "/usr/lib/*/perl", "/usr/lib/*/perl5", "/usr/lib/*/libperl*",
    "/usr/lib/*/gconv", "/usr/share/i18n", "/usr/share/bash-completion", "/var/lib/dpkg/info",
    "/var/lib/apt", "/var/cache", "/usr/lib/apt", "/usr/lib/*/libapt*",
)
SLIM = ["--customize-hook=rm -rf " + " ".join(f'"$1"{path}' for path in NOT_AT_WORK)]
# Only what PostgreSQL compiles queries with; it runs without.
WITHOUT = {
    "redis": SLIM,
    "postgres": [
        "--dpkgopt=path-exclude=/usr/lib/*/libLLVM*",
        "--dpkgopt=path-exclude=/usr/lib/*/libz3*",
        "--dpkgopt=path-exclude=/usr/lib/llvm*",
        "--dpkgopt=path-exclude=/usr/lib/postgresql/*/lib/bitcode/*",
        *SLIM,
    ],
}


def options_of(name):
    return [*OPTIONS, *WITHOUT.get(name, [])]


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "locald-dev"


def local_certificates():
    return sorted(LOCAL_CERTIFICATES.glob("*.crt"))


def tar_name(name):
    recipe = hashlib.sha256("\0".join([SUITE, *PACKAGES[name], *options_of(name)]).encode())
    for certificate in local_certificates():
        recipe.update(certificate.read_bytes())
    return f"debian-{SUITE}-{recipe.hexdigest()[:12]}.tar"


def make(tar, name):
    options = [*options_of(name), f"--include={','.join(PACKAGES[name])}"]
    if local_certificates() and "ca-certificates" in PACKAGES[name]:
        target = f'"$1{LOCAL_CERTIFICATES}"'
        options += [
            f"--customize-hook=mkdir -p {target}",
            f"--customize-hook=copy-in {' '.join(map(str, local_certificates()))} "
            f"{LOCAL_CERTIFICATES}",
            '--customize-hook=chroot "$1" update-ca-certificates',
        ]
    partial = tar.with_name(f".{os.getpid()}-{tar.name}")
    log = tar.with_suffix(".log")
    try:
        with log.open("wb") as output:
            status = subprocess.run(
                ["mmdebstrap", *options, SUITE, str(partial)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            ).returncode
        if status != 0:
            sys.stderr.write(log.read_text(encoding="utf-8", errors="replace"))
            raise SystemExit(f"debian_root: mmdebstrap failed with status {status} (log: {log})")
        os.replace(partial, tar)
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()


def debian_root(name="apps"):
    """The tar's path; two callers at once make it once."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    tar = folder / tar_name(name)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tar.exists():
            make(tar, name)
    return tar


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="apps", choices=sorted(PACKAGES))
    print(debian_root(parser.parse_args().name))


if __name__ == "__main__":
    main()
