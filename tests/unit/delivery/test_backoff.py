"""How long to wait after failures."""

import pytest

from app.observability.delivery.backoff import LAST_RETRY_S, RETRY_WHILE_FLUSHING_S, Backoff


def test_the_pause_doubles_up_to_its_bound() -> None:
    backoff = Backoff(lambda: 1.0)
    pauses = []
    for _ in range(9):
        backoff.failed(100.0)
        pauses.append(backoff.retry_at - 100.0)
    assert pauses == [1, 2, 4, 8, 16, 32, LAST_RETRY_S, LAST_RETRY_S, LAST_RETRY_S]


@pytest.mark.parametrize(("draw", "pause_s"), [(0.0, 2.0), (0.5, 3.0), (1.0, 4.0)])
def test_half_of_the_pause_is_random(draw: float, pause_s: float) -> None:
    assert Backoff(lambda: draw).delay_s(3, 60.0) == pause_s


def test_only_the_first_failure_and_the_first_success_are_news() -> None:
    backoff = Backoff(lambda: 0.0)
    assert not backoff.recovered()
    assert [backoff.failed(0.0) for _ in range(3)] == [True, False, False]
    assert [backoff.recovered() for _ in range(2)] == [True, False]
    assert backoff.retry_at == 0.0


def test_retries_come_fast_while_somebody_waits() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.is_hurried = True
    assert backoff.delay_s(30, 3600.0) == RETRY_WHILE_FLUSHING_S


def test_any_number_of_attempts_has_a_pause() -> None:
    assert Backoff(lambda: 1.0).delay_s(1_000_000, 3600.0) == 3600.0
