"""What `LazyScope` relies on: the SDK keeps a scope's state in slots and forks it through `__copy__`."""

import threading

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.scope import ScopeType

from app.observability.scopes import LazyScope


def template() -> Scope:
    scope = Scope(ty=ScopeType.ISOLATION)
    scope.set_tag("region", "eu")
    return scope


def test_a_scope_has_slots_only_and_its_constructor_sets_them_all() -> None:
    scope = Scope(ty=ScopeType.ISOLATION)
    assert not hasattr(scope, "__dict__")
    assert all(hasattr(scope, name) for name in Scope.__slots__)


def test_a_lazy_scope_holds_nothing_until_it_is_asked() -> None:
    lazy = LazyScope(template())
    assert not any(_is_set(lazy, name) for name in Scope.__slots__)
    assert lazy._tags == {"region": "eu"}
    assert all(_is_set(lazy, name) for name in Scope.__slots__)


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
    joined = LazyScope(template(), {"headers": [(b"host", b"a"), (b"sentry-trace", header)]})
    one, other = (LazyScope(template(), {"headers": []}) for _ in range(2))
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
