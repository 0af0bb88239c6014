# shellcheck shell=bash disable=SC2153
# The firewall, where it is ufw: one port is opened when that was asked for, and what was opened is known
# by its comment.

firewall_there() { command -v ufw >/dev/null; }
firewall_active() { firewall_there && ufw status 2>/dev/null | grep -q '^Status: active'; }

# Also while it is off: then when it is on.
firewall_open() {
    ufw status 2>/dev/null | grep -Eq "^$PORT(/tcp)? +ALLOW" ||
        ufw show added 2>/dev/null | grep -Eq "^ufw allow $PORT(/tcp)?( |$)"
}

firewall_words() {
    if ! firewall_there; then
        echo "none that this knows"
    elif firewall_open; then
        echo "port $PORT is open"
    elif [ "$UFW" = 1 ]; then
        echo "port $PORT will be opened: ufw allow $PORT/tcp"
    elif firewall_active; then
        echo "active; port $PORT stays closed (--ufw opens it)"
    else
        echo "not active"
    fi
}

open_firewall() {
    firewall_there || return 0
    # A port that was left.
    close_ports_but "$PORT"
    [ "$UFW" = 1 ] && ! firewall_open || return 0
    run ufw allow "$PORT/tcp" comment gpt-api
}

close_firewall() { ! firewall_there || close_ports_but ''; }

# close_ports_but PORT: of those that were opened here.
close_ports_but() {
    local each
    for each in $(ufw show added 2>/dev/null | sed -n "s|^ufw allow \([0-9]*\)/tcp comment 'gpt-api'$|\1|p"); do
        [ "$each" = "$1" ] || run ufw --force delete allow "$each/tcp"
    done
}
