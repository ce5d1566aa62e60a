# The core as a library for this machine: ../build/native/libhotpatch.so. Included by the Makefile; also works by itself.
NATIVE_ROOT    := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
NATIVE_BUILD   := $(abspath $(NATIVE_ROOT)../build/native)
PATCHCTL_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/patchctl
MONOCYPHER     := $(PATCHCTL_CACHE)/sources/monocypher-4.0.3
NATIVE_SOURCES := $(wildcard $(NATIVE_ROOT)core/*.c) $(NATIVE_ROOT)port/native/port.c
NATIVE_OBJECTS := $(patsubst $(NATIVE_ROOT)%.c,$(NATIVE_BUILD)/%.o,$(NATIVE_SOURCES)) $(NATIVE_BUILD)/monocypher.o
HOST_CC        ?= cc
NATIVE_FLAGS   := -std=c11 -O1 -g -fPIC -fsanitize=undefined -fno-sanitize-recover=undefined -MMD -MP
NATIVE_WARN    := -Wall -Wextra -Wconversion -Wswitch-enum -Werror
NATIVE_INCLUDE := -I$(NATIVE_ROOT) -I$(NATIVE_ROOT)include -isystem $(MONOCYPHER)

.PHONY: native
native: $(NATIVE_BUILD)/libhotpatch.so

$(NATIVE_BUILD)/libhotpatch.so: $(NATIVE_OBJECTS)
	$(HOST_CC) -shared -fsanitize=undefined -Wl,--wrap=hp_vm_run -o $@.new $^
	mv $@.new $@

$(NATIVE_BUILD)/monocypher.o: $(MONOCYPHER)/monocypher.c
	@mkdir -p $(@D)
	$(HOST_CC) -std=c11 -O2 -g -fPIC -MMD -MP -c $< -o $@

$(NATIVE_BUILD)/%.o: $(NATIVE_ROOT)%.c
	@mkdir -p $(@D)
	$(HOST_CC) $(NATIVE_FLAGS) $(NATIVE_WARN) $(NATIVE_INCLUDE) -c $< -o $@

-include $(NATIVE_OBJECTS:.o=.d)
