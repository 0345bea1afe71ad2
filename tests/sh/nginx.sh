#!/bin/sh
# nginx: real tickets of a real nginx, taken and resumed by openssl, over rotations and reloads
# shells: dash
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
exec 3>&1 # for the figures
PATH=$PATH:/usr/sbin:/sbin

# Server: in $T/srv, on 127.0.0.1 and a free port; only tickets can resume, nothing is cached.

conf() { # conf SLOTS [DIRECTIVE]: current first, previous, next last
    cat <<EOF
$(nginx_head 2)
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off;
    ssl_session_timeout 1d;
    server {
        listen 127.0.0.1:$port ssl;
$(for i in $(seq 1 "$1") 0; do echo "        ssl_session_ticket_key $DIR/ex.$i.key;"; done)
        location / { return 200 "served\n"; }
    }
    ${2-}
}
EOF
}
listens() { # is anything bound to that port?
    grep -i "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") " /proc/net/tcp >/dev/null
}
start() { # start [SLOTS]
    needs nginx openssl
    mkdir -p "$T/srv"
    certificate ex.test
    trap stop EXIT
    trap 'exit 143' HUP INT TERM
    tries=0
    while :; do # below the ports that the kernel hands out by itself
        port=$((16384 + $(od -An -N2 -tu2 /dev/urandom) % 16000))
        if ! listens "$port"; then
            conf "${1:-3}" >"$T/srv/nginx.conf"
            ! nginx -p "$T/srv" -e "$T/srv/error.log" -c "$T/srv/nginx.conf" 3>&- || break
        fi
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || fail "nginx does not start: $(tail -n 3 "$T/srv/error.log")"
    done
    until_ok test -s "$T/srv/pid"
    master=$(cat "$T/srv/pid")
    until_ok two_workers
}
stop() {
    : >"$T/stop" # for the load
    stop_nginx "$T/srv/pid"
}
two_workers() { [ "$(workers | wc -w)" = 2 ]; }

# Client.

# shake VERSION OUT [IN]: a handshake and a request; the ticket in IN is offered, the one to offer
# next time goes to OUT (over TLS 1.2 that is the same one). $how is New or
# Reused. Fails if anything failed.
shake() {
    rm -f "$2"
    printf 'GET / HTTP/1.0\r\n\r\n' |
        timeout 20 openssl s_client -connect "127.0.0.1:$port" "-tls1_$1" -ign_eof \
            -sess_out "$2" ${3+-sess_in "$3"} >"$2.log" 2>&1 || return 1
    grep '^served' "$2.log" >/dev/null || return 1
    how=$(sed -n 's/^\(New\|Reused\), TLSv1.*/\1/p' "$2.log" | sed 1q)
    [ -s "$2" ] || [ "$how" != Reused ] || cp "$3" "$2"
    [ -s "$2" ]
}
handshake() { shake "$@" || fail "handshake failed: $(tail -n 4 "$2.log")"; }
fresh() { handshake "$1" "$2"; equal "handshake" "$how" New; }
resumes() { # resumes VERSION TICKET
    handshake "$1" "$T/again" "$2"
    equal "ticket $2 offered over TLS 1.$1" "$how" Reused
}
refused() { # refused VERSION TICKET; the ticket that came instead is in $T/again
    handshake "$1" "$T/again" "$2"
    equal "ticket $2 offered over TLS 1.$1" "$how" New
}
first_line() { # of a ticket that openssl prints: its first 16 bytes
    sed -n '/TLS session ticket:/{
        n
        s/^ *0000 - \(.\{47\}\).*/\1/p
    }' | sed 1q | tr -d ' -'
}
ticket_name() { openssl sess_id -in "$1" -noout -text | first_line; }
slot_name() { stek list ex | awk -v s="$1" '$2 == s { print $4 }'; } # as stek says
file_name() { od -An -tx1 -N16 "$DIR/ex.$1.key" | tr -d ' \n'; } # as the file says
name_is() { # name_is WHAT NAME SLOT
    name=$(slot_name "$3")
    equal "key name in slot $3 as listed" "$name" "$(file_name "$3")"
    equal "length of a key name" "${#name}" 32
    equal "key name of $1" "$2" "$name"
}
ticket_is() { name_is "ticket $1" "$(ticket_name "$1")" "$2"; } # ticket_is TICKET SLOT
# after a handshake over that version that resumed: the ticket that came is under the current key.
# Over TLS 1.2 openssl prints a renewed ticket, but keeps the old one.
renewed() {
    case $1 in
    2) name_is 'renewed ticket' "$(first_line <"$T/again.log")" 1 ;;
    *) ticket_is again 1 ;;
    esac
}

# shellcheck disable=SC2120
reload() { stek reload --pid-file "$T/srv/pid" "$@"; }
# settled PID...: the old workers are gone. They accept connections for some 100 ms beside the new
# ones, whatever reload says.
settled() { until_ok all_ended "$@"; until_ok two_workers; }
turn() { # a rotation and a reload, and nothing of the old left
    before=$(workers)
    quiet stek rotate --force
    quiet reload
    # shellcheck disable=SC2086
    settled $before
}

