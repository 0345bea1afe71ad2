#!/bin/sh
# kernel: Debian's own kernel, in a virtual machine. Debian 12 has Linux 6.1, whose tmpfs does not know noswap, so that the
# keys directory is a ramfs there. All other machines here have the kernel of the host.
#
# The whole root is an initramfs, so the kernel needs no modules, but one that makes a disk for swap. qemu translates every
# instruction: that takes 40 seconds for a boot, and needs no rights. What lib.sh asks of a machine goes through its second
# serial line here.
# shellcheck disable=SC2016,SC2317 source=tests/boot/lib.sh
. ./lib.sh

[ -f "$T/base/boot/kernel/vmlinuz" ] || { skip 'no kernel for this processor'; total; exit; }
for w in qemu-system-x86_64 cpio; do command -v "$w" >/dev/null || { skip "no $w"; total; exit; }; done

machine_process=''
trap '[ -z "$machine_process" ] || kill "$machine_process"' EXIT

prepare_kernel() {
    # what the kernel starts
    printf '%s\n' '#!/bin/sh' 'mount -t devtmpfs dev /dev' 'ip link set lo up' 'exec /sbin/init' >"$R/init"
    # Each line is a command in base64. The answer is its exit code and, in base64 too, its output and its errors.
    cat >"$R/root/answer" <<'X'
#!/bin/sh
exec </dev/ttyS1 >/dev/ttyS1
stty raw -echo
cd /run
echo ready
while read -r line; do
    echo "$line" | base64 -d >command
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root TERM=dumb \
        timeout 60 sh command </dev/null >output 2>errors
    echo "$? output:$(base64 -w 0 output) errors:$(base64 -w 0 errors)"
done
X
    chmod 755 "$R/init" "$R/root/answer"
    sed -i 's|^zz:.*|zz:2:once:/root/answer|' "$R/etc/inittab"
    cp "$R"/boot/kernel/brd.ko* "$R/root/"
    (cd "$R" && find . -xdev \( -path './boot/*' -o -path './usr/share/doc/*' -o -path './usr/share/locale/*' -o -path './usr/share/man/*' \
        -o -path './var/cache/*' -o -path './var/lib/apt/*' \) -prune -o -print0 | cpio --quiet --null -H newc -o) >"$T/initramfs"
}

# Until the machine answers, which is the last thing of a boot. A processor with a generator of random numbers spares it a wait.
start() {
    mkfifo "$T/line.in" "$T/line.out" && exec 8<>"$T/line.in" 9<>"$T/line.out" || return 1
    timeout --kill-after=2 "${LIFE:-360}" qemu-system-x86_64 -accel tcg -cpu max -m 1g -no-user-config -nodefaults -display none -no-reboot \
        -kernel "$R/boot/kernel/vmlinuz" -initrd "$T/initramfs" -append 'console=ttyS0 quiet mitigations=off panic=-1' \
        -serial "file:$T/console.log" -chardev "pipe,id=line,path=$T/line" -serial chardev:line \
        </dev/null >"$T/qemu.log" 2>&1 8>&- 9>&- &
    machine_process=$!
    answer 240 && equal "$line" ready && return
    cat "$T/qemu.log"
    return 1
}

# answer SECONDS: the next line that the machine sends
answer() { line=$(timeout "$1" sh -c 'read -r line && echo "$line"' <&9); }

