# shellcheck shell=bash
# The code: releases side by side, each with a virtual environment of its own, and a link to one.

SOURCES=(server models/gpt-oss-tiny.gguf scripts systemd requirements.txt requirements.lock pyproject.toml README.md LICENSE CHANGELOG.md)
SERVICE_PYTHON=${PYTHON:-/usr/bin/python3}

release_version() { sed -n 's/^__version__ = "\(.*\)"/\1/p' "$ROOT/server/__init__.py"; }

# The version and what the code and the engine are: the same only for the same.
release_name() {
    local digest
    digest=$(
        cd "$ROOT" || exit
        {
            find "${SOURCES[@]}" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum
            echo "$ENGINE $CUDA $("$SERVICE_PYTHON" -V 2>&1)"
        } | sha256sum
    )
    echo "$(release_version)-${digest:0:12}"
}

make_release() {
    RELEASE=$OPT/releases/$(release_name)
    VENV=$RELEASE/venv
    [ ! -e "$RELEASE/complete" ] || return 0
    if [ -n "$DRY" ]; then
        say "    would make: $RELEASE, with $ENGINE_WORDS"
        return
    fi
    # What an interrupted run left.
    rm -rf -- "$RELEASE"
    mkdir -p "$RELEASE/src"
    (cd "$ROOT" && cp --parents -r -- "${SOURCES[@]}" "$RELEASE/src")
    ! has_to_be_built || say "  building llama.cpp for this processor: 5 to 20 minutes"
    fill_release
    chmod -R u+rwX,go=rX "$RELEASE"
    prove_engine
    # The next upgrade makes the same choice.
    echo "$ASKED_ENGINE" >"$RELEASE/engine"
    touch "$RELEASE/complete"
}

fill_release() {
    local PYTHON=$SERVICE_PYTHON ROOT=$RELEASE/src
    (
        trap - ERR
        umask 022
        make_venv
        install_locked
        install_engine
        pip_install --quiet --no-deps --no-build-isolation "$ROOT"
    ) >>"$LOG" 2>&1
}

# The newest release and the one before it stay.
drop_old_releases() {
    local each
    for each in "$OPT"/releases/*; do
        case $each in
            "$RELEASE" | "$PREVIOUS") ;;
            *) run rm -rf -- "$each" ;;
        esac
    done
}

# The one place that knows how a model is downloaded.
download_model() {
    local pull=("$VENV/bin/gpt-api" pull "$1")
    "$VENV/bin/gpt-api" pull --help >/dev/null 2>&1 ||
        fail "This version cannot download models; give a file: --model /path/to/gpt-oss-20b-mxfp4.gguf"
    # A hub and a token may stand in the settings.
    [ ! -e "$ETC/gpt-api.env" ] || pull=(env GPT_API_ENV_FILE="$ETC/gpt-api.env" "${pull[@]}")
    (cd "$STATE" && setpriv --reuid "$ACCOUNT" --regid "$ACCOUNT" --clear-groups \
        env HOME="$STATE" STATE_DIRECTORY="$STATE" "${pull[@]}")
}

bring_model() {
    case $(model_kind) in
        demo) MODEL_SETTING='' ;;
        file) bring_file ;;
        *)
            MODEL_SETTING=$MODEL
            if [ -n "$DRY" ]; then
                say "    would download: $MODEL, unless it is in $STATE/models"
            else
                download_model "$MODEL"
            fi
            ;;
    esac
}

# The service sees no home folders; what lies elsewhere and can be read stays where it is.
bring_file() {
    local file
    file=$(readlink -f -- "$MODEL")
    MODEL_SETTING=$file
    case $file in
        "$STATE"/* | /srv/* | /opt/* | /mnt/* | /data/*) ;;
        *) copy_model "$file" ;;
    esac
    as_service test -r "$MODEL_SETTING" ||
        fail "The user $ACCOUNT cannot read $MODEL_SETTING; give it the right, or move the file to $STATE/models."
}

copy_model() {
    local file=$1
    MODEL_SETTING=$STATE/models/${file##*/}
    if [ "$(stat -c %s "$MODEL_SETTING" 2>/dev/null)" != "$(stat -c %s "$file")" ]; then
        run cp --reflink=auto -- "$file" "$MODEL_SETTING.new"
        run chown "$ACCOUNT:$ACCOUNT" "$MODEL_SETTING.new"
        run mv -- "$MODEL_SETTING.new" "$MODEL_SETTING"
    fi
}
