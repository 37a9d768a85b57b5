#!/usr/bin/env bash
# Packs rminer for Hive OS: package.sh BINARY [FOLDER] writes FOLDER/rminer-VERSION.tar.gz, which the flight sheet names.
# The agent takes the miner's name from the file's, by cutting at the last "-": so the version must not have one.
set -euo pipefail

binary=${1:?"usage: package.sh BINARY [FOLDER]"}
out=${2:-.}
here=$(cd "$(dirname "$0")" && pwd)

version=$("$binary" --version | cut -d ' ' -f 2)
version=${version//-/_}
[[ $version =~ ^[0-9A-Za-z_.+]+$ ]] || { echo "package.sh: $binary has no version" >&2; exit 1; }

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/rminer"
install -m 755 "$binary" "$stage/rminer/rminer"
install -m 755 "$here"/h-config.sh "$here"/h-run.sh "$here"/h-stats.sh "$stage/rminer/"
sed "s/^CUSTOM_VERSION=.*/CUSTOM_VERSION=$version/" "$here/h-manifest.conf" >"$stage/rminer/h-manifest.conf"
chmod 644 "$stage/rminer/h-manifest.conf"

# The same binary gives the same bytes, whoever packs it and when.
mkdir -p "$out"
file=$out/rminer-$version.tar.gz
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" -C "$stage" -cf - rminer | gzip -n >"$file"
echo "$file"
