# The words a newcomer types. Every target sets up what it needs.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed

FITS   ?= 200
FAULTS ?= 60
EXAMPLES ?= 100
SEED   ?= 1
SCHEDULES ?= 100000

# Where Debian's chromium is, everything includes the tests in a browser; elsewhere they say that they did not run.
COMMA  := ,
EXTRAS := dev$(if $(shell command -v chromium),$(COMMA)browser)

# Nothing here starts an engine or trains for long; CONTRIBUTING.md promises less than a minute.
QUICK := tests/golden/test_golden.py::test_the_integers_never_change tests/docs/test_pages.py tests/unit/api tests/unit/store \
         tests/unit/worker tests/unit/tuner_client tests/unit/tuner/codec tests/unit/tuner/network tests/unit/tuner/quality \
         tests/unit/tuner/test_representation.py tests/unit/tuner/test_metrics.py tests/unit/tuner/test_public_names.py

# Where Python is told to keep nothing of what it compiles, every test process would write thousands of assertions anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: joined bench-monotone bench-small bench-batch bench-reading test-long core fuzz-coverage help demo test check up format bench-fit bench-held-out bench-jobs chaos clean openapi quick fuzz-api load test-napari test-browser test-node bench-rd bench-kinds bench-robust fuzz-codec docs docs-pictures docs-views bench-estimate bench-weights bench-hostile simulate mutants test-readers bench-memory containers bench-scale bench-large test-hosts

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Pinned versions make today's machine and next year's the same.
$(READY): pyproject.toml service/pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . -e './service[$(EXTRAS)]'
	@touch $@

demo: $(READY) ## one photograph from upload to download, on the real engines
	$(BIN)/tunerd demo --out build/demo

up: $(READY) ## start the engines, the API and a worker, and leave them running
	$(BIN)/tunerd up

check: $(READY) ## formatting, lints and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check ## everything that must be green, against the real engines
	@# A third process works while two wait for engines. In the order of folders, so that what waits for minutes comes
	@# early: by itself xdist begins with the files that have most tests, and ends waiting for those that have one.
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not long"

test-long: $(READY) ## the tests that take long: the built site, fuzzed requests, replaced processes, every resumption
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long

test-napari: ## the reader in the real napari, installed with Qt into build/napari (about 300 MB)
	$(PYTHON) -m venv build/napari
	build/napari/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[napari]" pytest pytest-timeout
	QT_QPA_PLATFORM=offscreen build/napari/bin/python -m pytest -v -W ignore --noconftest tests/napari

quick: $(READY) ## the tests that need no engine and no long fit: under a minute, while you work
	@# Left out are files read in a cage, 20 s, and every operation of the client against every broken answer, 30 s.
	$(BIN)/python -m pytest -n 2 -q --ignore tests/unit/worker/test_reading.py --ignore tests/unit/tuner_client/test_operations.py $(QUICK)

format: $(READY) ## rewrite files in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-readers: $(READY) ## every reader against a second library, READER_EXAMPLES times as many files as in make test
	READER_EXAMPLES=$(or $(READER_EXAMPLES),50) $(BIN)/python -m pytest -n 2 -q --timeout 3000 tests/unit/tuner/signal -k "by_the_book or by_ffmpeg or by_numpy"

openapi: $(READY) ## rewrite api/openapi.json after a route has changed
	$(BIN)/python -m api.describe

fuzz-api: $(READY) ## EXAMPLES requests made up for each operation, from SEED: build/api/fuzz.json
	$(BIN)/python -m tests.fuzz --examples $(EXAMPLES) --seed $(SEED)

chaos: $(READY) ## the whole service under FAULTS drawn from SEED while FITS run: build/chaos/report.json
	$(BIN)/python -m tests.chaos --fits $(FITS) --faults $(FAULTS) --seed $(SEED) $(CHAOS_OPTIONS)

simulate: $(READY) ## the job protocol on simulated time, SCHEDULES of them from SEED, on one core; goes on where it was
	$(BIN)/python -m tests.simulation --schedules $(SCHEDULES) --seed $(SEED) --into build/simulation $(SIMULATE_OPTIONS)

mutants: $(READY) ## the job protocol broken in named ways, one at a time, and which the simulation notices
	$(BIN)/python -m tests.simulation.mutants $(MUTANT_OPTIONS)

bench-fit: $(READY) ## trainers compared on one picture: build/bench/fit.json and fit.png
	$(BIN)/python -m benchmarks.fit $(BENCH_OPTIONS)

bench-held-out: $(READY) ## how soon a picture is known between its samples, against the published recipe: build/bench/held_out.json
	$(BIN)/python -m benchmarks.held_out $(BENCH_OPTIONS)

bench-jobs: $(READY) ## how soon a cancel or a lost worker is dealt with, and what that costs: build/bench/jobs.json
	$(BIN)/python -m tests.chaos.measure $(BENCH_OPTIONS)

