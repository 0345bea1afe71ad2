#!/bin/sh
# identify: which slot made a ticket, proven with its key; guessed keys; input that is none
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

# tests/sh/sessions: sessions that nginx gave over TLS 1.2 and 1.3 under key80 and key48, which were
# made for this and are used nowhere else, and under keys of 80 and 48 zero bytes.
sessions=$here/sessions

bytes() { # bytes FROM COUNT <KEY: part of a key
    tail -c "+$(($1 + 1))" | head -c "$2"
}
unhex() { # the binary form of a stored key, by stek itself
    [ -d "$T/key" ] || mkdir -m 700 "$T/key"
    stek install -f "$T/key/$1" <"$sessions/$1.hex"
    cat "$T/key/$1"
}
keys() { # keys SIZE: a whole set of ex with the stored key in slot 1
    make_set ex 3 "$1"
    (umask 077; unhex "key$1" >"$DIR/ex.1.key")
    put ex.1 0
    name=$(od -An -v -tx1 -N16 "$DIR/ex.1.key" | tr -d ' \n')
}
row() { # row NAME SLOT ROLE VERDICT: the columns that were printed
    out_is "$name	$1	$2	$3	$4"
}

test_names_the_slot() {
    for size in 80 48; do
        keys $size
        for version in 12 13; do
            quiet_row "$sessions/key$size-tls$version.pem" ex 1 current named
        done
    done
}
quiet_row() { # quiet_row FILE COLUMN...: identify says that, and nothing on stderr
    file=$1
    shift
    ok stek identify "$file"
    row "$@"
    isnt -s "$T/err"
    "$STEK" identify <"$file" >"$T/again"
    same "$T/again" "$T/out"
    "$STEK" identify - <"$file" >"$T/again"
    same "$T/again" "$T/out"
}

test_every_form_of_a_session() {
    needs openssl
    for size in 80 48; do
        keys $size
        for version in 12 13; do
            f=$sessions/key$size-tls$version.pem
            openssl sess_id -in "$f" -outform DER -out der
            openssl sess_id -in "$f" -noout -text >text
            openssl sess_id -in "$f" -text >both
            sed 's/$/\r/' <text >dos
            { echo 'CONNECTED(00000003)'; cat "$f"; echo '---'; cat "$sessions/zero80-tls13.pem"; } >noise
            for form in der text both dos noise; do
                ok stek identify --verify $form
                row ex 1 current verified
            done
        done
    done
}

test_roles() {
    keys 80
    for to in 0:next 2:previous 3:previous; do
        make_set ex
        (umask 077; cat "$T/key/key80" >"$DIR/ex.${to%:*}.key")
        quiet_row "$sessions/key80-tls13.pem" ex "${to%:*}" "${to#*:}" named
    done
}

test_verifies() {
    for size in 80 48; do
        keys $size
        for version in 12 13; do
            ok stek identify --verify "$sessions/key$size-tls$version.pem"
            row ex 1 current verified
            isnt -s "$T/err"
            ok stek identify --verify -v "$sessions/key$size-tls$version.pem"
            err_is 'stek identify: the key in slot 1 of ex opens the ticket'
        done
    done
}

# splice SIZE PART...: slot 1 becomes those parts: FROM:COUNT of the stored key, or :COUNT random bytes
splice() {
    size=$1
    shift
    (
        umask 077
        for part in "$@"; do
            case $part in
            :*) head -c "${part#:}" /dev/urandom ;;
            *) bytes "${part%:*}" "${part#*:}" <"$T/key/key$size" ;;
            esac
        done >"$DIR/ex.1.key"
    )
    equal 'size of the spliced key' "$(wc -c <"$DIR/ex.1.key" | tr -d ' ')" "$size"
}

