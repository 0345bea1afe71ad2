#!/bin/sh
# permissions: modes, owners, groups, links, leftovers (K7, K8)
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

modes() { stat -c %a "$DIR"/"$1".?.key | sort -u | tr '\n' ' '; }

test_modes() { # K7
    stek rotate a
    equal "modes of the keys" "$(modes a)" "600 "
    equal "mode of the directory" "$(stat -c %a "$DIR")" 700
    stek rotate --force a
    equal "modes of the keys" "$(modes a)" "600 "
    equal "mode of the directory" "$(stat -c %a "$DIR")" 700
}
test_umask_does_not_matter() {
    for mask in 000 027 077 777; do
        (umask $mask; stek rotate "m$mask"; stek rotate --force "m$mask")
        equal "modes under umask $mask" "$(modes "m$mask")" "600 "
        (umask $mask; stek rotate -g "$(id -g)" "g$mask")
        equal "modes under umask $mask with a group" "$(modes "g$mask")" "640 "
    done
}
test_group() {
    needs_root
    chmod 750 "$DIR"
    chgrp daemon "$DIR"
    quiet stek rotate -g daemon a
    equal "modes and group" "$(stat -c '%a %G' "$DIR"/a.?.key | sort -u)" "640 daemon"
    quiet stek rotate -g1 --force a
    equal "modes and group" "$(stat -c '%a %g' "$DIR"/a.?.key | sort -u)" "640 1"
    quiet env STEK_GROUP=daemon "$STEK" rotate b
    equal "modes and group" "$(stat -c '%a %G' "$DIR"/b.?.key | sort -u)" "640 daemon"
    quiet env STEK_GROUP=daemon "$STEK" rotate -g "$(id -g nobody)" c
    equal "modes and group" "$(stat -c '%a %g' "$DIR"/c.?.key | sort -u)" "640 $(id -g nobody)"
    # what the group is for: a worker reads the keys, and others do not
    ! as_nobody cat "$DIR/a.1.key" >/dev/null 2>&1 || fail "others can read a key"
    chgrp daemon "$DIR"/a.?.key
    setpriv --reuid=nobody --regid=daemon --clear-groups cat "$DIR/a.1.key" >seen
    same seen "$DIR/a.1.key"
}
test_unknown_group() {
    for group in no-such-group -1 99999999999; do
        refuses 1 stek rotate "--group=$group" a
        refuses 1 env "STEK_GROUP=$group" "$STEK" rotate a
        equal "names in the directory" "$(find "$DIR" | wc -l)" 1
    done
}
test_new_files_before_they_have_content() {
    needs_root # as anyone else strace(1) sees nothing of a process that is not dumpable (K5)
    needs strace
    strace -o trace -e trace=openat "$STEK" rotate a
    equal "files made" "$(grep -c O_CREAT trace)" 4
    equal "of them with all flags" "$(grep O_CREAT trace | grep '"\.stek-' | grep O_EXCL | grep O_NOFOLLOW | grep O_CLOEXEC | grep -c ', 0600)')" 4
    ! grep -E 'openat\(AT_FDCWD, "[^"]*\.key"' trace >/dev/null || fail "a key is opened by path, not relative to the directory"
}

# Without privileges.
test_not_root() { # root is not needed where the directory is one's own
    needs_root
    chown nobody "$DIR"
    run as_nobody stek rotate a
    equal "exit status" "$rc" 0
    isnt -s "$T/err"
    equal "owner and mode" "$(stat -c '%U %a' "$DIR"/a.?.key | sort -u)" "nobody 600"
    as_nobody stek shift a
    as_nobody stek genkey | as_nobody stek install a
    equal "keys of slots" "$(key_ids a | tr ' ' '\n' | sort -u | wc -l)" 4
}
test_read_only_keys_of_an_unprivileged_owner() { # K8: a key of mode 0400 is wiped too when its time has come
    needs_root
    make_set a
    chmod 400 "$DIR"/a.?.key
    later a 1
    ln "$DIR/a.3.key" side
    cp side copy
    chown -R nobody "$DIR"
    run as_nobody stek rotate a
    equal "exit status of rotate" "$rc" 0
    differ side copy
    make_key k
    as_nobody stek install -m 400 a <k
    make_key k
    as_nobody stek install -m 400 a <k
    same k "$DIR/a.0.key"
    as_nobody stek shift a
    equal "leftovers" "$(find "$DIR" -name '.stek-*' | wc -l)" 0
}
test_not_allowed() {
    stek rotate a
    before=$(state)
    for words in 'rotate a' 'rotate --force a' 'shift a' 'list a' 'lock true'; do
        # shellcheck disable=SC2086
        run as_nobody stek $words
        equal "exit status of $words" "$rc" 111
        err_has 'Permission denied'
        equal state "$(state)" "$before"
    done
}
test_read_only_permission() {
    make_set a
    later a 1
    needs_root
    chown -R nobody "$DIR"
    chmod 500 "$DIR"
    before=$(state)
    run as_nobody stek rotate a
    equal "exit status" "$rc" 111
    err_has 'Permission denied'
    equal state "$(state)" "$before"
}

# The directory.
test_directory_that_others_may_write() { # they could swap keys
    for mode in 777 1777 770 720 702; do
        chmod $mode "$DIR"
        make_key k
        for words in 'rotate a' 'install a'; do
            # shellcheck disable=SC2086
            refuses 1 stek $words <k
            err_has "$DIR"
        done
        equal "names in the directory" "$(find "$DIR" | wc -l)" 1
        equal "mode" "$(stat -c %a "$DIR")" $mode
    done
}
test_directory_of_somebody_else() { # who owns it can swap keys
    needs_root
    chown nobody "$DIR"
    refuses 1 stek rotate a
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
}
test_symlinked_directory() {
    mkdir -m 700 real
    ln -s real link
    refuses 1 stek rotate -d "$T/link" a
    err_has "$T/link"
    equal "names behind the link" "$(find real | wc -l)" 1
}

