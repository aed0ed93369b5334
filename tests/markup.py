"""
What a piece of HTML shows, and that it is well formed.
"""

from __future__ import annotations

from html.parser import HTMLParser

from characters import is_safe_line

TAGS = {"code", "div", "pre", "span", "table", "tbody", "td", "th", "thead", "tr"}


class Parsed(HTMLParser):
    """
    The texts of the cells, all text, and the names of tags and attributes of a piece of HTML.

    Each tag is closed in its order, and there are no comments, declarations or instructions.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.styles: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        """
        All text.
        """
        return "".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """
        Note the *tag* and its attributes.
        """
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.styles += [value or "" for name, value in attrs if name == "style"]
        self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        """
        Require that *tag* is the one that was opened last.
        """
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """
        Note the text *data*.
        """
        self.texts.append(data)
        if {"td", "th"} & set(self._open):
            self.cells[-1] += data

    def handle_comment(self, data: str) -> None:
        """
        Refuse a comment.
        """
        raise AssertionError(f"the comment {data!r}")

    def handle_decl(self, decl: str) -> None:
        """
        Refuse a declaration.
        """
        raise AssertionError(f"the declaration {decl!r}")

    def handle_pi(self, data: str) -> None:
        """
        Refuse an instruction.
        """
        raise AssertionError(f"the instruction {data!r}")


def checked(text: str) -> Parsed:
    """
    Return *text* parsed, after a check that it holds nothing that acts: no script, link or image.

    Its text has no character that could move, break or reorder a line.
    """
    parsed = Parsed(text)
    assert parsed.tags <= TAGS
    assert parsed.attributes <= {"style", "colspan"}
    assert not [style for style in parsed.styles if "url" in style or "\\" in style]
    assert all(map(is_safe_line, parsed.text.split("\n")))
    return parsed
