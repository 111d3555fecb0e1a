#!/usr/bin/env bash
# Installs the Debian packages whose programs the tests and tools/labclients
# call. As root: those that are missing, through apt-get. Otherwise: lists them
# and goes on, for the tests that need one skip and say so. Touches no network
# when nothing is missing, and starts no service.
set -euo pipefail

# program and the package it comes in
needs=(
	"nft nftables"
	"conntrack conntrack"
	"iptables iptables"
	"tcpdump tcpdump"
	"tshark tshark"
	"ethtool ethtool"
	"ip iproute2"
	"gcc gcc libc6-dev" # the race detector links with it
	# clients and servers of tools/labclients
	"nginx nginx"
	"curl curl"
	"iperf3 iperf3"
	"dig bind9-dnsutils"
	"dnsmasq dnsmasq-base"
	"ping iputils-ping"
	"tracepath iputils-tracepath"
	"traceroute traceroute"
	"ssh openssh-client"
	"sshd openssh-server"
	"vsftpd vsftpd"
	"lftp lftp"
	"in.tftpd tftpd-hpa"
	"sipp sip-tester"
	"xz xz-utils" # unpacks the kernel modules of tools/vm, which fetches the rest itself
)

# program and package of what tests do without, where there is no such package
wishes=(
	"chromium-headless-shell chromium-headless-shell" # looks at the HTML of reports
	"perf linux-perf"                                 # what sluiceperf's profile is held against
	"$@" # more of the kind, for targets that need what no test does
)

missing=()
for need in "${needs[@]}"; do
	read -r program packages <<<"$need"
	if ! PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null; then
		# shellcheck disable=SC2206 # several packages in one word list
		missing+=($packages)
	fi
done
wanted=()
for wish in "${wishes[@]}"; do
	read -r program package <<<"$wish"
	command -v "$program" >/dev/null || wanted+=("$package")
done
if [[ ${#missing[@]} -eq 0 && ${#wanted[@]} -eq 0 ]]; then
	exit 0
fi
if [[ $(id -u) -ne 0 ]]; then
	echo "deps: missing (install as root: make deps): ${missing[*]} ${wanted[*]}" >&2
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "deps: no apt-get here; install by hand: ${missing[*]} ${wanted[*]}" >&2
	exit 0
fi
echo "deps: installing ${missing[*]} ${wanted[*]}"
export DEBIAN_FRONTEND=noninteractive
# Servers come with the packages; none is to run on this machine.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
apt-get update -qq
if [[ ${#missing[@]} -ne 0 ]]; then
	apt-get install -qq -y --no-install-recommends "${missing[@]}"
fi
for package in "${wanted[@]}"; do
	apt-get install -qq -y --no-install-recommends "$package" || echo "deps: $package cannot be had; tests that want it skip" >&2
done
