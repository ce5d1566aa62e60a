"""Board files: each refusal is one edit away from a good pair of files, and so is what is accepted."""

import pytest
from patchctl import board as boards
from patchctl.errors import ConfigError

CHIP = """
core = "cortex-m4f"
clock_hz = 64_000_000
cycles_per_instruction = [3, 2]
interrupts = 48
priority_bits = 3

[fpb]
version = 1
code_comparators = 6
masked_match = "hardfault"

[[region]]
name = "flash"
address = 0x0800_0000
bytes = 0x1_0000
access = "rx"
page_bytes = 4096
alias = 0

[[region]]
name = "ram"
address = 0x2000_0000
bytes = 0x1_0000
access = "rwx"

[[device]]
name = "uart0"
model = "nrf_uart"
address = 0x4000_2000
bytes = 0x1000
irq = 2

[[device]]
name = "nvmc"
model = "nrf_nvmc"
address = 0x4000_3000
bytes = 0x1000
"""

BOARD = """
about = "A board whose store ends where its key page begins, in the last page of flash"
chip = "part"
port = "nrf52"

[link]
device = "uart0"
baud = 115_200
transmit_pin = 6
receive_pin = 8
pin_function = -1

[interrupts]
management = 47

[store]
address = 0x0800_4000
journal_pages = 1
stage_pages = 4
slot_count = 5
slot_pages = 1

[keys]
address = 0x0800_F000

[limits]
arena_bytes = 2048
variable_bytes = 256
invocations = 4
program_count_max = 512
"""

README = "see boards/README.md"
SAME = None  # the good files themselves are the twin

# What is replaced, by what that is refused, with which words and hint, and by what that is accepted.
WRONG = [
    ("part", "prat", "unknown chip 'prat'", "did you mean 'part'?", SAME),
    ("port =", "prot =", "unknown key 'prot'", "did you mean 'port'?", SAME),
    ("baud =", "buad =", "unknown key 'buad'", "did you mean 'baud'?", SAME),
    ("management =", "managment =", "unknown key 'managment'", "did you mean 'management'?", SAME),
    ("stage_pages =", "stage_page =", "unknown key 'stage_page'", "did you mean 'stage_pages'?", SAME),
    ("[keys]\naddress", "[keys]\nadress", "unknown key 'adress'", "did you mean 'address'?", SAME),
    ("invocations =", "invocation =", "unknown key 'invocation'", "did you mean 'invocations'?", SAME),
    ("clock_hz =", "clok_hz =", "unknown key 'clok_hz'", "did you mean 'clock_hz'?", SAME),
    ("masked_match =", "masked_math =", "unknown key 'masked_math'", "did you mean 'masked_match'?", SAME),
    ("page_bytes =", "page_byte =", "unknown key 'page_byte'", "did you mean 'page_bytes'?", SAME),
    ("model =", "modle =", "unknown key 'modle'", "did you mean 'model'?", SAME),
    ("port =", "zzz =", "unknown key 'zzz'", "known: about, chip, interrupts, keys, limits, link", SAME),
    ("baud = 115_200\n", "", "key 'baud' is missing", README, SAME),
    ("bytes = 0x1_0000\n", "", "key 'bytes' is missing", README, SAME),
    ("pin_function = -1\n", "pin_function =\n", "Invalid value", "", ""),
    ('"flash"', '"flush"', "no region 'flash'", "", SAME),
    ("0x2000_0000", "0x0800_F000", "flash and ram overlap", README, "0x0801_0000"),
    ("alias = 0", "alias = 0x1FFF_F000", "flash's alias and ram overlap", README, "alias = 0x1FFF_0000"),
    ("0x4000_3000", "0x4000_2FFC", "uart0 and nvmc overlap", README, SAME),
    ("0x4000_2000", "0x2000_F000", "ram and uart0 overlap", README, "0x2001_0000"),
    ("0x0800_4000", "0x0800_3800", "must start at a flash page", README, "0x0800_3000"),
    ("0x0800_F000", "0x0800_F800", "must start at a flash page", README, SAME),
    ("slot_count = 5", "slot_count = 7", "the store does not fit in flash", README, "slot_count = 4"),
    ("0x0800_4000", "0x07FF_F000", "the store does not fit in flash", README, "0x0800_0000"),
    ("slot_count = 5", "slot_count = 6", "outside flash or inside the store", README, SAME),
    ("0x0800_F000", "0x0800_E000", "outside flash or inside the store", README, SAME),
    ("0x0800_F000", "0x0801_0000", "outside flash or inside the store", README, SAME),
    ("management = 47", "management = 48", "the management interrupt does not exist", README, SAME),
    (
        "management = 47",
        "management = -1",
        "the management interrupt does not exist",
        README,
        "management = 0",
    ),
    ("variable_bytes = 256", "variable_bytes = 39", "less than 8 bytes", README, "variable_bytes = 40"),
    ('device = "uart0"', 'device = "uart1"', "the link's device 'uart1'", README, 'device = "nvmc"'),
]


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads the two files, with `old` replaced by `new` in the one that has it."""
    monkeypatch.setattr(boards, "boards_folder", lambda: tmp_path)
    (tmp_path / "chips").mkdir()

    def edited(old="", new="", name="good"):
        for text, path in ((BOARD, "good.toml"), (CHIP, "chips/part.toml")):
            (tmp_path / path).write_text(text.replace(old, new, 1))
        return boards.load_board.__wrapped__(name)  # past its cache

    return edited


@pytest.mark.parametrize(
    ("old", "refused", "words", "hint", "accepted"),
    WRONG,
    ids=[f"{words}: {refused!r}" for _, refused, words, _, _ in WRONG],
)
def test_a_wrong_board_file_is_refused_and_its_twin_loads(load, old, refused, words, hint, accepted):
    assert (old in BOARD) != (old in CHIP)
    with pytest.raises(ConfigError) as caught:
        load(old, refused)
    assert words in caught.value.what
    assert hint in caught.value.hint
    assert load(old, old if accepted is SAME else accepted).name == "good"


def test_an_unknown_board_is_refused_with_the_nearest_one(load):
    assert load().name == "good"
    for name, hint in (("goood", "did you mean 'good'?"), ("zzz", "known: good")):
        with pytest.raises(ConfigError, match=f"unknown board '{name}'") as caught:
            load(name=name)
        assert caught.value.hint == hint


def test_what_follows_from_the_facts_is_counted_from_them(load):
    board = load()
    assert (board.journal_address, board.journal_bytes) == (0x0800_4000, 0x1000)
    assert (board.stage_address, board.stage_bytes) == (0x0800_6000, 0x4000)
    assert (board.slots_address, board.slot_bytes) == (0x0800_A000, 0x1000)
    assert board.firmware_bytes_max == 0x4000
    assert board.slot_variable_bytes == 48  # of 256 for five slots, whole words of 8
    assert board.readable == ((0x0800_0000, 0x4000), (0x2000_0000, 0x1_0000))


@pytest.mark.parametrize("name", boards.board_names())
def test_a_real_board_keeps_every_relation_and_has_a_class_of_its_own(name):
    board = boards.load_board(name)
    assert board.name == name
    others = [boards.load_board(other) for other in boards.board_names() if other != name]
    assert board.class_id not in {other.class_id for other in others}
