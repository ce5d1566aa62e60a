"""Bad input, by the command line a user types: host and board refuse it with one text and exit code."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import serial
from patchctl.contract import STATUS_TEXT, Status
from patchctl.package import cbor
from patchctl.package.envelope import seal_patch
from patchctl.package.signing import SigningKey
from patchctl.program import BuiltPatch

from tests.end_to_end.conftest import KEY, KEY_PAGE

STRANGER = SigningKey.from_seed(bytes(32))


def patchctl(*arguments: str | Path, **settings) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "patchctl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **settings)


@pytest.fixture
def board(tmp_path, facts, firmware) -> str:
    """A selector for a provisioned emulated board whose flash outlives each command."""
    (tmp_path / "keys.bin").write_bytes(KEY_PAGE)
    (tmp_path / "key.pub.pem").write_bytes(KEY.public.pem())
    return f"sim:{facts.name}?image={firmware}&flash={tmp_path / 'flash.bin'}&keys={tmp_path / 'keys.bin'}"


@pytest.fixture
def push(board, tmp_path, firmware) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`patchctl push` of the given bytes to that board."""

    def run(container: bytes, *options: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "patch.suit"
        path.write_bytes(container)
        known = ("--key", tmp_path / "key.pub.pem", "--archive", tmp_path / "archive", "--firmware", firmware)
        return patchctl("push", path, "--to", board, *known, *options)

    return run


def flipped_payload(built: BuiltPatch, class_id: bytes) -> bytes:
    container = bytearray(seal_patch(built, class_id, KEY)[0])
    container[-1] ^= 1
    return bytes(container)


def flipped_signature(built: BuiltPatch, class_id: bytes) -> bytes:
    container = seal_patch(built, class_id, KEY)[0]
    authentication = cbor.decode(container[2:])[2]
    at = container.index(authentication) + len(authentication) - 1
    return container[:at] + bytes([container[at] ^ 1]) + container[at + 1 :]


def other_board(built: BuiltPatch, class_id: bytes) -> bytes:
    return seal_patch(built, bytes(reversed(class_id)), KEY)[0]


def other_build(built: BuiltPatch, class_id: bytes) -> bytes:
    build_id = bytes([built.build_id[0] ^ 1]) + built.build_id[1:]
    return seal_patch(replace(built, build_id=build_id), class_id, KEY)[0]


def other_bytes_at_the_site(built: BuiltPatch, class_id: bytes) -> bytes:
    site = built.sites[0]
    original = site.original[:-1] + bytes([site.original[-1] ^ 1])
    return seal_patch(replace(built, sites=(replace(site, original=original),)), class_id, KEY)[0]


def signed_by_a_stranger(built: BuiltPatch, class_id: bytes) -> bytes:
    return seal_patch(built, class_id, STRANGER)[0]


REFUSALS = [
    (flipped_payload, Status.BAD_DIGEST, 9),
    (flipped_signature, Status.BAD_SIGNATURE, 6),
    (signed_by_a_stranger, Status.BAD_SIGNATURE, 6),
    (other_board, Status.WRONG_BOARD, 7),
    (other_build, Status.WRONG_BUILD, 7),
    (other_bytes_at_the_site, Status.SITE_BYTES, 7),
]


@pytest.mark.parametrize("options", [(), ("--no-precheck",)], ids=["by the host", "by the board"])
@pytest.mark.parametrize(
    ("spoil", "status", "exit_code"), REFUSALS, ids=lambda case: getattr(case, "__name__", None)
)
def test_a_spoiled_container_is_refused_and_the_sound_one_accepted(
    push, built, facts, spoil, status, exit_code, options
):
    refused = push(spoil(built, facts.class_id), *options)

    assert refused.returncode == exit_code, refused.stderr
    assert STATUS_TEXT[status] in refused.stderr.replace("\n", " ")
    assert "Traceback" not in refused.stderr
    accepted = push(seal_patch(built, facts.class_id, KEY)[0], *options)
    assert accepted.returncode == 0, accepted.stderr


@pytest.mark.parametrize("options", [(), ("--no-precheck",)], ids=["by the host", "by the board"])
def test_an_older_sequence_is_refused_and_the_same_container_again_is_fine(push, built, seal, options):
    newer = seal(replace(built, sequence=built.sequence + 1))[0]
    assert push(newer).returncode == 0

    again = push(newer, *options)
    older = push(seal(built)[0], *options)

    assert again.returncode == 0, again.stderr
    assert "it was so before" in again.stderr + again.stdout
    assert older.returncode == 9
    assert STATUS_TEXT[Status.OLD_SEQUENCE] in older.stderr.replace("\n", " ")


@pytest.mark.parametrize("options", [(), ("--no-precheck",)], ids=["by the host", "by the board"])
def test_a_sequence_used_for_other_contents_is_refused(push, built, seal, options):
    assert push(seal(built)[0]).returncode == 0

    refused = push(seal(replace(built, data=built.data + b"!"))[0], *options)

    assert refused.returncode == 9
    assert STATUS_TEXT[Status.SEQUENCE_CONFLICT] in refused.stderr.replace("\n", " ")


@pytest.mark.parametrize("options", [(), ("--no-precheck",)], ids=["by the host", "by the board"])
def test_a_board_without_keys_refuses_everything(built, seal, facts, firmware, tmp_path, options):
    path = tmp_path / "patch.suit"
    path.write_bytes(seal(built)[0])

    refused = patchctl("push", path, "--to", f"sim:{facts.name}?image={firmware}", *options)

    assert refused.returncode == 6
    assert STATUS_TEXT[Status.NO_KEYS] in refused.stderr.replace("\n", " ")


def test_json_ends_with_the_exit_code(push, built, facts):
    refused = push(other_board(built, facts.class_id), "--json")

    events = [json.loads(line) for line in refused.stdout.splitlines()]
    assert events[-1] == {"type": "result", "exit": 7}


def test_a_port_that_does_not_exist_is_named(tmp_path):
    path = tmp_path / "nothing"

    refused = patchctl("list", "--to", f"serial:{path}")

    assert refused.returncode == 8
    assert str(path) in refused.stderr.replace("\n", "")


def test_a_port_that_is_taken_is_named():
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    with serial.Serial(name, exclusive=True):
        refused = patchctl("list", "--to", f"serial:{name}")
    os.close(master)
    os.close(slave)

    assert refused.returncode == 8
    assert name in refused.stderr.replace("\n", "")


@pytest.fixture
def running(tmp_path, facts, firmware):
    """`patchctl sim run` on a pseudo-terminal, in the background: its selector."""
    (tmp_path / "keys.bin").write_bytes(KEY_PAGE)
    command = [sys.executable, "-m", "patchctl", "sim", "run", facts.name, "--image", str(firmware)]
    command += ["--keys", str(tmp_path / "keys.bin")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.terminate()
        process.wait(20)


def test_after_a_host_was_killed_in_mid_push_the_next_push_works(running, built, seal, tmp_path):
    path = tmp_path / "patch.suit"
    path.write_bytes(seal(replace(built, data=built.data.ljust(3000, b"\0")))[0])
    command = [sys.executable, "-m", "patchctl", "--json", "push", str(path), "--to", running]
    command += ["--archive", str(tmp_path / "archive")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        event = json.loads(process.stdout.readline())
        while event["type"] != "progress" or event["taken_bytes"] == 0:
            event = json.loads(process.stdout.readline())
        process.kill()
    assert event["taken_bytes"] < path.stat().st_size

    again = patchctl("push", path, "--to", running, "--archive", tmp_path / "archive")

    assert again.returncode == 0, again.stderr
    assert "armed, kept over resets" in again.stderr + again.stdout
