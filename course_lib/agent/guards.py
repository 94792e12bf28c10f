"""What stops a call that somebody else's text has ordered: rules of the program, not of the model.

Taught in 'Retrieval and tools'. That a retrieved text can give orders is from Greshake et al.
(2023), 'Not What You've Signed Up For'; to let rights follow the author of the data, from
Debenedetti et al. (2025), 'Defeating Prompt Injections by Design', of which this is the plainest
case.
"""

from collections.abc import Callable, Collection, Mapping

from course_lib.agent.loop import Call, Context, Guard, Tool


def rights_of_authors(call: Call, tool: Tool, context: Context) -> str:
    """Refuse to act once the model has read words of anybody but the user and the program."""
    others = sorted(context.authors - {"user", "program"})
    if tool.acts and others:
        return f"{call.tool} isn't run after reading the words of {', '.join(others)}"
    return ""


def allow_list(allowed: Mapping[str, Collection[str]]) -> Guard:
    """Return a guard that lets a tool act only on what is listed for it.

    Args:
        allowed: for each tool the first words that its input may have, up to a colon.
    """

    def guard(call: Call, tool: Tool, context: Context) -> str:
        target = call.input.partition(":")[0].strip().lower()
        if tool.acts and target not in allowed.get(call.tool, ()):
            return f"{call.tool} may not be used for {target!r}"
        return ""

    return guard


def confirmation(agrees: Callable[[Call], bool]) -> Guard:
    """Return a guard that shows each call that acts to a person, and lets them decide."""

    def guard(call: Call, tool: Tool, context: Context) -> str:
        return "" if not tool.acts or agrees(call) else "the user said no"

    return guard
