"""The parts of the benchmark on a GPU: each yields what it measures, and how.

A part yields pairs: labels of a row, and a function that measures and returns the row's figures.
"""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is fetched

import torch
import torch.nn.functional as F
from common import peak_megabytes
from lean import Lean, plain_loop
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from course_lib import costs
from course_lib.attention import scaled_dot_product_attention
from course_lib.generation import generate_tokens
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig
from course_lib.training import PRECISIONS, RECIPES, random_windows, recipe_optimizers, train

ROOT = Path(__file__).resolve().parents[1]
Rows = Iterator[tuple[dict, Callable[[], dict]]]


@dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    matrix: int = 8192
    tokens: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
    steps: int = 60  # of the Shakespeare runs; as many before them warm up
    batches: tuple[int, ...] = (12, 48, 192, 768, 3072)
    large: tuple[int, int, int, int] = (12, 12, 768, 50_257)  # layers, heads, width, vocabulary
    context: int = 1024
    batch: int = 16
    rounds: int = 5
    lengths: tuple[int, ...] = (512, 1024, 2048, 4096, 8192, 16_384)
    memory_batches: tuple[int, ...] = (1, 4, 16)
    llama: tuple[int, int, int, int, int] = (30, 9, 576, 1536, 49_152)  # SmolLM2's
    writers: tuple[int, ...] = (1, 8, 64)
    new_tokens: int = 64
    compiling: bool = True  # which takes half a minute a model on a slow processor


SMALL = Sizes(
    matrix=512,
    tokens=(1, 16, 256),
    steps=4,
    batches=(2, 8),
    large=(2, 2, 32, 101),
    context=32,
    batch=2,
    rounds=2,
    lengths=(64, 128),
    memory_batches=(1, 4),
    llama=(2, 3, 48, 96, 101),
    writers=(1, 2),
    new_tokens=4,
    compiling=False,
)


