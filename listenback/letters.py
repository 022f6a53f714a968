"""How dead letters are shown, and what to do about each class of them."""

from __future__ import annotations

import datetime as dt
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer

from listenback import console
from streams.events.dead_letter import ErrorClass, is_replayable
from streams.events.record_headers import base64_of, headers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams import redrive

SHOWN_CHARS_MAX = 2_000
"""Of a raw value on a screen; --raw gives all of it."""
FINDINGS = 1
COUNTED = (
    *("topic", "error_class", "error_type", "refused_n", "rows_n"),
    *("open_n", "redriven_n", "discarded_n"),
)
ADVICE = MappingProxyType(
    {
        ErrorClass.DECODE: "No JSON object is in these bytes, so sending them again changes "
        "nothing. Find the producer (headers, key), then discard. Too large: a larger "
        "message_bytes_max is a new rule; replay into a new file under it.",
        ErrorClass.SCHEMA: "The field breaks its contract (docs/data-model.md). Put the producer "
        "right and let it send the event anew under the same event_id; discard this one. If a "
        "newer listenback takes it: upgrade, then redrive.",
        ErrorClass.SEMANTIC: "Each field is well, together they cannot be. A key that is not the "
        "event's: put the producer right. An event from the future: redrive when its time has "
        "come, or look at the producer's clock.",
        ErrorClass.UNKNOWN_TARGET: "It names something that is not defined here: define it, then "
        "redrive.",
        ErrorClass.LATE_BEYOND_HORIZON: "It came later than horizon_days after it happened. If "
        "such events matter, raise horizon_days and replay into another data dir; else discard.",
        ErrorClass.CONFLICT: "It contradicts what is stored: find out which is right, then "
        "discard, or redrive.",
        ErrorClass.CONSENT_BLOCK: "The artist opted out and the content is not human-made. Stop "
        "the producer, then discard; nothing of it is stored elsewhere.",
        ErrorClass.SINK: "It could not be written. Put the cause right, then redrive.",
    }
)


def stamp(time_us: int | None) -> str | None:
    """ISO 8601, UTC, milliseconds."""
    if time_us is None:
        return None
    moment = dt.datetime.fromtimestamp(time_us / 1e6, tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def place(letter: Mapping[str, Any]) -> str:
    """Where the record stands: topic[partition]@offset."""
    return f"{letter['topic']}[{letter['shard']}]@{letter['offset']}"


def described(letter: Mapping[str, Any]) -> dict[str, Any]:
    """A letter as JSON: times as text, bytes as base64, and what to do next."""
    times = ("record_time_us", "first_failed_at_us", "decided_at_us")
    told = {key: value for key, value in letter.items() if key not in (*times, "key", "value")}
    told["headers"] = json.loads(letter["headers"] or "[]")
    told |= {name.removesuffix("_us"): stamp(letter[name]) for name in times}
    told |= {f"{name}_b64": base64_of(letter[name]) for name in ("key", "value")}
    told["replayable"] = is_replayable(letter["error_class"], letter["error_type"])
    told["todo"] = ADVICE[ErrorClass(letter["error_class"])]
    return told


def lines(letter: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A letter for a person: what it is, why it was refused, its bytes, what to do."""
    decided = ""
    if letter["decided_at_us"] is not None:
        why = f": {letter['why']}" if letter["why"] else ""
        decided = f" by {letter['decided_by']} at {stamp(letter['decided_at_us'])}{why}"
    again = (
        f", sent again {console.counted(letter['redrive_count'], 'time')}"
        if letter["redrive_count"]
        else ""
    )
    told = [
        ("dead letter", letter["dlq_id"]),
        ("from", place(letter)),
        ("record time", f"{stamp(letter['record_time_us'])} ({letter['timestamp_type']})"),
        ("first failed", f"{stamp(letter['first_failed_at_us'])}{again}"),
        ("was before", letter["redrive_of"] or ""),
        ("state", letter["state"] + decided),
        ("why", f"{letter['error_class']}/{letter['error_type']}: {letter['error_message']}"),
        ("field", letter["field_path"] or ""),
        ("to do", ADVICE[ErrorClass(letter["error_class"])]),
    ]
    return [*((name, text) for name, text in told if text), *_bytes(letter)]


def _bytes(letter: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not letter["is_whole"]:
        return [("bytes", f"{letter['value_bytes_n']} in Kafka alone, at {place(letter)}")]
    headers = [(f"header {name}", _text(value)) for name, value in headers_of(letter["headers"])]
    return [("key", _text(letter["key"])), *headers, ("value", _text(letter["value"]))]


def _text(raw: bytes | None) -> str:
    """Bytes as text where they are text, else as hexadecimal digits; cut, and saying so."""
    if raw is None:
        return "none"
    try:
        text = raw.decode()
        shown = text if text.isprintable() else repr(text)[1:-1]
    except UnicodeDecodeError:
        shown = f"hex {raw[:SHOWN_CHARS_MAX].hex()}"
    if len(shown) <= SHOWN_CHARS_MAX:
        return shown
    return f"{shown[:SHOWN_CHARS_MAX]} ... ({len(raw):,} bytes; --raw gives all)"


def print_counts(counted: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    """A row per topic and kind of error."""
    rows = [
        {name: one[name] for name in COUNTED} | {"newest_at": stamp(one["newest_us"])}
        for one in counted
    ]
    if as_json:
        console.print_json(rows)
        return
    cells = [[_cell(value) for value in one.values()] for one in rows]
    console.print_columns([(*COUNTED, "newest_at"), *cells])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_list(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """A line a letter."""
    if as_json:
        console.print_json([described(one) for one in rows])
        return
    head = ("id", "record time", "from", "state", "why", "field")
    cells = [
        (
            one["dlq_id"],
            stamp(one["record_time_us"]) or "-",
            place(one),
            one["state"],
            f"{one['error_class']}/{one['error_type']}",
            one["field_path"] or "-",
        )
        for one in rows
    ]
    console.print_columns([head, *cells])


def tell_redrive(
    plan: redrive.Plan, sent: redrive.Sent | None, *, is_dry: bool, as_json: bool
) -> None:
    """What was done or would be; ends with 1 where Kafka no longer had some of the bytes."""
    told = {
        "to_send_n": len(plan.to_send),
        "from_topic_n": plan.from_topic_n,
        "not_replayable_n": plan.not_replayable_n,
        "redriven_before_n": plan.redriven_n,
        "discarded_before_n": plan.discarded_n,
        "sent_n": sent.sent_n if sent else 0,
        "gone_n": sent.gone_n if sent else 0,
        "is_dry_run": is_dry,
    }
    if as_json:
        console.print_json(told)
    else:
        verb = "would be sent (nothing was done; --yes does it)" if is_dry else "to send"
        console.out.print(
            f"{console.counted(len(plan.to_send), 'dead letter')} {verb}", markup=False
        )
        rest = (
            (plan.from_topic_n, "of these are read from their topic: a flood left no bytes here"),
            (plan.not_replayable_n, "left out: their own bytes forbid them for ever"),
            (plan.redriven_n, "left out: sent again before (--again)"),
            (plan.discarded_n, "left out: discarded (--again)"),
            (told["sent_n"], "sent and acknowledged"),
            (told["gone_n"], "not sent: neither the table nor Kafka has their bytes"),
        )
        console.print_columns([(f"{n:,}", text) for n, text in rest if n])
    if told["gone_n"]:
        raise typer.Exit(FINDINGS)
