#!/bin/bash
# Makes a bare system to boot the tests on: root.sh bookworm|trixie|jammy|noble FOLDER, as root, with
# debootstrap and a network. Then: GPT_API_DEPLOY_ROOT=FOLDER scripts/test --deploy
set -euo pipefail
suite=$1 folder=$2
packages=systemd,systemd-sysv,dbus,python3,python3-venv,libgomp1,curl,ca-certificates,iproute2,procps
options=(--variant=minbase --merged-usr "--include=$packages")

case $suite in
    jammy | noble)
        # Debian has not got Ubuntu's keys, nor a script for each of its versions; one serves all.
        debootstrap --no-check-gpg --components=main,universe "${options[@]}" "$suite" "$folder" \
            http://archive.ubuntu.com/ubuntu /usr/share/debootstrap/scripts/gutsy
        ;;
    *) debootstrap "${options[@]}" "$suite" "$folder" ;;
esac
