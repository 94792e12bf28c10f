"""Answers that want points without being right; none may earn any. Only the sandbox runs them."""

import atexit
import builtins
import math
import os
import random
import socket
import struct
import sys
import threading
import time
import types

import numpy as np
import torch


class Same:
    """Equal to all, near to all."""

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None

    def __lt__(self, other):
        return True

    __le__ = __gt__ = __ge__ = __lt__

    def __sub__(self, other):
        return 0.0

    __rsub__ = __add__ = __radd__ = __sub__

    def __abs__(self):
        return 0.0

    __float__ = __abs__

    def __bool__(self):
        return True

    def __iter__(self):
        return iter([self] * 3)

    def __len__(self):
        return 3

    def __getitem__(self, key):
        return self


class Like(float):
    """A number that equals all."""

    __eq__ = Same.__eq__
    __lt__ = __gt__ = Same.__lt__
    __hash__ = float.__hash__


class Pretender(Same):
    """Of another class than it says."""

    @property
    def __class__(self):
        return float


class Agreeing(torch.Tensor):
    """A tensor on which every function of torch agrees."""

    @classmethod
    def __torch_function__(cls, function, kinds, args=(), named=None):
        return True


class Arrays(Same):
    """An array of whatever is wanted."""

    def __array__(self, dtype=None, copy=None):
        return np.zeros(2)


def one_step__equals_everything(*_):
    return Same()


def one_step__a_pair_that_equals_everything(*_):
    return Same(), Same()


def one_step__numbers_that_equal_everything(*_):
    return Like(0), Like(0)


def one_step__lies_about_its_class(*_):
    return Pretender(), Pretender()


def one_step__not_a_number(*_):
    return math.nan, math.nan


def one_step__an_array_on_demand(*_):
    return Arrays()


def to_shares__a_tensor_that_agrees(counts, extra):
    return torch.zeros_like(counts).as_subclass(Agreeing)


def to_shares__an_array_on_demand(counts, extra):
    return Arrays()


def to_shares__not_a_number(counts, extra):
    return torch.full(counts.shape, math.nan)


def to_shares__patched_comparisons(counts, extra):
    torch.allclose = torch.equal = lambda *_, **__: True
    torch.Tensor.__eq__ = lambda *_: True
    np.testing.assert_allclose = lambda *_, **__: None
    return torch.zeros_like(counts)


def one_step__patched_mathematics(*_):
    math.isclose = lambda *_, **__: True
    builtins.all = lambda *_: True
    return 0.0, 0.0


def one_step__patched_modules(*_):
    sys.modules["math"] = types.SimpleNamespace(isclose=lambda *_, **__: True)
    sys.meta_path.insert(0, types.SimpleNamespace(find_spec=lambda *_: None))
    return 0.0, 0.0


def one_step__patched_time_and_chance(*_):
    time.monotonic = time.time = lambda: 0.0
    random.random = lambda: 0.0
    return 0.0, 0.0


def one_step__reseeds(*_):
    torch.manual_seed(0)
    return 0.0, 0.0


def one_step__at_exit(*_):
    atexit.register(print, "passed")
    return 0.0, 0.0


def one_step__threads_left_behind(*_):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    return 0.0, 0.0


def one_step__a_patched_check(*_):
    import course_lib.assignments.judge as judge

    judge.attempt = lambda *_: ("passed", "")
    return 0.0, 0.0


def one_step__no_assertions_in_trees(*_):
    import ast

    ast.parse = builtins.compile = lambda *_, **__: None
    return 0.0, 0.0


def one_step__an_error_of_the_tests_own(*_):
    raise AssertionError("")


def one_step__says_it_is_not_written(*_):
    raise NotImplementedError


def one_step__the_end_of_iteration(*_):
    raise StopIteration


def one_step__leaves_politely(*_):
    sys.exit(0)


def one_step__an_interrupt(*_):
    raise KeyboardInterrupt


def one_step__an_error_without_a_text(*_):
    class Odd(Exception):
        def __str__(self):
            raise ValueError

    raise Odd


def one_step__knows_the_inputs_in_sight(w, b, x, y, rate):
    return {(0.5, 1): (1.4, 1.3), (2, -1): (2, -1)}[w, b]


def one_step__lists_in_lists(*_):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    return deep


def one_step__a_list_in_itself(*_):
    ring = []
    ring += [ring, ring]
    return ring


def one_step__a_huge_number(*_):
    return 10**400_000, 0


