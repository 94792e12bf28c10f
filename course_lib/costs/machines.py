"""The speed of one processor, the memory of training, and what several processors send.

Taught in 'Training on GPU'.
"""

from dataclasses import dataclass

from course_lib.checks import check_counts, check_not_negative, check_positive, check_sizes


def matmul_intensity(m: int, k: int, n: int, bytes_per_number: float) -> float:
    """Return the operations per byte of a product (m, k) @ (k, n), each matrix moved once.

    Args:
        m: rows of the first matrix and of the product.
        k: columns of the first matrix and rows of the second.
        n: columns of the second matrix and of the product.
        bytes_per_number: 4 for float32, 2 for bfloat16 and float16.

    Returns:
        FLOP per byte of memory traffic: the most that is possible.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_sizes(m=m, k=k, n=n)
    check_positive(bytes_per_number=bytes_per_number)
    return 2 * m * k * n / (bytes_per_number * (m * k + k * n + m * n))


def attainable_flops(intensity: float, peak: float, bandwidth: float) -> float:
    """Return the roofline: the speed that memory and arithmetic allow (Williams et al. 2009).

    Args:
        intensity: operations per byte of memory traffic.
        peak: the processor's highest speed in FLOP/s.
        bandwidth: bytes a second to and from its memory.

    Returns:
        FLOP/s, at most.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_positive(intensity=intensity, peak=peak, bandwidth=bandwidth)
    return min(peak, intensity * bandwidth)


def activation_bytes(
    n_layers: int, n_heads: int, d_model: int, vocab_size: int, tokens: int, mixed: bool = False
) -> int:
    """Count what the forward pass of a GPT-2 model keeps for the backward pass.

    With fused attention, which doesn't keep the weights of attention; without dropout. The same
    kind of count, with more kept, is in Korthikanti et al. (2022), section 4.

    Args:
        n_layers: number of blocks.
        n_heads: heads per block.
        d_model: width; the MLP is four times as wide.
        vocab_size: number of different tokens.
        tokens: batch size times context, of one process.
        mixed: whether matrix products are computed in 16 bits. Then their inputs and a copy of
            the matrices are kept in 16 bits, the residual stream stays in 32.

    Returns:
        Bytes.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_sizes(n_layers=n_layers, n_heads=n_heads, d_model=d_model, vocab_size=vocab_size)
    check_sizes(tokens=tokens)
    # Per block: what both norms read; mean and deviation of both, and the softmax's sum per head.
    # At the end the loss keeps the log-probabilities.
    full = n_layers * (2 * d_model + 4 + n_heads) + d_model + 2 + vocab_size
    # What both norms give, queries, keys, values and attention's output; the MLP's inner layer
    # before and after its activation. For queries, keys and values there are three 16-bit copies.
    vectors = 8 if mixed else 6
    low = n_layers * (vectors + 2 * 4) * d_model + d_model
    copies = 2 * (12 * n_layers * d_model**2 + vocab_size * d_model) if mixed else 0
    return tokens * (4 * full + (2 if mixed else 4) * low) + copies


def loss_bytes(vocab_size: int, tokens: int, mixed: bool = False, held: bool = False) -> int:
    """Count what the loss's own backward pass takes, beside what :func:`activation_bytes` counts.

    PyTorch's cross entropy works on four tables of one number per token and entry of the
    vocabulary: the logits, their log-probabilities, and the gradient of each. The log-probabilities
    are among the activations. Both gradients are there at once when the backward pass begins.

    Args:
        vocab_size: number of different tokens.
        tokens: batch size times context, of one process.
        mixed: whether the logits and their gradient are in 16 bits, as on a GPU under autocast.
            (A processor makes this gradient in 32 bits first.)
        held: whether a variable of the loop still holds the logits. ``train`` lets them go.

    Returns:
        Bytes.

    Raises:
        ValueError: if a size is not positive.
    """
    check_sizes(vocab_size=vocab_size, tokens=tokens)
    logits = 2 if mixed else 4
    return tokens * vocab_size * (4 + logits + held * logits)


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that each process needs in a step.

    Attributes:
        weights: in float32.
        gradients: in float32.
        optimizer: its moments, in float32.
        activations: what the forward pass keeps.
        loss: what the loss's own backward pass takes.
        update: what the optimizer makes for itself while it updates a matrix.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    loss: float = 0.0
    update: float = 0.0

    @property
    def total(self) -> float:
        """The peak, at the beginning of the backward pass or after its end: the larger of the two.

        At the beginning all activations and the loss's tables are there, and no gradient of a
        weight yet; after the end all gradients, and no activations any more.
        """
        begins, ended = self.activations + self.loss, self.gradients + self.update
        return self.weights + self.optimizer + max(begins, ended)


def training_memory(
    parameters: float,
    activations: float = 0.0,
    loss: float = 0.0,
    *,
    update: float = 0.0,
    moments: int = 2,
    shards: int = 1,
    gathered: float = 0.0,
) -> TrainingMemory:
    """Count the memory of training, per process (Rajbhandari et al. 2020, section 3).

    Two things are not counted. The block at work makes gradients of its own activations, about
    three times the width per token: more than a tenth only if there are one or two blocks and a
    small vocabulary. And where a batch is computed in pieces, the gradients of the pieces before
    are there from the beginning: add them.

    Args:
        parameters: of the whole model.
        activations: bytes; see :func:`activation_bytes`.
        loss: bytes; see :func:`loss_bytes`.
        update: bytes that the optimizer makes for itself while it updates its largest matrix: the
            written-out AdamW of ``optim`` five times the matrix, PyTorch's fused one nothing.
        moments: numbers that the optimizer keeps per parameter: 2 for Adam, 1 for momentum.
        shards: over how many processes weights, gradients and moments are spread: 1 with data
            parallelism (DDP), all processes with sharding (FSDP).
        gathered: parameters that a process puts together at a time, such as one block's.

    Raises:
        ValueError: if an argument is out of its range.
    """
    check_positive(parameters=parameters)
    check_not_negative(activations=activations, loss=loss, update=update, gathered=gathered)
    check_sizes(shards=shards)
    check_counts(moments=moments)
    held = 4 * parameters / shards
    together = 4 * gathered * (1 - 1 / shards)
    return TrainingMemory(held + together, held, moments * held, activations, loss, update)


def communication_bytes(
    size: float, processes: int, *, sharded: bool = False, accumulate: int = 1
) -> float:
    """Count what each process sends in one step; it receives as much.

    In a ring of N processes, each sends (N - 1) / N of the tensor to gather the parts of all, and
    the same to add up and scatter (Patarasuk and Yuan 2009). Averaging gradients (DDP) takes both.
    Sharding (FSDP) gathers the weights for the forward pass and for the backward pass of each
    piece of the batch, and scatters the gradients once (Zhao et al. 2023).

    Args:
        size: bytes of all weights, which is that of all gradients.
        processes: N.
        sharded: FSDP instead of DDP.
        accumulate: pieces in which the batch is computed.

    Returns:
        Bytes per process and step.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_positive(size=size)
    check_sizes(processes=processes, accumulate=accumulate)
    passes = 2 * accumulate + 1 if sharded else 2
    return passes * size * (processes - 1) / processes
