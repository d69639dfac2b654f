# make demo   builds netwright and runs a lab in a private sandbox: plan, apply, test, destroy
# make test   everything that CI checks
# make bench  races netwright against raw system calls, iproute2 and CNI in a private sandbox: some ten minutes, ROUNDS=n for others, see docs/performance.md
# make bench-stages   how long the stages take that talk to no kernel: files of ten thousand namespaces, and their plans
# make schemas   writes schemas/ and docs/reference.md anew after a change of the types; make test fails where they are stale
# make faults   has every operation of every lab fail, be where the process is killed, and meet another program: some hours; FAULTS=n takes each nth, see docs/reliability.md
# make fuzz   an hour of random input for the reader of topologies, on one core; SECONDS=n for another time

LAB ?= topologies/05-masquerade.yaml

SECONDS ?= 3600

FAULTS ?= 1

ROUNDS ?= 5

.PHONY: demo test lint bench bench-stages schemas faults fuzz

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
	ci/setup.sh demo
	ci/setup.sh bench || true
	cargo build --locked --release --example floor
	cargo bench --locked --bench race -- $(ROUNDS)

bench-stages:
	cargo bench --locked --bench language
	cargo bench --locked --bench stages

schemas:
	UPDATE_SCHEMAS=1 cargo test --locked --test schemas

fuzz:
	ci/fuzz.sh $(SECONDS)

faults:
	ci/setup.sh test
	FAULTS=$(FAULTS) cargo test --locked --test faults --no-fail-fast -- --include-ignored
	cat target/tmp/faults-*.txt
