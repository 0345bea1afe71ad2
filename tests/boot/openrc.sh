#!/bin/sh
# OpenRC as Debian has it, which runs the init script: the order at boot, and shutdown
# shellcheck disable=SC2016 source=tests/boot/lib.sh
. ./lib.sh

start() { start_machine openrc; }

must 'a Debian with OpenRC' root openrc
must 'boots' start
check 'OpenRC is in charge' in_guest rc-status --runlevel
check 'nginx serves' serves
must 'the package is installed' in_guest dpkg -i /root/stek.deb
check 'one line in /etc/default/stek' as_admin 'echo STEK_NAMES=example.com >>/etc/default/stek'
check 'service stek start' in_guest service stek start
check 'the keys are complete' complete
check 'in a file system of their own' own_file_system
check 'one include in nginx' configure_nginx
check 'stek reload' in_guest stek reload
before=$(keys)
check 'rc-service stek restart' in_guest rc-service stek restart
check 'keeps the keys' equal "$(keys)" "$before"

check 'stek is slow from now on' as_admin 'echo "sleep 2" >>/etc/default/stek'
in_guest shutdown -r now >/dev/null 2>&1
must 'shuts down for a reboot' ended 129
watch_calls
must 'boots again' start
check 'nginx serves, though it had to wait for its keys' serves_with_current
check 'the keys are complete' complete
check 'and new ones' all_new "$(keys)" "$before"
check 'stek was called once' called_once
in_guest shutdown -h -P now >/dev/null 2>&1
must 'powers off' ended 130
check 'and destroyed the keys' in_root grep -q '^umount' /var/log/stek-calls

check 'the order is taken out' in_root sh -c 'sed -i "/^# X-St/d; s/^# Required-Start:.*/&\n# Should-Start: nginx/" /etc/init.d/stek && rm -rf /run/openrc /lib/rc/cache'
must 'boots once more' start
check 'nginx is not there' as_admin '! service nginx status'
check 'the keys are, too late' complete
in_guest shutdown -h -P now >/dev/null 2>&1
must 'powers off' ended 130

total
