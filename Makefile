# `make test` does everything that CI does and sets up what it needs outside of the clone: only Rust, Python 3
# and make are taken for granted.

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
BINARY := $(CARGO_TARGET_DIR)/release/hep-run
CONFORMANCE := $(CARGO_TARGET_DIR)/release/conformance
FAULTY := $(CARGO_TARGET_DIR)/release/faulty
# Made by `environment`: known once that has run.
PYTHON = $$(tail -n 1 $(CARGO_TARGET_DIR)/python.txt) -W ignore
# The same with coffea, whose Dask is an older one.
COFFEA = $$(tail -n 1 $(CARGO_TARGET_DIR)/coffea.txt) -W ignore
SKIPS := $(CARGO_TARGET_DIR)/skipped.txt
export HEP_RUN_SKIPS := $(SKIPS)

# The same for what needs Dask.
ENGINES = $$(tail -n 1 $(CARGO_TARGET_DIR)/engines.txt) -W ignore

.PHONY: test lint rust oracles skips environment portable wheel campaign bench bench-instructions bench-scaling bench-remote bench-clusters fmt

test: lint rust oracles skips

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# Servers of XRootD for all that reads from them; see tests/python/xrootd/bed.py.
BED = $(PYTHON) tests/python/xrootd/bed.py
# program=package of Debian
SLURM_NEEDS := slurmctld=slurm-wlm munged=munge
XROOTD_NEEDS := xrootd=xrootd-server xrdcp=xrootd-client openssl=openssl ip=iproute2 cc=gcc
# Without it, the portable binary's C parts are compiled by zig, from PyPI.
PORTABLE_NEEDS := musl-gcc=musl-tools

