# shellcheck shell=bash disable=SC2153
# The unit, its start and what follows when it does not start; and how all goes again.

PREVIOUS=''

install_unit() {
    PREVIOUS=$(readlink -f -- "$OPT/current" 2>/dev/null || true)
    put "$UNIT" 644 root <"$ROOT/systemd/gpt-api.service"
    [ -d "$DROPINS" ] || run mkdir -p "$DROPINS"
    put "$DROPINS/10-install.conf" 644 root < <(drop_in)
    if forbids_ports; then
        put "$PORTS_UNIT" 644 root <"$ROOT/systemd/gpt-api-ports.service"
        put "$DROPINS/20-ports.conf" 644 root < <("$ROOT/scripts/allow_ports.sh" --print)
    fi
    put "$COMMAND" 755 root <"$ROOT/systemd/gpt-api"
    if [ "$ENGINE" = cuda ]; then
        put /etc/modules-load.d/gpt-api.conf 644 root <<<$'nvidia\nnvidia-uvm'
    fi
    point "$OPT/current" "$RELEASE"
    [ -z "$CHANGED" ] || run systemctl daemon-reload
}

# What depends on the machine.
drop_in() {
    local version
    version=$(systemctl --version | awk 'NR == 1 { print int($2) }')
    printf '# Written by scripts/install.sh.\n[Service]\n'
    [ "$version" -lt 254 ] || printf 'RestartSteps=5\nRestartMaxDelaySec=60s\n'
    ! forbids_ports || printf '[Unit]\nWants=gpt-api-ports.service\nAfter=gpt-api-ports.service\n'
    [ "$ENGINE" = cuda ] || return 0
    cat "$ROOT/systemd/gpu.conf"
    echo "Environment=LD_LIBRARY_PATH=$(cuda_library_path)"
}

# Not every systemd is built so that it can, and those say so at every start.
forbids_ports() { systemctl --version | grep -q -F +BPF_FRAMEWORK; }

start_service() {
    if [ -z "$CHANGED" ] && systemctl is-active --quiet gpt-api; then
        return 0
    fi
    if ! systemctl is-enabled --quiet gpt-api 2>/dev/null; then
        run systemctl enable gpt-api
    fi
    say "  loading the model; this takes as long as reading its file"
    run systemctl reset-failed gpt-api || true
    if run systemctl restart gpt-api && answers; then
        [ -n "$DRY" ] || drop_old_releases
        return 0
    fi
    roll_back
}

# Whether clients are answered: systemd knows that the model is.
answers() {
    [ -z "$DRY" ] || return 0
    local url
    url=http://$(local_authority)
    curl -fsS --max-time 30 -o /dev/null "$url/health" 2>>"$LOG" || return
    [ -n "$NEW_KEY" ] || return 0
    # Not as an argument, which every user of the machine can see.
    curl -fsS --max-time 300 -o /dev/null -K - -H 'Content-Type: application/json' \
        -d '{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}' \
        "$url/v1/chat/completions" 2>>"$LOG" <<<"header = \"Authorization: Bearer $NEW_KEY\""
}

local_authority() {
    case $HOST in
        0.0.0.0) echo "127.0.0.1:$PORT" ;;
        *:*) echo "[::1]:$PORT" ;;
        *) echo "$HOST:$PORT" ;;
    esac
}

roll_back() {
    say "  it does not start:"
    journalctl -u gpt-api -n 25 --no-pager -o cat >&2 || true
    if [ -z "$PREVIOUS" ] || [ "$PREVIOUS" = "$RELEASE" ] || [ ! -d "$PREVIOUS" ]; then
        fail "
The service does not start; see above and journalctl -u gpt-api. Everything is installed: mend the cause,
then run this again, or systemctl restart gpt-api."
    fi
    say "  going back to ${PREVIOUS##*/}"
    point "$OPT/current" "$PREVIOUS"
    restore "$UNIT" "$DROPINS/10-install.conf" "$DROPINS/20-ports.conf" "$ETC/gpt-api.env"
    run systemctl daemon-reload
    run systemctl reset-failed gpt-api || true
    run systemctl restart gpt-api || fail "The version before, ${PREVIOUS##*/}, does not start any more either; see journalctl -u gpt-api."
    fail "The new version did not start, and the one before runs again: ${PREVIOUS##*/}."
}

report() {
    if [ -n "$DRY" ]; then
        say "Nothing was done."
        [ ${#PROBLEMS[@]} -eq 0 ] || fail "It would not be done either: see the problems at the beginning."
        return
    fi
    [ -n "$CHANGED" ] || say "Everything was as it should be; nothing was changed."
    local address=$HOST
    [ "$HOST" != 0.0.0.0 ] || address=$(hostname -I 2>/dev/null | awk '{ print $1 }')
    say "
gpt-api runs.
  Base URL    http://${address:-127.0.0.1}:$PORT/v1
  Model Name  $(setting_or MODEL_NAME gpt-oss-20b)"
    if [ -n "$NEW_KEY" ]; then
        # Shown once, and nowhere written but in the table of keys.
        say "  API Key     $NEW_KEY"
    else
        say "  API Key     as before, in $(setting_or API_KEYS_FILE "$ETC/keys.json")"
    fi
    say "
These are the three fields of a ProTalk bot, too.
  systemctl status gpt-api      how it does
  journalctl -u gpt-api -f      what it does
  systemctl reload gpt-api      after a change of the keys"
}

uninstall() {
    step "service" remove_service
    step "firewall" close_firewall
    step "code" remove_code
    if [ -n "$PURGE" ]; then
        step "settings, keys, models and user" remove_rest
    elif [ -d "$ETC" ] || [ -d "$STATE" ]; then
        say "Kept: $ETC (settings and keys), $STATE (models); --uninstall --purge removes them too."
    fi
}

remove_service() {
    if [ -e "$UNIT" ]; then
        run systemctl disable --now gpt-api
    fi
    run rm -rf -- "$UNIT" "$PORTS_UNIT" "$DROPINS" "$COMMAND" /etc/modules-load.d/gpt-api.conf
    run systemctl daemon-reload
    run systemctl reset-failed gpt-api || true
}

remove_code() { run rm -rf -- "$OPT"; }

remove_rest() {
    run rm -rf -- "$ETC" "$STATE"
    if id "$ACCOUNT" >/dev/null 2>&1; then
        run userdel "$ACCOUNT"
    fi
    run rm -f -- "$LOG"
}
