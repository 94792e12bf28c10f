"""The protocol carries each kind of value as it is, and of anything else says no."""

import collections
import copy
import fractions
import json
import math
import random
import socket
import struct

import numpy as np
import pytest
import torch

from course_lib.assignments.peers import limited
from course_lib.assignments.protocol import LARGEST, ProtocolError, Reader, Unsent, Writer
from course_lib.assignments.wire import TEXT_LIMIT, Gone, Wire

ROUNDS = 3000


def no_hand(writer, value):
    raise Unsent(f"a {type(value).__name__} can't be sent")


def no_take(reader, form):
    raise ProtocolError("an unknown word")


def sent(value, numbers=False):
    """Return a value's message: its text and its bytes."""
    writer = Writer(no_hand, numbers=[] if numbers else None)
    return json.dumps(writer.write(value)), bytes(writer.data)


def got(text, data, numbers=False):
    return Reader(data, no_take, numbers=numbers).read(json.loads(text))


def there_and_back(value, numbers=False):
    return got(*sent(value, numbers), numbers)


def same(one, other):
    """Whether two values are the same in kind, shape and every bit."""
    if isinstance(one, torch.Tensor):
        return (
            type(one) is type(other)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.requires_grad == other.requires_grad
            and same(one.detach().tolist(), other.detach().tolist())
        )
    if isinstance(one, np.ndarray | np.generic):
        return one.dtype == other.dtype and one.shape == other.shape and repr(one) == repr(other)
    if isinstance(one, list | tuple):
        pairs = zip(one, other, strict=True)
        return type(one) is type(other) and all(same(a, b) for a, b in pairs)
    return type(one) is type(other) and repr(one) == repr(other)


NUMBERS = [0, 1, -1, 2**62, 2**63, -(2**63), 10**300, True, False, None, 0.0, -0.0, 1e-320, 0.1]
VALUES = [
    *NUMBERS,
    *(math.nan, math.inf, -math.inf, 1j, complex(-0.0, math.nan), fractions.Fraction(-(10**30), 7)),
    *("", "汉字", "\U0001f600", "\ud800", "a\udfffb", "\x00\u2028", b"", b"\x00\xff"),
    *([], (), {}, set(), frozenset(), collections.Counter("aab"), {1: {2: [3, (4, [])]}}),
    *([[[]]], {(1, "a"): None, "汉": "\ud800"}, {3, "x"}, frozenset({(1, 2)})),
    *(range(0), range(3, -9, -2), slice(None, 3), slice(1, 2, -1), ..., torch.float32, torch.bool),
    torch.device("cpu"),
    *(torch.tensor(1.5), torch.tensor([]), torch.zeros(0, 3), torch.zeros(2, 0, 5)),
    torch.tensor([math.nan, math.inf, -math.inf, -0.0]),
    *(torch.ones(2, 3, dtype=kind) for kind in (torch.bool, torch.int8, torch.uint8, torch.int64)),
    *(torch.full((2,), 1.1, dtype=kind) for kind in (torch.float16, torch.bfloat16, torch.float64)),
    *(torch.tensor([1j, -2.5]), torch.tensor([1j, 2]).conj(), torch.tensor(2**62)),
    *(torch.arange(6.0).reshape(2, 3).T, torch.arange(6)[::2], torch.ones(1).expand(3, 2)),
    *(torch.zeros(2, requires_grad=True), torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)),
    *(np.float32(0.1), np.int64(-3), np.bool_(True), np.float64(math.nan), np.str_("汉")),
    *(np.array(1.5), np.zeros((0, 3)), np.array(["汉", ""]), np.array([True]), np.array([1j])),
    *(np.arange(6).reshape(2, 3).T, np.arange(3, dtype=np.uint16), np.array([-0.0, math.nan])),
]


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize(
    "value", VALUES, ids=[f"{i} {type(v).__name__}" for i, v in enumerate(VALUES)]
)
def test_a_value_comes_back_as_it_was(value, numbers):
    assert same(there_and_back(value, numbers), value)
    assert same(there_and_back([value, (value,)], numbers), [value, (value,)])


