#!/bin/sh
# check: each finding provoked for real, nothing on a healthy host, the codes of monitoring plugins
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
private_processes "$@"
PATH=$PATH:/usr/sbin:/sbin

# What is true of this machine is no business of these tests: its nginx, swap, hibernation and clock.
machine=clock-unsynchronised
if [ -n "${STEK_TEST_NS:-}" ]; then
    mount --bind /dev/null /proc/swaps
    [ ! -d /sys/power ] || mount -t tmpfs stek /sys/power
    [ ! -e /run/nginx.pid ] || mount --bind /dev/null /run/nginx.pid
else
    machine=$machine,swap,swap-encrypted,swap-zram,hibernation,core-dumps,server-stale,server-unknown
fi
inside=''
# shellcheck disable=SC2086
check() { $inside "$STEK" check --ignore "$machine" "$@"; }

# at FILE PATH [FILE PATH]...: from now on `check` sees FILE at PATH, and nobody else does
at() {
    needs_mounts
    cat >"$T/at" <<'END'
while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 99; shift 2; done
shift
exec "$@"
END
    inside="unshare -m sh $T/at $* --"
}
# findings: "severity identifier" of each that was printed, once
findings() { sed -n 's/^\([a-z]*\): .* \[\([a-z-]*\)\]$/\1 \2/p' "$T/out" | sort -u | tr '\n' ' ' | sed 's/ $//'; }
# nothing [OPTION...]: the whole of it is one line that begins with STEK OK
nothing() {
    exits 0 check "$@"
    equal findings "$(findings)" ''
    equal lines "$(wc -l <"$T/out")" 1
    out_has 'STEK OK - '
    isnt -s "$T/err"
}
# finds SEVERITY ID [OPTION...]: this and nothing else, with the right code, a line of advice, and gone with --ignore
finds() {
    severity=$1 id=$2
    shift 2
    case $severity in
    note) code=0 word=OK ;; warning) code=1 word=WARNING ;; critical) code=2 word=CRITICAL ;; *) code=3 word=UNKNOWN ;;
    esac
    exits $code check "$@"
    isnt -s "$T/err"
    equal findings "$(findings)" "$severity $id"
    case $(head -n 1 "$T/out") in "STEK $word - "*' | '*) ;; *) fail "summary: $(head -n 1 "$T/out")" ;; esac
    [ $code = 0 ] || head -n 1 "$T/out" | grep -F -e "$id" >/dev/null || fail 'the summary does not name it'
    sed -n '2,$p' "$T/out" | awk 'NR % 2 != !/^  [a-z]/ {exit 1}' || fail 'a finding without its line of advice'
    equal bars "$(tr -cd '|' <"$T/out" | wc -c)" 1
    nothing --ignore "$id" "$@"
}
zeros() { head -c "${2:-80}" /dev/zero >"$DIR/$1.key"; }

# A real nginx with the keys of a on a socket of its own
nginx_conf() { # nginx_conf [DIRECTIVE]
    cat <<END
${1-}
$(nginx_head 2)
    server {
        listen unix:$T/srv/socket ssl;
$(for i in 1 2 3 0; do echo "        ssl_session_ticket_key $DIR/a.$i.key;"; done)
    }
}
END
}
start() { # start [DIRECTIVE]
    needs nginx openssl prlimit
    mkdir srv
    certificate a.test
    nginx_conf "${1-}" >srv/nginx.conf
    trap stop EXIT
    trap 'exit 143' HUP INT TERM
    # shellcheck disable=SC2086
    prlimit --core=0: $within nginx -p "$T/srv" -e "$T/srv/error.log" -c "$T/srv/nginx.conf"
    until_ok test -s srv/pid
    until_ok works
}
within=''
works() { # works [NAME]: the one in srv, or NAME, has its workers
    master=$(cat "${1:-srv}/pid")
    grep -q 'nginx: worker' /proc/[0-9]*/cmdline 2>/dev/null && [ "$(workers | wc -w)" -ge 2 ]
}
stop() { stop_nginx "$T/${1:-srv}/pid"; }

