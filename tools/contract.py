"""Turn device_runtime/spec/*.toml into the contract both ends are built from.

Takes the tables; gives `host/patchctl/contract.py`, `device_runtime/include/hotpatch/contract.h` and the
tables of `device_runtime/spec/SPEC.md`. `--check` writes nothing and fails where a committed copy differs.
Standard library only, so that a bare checkout can run it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "device_runtime" / "spec"
PYTHON = ROOT / "host" / "patchctl" / "contract.py"
HEADER = ROOT / "device_runtime" / "include" / "hotpatch" / "contract.h"
DOCUMENT = SPEC / "SPEC.md"
TABLES = ("isa", "protocol", "container", "store")
ENUMS = "verdict fault helper trigger patch_state reply_key identity_key patch_key counter suit".split()
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
STRUCT_CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q"}

Tables = dict[str, Any]
Field = tuple[str, str, str]


def load() -> Tables:
    """All tables as one dictionary: a list per kind of row, one dictionary of constants, the level."""
    merged: Tables = {"constants": {}, "struct": []}
    for name in TABLES:
        for key, value in tomllib.loads((SPEC / f"{name}.toml").read_text()).items():
            if key == "constants":
                merged["constants"] |= value
            elif key == "struct":
                merged["struct"] += value
            else:
                merged[key] = value
    reject_duplicates(merged)
    return merged


def reject_duplicates(tables: Tables) -> None:
    """Names and codes are unique within each table."""
    for kind in ("op", "status", "resource", *ENUMS):
        for column in ("name", "code"):
            values = [row[column] for row in tables[kind] if column in row]
            if kind != "suit" and len(set(values)) != len(values):
                raise SystemExit(f"spec: two rows of [[{kind}]] share a {column}")


def contract_id(tables: Tables) -> str:
    """Eight hex digits that name this contract: SHA-256 over the tables, cut to four bytes."""
    canonical = json.dumps(tables, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def field_bytes(kind: str) -> int:
    """Size of one field of a struct table."""
    return int(kind[5:]) if kind.startswith("bytes") else int(kind[1:]) // 8


def field_format(kind: str) -> str:
    """The struct module's letter for one field."""
    return f"{kind[5:]}s" if kind.startswith("bytes") else STRUCT_CODES[kind]


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


# --------------------------------------------------------------------------------- Python

PYTHON_HEAD = '''"""Stops 3 to 9 of 12. The contract: every number both ends must agree on. GENERATED.

Takes nothing; gives enumerations, instruction facts and record layouts. Made by tools/contract.py from
device_runtime/spec/*.toml; change those. The same tables make device_runtime/include/hotpatch/contract.h.
"""

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar, Self
'''

PYTHON_RECORD = '''
@dataclass(frozen=True, slots=True)
class Record:
    """A fixed layout of little-endian fields."""

    FORMAT: ClassVar[str] = "<"
    BYTES: ClassVar[int] = 0

    def pack(self) -> bytes:
        """The record's BYTES bytes."""
        return struct.pack(self.FORMAT, *astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """The record in exactly BYTES bytes; struct.error for any other length."""
        return cls(*struct.unpack(cls.FORMAT, data))


@dataclass(frozen=True, slots=True)
class OpInfo:
    """What the instruction set says of one opcode byte; limits are empty where every value is allowed."""

    form: str
    group: str
    uses: frozenset[str]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    faults: tuple[str, ...]
    offsets: tuple[int, ...] = ()
    immediates: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()
'''


def python_enum(kind: str, rows: list[Tables]) -> str:
    lines = [f"class {camel(kind)}(IntEnum):", f'    """Rows of [[{kind}]]."""', ""]
    lines += [f"    {row['name'].upper()} = {row['code']}" for row in rows]
    return "\n".join(lines) + "\n"


def python_mapping(name: str, kind: str, rows: list[Tables], column: str) -> str:
    pairs = [f'    {camel(kind)}.{row["name"].upper()}: "{row[column]}",' for row in rows]
    return "\n".join([f"{name}: dict[{camel(kind)}, str] = {{", *pairs, "}\n"])


