#!/bin/sh
# Makes .venv hold exactly what requirements/NAME.txt locks, and this project itself: tools/environment.sh NAME
# Wheels only, each compared with its hash. uv does it fast where there is one, else the environment's own pip.
set -eu
cd "$(dirname "$0")/.."
name=$1
lock=requirements/$name.txt
venv=.venv

stop() {
    echo "headgate: $1" >&2
    exit 1
}

is_new_enough() { # Python 3.11 or newer, and it runs
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1
}

find_python() {
    for python in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if is_new_enough "$python"; then
            echo "$python"
            return
        fi
    done
    stop "no Python 3.11 or newer was found; install one, or name it: make PYTHON=/path/to/python3 …"
}

has_uv() {
    command -v uv > /dev/null 2>&1 && uv --version > /dev/null 2>&1
}

make_venv() {
    python=$(find_python) || exit 1
    if has_uv && uv venv --quiet --clear --python "$(command -v "$python")" "$venv" 2> /dev/null; then
        return
    fi
    rm -rf "$venv"
    "$python" -m venv "$venv" > /dev/null 2>&1 ||
        { rm -rf "$venv"; stop "Python has no venv module here; install it (Debian: apt install python3-venv) or uv"; }
}

with_uv() {
    has_uv || return 1
    uv pip install --quiet --python "$venv/bin/python" --compile-bytecode --require-hashes \
        --only-binary :all: -r "$lock" || return 1
    uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
}

with_pip() {
    pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
    $pip --version > /dev/null 2>&1 || "$venv/bin/python" -m ensurepip > /dev/null 2>&1 ||
        stop "neither uv nor pip works here; install uv, or Debian's python3-venv and python3-pip"
    # The lock names everything: pip, left to follow dependencies, asks for a hash of `google-auth[requests]` too
    $pip install --require-hashes --no-deps --only-binary :all: -r "$lock" || stop "the locked packages could not be installed"
    $pip install --no-deps --no-build-isolation --editable .
}

is_new_enough "$venv/bin/python" || make_venv
echo "headgate: installing what requirements/$name.txt locks" >&2
with_uv 2> "$venv/uv.log" || with_pip || { cat "$venv/uv.log" >&2; stop "the environment could not be made"; }
"$venv/bin/python" -m compileall -q src || true # the first start is as fast as the second
touch "$venv/.$name"
