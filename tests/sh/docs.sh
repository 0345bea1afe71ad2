#!/bin/sh
# docs: help, manual page, README and default file say the same
# shells: dash
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

root=$here/../..
man=$root/man/stek.8

# The lines of a section (Sh) or subsection (Ss) of the page
part() { awk -v head=".$1 $2" '/^\.S[hs] /{on = ($0 == head); next} on' "$man"; }
section() { awk -v head=".Sh $1" '/^\.Sh /{on = ($0 == head); next} on' "$man"; }
# The long options in it: mdoc writes them "Fl -name"
man_options() { sed 's/\\&//g' | grep -o 'Fl -[a-z][a-z-]*' | sed 's/^Fl -//' | sort -u; }
help_options() { grep -o -e '--[a-z][a-z-]*' | sed 's/^--//' | sort -u; }

test_list_is_sorted() {
    ok stek --list
    sort -c "$T/out"
}
test_help_lists_the_applets() {
    for a in $(stek --list); do
        stek help | grep "^ *$a  *[a-z]" >/dev/null || fail "stek help: no $a"
    done
}
test_man_has_the_applets() {
    section APPLETS | sed -n 's/^\.It Xr stek-\([a-z]*\) 8$/\1/p' >"$T/got"
    equal 'applets in the manual page' "$(cat "$T/got")" "$(stek --list)"
    for f in "$root"/man/stek-*.8; do f=${f##*/stek-}; echo "${f%.8}"; done >"$T/got"
    equal 'applets with a page of their own' "$(cat "$T/got")" "$(stek --list)"
}
test_readme_has_the_applets() {
    # shellcheck disable=SC2016
    sed -n '/^| applet/,/^$/s/^| `\([a-z]*\)`.*/\1/p' "$root/README.md" | sort >"$T/got"
    equal 'applets in the README' "$(cat "$T/got")" "$(stek --list)"
}
# What help and page say, in lines alike: the synopsis, what it does, and each option with what it does; sentences
# as the house writes them in messages, lower case and without a full stop.
help_says() {
    awk '
        sub(/^usage: /, "") { print; next }
        /^options:$/ { print said; said = ""; options = 1; next }
        options && /^  (    )?-/ { if (said != "") print said; sub(/^ */, ""); sub(/  +/, ": "); said = $0; next }
        NF { sub(/^ */, ""); if (said == "") { said = $0 } else { if (said !~ /: /&& options) said = said ":"; said = said " " $0 } }
        END { print said }
    '
}
page_says() {
    mandoc -T ascii -O width=900,indent=5 "$1" | sed "s/.$(printf '\b')//g" | awk '
        function plain(text) { sub(/[.]$/, "", text); return tolower(substr(text, 1, 1)) substr(text, 2) }
        /^[A-Z]/ { part = $0; head = ""; next }
        !NF { next }
        { sub(/^     /, "") }
        part == "NAME" { sub(/^stek-[a-z]* - /, ""); does = $0 }
        part == "SYNOPSIS" { print; print plain(does) }
        part == "OPTIONS" && /^-/ { head = $0; if (!sub(/  .*/, "", head)) next; $0 = substr($0, length(head) + 1) }
        part == "OPTIONS" && /^ / && head != "" { sub(/^ */, ""); print head ": " plain($0); head = "" }
    '
}
test_man_says_what_help_says() {
    needs mandoc
    for a in $(stek --list); do
        ok stek help "$a"
        help_says <"$T/out" >"$T/help"
        page_says "$root/man/stek-$a.8" >"$T/man"
        [ "$(wc -l <"$T/man")" -ge 2 ] || fail "nothing read in the page of $a"
        diff "$T/help" "$T/man" >"$T/diff" || fail "help and page of $a: $(cat "$T/diff")"
    done
    # and can tell a difference
    for change in 's/^\.It Fl d /.It Fl D /' 's/ Ar DIR$/ Ar PLACE/' 's/keys directory/directory/' 's/NUMBER/N/'; do
        sed "$change" "$root/man/stek-rotate.8" >"$T/changed.8"
        differ "$T/changed.8" "$root/man/stek-rotate.8"
        stek help rotate | help_says >"$T/help"
        page_says "$T/changed.8" >"$T/man"
        differ "$T/help" "$T/man"
    done
}
test_man_has_the_options_without_an_applet() {
    stek --help | help_options >"$T/help"
    part Ss 'Without an applet' | sed -n 's/^\.It //p' | man_options >"$T/man"
    same "$T/help" "$T/man"
}
test_every_applet_takes_h() {
    for a in $(stek --list); do
        ok stek help "$a"
        cp "$T/out" "$T/help"
        ok stek "$a" -h
        same "$T/help" "$T/out"
    done
}
test_options_in_scripts_exist() {
    for f in contrib/init.d/stek contrib/cron/stek contrib/openrc/stek contrib/systemd/stek-rotate.service README.md doc/migrating.md; do
        grep -o 'stek [a-z]* [^|&;`]*' "$root/$f" | sed 's/^stek //' | while read -r a rest; do
            stek --list | grep -x -e "$a" >/dev/null || continue
            [ "$a" != lock ] || continue
            for o in $(printf '%s\n' "$rest" | help_options); do
                stek help "$a" | help_options | grep -x -e "$o" >/dev/null || fail "$f: stek $a has no --$o"
            done
        done
    done
}
test_settings() {
    sed -n 's/^#\(STEK_[A-Z]*\)=.*/\1/p' "$root/contrib/default/stek" | sort >"$T/default"
    equal 'settings' "$(tr '\n' ' ' <"$T/default")" 'STEK_DIR STEK_GROUP STEK_NAMES STEK_PERIOD STEK_SIZE STEK_SLOTS STEK_SYSLOG '
    sed -n 's/^export \(STEK_NAMES .*\)/\1/p' "$root/contrib/init.d/stek" | tr ' ' '\n' | sort >"$T/init"
    same "$T/default" "$T/init"
    section ENVIRONMENT | sed -n 's/^\.It Ev //p' | sort >"$T/man"
    equal 'in the manual page alone' "$(comm -13 "$T/default" "$T/man" | tr '\n' ' ')" 'STEK_DEFAULT_FILE STEK_LOCK '
    equal 'not in the manual page' "$(comm -23 "$T/default" "$T/man")" ''
    # nothing is set, and nothing says ENABLED
    equal 'lines in effect' "$(grep -v -e '^#' -e '^$' "$root/contrib/default/stek")" ''
    ! grep ENABLED "$root/contrib/default/stek" >/dev/null || fail ENABLED
}
test_default_values_are_the_defaults() {
    # the commented values, but for names and directory, put in force change nothing
    unset STEK_DIR STEK_PERIOD
    { echo "STEK_DIR=$DIR"; echo STEK_NAMES=a; } >"$T/none"
    { cat "$T/none"; sed -n 's/^#\(STEK_\)/\1/p' "$root/contrib/default/stek" | grep -v -e NAMES -e DIR; } >"$T/all"
    ok env STEK_DEFAULT_FILE="$T/none" "$STEK" rotate
    equal 'files' "$(cd "$DIR" && stat -c '%n %s %a' ./* | tr '\n' ' ')" \
        './a.0.key 80 600 ./a.1.key 80 600 ./a.2.key 80 600 ./a.3.key 80 600 '
    state >"$T/before"
    quiet env STEK_DEFAULT_FILE="$T/all" "$STEK" rotate
    state >"$T/after"
    same "$T/before" "$T/after"
}
test_exit_codes() {
    section 'EXIT STATUS' | sed -n 's/^\.It //p' | tr -d ' ' >"$T/man"
    sed -n '/^| code/,/^$/s/^| \([0-9][0-9, ]*\).*/\1/p' "$root/README.md" | tr -d ' ' >"$T/readme"
    same "$T/man" "$T/readme"
    equal codes "$(tr '\n' ' ' <"$T/man")" '0 1 100 102 111 126,127 '
}
test_man_is_clean() {
    needs mandoc
    quiet mandoc -T lint -W warning "$root"/man/*.8
}
test_version() {
    v=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    ok stek --version
    out_has "$v"
}

run_tests "$@"
