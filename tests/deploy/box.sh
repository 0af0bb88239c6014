#!/bin/bash
# Boots a real systemd as process 1 of new namespaces, over this machine's files: what is written goes
# to a tmpfs. Used by box.py; needs root, overlayfs and cgroup2, and changes nothing outside of itself
# but one cgroup and one pair of network devices.
#
#   box.sh probe STATE LOWER                                        whether that can be done here
#   box.sh start STATE LOWER OUTER_IP INNER_IP [SOURCE:TARGET...]   boots; after a stop, with what was written before
#   box.sh exec STATE COMMAND...                                    runs a command inside
#   box.sh online STATE COMMAND...                                  the same, with this machine's network
#   box.sh stop STATE                                               powers off
#   box.sh forget STATE                                             drops what was written
set -euo pipefail
SELF=$(readlink -f -- "$0")
# What has no business in a box, or would touch the machine.
MASKED="apt-daily.timer apt-daily-upgrade.timer man-db.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service
    dpkg-db-backup.timer networking.service systemd-networkd.service systemd-timesyncd.service postgresql.service
    systemd-resolved.service systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service
    getty.target console-getty.service getty@tty1.service systemd-logind.service cron.service ssh.service
    systemd-networkd-wait-online.service systemd-pstore.service"

enter() {
    local state=$1 lower=$2 root=$1/root each
    shift 2
    lay "$state" "$lower"
    mount_kernel "$root" "$state"
    make_devices "$root" "$(cat "$state/console")"
    mount -t tmpfs -o mode=755,nosuid,nodev,size=256m tmpfs "$root/run"
    mount -t tmpfs -o mode=1777,nosuid,nodev,size=2g tmpfs "$root/tmp"
    for each in "$@"; do
        mkdir -p "$root/${each#*:}"
        mount --bind "${each%%:*}" "$root/${each#*:}"
        mount -o remount,bind,ro "$root/${each#*:}"
    done
    settle_in "$root"
    cd "$root"
    pivot_root . run/outside
    cd /
    umount -l /run/outside
    rmdir /run/outside
    # systemd does not do it where it finds itself in a container, and credentials need it.
    mount --make-rshared /
    exec env -i container=box PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin LANG=C.UTF-8 \
        setpriv --inh-caps=-all \
        --bounding-set=-sys_time,-sys_module,-sys_rawio,-audit_control,-audit_write,-audit_read,-syslog,-mac_admin,-mac_override \
        /lib/systemd/systemd --system systemd.unified_cgroup_hierarchy=1 systemd.log_color=0 \
        </dev/null >/dev/null 2>&1
}

lay() {
    mount -t overlay overlay \
        -o "lowerdir=$2,upperdir=$1/writes/upper,workdir=$1/writes/work" "$1/root"
}

mount_kernel() {
    local each
    mount -t proc -o nosuid,nodev,noexec proc "$1/proc"
    for each in sys irq bus; do
        [ ! -e "$1/proc/$each" ] || mount --bind "$1/proc/$each" "$1/proc/$each"
        [ ! -e "$1/proc/$each" ] || mount -o remount,bind,ro "$1/proc/$each"
    done
    # The network is the box's own, and a firewall sets it; and so is the boot, which the journal counts.
    mount --bind "$1/proc/sys/net" "$1/proc/sys/net"
    mount -o remount,bind,rw "$1/proc/sys/net"
    cat /proc/sys/kernel/random/uuid >"$2/boot_id"
    mount --bind "$2/boot_id" "$1/proc/sys/kernel/random/boot_id"
    mount -t sysfs -o nosuid,nodev,noexec,ro sysfs "$1/sys"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$1/sys/fs/cgroup"
}

make_devices() {
    local each name major minor
    mount -t tmpfs -o mode=755,nosuid,size=4m tmpfs "$1/dev"
    mkdir "$1/dev/pts" "$1/dev/shm" "$1/dev/mqueue" "$1/dev/hugepages"
    for each in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
        IFS=: read -r name major minor <<<"$each"
        mknod -m 666 "$1/dev/$name" c "$major" "$minor"
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$1/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$1/dev/shm"
    ln -s pts/ptmx "$1/dev/ptmx"
    ln -s /proc/self/fd "$1/dev/fd"
    ln -s fd/0 "$1/dev/stdin"
    ln -s fd/1 "$1/dev/stdout"
    ln -s fd/2 "$1/dev/stderr"
    : >"$1/dev/console"
    mount --bind "$2" "$1/dev/console"
}

settle_in() {
    local each
    hostname box
    mkdir -p "$1/run/outside"
    # As the boot before left it.
    [ ! -e "$1/etc/box" ] || return 0
    : >"$1/etc/box"
    tr -d - </proc/sys/kernel/random/uuid >"$1/etc/machine-id.new"
    mv "$1/etc/machine-id.new" "$1/etc/machine-id"
    rm -f "$1/etc/hostname"
    echo box >"$1/etc/hostname"
    grep -q ' box$' "$1/etc/hosts" 2>/dev/null || echo "127.0.1.1 box" >>"$1/etc/hosts"
    rm -rf "$1"/var/log/journal
    mkdir -p "$1/var/log/journal" "$1/etc/systemd/system"
    for each in $MASKED; do ln -sfn /dev/null "$1/etc/systemd/system/$each"; done
    ln -sfn /lib/systemd/system/multi-user.target "$1/etc/systemd/system/default.target"
}

