"""
Command lines that contain another command, as those of ``run``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from coder_agents.cli.root import Command


class CommandOfAgent(Command):
    """
    A command whose arguments are an agent and a command line for it.

    Options are accepted before and after the agent. The command line begins with the first word after the agent
    that is no option, or after ``--``; its own options are left to it.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """
        Parse *args*, in which the options of this command come first after that.
        """
        ctx.allow_interspersed_args = False
        options = [each for each in self.params if isinstance(each, click.Option)]
        return super().parse_args(ctx, in_order(args, options))


def in_order(args: Sequence[str], options: Iterable[click.Option]) -> list[str]:
    """
    Return *args* with the *options* before the agent, and ``--`` between both.
    """
    taking = {name for each in options if not each.is_flag for name in each.opts}
    own: list[str] = []
    agent: list[str] = []
    rest = list(args)
    while rest and rest[0] != "--":
        if rest[0].startswith("-") and len(rest[0]) > 1:
            count = 2 if _takes_next(rest[0], taking) else 1
            own, rest = [*own, *rest[:count]], rest[count:]
        elif not agent:
            agent = [rest.pop(0)]
        else:
            break
    if rest[:1] == ["--"]:
        del rest[0]
    return [*own, "--", *agent, *rest]


def _takes_next(word: str, taking: set[str]) -> bool:
    """
    Whether the option *word* takes the next word as its value.
    """
    if word.startswith("--"):
        return word in taking
    # Several letters are several flags, or a letter and its value.
    letters = [f"-{letter}" in taking for letter in word[1:]]
    return any(letters) and letters.index(True) == len(letters) - 1
