# The commands of this repository. The work is done by tools/, Meson and Ninja; `make help` lists what there is.
BUILD        ?= build
PREFIX       ?= /usr/local
FUZZ_SECONDS ?= 20

.PHONY: all run setup test test-all bench lint format docs fuzz asan install clean help

all: setup              ## build build/craton and build/craton-worker (sets up what is missing)
	@tools/configure $(BUILD)
	@ninja -C $(BUILD)
	@tools/models $(BUILD)

run: all                ## build, start the server, ask a model one question, serve until Ctrl-C
	@tools/run $(BUILD)

setup:                  ## install what is missing: packages, engine, models
	@tools/setup

test: all               ## unit tests and end-to-end tests
	@tools/setup test
	@tools/test --build $(BUILD)

test-all: test          ## also slow clients, sanitizers and fuzzers
	@tools/setup test clients lint
	@tools/test --build $(BUILD) --slow
	@$(MAKE) --no-print-directory asan
	@$(MAKE) --no-print-directory fuzz

asan: setup             ## unit and end-to-end tests under ASan and UBSan
	@tools/setup test
	@tools/configure build-asan -Db_sanitize=address,undefined -Db_lundef=false
	@ninja -C build-asan
	@tools/test --build build-asan

bench: all              ## measure, side by side with llama-server
	@tools/setup test bench
	@tools/bench $(BUILD)

lint: all               ## layout, source rules, clang-tidy, pages made from tables
	@tools/setup lint
	@tools/lint $(BUILD)

format: setup           ## lay the sources out, where clang-format can judge
	@tools/setup lint
	@tools/format

docs: all               ## write the pages that are made from tables
	@tools/docs $(BUILD)

fuzz: setup             ## run every fuzzer for FUZZ_SECONDS each (default 20)
	@tools/setup lint
	@tools/fuzz $(FUZZ_SECONDS)

install: all            ## install under PREFIX (default /usr/local)
	@meson configure $(BUILD) -Dprefix=$(abspath $(PREFIX))
	@meson install -C $(BUILD) --no-rebuild --quiet
	@echo "installed $(PREFIX)/bin/craton"

clean:                  ## remove the build folders; the cache stays
	@rm -rf $(BUILD) build-asan build-fuzz

help:
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 18
