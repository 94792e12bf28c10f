"""What an exercise asks to be written by oneself: names that its answer may not use.

The statements say so ("Do not use ..."). A text can be copied whatever is forbidden, so this
tells a learner who overlooked the sentence; it is no wall.
"""

import ast

from course_lib.assignments.cells import Exercise

OWN: dict[tuple[str, str], set[str]] = {
    ("background", "best_model"): {"compute_optimal"},
    ("preprocessing", "encode"): {"encode_word", "BPETokenizer"},
    ("self_attention_class", "cross_layer"): {
        *("MultiHeadAttention", "SelfAttention", "MultiheadAttention"),
        *("scaled_dot_product_attention", "multi_head_attention_forward"),
    },
    ("self_attention_mathematics", "softmax"): {"softmax", "log_softmax", "Softmax"},
    ("self_attention_mathematics", "attend"): {"scaled_dot_product_attention"},
    ("self_attention_mathematics", "late_causal_mask"): {"causal_mask"},
    ("self_attention_mathematics", "rope"): {"apply_rope"},
    ("training", "cross_entropy"): {"cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss"},
    ("training", "adam_step"): {"Adam", "AdamW", "optim"},
    ("training", "factor"): {"warmup_stable_decay"},
}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def borrowed(exercise: Exercise, cells: list[str]) -> str:
    """Return a forbidden name that the answer uses, itself or through what it calls; or ""."""
    forbidden = OWN.get((exercise.chapter, exercise.name))
    if not forbidden:
        return ""
    bodies: dict[str, ast.AST] = {}
    aliases: dict[str, str] = {}
    for source in cells:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, Definition):
                bodies[node.name] = node
            elif isinstance(node, ast.Assign):
                bodies |= {one.id: node.value for one in node.targets if isinstance(one, ast.Name)}
            elif isinstance(node, ast.ImportFrom | ast.Import):
                aliases |= {one.asname: one.name for one in node.names if one.asname}
    waiting, seen = [exercise.name], {exercise.name}
    while waiting:
        for node in ast.walk(bodies.get(waiting.pop(), ast.Pass())):
            text = node.value if isinstance(node, ast.Constant) else ""
            name = getattr(node, "attr", "") or getattr(node, "id", "") or text
            name = aliases.get(name, name) if isinstance(name, str) else ""
            used = name.rpartition(".")[2]
            if used in forbidden and (used != exercise.name or isinstance(node, ast.Attribute)):
                return used
            if name in bodies and name not in seen:
                seen.add(name)
                waiting.append(name)
    return ""
