"""The budgets of the design, and what a run reached of each. Pure: results in, rows out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.pairs import ratio, spread
from benchmarks.sizes import FAUST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

GIB_MIB = 1_024.0


@dataclass(frozen=True, slots=True)
class Row:
    """One budget.

    target: the limit; at_most: whether less is better. value: what was reached, None where it
    could not be measured; low, high: over the rounds. why: what was measured, or why it was not.
    """

    key: str
    what: str
    unit: str
    target: float
    at_most: bool
    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""

    @property
    def is_reached(self) -> bool | None:
        """Whether the median holds the limit."""
        if self.value is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


def rows(result: Mapping[str, Any]) -> list[Row]:
    """Every budget; what was left out or failed stands there with its reason."""
    raw = result["raw"]
    found: list[Row] = []
    for key, what, unit, target, at_most, read in BUDGETS:
        try:
            values, why = read(raw)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            found.append(Row(key, what, unit, target, at_most, None, why=_reason(raw, key, error)))
            continue
        middle = spread(values)
        found.append(
            Row(
                key,
                what,
                unit,
                target,
                at_most,
                middle["median"],
                middle["low"],
                middle["high"],
                why,
            )
        )
    return found


def _reason(raw: Mapping[str, Any], key: str, error: Exception) -> str:
    section = raw.get(SECTION_OF[key])
    if not section:
        return "left out of this run"
    if "failed" in section:
        return str(section["failed"])
    if isinstance(section, dict):
        inner = section.get(FAUST, {}).get("failed") or section.get("not_run", {}).get(key)
        if inner:
            return str(inner)
    return "left out of this run" if isinstance(error, KeyError) else f"not measured ({error!r})"


def values_of(rounds: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """One number of every round."""
    return [float(one[name]) for one in rounds]


Read = tuple[list[float], str]


def _rate(raw: Mapping[str, Any]) -> Read:
    main = raw["main"]
    log = main["log"]
    size = log["value_bytes"] / log["read_n"]
    return values_of(main["rounds"]["worker"], "rate"), (
        f"{log['read_n']:,} records of {size:.0f} bytes, on {main['traffic']['open_n']:,} open "
        "generations, publishing on"
    )


def _of_fetch(raw: Mapping[str, Any]) -> Read:
    rounds = raw["main"]["rounds"]
    both = values_of(rounds["worker"], "rate"), values_of(rounds["bare_fetch"], "rate")
    return _each(*both), "aiokafka `getmany`, the same log, in turn"


def _of_faust(raw: Mapping[str, Any]) -> Read:
    section = raw["peers"][FAUST]
    both = (
        values_of(section["rounds"]["worker"], "rate"),
        values_of(section["rounds"]["peer"], "rate"),
    )
    return _each(*both), f"{section['log']['read_n']:,} records for Faust"


def _each(ours: list[float], theirs: list[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _ends(raw: Mapping[str, Any]) -> tuple[str, str]:
    numbers = sorted(raw["open_generations"], key=int)
    return numbers[0], numbers[-1]


def _of_least_state(raw: Mapping[str, Any]) -> Read:
    least, most = _ends(raw)
    section = raw["open_generations"]
    ours, theirs = values_of(section[most], "rate"), values_of(section[least], "rate")
    return _each(ours, theirs), (f"{int(most):,} open generations beside {int(least):,}, in turn")


def _memory(raw: Mapping[str, Any]) -> Read:
    _, most = _ends(raw)
    return (
        [mib / GIB_MIB for mib in values_of(raw["open_generations"][most], "peak_mib")],
        f"peak resident memory of the worker on {int(most):,} open generations",
    )


def _latency(raw: Mapping[str, Any], place: int, name: str) -> Read:
    found = raw["latency"][place]
    return [found[name]["p99"]], (
        f"99th percentile at {found['rate']:,} events/s, {found['open_n']:,} open generations"
    )


def _restart(raw: Mapping[str, Any]) -> Read:
    section = raw["restart"]
    return values_of(section["runs"], "to_first_commit_s"), (
        f"process start to first commit on {section['open_n']:,} open generations, imports and "
        "joining the group included, after an orderly stop"
    )


def _night(raw: Mapping[str, Any]) -> Read:
    section = raw["nightly"]
    return values_of(section["rounds"]["ours"], "took_s"), (
        f"{section['users_n']:,} users in a DuckDB file, a row per user, 60 comparisons"
    )


def _night_memory(raw: Mapping[str, Any]) -> Read:
    return values_of(raw["nightly"]["rounds"]["ours"], "peak_mib"), "peak of the whole process"


def _night_against(raw: Mapping[str, Any], name: str) -> Read:
    rounds = raw["nightly"]["rounds"]
    theirs = [one["took_s"] for one in rounds[name] if one]
    ours = values_of(rounds["ours"], "took_s")[: len(theirs)]
    return _each(theirs, ours), f"its time over ours: {name}"


def _looks(raw: Mapping[str, Any]) -> Read:
    found = raw["looks"]
    own = spread(values_of(found, "each_own_s"))["median"]
    return values_of(found, "took_s"), (
        "bounds once for the looks that all 30 share, and their 840 decisions; were the looks of "
        f"each its own: {own:.2f} s"
    )


def _demo(raw: Mapping[str, Any]) -> Read:
    return [raw["demo_time"]["took_s"]], "the command from its start to its end"


def _lost(raw: Mapping[str, Any]) -> Read:
    log, open_n = raw["main"]["log"], raw["main"]["traffic"]["open_n"]
    found = [one["accounts"] for one in raw["main"]["rounds"]["worker"]]
    names = ("read_n", "accepted_n", "duplicate_n", "dead_lettered_n")
    off = [
        float(
            sum(abs(one[name] - log[name]) for name in names)
            + abs(one["facts_n"] - open_n - log["accepted_n"])
            + abs(one["facts_n"] - one["distinct_n"])
        )
        for one in found
    ]
    return off, "sent against read, accepted, duplicate, dead-lettered, and the events in the file"


BUDGETS: tuple[tuple[str, str, str, float, bool, Callable[[Any], Read]], ...] = (
    ("rate", "events to committed rows, one worker", "events/s", 100_000, False, _rate),
    ("of_fetch", "the same over the bare batch fetch", "x", 0.5, False, _of_fetch),
    ("of_faust", "the same over per-event Faust with Tables", "x", 25, False, _of_faust),
    ("lost", "records lost or doubled", "records", 0, True, _lost),
    ("of_least", "rate on most over rate on least state", "x", 0.7, False, _of_least_state),
    ("memory", "peak memory on most state", "GiB", 2, True, _memory),
    (
        "to_commit",
        "event to committed at half load, p99",
        "s",
        2,
        True,
        lambda raw: _latency(raw, 0, "to_commit_s"),
    ),
    (
        "to_publish",
        "event to published at half load, p99",
        "s",
        10,
        True,
        lambda raw: _latency(raw, 1, "to_publish_s"),
    ),
    ("restart", "restart to first commit", "s", 10, True, _restart),
    ("night", "nightly analysis with CUPED", "s", 0.25, True, _night),
    ("night_memory", "its memory", "MiB", 350, True, _night_memory),
    (
        "tea-tasting",
        "tea-tasting over ours, same users",
        "x",
        1,
        False,
        lambda raw: _night_against(raw, "tea-tasting"),
    ),
    (
        "spotify-confidence",
        "spotify-confidence over ours, same users",
        "x",
        1,
        False,
        lambda raw: _night_against(raw, "spotify-confidence"),
    ),
    ("looks", "28 looks, 30 comparisons", "s", 0.15, True, _looks),
    ("demo", "`make demo`, already installed", "s", 60, True, _demo),
)
SECTION_OF = {
    **dict.fromkeys(("rate", "of_fetch", "lost"), "main"),
    "of_faust": "peers",
    **dict.fromkeys(("of_least", "memory"), "open_generations"),
    **dict.fromkeys(("to_commit", "to_publish"), "latency"),
    "restart": "restart",
    **dict.fromkeys(("night", "night_memory", "tea-tasting", "spotify-confidence"), "nightly"),
    "looks": "looks",
    "demo": "demo_time",
}


def peers(result: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, float] | str, float | None]]:
    """(peer, ours over theirs or the reason why not, their own rate)."""
    for name, found in result["raw"].get("peers", {}).items():
        if name == "failed":
            continue
        if "failed" in found:
            yield name, str(found["failed"]), None
            continue
        ours = values_of(found["rounds"]["worker"], "rate")
        theirs = values_of(found["rounds"]["peer"], "rate")
        yield name, ratio(ours, theirs), spread(theirs)["median"]
