#!/usr/bin/env bash
# Rates of frame generators on a veth, in turns: pktgen by XDP frames (transmit: xdp)
# and through AF_XDP, the plainest sender that AF_XDP allows (rawsend, beside this
# file; 64 frames a system call, and 512 as pktgen has it), trafgen (netsniff-ng),
# dpdk-testpmd's txonly, and xdp-trafficgen (xdp-tools), as far as they are installed
# and run on this kernel. 60-byte UDP frames of varying sources, one CPU. The far
# end drops them: XDP in the driver (xdp), or, for stack, a netdev chain, before
# which the kernel makes a packet buffer for each frame that has none. Its
# interface's counter is what counts. Measured is in the middle of a run, so that
# starting costs nobody anything. Prints frames per second and per second of CPU
# time, which other programs on the machine disturb less; then medians, of the first
# one's ratio to each in the same round too. Needs root.
# Usage: genbench.sh [rounds [xdp|stack]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
rounds=${1:-5} sink=${2:-xdp} seconds=3
[[ $sink == xdp || $sink == stack ]] || { echo "genbench: $sink: want xdp or stack" >&2; exit 2; }
[[ $(id -u) -eq 0 ]] || { echo "genbench: SKIP-PRIVILEGE: needs root" >&2; exit 1; }
[[ -x bin/rawsend ]] || { echo "genbench: no bin/rawsend (make bench-generators)" >&2; exit 1; }
[[ -x bin/pktgen ]] || { echo "genbench: no bin/pktgen (make build)" >&2; exit 1; }

near=genbench-a-$$ far=genbench-b-$$
dir=$(mktemp -d)
pages=$(cat /proc/sys/vm/nr_hugepages)
pid='' far_pid=''
clean() {
	stop
	if [[ -n $far_pid ]]; then kill "$far_pid" 2>/dev/null || true; fi
	ip netns del "$near" 2>/dev/null || true
	ip netns del "$far" 2>/dev/null || true
	echo "$pages" >/proc/sys/vm/nr_hugepages
	if [[ -w /proc/self/autogroup ]]; then echo 0 >/proc/self/autogroup; fi
	rm -rf "$dir"
}
# stop ends the generator that runs, if one does.
stop() {
	if [[ -n $pid ]]; then
		local children
		children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || true)
		kill $pid $children 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		pid=
	fi
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
if [[ $sink == xdp ]]; then
	ip netns exec "$far" bin/rawsend -i b0 -drop &
	far_pid=$!
	for _ in $(seq 50); do
		if ip -n "$far" link show b0 | grep -q prog/xdp; then break; fi
		sleep 0.1
	done
	kill -0 "$far_pid" # it is there, or the far end would answer
else
	ip netns exec "$far" ethtool -K b0 gro on # else it takes no XDP frames
	ip netns exec "$far" nft -f - <<-'RULES'
	table netdev sink {
		chain early {
			type filter hook ingress device b0 priority 0; policy drop
		}
	}
	RULES
fi

cat >"$dir/pktgen.yaml" <<PROFILE
title: genbench
duration: 1h
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

# cpu: how many 100ths of a second of CPU time the generator has used.
cpu() {
	local p
	for p in "$pid" $(cat "/proc/$pid/task/$pid/children"); do cat "/proc/$p/stat"; done | awk '{sum += $14 + $15} END {print sum}'
}

# round NAME COMMAND...: one measurement.
round() {
	local name=$1 first from to start end used
	shift
	first=$(arrived)
	"$@" >"$dir/log" 2>&1 &
	pid=$!
	for _ in $(seq 100); do
		if [[ $(arrived) -gt $((first + 10000)) || ! -d /proc/$pid ]]; then break; fi
		sleep 0.1
	done
	sleep 0.3
	if [[ ! -d /proc/$pid || $(arrived) -le $((first + 10000)) ]]; then
		echo "$name sends nothing:"
		tail -3 "$dir/log"
		stop
		return
	fi
	from=$(arrived) start=$(date +%s%N) used=$(cpu)
	sleep "$seconds"
	to=$(arrived) end=$(date +%s%N) used=$(($(cpu) - used))
	stop
	awk -v name="$name" -v n=$((to - from)) -v ns=$((end - start)) -v used="$used" 'BEGIN {
		printf "%-10s %9d frames %7.3f Mpps  %7.3f Mpps per CPU second\n", name, n, n * 1e3 / ns, n / (used + 1e-9) / 1e4 }' | tee -a "$dir/all"
}

