"""Train the LoRA of the chapter 'Dialogue' and write its weights.

The chapter trains the same for half a minute; this is its longer run.
"""

import time

import torch
from settings import from_command_line

from course_lib import chat
from course_lib.model import add_lora, save_lora
from course_lib.pretrained import load_smollm2
from course_lib.training import AdamW, train, warmup_cosine

STEPS, BATCH_SIZE, SEED, LEARNING_RATE = 160, 8, 0, 1e-3


def main() -> None:
    """Train as the command line says."""
    args = from_command_line(__doc__, "dialogue", STEPS)
    training, held_out = chat.load_exchanges()
    model, tokenizer = load_smollm2()
    torch.manual_seed(SEED)
    add_lora(model)
    weights = [p for p in model.parameters() if p.requires_grad]
    batches, per_epoch = chat.chat_batches(tokenizer, training, BATCH_SIZE, SEED)
    validation, n_batches = chat.chat_batches(tokenizer, held_out, BATCH_SIZE)

    def evaluate(model: torch.nn.Module) -> float:
        losses = [chat.answer_loss(model, *validation(i)).item() for i in range(n_batches)]
        return sum(losses) / n_batches

    start = time.process_time()
    result = train(
        model,
        batches,
        steps=args.steps,
        optimizer=AdamW(weights, LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.0),
        schedule=warmup_cosine(args.steps, warmup=args.steps // 10),
        loss=chat.answer_loss,
        evaluate=evaluate,
        eval_every=per_epoch,
        precision="bfloat16",
        checkpoint=args.checkpoint,
        checkpoint_every=40,
        log=args.checkpoint / "log",
        seed=SEED,
    )
    chat.WEIGHTS.parent.mkdir(exist_ok=True)
    for weight in weights:
        weight.data = weight.data.half()
    save_lora(model, chat.WEIGHTS)
    print(
        f"step {args.steps}, {args.steps / per_epoch:.1f} epochs: loss {result.loss:.3f}, held out "
        f"{result.val_loss:.3f} nats per token of the answer, {result.seconds / 60:.0f} minutes, "
        f"{(time.process_time() - start) / 60:.0f} of them the processor's with the evaluations"
    )


if __name__ == "__main__":
    main()
