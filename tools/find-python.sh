#!/bin/sh
# Prints the path of the newest released Python that can run this project (3.11 to 3.14) and make a virtual
# environment; exits 1 with a message where there is none. Each candidate is started before it is believed: a pyenv
# shim exists, and fails, for versions that are not active. An argument such as 3.11 asks for that version only.
set -u

best=""
best_rank=0
for candidate in \
    python3.14 python3.13 python3.12 python3.11 python3 python \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 \
    /usr/bin/python3 /usr/local/bin/python3 /opt/homebrew/bin/python3; do
    found=$("$candidate" -c '
import sys, venv, ensurepip
fits = (3, 11) <= sys.version_info[:2] <= (3, 14) and sys.version_info.releaselevel == "final"
fits = fits and sys.argv[1] in ("", "%d.%d" % sys.version_info[:2])
print(sys.version_info[1] * 1000 + sys.version_info[2] if fits else 0, sys.executable)
' "${1:-}" 2>/dev/null) || continue
    rank=${found%% *}
    case $rank in '' | *[!0-9]*) continue ;; esac
    if [ "$rank" -gt "$best_rank" ]; then
        best_rank=$rank
        best=${found#* }
    fi
done

if [ -z "$best" ]; then
    [ -z "${1:-}" ] || exit 1
    echo "StreamAPI needs Python 3.11, 3.12, 3.13 or 3.14 with the venv module, and none was found." >&2
    echo "Install one (on Debian: python3 and python3-venv), or name it: make PYTHON=/path/to/python3" >&2
    exit 1
fi
echo "$best"