# A C++ compiler is needed for the compiled RDataFrame that results are compared with, npm for JSROOT, and
# Debian's Python leaves out what makes environments. Then what the servers of XRootD are made of, and Slurm.
environment:
	@mkdir -p $(CARGO_TARGET_DIR) && rm -f $(SKIPS)
	@packages=""; \
	command -v g++ >/dev/null || packages="$$packages g++"; \
	command -v npm >/dev/null || packages="$$packages npm"; \
	python3 -c "import ensurepip, venv" 2>/dev/null || packages="$$packages python3-venv"; \
	for need in $(XROOTD_NEEDS) $(PORTABLE_NEEDS) $(SLURM_NEEDS); do \
		command -v $${need%%=*} >/dev/null || packages="$$packages $${need#*=}"; done; \
	ls /usr/lib/*/libXrdAccSciTokens-*.so >/dev/null 2>&1 || packages="$$packages xrootd-scitokens-plugins libscitokens0"; \
	if [ -n "$$packages" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -qq -y $$packages; fi
	python3 tests/python/environment.py > $(CARGO_TARGET_DIR)/python.txt
	python3 tests/python/environment.py tests/python/requirements-engines.txt > $(CARGO_TARGET_DIR)/engines.txt
	python3 tests/python/environment.py tests/python/requirements-coffea.txt > $(CARGO_TARGET_DIR)/coffea.txt

rust: environment
	$(BED) -- cargo test --workspace --no-fail-fast

oracles: environment
	cargo build --release -p hep-run -p hep-tests --bins
	$(PYTHON) -m unittest benchmarks/test_report.py benchmarks/test_schedule.py
	$(PYTHON) tests/python/check_conformance.py $(CONFORMANCE)
	$(PYTHON) tests/python/check_zoo.py $(CONFORMANCE)
	$(PYTHON) tests/python/check_rntuple.py $(CONFORMANCE)
	$(PYTHON) tests/python/check_parquet.py $(BINARY)
	$(PYTHON) tests/python/check_checksums.py $(BINARY)
	$(PYTHON) tests/python/check_recover.py $(BINARY)
	$(PYTHON) tests/python/check_friends.py $(BINARY)
	$(PYTHON) tests/python/check_explain.py $(BINARY)
	$(PYTHON) tests/python/check_bytes.py $(BINARY) "$$(tail -n 1 $(CARGO_TARGET_DIR)/engines.txt)"
	$(PYTHON) tests/python/check_dimuon.py $(BINARY)
	$(PYTHON) tests/python/check_merge.py $(BINARY)
	$(PYTHON) tests/python/check_objects.py $(BINARY)
	$(PYTHON) tests/python/check_new.py $(BINARY)
	$(PYTHON) tests/python/check_schema.py $(BINARY)
	$(PYTHON) tests/python/check_adl.py $(BINARY)
	$(PYTHON) tests/python/check_batch.py $(BINARY)
	$(PYTHON) tests/python/check_remote.py $(BINARY)
	$(ENGINES) -m mypy --config-file executor/python/mypy.ini executor/python/hep_run
	$(ENGINES) tests/python/check_notebook.py $(BINARY)
	DASK_LOGGING__DISTRIBUTED=critical $(ENGINES) -m unittest discover -s executor/python/tests -t executor/python/tests
	HEP_RUN_OTHER_PYTHON="$$(tail -n 1 $(CARGO_TARGET_DIR)/coffea.txt)" $(ENGINES) tests/python/check_dask.py $(FAULTY)
	$(ENGINES) tests/python/check_clusters.py $(FAULTY)
	$(ENGINES) tests/python/check_submit.py $(BINARY) $(FAULTY)
	$(PYTHON) tests/python/check_processes.py $(FAULTY)
	$(PYTHON) tests/python/check_signals.py $(FAULTY) "$$(tail -n 1 $(CARGO_TARGET_DIR)/engines.txt)"
	$(PYTHON) tests/python/check_statistics.py $(FAULTY)
	$(PYTHON) tests/python/check_replaced.py $(FAULTY)
	$(PYTHON) tests/python/check_damaged.py $(FAULTY)
	$(PYTHON) tests/python/check_checkpoint.py $(FAULTY)
	$(PYTHON) tests/python/check_memory.py $(FAULTY)
	$(PYTHON) tests/python/check_portable.py "$$($(MAKE) -s portable)" $(BINARY)
	$(COFFEA) tests/python/check_silent_loss.py $(BINARY)

# What could not run, by name. For CI a skipped check is a failed one.
skips: rust oracles
	@if [ -s $(SKIPS) ]; then sort -u $(SKIPS); if [ -n "$$CI" ]; then echo "error: checks were skipped"; exit 1; fi; fi

# More changes than `test` makes, MUTATIONS of each file or kind: of the header fields of ROOT files in each codec, and of
# jobs, partial outputs, checkpoints, outputs and filesets.
MUTATIONS ?= 2000
campaign:
	MUTATIONS=$(MUTATIONS) cargo test -p hep-io --test headers -- --nocapture
	MUTATIONS=$(MUTATIONS) cargo test -p hep-run --test mutations -- --nocapture --test-threads 1

# A binary that runs on any Linux of this architecture: prints its path. CRATE=folder builds an analysis of your own.
portable:
	@python3 executor/portable/build.py $(CRATE)

# The benchmarks of benchmarks/README.md; what they need is made in the cache. EVENTS="2000000 10000000" for more than one
# size. Also QUERIES="1 6", THREADS="1 2", PEERS="RDataFrame" (or none, for hep-run alone), SEED=file.root, NAME=results'
# name, and ONLY_ADL=1 for neither start-up nor overheads.
EVENTS ?= 2000000
CODECS ?= zlib zstd lz4 none lzma rntuple-zstd
REPEAT ?= 5
EXAMPLES = $(CARGO_TARGET_DIR)/release/examples
bench:
	cargo build --release -p hep-run
	cargo build --release -p hep-io --example floor
	cargo bench --no-run -p hep-run --bench overhead
	cargo bench --no-run -p hep-io --bench baskets
	python3 benchmarks/run.py $(BINARY) $(EXAMPLES)/floor --events $(EVENTS) --codecs $(CODECS) --repeat $(REPEAT) \
		$(if $(QUERIES),--queries $(QUERIES)) $(if $(THREADS),--threads $(THREADS)) $(if $(PEERS),--peers $(filter-out none,$(PEERS))) \
		$(if $(SEED),--seed $(SEED)) $(if $(NAME),--name $(NAME)) $(if $(ONLY_ADL),--only-adl)

# Instructions of hot paths against benchmarks/instructions.json, of one compiler and processor: not a part of `test`.
# UPDATE=1 writes what is counted as what is expected.
bench-instructions:
	cargo build --release -p hep-run
	python3 benchmarks/instructions.py $(BINARY) $(if $(SEED),--seed $(SEED)) $(if $(UPDATE),--update)

# What a run would do on up to 128 threads, by simulation from what is measured here. Also CODEC=zlib, SEED, NAME, and
# REPEAT: the best of so many is taken.
bench-scaling:
	cargo build --release -p hep-run
	cargo bench --no-run -p hep-run --bench overhead
	python3 benchmarks/scaling.py $(BINARY) --repeat $(REPEAT) $(if $(CODEC),--codec $(CODEC)) \
		$(if $(SEED),--seed $(SEED)) $(if $(NAME),--name $(NAME))

# Remote reading against the official clients; and whole runs, with FILE=bench.root.
bench-remote: environment
	cargo build --release -p xrootd-rs --example xrdread
	$(PYTHON) benchmarks/remote.py $(CARGO_TARGET_DIR)/release/examples/xrdread
	@if [ -n "$(FILE)" ]; then cargo build --release && $(PYTHON) benchmarks/remote_run.py $(BINARY) $(FILE); fi

# On one Dask cluster, against coffea and distributed RDataFrame, with FILES="a.root b.root" of datasets/make_bench.py.
bench-clusters:
	$$(python3 tests/python/environment.py benchmarks/cluster_requirements.txt | tail -n 1) benchmarks/clusters.py \
		"$$($(MAKE) -s portable)" $(FILES)

fmt:
	cargo fmt --all

# A wheel with the program and the Python package, for this machine's C library or a later one.
wheel: environment
	cd executor/python && $(ENGINES) -m maturin build --release --out $(CARGO_TARGET_DIR)/wheels
	$(ENGINES) tests/python/check_wheel.py $(CARGO_TARGET_DIR)/wheels
