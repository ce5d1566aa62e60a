"""tools/deps.py: the mirror that apt already uses, pinned digests, and a cache that is whole or absent."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import deps
import pytest
from patchctl.errors import ConfigError, InputError

DEB822 = """\
Types: deb
# a comment
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb [arch=amd64] http://mirror.example/debian trixie main
"""
OTHERS_ONLY = (
    "deb http://packages.example/apt cloud-sdk main\ndeb http://mirror.example/d bookworm-security main\n"
)
MIRROR = "http://mirror.example/debian"


@pytest.mark.parametrize(
    ("name", "text"), [("debian.sources", DEB822), ("debian.list", ONE_LINE)], ids=["deb822", "one-line"]
)
def test_the_mirror_is_read_from_both_formats_of_apt(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(OTHERS_ONLY)
    (tmp_path / "sources.list.d" / name).write_text(text)
    assert deps.debian_mirror(tmp_path) == MIRROR


@pytest.mark.parametrize("text", [OTHERS_ONLY, "", DEB822.replace("Types", "Enabled: no\nTypes")])
def test_a_machine_without_a_debian_mirror_is_told_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    name = "x.sources" if "Types" in text else "x.list"
    (tmp_path / "sources.list.d" / name).write_text(text)
    with pytest.raises(InputError, match="no Debian mirror"):
        deps.debian_mirror(tmp_path)


def archive_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"top-1.0/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


ARCHIVE = archive_of({"a.c": b"int a;\n", "deep/b.c": b"int b;\n"})


class Mirror:
    """Stands in for a registry: serves ARCHIVE and counts the fetches."""

    def __init__(self, data: bytes = ARCHIVE) -> None:
        self.data = data
        self.fetches = 0

    def fetch(self, source: deps.Source, folder: Path) -> None:
        self.fetches += 1
        (folder / source.archive).write_bytes(self.data)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    mirror = Mirror()
    monkeypatch.setenv("PATCHCTL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(deps.FETCHERS, "fake", mirror.fetch)
    return mirror


def source(**changes: Any) -> deps.Source:
    row = {
        "name": "thing", "version": "1.0", "kind": "fake", "request": "thing==1.0", "archive": "thing.tar.gz",
        "sha256": hashlib.sha256(ARCHIVE).hexdigest(), "suite": "", "files": {}, "optional": False,
    }  # fmt: skip
    return deps.Source(**{**row, **changes})


def test_a_tree_is_unpacked_without_its_top_folder(mirror: Mirror) -> None:
    folder = deps.provide(source())
    assert folder.name == "thing-1.0"
    assert (folder / "a.c").read_bytes() == b"int a;\n"
    assert (folder / "deep" / "b.c").read_bytes() == b"int b;\n"


def test_named_files_are_taken_and_nothing_else(mirror: Mirror) -> None:
    folder = deps.provide(source(files={"a.c": hashlib.sha256(b"int a;\n").hexdigest()}))
    assert [path.name for path in folder.iterdir()] == ["a.c"]


def test_nothing_is_fetched_twice(mirror: Mirror) -> None:
    deps.provide(source())
    deps.provide(source())
    assert mirror.fetches == 1


def test_no_work_folder_is_left_behind(mirror: Mirror) -> None:
    deps.provide(source())
    assert not list(deps.cache_folder().glob("deps-*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "pinned is"),
        ({"files": {"a.c": "0" * 64}}, "pinned is"),
        ({"files": {"missing.c": "0" * 64}}, r"holds no missing\.c"),
        ({"archive": "other.tar.gz", "kind": "elsewhere"}, "unknown kind"),
    ],
)
def test_what_is_not_as_pinned_is_refused_and_leaves_no_folder(
    mirror: Mirror, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        deps.provide(source(**changes))
    assert not source().folder.exists()
    assert not list(deps.cache_folder().glob("deps-*"))


def test_a_damaged_download_is_not_kept_and_the_next_one_is_used(mirror: Mirror) -> None:
    mirror.data = ARCHIVE[:-1] + b"x"
    with pytest.raises(InputError, match="pinned is"):
        deps.provide(source())
    mirror.data = ARCHIVE
    assert (deps.provide(source()) / "a.c").exists()


def test_the_table_in_the_repository_is_usable_and_names_no_host() -> None:
    sources = deps.load_table()
    assert {"micropython", "monocypher"} <= {row.name for row in sources}
    assert all(row.kind in deps.FETCHERS and len(row.sha256) == 64 for row in sources)
    assert "://" not in deps.TABLE.read_text(encoding="utf-8")


def test_an_unknown_key_in_the_table_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "deps.toml"
    table.write_text('[[source]]\nname = "x"\ncolour = "red"\n')
    with pytest.raises(ConfigError, match="colour"):
        deps.load_table(table)


def test_a_command_that_fails_is_reported_with_the_end_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such place"):
        deps.run(["sh", "-c", "echo no such place >&2; exit 3"], folder=tmp_path, what="thing")
    with pytest.raises(InputError, match="not installed"):
        deps.run(["a-command-that-nobody-has"], folder=tmp_path, what="thing")
