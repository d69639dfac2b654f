# make demo   builds netwright and runs a lab in a private sandbox: plan, apply, test, destroy
# make test   everything that CI checks
# make bench  measures how long files of ten thousand namespaces take to read, see docs/performance.md
# make schemas   writes schemas/ and docs/reference.md anew after a change of the types; make test fails where they are stale
# make faults   has every operation of every lab fail, be where the process is killed, and meet another program: some hours; FAULTS=n takes each nth, see docs/reliability.md
# make fuzz   an hour of random input for the reader of topologies, on one core; SECONDS=n for another time

LAB ?= topologies/05-masquerade.yaml

SECONDS ?= 3600

FAULTS ?= 1

.PHONY: demo test lint bench schemas faults fuzz

demo:
	ci/setup.sh demo
	cargo build --locked
	ci/demo.sh $(LAB)

test: lint
	ci/test.sh

lint:
	ci/setup.sh test
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

bench:
	cargo bench --locked --bench language

schemas:
	UPDATE_SCHEMAS=1 cargo test --locked --test schemas

fuzz:
	ci/fuzz.sh $(SECONDS)

faults:
	ci/setup.sh test
	FAULTS=$(FAULTS) cargo test --locked --test faults --no-fail-fast -- --include-ignored
	cat target/tmp/faults-*.txt
