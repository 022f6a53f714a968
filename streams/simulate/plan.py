"""What is planted: experiments, judges, shares of events. Frozen values, no randomness.

All effects act through the listener's choices (behaviour.py), so what they are worth in each
metric is known exactly (truth.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
DEFAULT_END_MS = 1_793_491_200_000
"""2026-11-01T00:00:00Z: a fixed date, so that the same seed gives the same bytes at any time."""
DEFAULT_EVENTS_N = 200_000
EVENTS_MAX = 200_000_000
TAIL_DAYS = 3
"""Days after the last exposure: every planted outcome of an exposure lies inside them."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One arm. The shifts act on log-odds, the factor on the number of plays."""

    name: str
    allocation: float
    quality_shift: float = 0.0
    early_skip_shift: float = 0.0
    save_shift: float = 0.0
    starts_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """A test on one surface. The first variant is the control.

    enrolment: share of users. exposures_per_user: mean over enrolled users. rides_on: name of the
    experiment whose generations it shows too, with an exposure event of its own.
    treatment_loss: share of the other arms' users whose events are lost (a sample ratio mismatch).
    """

    name: str
    surface: str
    variants: tuple[Variant, ...]
    enrolment: float = 1.0
    exposures_per_user: float = 5.0
    rides_on: str | None = None
    treatment_loss: float = 0.0


@dataclass(frozen=True, slots=True)
class Shelf:
    """Mixes made once that everybody may find, outside any test: each meets many listeners.

    exposures_per_user: mean over all users. new_a_day, shown_days: how many are put up a day, and
    for how many days. disputed_share: share that sounds good where it does not fit, and is skipped;
    as many again sound poor and are loved.
    """

    name: str
    surface: str
    exposures_per_user: float
    new_a_day: int
    shown_days: int
    disputed_share: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """A stretch of one judge. starts_at: share of the test period that has passed."""

    starts_at: float
    model: str
    prompt_version: str
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge whose score is correlated with latent quality inside a variant.

    favours: (experiment, variant) -> points added irrespective of quality. correlation_end: what
    the correlation has become at the end of the test period. judged_share: share of generations,
    before scaling to the mix. grades_rated: whether it also grades all that people rate. It grades
    nothing before its first epoch starts.
    """

    judge_id: str
    planted: str
    provider: str
    correlation: float
    epochs: tuple[Epoch, ...]
    correlation_end: float | None = None
    favours: Mapping[tuple[str, str], float] = field(default_factory=dict)
    judged_share: float = 0.5
    error_share: float = 0.015
    grades_rated: bool = True


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the five topics (they sum to 1); the last three come on top of the events."""

    exposures: float
    listens: float
    feedback: float
    judge_scores: float
    human_labels: float
    late: float = 0.05
    duplicates: float = 0.01
    poison: float = 0.001

    def __post_init__(self) -> None:
        """Refuse shares that do not sum to 1."""
        shares = (self.exposures, self.listens, self.feedback, self.judge_scores, self.human_labels)
        if abs(sum(shares) - 1) > 1e-9 or min(shares) <= 0:
            raise ConfigError(
                f"the shares of a mix must be positive and sum to 1, these sum to {sum(shares):g}",
                where="simulate",
            )


MIXES: Mapping[str, Mix] = {
    "demo": Mix(0.195, 0.45, 0.165, 0.165, 0.025),
    "bench": Mix(0.10, 0.60, 0.15, 0.14, 0.01),
}
"""demo: enough exposures to decide on. bench: the shares that throughput is measured with."""

VOICE = Experiment(
    name="dj-voice",
    surface="dj",
    variants=(
        Variant("control", 1 / 3),
        Variant("b1", 1 / 3, quality_shift=0.8),
        Variant("b2", 1 / 3, quality_shift=-0.5),
    ),
)
PLAYLIST = Experiment(
    name="prompted-playlist",
    surface="prompted_playlist",
    variants=(Variant("control", 0.5), Variant("c1", 0.5)),
    enrolment=0.6,
    exposures_per_user=4.0,
)
SHELF = Experiment(
    name="home-shelf",
    surface="home",
    variants=(Variant("control", 0.5), Variant("d1", 0.5, save_shift=0.5)),
    enrolment=0.4,
    exposures_per_user=3.0,
)
COVER = Experiment(
    name="cover-art",
    surface="dj",
    variants=(Variant("control", 0.5), Variant("e1", 0.5)),
    enrolment=0.25,
    rides_on="dj-voice",
)
EXPERIMENTS = (VOICE, PLAYLIST, SHELF, COVER)
"""A better arm and a worse one; an A/A; an arm that moves one metric; an A/A on shared items."""
PUBLIC = Shelf("public-mixes", "search", 1.5, new_a_day=6, shown_days=3, disputed_share=0.1)
NO_TEST = -1
"""Index of the experiment of what is shown outside any test."""

LOST_TREATMENT_SHARE = 0.3
"""With the planted sample ratio mismatch: share of home-shelf/d1 users that never report."""

