"""Numbers and differences as people say them."""

from __future__ import annotations

import pytest

from analytics import words
from analytics.catalog.shape import Words
from analytics.report.numbers import Numbers, bare
from analytics.results import Estimate

SKIPS = Words(count="early skips", per=100, of="starts")
MINUS = "\N{MINUS SIGN}"
PERCENT = "\N{NO-BREAK SPACE}%"
N = Numbers(bare)


def estimate(value: float, low: float | None, high: float | None) -> Estimate:
    return Estimate("m", value, low, high, 0.1, 0.01, 0.95)


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (-0.031, -0.040, -0.022, "3.10 fewer early skips per 100 starts (95 % CI 2.20 to 4.00)"),
        (-0.031, -0.055, -0.007, "3.1 fewer early skips per 100 starts (95 % CI 0.7 to 5.5)"),
        (0.12, 0.01, 0.23, "12 more early skips per 100 starts (95 % CI 1 to 23)"),
        (
            0.01,
            -0.02,
            0.04,
            "no clear difference: from 2.0 fewer to 4.0 more early skips per 100 starts (95 % CI)",
        ),
    ],
)
def test_a_difference_is_said_with_the_digits_its_interval_carries(value, low, high, said):
    assert words.difference(SKIPS, estimate(value, low, high)) == said


def test_a_difference_per_one_names_no_number():
    minutes = Words(count="minutes", of="listener")
    said = words.difference(minutes, estimate(1.5, 0.5, 2.5))
    assert said == "1.5 more minutes per listener (95 % CI 0.5 to 2.5)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.05, "0.050"),
        (0.0015542, "0.0016"),
        (1e-9, "<0.0001"),
        (0.74, "0.74"),
        (None, "\N{EN DASH}"),
    ],
)
def test_a_p_value_keeps_two_digits_and_is_never_zero(value, text):
    assert words.p_value(value) == text


def test_a_rounded_zero_has_no_sign():
    assert words.number(-0.0004, 2) == "0.00"
    assert words.signed(0.0004, 2) == "0.00"
    assert words.signed(1234.5, 1) == "+1,234.5"
    assert words.number(-2, 0) == f"{MINUS}2"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.999, ">99"), (1.0, "100"), (0.004, "<1"), (0.0, "0"), (0.42, "42"), (None, "\N{EN DASH}")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(value, text):
    assert N.share(value) == (text if value is None else f"{text}{PERCENT}")


def test_an_open_end_is_said():
    assert N.relative_interval(estimate(0.5, None, None)) == "unbounded"
    assert N.interval(estimate(0.5, 0.1, None)) == "0.100 to unbounded"
    assert N.interval(None) == words.NONE


def test_percent_ends_near_zero_keep_their_sign():
    assert N.relative_interval(estimate(0.1, -0.004, 0.2)) == f"{MINUS}0.4 to 20.0{PERCENT}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30, "30 seconds"), (600, "10 minutes"), (9_000, "2.5 hours"), (260_000, "3.0 days")],
)
def test_an_age_is_said_in_the_unit_a_person_would_choose(seconds, text):
    assert N.age(seconds) == text
