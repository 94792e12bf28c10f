"""What Transformers calls modules, weights and settings, and what this course calls them."""

from typing import Any

# Their names of modules and ours; a star stands for the layer's number.
_GPT2_NAMES = {
    "wte": "token_embedding",
    "wpe": "position_embedding",
    "h.*.ln_1": "blocks.*.attention_norm",
    "h.*.attn.q": "blocks.*.attention.q_proj",
    "h.*.attn.k": "blocks.*.attention.k_proj",
    "h.*.attn.v": "blocks.*.attention.v_proj",
    "h.*.attn.c_proj": "blocks.*.attention.out_proj",
    "h.*.ln_2": "blocks.*.mlp_norm",
    "h.*.mlp.c_fc": "blocks.*.mlp.up",
    "h.*.mlp.c_proj": "blocks.*.mlp.down",
    "ln_f": "norm",
    "lm_head": "head",
}
_LLAMA_NAMES = {
    "embed_tokens": "token_embedding",
    "layers.*.input_layernorm": "blocks.*.attention_norm",
    "layers.*.self_attn.q_proj": "blocks.*.attention.q_proj",
    "layers.*.self_attn.k_proj": "blocks.*.attention.k_proj",
    "layers.*.self_attn.v_proj": "blocks.*.attention.v_proj",
    "layers.*.self_attn.o_proj": "blocks.*.attention.out_proj",
    "layers.*.post_attention_layernorm": "blocks.*.mlp_norm",
    "layers.*.mlp.gate_proj": "blocks.*.mlp.gate",
    "layers.*.mlp.up_proj": "blocks.*.mlp.up",
    "layers.*.mlp.down_proj": "blocks.*.mlp.down",
    "norm": "norm",
    "lm_head": "head",
}
_BERT_NAMES = {
    "embeddings.word_embeddings": "token_embedding",
    "embeddings.position_embeddings": "position_embedding",
    "embeddings.token_type_embeddings": "type_embedding",
    "embeddings.LayerNorm": "embedding_norm",
    "encoder.layer.*.attention.self.query": "blocks.*.attention.q_proj",
    "encoder.layer.*.attention.self.key": "blocks.*.attention.k_proj",
    "encoder.layer.*.attention.self.value": "blocks.*.attention.v_proj",
    "encoder.layer.*.attention.output.dense": "blocks.*.attention.out_proj",
    "encoder.layer.*.attention.output.LayerNorm": "blocks.*.attention_norm",
    "encoder.layer.*.intermediate.dense": "blocks.*.mlp.up",
    "encoder.layer.*.output.dense": "blocks.*.mlp.down",
    "encoder.layer.*.output.LayerNorm": "blocks.*.mlp_norm",
}
NAMES = {  # by type of model
    "gpt2": _GPT2_NAMES,
    "llama": _LLAMA_NAMES,
    "bert": _BERT_NAMES,
    "roberta": _BERT_NAMES,
}
# What a file of settings may leave out: the values that Transformers then takes.
_BERT_DEFAULTS = {
    "vocab_size": 30_522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "gpt2": {
        "vocab_size": 50_257,
        "n_positions": 1024,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_inner": None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
    },
    "llama": {
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": None,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
    },
    "bert": _BERT_DEFAULTS,
    "roberta": {**_BERT_DEFAULTS, "vocab_size": 50_265},
}
# Other names of GPT-2's settings.
GPT2_SETTINGS = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}
# Masks and positions kept as weights by old versions, and the encoders' heads for one task each.
BUFFERS = r"attn\.(masked_)?bias$|(position|token_type)_ids$|rotary_emb\."
HEADS = r"^(pooler|cls|classifier|lm_head|qa_outputs)\."
TF_NAMES = {"gamma": "weight", "beta": "bias"}  # of norms, in weights converted from TensorFlow
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu2",
}