# Tests.

test_ticket_resumes_inside_the_window() {
    quiet stek rotate ex
    start
    for v in 2 3; do
        fresh $v "ticket$v"
        ticket_is "ticket$v" 1
        resumes $v "ticket$v"
    done
    for n in 1 2; do
        turn
        for v in 2 3; do
            resumes $v "ticket$v"
            fresh $v new
            ticket_is new 1
        done
        differ "ticket$v" new
    done
    turn
    for v in 2 3; do
        refused $v "ticket$v"
        ticket_is again 1
    done
}

test_resumed_session_moves_to_the_current_key() {
    quiet stek rotate ex
    start
    fresh 2 ticket2
    turn
    resumes 2 ticket2
    renewed 2
    fresh 3 ticket3
    for n in 1 2 3 4 5; do # far beyond the window of the first ticket
        turn
        resumes 3 ticket3
        renewed 3
        mv again ticket3
    done
}

test_keys_of_48_bytes() {
    quiet stek rotate --size 48 ex
    start
    for v in 2 3; do fresh $v "ticket$v"; ticket_is "ticket$v" 1; done
    turn
    for v in 2 3; do resumes $v "ticket$v"; done
}

test_all_keys_differ_and_old_tickets_open() {
    many=6
    STEK_SLOTS=$many
    export STEK_SLOTS
    quiet stek rotate ex
    start $many
    n=0
    : >seen
    while [ $n -le $many ]; do
        for v in 2 3; do fresh $v "ticket$v.$n"; ticket_is "ticket$v.$n" 1; done
        key_id ex.1 >>seen
        turn
        n=$((n + 1))
    done
    key_id ex.1 >>seen
    equal "different keys after $n rotations" "$(sort -u seen | wc -l)" $((n + 1))
    whole_set ex $many
    # ticket N was taken $n - N rotations ago
    while [ "$n" -gt 0 ]; do
        n=$((n - 1))
        age=$((many + 1 - n))
        for v in 2 3; do
            if [ $age -lt $many ]; then resumes $v "ticket$v.$n"; else refused $v "ticket$v.$n"; fi
        done
    done
}

# load VERSION: handshakes until $T/stop: a full one, then with the tickets of the turns before. $T/ended
# and $T/begun count the turns, so a ticket taken when ended was A is inside its window while begun - A
# is less than the slots.
load() {
    v=$1 full=0 reused=0 late=0 refused=0 broken=0 left=1500
    while [ ! -e "$T/stop" ] && [ $left -gt 0 ]; do
        left=$((left - 1))
        from=$(cat "$T/ended")
        if shake "$v" "$T/load$v.$from"; then full=$((full + 1)); else
            broken=$((broken + 1))
            cp "$T/load$v.$from.log" "$T/broken$v.$broken"
            continue
        fi
        for ago in 0 1 2 3; do
            [ -s "$T/load$v.$((from - ago))" ] || continue
            if ! shake "$v" "$T/load$v.again" "$T/load$v.$((from - ago))"; then
                broken=$((broken + 1))
                cp "$T/load$v.again.log" "$T/broken$v.$broken"
            elif [ "$how" = Reused ]; then
                reused=$((reused + 1))
            elif [ $(($(cat "$T/begun") - from + ago)) -ge 3 ]; then
                late=$((late + 1))
            else
                refused=$((refused + 1))
                cp "$T/load$v.again.log" "$T/refused$v.$refused"
            fi
        done
        echo "$full $reused $late $refused $broken" >"$T/load$v.new"
        mv "$T/load$v.new" "$T/load$v"
    done
}
count() { cut -d ' ' -f 1 "$T/load2" "$T/load3" | sort -n | sed 1q; } # rounds of the slower load
rounds() { [ "$(count)" -ge "$1" ]; }
tell() { echo "$1" >"$T/new"; mv "$T/new" "$T/$2"; }

