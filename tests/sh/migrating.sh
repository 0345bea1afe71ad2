#!/bin/sh
# migrating: the commands of doc/migrating.md, each run against a running nginx with tickets of all the old keys
# shells: dash
# shellcheck disable=SC2016 source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
guide=$here/../../doc/migrating.md
private_mounts "$@"

# The commands below a heading, which are what is indented by four blanks
commands() { awk -v head="## $1" '/^## / { on = ($0 == head) } on && sub(/^    /, "")' "$guide"; }
# Paths of the host, moved below $T. nginx names its files by these, and so do the commands.
here_below() {
    sed "s#/run/stek#$DIR#g; s#/run/nginx.pid#$T/run/nginx.pid#g; s#/etc/default/stek#$STEK_DEFAULT_FILE#g
        s#/mnt/session_ticket_keys#$T/mnt#g; s#/etc/tls/session-ticket-keys#$T/tls#g; s#/usr/local/nginx#$T/local#g
        s#/etc/nginx-session-ticket-key-rotation#$T/origin#g; s#/etc/\(nginx\|cron.d\|tmpfiles.d\)#$T/\1#g; s#localhost:443#127.0.0.1:$port#g"
}
# What a host has and the commands call; each does what it does there, here.
stand_ins() {
    needs_mounts
    needs nginx openssl shred
    unset STEK_DIR STEK_PERIOD
    STEK_DEFAULT_FILE=$T/default
    export STEK_DEFAULT_FILE
    mkdir -p "$T/bin" "$T/srv" "$T/nginx/conf.d" "$T/run" "$T/mnt" "$T/cron.d" "$T/tmpfiles.d" "$T/origin"
    # the commands mount the directory themselves, as the default says where
    rmdir "$DIR"
    echo "STEK_DIR=$DIR" >"$STEK_DEFAULT_FILE"
    mount -t tmpfs -o mode=755 tmpfs "$T/run"
    cat >"$T/bin/stek" <<X
#!/bin/sh
# where the server's pid file is not named, it is not the host's
case "\$*" in *--pid-file*) ;; reload*|rotate*--known-to*) set -- "\$@" --pid-file '$T/run/nginx.pid' ;; esac
exec '$STEK' "\$@"
X
    cat >"$T/bin/service" <<X
#!/bin/sh
[ "\$*" = 'stek start' ] && STEK_BINARY='$T/bin/stek' exec sh '$here/../../contrib/init.d/stek' start
X
    cat >"$T/bin/systemctl" <<X
#!/bin/sh
echo "\$*" >>'$T/systemctl'
X
    cat >"$T/bin/nginx" <<X
