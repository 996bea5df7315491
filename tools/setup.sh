#!/bin/sh
# setup.sh - installs, from Debian's packages, what the named groups need and this machine lacks.
#
#   tools/setup.sh build|test|demo|bench ...
#
# When nothing is missing it does nothing, says nothing and needs no root.  `name:command` means
# that the package is only wanted when the command is not there already, so a Node or a make from
# elsewhere is used as it is.
set -eu

build='build-essential meson ninja-build:ninja pkg-config:pkg-config
	libssl-dev libnghttp2-dev node-llhttp libcurl4-openssl-dev libjansson-dev libarchive-dev
	libsqlite3-dev libseccomp-dev libyaml-dev libcmocka-dev'
test='python3-pytest clang-format-14 uidmap docker-registry:docker-registry mmdebstrap
	nodejs:node npm:npm python3-venv python3-flask python3-websockets busybox-static
	podman:podman buildah:buildah netavark:/usr/lib/podman/netavark
	crun:crun catatonit:catatonit skopeo:skopeo postgresql-15:/usr/lib/postgresql/15/bin/postgres
	redis-server:redis-server passt:pasta slirp4netns:slirp4netns
	fuse-overlayfs:fuse-overlayfs user-mode-linux:linux.uml systemd:/lib/systemd/systemd'
demo='uidmap mmdebstrap python3 nodejs:node npm:npm'
bench='python3 busybox-static uidmap mmdebstrap crun:crun runc:runc podman:podman nginx-light:nginx wrk:wrk
	s6:s6-svscan strace:strace'

have_package() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Where sbin is not on an ordinary user's PATH (runc and nginx live there).
have_command() {
	PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1
}

missing=
for group in "$@"; do
	case $group in
	build) packages=$build ;;
	test) packages=$test ;;
	demo) packages=$demo ;;
	bench) packages=$bench ;;
	*)
		echo "setup: unknown group '$group' (build, test, demo, bench)" >&2
		exit 2
		;;
	esac
	if ! command -v dpkg-query >/dev/null 2>&1; then
		echo "setup: not a Debian system; '$group' needs the equivalents of:" $packages >&2
		continue
	fi
	for entry in $packages; do
		package=${entry%%:*}
		case $entry in
		*:*) have_command "${entry#*:}" && continue ;;
		esac
		have_package "$package" && continue
		case " $missing " in
		*" $package "*) ;;
		*) missing="$missing $package" ;;
		esac
	done
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "setup: these packages are missing and there is no sudo; as root, run:" >&2
		echo "    apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
	as_root='sudo env'
fi

echo "setup: installing from Debian:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # as_root and missing are lists
if ! { ${as_root:-env} DEBIAN_FRONTEND=noninteractive apt-get update -q &&
	${as_root:-env} DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y \
		--no-install-recommends $missing; } </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	echo "setup: apt-get failed (its output is above)" >&2
	exit 1
fi

# We start these ourselves, on free ports: Debian's own instances would only hold 80, 5000, 5432
# and 6379.  Without systemd they do not start in runlevel 1.
if [ -d /run/systemd/system ]; then
	for service in nginx docker-registry postgresql redis-server; do
		case " $missing" in
		*" $service"*) $as_root systemctl disable --now --quiet "$service" || true ;;
		esac
	done
fi
echo "setup: done"
