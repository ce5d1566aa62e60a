"""The envelopes of tests/vectors/suit, read by the host and by the board's own core."""

from __future__ import annotations

import tomllib
from pathlib import Path

import cbor2
import pytest
from patchctl.contract import STATUS_TEXT, Status
from patchctl.errors import InputError
from patchctl.package import precheck, reports

from tests.runtime import containers, exchange

FILE = Path(__file__).parents[1] / "vectors" / "suit" / "containers.toml"
ROWS = {row["name"]: row for row in tomllib.loads(FILE.read_text())["container"]}


def _bytes(name: str) -> bytes:
    return bytes.fromhex(ROWS[name]["bytes"])


def _device(row):
    device = containers.device()
    if "after" in row:
        assert exchange.push(device, _bytes(row["after"])) == Status.OK
    return device


@pytest.mark.parametrize("name", ROWS)
def test_the_host_says_what_the_vector_says(name):
    device = _device(ROWS[name])
    identity = reports.read_identity(cbor2.dumps(exchange.get(device, "hp/id")))
    installed = reports.read_patches(cbor2.dumps(exchange.get(device, "hp/patches")))
    said = "ok"

    try:
        precheck.precheck(_bytes(name), identity, installed, [containers.KEY.public])
    except InputError as problem:
        said = next(status.name.lower() for status, text in STATUS_TEXT.items() if text == problem.what)

    assert said == ROWS[name]["status"]


@pytest.mark.parametrize("name", ROWS)
def test_the_board_says_what_the_vector_says(name):
    device = _device(ROWS[name])

    assert exchange.push(device, _bytes(name)).name.lower() == ROWS[name]["status"]


@pytest.mark.parametrize("name", [name for name in ROWS if name.startswith("reject_")])
def test_every_refusal_has_an_accepted_twin(name):
    assert ROWS[ROWS[name]["twin"]]["status"] == "ok"
    assert ROWS[name]["status"] != "ok"


def test_the_encoder_still_writes_the_accepted_containers():
    assert containers.install() == _bytes("accept_install") == _bytes("accept_install_by_cwt")
    assert containers.undo() == _bytes("accept_undo_after_install")
