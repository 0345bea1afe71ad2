#!/bin/sh
# probe: real servers on loopback; which slot encrypts, whether it resumes, what it says when not
# shells: dash
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

# Servers run in $T/srv, on 127.0.0.1:$port. `stop` ends all that the test started, and a trap calls it too.

listens() { # is anything bound to that port?
    grep -i "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") .* 0A " /proc/net/tcp /proc/net/tcp6 >/dev/null
}
free_port() { # below the ports that the kernel hands out by itself
    while :; do
        port=$((16384 + $(od -An -N2 -tu2 /dev/urandom) % 16000))
        listens $port || return 0
    done
}
prepare() { # keys of SIZE, certificate
    needs openssl
    server='' all=''
    mkdir -p "$T/srv"
    chmod 711 "$T" "$base"
    certificate ex.test
    cat "$T/srv/cert.pem" "$T/srv/cert.key" >"$T/srv/both.pem"
    quiet stek rotate -s "${1:-80}" ex
    free_port
    trap stop EXIT
    trap 'exit 143' HUP INT TERM
}
serve() { # serve CMD...: a server that stays in the foreground
    "$@" >"$T/srv/log" 2>&1 &
    server=$!
    all="$all $server"
    until_ok serves
}
serves() {
    kill -0 "$server" 2>/dev/null || fail "the server ended: $(tail -n 5 "$T/srv/log")"
    listens "$port"
}
stop() {
    for p in $all; do
        kill -s CONT "$p" 2>/dev/null || :
        kill "$p" 2>/dev/null || :
        tries=0
        while kill -0 "$p" 2>/dev/null && [ $tries -lt 100 ]; do
            tries=$((tries + 1))
            sleep 0.05
        done
        kill -s KILL "$p" 2>/dev/null || :
        wait "$p" 2>/dev/null || :
    done
    all=''
}

probe() { stek probe "127.0.0.1:$port" "$@"; }
key_name() { od -An -v -tx1 -N16 "$DIR/ex.$1.key" | tr -d ' \n'; }
# says SLOT ROLE VERDICT RESUMED HINT [VERSION...]: the lines that were printed
says() {
    slot=$1 role=$2 verdict=$3 resumed=$4 hint=$5
    shift 5
    [ $# -gt 0 ] || set -- 3 2
    for v in "$@"; do
        printf 'TLSv1.%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$v" "$(key_name "$slot")" "ex	$slot" "$role" \
            "$verdict" "$resumed" "$hint"
    done >"$T/wanted"
    cut -f "1-7${hint:+,8}" "$T/out" >"$T/seen"
    [ -n "$hint" ] || sed -i 's/	$//' "$T/wanted"
    cmp -s "$T/wanted" "$T/seen" || fail "expected
$(cat "$T/wanted")
got
$(cat "$T/out")
$(said)"
}

part() { # part SLOT FROM COUNT: bytes of a key
    tail -c "+$(($2 + 1))" "$DIR/ex.$1.key" | head -c "$3"
}
aes_first() { # aes_first SLOT: the 80 bytes as n a32 h32
    part "$1" 0 16
    part "$1" 48 32
    part "$1" 16 32
}
hex() { od -An -v -tx1 | tr -d ' \n'; }

# nginx

nginx_with() { # nginx_with SLOT...: the server's keys, in that order; $more are directives of the server
    needs nginx
    cat >"$T/srv/nginx.conf" <<EOF
daemon off;
$(nginx_head 1)
    ssl_protocols ${protocols:-TLSv1.2 TLSv1.3};
    ssl_session_cache off;
    ssl_session_timeout ${timeout:-1h};
    server {
        listen ${listen:-127.0.0.1:$port ssl};
$(for i in "$@"; do echo "        ssl_session_ticket_key $DIR/ex.$i.key;"; done)
        ${more:-}
        return 200 "served\n";
    }
}
EOF
    serve nginx -p "$T/srv" -e "$T/srv/error.log" -c "$T/srv/nginx.conf"
}
hang_up() { # the server reads its keys again
    old=$(children)
    kill -s HUP "$server"
    until_ok renewed
}
children() { cat "/proc/$server/task/$server/children"; }
renewed() { for p in $old; do case " $(children)" in *" $p "*) return 1 ;; esac; done; [ -n "$(children)" ]; }

