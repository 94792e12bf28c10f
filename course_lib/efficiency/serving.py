"""Many users, one model: a simulated engine that decides who gets memory and who is computed.

Taught in 'Compute'. To let requests enter and leave a batch at each step is from Yu et al. (2022),
'Orca', section 3.1; to keep the cache in blocks from Kwon et al. (2023), 'Efficient Memory
Management for Large Language Model Serving with PagedAttention', section 4.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from course_lib.checks import check_counts, check_not_negative, check_positive, check_sizes, expect

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Engine:
    """A GPU that holds a model.

    Attributes:
        cells: tokens whose keys and values the cache has memory for.
        read_weights: seconds in which all weights are read, once a step.
        read_cell: seconds in which the keys and values of a token are read.
        compute: seconds of arithmetic for a token.
    """

    cells: int
    read_weights: float
    read_cell: float
    compute: float

    def __post_init__(self) -> None:
        check_sizes(cells=self.cells)
        check_positive(read_weights=self.read_weights)
        check_not_negative(read_cell=self.read_cell, compute=self.compute)

    def step(self, held: int, computed: int) -> float:
        """Return the seconds of a step: the slower of what is read and what is computed."""
        return max(self.read_weights + self.read_cell * held, self.compute * computed)


@dataclass(frozen=True)
class Requests:
    """What users ask for, one entry each, in the order of arrival.

    Attributes:
        arrivals: seconds.
        prompts: tokens that are read.
        answers: tokens that are written; the engine doesn't know them before.
    """

    arrivals: Numbers
    prompts: Counts
    answers: Counts


@dataclass(frozen=True)
class Served:
    """What became of requests.

    Attributes:
        ends: when each answer was returned, in seconds.
        seconds: until all were.
        held: share of the reserved memory that held tokens of texts in work, on average over time.
        at_once: texts that were written at once, on average over time.
        begun_again: how often a text was put off and its cache thrown away.
    """

    ends: Numbers
    seconds: float
    held: float
    at_once: float
    begun_again: int


def draw_requests(
    n: int,
    seed: int,
    *,
    rate: float | None = None,
    prompt: float = 200,
    answer: float = 200,
    spread: float = 1.0,
    longest: int = 2048,
) -> Requests:
    """Draw requests whose lengths are lognormal: most are short, and a few very long.

    Args:
        n: how many.
        seed: of the draws.
        rate: arrivals a second, independent of one another; all at once without it.
        prompt: the median length of a prompt, in tokens.
        answer: the median length of an answer.
        spread: standard deviation of the lengths' logarithms.
        longest: what is longer is cut to this, prompt and answer together.

    Raises:
        ValueError: if a number is out of its range.
    """
    check_sizes(n=n, longest=longest)
    check_counts(seed=seed)
    check_positive(prompt=prompt, answer=answer)
    check_not_negative(spread=spread)
    expect(longest > 1, "longest", "room for a prompt and an answer", longest)
    chance = np.random.default_rng(seed)
    lengths = [np.ceil(chance.lognormal(np.log(m), spread, n)) for m in (prompt, answer)]
    prompts = np.minimum(lengths[0], longest - 1).astype(np.int64)
    answers = np.minimum(lengths[1], longest - prompts).astype(np.int64)
    arrivals = np.zeros(n)
    if rate is not None:
        check_positive(rate=rate)
        arrivals = chance.exponential(1 / rate, n).cumsum()
    return Requests(arrivals, prompts, answers)


def serve(
    requests: Requests,
    engine: Engine,
    *,
    continuous: bool = True,
    block: int | None = None,
    longest: int = 2048,
) -> Served:
    """Simulate an engine until all requests are answered; first come, first served.

    Args:
        requests: in the order of arrival.
        engine: that serves them.
        continuous: whether a request may join at any step, and leaves with its last token. If not,
            those that wait make a batch, and nobody joins or leaves before its longest text ends.
        block: tokens in a block of memory; a text gets blocks as it grows. If the memory is full,
            the text that came last is put off, and read anew later. Without blocks each text gets
            memory for the longest one, in one piece.
        longest: text that the engine promises to hold.

    Raises:
        ValueError: if a request is longer than ``longest``, or that doesn't fit the memory.
    """
    prompts, answers, arrivals = requests.prompts, requests.answers, requests.arrivals
    check_sizes(longest=longest, block=block or 1)
    most = int((prompts + answers).max())
    expect(most <= longest, "requests", f"at most longest={longest} tokens", most)

    def reserved(lengths: Counts) -> int:  # cells that are taken for texts of these lengths
        if block is None:
            return len(lengths) * longest
        return int((-(-lengths // block)).sum()) * block

    least = reserved(np.array([longest]))
    expect(least <= engine.cells, "engine", f"{least} cells", engine.cells)
    waiting, running = deque(range(len(prompts))), np.array([], dtype=np.int64)
    written, ends = np.zeros_like(answers), np.zeros(len(prompts))
    clock = held_time = taken_time = busy_time = 0.0
    begun_again = 0
    while waiting or len(running):
        # Nobody here: wait for the next.
        if not len(running):
            clock = max(clock, float(arrivals[waiting[0]]))
        # Those who wait come in while there is memory for their prompts and a token.
        new: list[int] = []
        if continuous or not len(running):
            taken = reserved(prompts[running] + written[running] + 1)
            while waiting and arrivals[waiting[0]] <= clock:
                first = waiting[0]
                taken += reserved(prompts[first : first + 1] + written[first] + 1)
                if taken > engine.cells:
                    break
                new.append(waiting.popleft())
        read = int((prompts[new] + written[new]).sum()) if new else 0
        running = np.append(running, np.array(new, dtype=np.int64)) if new else running
        # In blocks texts grow; where they have outgrown the memory, the newest is put off.
        lengths = prompts[running] + np.minimum(written[running] + 1, answers[running])
        while reserved(lengths) > engine.cells:
            waiting.appendleft(int(running[-1]))
            running, lengths, begun_again = running[:-1], lengths[:-1], begun_again + 1
        # A step: new prompts are read, and each text that isn't complete gets a token.
        going_on = written[running] < answers[running]
        held, at_work = int(lengths[going_on].sum()), int(going_on.sum())
        seconds = engine.step(held, read + at_work)
        clock += seconds
        taken_time += seconds * reserved(lengths)
        held_time += seconds * held
        busy_time += seconds * at_work
        written[running[going_on]] += 1
        # What is complete leaves; of a fixed batch only all together.
        complete = written[running] == answers[running]
        if continuous:
            ends[running[complete]] = clock
            running = running[~complete]
        elif complete.all():
            ends[running] = clock
            running = running[:0]
    return Served(ends, clock, held_time / taken_time, busy_time / clock, begun_again)
