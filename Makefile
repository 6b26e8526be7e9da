# Makefile - the whole build of px. `make help` lists what there is.
# SPDX-License-Identifier: Apache-2.0
VERSION = 0.1.0
CC      = gcc
B       = build
PREFIX  = /usr/local
JOBS    = $(shell nproc 2>/dev/null || echo 2)
CFLAGS  = -O2 -g -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDFLAGS = -Wl,-z,relro,-z,now
WARN    = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wswitch-enum -Werror
N       = 3
SEED    = 1
SEEDS   = 1000
FUZZ_SECONDS = 60

# Asked once, and only when something is compiled: on a fresh machine pkg-config comes with the first target.
packages = libngtcp2 libngtcp2_crypto_gnutls gnutls libuv jansson
package_cflags = $(eval package_cflags := $$(shell pkg-config --cflags $(packages)))$(package_cflags)
package_libs = $(eval package_libs := $$(shell pkg-config --libs $(packages)))$(package_libs)

# Folders that talk to the system see its extensions; the pure ones see C11 only.
gnu = $(if $(filter src/os/% src/quic/% src/main/% test/%,$<),-D_GNU_SOURCE=)
version = $(if $(filter src/main/%,$<),-DPX_VERSION='"$(VERSION)"')
compile = @mkdir -p $(@D) && $(CC) -std=c11 $(CFLAGS) $(WARN) $(package_cflags) -Isrc -Itest $(gnu) \
  $(version) -MMD -MP -c $< -o $@
link = @mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) \
  -Wl,--as-needed -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(package_libs) -pthread
