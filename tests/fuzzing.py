"""Stop 12 of 12. libFuzzer on the structural check and the engine, with Debian's clang.

Takes a folder; gives the fuzzer's program, its corpus, and a way to run it. Next: tests/fuzz/fuzz_engine.c
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.engine import INCLUDES, ROOT, SOURCES

CLANGS = ("clang", "clang-19", "clang-16", "clang-15", "clang-14")
CORPUS = ROOT / "tests/fuzz/corpus"
DICTIONARY = ROOT / "tests/fuzz/engine.dict"
INPUT_BYTES_MAX = 1024


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


def build_fuzzer(compiler: str, folder: Path) -> Path:
    """Compiles the fuzzer with AddressSanitizer and UndefinedBehaviorSanitizer, both fatal."""
    program = folder / "fuzz_engine"
    checks = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
    sources = [str(ROOT / source) for source in (*SOURCES, "tests/fuzz/fuzz_engine.c")]
    subprocess.run(
        [compiler, "-std=c11", "-O1", "-g", *checks, *INCLUDES, "-o", str(program), *sources], check=True
    )
    return program


def fuzz(program: Path, folder: Path, options: Iterable[str]) -> tuple[int, str]:
    """Runs the fuzzer; new inputs go to `folder`, never into the committed corpus."""
    found = folder / "found"
    found.mkdir(exist_ok=True)
    end = subprocess.run(
        [
            str(program), f"-max_len={INPUT_BYTES_MAX}", f"-dict={DICTIONARY}", "-seed=1",
            f"-artifact_prefix={folder}/", "-print_final_stats=1", *options, str(found), str(CORPUS),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return end.returncode, end.stderr
