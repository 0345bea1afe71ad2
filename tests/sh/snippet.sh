#!/bin/sh
# snippet: the lines, and that nginx and lint accept them
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

# With the defaults of a host that has set nothing.
snippet() { env -u STEK_DIR -u STEK_PERIOD "$STEK" snippet "$@"; }
directives() { grep -v '^#' "$T/out"; }

test_lines_of_nginx() {
    ok snippet nginx example.com
    equal lines "$(directives)" 'ssl_session_tickets on;
ssl_session_timeout 1d;
ssl_session_ticket_key /run/stek/example.com.1.key;
ssl_session_ticket_key /run/stek/example.com.2.key;
ssl_session_ticket_key /run/stek/example.com.3.key;
ssl_session_ticket_key /run/stek/example.com.0.key;'
    out_has '# check: nginx -T 2>/dev/null | stek lint'
}
test_window() {
    for w in '-n 2,12h' '-n 5 -p 6h,1d' '-n 4 -p 30m,90m' '-p 90s,3m' '-p 7,14s' '-n 100 -p 7d,7d' '-p 4d,7d'; do
        # shellcheck disable=SC2086
        ok snippet ${w%,*} nginx a
        out_has "ssl_session_timeout ${w#*,};"
    done
    ok snippet -n 5 nginx a
    equal 'number of keys' "$(grep -c ticket_key "$T/out")" 6
}
test_check_has_the_options_that_were_given() {
    ok snippet -p6h --dir="/srv/the keys" -n 4 nginx a
    out_has "| stek lint --period 6h --dir '/srv/the keys' --slots 4"
    out_has 'ssl_session_ticket_key "/srv/the keys/a.1.key";'
}
test_relative_directory() { # which nginx would look for elsewhere
    ok snippet -d keys nginx a
    out_has "ssl_session_ticket_key $T/keys/a.1.key;"
    out_has "| stek lint --dir $T/keys"
}
test_several_names() { # whose lines nginx would refuse in one file
    refuses 1 snippet nginx b a b
    err_is "stek snippet: 2 NAMEs at once: a block of nginx takes one list of keys
stek snippet: hint: call it for each, as 'stek snippet nginx b'; the lines of each belong in the default server of a listen socket of its own"
    ok snippet nginx b b
    equal 'number of keys' "$(grep -c 'ticket_key .*/b\.' "$T/out")" 4
    # those of the settings, if none is named
    refuses 1 env STEK_NAMES='x y' "$STEK" snippet nginx
    err_has "as 'stek snippet nginx x'"
    echo 'STEK_NAMES="x y"' >"$T/default"
    refuses 1 env -u STEK_DIR STEK_DEFAULT_FILE="$T/default" "$STEK" snippet nginx
    ok env STEK_NAMES='x y' "$STEK" snippet nginx y
    out_has "/y.1.key"
    ok env STEK_NAMES='x' "$STEK" snippet nginx
    out_has "/x.1.key"
}
test_usage() {
    refuses 100 snippet
    refuses 100 snippet nginx
    refuses 100 snippet apache a
    err_has 'these are known: nginx'
    refuses 100 snippet nginx a/b
    refuses 100 snippet nginx ''
    refuses 100 snippet -n 1 nginx a
}
test_nginx_and_lint_accept_it() {
    needs nginx openssl
    mkdir -p "$T/etc"
    ok openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x \
        -keyout "$T/etc/cert.key" -out "$T/etc/cert.pem"
    for options in '' '-n 2' '-n 5' '-s 48'; do
        rm -f "$DIR"/*.key
        # shellcheck disable=SC2086
        ok stek rotate $options a b c
        # shellcheck disable=SC2086
        o=$(echo "$options" | sed 's/-s 48//')
        for n in a b c; do
            # shellcheck disable=SC2086
            "$STEK" snippet $o nginx "$n" >"$T/etc/$n"
        done
        cat >"$T/etc/nginx.conf" <<EOF
load_module ${NGINX_MODULES:-/usr/lib/nginx/modules}/ngx_stream_module.so;
events { } pid $T/pid;
http {
    access_log off; ssl_certificate cert.pem; ssl_certificate_key cert.key;
    client_body_temp_path $T/1; proxy_temp_path $T/2; fastcgi_temp_path $T/3; uwsgi_temp_path $T/4; scgi_temp_path $T/5;
    include a;
    server { listen 127.0.0.1:16001 ssl; }
    server { listen 127.0.0.1:16002 ssl; include b; }
}
stream {
    ssl_certificate cert.pem; ssl_certificate_key cert.key;
    server { listen 127.0.0.1:16003 ssl; return x; include c; }
}
EOF
        [ -e "${NGINX_MODULES:-/usr/lib/nginx/modules}/ngx_stream_module.so" ] || sed -i '/^load_module/d; /^stream/,$d' "$T/etc/nginx.conf"
        ok nginx -t -q -p "$T" -e "$T/log" -c "$T/etc/nginx.conf"
        nginx -T -p "$T" -e "$T/log" -c "$T/etc/nginx.conf" >"$T/dump" 2>"$T/nginx"
        # by the very command that the comment names
        command=$(sed -n 's/^# check: .*| stek //p' "$T/etc/a")
        # shellcheck disable=SC2086
        quiet stek $command "$T/dump"
    done
}

run_tests "$@"