def wait(device: torch.device) -> None:
    """Wait until the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_per_call(
    work: Callable[[], object], device: torch.device, least: float = 0.05, tries: int = 3
) -> float:
    """Return the time of a call in the best of the tries, each of ``least`` seconds or more.

    Calls of one try are queued and waited for together, so that what the asking costs counts only
    where the device waits for it.
    """

    def timed(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        wait(device)
        return time.perf_counter() - start

    timed(2)
    calls = 1
    while (took := timed(calls)) < least:
        calls *= 2
    return min([took, *(timed(calls) for _ in range(tries - 1))]) / calls


def by_theirs(ours: list[float], theirs: list[float]) -> dict[str, float]:
    """Return how many times as fast ours is, from times taken in turn: the median, and the ends."""
    rounds = [b / a for a, b in zip(ours, theirs, strict=True)]
    middle = statistics.median(rounds)
    return {"ours by theirs": middle, "least": min(rounds), "most": max(rounds)}


def flops_per_token(model: GPT, context: int) -> int:
    """Count a training step's operations for each token: three forward passes' matrix products."""
    weights = sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Linear))
    if model.config.tied:
        weights += model.token_embedding.weight.numel()
    return 3 * (2 * weights + 4 * model.config.n_layers * context * model.config.d_model)


class Bench:
    """A device, a text and sizes.

    Args:
        device: where to measure.
        sizes: how large everything is.
        text: token ids; random ones if there are none, which train as fast.
        vocab_size: number of different tokens of the text.
    """

    def __init__(
        self, device: torch.device, sizes: Sizes, text: Tensor | None = None, vocab_size: int = 65
    ) -> None:
        self.device, self.sizes, self.vocab_size = device, sizes, vocab_size
        generator = torch.Generator().manual_seed(0)
        random = torch.randint(vocab_size, (1_000_000,), generator=generator)
        self.text = random if text is None else text
        self.low = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.card = torch.cuda.get_device_name() if device.type == "cuda" else None
        known = [g.peak for g in (*costs.GPUS, *costs.NEWER_GPUS) if g.name in (self.card or "")]
        self.sheet = known[0] if known else None

    @cached_property
    def peak(self) -> float:
        """The FLOP/s of a large product, measured."""
        return self.product_speed(self.sizes.matrix, self.low)

    def product_speed(self, n: int, dtype: torch.dtype) -> float:
        """Return the FLOP/s of a product of two square matrices."""
        a, b = (torch.randn(n, n, device=self.device, dtype=dtype) for _ in range(2))
        return 2 * n**3 / seconds_per_call(lambda: a @ b, self.device)

    def share(self, flops: float) -> float:
        """Return a speed by the card's peak: the data sheet's, else the measured one."""
        return flops / (self.sheet or self.peak)


def tests(bench: Bench) -> Rows:
    """Say whether the package computes the same on the GPU: its tests marked gpu."""

    def run() -> dict:
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "--noconftest", "-p"]
        command += ["no:cacheprovider", "-o", "addopts=", "tests/test_gpu.py"]
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
        last = done.stdout.strip().splitlines()[-1:] or [done.stderr.strip()[-300:]]
        counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|skipped)", last[0])}
        if not counts:
            raise RuntimeError(f"pytest: expected counts of tests, got {last[0]!r}")
        failures = [s for s in done.stdout.splitlines() if s.startswith(("FAILED", "E  "))]
        return {"passed": 0, "failed": 0, **counts, "said": " ".join(failures)[:2000]}

    yield {}, run


def roofline(bench: Bench) -> Rows:
    """Measure the roof and the products of a few to many tokens with one matrix."""
    big = torch.ones(2**22 if bench.sizes is SMALL else 2**30, dtype=torch.bfloat16)

    def bandwidth() -> dict:
        source = big.to(bench.device)
        target = torch.empty_like(source)
        took = seconds_per_call(lambda: target.copy_(source), bench.device)
        return {"GB/s": 2 * source.nbytes / took / 1e9}

    yield {"what": "copy"}, bandwidth
    n = bench.sizes.matrix
    for precision in ("float32", "bfloat16"):
        dtype = getattr(torch, precision)
        labels = {"what": "square", "precision": precision}
        yield labels, lambda d=dtype: {"GFLOP/s": bench.product_speed(n, d) / 1e9}
        for tokens in bench.sizes.tokens:

            def product(tokens: int = tokens, dtype: torch.dtype = dtype) -> dict:
                x = torch.randn(tokens, n, device=bench.device, dtype=dtype)
                weights = torch.randn(n, n, device=bench.device, dtype=dtype)
                took = seconds_per_call(lambda: x @ weights, bench.device, least=0.02)
                intensity = costs.matmul_intensity(tokens, n, n, dtype.itemsize)
                return {"FLOP/byte": intensity, "GFLOP/s": 2 * tokens * n * n / took / 1e9}

            yield {"what": "product", "precision": precision, "tokens": tokens}, product


def training_speed(
    bench: Bench, recipe: str, device: torch.device, precision: str, compiled: bool, batch: int = 12
) -> dict:
    """Train a recipe's model on the text by the course's loop; time the second half of the run."""
    torch.manual_seed(0)
    if recipe == "speedrun":
        model: GPT = Speedrun(SpeedrunConfig(bench.vocab_size))
    else:
        model = GPT(getattr(GPTConfig, recipe)(bench.vocab_size))
    model.to(device)
    steps, context = bench.sizes.steps, model.config.context
    optimizers, schedule = recipe_optimizers(model, recipe, 2 * steps)
    history = train(
        model,
        random_windows(bench.text, batch, context),
        steps=2 * steps,
        optimizer=optimizers,
        schedule=schedule,
        device=device,
        precision=precision,
        compile=compiled,
        log_every=steps,
        progress=False,
    ).history
    speed = steps * batch * context / (history[1]["seconds"] - history[0]["seconds"])
    share = bench.share(speed * flops_per_token(model, context))
    shares = {"share of peak": share} if device == bench.device else {}
    return {"tokens/s": speed, **shares, "loss": history[1]["loss"]}


def shakespeare(bench: Bench) -> Rows:
    """Train the three recipes on the plays: processor and GPU, precisions, compiled or not."""
    cpu = torch.device("cpu")
    plain, compiled = [(cpu, "float32", False)], [(cpu, "float32", True)]
    if bench.device.type == "cuda":
        plain += [(bench.device, precision, False) for precision in PRECISIONS]
        compiled = [(bench.device, "bfloat16", True), (bench.device, "float32", True), *compiled]
    runs = [(recipe, *way) for way in plain for recipe in RECIPES]
    if bench.sizes.compiling:
        runs += [(recipe, *way) for way in compiled for recipe in RECIPES]
    for recipe, device, precision, fused in runs:
        labels = {"recipe": recipe, "device": device.type, "precision": precision}
        labels["compiled"] = fused
        yield labels, lambda r=(recipe, device, precision, fused): training_speed(bench, *r)


def batches(bench: Bench) -> Rows:
    """Train gpt2 on larger and larger batches: where does the processor stop mattering?"""
    for batch in bench.sizes.batches:
        for device in dict.fromkeys([bench.device, torch.device("cpu")]):
            if device != bench.device and batch > 48:  # seconds a run
                continue
            precision = "bfloat16" if device.type == "cuda" else "float32"
            run = (bench, "gpt2", device, precision, False, batch)
            labels = {"batch": batch, "device": device.type, "precision": precision}
            yield labels, lambda r=run: training_speed(*r)


def large_model(bench: Bench) -> GPT:
    """Return the larger model, on the device."""
    layers, heads, width, vocab = bench.sizes.large
    shape = {"n_layers": layers, "n_heads": heads, "d_model": width}
    torch.manual_seed(0)
    return GPT(GPTConfig.gpt2(vocab, context=bench.sizes.context, **shape)).to(bench.device)


def their_gpt2(bench: Bench) -> nn.Module:
    """Return Transformers' GPT-2 of the same shape."""
    from transformers import GPT2Config, GPT2LMHeadModel

    layers, heads, width, vocab = bench.sizes.large
    dropouts = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    shape = {
        "n_layer": layers,
        "n_head": heads,
        "n_embd": width,
        "n_positions": bench.sizes.context,
    }
    config = GPT2Config(vocab_size=vocab, use_cache=False, **shape, **dropouts)
    return GPT2LMHeadModel(config).to(bench.device).train()


