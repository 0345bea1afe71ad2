#!/bin/sh
# dispatch: names, links, options in all their forms, help, where settings come from
# shellcheck disable=SC2016,SC2086,SC2094 source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

test_list_of_applets() {
    ok stek --list
    isnt -s "$T/err"
    for applet in genkey help install list lock mount reload rotate shift umount; do
        grep -x "$applet" "$T/out" >/dev/null || fail "$applet is not in --list"
    done
    sort -u "$T/out" >sorted
    same sorted "$T/out"
}
test_version() {
    ok stek --version
    equal "stek and a number" "$(grep -c '^stek [0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9a-z.-]*$' "$T/out")" 1
    equal lines "$(wc -l <"$T/out")" 1
}
test_alone() {
    exits 100 stek
    isnt -s "$T/out"
    err_has 'usage: stek '
}
test_unknown() {
    refuses 100 stek nonsense
    err_has nonsense
    refuses 100 stek ''
    refuses 100 stek --nonsense
    refuses 100 stek -x
    refuses 100 stek Rotate
    refuses 100 stek rotat
    refuses 100 stek stek-rotate
    refuses 100 stek help nonsense
    refuses 100 stek --list extra
    refuses 100 stek --version extra
}
test_help() {
    for words in --help -h help; do
        ok stek $words
        isnt -s "$T/err"
        for applet in $(stek --list); do out_has "$applet"; done
    done
    for applet in $(stek --list); do
        ok stek help "$applet"
        isnt -s "$T/err"
        out_has "$applet"
        cp out help
        for word in -h --help; do
            ok stek "$applet" $word
            isnt -s "$T/err"
            same out help
        done
        # somewhere among other words too
        ok stek "$applet" --help --help
    done
    ok stek genkey -vh
    out_has genkey
}
test_help_names_every_option() {
    for o in --dir --period --slots --size --group --allow-disk --verbose --force --dry-run; do
        stek help rotate >help
        grep -e "$o" help >/dev/null || fail "$o is not in the help of rotate"
    done
}
test_help_is_an_operand_too() { # only the word after stek is an applet
    quiet stek rotate help
    whole_set help
    ok stek list help
    equal lines "$(wc -l <"$T/out")" 4
}
test_output_fails() {
    for words in --list --version --help help 'help rotate' 'rotate -h'; do
        rc=0
        "$STEK" $words >/dev/full 2>err || rc=$?
        equal "exit status of $words with stdout full" "$rc" 111
        is -s err
        rc=0
        "$STEK" $words >&- 2>err || rc=$?
        equal "exit status of $words with stdout closed" "$rc" 111
        is -s err
    done
}
test_messages_cannot_be_written() { # the exit status still tells
    rc=0
    "$STEK" rotate .a 2>&- || rc=$?
    equal "exit status" "$rc" 100
    rc=0
    "$STEK" rotate .a 2>/dev/full || rc=$?
    equal "exit status" "$rc" 100
}

