"""What a language model costs: parameters, operations, memory, time, energy, money, carbon.

Taught in 'Background' (runs), 'Training on GPU' (machines) and 'Compute' (layers, use).
"""

from course_lib.costs.gpus import A100, B200, GPU, GPUS, H100, H200, NEWER_GPUS, V100
from course_lib.costs.layers import (
    Cost,
    attention_cost,
    encoder_costs,
    feed_forward_cost,
    gpt_costs,
    total,
    transformer_costs,
)
from course_lib.costs.machines import (
    TrainingMemory,
    activation_bytes,
    attainable_flops,
    communication_bytes,
    loss_bytes,
    matmul_intensity,
    training_memory,
)
from course_lib.costs.runs import (
    DOLLARS_PER_GPU_HOUR,
    PUE,
    compute_optimal,
    energy_mwh,
    gpt_forward_flops,
    gpt_parameters,
    gpu_hours,
    training_flops,
    utilization,
)
from course_lib.costs.use import (
    CHINCHILLA,
    GRAMS_PER_KWH,
    cache_bytes,
    carbon_tonnes,
    cheapest,
    chinchilla_loss,
    tokens_needed,
)

__all__ = [
    "A100",
    "B200",
    "CHINCHILLA",
    "DOLLARS_PER_GPU_HOUR",
    "GPU",
    "GPUS",
    "GRAMS_PER_KWH",
    "H100",
    "H200",
    "NEWER_GPUS",
    "PUE",
    "V100",
    "Cost",
    "TrainingMemory",
    "activation_bytes",
    "attainable_flops",
    "attention_cost",
    "cache_bytes",
    "carbon_tonnes",
    "cheapest",
    "chinchilla_loss",
    "communication_bytes",
    "compute_optimal",
    "encoder_costs",
    "energy_mwh",
    "feed_forward_cost",
    "gpt_costs",
    "gpt_forward_flops",
    "gpt_parameters",
    "gpu_hours",
    "loss_bytes",
    "matmul_intensity",
    "tokens_needed",
    "total",
    "training_flops",
    "training_memory",
    "transformer_costs",
    "utilization",
]