test_nginx_both_sizes_and_versions() {
    for size in 80 48; do
        rm -f "$DIR"/*
        prepare $size
        nginx_with 1 2 3 0
        ok probe
        isnt -s "$T/err"
        says 1 current verified resumed 3600
        for v in 2 3; do
            ok probe --tls 1.$v
            says 1 current verified resumed 3600 $v
            openssl s_client -connect "127.0.0.1:$port" "-tls1_$v" -sess_out s -ign_eof <<EOF >log 2>&1
GET / HTTP/1.0

EOF
            ok stek identify --verify s
            out_is "$(key_name 1)	ex	1	current	verified"
        done
        stop
    done
}

test_nginx_one_version_only() {
    prepare
    for v in 2 3; do
        protocols=TLSv1.$v
        nginx_with 1 2 3 0
        ok probe
        says 1 current verified resumed 3600 $v
        isnt -s "$T/err"
        refuses 111 probe --tls 1.$((5 - v))
        err_has "stek probe: cannot speak TLS with 127.0.0.1:$port over TLSv1.$((5 - v)): openssl: "
        ok probe -v
        err_has "cannot speak TLS with 127.0.0.1:$port over TLSv1.$((5 - v))"
        stop
        free_port
    done
}

test_nginx_rotated_without_reload() {
    prepare
    nginx_with 1 2 3 0
    quiet stek rotate --force
    exits 1 probe
    says 2 previous verified resumed 3600
    err_has 'stek probe: TLSv1.3: slot 2 (previous) of ex encrypts, not the current one'
    err_has "stek probe: hint: the server has not read its keys since they were rotated: 'stek reload'"
    hang_up
    ok probe
    says 1 current verified resumed 3600
}

test_nginx_next_key_first() {
    prepare
    nginx_with 0 1 2 3
    exits 1 probe
    says 0 next verified resumed 3600
    err_has 'slot 0 (next) of ex encrypts, not the current one'
}

test_nginx_with_other_keys() {
    prepare
    nginx_with 1 2 3 0
    # the name of the server's key, with other secrets
    (umask 077; { part 1 0 16; head -c 64 /dev/urandom; } >"$T/forged"; cat "$T/forged" >"$DIR/ex.1.key")
    exits 1 probe
    says 1 current unverified resumed 3600
    err_has 'the ticket bears the name of the key in slot 1 of ex, but has an HMAC that another key made'
    # and no key at all that the server has
    rm "$DIR"/*
    quiet stek rotate ex
    exits 1 probe
    equal verdict "$(cut -f 3-7 "$T/out" | sort -u)" "-	-	-	foreign	resumed"
    err_has "no key in $DIR has the name "
    ok_foreign=$(cut -f 2 "$T/out" | sort -u)
    equal 'key name' "$ok_foreign" "$(hex <"$T/forged" | cut -c 1-32)"
}

test_nginx_with_an_all_zero_key() {
    for size in 80 48; do
        rm -f "$DIR"/*
        prepare $size
        cp "$DIR/ex.1.key" good
        head -c $size /dev/zero >"$DIR/ex.1.key"
        nginx_with 1 2 3 0
        cp good "$DIR/ex.1.key"
        exits 1 probe
        equal verdict "$(cut -f 2-7 "$T/out" | sort -u)" \
            "00000000000000000000000000000000	-	-	-	weak	resumed"
        err_has 'critical: the ticket was made with an all-zero key'
        stop
    done
}

test_nginx_timeout_longer_than_the_window() {
    prepare
    timeout=2d
    nginx_with 1 2 3 0
    ok probe -p 12h -n 3
    says 1 current verified resumed 172800
    err_has 'warning: TLSv1.3: tickets may be used for 172800 s but their keys are sure to be there for 86400 s only'
    ok probe -p 12h -n 5
    isnt -s "$T/err"
}

test_nginx_without_tickets() {
    prepare
    more='ssl_session_tickets off;'
    nginx_with 1 2 3 0
    for v in 2 3; do
        refuses 1 probe --tls 1.$v
        err_has "127.0.0.1:$port over TLSv1.$v gives "
    done
}

# one version without does not hide what the other one shows
test_nginx_without_tickets_over_one_version() {
    prepare
    more='ssl_conf_command NumTickets 0;'
    nginx_with 1 2 3 0
    exits 1 probe
    says 1 current verified resumed 3600 2
    err_is "stek probe: 127.0.0.1:$port over TLSv1.3 gives no ticket
stek probe: hint: are tickets off, or does the server give them only after a request?"
    ok probe --tls 1.2
    refuses 1 probe --tls 1.3
}

# A session has the server's certificate in it: longer than usual, longer than a pipe holds, longer than is believed.
test_nginx_with_a_huge_certificate() {
    prepare
    for n in 1000 3000; do
        printf '[req]\ndistinguished_name=d\nx509_extensions=x\n[d]\n[x]\nsubjectAltName=@names\n[names]\n' >"$T/srv/ca"
        seq 1 $n | sed 's/\(.*\)/DNS.\1=host\1.some.example.test/' >>"$T/srv/ca"
        openssl req -x509 -config "$T/srv/ca" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ex.test \
            -keyout "$T/srv/cert.key" -out "$T/srv/cert.pem" 2>"$T/srv/openssl"
        nginx_with 1 2 3 0
        ok probe
        says 1 current verified resumed 3600
        isnt -s "$T/err"
        stop
    done
    [ "$(wc -c <"$T/srv/cert.pem")" -gt 65536 ] || fail 'the certificate is not so large'
}
test_a_session_longer_than_any() {
    mkdir "$T/bin"
    cat >"$T/bin/openssl" <<'EOF'
#!/bin/sh
echo 'CONNECTED(00000003)'
echo 'New, TLSv1.3, Cipher is X'
while [ "$1" != -sess_out ]; do shift; done
{ echo '-----BEGIN SSL SESSION PARAMETERS-----'; head -c 300000 /dev/zero | tr '\0' A; } >"$2"
exec cat
EOF
    chmod 755 "$T/bin/openssl"
    refuses 111 env PATH="$T/bin:$PATH" "$STEK" probe 127.0.0.1:1
    err_has 'stek probe: 127.0.0.1:1 over TLSv1.3 gives a session that is longer than 256 KiB in PEM'
    err_has 'over TLSv1.2 gives a session that is longer than 256 KiB in PEM'
    # and one that does not take what it is given
    cat >"$T/bin/openssl" <<'EOF'
#!/bin/sh
echo 'CONNECTED(00000003)'
echo 'New, TLSv1.3, Cipher is X'
case "$*" in *-sess_in*) exec sleep 600 ;; esac
while [ "$1" != -sess_out ]; do shift; done
{
    echo '-----BEGIN SSL SESSION PARAMETERS-----'; head -c 200000 /dev/zero | tr '\0' A
    echo; echo '-----END SSL SESSION PARAMETERS-----'
} >"$2"
exec cat
EOF
    refuses 111 env PATH="$T/bin:$PATH" "$STEK" probe -w 1 127.0.0.1:1
    # glibc: Connection timed out; musl: Operation timed out
    err_has 'stek probe: cannot write to openssl: '
    err_has ' timed out'
}

test_nginx_by_name_and_over_ipv6() {
    prepare
    grep '^00000000000000000000000000000001' /proc/net/if_inet6 >/dev/null 2>&1 || skip 'no ::1'
    listen="[::1]:$port ssl; server_name ex.test; listen 127.0.0.1:$port ssl"
    nginx_with 1 2 3 0
    ok stek probe "[::1]:$port"
    says 1 current verified resumed 3600
    ok stek probe "localhost:$port"
    says 1 current verified resumed 3600
    ok stek probe -s ex.test "127.0.0.1:$port"
    says 1 current verified resumed 3600
}

test_nginx_on_a_terminal() {
    needs script
    prepare
    nginx_with 1 2 3 0
    script -qec "$STEK probe 127.0.0.1:$port" "$T/typescript" >"$T/terminal"
    tr -d '\r' <"$T/terminal" >"$T/out"
    window=$((2 * PERIOD))
    out_has "TLSv1.3: slot 1 (current) of ex encrypts, resumed, tickets live 1h0m of a window of $((window / 86400))d"
    out_has 'TLSv1.2: slot 1 (current) of ex encrypts, resumed, '
}

# K5: what openssl gets and gives goes through pipes alone
test_nothing_is_written_or_passed_in_argv() {
    needs strace
    prepare
    nginx_with 1 2 3 0
    # a file for each process: in one for all, lines are torn apart when the machine is busy
    mkdir traces
    run strace -ff -s 4096 -e trace=open,openat,creat,execve,mlock -o traces/of "$STEK" probe "127.0.0.1:$port"
    equal 'exit status under strace' "$rc" 0
    cat traces/of.* >trace
    ! grep -E 'O_CREAT|O_WRONLY|O_RDWR|creat\(' trace | grep -v '"/proc/self/fd/[0-9]*"' >/dev/null ||
        fail 'a file was opened for writing'
    equal 'programs run' "$(grep -c 'execve(.*"s_client".* = 0$' trace)" 4
    ! grep -E 'execve\(.*(MII|BEGIN|[0-9a-f]{32})' trace >/dev/null || fail 'session material in argv'
    secret=$(part 1 16 64 | hex)
    run probe -v
    for at in 1 33 65 97; do
        ! grep -i "$(printf '%s' "$secret" | cut -c "$at-$((at + 31))")" out err >/dev/null ||
            fail 'a part of the key was printed'
    done
}

# What is not there, or answers nothing

test_nobody_listens() {
    prepare
    refuses 111 probe
    err_is "stek probe: cannot connect to 127.0.0.1:$port: openssl: Connection refused"
    refuses 111 stek probe no-such-host.invalid
    err_has 'stek probe: cannot connect to no-such-host.invalid:443: openssl: '
}

test_a_server_that_never_answers() {
    prepare
    nginx_with 1 2 3 0
    for p in $(children); do kill -s STOP "$p"; done
    begin=$(date +%s)
    refuses 111 probe -w 1
    took=$(($(date +%s) - begin))
    for p in $(children); do kill -s CONT "$p"; done
    err_has "stek probe: 127.0.0.1:$port did not answer in time"
    [ $took -le 5 ] || fail "that took $took s"
}

test_no_tls_there() {
    prepare
    listen="127.0.0.1:$port"
    nginx_with
    refuses 111 probe
    err_has "cannot speak TLS with 127.0.0.1:$port over TLSv1.3: openssl: wrong version number"
}

test_no_openssl() {
    mkdir "$T/empty"
    refuses 111 env PATH="$T/empty" "$STEK" probe 127.0.0.1:1
    err_has 'stek probe: cannot run openssl: No such file or directory'
    # one that is none
    printf '#!/bin/sh\necho nonsense\necho words >&2\nexit 3\n' >"$T/empty/openssl"
    chmod 755 "$T/empty/openssl"
    refuses 111 env PATH="$T/empty:/bin:/usr/bin" "$STEK" probe 127.0.0.1:1
    err_has 'stek probe: cannot connect to 127.0.0.1:1: openssl: words'
    # one that floods and one that does not end
    printf '#!/bin/sh\nexec yes CONNECTED\n' >"$T/empty/openssl"
    refuses 111 env PATH="$T/empty:/bin:/usr/bin" "$STEK" probe -w 1 127.0.0.1:1
    # shellcheck disable=SC2016
    printf '#!/bin/sh\necho $$ >"%s"\nexec sleep 600\n' "$T/pid" >"$T/empty/openssl"
    refuses 111 env PATH="$T/empty:/bin:/usr/bin" "$STEK" probe -w 1 127.0.0.1:1
    is -s "$T/pid"
    ! kill -0 "$(cat "$T/pid")" 2>/dev/null || fail 'openssl was left running'
}

test_usage() {
    for operand in -x:1 '' : :443 a: a:0 a:65536 a:b 'a b' a/b '[::1' '[::1]1' '[a]:1' -; do
        refuses 100 stek probe -- "$operand"
    done
    refuses 100 stek probe
    refuses 100 stek probe a b
    for name in -x '' 'a b' a:1; do refuses 100 stek probe a --server-name="$name"; done
    for tls in '' 1.1 tls1.3 3; do refuses 100 stek probe a --tls="$tls"; done
    for wait in '' 0 x -1 2h; do refuses 100 stek probe a --wait="$wait"; done
}

# Other servers, with the keys as each wants them. They agree on little but the ticket itself.

test_haproxy() {
    needs haproxy
    for size in 80 48; do
        rm -f "$DIR"/*
        prepare $size
        # three or more, the last but one encrypts
        for i in 3 2 1 0; do
            if [ $size = 80 ]; then aes_first $i | base64 -w 0; else base64 -w 0 "$DIR/ex.$i.key"; fi
            echo
        done >"$T/srv/tickets"
        cat >"$T/srv/conf" <<EOF
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend f
    bind 127.0.0.1:$port ssl crt $T/srv/both.pem tls-ticket-keys $T/srv/tickets ssl-min-ver TLSv1.2
    http-request return status 200
EOF
        serve haproxy -db -f "$T/srv/conf"
        ok probe
        says 1 current verified resumed ''
        isnt -s "$T/err"
        stop
    done
}

# 80 bytes in nginx's order: it works, in another order, and identify tells
test_haproxy_with_the_file_of_nginx() {
    needs haproxy
    prepare
    for i in 3 2 1 0; do base64 -w 0 "$DIR/ex.$i.key"; echo; done >"$T/srv/tickets"
    cat >"$T/srv/conf" <<EOF
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend f
    bind 127.0.0.1:$port ssl crt $T/srv/both.pem tls-ticket-keys $T/srv/tickets ssl-min-ver TLSv1.2
    http-request return status 200
EOF
    serve haproxy -db -f "$T/srv/conf"
    ok probe
    says 1 current verified resumed ''
    err_has 'warning: the server takes the AES key of slot 1 of ex for the HMAC key and the reverse'
}

# two servers with different keys behind one address
test_haproxy_between_servers_with_different_keys() {
    needs haproxy nginx
    prepare
    front=$port
    nginx_port=
    for n in 1 2; do
        free_port
        nginx_port="$nginx_port $port"
    done
    # shellcheck disable=SC2086
    set -- $nginx_port
    listen="127.0.0.1:$1 ssl; ssl_session_ticket_key $DIR/ex.2.key;
        return 200; } server { listen 127.0.0.1:$2 ssl"
    port=$2
    nginx_with 1
    cat >"$T/srv/conf" <<EOF
defaults
    mode tcp
    timeout client 10s
    timeout server 10s
    timeout connect 10s
listen f
    bind 127.0.0.1:$front
    balance roundrobin
    server a 127.0.0.1:$1
    server b 127.0.0.1:$2
EOF
    port=$front
    serve haproxy -db -f "$T/srv/conf"
    exits 1 probe
    equal 'resumption' "$(cut -f 7 "$T/out" | sort -u)" refused
    err_has 'TLSv1.3: the server did not resume the ticket that it had just given'
}

# Debian 12's Apache 2.4.71 takes the AES key out of its ticket key file, and for the HMAC key a stretch
# of memory that it has overwritten with zeros (seen 2026-11). What openssl says decides what to expect.
hmac_key_is_zero() {
    openssl s_client -connect "127.0.0.1:$port" -tls1_2 -sess_out s </dev/null >log 2>&1
    openssl sess_id -in s -noout -text | sed -n '/TLS session ticket:/,/^$/s/^ *[0-9a-f]* - \(.\{47\}\).*/\1/p' |
        tr -d ' \n-' >ticket
    length=$(($(wc -c <ticket) - 64))
    mac=$(unhexed "$(head -c $length ticket)" |
        openssl dgst -sha256 -mac HMAC -macopt hexkey:00000000000000000000000000000000 | sed 's/.*= *//')
    [ "$mac" = "$(tail -c 64 ticket)" ]
}
unhexed() { # unhexed HEX: its bytes
    printf '%b' "$(printf '%s' "$1" | sed 's/../0x& /g' | tr ' ' '\n' | while read -r byte; do printf '\\0%03o' "$byte"; done)"
}
test_apache() {
    needs apache2
    modules=/usr/lib/apache2/modules
    [ -e $modules/mod_ssl.so ] || skip "no $modules/mod_ssl.so"
    for size in 48 80; do
        rm -f "$DIR"/*
        prepare $size
        # the only key, AES-128: of 80 bytes the first 16 of each secret
        if [ $size = 48 ]; then
            { part 1 0 16; part 1 32 16; part 1 16 16; } >"$T/srv/key"
        else
            { part 1 0 16; part 1 16 16; part 1 48 16; } >"$T/srv/key"
        fi
        cat >"$T/srv/conf" <<EOF
ServerRoot $T/srv
ServerName ex.test
Listen 127.0.0.1:$port
PidFile $T/srv/pid
ErrorLog $T/srv/error.log
DefaultRuntimeDir $T/srv
User nobody
Group nogroup
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule ssl_module $modules/mod_ssl.so
SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLCertificateFile $T/srv/cert.pem
SSLCertificateKeyFile $T/srv/cert.key
SSLSessionCache none
SSLSessionTicketKeyFile $T/srv/key
EOF
        serve apache2 -D FOREGROUND -f "$T/srv/conf"
        if hmac_key_is_zero; then
            exits 1 probe
            says 1 current weak resumed ''
            err_has 'critical: the ticket was made with the HMAC of an all-zero key: everybody can forge such tickets'
        else
            ok probe
            says 1 current verified resumed ''
            isnt -s "$T/err"
        fi
        stop
    done
}

test_lighttpd() {
    needs lighttpd
    [ -e /usr/lib/lighttpd/mod_openssl.so ] || skip 'no mod_openssl of lighttpd'
    prepare
    now=$(date +%s)
    # 0, activation and expiry as native 32-bit numbers
    {
        for n in 0 $((now - 60)) $((now + 86400)); do
            for shift in 0 8 16 24; do printf '%b' "\\0$(printf %o $(((n >> shift) & 255)))"; done
        done
        cat "$DIR/ex.1.key"
    } >"$T/srv/stek"
    equal 'size of the STEK file' "$(wc -c <"$T/srv/stek" | tr -d ' ')" 92
    mkdir "$T/srv/root"
    cat >"$T/srv/conf" <<EOF
server.modules = ("mod_openssl")
server.document-root = "$T/srv/root"
server.bind = "127.0.0.1"
server.port = $port
ssl.engine = "enable"
ssl.pemfile = "$T/srv/both.pem"
ssl.stek-file = "$T/srv/stek"
EOF
    serve lighttpd -D -f "$T/srv/conf"
    ok probe
    says 1 current verified resumed ''
}

test_unbound() {
    needs unbound
    prepare
    for i in 1 2 3 0; do aes_first $i >"$T/srv/$i"; done
    cat >"$T/srv/conf" <<EOF
server:
    interface: 127.0.0.1@$port
    tls-port: $port
    tls-service-key: "$T/srv/cert.key"
    tls-service-pem: "$T/srv/cert.pem"
    tls-session-ticket-keys: "$T/srv/1"
    tls-session-ticket-keys: "$T/srv/2"
    tls-session-ticket-keys: "$T/srv/0"
    chroot: ""
    username: ""
    directory: "$T/srv"
    pidfile: ""
    use-syslog: no
    do-daemonize: no
remote-control:
    control-enable: no
EOF
    serve unbound -d -c "$T/srv/conf"
    ok probe
    says 1 current verified resumed ''
}

test_dnsdist() {
    needs dnsdist
    prepare
    # all in one file, the last one encrypts
    for i in 3 2 0 1; do aes_first $i; done >"$T/srv/keys"
    cat >"$T/srv/conf" <<EOF
setLocal("127.0.0.1:0")
newServer("127.0.0.1:1")
addTLSLocal("127.0.0.1:$port", "$T/srv/cert.pem", "$T/srv/cert.key",
    {provider="openssl", ticketKeyFile="$T/srv/keys", ticketsKeysRotationDelay=0, numberOfTicketsKeys=5})
EOF
    serve dnsdist --supervised --disable-syslog -C "$T/srv/conf"
    ok probe
    says 1 current verified resumed ''
}

test_nghttpx() {
    needs nghttpx
    prepare
    for i in 1 2 0; do aes_first $i >"$T/srv/$i"; done
    serve nghttpx --conf=/dev/null "--frontend=127.0.0.1,$port" '--backend=127.0.0.1,1' --workers=1 \
        "--tls-ticket-key-file=$T/srv/1" "--tls-ticket-key-file=$T/srv/2" "--tls-ticket-key-file=$T/srv/0" \
        --tls-ticket-key-cipher=aes-256-cbc "$T/srv/cert.key" "$T/srv/cert.pem"
    ok probe
    says 1 current verified resumed ''
}

test_h2o() {
    needs h2o
    prepare
    now=$(date +%s)
    for i in 2 1; do
        cat <<EOF
- name: $(part $i 0 16 | hex)
  cipher: AES-256-CBC
  hash: SHA256
  key: $(part $i 48 32 | hex)$(part $i 16 32 | hex)$(head -c 32 /dev/zero | hex)
  not_before: $((now - 100 * i))
  not_after: $((now + 86400))
EOF
    done >"$T/srv/tickets"
    cat >"$T/srv/conf" <<EOF
user: root
pid-file: $T/srv/pid
error-log: $T/srv/error.log
num-threads: 1
ssl-session-resumption:
  mode: ticket
  ticket-store: file
  ticket-file: $T/srv/tickets
listen:
  host: 127.0.0.1
  port: $port
  ssl:
    certificate-file: $T/srv/cert.pem
    key-file: $T/srv/cert.key
hosts:
  default:
    paths:
      /:
        file.dir: $T/srv
EOF
    serve h2o -m worker -c "$T/srv/conf"
    ok probe
    says 1 current verified resumed ''
}

# N times 48 bytes in one file, the first one encrypts; AES-128: of 80 bytes the first 16 of each secret
test_traffic_server() {
    needs traffic_server
    for size in 48 80; do
        rm -f "$DIR"/*
        rm -rf "$T/srv"
        prepare $size
        for i in 1 2 0; do
            part $i 0 16
            if [ $size = 48 ]; then part $i 32 16; part $i 16 16; else part $i 16 16; part $i 48 16; fi
        done >"$T/srv/tickets"
        mkdir "$T/srv/etc" "$T/srv/var"
        {
            echo "prefix: $T/srv"
            echo "exec_prefix: $T/srv"
            echo "sysconfdir: $T/srv/etc"
            echo 'bindir: /usr/bin'
            echo 'sbindir: /usr/sbin'
            echo 'libexecdir: /usr/lib/trafficserver/modules'
            for d in datadir includedir libdir localstatedir runtimedir logdir cachedir mandir infodir; do
                echo "$d: $T/srv/var"
            done
        } >"$T/srv/runroot.yaml"
        cat >"$T/srv/etc/records.config" <<EOF
CONFIG proxy.config.http.server_ports STRING $port:ssl:ip-in=127.0.0.1
CONFIG proxy.config.ssl.server.cert.path STRING $T/srv
CONFIG proxy.config.ssl.server.private_key.path STRING $T/srv
CONFIG proxy.config.ssl.server.ticket_key.filename STRING $T/srv/tickets
CONFIG proxy.config.ssl.session_cache INT 0
CONFIG proxy.config.crash_log_helper STRING NULL
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.cache.ram_cache.size INT 0
EOF
        # it does not serve as root
        if [ "$(id -u)" = 0 ]; then
            echo 'CONFIG proxy.config.admin.user_id STRING nobody' >>"$T/srv/etc/records.config"
            chown -R nobody "$T/srv"
        fi
        echo 'dest_ip=* ssl_cert_name=cert.pem ssl_key_name=cert.key ssl_ticket_enabled=1' \
            >"$T/srv/etc/ssl_multicert.config"
        : >"$T/srv/etc/storage.config"
        serve traffic_server "--run-root=$T/srv"
        ok probe
        says 1 current verified resumed ''
        isnt -s "$T/err"
        stop
    done
}

# check --probe

finds() { # finds CODE ID...: what check says of this server; the machine's own findings do not count
    code=$1
    shift
    run stek check --json --probe "127.0.0.1:$port" -d "$DIR" --ignore "$machine" ex
    equal "exit status" "$rc" "$code"
    equal findings "$(sed -n 's/.*"id":"\([a-z-]*\)".*/\1/p' "$T/out" | sort -u | tr '\n' ' ')" "${*:+$* }"
}
machine=swap,swap-encrypted,swap-zram,hibernation,core-dumps,clock-unsynchronised,server-stale,server-unknown
test_check_probe() {
    prepare
    finds 3 probe-failed
    nginx_with 1 2 3 0
    finds 0
    stop
    nginx_with 2 1 3 0
    finds 2 probe-key
    stop
    timeout=2d
    nginx_with 1 2 3 0
    finds 1 probe-lifetime
    stop
    timeout=1h
    head -c 80 /dev/urandom >"$T/foreign"
    nginx_with 1 2 3 0
    sed -i "s|$DIR/ex.1.key|$T/foreign|" "$T/srv/nginx.conf"
    hang_up
    finds 2 probe-key
    stop
    exits 3 stek check --probe -x
}
run_tests "$@"