test_healthy() {
    quiet stek rotate a b
    nothing
    nothing a
    out_has 'STEK OK - 1 key set, current key '
    nothing -q a
    grep -x 'STEK OK - 1 key set, current key [0-9hms]* old | age=[0-9]*s;[0-9]*;[0-9]*;0 sets=1 critical=0 warning=0 unknown=0' "$T/out"
}
test_healthy_variants() {
    quiet stek rotate -n 5 -s 48 a
    nothing
    quiet stek rotate --force a
    nothing
    make_set b 7 48
    nothing
    # a chain of one's own, and the half of it that is still to come
    quiet stek shift a
    nothing
    stek genkey | stek install a
    nothing
    # the run of cron that is due did not come yet
    later a 1
    touch -d "@$((now - PERIOD - 3000))" "$DIR/a.1.key"
    nothing a
    quiet stek rotate
    nothing
    # a clock that was set back over a boundary
    later a -1
    nothing
}
test_healthy_with_a_group() {
    needs_root
    g=$(id -g nobody)
    chgrp "$g" "$DIR"
    chmod 750 "$DIR"
    quiet stek rotate -g "$g" a
    nothing -g "$g"
    # whoever is in it can do the checking
    exits 0 as_nobody stek check -g "$g" --ignore "$machine"
    exits 0 as_nobody env STEK_GROUP=nogroup "$base/stek" check --ignore "$machine"
    # as mount makes it
    needs_mounts
    exits 0 stek umount
    quiet stek mount -g "$g"
    quiet stek rotate -g "$g" a
    nothing -g "$g"
    # a run that knows of no group leaves all as it is
    quiet stek rotate --force a
    nothing -g "$g"
}
test_healthy_under_rotation() {
    quiet stek rotate a b
    (while [ ! -e stop ]; do "$STEK" rotate --force || : >broke; done) &
    n=0
    while [ $n -lt 40 ]; do
        n=$((n + 1))
        run check
        [ "$rc" = 0 ] || { : >stop; wait; fail "$(cat out)"; }
    done
    : >stop
    wait
    isnt -e broke
}
test_healthy_mount() {
    needs_mounts
    quiet stek mount
    quiet stek rotate a
    echo "Filename Type Size Used Priority" >swaps
    echo "/dev/sdz9 partition 1 0 -2" >>swaps
    at "$T/swaps" /proc/swaps
    nothing
}

