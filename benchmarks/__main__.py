"""`python -m benchmarks [NAME…]`: runs the benchmarks and prints one table of ratios.

A benchmark is a module of this package with `run() -> list[Row]`.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

import benchmarks
from benchmarks.row import Row

SMALL_RATIO = 0.1
"""Below it one digit says more than two places."""


def names() -> list[str]:
    """The benchmarks there are."""
    modules = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__"]
    return [name for name in modules if hasattr(importlib.import_module(f"benchmarks.{name}"), "run")]


def table(rows: Sequence[Row]) -> str:
    """Rows as aligned text."""
    cells = [("benchmark", "value", "unit", "ratio", "of")]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}" if row.ratio >= SMALL_RATIO else f"{row.ratio:.1g}"
        cells.append((row.name, _shown(row.value), row.unit, ratio, row.reference_name))
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    return "\n".join(
        f"{name:<{widths[0]}}  {value:>{widths[1]}} {unit:<{widths[2]}}  {ratio:>{widths[3]}}  {of}".rstrip()
        for name, value, unit, ratio, of in cells
    )


def _shown(value: float) -> str:
    """Three digits at least."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0, or 2 for a name that is none."""
    known = names()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"what to measure, default everything: {', '.join(known)}")
    chosen = parser.parse_args(arguments).name or known
    for name in chosen:
        if name not in known:
            parser.error(f"NAME: a benchmark is one of {', '.join(known)}, got {name!r}; correct the name")
    rows: list[Row] = []
    for name in chosen:
        print(f"{name} …", file=sys.stderr)
        rows += importlib.import_module(f"benchmarks.{name}").run()
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
