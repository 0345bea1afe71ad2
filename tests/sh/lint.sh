#!/bin/sh
# lint: what it finds in configurations, and what it does with its input
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"

fixtures=$here/../fixtures/nginx
# The settings that the fixtures are written for are the defaults.
lint() { env -u STEK_DIR -u STEK_PERIOD "$STEK" lint "$@"; }

# What a fixture expects: "FILE:LINE: ID" for every comment "# expect: ID...", with lines counted from
# the marker of a file, as lint counts them.
expected() {
    awk -v file="$1" '
        /^# configuration file .*:$/ { file = substr($0, 22, length($0) - 22); line = 0; next }
        { line++ }
        sub(/.*# expect: /, "") { n = split($0, ids, " "); for (i = 1; i <= n; i++) print file ":" line ": " ids[i] }
    ' "$1" | sort
}
found() { sed 's/^\(.*:[0-9]*\): [a-z]*: .* \[\([a-z-]*\)]$/\1: \2/' "$T/out" | sort; }
test_fixtures() {
    for f in "$fixtures"/*.conf; do
        run lint "$f"
        expected "$f" >"$T/expected"
        found >"$T/found"
        diff "$T/expected" "$T/found" >"$T/diff" || fail "$f: $(cat "$T/diff")"
        bad=$(grep -c -v -e 'include-unread$' -e 'host-name$' "$T/expected" || :)
        equal "exit status of lint $f" "$rc" "$([ "$bad" = 0 ] && echo 0 || echo 1)"
        isnt -s "$T/err"
    done
}
test_every_finding_has_a_fixture() {
    run lint --ignore '?'
    equal 'exit status' "$rc" 100
    sed -n 's/^.*these exist: //p' "$T/err" | tr ' ' '\n' >"$T/ids"
    is -s "$T/ids"
    for f in "$fixtures"/*.conf; do expected "$f"; done | sed 's/.* //' | sort -u >"$T/covered"
    # A configuration that includes itself without end is made below.
    equal 'not covered' "$(grep -v -x -F -f "$T/covered" "$T/ids")" too-much
    sort -c "$T/ids"
}
test_every_finding_is_in_the_manual_page() {
    run lint --ignore '?'
    sed -n 's/^.*these exist: //p' "$T/err" | tr ' ' '\n' >"$T/ids"
    sed -n '/^\.Sh FINDINGS/,/^\.Sh /s/^\.It Cm \([a-z-]*\)$/\1/p' "$here/../../man/stek-lint.8" | sort >"$T/man"
    same "$T/ids" "$T/man"
}
test_a_file_and_standard_input_are_the_same() {
    f=$fixtures/virtual-hosts.conf
    exits 1 lint "$f"
    sed "s|^$f|(standard input)|; s| $f| (standard input)|" "$T/out" >"$T/file"
    for operand in '' -; do
        rc=0
        # shellcheck disable=SC2086
        lint $operand <"$f" >"$T/got" 2>&1 || rc=$?
        equal 'exit status' "$rc" 1
        sed "s| $f| (standard input)|" "$T/got" >"$T/input"
        same "$T/file" "$T/input"
    done
    # of a dump the files' own names are shown, wherever it lies
    cp "$fixtures/includes.conf" "$T/dump"
    exits 1 lint "$T/dump"
    out_has '/usr/local/nginx/conf/tls.conf:1: warning: ssl_session_timeout is 3d, longer than the window of 1d'
}
test_a_comment_begins_no_file() {
    cat >"$T/dump" <<'EOF'
nginx: [warn] conflicting server name "a" on 0.0.0.0:443, ignored
2026/11/24 00:00:00 [warn] 7#7: something else
# configuration file /etc/nginx/nginx.conf:
# configuration file /etc/nginx/nginx.conf:
events { }
http {
# configuration file /etc/nginx/keys:
    server { listen 443 ssl; include keys; }
    log_format x '
# configuration file /etc/nginx/keys:
';
    include absent;
}

# configuration file /etc/nginx/keys:
# configuration file /etc/nginx/other:
ssl_session_ticket_key /run/stek/a.1.key;
ssl_session_ticket_key /run/stek/a.2.key;
# configuration file /etc/nginx/keys:
ssl_session_ticket_key /run/stek/a.3.key;
EOF
    exits 1 lint "$T/dump"
    out_is "/etc/nginx/nginx.conf:9: note: /etc/nginx/absent is not in the input and was not read [include-unread]
/etc/nginx/keys:5: warning: the next key, slot 0, is missing in this list: at a rotation tickets are refused until all servers have it [missing-next]"
    # a configuration with such a comment is no dump
    { echo 'events { }'; sed '1,2d' "$T/dump"; } >"$T/etc"
    run lint "$T/etc"
    out_has "$T/etc:7: note: $T/keys is not in the input"
}
test_the_line_of_a_finding() {
    exits 1 lint "$fixtures/virtual-hosts.conf"
    out_is "$fixtures/virtual-hosts.conf:20: error: nginx ignores these keys on 0.0.0.0:443, [::]:443: its default server is a.example at $fixtures/virtual-hosts.conf:5, whose keys of a are used for all names [ignored-keys]"
}
test_keys_that_no_socket_uses() {
    exits 1 lint "$fixtures/unused.conf"
    out_is "/etc/nginx/conf.d/stek.conf:3: warning: no socket makes tickets with these keys: tickets are switched off at /etc/letsencrypt/options-ssl-nginx.conf:4, which counts in the default server of 0.0.0.0:443, [::]:443; take that line out (Certbot's options-ssl-nginx.conf has one) [unused-keys]"
    lint --which "$fixtures/unused.conf" | cut -f 6 | sort -u >"$T/which"
    equal 'keys that make tickets' "$(cat "$T/which")" none
    quiet lint --ignore unused-keys "$fixtures/unused.conf"
    # no TLS at all
    { echo 'http {'; grep ^ssl_session_ticket_key "$fixtures/unused.conf"; echo 'server { listen 80; } }'; } >"$T/plain"
    exits 1 lint "$T/plain"
    out_is "$T/plain:2: warning: no socket makes tickets with these keys: no server takes connections over TLS [unused-keys]"
    # keys of another directory are not looked after here
    quiet lint -d /run/other "$T/plain"
    # on standard input what is included is not read, and may use them
    # shellcheck disable=SC2317
    piped() { lint <"$1"; }
    exits 1 piped "$T/plain"
    out_has '[unused-keys]'
    sed 's/^server.*/include sites-enabled\/*; }/' "$T/plain" >"$T/part"
    quiet piped "$T/part"
    exits 1 lint "$T/part"
    out_has '[unused-keys]'
}
test_nothing_to_look_at_is_not_clean() {
    refuses 1 lint </dev/null
    err_has 'standard input is empty'
    echo 'server { listen 443 ssl; }' >"$T/part"
    refuses 1 lint "$T/part"
    err_has 'there is no http, stream or mail block'
    refuses 111 lint "$T/none"
    err_has 'No such file or directory'
    refuses 111 lint "$T"
}
test_usage() {
    refuses 100 lint a b
    refuses 100 lint --ignore no-such-thing "$fixtures/lua.conf"
    refuses 100 lint --no-such-option
    refuses 100 lint -n 1 "$fixtures/lua.conf"
}
test_ignore() {
    exits 1 lint --ignore=first-not-current,missing-slot "$fixtures/replaced.conf"
    equal 'findings' "$(found | sed 's/.* //' | sort -u | tr '\n' ' ')" 'missing-next replaced-list '
    quiet lint --ignore 'first-not-current, missing-slot, missing-next, replaced-list' "$fixtures/replaced.conf"
    # a note by itself is no failure
    ok lint --ignore no-keys "$fixtures/plain.conf"
    is -s "$T/out"
}
test_window() {
    quiet lint "$fixtures/debian.conf"
    exits 1 lint -p 6h "$fixtures/debian.conf"
    out_has 'longer than the window of 12h (slots 1 to 3, period 6h)'
    exits 1 lint -n 4 "$fixtures/debian.conf"
    out_has 'slot is missing in this list: 4;'
    exits 1 lint -d /run/keys "$fixtures/debian.conf"
    equal 'other directories' "$(grep -c other-directory "$T/out")" 4
    # the settings of the host are those of rotate
    echo 'STEK_PERIOD=6h' >"$T/default"
    exits 1 env -u STEK_DIR -u STEK_PERIOD STEK_DEFAULT_FILE="$T/default" "$STEK" lint "$fixtures/debian.conf"
    out_has 'timeout-over-window'
}
test_json() {
    exits 1 lint --json "$fixtures/virtual-hosts.conf"
    out_has '{"file":"'
    out_has '"line":20,"severity":"error","id":"ignored-keys","text":"nginx ignores these keys on '
    ok lint --json "$fixtures/debian.conf"
    out_is '[]'
    if command -v python3 >/dev/null; then
        for f in "$fixtures"/*.conf; do
            run lint --json "$f"
            python3 -m json.tool "$T/out" >/dev/null || fail "$f: no JSON"
            run lint --json --which "$f"
            [ "$rc" != 0 ] || python3 -m json.tool "$T/out" >/dev/null || fail "$f: no JSON"
        done
    fi
}
test_which() {
    ok lint --which "$fixtures/virtual-hosts.conf"
    tab=$(printf '\t')
    out_has "http${tab}0.0.0.0:443${tab}-${tab}a${tab}1${tab}/run/stek/a.1.key"
    out_has "http${tab}0.0.0.0:443${tab}*.b.example${tab}a${tab}1${tab}/run/stek/a.1.key"
    out_has "http${tab}192.0.2.7:443${tab}c.example${tab}c${tab}1${tab}/run/stek/c.1.key"
    ok lint --which "$fixtures/tickets-off.conf"
    out_has "http${tab}0.0.0.0:2${tab}b${tab}-${tab}-${tab}none"
    ok lint --which "$fixtures/default-server.conf"
    out_has "http${tab}0.0.0.0:443${tab}a.example${tab}-${tab}-${tab}random"
    out_has "http${tab}0.0.0.0:8443${tab}-${tab}-${tab}-${tab}rejected"
    refuses 1 lint --which "$fixtures/broken.conf"
    err_has 'syntax'
}
test_includes_are_read_from_the_disk() {
    mkdir -p "$T/etc/sites" "$T/etc/inner"
    echo 'http { include sites/*.conf; include "inner/?.inc"; }' >"$T/etc/nginx.conf"
    echo 'server { listen 443 ssl; server_name b; }' >"$T/etc/sites/b.conf"
    echo 'server { listen 443 ssl; server_name a; include inner/keys; }' >"$T/etc/sites/a.conf"
    echo 'nonsense' >"$T/etc/sites/.c.conf"
    for i in 1 2 3 0; do echo "ssl_session_ticket_key /run/stek/a.$i.key;"; done >"$T/etc/inner/keys"
    echo 'ssl_session_timeout 9d;' >"$T/etc/inner/t.inc"
    exits 1 lint "$T/etc/nginx.conf"
    out_is "$T/etc/inner/t.inc:1: warning: ssl_session_timeout is 9d, and no ticket may live longer than 7d (RFC 8446) [timeout-over-week]"
    # the same from its own directory
    cd "$T/etc"
    exits 1 lint nginx.conf
    out_is "inner/t.inc:1: warning: ssl_session_timeout is 9d, and no ticket may live longer than 7d (RFC 8446) [timeout-over-week]"
    # without end
    echo 'include u.inc; include u.inc; http { }' >"$T/etc/inner/u.inc"
    exits 1 lint "$T/etc/inner/u.inc"
    out_has '[too-much]'
    # a file that is no file
    mkfifo "$T/etc/sites/d.conf"
    run lint "$T/etc/nginx.conf"
    equal 'exit status' "$rc" 1
}
test_hostile_input() {
    # what is no text, and what would move the cursor of a terminal
    head -c 20000 /dev/urandom >"$T/noise"
    run lint "$T/noise"
    equal 'exit status' "$rc" 1
    printf 'http { server { listen 443 ssl; ssl_session_ticket_key "/x\033[2J\007.key"; } }' >"$T/escape"
    exits 1 lint "$T/escape"
    [ "$(tr -d '\033\007' <"$T/out" | wc -c)" = "$(wc -c <"$T/out")" ] || fail 'control characters came through'
    # deep, wide, and unfinished
    awk 'BEGIN { for (i = 0; i < 100000; i++) printf "a {"; }' >"$T/deep"
    exits 1 lint "$T/deep"
    out_has '[syntax]'
    { echo 'http {'; awk 'BEGIN { for (i = 0; i < 20000; i++) print "server { listen 443 ssl; server_name n" i "; }" }'; echo '}'; } >"$T/wide"
    exits 1 lint "$T/wide"
    equal 'findings' "$(wc -l <"$T/out")" 1
    echo 'http { server { listen 1-65535 ssl; listen 1-65535 ssl quic; listen [::]:1-65535 ssl; listen 127.0.0.1:1-65535 ssl; } }' >"$T/ports"
    exits 1 lint "$T/ports"
    out_has '[too-much]'
    # more than it reads
    head -c 68000000 /dev/zero >"$T/large"
    refuses 1 lint "$T/large"
    err_has 'more than 64 MiB'
    rm "$T/large"
}
test_output_that_goes_nowhere() {
    [ -w /dev/full ] || skip 'no /dev/full'
    rc=0
    lint "$fixtures/lists.conf" >/dev/full 2>"$T/err" || rc=$?
    equal 'exit status' "$rc" 111
    err_has 'cannot write standard output'
}
test_nginx_dumps_are_understood() {
    PATH=$PATH:/usr/sbin:/sbin
    needs nginx openssl
    mkdir -p "$T/etc/conf.d"
    ok openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x \
        -keyout "$T/etc/k" -out "$T/etc/c"
    export STEK_DIR="$DIR"
    ok env STEK_PERIOD="$PERIOD" "$STEK" rotate ex
    echo "events { } pid $T/pid; http { access_log off; include conf.d/*; }" >"$T/etc/nginx.conf"
    "$STEK" snippet nginx ex >"$T/etc/conf.d/keys"
    echo 'ssl_certificate c; ssl_certificate_key k; server { listen 127.0.0.1:1 ssl; }' >"$T/etc/conf.d/server"
    # with and without what nginx says beside it
    nginx -T -p "$T" -e "$T/log" -c "$T/etc/nginx.conf" >"$T/dump" 2>"$T/dump.err"
    quiet "$STEK" lint "$T/dump"
    cat "$T/dump.err" "$T/dump" >"$T/both"
    quiet "$STEK" lint "$T/both"
    ok "$STEK" lint -v "$T/both"
    err_is "stek lint: $T/both: 3 files, 1 server, 1 TLS socket"
}

run_tests "$@"
