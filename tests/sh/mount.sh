#!/bin/sh
# mount, umount: the keys directory as a file system that never reaches a disk (K1, K5, K7, K8)
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
private_mounts "$@"

# type_of DIR: file system type of the mount at DIR; options_of DIR; layers DIR: how many mounts lie there
line_of() { grep -F " $1 " /proc/self/mounts | tail -n 1; }
type_of() { line_of "$1" | cut -d ' ' -f 3; }
options_of() { line_of "$1" | cut -d ' ' -f 4; }
layers() { grep -c -F " $1 " /proc/self/mounts || :; }
has_option() { case ",$(options_of "$1")," in *",$2,"*) ;; *) fail "mount option $2 is missing" ;; esac; }
# noswap_known: whether this kernel's tmpfs has noswap (Linux 6.4)
noswap_known() { mkdir try; mount -t tmpfs -o noswap,size=4k try try 2>/dev/null && umount try; }
# failing HOW CMD...: CMD, with mount(2) failing as HOW says
failing() {
    how=$1
    shift
    strace -f -o trace -e trace=mount,fsopen,fsconfig,fsmount,move_mount -e "inject=mount:error=$how" "$@"
}

test_mounts() {
    needs_mounts
    quiet stek mount
    equal layers "$(layers "$DIR")" 1
    equal "mode and owner" "$(stat -c '%a %u:%g' "$DIR")" "700 0:0"
    if noswap_known; then
        equal type "$(type_of "$DIR")" tmpfs
        has_option "$DIR" noswap
    else
        equal type "$(type_of "$DIR")" ramfs
    fi
    for o in nosuid nodev noexec; do has_option "$DIR" $o; done
    stek rotate a
    whole_set a
}
test_makes_the_directory() {
    needs_mounts
    rmdir "$DIR"
    quiet stek mount
    equal layers "$(layers "$DIR")" 1
    equal mode "$(stat -c %a "$DIR")" 700
    (umask 0; stek mount -d "$T/k2")
    equal mode "$(stat -c %a "$T/k2")" 700
    umount "$T/k2"
    case $(stat -c %a "$T/k2") in 7[05][05]) ;; *) fail "mode of the directory below: $(stat -c %a "$T/k2")" ;; esac
}
test_verbose() {
    needs_mounts
    ok stek mount -v
    isnt -s "$T/out"
    err_has 'stek mount: '
    ok stek umount -v
    err_has 'stek umount: '
}
test_idempotent() {
    needs_mounts
    quiet stek mount
    stek rotate a
    before=$(state)
    quiet stek mount
    quiet stek mount --size 1m
    equal layers "$(layers "$DIR")" 1
    equal state "$(state)" "$before"
}
test_options() {
    needs_mounts
    for size in 64m 65536k 67108864; do
        quiet stek mount --size $size
        has_option "$DIR" size=65536k
        quiet stek umount
    done
    quiet stek mount --group daemon
    equal "mode and group" "$(stat -c '%a %G' "$DIR")" "750 daemon"
    quiet stek umount
    quiet env STEK_GROUP=1 "$STEK" mount
    equal "mode and group" "$(stat -c '%a %g' "$DIR")" "750 1"
    stek rotate -g 1 a
    equal "mode and group" "$(stat -c '%a %g' "$DIR/a.0.key")" "640 1"
}
test_group_that_is_taken_back() { # by mount, which applies settings; a rotation that knows of no group leaves all as it is
    needs_mounts
    quiet stek mount -g daemon
    quiet stek rotate -g daemon a
    quiet stek rotate --force a
    quiet stek rotate b
    equal "mode and group" "$(stat -c '%a %G' "$DIR" "$DIR/a.0.key" | tr '\n' ' ')" '750 daemon 640 daemon '
    equal "modes of a NAME that never had it" "$(stat -c %a "$DIR"/b.?.key | sort -u)" 600
    # another group
    quiet stek mount -g 4711
    quiet stek rotate -g 4711
    equal "mode and group" "$(stat -c '%a %g' "$DIR" "$DIR"/?.?.key | sort | uniq -c | tr -s ' \n' ' ')" ' 8 640 4711 1 750 4711 '
    # none
    quiet stek mount
    equal mode "$(stat -c %a "$DIR")" 700
    ok stek rotate --dry-run a
    equal moves "$(cat "$T/out")" 'a: protect 0
a: protect 1
a: protect 2
a: protect 3'
    quiet stek rotate
    equal modes "$(stat -c %a "$DIR"/?.?.key | sort -u)" 600
    quiet stek rotate --force
    equal modes "$(stat -c %a "$DIR"/?.?.key | sort -u)" 600
    quiet stek umount
}
test_group_of_a_file_system_of_somebody_else() { # which he may have prepared for one
    needs_mounts
    mount -t tmpfs -o mode=750,gid=4711 theirs "$DIR"
    quiet stek mount
    quiet stek rotate -g 4711 a
    quiet stek rotate --force a
    equal "mode and group" "$(stat -c '%a %g' "$DIR" "$DIR/a.0.key" | tr '\n' ' ')" '750 4711 640 4711 '
}
test_wrong_usage() {
    for size in 0 x -1 1x '' 99999999999999999999; do refuses 100 stek mount "--size=$size"; done
    refuses 100 stek mount a
    refuses 100 stek umount a
    refuses 100 stek mount --force
    isnt -e "$DIR/a"
    equal layers "$(layers "$DIR")" 0
}
test_unknown_group() {
    needs_mounts
    refuses 1 stek mount -g no-such-group
    equal layers "$(layers "$DIR")" 0
}

