#!/bin/sh
# reload: who is signalled and who is not, the configuration test, staleness, waiting (K10)
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

# A real nginx in $T/srv on a socket of its own. Nothing here looks at /run/nginx.pid.

conf() { # conf [DIRECTIVE]: a directive more in http{}; $workers, $pool, $log: see below
    cat <<EOF
$(nginx_head "${many:-2}")
    ssl_session_cache off;
    server {
        listen unix:$T/srv/socket ssl;
$(for i in 1 2 3 0; do echo "        ssl_session_ticket_key $DIR/ex.$i.key;"; done)
        location / { ${pool:+aio threads=$pool;} return 200 "served\n"; }
    }
    ${1-}
}
EOF
}
prepare() { # keys, certificate, configuration
    needs nginx openssl
    many='' log='' pool='' victim='' bin=''
    quiet stek rotate ex
    mkdir -p "$T/srv/logs"
    certificate ex.test
    conf >"$T/srv/nginx.conf"
    until_ok aged
    trap stop EXIT
    trap 'exit 143' HUP INT TERM
}
started() {
    until_ok test -s "$T/srv/pid"
    master=$(cat "$T/srv/pid")
    until_ok workers_are "${1:-2}"
}
start() {
    prepare
    nginx -p "$T/srv" -e "$T/srv/error.log" -c "$T/srv/nginx.conf"
    started
}
stop() {
    [ -z "$victim" ] || kill "$victim" 2>/dev/null || :
    [ -z "$bin" ] || rm -rf "$bin"
    stop_nginx "$T/srv/pid"
}
workers_are() { [ "$(workers | wc -w)" -eq "$1" ]; }
served() {
    printf 'GET / HTTP/1.0\r\n\r\n' |
        timeout 20 openssl s_client -unix "$T/srv/socket" -ign_eof >"$T/served" 2>&1 || :
    grep '^served' "$T/served" >/dev/null || fail "not served: $(tail -n 3 "$T/served")"
}
reload() { stek reload --pid-file "$T/srv/pid" "$@"; }
# renewed PID...: those are gone, and as many new ones are there
renewed() {
    until_ok all_ended "$@"
    until_ok workers_are "${many:-2}"
    served
}
unchanged() { # unchanged "PIDS"
    equal workers "$(workers)" "$1"
    served
}

test_new_workers() {
    start
    before=$(workers)
    quiet reload
    # one at least is there when it returns
    new=$(for p in $(workers); do case " $before" in *" $p "*) ;; *) echo "$p" ;; esac; done)
    [ -n "$new" ] || fail 'no new worker when reload returned'
    served
    # shellcheck disable=SC2086
    renewed $before
}
test_server_named() {
    start
    before=$(workers)
    quiet reload nginx
    # shellcheck disable=SC2086
    renewed $before
    refuses 100 reload apache
    refuses 100 reload nginx nginx
}
test_link() {
    start
    before=$(workers)
    ln -s "$STEK" "$T/stek-reload"
    quiet "$T/stek-reload" --pid-file="$T/srv/pid"
    # shellcheck disable=SC2086
    renewed $before
}
test_verbose() {
    start
    before=$(workers)
    ok reload -v
    isnt -s "$T/out"
    err_has 'stek reload: nginx: 2 new workers'
    # shellcheck disable=SC2086
    renewed $before
    ok reload -v --if-stale
    err_has 'stek reload: '
}
test_usage() {
    prepare
    master=''
    for w in x -1 '' 1x; do refuses 100 reload --wait "$w"; done
    refuses 100 reload --wait
    refuses 100 reload --no-such-option
    refuses 100 stek reload --pid-file
}

