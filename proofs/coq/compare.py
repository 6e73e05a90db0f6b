"""Hold the statements that Coq printed against statements.txt: the same symbols, sizes, hypotheses and conclusions.

    python proofs/coq/compare.py LISTING

LISTING is what Coq prints for Listing.v. Nothing is imported from this project. Exit status: 0 all theorems of
statements.txt are printed and say the same, 1 one does not, 2 nothing could be read.
"""

import re
import sys
from pathlib import Path

STATEMENTS = Path(__file__).resolve().parents[1] / "statements.txt"
MARKS = {"_pinv": "^+", "_inv": "^-1", "_left": "^L", "_right": "^R", "_size": "", "_": ""}
PROPERTIES = {
    "invertible": ("is_inverse", "^-1"), "left-invertible": ("is_left_inverse", "^L"),
    "right-invertible": ("is_right_inverse", "^R"),
}  # fmt: skip
NAME = r"[A-Za-z][A-Za-z0-9_]*(?:\^(?:\+|-1|L|R))?"


def tree(text):
    """An expression of statements.txt without superfluous brackets: nested tuples of operators and names."""
    tokens = [*re.findall(rf"{NAME}|[0-9]+(?:/[0-9]+)?|\S", text), ""]
    at = 0

    def sums():
        nonlocal at
        minus = tokens[at] == "-"
        at += minus
        total = ("-", products()) if minus else products()
        while tokens[at] in ("+", "-"):
            at += 1
            total = (tokens[at - 1], total, products())
        return total

    def products():
        total = factor()
        while tokens[at] not in ("", "+", "-", ")"):
            total = ("*", total, factor())
        return total

    def factor():
        nonlocal at
        at += 1
        result = tokens[at - 1]
        if result == "(":
            result = sums()
            at += 1
        while tokens[at] == "'":
            at += 1
            result = ("'", result)
        return result

    result = sums()
    if tokens[at]:
        raise ValueError(f"cannot read {text!r}")
    return result


def equation(text):
    """Both sides of an equation."""
    left, right = text.split(" = ")
    return "=", tree(left), tree(right)


def stated(lines):
    """What a theorem of statements.txt introduces and says, in order."""
    items, ends, exists = [], [], []
    for line in lines:
        verb, _, rest = line.partition(" ")
        name = rest.split(" ")[0]
        if verb in ("matrix", "state", "exists"):
            rows, cols = rest.split(" : ")[1].split(" x ")
            (exists if verb == "exists" else items).append(("matrix", name, rows, cols))
        elif verb == "partition":
            n, r, f, s, t = re.fullmatch(r"(\S+) = (\S+) \+ (\S+) by (\S+), (\S+)", rest).groups()
            items += [("matrix", s, r, n), ("matrix", t, f, n), ("row_partition", s, t)]
        elif verb == "scalar":
            number, sizes = rest.split(" on ")
            names = [f"{number}_{size}" for size in sizes.split(", ")]
            items += [("matrix", f"{number}_{size}", size, size) for size in sizes.split(", ")]
            items.append(("same_scalar", names[0], names[-1]))
        elif verb == "let":
            items += [("matrix", name, "", ""), equation(f"{name} = {rest.partition(' = ')[2]}")]
        elif verb == "pinv":
            items += [("matrix", f"{name}^+", "", ""), ("is_pinv", name, f"{name}^+")]
        elif verb == "assume":
            body = rest.partition(": ")[2]
            if "=" in body:
                items.append(equation(body))
            else:
                a, kind = body.split(" ")
                head, mark = PROPERTIES[kind]
                items += [("matrix", a + mark, "", ""), (head, a, a + mark)]
        elif verb in ("conclude", "predicate"):
            ends.append(equation(rest))
        elif verb not in ("without", "says", "remains", "induction", "base", "step"):
            raise ValueError(f"cannot read {line!r}")
    if lines[0].startswith("induction "):
        items.append(("built", *(line.split(" ")[1] for line in lines if line.startswith("state "))))
    return items, exists, ends


def plain(name):
    """A name of Coq as statements.txt has it."""
    for suffix, mark in MARKS.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix) + mark
    return name


