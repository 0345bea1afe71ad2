#!/bin/sh
# genkey: sizes, forms, where a key may go and where not (K1, K5, K6, K7, K9)
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

# made CMD...: runs it with stdout in the file k, which must hold as many bytes as $bytes says
made() {
    "$@" >k
    equal "bytes from $*" "$(wc -c <k)" "$bytes"
}

test_sizes() {
    bytes=80
    made stek genkey
    made stek genkey -s 80
    made env STEK_SIZE= "$STEK" genkey
    made env STEK_SIZE=48 "$STEK" genkey --size 80
    bytes=48
    made stek genkey -s 48
    made stek genkey -s48
    made stek genkey --size=48
    made env STEK_SIZE=48 "$STEK" genkey
}
test_wrong_sizes() {
    for size in 0 1 32 49 64 79 81 96 -48 48.0 x '' 99999999999999999999; do
        refuses 100 stek genkey "--size=$size"
    done
    refuses 100 env STEK_SIZE=64 "$STEK" genkey
    err_has STEK_SIZE
}
test_no_two_alike() {
    i=0
    while [ $i -lt 20 ]; do
        i=$((i + 1))
        stek genkey >k
        sum k >>sums
        # the key name is random too: two keys of one name could not be told apart
        od -An -tx1 -N16 k >>names
    done
    equal "different keys" "$(sort -u sums | wc -l)" 20
    equal "different key names" "$(sort -u names | wc -l)" 20
}
test_base64() {
    bytes=109
    made stek genkey --base64
    equal lines "$(wc -l <k)" 1
    equal bytes "$(base64 -d <k | wc -c)" 80
    bytes=65
    made stek genkey -s48 --base64
    equal lines "$(wc -l <k)" 1
    equal bytes "$(base64 -d <k | wc -c)" 48
}
test_hex() {
    bytes=161
    made stek genkey --hex
    equal lines "$(grep -c '^[0-9a-f]\{160\}$' k)" 1
    bytes=97
    made stek genkey --hex -s 48
    equal lines "$(grep -c '^[0-9a-f]\{96\}$' k)" 1
}
test_one_form_only() { refuses 100 stek genkey --hex --base64; }
test_no_operands() {
    refuses 100 stek genkey a
    refuses 100 stek genkey help
    refuses 100 stek genkey ''
}
test_verbose_keeps_the_key_secret() { # K5
    stek genkey -v >k 2>err
    equal bytes "$(wc -c <k)" 80
    isnt_leaked k err
}
isnt_leaked() { # KEY FILE: no secret part of KEY in FILE, as hexadecimal
    ! tr -d ' \n' <"$2" | grep -i "$(od -An -tx1 -j16 -N8 "$1" | tr -d ' \n')" >/dev/null || fail "key bytes in $2"
}

# A key that went nowhere is never a success.
test_stdout_closed() {
    rc=0
    "$STEK" genkey >&- 2>err || rc=$?
    equal "exit status" "$rc" 111
    is -s err
}
test_stdout_full() {
    for form in '' --hex --base64; do
        rc=0
        "$STEK" genkey $form >/dev/full 2>err || rc=$?
        equal "exit status" "$rc" 111
        grep 'No space left on device' err >/dev/null || fail "errno is not said"
    done
}
test_stdout_read_only() {
    rc=0
    : >k
    "$STEK" genkey 1<k 2>err || rc=$?
    equal "exit status" "$rc" 111
    isnt -s k
}
test_pipe_without_reader() {
    mkfifo pipe
    # shellcheck disable=SC2094
    exec 5<>pipe 6>pipe 5>&-
    rc=0
    "$STEK" genkey >&6 2>err || rc=$?
    case $rc in 111 | 141) ;; *) fail "expected 111 or death by SIGPIPE, got $rc" ;; esac
    trap '' PIPE
    rc=0
    "$STEK" genkey >&6 2>err || rc=$?
    equal "exit status with SIGPIPE ignored" "$rc" 111
    grep 'Broken pipe' err >/dev/null || fail "errno is not said"
}
test_stderr_and_stdin_closed() {
    "$STEK" genkey <&- 2>&- >k
    equal bytes "$(wc -c <k)" 80
    # no descriptor of the process lands in 0, 1 or 2 and gets a message or a key meant for another
    rc=0
    "$STEK" genkey -o new <&- >&- 2>&- || rc=$?
    equal "exit status" "$rc" 0
    equal bytes "$(wc -c <new)" 80
}

test_terminal() { # K5
    needs script
    for form in '' --hex --base64 '-s 48'; do
        rc=0
        script -qec "'$STEK' genkey $form" /dev/null >typed 2>&1 </dev/null || rc=$?
        equal "exit status ($form)" "$rc" 1
        grep '^stek genkey: .*terminal' typed >/dev/null || fail "the refusal does not name the terminal"
        ! tr -d '\r' <typed | grep -v '^stek genkey: ' >/dev/null || fail "more than messages on the terminal"
    done
    rc=0
    script -qec "'$STEK' genkey -o new" /dev/null >typed 2>&1 </dev/null || rc=$?
    equal "exit status of -o on a terminal" "$rc" 0
    isnt -s typed
    equal bytes "$(wc -c <new)" 80
}