# Links.
test_prefixed_links() {
    mkdir bin
    for applet in $(stek --list); do ln -s "$STEK" "bin/stek-$applet"; done
    quiet bin/stek-rotate a
    whole_set a
    bin/stek-genkey >k
    equal bytes "$(wc -c <k)" 80
    ok env "PATH=$T/bin:$PATH" stek-list a
    equal lines "$(wc -l <"$T/out")" 4
    ok bin/stek-shift --help
    stek help shift >help
    same out help
    refuses 1 bin/stek-shift b
    err_has 'stek shift: '
    # the word after it is an operand, not an applet
    refuses 100 bin/stek-genkey rotate
}
test_bare_links() { # in a private directory: shift is a built-in of every shell and install is coreutils'
    mkdir bin
    for applet in $(stek --list); do ln -s "$STEK" "bin/$applet"; done
    PATH=$T/bin:$PATH
    make_set a
    next=$(key_id a.0)
    "$T/bin/shift" a && genkey | "$T/bin/install" a
    equal "current key" "$(key_id a.1)" "$next"
    differ "$DIR/a.0.key" "$DIR/a.1.key"
    rotate --force a
    lock -n list a >listed
    equal lines "$(wc -l <listed)" 4
}
test_hard_link_and_copy() {
    cp "$STEK" stek-genkey
    ./stek-genkey >k
    equal bytes "$(wc -c <k)" 80
    ln stek-genkey genkey
    ./genkey >k
    equal bytes "$(wc -c <k)" 80
}
test_exact_names_only() {
    for link in mystek-genkey xgenkey genkey2 stek-genkey2 genkey.old stek_genkey stek- STEK-genkey; do
        ln -s "$STEK" "$link"
        run "./$link"
        equal "exit status of $link" "$rc" 100
        isnt -s "$T/out"
    done
    # any other name is stek itself
    ln -s "$STEK" tool
    ./tool genkey >k
    equal bytes "$(wc -c <k)" 80
}
test_no_name_at_all() { # argv[0] may be anything, or missing
    needs perl
    for name in '' / . stek- ' '; do
        exits 100 env "NAME=$name" perl -e 'exec { $ENV{STEK} } $ENV{NAME}'
        ok env "NAME=$name" perl -e 'exec { $ENV{STEK} } $ENV{NAME}, "genkey"'
        equal bytes "$(wc -c <"$T/out")" 80
    done
}
test_install_links() {
    mkdir bin
    quiet stek --install-links bin
    for applet in $(stek --list); do
        equal "target of stek-$applet" "$(readlink "bin/stek-$applet")" "$(readlink -f "$STEK")"
    done
    equal "number of links" "$(find bin -mindepth 1 | wc -l)" "$(stek --list | wc -l)"
    bin/stek-genkey >k
    equal bytes "$(wc -c <k)" 80
    quiet stek --install-links bin # again
    quiet stek --install-links "$T/bin"
    rm bin/stek-rotate
    echo mine >bin/stek-rotate
    run stek --install-links bin
    equal "a file of somebody else" "$(cat bin/stek-rotate)" mine
    equal "exit status" "$rc" 111
    err_has 'hint: '
    err_has bin/stek-rotate
    refuses 111 stek --install-links missing
    refuses 100 stek --install-links
    refuses 100 stek --install-links bin more
    refuses 111 stek --install-links "$STEK"
}
test_static() {
    needs ldd
    run ldd "$STEK"
    case $(cat "$T/out" "$T/err") in
    *'not a dynamic executable'* | *'statically linked'*) ;;
    *) fail "not static" ;;
    esac
}

