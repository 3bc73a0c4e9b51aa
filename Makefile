# Each target is a thin line over a command or a module: `.venv/bin/dolphins --help` says the rest.
#
#   make demo     reconstruct the embedded dolphin in 3D, results in out/demo/
#   make test     everything that CI runs
#   make check    style, and the tests that take less than two minutes together
#   make lab      JupyterLab on the notebooks: where students begin
#   make notebooks      make the notebooks from their lessons again
#   make walkthrough    run every solved notebook at its full size: seconds and memory of each
#   make grade    grade a sample class, and open the page that shows it
#   make site     the course as a site to read, out/site/, without a network
#   make bundle   the course as a zip, dist/dolphins-in-3d.zip, to put beside a notebook
#   make colab    run every solved notebook with Colab's versions, in a Python of its own (a few minutes)
#   make bench    measure again what benchmarks/README.md states
#   make assets   make the embedded dolphin and its clip again
#
# PYTHON chooses the interpreter for .venv (3.10 or newer); TORCH_INDEX a torch build, for example
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu     (no CUDA, a tenth of the download)
PYTHON ?= python3
TORCH_INDEX ?=
COMMA := ,
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# What students get has no autograder, and needs no more than JupyterLab.
EXTRAS := $(if $(wildcard autograder/judge.py),dev$(COMMA)assets$(COMMA)lab$(COMMA)grade$(COMMA)site,lab)

.PHONY: setup demo doctor test check style lab notebooks walkthrough grade site bundle colab bench assets clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "This course needs Python 3.10 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Name a newer one: make setup PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Could not make $(VENV). On Debian or Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: setup
	@$(BIN)/dolphins demo $(ARGS)

doctor: setup
	@$(BIN)/dolphins doctor

# Two processes at least, each with its own share of the cores; tests of one file stay together.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

test: style $(VENV)/.ready-sam2
	$(PYTEST) $(ARGS)

check: style $(VENV)/.ready-sam2
	$(PYTEST) -m "not slow" $(ARGS)

style: setup
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "Format it: $(BIN)/ruff format"; exit 1; }

# SAM-2 is tested with random weights. Its build wants torch and setuptools to be there; it would bring torchvision, which it does not need.
$(VENV)/.ready-sam2: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sam2]' setuptools wheel
	SAM2_BUILD_CUDA=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation sam2==1.1.0
	@touch $@

lab: setup
	$(BIN)/jupyter lab notebooks $(ARGS)

notebooks: setup
	@$(BIN)/dolphins notebooks $(ARGS)

walkthrough: setup
	@$(BIN)/python -m lessons.execute $(ARGS)

grade: setup
	@$(BIN)/python -m autograder.sample_class $(ARGS)

site: setup
	@$(BIN)/python -m website $(ARGS)

bundle: setup
	@$(BIN)/python -m lessons.bundle $(ARGS)

colab: setup
	@$(BIN)/python tests/colab/run.py $(ARGS)

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)

assets: setup
	$(BIN)/python assets/make_template.py
	$(BIN)/python assets/make_clip.py
	$(BIN)/python assets/draw_map.py

clean:
	rm -rf $(VENV) out dist build *.egg-info
