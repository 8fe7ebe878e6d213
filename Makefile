# Blastdoor: `make help` says what there is. Each target installs the Debian packages that it lacks.

export BD_JOBS ?= $(shell nproc)

.PHONY: help build run test test-deep acceptance lint format bench fuzz clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

build: ## the release binary, at build/blastdoor
	@tools/install.sh build
	@tools/build.sh release blastdoor

run: build ## the four doors on this machine, with demo upstreams; Ctrl-C ends it
	@tools/install.sh test
	@exec tools/demo.sh

test: ## all tests, with a real Kubernetes API server
	@tools/install.sh build test
	@exec tools/test.sh

test-deep: ## the tests again under AddressSanitizer, UBSan and ThreadSanitizer
	@tools/install.sh build test deep
	@exec tools/test_deep.sh

acceptance: build ## the long runs: property runs, floods, soaks; not part of CI
	@tools/install.sh test deep bench differential
	@exec tools/acceptance.sh

lint: ## formatting, clang-tidy on what changed, house rules; FILES=… lints those
	@tools/install.sh build test lint
	@exec tools/lint.sh $(FILES)

format: ## formats all C++ and Go
	@tools/install.sh lint
	@tools/lint.sh --fix

bench: build ## cost per request beside nginx and haproxy
	@tools/install.sh bench
	@exec bench/run.py

fuzz: ## every fuzz target for FUZZ_SECONDS (60); goes on where the last run ended
	@tools/install.sh build deep
	@exec tools/fuzz.sh

clean: ## removes build/; caches outside of it stay (see CONTRIBUTING.md)
	@rm -rf build
