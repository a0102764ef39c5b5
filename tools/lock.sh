#!/bin/sh
# Writes requirements/*.txt: every package with its version and hashes, nothing younger than seven days.
# A cool-down of a week lets others find a poisoned release first. Needs uv: make fetches it if it is missing.
set -eu
cd "$(dirname "$0")/.."
uv=$1
before=$(date -u -d '7 days ago' +%Y-%m-%d 2>/dev/null || date -u -v-7d +%Y-%m-%d)

lock() { # NAME INPUT…
    name=$1
    shift
    {
        echo "# Locked by 'make lock'; do not edit. Nothing in it was published after $before."
        "$uv" pip compile --quiet --universal --generate-hashes --python-version 3.11 --exclude-newer "$before" \
            --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@"
    } > "requirements/$name.txt.new"
    mv "requirements/$name.txt.new" "requirements/$name.txt"
    echo "requirements/$name.txt: $(grep -c '==' "requirements/$name.txt") packages"
}

build=requirements/build.in
lock serve pyproject.toml $build
lock test pyproject.toml $build requirements/test.in --constraints requirements/serve.txt
lock check pyproject.toml $build requirements/test.in requirements/check.in --constraints requirements/test.txt
lock frameworks requirements/frameworks.in
