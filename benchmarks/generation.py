"""Speed and memory of our generation with SmolLM2, beside Transformers' on the same weights.

One prompt, greedy, in one process, in turn, so that every ratio holds although the machine's speed
drifts. ``--check`` compares what they say instead: logits and 100 greedy tokens on 20 prompts.
``--llama-cpp FOLDER`` adds llama.cpp, if ``npm install node-llama-cpp@3.21.1`` was run there.

A token needs all weights once, so that the memory's bandwidth sets the least time for it. Threads
wait for one another some hundred times a token, and spin meanwhile: beside another busy process
``GOMP_SPINCOUNT=3000`` or ``OMP_WAIT_POLICY=passive`` in the environment lets them rather sleep.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars aren't results

import torch
import transformers
from common import memory_bandwidth, positive, processor, seconds

from course_lib import data, pretrained
from course_lib.evaluation import bits_per_byte, token_losses
from course_lib.generation import generate_tokens
from course_lib.text import BPETokenizer

PRECISIONS = ("float32", "bfloat16", "int4")
PROMPT = "Tell me a long story about a lighthouse."
QUESTIONS = [
    "What is the capital of France?",
    "Explain what a neural network is.",
    "Write a poem about the sea.",
    "How do I make tea?",
    "List three colors and three animals.",
    "What is 12 + 30?",
    "Translate 'good morning' into French.",
    "Who wrote Hamlet?",
    "Why is the sky blue?",
    "Tell me a joke.",
    "Write a Python function that adds two numbers.",
    "What should I do if I can't sleep?",
    "Describe the city of Beijing: 北京.",
    "What do you think of 🙂?",
    "Summarize the story of Cinderella.",
    "Is the earth flat?",
    "Give me a recipe for pancakes.",
    "What are the planets of the solar system?",
    "How does a bicycle stay upright?",
    "Write a letter to a friend who has moved away.",
]


def load_theirs(dtype: torch.dtype) -> transformers.LlamaForCausalLM:
    """Let Transformers read the same file."""
    (path,) = data.smollm2_folder().glob("*.gguf")
    model = transformers.LlamaForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=dtype
    )
    return model.eval()


@torch.inference_mode()
def their_tokens(model: transformers.LlamaForCausalLM, prompt: list[int], new: int) -> list[int]:
    """Return new greedy tokens by Transformers' generate."""
    tokens = torch.tensor([prompt])
    out = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=new,
        do_sample=False,
        eos_token_id=None,
    )
    return out[0, len(prompt) :].tolist()


LLAMA_CPP = """
import {getLlama} from "node-llama-cpp";
import {createInterface} from "node:readline";
process.execArgv = [];  // else the processes that it starts run this text, too
const [modelPath, threads, count, ...prompt] = process.argv.slice(1);
const llama = await getLlama({gpu: false, build: "never", maxThreads: Number(threads)});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: 1024, threads: Number(threads)});
const sequence = context.getSequence();
for await (const line of createInterface({input: process.stdin})) {
    await sequence.clearHistory();
    let made = 0;
    const greedy = {temperature: 0, yieldEogToken: true};
    for await (const _ of sequence.evaluate(prompt.map(Number), greedy))
        if (++made == Number(count)) break;
    console.log(made);
}
process.exit(0);
"""