if [[ -w /proc/self/autogroup ]]; then echo -20 >/proc/self/autogroup; fi
testpmd=$(command -v dpdk-testpmd || true) trafgen=$(command -v trafgen || true)
[[ -n $trafgen ]] || echo "trafgen is not installed (Debian: netsniff-ng)"
[[ -n $testpmd ]] || echo "dpdk-testpmd is not installed (Debian: dpdk-dev, librte-net-af-xdp23)"
trafficgen=$(PATH="$PATH:/usr/sbin" command -v xdp-trafficgen || true)
if [[ -z $trafficgen ]]; then
	echo "xdp-trafficgen is not installed (Debian: xdp-tools)"
elif ! "$trafficgen" probe >"$dir/log" 2>&1; then
	echo "xdp-trafficgen does not run on this kernel: $(tail -1 "$dir/log")"
	trafficgen=
fi
names=(pktgen-xdp pktgen raw64 raw512)
if [[ -n $trafgen ]]; then names+=(trafgen); fi
if [[ -n $testpmd ]]; then names+=(testpmd); fi
if [[ -n $trafficgen ]]; then names+=(trafficgen); fi

# turn NAME: one generator's turn.
turn() {
	case $1 in
	pktgen-xdp) round "$1" taskset -c 0 bin/pktgen run -q --transmit xdp "$dir/pktgen.yaml" ;;
	trafficgen) round "$1" ip netns exec "$near" taskset -c 0 "$trafficgen" udp -m 02:00:00:00:00:02 -d 256 a0 ;;
	pktgen) round "$1" taskset -c 0 bin/pktgen run -q "$dir/pktgen.yaml" ;;
	raw64) round "$1" ip netns exec "$near" taskset -c 0 bin/rawsend -i a0 ;;
	raw512) round "$1" ip netns exec "$near" taskset -c 0 bin/rawsend -i a0 -burst 512 ;;
	trafgen) round "$1" ip netns exec "$near" taskset -c 0 trafgen -P1 -o a0 -i "$dir/trafgen.cfg" -q --no-sock-mem ;;
	testpmd)
		if [[ $pages -lt 256 ]]; then echo 256 >/proc/sys/vm/nr_hugepages; fi
		round "$1" ip netns exec "$near" dpdk-testpmd -l 0,1 --main-lcore 1 --no-pci --no-telemetry \
			--in-memory --iova-mode=va --log-level=4 --vdev net_af_xdp0,iface=a0,force_copy=1 -- --forward-mode=txonly --auto-start \
			--txpkts=60 --txonly-multi-flow --txd=2048 --rxd=2048 --burst=64 --nb-cores=1 --no-flush-rx --total-num-mbufs=16384 --stats-period 1
		;;
	esac
}

for ((i = 0; i < rounds; i++)); do
	echo "round $i" >>"$dir/all"
	for ((k = 0; k < ${#names[@]}; k++)); do
		turn "${names[(i + k) % ${#names[@]}]}"
	done
done

# median: of numbers, one a line.
median() { sort -n | awk '{v[NR] = $1} END {if (NR) printf "%7.3f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
echo "far end $sink, medians: Mpps, Mpps per CPU second, pktgen-xdp's ratio to it per CPU second"
for name in "${names[@]}"; do
	if ! grep -q "^$name " "$dir/all"; then continue; fi
	echo "$(printf '%-10s' "$name")" "$(awk -v name="$name" '$1 == name {print $4}' "$dir/all" | median)" \
		"$(awk -v name="$name" '$1 == name {print $6}' "$dir/all" | median)" \
		"$(awk -v name="$name" '$1 == "round" {round = $2} $1 == "pktgen-xdp" {own[round] = $6} $1 == name {rate[round] = $6}
			END {for (r in rate) if (r in own) print own[r] / rate[r]}' "$dir/all" | median)"
done
