"""Judges: chat models that are asked about texts, by name; every exchange is recorded and can be replayed.

Importing this room imports neither torch nor an HTTP library.
"""

from saebench.judges.contract import Answer, Judge, Message, Question
from saebench.judges.opening import open_judge
from saebench.judges.spec import JudgeName, parse_judge

__all__ = ["Answer", "Judge", "JudgeName", "Message", "Question", "open_judge", "parse_judge"]
