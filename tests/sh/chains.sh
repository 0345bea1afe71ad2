#!/bin/sh
# chains: the applets as shells put them together: &&, pipes, set -e, traps, redirections
# shellcheck disable=SC2016 source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

# by_hand NAME: the hand-made chain of the manual, without the reload
by_hand() { stek shift "$1" && stek genkey | stek install "$1"; }

test_by_hand() {
    stek rotate a
    set -- "$(key_id a.0)" "$(key_id a.1)" "$(key_id a.2)"
    by_hand a
    equal "slots 1 to 3" "$(key_id a.1) $(key_id a.2) $(key_id a.3)" "$*"
    equal "different keys" "$(key_ids a | tr ' ' '\n' | sort -u | wc -l)" 4
}
test_by_hand_for_days() { # key k: slot 0, 1, 2, 3, gone
    stek rotate a
    history="$(key_id a.3) $(key_id a.2) $(key_id a.1) $(key_id a.0)"
    for turn in 1 2 3 4 5; do
        by_hand a
        # shellcheck disable=SC2086
        set -- $history
        shift $(($# - 3))
        equal "slots 3 to 1 after turn $turn" "$(key_id a.3) $(key_id a.2) $(key_id a.1)" "$*"
        history="$history $(key_id a.0)"
    done
    equal "different keys" "$(echo "$history" | tr ' ' '\n' | sort -u | wc -l)" 9
}
test_broken_at_install() { # K3: the chain is simply run again
    stek rotate a
    set -- "$(key_id a.0)" "$(key_id a.1)" "$(key_id a.2)"
    ! { stek shift a && stek genkey -s 49 | stek install a; } 2>/dev/null || fail "expected the chain to fail"
    ! { stek shift a && head -c 79 /dev/urandom | stek install a; } 2>/dev/null || fail "expected the chain to fail"
    ! { stek shift a && stek install a </dev/null; } 2>/dev/null || fail "expected the chain to fail"
    by_hand a
    equal "slots 1 to 3" "$(key_id a.1) $(key_id a.2) $(key_id a.3)" "$*"
    equal "different keys" "$(key_ids a | tr ' ' '\n' | sort -u | wc -l)" 4
}
test_and_then_rotate() { # the two ways share one directory
    stek rotate a
    by_hand a
    by_hand a
    set -- "$(key_id a.0)" "$(key_id a.1)" "$(key_id a.2)"
    quiet stek rotate a
    later a 1
    ok stek rotate a
    for key in "$1" "$2"; do
        case " $(key_ids a) " in *" $key "*) ;; *) fail "rotate after shift and install lost a key" ;; esac
    done
    whole_set a
}
test_pipe_fails_at_its_end() { # no shell needs pipefail: install refuses what is not a key
    rc=0
    stek genkey -s 49 2>/dev/null | stek install a 2>err || rc=$?
    equal "exit status" "$rc" 1
    is -s err
    isnt -e "$DIR/a.0.key"
}
test_and_or() {
    stek rotate a && echo and >and || echo or >or
    is -e and
    isnt -e or
    stek rotate .a 2>/dev/null && echo and >and2 || echo or >or2
    isnt -e and2
    is -e or2
    if stek list b 2>/dev/null; then fail "expected list b to fail"; fi
    rc=0
    stek shift b 2>/dev/null || rc=$?
    equal "exit status" "$rc" 1
}
test_set_e() {
    rc=0
    # `|| rc=$?` would switch errexit off inside
    set +e
    (set -e; stek shift a 2>/dev/null; echo alive >alive)
    rc=$?
    set -e
    equal "exit status" "$rc" 1
    isnt -e alive
    set +e
    (set -e; stek rotate a; stek shift a; stek genkey | stek install a; echo alive >alive)
    rc=$?
    set -e
    equal "exit status" "$rc" 0
    is -e alive
}
test_set_u() {
    (set -u; stek rotate a; stek list a >/dev/null)
    whole_set a
}
test_pipefail_where_there_is_one() {
    option=pipefail
    (set -o $option) 2>/dev/null || skip "no pipefail in this shell"
    rc=0
    (set -o $option; stek genkey --nonsense 2>/dev/null | cat >/dev/null) || rc=$?
    equal "exit status" "$rc" 100
}
test_traps() {
    (
        trap 'echo end >end' EXIT
        stek rotate a
    )
    is -e end
    rc=0
    (
        trap 'stek list a >listed' EXIT
        exit 3
    ) || rc=$?
    equal "exit status" "$rc" 3
    equal lines "$(wc -l <listed)" 4
    (
        trap 'echo caught >caught' TERM
        # in a subshell $$ is not its own pid
        sh -c 'kill -TERM $PPID'
        stek rotate b
    )
    is -e caught
    whole_set b
}
test_ignored_sigpipe() {
    stek rotate a
    (trap '' PIPE; stek list a; stek list a) | head -n 1 >first
    equal lines "$(wc -l <first)" 1
}
test_closed_descriptors() { # applets without output do not mind; the others say so
    stek rotate a <&- >&- 2>&-
    whole_set a
    stek shift a >&-
    stek genkey 2>&- | stek install a >&- 2>&-
    rc=0
    stek list a >&- 2>/dev/null || rc=$?
    equal "exit status" "$rc" 111
    rc=0
    stek rotate .a <&- >&- 2>&- || rc=$?
    equal "exit status" "$rc" 100
    # a key never lands in a file that took the place of a closed descriptor
    rm -f "$DIR"/*
    stek rotate a <&- >&- 2>&-
    whole_set a
    stek list a >/dev/null
}
test_full_device() {
    stek rotate a >/dev/full
    whole_set a
    rc=0
    stek list a >/dev/full 2>/dev/null || rc=$?
    equal "exit status" "$rc" 111
    rc=0
    stek genkey >/dev/full 2>/dev/null || rc=$?
    equal "exit status" "$rc" 111
}
test_loops_keep_their_input() { # no applet but install reads standard input
    printf 'a\nb\nc\n' | while read -r name; do
        stek rotate "$name"
        stek shift "$name"
        stek genkey >/dev/null
        stek list "$name" >/dev/null
        stek lock true
    done
    for name in a b c; do is -f "$DIR/$name.1.key"; done
}
test_here_document() {
    key=$(stek genkey --hex)
    stek install a <<EOF
$key
EOF
    is -s "$DIR/a.0.key"
    # shellcheck disable=SC2059
    equal "the key that was in the document" "$(od -An -v -tx1 "$DIR/a.0.key" | tr -d ' \n' | sha256sum)" \
        "$(printf %s "$key" | sha256sum)"
}
test_command_substitution() {
    stek rotate a
    equal applets "$(stek --list | grep -c -x -e genkey -e shift -e install -e rotate)" 4
    line=$(stek list a | sed -n 2p)
    case $line in "a	1	current	"*) ;; *) fail "expected the second line to be slot 1" ;; esac
}
test_process_in_background() {
    stek rotate a &
    first=$!
    stek rotate b &
    second=$!
    rc=0
    wait "$first" || rc=$?
    equal "exit status" "$rc" 0
    wait "$second" || rc=$?
    equal "exit status" "$rc" 0
    whole_set a
    whole_set b
    stek shift c 2>/dev/null &
    wait $! || rc=$?
    equal "exit status" "$rc" 1
}
test_locked_chain() {
    stek rotate a
    is -f "$DIR/a.0.key"
    next=$(key_id a.0)
    stek lock sh -ec '"$STEK" shift a; "$STEK" genkey | "$STEK" install a'
    equal "current key" "$(key_id a.1)" "$next"
    rc=0
    stek lock sh -ec '"$STEK" shift b; echo alive >alive' 2>/dev/null || rc=$?
    equal "exit status" "$rc" 1
    isnt -e alive
}
test_locked_chain_in_this_shell() {
    stek rotate a
    is -f "$DIR/a.0.key"
    next=$(key_id a.0)
    # shellcheck disable=SC2086
    stek lock ${TEST_SHELL:-sh} -c 'set -e; "$STEK" shift a; "$STEK" genkey | "$STEK" install a'
    equal "current key" "$(key_id a.1)" "$next"
}
test_exec() {
    stek rotate a
    (exec "$STEK" lock "$STEK" rotate --force a)
    whole_set a
}
test_env_i() { # as cron and init run it
    stek rotate a
    is -f "$DIR/a.0.key"
    next=$(key_id a.0)
    env -i "$STEK" shift -d "$DIR" a
    env -i "$STEK" genkey | env -i "$STEK" install -d "$DIR" a
    equal "current key" "$(key_id a.1)" "$next"
}
test_xargs() {
    printf '%s\n' a b c | xargs "$STEK" rotate
    for name in a b c; do whole_set $name; done
    printf '%s\n' a b | xargs -n 1 "$STEK" rotate --force
    whole_set a
    whole_set b
}
test_two_chains_at_once() { # under the lock each is whole: two turns, no key of either lost
    stek rotate a
    set -- "$(key_id a.0)" "$(key_id a.1)"
    for i in 1 2; do
        (rc=0; stek lock sh -ec '"$STEK" shift a; "$STEK" genkey | "$STEK" install a' || rc=$?; echo $rc >"rc$i") &
    done
    wait
    equal "exit statuses" "$(cat rc1 rc2 | tr '\n' ' ')" "0 0 "
    equal "slots 2 and 3" "$(key_id a.2) $(key_id a.3)" "$*"
    equal "different keys" "$(key_ids a | tr ' ' '\n' | sort -u | wc -l)" 4
}
test_key_in_a_variable_only_as_text() { # raw bytes do not survive $(...): install notices
    stek genkey -s 48 >k
    rc=0
    printf %s "$(stek genkey --base64)" | stek install a || rc=$?
    equal "exit status for base64" "$rc" 0
    (head -c 30 k; printf '\0'; tail -c 50 k) | tr -d '\0' | head -c 47 >mangled
    rc=0
    stek install b <mangled 2>/dev/null || rc=$?
    equal "exit status for a mangled key" "$rc" 1
}

run_tests "$@"
