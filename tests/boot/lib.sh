# shellcheck shell=sh disable=SC2016
# What the boot tests share. A file is a story in steps, each of which is
#
#     check WORDS CMD...    CMD must succeed; its output is shown if it does not
#
# root LAYER          makes the root $R of a new machine: Debian with that init, as the layer's function says
# boot CMD...         boots $R with CMD as process 1; halt waits for its end and checks how it ended
# in_guest CMD...     runs CMD in the running machine    as_admin WORDS   the same by its shell
# in_root CMD...      runs CMD in $R while it is not running, as in a chroot
#
# What a machine must not do to the host that it runs on: its root is an overlay, so that remounting or unmounting
# it reaches nothing; /proc/sys and /sys cannot be written; it may not set the clock, load modules or read the
# kernel's log; it has a network, host name and cgroup of its own; everything ends after a while.

LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
unset STEK_DIR STEK_NAMES STEK_PERIOD STEK_SLOTS STEK_SIZE STEK_GROUP STEK_DEFAULT_FILE

here=$(pwd -P)
top=${here%/tests/boot}
suite=${STEK_BOOT_SUITE:-bookworm}
for DEB in "${STEK_DEB:-}" "$top"/target/deb/stek_*.deb; do [ ! -f "$DEB" ] || break; done
passed=0 failed=0 skipped=0

# --- the Debian below all machines ---

packages=nginx,cron,openssl,iproute2,libfaketime,busybox-static,ca-certificates,apt

# What makes a machine of it
packages_of() {
    case $1 in
    sysvinit) echo sysvinit-core sysv-rc insserv initscripts ;;
    systemd) echo systemd systemd-sysv ;;
    openrc) echo sysvinit-core openrc initscripts ;;
    esac
}

# A hook for mmdebstrap that puts the packages of each init into the new root.
download() {
    for init in sysvinit systemd openrc; do
        cat <<X
mkdir -p "\$1/boot/$init/partial"
APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-get -qq -y --no-install-recommends -o Dir::Cache::archives="\$1/boot/$init" -d install $(packages_of $init)
rm -rf "\$1/boot/$init/partial" "\$1/boot/$init/lock"
X
    done
    # The suite's own kernel, and a disk in memory: its smallest package, of which nothing else is kept
    [ "$(uname -m)" != x86_64 ] || cat <<'X'
mkdir "$1/boot/kernel"
cd "$1/boot/kernel"
export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
apt-get -qq -o APT::Sandbox::User=root download "$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/^ *Depends: //p")"
dpkg-deb -x linux-image-*.deb tree
cp tree/boot/vmlinuz-* vmlinuz
cp "$(find tree -name "brd.ko*")" .
rm -rf linux-image-*.deb tree
X
}

