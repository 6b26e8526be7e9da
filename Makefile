# Makefile - the whole build of px. `make help` lists what there is.
# SPDX-License-Identifier: Apache-2.0

VERSION = 0.1.0
CC      = gcc
AR      = ar
B       = build
PREFIX  = /usr/local
JOBS    = $(shell nproc 2>/dev/null || echo 2)
CFLAGS  = -O2 -g -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDFLAGS = -Wl,-z,relro,-z,now
WARN    = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wswitch-enum -Werror
N       = 3
SEED    = 1
FUZZ_SECONDS = 60

PACKAGES = libngtcp2 libngtcp2_crypto_gnutls gnutls libuv jansson
# Asked once, and only when something is compiled: on a fresh machine pkg-config comes with the first target.
package_cflags = $(eval package_cflags := $$(shell pkg-config --cflags $(PACKAGES)))$(package_cflags)
package_libs = $(eval package_libs := $$(shell pkg-config --libs $(PACKAGES)))$(package_libs)

# Folders that talk to the system see its extensions; the pure ones see C11 only. PX_VERSION is for main/ alone.
gnu = $(if $(filter src/os/% src/quic/% src/main/% test/%,$<),-D_GNU_SOURCE=)
version = $(if $(filter src/main/%,$<),-DPX_VERSION='"$(VERSION)"')
compile = @mkdir -p $(@D) && $(CC) -std=c11 $(CFLAGS) $(WARN) $(package_cflags) -Isrc -Itest $(gnu) $(version) -MMD -MP
link = @mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--as-needed -Wl,--start-group $(filter %.a,$^) \
	-Wl,--end-group $(package_libs) -pthread

folders := $(sort $(patsubst src/%/,%,$(dir $(wildcard src/*/*.c))))
programs := $(patsubst src/main/%.c,%,$(wildcard src/main/px.c src/main/pxctl.c))
objects = $(patsubst %.c,$1/%.o,$(filter-out $(programs:%=src/main/%.c),$(wildcard src/$2/*.c)))
archives = $(foreach folder,$(filter $2,$(folders)),$1/lib$(folder).a)
pure = base paxos codec

.PHONY: all help unit rules corpus sim sim-check check lint test test-clang test-asan test-cluster fuzz demo cluster bench install clean
.DELETE_ON_ERROR:
.SECONDARY:
all: $(programs:%=$(B)/%)

help:
	@sed -n 's/^#: //p' Makefile

#: make            builds build/px and build/pxctl
#: make demo       three nodes, three writers, one kill -9: shows what px does, in half a minute
#: make check      fast tests (unit, rules, simulation, corpora); make unit-wal for one folder
#: make test       all that CI runs        make lint       rules that a machine can check
#: make cluster N=3   runs N nodes under run/     make bench      throughput and latency here
#: make sim SEED=7    one seed, told in full      make fuzz       FUZZ_SECONDS for each format
#: make install PREFIX=/usr/local DESTDIR=

$(B)/.deps-%: scripts/install-deps
	@mkdir -p $(@D) && scripts/install-deps $* && touch $@

$(B)/obj/%.o: %.c | $(B)/.deps-build
	$(compile) -c $< -o $@
$(B)/test/%.o: %.c | $(B)/.deps-test
	$(compile) -DPX_TEST -c $< -o $@

define folder_rules
$(B)/obj/lib$1.a: $(call objects,$(B)/obj,$1)
$(B)/test/lib$1.a: $(call objects,$(B)/test,$1)
endef
$(foreach folder,$(folders),$(eval $(call folder_rules,$(folder))))
$(B)/obj/lib%.a:
	@rm -f $@ && $(AR) rcs $@ $^
$(B)/test/lib%.a:
	@rm -f $@ && $(AR) rcs $@ $^

$(programs:%=$(B)/%): $(B)/%: $(B)/obj/src/main/%.o $(call archives,$(B)/obj,%)
	$(link)

# ---- tests ----
# A suite is a folder of *_test.c; its other .c files are linked to each of them. It links the pure floors and the folder under test, so that
# one folder that does not compile breaks no other's tests.
support = $(patsubst %,$(B)/test/test/support/%.o,assert $($(1:unit-%=support-%)))
support-wal = fake_disk
support-node = $(filter-out assert,$(patsubst test/support/%.c,%,$(wildcard test/support/*.c)))
suites := $(patsubst test/unit/%/,unit-%,$(sort $(dir $(wildcard test/unit/*/*_test.c))))