test_another_key_of_the_same_name() {
    keys 80
    splice 80 0:16 :64
    quiet_row "$sessions/key80-tls12.pem" ex 1 current named
    unverified 80 'has an HMAC that another key made'
    splice 80 0:48 :32
    # once in 256 the padding is right by chance, and only what is below it is wrong
    unverified 80 'has the HMAC of this key but '
    splice 80 0:16 :32 48:32
    unverified 80 'has an HMAC that another key made'
    keys 48
    splice 48 0:16 :16 32:16
    unverified 48 'has the HMAC of this key but '
    splice 48 0:32 :16
    unverified 48 'has an HMAC that another key made'
    # a key of another size is another key
    keys 80
    (umask 077; { bytes 0 16 <"$T/key/key80"; head -c 32 /dev/urandom; } >"$DIR/ex.1.key")
    unverified 80 'has an HMAC that another key made'
}
unverified() { # unverified SIZE WORDS
    for version in 12 13; do
        exits 1 stek identify --verify "$sessions/key$1-tls$version.pem"
        row ex 1 current unverified
        err_has "the ticket bears the name of the key in slot 1 of ex, but $2"
        err_has 'stek identify: hint: '
    done
}

test_key_read_in_another_order() {
    keys 80
    splice 80 0:16 48:32 16:32
    exchanged 80
    keys 48
    splice 48 0:16 32:16 16:16
    exchanged 48
}
exchanged() {
    for version in 12 13; do
        ok stek identify --verify "$sessions/key$1-tls$version.pem"
        row ex 1 current verified
        err_is 'stek identify: warning: the server takes the AES key of slot 1 of ex for the HMAC key and the reverse'
    done
}

test_what_opens_it_comes_first() {
    keys 80
    for n in other a; do
        (umask 077; cat "$T/key/key80" >"$DIR/$n.1.key")
    done
    splice 80 0:16 :64
    (umask 077; cat "$T/key/key80" >"$DIR/ex.2.key")
    rm "$DIR/a.1.key"
    ok stek identify --verify "$sessions/key80-tls13.pem"
    row other 1 current verified
    err_has 'warning: ex has a key of the same name in slot 1; a key belongs to one NAME only'
    err_has 'warning: ex has a key of the same name in slot 2; '
}

