"""Fetch the third-party sources of device_runtime/deps.toml into the user's cache, each pinned by SHA-256.

Takes the table; leaves sources/<name>-<version>/ in the cache folder, whole or not at all. What is there
already is left alone, and two processes may run this at once. `--list` prints the folders, `--path NAME` one.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "host"))

from patchctl.errors import ConfigError, InputError

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "device_runtime" / "deps.toml"
APT_FOLDER = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Suites of Debian's main archive; security and updates live on mirrors that may lack the sources.
SUITE = re.compile(r"^(bullseye|bookworm|trixie|forky|sid|stable|testing|unstable)/?$")
ONE_LINE = re.compile(
    r"^deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.*)$"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One row of deps.toml. `files` maps a file's name to its SHA-256; empty means the whole tree.

    An `optional` source is fetched by the tool that wants it, not with the others.
    """

    name: str
    version: str
    kind: str
    request: str
    archive: str
    sha256: str
    suite: str
    files: dict[str, str]
    optional: bool

    @property
    def folder(self) -> Path:
        """Where the unpacked source lies in the cache."""
        return cache_folder() / "sources" / f"{self.name}-{self.version}"


def cache_folder() -> Path:
    """The folder for everything fetched: PATCHCTL_CACHE, or patchctl in the user's cache."""
    given = os.environ.get("PATCHCTL_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "patchctl"


def load_table(path: Path = TABLE) -> tuple[Source, ...]:
    """Reads deps.toml. Raises ConfigError for a row that lacks a key or has an unknown one."""
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("source", [])
    try:
        return tuple(Source(**{"suite": "", "files": {}, "optional": False, **row}) for row in rows)
    except TypeError as error:
        raise ConfigError(f"a [[source]] row is not usable: {error}", where=str(path)) from error


# ---------------------------------------- what this machine offers ----------------------------------------


def deb822_fields(text: str) -> Iterator[dict[str, str]]:
    """The stanzas of a .sources file (man 5 sources.list, DEB822-STYLE FORMAT), keys in lower case."""
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and key:
                fields[key] += " " + line.strip()
            elif ":" in line:
                key, value = line.split(":", 1)
                key = key.strip().lower()
                fields[key] = value.strip()
        yield fields


def mirrors_in(text: str, *, deb822: bool) -> Iterator[str]:
    """URIs of Debian's main archive that one file of apt's configuration names, in its order."""
    if deb822:
        for fields in deb822_fields(text):
            main = "main" in fields.get("components", "").split()
            known = any(SUITE.match(suite) for suite in fields.get("suites", "").split())
            if main and known and fields.get("enabled", "yes").lower() not in ("no", "false", "0"):
                yield from fields.get("uris", "").split()
        return
    for line in text.splitlines():
        match = ONE_LINE.match(line.strip())
        if match and SUITE.match(match["suite"]) and "main" in match["components"].split():
            yield match["uri"]


def debian_mirror(apt_folder: Path = APT_FOLDER) -> str:
    """The Debian mirror that this machine's apt uses. Raises InputError where apt knows none."""
    parts = apt_folder / "sources.list.d"
    files = [apt_folder / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]
    for path in files:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            for uri in mirrors_in(text, deb822=path.suffix == ".sources"):
                return uri
    raise InputError(
        "apt names no Debian mirror",
        where=str(apt_folder),
        hint="on another system put the archive into the cache's archives folder yourself",
    )


# ------------------------------------------------ fetching -----------------------------------------------


def run(command: list[str], *, folder: Path, what: str) -> None:
    """Runs a command quietly. Raises InputError with the end of its output if it fails or does not exist."""
    print("  $", " ".join(command), flush=True)
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise InputError(f"{command[0]} is not installed", where=what) from error
    if done.returncode != 0:
        tail = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise InputError(
            f"{command[0]} failed: {tail}", where=what, hint="is the network there? then try again"
        )


def fetch_debian_source(source: Source, folder: Path) -> None:
    """apt with lists and cache of its own: no root, and the machine's set-up stays as it is."""
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (folder / "apt" / name).mkdir(parents=True)
    listing = folder / "apt" / "sources.list"
    listing.write_text(f"deb-src {signed}{debian_mirror()} {source.suite} main\n", encoding="utf-8")
    settings = {
        "Dir::Etc::SourceList": listing,
        "Dir::Etc::SourceParts": folder / "apt" / "parts",
        "Dir::State::Lists": folder / "apt" / "lists",
        "Dir::Cache": folder / "apt" / "cache",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    run([*apt, "update"], folder=folder, what=source.name)
    run([*apt, "source", "--download-only", source.request], folder=folder, what=source.name)


def fetch_pypi_sdist(source: Source, folder: Path) -> None:
    """pip, told to take the source distribution; no dependency comes with it."""
    package = source.request.split("==", 1)[0]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", package]
    run([*pip, "--dest", str(folder), source.request], folder=folder, what=source.name)


FETCHERS = {"debian-source": fetch_debian_source, "pypi-sdist": fetch_pypi_sdist}


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_digest(path: Path, expected: str) -> None:
    """Raises InputError unless the file is the pinned one."""
    found = digest(path)
    if found != expected:
        raise InputError(
            f"SHA-256 is {found}, pinned is {expected}",
            where=path.name,
            hint="the mirror's file is damaged or was replaced; do not build from it",
        )


def obtain_archive(source: Source, folder: Path) -> Path:
    """The verified archive, kept in the cache; fetched through `folder` if it is not there yet."""
    kept = cache_folder() / "archives" / source.archive
    if not kept.exists():
        if source.kind not in FETCHERS:
            raise ConfigError(f"unknown kind {source.kind!r}", where=str(TABLE), hint=", ".join(FETCHERS))
        FETCHERS[source.kind](source, folder)
        fetched = folder / source.archive
        if not fetched.exists():
            raise InputError(f"{source.request} did not bring {source.archive}", where=source.name)
        require_digest(fetched, source.sha256)
        kept.parent.mkdir(parents=True, exist_ok=True)
        fetched.replace(kept)
    require_digest(kept, source.sha256)
    return kept


# ------------------------------------------------ unpacking ------------------------------------------------


def unpack_files(archive: Path, files: dict[str, str], folder: Path) -> None:
    """Takes the named files out of the archive, each checked on its own."""
    with tarfile.open(archive) as tar:
        members = {Path(m.name).name: m for m in tar if m.isfile() and len(Path(m.name).parts) == 2}
        for name, expected in files.items():
            stream = tar.extractfile(members[name]) if name in members else None
            if stream is None:
                raise InputError(f"holds no {name}", where=archive.name)
            (folder / name).write_bytes(stream.read())
            require_digest(folder / name, expected)


def unpack_tree(archive: Path, folder: Path) -> None:
    """Unpacks everything, without the archive's own top folder.

    By the system's tar: Python 3.11.2, Debian 12's, has no extraction filters yet.
    """
    command = ["tar", "-xf", str(archive), "-C", str(folder), "--strip-components=1"]
    run(command, folder=folder, what=f"unpacking {archive.name}")


@contextmanager
def cache_lock() -> Iterator[None]:
    """Only one process at a time fills the cache."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def provide(source: Source) -> Path:
    """The folder of `source`, made if it is not there. Costs a download the first time."""
    with cache_lock():
        if source.folder.exists():
            return source.folder
        print(f"{source.name} {source.version}: fetching {source.request}", flush=True)
        work = Path(tempfile.mkdtemp(prefix="deps-", dir=cache_folder()))
        try:
            archive = obtain_archive(source, work)
            print(f"  {archive.name}: SHA-256 as pinned; unpacking", flush=True)
            tree = work / "tree"
            tree.mkdir()
            if source.files:
                unpack_files(archive, source.files, tree)
            else:
                unpack_tree(archive, tree)
            source.folder.parent.mkdir(parents=True, exist_ok=True)
            tree.rename(source.folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return source.folder


def named(sources: Iterable[Source], name: str) -> Source:
    """The row called `name`. Raises ConfigError if there is none."""
    for source in sources:
        if source.name == name:
            return source
    raise ConfigError(f"no source is called {name!r}", where=str(TABLE))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="fetch third-party sources into the cache")
    parser.add_argument("--list", action="store_true", help="print the folders and fetch nothing")
    parser.add_argument("--missing", action="store_true", help="say nothing about what is there already")
    parser.add_argument("--path", metavar="NAME", help="print one folder and fetch nothing")
    options = parser.parse_args(arguments)
    try:
        sources = load_table()
        if options.path:
            print(named(sources, options.path).folder)
            return 0
        for source in sources:
            if source.optional and not options.list:
                continue
            if options.missing and source.folder.exists():
                continue
            folder = source.folder if options.list else provide(source)
            print(folder if options.list else f"{source.name} {source.version}: {folder}")
    except InputError as error:
        print(f"deps: {error.line()}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
