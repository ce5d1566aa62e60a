"""Stop 12 of 12. libFuzzer on the structural check and on the engine, with Debian's clang.

Takes a target and a folder; gives the fuzzer's program, its corpus, and a way to run it.
Next: tests/fuzz/fuzz_check.c
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from patchctl.contract import OPCODES, Op, Status
from patchctl.isa import family_of

from tests.engine import INCLUDES, ROOT, SOURCES
from tests.isa_vectors import vectors

TARGETS = ("check", "engine")
CLANGS = ("clang", "clang-19", "clang-16", "clang-15", "clang-14")
CORPUS = ROOT / "tests/fuzz/corpus"  # one for both targets: their inputs have one form
DICTIONARY = ROOT / "tests/fuzz/engine.dict"
INPUT_BYTES_MAX = 1024
_FACTS = ("KNOWN", "DST", "SRC", "OFFSET", "IMM", "WRITES_DST", "JUMPS")


def clang() -> str | None:
    """A clang of this machine that can build fuzzers, or None."""
    for name in CLANGS:
        path = shutil.which(name)
        if path is None:
            continue
        answer = subprocess.run(
            [path, "-print-file-name=libclang_rt.fuzzer-x86_64.a"], capture_output=True, text=True, check=True
        )
        older = subprocess.run([path, "-print-runtime-dir"], capture_output=True, text=True, check=True)
        if Path(answer.stdout.strip()).exists() or any(Path(older.stdout.strip()).glob("*fuzzer*")):
            return path
    return None


def _facts(op: Op) -> str:
    info = OPCODES[op]
    names = ["KNOWN", *(field.upper() for field in sorted(info.uses))]
    names += ["WRITES_DST"] if "dst" in info.writes else []
    names += ["JUMPS"] if family_of(op) in ("jump", "ja", "ja32") else []
    return " | ".join(f"OPCODE_{name}" for name in names)


def opcodes_header() -> str:
    """What the contract says of opcodes, for fuzz_check.c's second opinion."""
    lines = ["#include <stdbool.h>", "#include <stdint.h>", '#include "hotpatch/contract.h"']
    lines += [f"#define OPCODE_{name} {1 << bit}U" for bit, name in enumerate(_FACTS)]
    lines += ["static const uint32_t opcode_facts[256] = {"]
    lines += [f"    [{int(op):#04x}] = {_facts(op)}," for op in OPCODES]
    lines += ["};", "static inline bool opcode_variant(uint8_t op, int32_t offset, uint32_t imm)", "{"]
    lines += ["    switch (op) {"]
    for op, info in OPCODES.items():
        rows = [("offset", f"{value}") for value in info.offsets]
        rows += [("imm", f"{value}U") for value in info.immediates]
        if rows:
            allowed = " || ".join(f"({name} == {value})" for name, value in rows)
            lines += [f"    case {int(op):#04x}: return {allowed};"]
    lines += ["    default: return true;", "    }", "}"]
    refusals = [status for status in Status if status.name.startswith("CHECK_")]
    lines += ["static inline bool opcode_refusal(hp_status_t status)", "{", "    switch ((int)status) {"]
    lines += [f"    case {int(status)}:" for status in refusals]
    lines += ["        return true;", "    default: return false;", "    }", "}", ""]
    return "\n".join(lines)


def build_fuzzer(compiler: str, folder: Path, target: str) -> Path:
    """Compiles a target with AddressSanitizer and UndefinedBehaviorSanitizer, both fatal."""
    program = folder / f"fuzz_{target}"
    (folder / "opcodes.h").write_text(opcodes_header())
    checks = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
    sources = [str(ROOT / source) for source in (*SOURCES, f"tests/fuzz/fuzz_{target}.c")]
    flags = ("-std=c11", "-O1", "-g", *checks, *INCLUDES, f"-I{folder}")
    subprocess.run([compiler, *flags, "-o", str(program), *sources], check=True)
    return program


def write_seeds(folder: Path) -> None:
    """The engine's own vectors as inputs, refused ones too: where a bug may be one byte away."""
    for number, vector in enumerate(vectors()):
        mask = sum(1 << helper for helper in vector.helpers if helper < 8)
        head = (min(vector.fuel // 4, 255), mask, 0, max(len(vector.context), 1) - 1)
        (folder / f"vector-{number}").write_bytes(bytes(head) + vector.code)


def fuzz(
    program: Path, folder: Path, options: Iterable[str], ended: Callable[[], bool] = lambda: False
) -> tuple[int, str]:
    """Runs the fuzzer from vectors and corpus; new inputs go to `folder`, never into the committed corpus.

    Once `ended` says so it is told to end: it prints its counts then, and its exit code is not 0.
    """
    found, seeds = folder / "found", folder / "seeds"
    found.mkdir(exist_ok=True)
    seeds.mkdir(exist_ok=True)
    write_seeds(seeds)
    command = [
        str(program), f"-max_len={INPUT_BYTES_MAX}", f"-dict={DICTIONARY}", "-seed=1",
        f"-artifact_prefix={folder}/", "-print_final_stats=1", *options,
        str(found), str(seeds), str(CORPUS),
    ]  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        while True:
            try:
                _, said = process.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                if ended():
                    process.terminate()
    return process.returncode, said
