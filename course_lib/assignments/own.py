"""What an exercise asks to be written by oneself: names that its answer may not use.

The statements say so ("Do not use ..."). A text can be copied whatever is forbidden, so this
tells a learner who overlooked the sentence; it is no wall.
"""

import ast

from course_lib.assignments.cells import Exercise
from course_lib.assignments.submission import LONGEST

LAYERS = {
    *("MultiHeadAttention", "SelfAttention", "MultiheadAttention"),
    *("scaled_dot_product_attention", "multi_head_attention_forward"),
}
OPTIMIZERS = {"Adam", "AdamW", "SGD", "optim"}
# A name, or a module whose every name is meant.
OWN: dict[tuple[str, str], set[str]] = {
    ("background", "training_days"): {"course_lib.costs"},
    ("background", "best_model"): {"compute_optimal"},
    ("background", "energy_range"): {"course_lib.costs"},
    ("compute", "block_flops"): {"course_lib.costs"},
    ("compute", "round_groups"): {"course_lib.efficiency"},
    ("compute", "best_guesses"): {"course_lib.efficiency"},
    ("numbers_that_learn", "one_step"): {"torch"},
    ("numbers_that_learn", "logit_slopes"): {"backward", "autograd"},
    ("numbers_that_learn", "fit"): OPTIMIZERS,
    ("preprocessing", "encode"): {"encode_word", "BPETokenizer", "join"},
    ("self_attention_class", "count_weights"): LAYERS,
    ("self_attention_class", "cross_layer"): LAYERS,
    ("self_attention_mathematics", "softmax"): {"softmax", "log_softmax", "Softmax"},
    ("self_attention_mathematics", "attend"): LAYERS,
    ("self_attention_mathematics", "late_causal_mask"): {"causal_mask"},
    ("self_attention_mathematics", "rope"): {"apply_rope"},
    ("training", "cross_entropy"): {"cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss"},
    ("training", "adam_step"): OPTIMIZERS,
    ("training", "factor"): {"course_lib"},
    ("training", "learn"): {"course_lib"},
    ("training_on_gpu", "limited_by"): {"course_lib.costs"},
}
MOST = 500_000  # characters of all cells: to read more would take the judge minutes
METHODS = {"join"}  # of texts, too: only the function of that name is meant
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Names:
    """What the names in a notebook's cells stand for.

    Attributes:
        bodies: what a name is defined as, or a cell's own line sets it to.
        own: the names of functions and classes that the cells define.
        origins: where an imported name comes from, such as ``course_lib.costs``.
        whole: modules of which everything was imported.
    """

    def __init__(self, cells: list[str]) -> None:
        self.bodies: dict[str, ast.AST] = {}
        self.own: set[str] = set()
        self.origins: dict[str, str] = {}
        self.whole: set[str] = set()
        left = MOST
        for source in cells:
            if len(source) > min(LONGEST, left):
                continue
            left -= len(source)
            try:
                tree = ast.parse(source)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            for node in ast.walk(tree):
                self.take(node)
            for one in tree.body:
                if isinstance(one, ast.Assign):
                    named = [name.id for name in one.targets if isinstance(name, ast.Name)]
                    self.bodies |= dict.fromkeys(named, one.value)

    def take(self, node: ast.AST) -> None:
        """Remember what a definition or an import says of a name."""
        if isinstance(node, Definition):
            self.bodies[node.name] = node
            self.own.add(node.name)
        elif isinstance(node, ast.Import):
            self.origins |= {one.asname: one.name for one in node.names if one.asname}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            self.origins |= {one.asname or one.name: f"{module}.{one.name}" for one in node.names}
            self.whole |= {module for one in node.names if one.name == "*"}

    def path(self, node: ast.AST, local: set[str]) -> str:
        """Return what a name or an attribute stands for, as far as it can be read; or ""."""
        if isinstance(node, ast.Attribute):
            return f"{self.path(node.value, local)}.{node.attr}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if not isinstance(node, ast.Name) or node.id in self.own | local:
            return ""
        mine = node.id in self.bodies and node.id not in self.origins
        return "" if mine else self.origins.get(node.id, node.id)


def borrowed(exercise: Exercise, cells: list[str]) -> str:
    """Return a forbidden name that the answer uses, itself or through what it calls; or ""."""
    forbidden = OWN.get((exercise.chapter, exercise.name))
    if not forbidden:
        return ""
    names = Names(cells)
    if found := forbidden & names.whole:
        return min(found)
    waiting, seen = [exercise.name], {exercise.name}
    while waiting:
        nodes = list(ast.walk(names.bodies.get(waiting.pop(), ast.Pass())))
        local = {node.arg for node in nodes if isinstance(node, ast.arg)}
        stored = [node for node in nodes if isinstance(node, ast.Name)]
        local |= {node.id for node in stored if isinstance(node.ctx, ast.Store)}
        # Each name within it, and what such a name is defined as.
        for node in nodes:
            path = names.path(node, local)
            parts = path.split(".")
            # The last part counts as a name, all that stands before as modules.
            meant = {".".join(parts[:i]) for i in range(1, len(parts) + 1)} | {parts[-1]}
            if isinstance(node, ast.Constant) and not path.replace(".", "").isidentifier():
                meant = set()
            if not isinstance(node, ast.Name):
                meant -= METHODS
            if found := forbidden & meant:
                return min(found)
            used = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
            followed = names.bodies if isinstance(node, ast.Name) else names.own
            if used in followed and used not in seen | local:
                seen.add(used)
                waiting.append(used)
    return ""
