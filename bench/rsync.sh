#!/bin/sh
# A rotation in the manner of the fleets that distribute keys by rsync: each
# NAME is put together in a staging directory, which rsync then makes the live
# one. No network here: both lie in the same tmpfs.
#
#    rsync.sh DIR

set -eu
umask 077
stage=$(mktemp -d "${1%/}.stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

for key in "$1"/*.1.key; do
    name=${key##*/}
    name=${name%.1.key}
    mkdir "$stage/$name"
    cp -p "$1/$name.2.key" "$stage/$name/$name.3.key"
    cp -p "$1/$name.1.key" "$stage/$name/$name.2.key"
    cp -p "$1/$name.0.key" "$stage/$name/$name.1.key"
    openssl rand 80 >"$stage/$name/$name.0.key"
    rsync -a --delay-updates "$stage/$name/" "$1/"
    rm -r "${stage:?}/$name"
done
