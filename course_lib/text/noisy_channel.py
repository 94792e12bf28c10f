"""What a language model is good for: telling which sentence was meant.

Taught in 'Language models at work'. What arrives, a misspelled word or a sound, is thought of as a
message that was garbled on its way (Shannon 1948). The best guess weighs how likely something is to
be said against how likely it is to arrive like this: P(meant | typed) is proportional to P(typed |
meant) · P(meant). The spelling corrector follows Kernighan, Church and Gale (1990).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from course_lib.checks import expect
from course_lib.text.ngram import KneserNey, NGram

Edit = tuple[str, str]  # what was meant, what was typed
LONGEST = 100  # letters; slips are looked for in words, and no word of a language is longer


def edits(typed: str, meant: str) -> list[Edit]:
    """Return the fewest slips that turn ``meant`` into ``typed`` (Damerau 1964).

    A slip replaces a letter, ``("a", "e")``; swaps two neighbors, ``("ie", "ei")``; leaves one out,
    ``("ll", "l")``; or puts one in, ``("l", "ll")``. The last two depend on the letter before,
    which is written with them.

    Raises:
        ValueError: if one of them has more than ``LONGEST`` letters.
    """
    for name, word in {"typed": typed, "meant": meant}.items():
        expect(len(word) <= LONGEST, name, f"at most {LONGEST} letters", len(word))
    # best[i, j]: slips that turn the first i letters of meant into the first j of typed
    best: dict[tuple[int, int], list[Edit]] = {(0, 0): []}
    for i in range(len(meant) + 1):
        for j in range(len(typed) + 1):
            # Each last step that can lead here: nothing or another letter, two swapped, one left
            # out, one put in.
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
        ValueError: if there is no pair, the model knows no word of letters, or the rate is not
            between 0 and 1.
    """

    def __init__(
        self, model: NGram, pairs: Iterable[tuple[str, str]], typo_rate: float = 0.01
    ) -> None:
        expect(0 < typo_rate < 1, "typo_rate", "a share between 0 and 1", typo_rate)
        self.model = model
        self.typo_rate = typo_rate
        self._slips = Counter(slip for typed, meant in pairs for slip in edits(typed, meant))
        expect(len(self._slips) > 0, "pairs", "at least one misspelling", "none")
        self._known = {word for word in model.vocab if word.isalpha()}
        expect(len(self._known) > 0, "model", "words of letters in its vocabulary", "none")
        self._letters = KneserNey(sorted(self._known), 4)
        # Two words one slip apart share a form with at most one letter left out of each.
        self._by_form: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self._known):
            for form in _forms(word):
                self._by_form[form].append(word)

    def candidates(self, typed: str) -> set[str]:
        """Return the typed word and all known words within one slip, and some within two.

        Words of more than ``LONGEST`` letters are taken as they are.
        """
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
                # How likely each candidate is to be meant, and to arrive like this.
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
        self._sounds = {w: set(pronunciations[w]) for w in model.vocab if w in pronunciations}
        self._by_sound: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for word, sounds in self._sounds.items():
            for sound in sounds:
                self._by_sound[sound].add(word)

    def candidates(self, word: str) -> set[str]:
        """Return the known words that sound like this one, itself included."""
        return {word}.union(*(self._by_sound[sound] for sound in self._sounds.get(word, ())))

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

    Raises:
        ValueError: if no word is at ``place``.
    """
    there = f"a place from 0 to {len(sentence) - 1}"
    expect(place in range(len(sentence)), "place", there, place)
    return sum(model.log_probs(sentence, place, place + model.order))


def _forms(word: str) -> set[str]:
    if len(word) > LONGEST:  # as many forms as letters, each as long: that grows with the square
        return set()
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}
