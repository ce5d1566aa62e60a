"""The demonstration runs, and README shows what it prints."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def plain(text: str) -> list[str]:
    """Lines without what differs from build to build: addresses and pseudo-terminals."""
    text = re.sub(r"0x[0-9a-f]{8}", "ADDRESS", re.sub(r"/dev/pts/\d+", "PORT", text))
    return [line for line in text.splitlines() if line]


def test_demo_repairs_the_board_and_readme_shows_it(firmware):
    shown = re.search(r"demo: begin -->\n```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S)

    run = subprocess.run(
        [sys.executable, "tools/demo.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    printed = iter(plain(run.stdout))
    missing = [line for line in plain(shown.group(1)) if line not in printed]
    assert missing == []
