#!/bin/sh
# BusyBox: its init, ash and crond run the same init script and the same job
# shellcheck disable=SC2016 source=tests/boot/lib.sh
. ./lib.sh

start() { start_machine busybox; }

must 'a Debian with BusyBox' root busybox
must 'the package is installed' in_root dpkg -i /root/stek.deb
check 'one line in /etc/default/stek' in_root sh -c 'echo STEK_NAMES=example.com >>/etc/default/stek'
check 'one include in nginx' in_root sh -c 'stek snippet nginx >/etc/nginx/conf.d/stek.conf'
# The line of cron, without a user, and each minute
check 'the job of cron' in_root sh -c 'mkdir -p /var/spool/cron/crontabs &&
    sed -n "s|^\*/5\(.*\) root |*\1 |p" /etc/cron.d/stek >/var/spool/cron/crontabs/root && grep "^\* \* \* \* \* \[" /var/spool/cron/crontabs/root'
watch_calls
must 'boots' start
check 'BusyBox is process 1' as_admin 'ls -l /proc/1/exe | grep busybox'
check 'and the shell' as_admin 'ls -l /proc/$$/exe | grep busybox'
check 'nginx serves' serves_with_current
check 'the keys are complete' complete
check 'in a file system of their own' own_file_system
age 12
next=$(key 0) before=$(keys)
rotated() { equal "$(key 1)" "$next"; }
check 'status' in_guest /etc/init.d/stek status
check 'restart' in_guest /etc/init.d/stek restart
check 'rotated, as it was due' rotated
age 12
next=$(key 0)
check 'crond rotates' until_true 70 rotated
check 'nginx makes tickets with the new key' until_true 5 serves_with_current
check 'the keys are complete' complete
before=$(keys)
in_guest busybox reboot >/dev/null 2>&1
must 'shuts down for a reboot' ended 129
check 'and destroyed the keys' in_root grep -q '^umount' /var/log/stek-calls
must 'boots again' start
check 'nginx serves' serves_with_current
check 'with new keys' all_new "$(keys)" "$before"
in_guest busybox poweroff >/dev/null 2>&1
must 'powers off' ended 130

total