# $1: name of the suite, $2: its folder, $3: folders of src it links.
define suite_rules
.PHONY: $1
tests-$1 := $(patsubst test/%.c,$(B)/tests/%,$(wildcard $2/*_test.c))
$$(tests-$1): $(B)/tests/%: $(B)/test/test/%.o $(patsubst %.c,$(B)/test/%.o,$(filter-out %_test.c,$(wildcard $2/*.c))) \
		$(call support,$1) $(call archives,$(B)/test,$3)
	$$(link) -lcmocka
$1: $$(tests-$1)
	@$$(if $$^,scripts/run-tests $(B)/results/$1 $$^)
endef
needs-base = base
needs-paxos = base paxos
needs-node = $(pure) wal node
needs-main = %
$(foreach suite,$(suites),$(eval $(call suite_rules,$(suite),$(suite:unit-%=test/unit/%),$(or \
	$(needs-$(suite:unit-%=%)),$(pure) $(suite:unit-%=%)))))
$(eval $(call suite_rules,rules,test/rules,$(pure)))
unit: $(suites)

# Fuzz targets run twice: over their corpora by any compiler (replay.c has the main), and by clang's fuzzer.
fuzzers := $(patsubst test/fuzz/fuzz_%.c,%,$(wildcard test/fuzz/fuzz_*.c))
$(fuzzers:%=$(B)/tests/fuzz_%): $(B)/tests/fuzz_%: $(B)/test/test/fuzz/fuzz_%.o $(B)/test/test/fuzz/replay.o $(call support,fuzz) \
		$(call archives,$(B)/test,$(pure) wal)
	$(link)
corpus: $(fuzzers:%=$(B)/tests/fuzz_%)
	@$(if $^,scripts/run-tests $(B)/results/corpus $(foreach fuzzer,$(fuzzers),"$(B)/tests/fuzz_$(fuzzer) test/fuzz/corpus/$(fuzzer)"))
$(fuzzers:%=$(B)/fuzz_%): $(B)/fuzz_%: $(B)/test/test/fuzz/fuzz_%.o $(call support,fuzz) $(call archives,$(B)/test,$(pure) wal)
	$(link) -fsanitize=fuzzer
fuzz-%: $(B)/fuzz_%
	@mkdir -p $(B)/corpus/$* && $< -max_total_time=$(FUZZ_SECONDS) -timeout=10 $(B)/corpus/$* test/fuzz/corpus/$*
fuzz:
	@+$(MAKE) --no-print-directory B=build/fuzz CC=clang CFLAGS="-O1 -g -fsanitize=address,undefined,fuzzer-no-link \
	  -fno-sanitize-recover=undefined" $(fuzzers:%=fuzz-%)

$(B)/px-sim: $(patsubst %.c,$(B)/test/%.o,$(wildcard test/sim/*.c test/support/*.c)) $(call archives,$(B)/test,$(pure) wal node)
	$(link)
sim: $(B)/px-sim
	$(B)/px-sim --seed $(SEED)
sim-check: $(if $(wildcard test/sim/*.c),$(B)/px-sim)
	@$(if $^,scripts/run-tests $(B)/results/sim "$(B)/px-sim --check")

check: unit rules corpus sim-check

lint: $(call archives,$(B)/obj,$(pure)) | $(B)/.deps-test
	@status=0; tools/floors || status=1; tools/purity $^ || status=1; tools/tidy || status=1; exit $$status

test: $(B)/.deps-test
	@status=0; for step in all check lint test-clang test-asan test-cluster; do echo "== $$step"; \
	  $(MAKE) --no-print-directory -k -j$(JOBS) $$step || status=1; done; exit $$status
test-clang:
	@$(MAKE) --no-print-directory B=$(B)/clang CC=clang all unit rules
test-asan:
	@$(MAKE) --no-print-directory B=$(B)/asan CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	  -fno-omit-frame-pointer" LDFLAGS= all check
test-cluster: all
	@$(if $(wildcard test/cluster/test_*.py),B=$(B) scripts/run-cluster-tests test/cluster)

# ---- to run and to install ----
demo: all
	@scripts/demo
cluster: all
	@scripts/run-nodes $(N)
bench: all
	@test/bench/run

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(B)/px $(B)/pxctl $(DESTDIR)$(PREFIX)/bin
	$(if $(wildcard docs/man/*.1),install -m 644 $(wildcard docs/man/*.1) $(DESTDIR)$(PREFIX)/share/man/man1)

clean:
	rm -rf build

-include $(shell find $(B)/obj $(B)/test -name '*.d' 2>/dev/null)