# The files.
test_key_of_a_foreign_owner() { # who owns the file knows the key, or can change it: it never becomes current
    needs_root
    make_set a
    later a 1
    chown nobody "$DIR/a.0.key"
    foreign=$(key_id a.0)
    current=$(key_id a.1)
    refuses 1 stek rotate a
    err_has a.0.key
    equal "slots 0 and 1" "$(key_id a.0) $(key_id a.1)" "$foreign $current"
}
test_shift_of_a_foreign_key() {
    needs_root
    make_set a
    chown nobody "$DIR/a.0.key"
    before=$(state)
    refuses 1 stek shift a
    equal state "$(state)" "$before"
}
test_owner_that_was_given() { # install -o, and the rotations after it
    needs_root
    for slot in 3 2 1 0; do
        stek genkey | ok stek install -o nobody a --slot $slot
    done
    later a 1
    quiet stek rotate a
    quiet stek rotate --force a
    equal owners "$(stat -c %U "$DIR"/a.?.key | sort | uniq -c | tr -s ' ')" " 4 nobody"
}
test_link_to_another_set() { # K3 before K8: what another set still uses is not destroyed with the key that expired here
    make_set a
    make_set b
    ln -f "$DIR/a.3.key" "$DIR/b.1.key"
    current=$(key_id b.1)
    later a 1
    quiet stek rotate a
    equal "the other set's current key" "$(key_id b.1)" "$current"
    isnt -e "$DIR/.stek-old"
}
test_readable_key_is_closed() { # modes that are too wide
    make_set a
    chmod 644 "$DIR/a.2.key"
    run stek rotate a
    case $(stat -c %a "$DIR/a.2.key") in
    600 | 640) ;;
    *) fail "the key can still be read by others" ;;
    esac
}
test_expired_key_with_a_link() { # K8: a hard link on the side, or an open descriptor, has no key any more
    make_set a
    later a 1
    ln "$DIR/a.3.key" side
    cp side copy
    exec 5<"$DIR/a.3.key"
    ok stek rotate a
    cat <&5 >seen
    exec 5<&-
    differ side copy
    differ seen copy
}
test_living_keys_with_links() { # K3: those that moved on are not wiped
    make_set a
    later a 1
    for slot in 0 1 2; do ln "$DIR/a.$slot.key" "side$slot"; cp "side$slot" "copy$slot"; done
    ok stek rotate a
    for slot in 0 1 2; do
        same "side$slot" "copy$slot"
        same "$DIR/a.$((slot + 1)).key" "copy$slot"
    done
}
test_expired_link_is_not_followed() { # K7: wiping through a symbolic link would destroy somebody's file
    make_key precious
    cp precious copy
    make_set a
    later a 1
    ln -sf "$T/precious" "$DIR/a.3.key"
    refuses 1 stek rotate a
    same precious copy
    is -h "$DIR/a.3.key"
}
test_two_names_of_one_file() { # a hard link between two NAMEs (K6): every slot stays whole (K2)
    make_set a
    make_set b
    later a 1
    ln -f "$DIR/a.3.key" "$DIR/b.1.key"
    run stek rotate a b
    case $rc in 0 | 1) ;; *) fail "got exit status $rc" ;; esac
    equal "whole slots" "$(find "$DIR" -name '[ab].[0-3].key' -type f -size 80c | wc -l)" 8
}
test_leftovers_are_swept() { # K8: what a killed run left is wiped and gone
    make_set a
    later a 1
    for f in .stek-1 .stek-abcdef .stek-tmp.99; do
        make_key "$DIR/$f"
        ln "$DIR/$f" "side$f"
        cp "side$f" "copy$f"
    done
    make_key "$DIR/.other"
    ok stek rotate a
    equal "leftovers" "$(find "$DIR" -name '.stek-*' | wc -l)" 0
    is -f "$DIR/.other"
    for f in .stek-1 .stek-abcdef .stek-tmp.99; do differ "side$f" "copy$f"; done
    whole_set a
}
test_leftover_that_is_a_link() { # of a key that lives: taken away, not wiped
    make_set a
    ln "$DIR/a.1.key" "$DIR/.stek-link"
    ln -s "$T/precious" "$DIR/.stek-symlink"
    make_key precious
    cp precious copy
    cp "$DIR/a.1.key" copy1
    stek rotate --force a
    same precious copy
    same "$DIR/a.2.key" copy1
    equal "leftovers" "$(find "$DIR" -name '.stek-*' | wc -l)" 0
}
test_leftover_of_shift_and_install() {
    for words in 'shift a' 'install a'; do
        make_set a
        make_key "$DIR/.stek-x"
        make_key k
        # shellcheck disable=SC2086
        stek $words <k
        equal "leftovers after $words" "$(find "$DIR" -name '.stek-*' | wc -l)" 0
    done
}
test_leftover_that_is_a_directory() { # cannot be stek's: no reason to fail
    make_set a
    later a 1
    mkdir "$DIR/.stek-directory"
    ok stek rotate a
    whole_set a
}
test_special_files_in_the_directory() {
    make_set a
    later a 1
    mkfifo "$DIR/.stek-fifo" "$DIR/b.1.key.fifo"
    mkdir "$DIR/sub"
    ln -s /dev/zero "$DIR/zero"
    ok timeout 20 "$STEK" rotate
    whole_set a
}

test_link_with_a_slash_at_the_end() { # K7
    make_set a
    ln -s "$DIR" link
    for way in link link/ link/. ./link//; do
        refuses 1 stek list -d "$way"
    done
}
run_tests "$@"
