"""Train the translation model of the chapter 'Machine translation' and write its weights.

The chapter trains French alone by the same recipe for a minute; this is its longer run, with both
languages in one model.
"""

import hashlib

import torch
from safetensors.torch import save_model
from settings import from_command_line

from course_lib.files import written_whole
from course_lib.studies import translation
from course_lib.training import held_out_loss, recipe_optimizers, smoothed_loss, train

STEPS, BATCH_TOKENS, SEED = 1800, 2000, 0


def main() -> None:
    """Train as the command line says."""
    args = from_command_line(__doc__, "translation", STEPS)
    training, validation, _ = translation.load_parts()
    sources = sorted({pair.source for pairs in training.values() for pair in pairs})
    read = hashlib.sha256("\n".join(sources).encode()).hexdigest()
    tokenizer = translation.train_tokenizer(training)
    torch.manual_seed(SEED)
    model = translation.new_model(tokenizer.vocab_size)
    optimizers, schedule = recipe_optimizers(model, "speedrun", args.steps)
    batches, _ = translation.translation_batches(tokenizer, training, BATCH_TOKENS, SEED)
    held_out, n_batches = translation.translation_batches(tokenizer, validation, BATCH_TOKENS)
    result = train(
        model,
        batches,
        steps=args.steps,
        optimizer=optimizers,
        schedule=schedule,
        loss=smoothed_loss,
        evaluate=lambda model: held_out_loss(model, map(held_out, range(n_batches))),
        eval_every=100,
        precision="bfloat16",
        checkpoint=args.checkpoint,
        checkpoint_every=100,
        log=args.checkpoint / "log",
        seed=SEED,
    )
    translation.FOLDER.mkdir(exist_ok=True)
    tokenizer.save(translation.FOLDER / "translation.json")
    # What it has read stands in the file, so that a test can tell if the parts have changed since.
    about = {"training_sources": read, "steps": str(args.steps)}
    with written_whole(translation.FOLDER / "translation.safetensors") as part:
        save_model(model.half().cpu(), str(part), about)
    print(
        f"step {args.steps}: loss {result.loss:.3f} with smoothing, validation "
        f"{result.val_loss:.3f} nats per token, {result.seconds / 60:.0f} minutes"
    )


if __name__ == "__main__":
    main()
