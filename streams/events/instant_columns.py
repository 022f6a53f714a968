"""RFC 3339 tokens to microseconds UTC, a column at a time: the columnar twin of `instant_us`.

The layout of a timestamp follows from its length and from whether it ends in Z. The rows of one
layout are a matrix of characters in which every digit has its place. Producers use few layouts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Chars = NDArray[np.uint8]  # a row a place, a column a timestamp
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

_HEAD: Final = "0000-00-00T00:00:00"
_ZULU: Final = "Z"
_OFFSET: Final = "+00:00"
_DIGITS_MAX: Final = 9
_SECOND_US: Final = 1_000_000
_MARKS: Final = {"T": "Tt ", "Z": "Zz", "+": "+-"}
"""What may stand where the template has this character; 0 stands for a digit."""


def instants_us(tokens: pl.Series) -> pl.Series:
    """Int64 microseconds UTC; null where the token is no RFC 3339 timestamp.

    tokens: JSON texts or null; a timestamp has its quotes about it.
    """
    us, is_valid = np.zeros(len(tokens), np.int64), np.zeros(len(tokens), np.bool_)
    tokens = tokens.rechunk()
    lengths = tokens.str.len_bytes()
    for length in lengths.drop_nulls().unique():
        if length > len(_HEAD) + 2:
            rows = (lengths == length).arg_true()
            for part, chars, digits_n in _layouts(tokens.gather(rows), length):
                places = rows.to_numpy()[part]
                us[places], is_valid[places] = _read(chars, digits_n)
    found = pl.DataFrame({"us": us, "is_valid": is_valid})
    return found.select(pl.when("is_valid").then("us").alias(tokens.name)).to_series()


def _layouts(tokens: pl.Series, length: int) -> Iterator[tuple[Ints, Chars, int]]:
    """Tokens of one length by layout: their places, their characters, digits of the second."""
    data = tokens.to_arrow().buffers()[2]
    quoted = np.frombuffer(data, np.uint8, len(tokens) * length).reshape(len(tokens), length)
    is_zulu = (quoted[:, -2] | 0x20) == ord("z")
    for is_tail, tail in ((is_zulu, _ZULU), (~is_zulu, _OFFSET)):
        digits_n = length - 2 - len(_HEAD) - len(tail) - 1  # two quotes, and a point
        if is_tail.any() and (digits_n == -1 or 1 <= digits_n <= _DIGITS_MAX):
            chars = quoted[is_tail] if not is_tail.all() else quoted
            yield np.flatnonzero(is_tail), np.ascontiguousarray(chars[:, 1:-1].T), digits_n


def _read(chars: Chars, digits_n: int) -> tuple[Ints, Bools]:
    """Microseconds UTC, and whether they may be believed."""
    digits = chars - np.uint8(ord("0"))  # what is no digit wraps to more than 9
    has_offset = len(chars) > len(_HEAD) + 1 + digits_n + len(_ZULU)
    tail = _OFFSET if has_offset else _ZULU
    point = "." if digits_n > 0 else ""
    is_valid = _fits(chars, digits, f"{_HEAD}{point}{'0' * digits_n}{tail}")
    days, is_day = _days(digits)
    seconds, is_clock = _clock(digits, len(_HEAD) - len("00:00:00"))
    second = _number(digits, 17, 19)
    is_valid &= is_day & is_clock & (second < 60)
    seconds += days * 86_400 + second
    if has_offset:
        offset, is_clock = _clock(digits, len(chars) - len("00:00"))
        is_behind = chars[-len(_OFFSET)] == ord("-")
        seconds -= np.where(is_behind, -offset, offset)
        is_valid &= is_clock
    kept_n = min(max(digits_n, 0), 6)
    micros = _number(digits, len(_HEAD) + 1, len(_HEAD) + 1 + kept_n) * 10 ** (6 - kept_n)
    return seconds * _SECOND_US + micros, is_valid


def _days(digits: Chars) -> tuple[Ints, Bools]:
    """Days since 1970-01-01, and whether the calendar has such a day."""
    year, month, day = _number(digits, 0, 4), _number(digits, 5, 7), _number(digits, 8, 10)
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    first, after = (each.astype("datetime64[D]").astype(np.int64) for each in (months, months + 1))
    is_day = (month >= 1) & (month <= 12) & (day >= 1) & (day <= after - first)
    return first + day - 1, is_day


def _clock(digits: Chars, start: int) -> tuple[Ints, Bools]:
    """The seconds of the HH:MM that begins there, and whether clocks show it."""
    hour, minute = _number(digits, start, start + 2), _number(digits, start + 3, start + 5)
    return hour * 3_600 + minute * 60, (hour < 24) & (minute < 60)


def _number(digits: Chars, start: int, stop: int) -> Ints:
    number = np.zeros(digits.shape[1], np.int32)
    for digit in digits[start:stop]:
        number *= 10
        number += digit
    return number.astype(np.int64)


def _fits(chars: Chars, digits: Chars, template: str) -> Bools:
    """Every character belongs where it stands."""
    fits = np.ones(chars.shape[1], np.bool_)
    for place, mark in enumerate(template):
        if mark == "0":
            fits &= digits[place] <= 9
        else:
            marks = _MARKS.get(mark, mark)
            fits &= np.logical_or.reduce([chars[place] == ord(one) for one in marks])
    return fits
