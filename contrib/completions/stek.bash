# Completion of stek, and of its links stek-APPLET, for bash 4.2 and later; bash-completion is not needed.
# shellcheck shell=bash

# The table of applets, written by 'make documents':
_stek_applets='check genkey help identify install lint list lock mount probe reload rotate setup shift snippet umount'
_stek_servers='nginx'
# Options as -l,--long=VALUE; operands as in the synopsis
_stek_table() {
    case $1 in
    check)
        options=('-q,--quiet' '--json' '--ignore=ID' '--grace=DURATION' '--pid-file=FILE' '--probe=HOST' '-d,--dir=DIR' '-p,--period=PERIOD' '-n,--slots=NUMBER' '-g,--group=GROUP' '--allow-disk')
        operands=(NAME...)
        ;;
    genkey)
        options=('--base64' '--hex' '-o,--output=FILE' '-s,--size=48|80' '--allow-disk' '-v,--verbose')
        operands=()
        ;;
    help)
        options=()
        operands=(APPLET)
        ;;
    identify)
        options=('--verify' '--json' '-d,--dir=DIR' '--allow-disk' '-v,--verbose')
        operands=(FILE)
        ;;
    install)
        options=('--slot=NUMBER' '-f,--file=FILE' '-m,--mode=MODE' '-o,--owner=OWNER' '-d,--dir=DIR' '-p,--period=PERIOD' '-n,--slots=NUMBER' '-s,--size=48|80' '-g,--group=GROUP' '--allow-disk' '-v,--verbose')
        operands=(NAME)
        ;;
    lint)
        options=('--ignore=ID' '--json' '--which' '-d,--dir=DIR' '-p,--period=PERIOD' '-n,--slots=NUMBER' '-v,--verbose')
        operands=(FILE)
        ;;
    list)
        options=('--json' '--prometheus' '--pid-file=FILE' '-d,--dir=DIR' '-p,--period=PERIOD' '-n,--slots=NUMBER' '-g,--group=GROUP' '--allow-disk' '-v,--verbose')
        operands=(NAME...)
        ;;
    lock)
        options=('-n,--nonblock' '-w,--wait=SECONDS' '-d,--dir=DIR' '--allow-disk' '-v,--verbose')
        operands=(PROGRAM ARGUMENT...)
        ;;
    mount)
        options=('--size=BYTES' '-d,--dir=DIR' '-g,--group=GROUP' '-v,--verbose')
        operands=()
        ;;
    probe)
        options=('-s,--server-name=HOST' '--tls=1.2|1.3' '-w,--wait=SECONDS' '-d,--dir=DIR' '-p,--period=PERIOD' '-n,--slots=NUMBER' '--allow-disk' '-v,--verbose')
        operands=(HOST)
        ;;
    reload)
        options=('--if-stale' '--if-running' '--no-test' '-w,--wait=SECONDS' '--pid-file=FILE' '--config=FILE' '-d,--dir=DIR' '--allow-disk' '--syslog' '-v,--verbose')
        operands=(nginx)
        ;;
    rotate)
        options=('--force' '--dry-run' '--known-to=SERVER' '--pid-file=FILE' '-d,--dir=DIR' '-p,--period=PERIOD' '-n,--slots=NUMBER' '-s,--size=48|80' '-g,--group=GROUP' '--allow-disk' '--syslog' '-v,--verbose')
        operands=(NAME...)
        ;;
    setup)
        options=('--check' '--undo' '-v,--verbose')
        operands=(NAME...)
        ;;
    shift)
        options=('-d,--dir=DIR' '-p,--period=PERIOD' '-n,--slots=NUMBER' '-s,--size=48|80' '-g,--group=GROUP' '--allow-disk' '-v,--verbose')
        operands=(NAME...)
        ;;
    snippet)
        options=('-d,--dir=DIR' '-p,--period=PERIOD' '-n,--slots=NUMBER')
        operands=(SERVER NAME)
        ;;
    umount)
        options=('-d,--dir=DIR' '--allow-disk' '-v,--verbose')
        operands=()
        ;;
    esac
}
# End of the table.

