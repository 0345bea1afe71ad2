#!/bin/sh
# list --prometheus and contrib/monitoring: clean metrics, the same findings as check, alerts that alert
# shells: dash
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
private_processes "$@"
PATH=$PATH:/usr/sbin:/sbin

monitoring=$here/../../contrib/monitoring
if [ -n "${STEK_TEST_NS:-}" ]; then
    mount --bind /dev/null /proc/swaps
    [ ! -e /run/nginx.pid ] || mount --bind /dev/null /run/nginx.pid
fi
# metrics [OPTION...]: those of stek, which promtool finds nothing wrong with
metrics() {
    ok stek list --prometheus "$@"
    isnt -s "$T/err"
    cp out metrics
    needs promtool
    # shellcheck disable=SC2094 # "metrics" is promtool's word, too
    promtool check metrics <metrics >lint 2>&1 || fail "promtool: $(cat lint)"
    [ ! -s lint ] || fail "promtool: $(cat lint)"
}
value() { sed -n "s/^$1 //p" metrics; }

recent() { if [ "$1" -lt "$now" ] || [ "$1" -gt $((now + 300)) ]; then fail "$1 is not now"; fi; }

test_healthy() {
    quiet stek rotate a b.example.com
    metrics
    equal period "$(value stek_period_seconds)" "$PERIOD"
    equal sets "$(value stek_key_sets)" 2
    equal slots "$(value 'stek_slots{name="a"}')" 4
    equal epoch "$(value 'stek_key_epoch{name="b.example.com"}')" "$EPOCH"
    recent $((START + $(value 'stek_key_age_seconds{name="a"}')))
    recent "$(value 'stek_last_rotation_timestamp_seconds{name="a"}')"
    equal findings "$(grep '^stek_finding' metrics | grep -v clock-unsynchronised)" ''
    # no server runs
    equal servers "$(grep '^stek_server' metrics)" ''
}
test_empty_and_missing() {
    metrics
    equal sets "$(value stek_key_sets)" 0
    equal finding "$(value 'stek_finding{name="",id="no-keys"}')" 2
    metrics nosuch
    equal sets "$(value stek_key_sets)" 0
    equal slots "$(value 'stek_slots{name="nosuch"}')" ''
    equal finding "$(value 'stek_finding{name="nosuch",id="no-keys"}')" 2
    metrics -d "$T/nowhere"
    equal finding "$(value 'stek_finding{name="",id="directory-missing"}')" 2
    refuses 1 stek list --prometheus -d /dev/null
}
# the same findings as check, once for each NAME and identifier
test_findings() {
    make_set a
    make_set b
    head -c 80 /dev/zero >"$DIR/a.2.key"
    head -c 80 /dev/zero >"$DIR/a.3.key"
    cp -p "$DIR/a.1.key" "$DIR/b.3.key"
    later b 1
    : >"$DIR/foreign"
    chmod 755 "$DIR"
    metrics
    grep '^stek_finding' metrics | sort >got
    run stek check --json
    sed -n 's/.*"id":"\([a-z-]*\)","severity":"\([a-z]*\)","name":\("[^"]*"\|null\).*/stek_finding{name=\3,id="\1"} \2/p' out |
        sed 's/name=null/name=""/; s/warning$/1/; s/critical$/2/; s/unknown$/3/' | sort -u >wanted
    same wanted got
    equal weak "$(value 'stek_finding{name="a",id="key-weak"}')" 2
}
test_server() {
    needs nginx openssl
    quiet stek rotate a
    certificate a.test
    cat >srv/conf <<END
$(nginx_head 1)
    server { listen unix:$T/srv/socket ssl;
        ssl_session_ticket_key $DIR/a.1.key; }
}
END
    trap 'kill "$(cat srv/pid)"' EXIT
    until_ok aged
    nginx -p "$T/srv" -e "$T/srv/error.log" -c "$T/srv/conf"
    until_ok test -s srv/pid
    until_ok serves
    equal stale "$(value 'stek_server_stale{server="nginx"}')" 0
    quiet stek rotate --force
    metrics --pid-file "$T/srv/pid"
    equal stale "$(value 'stek_server_stale{server="nginx"}')" 1
    equal finding "$(value 'stek_finding{name="",id="server-stale"}')" 1
    metrics --pid-file "$T/none"
    equal up "$(value 'stek_server_up{server="nginx"}')" 0
    # without a pid file it is found by itself, and two make one sample
    [ "$$" = 1 ] || skip 'no private pid namespace'
    metrics
    equal stale "$(value 'stek_server_stale{server="nginx"}')" 1
    sed "s|$T/srv/pid|$T/srv/pid2|; s|socket|socket2|" srv/conf >srv/conf2
    nginx -p "$T/srv" -e "$T/srv/error.log" -c "$T/srv/conf2"
    trap 'kill "$(cat srv/pid)" "$(cat srv/pid2)"' EXIT
    until_ok test -s srv/pid2
    metrics
    equal up "$(value 'stek_server_up{server="nginx"}')" 1
}
serves() {
    metrics --pid-file "$T/srv/pid"
    [ "$(value 'stek_server_up{server="nginx"}')" = 1 ] && grep 'stek_server_stale{' metrics >/dev/null
}
test_usage() {
    refuses 100 stek list --prometheus --json
    refuses 100 stek list --pid-file x
}

