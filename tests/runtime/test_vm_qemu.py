"""Every vector on QEMU's M3, M4 and M33, at four alignments of its memory: no access that a core refuses."""

from __future__ import annotations

import shutil

import pytest

from tests.isa_vectors import vectors
from tests.qemu_engine import MACHINES, Emulated, build_image, run_image

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None, reason="no qemu-system-arm: ./tools/dev doctor"
)
RUNNABLE = [vector for vector in vectors() if vector.status == 0 and vector.fuel < 10_000]


@pytest.mark.parametrize("emulated", MACHINES, ids=lambda emulated: emulated.machine)
def test_every_vector_passes_at_every_alignment(emulated: Emulated, tmp_path):
    said = run_image(emulated, build_image(emulated, RUNNABLE, tmp_path))

    assert len(RUNNABLE) > 250
    assert said == "all passed\n"