# _stek_names DIR LIST...: the key sets that LIST, which is 'stek list', finds; where one may not look, those of the settings
_stek_names() {
    local directory=$1 names
    shift
    names=$("$@" --allow-disk ${directory:+--dir="$directory"} 2>/dev/null | cut -f 1 | uniq)
    if [[ ! $names ]]; then
        names=${STEK_NAMES:-$(sed -n 's/^STEK_NAMES=//p' "${STEK_DEFAULT_FILE:-/etc/default/stek}" 2>/dev/null | tr -d "\"'")}
    fi
    # nothing that compgen would expand
    tr -s '[:blank:]' '\n' <<<"$names" | grep -x '[A-Za-z0-9._-]*'
}

_stek() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]}
    local applet at list options=() operands=() # what _stek_table sets
    local word letters option kind='' directory='' seen=0 ended=''
    COMPREPLY=()
    if [[ ${program##*/} == stek-* ]]; then
        applet=${program##*stek-} at=1
        list=("${program%"$applet"}list")
    elif ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$_stek_applets" -- "$current")
        [[ $current != -* ]] || mapfile -t COMPREPLY < <(compgen -W "-h --help --version --list --install-links" -- "$current")
        return
    else
        applet=${COMP_WORDS[1]} at=2
        list=("$program" list)
    fi
    [[ $applet != --install-links ]] || kind=DIR
    _stek_table "$applet"

    # What stands before: options with their values, and operands. bash makes three words of --dir=DIR.
    for word in "${COMP_WORDS[@]:at:COMP_CWORD-at}"; do
        if [[ $kind ]]; then
            [[ $word != = ]] || continue
            [[ $kind != DIR ]] || directory=$word
            kind=''
        elif [[ $ended || $word != -?* ]]; then
            ((++seen))
            [[ ${operands[0]-} != PROGRAM ]] || ended=yes
        elif [[ $word == -- ]]; then
            ended=yes
        elif [[ $word == --* ]]; then
            for option in "${options[@]}"; do
                [[ ${option#*,} != "$word="* ]] || kind=${option#*=}
            done
        else
            letters=${word#-}
            while [[ $letters && ! $kind ]]; do
                for option in "${options[@]}"; do
                    [[ $option != "-${letters:0:1},"*=* ]] || kind=${option#*=}
                done
                letters=${letters:1}
            done
            if [[ $kind && $letters ]]; then # as in -d/run/stek
                [[ $kind != DIR ]] || directory=$letters
                kind=''
            fi
        fi
    done
    [[ $current != = ]] || current=''

    if [[ ! $kind && ! $ended && $current == -* ]]; then
        options=("${options[@]%%=*}")
        mapfile -t COMPREPLY < <(compgen -W "-h --help ${options[*]//,/ }" -- "$current")
        return
    elif [[ ! $kind ]]; then
        kind=${operands[seen]-}
        # the last operand stands for all that follow, if it may be repeated
        [[ $kind || ${#operands[@]} -eq 0 || ${operands[-1]} != *... ]] || kind=${operands[-1]}
        kind=${kind%...}
    fi
    case $kind in
    NAME) mapfile -t COMPREPLY < <(compgen -W "$(_stek_names "$directory" "${list[@]}")" -- "$current") ;;
    SERVER) mapfile -t COMPREPLY < <(compgen -W "$_stek_servers" -- "$current") ;;
    APPLET) mapfile -t COMPREPLY < <(compgen -W "$_stek_applets" -- "$current") ;;
    FILE | ARGUMENT) kind=-f ;;
    DIR) kind=-d ;;
    PROGRAM) kind=-c ;;
    GROUP) mapfile -t COMPREPLY < <(compgen -g -- "$current") ;;
    OWNER) mapfile -t COMPREPLY < <(compgen -u -- "$current") ;;
    HOST) mapfile -t COMPREPLY < <(compgen -A hostname -- "$current") ;;
    [!A-Z]*) mapfile -t COMPREPLY < <(compgen -W "${kind//|/ }" -- "$current") ;;
    esac
    if [[ $kind == -? ]]; then
        mapfile -t COMPREPLY < <(compgen "$kind" -- "$current")
        compopt -o filenames 2>/dev/null # refused where no completion is under way
    fi
}

complete -F _stek stek
for _stek_applet in $_stek_applets; do complete -F _stek "stek-$_stek_applet"; done
unset _stek_applet