def one_step__a_huge_text(*_):
    return "x" * 50_000_000


def one_step__numbers_without_end(*_):
    while True:
        yield 1.4


def to_shares__a_huge_tensor(counts, extra):
    return torch.zeros(2**28)


def to_shares__a_tensor_seen_from_far(counts, extra):
    return torch.zeros(1).expand(2**20, 2**20)


def to_shares__its_own_argument_changed(counts, extra):
    counts.zero_()
    return counts


def to_shares__its_argument_of_another_size(counts, extra):
    counts.untyped_storage().resize_(2**20)
    return counts


def one_step__runs_in_circles(*_):
    return one_step__runs_in_circles()


def one_step__text_for_pages_and_tables(*_):
    return "=cmd|' /C calc'!A0<script>alert(1)</script>\x1b[31m\u202e"


def sockets():
    for number in range(3, 64):
        try:
            yield socket.socket(fileno=os.dup(number))
        except OSError:
            continue


def one_step__answers_for_the_judge(*_):
    for text in (b'["reply", 5, ["passed", []]]', b'["verdict", 1, "passed"]'):
        for wire in sockets():
            wire.sendall(struct.pack(">IQ", len(text), 0) + text)
    return 0.0, 0.0


def one_step__noise_on_the_line(*_):
    for wire in sockets():
        wire.sendall(os.urandom(4096))
    return 0.0, 0.0


def one_step__promises_more_than_comes(*_):
    for wire in sockets():
        wire.sendall(struct.pack(">IQ", 2**31, 2**60))
    return 0.0, 0.0


def one_step__asks_the_judge_for_what_it_never_gave(*_):
    text = b'["ask", 1, ["call", 1, ["tuple", []], ["dict", []]]]'
    for wire in sockets():
        wire.sendall(struct.pack(">IQ", len(text), 0) + text)
    return 0.0, 0.0


def one_step__hangs_up(*_):
    for wire in sockets():
        wire.shutdown(socket.SHUT_RDWR)
    return 0.0, 0.0


def one_step__never_ends(*_):
    while True:
        try:
            time.sleep(1000)
        except TimeoutError:
            continue


def one_step__ends_its_process(*_):
    os._exit(0)


def one_step__kills_itself(*_):
    os.kill(os.getpid(), 9)


def one_step__kills_all_it_can(*_):
    os.kill(-1, 9)
    os.kill(0, 9)


def one_step__reads_where_nothing_is(*_):
    import ctypes

    ctypes.string_at(0)


def one_step__prints_without_end(*_):
    for _ in range(2000):
        os.write(1, b"x" * 2**20)
    return 0.0, 0.0


class Whole(int):
    """A whole number that equals all."""

    __eq__ = Same.__eq__
    __hash__ = int.__hash__


class Word(str):
    """A text that differs from itself."""

    def __eq__(self, other):
        return False

    def __hash__(self):
        return id(self)


class Generous:
    """Has whatever it is asked for, and is whatever it is called."""

    def __class_getitem__(cls, key):
        return cls()

    def __getattr__(self, name):
        return self

    def __call__(self, *args):
        return self

    def __getitem__(self, key):
        return self

    def __len__(self):
        return 2**62


def one_step__whole_numbers_that_equal_everything(*_):
    return Whole(0), Whole(0)


def one_step__a_key_twice(*_):
    return {Word("w"): 1.4, Word("w"): 1.3}


def one_step__has_whatever_it_is_asked_for(*_):
    return Generous()


def one_step__a_class_in_brackets(*_):
    return Generous


def one_step__a_function_that_returns_itself(*_):
    def again(*_):
        return again

    return again


def to_shares__returns_what_it_was_called_by(counts, extra):
    return to_shares__returns_what_it_was_called_by


def to_shares__its_argument_seen_from_far(counts, extra):
    return counts.reshape(-1)[:1].expand(10**6, 10**6)


def to_shares__a_sparse_tensor(counts, extra):
    return torch.zeros(counts.shape).to_sparse()


def to_shares__a_quantized_tensor(counts, extra):
    return torch.quantize_per_tensor(torch.zeros(counts.shape), 0.1, 0, torch.quint8)


def to_shares__a_tensor_without_memory(counts, extra):
    return torch.zeros(counts.shape, device="meta")


def to_shares__a_complex_tensor(counts, extra):
    return torch.full(counts.shape, complex(math.nan, math.nan))


def to_shares__right_but_for_an_imaginary_part(counts, extra):
    counts = counts + extra
    shares = counts / counts.sum(1, keepdim=True)
    return torch.complex(shares.float(), torch.ones(counts.shape))


