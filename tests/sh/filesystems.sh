#!/bin/sh
# file systems: tmpfs, ramfs, a full one, a read-only one, disks (K1, K2, K3)
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
private_mounts "$@"

# on TYPE [OPTIONS]: mounts that file system at $DIR
on() {
    needs_mounts
    mount -t "$1" -o "${2:-mode=700}" keys "$DIR"
    chmod 700 "$DIR"
}
# on_ext4: an ext4 of its own at $DIR
on_ext4() {
    needs_mounts
    truncate -s 4m image
    mkfs.ext4 -q image 2>/dev/null || skip "no mkfs.ext4"
    mount -o loop image "$DIR" 2>/dev/null || skip "no loop devices"
    rmdir "$DIR/lost+found"
    chmod 700 "$DIR"
}
# fill: takes all the room that is left on $DIR
fill() {
    dd if=/dev/zero of="$DIR/filler" bs=4096 2>/dev/null || :
    ! { echo x >"$DIR/filler2"; } 2>/dev/null || fail "the file system is not full"
    rm -f "$DIR/filler2"
}
# keeps ID...: those keys are still in some slot of a, and every slot is whole (K2, K3)
keeps() {
    equal "whole slots" "$(find "$DIR" -name 'a.[0-3].key' -type f -size 80c | wc -l)" 4
    for key in "$@"; do
        case " $(key_ids a) " in *" $key "*) ;; *) fail "lost a key that should still decrypt" ;; esac
    done
}
leftovers() { equal "leftovers" "$(find "$DIR" -name '.stek-*' | wc -l)" 0; }
# refused_on_disk: every applet that writes keys says no and leaves nothing, and tells the way out (K1)
refused_on_disk() {
    make_key k
    for words in 'rotate a' 'rotate --force a' 'install a' "install -f $DIR/a.1.key" "genkey -o $DIR/k"; do
        # shellcheck disable=SC2086
        refuses 1 stek $words <k
        err_has 'hint: '
        err_has --allow-disk
        equal "names after $words" "$(find "$DIR" | wc -l)" 1
    done
}

test_tmpfs() {
    on tmpfs
    quiet stek rotate a
    whole_set a
    later a 1
    quiet stek rotate a
    whole_set a
    stek shift a && stek genkey | quiet stek install a
}
test_ramfs() {
    on ramfs
    quiet stek rotate a
    whole_set a
    later a 1
    quiet stek rotate a
    whole_set a
    stek shift a && stek genkey | quiet stek install a
}
test_ext4() {
    on_ext4
    refused_on_disk
    make_set a # keys that are there already stay, and are not touched
    later a 1
    before=$(state)
    for words in 'rotate a' 'shift a' 'rotate'; do
        # shellcheck disable=SC2086
        refuses 1 stek $words
        err_has --allow-disk
        equal state "$(state)" "$before"
    done
}
test_ext4_allowed() {
    on_ext4
    quiet stek rotate --allow-disk a
    whole_set a
    later a 1
    cp -p "$DIR/a.3.key" copy
    ln "$DIR/a.3.key" "$DIR/side"
    set -- "$(key_id a.0)" "$(key_id a.1)" "$(key_id a.2)"
    quiet stek rotate --allow-disk a
    whole_set a
    equal "slots 1 to 3" "$(key_id a.1) $(key_id a.2) $(key_id a.3)" "$*"
    differ "$DIR/side" copy # K8
    quiet stek shift --allow-disk a
    stek genkey | quiet stek install --allow-disk a
    ok stek list --allow-disk
}
test_this_disk() { # whatever the disk of this machine is: ext4, overlay, xfs, btrfs
    disk=$(mktemp -d /var/tmp/stek-test.XXXXXX)
    trap 'rm -rf "$disk"' EXIT
    case $(stat -f -c %T "$disk") in tmpfs | ramfs) skip "/var/tmp is no disk" ;; esac
    DIR=$disk STEK_DIR=$disk
    refused_on_disk
    quiet stek rotate --allow-disk a
    whole_set a
}
test_overlay() { # though its upper layer is a tmpfs
    needs_mounts
    mkdir lower upper own
    mount -t overlay -o "lowerdir=$T/lower,upperdir=$T/upper,workdir=$T/own" overlay "$DIR" 2>/dev/null || skip "no overlay"
    chmod 700 "$DIR"
    refused_on_disk
}
test_link_to_a_disk() { # K1 looks at the directory that was opened, not at the path
    disk=$(mktemp -d /var/tmp/stek-test.XXXXXX)
    trap 'rm -rf "$disk"' EXIT
    case $(stat -f -c %T "$disk") in tmpfs | ramfs) skip "/var/tmp is no disk" ;; esac
    ln -s "$disk" link
    make_key k
    for words in 'rotate a' 'install a'; do
        # shellcheck disable=SC2086
        run stek $words -d "$T/link" <k
        equal "exit status of $words" "$rc" 1
    done
    refuses 1 stek genkey -o "$T/link/k"
    equal "files on disk" "$(find "$disk" -type f | wc -l)" 0
}
test_disk_bound_into_tmpfs() {
    needs_mounts
    disk=$(mktemp -d /var/tmp/stek-test.XXXXXX)
    trap 'umount "$DIR"; rm -rf "$disk"' EXIT
    case $(stat -f -c %T "$disk") in tmpfs | ramfs) skip "/var/tmp is no disk" ;; esac
    chmod 700 "$disk"
    mount --bind "$disk" "$DIR"
    refused_on_disk
}

