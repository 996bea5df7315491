#!/bin/sh
# check_format.sh - is every C file as clang-format 14 would write it?  --fix writes it so.
set -eu
cd "$(dirname "$0")/.."

format=clang-format-14
command -v $format >/dev/null 2>&1 || format=clang-format
case $($format --version) in
*'version 14.'*) ;;
*)
	echo "check_format: needs clang-format 14 (other versions write other code)" >&2
	exit 1
	;;
esac

if [ "${1-}" = --fix ]; then
	set -- -i
else
	set -- --dry-run -Werror
fi
git -c safe.directory='*' ls-files -z --cached --others --exclude-standard '*.c' '*.h' |
	xargs -0 -r $format --style=file "$@"
