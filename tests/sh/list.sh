#!/bin/sh
# list: one line per slot, for people, scripts and JSON readers
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

key_name() { od -An -v -tx1 -N16 "$DIR/$1.key" | tr -d ' \n'; }
# cells N...: those columns of the last output
cells() { cut -f "$1" "$T/out" | tr '\t\n' '  '; }

test_tabs_without_header() {
    make_set a
    ok stek list a
    isnt -s "$T/err"
    equal "NAME and slot" "$(cells 1,2)" "a 0 a 1 a 2 a 3 "
    equal roles "$(cells 3)" "next current previous previous "
    equal "key names" "$(cells 4)" "$(key_name a.0) $(key_name a.1) $(key_name a.2) $(key_name a.3) "
    equal sizes "$(cells 6)" "80 80 80 80 "
    equal "lines of six cells" "$(grep -c "^a	[0-9]	[a-z]*	[0-9a-f]\{32\}	-\{0,1\}[0-9]*	80\$" "$T/out")" 4
}
test_age() {
    make_set a
    ok stek list a
    # shellcheck disable=SC2046
    set -- $(cells 5)
    equal "number of ages" $# 4
    age=$(($(date +%s) - START))
    for at in $((age - PERIOD)) $age $((age + PERIOD)) $((age + 2 * PERIOD)); do
        off=$(($1 - at))
        [ "${off#-}" -le 20 ] || fail "age: expected about $at, got $1"
        shift
    done
}
test_all_names_in_order() {
    make_set b
    make_set a 3 48
    make_set a.1
    ok stek list
    equal "NAME and slot" "$(cells 1,2)" "a 0 a 1 a 2 a 3 a.1 0 a.1 1 a.1 2 a.1 3 b 0 b 1 b 2 b 3 "
    equal sizes "$(cells 6)" "48 48 48 48 80 80 80 80 80 80 80 80 "
    ok env STEK_NAMES=b "$STEK" list
    equal "NAME and slot" "$(cells 1,2)" "b 0 b 1 b 2 b 3 "
    ok env STEK_NAMES=a "$STEK" list b
    equal "NAME and slot" "$(cells 1,2)" "b 0 b 1 b 2 b 3 "
}
test_ten_slots_in_order() {
    make_set a 11
    ok stek list a
    equal slots "$(cells 2)" "0 1 2 3 4 5 6 7 8 9 10 11 "
}
test_secret_parts_stay_secret() { # K5: of a key only its name is ever printed
    make_set a
    for o in '' --json -v '--json -v'; do
        # shellcheck disable=SC2086
        ok stek list $o a
        is -s "$T/out"
        for slot in 0 1 2 3; do
            part=$(od -An -v -tx1 -j16 -N8 "$DIR/a.$slot.key" | tr -d ' \n')
            ! grep -i "$part" "$T/out" "$T/err" >/dev/null || fail "key bytes in the output of list $o"
        done
    done
}
test_changes_nothing() {
    make_set a
    later a 3
    before=$(state)
    ok stek list
    ok stek list --json
    is -s "$T/out"
    equal state "$(state)" "$before"
}

test_terminal() {
    needs script
    make_set a
    rc=0
    script -qec "'$STEK' list" /dev/null </dev/null 2>&1 | tr -d '\r' >typed || rc=$?
    equal "lines" "$(wc -l <typed)" 5
    equal header "$(head -n 1 typed | tr -s ' ' | sed 's/ $//')" "NAME SLOT ROLE KEYNAME AGE SIZE"
    ! grep '	' typed >/dev/null || fail "expected no tabs on a terminal"
    # aligned: each column begins where its title does
    at=$(head -n 1 typed | sed 's/ROLE.*//' | tr -d '\n' | wc -c)
    equal roles "$(tail -n +2 typed | cut -c $((at + 1))- | cut -d ' ' -f 1 | tr '\n' ' ')" "next current previous previous "
    at=$(head -n 1 typed | sed 's/KEYNAME.*//' | tr -d '\n' | wc -c)
    equal "key names" "$(tail -n +2 typed | cut -c $((at + 1))-$((at + 32)) | tr '\n' ' ')" \
        "$(key_name a.0) $(key_name a.1) $(key_name a.2) $(key_name a.3) "
}
test_terminal_of_long_names() {
    needs script
    make_set a-rather-long-name.of-a-server.example.com
    make_set b
    script -qec "'$STEK' list" /dev/null </dev/null 2>&1 | tr -d '\r' >typed
    at=$(head -n 1 typed | sed 's/ROLE.*//' | tr -d '\n' | wc -c)
    equal roles "$(tail -n +2 typed | cut -c $((at + 1))- | cut -d ' ' -f 1 | sort -u | tr '\n' ' ')" "current next previous "
}

