"""
How long modules are, and how things are named.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .checkout import CHECKOUT

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

MAX_LINES = 350
MODULES = sorted((CHECKOUT / "coder_agents").rglob("*.py"))
FOLDERS = ("benchmarks", "coder_agents", "tests", "tools")

# Each of these words had a better one of the field: filter, after, skip, deadline, decide,
# check, validate, cache.
OLD_WORDS = re.compile(
    r"_(begin_behind|careful|choices?|flat|judged?|judges|left_out|look|looks|looked|looking"
    r"|patience|remembered|sieves?|wish|wishes)_"
)
OLD_MODULES = {"finding", "many", "wishes"}

CLASS = re.compile(r"^ *class (\w+)", re.MULTILINE)

# "1 seconds": counted() writes the number and its noun. A number with decimals is never 1.
FIXED_PLURAL = re.compile(
    r"\{(?!MAX_)[^{}:]*(?::g|:,)?\} (?:more )?(?:seconds|lines|steps|updates)\b"
)


def named(source: str) -> Iterator[str]:
    """
    Yield the names that *source* gives to classes, functions, arguments, variables and attributes.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def old_names(source: str) -> set[str]:
    """
    Return those of the names that have one of the old words among their own.
    """
    words = set(re.findall(r"\w+", source))
    suspects = {word for word in words if OLD_WORDS.search(f"_{in_snake_case(word)}_")}
    # Few sources have such a word anywhere, and parsing takes longer than finding that.
    return suspects.intersection(named(source)) if suspects else set()


def in_snake_case(name: str) -> str:
    """
    Return *name* in lower case, its words separated by underscores.
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def threads(source: str) -> list[str]:
    """
    Return the names of the classes of *source* that derive from a class of threads.
    """
    if "Thread" not in source and "Timer" not in source:  # parsing takes longer
        return []
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
        and any(
            re.fullmatch(r"(threading\.)?(Thread|Timer)", ast.unparse(base)) for base in node.bases
        )
    ]


def name_of(path: Path) -> str:
    """
    Return *path* as it is within the checkout.
    """
    return path.relative_to(CHECKOUT).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_is_read_at_one_sitting(module: Path) -> None:
    """
    No module has more than 350 lines.
    """
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_a_number_in_a_message_has_its_noun() -> None:
    """
    No message has a plural after a number that may be 1.
    """
    for path in MODULES:
        found = FIXED_PLURAL.findall(path.read_text(encoding="utf-8"))
        assert not found, name_of(path)
    assert FIXED_PLURAL.search('f"longer than {timeout:g} seconds"')


@pytest.mark.parametrize("folder", ["coder_agents", "tests"])
def test_no_class_is_a_thread(folder: str) -> None:
    """
    A class has a thread and is none: a later Python may use one of its private names, as 3.13 uses ``_handle``.
    """
    for path in sorted((CHECKOUT / folder).rglob("*.py")):
        assert threads(path.read_text(encoding="utf-8")) == [], name_of(path)


@pytest.mark.parametrize("base", ["threading.Thread", "Thread", "threading.Timer"])
def test_a_class_that_is_a_thread_is_seen(base: str) -> None:
    """
    The class of threads may be imported from its module, and a timer is a thread, too.
    """
    assert threads(f"class Reader({base}): ...") == ["Reader"]


def test_no_two_classes_share_a_name() -> None:
    """
    A name stands for one class of the whole package, with or without an underscore.
    """
    found = Counter(
        name.lstrip("_")
        for path in MODULES
        for name in CLASS.findall(path.read_text(encoding="utf-8"))
    )
    assert [name for name, count in found.items() if count > 1] == []
    assert found["LogStream"] == 1  # the test sees classes


@pytest.mark.parametrize("folder", FOLDERS)
def test_one_thing_has_one_name(folder: str) -> None:
    """
    No module, class, function, argument or variable is called by a word that was replaced.
    """
    for path in sorted((CHECKOUT / folder).rglob("*.py")):
        assert path.stem.removeprefix("test_") not in OLD_MODULES, name_of(path)
        assert old_names(path.read_text(encoding="utf-8")) == set(), name_of(path)


@pytest.mark.parametrize(
    "source",
    [
        "class LogChoice: ...",
        "def _judge(): ...",
        "def f(wishes): ...",
        "wait.patience = 1",
        "for look in (): ...",
    ],
)
def test_an_old_name_is_seen_wherever_it_is_given(source: str) -> None:
    """
    A class, a function, an argument, an attribute and a variable can have one.
    """
    assert len(old_names(source)) == 1


def test_what_others_call_so_may_be_used() -> None:
    """
    A name that is only used, or has such a word in another one, is no old name.
    """
    assert old_names("random.choice(lookup)\nflatten = overlook = 1") == set()
