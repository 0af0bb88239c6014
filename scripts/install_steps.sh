# shellcheck shell=bash
# How anything is done here: asked first, printed where it is only rehearsed, logged, and blamed on a
# step when it fails.
# The places of an installation are used by all parts of the installer.
# shellcheck disable=SC2034,SC2153
OPT=/opt/gpt-api
ETC=/etc/gpt-api
STATE=/var/lib/gpt-api
UNIT=/etc/systemd/system/gpt-api.service
DROPINS=$UNIT.d
PORTS_UNIT=/etc/systemd/system/gpt-api-ports.service
COMMAND=/usr/local/bin/gpt-api
LOG=/var/log/gpt-api-install.log
LOCK=/run/lock/gpt-api-install
ACCOUNT=gpt-api
STEP=start
CHANGED=''
# What files held before this run, for going back; and whether it has replaced any.
BEFORE=$OPT/before
KEPT=''

begin() {
    if [ "$(id -u)" != 0 ]; then
        [ -n "$DRY" ] || fail "Installing needs root: sudo scripts/install.sh (or look first: --dry-run)"
    elif [ -z "$DRY" ]; then
        exec 9>"$LOCK"
        flock -n 9 || fail "Another installation is running; wait for it to end."
        touch "$LOG" && chmod 600 "$LOG"
        printf '\n%s\n' "--- $(date -Is) from $ROOT" >>"$LOG"
    fi
    trap 'blame_step $?' ERR
    trap interrupted INT TERM
}

# step NAME FUNCTION
step() {
    STEP=$1
    say "- $1"
    "$2"
}

# ^C: what was begun is begun anew, or gone on with.
interrupted() {
    trap - INT TERM ERR
    say ""
    if [ "$STEP" = start ]; then
        say "Stopped; nothing was done."
    else
        say "Stopped in the step \"$STEP\". Run the same command again: it goes on from there."
    fi
    exit 130
}

blame_step() {
    trap - ERR
    [ "$1" != 130 ] || interrupted
    if [ -z "$DRY" ] && [ -s "$LOG" ]; then
        say "" && tail -n 15 "$LOG" >&2
    fi
    fail "
The step \"$STEP\" failed (status $1). What it did is in $LOG. Nothing that ran before was touched;
mend the cause and run the same command again: it goes on where it stopped."
}

# Every change goes through here.
run() {
    if [ -n "$DRY" ]; then
        say "    would run: $*"
        return
    fi
    printf '+ %s\n' "$*" >>"$LOG"
    "$@" >>"$LOG" 2>&1
}

# put PATH MODE GROUP: what comes on stdin becomes that file, at once and only if it differs.
put() {
    local new
    new=$(cat && printf x)
    if [ -f "$1" ] && [ "$(cat -- "$1" && printf x)" = "$new" ]; then
        return
    fi
    CHANGED=1
    if [ -n "$DRY" ]; then
        say "    would write: $1"
        return
    fi
    printf '+ write %s\n' "$1" >>"$LOG"
    keep "$1"
    (umask 077 && printf %s "${new%x}" >"$1.new")
    chown "root:$3" "$1.new"
    chmod "$2" "$1.new"
    sync -- "$1.new"
    mv -f -- "$1.new" "$1"
}

keep() {
    [ -f "$1" ] || return 0
    if [ -z "$KEPT" ]; then
        KEPT=1
        rm -rf -- "$BEFORE"
        install -d -m 700 -- "$BEFORE"
    fi
    cp -p -- "$1" "$BEFORE/${1//\//_}"
}

# Puts back what this run has replaced.
restore() {
    local each
    for each in "$@"; do
        [ -z "$KEPT" ] || [ ! -f "$BEFORE/${each//\//_}" ] || run cp -p -- "$BEFORE/${each//\//_}" "$each"
    done
}

# point LINK TARGET: the link leads there, at once.
point() {
    [ "$(readlink -- "$1" || true)" != "$2" ] || return 0
    CHANGED=1
    run ln -sfn -- "$2" "$1.new"
    run mv -Tf -- "$1.new" "$1"
}

# ask VARIABLE QUESTION DEFAULT
ask() {
    local answer=''
    if [ -z "$YES" ] && [ -z "$DRY" ] && [ -t 0 ]; then
        read -r -p "$2 [$3]: " answer
    fi
    declare -g "$1=${answer:-$3}"
}

confirm() {
    if [ -n "$DRY" ]; then
        say "What would be done:"
        return
    fi
    [ -z "$YES" ] || return 0
    [ -t 0 ] || fail "Nobody is there to confirm; say --yes."
    local answer
    read -r -p "Go on? [y/N]: " answer
    [[ $answer =~ ^[Yy] ]] || fail "Nothing was done."
}
