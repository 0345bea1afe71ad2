#!/bin/sh
# shellcheck shell=sh
# The harness of tests/sh. A test file is POSIX sh, ASCII only (yash), and looks like this:
#
#     #!/bin/sh
#     # rotate: what it does to the slots
#     # shells: dash                      (optional line: only under these, comma separated)
#     . "${0%/*}/lib.sh"
#     test_first_run() { quiet stek rotate a; whole_set a; }
#     run_tests "$@"
#
# Each function test_... runs in a subshell of its own under `set -eu`, in a fresh directory. A test
# passes when it returns 0, is skipped by `skip REASON`, and fails by anything else. stdin is
# /dev/null, stdout is thrown away, stderr is shown when it fails. One test: sh FILE test_name.
#
# $T      scratch directory on tmpfs, the working directory; removed after the test
# $DIR    $T/keys, 0700, empty; exported as STEK_DIR. $STEK_DEFAULT_FILE is /dev/null
# $STEK   the binary, absolute. `stek` is a function that calls it: to set a variable for one call
#         write  env STEK_SLOTS=5 "$STEK" rotate a  (an assignment before a function is not portable)
# $PERIOD seconds, exported as STEK_PERIOD, about 12 h, chosen so that no epoch begins or ends within
#         15 minutes; $EPOCH the epoch of now, $START its first second
#
# run CMD...        runs it: exit status in $rc, output in $T/out and $T/err
# ok CMD...         run, and it must exit 0
# quiet CMD...      ok, and not a byte on stdout or stderr
# exits N CMD...    run, and it must exit N
# refuses N CMD...  exits N with nothing on stdout and messages as the design words them on stderr
# out_is TEXT, out_has TEXT, err_is TEXT, err_has TEXT, err_lacks TEXT   about the last run (fixed text)
# equal WHAT GOT WANTED    is FILE-TEST OPERAND (`is -d dir`)    isnt FILE-TEST OPERAND
# fail WORDS      skip REASON      needs COMMAND...      needs_root
# as_nobody CMD...  as the user nobody, who can enter $T; `as_nobody stek ...` is the binary (needs root)
# until_ok CMD...   polls for at most 30 s until CMD succeeds, then fails
# ended PID         waits for a process in the background; look at what it did, not at its exit status.
#                   Start it with { exec CMD; } &  so that $! is CMD itself in every shell
#
# Keys, never printed (a file NAME.SLOT.key in $DIR is called NAME.SLOT):
# key_id NAME.SLOT   sixteen hexadecimal digits of its SHA-256, or "-" if there is no such file
# key_ids NAME [N]   those of slots 0 to N (3), in one line
# epochs NAME [N]    the epoch of each slot as its mtime says it, relative to now: "1 0 -1 -2"
# whole_set NAME [N [SIZE [MODE]]]   slots 0 to N (3) are whole, of SIZE (80) and MODE (600), all
#                    different and each in its epoch
# make_key FILE [SIZE]        random bytes, without stek        make_set NAME [N [SIZE]]   a whole set
# put NAME.SLOT EPOCHS        mtime of that slot: the epoch so many after this one
# later NAME N       all slots of NAME become N epochs older (negative: younger)
# state              every name in $DIR with type, mode, owner, size, mtime, inode and checksum
# same FILE FILE     differ FILE FILE
#
# An nginx of the test's own, in $T/srv:
# certificate NAME    cert.pem and cert.key for it
# nginx_head WORKERS   prints what nginx.conf begins with, up to the certificate in http{}; $pid and $log where its pid file
#                     and its log are not in srv
# workers             the processes of the master $master, the oldest first
# all_ended PID...    have they ended?
# aged                are the keys older than anything started from now on, however coarse the clocks are?
# stop_nginx PIDFILE   and waits until it has
#
# private_mounts "$@"   once after loading this file: the file runs in its own mount namespace, and
#                       tests may mount below $T. needs_mounts skips a test where that was refused.
# private_processes "$@"  the same with a pid namespace and /proc of its own: other tests' servers are not seen

