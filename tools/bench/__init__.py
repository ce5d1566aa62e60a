"""Counts what one run of a program costs: instructions and modelled cycles on an emulated Cortex-M4.

Takes the C files in c/; compiles each to Thumb, eBPF and WebAssembly, runs it natively, in the runtime's
interpreter and in wasm3, and compares every result with the native one. Start reading at workloads.py.
"""
