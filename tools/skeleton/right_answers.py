"""Right answers to the exercises of 'TITLE', each in another way."""


def total__one_by_one(numbers):
    result = 0
    for number in numbers:
        result += number
    return result


def total__first_and_rest(numbers):
    return numbers[0] + total__first_and_rest(numbers[1:]) if numbers else 0


def largest__sorted(numbers):
    return sorted(numbers)[-1]


def largest__one_by_one(numbers):
    best = numbers[0]
    for number in numbers:
        best = number if number > best else best
    return best


def backward__joined(text):
    return "".join(reversed(text))


def backward__letter_by_letter(text):
    result = ""
    for letter in text:
        result = letter + result
    return result