def translated(text):
    """An expression of Coq in the language of statements.txt."""
    text = text.replace(" *m ", " ").replace(" *: ", " ").replace("^T", "'").replace("1%:M", "I")
    # A number that stands alone is that multiple of the identity, as printed by Coq and as exported.
    text = re.sub(r"\((\d+)%:R\)%:M|\b(\d+)%:M", r"\1\2 I", text)
    text = re.sub(r"%:[RM]", "", text)
    return re.sub(r"[A-Za-z_]\w*", lambda found: plain(found.group()), text)


def outside(text, mark):
    """Where a mark stands outside brackets, or -1."""
    depth = 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth and text.startswith(mark, i):
            return i
    return -1


def bound(text):
    """Matrices of a list of binders, with their sizes."""
    groups = re.findall(r"\(([^():]+) : ('M_\([^()]*\)|[^()]+)\)", text) or [text.split(" : ")]
    for names, kind in groups:
        if kind.startswith("'M_"):
            sizes = re.findall(r"\w+", kind[3:])
            for name in names.split():
                yield "matrix", plain(name), plain(sizes[0]), plain(sizes[-1])
        elif kind not in ("nat", "realFieldType"):
            raise ValueError(f"cannot read {text!r}")


def said(text):
    """One hypothesis or conclusion of Coq."""
    head, *rest = text.split(" ")
    if head.startswith("'M_"):  # Coq prints no name where none is used later
        sizes = re.findall(r"\w+", text[3:])
        return "matrix", "", plain(sizes[0]), plain(sizes[-1])
    if head.endswith("_built"):
        return "built", [plain(word) for word in rest]
    if head in (
        "row_partition",
        "same_scalar",
        "is_pinv",
        "is_inverse",
        "is_left_inverse",
        "is_right_inverse",
    ):
        return (head, *(plain(word) for word in rest))
    return equation(translated(text))


def printed(text):
    """What a statement of Coq introduces and says, in order."""
    items, exists = [], []
    text = text.replace(" (R:=R)", "").strip()
    while True:
        comma, arrow = outside(text, ", "), outside(text, " -> ")
        if text.startswith("forall "):
            items += bound(text[7:comma])
            text = text[comma + 2 :]
        elif text.startswith("exists "):
            exists += bound(text[7:comma])
            text = text[comma + 2 :]
        elif arrow >= 0:
            items.append(said(text[:arrow]))
            text = text[arrow + 4 :]
        else:
            return items, exists, [said(part) for part in text.split(" /\\ ")]


def agree(mine, theirs):
    """Whether both say the same; a defined matrix has the size of its definition, and states come last in a family."""
    if mine[0] == "built" == theirs[0]:
        return theirs[1][-len(mine) + 1 :] == list(mine[1:])
    if mine[0] == "matrix" == theirs[0]:
        return theirs[1] in ("", mine[1]) and (not mine[2] or mine[2:] == theirs[2:])
    return mine == theirs


def differences(statements, listing):
    """Theorems that Coq does not state as statements.txt does, each with what is wrong."""
    shown = dict(re.findall(r"^(\w+)\n +: (.*)$", listing, re.MULTILINE))
    found = {}
    for block in re.split(r"^theorem ", statements, flags=re.MULTILINE)[1:]:
        name, *lines = (line.strip() for line in block.splitlines() if line.strip() and line[0] != "#")
        text = shown.get(re.sub(r"\W", "_", name))
        if text is None:
            found[name] = "it is not printed"
            continue
        for mine, theirs in zip(stated(lines), printed(text), strict=True):
            if len(mine) != len(theirs):
                found[name] = f"expected {len(mine)} parts but got {len(theirs)}"
            else:
                for one, other in zip(mine, theirs, strict=True):
                    if not agree(one, other):
                        found.setdefault(name, f"expected {one} but got {other}")
    return found


def main(arguments):
    """Compare and tell."""
    try:
        listing = Path(arguments[0]).read_text(encoding="utf-8")
        statements = STATEMENTS.read_text(encoding="utf-8")
        found = differences(statements, listing)
    except (OSError, ValueError, IndexError) as error:
        print(f"cannot compare: {error}", file=sys.stderr)
        return 2
    for name, words in found.items():
        print(f"DIFFERENT {name}: {words}")
    total = len(re.findall(r"^theorem ", statements, re.MULTILINE))
    print(f"{total - len(found)} of {total} statements are those of statements.txt")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
