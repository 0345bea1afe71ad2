#!/bin/dash
# A rotation as people write it: one loop over the NAMEs, openssl for the new
# key, mv from slot to slot. The next key is preloaded in slot 0.
#
#    naive-dash.sh DIR

set -eu
umask 077
cd "$1"

for key in *.1.key; do
    name=${key%.1.key}
    mv "$name.2.key" "$name.3.key"
    mv "$name.1.key" "$name.2.key"
    mv "$name.0.key" "$name.1.key"
    openssl rand 80 >"$name.new"
    chmod 600 "$name.new"
    mv "$name.new" "$name.0.key"
done
