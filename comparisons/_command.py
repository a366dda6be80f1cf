"""The command line that the comparisons share: how often, where to, and whether bars count."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comparisons.measure import Bar, Machine, write_json


def command(
    name: str, about: str | None, *, rounds: str, runs: int | None = None
) -> argparse.ArgumentParser:
    """The parser of a comparison's arguments, to which it may add its own.

    Args:
        name: Its module.
        about: What it says of itself: the module's docstring.
        rounds: What `--runs` is the number of.
        runs: How many, if nothing is said.
    """
    parser = argparse.ArgumentParser(prog=f"comparisons.{name}", description=about)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=runs, metavar="N", help=rounds)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to FILE too")
    parser.add_argument("--assert", action="store_true", dest="strict", help="fail on a missed bar")
    return parser


def ended(asked: argparse.Namespace, where: Machine, bars: Sequence[Bar], **results: Any) -> int:
    """Write the results, if that was asked for.

    Args:
        asked: The arguments.
        where: The machine.
        bars: The bars, met or missed.
        results: What else there is to write, by name.

    Returns:
        1 if `--assert` was given and a bar was missed, else 0.
    """
    if asked.json:
        write_json(asked.json, machine=where, **results, bars=bars)
    return int(asked.strict and not all(bar.met for bar in bars))