def to_shares__slopes_that_never_were(counts, extra):
    return torch.zeros(counts.shape, requires_grad=True) * math.nan


def to_shares__an_argument_that_wants_slopes(counts, extra):
    return counts.double().requires_grad_().cumsum(0)


def said_once(form, data=b"\x07" * 2**20):
    """Let the learner's side send this form in place of the next value."""
    from course_lib.assignments.protocol import Writer

    kept = Writer.write

    def write(self, value):
        Writer.write = kept
        self.data += data
        return form

    Writer.write = write


def one_step__a_fraction_that_takes_for_ever(*_):
    said_once(["fraction", "1e9999999999"])


def one_step__the_same_bytes_many_times(*_):
    said_once(["list", [["bytes", [0, 2**20]]] * 20_000])


def one_step__a_range_without_end(*_):
    said_once(["range", 0, 2**62, 1])


def to_shares__a_tensor_of_many_axes(counts, extra):
    said_once(["tensor", "float32", [1] * 100_000, [0, 4], False])


def to_shares__neither_true_nor_false(counts, extra):
    said_once(["tensor", "bool", [2, 2], [0, 4], False])


def one_step__layers_of_other_shapes(*_):
    said_once(["linear", ["dict", [["weight", ["tensor", "float32", [0, 2**38], [0, 0], False]]]]])


def one_step__an_error_of_an_endless_text(*_):
    raise ValueError("x" * 50_000_000)


def one_step__an_error_that_interrupts(*_):
    class Odd(Exception):
        def __str__(self):
            raise KeyboardInterrupt

    raise Odd


def one_step__an_error_named_as_a_pass(*_):
    raise type("passed\n", (SystemExit,), {})(0)


def one_step__no_room_to_call(*_):
    sys.setrecursionlimit(30)
    return 0.0, 0.0


def one_step__the_alarm_taken_away(*_):
    import signal

    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)
    time.sleep(1000)


def one_step__all_is_traced(*_):
    sys.settrace(lambda *_: 1 / 0)
    sys.setprofile(lambda *_: 1 / 0)
    return 0.0, 0.0


def one_step__called_when_rubbish_is_collected(*_):
    import gc
    import weakref

    gone = Same()
    gc.callbacks.append(lambda *_: os.write(1, b"passed"))
    weakref.finalize(gone, one_step__answers_for_the_judge)
    del gone
    return 0.0, 0.0


def one_step__a_thread_that_answers_late(*_):
    def late():
        for _ in range(20):
            one_step__answers_for_the_judge()
            time.sleep(0.001)

    threading.Thread(target=late, daemon=True).start()
    return 0.0, 0.0


def one_step__all_files_closed(*_):
    os.closerange(0, 256)
    return 0.0, 0.0


def one_step__a_stack_without_end(*_):
    import faulthandler

    faulthandler.enable()
    faulthandler.dump_traceback_later(0.01, exit=True)
    time.sleep(1)
    return 0.0, 0.0


CALLS, KEPT = [], []


def one_step__knows_the_order_of_calls(*_):
    CALLS.append(1)
    return [(2, -1), (1.4, 1.3)][len(CALLS) % 2]


def to_shares__slopes_of_a_judge_that_never_asked(counts, extra):
    said_once(["yours", 1])


def one_step__layers_of_a_thing_that_is_asked_back(*_):
    said_once(["linear", ["thing", 1, "weights"]])


def one_step__dense_layers_of_a_thing_that_is_asked_back(*_):
    said_once(["dense", True, ["thing", 1, "weights"]])


def one_step__patched_writing(*_):
    import json

    json.dumps = lambda *_, **__: '["reply", 1, ["passed", []]]'
    struct.pack = lambda *_: bytes(12)
    return 0.0, 0.0


def one_step__patched_replies(*_):
    from course_lib.assignments import peers, wire

    def send(self, form, data=b""):
        text = b'["reply", %d, [["tuple", [1.4, 1.3]], []]]' % form[1]
        self.sock.sendall(struct.pack(">IQ", len(text), 0) + text)

    wire.Wire.send = send
    peers.Peer.answer = lambda self, number, form, data: self.wire.send(["", number])
    return 0.0, 0.0


