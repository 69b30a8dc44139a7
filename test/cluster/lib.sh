# Shared by build, up, down and check: places, addresses and small helpers. Sourced, not run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${BERTH_CLUSTER_CACHE:-$HOME/.cache/berth-cluster}   # compiled binaries, by content hash
state=${BERTH_CLUSTER_STATE:-/var/lib/berth-cluster}       # everything one running cluster writes
run=$state/run
pki=$state/pki
kubeconfig=$state/kubeconfig
node=berth-node

# The bridge's own address is the node: nothing listens outside loopback and this bridge.
bridge=berth0
node_ip=10.88.0.1
pod_cidr=10.88.0.0/16
simulated_cidr=10.88.128.1/17 # of pods that kwok plays; real ones get the lowest addresses
service_cidr=10.96.0.0/16
dns_ip=10.96.0.10
lb_pool=10.90.0.0/24
registry=$node_ip:5055 # pods, node and machine reach it under one name

addons=(keda gateway certs storage build kwok)

# The folder a component is built from.
folder() { case $1 in core) echo kubernetes ;; build) echo buildkit ;; *) echo "$1" ;; esac; }

# Where a component's binaries lie: named by what they are made of.
bin_of() {
  local dir=$here/$(folder "$1")
  echo "$cache/$1-$(cd "$dir" && { go env GOVERSION; cat go.mod go.sum ../build; find . -name '*.go' -o -name '*.c' | sort | xargs -r cat; } | sha256sum | cut -c1-12)"
}

say() { printf '%6.1fs  %s\n' "$(elapsed)" "$*" >&2; }
elapsed() { awk -v a="$started" -v b="$(date +%s.%N)" 'BEGIN { print b - a }'; }
started=$(date +%s.%N)

k() { kubectl --kubeconfig "$kubeconfig" "$@"; }
ctr_k8s() { ctr -a "$run/containerd.sock" -n k8s.io "$@"; }

# A pid may have gone to another process: ours name the state folder in their command line.
alive() { grep -qaF "$state" "/proc/$(cat "$run/$1.pid" 2>/dev/null)/cmdline" 2>/dev/null; }

# service NAME COMMAND...: a background process with a pid file and a log, once.
service() {
  local name=$1; shift
  alive "$name" && return
  setsid "$@" >>"$state/log/$name.log" 2>&1 </dev/null &
  echo $! >"$run/$name.pid"
}

# put FILE: write standard input to FILE, unless it says so already (kube-proxy ends when its
# configuration file is written to).
put() { local text; text=$(cat); [ "$(cat "$1" 2>/dev/null)" = "$text" ] || printf '%s\n' "$text" >"$1"; }

# until_ok SECONDS WHAT COMMAND...: wait for a command to succeed.
until_ok() {
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "timed out: $what" >&2; return 1; }
    sleep 0.3
  done
}

# Fill @name@ placeholders of a manifest from shell variables of the same name.
render() {
  local text name; text=$(cat "$1")
  for name in $(grep -oE '@[a-z_]+@' "$1" | sort -u | tr -d @); do text=${text//@$name@/${!name}}; done
  printf '%s\n' "$text"
}