test_nothing_runs() {
    prepare
    refuses 102 reload
    refuses 102 reload --if-stale
    refuses 102 reload --no-test
    quiet reload --if-running
    quiet reload --if-running --if-stale
    refuses 102 stek reload --pid-file "$T/no/such/directory"
}
test_stale_pid_file() {
    start
    cp srv/pid kept
    kill -s TERM "$master"
    until_ok all_ended "$master"
    cp kept srv/pid
    refuses 102 reload
    refuses 102 reload --if-stale --no-test
    quiet reload --if-running
    same kept srv/pid
}
test_pid_file_of_another_process() {
    prepare
    sleep 600 &
    victim=$!
    echo "$victim" >srv/pid
    for options in '' --no-test --if-stale '--no-test --if-stale --wait 1'; do
        # shellcheck disable=SC2086
        refuses 102 reload $options
    done
    quiet reload --if-running
    kill -s 0 "$victim" || fail 'the process that the pid file names was signalled'
}
test_pid_file_of_a_worker() {
    start
    before=$(workers)
    # just after fork(2) it still bears its master's title
    until_ok grep '^nginx: worker' "/proc/${before%% *}/cmdline"
    echo "${before%% *}" >srv/worker
    refuses 102 stek reload --pid-file "$T/srv/worker"
    refuses 102 stek reload --no-test --pid-file "$T/srv/worker"
    unchanged "$before"
}
test_pid_file_is_rubbish() {
    prepare
    for pid in '' x 0 -1 1 "$$ x" 99999999 99999999999999999999 "-$$"; do
        echo "$pid" >srv/pid
        run reload --no-test --wait 1
        case $rc in 1 | 102) ;; *) fail "pid file '$pid': exit status $rc" ;; esac
        is -s "$T/err"
    done
    head -c 3000 /dev/zero >srv/pid
    run reload --no-test --wait 1
    case $rc in 1 | 102) ;; *) fail "pid file of zeros: exit status $rc" ;; esac
}
# A stale pid file may name anybody's process. Whoever is not root (or ourselves) can call himself
# nginx; his program must not be run for a configuration test.
test_process_of_another_user_in_disguise() {
    needs_root
    needs bash setpriv
    prepare
    bin=$(mktemp -d)
    chmod 755 "$bin"
    cp /bin/sleep "$bin/nginx"
    # shellcheck disable=SC2016
    setpriv --reuid 65534 --regid 65534 --clear-groups \
        bash -c 'exec -a "nginx: master process $0" "$0" 600' "$bin/nginx" &
    victim=$!
    until_ok grep '^nginx: master' "/proc/$victim/cmdline"
    echo "$victim" >srv/pid
    run reload --wait 1
    case $rc in 1 | 102) ;; *) fail "exit status $rc" ;; esac
    err_lacks "$bin/nginx: " # words of that program
    run reload --no-test --wait 1
    case $rc in 1 | 102) ;; *) fail "exit status $rc" ;; esac
    kill -s 0 "$victim" || fail 'the process was signalled'
}
test_not_allowed() {
    needs_root
    needs setpriv
    start
    before=$(workers)
    bin=$(mktemp -d)
    chmod 755 "$bin"
    cp "$STEK" "$bin/stek"
    echo "$master" >"$bin/pid"
    refuses 111 setpriv --reuid 65534 --regid 65534 --clear-groups \
        "$bin/stek" reload --no-test --pid-file "$bin/pid"
    unchanged "$before"
}

test_broken_configuration() {
    start
    before=$(workers)
    conf 'no_such_directive on;' >srv/nginx.conf
    for options in '' --if-running '-v --wait 1'; do
        # shellcheck disable=SC2086
        exits 1 reload $options
        isnt -s "$T/out"
        err_has 'unknown directive "no_such_directive"'
        err_has 'stek reload: '
        unchanged "$before"
    done
    conf >srv/nginx.conf
    quiet reload
    # shellcheck disable=SC2086
    renewed $before
}
test_no_test() {
    start
    before=$(workers)
    quiet reload --no-test
    # shellcheck disable=SC2086
    renewed $before
}
# The signal is sent, nginx refuses in its own log: nothing new appears, and that is said.
test_no_test_and_broken() {
    start
    before=$(workers)
    conf 'no_such_directive on;' >srv/nginx.conf
    from=$(date +%s)
    refuses 1 reload --no-test --wait 1
    took=$(($(date +%s) - from))
    if [ $took -lt 1 ] || [ $took -gt 8 ]; then fail "waited $took s for --wait 1"; fi
    grep no_such_directive srv/error.log >/dev/null || fail 'no signal was sent'
    unchanged "$before"
}
test_a_warning_is_no_failure() {
    start
    before=$(workers)
    conf 'server { listen unix:'"$T"'/srv/two; server_name a a; }' >srv/nginx.conf
    ok reload
    # shellcheck disable=SC2086
    renewed $before
}

