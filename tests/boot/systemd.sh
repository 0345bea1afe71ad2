#!/bin/sh
# systemd: an administrator's first ten minutes, then reboots; the timer instead of cron
# shellcheck disable=SC2016 source=tests/boot/lib.sh
. ./lib.sh

start() { start_machine systemd; }
none_failed() { not as_admin 'systemctl --failed --no-legend | grep .'; }

must 'a Debian with systemd' root systemd
must 'boots' start
check 'nginx serves' serves

must 'the package is installed' in_guest dpkg -i /root/stek.deb
check 'no NAME was set: no keys are made' no_directory
check 'and nothing failed' none_failed
check 'the timer runs' in_guest systemctl is-active stek-rotate.timer
check 'it looks within five minutes' as_admin '
    next=$(date -d "$(systemctl show --timestamp=unix -P NextElapseUSecRealtime stek-rotate.timer)" +%s)
    [ "$next" -gt "$(($(date +%s) - 2))" ] && [ "$next" -le "$(($(date +%s) + 300))" ]'
check 'a tick without keys is no failure' as_admin 'systemctl start stek-rotate.service'
check 'and makes none' no_directory
check 'the units are well formed' as_admin 'cd /lib/systemd/system && said=$(systemd-analyze verify --man=no stek.service \
    stek-rotate.service stek-reload.service stek-rotate.timer 2>&1) && [ -z "$said" ] || { echo "$said"; exit 1; }'
check 'and sandboxed' as_admin 'systemd-analyze security --no-pager --offline=yes --threshold=39 stek.service &&
    systemd-analyze security --no-pager --offline=yes --threshold=14 stek-rotate.service &&
    systemd-analyze security --no-pager --offline=yes --threshold=47 stek-reload.service'

check 'one line in /etc/default/stek' as_admin 'echo STEK_NAMES=example.com >>/etc/default/stek'
check 'service stek start' in_guest service stek start
check 'the keys are complete' complete
check 'in a file system of their own' own_file_system
check 'one include in nginx' configure_nginx
check 'stek reload' in_guest stek reload
check 'nginx makes tickets with the current key' serves_with_current
before=$(keys)
for way in 'service stek restart' 'systemctl restart stek' 'systemctl try-restart stek' 'systemctl reload stek' '/etc/init.d/stek restart'; do
    check "$way" as_admin "$way"
    check 'keeps the keys' equal "$(keys)" "$before"
done
slow() {
    as_admin "mkdir -p /run/systemd/system/stek.service.d && printf '%s\n' '[Service]' '$1' >/run/systemd/system/stek.service.d/slow.conf &&
        systemctl daemon-reload"
}
check 'nobody answers whether it is a restart, at first' as_admin 'printf "%s\n" "#!/bin/sh" \
    "[ ! -e /run/mute ] || { rm /run/mute; exit 1; }" "exec /bin/systemctl \"\$@\"" >/usr/local/sbin/systemctl &&
    chmod 755 /usr/local/sbin/systemctl && : >/run/mute && /bin/systemctl restart stek && [ ! -e /run/mute ]'
check 'the keys are kept' equal "$(keys)" "$before"
check 'nobody answers at all' as_admin 'printf "%s\n" "#!/bin/sh" "exit 1" >/usr/local/sbin/systemctl && /bin/systemctl stop stek'
check 'the keys are kept, too' equal "$(keys)" "$before"
check 'which is a failure' as_admin '/bin/systemctl is-failed stek && journalctl -q -u stek -o cat | grep "is this a restart?" && rm /usr/local/sbin/systemctl'
check 'systemd itself is restarted in the midst of restarts' as_admin 'for i in 0 1 2 3 4; do
    systemctl restart stek & sleep 0.0$i; systemctl daemon-reexec; wait; done; systemctl start stek'
check 'the keys are kept in spite of it' equal "$(keys)" "$before"

check 'unit and init script are one' as_admin 'case $(systemctl show -P FragmentPath stek) in /lib/* | /usr/lib/*) ;; *) exit 1 ;; esac'
check 'systemctl stop stek' in_guest systemctl stop stek
check 'destroys the keys' no_directory
check 'stek is slow' slow 'ExecStartPost=/bin/sleep 60'
check 'a start is interrupted by a stop' as_admin 'systemctl start --no-block stek && sleep 1 && test -e /run/stek/example.com.1.key && systemctl stop stek'
check 'no keys are left' no_directory
check 'stek is as quick as it was' as_admin 'rm -r /run/systemd/system/stek.service.d && systemctl daemon-reload && systemctl reset-failed stek'

# Every reader of the settings file takes the same from it.
settings() { as_admin "cp /etc/default/stek /root/default && printf '%s\n' '$1' >>/etc/default/stek"; }
as_before() { in_guest mv /root/default /etc/default/stek; }
for line in 'STEK_NAMES=example.com # main' 'export STEK_NAMES=example.com' 'STEK_SLOTS=4 # more' "STEK_SLOTS=4$(printf '\r')" 'exit 0'; do
    check "$line" settings "$line"
    check 'service stek start' in_guest service stek start
    check 'makes the keys' in_guest test -e /run/stek/example.com.3.key
    check 'a tick' in_guest systemctl start stek-rotate.service
    check 'service stek stop' in_guest service stek stop
    check 'destroys them' no_directory
    as_before
