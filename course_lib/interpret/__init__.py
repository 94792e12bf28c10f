"""Looking into a model: what it holds, where, and which part does what.

Taught in 'Interpretability'. All of it reads and changes a model by hooks: the model's own code
stays as it is.
"""

from course_lib.interpret.attribution import gradient_times_input, integrated_gradients
from course_lib.interpret.heads import (
    attention_weights,
    changed_attention,
    prefix_matching,
    repeated_tokens,
    without_heads,
)
from course_lib.interpret.probes import Probe, control_labels
from course_lib.interpret.sparse import (
    SparseAutoencoder,
    explained,
    fit_autoencoder,
    named,
    strongest,
)
from course_lib.interpret.streams import (
    changed_stream,
    last_score,
    logit_lens,
    patch_stream,
    residual_stream,
)

__all__ = [
    "Probe",
    "SparseAutoencoder",
    "attention_weights",
    "changed_attention",
    "changed_stream",
    "control_labels",
    "explained",
    "fit_autoencoder",
    "gradient_times_input",
    "integrated_gradients",
    "last_score",
    "logit_lens",
    "named",
    "patch_stream",
    "prefix_matching",
    "repeated_tokens",
    "residual_stream",
    "strongest",
    "without_heads",
]
