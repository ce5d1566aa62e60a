"""Stop 6 of 12. `patchctl keys`: make a signing key, and the key page that makes a board trust it.

Takes file names; gives key files that are never overwritten. Next: patchctl/package/keypage.py
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from patchctl.board import load_board
from patchctl.cli.options import ArchiveFolder, BoardName, archive_of, reporter_of
from patchctl.contract import MAC_KEY_BYTES
from patchctl.package import keypage
from patchctl.package.signing import SigningKey, load_public_key, save_new_key, write_new

app = typer.Typer(help="Signing keys and the keys a board trusts.")


@app.command()
def new(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The private key's file; the public one lies beside it.")],
    archive: ArchiveFolder = None,
) -> None:
    """Make an Ed25519 signing key, readable by you alone."""
    reporter = reporter_of(context)
    key = SigningKey.generate()
    public = save_new_key(key, file)
    archive_of(archive).keep_key(key.public)
    fingerprint = key.public.fingerprint.hex()
    reporter.event("key", private=str(file), public=str(public), fingerprint=fingerprint)
    reporter.say(f"{file}: new signing key {fingerprint}; boards get {public}")


@app.command()
def provision(
    context: typer.Context,
    board: BoardName,
    key: Annotated[
        list[Path], typer.Option("--key", metavar="FILE", help="A public key to trust; up to eight.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="Intel HEX if it ends in .hex, else plain bytes."),
    ],
    archive: ArchiveFolder = None,
) -> None:
    """Make a board's key page: the public keys it trusts, and a new secret key of its own."""
    reporter = reporter_of(context)
    facts = load_board(board)
    public = tuple(load_public_key(path) for path in key)
    page = keypage.encode(keypage.Keys(public, secrets.token_bytes(MAC_KEY_BYTES)))
    data = keypage.to_hex(page, facts.keys.address).encode() if out.suffix == ".hex" else page
    write_new(out, data, 0o600)
    for each in public:
        archive_of(archive).keep_key(each)
    prints = [each.fingerprint.hex() for each in public]
    reporter.event("key_page", file=str(out), board=board, address=facts.keys.address, keys=prints)
    reporter.say(
        f"{out}: key page for {board} at 0x{facts.keys.address:08x}, trusting {', '.join(prints)};"
        " one board each: it holds a secret of that board"
    )
