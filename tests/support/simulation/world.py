"""Several workers over one scripted log, killed and revived by a seed."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.simulation import script
from support.simulation.crash import SEAMS, Crash, Crashed, nth_of, sizes
from support.simulation.prefix import check_prefix

from streams.events.topics import JOINED_TOPICS
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse import archiving, publish
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
FETCH_RECORDS_MAX = 16
LETTERS_N = 7
AGEING_READS_MAX = 9
TRIES_MAX = 3


@dataclass(slots=True)
class Worker:
    """One member of the group, in its present life."""

    name: str
    lives_n: int = 0
    pipeline: Pipeline | None = None
    shards: frozenset[int] = frozenset()
    position: dict[Place, int] = field(default_factory=dict)
    acknowledged: dict[Place, int] = field(default_factory=dict)
    is_zombie: bool = False


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
        self._workers = [Worker(str(n)) for n in range(3 if seed % 4 == 3 else 2)]
        self._sent: set[str] = set()
        self._sizes: tuple[int, int] = (0, 0)
        self.crashed: Counter[str] = Counter()
        self.torn_n = self.zombies_n = 0

    def run(self, seams: list[str]) -> Content:
        """Crash in each of these seams, and read the log to its end.

        What it ends with is what all have published, merged; or, in half of the runs, what the
        last of the group has, which took over all shards.
        """
        for worker in self._workers:
            self._live(worker)
        self._deal()
        for seam in seams:
            self._advance()
            self._crash_in(seam)
        is_merged = "merge" in seams or self._rng.random() < 0.5
        last = [] if is_merged else [self._rng.choice(self._workers)]
        self._finish(last or self._workers)
        return self._whole("merge" in seams) if is_merged else self._held_by(last[0])

    # One life.

    def _place_of(self, worker: Worker) -> Settings:
        home = self._folder / f"{worker.name}-{worker.lives_n}"
        archive = {"archive_after_days": 1, "archive_rows_min": ARCHIVE_ROWS_MIN}
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
        self._check_prefix(worker.pipeline._con)

    def _die(self, worker: Worker) -> None:
        """What the process held is gone; nothing of it reaches the files we look at."""
        assert worker.pipeline is not None
        worker.pipeline._lock.close()
        worker.pipeline._con.close()
        worker.pipeline = None

    def _save(self, worker: Worker) -> Path:
        """The worker's file and WAL as they are now."""
        saved = self._folder / f"saved-{worker.name}-{worker.lives_n}"
        saved.mkdir(exist_ok=True)
        file = self._place_of(worker).worker_file
        for path in file.parent.glob(f"{file.name}*"):
            if path.is_file():
                shutil.copyfile(path, saved / path.name)
        return saved

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
        assert worker.pipeline is not None
        offsets = worker.pipeline.assign(shards)
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
        assert worker.pipeline is not None
        places = sorted(worker.position)
        for place in self._rng.sample(places, k=(len(places) + 1) // 2):
            start = worker.position[place] - self._rng.choice((0, 0, 0, 4))
            coming = [r for r in self._log[place] if r.offset >= start]
            records = coming[: self._rng.randint(1, FETCH_RECORDS_MAX)]
            if records:
                worker.pipeline.add(script.batch(records, place))
                worker.position[place] = max(worker.position[place], records[-1].offset + 1)

    def _flush(self, worker: Worker) -> None:
        assert worker.pipeline is not None
        if not worker.pipeline.rows_buffered():
            return
        commit = worker.pipeline.seal()
        if self._rng.random() < 0.5:  # what the next flush will hold comes before this one's commit
            self._read(worker)
        flushed = commit()
        counts = (flushed.accepted_n, flushed.duplicate_n, flushed.dead_lettered_n)
        assert flushed.read_n == sum(counts)
        for topic in JOINED_TOPICS:
            for shard in worker.shards:
                offset = flushed.next_offsets[topic.value, shard]
                worker.acknowledged[topic, shard] = offset

    def _publish(self, worker: Worker) -> None:
        assert worker.pipeline is not None
        worker.pipeline.publish()

    def _forward(self, worker: Worker) -> None:
        """Send dead letters; whoever dies between sending and marking sends them again."""
        assert worker.pipeline is not None
        letters = worker.pipeline.dead_letters(LETTERS_N)
        self._sent |= {letter.dlq_id for letter in letters}
        worker.pipeline.mark_forwarded([letter.dlq_id for letter in letters])

    # Crashes.

    def _crash_in(self, seam: str) -> None:
        """Once; a step that has nothing to do, or ends before the line, is taken again."""
        for _ in range(TRIES_MAX if SEAMS[seam][0] != "merge" else 0):
            if self._is_crashed_in(seam):
                return

    def _is_crashed_in(self, seam: str) -> bool:
        step = SEAMS[seam][0]
        worker = self._rng.choice(self._workers)
        saved = self._folder / f"saved-{worker.name}-{worker.lives_n}"
        names: dict[str, int] = {}

        def happened() -> None:
            self._save(worker)
            if seam == "torn commit":
                self._tear(worker, saved)
            names.update(self._hide())

        crash = Crash(seam, nth_of(seam, self._rng), happened, lambda: self._measure(worker))
        disturbed = self._step(step, worker)
        self._measure(worker)
        try:
            crash.during(disturbed)
        except Crashed:
            self.crashed[seam] += 1
            self._unhide(names)
            self._die(worker)
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
            return lambda: self._publish(worker)
        self._read(worker)
        if step == "flush":
            return lambda: self._flush(worker)
        if step == "publish":
            self._flush(worker)
            return lambda: self._publish(worker)
        self._flush(worker)
        return lambda: self._forward(worker)

    def _overtake(self, worker: Worker) -> None:
        """Another worker brings all shards further, so that this one takes them over."""
        other = next(one for one in self._workers if one is not worker)
        self._assign(worker, frozenset())
        self._assign(other, frozenset(script.SHARDS))
        self._read(other)
        self._flush(other)
        self._publish(other)

    def _age(self, worker: Worker) -> None:
        """Let a worker read until a day is old enough to be archived."""
        assert worker.pipeline is not None
        self._assign(worker, frozenset(script.SHARDS))
        when = self._place_of(worker).archived_when()
        for _ in range(AGEING_READS_MAX):
            if archiving.due(worker.pipeline._con, **when) is not None:
                return
            self._read(worker)
            self._flush(worker)

    def _measure(self, worker: Worker) -> None:
        """Size of the WAL before a line, to know what the next line adds."""
        wal = self._wal(worker)
        self._sizes = (self._sizes[1], wal.stat().st_size if wal.exists() else 0)

    def _tear(self, worker: Worker, saved: Path) -> None:
        """Killed within a commit, the WAL ends anywhere in what the commit wrote."""
        wal = saved / self._wal(worker).name
        before = self._sizes[1]
        if wal.exists() and before < wal.stat().st_size:
            os.truncate(wal, self._rng.randrange(before, wal.stat().st_size))
            self.torn_n += 1

    def _wal(self, worker: Worker) -> Path:
        file = self._place_of(worker).worker_file
        return file.with_name(f"{file.name}.wal")

    def _hide(self) -> dict[str, int]:
        """Second names for what is published at this instant: what comes after did not happen."""
        hidden = self._folder / "hidden"
        shutil.rmtree(hidden, ignore_errors=True)
        shutil.copytree(self._published, hidden, copy_function=os.link)
        return sizes(hidden)

    def _unhide(self, names: dict[str, int]) -> None:
        self._bring_back()
        assert sizes(self._published) == names, "written after the crash"

    def _bring_back(self) -> None:
        shutil.rmtree(self._published)
        (self._folder / "hidden").rename(self._published)

    # The end.

    def _finish(self, left: list[Worker]) -> None:
        """Who is left in the group hears of it again, and reads to the end."""
        for worker in self._workers:
            worker.is_zombie = worker not in left
        self._deal()
        for worker in left:
            assert worker.pipeline is not None
            for place, position in worker.position.items():
                rest = [r for r in self._log[place] if r.offset >= position]
                if rest:
                    worker.pipeline.add(script.batch(rest, place))
            self._flush(worker)
            self._publish(worker)

    def _held_by(self, last: Worker) -> Content:
        """The last of the group holds all shards: what it has published is the whole log."""
        assert last.pipeline is not None
        return self._content_of(last.pipeline._published)

    def _whole(self, is_crashing: bool) -> Content:  # noqa: FBT001 - of a test
        """The merged warehouse: its prefix is the whole log."""
        target = self._published / "whole.duckdb"
        sources = sorted(self._published.glob(publish.WORKER_GLOB))

        def merge() -> None:
            publish.merge(sources, target, memory="500MB", keep_n=1)

        if is_crashing:
            crash = Crash("merge", nth_of("merge", self._rng), self._hide, lambda: None)
            try:
                crash.during(merge)
            except Crashed:
                self.crashed["merge"] += 1
                self._bring_back()  # half a merged file, which the next one removes
        merge()
        return self._content_of(target)

    def _content_of(self, path: Path) -> Content:
        con = open_readable(path)
        try:
            self._check_prefix(con, is_whole=True)
            return content_of(con)
        finally:
            con.close()

    def close(self) -> None:
        """End the lives that are left."""
        for worker in self._workers:
            if worker.pipeline is not None:
                self._die(worker)

    def _check_prefix(self, con: DuckDBPyConnection, *, is_whole: bool = False) -> None:
        check_prefix(con, self._log, is_whole=is_whole)
