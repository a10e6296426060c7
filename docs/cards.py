"""Protocol cards live in suites/cards, where the command line and the leaderboard read them; here they become pages."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

CARDS = Path(__file__).parents[1] / "suites" / "cards"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add one page a card, and the list of them."""
    names = [card.stem for card in sorted(CARDS.glob("*.md"))]
    for name in names:
        files.append(File.generated(config, f"cards/{name}.md", content=(CARDS / f"{name}.md").read_text("utf-8")))
    lines = "\n".join(f"- [{name}]({name}.md)" for name in names)
    index = f"# Protocol cards\n\nWhat each task asks, how, and how far it can be trusted.\n\n{lines}\n"
    files.append(File.generated(config, "cards/index.md", content=index))
    return files