# Unpacks it as $T/base; made anew every week, or when the packages here change.
unpack_root() {
    key=$(echo "$suite $packages $(download) $(date +%G-%V)" | sha256sum | cut -c 1-16)
    cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/stek
    tar=$cache/boot-$suite-$key.tar.zst
    mkdir "$T/base" || return 1
    if [ ! -s "$tar" ] || ! zstd -dc "$tar" 2>/dev/null | tar -xf - -C "$T/base"; then
        rm -rf "$T/base"
        # without a cache it is only slower
        { mkdir -p "$cache" && [ -w "$cache" ] && tar=$tar.$$; } 2>/dev/null || tar=$T/root.tar.zst
        echo "making a root of Debian $suite with mmdebstrap" >&2
        timeout 600 mmdebstrap --quiet --mode=root --variant=essential --include="$packages" \
            --customize-hook="set -e; $(download)" "$suite" - </dev/null | zstd -q -3 >"$tar"
        mkdir "$T/base"
        zstd -dc "$tar" | tar -xf - -C "$T/base"
        if [ ! -x "$T/base/usr/sbin/nginx" ]; then
            rm -f "$tar"
            return 1
        fi
        case $tar in
        "$cache"/*)
            rm -f "$cache/boot-$suite-"*.zst
            mv "$tar" "$cache/boot-$suite-$key.tar.zst"
            ;;
        *) rm -f "$tar" ;;
        esac
    fi
    # What all machines are: a web server with TLS, whose tickets show which key made them.
    cp "$DEB" "$T/base/root/stek.deb" || return 1
    rm -f "$T/base/etc/nginx/sites-enabled/default"
    chroot "$T/base" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
        -keyout /etc/nginx/key.pem -out /etc/nginx/cert.pem 2>/dev/null
    cat >"$T/base/etc/nginx/conf.d/site.conf" <<'X'
server {
    listen 127.0.0.1:443 ssl;
    ssl_protocols TLSv1.2;
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    return 204;
}
X
}

# --- machines ---

# Says when all of the boot is done; nobody logs in.
prepare_sysvinit() {
    sed -i '/getty/d' "$R/etc/inittab" && echo 'zz:2:once:/bin/touch /run/booted' >>"$R/etc/inittab"
    in_root sh -c 'for s in nginx cron; do update-rc.d $s defaults; done'
}
prepare_openrc() { prepare_sysvinit; }
prepare_systemd() {
    # no terminals here
    in_root systemctl mask getty.target console-getty.service
}
# BusyBox is the shell, mount, process 1 and cron; there is no insserv and no lsb-base: the order is that in /etc/rc.
prepare_busybox() {
    ln -sf busybox "$R/bin/sh"
    for a in mount umount; do ln -sf busybox "$R/bin/$a"; done
    ln -sf ../bin/busybox "$R/sbin/init"
    rm -r "$R/lib/lsb"
    cat >"$R/etc/inittab" <<'X'
::sysinit:/bin/sh /etc/rc start
::respawn:/bin/busybox crond -f -L /dev/null
::shutdown:/bin/sh /etc/rc stop
X
    cat >"$R/etc/rc" <<'X'
case $1 in
start)
    mount -t tmpfs -o mode=755 run /run
    [ ! -x /etc/init.d/stek ] || /etc/init.d/stek start
    nginx
    touch /run/booted
    ;;
stop)
    nginx -s stop
    [ ! -x /etc/init.d/stek ] || /etc/init.d/stek stop
    ;;
esac
X
}

# overlay NAME: $R is an overlay over what is in $lower; what is changed goes to $T/NAME
overlay() {
    R=$T/mnt-$1
    mkdir -p "$T/$1/upper" "$T/$1/work" "$R"
    mount -t overlay -o "lowerdir=$lower,upperdir=$T/$1/upper,workdir=$T/$1/work" stek-boot "$R"
}

# root INIT [NAME]: a new machine with the packages of INIT. The packages are installed once for all machines.
root() {
    if [ ! -d "$T/layer-$1" ]; then
        lower=$T/base
        overlay "layer-$1"
        if [ -d "$R/boot/$1" ]; then
            # shellcheck disable=SC2016
            in_root sh -c 'printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d &&
                DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
                    --allow-remove-essential install /boot/$1/*.deb && rm /usr/sbin/policy-rc.d' sh "$1" >"$T/log" 2>&1 || {
                tail -n 20 "$T/log"
                umount "$R"
                return 1
            }
        fi
        "prepare_$1" || return 1
        umount "$R"
    fi
    lower=$T/layer-$1/upper:$T/base machine=machine-${2:-$1}
    rm -rf "${T:?}/$machine"
    R=$T/mnt-$machine
    overlay "$machine"
}

in_root() {
    mountpoint -q "${R:?}/proc" || mount -t proc proc "${R:?}/proc"
    env -i PATH=$PATH LC_ALL=C HOME=/root DEBIAN_FRONTEND=noninteractive TERM=dumb timeout 120 chroot "$R" "$@" </dev/null
    code=$?
    umount "${R:?}/proc"
    return $code
}

# In the machine's namespaces, as the parent of its process 1. The root was mounted outside.
become_machine() {
    set -e
    mount -t proc proc "${R:?}/proc"
    for part in sys sysrq-trigger; do
        [ -e "$R/proc/$part" ] || continue
        mount --bind "$R/proc/$part" "$R/proc/$part"
        mount -o remount,bind,ro "$R/proc/$part"
    done
    mount -t sysfs -o ro sysfs "$R/sys"
    [ -z "${CGROUP:-}" ] || mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
    mount -t tmpfs -o mode=755,size=64k dev "$R/dev"
    for node in 'null 3' 'zero 5' 'full 7' 'random 8' 'urandom 9'; do
        mknod -m 666 "$R/dev/${node% *}" c 1 "${node#* }"
    done
    mknod -m 666 "$R/dev/tty" c 5 0
    mkdir "$R/dev/shm" "$R/dev/pts"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$R/dev/pts"
    ln -s pts/ptmx "$R/dev/ptmx"
    ln -s /proc/self/fd "$R/dev/fd"
    : >"$R/dev/console"
    mount --bind "$T/console" "$R/dev/console"
    chroot "$R" ip link set lo up
    cd "$R"
    mkdir -p .old
    pivot_root . .old
    umount -l .old
    rmdir .old
    # shellcheck disable=SC2094
    exec <dev/console >dev/console 2>&1
    # shellcheck disable=SC2086
    exec env -i PATH=$PATH TERM=linux $ENVIRONMENT setpriv \
        --bounding-set=-sys_time,-sys_module,-sys_rawio,-syslog,-wake_alarm,-mac_admin -- "$@"
}

# start_machine INIT: boots the machine as its init is to be booted, until all of the boot is done
start_machine() {
    CGROUP='' ENVIRONMENT=''
    case $1 in
    systemd)
        CGROUP=yes ENVIRONMENT=container=stek
        boot /sbin/init && until_true 20 in_guest test -e /run/systemd/private &&
            until_true 20 as_admin 'case $(systemctl is-system-running) in running | degraded) ;; *) exit 1 ;; esac'
        ;;
    *) boot /sbin/init && until_true 20 in_guest test -e /run/booted ;;
    esac
}

# boot CMD...: $machine, with CMD as process 1
boot() {
    [ -p "$T/console" ] || mkfifo "$T/console"
    : >"$T/console.log"
    cat <>"$T/console" >>"$T/console.log" &
    reader=$!
    if [ -n "${CGROUP:-}" ]; then
        # below the one that this runs in
        mkdir -p "$T/cgroup"
        mountpoint -q "$T/cgroup" || mount -t cgroup2 cgroup2 "$T/cgroup"
        group=$T/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/stek-boot.$$
        mkdir -p "$group"
    fi
    export R T CGROUP ENVIRONMENT
    (
        [ -z "${CGROUP:-}" ] || sh -c "echo \$PPID >'$group/cgroup.procs'"
        exec >>"$T/console.log" 2>&1
        exec timeout --kill-after=1 "${LIFE:-120}" unshare --pid --fork --kill-child=KILL --mount --propagation private \
            --uts --ipc --net --cgroup -- sh -c '. ./lib.sh; become_machine "$@"' sh "$@"
    ) &
    machine_process=$!
    # timeout, unshare, then process 1
    tries=0
    until child=$(children "$(children "$machine_process")") && [ -n "$child" ]; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo 'no process 1'; return 1; }
        sleep 0.02
    done
}
children() { tr -d ' ' <"/proc/$1/task/$1/children"; } 2>/dev/null

# until_true SECONDS CMD...
until_true() {
    tries=$(($1 * 20))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "waited in vain for: $*"; return 1; }
        sleep 0.05
    done
}

# An administrator's PATH is longer than that of a boot.
in_guest() {
    timeout 60 nsenter -t "$child" -m -u -i -n -p ${CGROUP:+-C} -- \
        env -i PATH="/usr/local/sbin:/usr/local/bin:$PATH" LC_ALL=C HOME=/root DEBIAN_FRONTEND=noninteractive TERM=dumb "$@" </dev/null
}
as_admin() { in_guest sh -c "$*"; }

# ended STATUS: the machine ends by itself; 130 is a power-off, 129 a reboot
ended() {
    until_true 20 gone "$machine_process" || { kill -KILL "$child"; return 1; }
    wait "$machine_process"
    code=$?
    kill "$reader"
    wait "$reader" 2>/dev/null
    [ -z "${CGROUP:-}" ] || find "$group" -depth -type d -exec rmdir {} +
    # a machine leaves its root read-only
    mount -o remount,rw "$R"
    [ "$code" -eq "$1" ] || { echo "ended with $code, not $1"; tail -n 20 "$T/console.log"; return 1; }
}
gone() { ! grep '^State:[[:space:]]*[^ZX]' "/proc/$1/status" >/dev/null 2>&1; }

# --- steps ---

check() {
    words=$1
    shift
    if "$@" >"$T/step" 2>&1; then
        passed=$((passed + 1))
        [ -z "${STEK_BOOT_KEEP:-}" ] || echo "ok $words"
    else
        failed=$((failed + 1))
        echo "FAIL ${0##*/}: $words"
        tail -n 15 "$T/step" | tr -cd '[:print:]\n' | sed 's/^/     /'
    fi
}
skip() {
    skipped=$((skipped + 1))
    echo "skip ${0##*/}: $1"
}
not() { ! "$@"; }
# What has to succeed for the rest to have a sense
must() {
    before_it=$failed
    check "$@"
    [ "$failed" -eq "$before_it" ] || { tail -n 15 "$T/console.log" | tr -cd '[:print:]\n' | sed 's/^/     /'; failed=$((failed + 1)); echo "FAIL ${0##*/}: the rest was not tried"; total; exit 1; }
}
total() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
equal() {
    if [ -n "$2" ] && [ "$1" = "$2" ]; then return 0; fi
    printf 'got:    %s\nwanted: %s\n' "$1" "$2"
    return 1
}
# Two lists of keys that have none in common
all_new() {
    if [ -z "$1" ] || [ -z "$2" ]; then echo 'no keys'; return 1; fi
    for k in $1; do
        case " $2 " in *" $k "*) echo "$k is an old one"; return 1 ;; esac
    done
}

