"""What a language model is good for: telling which sentence was meant.

Taught in 'Language models'. What arrives, a misspelled word or a sound, is thought of as a message
that was garbled on its way (Shannon 1948). The best guess weighs how likely something is to be said
against how likely it is to arrive like this: P(meant | typed) is proportional to
P(typed | meant) · P(meant). The spelling corrector follows Kernighan, Church and Gale (1990).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from course_lib.ngram import KneserNey, NGram

Edit = tuple[str, str]  # what was meant, what was typed


def edits(typed: str, meant: str) -> list[Edit]:
    """Return the fewest slips that turn ``meant`` into ``typed`` (Damerau 1964).

    A slip replaces a letter, ``("a", "e")``; swaps two neighbors, ``("ie", "ei")``; leaves one out,
    ``("ll", "l")``; or puts one in, ``("l", "ll")``. The last two depend on the letter before,
    which is written with them.
    """
    # best[i, j]: slips that turn the first i letters of meant into the first j of typed
    best: dict[tuple[int, int], list[Edit]] = {(0, 0): []}
    for i in range(len(meant) + 1):
        for j in range(len(typed) + 1):
            options = [best[0, 0]] if i == j == 0 else []
            if i and j:
                same = meant[i - 1] == typed[j - 1]
                slip = [] if same else [(meant[i - 1], typed[j - 1])]
                options.append(best[i - 1, j - 1] + slip)
            if i > 1 and j > 1 and meant[i - 2 : i] == typed[j - 2 : j][::-1]:
                options.append([*best[i - 2, j - 2], (meant[i - 2 : i], typed[j - 2 : j])])
            if i:
                near = meant[max(i - 2, 0) : i]
                options.append([*best[i - 1, j], (near, near[:-1])])
            if j:
                near = meant[max(i - 1, 0) : i]
                options.append([*best[i, j - 1], (near, near + typed[j - 1])])
            best[i, j] = min(options, key=len)
    return best[len(meant), len(typed)]


class SpellingCorrector:
    """Guess which word was meant: a model of slips times a language model.

    A typed word that is unknown may be right all the same, such as a name. How likely that is, a
    second model says, of letters: it was shown the known words.

    Args:
        model: says how likely a sentence is; its vocabulary holds the words that can be meant.
        pairs: misspellings with the word that was meant; they show which slips people make.
        typo_rate: share of words that are mistyped, between 0 and 1.

    Raises:
        ValueError: if there is no pair, or the rate is not between 0 and 1.
    """

    def __init__(
        self, model: NGram, pairs: Iterable[tuple[str, str]], typo_rate: float = 0.01
    ) -> None:
        if not 0 < typo_rate < 1:
            raise ValueError(f"typo_rate: expected a share between 0 and 1, got {typo_rate}")
        self.model = model
        self.typo_rate = typo_rate
        self._slips = Counter(slip for typed, meant in pairs for slip in edits(typed, meant))
        if not self._slips:
            raise ValueError("pairs: expected at least one misspelling, got none")
        self._known = {word for word in model.vocab if word.isalpha()}
        self._letters = KneserNey(sorted(self._known), 4)
        # Two words one slip apart share a form with at most one letter left out of each.
        self._by_form: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self._known):
            for form in _forms(word):
                self._by_form[form].append(word)

    def candidates(self, typed: str) -> set[str]:
        """Return the typed word and all known words within one slip, and some within two."""
        return {typed}.union(*(self._by_form.get(form, ()) for form in _forms(typed)))

    def log_channel(self, typed: str, meant: str) -> float:
        """Return log P(typed | meant); slips never seen count as if half seen."""
        if typed == meant:
            return math.log1p(-self.typo_rate)
        total = self._slips.total() + len(self._slips) / 2
        slips = [math.log((self._slips[slip] + 0.5) / total) for slip in edits(typed, meant)]
        return math.log(self.typo_rate) + sum(slips)

    def correct(self, sentence: Sequence[str]) -> list[str]:
        """Return the sentence with each word replaced by the likeliest one.

        Words are decided from left to right; each sees the decided ones before it and the typed
        ones behind it. Signs and numbers stay.
        """
        words = list(sentence)
        for place, typed in enumerate(sentence):
            if typed.isalpha():
                scores = {}
                for meant in sorted(self.candidates(typed)):
                    words[place] = meant
                    scores[meant] = self.log_channel(typed, meant) + fit(self.model, words, place)
                    if meant not in self._known:
                        scores[meant] += self._letters.log_prob(meant)
                words[place] = max(scores, key=scores.__getitem__)
        return words


class HomophoneChooser:
    """Choose among words that sound the same, as after hearing a sentence.

    Args:
        model: says how likely a sentence is.
        pronunciations: word to its pronunciations, as from ``load_pronunciations``.
    """

    def __init__(
        self, model: NGram, pronunciations: Mapping[str, Iterable[tuple[str, ...]]]
    ) -> None:
        self.model = model
        by_sound: dict[tuple[str, ...], set[str]] = defaultdict(set)
        known = [word for word in model.vocab if word in pronunciations]
        for word in known:
            for sound in pronunciations[word]:
                by_sound[sound].add(word)
        self._alike = {
            word: set().union(*(by_sound[sound] for sound in pronunciations[word]))
            for word in known
        }

    def candidates(self, word: str) -> set[str]:
        """Return the known words that sound like this one, itself included."""
        return self._alike.get(word, {word})

    def choose(self, sentence: Sequence[str]) -> list[str]:
        """Return the sentence with each word replaced by the likeliest that sounds the same."""
        words = list(sentence)
        for place, heard in enumerate(sentence):
            scores = {}
            for word in sorted(self.candidates(heard)):
                words[place] = word
                scores[word] = fit(self.model, words, place)
            words[place] = max(scores, key=scores.__getitem__)
        return words


def fit(model: NGram, sentence: Sequence[str], place: int) -> float:
    """Return the log-probability of the words in whose prediction the one at ``place`` takes part.

    Only these change if the word is replaced.
    """
    return sum(model.log_probs(sentence, place, place + model.order))


def _forms(word: str) -> set[str]:
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}