test_not_over_something_else() {
    needs_mounts
    echo mine >"$DIR/file"
    refuses 1 stek mount
    err_has "$DIR"
    equal layers "$(layers "$DIR")" 0
    equal content "$(cat "$DIR/file")" mine
    rm "$DIR/file"
    mkdir "$DIR/.hidden"
    refuses 1 stek mount
    equal layers "$(layers "$DIR")" 0
    echo x >file
    refuses 1 stek mount -d file
    equal content "$(cat file)" x
}
test_not_a_tmpfs_of_somebody_else() { # like /run: neither made the keys directory, nor closed to others, nor taken away
    needs_mounts
    mount -t tmpfs -o mode=755 theirs "$DIR"
    echo mine >"$DIR/file"
    refuses 1 stek mount
    err_has 'holds something else'
    equal "mode and content" "$(stat -c %a "$DIR") $(cat "$DIR/file")" "755 mine"
    run stek umount
    [ "$rc" != 0 ] || fail "expected umount to refuse a file system that holds something else"
    equal "mode and content" "$(stat -c %a "$DIR") $(cat "$DIR/file")" "755 mine"
    equal layers "$(layers "$DIR")" 1
}
test_not_over_keys_on_a_disk() { # nor are they taken for a mounted directory (K1)
    needs_mounts
    make_disk
    mkdir -m 700 disk/keys
    make_key disk/keys/a.1.key
    refuses 1 stek mount -d "$T/disk/keys"
    equal layers "$(layers "$T/disk/keys")" 0
}
make_disk() { # an ext4 of its own
    truncate -s 4m image
    mkfs.ext4 -q image 2>/dev/null || skip "no mkfs.ext4"
    mkdir -p disk
    mount -o loop image disk 2>/dev/null || skip "no loop devices"
}
test_on_an_empty_disk_directory() {
    needs_mounts
    make_disk
    mkdir disk/keys
    quiet stek mount -d "$T/disk/keys"
    equal layers "$(layers "$T/disk/keys")" 1
    stek rotate -d "$T/disk/keys" a
    quiet stek umount -d "$T/disk/keys"
    equal layers "$(layers "$T/disk/keys")" 0
}