test_if_stale_when_fresh() {
    start
    before=$(workers)
    quiet reload --if-stale
    unchanged "$before"
    quiet reload --if-stale --if-running --no-test
    unchanged "$before"
    quiet stek rotate # nothing due, so nothing is newer
    quiet reload --if-stale
    unchanged "$before"
}
# settled: a tick finds nothing to do. After steps without any time between them one reload more than
# needed may come first, since processes and files are dated by coarse clocks; never one too few.
settled() {
    quiet reload --if-stale
    until_ok workers_are 2
    before=$(workers)
    quiet reload --if-stale
    unchanged "$before"
}
test_if_stale_at_full_speed() {
    start
    for n in 1 2 3 4 5; do
        before=$(workers)
        quiet stek rotate --force
        quiet reload --if-stale
        # shellcheck disable=SC2086
        renewed $before
        settled
    done
}
# Somebody else reloads, and a rotation comes right after the new workers: they do not know its keys,
# although they began in the same tick of the clock.
test_if_stale_within_one_tick() {
    start
    [ -r "/proc/$master/task/$master/children" ] || skip 'no CONFIG_PROC_CHILDREN'
    for n in 1 2 3 4; do
        before=$(workers)
        read -r old <"/proc/$master/task/$master/children" || : # no newline
        now=$old tries=0
        kill -s HUP "$master"
        while [ "$now" = "$old" ] && [ $tries -lt 100000 ]; do
            read -r now <"/proc/$master/task/$master/children" || : # no newline
            tries=$((tries + 1))
        done
        quiet stek rotate --force
        # shellcheck disable=SC2086
        renewed $before
        before=$(workers)
        quiet reload --if-stale
        # shellcheck disable=SC2086
        renewed $before
    done
}
test_if_stale_after_the_chain() {
    start
    before=$(workers)
    { stek shift ex && stek genkey | stek install ex; } || fail 'the chain broke'
    quiet reload --if-stale
    # shellcheck disable=SC2086
    renewed $before
    settled
}
test_if_stale_when_a_key_is_added() {
    start
    before=$(workers)
    quiet stek rotate other
    quiet reload --if-stale
    # shellcheck disable=SC2086
    renewed $before
}
test_if_stale_without_keys() {
    start
    before=$(workers)
    quiet reload --if-stale -d "$T/srv/logs"
    unchanged "$before"
}
# An old worker lives as long as its last connection: neither does reload wait for it, nor is it
# a sign of staleness.
test_lingering_worker() {
    start
    before=$(workers)
    mkfifo hold
    openssl s_client -unix "$T/srv/socket" <hold >held 2>&1 &
    victim=$!
    exec 4>hold
    printf 'GET / HTTP/1.1\r\nHost: ' >&4
    until_ok grep -e '^New, TLS' held
    until_ok has_read
    quiet stek rotate --force
    quiet reload --wait 8
    until_ok workers_are 3
    for n in 1 2; do
        both=$(workers)
        quiet reload --if-stale
        unchanged "$both"
    done
    printf 'ex\r\nConnection: close\r\n\r\n' >&4
    until_ok grep '^served' held
    exec 4>&-
    # shellcheck disable=SC2086
    renewed $before
}
# the worker is in the middle of a request: one of its descriptors is the accepted connection
has_read() {
    for p in $before; do
        # socket, event and channel descriptors are there from the start
        [ "$(find "/proc/$p/fd" -lname 'socket:*' | wc -l)" -le "$idle" ] || return 0
    done
    return 1
}
idle=3

test_arguments_of_the_master() {
    prepare
    log=logs/relative pool=for_ex # need -p and -g
    conf >srv/nginx.conf
    nginx -p "$T/srv" -c "$T/srv/nginx.conf" -g 'thread_pool for_ex threads=1; timer_resolution 1s;'
    started
    for n in 1 2; do
        before=$(workers)
        quiet reload
        # shellcheck disable=SC2086
        renewed $before
    done
    conf 'no_such_directive on;' >srv/nginx.conf
    exits 1 reload
    err_has 'no_such_directive'
}
test_relative_arguments() {
    prepare
    log=logs/relative
    conf >srv/nginx.conf
    cd srv
    nginx -p . -c nginx.conf
    cd /
    started
    before=$(workers)
    quiet reload
    # shellcheck disable=SC2086
    renewed $before
}
test_in_the_foreground() {
    prepare
    many=1
    conf >srv/nginx.conf
    nginx -p "$T/srv" -c "$T/srv/nginx.conf" -g 'daemon off;' >/dev/null 2>&1 &
    started 1
    before=$(workers)
    quiet reload
    # shellcheck disable=SC2086
    renewed $before
}
test_number_of_workers_changes() {
    start
    for many in 1 3; do
        before=$(workers)
        conf >srv/nginx.conf
        quiet reload --wait 8
        # shellcheck disable=SC2086
        renewed $before
    done
}
test_config() {
    start
    before=$(workers)
    conf 'no_such_directive on;' >srv/other.conf
    exits 1 reload --config "$T/srv/other.conf"
    err_has 'no_such_directive'
    unchanged "$before"
    exits 1 reload --config "$T/srv/missing.conf"
    err_has 'missing.conf'
    unchanged "$before"
    cp srv/nginx.conf srv/other.conf
    quiet reload --config="$T/srv/other.conf"
    # shellcheck disable=SC2086
    renewed $before
}
# A package upgrade puts a new binary where the running one was.
test_binary_was_replaced() {
    prepare
    bin=$(mktemp -d)
    cp "$(command -v nginx)" "$bin/nginx"
    "$bin/nginx" -p "$T/srv" -c "$T/srv/nginx.conf"
    started
    cp "$bin/nginx" "$bin/new"
    mv "$bin/new" "$bin/nginx"
    before=$(workers)
    quiet reload
    # shellcheck disable=SC2086
    renewed $before
    rm "$bin/nginx"
    before=$(workers)
    quiet reload
    # shellcheck disable=SC2086
    renewed $before
}
# The server's words and standard input are its own; nothing is left open or running.
test_closed_descriptors() {
    start
    before=$(workers)
    "$STEK" reload --pid-file "$T/srv/pid" <&- >&- 2>&-
    # shellcheck disable=SC2086
    renewed $before
    conf 'no_such_directive on;' >srv/nginx.conf
    rc=0
    "$STEK" reload --pid-file "$T/srv/pid" <&- >&- 2>&- || rc=$?
    equal 'exit status' "$rc" 1
}
test_child_signal_is_ignored() {
    start
    before=$(workers)
    quiet env --ignore-signal=CHLD "$STEK" reload --pid-file "$T/srv/pid"
    # shellcheck disable=SC2086
    renewed $before
}

run_tests "$@"
