"""Expressions over the additive columns."""

from __future__ import annotations

import pytest

from analytics.catalog.expression import Expression, ExpressionError, parse


@pytest.mark.parametrize(
    ("text", "expected", "sql"),
    [
        ("starts_n", Expression(((1, "starts_n"),)), "(starts_n)"),
        (
            "saves_n - unsaves_n",
            Expression(((1, "saves_n"), (-1, "unsaves_n"))),
            "(saves_n - unsaves_n)",
        ),
        (
            "-2 * hides_n+3*likes_n",
            Expression(((-2, "hides_n"), (3, "likes_n"))),
            "(- 2 * hides_n + 3 * likes_n)",
        ),
        ("ms_played / 60000", Expression(((1, "ms_played"),), 60_000.0), "(ms_played)"),
        (
            "(hides_n + reports_n) / 10",
            Expression(((1, "hides_n"), (1, "reports_n")), 10.0),
            "(hides_n + reports_n)",
        ),
        (
            "ms_played / 1000 >= 30",
            Expression(((1, "ms_played"),), 1000.0, (">=", 30.0)),
            "CAST((ms_played) >= 30000 AS BIGINT)",
        ),
    ],
)
def test_an_expression_becomes_whole_weights_and_a_divisor(text, expected, sql):
    parsed = parse(text)
    assert parsed == expected
    assert parsed.sql() == sql


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("start_n", "Did you mean 'starts_n'?"),
        ("skips_n - starts_n / 2", "put the sum in brackets"),
        ("(skips_n", "opens a bracket"),
        ("1.5 * skips_n", "whole number"),
        ("2 skips_n", "2 \\* ..."),
        ("skips_n / 0", "divides by 0"),
        ("skips_n / x", "'x' instead of a number"),
        ("skips_n starts_n", "ends with 'starts_n'"),
        ("skips_n -", "ends where a column must stand"),
        ("skips_n; DROP TABLE x", "has ';'"),
        ("", "ends where a column must stand"),
    ],
)
def test_an_expression_that_cannot_be_read_says_why(text, says):
    with pytest.raises(ExpressionError, match=says):
        parse(text)
