"""Ask Coq whether what was exported is what statements.txt says.

    python proofs/coq/judge.py DIRECTORY [STATEMENTS]

writes into DIRECTORY, which holds exported proofs, `Statements.v`: for every theorem of STATEMENTS (statements.txt)
what it is to say, that its hypotheses have a model, and that each is needed; and `Listing.v`, which asks Coq whether
what was exported is that, and what it assumes. `Statements.v` knows MathComp and nothing of this project: a reader who
compares it with statements.txt by eye has read what Coq has proved, whatever the exported files are made of.

    python proofs/coq/judge.py --judged STATEMENTS LISTING

counts what Coq found to be so, by what it printed for `Listing.v`.

Nothing is imported from this project but `statements.py`, which lies beside it and imports nothing of it. Exit status:
0, 1 a theorem lacks something, 2 nothing could be read.
"""

import re
import sys
from pathlib import Path

from statements import HEADER, Statement

STATEMENTS = Path(__file__).resolve().parents[1] / "statements.txt"
WORDS = """Section Words.

Variable R : realFieldType.

Definition is_pinv m n (A : 'M[R]_(m, n)) (X : 'M[R]_(n, m)) :=
  [/\\ A *m X *m A = A, X *m A *m X = X, (A *m X)^T = A *m X & (X *m A)^T = X *m A].

Definition row_partition n r f (S : 'M[R]_(r, n)) (T : 'M[R]_(f, n)) :=
  [/\\ S *m S^T = 1%:M, T *m T^T = 1%:M, S *m T^T = 0 & S^T *m S + T^T *m T = 1%:M].

Definition is_left_inverse m n (A : 'M[R]_(m, n)) (X : 'M[R]_(n, m)) := X *m A = 1%:M.

Definition is_right_inverse m n (A : 'M[R]_(m, n)) (X : 'M[R]_(n, m)) := A *m X = 1%:M.

Definition is_inverse n (A X : 'M[R]_n) := is_left_inverse n n A X /\\ is_right_inverse n n A X.

Definition same_scalar n D (A : 'M[R]_n) (B : 'M[R]_D) := exists c : R, A = c%:M /\\ B = c%:M.

End Words.

Arguments is_pinv {R m n}.
Arguments row_partition {R n r f}.
Arguments is_left_inverse {R m n}.
Arguments is_right_inverse {R m n}.
Arguments is_inverse {R n}.
Arguments same_scalar {R n D}.
"""
TRUST = {
    "pinv_exists": "forall (R : realFieldType) (m n : nat) (A : 'M[R]_(m, n)), exists X, is_pinv A X",
    "rows_can_be_split": "forall (R : realFieldType) (n : nat) (P : {pred 'I_n}), row_partition\n"
    "    (\\matrix_(i < #|P|, j < n) (enum_val i == j)%:R : 'M[R]_(#|P|, n))\n"
    "    (\\matrix_(i < #|[predC P]|, j < n) (enum_val i == j)%:R : 'M[R]_(#|[predC P]|, n))",
    "parts_add_up": "forall (R : realFieldType) (n r f : nat) (S : 'M[R]_(r, n)) (T : 'M[R]_(f, n)),\n"
    "  row_partition S T -> n = (r + f)%N",
}


def blocks_of(text):
    """The theorems of a file, each with its lines."""
    found = {}
    for block in re.split(r"^theorem ", text, flags=re.MULTILINE)[1:]:
        name, *lines = (line.strip() for line in block.splitlines() if line.strip() and line[0] != "#")
        if found.setdefault(name, lines) != lines:
            raise ValueError(f"{name} is stated twice")
    return found


def written(blocks, folder):
    """The two files, and the theorems without a proof in the folder."""
    texts, judged, missing = [HEADER, WORDS], {}, []
    texts += [f"Definition {name} : Prop :=\n  {said}.\n" for name, said in TRUST.items()]
    judged["Trust"] = [f"(@Muso.Trust.{name} : Muso.Statements.{name})" for name in TRUST]
    proved = {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.v")}
    for name, lines in blocks.items():
        statement = Statement(name, lines)
        module = statement.module
        texts.append(f"(* theorem {name} *)")
        for own, (head, said, arguments) in statement.definitions(blocks).items():
            texts.append("\n".join([head, *said]) + "\n")
            if re.search(rf"^(Theorem|  \|) {own}\b", proved.get(module, ""), re.MULTILINE):
                judged.setdefault(module, []).append(
                    f"(@Muso.{module}.{own} : Muso.Statements.{own}{arguments})"
                )
            else:
                missing.append(own)
    listing = [HEADER + f"From Muso Require Statements {' '.join(judged)}.\nSet Printing Width 1000000.\n"]
    for module, parts in judged.items():
        whole = f"judged_{module}"
        text = "\n  ".join(f"(conj {part}" for part in parts)
        listing.append(f"Definition {whole} := {text} I{')' * len(parts)}.")
        listing.append(f"Check {whole}.\nPrint Assumptions {whole}.\n")
    return "\n".join(texts), "\n".join(listing), missing


def write(folder, source):
    """Write both files, and tell what has no proof."""
    text = source.read_text(encoding="utf-8")
    blocks, own = (
        blocks_of(text),
        blocks_of(STATEMENTS.read_text(encoding="utf-8")) if STATEMENTS.is_file() else {},
    )
    others = [name for name, lines in blocks.items() if own.get(name, lines) != lines]
    statements, listing, missing = written(blocks, folder)
    (folder / "Statements.v").write_text(statements, encoding="utf-8")
    (folder / "Listing.v").write_text(listing, encoding="utf-8")
    return [f"NOT PROVED {name}" for name in missing] + [
        f"DIFFERENT {name} is another in {STATEMENTS}" for name in others
    ]


def judged(source, listing):
    """Tell which theorems Coq has found to say what they are to say, with their models, and with no axiom."""
    blocks = blocks_of(source.read_text(encoding="utf-8"))
    text = listing.read_text(encoding="utf-8")
    closed = re.findall(r"^judged_\w+\n +: (.*)\nClosed under the global context$", text, re.MULTILINE)
    found = set(re.findall(r"(?<![\w.])Statements\.(\w+)", " ".join(closed)))
    wanted = {name: set(Statement(name, lines).definitions(blocks)) for name, lines in blocks.items()}
    lacking = [f"NOT JUDGED {own}" for parts in wanted.values() for own in sorted(parts - found)]
    whole = sum(parts <= found for parts in wanted.values())
    models = len(
        {own for parts in wanted.values() for own in parts & found if re.search("_not_vacuous$|_needs_", own)}
    )
    print(
        f"{whole} of {len(wanted)} theorems say what {source.name} says, with {models} statements on their models"
    )
    return lacking


def main(arguments):
    """Write, or count."""
    try:
        if arguments[0] == "--judged":
            found = judged(Path(arguments[1]), Path(arguments[2]))
        else:
            found = write(Path(arguments[0]), Path(arguments[1]) if arguments[1:] else STATEMENTS)
    except (OSError, ValueError, IndexError, KeyError, AttributeError) as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    print("".join(f"{line}\n" for line in found), end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