JUDGES = (
    Judge(
        "aria",
        "good",
        "acme",
        0.75,
        (Epoch(0.0, "aria-2026-05", "p3"), Epoch(0.3, "aria-2026-09", "p3", 0.8)),
    ),
    Judge(
        "maestro",
        "good, and grades most",
        "cord",
        0.8,
        (Epoch(0.0, "maestro-3", "p1"),),
        judged_share=2.0,
    ),
    Judge("coin", "noise", "acme", 0.0, (Epoch(0.0, "coin-2026-01", "p1"),)),
    Judge(
        "flatterer",
        "favours the worse arm",
        "bolt",
        0.35,
        (Epoch(0.0, "flatterer-7", "p2"),),
        favours={("dj-voice", "b2"): 1.5},
    ),
    Judge(
        "debut",
        "good, and too new to tell",
        "bolt",
        0.7,
        (Epoch(0.85, "debut-1", "p1"),),
        judged_share=0.02,
        grades_rated=False,
    ),
)
"""A good judge of two epochs, a good one that grades most, noise, one that favours the worse arm,
and one too new to tell."""
DRIFTER = Judge(
    "drifter",
    "good at first, noise at the end",
    "bolt",
    0.75,
    (Epoch(0.0, "drifter-1", "p1"),),
    correlation_end=0.0,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a simulation is made from. Equal plans give equal bytes.

    end_ms: end of the simulated time, ms UTC; no event happens later, though late ones arrive up
    to 30 days after it. pre_days: listening before the tests start; test_days: exposures.
    """

    seed: int = 1
    events_n: int = DEFAULT_EVENTS_N
    end_ms: int = DEFAULT_END_MS
    pre_days: int = 14
    test_days: int = 14
    mix: Mix = MIXES["demo"]
    experiments: tuple[Experiment, ...] = EXPERIMENTS
    shelf: Shelf | None = PUBLIC
    judges: tuple[Judge, ...] = JUDGES

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        assert self.experiments, "a plan without experiments has nothing to expose"
        assert self.judges, "a plan without judges has nothing to grade"
        if not 1 <= self.events_n <= EVENTS_MAX:
            raise ConfigError(
                f"cannot simulate {self.events_n:,} events, it must be 1 to {EVENTS_MAX:,}",
                where="--events",
            )
        if not (0 <= self.pre_days <= 365 and 1 <= self.test_days <= 365):
            raise ConfigError(
                f"{self.pre_days} days before and {self.test_days} days of test do not fit:"
                " 0 to 365 and 1 to 365 do",
                where="--pre-days, --days",
            )
        if self.end_ms - (self.pre_days + self.test_days + TAIL_DAYS) * DAY_MS < 0:
            raise ConfigError("the simulated time would start before 1970", where="--end")

    @property
    def test_end_ms(self) -> int:
        """No exposure after this moment."""
        return self.end_ms - TAIL_DAYS * DAY_MS

    @property
    def test_start_ms(self) -> int:
        """The first exposure is not before this moment."""
        return self.test_end_ms - self.test_days * DAY_MS

    @property
    def start_ms(self) -> int:
        """The first listen is not before this moment."""
        return self.test_start_ms - self.pre_days * DAY_MS

    @property
    def hosts(self) -> tuple[Experiment, ...]:
        """The experiments that make generations of their own."""
        return tuple(one for one in self.experiments if one.rides_on is None)

    @property
    def riders(self) -> tuple[Experiment, ...]:
        """The experiments that show another experiment's generations."""
        return tuple(one for one in self.experiments if one.rides_on is not None)

    @property
    def users_n(self) -> int:
        """So many users that the expected number of exposures fits the mix."""
        hosts = {one.name: one.exposures_per_user * one.enrolment for one in self.hosts}
        riders = sum(hosts[one.rides_on or ""] * one.enrolment for one in self.riders)
        public = self.shelf.exposures_per_user if self.shelf else 0.0
        per_user = sum(hosts.values()) + riders + public
        return max(1, round(self.events_n * self.mix.exposures / per_user))


def mix_named(name: str) -> Mix:
    """The mix of that name, or ConfigError."""
    if name not in MIXES:
        raise ConfigError(
            f"there is no mix '{name}' (there are {', '.join(sorted(MIXES))}).",
            where="--mix",
            todo=did_you_mean(name, MIXES),
        )
    return MIXES[name]


def with_sample_ratio_mismatch(plan: Plan) -> Plan:
    """The same plan, but home-shelf loses some treatment users, mostly light listeners."""
    spoilt = tuple(
        replace(one, treatment_loss=LOST_TREATMENT_SHARE) if one.name == SHELF.name else one
        for one in plan.experiments
    )
    return replace(plan, experiments=spoilt)


def with_drifting_judge(plan: Plan) -> Plan:
    """The same plan and one more judge, good at first, noise at the end."""
    return replace(plan, judges=(*plan.judges, DRIFTER))