def python_op(row: Tables) -> str:
    uses = ", ".join(f'"{use}"' for use in row["uses"])
    parts = [
        f'form="{row["form"]}"',
        f'group="{row["group"]}"',
        f"uses=frozenset({{{uses}}})" if uses else "uses=frozenset()",
        *(f"{key}={python_tuple(row[key])}" for key in ("reads", "writes", "faults")),
    ]
    limits = (("offsets", "offsets"), ("imms", "immediates"), ("srcs", "sources"))
    parts += [f"{name}={python_tuple(row[key])}" for key, name in limits if key in row]
    inner = "".join(f"        {part},\n" for part in parts)
    return f"    Op.{row['name'].upper()}: OpInfo(\n{inner}    ),\n"


def python_tuple(values: Iterable[Any]) -> str:
    items = [f'"{value}"' if isinstance(value, str) else str(value) for value in values]
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def python_struct(row: Tables) -> str:
    fields: list[Field] = row["fields"]
    layout = "<" + "".join(field_format(kind) for _, kind, _ in fields)
    size = sum(field_bytes(kind) for _, kind, _ in fields)
    lines = [
        "@dataclass(frozen=True, slots=True)",
        f"class {camel(row['name'])}(Record):",
        f'    """{row["about"][0].upper()}{row["about"][1:]}."""',
        "",
        f'    FORMAT: ClassVar[str] = "{layout}"',
        f"    BYTES: ClassVar[int] = {size}",
        *(f"    {name}: {'bytes' if kind.startswith('bytes') else 'int'}" for name, kind, _ in fields),
    ]
    return "\n".join(lines) + "\n"


def python_text(tables: Tables) -> str:
    constants = [
        f"{name.upper()} = {json.dumps(value) if isinstance(value, str) else value}"
        for name, value in tables["constants"].items()
    ]
    resources = [f'RESOURCE_{row["name"].upper()} = "{row["path"]}"' for row in tables["resource"]]
    head = [
        f"LEVEL = {tables['level']}",
        f'CONTRACT_ID = bytes.fromhex("{contract_id(tables)}")',
        *constants,
        *resources,
    ]
    blocks = [
        PYTHON_HEAD + "\n" + "\n".join(head) + "\n",
        PYTHON_RECORD,
        "\n" + python_enum("status", tables["status"]),
        *("\n" + python_enum(kind, tables[kind]) for kind in ENUMS),
        "\n" + python_enum("op", tables["op"]),
        "\n" + python_mapping("STATUS_TEXT", "status", tables["status"], "text"),
        python_mapping("STATUS_KIND", "status", tables["status"], "kind"),
        python_mapping("COUNTER_TEXT", "counter", tables["counter"], "about"),
        "OPCODES: dict[Op, OpInfo] = {\n" + "".join(map(python_op, tables["op"])) + "}\n",
        *("\n" + python_struct(row) for row in tables["struct"]),
    ]
    return "\n".join(blocks)


# --------------------------------------------------------------------------------- C


def c_number(value: int) -> str:
    return f"0x{value:x}U" if value > 0xFFFF else f"{value}U"


def c_enum(kind: str, prefix: str, rows: list[Tables], note: str) -> str:
    width = max(len(f"{prefix}{row['name'].upper()}") for row in rows)
    body = [f"    {prefix + row['name'].upper():<{width}} = {row['code']}, ///< {row[note]}" for row in rows]
    return "\n".join([f"typedef enum hp_{kind}_t {{", *body, f"}} hp_{kind}_t;\n"])


def c_list(macro: str, rows: list[Tables], entry: Callable[[Tables], str]) -> str:
    lines = [f"#define {macro}(X) \\", *(f"    {entry(row)} \\" for row in rows)]
    return "\n".join(lines)[:-2] + "\n"


def c_status_entry(row: Tables) -> str:
    klass, _, detail = row["coap"].partition(".")
    return f"X({row['name']}, HP_STATUS_{row['name'].upper()}, {(int(klass) << 5) | int(detail)}U)"


def c_names(kind: str, rows: list[Tables]) -> str:
    prefix = f"HP_{kind.upper()}"
    return c_list(f"{prefix}S", rows, lambda row: f"X({row['name']}, {prefix}_{row['name'].upper()})")


def c_struct(row: Tables) -> str:
    prefix, offset, lines = f"HP_{row['name'].upper()}", 0, [f"// {row['about']}"]
    for name, kind, _ in row["fields"]:
        lines.append(f"#define {prefix}_{name.upper()} {offset}U // {kind}")
        offset += field_bytes(kind)
    return "\n".join([*lines, f"#define {prefix}_BYTES {offset}U\n"])