def large(bench: Bench) -> Rows:
    """Train the larger shape at full load, in turn with a plain loop over the other model."""
    sizes, text = bench.sizes, torch.randint(bench.sizes.large[3], (1_000_000,))
    precision = "bfloat16" if bench.device.type == "cuda" else "float32"

    def in_turn(against: str, compiled: bool) -> dict:
        ours = large_model(bench)
        optimizers, _ = recipe_optimizers(ours, "gpt2", 1000)
        windows = random_windows(text, sizes.batch, sizes.context)
        settings = {"precision": precision, "device": bench.device, "progress": False}
        other = Lean(large_model(bench)) if against == "lean loop" else their_gpt2(bench)
        other.to(bench.device)
        if compiled:
            ours.compile()
            other.compile()
        logits = other if against == "lean loop" else lambda tokens: other(tokens).logits
        shape = (text.to(bench.device), sizes.batch, sizes.context, PRECISIONS[precision])
        loops = {
            "ours": lambda n: train(ours, windows, steps=n, optimizer=optimizers, **settings),
            "other": plain_loop(other, logits, *shape),
        }
        taken: dict[str, list[float]] = {name: [] for name in loops}
        for i in range(sizes.rounds + 1):
            for name, loop in loops.items():
                start = time.perf_counter()
                loop(10)
                wait(bench.device)
                if i:  # the first round warms up
                    taken[name].append((time.perf_counter() - start) / 10)
        tokens = sizes.batch * sizes.context
        speed = {name: tokens / statistics.median(times) for name, times in taken.items()}
        return {
            "ours, tokens/s": speed["ours"],
            "theirs, tokens/s": speed["other"],
            **by_theirs(taken["ours"], taken["other"]),
            "share of peak": bench.share(speed["ours"] * flops_per_token(ours, sizes.context)),
        }

    for compiled in (False, True)[: 1 + sizes.compiling]:
        for against in ("lean loop", "Transformers"):
            labels = {"against": against, "compiled": compiled, "precision": precision}
            yield labels, lambda a=against, c=compiled: in_turn(a, c)


