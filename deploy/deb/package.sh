#!/usr/bin/env bash
# Packs rminer for Debian and its kin: package.sh BINARY [FOLDER] writes FOLDER/rminer_VERSION_ARCHITECTURE.deb. The service
# is in it and not started: it has no settings yet. DEB_MAINTAINER names who answers for the package.
set -euo pipefail

binary=${1:?"usage: package.sh BINARY [FOLDER]"}
out=${2:-.}
root=$(cd "$(dirname "$0")/../.." && pwd)

version=$("$binary" --version | cut -d ' ' -f 2)
# What comes before a release sorts before it.
version=${version/-/\~}
architecture=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"

install -D -m 755 "$binary" "$stage/usr/bin/rminer"
install -d -m 755 "$stage/etc/rminer" "$stage/usr/lib/systemd/system" "$stage/usr/share/man/man1" "$stage/DEBIAN"
# Its first line speaks of another way to put it there.
sed 1d "$root/deploy/systemd/rminer.service" >"$stage/usr/lib/systemd/system/rminer.service"
"$binary" man --dir "$stage/usr/share/man/man1" >/dev/null
gzip -9n "$stage"/usr/share/man/man1/*.1
complete() { install -d -m 755 "$(dirname "$stage/$2")"; "$binary" completions "$1" >"$stage/$2"; }
complete bash usr/share/bash-completion/completions/rminer
complete zsh usr/share/zsh/vendor-completions/_rminer
complete fish usr/share/fish/vendor_completions.d/rminer.fish
install -D -m 644 "$root/LICENSE-MIT" "$stage/usr/share/doc/rminer/copyright"
install -m 644 "$root/LICENSE-APACHE" "$stage/usr/share/doc/rminer/LICENSE-APACHE"
find "$stage/usr" -type f ! -path '*/bin/*' -exec chmod 644 {} +

cat >"$stage/DEBIAN/control" <<CONTROL
Package: rminer
Version: $version
Architecture: $architecture
Maintainer: ${DEB_MAINTAINER:-rminer packagers <packagers@rminer.invalid>}
Section: utils
Priority: optional
Depends: libc6, libgcc-s1, libstdc++6, libhwloc15
Recommends: libvulkan1, ca-certificates
Description: miner without fee
 Mines SHA-256d, kHeavyHash and RandomX with processors and graphics cards. The
 service reads /etc/rminer/config.toml, which "rminer config init" prints.
CONTROL
cat >"$stage/DEBIAN/postinst" <<'SCRIPT'
#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
SCRIPT
cat >"$stage/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now rminer.service || true
fi
SCRIPT
chmod 755 "$stage/DEBIAN/postinst" "$stage/DEBIAN/prerm"

mkdir -p "$out"
file=$out/rminer_${version}_$architecture.deb
# The same binary gives the same bytes, whoever packs it and when.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0} dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$stage" "$file" >/dev/null
echo "$file"
