"""Envelopes, with cwt and the draft's own examples as judges."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cbor2
import pytest
from cwt import COSE, COSEKey
from patchctl.contract import STATUS_TEXT, Status
from patchctl.errors import DeviceRefused, InputError
from patchctl.package import cbor, payload
from patchctl.package.envelope import manifest_digest, open_envelope, seal_patch, to_be_signed

from tests.host import samples

DRAFT = Path(__file__).resolve().parents[3] / "shared" / "data" / "suit" / "draft-37"
EXAMPLES = sorted(DRAFT.glob("*.suit"))
SIGNED = [path for path in EXAMPLES if ".signed" in path.name]
CONTAINERS = {"install": samples.install(), "undo": samples.undo()}


def _cose_blocks(container: bytes) -> tuple[bytes, bytes]:
    digest, sign1 = cbor2.loads(cbor2.loads(container).value[2])
    return digest, sign1


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_cwt_verifies_what_we_sign_and_nothing_else(container):
    digest, sign1 = _cose_blocks(container)
    key = COSEKey.from_pem(samples.KEY.public.pem(), alg="Ed25519")
    other = COSEKey.from_pem(samples.OTHER_KEY.public.pem(), alg="Ed25519")

    COSE.new().decode(sign1, key, detached_payload=digest)
    with pytest.raises(Exception, match="verify"):
        COSE.new().decode(sign1, other, detached_payload=digest)
    with pytest.raises(Exception, match="verify"):
        COSE.new().decode(sign1, key, detached_payload=digest + b"\0")


def test_an_install_reads_back_with_its_payload():
    envelope = open_envelope(samples.install())

    manifest = envelope.checked_manifest()

    assert envelope.is_signed_by([samples.OTHER_KEY.public, samples.KEY.public])
    assert not envelope.is_signed_by([samples.OTHER_KEY.public])
    assert (manifest.patch_id, manifest.sequence, manifest.installs) == ("import-star", 6, True)
    assert envelope.payload == payload.pack(samples.PATCH)
    assert manifest.payload_bytes == len(envelope.payload)


def test_an_undo_reads_back_without_one():
    envelope = open_envelope(samples.undo())

    manifest = envelope.checked_manifest()

    assert envelope.is_signed_by([samples.KEY.public])
    assert (manifest.patch_id, manifest.sequence, manifest.installs) == ("import-star", 7, False)
    assert envelope.payload is None


def test_the_same_patch_gives_the_same_bytes():
    assert samples.install() == samples.install()


def _refused(container: bytes) -> bool:
    try:
        envelope = open_envelope(container)
        envelope.checked_manifest()
    except InputError:
        return True
    return not envelope.is_signed_by([samples.KEY.public])


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_flipped_bit_is_refused(container):
    accepted = [
        bit
        for bit in range(8 * len(container))
        if not _refused(
            container[: bit // 8] + bytes([container[bit // 8] ^ 1 << bit % 8]) + container[bit // 8 + 1 :]
        )
    ]

    assert accepted == []
    assert not _refused(container)


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_shortened_container_is_refused(container):
    assert all(_refused(container[:size]) for size in range(len(container)))


def _rebuilt(change) -> bytes:
    tagged = cbor.decode(samples.install())
    change(tagged.value)
    return cbor.encode(tagged)


def _second_signature(fields) -> None:
    blocks = cbor.decode(fields[2])
    fields[2] = cbor.encode([*blocks, blocks[1]])


def _key_id_in_the_clear(fields) -> None:
    digest, sign1 = cbor.decode(fields[2])
    inner = cbor.decode(sign1)
    inner.value[1] = {4: b"key"}
    fields[2] = cbor.encode([digest, cbor.encode(inner)])


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.pop(2),
        lambda fields: fields.pop(3),
        lambda fields: fields.update({23: b"text"}),
        lambda fields: fields.update({"#other": fields.pop("#patch")}),
        lambda fields: fields.update({3: "text"}),
        _second_signature,
        _key_id_in_the_clear,
    ],
)
def test_an_envelope_of_another_shape_is_malformed(change):
    with pytest.raises(DeviceRefused) as refusal:
        open_envelope(_rebuilt(change))

    assert refusal.value.what == STATUS_TEXT[Status.MALFORMED]


def test_a_signature_by_another_algorithm_is_unsupported():
    tagged = cbor.decode(samples.install())
    digest, sign1 = cbor.decode(tagged.value[2])
    inner = cbor.decode(sign1)
    inner.value[0] = cbor.encode({1: -8})
    tagged.value[2] = cbor.encode([digest, cbor.encode(inner)])

    with pytest.raises(DeviceRefused) as refusal:
        open_envelope(cbor.encode(tagged))

    assert refusal.value.what == STATUS_TEXT[Status.UNSUPPORTED]


def test_a_built_patch_is_sealed_into_install_and_undo():
    assert seal_patch(samples.PATCH, samples.BOARD.class_id, samples.KEY) == (
        samples.install(),
        samples.undo(),
    )


def test_an_envelope_rebuilt_without_change_is_accepted():
    assert _rebuilt(lambda fields: None) == samples.install()


def test_an_undo_that_brings_a_payload_is_malformed():
    tagged = cbor.decode(samples.undo())
    tagged.value["#patch"] = b"stowaway"

    with pytest.raises(DeviceRefused) as refusal:
        open_envelope(cbor.encode(tagged)).checked_manifest()

    assert refusal.value.what == STATUS_TEXT[Status.MALFORMED]


@pytest.mark.skipif(not EXAMPLES, reason="the draft's 13 example envelopes are not beside this checkout")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_our_digest_is_the_one_of_the_draft(path):
    fields = cbor2.loads(path.read_bytes()).value
    claimed = cbor2.loads(cbor2.loads(fields[2])[0])[1]

    assert manifest_digest(fields[3]) == claimed
    assert hashlib.sha256(fields[3]).digest() != claimed


@pytest.mark.skipif(not SIGNED, reason="the draft's signed examples are not beside this checkout")
@pytest.mark.parametrize("path", SIGNED, ids=lambda path: path.name)
def test_our_signed_bytes_are_those_of_the_draft(path):
    """The draft signs with ES256: all but the algorithm's name in the protected header must be ours."""
    digest, sign1 = _cose_blocks(path.read_bytes())
    key = COSEKey.from_pem((DRAFT / "draft_es256_public.pem").read_bytes(), alg="ES256")
    COSE.new().decode(sign1, key, detached_payload=digest)

    ours = cbor2.loads(to_be_signed(cbor2.loads(digest)[1]))

    assert ours == ["Signature1", cbor2.dumps({1: -19}), b"", digest]


@pytest.mark.skipif(not EXAMPLES, reason="the draft's 13 example envelopes are not beside this checkout")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_containers_that_are_not_ours_are_refused(path):
    with pytest.raises(InputError):
        open_envelope(path.read_bytes())
