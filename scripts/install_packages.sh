# shellcheck shell=bash disable=SC2034,SC2153
# What comes from elsewhere: packages of the system, and Python's, which are those of requirements.lock.

APT=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -y -o DPkg::Lock::Timeout=300
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)

# Where pip looks.
packages_from() {
    [ -z "$WHEELHOUSE" ] || PIP_FIND_LINKS="$(readlink -f -- "$WHEELHOUSE") ${PIP_FIND_LINKS:-}"
    [ -z "$OFFLINE" ] || PIP_NO_INDEX=1
    export PIP_FIND_LINKS=${PIP_FIND_LINKS:-} PIP_NO_INDEX=${PIP_NO_INDEX:-}
    [ -n "$PIP_FIND_LINKS" ] || unset PIP_FIND_LINKS
    [ -n "$PIP_NO_INDEX" ] || unset PIP_NO_INDEX
}

# What of Debian's packages is not there, one a line.
missing_packages() {
    local wanted=(python3 python3-venv libgomp1 curl ca-certificates iproute2 util-linux) each
    ! has_to_be_built || wanted+=(build-essential)
    for each in "${wanted[@]}"; do
        installed "$each" || echo "$each"
    done
}

install_system_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -eq 0 ] || bring_packages "${missing[@]}"
}

bring_packages() {
    run "${APT[@]}" update </dev/null
    run "${APT[@]}" install --no-install-recommends "$@" </dev/null
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }

has_to_be_built() {
    [ ! -e "$OPT/releases/$(release_name)/complete" ] || return
    [ "$ENGINE" = source ] || ! prebuilt_at_hand
}

prebuilt_at_hand() {
    local folder
    for folder in ${PIP_FIND_LINKS:-}; do
        ! compgen -G "$folder/llama_cpp_python-$(engine_version)-*.whl" >/dev/null || return 0
    done
    [ -z "$OFFLINE" ] && curl -fsI --max-time 5 -o /dev/null "$WHEELS/cpu/llama-cpp-python/" 2>/dev/null
}

# Without a network everything has to be here already.
check_offline() {
    [ -n "$OFFLINE" ] || return 0
    local missing
    missing=$(missing_packages | paste -sd ' ')
    [ -z "$missing" ] || problem "--offline, and these packages are missing: $missing"
    [ "$ENGINE" = source ] || ! has_to_be_built ||
        problem "--offline, and there is no llama_cpp_python-$(engine_version) wheel in --wheels"
    [ "$(model_kind)" != name ] || find "$STATE/models" -name '*.gguf' 2>/dev/null | grep -q . ||
        problem "--offline, and $MODEL would be a download; give a file: --model /path/to/model.gguf"
}

engine_version() { sed -n 's/^llama-cpp-python==\([0-9.]*\).*/\1/p' "$ROOT/requirements.lock"; }

# The lock without the engine, which may be a prebuilt one or built here; or the engine alone.
locked() {
    awk -v engine="$1" '/^[a-z]/ { mine = /^llama-cpp-python==/ } !/^#/ && mine == engine' "$ROOT/requirements.lock"
}

install_locked() {
    locked 0 >"$RELEASE/packages.lock"
    pip_install --no-deps --require-hashes -r "$RELEASE/packages.lock"
}

# Into the folder COLLECT; nothing else on this machine changes, and it needs no root.
collect() {
    local folder pip wanted=("llama-cpp-python==$(engine_version)")
    packages_from
    ENGINE=${ENGINE:-auto}
    choose_engine
    mkdir -p -- "$COLLECT"
    folder=$(readlink -f -- "$COLLECT")
    PYTHON=$SERVICE_PYTHON VENV=$(mktemp -d)
    trap 'rm -rf -- "$VENV"' EXIT
    make_venv
    locked 0 >"$VENV/packages.lock"
    pip=("$VENV/bin/python" -m pip)
    "${pip[@]}" download --no-deps --require-hashes --dest "$folder" -r "$VENV/packages.lock" || blame
    [ "$ENGINE" != cuda ] || mapfile -O 1 -t wanted < <(cuda_libraries)
    "${pip[@]}" wheel --prefer-binary --no-deps --wheel-dir "$folder" \
        --extra-index-url "$(engine_index)" "${wanted[@]}" || blame
    say "All is in $folder: scripts/install.sh --offline --wheels $folder"
}
