#!/bin/sh
# Print the Pythons of this machine that the project supports: 3.11 and newer, able to create a
# virtual environment.
#
#   tools/pythons.sh            all of them, oldest first, one per line: 3.N PATH
#   tools/pythons.sh one [PY]   the path of one Python: PY if given; otherwise python3 if it is
#                               supported; otherwise the oldest
#
# A command can exist without working, because pyenv has a command for every version that was ever
# installed. So the script runs each command.
set -u

oldest=11
newest=19

probe='import sys, ensurepip, venv
sys.exit(1) if sys.version_info < (3, 11) else print("%d.%d" % sys.version_info[:2], sys.executable)'

try() {
    "$1" -c "$probe" </dev/null 2>/dev/null
}

pyenv_versions() {
    if command -v pyenv >/dev/null 2>&1; then
        root=$(pyenv root 2>/dev/null)
    else
        root=${PYENV_ROOT:-${HOME:-}/.pyenv}
    fi
    for found in "$root/versions/3.$1"*/bin/python; do
        case $found in
            "$root/versions/3.$1".*|"$root/versions/3.$1"/*) [ -x "$found" ] && echo "$found" ;;
        esac
    done
}

every() {
    minor=$oldest
    while [ "$minor" -le "$newest" ]; do
        for command in "python3.$minor" python3 python $(pyenv_versions "$minor"); do
            line=$(try "$command") || continue
            case $line in
                "3.$minor "*) echo "$line"; break ;;
            esac
        done
        minor=$((minor + 1))
    done
}

complain() {
    {
        echo "No supported Python was found."
        echo "The project needs Python 3.11 or newer, with the modules venv and ensurepip"
        echo "(Debian and Ubuntu have both in the package python3-venv). These were tried:"
        for command in "$@"; do
            if ! command -v "$command" >/dev/null 2>&1; then
                echo "  $command: not found"
            elif try "$command" >/dev/null; then
                echo "  $command: supported"
            else
                echo "  $command: $("$command" --version 2>&1 </dev/null | head -n 1)"
            fi
        done
        echo "If your Python is elsewhere, give its path: make PYTHON=/path/to/python3.12 ..."
    } >&2
    exit 1
}

one() {
    if [ -n "${1:-}" ]; then
        line=$(try "$1") || complain "$1"
    else
        line=$(try python3) || line=$(every | head -n 1)
        [ -n "$line" ] || complain python3 python python3.11 python3.12 python3.13 python3.14
    fi
    echo "${line#* }"
}

case ${1:-every} in
    every) every ;;
    one) one "${2:-}" ;;
    *) echo "usage: tools/pythons.sh [every | one [PYTHON]]" >&2; exit 2 ;;
esac
