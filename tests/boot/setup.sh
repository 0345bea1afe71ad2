#!/bin/sh
# setup: hosts with the binary and without the package: set up, rotated, rebooted, and as they were again
# shellcheck disable=SC2016,SC2317 source=tests/boot/lib.sh
. ./lib.sh

nginx_has_them() { configure_nginx && in_guest stek reload; }
# said WORDS GREP-ARGUMENT...: runs WORDS; what they said has such a line, and no line that is "no" alone
said() {
    as_admin "$1 || echo no" >"$T/said" 2>&1
    shift
    if ! grep -qx no "$T/said" && grep "$@" "$T/said"; then return 0; fi
    cat "$T/said"
    return 1
}
refused() {
    as_admin "$1" >"$T/said" 2>&1
    code=$?
    cat "$T/said"
    [ "$code" -eq 1 ] && grep "$2" "$T/said"
}
# All checks pass, and each says so
all_ok() {
    said "stek setup --check example.com" '^ok: ' && [ "$(wc -l <"$T/said")" -ge 8 ] && ! grep -v -e '^ok: ' -e "${1:-^ok: }" "$T/said"
}
silent() {
    if said=$("$@" 2>&1) && [ -z "$said" ]; then return 0; fi
    echo "$said"
    return 1
}
power() {
    case $init,$1 in
    systemd,*) in_guest systemctl "$1" ;;
    busybox,*) in_guest busybox "$1" ;;
    *,reboot) in_guest shutdown -r now ;;
    *) in_guest shutdown -h -P now ;;
    esac >/dev/null 2>&1
}
# A shell that stands in the keys directory
in_the_way() {
    as_admin 'cd /run/stek && { sleep 60 >/dev/null 2>&1 & echo $! >/root/shell; }'
    as_admin 'stek setup --undo' >"$T/said" 2>&1
    code=$?
    as_admin 'kill "$(cat /root/shell)"; rm /root/shell'
    cat "$T/said"
    [ "$code" -eq 111 ] && grep 'cannot unmount /run/stek' "$T/said"
}
rotated() { equal "$(key 1)" "$next"; }
unchanged() { equal "$(keys)" "$before" && { paths | diff "$T/with" -; }; }
unknown() { not as_admin 'systemctl list-units --all --plain --no-legend "stek*" 2>/dev/null | grep .'; }
none_failed() { not as_admin 'systemctl --failed --no-legend 2>/dev/null | grep .'; }

# Without waiting for five minutes
hasty() {
    case $init in
    systemd) as_admin 'mkdir -p /run/systemd/system/stek-rotate.timer.d &&
        printf "%s\n" "[Timer]" OnCalendar= "OnCalendar=*:*:0/3" >/run/systemd/system/stek-rotate.timer.d/short.conf &&
        systemctl daemon-reload && systemctl restart stek-rotate.timer' ;;
    # what setup asks an administrator to do, but each minute
    busybox) as_admin 'mkdir -p /var/spool/cron/crontabs && stek setup --check example.com |
        sed -n "s|^warning: .*(crontab -e): \*/5|*|p" >/var/spool/cron/crontabs/root && grep "^\* \* \* \* \* \[" /var/spool/cron/crontabs/root' ;;
    *) as_admin 'cp /etc/default/cron /root/cron && service cron stop
        echo "export LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) FAKETIME=\"@2026-11-20 05:54:00 x20\"" >>/etc/default/cron
        service cron start' ;;
    esac
}
as_before() {
    case $init in
    systemd) as_admin 'rm -r /run/systemd/system/stek-rotate.timer.d && systemctl daemon-reload && systemctl restart stek-rotate.timer' ;;
    busybox) as_admin 'rm /var/spool/cron/crontabs/root' ;;
    *) as_admin 'service cron stop; cp /root/cron /etc/default/cron; service cron start' ;;
    esac
}

# life INIT WORDS WARNINGS [CMD]: CMD prepares the root, where setup warns of WARNINGS
life() {
    init=$1 w=$2 warnings=$3
    must "$w: a Debian" root "$init" setup
    must "$w: with the binary and nothing else" install -m 755 "$T/binary" "$R/usr/local/sbin/stek"
    [ -z "${4:-}" ] || must "$w: $4" in_root sh -c "$4"
    must "$w: boots" start_machine "$init"
    check "$w: nginx serves" serves
    paths >"$T/before"
    check "$w: nothing speaks against it" all_ok "$warnings"
    check "$w: looking changed nothing" same_paths
    must "$w: set up" said 'stek setup example.com' 'stek snippet nginx example.com'
    check "$w: the keys are complete" complete
    check "$w: in a file system of their own" own_file_system
    check "$w: nginx has them" nginx_has_them
    check "$w: nginx makes tickets with the current key" serves_with_current
    before=$(keys)
    paths >"$T/with"
    check "$w: a second time it says nothing" silent in_guest stek setup example.com
    check "$w: and does nothing" unchanged

    age 12
    next=$(key 0)
    check "$w: cron or the timer is hasty" hasty
    check "$w: it rotates" until_true 70 rotated
    check "$w: nginx makes tickets with the new key" until_true 10 serves_with_current
    check "$w: cron or the timer is as before" as_before

    before=$(keys)
    power reboot
    must "$w: shuts down for a reboot" ended 129
    must "$w: boots again" start_machine "$init"
    check "$w: nginx serves" serves_with_current
    check "$w: the keys are complete" complete
    check "$w: and new ones" all_new "$(keys)" "$before"
    check "$w: nothing failed" none_failed

    before=$(keys)
    paths >"$T/with"
    check "$w: it takes nothing away that nginx needs" refused 'stek setup --undo' 'nginx is configured to read keys in /run/stek'
    check "$w: and did nothing" unchanged
    must "$w: nginx does without" as_admin 'rm /etc/nginx/conf.d/stek.conf && nginx -s reload'
    check "$w: a shell in the keys directory is in the way" in_the_way
    must "$w: taken away" silent in_guest stek setup --undo
    check "$w: nothing is left" same_paths
    check "$w: nor known to init" unknown
    check "$w: nothing failed" none_failed
    check "$w: taken away again" silent in_guest stek setup --undo
    power poweroff
    must "$w: powers off" ended 130
}

dpkg-deb --fsys-tarfile "$DEB" | tar -xOf - ./usr/sbin/stek >"$T/binary"
clock='^warning: nothing keeps the clock right'
life sysvinit sysvinit "$clock"
life sysvinit 'insserv alone' "$clock" 'rm /usr/sbin/update-rc.d'
life systemd systemd "$clock"
life openrc openrc "$clock"
# As on Alpine and Gentoo: a script of OpenRC's own kind
life openrc 'openrc alone' "$clock" 'rm /usr/sbin/update-rc.d'
life busybox busybox '^warning: \(nothing keeps the clock\|there is no /etc/cron.d\|no tool enters\)' 'rm -rf /etc/cron.d /usr/sbin/cron /usr/sbin/update-rc.d'
total