# --- what is asked of a machine ---

configure_nginx() { as_admin 'stek snippet nginx >/etc/nginx/conf.d/stek.conf && grep example.com.1.key /etc/nginx/conf.d/stek.conf'; }

# key SLOT: the key name of that slot of example.com
key() { in_guest stek list example.com | awk -F '\t' -v slot="$1" '$2 == slot { print $4 }'; }
keys() { in_guest stek list example.com | cut -f 4 | tr '\n' ' '; }
complete() { equal "$(in_guest stek list example.com | cut -f 2,3 | tr '\t\n' ': ')" '0:next 1:current 2:previous 3:previous '; }
own_file_system() { as_admin 'grep " /run/stek \(tmpfs\|ramfs\) " /proc/mounts'; }
# The key name in a ticket of nginx
ticket() {
    as_admin 'openssl s_client -connect 127.0.0.1:443 -tls1_2 -sess_out /dev/shm/session >/dev/null 2>&1 &&
        openssl sess_id -in /dev/shm/session -noout -text; rm -f /dev/shm/session' |
        sed -n '/session ticket:/{n;s/^ *0000 - //;s/   .*//;s/[ -]//g;p;}'
}
serves_with_current() { equal "$(ticket)" "$(key 1)"; }
serves() { [ -n "$(ticket)" ]; }
# All keys seem to be so many hours older. To touch a file is to change it: nginx has to be told.
age() { touch_keys "$1" && in_guest stek reload; }
touch_keys() {
    as_admin "for f in /run/stek/*.key; do touch -d \"@\$((\$(stat -c %Y \$f) - $1 * 3600))\" \$f; done"
}
# No trace of the keys directory
no_directory() { as_admin '[ ! -e /run/stek ] && ! grep " /run/stek " /proc/mounts'; }