LC_ALL=C TZ=UTC0
export LC_ALL TZ
unset CDPATH STEK_DIR STEK_SLOTS STEK_SIZE STEK_GROUP STEK_NAMES STEK_LOCK STEK_ALLOW_DISK
umask 022
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
here=$(cd "$here" && pwd -P)
self=$here/${0##*/}
for STEK in "${STEK:-}" "$here"/../../target/*/release/stek; do [ ! -x "$STEK" ] || break; done
case $STEK in /*) ;; *) STEK=$PWD/$STEK ;; esac
[ -x "$STEK" ] || { echo "tests/sh: no binary: build it or set STEK" >&2; exit 1; }
STEK_DEFAULT_FILE=/dev/null
now=$(date +%s) PERIOD=43200
while [ $((now % PERIOD)) -lt 900 ] || [ $((now % PERIOD)) -gt $((PERIOD - 900)) ]; do
    PERIOD=$((PERIOD + 1800))
done
STEK_PERIOD=$PERIOD EPOCH=$((now / PERIOD)) START=$((now / PERIOD * PERIOD))
export STEK STEK_DEFAULT_FILE STEK_PERIOD

stek() { "$STEK" "$@"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
skip() { printf '%s\n' "$*" >"$base/why"; exit 77; }
needs() { for w in "$@"; do command -v "$w" >/dev/null || skip "no $w"; done; }
needs_root() { [ "$(id -u)" = 0 ] || skip "not root"; }
needs_mounts() { [ -n "${STEK_TEST_NS:-}" ] || skip "no private mount namespace (not root?)"; }
as_nobody() {
    needs_root; needs setpriv
    chmod 711 "$T" "$base"
    if [ "$1" = stek ]; then # where nobody can reach it
        shift
        set -- "$base/stek" "$@"
        [ -x "$base/stek" ] || { cp "$STEK" "$base/stek"; chmod 755 "$base/stek"; }
    fi
    setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@"
}
private_mounts() {
    [ -z "${STEK_TEST_NS:-}" ] && [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null || return 0
    STEK_TEST_NS=1; export STEK_TEST_NS
    # shellcheck disable=SC2086
    exec unshare -m ${STEK_TEST_PROCESSES:-} -- ${TEST_SHELL:-sh} "$self" "$@"
}
private_processes() {
    if unshare -m -p -f --mount-proc true 2>/dev/null; then
        STEK_TEST_PROCESSES='-p -f --mount-proc --kill-child'; export STEK_TEST_PROCESSES
    fi
    private_mounts "$@"
}

run() { rc=0; "$@" >"$T/out" 2>"$T/err" || rc=$?; }
# stderr of the last run, short and printable, for a failure
said() { head -c 600 "$T/err" | tr -cd '[:print:]\n' | sed 's/^/  stderr: /'; }
exits() {
    want=$1; shift
    run "$@"
    [ "$rc" = "$want" ] || fail "$*: expected exit status $want, got $rc
$(said)"
}
ok() { exits 0 "$@"; }
quiet() {
    ok "$@"
    isnt -s "$T/out"
    [ ! -s "$T/err" ] || fail "$*: expected silence
$(said)"
}
refuses() {
    exits "$@"
    isnt -s "$T/out"; is -s "$T/err"
    # each line "stek...: ...", none begins with a capital or ends with a full stop
    ! grep -v '^stek\( [a-z]*\)\{0,1\}: [^A-Z ].*[^. ]$' "$T/err" >/dev/null ||
        fail "$*: message not worded as the others are
$(said)"
}
text() { [ "$(cat "$T/$1")" = "$2" ] || fail "std$1: expected '$2'
$(said)"; }
out_is() { text out "$1"; }
err_is() { text err "$1"; }
out_has() { grep -F -e "$1" "$T/out" >/dev/null || fail "stdout: expected '$1' in it"; }
err_has() { grep -F -e "$1" "$T/err" >/dev/null || fail "stderr: expected '$1' in it
$(said)"; }
err_lacks() { ! grep -F -e "$1" "$T/err" >/dev/null || fail "stderr: '$1' should not be in it"; }
equal() { [ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"; }
is() { test "$1" "$2" || fail "expected test $1 $2 to hold"; }
isnt() { ! test "$1" "$2" || fail "expected test $1 $2 not to hold"; }
until_ok() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 1500 ] || fail "waited 30 s for: $*"
        sleep 0.02
    done
}
# ksh93 with a trap may not wait, and says 127
ended() { wait "$1" || :; until_ok has_ended "$1"; }
has_ended() { case $(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null) in '' | Z) true ;; *) false ;; esac; }

certificate() {
    mkdir -p "$T/srv"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -keyout "$T/srv/cert.key" -out "$T/srv/cert.pem" 2>"$T/srv/openssl"
}
nginx_head() {
    cat <<EOF
worker_processes $1;
pid ${pid:-$T/srv/pid};
error_log ${log:-$T/srv/error.log} notice;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path $T/srv/body; proxy_temp_path $T/srv/proxy;
    fastcgi_temp_path $T/srv/fastcgi; uwsgi_temp_path $T/srv/uwsgi; scgi_temp_path $T/srv/scgi;
    ssl_certificate $T/srv/cert.pem;
    ssl_certificate_key $T/srv/cert.key;
EOF
}
all_ended() { # a dead process that nobody has waited for is gone as well
    for p in "$@"; do
        ! grep '^State:[[:space:]]*[A-WYa-w]' "/proc/$p/status" >/dev/null 2>&1 || return 1
    done
}
workers() { # not with sed, which ends where a process does while its file is read
    grep -hs "^[0-9]* (nginx) [A-Y] $master " /proc/[0-9]*/stat | cut -d ' ' -f 1 | sort -n | tr '\n' ' '
}
aged() { [ -z "$(find "$DIR" -name '*.key' -newerct '0.1 seconds ago')" ]; }
stop_nginx() {
    master=$(cat "$1" 2>/dev/null) || return 0
    grep 'nginx: master' "/proc/$master/cmdline" >/dev/null 2>&1 || return 0
    kill -s TERM "$master"
    until_ok all_ended "$master"
}