done
check 'nginx is stopped' in_guest systemctl stop nginx
for line in "STEK_DIR=/dev/shm/stek$(printf '\r')" 'export STEK_DIR=/dev/shm/stek # there'; do
    check 'the keys are in /dev/shm' settings "$line"
    check 'service stek start' in_guest service stek start
    check 'makes them there' as_admin 'grep " /dev/shm/stek \(tmpfs\|ramfs\) " /proc/mounts'
    next=$(key 0)
    check 'they are old' as_admin 'for f in /dev/shm/stek/*.key; do touch -d "@$(($(stat -c %Y $f) - 12 * 3600))" $f; done'
    check 'a tick' in_guest systemctl start stek-rotate.service
    check 'rotates them' equal "$(key 1)" "$next"
    check 'service stek stop' in_guest service stek stop
    check 'destroys them' as_admin '[ ! -e /dev/shm/stek ]'
    as_before
done

check 'systemctl start stek' in_guest systemctl start stek
check 'makes new ones' all_new "$(keys)" "$before"
check 'nginx is started' in_guest systemctl start nginx
touch_keys 0
check 'nginx logs below /usr' as_admin 'mkdir -p /usr/local/nginx/logs &&
    echo "error_log /usr/local/nginx/logs/error.log;" >/etc/nginx/conf.d/log.conf &&
    systemctl reset-failed stek-reload.service && systemctl start stek-reload.service'
check 'and makes tickets with the current key' serves_with_current

age 12
next=$(key 0)
both() { [ "$(key 1)" != "$next" ] && serves_with_current; }
rotated() { equal "$(key 1)" "$next"; }
check 'the timer ticks every three seconds from now on' as_admin 'mkdir -p /run/systemd/system/stek-rotate.timer.d &&
    printf "%s\n" "[Timer]" OnCalendar= "OnCalendar=*:*:0/3" >/run/systemd/system/stek-rotate.timer.d/short.conf &&
    systemctl daemon-reload && systemctl restart stek-rotate.timer'
check 'it rotates' until_true 10 rotated
check 'nginx makes tickets with the new key' until_true 10 serves_with_current
# By their identifier: of what syslog gets from a process that ends at once the journal may not find the unit any more.
told() { as_admin "journalctl -q -p notice -t stek -o cat | grep '^$1:'"; }
check 'the journal tells of the rotation' until_true 5 told rotate
check 'and of the reload' until_true 5 told reload
check 'the keys are complete' complete
check 'the timer pauses' in_guest systemctl stop stek-rotate.timer
age 12
next=$(key 0) old=$(key 1)
check 'nginx gets a configuration that does not test clean' as_admin 'echo nonsense >/etc/nginx/conf.d/wrong.conf;
    systemctl start stek-rotate.timer'
check 'the timer rotates' until_true 10 rotated
check 'nginx is not signalled' until_true 10 in_guest systemctl is-failed stek-reload.service
check 'and the reason is in the journal' as_admin 'journalctl -q -u stek-reload -o cat | grep wrong.conf'
check 'the old key makes tickets still' equal "$(ticket)" "$old"
all=$(keys) next=$(key 1)
touch_keys 12
sleep 7
check 'the timer does not rotate to a key that nginx does not know' equal "$(keys)" "$all"
check 'the configuration is mended' in_guest rm /etc/nginx/conf.d/wrong.conf
check 'the next tick reloads, the one after that rotates, and so on' until_true 15 both
check 'the keys are complete' complete
check 'with nothing due the journal stays empty' as_admin 'sleep 4; since=$(date +%H:%M:%S); sleep 7
    said=$(journalctl -q --since "$since" -u stek-rotate -u stek-reload -u stek-rotate.timer -o cat); echo "$said"; [ -z "$said" ]'
check 'nothing failed' none_failed
check 'every five minutes again' as_admin 'rm -r /run/systemd/system/stek-rotate.timer.d && systemctl daemon-reload'

before=$(keys)
check 'stek is slow from now on' as_admin 'mkdir -p /etc/systemd/system/stek.service.d &&
    printf "%s\n" "[Service]" "ExecStartPre=/bin/sleep 2" >/etc/systemd/system/stek.service.d/slow.conf'
in_guest systemctl reboot >/dev/null 2>&1
must 'shuts down for a reboot' ended 129
watch_calls
must 'boots again' start
check 'nginx serves, though it had to wait for its keys' serves_with_current
check 'the keys are complete' complete
check 'and new ones' all_new "$(keys)" "$before"
check 'stek was called once' called_once
check 'nothing failed' none_failed
calls=$(in_guest cat /var/log/stek-calls)
check 'a tick of cron' tick_of_cron
check 'leaves it to the timer' equal "$(in_guest cat /var/log/stek-calls)" "$calls"
in_guest systemctl poweroff >/dev/null 2>&1
must 'powers off' ended 130
check 'and destroyed the keys' in_root grep -q '^umount' /var/log/stek-calls

# The proof of the proof: without the order nginx does not find its keys.
check 'the order is taken out' in_root sh -c 'sed "/^Before=/d" /lib/systemd/system/stek.service >/etc/systemd/system/stek.service'
must 'boots once more' start
check 'nginx is not there' in_guest systemctl is-failed nginx
check 'the keys are, too late' until_true 5 complete
in_guest systemctl poweroff >/dev/null 2>&1
must 'powers off' ended 130

total
