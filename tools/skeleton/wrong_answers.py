"""Plausible wrong answers to the exercises of 'TITLE'."""


def total__forgets_the_last(numbers):
    return sum(numbers[:-1])


def total__adds_sizes(numbers):
    return sum(abs(number) for number in numbers)


def total__counts(numbers):
    return len(numbers)


def largest__the_last(numbers):
    return numbers[-1]


def largest__begins_at_zero(numbers):
    return max([0, *numbers])


def largest__by_size(numbers):
    return max(numbers, key=abs)


def backward__as_it_was(text):
    return text


def backward__sorted(text):
    return "".join(sorted(text, reverse=True))


def backward__in_capitals(text):
    return text[::-1].upper()
