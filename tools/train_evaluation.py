"""Fine-tune the classifier of the chapter 'Evaluation' and write what was learned.

MiniLM with LoRA on all matrices of its upper blocks. The first steps see the first 32 and the last
96 word pieces of each review, where the verdict stands, later ones twice as many of both: so more
reviews are read in the same time. The logits for all of the validation and the test part are
written, too: the chapter compares classifiers on all of them.
"""

import json
import time

import torch
import torch.nn.functional as F
from settings import from_command_line
from torch import Tensor

from course_lib.data import load_film_reviews
from course_lib.files import written_whole
from course_lib.studies import classification
from course_lib.studies.classification import (
    ReviewClassifier,
    classify,
    head_and_tail,
    text_batches,
)
from course_lib.training import AdamW, train, warmup_stable_decay

STEPS, WARMUP, BATCH_SIZE, RATE, SEED = 2100, 100, 16, 1e-3, 0
# Word pieces of a review's beginning and end; the later steps read what the test will.
SHORT, LONG = (32, 96), classification.TESTED
SHORT_SHARE = 4 / 7  # of the steps
DECAY_SHARE = 0.5


def main() -> None:
    """Train as the command line says."""
    args = from_command_line(__doc__, "evaluation", STEPS)
    reviews = load_film_reviews()
    parts = classification.split_reviews(reviews)
    torch.manual_seed(SEED)
    model = ReviewClassifier()
    texts = model.encode([review.text for review in reviews])
    labels = [review.label for review in reviews]

    def cut(part: list[int], shape: tuple[int, int]) -> list[list[int]]:
        return [head_and_tail(texts[i], *shape) for i in part]

    in_training = [labels[i] for i in parts.training]
    short, long = (
        text_batches(cut(parts.training, shape), in_training, BATCH_SIZE, SEED)
        for shape in (SHORT, LONG)
    )
    validation = parts.validation[:: len(parts.validation) // 250]
    validation_labels = torch.tensor([labels[i] for i in validation])

    def validation_loss(model: ReviewClassifier) -> Tensor:
        return F.cross_entropy(classify(model, cut(validation, SHORT)), validation_labels)

    steps = args.steps
    result = train(
        model,
        lambda step: (short if step < SHORT_SHARE * steps else long)(step),
        steps=steps,
        optimizer=AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE),
        schedule=warmup_stable_decay(steps, WARMUP, int(DECAY_SHARE * steps)),
        evaluate=validation_loss,
        eval_every=300,
        precision="bfloat16",
        checkpoint=args.checkpoint,
        checkpoint_every=100,
        log=args.checkpoint / "log",
        seed=SEED,
    )
    model.save(classification.WEIGHTS)
    model = ReviewClassifier().load()  # as the chapter will: in float16
    rows = result.history
    found = {
        "history": {
            "step": [row["step"] for row in rows],
            "loss": [round(row["loss"], 3) for row in rows],
            "validation": [
                [row["step"], round(row["val_loss"], 3)] for row in rows if row["val_loss"]
            ],
        }
    }
    for name in ("validation", "test"):
        part = getattr(parts, name)
        logits = classify(model, cut(part, classification.TESTED))
        margins = (logits[:, 1] - logits[:, 0]).tolist()
        found[name] = {"reviews": part, "margins": [round(margin, 3) for margin in margins]}
        right = [(m > 0) == labels[i] for m, i in zip(margins, part, strict=True)]
        print(f"{name}: accuracy {sum(right) / len(right):.4f} on {len(right)} reviews")
    with written_whole(classification.WEIGHTS.with_suffix(".json")) as part:
        part.write_text(json.dumps(found) + "\n")
    print(
        f"step {steps}: loss {result.loss:.3f}, validation {result.val_loss:.3f}; training took "
        f"{result.seconds / 60:.0f} minutes, this process {time.process_time() / 60:.0f} minutes "
        "of processor time"
    )


if __name__ == "__main__":
    main()
