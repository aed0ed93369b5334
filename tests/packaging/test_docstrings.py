"""
Each test says in a full sentence what it proves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from .checkout import CHECKOUT

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

# What continues the name of the test, and is no sentence of its own.
CONTINUATIONS = frozenset(
    [
        "Also",
        "And",
        "As",
        "But",
        "By",
        "However",
        "Nor",
        "Not",
        "Of",
        "Or",
        "So",
        "Than",
        "Then",
        "Though",
        "Until",
        "Whatever",
        "Whether",
    ]
)


def sentences(source: str) -> Iterator[tuple[str, str]]:
    """
    Yield the name and the docstring of each test in *source*.
    """
    pending: list[ast.stmt] = ast.parse(source).body
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ClassDef):
            pending += node.body
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, ast.get_docstring(node) or ""


def is_full(text: str) -> bool:
    """
    Whether *text* can be a full sentence, as far as its beginning and its end show.
    """
    words = text.split()
    return len(words) > 2 and text.endswith((".", ")")) and words[0] not in CONTINUATIONS


def test_each_test_says_in_a_sentence_what_it_proves() -> None:
    """
    No docstring of a test is missing, unfinished or a continuation of its name.
    """
    wrong = [
        f"{path.relative_to(CHECKOUT)}: {name}: {text}"
        for path in sorted((CHECKOUT / "tests").rglob("test_*.py"))
        for name, text in sentences(path.read_text(encoding="utf-8"))
        if not is_full(text)
    ]
    assert wrong == []


@pytest.mark.parametrize("text", ["", "Also where it fails.", "Once.", "It has no end"])
def test_what_is_no_sentence_is_seen(text: str) -> None:
    """
    The check refuses nothing at all, a continuation, a single word and an open end.
    """
    assert not is_full(text)
    assert is_full("It is a full sentence.")


def test_the_check_reads_every_test() -> None:
    """
    A test within a class is read, and a function that is none is not.
    """
    source = "class A:\n  def test_a(self):\n    'Yes.'\n\ndef helper():\n  'And no.'\n"
    assert list(sentences(source)) == [("test_a", "Yes.")]
