# SPDX-License-Identifier: GPL-3.0-or-later
#
# Ironferry.  `make setup` installs the Debian packages; `make` builds into
# build/; `make check` does the set-up, the unit tests and the smoke tests.

CC ?= gcc
PREFIX ?= /usr
DESTDIR ?=
O ?= build
VERSION := 0.1.0

ROOMS := common partclone imaging drivers-inject
PROGRAMS := used-blocks v2v-server p2v-client

PKGS := libzstd libisal zlib liblzma liblz4 jansson libxml-2.0 libxxhash \
	libcrypto libnbd fuse3 ext2fs com_err blkid libssh libselinux libcrypt \
	libntfs-3g hivex libarchive libseccomp icu-i18n
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
# bzip2 has no .pc file in Debian 12.
PKG_LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lbz2

WARN := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wundef -Wstrict-prototypes \
	-Wmissing-prototypes -Wsign-conversion -Wframe-larger-than=8192
OPT ?= -O2 -g
# `make V=1` shows the commands.
V ?=
Q = $(if $(V),,@echo '  $(1)' $@;)
SAN ?=
CPPFLAGS_ALL = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-DFUSE_USE_VERSION=34 -DFY_VERSION='"$(VERSION)"' $(PKG_CFLAGS) \
	$(CPPFLAGS)
CFLAGS_ALL = -std=gnu17 $(OPT) $(WARN) -fno-common -pthread \
	-fstack-protector-strong $(SAN) $(WERROR) $(CFLAGS)
LDFLAGS_ALL = -pthread $(SAN) $(LDFLAGS)

# Sources that are neither a program's main, a unit test nor a fuzz target.
room-src = $(filter-out %/main.c $(1)/test-%.c $(1)/fuzz-%.c, \
	$(wildcard $(1)/*.c $(1)/*/*.c))
LIB_SRC := $(foreach r,$(ROOMS),$(call room-src,$(r)))
SERVER_SRC := $(call room-src,v2v-server)
CLIENT_SRC := $(call room-src,p2v-client)
ALL_LIB_SRC := $(LIB_SRC) $(SERVER_SRC) $(CLIENT_SRC)
TEST_SRC := $(wildcard $(foreach r,$(ROOMS) v2v-server p2v-client,$(r)/test-*.c))
FUZZ_SRC := $(wildcard $(foreach r,$(ROOMS) v2v-server p2v-client,$(r)/fuzz-*.c))

# Objects and test programs lie in $(O)/obj/ROOM/, programs in $(O)/.
B := $(O)/obj
obj = $(patsubst %.c,$(B)/%.o,$(1))
TESTS := $(patsubst %.c,$(B)/%,$(TEST_SRC))
FUZZ_REPLAY := $(patsubst %.c,$(B)/%-replay,$(FUZZ_SRC))

all: $(addprefix $(O)/,$(PROGRAMS)) firstboot

$(O)/libironferry.a: $(call obj,$(ALL_LIB_SRC))
	@rm -f $@
	$(call Q,AR)$(AR) rcs $@ $^

main-of = $(if $(filter used-blocks,$(1)),partclone,$(1))/main
define program
$(O)/$(1): $(B)/$(call main-of,$(1)).o $(O)/libironferry.a
	$$(call Q,LD)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(PKG_LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(TESTS): $(B)/%: $(B)/%.o $(O)/libironferry.a
	$(call Q,LD)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# A fuzz target defines LLVMFuzzerTestOneInput; the replay main feeds it files.
$(FUZZ_REPLAY): $(B)/%-replay: $(B)/%.o $(B)/tests/fuzz/replay.o \
		$(O)/libironferry.a
	$(call Q,LD)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)


# --- the program for the first boot of Windows guests ------------------------
# By MinGW-w64; without it nothing can be run there, which v2v-server says.
MINGW_amd64 ?= x86_64-w64-mingw32-gcc
MINGW_x86 ?= i686-w64-mingw32-gcc
FIRSTBOOT := $(foreach a,amd64 x86,$(if $(shell command -v $(MINGW_$(a))),\
	$(O)/firstboot-$(a).exe))
# No C library; nothing that Windows XP (amd64: Server 2003) doesn't have.
FIRSTBOOT_FLAGS = -std=gnu17 -Os -ffreestanding -nostdlib -fno-ident -s \
	-fno-stack-protector -fno-asynchronous-unwind-tables \
	-mno-stack-arg-probe -Wall -Wextra -Wshadow -Wvla \
	-Wframe-larger-than=3072 $(WERROR) -I. -Wl,--no-insert-timestamp
firstboot: $(FIRSTBOOT)
	$(if $(filter-out 2,$(words $(FIRSTBOOT))),@echo 'MinGW-w64 is not \
	installed: there will be no scripts at the first boot of all or some \
	Windows guests')
