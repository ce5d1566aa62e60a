"""The runtime's flash, RAM and C stack on each core are within their budgets; one byte less is refused."""

from dataclasses import replace

import pytest

pytest.importorskip("unicorn", reason="the C stack is measured on emulated cores, with the sim extra")

import footprint
from footprint import BUDGETS, CORES, measure, report, table

from tests.isa_vectors import vectors
from tests.thumb_engine import build

pytestmark = pytest.mark.xdist_group("footprint")  # measured once
ENFORCED = [budget for budget in BUDGETS if budget.enforced]
CALLED_BYTES_MAX = 16  # what the call graph does not know: mem*, gcc's arithmetic


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    if not footprint.monocypher().exists():
        pytest.skip("Monocypher's source is not in the cache: python tools/deps.py fetches it")
    folder = tmp_path_factory.mktemp("footprint")
    return {core: measure(core, folder) for core in CORES}


def test_text_record_and_stack_have_the_budgets_of_the_design():
    assert {budget.name: (budget.most, budget.cores) for budget in ENFORCED} == {
        "engine and check": (7168, ("cortex-m4",)),
        "C stack of a run": (256, CORES),
        "RAM: one run's record": (300, CORES),
    }


@pytest.mark.parametrize("core", CORES)
def test_each_core_is_within_its_budgets(core, measured):
    assert [line for budget in ENFORCED for line in budget.over([measured[core]])] == []


def test_the_command_ends_with_0_and_its_table_has_each_budget_and_its_end(measured, capsys):
    assert report(list(measured.values())) == 0

    rows = {line[:22].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert rows["engine and check"].endswith("7168 on cortex-m4, met")
    assert rows["C stack of a run"].endswith("256, met")
    assert rows["RAM: one run's record"].endswith("300, met")


@pytest.mark.parametrize("budget", ENFORCED, ids=lambda budget: budget.name)
def test_a_budget_that_is_exceeded_ends_the_command_with_1(budget, measured, capsys):
    footprints = list(measured.values())
    takes = max(budget.value(f) for f in footprints if f.core in budget.cores)
    met, exceeded = replace(budget, most=takes), replace(budget, most=takes - 1)

    assert (report(footprints, [met]), report(footprints, [exceeded])) == (0, 1)
    assert f"{budget.name} takes {takes} bytes on " in capsys.readouterr().out


def test_a_target_that_is_missed_is_said_and_one_that_is_met_too(measured):
    footprints = list(measured.values())
    (target,) = set(BUDGETS) - set(ENFORCED)
    takes = measured["cortex-m4"].trust_path_bytes

    assert table(footprints, [replace(target, most=takes)]).count(f"{takes} on cortex-m4, met") == 1
    assert (
        table(footprints, [replace(target, most=takes - 1)]).count(f"{takes - 1} on cortex-m4, missed") == 1
    )


@pytest.mark.parametrize("core", CORES)
def test_the_c_stack_of_runs_as_shipped_is_within_what_the_call_graph_says(core, measured, tmp_path):
    engine = build(core, tmp_path)
    for vector in vectors():
        if vector.status == 0:
            engine.run(vector.code, vector.space(), fuel=vector.fuel, frame_bytes=vector.frame_bytes)

    most = measured[core].stack_bytes
    assert 0 < engine.stack_bytes <= most + CALLED_BYTES_MAX <= 256