def llama_cpp(folder: Path, prompt: list[int], new: int) -> Callable[[], None]:
    """Start llama.cpp with the same file; return a function that lets it generate once."""
    (path,) = data.smollm2_folder().glob("*.gguf")
    arguments = map(str, (path, torch.get_num_threads(), new, *prompt))
    process = subprocess.Popen(
        ["node", "--input-type=module", "--eval", LLAMA_CPP, "--", *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run() -> None:
        process.stdin.write("go\n")
        process.stdin.flush()
        if (made := process.stdout.readline().strip()) != str(new):
            sys.exit(f"llama.cpp made {made or 'no'} tokens of {new}")

    return run


def chat(tokenizer: BPETokenizer, question: str) -> list[int]:
    """Return the token ids of a conversation of one question."""
    return pretrained.encode_chat(tokenizer, [{"role": "user", "content": question}])


def check() -> None:
    """Compare logits and greedy tokens in float32."""
    ours, tokenizer = pretrained.load_smollm2()
    theirs = load_theirs(torch.float32)
    worst, same = 0.0, 0
    for question in QUESTIONS:
        prompt = chat(tokenizer, question)
        wanted = their_tokens(theirs, prompt, 100)
        got = generate_tokens(ours, [prompt], max_new_tokens=100)[0]
        with torch.inference_mode():
            tokens = torch.tensor([prompt + wanted])
            difference = (ours(tokens) - theirs(tokens).logits).abs().max().item()
        worst, same = max(worst, difference), same + (got == wanted)
        print(
            f"{difference:.1e}  {'same' if got == wanted else 'DIFFERENT'}  {question}", flush=True
        )
    print(f"greatest difference of logits {worst:.1e}; {same} of {len(QUESTIONS)} texts the same")
    sys.exit(0 if worst <= 1e-3 and same == len(QUESTIONS) else 1)


def weight_bytes(model: torch.nn.Module) -> int:
    """Return the bytes of all weights, packed ones included."""
    return sum(t.numel() * t.element_size() for t in [*model.parameters(), *model.buffers()])


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure_memory(precision: str) -> None:
    """Print weights and peak of loading and generating, beyond what the imports take; in MB."""
    data.smollm2_folder()
    before = peak_bytes()
    model, tokenizer = pretrained.load_smollm2(precision)
    generate_tokens(model, [chat(tokenizer, PROMPT)], max_new_tokens=50)
    print(weight_bytes(model) / 1e6, (peak_bytes() - before) / 1e6)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=positive, default=100, help="new tokens a run (100)")
    parser.add_argument("--runs", type=positive, default=5, help="timed runs of each (5)")
    parser.add_argument("--check", action="store_true", help="compare texts, not speed (minutes)")
    parser.add_argument("--llama-cpp", type=Path, metavar="FOLDER", help="where it is installed")
    parser.add_argument("--memory", choices=PRECISIONS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.check:
        check()
    if args.memory:
        return measure_memory(args.memory)
    new = args.tokens
    print(f"{processor()}, {torch.get_num_threads()} threads, Python {platform.python_version()}")
    print(
        f"torch {torch.__version__}, transformers {transformers.__version__}; {new} greedy tokens\n"
    )
    # In processes of their own, and first: a process starts with its parent's peak.
    memory = {}
    for precision in PRECISIONS:
        command = [sys.executable, __file__, "--memory", precision]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        memory[precision] = map(float, done.stdout.split())
    models = {precision: pretrained.load_smollm2(precision) for precision in PRECISIONS}
    tokenizer = models["float32"][1]
    prompt = chat(tokenizer, PROMPT)
    theirs = {dtype: load_theirs(getattr(torch, dtype)) for dtype in ("float32", "bfloat16")}
    runs: dict[str, Callable[[], object]] = {}
    for precision, (model, _) in models.items():
        runs[precision] = lambda m=model: generate_tokens(m, [prompt], max_new_tokens=new)
    for dtype, model in theirs.items():
        runs[f"Transformers, {dtype}"] = lambda m=model: their_tokens(m, prompt, new)
    plain = models["float32"][0]
    runs["float32, no cache"] = lambda: generate_tokens(
        plain, [prompt], max_new_tokens=new, use_cache=False
    )
    if args.llama_cpp:
        runs["llama.cpp, 4 bits"] = llama_cpp(args.llama_cpp, prompt, new)
    bandwidth = memory_bandwidth()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(args.runs + 1):
        for name, run in runs.items():
            if name.endswith("no cache") and i > 1:  # slow: once is enough to see
                continue
            time_taken = seconds(run)
            if i > 0:  # the first run warms up
                taken[name].append(time_taken)
    speed = {name: new / statistics.median(times) for name, times in taken.items()}
    print(f"{'':26}{'tokens/s':>10}{'ratio to Transformers, float32':>32}{'bfloat16':>10}")
    for name, times in taken.items():
        row = f"{name:26}{speed[name]:10.1f}"
        for width, dtype in ((32, "float32"), (10, "bfloat16")):
            pairs = zip(taken[f"Transformers, {dtype}"], times, strict=False)
            row += f"{statistics.median(their / our for their, our in pairs):{width}.2f}"
        print(row, flush=True)

    print(f"\nmemory is read at {bandwidth / 1e9:.0f} GB/s")
    print(f"{'':26}{'MB a token':>10}{'least ms':>10}{'ms':>8}{'ratio':>8}")
    read = {precision: weight_bytes(model) for precision, (model, _) in models.items()}
    read |= {f"Transformers, {dtype}": weight_bytes(model) for dtype, model in theirs.items()}
    for name, size in read.items():
        least, ms = 1e3 * size / bandwidth, 1e3 / speed[name]
        print(f"{name:26}{size / 1e6:10.0f}{least:10.1f}{ms:8.1f}{ms / least:8.1f}")

    print(f"\n{'':26}{'weights MB':>10}{'peak MB':>10}{'ratio':>8}{'bits per byte of Hamlet':>26}")
    text = data.load_plays()["hamlet"][2_000:8_000]
    ids = tokenizer.encode(text)
    for precision, (model, _) in models.items():
        weights, peak = memory[precision]
        bits = bits_per_byte(token_losses(model, [0, *ids], context=1024), text)
        print(f"{precision:26}{weights:10.0f}{peak:10.0f}{peak / weights:8.2f}{bits:26.3f}")


if __name__ == "__main__":
    main()
