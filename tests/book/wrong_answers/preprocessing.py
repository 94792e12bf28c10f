"""Plausible wrong answers to the exercises of 'Preprocessing'."""

import math
from collections import Counter
from itertools import pairwise


def _runs(text, length):
    return [text[i : i + length] for i in range(len(text) - length + 1)]


def similarity__divides_by_both_sizes(a, b, length):
    first, second = set(_runs(a, length)), set(_runs(b, length))
    return len(first & second) / max(len(first) + len(second), 1)


def similarity__forgets_the_last_run(a, b, length):
    first, second = set(_runs(a, length)[:-1]), set(_runs(b, length)[:-1])
    return len(first & second) / max(len(first | second), 1)


def similarity__counts_repetitions(a, b, length):
    first, second = Counter(_runs(a, length)), Counter(_runs(b, length))
    return (first & second).total() / max((first | second).total(), 1)


def similarity__divides_by_zero(a, b, length):
    first, second = set(_runs(a, length)), set(_runs(b, length))
    return len(first & second) / len(first | second)


def similarity__in_small_letters(a, b, length):
    first, second = set(_runs(a.lower(), length)), set(_runs(b.lower(), length))
    return len(first & second) / max(len(first | second), 1)


def similarity__without_spaces(a, b, length):
    first = set(_runs(a.replace(" ", ""), length))
    second = set(_runs(b.replace(" ", ""), length))
    return len(first & second) / max(len(first | second), 1)


def similarity__share_of_the_smaller(a, b, length):
    first, second = set(_runs(a, length)), set(_runs(b, length))
    return len(first & second) / max(min(len(first), len(second)), 1)


def similarity__runs_of_words(a, b, length):
    first, second = (set(map(tuple, _runs(text.split(), length))) for text in (a, b))
    return len(first & second) / max(len(first | second), 1)


def cut__counts_characters(text, limit):
    return text[:limit]


def cut__leaves_a_replacement_sign(text, limit):
    return text.encode()[:limit].decode(errors="replace")


def cut__raises_inside_a_character(text, limit):
    return text.encode()[:limit].decode()


def cut__strips_replacement_signs(text, limit):
    return text.encode()[:limit].decode(errors="replace").rstrip("\ufffd")


def cut__removes_replacement_signs(text, limit):
    return text.encode()[:limit].decode(errors="replace").replace("\ufffd", "")


def cut__takes_back_one_byte_at_most(text, limit):
    start = text.encode()[:limit]
    try:
        return start.decode()
    except UnicodeDecodeError:
        return start[:-1].decode()


def cut__one_character_too_many(text, limit):
    kept = ""
    for character in text:
        if len(kept.encode()) >= limit:
            break
        kept += character
    return kept


def cut__leaves_out_what_does_not_fit(text, limit):
    kept = ""
    for character in text:
        if len((kept + character).encode()) <= limit:
            kept += character
    return kept


def cut__in_another_encoding(text, limit):
    return text.encode("utf-16-le")[:limit].decode("utf-16-le", errors="ignore")


def _pairs(words):
    found = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            found[pair] += count
    return found


def best_pair__ignores_how_often_a_word_occurs(words):
    found = Counter(pair for word in words for pair in pairwise(word))
    return min(found, key=lambda pair: (-found[pair], pair), default=None)


def best_pair__the_first_seen_of_equals(words):
    return max(_pairs(words), key=_pairs(words).__getitem__, default=None)


def best_pair__the_largest_of_equals(words):
    found = _pairs(words)
    return max(found, key=lambda pair: (found[pair], pair), default=None)


def best_pair__each_pair_once_per_word(words):
    found = Counter()
    for word, count in words.items():
        for pair in set(pairwise(word)):
            found[pair] += count
    return min(found, key=lambda pair: (-found[pair], pair), default=None)


def best_pair__fails_without_a_pair(words):
    found = _pairs(words)
    return min(found, key=lambda pair: (-found[pair], pair))


