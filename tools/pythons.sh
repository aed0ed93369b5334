#!/bin/sh
# The Pythons of this machine that the project runs on (3.11 and newer, able to make a virtual
# environment).
#
#   tools/pythons.sh            every one, oldest first, a line each: 3.N PATH
#   tools/pythons.sh one [PY]   the path of the one to work with: PY if given, else python3 if it
#                               will do, else the oldest
#
# A command may be there and still not work (pyenv leaves one for every version it has ever
# installed), so each is asked rather than looked at.
set -u

oldest=11
newest=19

answer='import sys, ensurepip, venv
sys.exit(1) if sys.version_info < (3, 11) else print("%d.%d" % sys.version_info[:2], sys.executable)'

ask() {
    "$1" -c "$answer" </dev/null 2>/dev/null
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
            line=$(ask "$command") || continue
            case $line in
                "3.$minor "*) echo "$line"; break ;;
            esac
        done
        minor=$((minor + 1))
    done
}

complain() {
    {
        echo "There is no Python that this project can use."
        echo "It needs Python 3.11 or newer, with the modules venv and ensurepip"
        echo "(Debian and Ubuntu keep them in the package python3-venv). Looked at:"
        for command in "$@"; do
            if ! command -v "$command" >/dev/null 2>&1; then
                echo "  $command: not found"
            elif ask "$command" >/dev/null; then
                echo "  $command: fine"
            else
                echo "  $command: $("$command" --version 2>&1 </dev/null | head -n 1)"
            fi
        done
        echo "Where yours is elsewhere, name it: make PYTHON=/path/to/python3.12 ..."
    } >&2
    exit 1
}

one() {
    if [ -n "${1:-}" ]; then
        line=$(ask "$1") || complain "$1"
    else
        line=$(ask python3) || line=$(every | head -n 1)
        [ -n "$line" ] || complain python3 python python3.11 python3.12 python3.13 python3.14
    fi
    echo "${line#* }"
}

case ${1:-every} in
    every) every ;;
    one) one "${2:-}" ;;
    *) echo "usage: tools/pythons.sh [every | one [PYTHON]]" >&2; exit 2 ;;
esac
