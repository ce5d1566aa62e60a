"""Manifests: written in one way, read in no other."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import cbor2
import pytest
from patchctl.contract import STATUS_TEXT, Status
from patchctl.errors import ConfigError, DeviceRefused
from patchctl.package import cbor, manifest

from tests.host import samples

INSTALL = replace(samples.manifest(6), payload_digest=hashlib.sha256(b"payload").digest(), payload_bytes=7)
UNDO = samples.manifest(7)


@pytest.mark.parametrize("whole", [INSTALL, UNDO], ids=["install", "undo"])
def test_a_manifest_reads_back(whole):
    assert manifest.decode(manifest.encode(whole)) == whole


def test_an_install_has_the_shape_of_the_draft():
    fields = cbor2.loads(manifest.encode(INSTALL))

    common = cbor2.loads(fields[3])
    sequence = cbor2.loads(common[4])
    assert list(fields) == [1, 2, 3, 7, 9, 20]
    assert (fields[1], fields[2]) == (1, 6)
    assert common[2] == [[b"hp", b"import-star"]]
    assert [sequence[0], *sequence[2:]] == [20, 1, 15, 2, 15, -257, 15]
    assert list(sequence[1]) == [1, 2, 3, 14, -257]
    assert cbor2.loads(sequence[1][3]) == [-16, hashlib.sha256(b"payload").digest()]
    assert cbor2.loads(fields[7]) == [3, 15]
    assert cbor2.loads(fields[9]) == [23, 2]
    assert cbor2.loads(fields[20]) == [20, {21: "#patch"}, 21, 2, 3, 15]


def test_an_undo_only_unlinks():
    fields = cbor2.loads(manifest.encode(UNDO))

    parameters = cbor2.loads(cbor2.loads(fields[3])[4])[1]
    assert list(fields) == [1, 2, 3, 20]
    assert list(parameters) == [1, 2, -257]
    assert cbor2.loads(fields[20]) == [33, 2]


def test_install_and_undo_take_the_even_and_the_odd_number():
    assert (manifest.install_sequence(4), manifest.undo_sequence(4)) == (8, 9)


def _with(**fields: object) -> bytes:
    whole = cbor.decode(manifest.encode(INSTALL))
    for key, value in fields.items():
        number = int(key.removeprefix("field"))
        if value is None:
            del whole[number]
        else:
            whole[number] = value
    return cbor.encode(whole)


@pytest.mark.parametrize(
    "changed",
    [
        _with(field1=2),
        _with(field2=-1),
        _with(field2=1 << 32),
        _with(field3=b"\xa0"),
        _with(field3=None),
        _with(field7=None),
        _with(field9=None),
        _with(field9=cbor.encode([23, 15])),
        _with(field20=cbor.encode([20, {21: "http://elsewhere"}, 21, 2, 3, 15])),
        _with(field23=b""),
        cbor.encode([]),
        manifest.encode(replace(INSTALL, class_id=b"short")),
        manifest.encode(replace(INSTALL, patch_id="Capital")),
    ],
)
def test_any_other_manifest_is_refused(changed):
    with pytest.raises(DeviceRefused) as refusal:
        manifest.decode(changed)

    assert refusal.value.what == STATUS_TEXT[Status.MALFORMED]


def test_the_same_fields_unchanged_are_accepted():
    assert manifest.decode(_with()) == INSTALL


@pytest.mark.parametrize("name", ["", "x" * 33, "Upper", "a b", "ä", "a/b"])
def test_a_name_that_no_patch_may_have_is_refused(name):
    with pytest.raises(ConfigError, match="cannot name a patch"):
        manifest.check_patch_id(name)


@pytest.mark.parametrize("name", ["a", "x" * 32, "import-star_2"])
def test_a_name_that_a_patch_may_have_is_accepted(name):
    assert manifest.check_patch_id(name) == name
