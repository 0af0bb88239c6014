# shellcheck shell=sh
# Shared by the scripts here: makes .venv and installs a requirements file into it, once.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
VENV=$ROOT/.venv
PREBUILT=https://abetlen.github.io/llama-cpp-python/whl/cpu

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

make_venv() {
    python=${PYTHON:-python3}
    command -v "$python" >/dev/null || fail "$python was not found; apt install python3 python3-venv, or set PYTHON"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "$("$python" -V) is too old; Python 3.10 or newer is needed: set PYTHON=/path/to/python3"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "this Python cannot make virtual environments; apt install python3-venv"
    say "Making $VENV with $("$python" -V)"
    "$python" -m venv --clear "$VENV"
}

# Prebuilt wheels stand on an index of their own; without it the engine is built from its source.
find_prebuilt() {
    "$VENV/bin/python" - "$PREBUILT/llama-cpp-python/" <<'PY' 2>/dev/null && echo "$PREBUILT"
import sys, urllib.request
urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD"), timeout=3)
PY
}

pip_install() { "$VENV/bin/python" -m pip install --prefer-binary "$@" || blame; }

fill_venv() {
    install_packages "$1"
    pip_install --quiet --no-deps --editable "$ROOT"
}

# What a requirements file lists, the engine from a prebuilt wheel where there is one that runs.
install_packages() {
    say "Installing $1. Where llama.cpp has to be built for this machine, that takes 5 to 20 minutes."
    prebuilt=$(find_prebuilt || true)
    pip_install ${prebuilt:+--extra-index-url "$prebuilt"} -r "$ROOT/$1"
    # A prebuilt wheel may not load here (another C library, an older processor): then build.
    if [ -n "$prebuilt" ] && ! "$VENV/bin/python" -c 'import llama_cpp' >/dev/null 2>&1; then
        say "The prebuilt llama-cpp-python does not run here; building it from its source."
        pip_install --force-reinstall --no-deps --no-binary llama-cpp-python \
            "$(grep '^llama-cpp-python' "$ROOT/requirements.txt")"
    fi
}

blame() {
    command -v c++ >/dev/null ||
        say "There is no C++ compiler: if it is llama.cpp that could not be built, apt install build-essential"
    fail "Installing failed; see above, then run this again."
}

# ensure FILE: .venv exists and has what FILE lists; a stamp tells whether anything changed.
ensure() {
    wanted=$(cat "$ROOT"/requirements*.txt "$ROOT/pyproject.toml" | cksum)
    stamp=$VENV/installed-$1
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted $ROOT" ] && "$VENV/bin/python" -c '' 2>/dev/null && return
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || make_venv
    fill_venv "$1"
    echo "$wanted $ROOT" >"$stamp"
}
