# Every target sets up what it needs: .ci/bootstrap makes the virtual environment (.venv, or .venv-3.12 and so on when
# PYTHON names an interpreter), installs the project into it once, and runs the command there.
#   make test ARGS='-k retry -x'      make test PYTHON=python3.12
# Tests run in one process for each core; ARGS=-n0 runs them in this one, as a debugger wants it.

RUN := .ci/bootstrap
ARGS ?=
# The transports that tests with sockets run on; `make test` takes the first alone, unless TEST_LANES says otherwise.
LANES := aiohttp native
# A test that hangs ends its process after 8 minutes with the stacks of all threads: it has failed, and the others go on.
HANGS := -o faulthandler_timeout=480 -o faulthandler_exit_on_timeout=true
WORKERS = $(if $(findstring no:xdist,$(ARGS)),,-n auto --dist worksteal)
# What `make test-floors` runs: what touches the packages that the project needs.
FLOORS := tests/bulk/test_engine.py tests/bulk/test_sinks.py tests/client/test_bad_input.py \
	tests/client/test_client.py tests/credentials/oauth/test_client_credentials.py tests/declared/test_api.py \
	tests/layers/test_cache.py tests/layers/test_retry.py tests/layers/test_retry_strategies.py \
	tests/messages/test_decoding.py tests/messages/test_encoding.py tests/scheduling/test_ownership.py \
	tests/streaming/test_stream.py tests/test_exports.py tests/transports/test_connections.py \
	tests/transports/test_tls.py tests/watch

.DEFAULT_GOAL := help
.PHONY: help setup peers test test-all test-again test-uvloop test-floors cache-tests documents soak fuzz dist-check lock check lint format types architecture \
	bench demo docs docs-serve clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo "  PYTHON=python3.12 uses another interpreter (3.11 or newer), in a virtual environment of its own."

setup: ## make the virtual environment and install the project with its tools
	@$(RUN) true

peers: ## install the servers and tools from npm and PyPI that some tests need (Node.js 20 or newer)
	@npm ci --prefix tests/support/peers --no-audit --no-fund --silent
	@LOCK=requirements/codegen.lock $(RUN) true

test: ## run the test suite without its longest cases (ARGS='-k name' to choose)
	@$(RUN) python -m pytest $(WORKERS) -m 'not soak' $(ARGS)

test-all: ## run the whole test suite, long, heavy and repeated cases too, over both transports
	@TEST_LANES="$${TEST_LANES:-$(LANES)}" $(RUN) python -m pytest $(HANGS) $(WORKERS) $(ARGS)

test-again: ## run the tests that failed last once more, one after the other
	@TEST_LANES="$${TEST_LANES:-$(LANES)}" $(RUN) python -m pytest $(HANGS) -n0 --last-failed --last-failed-no-failures none $(ARGS)

test-uvloop: ## the tests that open sockets, over both transports, on uvloop's event loop
	@TEST_LANES="$${TEST_LANES:-$(LANES)}" TEST_LOOP=uvloop $(RUN) python -m pytest $(HANGS) $(WORKERS) \
		tests/transports tests/real tests/client/test_deadline.py $(ARGS)

test-floors: ## a quick part of it with the lowest versions that pyproject.toml allows (Python 3.11)
	@PYTHON=python3.11 LOCK=requirements/floors.lock $(RUN) python -m pytest -q $(WORKERS) $(FLOORS) $(ARGS)

cache-tests: ## run the public HTTP cache test suite (SUITE=checkout; the pinned commit is cloned otherwise)
	@$(RUN) python tests/support/cache_checkout.py $(SUITE) $(ARGS)

documents: ## fetch the real OpenAPI documents that clients are generated from in tests (ARGS=--quick: the small ones)
	@$(RUN) python tests/support/documents/fetching.py $(ARGS)

soak: ## everything on under load for ten minutes: nothing may grow (ARGS='--seconds 60 --rate 500')
	@$(RUN) python tests/soak/soak.py $(ARGS)

fuzz: ## compare our HTTP/1.1 reader with three others for a minute (ARGS='--seconds 600')
	@$(RUN) python tests/support/http1_fuzz.py $(ARGS)

check: lint types architecture ## linter, formatter, type checkers and the architecture test

lint:
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types:
	@$(RUN) mypy
	@$(RUN) pyright

architecture:
	@$(RUN) python -m pytest -q tests/test_architecture.py

dist-check: ## build the wheel and the sdist, and try them in fresh environments; see that they are typed
	@$(RUN) .ci/dist-check

lock: ## renew the lists of packages, with hashes, in requirements/
	@ALSO=requirements/lock.in $(RUN) .ci/lock

format: ## let the linter and the formatter change what they can
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

bench: ## run the benchmarks against sync and async peers
	@ALSO=benchmarks/requirements.txt $(RUN) python benchmarks/run.py $(ARGS)

demo: ## fetch 5,000 rows through a server that misbehaves; results in demo-out/
	@$(RUN) python examples/demo.py $(ARGS)

docs: ## build the manual into site/; a warning is an error
	@NO_MKDOCS_2_WARNING=1 ALSO=requirements/docs.lock $(RUN) mkdocs build --strict $(ARGS)

docs-serve: ## show the manual at http://127.0.0.1:8001 while you write it
	@NO_MKDOCS_2_WARNING=1 ALSO=requirements/docs.lock $(RUN) mkdocs serve --dev-addr 127.0.0.1:8001 $(ARGS)

clean: ## remove caches, build output, the built manual and demo-out/
	rm -rf demo-out build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find asyncapi tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## the same, and the virtual environments
	rm -rf .venv .venv-* .venv.lock benchmarks/.venv-*