def test_an_array_of_the_other_byte_order_comes_as_one_of_this():
    made = np.arange(3, dtype=">i4")
    back = there_and_back(made)
    assert back.dtype == np.dtype("i4")
    assert back.tolist() == [0, 1, 2]


def test_views_share_their_memory_on_both_sides():
    whole = torch.arange(6.0)
    back = there_and_back([whole, whole[1:3], whole.reshape(2, 3).T], numbers=True)
    back[0][1] = 9
    assert back[1][0] == 9
    assert back[2][1, 0] == 9
    assert back[2].stride() == (1, 3)


def test_one_object_in_two_places_stays_one():
    item, weight = [1], torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.full((2,), 3.0)
    first, second, (one, other) = there_and_back([item, {"a": item}, (weight, weight)], True)
    assert first is second["a"]
    assert one is other
    assert isinstance(one, torch.nn.Parameter)
    assert one.grad.tolist() == [3, 3]


def test_a_list_in_itself_comes_back_so_where_both_sides_number():
    ring = [1]
    ring.append(ring)
    back = there_and_back(ring, numbers=True)
    assert back[1] is back


def ring():
    made = []
    made.append(made)
    return made


def deep():
    made = []
    for _ in range(100_000):
        made = [made]
    return made


@pytest.mark.parametrize(
    "value",
    [
        *(ring(), deep(), object(), print, 10**30_000, np.array([None]), np.datetime64("2026")),
        *(torch.zeros(2, 2).to_sparse(), torch.zeros(2, device="meta"), {"a": [object()]}),
        torch.ones(2).to(torch.uint16),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_message_can_say_is_not_sent(value):
    with pytest.raises(Unsent, match="can't be sent"):
        sent(value)


HUGE = 2**39
ZEROS = bytes(64)
BAD = {
    "no list": {"list": []},
    "an empty form": [],
    "a word that isn't text": [["list"], []],
    "an unknown word": ["eval", "1"],
    "items in a text": ["list", "abc"],
    "items in an object": ["list", {"a": 1}],
    "no items": ["tuple"],
    "more than items": ["list", [], []],
    "an item twice": ["set", [1, 1]],
    "a key twice": ["dict", [["a", 1], ["a", 2]]],
    "a key that comes back otherwise": ["dict", [[1, 1], [True, 2]]],
    "a key that can change": ["dict", [[["list", []], 1]]],
    "no pair": ["dict", [[1]]],
    "no number": ["ref", 0],
    "a number below all": ["ref", -1],
    "a number that isn't whole": ["ref", 0.0],
    "memory as a value": ["memory", [0, 4]],
    "memory in a list": ["list", [["memory", [0, 4]]]],
    "bytes beyond the end": ["bytes", [0, 65]],
    "bytes before the beginning": ["bytes", [-4, 4]],
    "bytes of less than nothing": ["bytes", [4, -4]],
    "bytes twice": ["list", [["bytes", [0, 40]], ["bytes", [0, 40]]]],
    "a place of truth": ["bytes", [False, True]],
    "a whole number of words": ["int", "ten"],
    "a whole number of lists": ["int", ["1"]],
    "a whole number of many digits": ["int", "0x" + "f" * 30_000],
    "a fraction of a text": ["fraction", "1e999999999"],
    "a fraction of a text and a number": ["fraction", "1e999999999", 1],
    "a fraction by zero": ["fraction", 1, 0],
    "a complex text": ["complex", "1", "2"],
    "a range of texts": ["range", "1"],
    "a range without end": ["range", 0, 2**62, 1],
    "a range without a step": ["range", 0, 1, 0],
    "a dtype that is none": ["dtype", "object"],
    "dtypes": ["dtype", ["float32"]],
    "a tensor of objects": ["tensor", "object", [1], [0, 4], False],
    "a tensor of few bytes": ["tensor", "float32", [2], [0, 4], False],
    "a tensor of many bytes": ["tensor", "float32", [2], [0, 16], False],
    "a tensor of a huge shape": ["tensor", "float32", [HUGE], [0, 4], False],
    "a tensor of nothing, but wide": ["tensor", "float32", [0, HUGE], [0, 0], False],
    "a tensor of less than nothing": ["tensor", "float32", [-1, -1], [0, 4], False],
    "a tensor of text": ["tensor", "float32", ["1"], [0, 4], False],
    "a tensor of a true shape": ["tensor", "float32", [True], [0, 4], False],
    "a tensor of half a shape": ["tensor", "float32", [1.0], [0, 4], False],
    "a tensor of many axes": ["tensor", "float32", [1] * 500_000, [0, 4], False],
    "slopes of whole numbers": ["tensor", "int64", [1], [0, 8], True],
    "a tensor neither true nor false": ["tensor", "bool", [64], [0, 64], False],
    "an array of objects": ["array", "|O", [1], [0, 8]],
    "an array of records": ["array", "f4,f4", [1], [0, 8]],
    "an array of dates": ["array", "<M8[s]", [1], [0, 8]],
    "an array of the other byte order": ["array", ">f4", [1], [0, 4]],
    "an array of nothing": ["array", "<U0", [1], [0, 0]],
    "an array of less than nothing": ["array", "<f4", [-1], [0, 4]],
    "an array of a huge shape": ["array", "<f4", [HUGE], [0, 4]],
    "an array of nothing, but wide": ["array", "<f4", [0, HUGE], [0, 0]],
    "an array of huge texts": ["array", "<U999999999", [1], [0, 4]],
    "an array of no characters": ["array", "<U1", [1], [60, 4]],
    "an array neither true nor false": ["array", "|b1", [4], [60, 4]],
    "a number of many": ["scalar", "<f4", [0, 8]],
}
VIEWS = {
    "a view beyond its memory": [["memory", [0, 4]], "float32", [2], [1], 0],
    "a view that begins beyond it": [["memory", [0, 4]], "float32", [1], [1], 9],
    "a view that goes back": [["memory", [0, 8]], "float32", [2], [-1], 1],
    "a view of 10^12 entries": [["memory", [0, 4]], "float32", [10**6, 10**6], [0, 0], 0],
    "a view of 2^39 entries": [["memory", [0, 4]], "float32", [HUGE], [0], 0],
    "a view of no memory": [["list", []], "float32", [0], [1], 0],
    "a view of a number": [5, "float32", [0], [1], 0],
    "a view without steps": [["memory", [0, 4]], "float32", [1], [], 0],
    "a view of huge steps": [["memory", [0, 4]], "float32", [0], [2**70], 0],
    "a view neither true nor false": [["memory", [60, 4]], "bool", [4], [1], 0],
}
BAD |= {name: ["view", where, False, None, False] for name, where in VIEWS.items()}


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("form", BAD.values(), ids=BAD)
def test_what_does_not_fit_is_refused(form, numbers):
    data = ZEROS[:60] + b"\xff\xff\xff\xff"
    with pytest.raises(ProtocolError):
        Reader(data, no_take, numbers=numbers).read(form)


def test_forms_within_forms_without_end_are_refused():
    form = []
    for _ in range(5000):
        form = ["list", [form]]
    with pytest.raises(ProtocolError):
        Reader(b"", no_take).read(form)


def test_slopes_of_another_shape_are_refused():
    form = ["view", [["memory", [0, 8]], "float32", [2], [1], 0], True, ["ref", 0], True]
    with pytest.raises(ProtocolError):
        Reader(ZEROS, no_take, numbers=True).read(form)


WORDS = (
    *("list", "tuple", "set", "frozenset", "dict", "counter", "ref", "tensor", "view", "memory"),
    *("array", "scalar", "int", "bytes", "complex", "range", "slice", "fraction", "dtype"),
    *("device", "ellipsis", "thing", "float32", "int64", "bool", "<f4", "<U3", "0xff", "汉"),
)
ODD = (0, 1, -1, 2, 4, 2**31, 2**63, 10**25, -(2**63), 0.5, math.nan, math.inf, True, None, "")


def any_form(draw, depth=0):
    """Return a form that may be anything."""
    if depth > 4 or draw.random() < 0.3:
        return draw.choice((*ODD, *WORDS))
    made = [any_form(draw, depth + 1) for _ in range(draw.randrange(6))]
    return [draw.choice(WORDS), *made] if draw.random() < 0.8 else made


def mutated(draw, form):
    """Return a form with one part, or a few, put otherwise."""
    if not isinstance(form, list) or not form or draw.random() < 0.2:
        return any_form(draw, 3)
    made, place = list(form), draw.randrange(len(form))
    change = draw.randrange(5)
    if change == 0:
        del made[place]
    elif change == 1:
        made.insert(place, copy.copy(draw.choice(made)))
    elif change == 2:
        made[place] = draw.choice((*ODD, *WORDS))
    else:
        made[place] = mutated(draw, made[place])
    return made


def is_small(value, limit=LARGEST):
    """Whether a value, written out, takes no more than is allowed."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size() <= limit
    if isinstance(value, np.ndarray):
        return value.nbytes <= limit
    return not isinstance(value, range) or len(value) <= limit


@pytest.mark.parametrize("seed", range(4))
def test_whatever_form_comes_it_is_a_small_value_or_refused(seed):
    draw, refused = random.Random(seed), 0
    for _ in range(ROUNDS):
        data = draw.randbytes(draw.choice((0, 8, 64)))
        reader = Reader(data, no_take, numbers=draw.random() < 0.5)
        try:
            assert is_small(reader.read(any_form(draw)))
        except ProtocolError:
            refused += 1
    assert 0 < refused < ROUNDS


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_message_is_a_small_value_or_refused(seed):
    draw, refused = random.Random(seed), 0
    kept = [sent(value, numbers) for value in VALUES for numbers in (False, True)]
    for _ in range(ROUNDS):
        text, data = draw.choice(kept)
        form = json.loads(text)
        for _ in range(draw.randrange(1, 4)):
            form = mutated(draw, form)
        if data and draw.random() < 0.3:
            data = data[: draw.randrange(len(data))] + draw.randbytes(2)
        try:
            assert is_small(Reader(data, no_take, numbers=True).read(form))
        except ProtocolError:
            refused += 1
    assert 0 < refused < ROUNDS


def heard(raw, limit=2**20):
    """Return what a wire receives of some bytes, behind which it is cut."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours, limit)
        theirs.sendall(raw)
        theirs.shutdown(socket.SHUT_RDWR)
        return wire.receive()


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">IQ", TEXT_LIMIT + 1, 0),
        struct.pack(">IQ", 2, 2**63) + b"[]",
        struct.pack(">IQ", 3, 0) + b"[1,",
        struct.pack(">IQ", 2, 0) + b"\xff\xfe",
        struct.pack(">IQ", 0, 0),
        struct.pack(">IQ", 100_000, 0) + b"[" * 100_000,
        struct.pack(">IQ", 9000, 0) + b"9" * 9000,
    ],
    ids=["long text", "much data", "half", "no text", "nothing", "nested", "many digits"],
)
def test_a_message_that_is_none_is_refused(raw):
    with pytest.raises(ProtocolError):
        heard(raw)


@pytest.mark.parametrize("seed", range(200))
def test_noise_on_the_line_is_refused_or_ends_it(seed):
    draw = random.Random(seed)
    size = draw.choice((0, 5, 12, 13, 200))
    raw = struct.pack(">IQ", draw.randrange(300), draw.randrange(300))[: draw.choice((0, 12))]
    try:
        heard(raw + draw.randbytes(size))
    except (ProtocolError, Gone):
        return
    pytest.fail("noise was taken for a message")


def test_items_that_all_hash_alike_can_be_stopped():
    """Python's sets take the square of their number for them, in one step that no alarm ends."""
    alike = [number * (2**61 - 1) for number in range(1, 50_000)]
    for word in ("set", "frozenset"):
        with pytest.raises(ProtocolError, match="TimeoutError"), limited(0.1):
            Reader(b"", no_take).read([word, alike])
