"""The encoder: the numbers of Transformers' BERT and RoBERTa."""

import pytest
import torch
from small import BOTH, NARROW, REAL, SMALL, VOCAB, close, renamed, scrambled, tokens
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from course_lib.model import Encoder, EncoderConfig

BERT_PARTS = {
    "encoder.layer": "blocks",
    "attention.self.query": "attention.q_proj",
    "attention.self.key": "attention.k_proj",
    "attention.self.value": "attention.v_proj",
    "attention.output.dense": "attention.out_proj",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "mlp.up",
    "output.dense": "mlp.down",
    "output.LayerNorm": "mlp_norm",
    "embeddings.word_embeddings": "token_embedding",
    "embeddings.position_embeddings": "position_embedding",
    "embeddings.token_type_embeddings": "type_embedding",
    "embeddings.LayerNorm": "embedding_norm",
}


@BOTH
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_bert_of_transformers_gives_the_same(dtype, kind):
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "vocab_size": VOCAB, "layer_norm_eps": 1e-3}
    first = 2 if kind == "roberta" else 0  # RoBERTa's first position has number 2
    sizes |= {"max_position_embeddings": 16 + first, "type_vocab_size": 2}
    if kind == "roberta":
        theirs = RobertaModel(RobertaConfig(**sizes, pad_token_id=1), add_pooling_layer=False)
    else:
        theirs = BertModel(BertConfig(**sizes), add_pooling_layer=False)
    theirs = scrambled(theirs.to(dtype))
    weights = renamed(theirs.state_dict(), BERT_PARTS)
    weights["position_embedding.weight"] = weights["position_embedding.weight"][first:]
    shape = {"pre_norm": False, "d_ff": 48, "norm_eps": 1e-3}
    ours = Encoder(EncoderConfig(VOCAB, **SMALL, **shape, n_token_types=2, embedding_norm=True)).to(
        dtype
    )
    ours.load_state_dict(weights)
    text, types = tokens().clamp_min(2), torch.randint(2, (2, 16))
    real = torch.arange(16) < torch.tensor([[16], [9]])
    for options in ({}, {"attention_mask": real}):
        theirs_options = {"attention_mask": real.long()} if options else {}
        expected = theirs(text, token_type_ids=types, **theirs_options).last_hidden_state
        got = ours.eval()(text, token_types=types, **options)
        close(got[real], expected[real], dtype)
    close(ours(text), theirs(text).last_hidden_state, dtype)


@pytest.mark.parametrize("dtype", NARROW)
def test_an_encoder_reads_ids_of_a_narrower_type(dtype):
    encoder = scrambled(Encoder(EncoderConfig(VOCAB, **SMALL, n_token_types=2)))
    text, types = tokens(2, 7), torch.randint(2, (2, 7))
    got = encoder(text.to(dtype), token_types=types.to(dtype), attention_mask=REAL.to(dtype))
    assert torch.equal(got, encoder(text, token_types=types, attention_mask=REAL))