# The fallbacks, with mount(2) really failing.
test_without_noswap() { # a kernel before 6.4: ramfs
    needs_mounts
    needs strace
    ok failing EINVAL:when=1 "$STEK" mount
    equal layers "$(layers "$DIR")" 1
    equal type "$(type_of "$DIR")" ramfs
    equal mode "$(stat -c %a "$DIR")" 700
    for o in nosuid nodev noexec; do has_option "$DIR" $o; done
    quiet stek mount
    equal layers "$(layers "$DIR")" 1
    stek rotate a
    whole_set a
    quiet stek umount
    equal layers "$(layers "$DIR")" 0
}
test_ramfs_group() {
    needs_mounts
    needs strace
    ok failing EINVAL:when=1 "$STEK" mount -g daemon
    equal type "$(type_of "$DIR")" ramfs
    equal "mode and group" "$(stat -c '%a %G' "$DIR")" "750 daemon"
}
# swap_is ON-OR-OFF: as /proc/swaps says it in this namespace
swap_is() {
    printf 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n' >swaps
    [ "$1" = off ] || printf '/dev/sda2                               partition\t1048572\t\t0\t\t-2\n' >>swaps
    mount --bind swaps /proc/swaps
}
test_without_noswap_and_ramfs() { # tmpfs, with a warning where that may reach swap
    needs_mounts
    needs strace
    swap_is on
    ok failing EINVAL:when=1..2 "$STEK" mount
    err_has 'stek mount: warning: '
    err_has swap
    equal type "$(type_of "$DIR")" tmpfs
    umount "$DIR"
    umount /proc/swaps
    swap_is off
    ok failing EINVAL:when=1..2 "$STEK" mount
    err_lacks warning
    equal type "$(type_of "$DIR")" tmpfs
    umount /proc/swaps
}
test_ramfs_unknown() {
    needs_mounts
    needs strace
    swap_is off
    strace -o trace -e trace=mount -e inject=mount:error=EINVAL:when=1 -e inject=mount:error=ENODEV:when=2 "$STEK" mount
    equal type "$(type_of "$DIR")" tmpfs
    umount /proc/swaps
}
test_mount_fails() { # no file system at all: neither a plain directory, nor success
    needs_mounts
    needs strace
    refuses 111 failing ENOMEM "$STEK" mount
    equal layers "$(layers "$DIR")" 0
}
test_not_permitted_on_tmpfs() { # a container: a plain directory, because it lies on tmpfs
    needs strace
    rmdir "$DIR"
    ok failing EPERM "$STEK" mount
    err_has 'stek mount: warning: '
    equal "kind and mode" "$(stat -c '%F %a' "$DIR")" "directory 700"
    equal layers "$(layers "$DIR")" 0
    ok failing EPERM "$STEK" mount
    stek rotate a
    before=$(state)
    ok failing EPERM "$STEK" mount
    equal state "$(state)" "$before"
    for slot in 0 1 2 3; do ln "$DIR/a.$slot.key" "side$slot"; cp "side$slot" "copy$slot"; done
    quiet stek umount # wipes (K8), then takes the directory away
    isnt -e "$DIR"
    for slot in 0 1 2 3; do differ "side$slot" "copy$slot"; done
    quiet stek umount
}
test_not_permitted_to_anyone_but_root() { # the same without strace
    needs_root
    chown nobody "$T"
    rmdir "$DIR"
    ok as_nobody stek mount
    err_has 'stek mount: warning: '
    equal "kind, mode and owner" "$(stat -c '%F %a %U' "$DIR")" "directory 700 nobody"
    ok as_nobody stek rotate a
    ok as_nobody stek umount
    isnt -e "$DIR"
    chown root "$T"
}
test_not_permitted_on_a_disk() { # K1
    needs_mounts
    needs strace
    make_disk
    run failing EPERM "$STEK" mount -d "$T/disk/keys"
    case $rc in 1 | 111) ;; *) fail "expected exit status 1 or 111, got $rc" ;; esac
    is -s "$T/err"
    run failing EPERM "$STEK" mount -d "$T/disk/keys"
    case $rc in 1 | 111) ;; *) fail "expected exit status 1 or 111, got $rc" ;; esac
}
test_somebody_elses_link() { # K7
    needs_root
    mkdir public target
    chmod 1777 public target
    as_nobody ln -s "$T/target" public/link
    run stek mount -d "$T/public/link"
    case $rc in 1 | 111) ;; *) fail "expected exit status 1 or 111, got $rc" ;; esac
    equal layers "$(layers "$T/target")" 0
    equal mode "$(stat -c %a target)" 1777
}

