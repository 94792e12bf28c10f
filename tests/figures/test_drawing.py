"""What every drawing keeps to, whatever it draws."""

import inspect
import re
from xml.etree import ElementTree

import pytest
import torch

from course_lib import figures
from course_lib.figures import drawing

X = torch.eye(3)
MERGES = [(b"o", b"w"), (b"l", b"ow"), (b"e", b"r")]
# Each drawing of the kit, with what it is asked to draw.
DRAWN = {
    "activation_patching": figures.activation_patching,
    "agent_loop": figures.agent_loop,
    "attention_flow": lambda: figures.attention_flow(["a", "<b>", "c"], X, X, X, X, X, asking=1),
    "broadcasting": figures.broadcasting,
    "contexts": lambda: figures.contexts(["to", "be"], [1, 2]),
    "conversation": lambda: figures.conversation(
        [figures.Said("user", "Hi")], "Who writes is seen", "A caption. " * 8, alt="A talk. " * 12
    ),
    "copies_and_shards": figures.copies_and_shards,
    "decoder_only": figures.decoder_only,
    "depth_by_writing": figures.depth_by_writing,
    "draft_and_check": figures.draft_and_check,
    "encoder_decoder": figures.encoder_decoder,
    "gpt_parts": lambda: figures.gpt_parts(96, 12_288, 50_257, 2_048, "GPT-3"),
    "gpus_that_hold": lambda: figures.gpus_that_hold(
        {"weights": 700e9, "gradients": 700e9, "means": 1400e9}, 80e9
    ),
    "group_of_answers": figures.group_of_answers,
    "held_out_stretches": figures.held_out_stretches,
    "induction_heads": figures.induction_heads,
    "key_value_cache": figures.key_value_cache,
    "learning_loop": figures.learning_loop,
    "lens_grid": lambda: figures.lens_grid(
        ["a", " <b>"],
        [0, 5],
        [["x", "y"], ["z", "w"]],
        torch.eye(2),
        "Words are seen",
        "A caption. " * 8,
        alt="A grid. " * 12,
    ),
    "lora": figures.lora,
    "matrix_product": figures.matrix_product,
    "measurement": figures.measurement,
    "merge_tree": lambda: figures.merge_tree(MERGES, " newest lower"),
    "model_widths": lambda: figures.model_widths({8: 1592, 16: 6256, 128: 394_112}),
    "mixture_of_experts": figures.mixture_of_experts,
    "multi_head_flow": figures.multi_head_flow,
    "muon": figures.muon,
    "noisy_channel": lambda: figures.noisy_channel("from", "form"),
    "norm_places": figures.norm_places,
    "paged_cache": figures.paged_cache,
    "patching_grid": lambda: figures.patching_grid(
        ["a", " <b>", "c"], X, "A share is seen", "A caption. " * 8, alt="A grid. " * 12
    ),
    "pipeline": figures.pipeline,
    "pushes": figures.pushes,
    "retrieval": figures.retrieval,
    "ring": figures.ring,
    "secret_in_and_out": figures.secret_in_and_out,
    "shared_keys": figures.shared_keys,
    "teacher_forcing": lambda: figures.teacher_forcing("knight", ("N", "AY", "T"), "<", ">"),
    "text_to_ids": figures.text_to_ids,
    "three_steps": figures.three_steps,
    "turned_round": lambda: figures.turned_round("abc"),
    "two_tasks": figures.two_tasks,
    "way_of_a_fact": figures.way_of_a_fact,
    "two_ways": figures.two_ways,
    "weight_layouts": figures.weight_layouts,
    "what_guards_see": figures.what_guards_see,
    "which_keys": figures.which_keys,
    "windows": figures.windows,
    "word_window": lambda: figures.word_window(["if", "thou", "to"], "<unk>", 64, 256, 2000),
    "writing_loop": figures.writing_loop,
}


def drawings(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall("<svg.*?</svg>", page, re.S)]


def test_every_drawing_of_the_kit_is_looked_at():
    public = {name: getattr(figures, name) for name in figures.__all__}
    shows = {
        name
        for name, function in public.items()
        if inspect.isfunction(function) and "show_drawing(" in inspect.getsource(function)
    }
    assert shows == set(DRAWN)


@pytest.mark.parametrize("name", DRAWN)
def test_writing_is_read_on_a_phone(name, shown):
    for svg in drawings(shown(DRAWN[name])):
        for text in svg.iter("text"):
            size = float(re.search(r"font-size:([\d.]+)px", text.get("style"))[1])
            assert size * 350 / drawing.WIDTH >= 11, text.text


@pytest.mark.parametrize("name", DRAWN)
def test_every_color_is_the_page_s(name, shown):
    for svg in re.findall("<svg.*?</svg>", shown(DRAWN[name]), re.S):
        assert re.findall(r"(?<!,)#[0-9a-fA-F]{3,8}\b", svg) == []


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_seen_is_also_said(name, shown):
    page = shown(DRAWN[name])
    assert len(re.search(r'role="img" aria-label="([^"]*)"', page)[1]) >= 80
    assert len(re.search(r'class="title">(.*?)</p>', page)[1]) >= 10
    assert len(re.search(r"<figcaption>(.*?)</figcaption>", page)[1]) >= 50


@pytest.mark.parametrize("name", DRAWN)
def test_parts_lie_within_the_drawing(name, shown):
    for svg in drawings(shown(DRAWN[name])):
        left, top, width, height = map(float, svg.get("viewBox").split())
        for part in svg.iter("rect"):
            x, y, w, h = (float(part.get(side)) for side in ("x", "y", "width", "height"))
            assert left <= x < x + w <= left + width
            assert top <= y < y + h <= top + height
