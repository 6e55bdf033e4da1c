# Two commands do it all: `make demo` and `make test`. Everything else here is for those who work on the house.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8080
MEDIA_PORT ?= 8443
VAR ?= var
HEARINGS ?= 16
SECONDS ?= 20
ROUNDS ?= 50
INPUTS ?= 1000000

.PHONY: crash-media torture-browser help setup setup-dev demo demo-reset test check lint types directions bench-media bench-composite fuzz lock migration clean

help: ## Say what can be done here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: ## Make .venv and install what the program needs; quiet when there is nothing to do
	@tools/setup run

setup-dev: ## The same, with what the tests need
	@tools/setup test

demo: setup ## Run the main job on this machine (HTTPS=1 for phones in the same network)
	@exec $(BIN)/jiefang demo --var $(VAR) --port $(PORT) --media-port $(MEDIA_PORT) $(if $(HTTPS),--https)

demo-reset: ## Forget the demo's data; the next `make demo` starts over
	@rm -rf $(VAR)/jiefang.sqlite* $(VAR)/data $(VAR)/secrets && echo "演示数据已清空。"

test: setup-dev lint types directions ## Everything: style, types, directions, unit, integration, browser
	$(BIN)/pytest -q -n 2 --dist loadfile tests/architecture tests/unit tests/fuzz tests/integration
	$(BIN)/pytest -q tests/browser

torture-browser: setup-dev ## The browser tests that take too long for every run
	$(BIN)/pytest -q -m long tests/browser

check: lint types directions ## What takes under 30 seconds
	$(BIN)/pytest -q tests/unit tests/architecture

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy
	npm exec --offline -- tsc --project tsconfig.json

directions:
	$(BIN)/lint-imports

crash-media: setup-dev ## Kill media workers and the server in live hearings and check what is left (ROUNDS=50)
	@$(BIN)/python -m tests.load.crash_media --rounds $(or $(ROUNDS),50)

fuzz: setup-dev ## Throw hostile inputs at everything that reads foreign bytes (INPUTS=1000000 SEED=...)
	@nice -n 19 $(BIN)/python -m tests.fuzz.run --inputs $(INPUTS) $(if $(SEED),--seed $(SEED))

bench-media: setup-dev ## Measure the relay beside Janus and aiortc (HEARINGS=16 SECONDS=20 LIMIT=1)
	$(BIN)/python -m tests.load.bench_media --hearings $(HEARINGS) --seconds $(SECONDS) $(if $(LIMIT),--limit)

bench-composite: SECONDS = 60
bench-composite: setup-dev ## Measure how long the picture of everybody takes (SECONDS=60 PEOPLE=2)
	@$(BIN)/python -m tests.load.bench_composite --seconds $(SECONDS) --people $(or $(PEOPLE),2)

lock: ## Pin and hash all dependencies anew
	for set in base dev; do $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  requirements/$$set.in -o requirements/$$set.txt --custom-compile-command "make lock"; done
	npm install --package-lock-only --omit-lockfile-registry-resolved --silent

migration: ## Write the next migration script (MESSAGE="what changes")
	$(BIN)/python -m tools.make_migration "$(MESSAGE)"

clean:
	rm -rf .venv node_modules $(VAR) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