# Options.
test_option_forms() {
    for words in '--slots 2' --slots=2 -n2 '-n 2' '-vn2' '-vn 2' '-n5 -n2' '-n 2 --'; do
        rm -f "$DIR"/*
        # shellcheck disable=SC2086
        ok stek rotate $words a
        whole_set a 2
        isnt -e "$DIR/a.3.key"
    done
    rm -f "$DIR"/*
    quiet stek rotate a -n2 b --size 48 # operands and options mix
    whole_set a 2 48
    whole_set b 2 48
    quiet stek rotate --dir="$DIR" --period="$PERIOD" c
    whole_set c
    quiet stek rotate -d"$DIR" -p"$PERIOD" d
    whole_set d
}
test_end_of_options() {
    quiet stek rotate -- -n3
    whole_set -n3
    quiet stek rotate a -- --force
    whole_set --force
    whole_set a
}
test_wrong_options() {
    make_set a
    later a 1
    before=$(state)
    for o in -x --nonsense --slot --slots --force=1 --verbose= -vx '-n' -N3 --FORCE --forc --; do
        case $o in
        --slots | -n) refuses 100 stek rotate a $o ;;
        --) refuses 100 stek rotate a -- b/c ;;
        *) refuses 100 stek rotate $o a ;;
        esac
        equal state "$(state)" "$before"
    done
    run stek rotate --nonsense a
    err_has --nonsense
    run stek rotate -x a
    err_has -x
}
test_options_of_other_applets() {
    make_set a
    refuses 100 stek shift --dry-run a
    refuses 100 stek genkey --force
    refuses 100 stek lock --json true
    refuses 100 stek list --hex
    refuses 100 stek umount --size 1m
}
# bytes FORMAT: stek with the arguments in FORMAT (printf, ended by \0 each); exit status in $rc
bytes() {
    rc=0
    # shellcheck disable=SC2059
    printf "$1" | xargs -0 sh -c '"$STEK" "$@" >out 2>err; echo $? >rc' - || :
    rc=$(cat rc)
}
test_not_utf8() { # a message, not a panic
    for words in 'rotate\0\377\0' '\377\0' 'rotate\0--\377\0a\0' 'rotate\0-\377\0a\0' 'rotate\0\303\244\0' \
        'help\0\377\0' 'install\0\377\0' 'list\0\377\0' 'rotate\0--period=\377\0a\0'; do
        bytes "$words"
        equal "exit status of $words" "$rc" 100
        is -s "$T/err"
        isnt -s "$T/out"
    done
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
    bytes 'lock\0sh\0-c\0printf %%s "$1"\0-\0\377\0'
    equal "exit status" "$rc" 0
    equal "byte passed on" "$(od -An -tx1 <"$T/out" | tr -d ' ')" ff
}
test_messages_stay_on_one_line() { # what is quoted in a message is made harmless
    run stek rotate 'a
b'
    is -s "$T/err"
    equal "lines that are no message" "$(grep -c -v '^stek rotate: ' "$T/err")" 0
    run stek rotate "$(printf 'a\033[31mb')"
    equal "control characters" "$(tr -d '[:print:]\n' <"$T/err" | wc -c)" 0
}

# Where settings come from: option, environment, file, default.
test_option_beats_environment() {
    mkdir -m 700 other
    quiet env STEK_SLOTS=5 STEK_SIZE=48 "STEK_DIR=$T/other" "$STEK" rotate -n2 -s80 -d "$DIR" a
    whole_set a 2
    equal "names in the other directory" "$(find other | wc -l)" 1
}
test_empty_means_unset() {
    quiet env STEK_SLOTS= STEK_SIZE= STEK_GROUP= STEK_NAMES= "$STEK" rotate a
    whole_set a
}
# with_file WORD...: stek with the file `default` as settings file and no STEK_DIR
with_file() { env -u STEK_DIR -u STEK_PERIOD "STEK_DEFAULT_FILE=$T/default" "$STEK" "$@"; }
test_settings_file() {
    cat >default <<EOF
# settings
STEK_DIR=$DIR
  STEK_SLOTS="5"
export STEK_SIZE='48'
#STEK_SLOTS=7
STEK_PERIOD=$PERIOD # a comment
STEK_NAMES="a b"
OTHER=x
unrelated words; touch ran
EOF
    quiet with_file rotate
    whole_set a 5 48
    whole_set b 5 48
    isnt -e ran
    quiet with_file rotate -n2 c # an option beats it
    whole_set c 2 48
    quiet env STEK_SIZE=80 sh -c 'unset STEK_DIR STEK_PERIOD; STEK_DEFAULT_FILE=default "$STEK" rotate d'
    whole_set d 5 80
}
test_settings_file_is_for_the_hosts_directory() { # a directory of one's own is not what it speaks about
    echo STEK_SLOTS=5 >default
    quiet env "STEK_DEFAULT_FILE=$T/default" "$STEK" rotate a
    whole_set a
    quiet with_file rotate -d "$DIR" -p "$PERIOD" b
    whole_set b
}
test_settings_file_is_not_run() {
    for value in '$(touch ran)' '`touch ran`' '"$HOME/keys"'; do
        echo "STEK_DIR=$value" >default
        refuses 100 with_file list
        isnt -e ran
    done
}
test_settings_file_wrong() {
    for line in STEK_SLOTS=1 STEK_PERIOD=8d STEK_SIZE=64 STEK_NAMES=a/b 'STEK_SLOTS="3'; do
        printf '%s\n' "STEK_DIR=$DIR" "$line" >default
        refuses 100 with_file rotate a
        err_has "${line%%=*}"
    done
    equal "names in the directory" "$(find "$DIR" | wc -l)" 1
}
test_relative_directory() { # init, cron and a shell would each find another one
    mkdir -m 700 keys-here
    echo STEK_DIR=keys-here >default
    for verb in rotate list mount umount; do
        refuses 100 with_file $verb
        err_has "$T/default: STEK_DIR: 'keys-here' does not begin with a slash"
        refuses 100 env STEK_DIR=./keys-here "$STEK" $verb
        err_has "\$STEK_DIR: './keys-here' does not begin with a slash"
    done
    equal "names in the directory" "$(find keys-here | wc -l)" 1
    # who says it as an option means where he is
    quiet env STEK_DIR=other "$STEK" rotate -d keys-here a
    is -f keys-here/a.1.key
}
test_settings_file_missing() {
    quiet env STEK_DEFAULT_FILE=/no/such/file "$STEK" rotate a
    whole_set a
    rm -f default
    run with_file help
    equal "exit status of help" "$rc" 0
}
test_empty_environment() {
    quiet env -i STEK_DEFAULT_FILE=/dev/null "$STEK" rotate -d "$DIR" -p "$PERIOD" a
    whole_set a
}

test_settings_that_are_not_text() { # never taken for unset: the directory would be another one
    # by another shell: yash drops what is no character from its variables
    refuses 100 sh -c 'STEK_DIR=$(printf "/dev/shm/\377"); export STEK_DIR; exec "$STEK" list'
    refuses 100 sh -c 'STEK_SLOTS=$(printf "\377"); export STEK_SLOTS; exec "$STEK" rotate a'
}
test_settings_that_an_applet_does_not_ask_for() { # a mistake in one of them must not keep keys from being destroyed
    quiet env STEK_PERIOD=often STEK_SLOTS=x STEK_NAMES=a/b "$STEK" umount -d "$T/none"
    refuses 100 env STEK_PERIOD=often "$STEK" rotate a
}
run_tests "$@"