test_20_rotations_under_load() {
    quiet stek rotate ex
    start
    tell 0 ended
    tell 0 begun
    for v in 2 3; do tell '0 0 0 0 0' load$v; done
    load 2 &
    two=$!
    load 3 &
    three=$!
    n=0
    while [ $n -lt 20 ]; do
        want=$(($(count) + 1))
        until_ok rounds $want
        n=$((n + 1))
        tell $n begun
        turn
        tell $n ended
    done
    until_ok rounds $(($(count) + 1))
    : >stop
    wait $two
    wait $three
    sum=$(cat load2 load3 | awk '{ for (i = 1; i <= 5; i++) n[i] += $i }
        END { print n[1], n[2], n[3], n[4], n[5] }')
    # shellcheck disable=SC2086
    set -- $sum
    echo "nginx: $n rotations under load: $1 full handshakes, $2 resumed, $3 refused after" \
        "their window, $4 inside it, $5 failed" >&3
    equal "handshakes that failed" "$5" 0
    equal "tickets refused inside their window" "$4" 0
    if [ "$1" -lt 40 ] || [ "$2" -lt 80 ]; then fail "too little load: $1 full, $2 resumed"; fi
}

test_broken_configuration_leaves_old_workers() {
    quiet stek rotate ex
    start
    for v in 2 3; do fresh $v "ticket$v"; done
    name=$(slot_name 1)
    before=$(workers)
    cp srv/nginx.conf good
    conf 3 'no_such_directive on;' >srv/nginx.conf
    quiet stek rotate --force
    refuses_with_words 'unknown directive "no_such_directive"'
    equal workers "$(workers)" "$before"
    for v in 2 3; do
        resumes $v "ticket$v"
        fresh $v new
        equal "key name of a new ticket" "$(ticket_name new)" "$name"
        ticket_is new 2 # the new key waits in slot 1
    done
    # still broken at the next tick: the same again, and the keys stay
    kept=$(key_ids ex)
    quiet stek rotate
    refuses_with_words 'no_such_directive' --if-stale --if-running
    equal keys "$(key_ids ex)" "$kept"
    equal workers "$(workers)" "$before"
    # mended
    cp good srv/nginx.conf
    quiet stek rotate
    quiet reload --if-stale --if-running
    # shellcheck disable=SC2086
    settled $before
    for v in 2 3; do
        resumes $v "ticket$v"
        renewed $v
    done
}
refuses_with_words() { # refuses_with_words WORDS ARG...: reload exits 1 and shows nginx's own words
    words=$1
    shift
    exits 1 reload "$@"
    isnt -s "$T/out"
    err_has "$words"
    err_has 'stek reload: '
}

test_missing_key_file_is_refused() {
    quiet stek rotate ex
    start
    fresh 3 ticket3
    before=$(workers)
    mv "$DIR/ex.2.key" "$T/away"
    refuses_with_words 'ex.2.key'
    equal workers "$(workers)" "$before"
    resumes 3 ticket3
    mv "$T/away" "$DIR/ex.2.key"
    quiet reload
}

test_lost_reload_is_repaired_by_the_next_tick() {
    quiet stek rotate ex
    start
    fresh 3 ticket3
    before=$(workers)
    quiet stek rotate --force # and no reload
    for v in 2 3; do
        fresh $v new
        ticket_is new 2
    done
    quiet stek rotate
    quiet reload --if-stale --if-running
    # shellcheck disable=SC2086
    settled $before
    for v in 2 3; do
        fresh $v new
        ticket_is new 1
    done
    resumes 3 ticket3
    # and the tick after that finds nothing to do
    before=$(workers)
    quiet stek rotate
    quiet reload --if-stale --if-running
    equal workers "$(workers)" "$before"
}

test_two_reloads_lost_in_a_row() {
    quiet stek rotate ex
    start
    fresh 3 ticket3
    before=$(workers)
    quiet stek rotate --force
    quiet stek rotate --force
    fresh 3 new
    ticket_is new 3
    quiet reload --if-stale
    # shellcheck disable=SC2086
    settled $before
    resumes 3 ticket3
    renewed 3
}

# K4: reloads fail for longer than a period. The keys wait for the server, which goes on with its own.
test_rotation_waits_for_the_server() {
    quiet stek rotate ex
    start
    for v in 2 3; do fresh $v "ticket$v"; done
    before=$(workers)
    tick --force
    equal 'key name in slot 2' "$(slot_name 2)" "$(ticket_name ticket3)" # rotated: next was known
    kept=$(key_ids ex)
    for n in 1 2 3 4; do
        tick --force # no reload comes, so nothing is pushed out of the window
        equal keys "$(key_ids ex)" "$kept"
    done
    for v in 2 3; do
        resumes $v "ticket$v"
        fresh $v new
        ticket_is new 2
    done
    quiet reload --if-stale
    # shellcheck disable=SC2086
    settled $before
    for v in 2 3; do
        resumes $v "ticket$v"
        renewed $v
    done
    tick --force
    differ_text keys "$(key_ids ex)" "$kept"
}
test_rotation_waits_for_no_server_that_is_down() {
    quiet stek rotate ex
    mkdir srv
    kept=$(key_ids ex)
    tick --force
    differ_text keys "$(key_ids ex)" "$kept"
}
tick() { quiet stek rotate --known-to nginx --pid-file "$T/srv/pid" "$@"; }
differ_text() { [ "$2" != "$3" ] || fail "$1: expected another value than '$3'"; }

test_hand_made_chain() {
    quiet stek rotate ex
    start
    for v in 2 3; do fresh $v "ticket$v"; done
    chain
    chain
    for v in 2 3; do
        resumes $v "ticket$v"
        fresh $v new
        ticket_is new 1
    done
    chain
    for v in 2 3; do refused $v "ticket$v"; done
}
# shellcheck disable=SC2119
chain() {
    before=$(workers)
    { stek shift ex && stek genkey | stek install ex && reload; } || fail 'the chain broke'
    # shellcheck disable=SC2086
    settled $before
}

run_tests "$@"
