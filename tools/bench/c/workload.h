/// What the six workloads and the filter share. Each is one C file, compiled to Thumb, to eBPF and to WebAssembly from
/// the same text; all they read and write is the context, so that no engine needs a relocation or an import.
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdint.h>

#if defined(__wasm__)
#define WORKLOAD __attribute__((export_name("workload")))
#else
#define WORKLOAD
#endif

#endif