# A full one. What is there stays whole; once there is room, the next run ends where an undisturbed one does.
test_full_when_due() { # the page of the key that expires is enough for the new one
    on tmpfs size=64k,mode=700
    stek rotate a
    later a 1
    set -- "$(key_id a.0)" "$(key_id a.1)" "$(key_id a.2)"
    fill
    quiet stek rotate a
    whole_set a
    equal "slots 1 to 3" "$(key_id a.1) $(key_id a.2) $(key_id a.3)" "$*"
}
test_full_and_the_expired_key_is_held() { # by a link, so that no page gets free
    on tmpfs size=64k,mode=700
    stek rotate a
    later a 1
    ln "$DIR/a.3.key" "$DIR/held"
    set -- "$(key_id a.0)" "$(key_id a.1)" "$(key_id a.2)"
    fill
    refuses 111 stek rotate a
    err_has 'No space left on device'
    keeps "$@"
    leftovers
    refuses 111 stek rotate a # again changes nothing for the worse
    keeps "$@"
    leftovers
    rm "$DIR/filler"
    quiet stek rotate a
    whole_set a
    equal "slots 1 to 3" "$(key_id a.1) $(key_id a.2) $(key_id a.3)" "$*"
}
test_full_of_inodes() { # links take one too
    on tmpfs nr_inodes=12,mode=700
    stek rotate a
    later a 1
    set -- "$(key_id a.0)" "$(key_id a.1)" "$(key_id a.2)"
    i=0
    while touch "$DIR/filler$i" 2>/dev/null; do i=$((i + 1)); done
    [ "$i" -gt 0 ] || fail "no room for a single file from the start"
    refuses 111 stek rotate a
    err_has 'No space left on device'
    keeps "$@"
    leftovers
    rm "$DIR"/filler*
    quiet stek rotate a
    whole_set a
    equal "slots 1 to 3" "$(key_id a.1) $(key_id a.2) $(key_id a.3)" "$*"
}
test_full_first_run() {
    on tmpfs size=64k,mode=700
    fill
    truncate -s -8192 "$DIR/filler" # room for two keys
    refuses 111 stek rotate a
    equal "files that are no whole key" "$(find "$DIR" -name '*.key' ! -size 80c | wc -l)" 0
    leftovers
    rm "$DIR/filler"
    quiet stek rotate a
    whole_set a
}
test_full_for_one_name() { # does not stop those that need no room
    on tmpfs size=64k,mode=700
    stek rotate b c
    later b 1
    b=$(key_id b.0)
    c=$(key_ids c)
    fill
    refuses 111 stek rotate a b c
    equal "current key of b" "$(key_id b.1)" "$b"
    whole_set b
    equal "keys of c" "$(key_ids c)" "$c"
}
test_full_install_and_genkey() {
    on tmpfs size=64k,mode=700
    stek rotate a
    before=$(key_ids a)
    make_key k
    fill
    refuses 111 stek install a <k
    err_has 'No space left on device'
    equal "keys of a" "$(key_ids a)" "$before"
    refuses 111 stek install -f "$DIR/new" <k
    isnt -e "$DIR/new"
    refuses 111 stek genkey -o "$DIR/new"
    isnt -e "$DIR/new"
    leftovers
    rm "$DIR/filler"
    quiet stek install a <k
    same k "$DIR/a.0.key"
}
test_full_shift_needs_no_room() {
    on tmpfs size=64k,mode=700
    stek rotate a
    whole_set a
    set -- "$(key_id a.0)" "$(key_id a.1)" "$(key_id a.2)"
    fill
    quiet stek shift a
    equal keys "$(key_ids a)" "$1 $1 $2 $3"
}
test_full_nothing_due() {
    on tmpfs size=64k,mode=700
    stek rotate a
    fill
    quiet stek rotate a
    whole_set a
}

# A read-only one.
test_read_only() {
    on tmpfs
    stek rotate a
    later a 1
    before=$(state)
    mount -o remount,ro "$DIR"
    refuses 111 stek rotate a
    err_has 'Read-only file system'
    equal state "$(state)" "$before"
    refuses 111 stek shift a
    make_key k
    refuses 111 stek install a <k
    refuses 111 stek genkey -o "$DIR/k"
    equal state "$(state)" "$before"
    ok stek rotate --dry-run a # needs no write permission
    out_is 'a: 2 -> 3
a: 1 -> 2
a: 0 -> 1
a: new -> 0'
    ok stek list a
    equal state "$(state)" "$before"
}
test_read_only_nothing_due() {
    on tmpfs
    stek rotate a
    mount -o remount,ro "$DIR"
    quiet stek rotate a
    whole_set a
}

test_hint_when_nothing_is_mounted() { # the usual mistake: rotate before mount
    needs_mounts
    mkdir run
    mount -t tmpfs run /run
    refuses 111 env -u STEK_DIR "$STEK" rotate a
    err_has /run/stek
    err_has 'hint: '
    err_has 'stek mount'
    umount -l /run
}

run_tests "$@"
