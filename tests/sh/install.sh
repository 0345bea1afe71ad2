#!/bin/sh
# install: a key from standard input into a slot, or not at all (K1, K2, K6, K7, K8)
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

# unchanged: the set of a is as it was when $before was taken, and no file was left behind
unchanged() { equal "state after a refusal" "$(state)" "$before"; }
# rejects FILE: the bytes in FILE are refused and the directory stays as it is
rejects() {
    before=$(state)
    refuses 1 stek install a <"$1"
    unchanged
    refuses 1 stek install new <"$1"
    unchanged
}

test_raw() {
    for size in 80 48; do
        make_key k "$size"
        quiet stek install "n$size" <k
        same k "$DIR/n$size.0.key"
        equal mode "$(stat -c '%F %a' "$DIR/n$size.0.key")" "regular file 600"
    done
    equal "names in the directory" "$(find "$DIR" -type f | wc -l)" 2
}
test_text_forms() {
    for size in 80 48; do
        make_key k "$size"
        base64 -w 0 k >b64
        od -An -v -tx1 k | tr -d ' \n' >hex
        tr a-f A-F <hex >HEX
        for form in b64 hex HEX; do
            rm -f "$DIR"/*
            quiet stek install a <$form
            same k "$DIR/a.0.key"
            (cat $form; echo) >line
            refuses 1 stek install b <line # K6
            rm -f "$DIR"/*
            quiet stek install a <line
            same k "$DIR/a.0.key"
        done
    done
}
test_from_genkey() {
    for o in '' '-s 48' --hex --base64 '--hex -s48' '--base64 -s48'; do
        # shellcheck disable=SC2086
        stek genkey $o | quiet stek install a
    done
    for w in "$DIR"/*; do :; done
    equal "the only file" "$w" "$DIR/a.0.key"
    equal size "$(stat -c %s "$DIR/a.0.key")" 48
}
test_from_a_slow_pipe() { # a key that comes in pieces
    make_key k
    mkfifo pipe
    (head -c 20 k; tail -c +21 k | head -c 1; tail -c +22 k) >pipe &
    quiet stek install a <pipe
    wait
    same k "$DIR/a.0.key"
}
test_slot() {
    make_set a
    for slot in 0 1 2 3; do
        make_key k
        quiet stek install a --slot $slot <k
        same k "$DIR/a.$slot.key"
        make_key k
        quiet stek install --slot=$slot a <k
        same k "$DIR/a.$slot.key"
    done
    before=$(state)
    for slot in -1 x '' 101 1000 99999999999999999999 1.0; do
        make_key k
        refuses 100 stek install a "--slot=$slot" <k
        unchanged
    done
}
test_replaces() {
    make_set a
    others="$(key_id a.1) $(key_id a.2) $(key_id a.3)"
    make_key k
    quiet stek install a <k
    equal "all slots" "$(key_ids a)" "$(sum k) $others"
}

# Every wrong input.
test_wrong_lengths() {
    make_set a
    for length in 0 1 15 16 47 49 79 81 95 96 97 107 109 128 159 161 163 4096 1000000; do
        head -c $length /dev/urandom >k
        rejects k
    done
}
test_trailing_newline() { # what `echo` or an editor adds to a raw key
    make_set a
    for size in 80 48; do
        make_key k $size
        echo >>k
        rejects k
    done
}
test_wrong_text() {
    make_set a
    make_key k
    base64 -w 0 k >good
    base64 k >wrapped # two lines
    rejects wrapped
    (cat good; echo; echo) >k2
    rejects k2
    sed 's/^.../!!!/' good >k2
    rejects k2
    (echo; cat good) >k2
    rejects k2
    od -An -v -tx1 k | tr -d ' \n' | sed 's/.$/g/' >k2
    rejects k2
    od -An -v -tx1 k >k2
    rejects k2
    head -c 64 /dev/urandom | base64 -w 0 >k2
    rejects k2
    head -c 80 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | head -c 158 >k2
    rejects k2
}
test_weak_keys() { # K6
    make_set a
    for size in 80 48; do
        head -c $size /dev/zero >k
        rejects k
        head -c $size /dev/zero | tr '\0' '\377' >k
        rejects k
        head -c $size /dev/zero | tr '\0' a >k
        rejects k
        printf "%0${size}d" 123456789 >k
        rejects k
        printf 'correct horse battery staple, and a good deal more of it to fill up the eighty bytes' | head -c $size >k
        rejects k
        printf '\001\002%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 \
            31 32 33 34 35 36 37 38 39 40 | head -c $size >k
        rejects k
        part=$(((size - 16) / 2))
        # a constant AES or HMAC key, whichever comes first
        (head -c 16 /dev/urandom; head -c $part /dev/zero; head -c $part /dev/urandom) >k
        rejects k
        (head -c $((16 + part)) /dev/urandom; head -c $part /dev/zero) >k
        rejects k
        (head -c $((16 + part)) /dev/urandom; head -c $part /dev/zero | tr '\0' '\252') >k
        rejects k
        # the AES key once more as HMAC key
        head -c $part /dev/urandom >half
        (head -c 16 /dev/urandom; cat half half) >k
        rejects k
        # a constant key name: no two such keys could be told apart
        (head -c 16 /dev/zero; head -c $((2 * part)) /dev/urandom) >k
        rejects k
        head -c $size /dev/zero | base64 -w 0 >k
        rejects k
        head -c $size /dev/zero | od -An -v -tx1 | tr -d ' \n' >k
        rejects k
    done
}
test_endless_input() {
    make_set a
    for source in /dev/zero /dev/urandom; do
        before=$(state)
        refuses 1 timeout 20 "$STEK" install a <$source
        unchanged
    done
    yes | refuses 1 timeout 20 "$STEK" install a
    unchanged
}
test_closed_input() {
    make_set a
    before=$(state)
    rc=0
    "$STEK" install a <&- 2>err || rc=$?
    equal "exit status" "$rc" 111
    is -s err
    unchanged
    refuses 111 stek install a <"$DIR" # a directory cannot be read
    unchanged
}
test_key_of_another_name() { # K6
    make_set a
    make_set b
    for slot in 0 1 2 3; do
        before=$(state)
        refuses 1 stek install a <"$DIR/b.$slot.key"
        err_has b
        unchanged
        refuses 1 stek install new <"$DIR/b.$slot.key"
        unchanged
    done
    base64 "$DIR/b.1.key" | tr -d '\n' >k
    refuses 1 stek install a <k
    unchanged
}
test_key_of_another_slot() {
    make_set a
    before=$(state)
    for slot in 1 2 3; do
        cp "$DIR/a.$slot.key" k
        refuses 1 stek install a <k
        unchanged
    done
}
test_same_key_again() {
    make_key k
    quiet stek install a <k
    quiet stek install a <k
    same k "$DIR/a.0.key"
    equal "names in the directory" "$(find "$DIR" -type f | wc -l)" 1
}

# To a file of its own.
test_to_file() {
    make_key k
    quiet stek install -f "$T/out.key" <k
    same k out.key
    equal mode "$(stat -c '%F %a' out.key)" "regular file 600"
    make_key k2
    quiet stek install -f out.key <k2
    same k2 out.key
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
    equal "leftovers" "$(find . -name '.stek-*' | wc -l)" 0
}
test_to_file_is_atomic() { # K2: an open descriptor still sees the old file, a reader never half a one
    make_key k
    cp k out.key
    make_key k2
    before=$(stat -c %i out.key)
    stek install -f out.key <k2
    same k2 out.key
    equal "replaced by rename" "$([ "$(stat -c %i out.key)" != "$before" ] && echo yes)" yes
}
test_to_disk() { # K1
    disk=$(mktemp -d /var/tmp/stek-test.XXXXXX)
    trap 'rm -rf "$disk"' EXIT
    case $(stat -f -c %T "$disk") in tmpfs | ramfs) skip "/var/tmp is no disk" ;; esac
    make_key k
    refuses 1 stek install -f "$disk/k" <k
    err_has --allow-disk
    refuses 1 stek install -d "$disk" a <k
    err_has --allow-disk
    equal "files on disk" "$(find "$disk" -type f | wc -l)" 0
    quiet stek install --allow-disk -f "$disk/k" <k
    same k "$disk/k"
}
test_wrong_usage() {
    make_key k
    refuses 100 stek install <k
    refuses 100 stek install a b <k
    refuses 100 stek install a -f out.key <k
    refuses 100 stek install -f '' <k
    refuses 100 stek install --slot 1 -f out.key <k
    for name in a/b ../a .a '' 'a b' "$(printf '%0201d' 0)"; do refuses 100 stek install "$name" <k; done
    refuses 100 stek install a -m 9 <k
    refuses 100 stek install a -m rw <k
    refuses 100 stek install a -m '' <k
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
    isnt -e out.key
    # STEK_NAMES is for the applets that take many
    refuses 100 env STEK_NAMES=a "$STEK" install <k
}
test_no_directory() {
    rmdir "$DIR"
    make_key k
    refuses 111 stek install a <k
    isnt -e "$DIR"
}

# Mode, owner, group.
test_mode() { # K7
    make_key k
    quiet stek install a -m 400 <k
    equal mode "$(stat -c %a "$DIR/a.0.key")" 400
    make_key k
    quiet stek install a -m 0640 <k
    equal mode "$(stat -c %a "$DIR/a.0.key")" 640
    make_key k
    (umask 777; stek install b -m600 <k)
    equal "mode under umask 777" "$(stat -c %a "$DIR/b.0.key")" 600
    make_key k
    (umask 0; stek install c <k)
    equal "mode under umask 0" "$(stat -c %a "$DIR/c.0.key")" 600
}
test_group() {
    needs_root
    make_key k
    quiet stek install a -g daemon <k
    equal "mode and group" "$(stat -c '%a %G' "$DIR/a.0.key")" "640 daemon"
    make_key k
    quiet stek install b -g 1 <k
    equal "mode and group" "$(stat -c '%a %g' "$DIR/b.0.key")" "640 1"
    make_key k
    quiet env STEK_GROUP=daemon "$STEK" install c <k
    equal "mode and group" "$(stat -c '%a %G' "$DIR/c.0.key")" "640 daemon"
    make_key k
    quiet env STEK_GROUP=daemon "$STEK" install d -g 0 -m 400 <k
    equal "mode and group" "$(stat -c '%a %g' "$DIR/d.0.key")" "400 0"
}
test_owner() {
    needs_root
    make_key k
    quiet stek install -f k1 -o nobody <k
    equal owner "$(stat -c '%U %a' k1)" "nobody 600"
    quiet stek install -f k2 -o 65534 <k
    equal owner "$(stat -c '%u %a' k2)" "65534 600"
}
test_nobody_known() {
    make_key k
    for o in '-g no-such-group' '-o no-such-user' '-g -5' '-o 99999999999'; do
        # shellcheck disable=SC2086
        refuses 1 stek install a $o <k
        equal "names in the directory" "$(find "$DIR" | wc -l)" 1
    done
}
test_set_before_the_content() { # K7: who may read is settled while the file is still empty
    needs_root
    needs strace
    make_key k
    strace -o trace -e trace=openat,fchmod,fchown,?fchown32,write,pwrite64,renameat,renameat2,rename,linkat "$STEK" install a -g daemon -m 640 <k
    sed -n '/"\.stek-/,$p' trace >after
    grep -n 'O_EXCL' after | grep O_NOFOLLOW | grep O_CLOEXEC | grep -q ', 0600)' || fail "not O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600"
    order=$(sed -n 's/^\(fchown\|fchmod\|write\|pwrite64\|rename\)[a-z0-9]*(.*/\1/p' after | tr '\n' ' ')
    case $order in fchown*fchmod*write*rename* | fchmod*fchown*write*rename*) ;; *) fail "order of calls: $order" ;; esac
}