#!/bin/sh
exec $(command -v nginx) -p '$T/srv' -c '$T/nginx/nginx.conf' "\$@"
X
    chmod 755 "$T"/bin/*
    PATH=$T/bin:$PATH
    export PATH
}

# An nginx that lists these files, in this order; in nginx.conf or in the file that is named first
start() { # start FILE KEY...
    file=$1
    shift
    : "${pid:=$T/run/nginx.pid}"
    certificate ex.test
    trap stop EXIT
    trap 'exit 143' HUP INT TERM
    tries=0
    while :; do # below the ports that the kernel hands out by itself
        port=$((16384 + $(od -An -N2 -tu2 /dev/urandom) % 16000))
        cat >"$T/nginx/nginx.conf" <<X
$(nginx_head 2)
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off;
$(if [ -n "$file" ]; then echo "    include $file;"; else keys "$@"; fi)
    server {
        listen 127.0.0.1:$port ssl;
        return 200 "served\n";
    }
}
X
        [ -z "$file" ] || keys "$@" >"$file"
        ! nginx -e "$T/srv/error.log" || break
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || fail "nginx does not start: $(tail -n 3 "$T/srv/error.log")"
    done
    until_ok test -s "$pid"
}
keys() { printf 'ssl_session_ticket_key %s;\n' "$@"; }
stop() {
    touch "$T/enough"
    [ -z "${visitor-}" ] || ended "$visitor"
    master=$(cat "$pid" 2>/dev/null) || return 0
    kill -s TERM "$master" 2>/dev/null || :
    until_ok has_ended "$master"
}

# shake VERSION OUT [IN]: a handshake; $how is New or Reused
shake() {
    printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 openssl s_client -connect "127.0.0.1:$port" "-tls1_$1" -ign_eof \
        -sess_out "$2" ${3+-sess_in "$3"} >"$2.log" 2>&1 || return 1
    how=$(sed -n 's/^\(New\|Reused\), TLSv1.*/\1/p' "$2.log" | sed 1q)
}
# take WHAT: tickets of the key that encrypts now
take() { for v in 2 3; do shake $v "$T/$1-$v" || fail "no handshake: $(tail -n 3 "$T/$1-$v.log")"; done; }
offered() { # offered WHAT New|Reused
    for v in 2 3; do
        shake $v "$T/again" "$T/$1-$v" || fail "no handshake: $(tail -n 3 "$T/again.log")"
        equal "ticket $1 over TLS 1.$v" "$how" "$2"
    done
}
# The old rotation made one turn: nginx reads the keys, and its old workers are gone.
reloaded() {
    quiet stek reload --pid-file "$pid"
    tries=0
    while grep -l "^PPid:[[:space:]]*$(cat "$pid")\$" /proc/[0-9]*/status 2>/dev/null | while read -r s; do
        cat "${s%status}cmdline" 2>/dev/null
    done | tr '\0' '\n' | grep 'shutting down' >/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 500 ] || fail 'old workers stay'
        sleep 0.02
    done
}
# Somebody returns with a ticket of before, again and again, for as long as the commands take.
visits() {
    (
        turns=0
        while [ ! -e "$T/enough" ]; do
            if ! shake 2 "$T/visit" "$T/$1-2" || [ "$how" != Reused ]; then { echo lost; tail -n 4 "$T/visit.log"; } >>"$T/lost"; fi
            turns=$((turns + 1))
            echo $turns >"$T/turns"
        done
    ) &
    visitor=$!
}
# migrate HEADING: what stands below it in the document, while somebody visits
migrate() {
    visits current
    until_ok test -s "$T/turns"
    commands "$1" | here_below >"$T/commands"
    grep 'stek install' "$T/commands" >/dev/null || fail "no commands below $1"
    ! grep -e ' /etc/' -e ' /run/' -e '>/etc' "$T/commands" || fail 'a path of the host'
    sh -eu "$T/commands" >"$T/out" 2>"$T/err" || fail "exit status $?: $(cat "$T/out" "$T/err")"
    touch "$T/enough"
    ended "$visitor"
    [ ! -e "$T/lost" ] || fail "a visitor lost the session: $(head -c 300 "$T/lost")"
    # rotate found nothing that it had to make up, and the probe at the end a key of ours
    grep "current" "$T/out" >/dev/null || fail "$(cat "$T/out")"
    chmod 700 "$DIR" && equal 'directory' "$(stat -f -c %T "$DIR" | sed 's/ramfs/tmpfs/')" tmpfs
}
# One rotation of stek, however young the keys are
turn() { quiet stek rotate --force; reloaded; }
files_gone() { equal 'old files' "$(find "$1" -name '*.key' -type f)" ''; }

