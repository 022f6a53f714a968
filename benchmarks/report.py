"""Results as a table for the terminal, and as the generated part of docs/performance.md.

`python -m benchmarks.report` renders the kept results again, without measuring.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import budgets, sizing
from benchmarks.pairs import spread
from benchmarks.statistics_rows import agreement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PERFORMANCE = HERE.parent / "docs" / "performance.md"
SCALE = HERE.parent / "docs" / "scale.md"
BEGIN = "<!-- Made by `python -m benchmarks.report` from benchmarks/results.json. -->"
END = "<!-- End of what is made from benchmarks/results.json. -->"
MARKS = {True: "yes", False: "**no**", None: "-"}
DIGITS_FROM = ((100, 0), (10, 1), (0, 2))


def number(value: float | None) -> str:
    """Three digits or so, thousands apart."""
    if value is None:
        return "-"
    digits = next(n for least, n in DIGITS_FROM if abs(value) >= least)
    return f"{value:,.{digits}f}"


def budget_rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of section 7 of the design, header first."""
    is_full = result["size"]["name"] == "full"
    found = [("what", "target", "reached", "rounds", "held", "measured on")]
    for row in budgets.rows(result):
        sign = "≤" if row.at_most else "≥"
        reached = f"{number(row.value)} {row.unit}" if row.value is not None else "-"
        rounds = "" if row.low == row.high else f"{number(row.low)} to {number(row.high)}"
        held = MARKS[row.is_reached] if is_full or row.key == "lost" else "-"
        target = f"{sign} {row.target:,g} {row.unit}"
        found.append((row.what, target, reached, rounds, held, row.why))
    return found


