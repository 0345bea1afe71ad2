#!/bin/sh
# rotate: reconciles what is in the slots with what the clock wants (K2, K3, K4, K6, K8)
# shellcheck disable=SC2086,SC2153,SC2317 source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

# keys_are WORD...: what lies in slots 0, 1 ... of a. A WORD is a digit (the key that was in that slot when `before` was
# called) or "new" (none of those). All must differ.
before() { was=" $(key_ids a "${1:-3}") "; }
nth() { shift "$1"; printf '%s\n' "$1"; }
keys_are() (
    is=$(key_ids a $(($# - 1))) seen=' ' i=0
    for wanted in "$@"; do
        i=$((i + 1))
        got=$(nth $i $is)
        case $wanted in
        new) case "$was" in *" $got "*) fail "slot $((i - 1)): expected a new key, got an old one" ;; esac ;;
        *) equal "key in slot $((i - 1))" "$got" "$(nth $((wanted + 1)) $was)" ;;
        esac
        case "$seen" in *" $got "*) fail "slot $((i - 1)): expected a key that no other slot has" ;; esac
        seen="$seen$got "
    done
)

# First run.
test_first_run() { # complete, because nginx refuses to start while a listed file is missing
    quiet stek rotate a
    whole_set a
    equal "number of files" "$(find "$DIR" -mindepth 1 | wc -l)" 4
}
test_first_run_slots_and_size() {
    quiet stek rotate -n 2 a
    whole_set a 2
    isnt -e "$DIR/a.3.key"
    quiet stek rotate --slots=5 -s 48 b
    whole_set b 5 48
    isnt -e "$DIR/b.6.key"
    quiet env STEK_SLOTS=4 STEK_SIZE=48 "$STEK" rotate c
    whole_set c 4 48
    quiet stek rotate -n100 d
    whole_set d 100
}
test_nothing_due() {
    make_set a
    before=$(state)
    quiet stek rotate a
    equal state "$(state)" "$before"
    ok stek rotate -v a
    equal state "$(state)" "$before"
}
test_naive_oracle() { # a set made by head and touch is as good as its own
    make_set a
    before
    later a 1
    quiet stek rotate a
    keys_are new 0 1 2
    whole_set a
}