def c_text(tables: Tables) -> str:
    ident = contract_id(tables)
    octets = ", ".join(f"0x{ident[i : i + 2]}U" for i in range(0, 8, 2))
    constants = [
        f"#define HP_{name.upper()} {json.dumps(value) if isinstance(value, str) else c_number(value)}"
        for name, value in tables["constants"].items()
    ]
    resources = [f'#define HP_RESOURCE_{r["name"].upper()} "{r["path"]}"' for r in tables["resource"]]
    counters = max(row["code"] for row in tables["counter"]) + 1
    blocks = [
        "/// The contract: every number both ends agree on. GENERATED by tools/contract.py from\n"
        "/// device_runtime/spec/*.toml; change those.\n// clang-format off\n#ifndef HOTPATCH_CONTRACT_H\n"
        "#define HOTPATCH_CONTRACT_H\n",
        "\n".join(
            [
                f"#define HP_LEVEL {tables['level']}U",
                f"#define HP_CONTRACT_ID {{{octets}}}",
                f"#define HP_COUNTER_COUNT {counters}U",
                *constants,
                *resources,
            ]
        )
        + "\n",
        c_enum("status", "HP_STATUS_", tables["status"], "text"),
        "// X(name, enumerator, CoAP response code)\n"
        + c_list("HP_STATUSES", tables["status"], c_status_entry),
        *(c_enum(kind, f"HP_{kind.upper()}_", tables[kind], "about") for kind in ENUMS),
        "// X(name, enumerator)",
        *(c_names(kind, tables[kind]) for kind in ("counter", "patch_state", "fault")),
        c_enum("op", "HP_OP_", tables["op"], "form"),
        "// X(name, enumerator)\n"
        + c_list("HP_OPCODES", tables["op"], lambda r: f"X({r['name']}, HP_OP_{r['name'].upper()})"),
        *map(c_struct, tables["struct"]),
        "#endif\n",
    ]
    return "\n".join(blocks)


# --------------------------------------------------------------------------------- SPEC.md


def markdown_rows(title: str, rows: list[Tables], columns: tuple[str, ...]) -> str:
    head = [f"### {title}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*head, *("| " + " | ".join(markdown_cell(r, c) for c in columns) + " |" for r in rows)])


def markdown_cell(row: Tables, column: str) -> str:
    return str(row.get(column, "")).replace("|", "\\|")


def struct_rows(row: Tables) -> str:
    offset, rows = 0, []
    for name, kind, about in row["fields"]:
        rows.append({"offset": offset, "field": name, "kind": kind, "meaning": about})
        offset += field_bytes(kind)
    title = f"`{row['name']}`, {offset} bytes: {row['about']}"
    return markdown_rows(title, rows, ("offset", "field", "kind", "meaning"))


def spec_tables(tables: Tables) -> str:
    constants = [{"name": k, "value": v} for k, v in tables["constants"].items()]
    ops = [row | {"code": f"0x{row['code']:02x}"} for row in tables["op"]]
    parts = [
        f"Contract level {tables['level']}, contract id `{contract_id(tables)}`.",
        markdown_rows("Constants", constants, ("name", "value")),
        *map(struct_rows, tables["struct"]),
        markdown_rows("Statuses", tables["status"], ("code", "name", "coap", "text")),
        markdown_rows("Resources", tables["resource"], ("path", "methods", "about")),
        *(markdown_rows(camel(k), tables[k], ("code", "name", "about")) for k in ENUMS),
        markdown_rows("Instructions", ops, ("code", "name", "group", "form")),
    ]
    return "\n\n".join(parts)


def spec_text(tables: Tables) -> str:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{spec_tables(tables)}\n\n{END}{after}"


def outputs() -> dict[Path, str]:
    """Every generated file and the text it must have."""
    tables = load()
    return {PYTHON: python_text(tables), HEADER: c_text(tables), DOCUMENT: spec_text(tables)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a copy differs")
    arguments = parser.parse_args()
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text() != text]
    if arguments.check:
        for path in stale:
            print(f"{path.relative_to(ROOT)}: differs from the tables; run ./tools/dev fix", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(outputs()[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