test_current_key_stale() {
    make_set a
    touch -d "@$((now - PERIOD - 3300))" "$DIR/a.1.key"
    nothing
    touch -d "@$((now - PERIOD - 3700))" "$DIR/a.1.key"
    finds warning current-key-stale
    out_has 'STEK OK'
    nothing --grace 2h
    finds warning current-key-stale --grace 0
    touch -d "@$((now - 2 * PERIOD - 3300))" "$DIR/a.1.key"
    finds warning current-key-stale
    touch -d "@$((now - 2 * PERIOD - 3700))" "$DIR/a.1.key"
    finds critical current-key-stale
    touch -d '2 years ago' "$DIR/a.1.key"
    finds critical current-key-stale
    # another NAME is not concerned
    make_set b
    nothing b
    quiet stek rotate
    nothing
}
run_was_cut() { run check --grace 0; [ "$rc" = 1 ]; }
test_run_interrupted() {
    quiet stek rotate a
    stek shift a
    nothing
    until_ok run_was_cut
    finds warning run-interrupted --grace 0
    quiet stek rotate
    nothing --grace 0
    make_key "$DIR/.stek-new"
    nothing
    until_ok run_was_cut
    finds warning run-interrupted --grace 0
    quiet stek rotate
    nothing --grace 0
}
test_no_keys() {
    finds critical no-keys
    finds critical no-keys b
    out_has ' sets=0 critical=0'
    exits 2 check b
    out_has 'STEK CRITICAL - no-keys; 0 key sets | sets=0 critical=1'
    exits 2 check --json b
    out_has '"sets":0'
    make_set a
    exits 2 check a b
    out_has 'no-keys; 1 key set, current key '
    finds critical no-keys a b
    STEK_NAMES='a b'
    export STEK_NAMES
    finds critical no-keys
    nothing a
    unset STEK_NAMES
    # one that STEK_NAMES forgot is looked at
    make_set b
    zeros b.2
    exits 2 env STEK_NAMES=a "$STEK" check --ignore "$machine"
    equal findings "$(findings)" 'critical key-weak'
}
test_slots_missing() {
    for slot in 0:next-key-missing 1:current-key-missing 2:slot-missing; do
        rm -f "$DIR"/*
        make_set a
        rm "$DIR/a.${slot%:*}.key"
        finds critical "${slot#*:}"
    done
    rm -f "$DIR"/*
    make_set a
    rm "$DIR/a.3.key"
    finds warning slot-missing
    make_key "$DIR/a.3.key"
    put a.3 -2
    nothing
    finds warning slot-missing -n 5
}
test_key_size() {
    make_set a
    for n in 0 47 79 81 4096; do
        head -c $n /dev/urandom >"$DIR/a.2.key"
        finds critical key-size
    done
    quiet stek rotate
    nothing
}
test_not_a_file() {
    make_set a
    make_key elsewhere
    mv "$DIR/a.2.key" saved
    ln -s "$T/elsewhere" "$DIR/a.2.key"
    finds critical not-a-file
    rm "$DIR/a.2.key"
    mkdir "$DIR/a.2.key"
    finds critical not-a-file
    rmdir "$DIR/a.2.key"
    mkfifo -m 600 "$DIR/a.2.key"
    finds critical not-a-file
    rm "$DIR/a.2.key"
    ln -s nowhere "$DIR/a.2.key"
    finds critical not-a-file
}
test_key_unreadable() {
    needs_root
    make_set a
    chgrp "$(id -g nobody)" "$DIR"
    chmod 750 "$DIR"
    exits 3 as_nobody stek check --ignore "$machine"
    equal findings "$(findings)" 'unknown key-unreadable'
    out_has 'STEK UNKNOWN - '
    exits 0 as_nobody stek check --ignore "$machine" --ignore key-unreadable
    # worse things are still said first
    rm "$DIR/a.0.key"
    exits 2 as_nobody stek check --ignore "$machine"
    # a directory that does not even open
    chmod 700 "$DIR"
    exits 3 as_nobody stek check
    out_has "STEK UNKNOWN - cannot open $DIR: Permission denied"
    exits 3 as_nobody stek check --json
    out_has '"state":"unknown"'
}
test_key_weak() {
    make_set a
    zeros a.3
    finds critical key-weak
    zeros a.3 48
    finds critical key-weak
    head -c 80 /dev/zero | tr '\000' '\377' >"$DIR/a.3.key"
    finds critical key-weak
    head -c 60 /dev/urandom | base64 -w 0 | head -c 80 >"$DIR/a.3.key"
    finds critical key-weak
    make_key half 32
    { head -c 16 /dev/urandom; cat half half; } >"$DIR/a.3.key"
    finds critical key-weak
    stek genkey | stek install a --slot 3
    nothing
    # all of them: weak, and that they are equal goes without saying
    for i in 0 1 2 3; do
        m=$(stat -c %Y "$DIR/a.$i.key")
        zeros "a.$i"
        touch -d "@$m" "$DIR/a.$i.key"
    done
    finds critical key-weak
    run check
    equal findings "$(grep -c 'key-weak\]$' "$T/out")" 4
}
test_key_equal() {
    make_set a
    cp "$DIR/a.2.key" "$DIR/a.3.key"
    put a.3 -2
    finds critical key-equal
    stek genkey | stek install a --slot 3
    nothing
}
test_key_shared() {
    make_set a
    make_set b
    make_set c
    cp -p "$DIR/a.1.key" "$DIR/c.3.key"
    finds critical key-shared
    exits 2 check
    out_has 'c: slot 3 holds the same key as slot 1 of a [key-shared]'
    # whichever of the two is asked about
    finds critical key-shared a
    finds critical key-shared c
    nothing b
    rm "$DIR/c.3.key"
    ln "$DIR/a.1.key" "$DIR/c.3.key"
    finds critical key-shared
}
# The secrets of a key under another name, as whoever exports keys by hand makes them.
test_equal_secrets_under_other_names() {
    make_set a
    make_set b
    for n in b:key-shared a:key-equal; do
        { head -c 16 /dev/urandom; tail -c 64 "$DIR/a.1.key"; } >"$DIR/${n%:*}.3.key"
        put "${n%:*}.3" -2
        finds critical "${n#*:}"
        run check
        out_has "slot 3 holds the same key as slot 1"
        out_has ', under another key name ['
        make_key "$DIR/${n%:*}.3.key"
        put "${n%:*}.3" -2
        nothing
    done
}
test_key_name_equal() {
    make_set a
    make_set b
    { head -c 16 "$DIR/a.1.key"; head -c 64 /dev/urandom; } >both
    cp both "$DIR/b.3.key"
    finds critical key-name-equal
    finds critical key-name-equal a
    make_key "$DIR/b.3.key"
    nothing
    cp both "$DIR/a.3.key"
    finds critical key-name-equal
}
test_key_mode() {
    make_set a
    for m in 604 644 660 620 606 601; do
        chmod $m "$DIR/a.2.key"
        finds critical key-mode
    done
    quiet stek rotate
    nothing
    chmod 400 "$DIR/a.2.key"
    nothing
    needs_root
    # the group that is asked for cannot read
    g=$(id -g nobody)
    quiet stek rotate -g "$g"
    chgrp "$g" "$DIR"
    chmod 750 "$DIR"
    nothing -g "$g"
    chmod 600 "$DIR/a.2.key"
    finds warning key-mode -g "$g"
    # another one can, and it can enter the directory
    chmod 640 "$DIR/a.2.key"
    chgrp "$((g + 1))" "$DIR/a.2.key"
    finds warning key-mode -g "$g"
    chmod 640 "$DIR"/*.key
    chgrp "$((g + 1))" "$DIR"
    finds critical key-mode -g "$g" --ignore directory-mode
    # none is asked for
    finds warning key-mode
    chmod 700 "$DIR"
    nothing
    chmod 750 "$DIR"
    chmod 600 "$DIR"/*.key
    nothing
}
test_key_owner() {
    needs_root
    make_set a
    chown nobody "$DIR/a.2.key"
    finds critical key-owner
    chown 0 "$DIR/a.2.key"
    nothing
    # all of it is one user's, who may look, but root may not rely on him
    chown -R nobody "$DIR"
    exits 0 as_nobody stek check --ignore "$machine"
    finds critical directory-owner
}
test_directory_mode() {
    make_set a
    for m in 770 720 702 777; do
        chmod $m "$DIR"
        finds critical directory-mode
    done
    for m in 755 705 751; do
        chmod $m "$DIR"
        finds warning directory-mode
    done
    chmod 750 "$DIR"
    nothing
    # the group that is asked for cannot enter
    needs_root
    g=$(id -g nobody)
    quiet stek rotate -g "$g"
    finds warning directory-mode -g "$g"
    chgrp "$g" "$DIR"
    nothing -g "$g"
    chmod 700 "$DIR"
    finds warning directory-mode -g "$g"
}
test_foreign_file() {
    make_set a
    for f in README a.key a.1.key~ a.101.key .hidden 'a|b' "$(printf 'a\nb [x]')" "$(printf 'a\377b')"; do
        : >"$DIR/$f"
        finds warning foreign-file
        rm "$DIR/$f"
    done
    mkdir "$DIR/sub"
    finds warning foreign-file
    rmdir "$DIR/sub"
    nothing
}
test_directory_missing() {
    finds critical directory-missing -d "$T/nowhere"
    isnt -e nowhere
}
test_directory_on_disk() {
    d=$(mktemp -d /var/tmp/stek-test.XXXXXX)
    case $(stat -f -c %T "$d") in tmpfs | ramfs) rmdir "$d"; skip '/var/tmp is in memory' ;; esac
    trap 'rm -rf "$d"' EXIT
    DIR=$d
    make_set a
    finds critical directory-on-disk -d "$d"
    nothing -d "$d" --allow-disk
}

# /proc/swaps and what sysfs says of the devices in it
swap_on() { # swap_on DEVICE...
    mkdir -p block
    echo 'Filename                                Type            Size            Used            Priority' >swaps
    for d in "$@"; do
        printf '%-40sspartition\t999420\t\t0\t\t-2\n' "$d " >>swaps
        mkdir -p "block/${d##*/}/dm" "block/${d##*/}/slaves"
    done
    at "$T/swaps" /proc/swaps "$T/block" /sys/class/block
}
test_swap() {
    make_set a
    swap_on /dev/sdz9
    finds critical swap
    exits 2 check
    out_has "may be swapped to /dev/sdz9"
    # a file, on whatever
    swap_on "$T/swap\\040file"
    : >'swap file'
    finds critical swap
    # zram with a disk behind it
    swap_on /dev/zram9
    echo /dev/sdz9 >block/zram9/backing_dev
    finds critical swap
    # on a disk, half of which is encrypted
    swap_on /dev/dm-9
    echo LVM-1 >block/dm-9/dm/uuid
    mkdir -p block/dm-9/slaves/dm-7/dm block/dm-9/slaves/sdz1
    echo CRYPT-LUKS2-1-x >block/dm-9/slaves/dm-7/dm/uuid
    finds critical swap
}
test_swap_encrypted() {
    make_set a
    swap_on /dev/dm-9
    echo CRYPT-PLAIN-swap >block/dm-9/dm/uuid
    finds warning swap-encrypted
    # a logical volume on an encrypted disk
    echo LVM-1 >block/dm-9/dm/uuid
    mkdir -p block/dm-9/slaves/dm-7/dm
    echo CRYPT-LUKS2-1-x >block/dm-9/slaves/dm-7/dm/uuid
    finds warning swap-encrypted
}
test_swap_zram() {
    make_set a
    swap_on /dev/zram9
    finds note swap-zram
    echo none >block/zram9/backing_dev
    finds note swap-zram
    out_has 'STEK OK - '
}
test_several_swaps() {
    make_set a
    swap_on /dev/zram9 /dev/sdz9
    exits 2 check
    equal findings "$(findings)" 'critical swap note swap-zram'
    nothing --ignore swap,swap-zram
    nothing --ignore swap --ignore swap-zram
    exits 2 check --ignore swap-zram
}
# power: what the kernel of a default Debian server with a swap partition says, and its settings, all commented out
power() {
    needs_mounts
    [ -d /sys/power ] || skip 'no /sys/power'
    needs_noswap
    mkdir -p power etc/systemd/system etc/systemd/logind.conf.d
    echo 'freeze mem disk' >power/state
    echo '[platform] shutdown reboot suspend test_resume' >power/disk
    # its initramfs sets that, whether anybody wants it or not
    echo 254:1 >power/resume
    echo 'BOOT_IMAGE=/boot/vmlinuz-6.1.0-28-amd64 root=UUID=1-2 ro quiet' >cmdline
    printf '[Sleep]\n#AllowHibernation=yes\n#HibernateMode=platform shutdown\n' >etc/systemd/sleep.conf
    printf '[Login]\n#HandleHibernateKey=hibernate\n' >etc/systemd/logind.conf
    printf '[Login]\nInhibitDelayMaxSec=30\n' >etc/systemd/logind.conf.d/unattended-upgrades-logind-maxdelay.conf
    swap_on /dev/sdz9
    at "$T/power" /sys/power "$T/swaps" /proc/swaps "$T/block" /sys/class/block "$T/cmdline" /proc/cmdline "$T/etc" /etc
    nothing
}
test_hibernation_on_the_command_line() {
    power
    echo 'root=UUID=1-2 ro resume=UUID=3-4' >cmdline
    finds warning hibernation
    # whatever the kernel made of it
    echo 0:0 >power/resume
    finds warning hibernation
    run check
    out_has "keys too, to /dev/sdz9: it is set up (resume= on the kernel's command line)"
    echo 'root=UUID=1-2 ro resume=UUID=3-4 noresume' >cmdline
    nothing
    # the kernel cannot
    echo 'root=UUID=1-2 ro resume=UUID=3-4' >cmdline
    echo 'platform shutdown [disabled]' >power/disk
    nothing
    echo '[platform] shutdown' >power/disk
    echo 'freeze mem' >power/state
    nothing
    echo 'freeze mem disk' >power/state
    # where it goes
    echo CRYPT-PLAIN-swap >block/sdz9/dm/uuid
    nothing
    : >block/sdz9/dm/uuid
    finds warning hibernation
    echo 'Filename Type' >swaps
    nothing
}
test_hibernation_in_the_settings() {
    power
    for line in Sleep:AllowHibernation=yes Sleep:HibernateDelaySec=2h Login:IdleAction=hibernate \
        Login:HandlePowerKey=hybrid-sleep; do
        mkdir -p etc/systemd/sleep.conf.d
        printf '[%s]\n%s\n' "${line%%:*}" "${line#*:}" >etc/systemd/sleep.conf.d/50-site.conf
        finds warning hibernation
        run check
        out_has "it is set up (${line#*:} in the settings of systemd or elogind)"
        # what comes later counts, and the name of a piece says when it comes
        printf '[Sleep]\nAllowHibernation=no\n' >etc/systemd/sleep.conf.d/60-site.conf
        nothing
        mv etc/systemd/sleep.conf.d/60-site.conf etc/systemd/sleep.conf.d/40-site.conf
        case $line in *AllowHibernation*) finds warning hibernation ;; *) nothing ;; esac
        rm -r etc/systemd/sleep.conf.d
        nothing
    done
    mkdir etc/elogind
    printf '[Login]\nHandleLidSwitch=suspend-then-hibernate\n' >etc/elogind/logind.conf
    finds warning hibernation
}
test_hibernation_is_masked() {
    power
    echo 'root=UUID=1-2 ro resume=UUID=3-4' >cmdline
    ln -s /dev/null etc/systemd/system/hibernate.target
    ln -s /dev/null etc/systemd/system/hybrid-sleep.target
    finds warning hibernation
    ln -s /dev/null etc/systemd/system/suspend-then-hibernate.target
    nothing
    rm etc/systemd/system/*.target
    finds warning hibernation
    ln -s /dev/null etc/systemd/system/sleep.target
    nothing
}
# the keys on a file system that is never swapped
needs_noswap() {
    quiet stek mount
    quiet stek rotate a
}

test_clock_behind() {
    make_set a
    later a -1
    nothing
    later a -1
    finds critical clock-behind
    later a -600
    finds critical clock-behind
    quiet stek rotate
    nothing
}
# Whatever the clock of this machine is like, both answers are given: the kernel's is put in its place.
test_clock_unsynchronised() {
    needs strace
    machine=swap,swap-zram,swap-encrypted,hibernation
    make_set a
    # struct timex, 64 bits: modes, offset, freq, maxerror at 24, esterror, status at 40; little endian
    case $(uname -m) in x86_64 | aarch64) ;; *) skip "struct timex of $(uname -m)" ;; esac
    # the fifth byte of an ELF file
    [ "$(od -An -tu1 -j4 -N1 "$STEK" | tr -d ' ')" = 2 ] || skip 'struct timex of 32 bits'
    eight=0000000000000000
    answer() { # answer MAXERROR STATUS (hexadecimal, as they lie in memory)
        inside="strace -qq -o $T/trace -e trace=adjtimex,clock_adjtime
            -e inject=clock_adjtime:retval=0:poke_exit=@arg2=$eight$eight$eight$1$eight$2
            -e inject=adjtimex:retval=0:poke_exit=@arg1=$eight$eight$eight$1$eight$2"
    }
    strace -qq -o trace -e inject=getpid:retval=0:poke_exit=@arg1=00 true 2>/dev/null || skip 'strace before 5.11'
    answer 0024f40000000000 40000000 # 16 s, STA_UNSYNC
    finds warning clock-unsynchronised
    answer 0024f40000000000 00000000
    nothing
    answer 1027000000000000 40000000 # chrony without rtcsync: the flag, and an error of 10 ms
    nothing
    answer 1027000000000000 01200000
    nothing
}
test_clock_of_this_machine() {
    needs busybox
    machine=swap,swap-zram,swap-encrypted,hibernation
    make_set a
    busybox adjtimex >clock 2>/dev/null || skip 'busybox has no adjtimex'
    if grep UNSYNC clock >/dev/null && grep 'maxerror: *16000000' clock >/dev/null; then
        finds warning clock-unsynchronised
    else
        nothing
    fi
}

test_server_stale() {
    make_set a
    start
    nothing --pid-file "$T/srv/pid"
    quiet stek rotate --force a
    finds warning server-stale --pid-file "$T/srv/pid"
    quiet stek reload --pid-file "$T/srv/pid"
    nothing --pid-file "$T/srv/pid"
    # a set of its own that the server may not even use
    quiet stek rotate b
    nothing a --pid-file "$T/srv/pid"
    finds warning server-stale b --pid-file "$T/srv/pid"
}
test_server_stale_for_long() {
    make_set a
    start
    until_ok old
    quiet stek rotate -p 2 a
    finds critical server-stale -p 2 --ignore current-key-stale --pid-file "$T/srv/pid"
}
old() { [ $(($(date +%s) - $(stat -c %Y srv/pid))) -ge 6 ]; }
# the reload that follows a rotation is waited for
test_reload_is_on_its_way() {
    make_set a
    start
    quiet stek rotate --force a
    (sleep 1; "$STEK" reload --pid-file "$T/srv/pid") &
    nothing --pid-file "$T/srv/pid"
    wait
}
# Without --pid-file: wherever its pid file is, and whatever stands in the usual one.
test_server_is_found_by_itself() {
    needs_processes
    make_set a
    start
    nothing
    quiet stek rotate --force a
    finds warning server-stale
    run check
    out_has "nginx, process $master, serves since"
    for pid in 1 99999999 '' x; do
        cat >run <<END
mount -t tmpfs stek /run
echo '$pid' >/run/nginx.pid
exec "\$@"
END
        inside="unshare -m sh $T/run"
        exits 1 check
        equal findings "$(findings)" 'warning server-stale'
    done
    inside=''
    quiet stek reload --pid-file "$T/srv/pid"
    nothing
}
needs_processes() { [ "$$" = 1 ] || skip 'no private pid namespace'; }
# another_nginx DIRECTORY: one that names the keys there, and was there before the newest of our keys
another_nginx() {
    mkdir other
    nginx_conf | sed "s|$T/srv|$T/other|; s|$DIR/|$1/|" >other/nginx.conf
    cp srv/cert.* other
    trap 'stop; stop other' EXIT
    prlimit --core=0: nginx -p "$T/other" -e "$T/other/error.log" -c "$T/other/nginx.conf"
    until_ok test -s other/pid
    until_ok works other
}
test_several_servers() {
    needs_processes
    make_set a
    mkdir -m 700 foreign
    cp "$DIR"/a.* foreign
    start
    another_nginx "$T/foreign"
    # whose start must not fall into the same tick as the rotation
    sleep 0.1
    quiet stek rotate --force a
    quiet stek reload --pid-file "$T/srv/pid"
    # it has keys of its own, and who has nothing to do with ours is no matter how old
    nothing
    # it cannot say what it was told
    cp other/nginx.conf good
    echo oops >>other/nginx.conf
    finds unknown server-unknown
    run check
    out_has "nginx, process $(cat other/pid): cannot find out whether it uses the keys in $DIR"
    # with our keys
    sed "s|$T/foreign|$DIR|" good >other/nginx.conf
    finds warning server-stale
    run check
    out_has "nginx, process $(cat other/pid), serves since"
    quiet stek reload --pid-file "$T/other/pid"
    nothing
    # the only one that there is need not say it
    stop other
    quiet stek rotate --force a
    echo oops >>srv/nginx.conf
    finds warning server-stale
}
# one that sees another directory in its place
test_server_with_other_mounts() {
    needs_processes
    make_set a
    cat >elsewhere <<END
mkdir $T/kept
cp -p $DIR/* $T/kept
mount -t tmpfs stek $DIR
cp -p $T/kept/* $DIR
exec "\$@"
END
    within="unshare -m sh $T/elsewhere"
    start
    quiet stek rotate --force a
    nothing
}
# Who calls himself nginx need not be it: a user, and a program of root's that a user gave the name.
test_server_with_a_forged_title() {
    needs_processes
    needs bash
    needs_root
    make_set a
    as_nobody bash -c 'exec -a "nginx: master process forged" sleep 600' &
    bash -c 'exec -a "nginx: master process forged" sleep 600' &
    until_ok forged
    nothing
    exits 0 stek list --prometheus
    equal servers "$(grep '^stek_server' "$T/out")" ''
    exits 0 check
    kill %1 %2 2>/dev/null || kill $!
}
forged() { # both of them
    grep -l "^nginx: master process forged" /proc/[0-9]*/cmdline >forged 2>/dev/null || :
    [ "$(wc -l <forged)" = 2 ]
}
test_core_dumps() {
    needs_root
    make_set a
    start 'worker_rlimit_core 1m;'
    echo core >pattern
    at "$T/pattern" /proc/sys/kernel/core_pattern
    finds warning core-dumps --pid-file "$T/srv/pid"
    echo '|/lib/systemd/systemd-coredump %P %u' >pattern
    finds warning core-dumps --pid-file "$T/srv/pid"
    echo '|/bin/false' >pattern
    nothing --pid-file "$T/srv/pid"
    : >pattern
    nothing --pid-file "$T/srv/pid"
}
test_server_not_running() {
    make_set a
    nothing
    finds critical server-not-running --pid-file "$T/none"
    echo 99999999 >pid
    finds critical server-not-running --pid-file "$T/pid"
}
test_server_unknown() {
    make_set a
    for pid in x ''; do
        echo "$pid" >pid
        finds unknown server-unknown --pid-file "$T/pid"
    done
    : >pid
    finds unknown server-unknown --pid-file "$T/pid"
    needs_root
    nothing a
}

