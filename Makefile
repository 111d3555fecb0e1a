# Everything a developer or a machine calls. `make` alone lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO        ?= go
VERSION   ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
BUILDENV  := CGO_ENABLED=0
# No VCS stamp from the go command: it refuses a checkout owned by somebody else.
BUILDFLAGS := -buildvcs=false -trimpath
LDFLAGS   := -X main.version=$(VERSION)

# Passed on to `go test` (make test TESTFLAGS='-v -run Swap'), to `sluice demo`
# (make run RUNFLAGS='--workers 2'), to tools/labclients (make lab-clients
# LABFLAGS='-run ssh'), and how long benchmarks and fuzzing take.
TESTFLAGS ?=
RACEFLAGS ?= -timeout 20m
RUNFLAGS  ?=
LABFLAGS  ?=
BENCH     ?= .
BENCHTIME ?= 1s
FUZZTIME  ?= 10s
VETHFLAGS ?=
RFC2544FLAGS ?=
VMFLAGS   ?=
SOAK      ?= 1h
ORACLEFLAGS ?=
RULESFLAGS ?=

.PHONY: help build run lab lab-clients vm vm-soak oracle-ct oracle-rules test deps race check fmt vet staticcheck house bench bench-veth bench-rfc2544 bench-generators bench-rules pktgen-selftest fuzz clean corpora-rules

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## bin/sluice, bin/sluiceperf and bin/pktgen, static files
	@mkdir -p bin
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/sluice ./cmd/sluiceperf ./cmd/pktgen

run: build ## build, then run the demonstration, which checks itself
	bin/sluice demo $(RUNFLAGS)

lab: build ## build, then keep the demonstration's network running until Ctrl-C (root)
	bin/sluice demo --keep $(RUNFLAGS)

lab-clients: build deps ## real clients and servers through `sluice run`: one line a check (root)
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -o bin/labclients ./tools/labclients
	bin/labclients $(LABFLAGS)

oracle-ct: deps ## scripted connections through the kernel and through sluice, compared (root; ORACLEFLAGS='--run nat')
	@mkdir -p bin
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -o bin/oracle ./tools/oracle
	bin/oracle ct $(ORACLEFLAGS)

oracle-rules: deps ## random rulesets judge random packets, 100,000 verdicts of the kernel and of sluice compared (root; ORACLEFLAGS='--for 60s --seed 7', 'FILE')
	@mkdir -p bin
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -o bin/oracle ./tools/oracle
	bin/oracle rules $(ORACLEFLAGS)

vm: build deps ## zero-copy in a virtual machine (fetches Debian's qemu and kernel): one line a case (root; VMFLAGS='-run zero-copy')
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -o bin/vminit ./tools/vm/init
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -o bin/vm ./tools/vm
	bin/vm $(VMFLAGS)

vm-soak: ## the same machine under load and changes for an hour (root; SOAK=10m)
	$(MAKE) vm VMFLAGS="-soak $(SOAK) $(VMFLAGS)"

test: deps ## every test (TESTFLAGS=... goes to go test)
	$(GO) test $(TESTFLAGS) ./...

deps: ## install the Debian packages that tests, lab-clients and vm call (root), else list what is missing
	@tools/deps/deps.sh

race: ## every test under the race detector (needs a C compiler)
	GORACE="atexit_sleep_ms=0 $${GORACE:-}" CGO_ENABLED=1 $(GO) test -race $(RACEFLAGS) ./...

check: fmt vet staticcheck house race test ## all that has to pass before a commit

fmt: ## fail on files that gofmt would change
	@bad=$$(gofmt -l $$(find . -name '*.go' -not -path './.git/*')); \
	if [[ -n $$bad ]]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi

vet: ## go vet, as built and as built for the race detector
	$(GO) vet ./...
	$(GO) vet -tags race ./...

corpora-rules: ## how far published rule cases and rule sets get the verdict and the text of nft and of iptables
	@$(GO) test -count=1 -v -run 'TestOpenCorpus|TestCorpusFiles' ./rules/nft ./rules/iptables | grep -a -E 'same verdict|must be refused|refused:|differs:|ours  |theirs|reads back|FAIL|ok  |SKIP'

staticcheck: ## honnef.co/go/tools, in the version of go.mod
	$(GO) tool staticcheck ./...

house: ## the rules of this repository: imports, file sizes, docs, words
	$(GO) test -count=1 ./tools/house

bench: ## benchmarks of the packet path (BENCH=regexp BENCHTIME=1s); read ns/packet
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -timeout 60m \
		./dataplane/... ./flowtable/... ./rules/... ./perf/pktgen

bench-veth: build ## the box against the kernel over veth, two CPUs (root; VETHFLAGS='-rounds 5 -flows 1024')
	@mkdir -p bin
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -o bin/vethbench ./tools/vethbench
	bin/vethbench $(VETHFLAGS)

bench-rfc2544: build deps ## RFC 2544 of the box and of the kernel, one report in bin/rfc2544.html (root; RFC2544FLAGS='-trial 60s -tolerance 0')
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -o bin/rfc2544 ./tools/rfc2544
	bin/rfc2544 $(RFC2544FLAGS)

bench-generators: build ## pktgen both ways, a plain AF_XDP sender, trafgen, testpmd and xdp-trafficgen in turns on a veth, as far as they are installed and run (root; GENERATORFLAGS='5 stack')
	@tools/deps/deps.sh "trafgen netsniff-ng" "xdp-trafficgen xdp-tools"
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -o bin/rawsend ./tools/genbench/rawsend
	tools/genbench/genbench.sh $(GENERATORFLAGS)

bench-rules: ## lookups, loads, edits and swaps of many rules and large sets, beside dpdk-test-acl and nft where they are (RULESFLAGS='-what load')
	@tools/deps/deps.sh "dpdk-test-acl dpdk-dev"
	@mkdir -p bin
	$(BUILDENV) $(GO) build $(BUILDFLAGS) -o bin/rulesbench ./tools/rulesbench
	bin/rulesbench $(RULESFLAGS)

pktgen-selftest: build deps ## links with known faults, and veth, measured: one line a check (veth as root)
	bin/pktgen selftest

fuzz: ## every fuzz target for a short while (FUZZTIME=10s)
	@grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | sort | while read -r file; do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
			echo "== $$(dirname "$$file") $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
		done; \
	done

clean: ## remove what was built
	rm -rf bin
	find . -name '*.test' -not -path './.git/*' -type f -delete
