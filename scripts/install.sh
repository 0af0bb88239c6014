#!/bin/bash
# Installs gpt-api as a systemd service on Debian or Ubuntu, from the checkout that this script stands
# in. Running it again changes nothing; from a newer checkout it upgrades.
set -Eeuo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
# shellcheck source=scripts/install_steps.sh
. "$ROOT/scripts/install_steps.sh"
# shellcheck source=scripts/install_checks.sh
. "$ROOT/scripts/install_checks.sh"
# shellcheck source=scripts/install_packages.sh
. "$ROOT/scripts/install_packages.sh"
# shellcheck source=scripts/install_engine.sh
. "$ROOT/scripts/install_engine.sh"
# shellcheck source=scripts/install_release.sh
. "$ROOT/scripts/install_release.sh"
# shellcheck source=scripts/install_settings.sh
. "$ROOT/scripts/install_settings.sh"
# shellcheck source=scripts/install_firewall.sh
. "$ROOT/scripts/install_firewall.sh"
# shellcheck source=scripts/install_service.sh
. "$ROOT/scripts/install_service.sh"

usage() {
    cat <<'TEXT'
usage: scripts/install.sh [OPTION...]

  --yes            ask nothing: take the flags, then the variables, then the defaults
  --dry-run        check, print what would be done, and do nothing
  --upgrade        as without it, but only where gpt-api is installed already
  --uninstall      remove the service and its code; keep settings, keys and models
  --purge          with --uninstall: remove these and the user too

  --model MODEL    gpt-oss-20b (default: a download of 12.1 GB), demo (the tiny demonstration model),
                   a name that `gpt-api pull` knows, or the path of a GGUF file   [INSTALL_MODEL]
  --host ADDRESS   127.0.0.1 (default: this machine only) or 0.0.0.0              [INSTALL_HOST]
  --port PORT      8000 by default                                                [INSTALL_PORT]
  --engine KIND    auto (at first), cpu, cuda, or source: llama.cpp is built here,
                   for this very processor                                        [INSTALL_ENGINE]
  --cpu, --gpu     the same as --engine cpu and --engine cuda
  --offline        fetch nothing: what is needed lies in --wheels, and --model is a file      [INSTALL_OFFLINE=1]
  --wheels DIR     a folder of Python packages that is looked into first          [INSTALL_WHEELS]
  --collect DIR    only fetch into that folder what --offline needs on machines of this kind
  --ufw, --no-ufw  open the port in the firewall, or leave it closed (default)    [INSTALL_UFW=1]
  --force          install although the machine looks too small                   [INSTALL_FORCE=1]
TEXT
}

parse() {
    YES='' DRY='' UPGRADE='' UNINSTALL='' PURGE='' COLLECT=''
    MODEL=${INSTALL_MODEL:-} HOST=${INSTALL_HOST:-} PORT=${INSTALL_PORT:-}
    OFFLINE=${INSTALL_OFFLINE:-} WHEELHOUSE=${INSTALL_WHEELS:-}
    ENGINE=${INSTALL_ENGINE:-} UFW=${INSTALL_UFW:-} FORCE=${INSTALL_FORCE:-}
    while [ $# -gt 0 ]; do
        case $1 in
            --yes | -y) YES=1 ;;
            --dry-run) DRY=1 ;;
            --upgrade) UPGRADE=1 ;;
            --uninstall) UNINSTALL=1 ;;
            --purge) PURGE=1 ;;
            --model | --host | --port | --engine)
                [ $# -gt 1 ] || misuse "$1 needs a value"
                declare -g "$(tr -d - <<<"${1^^}")=$2"
                shift
                ;;
            --wheels)
                [ $# -gt 1 ] || misuse "$1 needs a value"
                WHEELHOUSE=$2
                shift
                ;;
            --collect)
                [ $# -gt 1 ] || misuse "$1 needs a value"
                COLLECT=$2
                shift
                ;;
            --offline) OFFLINE=1 ;;
            --cpu) ENGINE=cpu ;;
            --gpu) ENGINE=cuda ;;
            --ufw) UFW=1 ;;
            --no-ufw) UFW=0 ;;
            --force) FORCE=1 ;;
            --help | -h) usage && exit 0 ;;
            *) misuse "there is no option $1" ;;
        esac
        shift
    done
    check_options
}

check_options() {
    [[ -z $PORT || $PORT =~ ^[0-9]{1,5}$ && $PORT -ge 1 && $PORT -le 65535 ]] ||
        misuse "--port takes a number from 1 to 65535, not $PORT"
    [[ -z $HOST || $HOST =~ ^[A-Za-z0-9_.:%-]+$ ]] || misuse "--host takes an address, not $HOST"
    [[ $ENGINE =~ ^(|auto|cpu|cuda|source)$ ]] || misuse "--engine is auto, cpu, cuda or source"
    [[ -z $PURGE || -n $UNINSTALL ]] || misuse "--purge goes with --uninstall"
    [[ $MODEL != *$'\n'* ]] || misuse "--model takes one line"
    [ -z "$WHEELHOUSE" ] || [ -d "$WHEELHOUSE" ] || misuse "--wheels takes a folder; there is none at $WHEELHOUSE"
    [ "$OFFLINE" != 0 ] || OFFLINE=''
}

misuse() {
    say "$1; see scripts/install.sh --help"
    exit 2
}

# An upgrade keeps what there is; it asks nothing.
check_upgrade() {
    [ -n "$UPGRADE" ] || return 0
    [ -x "$OPT/current/venv/bin/gpt-api" ] || fail "gpt-api is not installed here; leave --upgrade out to install it."
    YES=1
}

# What was not said is asked, where somebody is there to answer.
questions() {
    MODEL=${MODEL:-$(setting_or MODEL_PATH "")}
    # The settings name no model: it is the demonstration that runs.
    [ -n "$MODEL" ] || [ ! -e "$ETC/gpt-api.env" ] || MODEL=demo
    ENGINE=${ENGINE:-$(cat "$OPT/current/engine" 2>/dev/null || echo auto)}
    HOST=${HOST:-$(setting_or HOST "")}
    PORT=${PORT:-$(setting_or PORT "")}
    [ -n "$MODEL" ] || ask MODEL "Model: gpt-oss-20b (a download of 12.1 GB), demo, or the path of a GGUF" gpt-oss-20b
    [ -n "$HOST" ] || ask HOST "Listen on 127.0.0.1 (this machine only) or 0.0.0.0 (everybody with a key)" 127.0.0.1
    [ -n "$PORT" ] || ask PORT "Port" 8000
    if [ -z "$UFW" ] && firewall_active && [ "$HOST" != 127.0.0.1 ] && ! firewall_open; then
        ask UFW "The firewall is active: open port $PORT to everybody? 1 or 0" 0
    fi
    check_options
}

install_all() {
    check_upgrade
    questions
    packages_from
    choose_engine
    preflight
    plan
    confirm
    step "packages" install_system_packages
    step "user and folders" make_places
    step "code and engine" make_release
    step "model" bring_model
    step "settings and keys" write_settings
    step "service" install_unit
    step "start" start_service
    step "firewall" open_firewall
    report
}

main() {
    parse "$@"
    [ -n "$COLLECT" ] || begin
    if [ -n "$UNINSTALL" ]; then
        uninstall
    elif [ -n "$COLLECT" ]; then
        collect
    else
        install_all
    fi
}

# All in functions, called on the last line: a script that was cut short does nothing.
main "$@"
