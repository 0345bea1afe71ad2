#!/bin/sh
# setup: a host without the package, with init scripts: checks, files, faults at every step, and nothing left. Boots are in
# tests/boot. What is called here runs in a root of its own, where /bin/sh is what it is.
# shells: dash
# shellcheck disable=SC2016 # what is for another shell
# shellcheck source=tests/sh/lib.sh
. "${0%/*}/lib.sh"
private_mounts "$@"

# host: a machine like this one, below $R, that is ours to change: with init scripts, cron and the binary, nothing else
host() {
    needs_mounts
    needs update-rc.d
    R=$T/root
    mkdir "$R" over own
    mount -t overlay -o "lowerdir=/,upperdir=$T/over,workdir=$T/own" overlay "$R" 2>/dev/null || skip 'no overlay'
    mount -t tmpfs -o mode=755 run "$R/run"
    mount -t proc proc "$R/proc"
    mount --bind /dev "$R/dev"
    # which may change while this runs
    rm -rf "${R:?}/etc"
    cp -a /etc "$R/etc"
    rm -f "$R/usr/sbin/init" "$R"/etc/*/stek "$R"/etc/rc?.d/*stek "$R"/usr/*/stek "$R"/etc/nginx/conf.d/stek*
    rm -rf "$R/etc/systemd/system"
    mkdir -p "$R/etc/cron.d" "$R/etc/init.d" "$R/etc/default" "$R/usr/local/sbin" "$R/etc/systemd/system"
    fake cron 'exit 0'
    fake_nginx 1.22.1
    install -m 755 "$STEK" "$R/usr/local/sbin/stek"
    tree >"$T/before"
}
# fake PROGRAM COMMANDS: in front of the real one
fake() {
    printf '#!/bin/sh\n%s\n' "$2" >"$R/usr/local/sbin/$1"
    chmod 755 "$R/usr/local/sbin/$1"
}
# fake_nginx VERSION: with the emptiest of configurations
fake_nginx() {
    fake nginx 'case $* in
*T*) echo "# configuration file /etc/nginx/nginx.conf:" ;;
*) printf "%s\n" "nginx version: nginx/'"$1"'" "configure arguments: --with-http_ssl_module" >&2 ;;
esac'
}
in_host() { chroot "$R" env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }
setup() { in_host stek setup "$@"; }
# Start numbers are those of all scripts
tree() {
    (cd "$R" && find etc run usr/sbin usr/local/sbin var/lib/systemd var/spool ! -path 'etc/init.d/.depend*' \
        -printf '%p %y %m %U:%G %l\n' | sed 's|^\(etc/rc.\.d/[SK]\)[0-9][0-9]|\1|' | sort
        find etc usr/local/sbin -type f ! -path '*/.depend*' -exec sha256sum {} + | sort
        grep -c " $R/run/stek " /proc/self/mounts || :)
}
as_before() {
    tree >"$T/now"
    diff "$T/before" "$T/now" >&2 || fail 'something is left'
}
has_keys() { equal 'keys' "$(cd "$R/run/stek" && echo ./*.key)" "./$1.0.key ./$1.1.key ./$1.2.key ./$1.3.key"; }
all_there() {
    for f in init.d/stek cron.d/stek default/stek; do is -f "$R/etc/$f"; done
    has_keys a
    equal "temporary files" "$(find "$R/etc" -name '.stek-*')" ''
    equal 'links of runlevel 2' "$(find "$R/etc/rc2.d" -name 'S[0-9]*stek' | wc -l)" 1
}
# complains TEXT: refused, with that among the reasons, and nothing was done
complains() {
    refuses 1 setup a
    err_has "$1"
    tree >"$T/now"
    same "$T/${2:-before}" "$T/now"
}

