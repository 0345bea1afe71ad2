#!/bin/sh
# shift: every slot one older, without a clock; again after it broke anywhere (K2, K3, K8)
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

inode() { stat -c %i "$DIR/$1.key"; }

test_moves() {
    make_set a
    # shellcheck disable=SC2046
    set -- $(key_ids a)
    quiet stek shift a
    equal "keys in slots 0 to 3" "$(key_ids a)" "$1 $1 $2 $3"
    equal "number of files" "$(find "$DIR" -type f | wc -l)" 4
}
test_verbose_says_so() {
    make_set a
    ok stek shift -v a
    isnt -s "$T/out"
    err_has 'stek shift: '
    before=$(state)
    ok stek shift -v a
    is -s "$T/err"
    equal "state after a shift that had nothing to do" "$(state)" "$before"
}
test_twice_is_once() { # K3: two adjacent slots that share an inode: the install never came
    make_set a
    stek shift a
    equal "inode of slots 0 and 1" "$(inode a.0)" "$(inode a.1)"
    before=$(state)
    quiet stek shift a
    equal state "$(state)" "$before"
    quiet stek shift a
    equal state "$(state)" "$before"
}
test_again_after_install() {
    make_set a
    # shellcheck disable=SC2046
    set -- $(key_ids a)
    turn() { stek shift a && stek genkey | stek install a; }
    turn
    turn
    turn
    equal "first keys still there" "$(key_ids a | tr ' ' '\n' | grep -c -e "$1" -e "$2" -e "$3" -e "$4")" 1
    equal "slot 3" "$(key_id a.3)" "$1"
    equal "different keys" "$(key_ids a | tr ' ' '\n' | sort -u | wc -l)" 4
}
test_finishes_what_was_begun() { # K3: broken after each single step, the next run ends where an undisturbed one does
    for broken in 1 2 3; do
        rm -f "$DIR"/*
        make_set a
        # shellcheck disable=SC2046
        set -- $(key_ids a)
        ln -f "$DIR/a.2.key" "$DIR/x" && mv "$DIR/x" "$DIR/a.3.key"
        [ $broken = 1 ] || { ln -f "$DIR/a.1.key" "$DIR/x" && mv "$DIR/x" "$DIR/a.2.key"; }
        [ $broken != 3 ] || { ln -f "$DIR/a.0.key" "$DIR/x" && mv "$DIR/x" "$DIR/a.1.key"; }
        quiet stek shift a
        equal "keys after a shift broken at step $broken" "$(key_ids a)" "$1 $1 $2 $3"
    done
}
test_killed_anywhere() { # K2, K3
    needs strace
    make_set a
    mkdir saved
    cp -p "$DIR"/* saved
    # shellcheck disable=SC2046
    set -- $(key_ids a)
    for point in linkat:1 renameat:1 unlinkat:1 linkat:2 renameat:2 linkat:3 renameat:3 linkat:4; do
        find "$DIR" -mindepth 1 -delete
        cp -p saved/* "$DIR"
        ! strace -o trace -e "inject=${point%:*}:signal=KILL:when=${point#*:}" "$STEK" shift a 2>err || fail "not killed at $point"
        equal "whole slots when killed at $point" "$(find "$DIR" -name 'a.[0-3].key' -size 80c | wc -l)" 4
        for key in "$1" "$2" "$3"; do
            case " $(key_ids a) " in *" $key "*) ;; *) fail "lost a key that should still decrypt, killed at $point" ;; esac
        done
        quiet stek shift a
        equal "keys after the next run" "$(key_ids a)" "$1 $1 $2 $3"
        equal "leftovers" "$(find "$DIR" -name '.stek-*' | wc -l)" 0
    done
}
test_expired_key_is_wiped() { # K8
    make_set a
    cp -p "$DIR/a.3.key" copy
    ln "$DIR/a.3.key" side
    stek shift a
    differ side copy
}
test_moved_keys_are_not_wiped() { # K3: what left slot 2 lives on in slot 3
    make_set a
    cp -p "$DIR/a.2.key" copy
    ln "$DIR/a.2.key" side
    stek shift a
    same side copy
    same "$DIR/a.3.key" copy
}
test_slots() {
    make_set a 5
    # shellcheck disable=SC2046
    set -- $(key_ids a 5)
    quiet stek shift -n5 a
    equal "keys with five slots" "$(key_ids a 5)" "$1 $1 $2 $3 $4 $5"
    make_set b 2
    # shellcheck disable=SC2046
    set -- $(key_ids b 2)
    quiet stek shift --slots=2 b
    equal "keys with two slots" "$(key_ids b 2)" "$1 $1 $2"
    isnt -e "$DIR/b.3.key"
}
test_young_set_grows() {
    make_key "$DIR/a.0.key"
    make_key "$DIR/a.1.key"
    # shellcheck disable=SC2046
    set -- $(key_ids a 1)
    quiet stek shift a
    equal keys "$(key_ids a)" "$1 $1 $2 -"
}
test_short_keys_move_too() {
    make_set a 3 48
    # shellcheck disable=SC2046
    set -- $(key_ids a)
    quiet stek shift a
    equal keys "$(key_ids a)" "$1 $1 $2 $3"
}
test_several_names() {
    make_set a
    make_set b
    make_set c
    a=$(key_ids a)
    b=$(key_id b.0)
    c=$(key_id c.0)
    quiet stek shift b c
    equal "a" "$(key_ids a)" "$a"
    equal "b" "$(key_id b.1)" "$b"
    equal "c" "$(key_id c.1)" "$c"
}
test_names_from_elsewhere() {
    make_set a
    make_set b
    a=$(key_id a.0)
    b=$(key_id b.0)
    quiet env STEK_NAMES=a "$STEK" shift
    equal "a from the environment" "$(key_id a.1)" "$a"
    differ "$DIR/b.0.key" "$DIR/b.1.key"
    quiet stek shift
    equal "b from the directory" "$(key_id b.1)" "$b"
}
test_no_keys() {
    refuses 1 stek shift a
    err_has "no keys of a in $DIR"
    err_has 'hint: '
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
    refuses 1 stek shift
}
test_missing_directory() {
    rmdir "$DIR"
    refuses 111 stek shift a
    err_has 'No such file or directory'
    isnt -e "$DIR"
}
test_wrong_usage() {
    make_set a
    before=$(state)
    for name in a/b ../a .a '' 'a b' "$(printf '%0201d' 0)"; do
        refuses 100 stek shift a "$name"
        equal state "$(state)" "$before"
    done
    refuses 100 stek shift -n1 a
    refuses 100 stek shift --slots 101 a
    refuses 100 stek shift --force a
    equal state "$(state)" "$before"
}
test_other_files_stay() {
    make_set a
    echo x >"$DIR/a.key"
    echo x >"$DIR/readme"
    echo x >"$DIR/a.x.key"
    echo x >"$DIR/a.01.key"
    stek shift a
    equal "inode of slots 0 and 1" "$(inode a.0)" "$(inode a.1)"
    for f in a.key readme a.x.key a.01.key; do equal "$f" "$(cat "$DIR/$f")" x; done
}

run_tests "$@"
