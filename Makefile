# Every target does its own set-up. Variables: EXPERIMENT FRAMEWORK NP, and for setup PYTHON GPU MPI JOBS (see README.md).
PYTHON ?= python3
EXPERIMENT ?= quick
MPI ?= auto
SUITE = .venv/bin/python -m suite

.PHONY: setup bench report test test-thirdparty test-environments check lint microbench gpu-check lock clean help

help:
	@echo "make bench        run the experiment EXPERIMENT ($(EXPERIMENT)) and write its report; FRAMEWORK and NP narrow it down"
	@echo "make report       render the report of all records"
	@echo "make test         all tests, files on three processes at once"
	@echo "make test-thirdparty  programs of trainers (transformers, lightning, accelerate, Keras) with every algorithm"
	@echo "make test-environments  build Horovod and train in environments with other versions (hours; WORDS=2.16 narrows it down)"
	@echo "make check        the tests that need neither ranks nor frameworks nor networks"
	@echo "make lint         ruff and mypy"
	@echo "make microbench   micro-benchmarks (pytest-benchmark)"
	@echo "make gpu-check    what has to be seen on a GPU, step by step; CPU=1 runs it on a CPU stand-in, set up without GPU=1"
	@echo "make setup        only the environment in .venv; GPU=1, MPI=on|off, JOBS=n, PYTHON=..., CXX=..."
	@echo "make lock         renew the pinned versions in suite/setup/lock*.txt"
	@echo "make clean        remove .venv and build/ (kept: records and the cached Horovod wheel)"

setup:
	@$(PYTHON) suite/setup --mpi $(MPI) $(if $(filter 1,$(GPU)),--gpu) $(if $(JOBS),--jobs $(JOBS))

bench: setup
	@$(SUITE) bench $(EXPERIMENT) $(if $(FRAMEWORK),--only framework=$(FRAMEWORK)) $(if $(NP),--only workers=$(NP)); \
	code=$$?; [ $$code -le 1 ] || exit $$code; $(SUITE) report && exit $$code # runs that failed are in the report, too

report: setup
	@$(SUITE) report

# Three, on two cores: a rank that waits leaves its core to the tests of another file.
test: setup
	.venv/bin/python -m pytest -n 3 --dist loadfile --durations 20 --durations-min 5

test-thirdparty: setup
	@.venv/bin/python -m tests.thirdparty.overlay
	build/thirdparty/bin/python -m pytest tests/thirdparty; code=$$?; \
	.venv/bin/python -m tests.thirdparty.table && exit $$code

test-environments: setup
	.venv/bin/python -m tests.environments $(WORDS)

check: setup
	.venv/bin/python -m pytest --check -n 2 --dist loadfile

lint: setup
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy

microbench: setup
	.venv/bin/python -m pytest tests/microbench --benchmark-only --timeout 0

gpu-check: setup
	@$(SUITE) gpu-check $(if $(filter 1,$(CPU)),--cpu)

lock:
	@$(PYTHON) suite/setup lock

clean:
	rm -rf .venv build