def stage_rows(raw: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What each stage alone reaches, and the whole worker."""
    names = {
        "bare_fetch": "bare fetch (aiokafka `getmany`)",
        "batch_fetch": "our batch fetch under Faust's agents",
        "decode": "decode, alone",
        "flush": "decode, join, windows, commit; no broker",
        "worker": "the whole worker, publishing on",
    }
    rounds = raw.get("main", {}).get("rounds", {})
    return [
        ("stage", "events/s", "rounds", "peak MiB"),
        *(
            (
                names[name],
                number(spread(budgets.values_of(found, "rate"))["median"]),
                _range(budgets.values_of(found, "rate")),
                number(max(budgets.values_of(found, "peak_mib"))),
            )
            for name, found in rounds.items()
        ),
    ]


def peer_rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Each peer's rate and how many times it ours is."""
    found = [("peer", "events/s", "ours over theirs", "rounds")]
    for name, against, rate in budgets.peers(result):
        if isinstance(against, str):
            found.append((name, "-", f"not measured: {against[:160]}", ""))
        else:
            rounds = f"{number(against['low'])} to {number(against['high'])}"
            found.append((name, number(rate), f"{number(against['median'])} x", rounds))
    return found


def curve_rows(raw: Mapping[str, Any]) -> Iterable[tuple[str, list[tuple[str, ...]]]]:
    """What the rate depends on: a title and a table each, of what was measured."""
    yield "Open generations", _open_rows(raw)
    yield (
        "Rows of a flush",
        _rows(raw, "flush_sizes", "flush_rows_max", ("rate", "peak_mib")),
    )
    yield "Window sizes (s), empty file", _rows(raw, "windows", "window_sizes_s", ("rate",))
    yield "Variants of the largest experiment", _rows(raw, "dimensions", "arms_n", ("rate",))
    yield "Shards, one worker, empty file", _rows(raw, "shards", "shards_n", ("rate", "peak_mib"))
    yield "Workers on this one machine", _rows(raw, "workers", "workers_n", ("rate",))
    yield "Publishing", _rows(raw, "publishing", "open_n", ("file_mib", "took_s"))
    yield "Latency at half load, s", _latency_rows(raw)
    yield "Memory of a long run", _memory_rows(raw)
    yield "The night beside two libraries", _night_rows(raw)
    yield (
        "Days to users, all metrics that ship",
        _rows(raw, "fold", "source", ("users_n", "took_s", "peak_mib")),
    )
    yield "The demo's density", _demo_rows(raw)


HEADS = {
    "rate": "events/s",
    "peak_mib": "peak MiB",
    "file_mib": "file MiB",
    "took_s": "s",
    "flush_rows_max": "rows",
    "window_sizes_s": "sizes",
    "arms_n": "variants",
    "shards_n": "shards",
    "workers_n": "workers",
    "open_n": "open generations",
    "source": "from",
    "users_n": "users",
}


def _rows(
    raw: Mapping[str, Any], section: str, key: str, names: Sequence[str]
) -> list[tuple[str, ...]]:
    found = raw.get(section)
    if not isinstance(found, list):
        return []
    head = (HEADS[key], *(HEADS[name] for name in names))
    return [head, *((_said(one[key]), *(number(one[name]) for name in names)) for one in found)]


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _open_rows(raw: Mapping[str, Any]) -> list[tuple[str, ...]]:
    found = raw.get("open_generations", {})
    if not found or "failed" in found:
        return []
    files = raw.get("history", {})
    return [
        ("open generations", "events/s", "rounds", "peak MiB", "file MiB"),
        *(
            (
                f"{int(name):,}",
                number(spread(budgets.values_of(runs, "rate"))["median"]),
                _range(budgets.values_of(runs, "rate")),
                number(max(budgets.values_of(runs, "peak_mib"))),
                number(files[name]["file_mib"]) if name in files else "-",
            )
            for name, runs in sorted(found.items(), key=lambda one: int(one[0]))
        ),
    ]


def _latency_rows(raw: Mapping[str, Any]) -> list[tuple[str, ...]]:
    found = raw.get("latency")
    if not isinstance(found, list):
        return []
    head = ("open generations", "events/s", "to", "p50", "p90", "p99", "largest")
    names = {"to_commit_s": "commit", "to_publish_s": "publish"}
    return [
        head,
        *(
            (
                f"{one['open_n']:,}",
                f"{one['rate']:,}",
                said,
                *(number(one[name].get(part)) for part in ("p50", "p90", "p99", "max")),
            )
            for one in found
            for name, said in names.items()
        ),
    ]


def _memory_rows(raw: Mapping[str, Any]) -> list[tuple[str, ...]]:
    found = raw.get("long_run", {}).get("resident_mib")
    if not found:
        return []
    done, rows = 0, [("events so far", "resident MiB")]
    every = max(1, len(found) // 6)
    for index, (read_n, mib) in enumerate(found):
        done += read_n
        if index % every == 0 or index == len(found) - 1:
            rows.append((f"{done:,}", number(mib)))
    return rows


def _night_rows(raw: Mapping[str, Any]) -> list[tuple[str, ...]]:
    section = raw.get("nightly", {})
    if "rounds" not in section:
        return []
    apart = agreement(section["rounds"])
    rows = [("library", "s", "rounds", "peak MiB", "largest relative difference from ours")]
    for name, found in section["rounds"].items():
        if not (runs := [one for one in found if one]):
            rows.append((name, "-", section["not_run"].get(name, "")[:120], "-", "-"))
            continue
        took_s = budgets.values_of(runs, "took_s")
        rows.append(
            (
                name,
                number(spread(took_s)["median"]),
                _range(took_s),
                number(max(budgets.values_of(runs, "peak_mib"))),
                f"{apart[name]:.1e}" if name in apart else "",
            )
        )
    return rows


def _demo_rows(raw: Mapping[str, Any]) -> list[tuple[str, ...]]:
    found = raw.get("demo", {})
    if "worker" not in found:
        return []
    worker = found["worker"]
    return [
        ("records", "events/s", "peak MiB"),
        (f"{worker['rows_n']:,}", number(worker["rate"]), number(worker["peak_mib"])),
    ]


def _range(values: Sequence[float]) -> str:
    return "" if len(values) < 2 else f"{number(min(values))} to {number(max(values))}"


def as_text(result: Mapping[str, Any]) -> str:
    """For a terminal."""
    parts = [_intro(result), _columns(budget_rows(result)), _columns(stage_rows(result["raw"]))]
    parts.append(_columns(peer_rows(result)))
    parts += [f"{title}\n{_columns(rows)}" for title, rows in curve_rows(result["raw"]) if rows]
    return "\n\n".join(part for part in parts if part)


def as_markdown(result: Mapping[str, Any]) -> str:
    """For docs/performance.md."""
    parts = [_intro(result), _table(budget_rows(result)), "### Stage by stage"]
    parts += [_table(stage_rows(result["raw"])), "### Beside other engines"]
    parts.append(_table(peer_rows(result)))
    for title, rows in curve_rows(result["raw"]):
        if rows:
            parts += [f"### {title}", _table(rows)]
    return "\n\n".join(part for part in parts if part)


def scale_markdown(result: Mapping[str, Any]) -> str:
    """For docs/scale.md: what loads need, and what was measured of the linear part."""
    raw = result["raw"]
    found = sizing.measured(result)
    head = (
        "events a day",
        "events/s, mean and peak",
        "workers",
        "partitions a topic",
        "cores",
        "memory GiB",
        "warehouse GiB a day",
        "Kafka GiB a day",
        "days until published once a minute",
    )
    needs = [
        (
            f"{need.events_per_day // 1_000_000_000:,} thousand million",
            f"{need.mean_rate:,.0f}, {need.peak_rate:,.0f}",
            f"{need.workers_n:,}",
            f"{need.shards_n:,}",
            f"{need.workers_n * sizing.CORES_PER_WORKER:,}",
            number(need.memory_gib),
            number(need.warehouse_gib_per_day),
            number(need.kafka_gib_per_day),
            number(need.file_days),
        )
        for need in sizing.needs(found)
    ]
    basis = (
        f"From: {found.rate:,.0f} events/s of one worker, of which half is used at the peak; peak "
        f"twice the mean; {found.warehouse_bytes:,.0f} bytes an event in the worker's file, "
        f"{found.kafka_bytes:,.0f} in Kafka, uncompressed, in three replicas; "
        f"{found.memory_mib:,.0f} MiB peak of a worker; {found.copy_mib_per_s:,.0f} MiB/s copied."
    )
    shards = _rows(raw, "shards", "shards_n", ("rate", "peak_mib"))
    workers = _rows(raw, "workers", "workers_n", ("rate",))
    parts = [_table([head, *needs]), basis, "Shards, one worker:", _table(shards)]
    return "\n\n".join([*parts, "Workers, on the same two cores:", _table(workers)])


def _intro(result: Mapping[str, Any]) -> str:
    on = result["machine"]
    when = datetime.fromtimestamp(on["measured_at_us"] / 1_000_000, tz=UTC).date()
    versions = ", ".join(f"{name} {value}" for name, value in on["versions"].items() if value)
    changed = " with changes" if on["is_changed_since"] else ""
    return (
        f"Size {result['size']['name']}, {when}, commit {on['commit'][:10]}{changed}, "
        f"{on['cores_n']} cores ({on['cpu']}), {on['memory_mib'] / 1_024:.0f} GiB, load "
        f"{on['load_before']:.1f} before. Python {on['python']}, {versions}."
    )


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    if len(rows) < 2:
        return ""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    if len(rows) < 2:
        return ""
    lines = [rows[0], ("---",) * len(rows[0]), *rows[1:]]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in lines
    )


def update_page(page: Path, made: str) -> None:
    """Put what was made between the markers of a page."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Render the kept results into both pages; the sizing only from a run that had all of it."""
    result = json.loads(RESULTS.read_text(encoding="utf-8"))
    update_page(PERFORMANCE, as_markdown(result))
    try:
        update_page(SCALE, scale_markdown(result))
    except (KeyError, TypeError, AttributeError) as error:
        sys.exit(f"docs/scale.md was left as it is: the run lacks what it is made of ({error!r}).")


if __name__ == "__main__":
    main()
