#!/bin/sh
# package: installed, upgraded, removed, purged and installed again, under sysvinit and under systemd
# shellcheck disable=SC2016 source=tests/boot/lib.sh
. ./lib.sh

keys_kept() { equal "$(keys)" "$before"; }
master() { as_admin 'cat /run/nginx.pid'; }
settings_stay() { as_admin 'grep -q ^STEK_NAMES /etc/default/stek && [ -e /etc/init.d/stek ] && [ -e /etc/cron.d/stek ]'; }
warned() { as_admin "$@" >"$T/said" 2>&1 && grep 'nginx.s configuration names keys' "$T/said"; }
silent() { said=$("$@") && [ -z "$said" ]; }

nginx_has_them() { configure_nginx && in_guest stek reload; }

life() {
    must "$1: a Debian" root "$1" life
    must "$1: boots" start_machine "$1"
    paths >"$T/before"

    must "$1: installed" in_guest apt-get -q -y install /root/stek.deb
    check "$1: nothing failed" not as_admin 'systemctl --failed --no-legend 2>/dev/null | grep .'
    must "$1: keys are made" as_admin 'echo STEK_NAMES=example.com >>/etc/default/stek && service stek start'
    check "$1: they are complete" complete
    check "$1: nginx has them" nginx_has_them
    before=$(keys) master=$(master)

    check "$1: somebody watches the slots" watch_keys
    must "$1: upgraded" as_admin 'cd /root && dpkg-deb -R stek.deb tree && sed -i "s/^Version: .*/&+1/" tree/DEBIAN/control &&
        echo "# changed" >>tree/lib/systemd/system/stek.service && dpkg-deb -b tree newer.deb && rm -r tree && dpkg -i newer.deb'
    check "$1: the keys are the same" keys_kept
    check "$1: nginx makes tickets with them" serves_with_current
    check "$1: nginx was not restarted" equal "$(master)" "$master"
    must "$1: downgraded" as_admin 'dpkg -i /root/stek.deb'
    check "$1: the keys are the same" keys_kept
    check "$1: restarted" in_guest service stek restart
    check "$1: there was no moment without keys" never_missing
    check "$1: a wrong setting fails no upgrade" as_admin 'echo STEK_SLOTS=1 >>/etc/default/stek; dpkg -i /root/newer.deb; code=$?
        sed -i /STEK_SLOTS=1/d /etc/default/stek; exit $code'
    check "$1: the keys are the same" keys_kept

    check "$1: units of setup, which count, are named" as_admin 'mine=/etc/systemd/system/stek.service
        { cat /lib/systemd/system/stek.service; echo "# Written by stek setup"; } >$mine
        dpkg -i /root/newer.deb 2>&1 | grep "warning: the units in /etc/systemd/system"; code=$?
        rm $mine; [ ! -d /run/systemd/system ] || systemctl daemon-reload; exit $code'
    check "$1: the keys are the same" keys_kept

    check "$1: removed, with a warning" warned 'dpkg -r stek'
    check "$1: the keys are gone" no_directory
    check "$1: the settings stay" settings_stay
    check "$1: what stays does nothing" silent tick_of_cron
    check "$1: and makes no noise at a boot" silent as_admin 'for v in start stop; do sh /etc/init.d/stek $v 2>&1; done'

    check "$1: a policy against starting services" as_admin 'printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d'
    must "$1: installed again" as_admin 'dpkg -i /root/stek.deb'
    check "$1: nothing was started" no_directory
    check "$1: nor is the timer" not as_admin 'systemctl is-active stek-rotate.timer'
    check "$1: started by hand" as_admin 'if [ -d /run/systemd/system ]; then systemctl start stek; else /etc/init.d/stek start; fi'
    check "$1: there are keys" complete
    must "$1: removed again" as_admin 'dpkg -r stek'
    check "$1: the keys are gone, whatever the policy" no_directory
    check "$1: no policy any more" as_admin 'rm /usr/sbin/policy-rc.d'

    must "$1: installed for the third time" as_admin 'dpkg -i /root/stek.deb'
    check "$1: there are keys" complete
    check "$1: and they are new" all_new "$(keys)" "$before"
    check "$1: the keys are to lie elsewhere, which nobody applies" as_admin 'echo STEK_DIR=/run/other >>/etc/default/stek'
    must "$1: purged" as_admin 'rm /etc/nginx/conf.d/stek.conf; dpkg -P stek'
    check "$1: nothing is left" same_paths
    in_guest sh -c 'if [ -d /run/systemd/system ]; then systemctl poweroff; else shutdown -h -P now; fi' >/dev/null 2>&1
    must "$1: powers off" ended 130
}

life sysvinit
life systemd
total
