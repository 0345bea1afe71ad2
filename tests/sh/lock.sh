#!/bin/sh
# lock: holds the directory's lock over a whole chain, then becomes PROG
# shellcheck disable=SC2016 source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

# hold: a process that holds the lock until `release`; is held when this returns
hold() {
    rm -f held go
    { exec "$STEK" lock sh -c 'echo >held; until [ -e go ]; do sleep 0.02; done'; } &
    holder=$!
    trap 'kill -KILL "$holder" 2>/dev/null || :' EXIT
    until_ok test -e held
}
release() { : >go; ended "$holder"; }
# waits: the process $waiter has the directory open, which it does for nothing but its lock
waits() { find "/proc/$waiter/fd" -lname "$DIR" 2>/dev/null | grep . >/dev/null; }

test_runs_the_program() {
    quiet stek lock true
    exits 1 stek lock false
    exits 7 stek lock sh -c 'exit 7'
    ok stek lock echo a b
    out_is 'a b'
    ok stek lock -- echo -n3
    out_is -n3
    quiet stek lock -d "$DIR" true
    ok stek lock -v true
    err_has 'stek lock: '
}
test_arguments_are_passed_on() {
    ok stek lock printf '[%s]' '' 'a b' '*' -n -- --help -h '' 'c
d' help
    out_is '[][a b][*][-n][--][--help][-h][][c
d][help]'
    # any bytes
    printf 'lock\0printf\0[%%s]\0\377\376\0\303\244\0' | xargs -0 "$STEK" >out.args
    printf '[\377\376][\303\244]' >wanted
    same out.args wanted
}
test_options_of_the_program_are_its_own() {
    ok stek lock ls -d /
    out_is /
    ok stek lock env -i "$STEK" --version
    ok stek lock sh -c 'echo "$1"' -n -w
    out_is -w
}
test_environment_is_passed_on() {
    ok env MINE='a b' "$STEK" lock sh -c 'echo "$MINE"'
    out_is 'a b'
}
test_wrong_usage() {
    refuses 100 stek lock
    refuses 100 stek lock -n
    refuses 100 stek lock --
    refuses 100 stek lock -x true
    refuses 100 stek lock -w x true
    refuses 100 stek lock -w -1 true
    refuses 100 stek lock -w '' true
    refuses 100 stek lock -w
}
test_exec_fails() {
    PATH=/usr/bin:/bin
    refuses 127 stek lock no-such-program-anywhere
    err_has 'no-such-program-anywhere: No such file or directory'
    refuses 127 stek lock ./missing
    refuses 127 stek lock ''
    echo '#!/bin/sh' >script
    refuses 126 stek lock ./script
    err_has 'Permission denied'
    refuses 126 stek lock "$T"
    printf '#!/no/such/interpreter\n' >script
    chmod 755 script
    refuses 127 stek lock ./script
    printf '#!/bin/sh\necho ran "$1"\n' >script
    ok stek lock ./script x
    out_is 'ran x'
    mkdir bin
    mv script bin/prog
    ok env "PATH=$T/bin:$PATH" "$STEK" lock prog y
    out_is 'ran y'
}
test_exec_fails_and_the_lock_is_free() {
    PATH=/usr/bin:/bin
    exits 127 stek lock no-such-program-anywhere
    quiet stek lock -n true
}
test_no_directory() {
    rmdir "$DIR"
    refuses 111 stek lock touch ran
    err_has 'No such file or directory'
    isnt -e ran
    isnt -e "$DIR"
}

test_holds() {
    needs flock
    quiet flock -n "$DIR" true
    exits 1 stek lock flock -n "$DIR" true # flock(2) on the directory itself, so flock(1) takes part
    quiet flock -n "$DIR" true
    refuses 1 flock -o "$DIR" "$STEK" lock -n touch ran
    isnt -e ran
}
test_no_wait() {
    hold
    refuses 1 stek lock -n touch ran
    isnt -e ran
    release
    quiet stek lock -n touch ran
    is -e ran
}
test_waits_in_vain() {
    hold
    refuses 1 stek lock -w 0 touch ran
    refuses 1 stek lock -w1 touch ran
    isnt -e ran
    release
}
test_waits() {
    for o in '' '-w 30'; do
        rm -f ran
        hold
        # shellcheck disable=SC2086
        { exec "$STEK" lock $o touch ran; } &
        waiter=$!
        until_ok waits
        isnt -e ran
        release
        ended "$waiter"
        is -e ran
    done
}
test_waits_through_signals() { # an interrupted flock(2) is not an obtained one
    hold
    { exec "$STEK" lock touch ran; } &
    waiter=$!
    until_ok waits
    kill -STOP "$waiter"
    kill -CONT "$waiter"
    kill -WINCH "$waiter"
    until_ok waits
    isnt -e ran
    release
    ended "$waiter"
    is -e ran
}
test_killed_holder() {
    hold
    kill -KILL "$holder"
    ended "$holder" 2>/dev/null
    until_ok stek lock -n true 2>/dev/null # its last `sleep` has inherited the lock
}
test_applets_wait() { # rotate, shift and install take the same lock
    needs_root # nobody else may see what a process that is not dumpable (K5) has open
    make_set a
    later a 1
    make_key k
    next=$(key_id a.0)
    for applet in 'rotate a' 'shift a' 'install a'; do
        hold
        # shellcheck disable=SC2086
        { exec "$STEK" $applet <k; } &
        waiter=$!
        until_ok waits
        equal "slot 0 while another holds the lock" "$(key_id a.0)" "$next"
        release
        ended "$waiter"
        next=$(key_id a.0)
    done
    same k "$DIR/a.0.key"
}
test_list_does_not_wait() {
    make_set a
    hold
    ok timeout 20 "$STEK" list
    release
}