test_textfile() {
    make_set a
    mkdir collector
    quiet "$monitoring/stek-textfile" collector
    equal files "$(ls collector)" stek.prom
    equal mode "$(stat -c %a collector/stek.prom)" 644
    grep '^stek_key_sets 1$' collector/stek.prom
    # it cannot look: the old file stays, and nothing else
    cp -p collector/stek.prom kept
    rc=0
    STEK_DIR=/dev/null "$monitoring/stek-textfile" collector 2>err || rc=$?
    equal 'exit status' "$rc" 1
    is -s err
    equal files "$(ls collector)" stek.prom
    same kept collector/stek.prom
    # where there is no collector nothing is done
    quiet "$monitoring/stek-textfile" "$T/nowhere"
}
# Whoever reads meanwhile reads a whole file.
test_textfile_is_whole_at_every_instant() {
    make_set a
    mkdir collector
    "$monitoring/stek-textfile" collector
    (n=0; while [ $n -lt 30 ]; do "$monitoring/stek-textfile" collector; n=$((n + 1)); done; : >over) &
    while [ ! -e over ]; do
        grep '^# TYPE stek_finding' collector/stek.prom >/dev/null || fail 'half a file'
    done
    wait
}
test_rules() {
    needs promtool
    cp "$monitoring"/stek.rules*.yml .
    promtool check rules stek.rules.yml
    promtool test rules stek.rules.test.yml
}
# The tests of the rules notice when a rule is wrong.
test_rules_gate() {
    needs promtool
    for change in 's/1.25 \*/2.5 */' 's/stek_server_stale == 1/stek_server_stale == 2/' 's/} == 2/} == 3/' \
        's/for: 15m/for: 1m/' 's/> 1800/> 18000/' 's/"current-key-stale|/"/'; do
        cp "$monitoring"/stek.rules*.yml .
        sed -i "$change" stek.rules.yml
        ! cmp -s "$monitoring/stek.rules.yml" stek.rules.yml || fail "$change changes nothing"
        ! promtool test rules stek.rules.test.yml >log 2>&1 || fail "$change was not noticed"
    done
}
# Rules and dashboard speak of metrics and identifiers that exist.
test_names_exist() {
    ok stek list --prometheus
    sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' out | sort >exist
    grep -oh 'stek_[a-z_]*' "$monitoring/stek.rules.yml" "$monitoring/grafana-dashboard.json" "$monitoring/README.md" |
        sort -u >used
    equal 'metrics that do not exist' "$(comm -13 exist used)" ''
    for id in $(grep -oh 'id!~"[a-z|-]*"' "$monitoring/stek.rules.yml" | sed 's/id!~//; s/"//g' | tr '|' '\n' | sort -u); do
        run stek check --ignore "$id"
        [ "$rc" != 3 ] || fail "no such identifier: $id"
    done
    needs jq
    jq -e '.panels | length > 0' "$monitoring/grafana-dashboard.json"
}
test_units() {
    needs systemd-analyze
    cp "$monitoring"/stek-textfile.* .
    sed -i 's|^ExecStart=.*|ExecStart=/bin/true|' stek-textfile.service
    systemd-analyze verify ./stek-textfile.timer ./stek-textfile.service 2>log || :
    equal complaints "$(grep stek log | grep -v 'man stek')" ''
}

run_tests "$@"
