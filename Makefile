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
	libcrypto libnbd fuse3 ext2fs com_err blkid libssh
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wundef -Wstrict-prototypes \
	-Wmissing-prototypes -Wsign-conversion -Wframe-larger-than=8192
OPT ?= -O2 -g
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

obj = $(patsubst %.c,$(O)/%.o,$(1))
TESTS := $(patsubst %.c,$(O)/%,$(TEST_SRC))
FUZZ_REPLAY := $(patsubst %.c,$(O)/%-replay,$(FUZZ_SRC))

all: $(addprefix $(O)/,$(PROGRAMS))

$(O)/libironferry.a: $(call obj,$(ALL_LIB_SRC))
	@rm -f $@
	$(AR) rcs $@ $^

main-of = $(if $(filter used-blocks,$(1)),partclone,$(1))/main
define program
$(O)/$(1): $(O)/$(call main-of,$(1)).o $(O)/libironferry.a
	$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(PKG_LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(TESTS): $(O)/%: $(O)/%.o $(O)/libironferry.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# A fuzz target defines LLVMFuzzerTestOneInput; the replay main feeds it files.
$(FUZZ_REPLAY): $(O)/%-replay: $(O)/%.o $(O)/tests/fuzz/replay.o \
		$(O)/libironferry.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: all clean
clean:
	rm -rf build build-*

-include $(shell find $(O) -name '*.d' 2>/dev/null)