# The applets inside know that the lock is held.
test_chain_inside() {
    make_set a
    next=$(key_id a.0)
    quiet timeout 20 "$STEK" lock sh -c '"$STEK" shift a && "$STEK" genkey | "$STEK" install a && "$STEK" rotate b'
    equal "current key" "$(key_id a.1)" "$next"
    whole_set b
}
test_lock_in_lock() {
    quiet timeout 20 "$STEK" lock "$STEK" lock -n "$STEK" lock sh -c 'test -n "$STEK_LOCK"'
    quiet timeout 20 "$STEK" lock "$STEK" rotate --force a
    whole_set a
}
test_still_held_after_the_inner_ones() {
    exits 1 stek lock sh -c '"$STEK" lock true && "$STEK" rotate a && flock -n "$STEK_DIR" true'
}
test_another_directory_is_locked_too() {
    needs flock
    mkdir -m 700 other
    exits 1 stek lock "$STEK" lock -d other flock -n other true
    quiet flock -n other true
    # and the other way round: inside a lock on `other`, $DIR is not taken for locked
    hold
    refuses 1 timeout 20 "$STEK" lock -d other "$STEK" lock -n touch ran
    isnt -e ran
    release
}
test_a_stale_word_is_not_believed() { # $STEK_LOCK from a chain that is over, or made up, locks nothing
    ok stek lock sh -c 'echo "$STEK_LOCK"'
    word=$(cat "$T/out")
    is -n "$word"
    hold
    for w in "$word" 1 0 3 x "$DIR" "$(stat -c %i "$DIR")"; do
        refuses 1 env "STEK_LOCK=$w" "$STEK" lock -n touch ran
        isnt -e ran
    done
    release
    quiet env STEK_LOCK=x "$STEK" rotate a
    whole_set a
}

# Given back as they were.
test_sigpipe() {
    exits 141 sh -c '"$STEK" lock sh -c "kill -PIPE \$\$; exit 0"; exit $?'
    exits 0 sh -c 'trap "" PIPE; "$STEK" lock sh -c "kill -PIPE \$\$; exit 0"'
}
test_signals() {
    for words in : "trap '' PIPE INT"; do
        sh -c "$words; exec grep '^Sig[BIC]' /proc/self/status" >plain
        sh -c "$words; exec '$STEK' lock grep '^Sig[BIC]' /proc/self/status" >locked
        same plain locked
    done
}
test_descriptors() {
    count='set -- /proc/$$/fd/*; echo $#'
    plain=$(sh -c "$count")
    equal "descriptors of PROG: one more, the lock" "$("$STEK" lock sh -c "$count")" $((plain + 1))
    echo word >file
    "$STEK" lock sh -c 'read -r word <&5; echo "$word"' 5<file >out
    out_is word
    for n in 0 1 2; do # closed ones stay closed
        rc=0
        case $n in
        0) "$STEK" lock sh -c 'test ! -e /proc/$$/fd/0' <&- || rc=$? ;;
        1) "$STEK" lock sh -c 'test ! -e /proc/$$/fd/1' >&- || rc=$? ;;
        2) "$STEK" lock sh -c 'test ! -e /proc/$$/fd/2' 2>&- || rc=$? ;;
        esac
        equal "descriptor $n closed in PROG too: exit status" "$rc" 0
    done
}
test_limits_and_dumps() { # what stek sets for itself is not handed on
    sh -c 'ulimit -c' >plain
    stek lock sh -c 'ulimit -c' >locked
    same plain locked
    grep -e 'Max core file size' -e 'Max locked memory' /proc/self/limits >plain
    stek lock grep -e 'Max core file size' -e 'Max locked memory' /proc/self/limits >locked
    same plain locked
}
test_becomes_the_program() { # exec, not a child: pid and parent stay
    { exec "$STEK" lock sh -c 'echo $$ >pid'; } &
    ended $!
    equal pid "$(cat pid)" $!
}

test_endless_patience() { # a time that no clock can hold
    quiet stek lock -w 9223372036854775807 true
}
run_tests "$@"
