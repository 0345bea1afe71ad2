#!/bin/sh
# sysvinit: an administrator's first ten minutes, then reboots
# shellcheck disable=SC2016 source=tests/boot/lib.sh
. ./lib.sh

start() { start_machine sysvinit; }

must 'a Debian with sysvinit' root sysvinit
must 'boots' start
check 'nginx serves' serves

must 'the package is installed' in_guest dpkg -i /root/stek.deb
check 'no NAME was set: no keys are made' no_directory
check 'one line in /etc/default/stek' as_admin 'echo STEK_NAMES=example.com >>/etc/default/stek'
check 'service stek start' in_guest service stek start
check 'the keys are complete' complete
check 'in a file system of their own' own_file_system
check 'one include in nginx' configure_nginx
check 'stek reload' in_guest stek reload
check 'nginx makes tickets with the current key' serves_with_current
before=$(keys)
check 'service stek restart' in_guest service stek restart
check 'keeps the keys' equal "$(keys)" "$before"
check 'nothing is written about keys on a disk' not as_admin 'find / -xdev -name "*.key" ! -path "/usr/*" | grep .'

# Cron lives twenty times as fast, and fires within seconds; stek looks at the true clock, so the keys become old.
check 'cron gets a fast clock' as_admin 'service cron stop; cat >>/etc/default/cron <<X
export LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) FAKETIME="@2026-11-20 05:54:00 x20"
X
service cron start'
next=$(key 0)
age 12
rotated() { equal "$(key 1)" "$next"; }
check 'cron rotates' until_true 20 rotated
check 'nginx makes tickets with the new key' until_true 5 serves_with_current
check 'the keys are complete' complete
check 'cron gets the true clock again' as_admin 'sed -i /faketime/d /etc/default/cron'

before=$(keys)
check 'stek is slow from now on' as_admin 'echo "sleep 2" >>/etc/default/stek'
in_guest sh -c 'shutdown -r now' >/dev/null 2>&1
must 'shuts down for a reboot' ended 129
check 'without any trouble' not grep -i -e 'ticket keys.*fail' -e '^stek' -e 'stek.*busy' "$T/console.log"
watch_calls
must 'boots again' start
check 'nginx serves, though it had to wait for its keys' serves_with_current
check 'the keys are complete' complete
check 'and new ones' all_new "$(keys)" "$before"
check 'stek was called once' called_once
in_guest sh -c 'shutdown -h -P now' >/dev/null 2>&1
must 'powers off' ended 130
check 'and destroyed the keys' in_root grep -q '^umount' /var/log/stek-calls

# The proof of the proof: without the order nginx does not find its keys.
check 'the order is taken out' in_root sh -c 'sed -i "/^# X-St/d" /etc/init.d/stek && sed -i "s/^# Required-Start:.*/& nginx/" /etc/init.d/stek &&
    rm /etc/init.d/.depend.* && update-rc.d stek defaults && ls /etc/rc2.d'
must 'boots once more' start
check 'nginx is not there' as_admin '! service nginx status'
check 'the keys are, too late' complete
in_guest sh -c 'shutdown -h -P now' >/dev/null 2>&1
must 'powers off' ended 130

total
