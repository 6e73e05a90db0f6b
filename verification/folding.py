"""What one result shows: its conclusions, then its tables, of which a long one is folded to what it comes to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from .tables import (
    Column,
    Headings,
    Ranking,
    Row,
    cell_text,
    escaped,
    latex,
    markdown,
    number_of,
    number_text,
)

__all__ = ["digest", "ranking", "told", "write"]

_LONG = 60
"""A table of more rows is folded to a ranking, or to a digest where nothing competes."""
_KEPT = 5_000
"""So many bytes of a folded table are kept behind it; of a longer one the site has the rows."""
_GROUPS = 20
"""A digest has at most so many rows."""


def write(
    tables: Mapping[str, Mapping[str, Any]], conclusions: Sequence[Row] = (), *, whole: bool = False
) -> tuple[str, str]:
    """What one result concludes and its tables: for Markdown, where a long one is folded, and tables for LaTeX.

    Args:
        conclusions: as a result has them.
        whole: keep every folded table behind what it is folded to, however long.
    """
    pages, floats = [], []
    if conclusions:
        pages.append("## Conclusions\n\n" + told(conclusions))
    # The order in which a stored result has them, so that they can be written again from it.
    for name, content in sorted(tables.items()):
        rows, columns = content["rows"], content["columns"]
        text = markdown(rows, columns)
        if len(rows) > _LONG:
            text = _folded(content, text, whole)
        pages.append(f"## {name}\n\n{content['title']}\n\n{text}")
        floats.append(
            "\\begin{table}\n\\centering\n"
            f"\\caption{{{escaped(content['title'])}}}\n\\label{{tab:{name}}}\n"
            f"{latex(rows, columns)}\\end{{table}}\n"
        )
    return "\n".join(pages), "\n".join(floats)


def told(conclusions: Sequence[Row]) -> str:
    r"""Conclusions as a list in Markdown, the verdict first.

    Example:
        >>> print(told([{"verdict": "holds", "sentence": "0 of 3 fail."}]), end="")
        - **holds**: 0 of 3 fail.
    """
    return "".join(f"- **{each['verdict']}**: {_starless(each['sentence'])}\n" for each in conclusions)


def _starless(sentence: str) -> str:
    """A sentence whose signs are no Markdown."""
    return sentence.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|")


def _folded(content: Row, text: str, whole: bool) -> str:
    """A ranking or a digest, and the whole table behind it."""
    rows, columns, fold = content["rows"], content["columns"], content.get("fold", ())
    shown = ranking(fold) if isinstance(fold, Ranking) else digest(rows, columns, fold)
    if whole or len(text.encode()) <= _KEPT:
        opened = f'<details markdown="1"><summary>all {len(rows)} rows</summary>'
        return f"{shown}\n{opened}\n\n{text}\n</details>\n"
    return (
        f"{shown}\nAll {len(rows)} rows are on the site's page of this campaign, and one a line in the result beside "
        "this page; `--tables` writes them in LaTeX.\n"
    )


def ranking(fold: Ranking) -> str:
    r"""Mean ranks with 95 % intervals, the best in bold; equal values share their ranks.

    Settings of a seed share their data, so its ranks are averaged over settings, and the interval is one over seeds.

    Example:
        >>> values = zip("abc" * 3, (1.0, 2.0, 3.0, 1.5, 2.5, 0.5, 1.0, 3.0, 2.0), (0, 0, 0, 1, 1, 1, 2, 2, 2))
        >>> rows = [{"at": 0, "who": w, "gap": g, "seed": s} for w, g, s in values]
        >>> print(ranking(Ranking("who", "gap", ("at",), rows, without=("c",))), end="")
        Mean rank by gap, 1 is best of 2, with 95 % intervals over seeds:
        <BLANKLINE>
        | who | mean rank | from | to | seeds |
        |---|---:|---:|---:|---:|
        | **a** | 1.00 | 1.00 | 1.00 | 3 |
        | b | 2.00 | 2.00 | 2.00 | 3 |
    """
    places: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in fold.rows:
        number = number_of(row.get(fold.value))
        if number is not None and row[fold.by] not in fold.without:
            place = (row["seed"], *(str(row[key]) for key in fold.within))
            places.setdefault(place, {})[row[fold.by]] = abs(number)
    ranks: dict[str, dict[Any, list[float]]] = {}
    for (seed, *_), values in places.items():
        for name, rank in zip(values, stats.rankdata(list(values.values())), strict=True):
            ranks.setdefault(name, {}).setdefault(seed, []).append(float(rank))
    means = {name: [float(np.mean(own)) for own in seeds.values()] for name, seeds in ranks.items()}
    most, table = max(map(len, places.values()), default=0), []
    for name, own in sorted(means.items(), key=lambda item: float(np.mean(item[1]))):
        mean, n = float(np.mean(own)), len(own)
        row: dict[str, Any] = {fold.by: name if table else f"**{name}**", "mean rank": mean, "seeds": n}
        if n > 1:
            reach = float(stats.t.ppf(0.975, n - 1) * np.std(own, ddof=1) / math.sqrt(n))
            row |= {"from": max(1.0, mean - reach), "to": min(float(most), mean + reach)}
        table.append(row)
    columns = [Column(fold.by), *(Column(key, spec=".2f") for key in ("mean rank", "from", "to"))]
    head = f"Mean rank by {fold.value}, 1 is best of {most}, with 95 % intervals over seeds:\n\n"
    return head + markdown(table, [*columns, Column("seeds", spec="d")])


def digest(rows: Sequence[Row], columns: Headings, by: Sequence[str] = ()) -> str:
    r"""What the rows of a group have: the range of numbers, and how often each word.

    Args:
        by: the columns that make a group; the first of few different words when left out.

    Example:
        >>> rows = [{"kind": k, "n": n, "ok": n > 1} for k, n in (("a", 1), ("a", 2), ("b", 3))]
        >>> print(digest(rows, [("kind",), ("n",), ("ok",)], ("kind",)), end="")
        | kind | rows | n | ok |
        |---|---:|---|---|
        | a | 2 | 1 to 2 | no 1, yes 1 |
        | b | 1 | 3 | yes |
    """
    chosen = [Column(*column) for column in columns]
    by = by or [
        next((c.key for c in chosen if 1 < len({str(r.get(c.key)) for r in rows}) <= _GROUPS), chosen[0].key)
    ]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row.get(key)) for key in by), []).append(row)
    rest = [column for column in chosen if column.key not in by]
    table = [
        {key: group[0].get(key) for key in by}
        | {"rows": len(group)}
        | {column.key: _range([row.get(column.key) for row in group], column.spec) for column in rest}
        for group in groups.values()
    ]
    heads = [column for column in chosen if column.key in by]
    return markdown(table, [*heads, Column("rows", spec="d"), *rest])


def _range(cells: Sequence[Any], spec: str) -> str | None:
    """Cells of one column in a few words."""
    there = [cell for cell in cells if cell is not None]
    numbers = [number for number in map(number_of, there) if number is not None]
    if there and len(numbers) == len(there):
        low, high = number_text(min(numbers), spec), number_text(max(numbers), spec)
        return low if low == high else f"{low} to {high}"
    words = Counter(cell_text(cell, spec, number_text, " ± ") for cell in there)
    if len(words) > 3:
        return f"{len(words)} different"
    return (
        ", ".join(words if len(words) == 1 else (f"{word} {n}" for word, n in sorted(words.items()))) or None
    )
