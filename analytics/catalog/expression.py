"""What a measure is made of: a short linear form over the additive columns of `unit_day`.

saves_n - unsaves_n            several columns, added and subtracted
2 * likes_n - dislikes_n       with whole weights
ms_played / 60000              in another unit
(hides_n + reports_n) / 100    a sum in another unit
starts_n > 0                   per day 1 or 0: summed over days, the days on which it holds
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from streams.errors import did_you_mean
from streams.events.measures import MEASURE_NAMES

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|(>=|<=|[-+*/()<>]))")
TESTS = (">=", ">", "<=", "<")
_COLUMNS = frozenset(MEASURE_NAMES)


class ExpressionError(ValueError):
    """A measure's expression cannot be read; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A weighted sum of columns, divided; or, with a test, 1 on the days it passes, else 0.

    Weights are integers, so that sums over events stay exact; the divisor is applied last.
    """

    terms: tuple[tuple[int, str], ...]
    divisor: float = 1.0
    test: tuple[str, float] | None = None

    def sql(self, table: str = "") -> str:
        """Its value on one row of `unit_day` as a SQL integer, the divisor of a sum left out."""
        dot = f"{table}." if table else ""
        words = []
        for weight, column in self.terms:
            size = abs(weight)
            words.append("-" if weight < 0 else "+")
            words.append(f"{dot}{column}" if size == 1 else f"{size} * {dot}{column}")
        linear = " ".join(words).removeprefix("+ ")
        if self.test is None:
            return f"({linear})"
        symbol, bound = self.test
        return f"CAST(({linear}) {symbol} {bound * self.divisor:.17g} AS BIGINT)"

    @property
    def text(self) -> str:
        """As a definition file would say it."""
        linear = self.sql()[1:-1] if self.test is None else Expression(self.terms).sql()[1:-1]
        if self.divisor != 1:
            linear = f"({linear})" if len(self.terms) > 1 else linear
            linear = f"{linear} / {self.divisor:.17g}"
        return linear if self.test is None else f"{linear} {self.test[0]} {self.test[1]:.17g}"

    @property
    def counts_nothing(self) -> bool:
        """Whether a row counts whose columns are all 0, as in `starts_n < 1`."""
        if self.test is None:
            return False
        symbol, bound = self.test
        return {">=": bound <= 0, ">": bound < 0, "<=": bound >= 0, "<": bound > 0}[symbol]

    @property
    def scale(self) -> float:
        """What the summed integers are divided by."""
        return 1.0 if self.test else self.divisor


def parse(text: str) -> Expression:
    """Read an expression.

    Raises: ExpressionError, with a hint where a column is misspelt.
    """
    tokens = _tokens(text)
    reader = _Reader(text, tokens)
    enclosed = reader.take("(")
    terms = reader.sum()
    if enclosed and not reader.take(")"):
        raise ExpressionError(f"'{text}' opens a bracket that it does not close.")
    divisor = 1.0
    if reader.take("/"):
        if len(terms) > 1 and not enclosed:
            raise ExpressionError(f"'{text}' divides a part: put the sum in brackets.")
        divisor = reader.number()
        if divisor <= 0:
            raise ExpressionError(f"'{text}' divides by {divisor:g}.")
    test = None
    for symbol in TESTS:
        if reader.take(symbol):
            test = (symbol, reader.number())
            break
    reader.end()
    return Expression(terms, divisor, test)


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise ExpressionError(f"'{text}' has '{text[at:].strip()[0]}', which means nothing.")
        tokens.append(found.group().strip())
        at = found.end()
    return tokens


class _Reader:
    """Walks the tokens of one expression from left to right."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0

    def take(self, token: str) -> bool:
        """Step over `token` if it is next."""
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def number(self) -> float:
        """The number that must come next."""
        token = self._next("a number")
        try:
            return float(token)
        except ValueError:
            raise ExpressionError(f"'{self._text}' has '{token}' instead of a number.") from None

    def sum(self) -> tuple[tuple[int, str], ...]:
        """Terms joined by + and -."""
        sign = -1 if self.take("-") else 1
        terms = [self._term(sign)]
        while True:
            if self.take("+"):
                terms.append(self._term(1))
            elif self.take("-"):
                terms.append(self._term(-1))
            else:
                return tuple(terms)

    def end(self) -> None:
        """Nothing may follow."""
        if self._at < len(self._tokens):
            rest = " ".join(self._tokens[self._at :])
            raise ExpressionError(f"'{self._text}' ends with '{rest}', which is not understood.")

    def _term(self, sign: int) -> tuple[int, str]:
        token = self._next("a column")
        weight = sign
        if token[0].isdigit():
            if not token.isdigit():
                raise ExpressionError(f"'{self._text}' has the weight {token}: use a whole number.")
            weight = sign * int(token)
            if not self.take("*"):
                raise ExpressionError(f"'{self._text}' has {token} without a column: {token} * ...")
            token = self._next("a column")
        if token not in _COLUMNS:
            hint = did_you_mean(token, MEASURE_NAMES)
            raise ExpressionError(f"unit_day has no column '{token}'. {hint}".rstrip())
        return weight, token

    def _next(self, wanted: str) -> str:
        if self._at >= len(self._tokens):
            raise ExpressionError(f"'{self._text}' ends where {wanted} must stand.")
        self._at += 1
        return self._tokens[self._at - 1]