def best_pair__empties_its_argument(words):
    found = Counter()
    while words:
        word, count = words.popitem()
        for pair in pairwise(word):
            found[pair] += count
    return min(found, key=lambda pair: (-found[pair], pair), default=None)


def best_pair__joined_to_one_token(words):
    found = _pairs(words)
    best = min(found, key=lambda pair: (-found[pair], pair), default=None)
    return best and "".join(best)


def best_pair__with_how_often(words):
    found = _pairs(words)
    best = min(found, key=lambda pair: (-found[pair], pair), default=None)
    return best and (best, found[best])


def best_pair__across_words(words):
    found = Counter()
    before = None
    for word, count in words.items():
        for token in word:
            found[before, token] += count if before is not None else 0
            before = token
    found = +found
    return min(found, key=lambda pair: (-found[pair], pair), default=None)


def _join(parts, pair):
    result = []
    for part in parts:
        if result and (result[-1], part) == pair:
            result[-1] += part
        else:
            result.append(part)
    return result


def encode__leftmost_pair_first(word, merges):
    parts = list(word)
    while True:
        places = [i for i, pair in enumerate(pairwise(parts)) if pair in merges]
        if not places:
            return parts
        i = places[0]
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def encode__longest_token_first(word, merges):
    known = {left + right for left, right in merges} | set(word)
    parts, start = [], 0
    while start < len(word):
        end = max(e for e in range(start + 1, len(word) + 1) if word[start:e] in known)
        parts.append(word[start:end])
        start = end
    return parts


def encode__from_right_to_left(word, merges):
    parts = list(word)
    for left, right in merges:
        parts = [part[::-1] for part in _join([p[::-1] for p in parts[::-1]], (right, left))][::-1]
    return parts


def encode__latest_merge_first(word, merges):
    parts = list(word)
    for pair in reversed(merges):
        parts = _join(parts, pair)
    return parts


def encode__each_merge_once(word, merges):
    parts = list(word)
    for pair in merges:
        for i in range(len(parts) - 1):
            if (parts[i], parts[i + 1]) == pair:
                parts[i : i + 2] = [parts[i] + parts[i + 1]]
                break
    return parts


def encode__uses_up_the_merges(word, merges):
    parts = list(word)
    while merges:
        parts = _join(parts, merges.pop(0))
    return parts


def encode__skips_what_it_has_just_joined(word, merges):
    parts = list(word)
    for pair in merges:
        i = 0
        while i + 1 < len(parts):
            if (parts[i], parts[i + 1]) == pair:
                parts[i : i + 2] = [parts[i] + parts[i + 1]]
                i += 1
            i += 1
    return parts


def encode__joined_to_a_string(word, merges):
    parts = list(word)
    for pair in merges:
        parts = _join(parts, pair)
    return " ".join(parts)


def encode__never_joins_what_was_joined(word, merges):
    parts = list(word)
    for left, right in merges:
        if len(left) == len(right) == 1:
            parts = _join(parts, (left, right))
    return parts


def bits_per_byte_of__in_nats(log_probs, text):
    return -sum(log_probs) / len(text.encode())


def bits_per_byte_of__per_character(log_probs, text):
    return -sum(log_probs) / math.log(2) / len(text)


def bits_per_byte_of__per_token(log_probs, text):
    return -sum(log_probs) / math.log(2) / len(log_probs)


def bits_per_byte_of__multiplies_by_log_2(log_probs, text):
    return -sum(log_probs) * math.log(2) / len(text.encode())


def bits_per_byte_of__wrong_sign(log_probs, text):
    return sum(log_probs) / math.log(2) / len(text.encode())


def bits_per_byte_of__mean_of_the_tokens_per_byte(log_probs, text):
    return -sum(log_probs) / math.log(2) / len(log_probs) / len(text.encode())


def bits_per_byte_of__in_bits_per_two_bytes_of_utf_16(log_probs, text):
    return -sum(log_probs) / math.log(2) / len(text.encode("utf-16-le"))