$(O)/firstboot-amd64.exe: FIRSTBOOT_FLAGS += -Wl,-e,start \
	-Wl,--subsystem,console:5.2
$(O)/firstboot-x86.exe: FIRSTBOOT_FLAGS += -Wl,-e,_start \
	-Wl,--subsystem,console:5.1
$(O)/firstboot-%.exe: drivers-inject/firstboot/main.c \
		drivers-inject/firstboot/plan.c drivers-inject/firstboot/plan.h
	@mkdir -p $(@D)
	$(call Q,MINGW)$(MINGW_$*) $(FIRSTBOOT_FLAGS) -o $@ $(filter %.c,$^) \
		-ladvapi32 -lkernel32

# --- fuzzing with clang's engine: `make fuzz FUZZ_SECONDS=600` --------------
FUZZ_SECONDS ?= 60
FUZZ_NAMES := $(patsubst %.c,%,$(FUZZ_SRC))
fuzz:
	$(MAKE) O=build-fuzz CC=clang \
		SAN='-fsanitize=fuzzer-no-link,address,undefined \
		-fno-sanitize-recover=all' fuzz-build
	tests/fuzz/run $(FUZZ_SECONDS) $(addprefix build-fuzz/obj/,$(FUZZ_NAMES))
fuzz-build: $(addprefix $(B)/,$(FUZZ_NAMES))
$(addprefix $(B)/,$(FUZZ_NAMES)): $(B)/%: $(B)/%.o $(O)/libironferry.a
	$(call Q,LD)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

# --- documentation -----------------------------------------------------------
MAN_SRC := $(wildcard docs/man/*.pod)
MAN := $(patsubst docs/man/%.pod,$(O)/man/%.1,$(MAN_SRC))
man: $(MAN)
$(O)/man/%.1: docs/man/%.pod
	@mkdir -p $(@D)
	$(call Q,MAN)pod2man --section=1 --center='Ironferry' --release='$(VERSION)' \
		--errors=die $< $@

# --- the live image ----------------------------------------------------------
# WIFI=1 and FIRMWARE=0 are told to it through the environment.
$(O)/block-ro: $(B)/live-image/block-ro.o
	$(call Q,LD)$(CC) $(LDFLAGS_ALL) -o $@ $^
live-image-programs: all $(O)/block-ro
live-image: live-image-programs
	tests/setup live
	live-image/build --programs '$(O)' --out '$(O)/live-image'

# --- installing --------------------------------------------------------------
install: all man
	install -d '$(DESTDIR)$(PREFIX)/bin' \
		'$(DESTDIR)$(PREFIX)/share/man/man1' \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions'
	for p in $(PROGRAMS); do \
		install -m 755 $(O)/$$p '$(DESTDIR)$(PREFIX)/bin/' && \
		$(O)/$$p --completion > \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/'$$p || \
		exit 1; \
	done
	install -m 644 $(MAN) '$(DESTDIR)$(PREFIX)/share/man/man1/'
	$(if $(strip $(FIRSTBOOT)),install -d '$(DESTDIR)$(PREFIX)/share/ironferry' && \
		install -m 644 $(FIRSTBOOT) '$(DESTDIR)$(PREFIX)/share/ironferry/')

setup:
	tests/setup all
demo:
	tests/setup demo
	$(MAKE) all
	tests/demo
bench:
	tests/setup bench
	$(MAKE) all
	tests/bench/run
deb:
	tests/make-deb

# --- tests -------------------------------------------------------------------
test-programs: all live-image-programs $(TESTS) $(FUZZ_REPLAY) man

check:
	$(MAKE) setup
	$(MAKE) -j$$(nproc) test-programs
	tests/run unit smoke
check-unit: test-programs
	tests/run unit
check-smoke: test-programs
	tests/run smoke
check-full:
	$(MAKE) setup
	$(MAKE) -j$$(nproc) test-programs
	tests/run unit smoke full
# The unit tests and one conversion under ASan and UBSan; TSan on the unit
# tests.
check-asan:
	$(MAKE) -j$$(nproc) O=build-asan OPT='-O1 -g' \
		SAN='-fsanitize=address,undefined -fno-sanitize-recover=all' \
		test-programs
	FY_BUILD=build-asan tests/run unit smoke/convert-ssh
check-tsan:
	$(MAKE) -j$$(nproc) O=build-tsan OPT='-O1 -g' SAN=-fsanitize=thread \
		test-programs
	FY_BUILD=build-tsan tests/run unit
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build build-*

.PHONY: all firstboot clean man install setup demo bench deb fuzz fuzz-build \
	live-image live-image-programs \
	test-programs check check-unit check-smoke check-full check-asan \
	check-tsan format

-include $(shell find $(O) -name '*.d' 2>/dev/null)
