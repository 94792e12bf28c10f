"""Made-up personal data, whose every item is known: so it can be counted what masking misses.

Taught in 'Data privacy'. Nobody is called by these numbers and addresses: the domains are kept for
examples (RFC 2606), the telephone numbers for fiction.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from course_lib.checks import check_counts, check_sizes

FIRST = ("Anna", "Ben", "Carla", "David", "Elif", "Farid", "Grace", "Hugo", "Irma", "Jun")
LAST = ("Abel", "Brook", "Castro", "Dunn", "Ek", "Fischer", "Gupta", "Haas", "Ito", "Jones")
STREETS = ("Mill Lane", "High Street", "Oak Road", "River Way", "Station Street")
DAYS = ("3 May", "17 August", "28 February", "11 October")
DOMAINS = ("example.com", "example.org", "mail.example.net")
KINDS: dict[str, str] = {
    "email": "Please write to {item}, thank you.",
    "email in words": "Please write to {item}, thank you.",
    "phone, international": "Please call {item}, thank you.",
    "phone, in one group": "Please call {item}, thank you.",
    "name": "Please ask for {item}, thank you.",
    "street and house": "Please send it to {item}, thank you.",
    "day of birth": "She was born on {item}, as you asked.",
    "card number": "The card is {item}, as you asked.",
}


@dataclass(frozen=True)
class Message:
    """A made-up message, and the one item of personal data in it."""

    text: str
    kind: str
    item: str


def made_up_messages(n_each: int = 50, seed: int = 0) -> list[Message]:
    """Return so many messages of each of the eight kinds of ``KINDS``."""
    check_sizes(n_each=n_each)
    check_counts(seed=seed)
    chance = np.random.default_rng(seed)

    def one(kind: str) -> Message:
        # Draw a person.
        first, last, street, day, domain = (
            str(chance.choice(choices)) for choices in (FIRST, LAST, STREETS, DAYS, DOMAINS)
        )
        number = f"{chance.integers(100, 1000)}"
        at, dot = (" at ", " dot ") if kind == "email in words" else ("@", ".")
        address = f"{first}.{last}{number}@{domain}".lower()
        card = " ".join(f"{group:04}" for group in chance.integers(0, 10_000, 4))
        # The item of each kind, of which the message holds one.
        items = {
            "email": address,
            "email in words": address.replace(".", dot).replace("@", at),
            "phone, international": f"+44 20 7946 0{number}",
            "phone, in one group": f"02079460{number}",
            "name": f"{first} {last}",
            "street and house": f"{chance.integers(1, 100)} {street}",
            "day of birth": f"{day} {chance.integers(1940, 2010)}",
            "card number": card,
        }
        item = items[kind]
        return Message(KINDS[kind].format(item=item), kind, item)

    return [one(kind) for kind in KINDS for _ in range(n_each)]


def missed(messages: Sequence[Message], mask: Callable[[str], str]) -> dict[str, int]:
    """Return for each kind in how many messages the item still stands, whole, after masking."""
    left = Counter(m.kind for m in messages if m.item in mask(m.text))
    return {kind: left[kind] for kind in dict.fromkeys(m.kind for m in messages)}
