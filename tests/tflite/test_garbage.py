"""What an export leaves of Python's garbage collector."""

from __future__ import annotations

import gc
import weakref

import pytest

from nobuco.garbage import only_new_garbage


class Ring:
    def __init__(self) -> None:
        self.itself = self


def test_new_rings_are_collected_and_old_ones_left_alone() -> None:
    gc.collect()  # none comes of itself now
    old = weakref.ref(Ring())
    with only_new_garbage():
        new = weakref.ref(Ring())
        gc.collect()
        assert new() is None and old() is not None
    gc.collect()
    assert old() is None and gc.get_freeze_count() == 0


def test_what_others_set_aside_stays_there() -> None:
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        with only_new_garbage():  # an object or two may go meanwhile, as nobody refers to it any more
            assert gc.get_freeze_count() > 0.99 * before
        assert gc.get_freeze_count() > 0.99 * before
    finally:
        gc.unfreeze()


def test_objects_come_back_after_an_error() -> None:
    with pytest.raises(ValueError), only_new_garbage():
        raise ValueError
    assert gc.get_freeze_count() == 0
