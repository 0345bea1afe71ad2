#!/bin/sh
# deb: what is in the package, what lintian says of it, and whether a second build is the same
# shellcheck disable=SC2016 source=tests/boot/lib.sh
. ./lib.sh

quiet() {
    if said=$("$@" 2>&1) && [ -z "$said" ]; then return 0; fi
    echo "$said"
    return 1
}
field() { dpkg-deb -f "$DEB" "$1"; }

dpkg-deb -x "$DEB" "$T/tree" && dpkg-deb -e "$DEB" "$T/tree/DEBIAN"
check 'it needs no library' equal "$(field Pre-Depends)$(field Depends)" "$(field Pre-Depends)"
check 'settings, init script and job are conffiles' equal "$(sort "$T/tree/DEBIAN/conffiles" | tr '\n' ' ')" \
    '/etc/cron.d/stek /etc/default/stek /etc/init.d/stek '
check 'a link for each applet' equal "$(cd "$T/tree/usr/lib/stek/bin" && for l in *; do [ -x "$l" ] && echo "${l#stek-}"; done)" \
    "$("$T/tree/usr/sbin/stek" --list)"
check 'a page for each applet' sh -c 'for a in $("$1/usr/sbin/stek" --list); do [ -e "$1/usr/share/man/man8/stek-$a.8.gz" ] || exit 1; done' \
    sh "$T/tree"
check 'completions for each shell' sh -c 'cd "$1/usr/share" && for a in stek $("$1/usr/sbin/stek" --list | sed s/^/stek-/); do
    [ -s "bash-completion/completions/$a" ] && [ -s "fish/vendor_completions.d/$a.fish" ] && [ -s zsh/vendor-completions/_stek ] || exit 1; done' \
    sh "$T/tree"
check 'nothing else on PATH' equal "$(cd "$T/tree" && echo usr/bin/* usr/sbin/* bin/* sbin/* | sed 's| [^ ]*/\*||g; s|^[^ ]*/\* ||')" usr/sbin/stek
check 'no path of the machine that built it' not grep -aE "$top|/[.](cargo|rustup)/" "$T/tree/usr/sbin/stek"
if command -v lintian >/dev/null; then
    cp "$DEB" "${DEB%_*.deb}"_*.changes "${DEB%_*.deb}"_*.buildinfo "$T/" 2>/dev/null
    check 'lintian is content' quiet lintian --allow-root --pedantic --display-info --display-experimental "$T"/*.changes
else
    skip 'no lintian'
fi
if [ -z "${STEK_DEB:-}" ] && [ -d "$top/debian" ] && command -v dh >/dev/null; then
    # elsewhere, with nothing of the first build
    check 'a second build' "$top/contrib/dev/deb" "$T/again"
    check 'is bit for bit the same' cmp "$T/again/${DEB##*/}" "$DEB"
else
    skip 'a second build: a package from elsewhere, or no debhelper'
fi

total