# What is replaced.
test_replaced_key_is_wiped() { # K8
    make_set a
    cp "$DIR/a.0.key" copy
    ln "$DIR/a.0.key" side
    make_key k
    stek install a <k
    differ side copy
}
test_key_that_moved_on_is_not_wiped() { # K3: after shift slot 1 shares the inode of slot 0
    make_set a
    cp "$DIR/a.0.key" copy
    stek shift a
    make_key k
    stek install a <k
    same "$DIR/a.1.key" copy
    same "$DIR/a.0.key" k
}
test_links_are_not_followed() { # K7
    make_key "$T/precious"
    cp precious copy
    ln -s "$T/precious" "$DIR/a.0.key"
    make_key k
    refuses 1 stek install a <k
    same precious copy
    is -h "$DIR/a.0.key"
    ln -s "$T/precious" link
    refuses 1 stek install -f link <k
    same precious copy
    is -h link
}
test_slot_is_a_directory() {
    mkdir "$DIR/a.0.key"
    make_key k
    refuses 1 stek install a <k
    is -d "$DIR/a.0.key"
    equal "names in the directory" "$(find "$DIR" | wc -l)" 2
}
test_slot_is_a_fifo() { # never waited for
    mkfifo "$DIR/a.0.key"
    make_key k
    refuses 1 timeout 20 "$STEK" install a <k
    is -p "$DIR/a.0.key"
}
test_readers_see_whole_keys() { # K2: never missing, short or empty; K6: never zeros, also while the replaced key is wiped
    make_key k0
    make_key k1
    head -c 16 /dev/zero >zeros
    stek install a <k0
    (
        while [ ! -e stop ] && [ -d "$T" ]; do
            cat "$DIR/a.0.key" >seen 2>>torn || echo missing >>torn
            [ "$(wc -c <seen)" = 80 ] || echo short >>torn
            ! cmp -s -n 16 seen zeros || echo zeros >>torn
        done
    ) &
    i=0
    while [ $i -lt 40 ]; do
        i=$((i + 1))
        stek install a <"k$((i % 2))"
    done
    : >stop
    wait
    isnt -s torn
}

run_tests "$@"