# Every path that there is, but for what changes by itself; start numbers of init scripts are those of all scripts.
paths() {
    as_admin 'find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /root -o -path /tmp -o -path /var/log -o -path /var/cache \
            -o -path /usr/lib/rc/cache \
            -o -path /var/lib/dpkg -o -path /var/lib/systemd/timers \) -prune -o -print
        find /run -maxdepth 1; find /run/systemd/generator* /run/systemd/transient 2>/dev/null; cat /proc/mounts | cut -d " " -f 2' |
        sed 's|^\(/etc/rc[0-9S]\.d/[SK]\)[0-9][0-9]|\1|' | sort -u
}
same_paths() { paths >"$T/after"; diff "$T/before" "$T/after"; }

# From watch_keys to never_missing somebody looks all the time whether every slot is there.
watch_keys() {
    as_admin 'cd /; rm -f /tmp/missing; { while [ ! -e /tmp/enough ]; do for i in 0 1 2 3; do
        [ -s /run/stek/example.com.$i.key ] || echo "no slot $i" >>/tmp/missing; done; : $((looks += 1)); done
        echo "$looks" >/tmp/looks; rm /tmp/enough; } >/dev/null 2>&1 &'
}
never_missing() {
    as_admin '[ ! -e /tmp/looks ] || exit 1; : >/tmp/enough; while [ -e /tmp/enough ]; do sleep 0.05; done
        [ "$(cat /tmp/looks)" -gt 100 ] && [ ! -e /tmp/missing ] || { cat /tmp/looks; sort /tmp/missing | uniq -c; exit 1; }; rm /tmp/looks'
}

# Every call of the binary is written down from now on.
watch_calls() {
    in_root sh -c 'mv /usr/sbin/stek /usr/sbin/stek.real && printf "%s\n" "#!/bin/sh" "echo \"\$*\" >>/var/log/stek-calls" \
        "exec /usr/sbin/stek.real \"\$@\"" >/usr/sbin/stek && chmod 755 /usr/sbin/stek && : >/var/log/stek-calls'
}

# Since the boot: mount and rotate, once each; a tick calls rotate and reload.
called_once() {
    equal "$(as_admin 'sed -n 1,2p /var/log/stek-calls | cut -d " " -f 1; grep -c mount /var/log/stek-calls
        echo $(($(grep -c rotate /var/log/stek-calls) - $(grep -c reload /var/log/stek-calls)))' | tr '\n' ' ')" 'mount rotate 1 1 '
}
# The job in the cron file, as cron runs it
tick_of_cron() {
    as_admin 'env -i HOME=/root LOGNAME=root PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "$(sed -n "s/^\*.* root //p" /etc/cron.d/stek)" 2>&1'
}
