"""Stop 2 of 12. C to an eBPF object. The only subprocess in the package.

Takes a patch's C file and the header lines made for it; gives the bytes of an ELF object. The compiler is
the clang inside the pinned ziglang wheel, or a system clang of version 19 or newer. What it says becomes an
InputError that carries its place. Next: host/patchctl/elf.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_dir

from patchctl.errors import InputError

CLANG_VERSION_MIN = 19

_OPTIONS = (
    "-mcpu=v4",
    "-std=c11",
    "-O2",
    "-g",
    "-ffreestanding",
    "-fno-sanitize=all",  # zig adds calls of the sanitizer's runtime otherwise
    "-fno-jump-tables",
    "-fno-unroll-loops",
    "-Wall",
    "-Wextra",
    "-Werror",
)
_LOCATED = re.compile(r"^(?P<place>.+?:\d+:\d+): (?:fatal )?error: (?P<text>.*)$", re.MULTILINE)


def include_folder() -> Path:
    """The folder of headers for patch authors: inside the installed package, or in a checkout."""
    installed = Path(__file__).parent / "patch_include"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "patches" / "include"


def compile_source(source: Path, header: str = "", *, cc: str | None = None) -> bytes:
    """The object made from `source`, with `header` included first; `cc` names a clang instead of ziglang's.

    Raises InputError with the compiler's first error and its place, or if there is no compiler.
    """
    if not source.is_file():
        raise InputError("there is no such file", where=str(source), hint="a patch folder holds patch.c")
    with tempfile.TemporaryDirectory(prefix="patchctl-") as folder:
        generated = Path(folder) / "generated.h"
        generated.write_text(header, encoding="utf-8")
        output = Path(folder) / "patch.o"
        command = [
            *_compiler(cc),
            *_OPTIONS,
            f"-I{include_folder()}",
            f"-ffile-prefix-map={folder}=.",
            f"-ffile-prefix-map={source.parent.resolve()}={source.parent}",  # as the user wrote it
            "-include",
            str(generated),
            "-c",
            source.name,
            "-o",
            str(output),
        ]
        run = subprocess.run(
            command, cwd=source.parent, env=_environment(), capture_output=True, text=True, check=False
        )
        if run.returncode != 0 or not output.is_file():
            raise _compile_error(run.stderr, source)
        return output.read_bytes()


def _compiler(cc: str | None) -> list[str]:
    if cc is None:
        if find_spec("ziglang") is None:
            raise InputError("no compiler", hint="install patchctl's extra [cc], or name a clang with --cc")
        return [sys.executable, "-m", "ziglang", "cc", "-target", "bpfel-freestanding"]
    if shutil.which(cc) is None:
        raise InputError(f"there is no compiler {cc!r}", hint="leave --cc out to use the ziglang wheel")
    _check_version(cc)
    return [cc, "--target=bpfel"]


def _check_version(cc: str) -> None:
    run = subprocess.run([cc, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"clang version (\d+)", run.stdout)
    if found is None or int(found[1]) < CLANG_VERSION_MIN:
        is_a = f"clang {found[1]}" if found else "no clang"
        raise InputError(
            f"{cc!r} is {is_a}", hint=f"clang {CLANG_VERSION_MIN} or newer knows -mcpu=v4; or leave --cc out"
        )


def _environment() -> dict[str, str]:
    """Ours, with a place for zig's cache: it fails where neither HOME nor this is set."""
    cache = os.environ.get("ZIG_GLOBAL_CACHE_DIR") or str(Path(user_cache_dir("patchctl")) / "zig")
    return {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "LC_ALL": "C"}


def _compile_error(output: str, source: Path) -> InputError:
    errors = list(_LOCATED.finditer(output))
    if not errors:
        lines = [line for line in output.splitlines() if re.search("[a-z]", line)]
        lines = lines or ["the compiler failed and said nothing"]
        says = next((line for line in lines if "error:" in line), lines[-1])
        return InputError(says, where=str(source))
    more = f"and {len(errors) - 1} more" if len(errors) > 1 else ""
    return InputError(errors[0]["text"], where=str(source.parent / errors[0]["place"]), hint=more)