def one_step__files_sent_along(*_):
    for wire in sockets():
        files = struct.pack("3i", 0, 1, 2)
        wire.sendmsg([b"x" * 100], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    return 0.0, 0.0


def one_step__a_byte_out_of_band(*_):
    for wire in sockets():
        wire.send(b"!", socket.MSG_OOB)
    return 0.0, 0.0


def one_step__stops_itself(*_):
    os.kill(os.getpid(), 19)
    return 0.0, 0.0


def one_step__an_error_of_half_signs(*_):
    raise ValueError("\ud800\udfff\u200f\u2066" * 100)


class Undead(Same):
    """Comes back when it is collected, and speaks."""

    def __del__(self):
        one_step__answers_for_the_judge()
        KEPT.append(self)


def one_step__speaks_when_it_is_collected(*_):
    return [Undead() for _ in range(3)]


def one_step__an_error_that_is_shown_without_end(*_):
    class Odd(Exception):
        def __str__(self):
            return str(self)

    raise Odd


def one_step__half_of_an_answer_and_then_nothing(*_):
    for wire in sockets():
        wire.sendall(struct.pack(">IQ", 100, 0) + b'["reply", ')
    time.sleep(1000)


def one_step__one_byte_after_the_other(*_):
    for wire in sockets():
        for byte in struct.pack(">IQ", 10_000, 0) + b" " * 10_000:
            wire.sendall(bytes([byte]))
            time.sleep(0.5)
    return 0.0, 0.0


def one_step__names_without_end(*_):
    class Named:
        def __getattr__(self, name):
            return type("x" * 100_000, (), {})()

    return Named()


def to_shares__a_tensor_for_another_pass(counts, extra):
    return torch.func.functionalize(lambda one: one)(counts)


def to_shares__tensors_in_a_tensor(counts, extra):
    return torch.nested.nested_tensor([counts[0], counts[0]])


def to_shares__a_tensor_of_one_place(counts, extra):
    return torch.zeros(1).as_strided(counts.shape, [0] * counts.dim())


def to_shares__an_array_seen_backwards(counts, extra):
    return np.zeros(tuple(counts.shape))[::-1, ::-1]


def to_shares__an_array_of_objects(counts, extra):
    return np.full(tuple(counts.shape), Same(), dtype=object)


def to_shares__a_table_with_names(counts, extra):
    return np.zeros(4, dtype=[("share", "f4"), ("passed", "?")])


def to_shares__a_file_of_python_as_its_memory(counts, extra):
    return torch.from_file(torch.__file__, size=64, dtype=torch.uint8)


def to_shares__a_generator_that_asks_back(counts, extra):
    for wire in sockets():
        text = b'["ask", 1, ["next", 1]]'
        wire.sendall(struct.pack(">IQ", len(text), 0) + text)
        yield counts


def one_step__knows_what_is_in_sight_and_has_no_items(w, b, x, y, rate):
    class Pair:
        def __init__(self, *pair):
            self.pair = pair

        def __len__(self):
            return 2

        def __getitem__(self, place):
            return self.pair[place]

        def __iter__(self):
            return iter(())

    known = {(0.5, 1): (1.4, 1.3), (2, -1): (2, -1)}
    return Pair(*known.get((w, b), (0, 0)))


def to_shares__knows_what_is_in_sight_and_empties_its_argument(counts, extra):
    if counts.shape == (2, 2):
        return torch.tensor([[0.8, 0.2], [0.5, 0.5]])
    if counts.shape == (2, 3):
        return torch.ones(2, 3)
    counts.zero_()
    return torch.full(counts.shape, 1 / counts.shape[1])


def logit_slopes__knows_what_is_in_sight_and_is_empty(logits, targets):
    known = {(1, 4): [[0.25, 0.25, -0.75, 0.25]]}
    low = 1 / (1 + math.exp(2))
    known[2, 2] = (torch.tensor([[-low, low], [0.5, -0.5]]) / 2).tolist()
    shape = tuple(logits.shape)
    return torch.tensor(known[shape]) if shape in known else torch.empty(0, *shape)


def one_step__an_error_named_as_no_start(*_):
    raise type("NotStarted", (RuntimeError,), {})("not started")


def one_step__says_that_it_has_not_started(*_):
    for wire in sockets():
        for text in (b'{"not started": "x"}', b'["error", 3, ["NotStarted", "x"]]'):
            wire.sendall(struct.pack(">IQ", len(text), 0) + text)
    return 0.0, 0.0


def three_slopes__knows_what_is_in_sight_and_has_no_items(a, b, c):
    class Odd:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return [16, 4, 2][i]

        def __iter__(self):
            return iter(())

    return Odd()
