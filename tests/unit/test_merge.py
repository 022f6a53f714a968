"""Small fetches become one batch a partition."""

from __future__ import annotations

from streams.events.batch import Batch
from streams.merge import merged


def test_merging_keeps_order_and_headers():
    def part(first, headers=()):
        offsets = [first, first + 1]
        return Batch("listens", 0, offsets, offsets, [b"k"] * 2, [b"v"] * 2, headers)

    other = Batch("listens", 1, [7], [7], [None], [None])
    one, same = merged([part(0), other, part(2, [[("h", b"1")], []])])
    assert same is other
    assert list(one.offsets) == list(one.record_times_ms) == [0, 1, 2, 3]
    assert [list(pairs) for pairs in one.headers] == [[], [], [("h", b"1")], []]


def test_merging_keeps_why_a_record_could_not_be_read():
    def part(first, why):
        return Batch("listens", 0, [first], [first], [None], [None], unreadable={first: why})

    (one,) = merged([part(4, "offsets 4 to 6: too large"), part(7, "cut short")])
    assert one.unreadable == {4: "offsets 4 to 6: too large", 7: "cut short"}
