#!/bin/sh
# lint: its claim which key makes the tickets, compared with live tickets of a real nginx
# shells: dash
# shellcheck source=tests/sh/lib.sh
exec 3>&1 # for the figures
PATH=$PATH:/usr/sbin:/sbin
# In a network of its own, so that wildcard addresses and fixed ports disturb nobody.
if [ -z "${STEK_TEST_NET:-}" ] && [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null && command -v ip >/dev/null; then
    STEK_TEST_NET=1
    export STEK_TEST_NET
    # A host name is only looked up where there is an address that is no loopback's.
    # shellcheck disable=SC2086,SC2016
    exec unshare -n -- ${TEST_SHELL:-sh} -c \
        'ip link set lo up && ip addr add 192.0.2.9/32 dev lo && ip addr add fd00::9/128 dev lo nodad; exec "$@"' sh \
        ${TEST_SHELL:-sh} "$0" "$@"
fi
. "${0%/*}/lib.sh"

modules=${NGINX_MODULES:-/usr/lib/nginx/modules}

# A server that answers whatever it is asked.
prepare() {
    needs nginx openssl
    [ -n "${STEK_TEST_NET:-}" ] || skip "no private network"
    mkdir -p "$T/srv" "$T/etc"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x.test \
        -keyout "$T/etc/cert.key" -out "$T/etc/cert.pem" 2>"$T/srv/openssl"
    quiet stek rotate a b c
    quiet stek rotate --size 48 small
    make_key "$T/etc/other"
    for f in "$DIR"/*.key "$T/etc/other"; do echo "$(od -An -tx1 -N16 "$f" | tr -d ' \n') $f"; done >"$T/keys.txt"
    : >"$T/compared"
    trap stop EXIT
    trap 'exit 143' HUP INT TERM
}
tls="ssl_certificate cert.pem; ssl_certificate_key cert.key; ssl_session_cache off; ssl_protocols TLSv1.2 TLSv1.3;"
http() { # directives in, an http block out
    cat <<EOF
http {
    access_log off;
    client_body_temp_path $T/srv/body; proxy_temp_path $T/srv/proxy;
    fastcgi_temp_path $T/srv/fastcgi; uwsgi_temp_path $T/srv/uwsgi; scgi_temp_path $T/srv/scgi;
    $tls
$(cat)
}
EOF
}
keys() { # keys NAME [SLOT...]: a list, in the order of the snippet
    n=$1; shift
    [ $# -gt 0 ] || set -- 1 2 3 0
    for i; do echo "ssl_session_ticket_key $DIR/$n.$i.key;"; done
}
list() { keys "$@" | tr '\n' ' '; } # on one line
needs_module() { [ -e "$modules/ngx_$1_module.so" ] || skip "no nginx module $1"; }
load() { for m in "$@"; do echo "load_module $modules/ngx_${m}_module.so;"; done; }

stop() {
    p=$(cat "$T/srv/pid" 2>/dev/null) || return 0
    kill "$p" 2>/dev/null || return 0
    until_ok gone "$p"
}
gone() { ! grep '^State:[[:space:]]*[^ZX]' "/proc/$1/status" >/dev/null 2>&1; }

# live [PREAMBLE]: a configuration on stdin; every claim of the linter is compared with tickets
live() {
    stop
    rm -f "$T/srv/pid"
    {
        echo "${1-}"
        echo "worker_processes 1; pid $T/srv/pid; error_log $T/srv/error.log notice; events { worker_connections 64; }"
        cat
    } >"$T/etc/nginx.conf"
    nginx -p "$T/srv" -e "$T/srv/error.log" -c "$T/etc/nginx.conf" -T >"$T/dump" 2>"$T/srv/out" ||
        fail "nginx -T: $(tail -n 3 "$T/srv/out")"
    nginx -p "$T/srv" -e "$T/srv/error.log" -c "$T/etc/nginx.conf" 3>&- 2>"$T/srv/out" ||
        fail "nginx does not start: $(tail -n 3 "$T/srv/out")"
    until_ok test -s "$T/srv/pid"
    ok stek lint --which "$T/dump"
    mv "$T/out" "$T/claims"
    # The file itself, with its includes read from the disk, says the same.
    ok stek lint --which "$T/etc/nginx.conf"
    same "$T/claims" "$T/out"
    # All findings are found, not run into.
    run stek lint "$T/dump"
    [ "$rc" -le 1 ] || fail "lint exits $rc"
    ! grep -e '\[syntax\]' -e '\[too-much\]' "$T/out" >/dev/null || fail "lint does not follow: $(cat "$T/out")"
    is -s "$T/claims"
    # That keys are listed for nothing is said exactly where no ticket is made with one of them.
    if ! grep -F "$DIR/" "$T/dump" >/dev/null || cut -f 6 "$T/claims" | grep -e "^$DIR/" -e '^unknown$' >/dev/null; then
        ! grep -F '[unused-keys]' "$T/out" >/dev/null || fail "keys that are used, or that are not there, are called unused"
    else
        grep -e '\[unused-keys]' -e '\[tickets-off]' -e '\[ignored-keys]' "$T/out" >/dev/null ||
            fail 'no ticket is made with the keys that are listed, and lint says nothing'
    fi
    : >"$T/unknown"
    versions='2 3'
    while IFS='	' read -r block address name set slot key; do
        [ "$set" = - ] || equal "the file of $set $slot" "${key##*/}" "$set.$slot.key"
        for target in $(targets "$address"); do
            case $name in
            -) versions=2; one -noservername; versions=3; one -servername nobody.invalid ;;
            .*) one -servername "${name#.}"; one -servername "www$name" ;;
            \*.*) one -servername "www${name#?}" ;;
            *.\*) one -servername "${name%?}example" ;;
            \~*) ;;
            *) one -servername "$name" ;;
            esac
            versions='2 3'
        done
    done <"$T/claims"
    stop
}
# Where to connect to for a claim about an address: for a wildcard one that has no socket of its own.
targets() {
    case $1 in
    0.0.0.0:*) echo "127.0.0.9:${1##*:}" ;;
    '[::]:'*) echo "[fd00::9]:${1##*:}" ;;
    *) echo "$1" ;;
    esac
}
# one OPTION...: the tickets of $target for that name, over TLS 1.$versions, against $key
one() {
    how=
    case $target in
    unix:*) at="-unix ${target#unix:}" ;;
    *) at="-connect $target" ;;
    esac
    say='GET / HTTP/1.0\r\n\r\n'
    case $block,$target in
    mail,*:143) how='-starttls imap' say= ;;
    mail,*:25) how='-starttls smtp' say= ;;
    mail,*) say= ;;
    esac
    for v in $versions; do
        got=$(ticket "$@")
        what="$block $target $* over TLS 1.$v"
        case $key in
        random)
            equal "length of the name of nginx's own key, $what" "${#got}" 32
            ! grep "^$got " "$T/keys.txt" >/dev/null || fail "$what: a key of nginx's own was claimed, got '$got'"
            ;;
        none) # over TLS 1.3 one may come that nothing opens
            [ -z "$got" ] || { [ "$v" = 3 ] && ! resumes "$@"; } || fail "$what: no tickets were claimed, got '$got'"
            ;;
        unknown)
            echo "$v $target $(sed -n "s/^$got //p" "$T/keys.txt")" >>"$T/unknown"
            continue
            ;;
        rejected)
            equal "tickets of a refused handshake, $what" "$got" ''
            grep 'unrecognized name' "$T/s_client" >/dev/null || fail "$what: a refused handshake was claimed"
            ;;
        *) equal "key of the ticket, $what" "$(sed -n "s/^$got //p" "$T/keys.txt")" "$key" ;;
        esac
        echo "$what" >>"$T/compared"
    done
}
connect() { # connect OPTION...
    # shellcheck disable=SC2059,SC2086
    printf "$say" | timeout 10 openssl s_client $at $how "-tls1_$v" -ign_eof "$@" >"$T/s_client" 2>&1 || :
}
ticket() {
    rm -f "$T/session"
    connect -sess_out "$T/session" "$@"
    sed -n '/TLS session ticket:/{
        n
        s/^ *0000 - \(.\{47\}\).*/\1/p
        q
    }' "$T/s_client" | tr -d ' -'
}
resumes() {
    [ -s "$T/session" ] || return 1
    connect -sess_in "$T/session" "$@"
    grep '^Reused, ' "$T/s_client" >/dev/null
}
# at the end of a test
figures() { echo "     ${self##*/} $t: $(wc -l <"$T/compared") tickets compared, all as claimed" >&3; }

