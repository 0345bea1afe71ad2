#!/bin/sh
# init: the boot script, every verb, in an empty environment (K2)
# shellcheck disable=SC2016 # $local_fs is text
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
private_mounts "$@"
# no pid file of an nginx that runs here
[ -z "${STEK_TEST_NS:-}" ] || mount -t tmpfs none /run

script=$here/../../contrib/init.d/stek

# As init(8) runs it, but for the binary and the settings. $DIR becomes a directory that start makes.
setup() {
    [ ! -e /run/nginx.pid ] || skip 'an nginx runs here'
    DIR=$T/run/stek
    mkdir "$T/run"
    printf 'STEK_DIR=%s\nSTEK_PERIOD=%s\nSTEK_NAMES="a b"\n' "$DIR" "$PERIOD" >"$T/default"
}
init() {
    # shellcheck disable=SC2086
    env -i STEK_BINARY="$STEK" STEK_DEFAULT_FILE="$T/default" ${TEST_SHELL:-sh} "$script" "$@"
}
gone() {
    # not even the directory: cron takes it for a sign
    isnt -e "$DIR"
    equal "mounts" "$(grep -cF " $DIR " /proc/self/mounts)" 0
}
field() { sed -n '/^### BEGIN INIT INFO$/,/^### END INIT INFO$/s/^# '"$1"': *//p' "$script"; }