test_foreign_ticket() {
    make_set ex
    keys 80
    exits 1 stek identify "$sessions/key48-tls13.pem"
    name=$(cut -c 1-32 <"$sessions/key48.hex")
    row - - - foreign
    err_has "no key in $DIR has the name $name"
    exits 1 stek identify --verify "$sessions/key48-tls12.pem"
    row - - - foreign
    # without any keys, and without a directory for them
    exits 1 stek identify -d "$T/none" "$sessions/key48-tls12.pem"
    row - - - foreign
    err_is "stek identify: there is no $T/none in which a key could have the name $name
stek identify: hint: name the keys directory with -d or \$STEK_DIR"
    rm "$DIR"/*
    exits 1 stek identify "$sessions/key48-tls12.pem"
    row - - - foreign
}

test_all_zero_key() {
    make_set ex
    name=00000000000000000000000000000000
    for f in "$sessions"/zero*.pem; do
        exits 1 stek identify "$f"
        row - - - weak
        err_has 'critical: the ticket was made with an all-zero key: everybody can read and forge such tickets'
        err_has 'stek identify: hint: '
        err_lacks 'no key in'
    done
    # as the key in use it is no better
    for size in 80 48; do
        (umask 077; head -c $size /dev/zero >"$DIR/ex.1.key")
        for version in 12 13; do
            exits 1 stek identify --verify "$sessions/zero$size-tls$version.pem"
            row ex 1 current weak
            err_has 'critical: '
        done
    done
}

test_json() {
    keys 80
    ok stek identify --json --verify "$sessions/key80-tls13.pem"
    out_is "{\"key_name\":\"$name\",\"name\":\"ex\",\"slot\":1,\"role\":\"current\",\"verdict\":\"verified\",\"protocol\":\"TLSv1.3\",\"lifetime_hint\":3600}"
    rm "$DIR"/*
    exits 1 stek identify --json "$sessions/key80-tls12.pem"
    out_is "{\"key_name\":\"$name\",\"name\":null,\"slot\":null,\"role\":null,\"verdict\":\"foreign\",\"protocol\":\"TLSv1.2\",\"lifetime_hint\":3600}"
}

test_input_that_is_no_session() {
    keys 80
    : >empty
    refuses 1 stek identify empty
    err_has 'the input is empty'
    refuses 1 stek identify
    for input in 'hello' '0' '    TLS session ticket:' '    TLS session ticket:
    0010 - 00 01 02' '-----BEGIN SSL SESSION PARAMETERS-----
!
-----END SSL SESSION PARAMETERS-----'; do
        echo "$input" >bad
        refuses 1 stek identify bad
        err_has 'stek identify: the input is '
    done
    echo '    Protocol  : TLSv1.3' >none
    refuses 1 stek identify none
    err_is 'stek identify: the input is a session without a ticket'
    f=$sessions/key80-tls13.pem
    head -c 700 "$f" >short
    refuses 1 stek identify short
    err_is 'stek identify: the input is a TLS session that is cut short: it has no END line'
    printf '%s\n' '    TLS session ticket:' \
        '    0000 - 00 01 02 03 04 05 06 07-08 09 0a 0b 0c 0d 0e 0f   ................' >short
    refuses 1 stek identify short
    err_has 'the ticket is too short for one made with a ticket key'
    # 1 MiB is read, more is not
    head -c 1048000 /dev/zero | tr '\0' '\n' >long
    cat long "$f" | head -c 1048577 >longer
    cat "$f" >>long
    head -c 1048576 long >longest
    refuses 1 stek identify longest
    err_has 'the input is a TLS session that is cut short'
    refuses 1 stek identify longer
    err_has 'the input is longer than any TLS session (1 MiB)'
    head -c 1000000 /dev/zero | tr '\0' '\n' >long
    cat "$f" >>long
    ok stek identify long
    row ex 1 current named
    (yes 2>/dev/null || :) | (exits 1 stek identify)
}

test_files_that_cannot_be_read() {
    keys 80
    refuses 111 stek identify "$T/no such file"
    err_is "stek identify: cannot open $T/no such file: No such file or directory"
    refuses 111 stek identify "$T"
    err_has 'Is a directory'
    # shellcheck disable=SC2016
    refuses 111 sh -c '"$STEK" identify <&-'
    # shellcheck disable=SC2016
    exits 111 sh -c '"$STEK" identify "$1" >&-' - "$sessions/key80-tls13.pem"
    if [ -c /dev/full ]; then
        # shellcheck disable=SC2016
        exits 111 sh -c '"$STEK" identify "$1" >/dev/full' - "$sessions/key80-tls13.pem"
    fi
}

test_usage() {
    refuses 100 stek identify a b
    refuses 100 stek identify --verify=1 a
    refuses 100 stek identify -x
    refuses 100 stek identify -s 80
}

# K5: neither a key nor the secret in the session or in the ticket gets out, and nothing is written
test_secrets_stay_inside() {
    needs strace od
    keys 80
    f=$sessions/key80-tls13.pem
    ok strace -f -o trace "$STEK" identify --verify -v "$f"
    cat "$T/out" "$T/err" >said
    secret=$(cut -c 33-160 <"$sessions/key80.hex")
    for at in 1 33 65 97; do
        part=$(printf '%s' "$secret" | cut -c "$at-$((at + 31))")
        ! grep -i "$part" said >/dev/null || fail 'a part of the key was printed'
    done
    ! grep -E 'O_CREAT|O_WRONLY|O_RDWR' trace >/dev/null || fail 'a file was opened for writing'
    grep -E '^[0-9]* *mlock' trace >/dev/null || fail 'no memory was locked'
    grep 'PR_SET_DUMPABLE, SUID_DUMP_DISABLE' trace >/dev/null || fail 'core dumps were left on'
}
# Without --verify no more than the key name is read of a key.
test_reads_names_only() {
    needs strace
    keys 80
    ok strace -e trace=openat,read -o trace "$STEK" identify "$sessions/key80-tls13.pem"
    sed -n '/\.key"/,$p' trace >of_keys
    grep -E '^read\(.*, 16\) += 16$' of_keys >/dev/null || fail 'no key name was read'
    ! grep -E '^read\(.*, (48|8[0-9]|4096)\)' of_keys >/dev/null || fail 'more than a name was read'
}

run_tests "$@"
