#!/bin/sh
# --syslog, STEK_SYSLOG: what rotate and reload did and what failed, at a real syslog daemon
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
private_mounts "$@"
PATH=$PATH:/usr/sbin:/sbin

# A /dev of our own, in which a daemon can listen at /dev/log and nobody else hears it. The rest of it stays what it was.
if [ -n "${STEK_TEST_NS:-}" ] && [ -z "${STEK_TEST_DEV:-}" ]; then
    old=$(mktemp -d /tmp/stek-dev.XXXXXX)
    mount --rbind /dev "$old"
    mount -t tmpfs -o mode=755 stek /dev
    for f in null zero full random urandom; do
        : >"/dev/$f"
        mount --bind "$old/$f" "/dev/$f"
    done
    mkdir /dev/shm
    mount --bind "$old/shm" /dev/shm
    ln -s /proc/self/fd /dev/fd
    umount -l "$old"
    rmdir "$old"
fi

# listens: the daemon of busybox writes "... daemon.notice stek[PID]: ..." to $T/log
listens() {
    needs_mounts
    needs busybox
    busybox --list | grep -x syslogd >/dev/null || skip 'busybox has no syslogd'
    rm -f /dev/log
    busybox syslogd -n -O "$T/log" &
    daemon=$!
    trap 'kill $daemon 2>/dev/null || :' EXIT
    trap 'exit 143' HUP INT TERM
    until_ok test -S /dev/log
}
# says LEVEL TEXT: such a line comes, from stek with its pid
says() { until_ok grep -E " daemon\.$1 stek\[[0-9]+\]: $2" "$T/log"; }
lines() { grep -c ' stek\[' "$T/log" || :; }
# mark: everything that was sent before has come when this line has
mark() {
    "$STEK" reload --syslog --pid-file "$T/mark.$1" 2>/dev/null || :
    until_ok grep "mark\.$1" "$T/log"
}

test_rotation() {
    listens
    quiet stek rotate --syslog b a
    says notice 'rotate: a: new -> 3, new -> 2, new -> 1, new -> 0$'
    says notice 'rotate: b: new -> 3, new -> 2, new -> 1, new -> 0$'
    # nothing due, nothing said
    quiet stek rotate --syslog
    mark 1
    equal lines "$(lines)" 3
    quiet stek rotate --syslog --force a
    says notice 'rotate: a: date 1 to epoch [0-9]*, .*2 -> 3, 1 -> 2, 0 -> 1, new -> 0$'
    chmod 644 "$DIR/b.2.key"
    quiet stek rotate --syslog
    says notice 'rotate: b: protect 2$'
}
test_asked_for() {
    listens
    quiet stek rotate a
    ok stek rotate -v --force a
    quiet env STEK_SYSLOG= "$STEK" rotate --force a
    quiet env STEK_SYSLOG=0 "$STEK" rotate --force a
    mark 1
    equal lines "$(lines)" 1
    quiet env STEK_SYSLOG=1 "$STEK" rotate --force a
    says notice 'rotate: a: '
    # as cron sets it
    echo STEK_SYSLOG=1 >default
    echo "STEK_DIR=$DIR" >>default
    (
        unset STEK_DIR
        quiet env STEK_DEFAULT_FILE="$T/default" "$STEK" rotate --force b
    )
    says notice 'rotate: b: '
    refuses 100 env STEK_SYSLOG=yes "$STEK" rotate a
    refuses 100 stek list --syslog
}
test_dry_run() {
    listens
    ok stek rotate --syslog --dry-run a
    mark 1
    equal lines "$(lines)" 1
}
test_failures() {
    listens
    quiet stek rotate a
    mkdir "$DIR/b.1.key"
    refuses 1 stek rotate --syslog --force a b
    says err "rotate: $DIR/b.1.key is not a regular file"
    says notice 'rotate: a: '
    refuses 102 stek reload --syslog --pid-file "$T/none"
    says err "reload: nginx does not run: there is no $T/none"
    rmdir "$DIR/b.1.key"
    refuses 111 stek rotate --syslog -d "$T/none" a
    says err "rotate: cannot open $T/none: No such file or directory"
}
test_warnings() {
    listens
    make_set a
    rm "$DIR/a.0.key"
    later a 1
    ok stek rotate --syslog
    says 'warn(ing)?' 'rotate: a: there was no next key to rotate to'
}
test_reload() {
    needs nginx openssl
    listens
    quiet stek rotate a
    certificate a.test
    cat >srv/conf <<END
$(nginx_head 1)
    server { listen unix:$T/srv/socket ssl; }
}
END
    trap 'kill "$(cat srv/pid)"; kill $daemon' EXIT
    until_ok aged
    nginx -p "$T/srv" -e "$T/srv/error.log" -c "$T/srv/conf"
    until_ok test -s srv/pid
    until_ok grep 'nginx: master' "/proc/$(cat srv/pid)/cmdline"
    quiet stek reload --syslog --pid-file "$T/srv/pid"
    says notice 'reload: nginx: 1 new workers after [0-9]+ ms$'
    # nothing done, nothing said
    quiet stek reload --syslog --if-stale --pid-file "$T/srv/pid"
    mark 1
    equal lines "$(lines)" 2
    # the server's words, in one line
    echo 'no_such_directive on;' >>srv/conf
    exits 1 stek reload --syslog --pid-file "$T/srv/pid"
    says err 'reload: nginx refuses .*unknown directive "no_such_directive"'
}
# K5: of the keys there is nothing but NAME and slot
test_no_key_is_sent() {
    listens
    quiet stek rotate --syslog a
    cp "$DIR"/a.*.key "$T"
    quiet stek rotate --syslog --force a
    says notice 'rotate: a: date'
    for f in "$T"/a.*.key "$DIR"/a.*.key; do
        hex=$(od -An -v -tx1 "$f" | tr -d ' \n' | cut -c 33-64)
        ! grep -F -e "$hex" "$T/log" >/dev/null || fail 'a key was sent'
    done
}
test_without_a_daemon() {
    needs_mounts
    rm -f /dev/log
    quiet stek rotate --syslog a
    whole_set a
}

run_tests "$@"