test_json() {
    make_set a
    make_set b.example 3 48
    ok stek list --json
    isnt -s "$T/err"
    tr -d '\n' <"$T/out" | sed 's/^ *\[ *//; s/ *\] *$//; s/} *, *{/}\
{/g' >objects
    echo >>objects
    object='^{"name": *"[a-z.]*", *"slot": *[0-9], *"role": *"[a-z]*", *"key_name": *"[0-9a-f]\{32\}", *"age": *-\{0,1\}[0-9][0-9]*, *"size": *[48][80], *"path": *"/[^"]*"}$'
    equal "well-formed objects" "$(grep -c "$object" objects)" 8
    equal "objects" "$(grep -c . objects)" 8
    sed 's/.*"key_name": *"\([^"]*\)".*/\1/' objects >names
    sed 's/.*"path": *"\([^"]*\)".*/\1/' objects >paths
    equal "current key" "$(sed -n 2p names)" "$(key_name a.1)"
    equal paths "$(head -n 4 paths | tr '\n' ' ')" \
        "$DIR/a.0.key $DIR/a.1.key $DIR/a.2.key $DIR/a.3.key "
    equal "begins and ends" "$(head -c 1 "$T/out")$(tail -c 2 "$T/out")" "[]"
    ok stek list --json b.example
    equal "objects" "$(tr , '\n' <"$T/out" | grep -c '"slot"')" 4
}
test_json_is_read_by_others() {
    make_set a
    odd="$T/a \"quoted\" \\ name"
    mkdir -m 700 "$odd"
    cp -p "$DIR"/* "$odd"
    stek list --json -d "$odd" >json
    if command -v python3 >/dev/null; then
        python3 -c 'import json; print(json.load(open("json"))[1]["path"])' >path
    elif command -v jq >/dev/null; then
        jq -r '.[1].path' json >path
    else
        skip "no python3, no jq"
    fi
    equal path "$(cat path)" "$odd/a.1.key"
}

# What is not in order is said on stderr, and the rest is still listed.
said_of() { # SLOT
    equal "exit status" "$rc" 1
    err_has "a.$1.key"
    grep -v '^stek list: [^A-Z]' "$T/err" && fail "message not worded as the others are"
    equal "lines for the other NAME" "$(grep -c '^b	' "$T/out")" 4
}
test_missing_slots() {
    make_set b
    for slot in 0 1 2; do
        make_set a
        rm "$DIR/a.$slot.key"
        run stek list
        said_of $slot
    done
    make_set a
    rm "$DIR/a.3.key" # the last slot: there should be three
    run stek list
    said_of 3
}
test_broken_slots() {
    make_set b
    for size in 0 47 79 81; do
        make_set a
        head -c $size /dev/urandom >"$DIR/a.2.key"
        run stek list
        said_of 2
        run stek list --json
        equal "exit status" "$rc" 1
    done
    make_set a
    rm "$DIR/a.2.key"
    mkfifo "$DIR/a.2.key"
    run timeout 20 "$STEK" list
    said_of 2
    rm "$DIR/a.2.key"
    ln -s "$DIR/b.2.key" "$DIR/a.2.key" # K7
    run stek list
    said_of 2
    rm "$DIR/a.2.key"
    mkdir "$DIR/a.2.key"
    run stek list
    said_of 2
}
test_unknown_name() {
    make_set a
    refuses 1 stek list b
    run stek list a b
    equal "exit status" "$rc" 1
    equal "NAME" "$(cells 1)" "a a a a "
    err_has b
}
test_empty_directory() {
    run stek list
    isnt -s "$T/out"
    run stek list --json
    equal "json without whitespace" "$(tr -d ' \n' <"$T/out")" "[]"
}
test_missing_directory() {
    rmdir "$DIR"
    refuses 111 stek list
    err_has 'No such file or directory'
}
test_other_files_are_no_slots() {
    make_set a
    for f in readme a.key a.x.key a.01.key .a.1.key .stek-x 1.key; do echo x >"$DIR/$f"; done
    ok stek list
    equal "NAME and slot" "$(cells 1,2)" "a 0 a 1 a 2 a 3 "
}
test_wrong_usage() {
    for name in a/b .a '' 'a b'; do refuses 100 stek list "$name"; done
    refuses 100 stek list --xml
    refuses 100 stek list --json=yes
}
test_not_readable() {
    needs_root
    make_set a
    refuses 111 as_nobody stek list
    err_has 'Permission denied'
}
test_output_fails() {
    make_set a
    for o in '' --json; do
        rc=0
        "$STEK" list $o >/dev/full 2>err || rc=$?
        equal "exit status with stdout full" "$rc" 111
        grep 'No space left on device' err >/dev/null || fail "errno is not said"
        rc=0
        "$STEK" list $o >&- 2>err || rc=$?
        equal "exit status with stdout closed" "$rc" 111
    done
}
test_read_by_a_shell_loop() {
    make_set a
    tab=$(printf '\t')
    stek list a | while IFS=$tab read -r name slot role id age size; do
        [ "$name $slot $size" != 'a 1 80' ] || echo "$role $id" >found
        [ -n "$age" ] || fail "expected an age"
    done
    equal found "$(cat found)" "current $(key_name a.1)"
}

run_tests "$@"
