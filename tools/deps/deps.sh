#!/usr/bin/env bash
# Installs the Debian packages whose programs the tests call. As root: those
# that are missing, through apt-get. Otherwise: lists them and goes on, for the
# tests that need one skip and say so. Touches no network when nothing is missing.
set -euo pipefail

# program and the package it comes in
needs=(
	"nft nftables"
	"conntrack conntrack"
	"tcpdump tcpdump"
	"tshark tshark"
	"ethtool ethtool"
	"ip iproute2"
	"gcc gcc libc6-dev" # the race detector links with it
)

missing=()
for need in "${needs[@]}"; do
	read -r program packages <<<"$need"
	if ! PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null; then
		# shellcheck disable=SC2206 # several packages in one word list
		missing+=($packages)
	fi
done
if [[ ${#missing[@]} -eq 0 ]]; then
	exit 0
fi
if [[ $(id -u) -ne 0 ]]; then
	echo "deps: missing (install as root: make deps): ${missing[*]}" >&2
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "deps: no apt-get here; install by hand: ${missing[*]}" >&2
	exit 0
fi
echo "deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends "${missing[@]}"
