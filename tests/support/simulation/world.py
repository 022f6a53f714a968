"""Several workers over one scripted log, killed and revived by a seed."""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from support.shard_logs import plan
from support.simulation import behind, script
from support.simulation.crash import AT, SEAMS, Crash, Crashed, nth_of
from support.simulation.member import Worker, workers_n
from support.simulation.prefix import check_prefix
from support.simulation.remains import Remains

from streams.events.topics import JOINED_TOPICS
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse import archiving, publish, restore
from streams.warehouse.connect import open_readable
from streams.warehouse.content import content_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from duckdb import DuckDBPyConnection
    from support.simulation.script import Log, Place

    from streams.warehouse.content import Content

ARCHIVE_ROWS_MIN = 4
"""Few enough that some days of a log go to a part; of the others some rows are old and stay."""
ARCHIVING_SHARE = 0.3
"""Of the worlds that are not to be killed while they archive. Moving a piece costs a flush."""
MERGED_SHARE = 0.2
FETCH_RECORDS_MAX = 16
LETTERS_N = 7
AGEING_FLUSHES_MAX, AGEING_READS_N = 3, 3
TRIES_MAX = 3


class World:
    """A group of workers that read one log. Everything random comes from the seed.

    Args:
        log: the scripted log.
        folder: an empty folder of this world.
        template: a worker's file that has just been made, so that no life begins with migrations.
    """

    def __init__(self, seed: int, log: Log, folder: Path, template: Path, **settings: Any) -> None:
        self._rng = random.Random(f"world {seed}")
        self._log, self._folder, self._template = log, folder, template
        self._settings = settings
        self._published = folder / "published"
        self._published.mkdir(parents=True)
        self._workers = [Worker(str(n)) for n in range(workers_n(seed))]
        self._archives = False
        self._sent: set[str] = set()
        self.crashed: Counter[str] = Counter()
        self.zombies_n = self.beside_n = 0
        self.remains = Remains(self._published, folder / "hidden")

    def run(self, seams: list[str]) -> Content:
        """Crash in each of these seams, and read the log to its end.

        What it ends with is what all have published, merged; or, in most of the runs, what the
        last of the group has, which took over all shards.
        """
        asked = any(SEAMS[seam][0] == "archive" for seam in seams)
        self._archives = asked or self._rng.random() < ARCHIVING_SHARE
        for worker in self._workers:
            self._live(worker)
        self._deal()
        for seam in seams:
            self._advance()
            self._crash_in(seam)
        is_merged = "merge" in seams or self._rng.random() < MERGED_SHARE
        last = [] if is_merged else [self._rng.choice(self._workers)]
        self._finish(last or self._workers)
        return self._whole("merge" in seams) if is_merged else self._held_by(last[0])

    # One life.

    def _place_of(self, worker: Worker) -> Settings:
        home = self._folder / f"{worker.name}-{worker.lives_n}"
        rows_min = {"archive_after_days": 1, "archive_rows_min": ARCHIVE_ROWS_MIN}
        archive = {"archive": self._archives, **rows_min}
        own = {"data_dir": home, "worker_id": worker.name, "duckdb_threads_n": 1}
        return Settings(**own, **archive, **self._settings)

    def _live(self, worker: Worker, left: Path | None = None) -> None:
        """Begin a life with the files that the last one left, or with an empty one."""
        worker.lives_n += 1
        place = self._place_of(worker)
        place.worker_file.parent.mkdir(parents=True)
        place.published_dir.symlink_to(self._published, target_is_directory=True)
        if left is None:
            shutil.copyfile(self._template, place.worker_file)
            worker.acknowledged = {}
        else:
            for file in left.iterdir():
                shutil.move(file, place.worker_file.parent / file.name)
        worker.pipeline = Pipeline(place)
        worker.shards, worker.is_zombie = frozenset(), False
        self._check_prefix(worker.own._con)

    def _die(self, worker: Worker) -> None:
        """What the process held is gone; nothing of it reaches the files we look at."""
        behind.kill(worker.own._copy, worker.copy)
        worker.own._lock.close()
        worker.own._con.close()
        worker.pipeline = None

    # What the group does.

    def _deal(self, *, releases: bool = True) -> None:
        """A rebalance: who is there lets go, then gets shards anew. A zombie hears nothing."""
        present = [one for one in self._workers if not one.is_zombie]
        for worker in present:
            if releases and worker.shards and self._rng.random() < 0.4:
                self._flush(worker)
                self._publish(worker)
            self._assign(worker, frozenset())
        deal: dict[str, set[int]] = {worker.name: set() for worker in present}
        for shard in script.SHARDS:
            deal[self._rng.choice(present).name].add(shard)
        for worker in present:
            self._assign(worker, frozenset(deal[worker.name]))

    def _assign(self, worker: Worker, shards: frozenset[int]) -> None:
        offsets = worker.own.assign(shards)
        worker.shards = shards
        worker.position = {
            (topic, shard): offsets[topic.value, shard]
            for topic in JOINED_TOPICS
            for shard in shards
        }
        for shard in shards:  # a copy may lie behind in one topic, never in all together
            now, told = (
                sum(self._read_n((topic, shard), offsets) for topic in JOINED_TOPICS)
                for offsets in (worker.position, worker.acknowledged)
            )
            assert now >= told, f"shard {shard}: {told} acknowledged, {now} restored"

    def _read_n(self, place: Place, offsets: dict[Place, int]) -> int:
        """Messages before an offset."""
        return sum(r.offset < offsets.get(place, 0) for r in self._log[place])

    def _advance(self) -> None:
        """Some undisturbed work: reads, a flush, sometimes a rebalance or a zombie."""
        worker = self._rng.choice(self._workers)
        self._read(worker)
        if self._rng.random() < 0.4:
            self._flush(worker)
            self._publish(worker)
        chance = self._rng.random()
        if chance < 0.2:
            self._deal()
        elif chance < 0.5:
            self._haunt()

    def _haunt(self) -> None:
        """One worker stops hearing of the group, goes on with its shards, others get them too."""
        sleeper = self._rng.choice(self._workers)
        if sum(one.is_zombie for one in self._workers) < len(self._workers) - 1:
            sleeper.is_zombie = True
            self.zombies_n += 1
            self._deal()

    def _read(self, worker: Worker) -> None:
        """Fetches of some of its partitions; some reach back behind what was read."""
        places = sorted(worker.position)
        for place in self._rng.sample(places, k=(len(places) + 1) // 2):
            start = worker.position[place] - self._rng.choice((0, 0, 0, 4))
            coming = [r for r in self._log[place] if r.offset >= start]
            records = coming[: self._rng.randint(1, FETCH_RECORDS_MAX)]
            if records:
                worker.own.add(script.batch(records, place))
                worker.position[place] = max(worker.position[place], records[-1].offset + 1)

    def _flush(self, worker: Worker) -> None:
        if not worker.own.rows_buffered():
            return
        commit = worker.own.seal()
        if self._rng.random() < 0.5:  # what the next flush will hold comes before this one's commit
            self._read(worker)
        self.beside_n += behind.is_copying(worker.own)
        flushed = commit()
        counts = (flushed.accepted_n, flushed.duplicate_n, flushed.dead_lettered_n)
        assert flushed.read_n == sum(counts)
        for topic in JOINED_TOPICS:
            for shard in worker.shards:
                offset = flushed.next_offsets[topic.value, shard]
                worker.acknowledged[topic, shard] = offset

    def _publish(self, worker: Worker) -> None:
        """At once, whatever is being copied; or behind what follows, until the next call."""
        if self._rng.random() < 0.5:
            worker.own.publish()
        elif behind.is_copying(worker.own):
            self._end_copy(worker)
        else:
            self._begin_copy(worker)

    def _begin_copy(self, worker: Worker) -> None:
        """Copy a part of the file as it is now."""
        worker.copy = behind.begin(worker.own, self._rng)

    def _end_copy(self, worker: Worker) -> None:
        """Publish what was copied, if anything: the file as it was when that began."""
        if behind.is_copying(worker.own):
            held = behind.end(worker.own)
            with contextlib.closing(restore.open_readable(worker.own._published)) as con:
                assert restore.progress(con) == held
                self._check_prefix(con)

    def _forward(self, worker: Worker) -> None:
        """Send dead letters; whoever dies between sending and marking sends them again."""
        letters = worker.own.dead_letters(LETTERS_N)
        self._sent |= {letter.dlq_id for letter in letters}
        worker.own.mark_forwarded([letter.dlq_id for letter in letters])

    # Crashes.

    def _crash_in(self, seam: str) -> None:
        """Once; a step that has nothing to do, or ends before the line, is taken again."""
        for _ in range(TRIES_MAX if SEAMS[seam][0] != "merge" else 0):
            if self._is_crashed_in(seam):
                return

    def _is_crashed_in(self, seam: str) -> bool:
        step = SEAMS[seam][0]
        worker = self._rng.choice(self._workers)
        file = self._place_of(worker).worker_file
        saved = self._folder / f"saved-{worker.name}-{worker.lives_n}"

        def happened() -> None:
            behind.until_half(worker.own)
            self.remains.save(file, saved)
            if seam in AT:
                self.remains.tear(saved / file.name, self._rng)
            self.remains.hide()

        crash = Crash(seam, nth_of(seam, self._rng), happened, lambda: self.remains.measure(file))
        disturbed = self._step(step, worker)
        self.remains.measure(file)
        try:
            crash.during(disturbed)
        except Crashed:
            self.crashed[seam] += 1
            self._die(worker)
            self.remains.bring_back()
            self.remains.check()
            is_disk_lost = self._rng.random() < 0.1
            self._live(worker, None if is_disk_lost else saved)
            self._deal(releases=self._rng.random() < 0.5)
        return crash.is_reached

    def _step(self, step: str, worker: Worker) -> Callable[[], None]:
        """The step that is to be disturbed, made ready so that it has something to do."""
        if step == "assign":
            self._overtake(worker)
            return lambda: self._assign(worker, frozenset(script.SHARDS))
        if step == "archive":
            self._age(worker)
            return worker.own.publish
        self._read(worker)
        if step == "flush":
            return lambda: self._flush(worker)
        self._flush(worker)
        if step == "letters":
            return lambda: self._forward(worker)
        if step == "publish":
            return worker.own.publish
        return self._step_behind(step, worker)

    def _step_behind(self, step: str, worker: Worker) -> Callable[[], None]:
        """A copy with a commit beside it, whole or from its first half on; or one given up."""
        self._end_copy(worker)

        def beside() -> None:
            self._read(worker)
            self._flush(worker)
            self._end_copy(worker)

        def whole() -> None:
            self._begin_copy(worker)
            beside()

        if step == "behind":
            return whole
        self._begin_copy(worker)
        return beside if step == "beside" else worker.own.publish

    def _overtake(self, worker: Worker) -> None:
        """Another worker brings all shards further, so that this one takes them over."""
        other = next(one for one in self._workers if one is not worker)
        self._assign(worker, frozenset())
        self._assign(other, frozenset(script.SHARDS))
        self._read(other)
        self._flush(other)
        other.own.publish()

    def _age(self, worker: Worker) -> None:
        """Let a worker read until a day is old enough to be archived."""
        self._assign(worker, frozenset(script.SHARDS))
        when = self._place_of(worker).archived_when()
        for _ in range(AGEING_FLUSHES_MAX):
            if archiving.due(worker.own._con, **when) is not None:
                return
            for _ in range(AGEING_READS_N):
                self._read(worker)
            self._flush(worker)

    # The end.

    def _finish(self, left: list[Worker]) -> None:
        """Who is left in the group hears of it again, and reads to the end."""
        for worker in self._workers:
            worker.is_zombie = worker not in left
        self._deal()
        for worker in left:
            for place, position in worker.position.items():
                rest = [r for r in self._log[place] if r.offset >= position]
                if rest:
                    worker.own.add(script.batch(rest, place))
            self._flush(worker)
            self._publish_all(worker)

    def _publish_all(self, worker: Worker) -> None:
        """Whatever it has, now or behind; that may take two copies."""
        if self._rng.random() < 0.5:
            worker.own.publish()
        else:
            self._end_copy(worker)
            self._begin_copy(worker)
            self._end_copy(worker)
        assert worker.own.is_all_published

    def _held_by(self, last: Worker) -> Content:
        """The last of the group holds all shards: what it has published is the whole log."""
        return self._content_of(last.own._published)

    def _whole(self, is_crashing: bool) -> Content:  # noqa: FBT001 - of a test
        """The merged warehouse: its prefix is the whole log."""
        target = self._published / "whole.duckdb"
        sources = sorted(self._published.glob(publish.WORKER_GLOB))

        def merge() -> None:
            publish.merge(sources, target, memory="500MB", keep_n=1)

        if is_crashing:
            crash = Crash("merge", nth_of("merge", self._rng), self.remains.hide, lambda: None)
            try:
                crash.during(merge)
            except Crashed:
                self.crashed["merge"] += 1
                self.remains.bring_back()  # half a merged file, which the next one removes
        merge()
        return self._content_of(target)

    def _content_of(self, path: Path) -> Content:
        con = open_readable(path)
        try:
            self._check_prefix(con, is_whole=True)
            with plan(con, is_optimized=False):
                return content_of(con)
        finally:
            con.close()

    def close(self) -> None:
        """End the lives that are left."""
        for worker in self._workers:
            if worker.pipeline is not None:
                self._die(worker)
        assert all(thread.name != "copy" for thread in threading.enumerate())

    def _check_prefix(self, con: DuckDBPyConnection, *, is_whole: bool = False) -> None:
        check_prefix(con, self._log, is_whole=is_whole)