test_life() {
    host
    ok setup a
    out_has 'stek snippet nginx a'
    all_there
    grep -x 'STEK_NAMES="a"' "$R/etc/default/stek"
    equal modes "$(stat -c '%a %U:%G' "$R/etc/default/stek" "$R/etc/init.d/stek" "$R/etc/cron.d/stek" | tr '\n' ' ')" \
        '644 root:root 755 root:root 644 root:root '
    ! grep -r /usr/sbin/stek "$R/etc/init.d/stek" "$R/etc/cron.d/stek" || fail 'names a binary that is not there'
    tree >"$T/with"
    ok setup a
    isnt -s "$T/out"
    isnt -s "$T/err"
    tree >"$T/now"
    same "$T/with" "$T/now"
    quiet setup # the name is in the settings
    quiet setup --undo
    as_before
    quiet setup --undo
    as_before
}
test_caller() { # neither umask nor settings of the caller matter
    host
    ok chroot "$R" env -i PATH=/bin STEK_DIR=/run/other STEK_SLOTS=5 /bin/sh -c 'umask 077; exec /usr/local/sbin/stek setup a'
    all_there
    equal mode "$(stat -c %a "$R/etc/default/stek")" 644
    quiet setup --undo
    as_before
}
test_check() {
    host
    ok setup --check a b
    ! grep -v -e '^ok: ' -e '^warning: nothing keeps the clock right' "$T/out" || fail 'not all is well'
    out_has 'to be written: /etc/default/stek /etc/init.d/stek /etc/cron.d/stek'
    as_before
    ok setup a
    ok setup --check
    out_has 'ok: all files for boot are there'
    fake nginx 'exit 1'
    rm "$R/usr/local/sbin/nginx" "$R/usr/sbin/nginx"
    ok setup --check
    out_has 'warning: there is no nginx'
}
test_old_nginx() {
    host
    fake nginx 'echo "nginx version: nginx/1.5.6" >&2'
    tree >"$T/before"
    complains 'nginx 1.5.6 cannot read keys from files'
    exits 1 setup --check a
    out_has 'refused: nginx 1.5.6'
    fake_nginx 1.10.3
    ok setup a
    all_there
    equal size "$(stat -c %s "$R/run/stek/a.1.key")" 48
    ok setup --undo
}
test_old_openssl() {
    host
    fake openssl 'echo OpenSSL 0.9.8e 23 Feb 2007'
    tree >"$T/before"
    complains 'OpenSSL 0.9.8e has no session tickets'
}
test_not_root() {
    cp "$STEK" "$T/x"
    refuses 1 as_nobody stek setup a
    err_has root
    refuses 1 as_nobody stek setup --undo
    exits 1 as_nobody stek setup --check a
    out_has 'refused: only root'
}
test_usage() {
    for words in '--undo a' '--undo --check' '/' '--no-such a'; do
        # shellcheck disable=SC2086
        refuses 100 stek setup $words
    done
    refuses 100 env -u STEK_NAMES "$STEK" setup
    err_has 'a NAME is needed'
}
test_place_of_the_binary() {
    host
    install -m 755 "$STEK" "$R/root/stek"
    refuses 1 in_host /root/stek setup a
    err_has '/root/stek is no place'
    err_has 'hint: install '
    rm "$R/root/stek"
    chmod 775 "$R/usr/local/sbin/stek"
    refuses 1 setup a
    err_has 'others than root can change'
    chmod 755 "$R/usr/local/sbin/stek"
    chown nobody "$R/usr/local/sbin/stek"
    refuses 1 setup a
    chown root "$R/usr/local/sbin/stek"
    as_before
    mv "$R/usr/local/sbin/stek" "$R/usr/sbin/stek"
    ok in_host /usr/sbin/stek setup a
    cmp -n 2000 "$R/etc/init.d/stek" "$here/../../contrib/init.d/stek"
}
test_package() {
    host
    # removed, not purged
    cat >>"$R/var/lib/dpkg/status" <<X

Package: stek
Status: deinstall ok config-files
Maintainer: a <a@example.com>
Architecture: amd64
Version: 1
Description: keys
X
    tree >"$T/before"
    complains 'the Debian package'
    refuses 1 setup --undo
}
test_all_conflicts_at_once() {
    host
    for f in default/stek init.d/stek; do echo mine >"$R/etc/$f"; done
    ln -s /root/mine "$R/etc/cron.d/stek"
    tree >"$T/before"
    complains '/etc/init.d/stek is there, and setup did not write it'
    err_has '/etc/default/stek is there'
    err_has '/etc/cron.d/stek is there'
    quiet setup --undo
    as_before
}
test_other_names() {
    host
    ok setup a
    tree >"$T/with"
    refuses 1 setup b
    err_has 'STEK_NAMES="a"'
    err_has 'hint: edit that file, then run: stek setup'
    tree >"$T/now"
    same "$T/with" "$T/now"
}
test_settings_without_names() { # do what the hint says
    host
    echo '#STEK_NAMES="example.com"' >"$R/etc/default/stek"
    tree >"$T/before"
    complains '/etc/default/stek is there, and does not set STEK_NAMES'
    err_has 'hint: edit that file, then run: stek setup'
    echo STEK_NAMES=a >>"$R/etc/default/stek"
    ok setup
    all_there
}
test_settings_of_the_administrator() { # are kept, whether they came before setup or after it
    host
    echo 'STEK_NAMES=a STEK_SLOTS=2' | tr ' ' '\n' >"$R/etc/default/stek"
    tree >"$T/before"
    ok setup a
    is -f "$R/run/stek/a.2.key"
    isnt -e "$R/run/stek/a.3.key"
    quiet setup --undo
    as_before
    rm "$R/etc/default/stek"
    ok setup a
    echo 'STEK_PERIOD=1h' >>"$R/etc/default/stek"
    quiet setup a
    refuses 1 setup --undo
    err_has '/etc/default/stek was changed since setup wrote it, and is left'
    for f in etc/init.d/stek etc/cron.d/stek run/stek; do isnt -e "$R/$f"; done
    is -f "$R/etc/default/stek"
}
test_changed_script() {
    host
    ok setup a
    echo '# mine' >>"$R/etc/init.d/stek"
    refuses 1 setup a
    err_has '/etc/init.d/stek was changed since setup wrote it'
    refuses 1 setup --undo
    err_has '/etc/init.d/stek was changed'
    isnt -e "$R/run/stek"
    isnt -e "$R/etc/default/stek"
    equal links "$(find "$R"/etc/rc?.d -name '*stek')" ''
}
test_newer_version() { # files of an older one are replaced, and put back when that fails
    host
    ok setup a
    tree >"$T/with"
    older() { # the file, but a line, and the mark that it then has
        sed '/^# \(Written by stek\|\/etc\/cron.d\)/d' "$R/etc/cron.d/stek" >"$T/older"
        mark=$(sed -n 's/^\(# Written by stek.*: \).*/\1/p' "$R/etc/cron.d/stek")
        echo "$mark$(sha256sum <"$T/older" | cut -d ' ' -f 1)" >>"$T/older"
        cp "$T/older" "$R/etc/cron.d/stek"
    }
    older
    ok setup a
    tree >"$T/now"
    same "$T/with" "$T/now"
    older
    rm "$R/etc/init.d/stek"
    find "$R"/etc/rc?.d -name '*stek' -exec rm {} +
    keys=$(sum "$R/run/stek/a.1.key")
    fake update-rc.d 'exit 1'
    tree >"$T/before"
    complains 'update-rc.d stek defaults failed'
    equal 'keys of before' "$(sum "$R/run/stek/a.1.key")" "$keys"
    rm "$R/usr/local/sbin/update-rc.d"
    older
    quiet setup --undo
}
test_nginx_needs_the_keys() { # K10
    host
    needs nginx
    rm "$R/usr/local/sbin/nginx"
    ok setup a
    ln -s /run/stek "$R/mnt/keys"
    for keys in /run/stek/a.1.key /run//stek/a.1.key '
        "/run/stek/a.1.key"' /mnt/keys/a.1.key; do
        printf 'ssl_session_ticket_key %s;\n' "$keys" >"$R/etc/nginx/conf.d/stek.conf"
        ok in_host nginx -t
        tree >"$T/with"
        refuses 1 setup --undo
        err_has 'nginx is configured to read keys in /run/stek'
        tree >"$T/now"
        same "$T/with" "$T/now"
    done
    echo 'wrong' >"$R/etc/nginx/conf.d/stek.conf"
    refuses 1 setup --undo
    err_has 'it cannot be seen whether nginx is configured'
    has_keys a
    echo '# ssl_session_ticket_key /run/stek/a.1.key;' >"$R/etc/nginx/conf.d/stek.conf"
    quiet setup --undo
}
test_leaves_what_is_not_its_own() { # also files that are called like temporary ones
    host
    for file in default/.stek-backup init.d/stek; do echo mine >"$R/etc/$file"; done
    tree >"$T/before"
    refuses 1 setup a
    as_before
}
test_script_is_gone() { # the links are not left behind
    host
    ok setup a
    rm "$R/etc/init.d/stek"
    exits 1 setup --undo
    as_before
}
test_empty_directory_of_settings() { # is somebody's, and stays
    host
    find "$R/etc/default" -mindepth 1 -delete
    tree >"$T/before"
    ok setup a
    quiet setup --undo
    as_before
}
test_undo_on_a_read_only_disk() { # is refused before anything is destroyed
    host
    ok setup a
    for at in /etc /etc/default /etc/init.d /etc/cron.d; do
        mount --bind "$R$at" "$R$at"
        mount -o remount,bind,ro "$R$at"
        tree >"$T/with"
        refuses 111 setup --undo
        err_has 'Read-only file system'
        err_has 'nothing was done'
        tree >"$T/now"
        same "$T/with" "$T/now"
        has_keys a
        umount "$R$at"
    done
    quiet setup --undo
    as_before
}
test_busy_directory() { # a shell in it: what the second run needs is still there
    host
    ok setup a
    for n in 1 2; do
        exec 3<"$R/run/stek"
        exits 111 setup --undo
        exec 3<&-
        err_has 'cannot unmount /run/stek'
        err_has 'hint: something uses it: fuser -vm DIRECTORY; then run this again'
        for f in default/stek init.d/stek cron.d/stek; do is -f "$R/etc/$f"; done
        equal "keys, $n" "$(find "$R/run/stek" -name '*.key')" ''
    done
    quiet setup --undo
    as_before
}
test_foreign_directory_at_the_default_place() { # is none of it
    host
    printf 'STEK_NAMES=a\nSTEK_DIR=/mnt/keys\n' >"$R/etc/default/stek"
    mkdir "$R/run/stek"
    echo mine >"$R/run/stek/mine"
    tree >"$T/before"
    ok setup
    is -f "$R/mnt/keys/a.1.key"
    quiet setup --undo
    isnt -e "$R/mnt/keys"
    as_before
}
test_mistake_in_the_settings() { # does not hide where the keys are
    host
    printf 'STEK_NAMES=a\nSTEK_DIR=/mnt/keys\n' >"$R/etc/default/stek"
    ok setup
    echo STEK_SLOTS=x >>"$R/etc/default/stek"
    ok setup --undo
    isnt -e "$R/mnt/keys"
}
test_settings_are_gone() { # keys that nothing names are not left behind in silence
    host
    printf 'STEK_NAMES=a\nSTEK_DIR="/mnt/my keys"\n' >"$R/etc/default/stek"
    ok setup
    echo STEK_DIR=\" >"$R/etc/default/stek"
    refuses 1 setup --undo
    rm "$R/etc/default/stek"
    tree >"$T/with"
    refuses 1 setup --undo
    err_has '/mnt/my keys'
    err_has 'hint: if no server reads them: stek umount -d DIRECTORY; then run this again'
    tree >"$T/now"
    same "$T/with" "$T/now"
    is -f "$R/mnt/my keys/a.1.key"
    ok in_host stek umount -d '/mnt/my keys'
    quiet setup --undo
    as_before
    ok setup a
    rm "$R"/etc/*/stek
    find "$R"/etc/rc?.d -name '*stek' -exec rm {} +
    refuses 1 setup --undo
    err_has /run/stek
    has_keys a
    ok in_host stek umount
    quiet setup --undo
}
test_program_that_others_can_replace() {
    host
    chmod 1777 "$R/usr/local/sbin"
    refuses 1 setup a
    err_has 'others than root can replace /usr/local/sbin/stek'
}
test_no_cron_directory() {
    host
    rm -r "$R/etc/cron.d"
    tree >"$T/before"
    ok setup a
    err_has 'warning: there is no /etc/cron.d'
    err_has '*/5 * * * * [ -x /usr/local/sbin/stek ]'
    mkdir -p "$R/var/spool/cron/crontabs"
    sed -n 's/.*(crontab -e): //p' "$T/err" >"$R/var/spool/cron/crontabs/root"
    ok setup --check
    out_has 'ok: the crontab of root calls stek'
    rm "$R/var/spool/cron/crontabs/root"
    quiet setup --undo
    isnt -e "$R/etc/cron.d"
}
test_lines_that_call_nothing() { # neither a comment nor a word about stek is a job or a part of the boot
    host
    rm -rf "$R/etc/cron.d" "$R/usr/sbin/update-rc.d" "$R/usr/sbin/insserv" "$R/sbin/openrc-run" "$R/etc/inittab" "$R/etc/rc.local"
    mkdir -p "$R/var/spool/cron/crontabs"
    every='*/5 * * * *'
    for line in "# $every stek rotate; stek reload" "  # $every /usr/local/sbin/stek rotate" "$every echo stek rotate is off" \
        "$every true # stek rotate" "$every true # /usr/local/sbin/stek rotate" "$every stek list" "$every mystek rotate" "STEK=stek rotate" "@daily"; do
        echo "$line" >"$R/var/spool/cron/crontabs/root"
        ok setup --check a
        out_has 'warning: there is no /etc/cron.d'
    done
    for line in "$every stek rotate; stek reload" "@hourly stek rotate" "$every [ -d /run/stek ] && stek rotate" \
        "$every [ -d /run/stek ]||/usr/local/sbin/stek rotate -v" "$every nice /usr/local/sbin/stek rotate" "$every STEK_SLOTS=4 stek rotate"; do
        printf '# jobs\n%s\n' "$line" >"$R/var/spool/cron/crontabs/root"
        ok setup --check a
        out_has 'ok: the crontab of root calls stek'
    done
    for line in '# /etc/init.d/stek start' '#::sysinit:/etc/init.d/stek start' '[ ! -x /etc/init.d/stek ] || true' 'true # /etc/init.d/stek start' \
        '/etc/init.d/stek stop'; do
        for file in inittab rc.local; do
            echo "$line" >"$R/etc/$file"
            ok setup --check a
            out_has 'warning: no tool enters scripts'
            rm "$R/etc/$file"
        done
    done
    for line in '::sysinit:/etc/init.d/stek start' '/etc/init.d/stek start' '[ ! -x /etc/init.d/stek ] || sh /etc/init.d/stek start;' \
        '/etc/init.d/stek "$1"'; do
        printf '#!/bin/sh\n%s\n' "$line" >"$R/etc/inittab"
        ok setup --check a
        out_has 'ok: /etc/init.d/stek is called at boot'
    done
}
test_several_names() { # nginx takes one list of keys in http, and one in each server
    host
    ok setup a b
    for name in a b; do grep -x "    stek snippet nginx $name" "$T/out" || fail "no line for $name"; done
    out_has 'default server of its own listen socket'
    ! grep -F conf.d "$T/out" || fail 'nginx would refuse that file'
}
test_name_with_a_dash() {
    host
    ok setup -- -x
    out_has 'stek snippet nginx -- -x >/etc/nginx/conf.d/stek.conf'
    quiet setup --undo
    as_before
}
test_two_at_once() {
    host
    { setup a >"$T/1" 2>&1 || echo no >>"$T/1"; } &
    one=$!
    { setup a >"$T/2" 2>&1 || echo no >>"$T/2"; } &
    wait "$one" "$!"
    ! grep -e '^no$' -e ': cannot' "$T/1" "$T/2" || fail 'one failed'
    all_there
    quiet setup --undo
    as_before
}
# hold CMD...: a lock that CMD takes, until let_go; CMD is flock, with everything but what to run
hold() {
    mkfifo held
    "$@" sh -c 'echo; read -r _' <held >holds &
    holder=$!
    exec 3>held
    until_ok test -s holds
}
let_go() { echo >&3; exec 3>&-; ended "$holder"; rm held holds; }
test_locks_of_others() { # what every user can open every user can lock
    host
    needs flock
    hold as_nobody flock "$R/etc" flock "$R/run" flock "$R" flock "$R/usr/local/sbin/stek" flock "$R/usr/local/sbin"
    ok in_host timeout 20 stek setup a
    all_there
    quiet in_host timeout 20 stek setup --undo
    let_go
    as_before
}
test_one_at_a_time() {
    host
    needs flock
    mkdir -m 700 "$R/run/stek-setup"
    hold flock "$R/run/stek-setup"
    tree >"$T/with"
    for words in a --undo; do
        exits 124 in_host timeout 1 stek setup "$words"
        tree >"$T/now"
        same "$T/with" "$T/now"
    done
    { exec chroot "$R" env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin stek setup a 2>"$T/err"; } &
    waits=$!
    until_ok has_open "$waits" /run/stek-setup
    let_go
    ended "$waits"
    all_there
    isnt -e "$R/run/stek-setup"
    ln -s /tmp "$R/run/stek-setup"
    refuses 1 setup --undo
    err_has '/run/stek-setup is not a directory, or a symbolic link'
    rm "$R/run/stek-setup"
    quiet setup --undo
    as_before
}
has_open() { find "/proc/$1/fd" -lname "*$2" | grep .; }
test_no_run() {
    host
    umount "$R/run"
    rm -rf "${R:?}/run"
    echo STEK_NAMES=a >"$R/etc/default/stek"
    echo STEK_DIR=/mnt/keys >>"$R/etc/default/stek"
    ok setup
    is -f "$R/mnt/keys/a.1.key"
    quiet setup --undo
    isnt -e "$R/mnt/keys"
    isnt -e "$R/run"
    equal 'what is left' "$(find "$R/etc" -name '*stek*')" "$R/etc/default/stek"
}

