"""Open instructions that a small chat model can follow in a sentence or two, about everyday things, in our own words.

They ask about nothing that the packaged concepts are about, so that a continuation which is about a concept has it from
somewhere else. A user's own come as a text file, one instruction a line.
"""

from __future__ import annotations

from pathlib import Path

from saebench.errors import DataError

OPEN = "open"
"""The name of the packaged list."""

INSTRUCTIONS = (
    "Describe a typical morning in a small town.",
    "Explain how to bake a loaf of bread.",
    "What should I pack for a week at the sea?",
    "How do birds find their way in autumn?",
    "Write a short note to a new neighbour.",
    "What makes a good teacher?",
    "Give me three ideas for a rainy afternoon.",
    "Why do leaves change their colour?",
    "Describe your favourite meal.",
    "How can I fall asleep faster?",
    "Tell me a story about a lost key.",
    "What is the best way to learn a new language?",
    "Explain how a bicycle stays upright.",
    "Suggest a gift for my grandmother.",
    "What does a gardener do in spring?",
    "Describe the sound of a forest at night.",
    "How should I prepare for a long walk in the mountains?",
    "Why is the sky blue?",
    "Write an invitation to a birthday party.",
    "How do I keep my house plants alive?",
    "What can I cook with potatoes and eggs?",
    "Describe a painting of a harbour.",
    "How do bees make honey?",
    "What should I ask before I rent a flat?",
    "Tell me about an old stone bridge.",
    "How can I make my kitchen tidier?",
    "Explain what causes the tides.",
    "Write two sentences about winter.",
    "What are good habits for a student?",
    "How do I take better photographs of my cat?",
    "Describe the taste of a lemon.",
    "Why do people like to sing together?",
    "How is cheese made?",
    "Give advice to someone who is afraid of flying.",
    "What happens when water freezes?",
    "Describe a busy market square.",
    "How do I sew a button on a shirt?",
    "What makes a story exciting?",
    "Explain how a candle burns.",
    "Suggest a name for a small boat, and say why.",
)
LEAST = 2
"""A comparison with other instructions needs another one."""


def instructions(name: str) -> tuple[str, ...]:
    """The packaged list, or the lines of a text file.

    Raises:
        DataError: the file cannot be read, or has fewer than two different lines.
    """
    if name == OPEN:
        return INSTRUCTIONS
    path = Path(name).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot be read: {error}", file=path, field="instructions", remedy=f"give a text file, or '{OPEN}'"
        ) from error
    found = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(found) < LEAST:
        raise DataError(f"holds {len(found)} instructions; {LEAST} are needed", file=path, field="instructions")
    return found
