"""patch.toml: what a good one says, and that each mistake is told with the way out of it."""

import pytest
from patchctl.contract import Verdict
from patchctl.description import SymbolArgument, TextArgument, load_description
from patchctl.errors import ConfigError

GOOD = """
id       = "fix-it"
sequence = 3
about    = "an example"
redirects = ["first", "second"]
[site]
function = "broken"
verdicts = ["pass", "redirect"]
writable = ["r0", "lr"]
[safe]
verdict   = "redirect"
redirect  = "second"
arguments = ["&thing", "text", 7]
"""


def described(folder, text):
    (folder / "patch.toml").write_text(text)
    return load_description(folder)


def test_description_holds_what_the_file_says(tmp_path):
    patch = described(tmp_path, GOOD)

    assert (patch.id, patch.sequence, patch.fuel) == ("fix-it", 3, None)
    assert patch.site.verdicts == {Verdict.PASS, Verdict.REDIRECT}
    assert patch.site.writable_registers == 1 | 1 << 14
    assert patch.safe.redirect == "second"
    assert patch.safe.arguments == (SymbolArgument("thing"), TextArgument("text"), 7)


def test_metered_site_with_fuel_is_accepted(tmp_path):
    text = GOOD.replace("[site]", "[site]\nmetered = true").replace("sequence = 3", "sequence = 3\nfuel = 90")

    patch = described(tmp_path, text)

    assert (patch.site.metered, patch.fuel) == (True, 90)


def test_header_numbers_the_redirects(tmp_path):
    assert described(tmp_path, GOOD).header() == "#define HP_TO_first 0u\n#define HP_TO_second 1u\n"


def test_proofs_are_files_of_the_folder(tmp_path):
    (tmp_path / "attack.py").write_text("")
    (tmp_path / "benign").mkdir()
    for name in ("b.py", "a.py"):
        (tmp_path / "benign" / name).write_text("")

    proof = described(tmp_path, GOOD + '[proof]\nattack = "attack.py"\nbenign = ["benign/*.py"]\n').proof

    assert proof.attack == tmp_path / "attack.py"
    assert [path.name for path in proof.benign] == ["a.py", "b.py"]


@pytest.mark.parametrize(
    ("old", "new", "what", "hint"),
    [
        ("sequence = 3", "sequense = 3", "key 'sequence' is missing", "is 'sequense' meant to be it?"),
        ("about ", "fule = 1\nabout ", "unknown key 'fule'", "did you mean 'fuel'?"),
        ('id       = "fix-it"', 'id = "Fix It"', "'Fix It' is no patch id", "1 to 32 of a-z"),
        ("sequence = 3", "sequence = 0", "'sequence' is a number from 1 to", ""),
        ("sequence = 3", "sequence = true", "'sequence' is a number from 1 to", ""),
        (
            '["pass", "redirect"]',
            '["pass", "redirct"]',
            "'redirct' is no verdict",
            "did you mean 'redirect'?",
        ),
        ('["pass", "redirect"]', '["skip"]', "'skip' is no verdict", ""),
        ('["pass", "redirect"]', "[]", "no verdict is legal at the site", ""),
        ('["r0", "lr"]', '["r0", "pc"]', "'pc' is no writable register", ""),
        ('redirect  = "second"', 'redirect  = "third"', "goes to 'third', which is no redirect", ""),
        ('["first", "second"]', '["second", "second"]', "redirect 'second' is named twice", ""),
        ('verdict   = "redirect"', 'verdict = "change"', "'change' is no safe verdict", ""),
        ('["&thing", "text", 7]', "[1, 2, 3, 4, 5]", "'arguments' is a list of up to 4", ""),
        ('["&thing", "text", 7]', "[-1]", "argument -1 is neither", ""),
        ('function = "broken"', 'function = ""', "'function' is a text that is not empty", ""),
        ("[site]", "[[site]]", "'site' is a table", ""),
        ("sequence = 3", "sequence = ", "Invalid value", ""),
        ("[site]", "[site]\nmetered = true", "a metered site needs 'fuel'", "how many instructions"),
        ("[site]", "[site]\nmetered = 1", "'metered' is true or false", ""),
    ],
)
def test_mistake_is_told_with_a_hint(tmp_path, old, new, what, hint):
    described(tmp_path, GOOD)
    with pytest.raises(ConfigError) as refusal:
        described(tmp_path, GOOD.replace(old, new, 1))

    assert what in refusal.value.what
    assert hint in refusal.value.hint
    assert "patch.toml" in refusal.value.where


def test_keys_of_another_safe_verdict_are_unknown(tmp_path):
    with pytest.raises(ConfigError) as refusal:
        described(tmp_path, GOOD.replace('verdict   = "redirect"', 'verdict = "pass"'))

    assert refusal.value.what == "unknown key 'redirect'"


def test_folder_without_a_description_is_refused(tmp_path):
    with pytest.raises(ConfigError) as refusal:
        load_description(tmp_path)

    assert refusal.value.what == "there is no patch.toml"


def test_attack_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ConfigError) as refusal:
        described(tmp_path, GOOD + '[proof]\nattack = "attack.py"\n')

    assert refusal.value.what == "the attack 'attack.py' does not exist"
