# The repository's commands. `make` alone lists them; `make run` needs Go and nothing else.

VERSION  ?= $(shell git describe --tags --dirty 2>/dev/null || echo devel)
# Executions, not seconds: a fuzz run that a deadline ends while it minimises an input fails for nothing.
FUZZTIME ?= 3000x
IMAGE    ?= assayer:$(VERSION)

# A static binary that carries the time zones with it, so that it also runs in an empty image.
GO_BUILD = CGO_ENABLED=0 go build -buildvcs=auto -trimpath -tags timetzdata \
	-ldflags '-s -w -X github.com/assayer-io/assayer/internal/version.Version=$(VERSION)'
TOOL = go tool -modfile=tools/go.mod

.DEFAULT_GOAL := help
.PHONY: help build run demo test fuzz check e2e bench accuracy screenshots golden tools image clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/assayer
	$(GO_BUILD) -o bin/assayer ./cmd/assayer

run: build ## build the agent and watch it at work on simulated payments, until Ctrl-C
	./bin/assayer demo

demo: build ## the same, but end by itself once the simulated incidents are over
	./bin/assayer demo --exit-when-recovered

# The examples that assayer import is held to are in the modules of other tools, which the test of internal/convert downloads.
# The race detector lets a process sleep a second before it ends, for goroutines that nobody waits for. Ours are waited for.
test e2e: export GORACE = atexit_sleep_ms=0
# More tests at a time than there are cores: many wait for a server, or are of one package that is alone at the end.
test: ## vet, all unit tests with the race detector, a short run of every fuzz target
	go vet ./...
	go test -race -p 4 ./...
	scripts/fuzz.sh $(FUZZTIME)

fuzz: ## every fuzz target for longer (FUZZTIME=…)
	scripts/fuzz.sh $(if $(filter file,$(origin FUZZTIME)),100000x,$(FUZZTIME))

check: ## format, vet, linters, known vulnerabilities, import directions
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; }
	go vet -tags e2e ./...
	$(TOOL) golangci-lint run
	scripts/vulncheck.sh
	go test ./internal/importtest

e2e: ## the agent against real servers; installs those that are missing with apt-get, and builds geth once
	scripts/install-servers.sh
	scripts/build-geth.sh
	go test -tags e2e -race -parallel 4 -timeout 25m ./e2e/... ./internal/testkit/servers ./internal/testkit/accuracy ./internal/convert ./internal/deploy/...
	go test -tags e2e -run 'Promtool|OldPrometheus' ./alerts/prometheus

bench: build ## measure the agent in a quarter of an hour and print the table of docs/performance.md (PARTS=go,objectives,scraping,hook: three)
	scripts/install-servers.sh
	go run ./internal/testkit/benchtable -binary bin/assayer -parts '$(PARTS)'

accuracy: ## prove the budgets against sloth's and pyrra's own rules, write docs/accuracy.md, and play every trace to both modes of our rules
	scripts/install-servers.sh
	go run ./internal/testkit/accuracy
	go test -tags e2e -timeout 20m -run TestModesAgree ./alerts/prometheus

screenshots: build ## the README's pictures, taken from the demo's page by a browser
	SCREENSHOTS=$(CURDIR)/docs/images go test -tags e2e -count=1 -run TestPage ./e2e

golden: ## rewrite the expected outputs in testdata; look at the difference before committing it
	scripts/golden.sh

tools: ## fetch and build the pinned developer tools
	go build -modfile=tools/go.mod -o bin/tools/ tool

image: ## a container image with the agent alone, by docker or buildah (IMAGE=name:tag)
	$(GO_BUILD) -o bin/image/assayer ./cmd/assayer
	scripts/image.sh '$(IMAGE)' '$(VERSION)'

clean: ## remove what was built
	rm -rf bin