# Due.
test_one_late() {
    stek rotate a
    before
    later a 1
    quiet stek rotate a
    keys_are new 0 1 2
    whole_set a
    quiet stek rotate a
    keys_are new 0 1 2
}
test_two_late() { # next becomes current (K4), what encrypted until now becomes slot 2, older ones are out of the window
    make_set a
    before
    later a 2
    quiet stek rotate a
    keys_are new 0 1 new
    whole_set a
}
test_three_late() { # the host slept
    make_set a
    before
    later a 3
    for slot in 2 3; do ln "$DIR/a.$slot.key" "side$slot"; cp "side$slot" "copy$slot"; done
    quiet stek rotate a
    keys_are new 0 1 new
    whole_set a
    differ side2 copy2 # K8: also what was slept through
    differ side3 copy3
}
test_late_by_years() { # made at a boot when the clock said 1970
    make_set a
    before
    for slot in 0 1 2 3; do touch -d "@$((PERIOD * (1 - slot)))" "$DIR/a.$slot.key"; done
    quiet stek rotate a
    keys_are new 0 1 new
    whole_set a
}
test_two_late_with_many_slots() { # older keys go where their epoch belongs, a filler takes the gap
    make_set a 5
    before 5
    later a 2
    quiet stek rotate -n5 a
    keys_are new 0 1 new 2 3
    whole_set a 5
}
test_old_keys_go_one_by_one() { # key k: slot 0, 1, 2, 3, gone
    stek rotate a
    history="$(key_id a.3) $(key_id a.2) $(key_id a.1) $(key_id a.0)"
    for turn in 1 2 3 4 5 6; do
        later a 1
        quiet stek rotate a
            set -- $history
        shift $(($# - 3))
        equal "previous keys at turn $turn" "$(key_id a.3) $(key_id a.2) $(key_id a.1)" "$*"
        history="$history $(key_id a.0)"
    done
    equal "different keys" "$(echo "$history" | tr ' ' '\n' | sort -u | wc -l)" 10
}
test_verbose() { # K5
    make_set a
    later a 1
    od -An -v -tx1 -j16 -N8 "$DIR/a.0.key" | tr -d ' \n' >secret
    ok stek rotate -v a
    isnt -s "$T/out"
    err_has 'stek rotate: '
    err_has a
    err_lacks "$(cat secret)"
}
test_48_to_80() { # the size counts for new keys only
    make_set a 3 48
    before
    later a 1
    quiet stek rotate a
    keys_are new 0 1 2
    equal sizes "$(stat -c %s "$DIR"/a.?.key | tr '\n' ' ')" "80 48 48 48 "
}

# Missing and broken slots.
test_missing_next() {
    make_set a
    before
    rm "$DIR/a.0.key"
    quiet stek rotate a
    keys_are new 1 2 3
    whole_set a
}
test_missing_next_when_due() { # K4: no unknown key encrypts; the current one stays for one more period
    make_set a
    before
    later a 1
    rm "$DIR/a.0.key"
    ok stek rotate a
    keys_are new 1 new 2
    whole_set a
    before
    later a 1
    quiet stek rotate a
    keys_are new 0 1 2
}
test_unusable_next_when_due() {
    for bad in 'head -c 79 /dev/urandom' 'head -c 0 /dev/urandom' 'head -c 80 /dev/zero' \
        'head -c 81 /dev/urandom' 'head -c 32 /dev/urandom' 'printf %080d 7'; do
        rm -f "$DIR"/*
        make_set a
        before
        $bad >"$DIR/a.0.key"
        put a.0 1
        later a 1
        ok stek rotate a
        keys_are new 1 new 2
        whole_set a
    done
}
test_weak_next_is_reported() { # K6
    make_set a
    before
    head -c 80 /dev/zero >"$DIR/a.0.key"
    put a.0 1
    later a 1
    ok stek rotate a
    err_has 'stek rotate: warning: '
    keys_are new 1 new 2
}
test_missing_current() { # what the workers know as next encrypts from now on
    make_set a
    before
    rm "$DIR/a.1.key"
    ok stek rotate a
    keys_are new 0 2 3
    whole_set a
}
test_missing_previous() {
    for slot in 2 3; do
        rm -f "$DIR"/*
        make_set a
        before
        rm "$DIR/a.$slot.key"
        ok stek rotate a
        case $slot in 2) keys_are 0 1 new 3 ;; 3) keys_are 0 1 2 new ;; esac
        whole_set a
    done
}
test_missing_everything_but_one() {
    for slot in 0 1 2 3; do
        rm -f "$DIR"/*
        make_set a
        before
        for other in 0 1 2 3; do [ $other = $slot ] || rm "$DIR/a.$other.key"; done
        ok stek rotate a
        whole_set a
        case $slot in
        0) keys_are new 0 new new ;;
        1) keys_are new 1 new new ;;
        2) keys_are new new 2 new ;;
        3) keys_are new new new 3 ;;
        esac
    done
}
test_broken_previous() {
    for size in 0 1 47 79 81 4096; do
        rm -f "$DIR"/*
        make_set a
        before
        head -c $size /dev/urandom >"$DIR/a.2.key"
        put a.2 -1
        ok stek rotate a
        keys_are 0 1 new 3
        whole_set a
    done
}
# What is not a regular file is neither followed (K7), nor waited for, nor replaced: it is said, and the other NAMEs do
# not suffer. slot_is KIND SLOT: such a thing lies there
slot_is() {
    rm -f "$DIR/a.$2.key"
    case $1 in
    link) ln -s "$T/precious" "$DIR/a.$2.key" ;;
    dangling) ln -s "$T/nowhere" "$DIR/a.$2.key" ;;
    fifo) mkfifo "$DIR/a.$2.key" ;;
    directory) mkdir "$DIR/a.$2.key" ;;
    esac
}
test_slot_is_no_file() {
    make_key precious
    cp precious copy
    for kind in link dangling fifo directory; do
        for slot in 0 1 3; do
            rm -rf "$DIR"
            mkdir -m 700 "$DIR"
            make_set a
            make_set b
            later a 1
            later b 1
            b=$(key_id b.0)
            slot_is $kind $slot
            before=$(state | grep -e '^a\.' -e '/a\.')
            refuses 1 timeout 20 "$STEK" rotate
            err_has a.$slot.key
            err_has 'hint: '
            equal "slots of a with a $kind in slot $slot" "$(state | grep -e '^a\.' -e '/a\.')" "$before"
            equal "current key of b" "$(key_id b.1)" "$b"
            same precious copy
            isnt -e nowhere
            rm -rf "$DIR/a.$slot.key"
            ok stek rotate
            whole_set a
            whole_set b
        done
    done
}
test_extra_slots_are_kept() { # files beyond --slots: they say how many there are
    make_set a 5
    before 5
    later a 1
    quiet stek rotate a
    keys_are new 0 1 2 3 4
    whole_set a 5
    later a 1
    quiet stek rotate -n 2 a
    whole_set a 5
}
test_fewer_slots_grow() {
    make_set a 2
    before 2
    quiet stek rotate a
    keys_are 0 1 2 new
    whole_set a
    quiet stek rotate -n5 a
    whole_set a 5
    keys_are 0 1 2 new new new
}

# The clock.
test_clock_back_by_one() { # a step at a boundary: wait
    make_set a
    later a -1
    before=$(state)
    quiet stek rotate a
    equal state "$(state)" "$before"
}
test_clock_back() { # the clock had run ahead: keys keep their slots and are dated anew
    for ahead in 2 3 20 2000; do
        rm -f "$DIR"/*
        make_set a
        before
        later a -$ahead
        ok stek rotate a
        keys_are 0 1 2 3
        equal "epochs" "$(epochs a)" "1 0 -1 -2"
        later a 1
        ok stek rotate a
        keys_are new 0 1 2
    done
}
test_mixed_dates() { # somebody touched everything: no key is lost that should still decrypt
    make_set a
    before
    touch "$DIR"/a.?.key
    ok stek rotate a
    whole_set a
    for slot in 0 1; do
        case " $(key_ids a) " in *" $(echo "$was" | cut -d ' ' -f $((slot + 2))) "*) ;; *) fail "the key of slot $slot is lost" ;; esac
    done
}

# --force and --dry-run.
test_force() {
    stek rotate a
    before
    quiet stek rotate --force a
    keys_are new 0 1 2
    whole_set a
    quiet stek rotate a
    keys_are new 0 1 2
    before
    later a 1
    quiet stek rotate a # the next one comes on time
    keys_are new 0 1 2
}
test_force_first_run() {
    quiet stek rotate --force a
    whole_set a
}
test_force_many() {
    stek rotate a
    all=$(key_ids a)
    for turn in 1 2 3 4 5 6 7 8; do
        before
        quiet stek rotate --force a
        keys_are new 0 1 2
        whole_set a
        all="$all $(key_id a.0)"
        equal "different keys" "$(echo "$all" | tr ' ' '\n' | sort -u | wc -l)" $((4 + turn))
    done
}
test_force_when_late_rotates_once() {
    make_set a
    before
    later a 1
    quiet stek rotate --force a
    keys_are new 0 1 2
    whole_set a
}
test_a_name_twice_is_once() {
    make_set a
    before
    quiet stek rotate --force a a
    keys_are new 0 1 2
}

test_dry_run_lists_the_moves() {
    make_set a
    later a 1
    before=$(state)
    ok stek rotate --dry-run a
    out_is 'a: 2 -> 3
a: 1 -> 2
a: 0 -> 1
a: new -> 0'
    equal state "$(state)" "$before"
}
test_dry_run_first_run() {
    ok stek rotate --dry-run a
    equal moves "$(sort "$T/out")" 'a: new -> 0
a: new -> 1
a: new -> 2
a: new -> 3'
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
}
test_dry_run_nothing_due() {
    make_set a
    quiet stek rotate --dry-run a
}
test_dry_run_force() {
    make_set a
    before=$(state)
    ok stek rotate --dry-run --force a
    out_has 'a: 0 -> 1'
    out_has 'a: new -> 0'
    equal state "$(state)" "$before"
}
test_dry_run_all_names() {
    make_set a
    make_set b.example
    later b.example 1
    ok stek rotate --dry-run
    out_has 'b.example: 0 -> 1'
    ! grep '^a: ' "$T/out" >/dev/null || fail "nothing is due for a"
}
# carried_out: applies the moves in $T/out, lines "a: X -> Y" and "a: date ...", to $was
carried_out() {
    set -- $was
    k0=$1 k1=$2 k2=$3 k3=$4
    while read -r name from arrow to; do
        equal NAME "$name" a:
        [ "$from" != date ] || continue
        equal arrow "$arrow" '->'
        case $from in 0) k=$k0 ;; 1) k=$k1 ;; 2) k=$k2 ;; 3) k=$k3 ;; new) k=new ;; *) fail "a move from $from" ;; esac
        case $to in 0) k0=$k ;; 1) k1=$k ;; 2) k2=$k ;; 3) k3=$k ;; *) fail "a move to $to" ;; esac
    done <"$T/out"
}
test_dry_run_tells_the_truth() { # what it prints, carried out by hand, is what rotate does
    for case in 'later a 1' 'later a 2' 'later a 5' 'later a -1' 'later a -5' 'rm 0' 'rm 1' 'rm 2' 'rm 3' \
        'late rm 0' 'late rm 1' 'late rm 3'; do
        rm -f "$DIR"/*
        make_set a
        case $case in
        later*) $case ;;
        late*) later a 1; rm "$DIR/a.${case##* }.key" ;;
        *) rm "$DIR/a.${case##* }.key" ;;
        esac
        before
        ok stek rotate --dry-run a
        cp "$T/out" moves
        carried_out
        ok stek rotate a
        for slot in 0 1 2 3; do
            case $slot in 0) k=$k0 ;; 1) k=$k1 ;; 2) k=$k2 ;; 3) k=$k3 ;; esac
            got=$(key_id a.$slot)
            case $k in
            new) case "$was" in *" $got "*) fail "$case: slot $slot was to be new" ;; esac ;;
            *) equal "$case: slot $slot" "$got" "$k" ;;
            esac
        done
        ok stek rotate --dry-run a
        out_is ''
        [ "$case" = 'later a -1' ] || whole_set a
    done
}
test_dry_run_takes_no_lock() {
    needs flock
    make_set a
    later a 1
    ok flock "$DIR" timeout 20 "$STEK" rotate --dry-run a
    out_has 'a: 0 -> 1'
}
test_dry_run_without_write_permission() {
    needs_root
    make_set a
    later a 1
    chown -R nobody "$DIR"
    chmod 500 "$DIR"
    before=$(state)
    ok as_nobody stek rotate --dry-run a
    out_is 'a: 2 -> 3
a: 1 -> 2
a: 0 -> 1
a: new -> 0'
    equal state "$(state)" "$before"
}
test_dry_run_to_a_full_device() {
    make_set a
    later a 1
    rc=0
    "$STEK" rotate --dry-run a >/dev/full 2>err || rc=$?
    equal "exit status" "$rc" 111
    rc=0
    "$STEK" rotate --dry-run a >&- 2>err || rc=$?
    equal "exit status" "$rc" 111
}

# NAMEs.
test_names_from_operands() {
    make_set a
    make_set b
    make_set c
    for name in a b c; do later $name 1; done
    b=$(key_ids b)
    quiet env STEK_NAMES=b "$STEK" rotate a c # operands beat the environment
    whole_set a
    whole_set c
    equal b "$(key_ids b)" "$b"
}
test_names_from_the_environment() {
    make_set c
    later c 1
    c=$(key_ids c)
    quiet env STEK_NAMES="  a
	b-1.example_X " "$STEK" rotate
    whole_set a
    whole_set b-1.example_X
    equal c "$(key_ids c)" "$c"
}
test_names_from_the_directory() {
    make_set a
    make_set example.com
    make_set a.1
    for name in a example.com a.1; do later $name 1; done
    quiet env STEK_NAMES= "$STEK" rotate
    for name in a example.com a.1; do whole_set $name; done
    equal "number of files" "$(find "$DIR" -type f | wc -l)" 12
}
test_names_nowhere() {
    refuses 1 stek rotate
    err_has 'hint: '
    refuses 1 env STEK_NAMES=' ' "$STEK" rotate
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
}
test_longest_name() {
    name=$(printf '%0200d' 0)
    quiet stek rotate "$name"
    whole_set "$name"
    later "$name" 1
    quiet stek rotate
    whole_set "$name"
}
test_bad_names() { # usage is checked before the first key is touched
    make_set a
    later a 1
    before=$(state)
    for name in a/b ../a / .a . .. '' 'a b' 'a
' 'a*' 'a;b' "$(printf '%0201d' 0)"; do
        refuses 100 stek rotate a "$name"
        equal state "$(state)" "$before"
    done
    for name in a/b .a; do
        refuses 100 env "STEK_NAMES=a $name" "$STEK" rotate
        err_has STEK_NAMES
        equal state "$(state)" "$before"
    done
}
test_other_files_are_no_slots() {
    make_set a
    for f in readme a.key a.x.key a.01.key a.1.key~ a.1.keys .a.1.key a.-1.key a.1000.key 1.key; do
        echo x >"$DIR/$f"
    done
    later a 1
    for f in a.key a.x.key a.01.key a.-1.key a.1000.key; do echo x >"$DIR/$f"; done
    before
    quiet stek rotate
    keys_are new 0 1 2
    for f in readme a.key a.x.key a.01.key a.1.key~ a.1.keys .a.1.key a.-1.key a.1000.key 1.key; do
        equal "$f" "$(cat "$DIR/$f")" x
    done
    equal "number of files" "$(find "$DIR" -type f | wc -l)" 14
}

# Options and environment.
test_period() {
    for period in 12h 30m 1d 90s 7d 5 3600; do
        rm -f "$DIR"/*
        quiet stek rotate --period "$period" a
        case $period in 12h) s=43200 ;; 30m) s=1800 ;; 1d) s=86400 ;; 90s) s=90 ;; 7d) s=604800 ;; *) s=$period ;; esac
        m=$(stat -c %Y "$DIR/a.0.key")
        equal "start of next, modulo $period" $((m % s)) 0
        equal "slot 2 to slot 0" $((m - $(stat -c %Y "$DIR/a.2.key"))) $((2 * s))
    done
    rm -f "$DIR"/*
    quiet env STEK_PERIOD=1h "$STEK" rotate a
    equal "slot 1 to slot 0" $(($(stat -c %Y "$DIR/a.0.key") - $(stat -c %Y "$DIR/a.1.key"))) 3600
    rm -f "$DIR"/*
    quiet env STEK_PERIOD=1h "$STEK" rotate -p2h a
    equal "option beats environment" $(($(stat -c %Y "$DIR/a.0.key") - $(stat -c %Y "$DIR/a.1.key"))) 7200
}
test_period_changes() { # the key that encrypts and the one that is known as next stay, and then it is quiet
    for period in 1h 1d 7d 6h; do
        rm -f "$DIR"/*
        make_set a
        before
        ok stek rotate -p $period a
        for slot in 1 2; do
            key=$(nth $slot $was)
            case " $(key_ids a) " in *" $key "*) ;; *) fail "12h to $period: the key of slot $((slot - 1)) is lost" ;; esac
        done
        equal "different keys" "$(key_ids a | tr ' ' '\n' | sort -u | wc -l)" 4
        before=$(state)
        quiet stek rotate -p $period a
        equal "state after another run with $period" "$(state)" "$before"
    done
}
test_wrong_values() {
    for v in 0 8d 168h1 1w h -1 1.5h '' ' ' 12H 99999999999999999999 99999999999999999d; do
        refuses 100 stek rotate "--period=$v" a
    done
    for v in 0 1 101 -3 x '' 3.0 99999999999999999999; do refuses 100 stek rotate "--slots=$v" a; done
    for v in 0 64 80.0 x ''; do refuses 100 stek rotate "--size=$v" a; done
    for v in PERIOD=8d SLOTS=1 SIZE=64; do
        refuses 100 env "STEK_$v" "$STEK" rotate a
        err_has "STEK_${v%%=*}"
    done
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
}
test_missing_directory() {
    rmdir "$DIR"
    refuses 111 stek rotate a
    err_has "$DIR"
    err_has 'No such file or directory'
    isnt -e "$DIR"
    refuses 111 stek rotate --dry-run a
    isnt -e "$DIR"
}
test_directory_is_a_file() {
    echo x >file
    refuses 1 stek rotate -d file a
    equal content "$(cat file)" x
}

# K2, K3: at once.
test_eight_at_once() {
    stek rotate a
    old=$(key_ids a)
    (
        copies=0
        while [ ! -e stop ] && [ -d "$T" ]; do
            for slot in 0 1 2 3; do
                cat "$DIR/a.$slot.key" >"copy$slot" 2>>missing || echo "slot $slot" >>missing
            done
            equal "sizes of what a reader copied" "$(stat -c %s copy0 copy1 copy2 copy3 | tr '\n' ' ')" "80 80 80 80 "
            copies=$((copies + 1))
        done
        echo $copies >copies
    ) &
    until_ok test -e copy3
    for i in 1 2 3 4 5 6 7 8; do
        (rc=0; "$STEK" rotate --force a 2>"err$i" || rc=$?; echo $rc >"rc$i") &
    done
    all_ended() { [ "$(cat rc? 2>/dev/null | wc -l)" = 8 ]; }
    until_ok all_ended
    : >stop
    wait
    equal "exit statuses" "$(cat rc? | tr '\n' ' ')" "0 0 0 0 0 0 0 0 "
    isnt -s missing
    is -s copies
    whole_set a
    for key in $old; do
        case " $(key_ids a) " in *" $key "*) fail "eight rotations left a key of the first set" ;; esac
    done
    equal leftovers "$(find "$DIR" -name '.stek-*' | wc -l)" 0
}
test_due_at_once_is_once() {
    make_set a
    before
    later a 1
    for i in 1 2 3 4 5 6 7 8; do
        (rc=0; "$STEK" rotate a 2>/dev/null || rc=$?; echo $rc >"rc$i") &
    done
    wait
    equal "exit statuses" "$(cat rc? | tr '\n' ' ')" "0 0 0 0 0 0 0 0 "
    keys_are new 0 1 2
    whole_set a
}
test_killed_anywhere() { # K2, K3: here after a sample of calls, all of them elsewhere
    needs strace
    make_set a
    later a 1
    before
    mkdir saved
    cp -p "$DIR"/* saved
    for point in linkat:1 renameat:1 linkat:2 renameat:3 linkat:4 write:1 renameat:4 unlinkat:1; do
        find "$DIR" -mindepth 1 -delete
        cp -p saved/* "$DIR"
        ! strace -o trace -e "inject=${point%:*}:signal=KILL:when=${point#*:}" "$STEK" rotate a 2>err || fail "not killed at $point"
        equal "whole slots when killed at $point" "$(find "$DIR" -name 'a.[0-3].key' -size 80c | wc -l)" 4
        quiet stek rotate a
        keys_are new 0 1 2
        whole_set a
        equal "leftovers after the next run" "$(find "$DIR" -name '.stek-*' | wc -l)" 0
    done
}

test_known_to_a_server_that_cannot_be_told() { # rubbish in the pid file: keys are made, and none is promoted (K4)
    echo rubbish >pid
    exits 1 stek rotate --known-to nginx --pid-file pid a
    whole_set a
    later a 1
    current=$(key_id a.1)
    exits 1 stek rotate --known-to nginx --pid-file pid a
    err_has 'no process id'
    equal "current key" "$(key_id a.1)" "$current"
    quiet stek rotate --known-to nginx --pid-file none a
    [ "$(key_id a.1)" != "$current" ] || fail "without a server there is nobody to wait for"
}
run_tests "$@"
