"""Every vector on QEMU's M3, M4 and M33 boards, at four alignments: no access that a core refuses."""

from __future__ import annotations

import shutil

import pytest

from tests.isa_vectors import vectors
from tests.planting import changed_file
from tests.qemu_engine import MACHINES, Emulated, build_image, run_image, version
from tests.runtime.test_planted_bugs import BOARD_BUGS

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None, reason="no qemu-system-arm: ./tools/dev doctor"
)
OLDEST_TESTED = (7, 2, 0)  # Debian 12's
RUNNABLE = [vector for vector in vectors() if vector.status == 0 and vector.fuel < 10_000]


@pytest.mark.parametrize("emulated", MACHINES, ids=lambda emulated: emulated.machine)
def test_every_vector_passes_at_every_alignment(emulated: Emulated, tmp_path):
    said = run_image(emulated, build_image(emulated, RUNNABLE, tmp_path))

    assert len(RUNNABLE) > 250
    assert said == "all passed\n"


@pytest.mark.parametrize("emulated", MACHINES, ids=lambda emulated: emulated.machine)
def test_an_access_that_a_real_core_refuses_is_refused_here_too(emulated: Emulated, tmp_path):
    bug = next(bug for bug in BOARD_BUGS if "LDRD" in bug.name)
    image = build_image(emulated, RUNNABLE, tmp_path, changed_file(bug, tmp_path))

    assert run_image(emulated, image) == "the core took a fault\n"


def test_qemu_is_no_older_than_the_one_these_answers_came_from():
    assert version() >= OLDEST_TESTED