# Each step fails, and all of it is taken back.
test_read_only_cron_directory() {
    host
    mount -t tmpfs -o mode=755 none "$R/etc/cron.d"
    mount -o remount,ro "$R/etc/cron.d"
    tree >"$T/before"
    refuses 111 setup a
    err_has 'Read-only file system'
    err_has 'was taken back'
    as_before
}
test_full() {
    for at in default init.d cron.d; do
        [ -n "${R:-}" ] || host
        cp -a "$R/etc/$at" "$T/$at"
        mount -t tmpfs -o size=200k,mode=755 none "$R/etc/$at"
        cp -a "$T/$at/." "$R/etc/$at" 2>/dev/null || :
        dd if=/dev/zero of="$R/etc/$at/filler" bs=4096 2>/dev/null || :
        tree >"$T/before"
        refuses 111 setup a
        err_has 'No space left on device'
        as_before
        umount "$R/etc/$at"
    done
}
test_tool_fails() {
    host
    fake update-rc.d 'exit 1'
    tree >"$T/before"
    complains 'update-rc.d stek defaults failed, with exit status 1'
    err_has 'nothing is left of it'
    fake update-rc.d 'echo half done >&2; ln -s ../init.d/stek /etc/rc2.d/S01stek; [ "$1" != stek ] && rm -f /etc/rc2.d/S01stek'
    tree >"$T/before"
    complains 'half done'
    fake update-rc.d ':'
    tree >"$T/before"
    complains 'did not enter stek into the boot'
}
test_start_fails() {
    host
    printf 'STEK_NAMES=a\nSTEK_GROUP=nobody-has-this\n' >"$R/etc/default/stek"
    tree >"$T/before"
    refuses 1 setup a
    err_has "there is no group 'nobody-has-this'"
    err_has 'service stek start failed'
    as_before
    rm "$R/etc/default/stek"
    fake service '/etc/init.d/stek "$2"; [ "$2" = stop ]' # with the keys there
    tree >"$T/before"
    exits 1 setup a
    as_before
    fake service ':'
    tree >"$T/before"
    complains 'no keys came into /run/stek'
}
test_directory_of_somebody_else() {
    host
    mkdir -m 700 "$R/run/stek"
    echo mine >"$R/run/stek/mine"
    tree >"$T/before"
    complains '/run/stek holds something else: mine'
    rm -r "$R/run/stek"
    ln -s /tmp "$R/run/stek"
    tree >"$T/before"
    complains '/run/stek is not a directory, or a symbolic link'
}
test_directory_beyond_the_units() { # of systemd, which hides places from them and makes others read-only
    host
    mkdir -p "$R/mnt/keys" "$R/run/user"
    ln -s /home "$R/mnt/home"
    for at in /home /root /run/user /tmp /var/tmp /usr/local /boot /etc /mnt/home /run/../tmp; do
        printf 'STEK_NAMES=a\nSTEK_DIR=%s/keys\n' "$at" >"$R/etc/default/stek"
        ok setup --check
        mkdir -p "$R/run/systemd/system"
        exits 1 setup --check
        out_has "refused: $at/keys is no place for keys with systemd, whose units cannot write below "
        tree >"$T/before"
        complains "$at/keys is no place for keys"
        err_has 'hint: set STEK_DIR in /etc/default/stek to a directory below /run'
        rmdir "$R/run/systemd/system"
    done
    mkdir -p "$R/run/systemd/system"
    for at in /run /dev/shm /mnt /homes /srv; do
        mkdir -p "$R/$at"
        printf 'STEK_NAMES=a\nSTEK_DIR=%s/keys\n' "$at" >"$R/etc/default/stek"
        ok setup --check
        out_has "ok: $at/keys can be the keys directory"
    done
}
test_keys_of_before_stay() { # whatever fails, a server may be using them
    host
    in_host stek mount
    in_host stek rotate a
    id=$(sum "$R/run/stek/a.1.key")
    tree >"$T/before"
    fake service 'exit 1'
    fake update-rc.d 'exit 1'
    tree >"$T/before"
    complains update-rc.d
    equal key "$(sum "$R/run/stek/a.1.key")" "$id"
    rm "$R/usr/local/sbin/update-rc.d"
    ok setup a
    equal key "$(sum "$R/run/stek/a.1.key")" "$id"
}

