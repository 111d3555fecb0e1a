#!/usr/bin/env bash
# Rates of frame generators on a veth, in turns: pktgen, trafgen (netsniff-ng)
# and dpdk-testpmd's txonly, as far as they are installed. 60-byte UDP frames of
# varying sources, one CPU; a netdev chain at the far end drops them, and its
# interface's counter is what counts. Prints frames per second and per second of
# CPU time, which other programs on the machine disturb less; the median is of
# the rounds. Needs root. Usage: genbench.sh [rounds]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
rounds=${1:-5} seconds=4
[[ $(id -u) -eq 0 ]] || { echo "genbench: SKIP-PRIVILEGE: needs root" >&2; exit 1; }
[[ -x bin/pktgen ]] || { echo "genbench: no bin/pktgen (make build)" >&2; exit 1; }

near=genbench-a-$$ far=genbench-b-$$
dir=$(mktemp -d)
pages=$(cat /proc/sys/vm/nr_hugepages)
clean() {
	ip netns del "$near" 2>/dev/null || true
	ip netns del "$far" 2>/dev/null || true
	echo "$pages" >/proc/sys/vm/nr_hugepages
	if [[ -w /proc/self/autogroup ]]; then echo 0 >/proc/self/autogroup; fi
	rm -rf "$dir"
}
trap clean EXIT

for ns in "$near" "$far"; do
	ip netns add "$ns"
	ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
done
ip -n "$near" link add a0 address 02:00:00:00:00:01 numrxqueues 1 numtxqueues 1 type veth \
	peer name b0 address 02:00:00:00:00:02 numrxqueues 1 numtxqueues 1 netns "$far"
ip -n "$near" link set a0 up
ip -n "$far" link set b0 up
ip netns exec "$far" nft -f - <<'RULES'
table netdev sink {
	chain early {
		type filter hook ingress device b0 priority 0; policy drop
	}
}
RULES

cat >"$dir/pktgen.yaml" <<PROFILE
title: genbench
duration: ${seconds}s
settle: 1ms
threads: 1
ports: [{name: a, interface: a0, netns: $near}]
streams:
  - from: a
    size: 64
    eth: {dst: "02:00:00:00:00:02"}
    ip: {src: 10.0.0.1, dst: 10.1.0.1}
    udp: {src: 1024, dst: 53}
    vary: [{field: ip.src, count: 256}]
PROFILE
cat >"$dir/trafgen.cfg" <<'FRAME'
{ 2,0,0,0,0,2, 2,0,0,0,0,1, 8,0, 0x45,0,0,46,0,0,0x40,0,64,17,csumip(14,33), 10,0,0,dinc(1,255), 10,1,0,1,
  c16(1024), c16(53), c16(26), c16(0), fill(0,18) }
FRAME

arrived() { ip netns exec "$far" awk '/b0:/ {print $3}' /proc/net/dev; }

# round NAME COMMAND...: one measurement.
round() {
	local name=$1 from to start end TIMEFORMAT='%U %S'
	shift
	from=$(arrived) start=$(date +%s%N)
	{ time "$@" >"$dir/log" 2>&1 || true; } 2>"$dir/time"
	end=$(date +%s%N) to=$(arrived)
	awk -v name="$name" -v n=$((to - from)) -v ns=$((end - start)) '
		{ cpu = $1 + $2 } END { printf "%-8s %9d frames %7.3f Mpps  %7.3f Mpps per CPU second\n", name, n, n * 1e3 / ns, n / (cpu + 1e-9) / 1e6 }' "$dir/time" |
		tee -a "$dir/all"
	if [[ $to -eq $from ]]; then tail -3 "$dir/log"; fi
}

if [[ -w /proc/self/autogroup ]]; then echo -20 >/proc/self/autogroup; fi
testpmd=$(command -v dpdk-testpmd || true) trafgen=$(command -v trafgen || true)
[[ -n $trafgen ]] || echo "trafgen is not installed (Debian: netsniff-ng)"
[[ -n $testpmd ]] || echo "dpdk-testpmd is not installed (Debian: dpdk-dev, librte-net-af-xdp23)"
if [[ -n $testpmd && $pages -lt 256 ]]; then echo 256 >/proc/sys/vm/nr_hugepages; fi
for _ in $(seq "$rounds"); do
	round pktgen taskset -c 0 bin/pktgen run -q "$dir/pktgen.yaml"
	if [[ -n $trafgen ]]; then
		round trafgen ip netns exec "$near" taskset -c 0 trafgen -P1 -o a0 -i "$dir/trafgen.cfg" -n 3000000 -q --no-sock-mem
	fi
	if [[ -n $testpmd ]]; then
		round testpmd ip netns exec "$near" timeout -s INT "$((seconds + 1))" dpdk-testpmd -l 0,1 --main-lcore 1 --no-pci --no-telemetry \
			--in-memory --iova-mode=va --log-level=4 --vdev net_af_xdp0,iface=a0,force_copy=1 -- --forward-mode=txonly --auto-start \
			--txpkts=60 --txonly-multi-flow --txd=2048 --rxd=2048 --burst=64 --nb-cores=1 --no-flush-rx --total-num-mbufs=16384 --stats-period 1
	fi
done
echo "medians, Mpps per CPU second:"
for name in pktgen trafgen testpmd; do
	awk -v name="$name" '$1 == name {print $6}' "$dir/all" | sort -n |
		awk -v name="$name" '{v[NR] = $1} END {if (NR) printf "%-8s %7.3f\n", name, v[int((NR + 1) / 2)]}'
done
