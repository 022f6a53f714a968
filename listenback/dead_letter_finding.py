"""What `listenback doctor` says of dead letters: how many lately, of which class, and floods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.engine.flood import BLOCK_OFFSETS
from streams.warehouse.migrate import migrations, version_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHARE_MAX = 0.01
"""Beyond this share of the newest messages refused, somebody should look."""
WHAT_NEXT = "See which: listenback dlq list --count; what to do: docs/dead-letters.md"
NEWEST = f"""
WITH newest AS (
    SELECT topic, shard, next_offset,
        greatest(next_offset - 1, 0) // {BLOCK_OFFSETS} * {BLOCK_OFFSETS} AS block_offset
    FROM topic_shard
), refused AS (
    SELECT n.topic, c.error_class, sum(c.refused_n)::BIGINT AS refused_n,
        sum(c.refused_n - c.whole_n)::BIGINT AS cut_n
    FROM newest n JOIN dead_letter_count c
        ON c.topic = n.topic AND c.shard = n.shard AND c.block_offset = n.block_offset
    GROUP BY ALL
), of_topic AS (
    SELECT topic, sum(next_offset - block_offset)::BIGINT AS read_n FROM newest GROUP BY topic
)
SELECT topic, read_n, error_class, coalesce(refused_n, 0), coalesce(cut_n, 0)
FROM of_topic LEFT JOIN refused USING (topic) ORDER BY topic, refused_n DESC, error_class
"""  # noqa: S608 - the number is our own constant


def said_of_dead_letters(con: DuckDBPyConnection) -> tuple[bool, str]:
    """Whether all is well, and the sentence: per topic, of its newest block of offsets."""
    if version_of(con) < migrations()[-1].version:
        return True, "not counted in a file of an older schema"
    topics: dict[str, list[tuple[int, str, int, int]]] = {}
    for topic, *rest in con.execute(NEWEST).fetchall():
        topics.setdefault(topic, []).append(tuple(rest))
    bad, parts = False, []
    for topic, kinds in topics.items():
        read_n, refused_n = kinds[0][0], sum(kind[2] for kind in kinds)
        cut_n = sum(kind[3] for kind in kinds)
        bad = bad or cut_n > 0 or refused_n > SHARE_MAX * read_n
        if refused_n:
            classes = ", ".join(f"{name} {n:,}" for _, name, n, _ in kinds)
            flood = f"; a FLOOD, {cut_n:,} are in Kafka alone" if cut_n else ""
            share = f"{refused_n / max(read_n, 1):.2%} of the newest {read_n:,}"
            parts.append(f"{topic} {share} ({classes}{flood})")
    return not bad, "; ".join(parts) or "none among the newest messages"
