#!/bin/sh
# Installs what is missing, where it may, and says what is missing where it may not. Quick when everything is there.
#
#   setup.sh demo   what it takes to build netwright and to run a lab
#   setup.sh test   what it takes to run every test as well
#   setup.sh bench  whom the race is against, beside iproute2
set -eu

purpose=${1:-test}

# The Debian package that a command comes from.
package_of() {
    case $1 in
    cc) echo gcc libc6-dev ;;
    make) echo make ;;
    ip) echo iproute2 ;;
    iptables | iptables-legacy) echo iptables ;;
    unshare | nsenter) echo util-linux ;;
    mount) echo mount ;;
    nft) echo nftables ;;
    conntrack) echo conntrack ;;
    sysctl) echo procps ;;
    setcap) echo libcap2-bin ;;
    busybox) echo busybox-static ;;
    dockerd | runc) echo docker.io ;;
    bird) echo bird2 ;;
    /usr/lib/frr/zebra) echo frr ;;
    /usr/lib/cni/bridge) echo containernetworking-plugins ;;
    mn) echo mininet ;;
    brctl) echo bridge-utils ;;
    pipx) echo pipx ;;
    # Newer Debians have the client apart from the engine.
    docker) if apt-cache show docker-cli >/dev/null 2>&1; then echo docker-cli; else echo docker.io; fi ;;
    esac
}

commands() {
    echo cc ip iptables unshare nsenter mount
    case $purpose in
    demo) ;;
    bench) echo /usr/lib/cni/bridge mn brctl pipx ;;
    *) echo iptables-legacy nft conntrack sysctl setcap busybox dockerd runc docker bird /usr/lib/frr/zebra ;;
    esac
}

is_there() {
    command -v "$1" >/dev/null || return 1
    # The tests put busybox into a container on its own, without libraries.
    [ "$1" != busybox ] || ! ldd "$(command -v busybox)" >/dev/null 2>&1
}

missing() {
    for command in $(commands); do
        is_there "$command" || echo "$command"
    done
}

# Runs a command as root, without asking for a password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    command -v apt-get >/dev/null && as_root true 2>/dev/null
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq --yes -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# Packages start their daemons when they come. Docker's would change this machine's network; the tests start their own.
install_quietly() {
    policy=/usr/sbin/policy-rc.d
    if [ -e $policy ]; then
        apt install --no-install-recommends "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod +x $policy
    status=0
    apt install --no-install-recommends "$@" || status=$?
    as_root rm $policy
    return $status
}

install_packages() {
    echo "setup: installing what is missing: $(echo $(missing))" >&2
    apt update
    packages=$(for command in $(missing); do package_of "$command"; done | tr ' ' '\n' | sort -u)
    # shellcheck disable=SC2086 # a list of words
    install_quietly $packages >&2
    # A client that only shows as missing once the engine is there without it.
    packages=$(for command in $(missing); do package_of "$command"; done | tr ' ' '\n' | sort -u)
    # shellcheck disable=SC2086
    [ -z "$packages" ] || install_quietly $packages >&2
}

rust() {
    if ! command -v cargo >/dev/null; then
        echo "setup: cargo is missing: install Rust from https://rustup.rs (1.95 or newer)" >&2
        exit 1
    fi
    [ "$purpose" = test ] || return 0
    for component in fmt clippy; do
        cargo $component --version >/dev/null 2>&1 && continue
        name=$component
        [ $component != fmt ] || name=rustfmt
        if ! rustup component add $name >&2; then
            echo "setup: cargo $component is missing: rustup component add $name" >&2
            exit 1
        fi
    done
}

# IfState is a Python program; nlink-lab is in no registry, and races where it is on the path.
peers() {
    folder=${CARGO_TARGET_DIR:-target}/peers
    [ -x "$folder/bin/ifstatecli" ] || PIPX_HOME=$folder PIPX_BIN_DIR=$folder/bin pipx install ifstate >&2
    command -v nlink-lab >/dev/null || echo "setup: nlink-lab is not on the path: the race goes without it" >&2
}

PATH=$PATH:/usr/sbin:/sbin
rust
if [ -n "$(missing)" ] && may_install; then
    install_packages || echo "setup: the installation failed" >&2
fi
if [ -n "$(missing)" ]; then
    echo "setup: missing on this machine, and not to be installed from here:" >&2
    for command in $(missing); do
        echo "  $command (Debian: $(package_of "$command"))" >&2
    done
    exit 1
fi
[ "$purpose" != bench ] || peers