# umount
test_umount() {
    needs_mounts
    stek mount
    stek rotate a
    equal layers "$(layers "$DIR")" 1
    quiet stek umount
    equal layers "$(layers "$DIR")" 0
    quiet stek umount
    equal layers "$(layers "$DIR")" 0
}
test_umount_nothing() {
    rmdir "$DIR"
    quiet stek umount
    isnt -e "$DIR"
}
test_umount_wipes() { # K8: seen through another mount of the same file system, and through a descriptor
    needs_mounts
    stek mount
    stek rotate a b
    make_key "$DIR/.stek-left"
    mkdir peek
    mount --bind "$DIR" peek
    for f in a.0 a.1 a.2 a.3 b.1 .stek-left; do
        f=$(echo "$f" | sed 's/\([0-9]\)$/\1.key/')
        cp "peek/$f" "copy-$f"
        ln "peek/$f" "peek/side-$f"
    done
    exec 5<peek/a.1.key
    quiet stek umount
    equal layers "$(layers "$DIR")" 0
    cat <&5 >seen
    exec 5<&-
    differ seen copy-a.1.key
    for f in peek/side-*; do differ "$f" "copy-${f#peek/side-}"; done
    equal "slots left" "$(find peek -name '*.[0-9].key' ! -name 'side-*' -size +0 -exec cat {} + | tr -d '\0' | wc -c)" 0
}
test_umount_busy() { # a server's shell sits in it: the keys are wiped all the same, and the failure is said
    needs_mounts
    stek mount
    stek rotate a
    mkfifo up go
    (cd "$DIR"; exec sh -c 'echo >../up; read -r word <../go') &
    sitter=$!
    trap 'kill "$sitter" 2>/dev/null || :' EXIT
    read -r word <up
    whole_set a
    refuses 111 stek umount
    err_has 'busy'
    err_has 'hint: '
    equal "keys left" "$(find "$DIR" -name '*.key' | wc -l)$word" 0
    equal layers "$(layers "$DIR")" 1
    echo go >go
    ended "$sitter"
    quiet stek umount
    equal layers "$(layers "$DIR")" 0
}
test_umount_leaves_other_things_alone() { # a plain directory with something else in it is not stek's to remove
    echo mine >"$DIR/file"
    refuses 111 stek umount
    equal content "$(cat "$DIR/file")" mine
    # nor is a file system of another kind
    needs_mounts
    make_disk
    echo mine >disk/file
    refuses 1 stek umount -d "$T/disk"
    is -f disk/file
}
test_umount_not_root() {
    needs_mounts
    stek mount
    stek rotate a
    run as_nobody stek umount
    equal "exit status" "$rc" 111
    whole_set a
}
test_mount_again_starts_empty() {
    needs_mounts
    stek mount
    stek rotate a
    first=$(key_ids a)
    stek umount
    stek mount
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
    stek rotate a
    for key in $first; do
        case " $(key_ids a) " in *" $key "*) fail "an old key is back" ;; esac
    done
}
test_default_directory() { # /run/stek, what the init script mounts
    needs_mounts
    mkdir run
    mount -t tmpfs -o mode=755 run /run
    ok env -u STEK_DIR "$STEK" mount
    equal "kind and mode" "$(stat -c '%F %a' /run/stek)" "directory 700"
    equal layers "$(layers /run/stek)" 1
    ok env -u STEK_DIR "$STEK" rotate a
    equal keys "$(find /run/stek -name 'a.?.key' | wc -l)" 4
    ok env -u STEK_DIR "$STEK" umount
    equal layers "$(layers /run/stek)" 0
    umount -l /run
}

test_two_at_once() { # one mount, not one upon the other
    needs_mounts
    for round in 1 2 3 4 5 6 7 8 9 10; do
        (stek mount) & (stek mount) & (stek mount) &
        wait
        equal "layers in round $round" "$(layers "$DIR")" 1
        ok stek umount
        mkdir -p "$DIR"
        chmod 700 "$DIR"
    done
}
run_tests "$@"
