"""What `LazyScope` relies on: the SDK keeps a scope's state in slots and forks it through `__copy__`."""

import threading
from collections.abc import Callable

import pytest
import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.scope import ScopeType

from app.observability.scopes import LazyScope, TracedScope


def template() -> Scope:
    scope = Scope(ty=ScopeType.ISOLATION)
    scope.set_tag("region", "eu")
    return scope


def test_a_scope_has_slots_only_and_its_constructor_sets_them_all() -> None:
    scope = Scope(ty=ScopeType.ISOLATION)
    assert not hasattr(scope, "__dict__")
    assert all(hasattr(scope, name) for name in Scope.__slots__)


def test_a_lazy_scope_holds_its_client_only_until_it_is_asked() -> None:
    lazy = LazyScope(template())
    assert lazy.is_untouched
    assert [name for name in Scope.__slots__ if _is_set(lazy, name)] == ["client"]
    assert lazy.get_conversation_id() is None
    assert not lazy.is_untouched
    assert all(_is_set(lazy, name) for name in Scope.__slots__)


def test_what_is_written_most_often_is_copied_alone_and_stays_when_the_rest_follows() -> None:
    lazy = LazyScope(template())
    lazy.set_tag("mine", "1")
    lazy.set_user({"id": "7"})
    lazy.add_breadcrumb(message="seen")
    assert not lazy.is_untouched
    assert not _is_set(lazy, "_attachments")
    assert lazy._attachments == []
    assert (lazy._tags, lazy._user) == ({"region": "eu", "mine": "1"}, {"id": "7"})


@pytest.mark.parametrize(
    "write",
    [
        lambda scope: scope.set_level("warning"),
        lambda scope: scope.set_new_propagation_context(),
        lambda scope: scope.set_conversation_id("1"),
        lambda scope: scope.clear(),
    ],
)
def test_a_scope_that_was_written_without_being_read_is_touched_and_keeps_it(
    write: Callable[[Scope], None],
) -> None:
    lazy, plain = LazyScope(template()), template().fork()
    lazy.set_tag("mine", "1")
    plain.set_tag("mine", "1")
    lazy._propagation_context = plain._propagation_context
    untouched = LazyScope(template())
    write(untouched)
    assert not untouched.is_untouched
    write(lazy)
    write(plain)
    for name in set(Scope.__slots__) - {"client", "_propagation_context"}:
        assert getattr(lazy, name) == getattr(plain, name), name


def test_a_renewed_scope_forgets_for_everybody_who_holds_it() -> None:
    for touch in (lambda scope: None, lambda scope: scope.set_tag("mine", "1"), lambda scope: scope.fork()):
        lazy = LazyScope(template())
        touch(lazy)
        other = template()
        other.set_tag("of", "other")
        lazy.renew(LazyScope, other)
        assert lazy.is_untouched
        assert lazy._tags == {"region": "eu", "of": "other"}
        assert lazy.fork()._tags == lazy._tags


def test_a_fork_of_a_fork_is_like_the_sdks() -> None:
    fork = LazyScope(template()).fork().fork()
    fork.set_tag("mine", "1")
    fork.set_level("error")
    assert (fork._tags, fork._level) == ({"region": "eu", "mine": "1"}, "error")
    assert not hasattr(fork, "no_such_field")


def _is_set(scope: Scope, name: str) -> bool:
    try:
        object.__getattribute__(scope, name)
    except AttributeError:
        return False
    return True


def test_what_was_written_before_the_first_reading_stays() -> None:
    lazy = LazyScope(template())
    lazy.set_user({"id": "7"})
    lazy.set_tag("mine", "1")
    assert lazy._user == {"id": "7"}
    assert lazy._tags == {"region": "eu", "mine": "1"}


def test_the_template_is_never_written_to() -> None:
    shared = template()
    one, other = LazyScope(shared), LazyScope(shared)
    one.set_tag("mine", "1")
    one.add_breadcrumb(message="seen")
    assert shared._tags == other._tags == {"region": "eu"}
    assert not other._breadcrumbs


def test_every_public_call_of_a_scope_works_on_a_lazy_one() -> None:
    with sentry_sdk.new_scope():
        lazy = LazyScope(template())
        lazy.set_context("operation", {"name": "search"})
        lazy.set_extra("count", 3)
        lazy.set_level("warning")
        lazy.fingerprint = ["one"]
        lazy.add_attachment(bytes=b"text", filename="note.txt")
        event = lazy.apply_to_event({}, {})
        assert event is not None
        assert event["tags"] == {"region": "eu"}
        assert event["contexts"]["operation"] == {"name": "search"}
        assert event["fingerprint"] == ["one"]
        lazy.clear()
        assert lazy._tags == {}


def test_a_fork_and_a_lazy_scope_of_a_lazy_one_see_what_was_set() -> None:
    lazy = LazyScope(template())
    lazy.set_tag("mine", "1")
    assert lazy.fork()._tags == LazyScope(lazy)._tags == {"region": "eu", "mine": "1"}


def test_the_trace_is_that_of_the_headers_or_one_of_its_own() -> None:
    header = b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"
    joined = TracedScope(template(), {"headers": [(b"host", b"a"), (b"sentry-trace", header)]})
    one, other = (TracedScope(template(), {"headers": []}) for _ in range(2))
    assert joined.get_active_propagation_context().trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert one.get_active_propagation_context().trace_id != other.get_active_propagation_context().trace_id


def test_threads_that_touch_a_new_scope_at_once_lose_nothing() -> None:
    for _ in range(50):
        lazy = LazyScope(template())
        gate = threading.Barrier(8)

        def write(number: int, scope: Scope = lazy, gate: threading.Barrier = gate) -> None:
            gate.wait()
            scope.set_tag(f"tag{number}", "1")

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(lazy._tags) == 9


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(LazyScope(template()), "no_such_field")
