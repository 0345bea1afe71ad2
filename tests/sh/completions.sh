#!/bin/sh
# completions: what bash, zsh and fish themselves complete; tests/documents.rs compares them with the table
# shells: dash
# shellcheck disable=SC2016,SC2030,SC2031 source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

files=$here/../../contrib/completions

# The words that may come next, sorted, in one line: completes SHELL WORD... with an empty or unfinished last one.
# The program and its links are on PATH, the keys directory is $DIR, and there are files.
completes() {
    shell=$1
    shift
    needs "$shell"
    if [ ! -d "$T/bin" ]; then
        mkdir "$T/bin" "$T/here" "$T/here/folder"
        ln -s "$STEK" "$T/bin/stek"
        for a in $(stek --list); do ln -s stek "$T/bin/stek-$a"; done
        : >"$T/here/a file"
    fi
    (
        cd "$T/here"
        PATH=$T/bin:$PATH HOME=$T
        export PATH HOME
        by_"$shell" "$@" 2>"$T/complaints" | sort -u | paste -s -d ' ' -
    )
    [ ! -s "$T/complaints" ] || fail "$shell, $*: $(cat "$T/complaints")"
}
# The words after the program come as bash splits them.
by_bash() {
    bash --norc -uc '. "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _stek; ((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"' \
        "$files/stek.bash" "$@"
}
by_fish() { fish --no-config -c 'source $argv[1]; complete -C "$argv[2..]"' "$files/stek.fish" "$@" | cut -f 1; }
# A line editor on a terminal of its own; compadd tells what it is given.
by_zsh() {
    : >"$T/added"
    ADDED=$T/added FILES=$files zsh -f -c '
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "PS1= PS2= RPS1= TERM=dumb; fpath=($FILES \$fpath); autoload -Uz compinit; compinit -u -D
            compadd() {
                local -a told
                [[ \${@[1,(i)(-|--)]} == *-[OAD]\ * ]] || { builtin compadd -A told \"\$@\"; print -rl -- \$told >>$ADDED; }
                builtin compadd \"\$@\"
            }
            tell() { zle complete-word; exit; }
            zle -N tell; bindkey ^T tell; print re\ady"
        zpty -r -m z line "*ready*"
        zpty -w -n z "$*"$'\''\024'\''
        while zpty -r z line; do :; done
    ' zsh "$@"
    grep . "$T/added" || :
}
# each WANTED WORD...: the three agree on that
each() {
    want=$1
    shift
    for shell in bash zsh fish; do equal "$shell, $*" "$(completes $shell "$@")" "$want"; done
}

test_applets() {
    each 'reload rotate' stek r
    each 'rotate' stek ro
    each "$(stek --list | paste -s -d ' ' -)" stek ''
    each "$(stek --list | paste -s -d ' ' -)" stek help ''
    each '' stek rotate x.no.such
    each '--list' stek --l
}
test_options() {
    each '--force' stek rotate --fo
    each '--force' stek-rotate --fo
    each '--json' stek lint --which --j
    for a in $(stek --list); do
        stek help "$a" | grep -o -e '^ *\(-[a-z], \)*--[a-z0-9-]*' | tr -d , | tr ' ' '\n' | grep . >"$T/help" || :
        printf '%s\n' -h --help >>"$T/help"
        want=$(sort -u "$T/help" | paste -s -d ' ' -)
        equal "options of $a by bash" "$(completes bash stek "$a" -)" "$want"
    done
}
test_names() {
    make_set one.example
    make_set two.example
    each 'one.example two.example' stek rotate ''
    each 'one.example' stek rotate two.example -v on
    each 'two.example' stek-rotate --force tw
    each 'one.example two.example' stek install --slot 1 ''
    for shell in bash fish; do equal 'one is enough' "$(completes $shell stek install one.example '')" ''; done
    mkdir -m 700 "$T/other"
    (DIR=$T/other; make_set other)
    each 'other' stek shift -d "$T/other" ''
    each 'other' stek shift -d"$T/other" ''
    equal 'in one word' "$(completes bash stek shift --dir = "$T/other" '')" other
    for shell in zsh fish; do equal 'in one word' "$(completes $shell stek shift "--dir=$T/other" '')" other; done
}
test_names_of_the_settings() {
    # who may not read the directory still sees which key sets there should be
    STEK_DIR=$T/none
    printf '#STEK_NAMES=no\nSTEK_NAMES="three.example four.example"\n' >"$T/default"
    STEK_DEFAULT_FILE=$T/default
    each 'four.example three.example' stek rotate ''
    STEK_NAMES=five
    export STEK_NAMES
    each 'five' stek rotate f
}
test_servers_then_names() {
    make_set one.example
    each 'nginx' stek snippet ''
    each 'one.example' stek snippet nginx ''
    each 'one.example' stek-snippet -p 1h nginx ''
    each 'nginx' stek reload ''
    each 'nginx' stek rotate --known-to ''
}
test_values() {
    each '48 80' stek genkey --size ''
    each '48 80' stek genkey -s ''
    each '1.2 1.3' stek probe --tls ''
    each '' stek rotate --period ''
    each 'root' stek install -o roo
    equal 'after a sign' "$(completes bash stek genkey --size = '')" '48 80'
    equal 'after a sign' "$(completes zsh stek genkey --size=)" '48 80'
}
test_files() {
    for shell in bash zsh fish; do
        for words in 'stek lint' 'stek genkey -o' 'stek reload --pid-file'; do
            # shellcheck disable=SC2086
            case $(completes $shell $words '') in *'a file'* | *'a\ file'*) ;; *) fail "$shell: no files after $words" ;; esac
        done
        # shellcheck disable=SC2086
        case $(completes $shell stek mount -d '') in
        *file*) fail "$shell: a file where a directory is wanted" ;;
        *folder*) ;;
        *) fail "$shell: no directories" ;;
        esac
    done
}
test_the_program_under_the_lock() {
    for shell in bash zsh fish; do
        case " $(completes $shell stek lock -w 5 stek-ro) " in
        *' stek-rotate '*) ;;
        *) fail "$shell: no commands after stek lock" ;;
        esac
    done
    equal 'no options of lock behind it' "$(completes bash stek lock ls --nonb)" ''
}

