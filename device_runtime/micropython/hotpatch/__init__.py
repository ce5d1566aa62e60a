"""Stop 12 of 12. What a script on the board may know and decide about patches.

Takes nothing from outside: patches arrive, are checked and armed without Python. Gives the list of patches,
the runtime's counters, and the one decision left to policy: whether a patch on trial is kept.

    import hotpatch
    for patch in hotpatch.patches():
        if patch.state == "trial" and healthy():
            hotpatch.confirm(patch.id)

Next: whoever imports it
"""

from collections import namedtuple

import _hotpatch

Patch = namedtuple("Patch", ("id", "sequence", "state", "hits", "safe_verdicts", "last_fault", "armed"))


class Refused(Exception):
    """The runtime did not do it. The argument is the status code of the contract, a negative number."""


def _each(read):
    index = 0
    while (row := read(index)) is not None:
        yield row
        index += 1


def patches():
    """Every patch the store knows, as a list of Patch."""
    return [Patch(*row) for row in _each(_hotpatch.patch)]


def counters():
    """The runtime's counters since reset, by name."""
    return dict(_each(_hotpatch.counter))


def confirm(patch_id):
    """Keep a patch that is on trial: armed after a reset too. KeyError if there is no such patch."""
    status = _hotpatch.confirm(patch_id)
    if status == _hotpatch.NOT_FOUND:
        raise KeyError(patch_id)
    if status:
        raise Refused(status)


def build_id():
    """The build-id of this firmware, as bytes."""
    return _hotpatch.build_id()
