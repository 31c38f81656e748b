from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from app.observability.delivery.outbox import Outbox, Pending
from app.observability.delivery.spoolfile import SpoolFile

CATEGORIES = ["error", "feedback", "monitor", "transaction", "log_item"]


def pending(category: str = "error", at: float = 0.0, *, on_disk: bool = False) -> Pending:
    file = SpoolFile("f", category, "", at, 4096) if on_disk else None
    return Pending(category, None, at, ((category, 1),), file=file)


def outbox(queued: int = 100, disk: int = 1 << 20) -> Outbox:
    return Outbox(max_queued=queued, max_weight=1000, max_disk_bytes=disk)


def limited(*categories: str) -> Callable[[str], bool]:
    return lambda category: category in categories


def drain(box: Outbox) -> list[Pending]:
    found = []
    while (taken := box.take(0.0, limited())) is not None:
        box.settle(taken)
        found.append(taken)
    return found


def test_feedback_and_errors_go_before_traces_and_the_oldest_first() -> None:
    box = outbox()
    for category, at in [("transaction", 1.0), ("error", 3.0), ("error", 4.0), ("feedback", 5.0)]:
        box.add(pending(category, at))
    assert [(p.category, p.captured_at) for p in drain(box)] == [
        ("feedback", 5.0),
        ("error", 3.0),
        ("error", 4.0),
        ("transaction", 1.0),
    ]


def test_what_was_adopted_takes_its_place_by_age() -> None:
    box = outbox()
    box.add(pending(at=5.0, on_disk=True))
    old = pending(at=1.0, on_disk=True)
    old.is_adopted = True
    box.adopt([old])
    assert [p.captured_at for p in drain(box)] == [1.0, 5.0]


def test_a_limited_category_is_passed_over() -> None:
    box = outbox()
    box.add(pending("error"))
    box.add(pending("transaction"))
    taken = box.take(0.0, limited("error"))
    assert taken is not None
    assert taken.category == "transaction"
    box.settle(taken)
    assert box.take(0.0, limited("error")) is None


def test_an_envelope_that_was_put_back_comes_first_or_at_its_time() -> None:
    box = outbox()
    first, second = pending(at=1.0), pending(at=2.0)
    box.add(first)
    box.add(second)
    taken = box.take(0.0, limited())
    assert taken is first
    box.put_back(first)
    assert box.take(0.0, limited()) is first
    box.put_back(first, retry_at=10.0)
    assert box.take(9.0, limited()) is second
    box.settle(second)
    assert box.wakes_at() == 10.0
    assert box.take(9.9, limited()) is None
    assert box.take(10.0, limited()) is first


def test_room_is_made_by_traces_then_check_ins_then_the_oldest_error() -> None:
    box = outbox(disk=3 * 4096)
    for category, at in [("error", 1.0), ("monitor", 2.0), ("transaction", 3.0)]:
        assert box.add(pending(category, at, on_disk=True)) == []
    gone = [box.add(pending("error", 4.0 + n, on_disk=True))[0] for n in range(3)]
    assert [(p.category, p.captured_at) for p in gone] == [
        ("transaction", 3.0),
        ("monitor", 2.0),
        ("error", 1.0),
    ]


def test_one_envelope_heavier_than_all_memory_is_still_sent() -> None:
    box = outbox()
    heavy = pending("transaction")
    heavy.weight = 5000
    assert box.add(heavy) == []
    assert box.add(pending("transaction", 1.0)) == [heavy]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.sampled_from(CATEGORIES), st.booleans()),
            st.tuples(st.sampled_from(["settle", "back", "delay", "drop"]), st.just(""), st.booleans()),
        ),
        max_size=60,
    )
)
def test_nothing_vanishes_and_no_bound_is_passed(steps: list[tuple[str, str, bool]]) -> None:
    box = Outbox(max_queued=5, max_weight=100, max_disk_bytes=5 * 4096)
    came, gone = 0, 0
    for now, (step, category, flag) in enumerate(steps):
        if step == "add":
            came += 1
            gone += len(box.add(pending(category, float(now), on_disk=flag)))
        elif step == "drop":
            gone += len(box.drop(lambda p: p.category == "log_item"))
        elif (taken := box.take(float(now), limited("error") if flag else limited())) is not None:
            if step == "settle":
                box.settle(taken)
                gone += 1
            else:
                box.put_back(taken, retry_at=now + 3.0 if step == "delay" else 0.0)
        assert box.queued <= 5
        assert box.spooled <= 5
        assert box.disk_bytes == box.spooled * 4096
        assert box.queued + box.spooled == len(list(box)) == came - gone


def test_parts_come_next_in_their_order_and_are_counted_in_the_place_of_the_whole() -> None:
    box = outbox()
    whole, later = pending("log_item", 1.0, on_disk=True), pending("log_item", 2.0)
    for each in (whole, later):
        box.add(each)
    assert box.take(0.0, limited()) is whole
    parts = [pending("log_item", 1.0), pending("log_item", 1.0)]
    box.replace(whole, parts)
    assert (box.spooled, box.queued, box.disk_bytes, box.in_flight) == (0, 3, 0, None)
    assert drain(box) == [*parts, later]
    assert (box.queued, box.weight) == (0, 0)