test_several_at_once() {
    make_set a
    make_set b
    zeros a.2
    chmod 755 "$DIR"
    rm "$DIR/b.0.key"
    exits 2 check
    equal findings "$(findings)" 'critical key-weak critical next-key-missing warning directory-mode'
    head -n 1 "$T/out" | grep ' critical=2 warning=1 unknown=0$' >/dev/null || fail "$(head -n 1 "$T/out")"
    # the worst first
    equal order "$(sed -n 's/.*\[\(.*\)\]$/\1/p' "$T/out" | tr '\n' ' ')" 'next-key-missing key-weak directory-mode '
    exits 2 check -q
    equal lines "$(wc -l <"$T/out")" 1
    exits 2 check --ignore key-weak
    exits 1 check --ignore key-weak,next-key-missing
    exits 1 check --ignore key-weak --ignore=next-key-missing
    exits 0 check --ignore key-weak --ignore next-key-missing,directory-mode
}
test_many_alike() {
    for n in $(seq 1 30); do
        cp /dev/null "$DIR/n$n.0.key"
        cp /dev/null "$DIR/n$n.1.key"
        cp /dev/null "$DIR/n$n.2.key"
        cp /dev/null "$DIR/n$n.3.key"
    done
    exits 2 check
    out_has 'critical: and 110 more [key-size]'
    exits 2 check --json
    equal objects "$(grep -c '"id":"key-size"' "$T/out")" 120
}
test_json() {
    make_set a
    exits 0 check --json
    out_has '"state":"ok"'
    out_has '"exit":0'
    out_has '"findings":[]'
    : >"$DIR/a\"b"
    zeros a.2
    exits 2 check --json
    out_has '"state":"critical"'
    out_has '{"id":"key-weak","severity":"critical","name":"a","text":"slot 2 is all zero","advice":"'
    needs jq
    equal ids "$(jq -r '.findings[] | .id' "$T/out" | tr '\n' ' ')" 'key-weak foreign-file '
    equal exit "$(jq .exit "$T/out")" 2
}
test_usage() {
    make_set a
    for o in --no-such-option '--ignore no-such-id' '--ignore key-weak,x' '-q --json' '--grace x' --grace '-p 0' '-n 1' a/b; do
        # shellcheck disable=SC2086
        refuses 3 stek check $o
    done
    exits 3 stek check -g no-such-group
    out_has 'STEK UNKNOWN - there is no group'
    exits 3 stek check -d /dev/null
    out_has 'STEK UNKNOWN - '
    exits 0 check --ignore ''
    exits 0 check -h
    ln -s "$STEK" "$T/stek-check"
    refuses 3 "$T/stek-check" --no-such-option
}
test_output_fails() {
    make_set a
    rc=0
    "$STEK" check >&- 2>err || rc=$?
    equal 'exit status' "$rc" 3
    is -s err
    if [ -e /dev/full ]; then
        rc=0
        "$STEK" check >/dev/full 2>err || rc=$?
        equal 'exit status' "$rc" 3
    fi
}
# K5: nothing of a key but its NAME and slot is in what is printed
test_no_key_is_printed() {
    make_set a
    make_set b
    cp "$DIR/a.1.key" "$DIR/b.1.key"
    for o in '' --json; do
        # shellcheck disable=SC2086
        run check $o
        for f in "$DIR"/*.key; do
            hex=$(od -An -v -tx1 "$f" | tr -d ' \n' | cut -c 33-64)
            ! grep -F -e "$hex" "$T/out" >/dev/null || fail 'a key was printed'
        done
    done
}
test_looks_and_changes_nothing() {
    make_set a
    zeros a.2
    : >"$DIR/foreign"
    chmod 640 "$DIR/a.1.key"
    state >before
    run check
    run check --json
    state >after
    same before after
}

run_tests "$@"
