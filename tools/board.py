"""Turn boards/<name>.toml into what a firmware build needs: memory.ld, board_config.h and board.mk.

Takes a board name and a folder; writes three files there, only where their text changed, so that make
rebuilds no more than it must.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "host"))

from patchctl.board import VENDOR_ID, Board, load_board


def memory_script(board: Board) -> str:
    """The MEMORY block that boards/cortex_m.ld includes."""
    flash, ram = board.flash, board.ram
    return (
        f"/* {board.name}: made by tools/board.py */\n"
        "MEMORY\n{\n"
        f"    FLASH (rx)  : ORIGIN = 0x{flash.address:08x}, LENGTH = 0x{board.firmware_bytes_max:x}\n"
        f"    RAM   (rwx) : ORIGIN = 0x{ram.address:08x}, LENGTH = 0x{ram.bytes:x}\n"
        "}\n"
    )


def octets(data: bytes) -> str:
    return "{" + ", ".join(f"0x{byte:02x}U" for byte in data) + "}"


def number(value: int) -> str:
    """An unsigned C literal of eight hex digits."""
    return f"0x{value:08x}U"


def facts(board: Board) -> dict[str, str]:
    """Macro name to C text."""
    device = board.chip.device_named(board.link.device)
    fpb = board.chip.fpb
    readable = ", ".join(f"{{{number(a)}, {number(n)}}}" for a, n in board.readable)
    addresses = {f"HP_BOARD_{spec.name.upper()}_ADDRESS": number(spec.address) for spec in board.chip.device}
    models = {f"HP_BOARD_HAS_{spec.model.upper()}": "1" for spec in board.chip.device}
    return {
        "HP_BOARD_NAME": f'"{board.name}"',
        "HP_BOARD_CLASS_ID": octets(board.class_id),
        "HP_BOARD_VENDOR_ID": octets(VENDOR_ID.bytes),
        "HP_BOARD_CLOCK_HZ": f"{board.chip.clock_hz}U",
        "HP_BOARD_PRIORITY_BITS": f"{board.chip.priority_bits}U",
        "HP_BOARD_INTERRUPTS": f"{board.chip.interrupts}U",
        "HP_BOARD_BAUD": f"{board.link.baud}U",
        "HP_BOARD_SERIAL_ADDRESS": number(device.address),
        "HP_BOARD_SERIAL_IRQ": f"{device.irq}",
        **({"HP_BOARD_TRANSMIT_IRQ": f"{device.transmit_irq}"} if device.transmit_irq >= 0 else {}),
        "HP_BOARD_MANAGEMENT_IRQ": f"{board.interrupts.management}",
        "HP_BOARD_FPB_VERSION": f"{fpb.version if fpb else 0}U",
        "HP_BOARD_COMPARATORS": f"{fpb.code_comparators if fpb else 0}",
        "HP_BOARD_TRANSMIT_PIN": f"{board.link.transmit_pin}U",
        "HP_BOARD_RECEIVE_PIN": f"{board.link.receive_pin}U",
        "HP_BOARD_PIN_FUNCTION": f"{max(board.link.pin_function, 0)}U",
        "HP_BOARD_FLASH_ADDRESS": number(board.flash.address),
        "HP_BOARD_FLASH_BYTES": number(board.flash.bytes),
        "HP_BOARD_FLASH_BANKS": f"{board.flash.banks}U",
        "HP_BOARD_RAM_ADDRESS": number(board.ram.address),
        "HP_BOARD_RAM_BYTES": number(board.ram.bytes),
        "HP_BOARD_PAGE_BYTES": number(board.flash.page_bytes),
        "HP_BOARD_JOURNAL_ADDRESS": number(board.journal_address),
        "HP_BOARD_JOURNAL_BYTES": number(board.journal_bytes),
        "HP_BOARD_STAGE_ADDRESS": number(board.stage_address),
        "HP_BOARD_STAGE_BYTES": number(board.stage_bytes),
        "HP_BOARD_SLOTS_ADDRESS": number(board.slots_address),
        "HP_BOARD_SLOT_BYTES": number(board.slot_bytes),
        "HP_BOARD_SLOT_COUNT": f"{board.store.slot_count}U",
        "HP_BOARD_KEY_PAGE_ADDRESS": number(board.keys.address),
        "HP_BOARD_ARENA_BYTES": f"{board.limits.arena_bytes}U",
        "HP_BOARD_VARIABLE_BYTES": f"{board.limits.variable_bytes}U",
        "HP_BOARD_INVOCATIONS": f"{board.limits.invocations}U",
        "HP_BOARD_PROGRAM_COUNT_MAX": f"{board.limits.program_count_max}U",
        "HP_BOARD_READABLE": f"{{{readable}}}",
        "HP_BOARD_READABLE_COUNT": f"{len(board.readable)}U",
        **addresses,
        **models,
    }


def config_header(board: Board) -> str:
    """board_config.h: the board's facts as macros."""
    lines = [f"#define {name} {value}" for name, value in facts(board).items()]
    guard = "HOTPATCH_BOARD_CONFIG_H"
    head = [f"/// {board.about}. Made by tools/board.py.", f"#ifndef {guard}", f"#define {guard}"]
    return "\n".join([*head, *lines, "#endif", ""])


def make_variables(board: Board) -> str:
    """board.mk: what the Makefile chooses compilers' options and folders by."""
    fpb = board.chip.fpb
    return (
        f"BOARD_CORE := {board.chip.core}\nBOARD_PORT := {board.port}\n"
        f"BOARD_COMPARATORS := {fpb.code_comparators if fpb else 0}\n"
    )


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: tools/board.py BOARD FOLDER", file=sys.stderr)
        return 2
    board, folder = load_board(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "memory.ld": memory_script(board),
        "board_config.h": config_header(board),
        "board.mk": make_variables(board),
    }
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
