"""The work itself for engines that handle one event at a time: plain Python, standard library.

What listenback does, written as one writes it per event: drop what was seen, join activity with
exposures on (generation, listener), keep the latest score per judge epoch, and move the windows of
three sizes on both bases and the days of units. A late exposure moves what waited for it. It keeps
8 sums where listenback keeps 50, checks 4 fields where listenback checks all, and writes no dead
letters: all of this is in the peers' favour.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

try:
    from orjson import loads
except ImportError:
    from json import loads

SIZES_US = (60_000_000, 3_600_000_000, 86_400_000_000)
DAY_US = SIZES_US[-1]
SUMS_N = 8
STREAM_MS = 30_000
EXPOSURES, LISTENS, FEEDBACK, SCORES, LABELS = range(SUMS_N)[:5]
TOPICS = ("exposures", "listens", "feedback", "judge-scores", "human-labels")
OWN_ID = {
    "exposures": "exposure_id",
    "listens": "playback_id",
    "feedback": "feedback_id",
    "judge-scores": "score_id",
    "human-labels": "label_id",
}
NOBODY = ["", "", ""]

State = dict[str, Any]
Moves = list[tuple[str, list[int]]]
"""(key of a window or day, what is added to its sums)."""


def parsed(topic: str, value: bytes | None) -> dict[str, Any] | None:
    """The event, or None where it breaks the contract (looked at as far as the work needs)."""
    try:
        event = loads(value or b"")
        at = datetime.fromisoformat(event["event_time"])
        event["at_us"] = int(at.timestamp() * 1_000_000)
        event["id"] = event[OWN_ID[topic]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    needed = "user_key" if topic in TOPICS[:3] else "generation_id"
    is_typed = isinstance(event.get("ms_played", 0), int)
    return event if needed in event and is_typed else None


def joined(state: State | None, topic: str, event: dict[str, Any]) -> tuple[State, Moves]:
    """One event into the state of its generation (or listener): the new state, and what moves."""
    state = state or {"seen": [], "shown": {}, "done": {}, "scores": {}, "labels": 0}
    if event["id"] in state["seen"]:
        return state, []
    state["seen"].append(event["id"])
    if topic == "exposures":
        return state, _exposed(state, event)
    if topic in {"listens", "feedback"}:
        return state, _acted(state, topic, event)
    if topic == "judge-scores":
        return state, _scored(state, event)
    state["labels"] += 1
    return state, []


def _exposed(state: State, event: dict[str, Any]) -> Moves:
    user, at_us = event["user_key"], event["at_us"]
    met = [event.get("experiment_id", ""), event.get("variant_id", ""), event.get("unit_id", "")]
    known = state["shown"].setdefault(user, [])
    waited = [] if known else state["done"].get(user, [])
    known.append([*met, at_us])
    one = _one(EXPOSURES)
    moves = _windows("activity", met, at_us, one) + _windows("exposure", met, at_us, one)
    moves += _day(met, at_us, one)
    for acted_us, sums in waited:
        moves += _windows("orphan", NOBODY, acted_us, [-n for n in sums])
    for acted_us, sums in state["done"].get(user, []):
        moves += _attributed(met, at_us, acted_us, sums)
    for _, score in state["scores"].values():
        moves += _windows("scores", met, at_us, _one(SCORES, score))
    return moves


def _acted(state: State, topic: str, event: dict[str, Any]) -> Moves:
    user, at_us = event["user_key"], event["at_us"]
    sums = _measures(topic, event)
    moves = _windows("all", NOBODY, at_us, sums) + _day(["", "", user], at_us, sums)
    if event.get("generation_id") is None:
        return moves + _windows("organic", NOBODY, at_us, sums)
    state["done"].setdefault(user, []).append([at_us, sums])
    shown = state["shown"].get(user)
    if not shown:
        return moves + _windows("orphan", NOBODY, at_us, sums)
    for *met, exposed_us in shown:
        moves += _attributed(met, exposed_us, at_us, sums)
    return moves


def _scored(state: State, event: dict[str, Any]) -> Moves:
    epoch, value = event.get("evaluator_epoch", ""), event.get("score_value")
    before = state["scores"].get(epoch)
    if value is None or (before and before[0] > event["at_us"]):
        return []
    score = round(value * 1_000_000)
    state["scores"][epoch] = [event["at_us"], score]
    change = score - (before[1] if before else 0)
    return [
        move
        for shown in state["shown"].values()
        for *met, exposed_us in shown
        for move in _windows("scores", met, exposed_us, _one(SCORES, change))
    ]


def _measures(topic: str, event: dict[str, Any]) -> list[int]:
    if topic == "feedback":
        return _one(FEEDBACK, int(event.get("polarity") or 0))
    ms, why = event.get("ms_played", 0), event.get("reason_end")
    is_skip = why in {"fwdbtn", "backbtn"}
    return [0, 1, 0, 0, ms, int(ms >= STREAM_MS), int(is_skip), int(is_skip and ms < STREAM_MS)]


def _attributed(met: list[str], exposed_us: int, at_us: int, sums: list[int]) -> Moves:
    return (
        _windows("activity", met, at_us, sums)
        + _windows("exposure", met, exposed_us, sums)
        + _day(met, at_us, sums)
    )


def _windows(basis: str, met: list[str], at_us: int, sums: list[int]) -> Moves:
    return [(f"{basis}|{size}|{at_us // size * size}|{met[0]}|{met[1]}", sums) for size in SIZES_US]


def _day(met: list[str], at_us: int, sums: list[int]) -> Moves:
    return [(f"day|{met[0]}|{met[1]}|{met[2]}|{at_us // DAY_US}", sums)]


def _one(place: int, amount: int = 1) -> list[int]:
    sums = [0] * SUMS_N
    sums[place] = amount
    return sums


def added(stored: list[int] | None, sums: list[int]) -> list[int]:
    """The sums of a window or day after a move."""
    return [a + b for a, b in zip(stored or [0] * SUMS_N, sums, strict=True)]
