"""The figures of one run: samples by work and variant, one a round, and what follows from them.

A round asks every variant for the same work within seconds, so figures are compared round by round: what each adds to
"none" of its round, and the ratio of two such additions. Medians and quartiles of these; the machine's own speed, which
wanders by a factor of two, cancels out.
"""

import statistics
from dataclasses import dataclass, field

from .variants import CONTROL, NONE

BASELINE = {"100 ws messages, by hand": "100 ws messages"}
"""Work that makes no sense without Sentry is compared with what it stands for."""


@dataclass(frozen=True)
class Figure:
    """A median with its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: list[float]) -> "Figure":
        """Summarise samples; at least two."""
        low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(statistics.median(samples), low, high)


@dataclass
class Results:
    """Microseconds a unit, by work and variant, in order of rounds."""

    cpu_us: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    wall_us: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, work: str, variant: str, answer: dict[str, float]) -> None:
        """Keep one sample."""
        self.cpu_us.setdefault(work, {}).setdefault(variant, []).append(answer["cpu_us"])
        self.wall_us.setdefault(work, {}).setdefault(variant, []).append(answer["wall_us"])

    def take(self, other: "Results", renamed: dict[str, str]) -> None:
        """Take over what another run measured, under other names of work."""
        for old, new in renamed.items():
            self.cpu_us[new] = other.cpu_us[old]
            self.wall_us[new] = other.wall_us[old]

    def has(self, work: str, variant: str) -> bool:
        """Say whether it was measured."""
        return variant in self.cpu_us.get(work, {})

    def added(self, work: str, variant: str) -> list[float]:
        """Return what the variant adds to none, round by round."""
        none = self.cpu_us[BASELINE.get(work, work)][NONE.name]
        return [sample - base for sample, base in zip(self.cpu_us[work][variant], none, strict=True)]

    def ratio(self, work: str, variant: str, rival: str, rival_work: str | None = None) -> Figure:
        """Return what the variant adds as a part of what the rival adds."""
        own, other = self.added(work, variant), self.added(rival_work or work, rival)
        return Figure.of([a / b if b > 0 else float("inf") for a, b in zip(own, other, strict=True)])

    def noise(self, work: str) -> float:
        """Return by which part of none two processes that do the same differ: none and none, again."""
        none = self.cpu_us[work][NONE.name]
        again = self.cpu_us[work][CONTROL.name]
        return statistics.median(abs(a - b) / b for a, b in zip(again, none, strict=True))
