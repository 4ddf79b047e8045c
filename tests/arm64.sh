#!/usr/bin/env bash
# Run Python as on a 64-bit ARM machine (Apple silicon, Graviton, Raspberry Pi), by emulation, from the repository's root:
#   tests/arm64.sh DIR -m pytest tests/kernels      DIR keeps the small ARM system (500 MB) for the next time
#   tests/arm64.sh DIR                              sets it up and does no more
# The system comes from the archive of this Debian and from pip's index, into DIR alone and without root. The exit status
# is 77, after one line that says why, where such a system cannot be had. Right for correctness, wrong for any timing.
set -euo pipefail
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$dir/root python=$dir/root/usr/bin/python-arm64
unset PYTHONHOME
export PYTHONPATH=$PWD

unavailable() {
    echo "no emulation of 64-bit ARM: $1"
    exit 77
}

# Python, its shared libraries and the emulator: packages of the system's own archive, by lists of both architectures.
fetch_packages() {
    local lists=$dir/apt/lists host
    host=$(dpkg --print-architecture)
    mkdir -p "$lists/partial" "$dir/apt/archives/partial"
    : >"$dir/apt/status"
    local apt=(apt-get -qq -y --no-install-recommends -oDir::State="$dir/apt" -oDir::State::Lists="$lists"
        -oDir::State::Status="$dir/apt/status" -oDir::Cache="$dir/apt" -oDir::Log="$dir/apt" -oAPT::Architecture="$host"
        -oAPT::Architectures::="$host" -oAPT::Architectures::=arm64 -oAcquire::Languages=none -oAPT::Sandbox::User=
        -oAcquire::Retries=2)
    # A source without ARM packages is an error here; what matters is whether the packages come.
    "${apt[@]}" update >"$dir/apt/log" 2>&1 || true
    "${apt[@]}" install --download-only qemu-user-static python3:arm64 libgomp1:arm64 libstdc++6:arm64 >>"$dir/apt/log" 2>&1
}

unpack_packages() {
    local package
    for package in "$dir"/apt/archives/*.deb; do
        case $package in
            *_arm64.deb) dpkg -x "$package" "$root" ;;
            *qemu*) dpkg -x "$package" "$dir/host" ;;
        esac
    done
    find "$dir/host" -type f ! -name 'qemu-aarch64*' -delete
    [ -e "$root/lib" ] || ln -s usr/lib "$root/lib"
    rm -r "$dir/apt"
}

# The wrapper is what Python takes for itself (sys.executable), so that the processes it starts are emulated too.
write_wrapper() {
    local emulator=$dir/host/usr/bin/qemu-aarch64
    [ ! -x "$emulator-static" ] || emulator+=-static
    printf '#!/bin/sh\nexec "%s" -L "%s" -0 "%s" "%s" "$@"\n' \
        "$emulator" "$root" "$python" "$root/usr/bin/python3" >"$python"
    chmod +x "$python"
}

install_wheels() {
    local version platforms=(--platform manylinux2014_aarch64) minor
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    for minor in {17..36}; do platforms+=(--platform "manylinux_2_${minor}_aarch64"); done
    python3 -m pip install -q --disable-pip-version-check --only-binary=:all: --implementation cp "${platforms[@]}" \
        --python-version "$version" --target "$root/usr/lib/python3/dist-packages" \
        numba numpy scipy pytest hypothesis mpmath 2>"$dir/pip.log"
}

if [ ! -e "$dir/ready" ]; then
    [ "$(uname -m)" != aarch64 ] || unavailable "this machine is one"
    for command in apt-get dpkg python3; do
        command -v "$command" >/dev/null || unavailable "needs Debian, $command is not there"
    done
    rm -rf "$root" "$dir/host" "$dir/apt"
    fetch_packages || unavailable "its packages are not in this system's archive ($(tail -n 1 "$dir/apt/log"))"
    unpack_packages
    write_wrapper
    "$python" -c '' || unavailable "Python does not start"
    install_wheels || unavailable "no wheels for it ($(tail -n 1 "$dir/pip.log"))"
    touch "$dir/ready"
fi
[ $# -eq 0 ] || FASTBP_CACHE_DIR=$dir/cache FASTBP_TEST_TIMEOUT=3600 exec "$python" "$@"