test_richard_fusseneggers_scripts() {
    stand_ins
    old() { # 3 and 2 are copies, in place, of 2 and 1; all three get the time of now
        for i in 3 2; do [ ! -f "$T/mnt/example.com.$((i - 1)).key" ] || cp "$T/mnt/example.com.$((i - 1)).key" "$T/mnt/example.com.$i.key"; done
        for i in 3 2; do [ -f "$T/mnt/example.com.$i.key" ] || make_key "$T/mnt/example.com.$i.key" 48; done
        head -c 48 /dev/urandom >"$T/mnt/example.com.1.key"
    }
    mount -t tmpfs -o mode=770,noatime,nodev,noexec,nosuid,size=1m tmpfs "$T/mnt"
    : >"$T/cron.d/session_ticket_key_rotation"
    echo "umount '$T/mnt' && rmdir '$T/mnt'" >"$T/origin/uninstall.sh"
    old
    start "$T/nginx/conf.d/tickets.conf" "$T/mnt/example.com.1.key" "$T/mnt/example.com.2.key" "$T/mnt/example.com.3.key"
    take oldest
    old; reloaded; take older
    old; reloaded; take current
    migrate "Richard Fussenegger's scripts"
    for t in oldest older current; do offered $t Reused; done
    isnt -e "$T/cron.d/session_ticket_key_rotation"
    isnt -e "$T/mnt"
    equal 'lines' "$(sed 's/.*example/example/' "$T/nginx/conf.d/tickets.conf" | paste -s -d ' ' -)" \
        'example.com.1.key; example.com.2.key; example.com.3.key; example.com.0.key;'
    turn; offered oldest New; offered older Reused; offered current Reused; take new
    turn; offered older New; offered current Reused; offered new Reused
    turn; offered current New; offered new Reused
}
test_a_link() {
    stand_ins
    mount -t tmpfs -o mode=770 tmpfs "$T/mnt"
    for i in 1 2 3; do make_key "$T/mnt/example.com.$i.key" 48; done
    start '' "$T/mnt/example.com.1.key" "$T/mnt/example.com.2.key" "$T/mnt/example.com.3.key"
    take current
    {
        commands "Richard Fussenegger's scripts" | sed '/service stek start/q'
        commands 'Where the configuration cannot change: a link'
    } | here_below >"$T/commands"
    sh -eu "$T/commands" >"$T/out" 2>"$T/err" || fail "exit status $?: $(cat "$T/out" "$T/err")"
    equal 'the link' "$(readlink "$T/mnt")" "$DIR"
    offered current Reused
    turn; offered current Reused; take new
    turn; offered current Reused; offered new Reused
    turn; offered current New
}
test_grapheneos_scripts() {
    stand_ins
    group=$(id -gn)
    mkdir "$T/tls"
    mount -t tmpfs -o mode=750,size=1m tmpfs "$T/tls"
    for k in next 1 2 3 4; do make_key "$T/tls/$k.key"; done
    old() {
        for pair in 2:1 3:2 4:3 next:4; do cp -p "$T/tls/${pair%:*}.key" "$T/tls/${pair#*:}.key"; done
        make_key "$T/tls/next.key"
        cat "$T/tls/next.key" "$T/tls"/[1-4].key >"$T/tls/keys"
    }
    old
    start '' "$T/tls/4.key" "$T/tls/3.key" "$T/tls/2.key" "$T/tls/1.key" "$T/tls/next.key"
    take oldest
    old; reloaded
    old; reloaded; take older
    old; reloaded; take current
    next=$(sum "$T/tls/next.key")
    # the host of the test may have no such group
    commands() { awk -v head="## $1" '/^## / { on = ($0 == head) } on && sub(/^    /, "")' "$guide" | sed "s/STEK_GROUP=tls/STEK_GROUP=$group/"; }
    migrate "GrapheneOS's scripts"
    equal 'the next key stays the next' "$(sum "$DIR/example.com.0.key")" "$next"
    for t in oldest older current; do offered $t Reused; done
    files_gone "$T/tls"
    equal 'modes' "$(stat -c %a "$DIR"/*.key | sort -u)" 640
    is -s "$T/systemctl"
    turn; offered oldest New; offered older Reused; take new
    turn; turn; offered older New; offered current Reused
    turn; offered current New; offered new Reused
}
test_centminmods_script() {
    stand_ins
    mkdir -p "$T/local/conf/session_ticket_keys" "$T/local/logs"
    mount -t tmpfs tmpfs "$T/local/conf/session_ticket_keys"
    pid=$T/local/logs/nginx.pid
    k=$T/local/conf/session_ticket_keys
    for i in 1 2 3 4 5 6 7 8; do make_key "$k/$i.key"; done
    old() { for i in 1 2 3 4 5 6 7; do cp -p "$k/$((i + 1)).key" "$k/tmp.key"; mv "$k/tmp.key" "$k/$i.key"; done; }
    start "$T/local/conf/ssl-session-ticket-keys.conf" "$k/1.key" "$k/2.key" "$k/3.key" "$k/4.key" "$k/5.key" "$k/6.key" "$k/7.key" "$k/8.key"
    for i in 1 2 3 4 5 6 7 8; do old; done
    reloaded
    take current
    migrate "centminmod's script"
    offered current Reused
    files_gone "$k"
    # cron finds this nginx by the link
    quiet stek rotate --known-to nginx --pid-file "$T/run/nginx.pid"
    turn; offered current Reused; take new
    turn; offered current Reused; offered new Reused
    turn; offered current New; offered new Reused
}
test_own_scripts() {
    stand_ins
    mkdir "$T/nginx/tickets"
    make_key "$T/nginx/tickets/previous.key"
    make_key "$T/nginx/tickets/current.key"
    start "$T/nginx/conf.d/tickets.conf" "$T/nginx/tickets/previous.key"
    take older
    keys "$T/nginx/tickets/current.key" "$T/nginx/tickets/previous.key" >"$T/nginx/conf.d/tickets.conf"
    reloaded
    take current
    migrate 'Your own scripts'
    offered older Reused
    offered current Reused
    files_gone "$T/nginx"
    turn; offered older Reused; take new
    turn; offered older New; offered current Reused; offered new Reused
}
test_every_recipe_is_here() {
    grep '^## ' "$guide" | sed 's/^## //' >"$T/headings"
    while read -r heading; do
        [ -z "$(commands "$heading")" ] || grep -F -e "$heading" "$self" >/dev/null || fail "no test of: $heading"
    done <"$T/headings"
}

run_tests "$@"