def attention(bench: Bench) -> Rows:
    """Attend forward and backward, written out, fused and flash: time and memory by length."""

    def flash(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    ways = {
        "written out": lambda q, k, v: scaled_dot_product_attention(q, k, v, causal=True)[0],
        "fused": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        "flash": flash,
    }
    longest = bench.sizes.lengths[-1]
    for length in bench.sizes.lengths:
        for name, attend in ways.items():

            def measure(length: int = length, attend: Callable = attend) -> dict:
                shape = (longest // length, 12, length, 64)
                made = (torch.randn(shape, device=bench.device, dtype=bench.low) for _ in range(3))
                q, k, v = (tensor.requires_grad_() for tensor in made)

                def step(_: object = None) -> None:
                    attend(q, k, v).sum().backward()
                    q.grad = k.grad = v.grad = None

                step()
                peak = peak_megabytes(step, q.detach())
                return {"ms": 1e3 * seconds_per_call(step, bench.device), "peak MB": peak}

            yield {"length": length, "way": name}, measure


def memory(bench: Bench) -> Rows:
    """Predict the memory of a step of the larger shape as the chapter does, and measure it."""
    layers, heads, width, vocab = bench.sizes.large
    context = bench.sizes.context
    precisions = ("float32", "bfloat16") if bench.device.type == "cuda" else ("float32",)

    def measure(precision: str, batch: int, held: bool) -> dict:
        model, tokens, mixed = large_model(bench), batch * context, precision != "float32"
        numbers = sum(p.numel() for p in model.parameters())
        text = torch.randint(vocab, (10_000,), device=bench.device)
        run: Callable[..., object]
        if held:  # the plain loop's variable holds the logits, the course's loop lets them go
            run = plain_loop(model, model, text, batch, context, PRECISIONS[precision])
        else:
            optimizers, _ = recipe_optimizers(model, "gpt2", 1000)
            windows = random_windows(text.cpu(), batch, context)
            settings = {"precision": precision, "device": bench.device, "progress": False}
            run = partial(train, model, windows, optimizer=optimizers, **settings)
        run(steps=2)  # now the optimizer holds its moments
        at_rest = 12 * numbers  # weights and both moments; a step's gradients come and go
        peak = at_rest + 1e6 * peak_megabytes(lambda _: run(steps=1), text)
        kept = costs.activation_bytes(layers, heads, width, vocab, tokens, mixed)
        loss = costs.loss_bytes(vocab, tokens, mixed, held)
        predicted = costs.training_memory(numbers, kept, loss).total
        shares = {"measured by predicted": peak / predicted}
        return {"predicted MB": predicted / 1e6, "measured MB": peak / 1e6, **shares}

    for held in (True, False):
        for precision in precisions:
            for batch in bench.sizes.memory_batches:
                labels = {"precision": precision, "batch": batch, "logits held": held}
                yield labels, partial(measure, precision, batch, held)


THEIR_NAMES = [
    (r"^token_embedding", "model.embed_tokens"),
    (r"^norm", "model.norm"),
    (r"^blocks", "model.layers"),
    (r"attention_norm", "input_layernorm"),
    (r"mlp_norm", "post_attention_layernorm"),
    (r"attention\.out_proj", "self_attn.o_proj"),
    (r"attention\.(.)_proj", r"self_attn.\1_proj"),
    (r"mlp\.(up|gate|down)", r"mlp.\1_proj"),
]


def their_name(name: str) -> str:
    """Return what Transformers calls a weight of our llama model."""
    for ours, theirs in THEIR_NAMES:
        name = re.sub(ours, theirs, name)
    return name


def llamas(bench: Bench) -> tuple[GPT, nn.Module]:
    """Return our model of SmolLM2's shape and Transformers', with the same random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    layers, heads, width, hidden, vocab = bench.sizes.llama
    shape = {"n_layers": layers, "n_heads": heads, "d_model": width, "d_ff": hidden}
    torch.manual_seed(0)
    ours = GPT(GPTConfig.llama(vocab, context=2048, n_kv_heads=heads // 3, **shape))
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocab,
            hidden_size=width,
            intermediate_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 3,
            max_position_embeddings=2048,
            rms_norm_eps=ours.config.norm_eps,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=None,
        )
    )
    weights = {their_name(name): tensor for name, tensor in ours.state_dict().items()}
    lacking, unknown = theirs.load_state_dict(weights, strict=False)
    if unknown or set(lacking) - {"lm_head.weight"}:
        raise ValueError(f"weights: expected Transformers' names, got {unknown}, not {lacking}")
    return ours.to(bench.device, bench.low).eval(), theirs.to(bench.device, bench.low).eval()


def generation(bench: Bench) -> Rows:
    """Write greedily with SmolLM2's shape and random weights, in turn with Transformers."""
    new, models = bench.sizes.new_tokens, []

    @torch.inference_mode()
    def theirs(prompts: Tensor) -> list[list[int]]:
        made = models[1].generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=new,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        return made[:, prompts.shape[1] :].tolist()

    def in_turn(batch: int) -> dict:
        if not models:
            models.extend(llamas(bench))
        generator = torch.Generator().manual_seed(batch)
        prompts = torch.randint(bench.sizes.llama[-1], (batch, 64), generator=generator)
        rows, there = prompts.tolist(), prompts.to(bench.device)
        ways = {
            "ours": lambda: generate_tokens(models[0], rows, max_new_tokens=new),
            "theirs": lambda: theirs(there),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        said = {}
        for i in range(4):
            for name, write in ways.items():
                start = time.perf_counter()
                said[name] = write()
                if i:  # the first round warms up
                    taken[name].append(time.perf_counter() - start)
        first = [a[0] == b[0] for a, b in zip(*said.values(), strict=True)]
        return {
            "ours, tokens/s": batch * new / statistics.median(taken["ours"]),
            "Transformers', tokens/s": batch * new / statistics.median(taken["theirs"]),
            **by_theirs(taken["ours"], taken["theirs"]),
            "same first token": sum(first) / batch,
        }

    for batch in bench.sizes.writers:
        yield {"batch": batch}, lambda b=batch: in_turn(b)


def graphs(bench: Bench) -> Rows:
    """Train the small gpt2 model with a step asked for piece by piece, and captured as one."""

    def measure(batch: int, captured: bool) -> dict:
        if bench.device.type != "cuda":
            return {"left out": "graphs are captured on NVIDIA's GPUs only"}
        torch.manual_seed(0)
        model = Lean(GPT(GPTConfig.gpt2(bench.vocab_size))).to(bench.device)
        adamw = torch.optim.AdamW(model.parameters(), 1e-3, fused=True, capturable=True)
        x, y = torch.randint(bench.vocab_size, (2, batch, 64), device=bench.device)

        def step() -> None:
            adamw.zero_grad(set_to_none=False)
            with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
                F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
            adamw.step()

        # What is captured must have run before, on a queue of its own.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        work = step
        if captured:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step()
            work = graph.replay
        took = seconds_per_call(work, bench.device)
        return {"ms": 1e3 * took, "tokens/s": batch * 64 / took}

    for batch in bench.sizes.batches:
        for captured in (False, True):
            labels = {"batch": batch, "captured": captured}
            yield labels, lambda b=batch, c=captured: measure(b, c)


# Each with its share of the time. What says most for the least time comes first.
PARTS: dict[str, tuple[Callable[[Bench], Rows], float]] = {
    "tests": (tests, 30),
    "roofline": (roofline, 15),
    "generation": (generation, 60),
    "attention": (attention, 25),
    "memory": (memory, 20),
    "graphs": (graphs, 10),
    "batches": (batches, 35),
    "large": (large, 85),
    "shakespeare": (shakespeare, 90),
}
