"""What the commands of `python -m api.keys` do alike. The library's counts options in the same way, and is not here."""

from typing import Any

import typer
from typer.core import TyperCommand, TyperOption


class Command(TyperCommand):
    """A command that takes each option once: the last of two would count, and nothing be said of the other."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as every command does, and look at what was given first."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        given = [one for one in order if isinstance(one, TyperOption) and not (one.is_flag or one.multiple)]
        for option in given:
            if (times := given.count(option)) > 1:
                raise typer.BadParameter(f"it is given {times} times, expected once", ctx, option)
        return super().parse_args(ctx, args)
