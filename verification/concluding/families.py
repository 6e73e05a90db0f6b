"""A judge of many methods at once: which is best, and whether that is more than the luck of the best of many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .judges import Draft, compare
from .rows import FoundRows, Value

__all__ = ["ranked"]


def ranked(
    claim: str,
    words: str,
    rows: FoundRows,
    value: Value,
    names: Iterable[str],
    other: str,
    *,
    kind: str = "methods",
    called: Mapping[str, str] | None = None,
    tell: Sequence[str] = (),
    setting: Sequence[str] = (),
    logs: bool = False,
) -> list[Draft]:
    """Many methods, each against the same one: the best of them in a sentence, and some others by name.

    Which method is best is seen from the data, so every method of the family is tested, told or not, and `finished`
    corrects for all of them. The best is sought among those that were run in the most settings: a mean over fewer,
    which may be easier, is another mean. Words as of `compare`, with ``{who}`` besides.

    Args:
        names: the family.
        other: what each is compared with.
        kind: what the family is, in words.
        called: methods in words, where their names say little.
        tell: methods that have a sentence however they do.
    """

    def against(name: str, who: str) -> Draft:
        # The words that `compare` fills in are left as they are.
        filled = words.replace("{who}", who)
        return compare(claim, filled, rows, value, (name, other), setting=setting, logs=logs)

    named = {name: f"the method {name}" for name in sorted(names)}
    named |= {name: who for name, who in (called or {}).items() if name in named}
    members = {name: against(name, who) for name, who in named.items()}
    values = {name: draft["number"]["value"] for name, draft in members.items()}
    places = {
        name: len({tuple(row[key] for key in setting) for row in rows.but(method=name).found})
        for name in named
    }
    most = max((places[name] for name, found in values.items() if found is not None), default=0)
    known = {name: found for name, found in values.items() if found is not None and places[name] == most}
    if not known:
        return [members[name] for name in tell if name in members]
    best = min(known, key=known.__getitem__)
    and_ = " and" if " that " in kind else ""
    everywhere = "" if len(known) == len(named) else f"{and_} that were run everywhere"
    who = named[best].removeprefix("the method ")
    members[best] = against(best, f"the best of {len(known)} {kind}{everywhere}, {who},")
    members[best]["family"] = list(members.values())
    return [members[best], *(members[name] for name in tell if name != best and name in members)]