test_to_file() { # K7
    quiet stek genkey -o new
    equal "size and mode" "$(stat -c '%F %s %a' new)" "regular file 80 600"
    quiet stek genkey -s48 -o "$T/new2"
    equal "size and mode" "$(stat -c '%F %s %a' new2)" "regular file 48 600"
    quiet stek genkey --hex -o new3
    equal lines "$(grep -c '^[0-9a-f]\{160\}$' new3)" 1
    (umask 0; stek genkey -o new4)
    equal "mode under umask 0" "$(stat -c %a new4)" 600
    (umask 777; stek genkey -o new5)
    equal "mode under umask 777" "$(stat -c %a new5)" 600
    equal "names here" "$(find . -type f | sort | tr '\n' ' ')" "./err ./new ./new2 ./new3 ./new4 ./new5 ./out "
}
test_to_file_that_exists() {
    echo mine >old
    refuses 1 stek genkey -o old
    equal content "$(cat old)" mine
    ln -s nowhere link # K7: a link is not followed, not even one to nothing
    refuses 1 stek genkey -o link
    isnt -e nowhere
    refuses 1 stek genkey -o "$DIR"
    is -d "$DIR"
    equal "names here" "$(find . | grep -c stek-)" 0
}
test_to_file_that_cannot_be() {
    refuses 111 stek genkey -o missing/new
    refuses 100 stek genkey -o ''
    isnt -e missing
}
test_to_disk() { # K1
    disk=$(mktemp -d /var/tmp/stek-test.XXXXXX)
    trap 'rm -rf "$disk"' EXIT
    case $(stat -f -c %T "$disk") in tmpfs | ramfs) skip "/var/tmp is no disk" ;; esac
    refuses 1 stek genkey -o "$disk/k"
    err_has 'hint: '
    err_has --allow-disk
    equal "files on disk" "$(find "$disk" -type f | wc -l)" 0
    quiet stek genkey --allow-disk -o "$disk/k"
    equal "size and mode" "$(stat -c '%s %a' "$disk/k")" "80 600"
}

test_random_source() { # K9: getrandom(2), blocking, nothing else
    needs strace
    strace -f -o trace "$STEK" genkey >k
    grep '^[0-9]* *getrandom(.*, [0-9]*[0-9][0-9], 0) *= [0-9]*$' trace >/dev/null || fail "no blocking getrandom(2)"
    ! grep -E '"/dev/u?random"' trace >/dev/null || fail "opens /dev/*random"
}
test_random_source_fails() { # K9: no fallback
    needs strace
    for error in ENOSYS EIO EPERM; do
        rc=0
        strace -o trace -e trace=getrandom,openat -e "inject=getrandom:error=$error" "$STEK" genkey >k 2>err || rc=$?
        equal "exit status with getrandom failing" "$rc" 111
        isnt -s k
        ! grep -E '"/dev/u?random"' trace >/dev/null || fail "falls back to a device"
    done
}
test_random_source_interrupted() {
    needs strace
    strace -o trace -e trace=getrandom -e inject=getrandom:error=EINTR:when=1..2 "$STEK" genkey >k
    equal bytes "$(wc -c <k)" 80
}
test_impossible_key() { # K6: zeros or a repeated byte from the kernel are noticed before the key leaves
    needs_root # as anyone else strace(1) sees nothing of a process that is not dumpable (K5)
    needs strace
    strace -o trace -e trace=getrandom "$STEK" genkey >k
    # the blocking call: the C library asks for a few bytes of its own before, without blocking
    nth=$(grep -n ', [0-9]*[0-9][0-9], 0)' trace | head -n 1 | cut -d : -f 1)
    is -n "$nth"
    for byte in 00 ff 61; do
        bytes=$(printf "%080d" 0 | sed "s/0/$byte/g")
        run strace -o trace -e trace=getrandom -e "inject=getrandom:poke_exit=@arg1=$bytes:when=$nth+" "$STEK" genkey
        case $rc in 1 | 111) ;; *) fail "a key of bytes $byte: expected exit status 1 or 111, got $rc" ;; esac
        isnt -s "$T/out"
        err_has 'stek genkey: '
    done
}
test_memory() { # K5: no core dump, and the key is locked in memory
    needs strace
    strace -o trace "$STEK" genkey >k
    grep -E '^prctl\(PR_SET_DUMPABLE, (0|SUID_DUMP_DISABLE)' trace >/dev/null ||
        grep -E '^(setrlimit|prlimit64)\(.*RLIMIT_CORE, .*rlim_cur=0' trace >/dev/null || fail "core dumps are not switched off"
    grep -E '^mlock' trace >/dev/null || fail "no memory is locked"
}
test_key_is_nowhere_else() { # K5: not in the arguments of any system call but the one that delivers it
    needs_root
    needs strace
    strace -f -xx -s 200 -o trace "$STEK" genkey >k
    part=$(od -An -tx1 -j40 -N8 k | sed 's/ /\\x/g')
    equal "system calls that saw the key" "$(grep -F -e "$part" trace | sed 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/' | tr '\n' ' ')" "getrandom write "
}

run_tests "$@"
