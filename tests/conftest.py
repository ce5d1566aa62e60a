"""Names the tools that nothing in this repository pins, in every report: results may depend on them."""

import shutil
import subprocess

TOOLS = ("qemu-system-arm", "arm-none-eabi-gcc", "clang", "cc")


def pytest_report_header():
    lines = []
    for tool in TOOLS:
        if shutil.which(tool) is None:
            lines.append(f"{tool}: absent")
            continue
        said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
        lines.append(f"{tool}: {said.splitlines()[0]}")
    return lines
