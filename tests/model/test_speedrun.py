"""The speedrun: caps, zeros, n-grams."""

import torch
from small import MAKERS, close, scrambled, tokens

from course_lib.model.ngram_embedding import ngram_rows


def test_an_n_gram_has_the_same_row_wherever_it_stands():
    text = torch.tensor([[-1, -1, 3, 1, 4, 3, 1, 4]])
    pairs, triples = ngram_rows(text, 3, 1_000_003)[:, 0]
    assert (pairs[1:3] == pairs[4:6]).all()  # 3 1, 1 4
    assert triples[2] == triples[5]  # 3 1 4
    rows = [*pairs[[0, 1, 2, 3]], *triples[:5]]  # each other one is of its own
    assert len({row.item() for row in rows}) == len(rows)
    assert ngram_rows(text, 3, 7).max() < 7
    assert torch.equal(ngram_rows(text.to(torch.int8), 3, 7), ngram_rows(text, 3, 7))


def test_blocks_that_begin_at_zero_change_nothing():
    model = MAKERS["speedrun"]()
    stream = torch.randn(2, 5, 32)
    for block in model.blocks:
        assert torch.equal(block(stream, causal=True), stream)


def test_logits_are_capped_softly():
    free, capped = (scrambled(MAKERS["speedrun"](logit_cap=c)) for c in (None, 2.0))
    capped.load_state_dict(free.state_dict())
    text = tokens()
    expected = 2 * torch.tanh(free(text) / 2)
    close(capped(text), expected, torch.float32)
    assert free(text).abs().max() > 2 > capped(text).abs().max()
