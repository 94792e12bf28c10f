"""A calculator that reads what a model wrote and runs none of it.

Taught in 'Retrieval and tools'. A parser by recursive descent: a sum of products of factors, where
a factor is a number, a sum in parentheses, or either with a sign. Nothing else has a meaning, so
nothing else can happen; and no input can make it slow, since length and depth have limits.
"""

import re
from fractions import Fraction

from course_lib.agent.loop import ToolError

LONGEST, DEEPEST = 200, 20  # signs of an expression; parentheses inside each other
_TOKEN = re.compile(r"\s*(?:(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)|(.))", re.ASCII)


class _Reader:
    """The tokens of an expression, and how far they have been read."""

    def __init__(self, text: str) -> None:
        self.tokens = [number or sign for number, sign in _TOKEN.findall(text.strip())]
        self.at = self.depth = 0

    def take(self, allowed: str) -> str:
        """Return the next token and go on, if it is one of these signs; else nothing."""
        token = self.tokens[self.at] if self.at < len(self.tokens) else ""
        found = bool(token) and token in allowed
        self.at += found
        return token if found else ""

    def refuse(self, expected: str) -> ToolError:
        rest = self.tokens[self.at :]
        return ToolError(
            f"expected {expected}, got {rest[0]!r}" if rest else f"expected {expected}"
        )

    def sum(self) -> Fraction:
        value = self.product()
        while sign := self.take("+-"):
            other = self.product()
            value = value + other if sign == "+" else value - other
        return value

    def product(self) -> Fraction:
        value = self.factor()
        while sign := self.take("*/"):
            other = self.factor()
            if sign == "/" and other == 0:
                raise ToolError("can't divide by 0")
            value = value * other if sign == "*" else value / other
        return value

    def factor(self) -> Fraction:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ToolError(f"expected at most {DEEPEST} signs and parentheses in each other")
        if sign := self.take("+-"):
            value = self.factor() if sign == "+" else -self.factor()
        elif self.take("("):
            value = self.sum()
            if not self.take(")"):
                raise self.refuse("+, -, *, / or )")
        elif self.at < len(self.tokens) and self.tokens[self.at][0] in "0123456789":
            value = Fraction(self.tokens[self.at].replace(",", ""))
            self.at += 1
        else:
            raise self.refuse("a number")
        self.depth -= 1
        return value


def calculate(expression: str) -> str:
    """Return the value of sums, differences, products and quotients of decimal numbers.

    It is exact; where it is no whole number, it is written with six places at most.

    Raises:
        ToolError: if the text is anything else, too long, or divides by 0.
    """
    if len(expression) > LONGEST:
        raise ToolError(f"expected at most {LONGEST} signs, got {len(expression)}")
    reader = _Reader(expression)
    value = reader.sum()
    if reader.at < len(reader.tokens):
        raise reader.refuse("+, -, * or /")
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(round(value, 6)):f}".rstrip("0").rstrip(".")