start() {
    local state=$1 lower=$2 outer=$3 inner=$4 group keeper init='' up
    shift 4
    make_room "$state"
    make_console "$state"
    group=$(cgroup_root)/gpt-api-box-$$
    mkdir "$group"
    echo "$group" >"$state/cgroup"
    # Whatever runs in the subshell below would be taken for process 1.
    keeper=$(cat "$state/keeper")
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        exec setsid nsenter -t "$keeper" -m -- \
            unshare --mount --uts --ipc --pid --cgroup --net --fork --kill-child=KILL \
            -- "$SELF" enter "$state" "$lower" "$@" </dev/null >"$state/log" 2>&1
    ) &
    up=$!
    for _ in $(seq 250); do
        init=$(cat "/proc/$up/task/$up/children" 2>/dev/null || true)
        [ -z "${init// /}" ] || break
        sleep 0.02
    done
    init=${init// /}
    echo "$init" >"$state/init"
    connect "$init" "$outer" "$inner"
    wait_for_boot "$state" "$init"
    echo "$init"
}

# What is written outlives a boot: a process keeps the tmpfs, in a mount namespace of its own.
make_room() {
    [ ! -s "$1/keeper" ] || return 0
    mkdir -p "$1/root" "$1/writes"
    # shellcheck disable=SC2016
    setsid unshare --mount --propagation private sh -euc '
        mount -t tmpfs -o size=6g,mode=755 tmpfs "$1/writes"
        mkdir "$1/writes/upper" "$1/writes/work"
        echo $$ >"$1/keeper.new" && mv "$1/keeper.new" "$1/keeper"
        exec sleep infinity' keeper "$1" </dev/null >/dev/null 2>&1 &
    wait_for_file "$1/keeper"
}

# process 1 writes to a terminal, which somebody has to read.
make_console() {
    rm -f "$1/console"
    setsid python3 - "$1" >/dev/null 2>&1 </dev/null <<'PY' &
import os, sys
master, slave = os.openpty()
with open(sys.argv[1] + "/console.new", "w") as file:
    file.write(os.ttyname(slave))
os.rename(sys.argv[1] + "/console.new", sys.argv[1] + "/console")
with open(sys.argv[1] + "/console.log", "ab", 0) as log:
    while data := os.read(master, 65536):
        log.write(data)
PY
    echo $! >"$1/reader"
    wait_for_file "$1/console"
}

wait_for_file() {
    for _ in $(seq 250); do
        [ ! -s "$1" ] || return 0
        sleep 0.02
    done
    echo "there is no $1" >&2
    return 1
}

cgroup_root() {
    local own
    own=$(sed -n 's/^0:://p' /proc/self/cgroup)
    if [ -d /sys/fs/cgroup/unified ]; then
        echo "/sys/fs/cgroup/unified${own%/}"
    else
        echo "/sys/fs/cgroup${own%/}"
    fi
}

connect() {
    ip link add "box$1" type veth peer name host0 netns "$1"
    ip addr add "$2/30" dev "box$1"
    ip link set "box$1" up
    nsenter -t "$1" -n sh -c "ip link set lo up; ip addr add $3/30 dev host0; ip link set host0 up; ip route add default via $2"
}

wait_for_boot() {
    for _ in $(seq 600); do
        if [ ! -d "/proc/$2" ]; then
            cat "$1/log" "$1/console.log" >&2
            return 1
        fi
        [ ! -S "/proc/$2/root/run/systemd/private" ] || break
        sleep 0.05
    done
    execute "$1" systemctl is-system-running --wait >/dev/null || true
}

execute() {
    local state=$1
    shift
    within -n "$state" "$@"
}

# within OPTION STATE COMMAND...: -n for the box's network, too.
within() {
    local option=$1 state=$2
    shift 2
    nsenter -t "$(cat "$state/init")" -m -u -i -p -C -r -w ${option:+"$option"} -- \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LANG=C.UTF-8 "$@"
}

stop() {
    local init
    init=$(cat "$1/init")
    # systemd starts poweroff.target.
    kill -s RTMIN+4 "$init" 2>/dev/null || true
    for _ in $(seq 300); do
        [ -d "/proc/$init" ] || break
        sleep 0.1
    done
    [ ! -d "/proc/$init" ] || kill -9 "$init"
    ip link del "box$init" 2>/dev/null || true
    kill "$(cat "$1/reader")" 2>/dev/null || true
    for _ in $(seq 50); do
        find "$(cat "$1/cgroup")" -depth -type d -exec rmdir {} \; 2>/dev/null || true
        [ -d "$(cat "$1/cgroup")" ] || break
        sleep 0.1
    done
}

# Names what cannot be done here, if anything.
probe() {
    local group device=boxprobe$$
    group=$(cgroup_root)/gpt-api-box-probe-$$
    if ! mkdir "$group" 2>/dev/null || ! rmdir "$group"; then
        echo "a cgroup cannot be made"
    elif ! ip link add "$device" type veth peer name "${device}p" 2>/dev/null || ! ip link del "$device"; then
        echo "network devices cannot be made"
    elif ! make_room "$1" 2>/dev/null; then
        echo "a tmpfs cannot be mounted"
    elif ! nsenter -t "$(cat "$1/keeper")" -m -- unshare --mount --pid --cgroup --net --fork \
        -- "$SELF" lay "$1" "$2" >/dev/null 2>&1; then
        echo "overlayfs cannot be mounted"
    fi
    forget "$1"
}

forget() { [ ! -s "$1/keeper" ] || kill "$(cat "$1/keeper")"; }

case $1 in
    probe | start | stop | forget | enter | lay) "$@" ;;
    exec | online)
        [ "$1" = exec ] && option=-n || option=''
        shift
        within "$option" "$@"
        ;;
esac
