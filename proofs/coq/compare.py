"""Hold the statements that Coq printed against statements.txt.

The same symbols, sizes, hypotheses and conclusions, the same base and step of every induction; and the words that
they are made of against the definitions below.

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
DEFINITIONS = {
    "Algebra.is_pinv": "(m n : nat) (A : 'M_(m, n)) (X : 'M_(n, m)) => "
    "[/\\ A *m X *m A = A, X *m A *m X = X, (A *m X)^T = A *m X & (X *m A)^T = X *m A]",
    "Algebra.row_partition": "(n r f : nat) (S : 'M_(r, n)) (T : 'M_(f, n)) => "
    "[/\\ S *m S^T = 1%:M, T *m T^T = 1%:M, S *m T^T = 0 & S^T *m S + T^T *m T = 1%:M]",
    "Algebra.same_scalar": "(n D : nat) (A : 'M_n) (B : 'M_D) => exists c : R, A = c%:M /\\ B = c%:M",
    "Algebra.is_left_inverse": "(m n : nat) (A : 'M_(m, n)) (X : 'M_(n, m)) => X *m A = 1%:M",
    "Algebra.is_right_inverse": "(m n : nat) (A : 'M_(m, n)) (X : 'M_(n, m)) => A *m X = 1%:M",
    "Algebra.is_inverse": "(n : nat) (A X : 'M_n) => Algebra.is_left_inverse A X /\\ Algebra.is_right_inverse A X",
}
_GIVEN = ("matrix", "partition", "scalar", "let", "pinv", "assume")
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


def stated(theorem, lines):
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
        elif not line:
            continue
        elif verb not in ("without", "says", "remains", "induction", "base", "step"):
            raise ValueError(f"cannot read {line!r}")
    if lines[0].startswith("induction "):
        items.append(built(theorem, lines, states(lines)))
    return items, exists, ends


def states(lines):
    """The states of an induction."""
    return [line.split(" ")[1] for line in lines if line.startswith("state ")]


def fixed(lines):
    """The lines of an induction that say what stays the same."""
    return [line for line in lines if line.split(" ")[0] in _GIVEN]


def built(name, lines, values):
    """That an object is built: the predicate, the matrices that stay the same, and what the states are."""
    same = [item[1] for item in stated(name, ["", *fixed(lines)])[0] if item[0] == "matrix"]
    return "built", family(name), same, values


def family(name):
    """The predicate of an induction in Coq, with its file."""
    return f"{identifier(name.partition('/')[0])}.{identifier(name)}_built"


def constructors(name, lines, blocks):
    """The base and the step of an induction: what each introduces and says, and what is built then."""
    found = {}
    for kind, cut in (("base", r"with (.*)"), ("step", r"from (.*) to (.*)")):
        (line,) = (line for line in lines if line.startswith(f"{kind} "))
        host, told = re.fullmatch(rf"{kind} (\S+) ({cut})", line).groups()[:2]
        objects = re.split(r" and | to ", told.partition(" ")[2])
        loose = ("conclude", "says", "remains", "without") + (("assume",) if kind == "step" else ())
        own = [x for x in blocks[host] if x not in fixed(lines) and x.split(" ")[0] not in loose]
        *parts, last = (built(name, lines, values(text, lines)) for text in objects)
        found[f"{identifier(name)}_{kind}"] = [*stated(host, ["", *own])[0], *parts], [], [last]
    return found


def values(text, lines):
    """What the states are in a base or step theorem, in their order."""
    pairs = dict(pair.split(" = ") for pair in text.split(", "))
    return [pairs[state] for state in states(lines)]


def identifier(name):
    """The name of a theorem in Coq."""
    return re.sub(r"\W", "_", name)


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
        return "built", head, [plain(word) for word in rest]
    if head in DEFINITIONS:
        return (head.removeprefix("Algebra."), *(plain(word) for word in rest))
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
        (_, head, same, last), (_, printed_head, words) = mine, theirs
        rest, ends = words[: -len(last)], words[-len(last) :]
        return head == printed_head and ends == last and [word for word in rest if word in same] == same
    if mine[0] == "matrix" == theirs[0]:
        return theirs[1] in ("", mine[1]) and (not mine[2] or mine[2:] == theirs[2:])
    return mine == theirs


def difference(mine, theirs):
    """What is wrong with what Coq states, or None; both as symbols and hypotheses, claimed matrices, conclusions."""
    for ours, others in zip(mine, theirs, strict=True):
        if len(ours) != len(others):
            return f"expected {len(ours)} parts but got {len(others)}"
        for one, other in zip(ours, others, strict=True):
            if not agree(one, other):
                return f"expected {one} but got {other}"
    return None


def different_family(name, lines, blocks, listing):
    """What is wrong with the inductive predicate of an induction, or None."""
    own = f"{identifier(name)}_built"
    binder = r"\((?:[^()]|\([^()]*\))*\)"
    shown = re.search(rf"^Inductive {own} ((?:{binder} )+): .*? := +(.*)\.$", listing, re.MULTILINE)
    if shown is None:
        return "its inductive predicate is not printed"
    parameters, body = shown.groups()
    same = [item for item in stated(name, ["", *fixed(lines)])[0] if item[0] == "matrix"]
    wrong = difference([same], [list(bound(parameters))])
    if wrong:
        return f"{own}: {wrong}"
    printed_ones = dict(part.split(" : ", 1) for part in body.split(" | "))
    wanted = constructors(name, lines, blocks)
    if list(printed_ones) != list(wanted):
        return f"expected the constructors {', '.join(wanted)} but got {', '.join(printed_ones)}"
    for constructor, said_there in wanted.items():
        wrong = difference(said_there, printed(printed_ones[constructor]))
        if wrong:
            return f"{constructor}: {wrong}"
    return None


def different_words(listing):
    """Definitions that Coq does not have as they are written above, each with what it has."""
    shown = dict(re.findall(r"^(Algebra\.\w+) = fun \(R : realFieldType\) (.*)$", listing, re.MULTILINE))
    return {
        name: f"expected {text} but got {shown.get(name, 'nothing')}"
        for name, text in DEFINITIONS.items()
        if shown.get(name, "").replace(" (R:=R)", "") != text
    }


def differences(statements, listing):
    """Theorems that Coq does not state as statements.txt does, each with what is wrong."""
    shown = dict(re.findall(r"^(\w+\.\w+)\n +: (.*)$", listing, re.MULTILINE))
    blocks = {}
    for block in re.split(r"^theorem ", statements, flags=re.MULTILINE)[1:]:
        name, *lines = (line.strip() for line in block.splitlines() if line.strip() and line[0] != "#")
        blocks[name] = lines
    found = {}
    for name, lines in blocks.items():
        text = shown.get(f"{identifier(name.partition('/')[0])}.{identifier(name)}")
        wrong = "it is not printed" if text is None else difference(stated(name, lines), printed(text))
        if wrong is None and lines[0].startswith("induction "):
            wrong = different_family(name, lines, blocks, listing)
        if wrong:
            found[name] = wrong
    return found


def main(arguments):
    """Compare and tell."""
    try:
        listing = Path(arguments[0]).read_text(encoding="utf-8")
        statements = STATEMENTS.read_text(encoding="utf-8")
        found = {**different_words(listing), **differences(statements, listing)}
    except (OSError, ValueError, IndexError) as error:
        print(f"cannot compare: {error}", file=sys.stderr)
        return 2
    for name, words in found.items():
        print(f"DIFFERENT {name}: {words}")
    total = len(re.findall(r"^theorem ", statements, re.MULTILINE))
    same = total - sum(name not in DEFINITIONS for name in found)
    print(f"{same} of {total} statements are those of statements.txt, with the constructors of inductions")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
