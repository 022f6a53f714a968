"""Reads the Dockerfile as far as the tests ask: its instructions, in order."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Instruction(NamedTuple):
    """`COPY a b` is ("COPY", ("a", "b"), stage 0)."""

    name: str
    words: tuple[str, ...]
    stage: int


def instructions(path: Path = ROOT / "Dockerfile") -> list[Instruction]:
    """The instructions of every stage; comments are gone and continued lines are one."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    found: list[Instruction] = []
    stage = -1
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        stage += name == "FROM"
        found.append(Instruction(name, tuple(shlex.split(rest)), stage))
    return found
