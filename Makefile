# The words of this house: make run · test · bench · compare · screenshots · check · build

SHELL := /bin/sh
export PATH := $(PATH):/usr/local/go/bin

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/ropeline/ropeline/internal/app.Version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BENCH ?= .
BENCHTIME ?= 2s

.PHONY: run test bench compare screenshots check build setup setup-tests clean

# The product, alive: engines, a demo event and its crowd. Ctrl-C stops it, and the data are kept.
run: setup build
	@exec ./bin/ropeline

# Every test with the race detector, on one pair of engines for all packages.
test: setup-tests
	@go build -buildvcs=false -o bin/withengines ./internal/engines/withengines
	./bin/withengines go test -race -timeout 10m ./...

# Each benchmark runs beside its reference: all, or one as in make bench BENCH='Join$$' BENCHTIME=9x
bench: setup
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -timeout 2h ./internal/bench/...

# Another system beside ours: the same workloads against every system that a spec describes, e.g.
#   make compare SPECS="loadtest/specs/ropeline.yaml mine.yaml" SET="--set event=… --set ticket_type=…"
SPECS ?= loadtest/specs/ropeline.yaml
compare: build
	./bin/loadtest measure $(SPECS) $(SET)

# The pictures of the README, as the browser tests see the pages.
screenshots: setup-tests
	@mkdir -p bin/screenshots
	ROPELINE_SCREENSHOTS="$(CURDIR)/bin/screenshots" go test -count=1 -run 'Person|Organizer|Gate' ./internal/app
	@cd bin/screenshots && cp line.png mission.png report.png orders.png gate-no.png ../../docs/images/ && echo "all of them are in bin/screenshots"

check: setup-tests
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "run gofmt -w on:" >&2; echo "$$unformatted" >&2; exit 1; }
	@# With -race, as the tests are built: what is compiled is compiled once.
	go vet -race ./...
	GOBIN="$(CURDIR)/bin" go install $(STATICCHECK)
	GOFLAGS=-race ./bin/staticcheck ./...

build:
	@CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

setup:
	@deploy/setup.sh

setup-tests:
	@deploy/setup.sh --for-tests

clean:
	rm -rf bin