load: $(READY) ## the api under load on this machine: build/bench/load.json
	$(BIN)/python -m benchmarks.load $(LOAD_OPTIONS)

bench-rd: $(READY) ## our files against JPEG, WebP, AVIF and JPEG XL: build/bench/rd/
	$(BIN)/python -m benchmarks.rd $(BENCH_OPTIONS)

bench-kinds: $(READY) ## sounds, volumes, videos, meshes and arrays against their usual codecs: build/bench/kinds/
	$(BIN)/python -m benchmarks.kinds $(BENCH_OPTIONS)

bench-robust: $(READY) ## the default trainer on a folder of pictures: ROBUST_OPTIONS='--images FOLDER'
	$(BIN)/python -m benchmarks.robust $(ROBUST_OPTIONS)

bench-hostile: $(READY) ## what each hostile file takes of whoever reads it: build/bench/hostile.json
	$(BIN)/python -m tests.hostile.measure

test-node: $(READY) ## a thousand random files by Node and by the library: the same integers, the same bits of every value
	$(BIN)/python -m tests.other_engine $(NODE_OPTIONS)

test-browser: $(READY) ## web/ in Debian's chromium under playwright, and its types where npx is there: apt install chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . -e './service[browser]'
	$(BIN)/python -m pytest -n 0 -v --durations 5 tests/browser
	@if command -v npx > /dev/null; then npx --yes -p typescript@5.9.3 tsc -p web; else echo "types of web/ not checked: no npx"; fi

fuzz-codec: $(READY) ## 100,000 mutated .tnr files against the reader, in limited memory
	$(BIN)/python -m tests.hostile.mutate $(FUZZ_OPTIONS)

fuzz-coverage: $(READY) ## the same reader under a fuzzer that sees which lines it reaches (Linux, macOS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . -e './service[fuzz]'
	$(BIN)/python -m tests.hostile.coverage_guided build/corpus $(or $(FUZZ_OPTIONS),-runs=100000)

test-hosts: $(READY) ## as root on Linux: two hosts with workers, of which one is cut off for a minute: build/hosts/report.json
	$(BIN)/python -m tests.hosts $(HOSTS_OPTIONS)

containers: $(READY) ## build both images and send a fit through them, where podman and buildah are: CONTAINERS_BUILD='options'
	$(BIN)/python -m tests.containers $(CONTAINERS_OPTIONS)

docs: $(READY) ## the documentation site, build/site/: pages, docstrings, and the tutorial, which is run
	$(BIN)/python -m sphinx -q -W --keep-going -d build/doctrees -c docs/site . build/site

docs-pictures: $(READY) ## the pictures of docs/signals/, and the figures that its pages quote
	$(BIN)/python -m benchmarks.pictures

docs-views: $(READY) ## the pictures of docs/views.md, of a service of its own, where chromium is: apt install chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . -e './service[browser]'
	$(BIN)/python -m tests.browser.views

bench-memory: $(READY) ## memory that training takes, by network and size: build/bench/memory.json
	$(BIN)/python -m benchmarks.memory $(BENCH_OPTIONS)

bench-small: $(READY) ## many fits of 64 x 64 through the service and by the library, by turns: build/bench/small.json
	$(BIN)/python -m benchmarks.small $(BENCH_OPTIONS)

bench-reading: $(READY) ## reading a small picture in the cage, by processes of its own and by shared ones: build/bench/reading.json
	$(BIN)/python -m benchmarks.reading $(BENCH_OPTIONS)

bench-batch: $(READY) ## small signals fitted together and one by one: build/bench/batch.json
	$(BIN)/python -m benchmarks.batch $(BENCH_OPTIONS)

bench-scale: $(READY) ## throughput, time and memory against size, and a simulation of 10,000 workers: build/bench/scale.json
	$(BIN)/python -m benchmarks.scale $(BENCH_OPTIONS)

bench-large: $(READY) ## one large signal by several workers, one of them killed: LARGE_OPTIONS='picture:8192 --kill helper': build/bench/large.json
	$(BIN)/python -m benchmarks.large $(LARGE_OPTIONS)

bench-estimate: $(READY) ## estimates beside what fits come to: build/bench/estimate.json
	$(BIN)/python -m benchmarks.estimate $(BENCH_OPTIONS)

clean: ## remove what the targets above made, except the data folder
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

core: $(READY) ## compile core/ into tuner/core/core.wasm, which is committed
	$(BIN)/python -m core.build

joined: $(READY) ## join the modules of web/ that a page of pictures needs into web/joined.js, which is committed
	$(BIN)/python -m tuner.view.join

bench-weights: $(READY) ## bits per weight against loss, from files: build/bench/weights.json
	$(BIN)/python -m benchmarks.weights $(BENCH_OPTIONS)

bench-monotone: $(READY) ## forty sizes for each of several signals, and whether quality ever falls: build/bench/monotone/
	$(BIN)/python -m benchmarks.monotone $(BENCH_OPTIONS)