# Any system call fails, or is the last one; then setup again completes it and --undo leaves nothing.
each() {
    n=1
    while :; do
        [ "$n" -lt 100 ] || fail 'no end'
        rc=0
        in_host strace -qq -o /tmp/trace -e trace="$1" -e "inject=$1:$2:when=$n" stek setup a >"$T/out" 2>"$T/err" || rc=$?
        # bash says that it was killed
        grep -e INJECTED -e 'killed by' "$R/tmp/trace" >/dev/null || break
        "$3"
        n=$((n + 1))
    done
    equal 'exit status without a fault' "$rc" 0
    [ "$n" -gt "$4" ] || fail "$1: $((n - 1)) faults only"
    quiet setup --undo
    as_before
}
faulty() {
    [ "$rc" -ne 0 ] || fail "$1 $n: exit status 0"
    as_before
}
killed() {
    if [ $((n % 2)) = 0 ]; then
        ok setup a
        all_there
    fi
    run setup --undo
    equal 'exit status of --undo' "$rc" 0
    as_before
}
test_fault_link() { host; needs strace; each linkat error=ENOSPC faulty 3; }
test_fault_sync() { host; needs strace; each fsync error=EIO faulty 5; }
test_fault_write() { host; needs strace; each fchmod error=EPERM faulty 3; }
test_fault_unlink() { host; needs strace; each unlinkat error=EROFS faulty 3; }
test_kill_link() { host; needs strace; each linkat signal=KILL killed 3; }
test_kill_sync() { host; needs strace; each fsync signal=KILL killed 5; }
test_kill_unlink() { host; needs strace; each unlinkat signal=KILL killed 3; }
test_kill_start() { host; needs strace; each wait4,waitid signal=KILL killed 3; }

run_tests "$@"
