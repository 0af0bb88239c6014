#!/bin/bash
# Lets the service listen on the ports of its settings, and on no others. gpt-api-ports.service runs it
# before the service starts: so a changed port needs nothing but a restart.
#   allow_ports.sh [--print]
set -euo pipefail
SETTINGS=/etc/gpt-api/gpt-api.env
DROPIN=/etc/systemd/system/gpt-api.service.d/20-ports.conf

setting() { sed -n "s/^[[:space:]]*\(export \)\{0,1\}$1[[:space:]]*=[[:space:]]*[\"']\{0,1\}\([0-9, ]*\).*/\2/p" "$SETTINGS" 2>/dev/null | tail -n 1; }

drop_in() {
    local port
    printf '# Written by allow_ports.sh from PORT, OLLAMA_PORT and EXTRA_PORTS.\n[Service]\nSocketBindDeny=any\n'
    for port in $(ports | tr -s ', ' '\n' | sort -nu | grep .); do
        # 0 is any free one.
        [ "$port" != 0 ] || port=1024-65535
        echo "SocketBindAllow=tcp:$port"
    done
}

ports() { echo "$(setting PORT || true),$(setting OLLAMA_PORT),$(setting EXTRA_PORTS)" | sed 's/^,/8000,/'; }

main() {
    if [ "${1:-}" = --print ]; then
        drop_in
    elif [ -d "${DROPIN%/*}" ] && [ "$(drop_in)" != "$(cat "$DROPIN" 2>/dev/null)" ]; then
        drop_in >"$DROPIN.new"
        mv -f "$DROPIN.new" "$DROPIN"
        systemctl daemon-reload
    fi
}

main "$@"