folders := $(sort $(patsubst src/%/,%,$(dir $(wildcard src/*/*.c))))
programs := $(patsubst src/main/%.c,%,$(wildcard src/main/px.c src/main/pxctl.c))
objects = $(patsubst %.c,$1/%.o,$(filter-out $(programs:%=src/main/%.c),$(wildcard src/$2/*.c)))
archives = $(foreach folder,$(filter $2,$(folders)),$1/lib$(folder).a)
pure = base paxos codec

.PHONY: all help unit rules corpus sim seeds sim-check mutants graphs coverage check lint format test \
  test-clang test-asan test-cluster fuzz demo cluster bench install image clean
.DELETE_ON_ERROR:
.SECONDARY:
all: $(programs:%=$(B)/%)

help:
	@sed -n 's/^#: //p' Makefile
#: make              builds build/px and build/pxctl
#: make demo         three nodes, three writers, one kill -9: shows what px does, in half a minute
#: make check        fast tests: unit, rules, simulation, corpora; `make unit-wal` for one folder
#: make lint         what a machine can check of the style; `make format` lays files out
#: make test         all that CI runs
#: make sim SEED=7   one life of a cluster (SHRINK=1: what fails in it); `make mutants` breaks each rule in it
#: make seeds SEEDS=1000   so many lives of a minute each, from SEED on, built for speed
#: make graphs       elections on every graph of five nodes; `make coverage` of core and log
#: make fuzz         FUZZ_SECONDS for each format
#: make cluster N=3  runs N nodes under run/ until Ctrl-C
#: make bench        throughput and latency on this machine
#: make install PREFIX=/usr/local DESTDIR=      make image: a container

build/.deps-%: scripts/install-deps
	@mkdir -p $(@D) && scripts/install-deps $* && touch $@
$(B)/obj/%.o: %.c | build/.deps-build
	$(compile)
$(B)/test/%.o: %.c | build/.deps-test
	$(compile) -DPX_TEST
define folder_rules
$(B)/obj/lib$1.a: $(call objects,$(B)/obj,$1)
$(B)/test/lib$1.a: $(call objects,$(B)/test,$1)
endef
$(foreach folder,$(folders),$(eval $(call folder_rules,$(folder))))
%.a:
	@rm -f $@ && $(AR) rcs $@ $^
$(programs:%=$(B)/%): $(B)/%: $(B)/obj/src/main/%.o $(call archives,$(B)/obj,%)
	$(link)

# ---- tests ----
# A suite is a folder of *_test.c; its other .c files are linked to each. It links its folder and those below.
support = $(patsubst %,$(B)/test/test/support/%.o,assert $($(1:unit-%=support-%)))
support-wal = fake_disk
support-node = $(filter-out assert,$(patsubst test/support/%.c,%,$(wildcard test/support/*.c)))
needs-base = base
needs-paxos = base paxos
needs-node = $(pure) wal node
needs-main = %
needs-quic = $(pure) os quic
needs-local = $(pure) os local
suites := $(patsubst test/unit/%/,unit-%,$(sort $(dir $(wildcard test/unit/*/*_test.c))))
# $1: name of the suite, $2: its folder, $3: folders of src that it links.
define suite_rules
.PHONY: $1
tests-$1 := $(patsubst test/%.c,$(B)/tests/%,$(wildcard $2/*_test.c))
$$(tests-$1): $(B)/tests/%: $(B)/test/test/%.o $(call support,$1) $(call archives,$(B)/test,$3) \
  $(patsubst %.c,$(B)/test/%.o,$(filter-out %_test.c,$(wildcard $2/*.c)))
	$$(link) -lcmocka
$1: $$(tests-$1)
	@$$(if $$^,scripts/run-tests $(B)/results/$1 $$^)
endef
$(foreach folder,$(suites:unit-%=%),$(eval $(call \
  suite_rules,unit-$(folder),test/unit/$(folder),$(or $(needs-$(folder)),$(pure) $(folder)))))
$(eval $(call suite_rules,rules,test/rules,$(pure)))
unit: $(suites)
# A fuzz target runs twice: over its corpus by any compiler (replay.c has the main), and by clang's fuzzer.
fuzzers := $(patsubst test/fuzz/fuzz_%.c,%,$(wildcard test/fuzz/fuzz_*.c))
fuzz_parts = $(B)/test/test/fuzz/fuzz_%.o $(call support,fuzz) $(call archives,$(B)/test,$(pure) wal)
$(fuzzers:%=$(B)/tests/fuzz_%): $(B)/tests/fuzz_%: $(fuzz_parts) $(B)/test/test/fuzz/replay.o
	$(link)
corpus: $(fuzzers:%=$(B)/tests/fuzz_%)
	@$(if $^,scripts/run-tests $(B)/results/$@ $(foreach f,$(fuzzers),"$(B)/tests/fuzz_$f test/fuzz/$@/$f"))
$(fuzzers:%=$(B)/fuzz_%): $(B)/fuzz_%: $(fuzz_parts)
	$(link) -fsanitize=fuzzer
fuzz-%: $(B)/fuzz_%
	@mkdir -p $(B)/corpus/$* && $< -max_total_time=$(FUZZ_SECONDS) -timeout=10 $(B)/corpus/$* test/fuzz/corpus/$*
sanitize = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
fuzz:
	@$(MAKE) B=build/fuzz CC=clang CFLAGS="$(sanitize) -fsanitize=fuzzer-no-link" $(fuzzers:%=fuzz-%)

$(B)/px-sim: $(patsubst %.c,$(B)/test/%.o,$(wildcard test/sim/*.c test/support/*.c)) \
  $(call archives,$(B)/test,$(pure) wal node local)
	$(link)
sim: $(B)/px-sim
	$(B)/px-sim --seed $(SEED) $(if $(SHRINK),--shrink)
# Built for speed, as one piece: for a night's worth of lives.
seeds:
	@$(MAKE) --no-print-directory B=build/seeds CC=gcc CFLAGS="$(CFLAGS) -flto=auto" \
	  LDFLAGS="$(LDFLAGS) -flto=auto" build/seeds/px-sim
	build/seeds/px-sim --seed $(SEED) --seeds $(SEEDS) --seconds 60
sim-check: $(if $(wildcard test/sim/*.c),$(B)/px-sim)
	@$(if $^,scripts/run-tests $(B)/results/sim "$(B)/px-sim --check")
mutants: $(B)/px-sim rules unit-paxos
	@test/sim/run-mutants $<
graphs: $(B)/tests/unit/paxos/graphs_test
	PX_ALL_GRAPHS=1 $<
coverage:
	@mkdir -p build/coverage && find build/coverage -name "*.gcda" -delete # counters of runs before this one
	@$(MAKE) B=build/coverage CFLAGS="-O1 -fno-inline -g --coverage" LDFLAGS= unit-paxos unit-wal rules sim-check
	@scripts/coverage build/coverage src/paxos src/wal
check: unit rules corpus sim-check
lint: $(call archives,$(B)/obj,$(pure)) | build/.deps-test
	@mkdir -p $(B)/results; bad=0; for tool in tools/floors "tools/purity $^" tools/messages tools/tidy; do \
	  $$tool || bad=$$((bad + 1)); done; echo $$((4 - bad)) $$bad >$(B)/results/lint.count; [ $$bad = 0 ]
format: | build/.deps-test
	clang-format -i $(wildcard src/*/*.[ch] test/*/*.[ch] test/*/*/*.[ch])
test: | build/.deps-test
	@status=0; for step in all check lint test-clang test-asan test-cluster; do echo "== $$step"; \
	  $(MAKE) --no-print-directory -k -j$(JOBS) $$step || status=1; done; exit $$status
test-clang:
	@$(MAKE) --no-print-directory B=build/clang CC=clang all unit rules
test-asan:
	@$(MAKE) --no-print-directory B=build/asan CFLAGS="$(sanitize)" LDFLAGS= all check
test-cluster: all
	@scripts/run-cluster-tests $(B)/results/cluster

demo: all; @scripts/demo
cluster: all; @scripts/run-nodes $(N)
bench: all; @test/bench/run $(PEERS)
install: all
	install -D -m 755 -t "$(DESTDIR)$(PREFIX)/bin" $(B)/px $(B)/pxctl
	for n in 1 5; do install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/man/man$$n" docs/man/*.$$n || exit 1; done
	sed 's|=px |=$(PREFIX)/bin/px |' packaging/px.service >$(B)/px.service
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/lib/systemd/system" $(B)/px.service
	install -D -m 644 packaging/pxctl.bash-completion \
	  "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/pxctl"
image:; docker build -t px:$(VERSION) .
clean:; rm -rf build
-include $(shell find $(B)/obj $(B)/test -name '*.d' 2>/dev/null)
