# shellcheck shell=bash disable=SC2153
# What the machine must have, all of it looked at before anything is changed; and what will be done.

# Of the model that is downloaded by default; of others the file tells.
GPT_OSS_BYTES=12109566560
GB=1000000000
# Beside the weights: KV cache, snapshots, the system.
SPARE_BYTES=$((2 * GB))
# The virtual environment, and building the engine.
CODE_BYTES=$((3 * GB))
OS_RELEASE=/etc/os-release
PROBLEMS=()
DOUBTS=()

preflight() {
    check_system
    check_processor
    check_port
    check_model
    check_memory
    check_disk
    check_offline
    local each
    for each in "${DOUBTS[@]}"; do say "note: $each"; done
    [ ${#PROBLEMS[@]} -gt 0 ] || return 0
    for each in "${PROBLEMS[@]}"; do say "problem: $each"; done
    [ -n "$DRY" ] || fail "Nothing was done."
}

problem() { PROBLEMS+=("$1"); }
doubt() { DOUBTS+=("$1"); }

check_system() {
    local id version manager
    id=$(of_system ID) version=$(of_system VERSION_ID)
    case $id:$version in
        ubuntu:22.04 | ubuntu:24.04 | debian:12 | debian:13) ;;
        ubuntu:* | debian:*) doubt "$id $version is not what this was tried on (Ubuntu 22.04 and 24.04, Debian 12 and 13)" ;;
        *) problem "this installs on Debian and Ubuntu, not on ${id:-an unknown system}; elsewhere use scripts/run" ;;
    esac
    if [ ! -d /run/systemd/system ]; then
        problem "systemd does not run here (a container?); use scripts/run"
        return
    fi
    manager=$(systemctl --version | awk 'NR == 1 { print $2 }')
    [ "${manager%%[!0-9]*}" -ge 249 ] || problem "systemd $manager is too old; 249 is needed"
}

# of_system FIELD: what /etc/os-release says.
of_system() { (
    # shellcheck source=/dev/null
    . "$OS_RELEASE" 2>/dev/null && echo "${!1:-}"
); }

check_processor() {
    case $(uname -m) in
        x86_64) grep -qw avx2 /proc/cpuinfo || doubt "this processor has no AVX2: answers will be very slow" ;;
        aarch64 | arm64) ;;
        *) problem "$(uname -m) is not supported; x86-64 and arm64 are" ;;
    esac
}

check_port() {
    local owner
    owner=$(ss -Hltnp "sport = :$PORT" 2>/dev/null | grep -v '"gpt-api"' || true)
    if [ -n "$owner" ] && ! ours_listens; then
        problem "port $PORT is taken; choose another with --port"
    fi
}

ours_listens() {
    systemctl is-active --quiet gpt-api 2>/dev/null && [ "$(setting_or PORT 8000)" = "$PORT" ]
}

check_model() {
    case $(model_kind) in
        file)
            [ -r "$MODEL" ] || problem "there is no model at $MODEL"
            [ ! -r "$MODEL" ] || [ "$(head -c 4 -- "$MODEL")" = GGUF ] || problem "$MODEL is no GGUF file"
            ;;
        *) ;;
    esac
}

# demo, file, or name: something to be downloaded.
model_kind() {
    case $MODEL in
        demo) echo demo ;;
        hf.co/*) echo name ;;
        *.gguf | /* | ./*) echo file ;;
        *) echo name ;;
    esac
}

model_bytes() {
    case $(model_kind) in
        demo) echo 20000000 ;;
        file) stat -Lc %s -- "$MODEL" 2>/dev/null || echo 0 ;;
        *) if [ "$MODEL" = gpt-oss-20b ]; then echo "$GPT_OSS_BYTES"; else echo 0; fi ;;
    esac
}

check_memory() {
    local total needed model
    [ "$(model_kind):$MODEL" = name:gpt-oss-20b ] || [ "$(model_kind)" != name ] ||
        doubt "how large $MODEL is shows when it is downloaded: whether it fits is not checked"
    total=$(memory_bytes)
    model=$(model_bytes)
    needed=$((model + SPARE_BYTES))
    [ "$(model_kind)" != demo ] || needed=$((GB / 2))
    [ "$total" -lt "$needed" ] || return 0
    # Weights on a card are not in main memory.
    [ "$(gpu_bytes)" -lt "$needed" ] || return 0
    small "this machine has $(gigabytes "$total") GB of memory, and the model needs $(gigabytes "$needed") GB"
}

memory_bytes() { awk '/^MemTotal:/ { print $2 * 1024 }' /proc/meminfo; }

check_disk() {
    local needed=$CODE_BYTES
    free_on "$(dirname "$OPT")" "$needed" "the code and the engine"
    needed=$(model_bytes)
    if [ "$(model_kind)" = name ] && ! find "$STATE/models" -name '*.gguf' -size +10G 2>/dev/null | grep -q .; then
        free_on "$(dirname "$STATE")" $((needed + GB)) "the model"
    fi
}

free_bytes() { df --output=avail -B1 -- "$1" | tail -n 1; }

# free_on FOLDER BYTES WHAT
free_on() {
    local free
    free=$(free_bytes "$1")
    [ "$free" -ge "$2" ] || [ -x "$OPT/current/venv/bin/gpt-api" ] ||
        small "$1 has $(gigabytes "$free") GB free, and $3 need $(gigabytes "$2") GB"
}

small() {
    if [ -n "$FORCE" ]; then
        doubt "$1 (--force)"
    else
        problem "$1; choose a smaller model, or insist with --force"
    fi
}

gigabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1e9 }'; }

plan() {
    say "gpt-api $(release_version)
  machine   $(machine_words)
  code      $OPT/releases/$(release_name), with $ENGINE_WORDS
  model     $(model_words)
  settings  $ETC/gpt-api.env, keys in $ETC/keys.json
  service   gpt-api.service, user $ACCOUNT, on $HOST port $PORT
  firewall  $(firewall_words)"
    [ "$HOST" = 127.0.0.1 ] ||
        say "  note: keys and answers travel in the clear; put nginx or Caddy with TLS before it where that matters"
}

machine_words() {
    local card memory
    memory=$(gigabytes "$(memory_bytes)")
    card=$(gpu_name)
    [ -z "$card" ] || card=", $card with CUDA $(driver_cuda)"
    echo "$(of_system PRETTY_NAME) on $(uname -m), $memory GB of memory, $(gigabytes "$(free_bytes "$(dirname "$OPT")")") GB free$card"
}

model_words() {
    case $(model_kind) in
        demo) echo "the demonstration model, which knows nothing" ;;
        file) echo "$MODEL ($(gigabytes "$(model_bytes)") GB)" ;;
        *) echo "$MODEL, downloaded to $STATE/models unless it is there" ;;
    esac
}
