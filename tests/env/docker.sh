#!/bin/sh
# A real Docker engine on the private host of a test: docker0, a FORWARD policy of DROP, and a container `web` at
# 172.17.0.2 that answers on port 80 with its own name. To be run inside a sandbox (own mount and network namespaces;
# with or without a user namespace, but as uid 0 in it); nothing of it reaches a registry or the machine outside.
#
#   docker.sh start DIR     everything of it lives in DIR; returns when `web` runs. With `as-it-is` behind it the engine
#                           finds the host's forwarding as it is, else off
#   docker.sh stop DIR      ends what start started, each process by its pid
#   docker.sh client DIR …  the docker client, talking to that engine
set -eu

verb=${1:?start, stop or client}
dir=${2:?a folder for the engine}
shift 2
socket=$dir/docker.sock
# Control groups are the one thing that outlives a sandbox: they get a name by which stop finds and removes them.
cgroup=/netwright-$(echo "$dir" | cksum | cut -d' ' -f1)

# The client that came with the engine speaks its API; another one that is earlier on PATH may be too new for it.
client=$(command -v /usr/bin/docker || command -v docker)

docker() {
    "$client" -H "unix://$socket" "$@"
}

fail() {
    echo "docker.sh: $1" >&2
    [ ! -f "$dir/dockerd.log" ] || tail -n 20 "$dir/dockerd.log" >&2
    exit 1
}

# A user namespace that maps one user has no group 5, which Docker's default gives the container's terminals to. The
# engine is left as it is; its runtime is called by way of this, which takes that one mount option out.
write_runtime() {
    cat >"$dir/runc" <<'RUNTIME'
#!/bin/sh
previous=
for argument; do
    [ "$previous" != --bundle ] || sed -i 's/,"gid=5"//' "$argument/config.json"
    previous=$argument
done
exec runc "$@"
RUNTIME
    chmod +x "$dir/runc"
}

# The engine makes its socket early and answers on it when it is ready: the first call of the client waits for that.
wait_for_socket() {
    tries=0
    until [ -S "$socket" ]; do
        kill -0 "$1" 2>/dev/null || fail "dockerd ended before it was ready"
        tries=$((tries + 1))
        [ $tries -lt 500 ] || fail "dockerd made no socket within ten seconds"
        sleep 0.02
    done
}

start() {
    for tool in dockerd runc busybox; do
        command -v $tool >/dev/null || fail "$tool is not installed (Debian: docker.io, runc, busybox-static)"
    done
    mkdir -p "$dir/image/bin" "$dir/image/www"
    write_runtime
    ip link set lo up
    # Only where Docker itself turns forwarding on does it set the policy of FORWARD to DROP.
    [ "${1:-}" = as-it-is ] || echo 0 >/proc/sys/net/ipv4/ip_forward

    dockerd --data-root "$dir/data" --exec-root "$dir/exec" -H "unix://$socket" -G 0 --pidfile "$dir/dockerd.pid" \
        --storage-driver vfs --add-runtime "sandboxed=$dir/runc" --default-runtime sandboxed \
        --cgroup-parent "$cgroup" \
        >"$dir/dockerd.log" 2>&1 </dev/null &
    wait_for_socket $!

    cp "$(command -v busybox)" "$dir/image/bin/busybox"
    echo web >"$dir/image/www/index.html"
    tar -C "$dir/image" -c . | docker import - web >/dev/null || fail "the image could not be imported"
    docker run --detach --name web --hostname web web /bin/busybox httpd -f -p 80 -h /www >/dev/null ||
        fail "the container did not start (busybox must be statically linked: Debian's busybox-static)"
}

# Killed, not asked: an orderly shutdown takes seconds, and all that it would save is thrown away with the sandbox.
stop() {
    # shellcheck disable=SC2046 # a list of words
    docker rm --force $(docker ps --all --quiet) >/dev/null 2>&1 || true
    for pidfile in "$dir/dockerd.pid" "$dir/exec/containerd/containerd.pid"; do
        [ ! -f "$pidfile" ] || kill -KILL "$(cat "$pidfile")" || true
    done
    rmdir /sys/fs/cgroup/*"$cgroup" "/sys/fs/cgroup$cgroup" 2>/dev/null || true
}

case $verb in
start) start "$@" ;;
stop) stop ;;
client) docker "$@" ;;
*) fail "no such verb: $verb" ;;
esac