in_guest() {
    command=
    for argument in "$@"; do command="$command '$(printf '%s\n' "$argument" | sed "s/'/'\\\\''/g")'"; done
    { printf '%s\n' "$command" | base64 -w 0 && echo; } >&8
    answer 70 || return 1
    errors=${line#* errors:} output=${line#* output:}
    echo "${output% errors:*}" | base64 -d
    echo "$errors" | base64 -d >&2
    return "${line%% *}"
}

# The machine switches itself off.
ended() {
    until_true 60 gone "$machine_process" && wait "$machine_process" && machine_process='' && console 'reboot: Power down'
}
console() { tr -d '\r' <"$T/console.log" | grep "$@"; }

must 'a Debian with sysvinit' root sysvinit kernel
must 'the package is installed' in_root dpkg -i /root/stek.deb
check 'one line in /etc/default/stek' in_root sh -c 'echo STEK_NAMES=example.com >>/etc/default/stek'
check 'one include in nginx' in_root sh -c 'stek snippet nginx >/etc/nginx/conf.d/stek.conf && grep example.com.1.key /etc/nginx/conf.d/stek.conf'
must 'all of it is an initramfs' prepare_kernel
must 'boots' start

kernel=$(in_guest uname -r)
[ "$suite" != bookworm ] || check 'Linux 6.1' equal "${kernel%%.*}.$(echo "$kernel" | cut -d . -f 2)" 6.1
tmpfs() { as_admin "mkdir -p /run/other && mount -t tmpfs -o mode=700$1 other /run/other"; }
case $kernel in
[1-5].* | 6.[0-3].*)
    kind=ramfs never=''
    check 'a tmpfs that is never swapped is refused' not tmpfs ,noswap
    check 'for this reason' as_admin "dmesg | grep \"tmpfs: Unknown parameter 'noswap'\""
    ;;
*)
    kind=tmpfs never=' that is never swapped'
    check 'it has a tmpfs that is never swapped' tmpfs ,noswap
    check 'no more' in_guest umount /run/other
    ;;
esac
check 'sysvinit is process 1' as_admin 'ls -l /proc/1/exe | grep "/sbin/init$"'
check "the keys directory is a $kind" as_admin "grep '^stek /run/stek $kind rw,nosuid,nodev,noexec,' /proc/mounts"
check 'stek mount knows it' equal "$(as_admin 'stek mount -v 2>&1')" "stek mount: /run/stek is $kind$never"
check 'the keys are complete' complete
check 'nobody else can read them' equal "$(as_admin 'stat -c %a:%u /run/stek /run/stek/*.key' | tr '\n' ' ')" '700:0 600:0 600:0 600:0 600:0 '
check 'nginx serves, though it had to wait for its keys' serves_with_current

check 'a disk for swap' as_admin 'busybox insmod /root/brd.ko* rd_nr=1 rd_size=16384 && mkswap /dev/ram0 && swapon /dev/ram0 && grep ram0 /proc/swaps'
nothing_critical() { as_admin 'stek check; [ $? -lt 2 ]' && not as_admin 'stek check | grep -e "^critical" -e "\[swap"'; }
check 'the keys cannot get there' nothing_critical
check 'from another tmpfs they could' tmpfs
check 'and stek would say so' as_admin 'stek rotate -d /run/other example.com; stek check -d /run/other example.com | grep "^critical: .*\[swap\]"'
check 'it goes' as_admin 'stek umount -d /run/other && swapoff /dev/ram0'

check 'a client keeps a session' as_admin 'openssl s_client -connect 127.0.0.1:443 -tls1_2 -sess_out /run/session'
comes_back() { as_admin "openssl s_client -connect 127.0.0.1:443 -tls1_2 -sess_in /run/session | grep '^$1, TLSv1'"; }
next=$(key 0) current=$(key 1)
check 'stek rotate --force' in_guest stek rotate --force
check 'stek reload' in_guest stek reload
check 'the next key is the current one' equal "$(key 1)" "$next"
check 'the current one is a previous one' equal "$(key 2)" "$current"
check 'nginx makes tickets with the new key' serves_with_current
check 'the session is resumed' comes_back Reused

before=$(keys)
check 'service stek stop' in_guest service stek stop
check 'destroys the keys' no_directory
check 'service stek start' in_guest service stek start
check 'makes new ones' all_new "$(keys)" "$before"
check 'in the same file system' as_admin "grep '^stek /run/stek $kind ' /proc/mounts"
check 'stek reload' in_guest stek reload
check 'nginx makes tickets with them' serves_with_current
check 'the session is not resumed any more' comes_back New

# It must have answered before.
as_admin '{ sleep 1; shutdown -h -P now; } >/dev/null 2>&1 &'
must 'powers off' ended
check 'and destroyed the keys' console '^Destroying TLS session ticket keys: stek\.$'
check 'without any trouble' not console -i -e 'ticket keys.*fail' -e '^stek' -e 'stek.*busy'

total