test_defaults() {
    prepare
    # one server
    { echo "server { listen 443 ssl; server_name x.test; $(list a) return 200; }"; } | http | live
    # the block's list, for two addresses, written after the servers
    http <<EOF | live
server { listen 443 ssl; server_name x.test; return 200; }
server { listen 127.0.0.2:443 ssl; server_name y.test; return 200; }
$(keys b)
EOF
    # each with keys of its own: the first one's count
    http <<EOF | live
server { listen 443 ssl; server_name x.test; $(list a) return 200; }
server { listen 443 ssl; server_name y.test; $(list b) return 200; }
server { listen 443 ssl; server_name z.test *.z.test; return 200; }
EOF
    # the second is marked, and an address has three spellings
    http <<EOF | live
server { listen 443 ssl; server_name x.test; $(list a) return 200; }
server { listen *:443 default_server ssl; server_name y.test; $(list b) return 200; }
server { listen 0.0.0.0:443 ssl; server_name .z.test; $(list c) return 200; }
EOF
    # keys only where they do not count
    http <<EOF | live
server { listen 443 ssl; server_name x.test; return 200; }
server { listen 443 ssl; server_name y.test; $(list b) return 200; }
EOF
    # the first has no ssl on its listen, which has it nevertheless; "default" is the old word
    http <<EOF | live
server { listen 443; server_name x.test; $(list a) return 200; }
server { listen 443 ssl; server_name y.test; $(list b) return 200; }
server { listen 444 ssl; server_name x.test; $(list a) return 200; }
server { listen 444 default; server_name y.test; $(list b) return 200; }
EOF
    figures
}
test_addresses() {
    prepare
    # an address of its own, beside the wildcard that nginx opens alone
    http <<EOF | live
server { listen *:443 ssl; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:443 ssl; server_name y.test; $(list b) return 200; }
server { listen 127.0.0.2:443 ssl; listen 443 ssl; server_name z.test x.test; $(list c) return 200; }
EOF
    # the same with a socket of its own
    http <<EOF | live
server { listen 443 ssl reuseport; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:443 ssl reuseport; server_name y.test; $(list b) return 200; }
server { listen 127.0.0.1:443 ssl; server_name x.test; $(list c) return 200; }
EOF
    # the two families have default servers of their own
    http <<EOF | live
server { listen 443 ssl; server_name x.test; $(list a) return 200; }
server { listen [::]:443 ssl; listen 443 ssl; server_name y.test; $(list b) return 200; }
server { listen [::1]:443 ssl; server_name z.test; $(list c) return 200; }
server { listen [0:0::1]:443 ssl; server_name x.test; $(list a) return 200; }
EOF
    # one socket for both families
    http <<EOF | live
server { listen [::]:443 ssl ipv6only=off; server_name x.test; $(list a) return 200; }
server { listen [::]:443 ssl; server_name y.test; $(list b) return 200; }
EOF
    equal 'claims of a socket for both families' "$(cut -f 2 "$T/claims" | sort -u)" '[::]:443'
    # several of one server, of which each may have another default; a port range; a port's own list
    http <<EOF | live
server { listen 127.0.0.1:443 ssl; listen 127.0.0.1:444 ssl; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:444 ssl default_server; listen 127.0.0.1:445 ssl; server_name y.test; $(list b) return 200; }
server { listen 127.0.0.1:445 ssl; listen 127.0.0.1:8443-8445 ssl; server_name z.test; $(list c) return 200; }
server { listen 127.0.0.1:8444 ssl default_server; server_name x.test; $(list b) return 200; }
EOF
    # a socket in the file system; port 80 without saying so; a server that names no address
    http <<EOF | live
server { listen unix:$T/srv/a.sock ssl; server_name x.test; $(list a) return 200; }
server { listen unix:$T/srv/a.sock ssl; server_name y.test; $(list b) return 200; }
server { listen 127.0.0.1 ssl; server_name x.test; $(list b) return 200; }
server { listen [::1] ssl; server_name x.test; $(list c) return 200; }
server { server_name plain.test; $(list c) return 200; }
EOF
    # the old switch, in a server and in the block
    http <<EOF | live
server { listen 127.0.0.1:443; ssl on; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:443; server_name y.test; $(list b) return 200; }
server { listen 127.0.0.1:444 ssl; ssl off; $(list c) return 200; }
EOF
    { echo "ssl on; $(list a) server { listen 127.0.0.1:443; return 200; } server { listen 127.0.0.1:81; ssl off; return 200; }"; } | http | live
    figures
}
test_lists() {
    prepare
    # a server's list takes the place of the block's, even if there is only one file in it
    http <<EOF | live
$(keys a)
server { listen 127.0.0.1:443 ssl; server_name x.test; ssl_session_ticket_key $DIR/b.2.key; return 200; }
server { listen 127.0.0.1:444 ssl; server_name y.test; return 200; }
server { listen 127.0.0.1:445 ssl; server_name z.test; ssl_session_ticket_key $DIR/a.0.key; return 200; }
EOF
    # wrong orders, two sets in one, both sizes
    http <<EOF | live
server { listen 127.0.0.1:443 ssl; $(list a 0 1 2 3) return 200; }
server { listen 127.0.0.1:444 ssl; $(list a 3 2 1 0) return 200; }
server { listen 127.0.0.1:445 ssl; $(list b 2) $(list a) return 200; }
server { listen 127.0.0.1:446 ssl; $(list small) $(list a) return 200; }
server { listen 127.0.0.1:447 ssl; $(list c 0) $(list small 1) return 200; }
EOF
    # no tickets in the default server, in another one, in the block
    http <<EOF | live
server { listen 127.0.0.1:443 ssl; ssl_session_tickets off; server_name x.test; return 200; }
server { listen 127.0.0.1:443 ssl; server_name y.test; $(list b) return 200; }
server { listen 127.0.0.1:444 ssl; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:444 ssl; server_name y.test; ssl_session_tickets off; return 200; }
server { listen 127.0.0.1:445 ssl; server_name x.test; ssl_session_tickets off; $(list a) return 200; }
EOF
    http <<EOF | live
ssl_session_tickets off;
$(keys a)
server { listen 127.0.0.1:443 ssl; server_name x.test; return 200; }
server { listen 127.0.0.1:444 ssl; ssl_session_tickets on; server_name y.test; return 200; }
server { listen 127.0.0.1:444 ssl; server_name z.test; return 200; }
EOF
    # a default server that refuses, whose keys are used nevertheless; one name that is refused
    http <<EOF | live
server { listen 127.0.0.1:443 ssl default_server; ssl_reject_handshake on; $(list c) }
server { listen 127.0.0.1:443 ssl; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:444 ssl; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:444 ssl; server_name y.test; ssl_reject_handshake on; }
server { listen 127.0.0.1:445 ssl; ssl_reject_handshake on; }
server { listen 127.0.0.1:445 ssl; server_name x.test; $(list a) return 200; }
EOF
    # clients with certificates, and a name that two servers have
    http <<EOF | live
$(keys a)
ssl_client_certificate cert.pem;
server { listen 127.0.0.1:443 ssl; server_name x.test; ssl_verify_client optional; return 200; }
server { listen 127.0.0.1:443 ssl; server_name x.test y.test; ssl_session_tickets off; return 200; }
server { listen 127.0.0.1:444 ssl; server_name X.test mail.* *.w.test; return 200; }
EOF
    figures
}
test_keys_that_no_socket_uses() {
    prepare
    # what Certbot includes into each server
    printf 'ssl_session_timeout 1440m;\nssl_session_tickets off;\n' >"$T/etc/options-ssl-nginx.conf"
    http <<EOF | live
$(keys a)
server { listen 127.0.0.1:443 ssl; server_name x.test; include options-ssl-nginx.conf; return 200; }
server { listen 127.0.0.1:443 ssl; server_name y.test; include options-ssl-nginx.conf; return 200; }
server { listen 127.0.0.1:80; return 301 https://x.test/; }
EOF
    equal 'claims' "$(cut -f 6 "$T/claims" | sort -u)" none
    exits 1 stek lint "$T/dump"
    out_has '[unused-keys]'
    out_has "switched off at $T/etc/options-ssl-nginx.conf:2, which counts in the default server of 127.0.0.1:443;"
    # the line taken out of the default server
    http <<EOF | live
$(keys a)
server { listen 127.0.0.1:443 ssl; server_name x.test; ssl_session_timeout 1d; return 200; }
server { listen 127.0.0.1:443 ssl; server_name y.test; include options-ssl-nginx.conf; return 200; }
EOF
    # another list in the only server, and one socket of two
    http <<EOF | live
$(keys a)
server { listen 127.0.0.1:443 ssl; server_name x.test; ssl_session_ticket_key $T/etc/other; return 200; }
EOF
    exits 1 stek lint "$T/dump"
    out_has '[unused-keys]'
    http <<EOF | live
$(keys a)
server { listen 127.0.0.1:443 ssl; server_name x.test; include options-ssl-nginx.conf; return 200; }
server { listen 127.0.0.1:444 ssl; server_name x.test; return 200; }
EOF
    figures
}
test_commands_for_openssl() {
    prepare
    # off in the default server, in another one, and on again where nginx has them off
    http <<EOF | live
server { listen 127.0.0.1:443 ssl; server_name x.test; ssl_conf_command Options -SessionTicket; $(list a) return 200; }
server { listen 127.0.0.1:443 ssl; server_name y.test; return 200; }
server { listen 127.0.0.1:444 ssl; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:444 ssl; server_name y.test; ssl_conf_command options "serverpreference, -sessionTicket ,+Bugs"; return 200; }
server { listen 127.0.0.1:444 ssl; server_name z.test; ssl_session_tickets off; ssl_conf_command Options SessionTicket; return 200; }
server { listen 127.0.0.1:445 ssl; ssl_conf_command Options -SessionTicket; ssl_conf_command Options +SessionTicket; $(list b) return 200; }
server { listen 127.0.0.1:446 ssl; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:446 ssl; server_name y.test; ssl_conf_command NumTickets 0; return 200; }
server { listen 127.0.0.1:447 ssl; ssl_conf_command NumTickets 0; ssl_conf_command NumTickets +5; $(list c) return 200; }
EOF
    # a server that has any commands inherits none
    http <<EOF | live
ssl_conf_command Options -SessionTicket;
$(keys a)
server { listen 127.0.0.1:443 ssl; server_name x.test; return 200; }
server { listen 127.0.0.1:444 ssl; server_name x.test; ssl_conf_command Options PrioritizeChaCha; return 200; }
EOF
    # where it depends on the version it is not said
    http <<EOF | live
server { listen 127.0.0.1:443 ssl; server_name x.test; ssl_conf_command NumTickets 0; $(list a) return 200; }
server { listen 127.0.0.1:443 ssl; server_name y.test; ssl_conf_command NumTickets 2; return 200; }
server { listen 127.0.0.1:444 ssl; ssl_conf_command Options AntiReplay; ssl_early_data on; $(list a) return 200; }
EOF
    equal 'claims' "$(cut -f 6 "$T/claims" | sort -u)" unknown
    sed 's/ .* / /' "$T/unknown" | sort -u >"$T/seen"
    printf '%s\n' "2 $DIR/a.1.key" '3 ' >"$T/wanted"
    same "$T/wanted" "$T/seen"
    exits 1 stek lint "$T/dump"
    out_has '[tickets-by-version]'
    figures
}
test_host_names() {
    prepare
    # which of two a name means is not known here
    http <<EOF | live
server { listen localhost:443 ssl; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:443 ssl; server_name y.test; $(list b) return 200; }
EOF
    equal 'claims' "$(cut -f 6 "$T/claims" | sort -u)" unknown
    # alone on its port, or beside a wildcard, it does not matter
    http <<EOF | live
server { listen localhost:443 ssl; server_name x.test; $(list a) return 200; }
server { listen 443 ssl; server_name y.test; $(list b) return 200; }
server { listen localhost:444 ssl; server_name y.test; $(list c) return 200; }
EOF
    # no names but addresses
    http <<EOF | live
server { listen 127.1:443 ssl; server_name x.test; $(list a) return 200; }
server { listen 127.0.0.1:443 ssl; server_name y.test; $(list b) return 200; }
server { listen 0x7f.0.3:443 ssl; server_name x.test; $(list b) return 200; }
server { listen 127.0.0.03:443 ssl; server_name y.test; $(list c) return 200; }
server { listen 0:444 ssl; server_name x.test; $(list c) return 200; }
server { listen 444 ssl; server_name y.test; $(list b) return 200; }
EOF
    equal 'sockets' "$(cut -f 2 "$T/claims" | sort -u | tr '\n' ' ')" '0.0.0.0:444 127.0.0.1:443 127.0.0.3:443 '
    figures
}
test_spelling() {
    prepare
    # quotes, escapes, comments, everything on odd lines
    http <<EOF | live
map \$host \$x { default "{"; a.test '}'; # }
}
geo \$y { 127.0.0.1/32 "server { listen 1 ssl; }"; default 0; }
log_format odd 'a;b{\$x}"' "\${x}" ' # not a comment';
upstream u { server 127.0.0.1:443; }
server{listen 127.0.0.1:443 ssl;server_name x.test;$(list a)location / {return 200 "}";}}
server
{
    listen	"127.0.0.1:443"
        ssl ; # server { listen 1 ssl; }
    "server_name" 'y.test' ~^(?<n>[a-z]+)\\.test\$ "~^q;{2}\$"
    z.test;
    "ssl_session_ticket_key" "$DIR/b.1.key";
    if (\$host ~ "a{1,2}") { return 403; }
    location ~ "^/\\"{" { return 200 'server { listen 127.0.0.1:1 ssl; }'; }
}
server { listen 127.0.0.1:444 ssl; server_name "" x.test; ssl_session_ticket_key "$DIR/b.1.key"; return 200; }
EOF
    equal 'sockets' "$(cut -f 2 "$T/claims" | sort -u | tr '\n' ' ')" '127.0.0.1:443 127.0.0.1:444 '
    # a path relative to the configuration, and with a space in it
    ln -s "$DIR" "$T/etc/the keys"
    for f in "$DIR"/a.*.key; do echo "$(od -An -tx1 -N16 "$f" | tr -d ' \n') $T/etc/the keys/${f##*/}"; done >"$T/keys.txt"
    http <<EOF | live
ssl_session_ticket_key "the keys/a.1.key"; ssl_session_ticket_key 'the keys/a.0.key';
server { listen 127.0.0.1:443 ssl; server_name x.test; return 200; }
EOF
    figures
}
test_includes() {
    prepare
    mkdir -p "$T/etc/conf.d" "$T/etc/sites-available" "$T/etc/sites-enabled" "$T/etc/snippets"
    keys a >"$T/etc/snippets/keys-a.conf"
    keys b >"$T/etc/snippets/keys-b.conf"
    echo 'server { listen 443 ssl; server_name x.test; include snippets/keys-a.conf; return 200; }' >"$T/etc/sites-available/x"
    echo 'server { listen 443 ssl; server_name y.test; include snippets/keys-b.conf; return 200; }' >"$T/etc/sites-available/y"
    echo 'server { listen 444 ssl; server_name z.test; include snippets/*-a.conf; return 200; }' >"$T/etc/conf.d/z.conf"
    echo 'server { listen 444 ssl; server_name y.test; include snippets/keys-b.conf; return 200; }' >"$T/etc/conf.d/.hidden.conf"
    echo 'server { listen 444 ssl; server_name y.test; include snippets/keys-b.conf; return 200; }' >"$T/etc/conf.d/A.conf~"
    # the order of the names decides, not that of the making
    ln -s ../sites-available/x "$T/etc/sites-enabled/20-x"
    ln -s ../sites-available/y "$T/etc/sites-enabled/10-y"
    echo 'include conf.d/*.conf; include sites-enabled/*; include none/*.conf;' | http | live
    # and turned round: lower case stands after upper case
    mv "$T/etc/sites-enabled/20-x" "$T/etc/sites-enabled/X"
    mv "$T/etc/sites-enabled/10-y" "$T/etc/sites-enabled/a"
    mv "$T/etc/conf.d/A.conf~" "$T/etc/conf.d/A.conf"
    echo "include conf.d/[A-Z].conf; include $T/etc/sites-enabled/?; include conf.d/[!A-Y].conf;" | http | live
    # a block in a file of its own, which includes again
    echo "$tls include sites-enabled/[!b-z]; include snippets/keys-?.conf;" >"$T/etc/inner.conf"
    echo "http { access_log off; include inner.conf; }" >"$T/etc/http.conf"
    echo 'include http.conf;' | live
    # comments that look like the beginning of a file
    mark() { echo "# configuration file $T/etc/$1:"; }
    { mark snippets/keys-a.conf; cat "$T/etc/snippets/keys-b.conf"; mark nginx.conf; mark http.conf; } >"$T/etc/snippets/keys-c.conf"
    {
        mark snippets/keys-c.conf
        printf 'include snippets/keys-c.conf;\n%s server {\n' "$tls"
        mark snippets/keys-a.conf
        mark snippets/keys-c.conf
        printf "listen 443 ssl; server_name 'x.test\n"
        mark snippets/keys-c.conf
        printf "'; return 200; }\n"
        mark snippets/keys-a.conf
    } >"$T/etc/inner.conf"
    echo 'include http.conf;' | live
    figures
}
test_stream() {
    prepare
    needs_module stream
    live "$(load stream)" <<EOF
stream {
    $tls
    $(keys a)
    server { listen 127.0.0.1:853 ssl; return "a"; }
    server { listen [::1]:853 ssl; ssl_session_ticket_key $DIR/b.1.key; return "b"; }
    server { listen 993 ssl; ssl_session_tickets off; return "c"; }
    server { listen 127.0.0.1:993 ssl; $(list c) return "d"; }
    server { listen 127.0.0.1:53 udp; return "e"; }
    server { listen 127.0.0.1:53; return "f"; }
    upstream u { server 127.0.0.1:853; }
}
EOF
    equal 'sockets' "$(cut -f 1,2 "$T/claims" | sort -u | tr '\t\n' ' ,')" 'stream 0.0.0.0:993,stream 127.0.0.1:853,stream 127.0.0.1:993,stream [::1]:853,'
    figures
}
test_mail() {
    prepare
    needs_module mail
    live "$(load mail)" <<EOF
mail {
    ssl_certificate cert.pem; ssl_certificate_key cert.key; ssl_session_cache off; ssl_protocols TLSv1.2 TLSv1.3;
    auth_http 127.0.0.1:9/; server_name mx.test; timeout 200ms;
    starttls on;
    $(keys a)
    server { listen 127.0.0.1:143; protocol imap; }
    server { listen 127.0.0.1:993 ssl; protocol imap; starttls off; $(list b) }
    server { listen 127.0.0.1:25; protocol smtp; starttls only; $(list c) }
    server { listen 127.0.0.1:465; protocol smtp; ssl on; ssl_session_tickets off; starttls off; }
    server { listen 127.0.0.1:26; protocol smtp; starttls off; $(list b) }
}
EOF
    equal 'number of claims' "$(wc -l <"$T/claims")" 4
    figures
}
test_all_blocks_together() {
    prepare
    needs_module stream
    needs_module mail
    {
        echo "server { listen 127.0.0.1:443 ssl; server_name x.test; $(list a) return 200; }" | http
        echo "stream { $tls server { listen 127.0.0.1:853 ssl; return x; $(list b) } server { listen 127.0.0.2:443 ssl; return y; } }"
        echo "mail { $tls auth_http 127.0.0.1:9/; timeout 200ms; server { listen 127.0.0.3:993 ssl; protocol imap; $(list c) } }"
    } | live "$(load stream mail)"
    equal 'keys' "$(cut -f 4 "$T/claims" | sort | tr '\n' ' ')" '- a a b c '
    figures
}
test_the_gate_works() {
    # A wrong claim is noticed.
    prepare
    # shellcheck disable=SC2317
    stek() { "$STEK" "$@" | sed 's/a\.1\.key/b.1.key/;s/	a	/	b	/'; }
    if (echo "server { listen 443 ssl; $(list a) return 200; }" | http | live) 2>"$T/why"; then fail "a wrong claim passed"; fi
    grep 'key of the ticket' "$T/why" >/dev/null || fail "$(cat "$T/why")"
}

run_tests "$@"
