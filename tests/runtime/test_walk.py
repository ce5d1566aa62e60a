"""Stops 8 to 12 of 12. The thread through the core: a container comes in, is kept, armed and run."""

from patchctl.contract import Counter, PatchKey, PatchState, Status, Verdict

from tests.runtime import containers, exchange


def test_an_install_pushed_by_frames_is_admitted_kept_armed_and_run():
    device = containers.device()
    built = containers.patch(containers.exit_with(Verdict.RETURN, 42))

    status = exchange.push(device, containers.install(built=built))
    frame = device.frame(containers.SITE, r0=7)
    device.fire(containers.SITE, frame)

    assert status == Status.OK
    assert device.patches()["sample"].state == PatchState.TRIAL
    assert (frame.r0_r3[0], frame.pc) == (42, frame.lr)
    assert device.counter(Counter.HITS) == 1


def test_the_displaced_copy_is_where_a_hit_goes_on():
    device = containers.device()
    exchange.push(device, containers.install())

    address, resume = next(iter(device.armed.values()))
    copy = device.flash.read(resume & ~1, 12)

    assert address == containers.SITE
    assert (resume & 1, copy) == (1, containers.copy_of(containers.SITE, containers.PUSH))


def test_the_patch_list_tells_what_was_pushed():
    device = containers.device()
    exchange.push(device, containers.install())

    (listed,) = exchange.get(device, "hp/patches")

    assert listed[PatchKey.ID] == "sample"
    assert listed[PatchKey.SITES] == [containers.SITE]
    assert listed[PatchKey.ARMED] is True
