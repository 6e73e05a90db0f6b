"""Reading a theorem that somebody wrote: every mistake is told by line and column, with the nearest legal form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from ..errors import BadInputError, nearest
from .derivation import lemma_values
from .expression import NAME, parse_equation, parse_expression
from .instance import Instance
from .polynomial import AlgebraError, Polynomial, Signature
from .statement import StatementBuilder, parse_statement
from .theorem import Apply, Cancel, Have, PlanStep, Theorem, Witness

__all__ = ["read_theorem"]

_MAX_BYTES = 100_000
_FORMS = {
    "matrix": "matrix A : n x D",
    "partition": "partition n = r + f by S, T",
    "scalar": "scalar eta on n, D",
    "let": "let w = v + A' t",
    "pinv": "pinv A",
    "assume": "assume label: A B = C, or assume label: A invertible",
    "without": "without label: A B = C, or without label: A invertible",
    "exists": "exists a : f x c",
    "conclude": "conclude A B = C",
    "says": "says what it says in words",
    "remains": "remains what remains to be said",
    "theorem": "theorem name, on the first line",
    "lemma": "lemma lemma/pseudo-inverse with A = Phi",
    "have": "have A B = C",
    "cancel": "cancel A B, or several roots with commas between",
    "choose": "choose a = A B",
}
"""The lines of a theorem, and those of a plan, each by an example."""
_PLAN = ("lemma", "have", "cancel", "choose")
_ORDER = "the order is: data and definitions, then pinv or assume of one of them, then lines with its inverse"
_DECLARING = {
    "": r"\s*(?:let|matrix|exists)\s+{0}\s*[:=]",
    "+": r"\s*pinv\s+{0}\s*$",
    "-1": r"\s*assume\s+\S+:\s+{0}\s+invertible\s*$",
    "L": r"\s*assume\s+\S+:\s+{0}\s+left-invertible\s*$",
    "R": r"\s*assume\s+\S+:\s+{0}\s+right-invertible\s*$",
}
"""The lines that declare a symbol, by what is written behind its name."""
_LOOKALIKES = {
    "−": "-", "–": "-", "—": "-", "×": "x", "′": "'", "’": "'", "ᵀ": "'", "⁺": "^+", "⁻": "^-", "¹": "1", "·": " ",
    "＝": "=", "：": ":", "₀": "_0", "ₚ": "_p", "ᵣ": "_r", "ᵤ": "_u", "λ": "lambda", "η": "eta", "δ": "delta",
    "Φ": "Phi", "φ": "phi", "Θ": "Theta", "θ": "theta", "Σ": "Sigma", "\u00a0": " ",
}  # fmt: skip
_LATIN = re.compile(
    r"(?:CYRILLIC|GREEK|FULLWIDTH LATIN|MATHEMATICAL \w+(?: \w+)*) (CAPITAL|SMALL) (?:LETTER )?(\w+)$"
)


def read_theorem(text: str, name: str = "mine", known: Mapping[str, Sequence[str]] | None = None) -> Theorem:
    r"""Read a theorem in the language of ``proofs/statements.txt``, and a plan of its proof where one is written.

    Lines may be indented; blank ones and those that begin with ``#`` are skipped. Beside the lines of a statement
    there may be ``theorem NAME`` on top and, after the conclusions, steps for the prover: ``lemma NAME with A = B``
    (a theorem of the collection), ``have`` (an equation on the way), ``cancel`` (over the reals X'X = 0 makes X = 0)
    and ``choose`` (a matrix that ``exists`` claims).

    Args:
        text: the theorem.
        name: what it is called where the text does not say.
        known: the lines of the theorems that the plan may use, by name; None takes any name as it is.

    Raises:
        BadInputError: a line that cannot be read, with its number, its column and the nearest legal form; or a text of
            more than 100,000 characters.

    Example:
        >>> theorem = read_theorem("matrix A : n x D\npinv A\nconclude A A^+ A = A", "penrose")
        >>> theorem.name, len(theorem.lines), theorem.plan
        ('penrose', 3, ())
        >>> read_theorem("matrix A : n x D\npinv B")
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: line 2, column 6: unknown symbol 'B'; try a line that declares it; the ...
    """
    if len(text) > _MAX_BYTES:
        raise BadInputError(f"expected a theorem of at most {_MAX_BYTES:,} characters but got {len(text):,}")
    return _Reader(text, name, known).read()


class _Reader:
    """One theorem while it is read."""

    def __init__(self, text: str, name: str, known: Mapping[str, Sequence[str]] | None) -> None:
        self.raw = text.removeprefix("\ufeff").splitlines()
        self.name, self.known = name, known
        self.builder = StatementBuilder()
        self.lines: list[str] = []
        self.plan: list[PlanStep] = []
        self.declared: dict[str, tuple[int, str]] = {}  # symbols and scalars, to where they are
        self.number, self.line = 0, ""
        self.legal = ""  # the lines that were meant, where an error knows them

    def read(self) -> Theorem:
        """Read all lines."""
        for number, raw in enumerate(self.raw, start=1):
            self.number, self.line = number, " ".join(raw.split())
            if not self.line or self.line.startswith("#"):
                continue
            self.look_alikes(raw)
            verb = self.line.partition(" ")[0]
            try:
                if self.line == verb and verb in _FORMS:
                    raise AlgebraError(f"nothing follows {verb!r}", len(verb))
                if verb == "theorem":
                    self.title()
                elif verb in _PLAN:
                    self.plan.append(self.step(verb))
                elif self.plan:
                    raise AlgebraError("a step of the plan is followed by a line of the statement", 0)
                else:
                    self.declare(verb)
            except AlgebraError as error:
                raise self.refusal(error, verb) from None
        if not self.lines:
            raise BadInputError(
                f"expected a theorem but got no line; the form is {_FORMS['matrix']!r}, and so on"
            )
        try:
            parse_statement(self.name, self.lines)
        except AlgebraError as error:
            raise BadInputError(
                f"line {len(self.raw)}: {error}; the form is {_FORMS['conclude']!r}"
            ) from None
        return Theorem(self.name, tuple(self.lines), tuple(self.plan))

    def declare(self, verb: str) -> None:
        """A line of the statement; what it declares has a name of its own."""
        name = self.line.partition(" ")[2].partition(" ")[0]
        kind, other = ("scalar", "matrix") if verb == "scalar" else ("matrix", "scalar")
        if verb in ("matrix", "scalar", "let", "exists") and name in self.declared:
            at, line = self.declared[name]
            if (name in self.builder.scalars) == (other == "scalar"):
                raise AlgebraError(
                    f"{name} is a {other} by line {at}, {line!r}, and cannot be a {kind} by line "
                    f"{self.number}, {self.line!r}, too; give one of them another name"
                )
        self.builder.add(self.line)
        self.lines.append(self.line)
        for symbol in (*self.builder.signature, *self.builder.scalars):
            self.declared.setdefault(symbol, (self.number, self.line))

    def title(self) -> None:
        """The name of the theorem."""
        name = self.line.partition(" ")[2]
        if self.lines:
            raise AlgebraError(
                f"a file holds one theorem, and this is the line of another; {name[:40]} has its own file", 0
            )
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}(/[a-z][a-z0-9-]{0,40})?", name):
            raise AlgebraError(
                "expected the name first, in small letters, digits and hyphens", len("theorem ")
            )
        self.name = name

    def step(self, verb: str) -> PlanStep:
        """One step of the plan."""
        rest, at = self.line.partition(" ")[2], len(verb) + 1
        if not self.builder.conclusions:
            raise AlgebraError("expected the conclusions before the plan", 0)
        if verb == "lemma":
            return self.lemma(rest, at)
        if verb == "have":
            self.placed(parse_equation, rest, at)
            return Have(rest)
        if verb == "choose":
            symbol, _, text = rest.partition(" = ")
            if symbol not in self.builder.exists:
                raise AlgebraError(f"{symbol!r} is not claimed to exist", at)
            begin = self.line.index(" = ") + 3
            value = self.placed(parse_expression, text, begin)
            rows, cols = self.builder.signature[symbol]
            if value.rows is not None and (value.rows, value.cols) != (rows, cols):
                raise AlgebraError(
                    f"{symbol} is {rows} x {cols}, and {text} is {value.rows} x {value.cols}", begin
                )
            return Witness(symbol, text)
        return self.cancel(rest, at)

    def lemma(self, rest: str, at: int) -> Apply:
        """A theorem of the collection with matrices put in for its symbols, which fit one another."""
        name, _, values = rest.partition(" with ")
        lines = None if self.known is None else self.known.get(name)
        if self.known is not None and lines is None:
            raise AlgebraError(
                f"expected a theorem of the collection but got {name!r}; try {nearest(name, self.known)}", at
            )
        if lines is not None and lines[0].startswith("induction"):
            raise AlgebraError(f"{name} is an induction, which cannot be applied; its step and base can", at)
        theorem = None if lines is None else parse_statement(name, list(lines))
        place, given, sizes = at + len(name) + len(" with "), dict[str, str](), dict[str, str]()
        for pair in values.split(", ") if values else ():
            symbol, _, text = pair.partition(" = ")
            if not symbol or not text or symbol in given:
                raise AlgebraError("expected one value for every symbol that is named", place)
            if theorem is not None and symbol not in theorem.signature:
                has = ", ".join(theorem.signature)
                raise AlgebraError(f"{name} has no symbol {symbol!r}; it has {has}", place)
            value = self.placed(parse_expression, text, place + len(symbol) + len(" = "))
            for size, own in zip(
                theorem.signature[symbol] if theorem else (), (value.rows, value.cols), strict=False
            ):
                if own is not None and sizes.setdefault(size, own) != own:
                    kind = " x ".join(theorem.signature[symbol]) if theorem else ""
                    raise AlgebraError(
                        f"{symbol} of {name} is {kind}, {text} is {value.rows} x {value.cols}, "
                        f"and {size} is {sizes[size]} already",
                        place,
                    )
            given[symbol], place = text, place + len(pair) + len(", ")
        if theorem is not None:
            host = parse_statement(self.name, self.lines)
            try:
                Instance(theorem, host, {s: str(v) for s, v in lemma_values(theorem, host, given).items()})
            except AlgebraError as error:
                raise AlgebraError(str(error), at) from None
        return Apply(name, given)

    def cancel(self, rest: str, at: int) -> Cancel:
        """Roots of squares that can be added."""
        roots = rest.split(", ")
        kinds = []
        for root in roots:
            kinds.append((self.placed(parse_expression, root, at).cols, root, at))
            at += len(root) + len(", ")
        for cols, root, place in kinds:
            if cols is None or cols != kinds[0][0]:
                told = (
                    "is a bare number"
                    if cols is None
                    else f"has {cols} columns, and {kinds[0][1]} has {kinds[0][0]}"
                )
                raise AlgebraError(f"{root} {told}: their squares do not add up", place)
        return Cancel(tuple(roots))

    def placed(self, parse: Callable[[str, Signature], Polynomial], text: str, at: int) -> Polynomial:
        """Read an expression that begins somewhere in the line."""
        try:
            return parse(text, self.builder.signature)
        except AlgebraError as error:
            raise AlgebraError(str(error), at + (error.at or 0)) from None

    def look_alikes(self, raw: str) -> None:
        """Refuse letters that look like those of the language; words may hold any that are printed."""
        words = self.line.partition(" ")[0] in ("says", "remains")
        for column, letter in enumerate(raw, start=1):
            if words and (letter.isprintable() or letter == "\t"):
                continue
            if ord(letter) > 126 or (ord(letter) < 32 and letter != "\t"):
                name = unicodedata.name(letter, f"U+{ord(letter):04X}")
                meant = _LOOKALIKES.get(letter) or _latin(letter, name)
                hint = f"write {meant!r}" if meant else "letters, digits and signs of ASCII only"
                raise BadInputError(
                    f"line {self.number}, column {column}: {name} is not in the language; {hint}"
                )

    def refusal(self, error: AlgebraError, verb: str) -> BadInputError:
        """An error with its place and the form that was expected."""
        words, at = str(error), error.at
        if at is None:
            at = 0 if verb not in _FORMS else min(len(verb) + 1, len(self.line) - 1)
        if verb not in _FORMS:
            words = f"no line begins with {verb[:40]!r}"
            close = nearest(verb, _FORMS, "'matrix'").strip("'")
            hint = f"try {_FORMS[close]!r}, or {', '.join(form for form in _FORMS if form != close)}"
        words = self.elsewhere(words) or self.sizes(verb) or self.later(words) or words
        if verb in _FORMS:
            hint = f"the form is {self.form(verb)!r}"
        return BadInputError(f"line {self.number}, column {self.column(at)}: {words}; {hint}")

    def elsewhere(self, words: str) -> str:
        """Where a symbol is declared already, or how a number is written that is not known without its size."""
        twice = re.match(r"the symbol '(.+)' is introduced twice|the scalar '(.+)' has two values", words)
        name = (twice[1] or twice[2]) if twice else ""
        if name in self.declared:
            at, line = self.declared[name]
            return f"{name} is declared in line {at} already, {line!r}, and again in line {self.number}, {self.line!r}"
        unknown = re.match(rf"unknown symbol '({NAME})'", words)
        base = unknown[1].partition("_")[0] if unknown else ""
        if base in self.builder.scalars:
            at, line = self.declared[base]
            return (
                f"unknown symbol {unknown[1] if unknown else ''!r}; the scalar of line {at}, {line!r}, is written "
                f"{' or '.join(self.builder.scalars[base])}, by its size"
            )
        return ""

    def sizes(self, verb: str) -> str:
        """What to do about a size that is a number."""
        places = {"scalar": r" (?:on |, )", "partition": r" [a-z=+]+ "}.get(verb, " (?::|x) ")
        if verb in ("matrix", "exists", "let", "scalar", "partition") and re.search(
            places + r"[0-9]", self.line
        ):
            return (
                "sizes are letters, and every theorem is for all of them: a column is c wide, a number is written "
                "'scalar eta on n'"
            )
        return ""

    def later(self, words: str) -> str:
        """What an unknown symbol is, if a later line defines it."""
        found = re.match(r"unknown symbol '([^'^]+)(?:\^(\+|-1|L|R))?'", words)
        if found is None:
            return ""
        name, mark = found[1], found[2] or ""
        mine = re.match(rf"let ({NAME})\b", self.line)
        if mine and mine[1] == name:
            return f"{name} is defined by itself: a definition may use earlier symbols only"
        for number, raw in enumerate(self.raw[self.number :], start=self.number + 1):
            if not re.match(_DECLARING[mark].format(re.escape(name)), raw):
                continue
            if mark:
                line = " ".join(raw.split())
                above = "" if name in self.builder.signature else f", and what defines {name} above that"
                self.legal = f"{line}, and below it {self.line}"
                return (
                    f"{name}^{mark} is declared in line {number} only, which is too late: put that line above this "
                    f"one{above}; {_ORDER}"
                )
            circle = mine and re.search(rf"(?<![\w]){re.escape(mine[1])}(?![\w^])", raw.partition("=")[2])
            kind = "by way of this line, a circle" if circle else "which is too late"
            return f"{name} is defined in line {number} only, {kind}: put what is used first"
        return ""

    def form(self, verb: str) -> str:
        """The legal form that is nearest to the line: a hypothesis without a label is given one."""
        if self.legal:
            return self.legal
        rest = self.line.partition(" ")[2]
        if verb in ("assume", "without") and rest and not re.match(r"[a-z][a-z0-9-]*: ", rest):
            body = rest.partition(": ")[2] or rest
            if re.fullmatch(rf"{NAME} (?:(?:left|right)-)?invertible|[^=]+=[^=]+", body):
                return f"{verb} some-label: {body}"
        return _FORMS[verb]

    def column(self, at: int) -> int:
        """Where a place of the line, single blanks between its words, is in what was written."""
        raw = self.raw[self.number - 1]
        places = [
            i for i, letter in enumerate(raw) if not letter.isspace() or (i and not raw[i - 1].isspace())
        ]
        places = [i for i in places if i >= len(raw) - len(raw.lstrip())]
        return (places[at] if at < len(places) else len(raw.rstrip())) + 1


def _latin(letter: str, name: str) -> str:
    """The letter of ASCII that another alphabet's looks like."""
    plain = unicodedata.normalize("NFKC", letter)
    if plain.isascii() and plain.strip():
        return plain
    found = _LATIN.match(name)
    looks = {"A": "A", "VE": "B", "ES": "C", "IE": "E", "EN": "H", "KA": "K", "EM": "M", "O": "O", "ER": "P", "TE": "T",
             "HA": "X", "U": "y", "ALPHA": "A", "BETA": "B", "EPSILON": "E", "ETA": "H", "IOTA": "I", "KAPPA": "K",
             "MU": "M", "NU": "N", "OMICRON": "O", "RHO": "P", "TAU": "T", "CHI": "X", "ZETA": "Z"}  # fmt: skip
    same = looks.get(found[2], "") if found else ""
    return same if found and found[1] == "CAPITAL" else same.lower()
