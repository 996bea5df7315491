# The front door.  Meson does the building; `make help` lists what there is.
BUILD  ?= build
ASAN   ?= build-asan
PREFIX ?= /usr/local
T      ?=

# Debian's Python, which has Debian's pytest, where another one comes first on PATH.
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)

all: setup-build $(BUILD)/build.ninja ## build everything into build/
	@ninja -C $(BUILD) $(if $(MAKE_TERMOUT),,--quiet)

check: setup-build-test ## all tests and checks; T=name runs those whose name matches
	@$(PYTHON) tools/check.py --build $(BUILD) --asan $(ASAN) $(if $(T),--match '$(T)')

check-unit: setup-build-test ## unit tests and fuzz replays, with sanitizers
	@$(PYTHON) tools/check.py --asan $(ASAN) --only unit $(if $(T),--match '$(T)')

check-e2e: setup-build-test ## the real programs, end to end
	@$(PYTHON) tools/check.py --build $(BUILD) --only e2e $(if $(T),--match '$(T)')

demo: setup-build-demo all ## one project, both modes: see examples/demo
	@$(PYTHON) tools/demo.py --build $(BUILD)

bench: setup-build-bench all ## ratios against what is installed
	@$(PYTHON) bench/run.py --build $(BUILD) $(if $(T),--match '$(T)')

reliability: setup-build-test all ## the rows of docs/reliability.md; T=R09 for one, SIZE=full
	@$(PYTHON) tools/reliability.py --build $(BUILD) $(if $(T),--row '$(T)') $(if $(SIZE),--size '$(SIZE)')

soak: setup-build-test all ## 100 services, random kills, every byte counted; SECONDS=300
	@LOCALD_BUILD=$(BUILD) LOCALD_SOAK_SECONDS=$(or $(SECONDS),300) $(PYTHON) -m pytest -q -s --tb=short \
		-p no:cacheprovider tests/e2e/reliability/test_soak_ledger.py

install: all ## install below PREFIX (and DESTDIR)
	@meson configure $(BUILD) -Dprefix='$(PREFIX)' && ninja -C $(BUILD) --quiet build.ninja >/dev/null
	@meson install -C $(BUILD) --quiet $(if $(DESTDIR),--destdir '$(abspath $(DESTDIR))')

uninstall: ## remove what install put there
	@$(PYTHON) tools/uninstall.py --build $(BUILD) --destdir '$(DESTDIR)'

format: ## clang-format every C file
	@tools/check_format.sh --fix

clean: ## remove the build folders
	@rm -rf $(BUILD) $(ASAN)

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

$(BUILD)/build.ninja:
	@said=$$(meson setup $(BUILD) --prefix '$(PREFIX)' 2>&1) || { echo "$$said" >&2; exit 1; }

# setup-build-test: the groups `build` and `test`, in one go.
setup-%:
	@tools/setup.sh $(subst -, ,$*)

.NOTPARALLEL:
.PHONY: all check check-unit check-e2e demo bench reliability soak install uninstall format clean help