test_header() {
    equal Provides "$(field Provides)" stek
    equal Required-Start "$(field Required-Start)" '$local_fs $remote_fs'
    equal Required-Stop "$(field Required-Stop)" '$local_fs $remote_fs'
    equal Default-Start "$(field Default-Start)" '2 3 4 5'
    equal Default-Stop "$(field Default-Stop)" '0 1 6'
    for server in nginx haproxy apache2 lighttpd unbound; do
        for f in X-Start-Before X-Stop-After; do
            case " $(field "$f") " in *" $server "*) ;; *) fail "$f: no $server" ;; esac
        done
    done
    [ -n "$(field Short-Description)" ] || fail 'no Short-Description'
    # update-rc.d takes only these, and lines that go on with two blanks or a tab
    sed -n '/^### BEGIN INIT INFO$/,/^### END INIT INFO$/p' "$script" | sed '1d;$d' |
        grep -v -e '^#  ' -e '^# \(Provides\|Required-St\(art\|op\)\|Should-St\(art\|op\)\|X-Start-Before\|X-Stop-After\|Default-St\(art\|op\)\|Short-Description\|Description\): ' >"$T/odd" || :
    isnt -s "$T/odd"
    equal 'first line' "$(head -n 1 "$script")" '#!/bin/sh'
    is -x "$script"
}
test_start_makes_the_keys() {
    setup
    ok init start
    whole_set a
    whole_set b
    err_lacks rotate
    out_has 'stek'
    case $(tail -n 1 "$T/out") in *.) ;; *) fail 'the line does not end as one of success' ;; esac
}
test_start_mounts() {
    needs_mounts
    setup
    ok init start
    case $(stat -f -c %T "$DIR") in tmpfs | ramfs) ;; *) fail 'not in memory' ;; esac
    equal mounts "$(grep -cF " $DIR " /proc/self/mounts)" 1
    equal mode "$(stat -c '%a %u' "$DIR")" "700 $(id -u)"
}
test_start_twice() {
    setup
    ok init start
    state >"$T/before"
    ok init start
    state >"$T/after"
    same "$T/before" "$T/after"
    equal mounts "$(grep -cF " $DIR " /proc/self/mounts)" "${STEK_TEST_NS:-0}"
}
test_start_rotates_what_is_due() {
    setup
    ok init start
    old=$(key_id a.0)
    later a 1
    ok init start
    whole_set a
    equal 'former next key' "$(key_id a.1)" "$old"
}
test_again_keeps_the_keys() {
    setup
    ok init start
    state >"$T/before"
    for verb in restart reload force-reload try-restart; do
        ok init "$verb"
        state >"$T/after"
        same "$T/before" "$T/after"
    done
}
test_restart_starts_what_is_stopped() {
    setup
    ok init restart
    whole_set a
    ok init stop
    ok init force-reload
    whole_set a
}
test_try_restart_starts_nothing() {
    setup
    ok init try-restart
    gone
}
test_try_restart_mends() {
    setup
    ok init start
    rm "$DIR/a.2.key"
    ok init try-restart
    equal 'number of files' "$(find "$DIR" -name 'a.?.key' | wc -l)" 4
}
test_restart_makes_a_new_name() {
    setup
    ok init start
    old=$(key_ids a)
    sed -i 's/"a b"/"a b c"/' "$T/default"
    exits 4 init status
    ok init restart
    whole_set c
    equal 'keys of a' "$(key_ids a)" "$old"
    ok init status
}
test_stop() {
    setup
    ok init start
    ok init stop
    gone
    ok init stop
    gone
}
test_stop_without_start() {
    setup
    ok init stop
    gone
}
test_start_after_stop_makes_other_keys() {
    setup
    ok init start
    old=$(key_ids a)
    ok init stop
    ok init start
    whole_set a
    [ "$(key_ids a)" != "$old" ] || fail 'the same keys as before stop'
}
test_status() {
    setup
    exits 3 init status
    ok init start
    ok init status
    is -s "$T/out"
    rm "$DIR/b.3.key"
    exits 4 init status
    out_has 'b.3.key'
    ok init restart
    ok init status
    ok init stop
    exits 3 init status
}
test_status_of_an_empty_directory() {
    setup
    mkdir -m 700 "$DIR"
    exits 3 init status
}
test_unknown_verb() {
    setup
    for verb in begin '' 'start stop' help --help; do
        exits 2 init "$verb"
        isnt -s "$T/out"
        err_has Usage
    done
    exits 2 init
    gone
}
test_no_binary() {
    setup
    STEK=$T/none
    for verb in start stop restart reload force-reload try-restart status; do
        quiet init "$verb"
    done
    gone
}
test_no_names() {
    setup
    for names in '' 'STEK_NAMES=' 'STEK_NAMES=" "' '#STEK_NAMES=a'; do
        printf 'STEK_DIR=%s\n%s\n' "$DIR" "$names" >"$T/default"
        ok init start
        out_has 'STEK_NAMES is not set'
        gone
    done
}
test_default_file_as_installed() {
    # on a fresh installation nothing is set, and nothing happens
    setup
    cp "$here/../../contrib/default/stek" "$T/default"
    [ ! -e /run/stek ] || skip '/run/stek exists'
    ok init start
    out_has 'STEK_NAMES is not set'
    isnt -e /run/stek
}
test_names_found_in_the_directory() {
    setup
    ok init start
    later a 1
    sed -i /STEK_NAMES/d "$T/default"
    ok init start
    whole_set a
}
test_wrong_setting() {
    setup
    echo 'STEK_PERIOD=soon' >>"$T/default"
    exits 6 init start
    err_has soon
}
test_no_piece_of_shell() {
    setup
    cp "$T/default" "$T/right"
    for line in 'STEK_PERIOD="1h' 'exit 1'; do
        cp "$T/right" "$T/default"
        ok init start
        echo "$line" >>"$T/default"
        for verb in start restart; do
            exits 6 init $verb
            err_has "$T/default is no list of settings for a shell"
        done
        exits 4 init status
        is -e "$DIR/a.1.key"
        # stek reads the directory all the same
        ok init stop
        isnt -e "$DIR/a.1.key"
    done
}
test_relative_directory() { # of which init, cron and a shell would each make another one
    setup
    sed -i 's|^STEK_DIR=.*|STEK_DIR=keys-of-init|' "$T/default"
    for verb in start restart reload stop; do
        exits 6 init "$verb"
        err_has "STEK_DIR: 'keys-of-init' does not begin with a slash"
        out_has failed
        isnt -e keys-of-init
        isnt -e /keys-of-init
    done
}
test_refused() {
    setup
    mkdir -m 700 "$DIR"
    echo precious >"$DIR/file"
    exits 1 init start
    err_has "$DIR"
    out_has failed
    equal 'the file' "$(cat "$DIR/file")" precious
}
test_not_root() {
    needs_root
    needs setpriv
    setup
    chmod 711 "$base" "$T" "$T/run"
    cp "$STEK" "$T/stek"
    cp "$script" "$T/script"
    STEK=$T/stek script=$T/script
    nobody() {
        # shellcheck disable=SC2086,SC2317
        setpriv --reuid 65534 --regid 65534 --clear-groups \
            env -i STEK_BINARY="$STEK" STEK_DEFAULT_FILE="$T/default" ${TEST_SHELL:-sh} "$script" "$@"
    }
    exits 4 nobody start
    ok init start
    exits 4 nobody status
    exits 4 nobody stop
    whole_set a
}
test_group() {
    needs_root
    setup
    echo 'STEK_GROUP=4711' >>"$T/default"
    ok init start
    whole_set a 3 80 640
    equal 'group of the key' "$(stat -c %g "$DIR/a.1.key")" 4711
    equal 'directory' "$(stat -c '%a %g' "$DIR")" '750 4711'
    ok init restart
    whole_set a 3 80 640
    # and the line taken out again: a restart applies settings
    old=$(key_ids a)
    sed -i /STEK_GROUP/d "$T/default"
    ok init restart
    whole_set a
    equal 'directory' "$(stat -c %a "$DIR")" 700
    equal 'keys' "$(key_ids a)" "$old"
    later a 1
    ok init restart
    whole_set a
    whole_set b
    state >"$T/before"
    ok init restart
    state >"$T/after"
    same "$T/before" "$T/after"
}
test_without_lsb_functions() {
    needs_mounts
    [ -e /lib/lsb ] || skip 'no /lib/lsb here anyway'
    setup
    cat >"$T/hide" <<'X'
mount -t tmpfs none /lib/lsb || exit 99
[ ! -e /lib/lsb/init-functions ] || exit 98
binary=$1 settings=$2 script=$3
shift 3
init() { env -i STEK_BINARY="$binary" STEK_DEFAULT_FILE="$settings" "$@" "$script" "$verb"; }
for verb in start restart status stop; do init "$@" || exit 97; done
verb=status
init "$@"
X
    # shellcheck disable=SC2086
    exits 3 unshare -m sh "$T/hide" "$STEK" "$T/default" "$script" ${TEST_SHELL:-sh}
    isnt -s "$T/err"
}

run_tests "$@"