sum() { key_sums "$1"; }
# sixteen digits per file; "-" for what is no file or an empty one, as /dev/null is
key_sums() { sha256sum "$@" | sed 's/^\(.\{16\}\).*/\1/; s/^e3b0c44298fc1c14$/-/'; }
key_id() (
    f=$DIR/$1.key
    [ -f "$f" ] || f=/dev/null
    key_sums "$f"
)
key_ids() (
    name=$1 n=${2:-3} i=0
    set --
    while [ $i -le "$n" ]; do
        f=$DIR/$name.$i.key
        [ -f "$f" ] || f=/dev/null
        set -- "$@" "$f"
        i=$((i + 1))
    done
    key_sums "$@" | paste -s -d ' ' -
)
epochs() (
    name=$1 n=${2:-3} i=0 e=
    while [ $i -le "$n" ]; do
        m=$(stat -c %Y "$DIR/$name.$i.key")
        e="$e $((m / PERIOD - EPOCH))"
        i=$((i + 1))
    done
    printf '%s\n' "${e# }"
)
whole_set() (
    name=$1 n=${2:-3} i=0 looks="regular file ${3:-80} ${4:-600}" each=
    set --
    while [ $i -le "$n" ]; do
        set -- "$@" "$DIR/$name.$i.key"
        each="$each$looks $((1 - i))
"
        i=$((i + 1))
    done
    equal "kind, size, mode and epoch of the slots of $name" "$(stat -c '%F %s %a %Y' "$@" 2>&1 |
        while read -r a b size mode m; do echo "$a $b $size $mode $((m / PERIOD - EPOCH))"; done)
" "$each"
    equal "number of different keys of $name" "$(key_sums "$@" | sort -u | wc -l)" "$((n + 1))"
)
make_key() { (umask 077; head -c "${2:-80}" /dev/urandom >"$1"); }
put() { touch -d "@$((START + $2 * PERIOD))" "$DIR/$1.key"; }
make_set() (
    i=0
    while [ $i -le "${2:-3}" ]; do
        make_key "$DIR/$1.$i.key" "${3:-80}"
        put "$1.$i" $((1 - i))
        i=$((i + 1))
    done
)
later() { for f in "$DIR/$1".*.key; do touch -r "$f" -d "$((0 - ($2) * PERIOD)) seconds" "$f"; done; }
state() {
    find "$DIR" -printf '%P %y %m %U:%G %s %T@ %i %l\n' | sort
    find "$DIR" -type f -exec sha256sum {} + | sort
}
same() { cmp -s "$1" "$2" || fail "expected $1 and $2 to be equal"; }
differ() { ! cmp -s "$1" "$2" || fail "expected $1 and $2 to differ"; }

clean() {
    [ -z "${STEK_TEST_NS:-}" ] || grep -F " $T/" /proc/self/mounts | cut -d ' ' -f 2 | sort -r |
        while read -r m; do umount -l "$m"; done
    chmod -R u+rwx "$T" 2>/dev/null
    rm -rf "$T"
}
# run_tests [TEST...]: to be the last line of every file
run_tests() {
    passed=0 failed=0 skipped=0 t=
    base=$(mktemp -d /dev/shm/stek-test.XXXXXX) || exit 1
    trap 'T=$base; clean' EXIT
    trap 'echo "FAIL ${self##*/} $t: cut short"; exit 143' HUP INT TERM
    # shellcheck disable=SC2013,SC2048
    for t in ${*:-$(sed -n 's/^\(test_[A-Za-z0-9_]*\)().*/\1/p' "$self")}; do
        T=$base/$t DIR=$base/$t/keys STEK_DIR=$base/$t/keys
        export T DIR STEK_DIR
        mkdir -m 700 "$T" "$DIR"
        (set -eu; cd "$T"; "$t") </dev/null >/dev/null 2>"$base/log"
        case $? in
        0) passed=$((passed + 1)) ;;
        77) skipped=$((skipped + 1)); echo "skip ${self##*/} $t: $(cat "$base/why")" ;;
        *)
            failed=$((failed + 1))
            echo "FAIL ${self##*/} $t"
            [ -s "$base/log" ] || echo "a command failed under set -e" >"$base/log"
            tail -n 12 "$base/log" | tr -cd '[:print:]\n' | sed 's/^/     /'
            ;;
        esac
        clean
    done
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}
