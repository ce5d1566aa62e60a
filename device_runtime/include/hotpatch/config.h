/// Sizes the runtime is built with; every one has a default and a range. Give other values with -D.
#ifndef HOTPATCH_CONFIG_H
#define HOTPATCH_CONFIG_H

#ifndef HP_SLOTS_MAX
#define HP_SLOTS_MAX 8U ///< patches the runtime can keep
#endif
#if HP_SLOTS_MAX < 1U || HP_SLOTS_MAX > 32U
#error "HP_SLOTS_MAX must be 1..32"
#endif

#ifndef HP_PATCHES_MAX
#define HP_PATCHES_MAX 24U ///< patch ids the journal remembers, undone ones included
#endif
#if HP_PATCHES_MAX < HP_SLOTS_MAX || HP_PATCHES_MAX > 64U
#error "HP_PATCHES_MAX must be HP_SLOTS_MAX..64"
#endif

#ifndef HP_TRIGGERS_MAX
#define HP_TRIGGERS_MAX 8U ///< sites that can be armed at once
#endif
#if HP_TRIGGERS_MAX < 1U || HP_TRIGGERS_MAX > 16U
#error "HP_TRIGGERS_MAX must be 1..16: the hash of the DebugMonitor handler has 16 entries"
#endif

#ifndef HP_INVOCATIONS_MAX
#define HP_INVOCATIONS_MAX 4U ///< runs under way at once: threads and nested interrupts
#endif
#if HP_INVOCATIONS_MAX < 1U || HP_INVOCATIONS_MAX > 16U
#error "HP_INVOCATIONS_MAX must be 1..16"
#endif

#ifndef HP_RUN_STACK_BYTES
#define HP_RUN_STACK_BYTES 512U ///< room that a run needs below its frame, an exception's frame included
#endif
#if HP_RUN_STACK_BYTES < 512U || HP_RUN_STACK_BYTES > 4096U
#error "HP_RUN_STACK_BYTES must be 512..4096: tests/runtime/test_run_stack.py counts what a run takes"
#endif

#ifndef HP_STRIKES_MAX
#define HP_STRIKES_MAX 3U ///< processor faults inside a patch's programs before the board takes it out
#endif
#if HP_STRIKES_MAX < 1U
#error "HP_STRIKES_MAX must be at least 1"
#endif

#ifndef HP_READABLE_MAX
#define HP_READABLE_MAX 4U ///< ranges of firmware memory a program may read
#endif
#if HP_READABLE_MAX < 1U || HP_READABLE_MAX > 8U
#error "HP_READABLE_MAX must be 1..8"
#endif

#endif
