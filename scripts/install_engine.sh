# shellcheck shell=bash disable=SC2034
# Which llama.cpp fits: a prebuilt one for the processor or for the NVIDIA card, or one built here.

WHEELS=https://abetlen.github.io/llama-cpp-python/whl
# What there are wheels for, the newest first: CUDA version, and the compute capabilities it serves.
CUDA_WHEELS="13.2:7.5-99 13.0:7.5-99 12.5:6.0-99 12.4:6.0-99 12.3:6.0-99 12.2:6.0-99 12.1:6.0-99 11.8:6.0-8.9"
CUDA=''

# Sets ENGINE to cpu, cuda or source, ASKED_ENGINE to what it was before, CUDA to the version of the wheel, ENGINE_WORDS for people.
choose_engine() {
    local card=''
    ASKED_ENGINE=$ENGINE
    if [ "$ENGINE" = auto ] || [ "$ENGINE" = cuda ]; then
        card=$(gpu_name)
        CUDA=$(cuda_wheel "$(driver_cuda)" "$(gpu_capability)")
    fi
    if [ "$ENGINE" = cuda ] && [ -z "$CUDA" ]; then
        gpu_refusal "$card"
    elif [ "$ENGINE" = auto ]; then
        ENGINE=cpu
        [ -z "$CUDA" ] || ENGINE=cuda
        [ -z "$card" ] || [ -n "$CUDA" ] || doubt "$(no_wheels "$card"): it will not be used$(by_oneself)"
    fi
    case $ENGINE in
        cuda) ENGINE_WORDS="llama.cpp for CUDA $CUDA ($card)" ;;
        source) ENGINE_WORDS="llama.cpp built here for this processor" ;;
        *) ENGINE_WORDS="llama.cpp for the CPU" ;;
    esac
}

gpu_refusal() {
    if [ -n "$1" ]; then
        problem "$(no_wheels "$1"); choose --cpu$(by_oneself)"
    else
        problem "nvidia-smi finds no card; install NVIDIA's driver first, or choose --cpu"
    fi
}

no_wheels() { echo "for $1 with CUDA $(driver_cuda) on $(uname -m) there are no wheels"; }

by_oneself() { echo " (with CUDA's toolkit it can be built: CMAKE_ARGS=-DGGML_CUDA=ON --engine source)"; }

# Prints nothing where there is no card.
gpu_field() {
    { nvidia-smi --query-gpu="$1" --format=csv,noheader,nounits 2>/dev/null || true; } | sed -n '1s/^ *//p'
}
gpu_name() { gpu_field name; }
gpu_capability() { gpu_field compute_cap; }

gpu_bytes() {
    local mebibytes
    mebibytes=$(gpu_field memory.total)
    [[ $mebibytes =~ ^[0-9]+$ ]] || mebibytes=0
    echo $((mebibytes * 1048576))
}

# The newest CUDA that the driver can run.
driver_cuda() {
    { nvidia-smi 2>/dev/null || true; } | sed -n 's/.*CUDA Version: *\([0-9.]*\).*/\1/p' | sed -n 1p
}

# cuda_wheel DRIVER CAPABILITY: the newest fitting version, or nothing. All are for x86-64.
cuda_wheel() {
    [ -n "$1" ] && [ -n "$2" ] && [ "$(uname -m)" = x86_64 ] || return 0
    local each version range
    for each in $CUDA_WHEELS; do
        version=${each%%:*} range=${each#*:}
        if at_least "$1" "$version" && at_least "$2" "${range%-*}" && at_least "${range#*-}" "$2"; then
            echo "$version"
            return
        fi
    done
}

# at_least A B: version A is not below B.
at_least() { printf '%s\n%s\n' "$2" "$1" | sort -V -C; }

# Into the virtual environment VENV, which has everything else already.
install_engine() {
    local libraries
    case $ENGINE in
        cuda)
            mapfile -t libraries < <(cuda_libraries)
            pip_install "${libraries[@]}"
            prebuilt_engine
            ;;
        cpu) cpu_engine ;;
        *) build_engine ;;
    esac
}

# A prebuilt wheel may not load here (another C library, an older processor): then build.
cpu_engine() {
    if prebuilt_at_hand; then
        prebuilt_engine
        ! "$VENV/bin/python" -c 'import llama_cpp' >/dev/null 2>&1 || return 0
        say "The prebuilt llama-cpp-python does not run here; building it from its source."
    fi
    build_engine
}

# Wheels on that index have no checksums: the version alone is fixed.
prebuilt_engine() {
    pip_install --no-deps --extra-index-url "$(engine_index)" "llama-cpp-python==$(engine_version)"
}

engine_index() {
    if [ "$ENGINE" = cuda ]; then
        echo "$WHEELS/cu${CUDA/./}"
    else
        echo "$WHEELS/cpu"
    fi
}

# CUDA's own, which the wheels leave out; one a line.
cuda_libraries() {
    local major=${CUDA%%.*} suffix=''
    [ "$major" -ge 13 ] || suffix=-cu$major
    printf '%s\n' "nvidia-cuda-runtime$suffix" "nvidia-cublas$suffix"
}

cuda_library_path() {
    find "$VENV" -path '*/nvidia/*' -name 'lib*.so*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd :
}

build_engine() {
    command -v c++ >/dev/null || bring_packages build-essential
    locked 1 >"$RELEASE/engine.lock"
    CMAKE_ARGS="-DGGML_NATIVE=ON ${CMAKE_ARGS:-}" pip_install --no-deps --force-reinstall \
        --require-hashes --no-binary llama-cpp-python -r "$RELEASE/engine.lock"
}

# The service's user can load it; with CUDA it sees the card.
prove_engine() {
    local probe='
import sys
from server.worker.runtime import library
library.start()
cards = [gpu.name for gpu in library.gpus()]
print("cards:", *cards)
sys.exit(sys.argv[1] == "cuda" and not cards)
'
    cd /
    as_service env LD_LIBRARY_PATH="$(cuda_library_path)" "$VENV/bin/python" -c "$probe" "$ENGINE" ||
        fail "The engine that was installed does not run, or does not see the card (nvidia-smi); see $LOG, or choose --cpu."
}

as_service() { run setpriv --reuid "$ACCOUNT" --regid "$ACCOUNT" --clear-groups env HOME="$STATE" "$@"; }
