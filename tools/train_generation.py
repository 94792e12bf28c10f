"""Train the model of Shakespeare's plays for the chapter 'Text generation', and write its weights.

About four minutes of one core. A run that was stopped goes on from its last checkpoint.
"""

import torch
from safetensors.torch import save_model
from settings import from_command_line

from course_lib.files import written_whole
from course_lib.studies import plays
from course_lib.text import BPETokenizer
from course_lib.training import corpus_loss, random_windows, recipe_optimizers, train

STEPS, BATCH_SIZE, VOCAB_SIZE, SEED = 1200, 16, 2048, 0


def main() -> None:
    """Train as the command line says."""
    args = from_command_line(__doc__, "generation", STEPS)
    training, held_out = plays.load_parts()
    tokenizer = BPETokenizer.train(training, VOCAB_SIZE)
    tokens, held_out = (torch.tensor(tokenizer.encode(text)) for text in (training, held_out))
    torch.manual_seed(SEED)
    model = plays.new_model(tokenizer.vocab_size)
    context = model.config.context
    optimizers, schedule = recipe_optimizers(model, "speedrun", args.steps)
    result = train(
        model,
        random_windows(tokens, BATCH_SIZE, context, SEED),
        steps=args.steps,
        optimizer=optimizers,
        schedule=schedule,
        evaluate=lambda model: corpus_loss(model, held_out[:20_000], context),
        eval_every=300,
        precision="bfloat16",
        checkpoint=args.checkpoint,
        checkpoint_every=50,
        seed=SEED,
    )
    plays.FOLDER.mkdir(exist_ok=True)
    tokenizer.save(plays.FOLDER / "generation.json")
    with written_whole(plays.FOLDER / "generation.safetensors") as part:
        save_model(model.half().cpu(), str(part))
    print(
        f"step {args.steps}: loss {result.loss:.3f}, held out {result.val_loss:.3f} nats per "
        f"token, {args.steps * BATCH_SIZE * context / len(tokens):.1f} times through "
        f"{len(tokens):,} tokens, {result.seconds / 60:.0f} minutes"
    )


if __name__ == "__main__":
    main()