test_a_key_pressed_in_bash() {
    needs bash script
    { echo ". $files/stek.bash"; echo 'stek() { echo "called with $*"; }'; printf 'stek ro\t--fo\t\n'; echo exit; } >"$T/typed"
    script -qec 'TERM=dumb HISTFILE= bash --norc -i' /dev/null <"$T/typed" >"$T/out" 2>&1
    grep 'called with rotate --force' "$T/out" >/dev/null || fail "$(tr -cd '[:print:]\n' <"$T/out")"
}
test_installed_and_found_by_the_name_of_a_link() {
    needs make fish zsh bash
    top=$here/../..
    quiet_make() { make -s -C "$top" "$1" DESTDIR="$T/root" BIN="$STEK" >"$T/out" 2>&1 || fail "make $1: $(cat "$T/out")"; }
    quiet_make install
    share=$T/root/usr/share
    PATH=$T/root/usr/sbin:$PATH
    export PATH
    for words in 'stek rotate --fo' 'stek-rotate --fo'; do
        equal "fish, $words" "$(HOME=$T XDG_DATA_DIRS=$share fish -c "complete -C '$words'" | cut -f 1)" '--force'
    done
    for name in stek stek-rotate; do
        equal "bash, $name" "$(bash --norc -c '. "$0"; complete -p "$1"' "$share/bash-completion/completions/$name" "$name")" \
            "complete -F _stek $name"
        # zsh looks for the pattern of the links where it knows no function for a command
        equal "zsh, $name" "$(zsh -f -c 'fpath=("$1" $fpath); autoload -Uz compinit; compinit -u -D
            print -r -- ${_comps[$2]:-${(v)_postpatcomps[(K)$2]}}' zsh "$share"/zsh/*/ "$name" 2>&1)" '_stek'
    done
    quiet_make uninstall
    equal 'what is left' "$(find "$T/root" ! -type d)" ''
}

run_tests "$@"
