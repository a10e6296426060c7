"""The corpus of a synthetic world: documents are ranges of sample numbers, "640-703"."""

from __future__ import annotations

from collections.abc import Iterator

from saebench.data.texts import Corpus, Document
from saebench.lm.synthetic.presets import DOCUMENT, Preset


class SampleCorpus(Corpus):
    """Samples 0 up to `settings.samples`, 64 a document. The text names samples; what they are, the world says.

    Args:
        settings: how many documents there are.
    """

    def __init__(self, settings: Preset) -> None:
        super().__init__(settings.reference, "none needed (numbers)", "1")
        self._documents = settings.documents

    def entries(self) -> Iterator[Document]:
        for number in range(self._documents):
            first = number * DOCUMENT
            yield Document(f"samples from {first}", f"{first}-{first + DOCUMENT - 1}")
