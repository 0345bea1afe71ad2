#!/bin/sh
# cron: the line in the cron file, as cron runs it (K4, K10)
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
private_mounts "$@"
# no pid file of an nginx that runs here
[ -z "${STEK_TEST_NS:-}" ] || mount -t tmpfs none /run

file=$here/../../contrib/cron/stek

# The job, with other files in the place of the binary and of the settings
job() { sed -n 's/^\*.* root //p' "$file" | sed "s|/usr/sbin/stek|$STEK|g; s|/etc/default/stek|$T/default|g"; }
tick() {
    env -i HOME=/root LOGNAME=root SHELL=/bin/sh "$(grep ^PATH= "$file")" "${sh:-/bin/sh}" -c "$(job)"
}
setup() {
    [ ! -e /run/nginx.pid ] || skip 'an nginx runs here'
    printf 'STEK_DIR=%s\nSTEK_PERIOD=%s\nSTEK_NAMES="a b"\n' "$DIR" "$PERIOD" >"$T/default"
}
# A program that says with what it was called
fake() {
    cat >"$T/fake" <<'X'
#!/bin/sh
log=${0%/*}/calls
echo "$*" >>"$log"
env | grep ^STEK_ | sort >"$log.env"
read -r line && echo "read $line" >>"$log"
[ "$1" != "$(cat "${0%/*}/fails" 2>/dev/null)" ]
X
    chmod 755 "$T/fake"
    STEK=$T/fake
}

test_syntax() {
    # cron wants: a name without dots, owner's write only, variables, then 5 fields, the user, the command
    case ${file##*/} in *[!A-Za-z0-9_-]*) fail 'cron does not read a file of this name' ;; esac
    equal mode "$(stat -c %a "$file")" 644
    equal 'last byte' "$(tail -c 1 "$file" | od -An -c | tr -d ' ')" '\n'
    grep -v -e '^#' -e '^$' -e '^[A-Z][A-Z]*=' "$file" >"$T/jobs"
    equal 'number of jobs' "$(wc -l <"$T/jobs")" 1
    grep '^\(\([0-9*][0-9,/*-]*\) \{1,\}\)\{5\}root  *[^ ]' "$T/jobs" >/dev/null || fail 'not five fields and a user'
    ! grep '%' "$T/jobs" >/dev/null || fail 'cron makes a new line of %'
    ! grep '\\$' "$T/jobs" >/dev/null || fail 'cron knows no continuation'
    # cron takes at most 1000 bytes of a command
    [ "$(wc -c <"$T/jobs")" -lt 990 ] || fail 'too long'
    ! grep MAILTO "$file" >/dev/null || fail 'MAILTO is the administrator'\''s'
    grep '^PATH=.*/usr/sbin' "$file" >/dev/null || fail 'no PATH'
    sh -n -c "$(job)"
}
test_nothing_due() {
    setup
    make_set a
    make_set b
    state >"$T/before"
    quiet tick
    state >"$T/after"
    same "$T/before" "$T/after"
}
test_not_set_up() {
    setup
    rmdir "$DIR"
    quiet tick
    isnt -e "$DIR"
}
test_removed_package() {
    setup
    make_set a
    later a 1
    state >"$T/before"
    STEK=$T/none
    quiet tick
    state >"$T/after"
    same "$T/before" "$T/after"
}
test_no_default_file() {
    setup
    fake
    rm "$T/default"
    [ -d /run/stek ] || [ -n "${STEK_TEST_NS:-}" ] || skip 'no /run/stek'
    mkdir -p /run/stek
    quiet tick
    equal 'calls' "$(cat "$T/calls")" "rotate --known-to nginx --syslog
reload --if-stale --if-running --syslog"
}
test_rotates_when_due() {
    setup
    make_set a
    make_set b
    # shellcheck disable=SC2046
    set -- $(key_ids a)
    b=$(key_ids b)
    later a 1
    quiet tick
    whole_set a
    equal 'slots 1 to 3' "$(key_ids a | cut -d ' ' -f 2-)" "$1 $2 $3"
    equal 'keys of b' "$(key_ids b)" "$b"
    state >"$T/before"
    quiet tick
    state >"$T/after"
    same "$T/before" "$T/after"
}
test_a_new_name() {
    setup
    make_set a
    quiet tick
    whole_set b
}
test_every_shell() {
    setup
    for sh in dash bash mksh ksh93 yash zsh; do
        command -v "$sh" >/dev/null || continue
        rm -f "$DIR"/*
        make_set a
        make_set b
        later a 1
        quiet tick
        whole_set a
    done
}
test_speaks_up() {
    setup
    make_set a
    make_set b
    later a 1
    head -c 80 /dev/zero >"$DIR/a.0.key"
    put a.0 0
    run tick
    is -s "$T/err"
    err_has 'stek rotate: '
}
test_speaks_up_when_it_cannot_write() {
    needs_mounts
    setup
    mount -t tmpfs -o mode=700 none "$DIR"
    make_set a
    make_set b
    later a 1
    mount -o remount,ro "$DIR"
    run tick
    [ "$rc" -ne 0 ] || fail 'exit status 0'
    err_has 'Read-only file system'
}
test_one_bad_name_does_not_stop_the_rest() {
    setup
    fake
    # NAMEs that were rotated before the failure must reach the server
    echo rotate >"$T/fails"
    run tick
    [ "$rc" -ne 0 ] || fail 'exit status 0'
    equal calls "$(cat "$T/calls")" "rotate --known-to nginx --syslog
reload --if-stale --if-running --syslog"
    rm "$T/calls"
    echo reload >"$T/fails"
    run tick
    [ "$rc" -ne 0 ] || fail 'exit status 0'
    rm "$T/fails"
    quiet tick
}
test_same_settings_as_at_boot() {
    setup
    fake
    sed -n 's/^#\(STEK_[A-Z]*=\).*/\1x/p' "$here/../../contrib/default/stek" | grep -v STEK_DIR >>"$T/default"
    quiet tick
    mv "$T/calls.env" "$T/cron"
    grep STEK_PERIOD=x "$T/cron"
    ok env -i STEK_BINARY="$STEK" STEK_DEFAULT_FILE="$T/default" sh "$here/../../contrib/init.d/stek" start
    grep -v -e STEK_BINARY -e STEK_DEFAULT_FILE "$T/calls.env" >"$T/boot"
    same "$T/boot" "$T/cron"
    equal 'number of settings' "$(wc -l <"$T/cron")" 7
}
test_with_nginx() {
    needs_mounts
    needs nginx openssl
    setup
    sed -i 's/"a b"/a/' "$T/default"
    quiet tick
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=a \
        -keyout "$T/cert.key" -out "$T/cert.pem" 2>/dev/null
    cat >"$T/nginx.conf" <<X
pid /run/nginx.pid; error_log $T/error.log; worker_processes 1; events {}
http {
    access_log off; ssl_certificate $T/cert.pem; ssl_certificate_key $T/cert.key;
    $(for i in 1 2 3 0; do echo "ssl_session_ticket_key $DIR/a.$i.key;"; done)
    server { listen unix:$T/socket ssl; }
}
X
    until_ok aged
    nginx -c "$T/nginx.conf" -p "$T" -e "$T/error.log"
    trap 'kill "$(cat /run/nginx.pid)"; rm -f /run/nginx.pid' EXIT
    workers() { cat "/proc/$(cat /run/nginx.pid)/task/"*/children; }
    until_ok test -n "$(workers)"
    old=$(workers)
    quiet tick
    equal 'workers, nothing due' "$(workers)" "$old"

    # touched keys are changed keys, so the first tick reloads and the next one rotates, and reloads again
    # shellcheck disable=SC2046
    set -- $(key_ids a)
    later a 1
    quiet tick
    equal 'keys that nginx does not know yet' "$(key_ids a)" "$*"
    [ "$(workers)" != "$old" ] || fail 'not reloaded'
    old=$(workers)
    quiet tick
    whole_set a
    equal 'slots 1 to 3' "$(key_ids a | cut -d ' ' -f 2-)" "$1 $2 $3"
    [ "$(workers)" != "$old" ] || fail 'not reloaded after the rotation'

    # nginx cannot be reloaded: it is said each time, and no key makes tickets that nginx has not read
    set -- "$(key_ids a)" "$(workers)"
    later a 1
    echo 'no_such_directive;' >>"$T/nginx.conf"
    for i in 1 2; do
        run tick
        [ "$rc" -ne 0 ] || fail 'exit status 0'
        err_has no_such_directive
        equal keys "$(key_ids a)" "$1"
        equal workers "$(workers)" "$2"
    done
    sed -i '$d' "$T/nginx.conf"
    quiet tick
    quiet tick
    whole_set a
    [ "$(key_ids a)" != "$1" ] || fail 'not rotated after all'
}

run_tests "$@"
