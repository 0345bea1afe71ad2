#!/bin/sh
# A rotation in the manner of the first published POSIX shell scripts: copied
# in place from slot to slot, the new key written straight over the current
# one. There is no next key.
#
#    origin.sh DIR

set -eu
umask 077

for key in "$1"/*.1.key; do
    base=${key%.1.key}
    cp "$base.2.key" "$base.3.key"
    cp "$base.1.key" "$base.2.key"
    openssl rand 80 >"$base.1.key"
done
