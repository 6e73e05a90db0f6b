"""What statements.txt says, for Coq: each theorem, its models, its inductions, in the words of MathComp.

Nothing is imported from this project, and nothing that writes proofs: `judge.py` holds these to what is said here.
"""

import re
from fractions import Fraction

HEADER = """From mathcomp Require Import ssreflect ssrfun ssrbool eqtype ssrnat seq fintype ssralg ssrnum matrix.
Local Open Scope ring_scope.
"""
PROPERTIES = {
    "invertible": ("is_inverse", "^-1"), "left-invertible": ("is_left_inverse", "^L"),
    "right-invertible": ("is_right_inverse", "^R"),
}  # fmt: skip
MARKS = {"": "", "+": "_pinv", "-1": "_inv", "L": "_left", "R": "_right"}
TAKEN = {
    "forall", "exists", "exists2", "fun", "let", "in", "if", "then", "else", "match", "with", "end", "as", "return",
    "at", "for", "where", "fix", "cofix", "using", "IF", "Prop", "SProp", "Set", "Type", "True", "R", "I", "nat",
    "built", "realFieldType", "is_pinv", "row_partition", "same_scalar", "is_inverse",
    "is_left_inverse", "is_right_inverse",
}  # fmt: skip
GIVEN = ("matrix", "partition", "scalar", "let", "pinv", "assume")
SILENT = ("without", "says", "remains", "induction", "base", "step", "")
NAME = r"[A-Za-z][A-Za-z0-9_]*(?:\^(?:\+|-1|L|R))?"


def tree(text):
    """An expression of statements.txt: nested tuples of operators, names and numbers."""
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


def number(expression):
    """The value of an expression without matrices, or None."""
    if isinstance(expression, str):
        return Fraction(1) if expression == "I" else Fraction(expression) if expression[0].isdigit() else None
    head, *parts = expression
    values = [number(part) for part in parts]
    if None in values:
        return None
    if head == "*":
        return values[0] * values[1]
    if head == "+":
        return values[0] + values[1]
    return values[0] if head == "'" else values[0] - values[1] if len(values) == 2 else -values[0]


def field(value):
    """A number of the field, for Coq."""
    signed = f"{'- ' if value < 0 else ''}{abs(value.numerator)}%:R"
    return signed if value.denominator == 1 else f"{signed} / {value.denominator}%:R"


class Statement:
    """One theorem of statements.txt: its lines, and the sizes of its matrices.

    Sizes and matrices have the names that they have there, but for marks, and for what Coq calls otherwise.
    """

    def __init__(self, name, lines):
        self.name, self.lines, self.types = name, lines, {}
        self.module = identifier(name.partition("/")[0])
        for line in lines:
            self.read(line)
        self.sizes = list(dict.fromkeys(size for pair in self.types.values() for size in pair))
        taken = {self.called(symbol) for symbol in self.types} | TAKEN
        self.size = {size: f"{size}_size" if size in taken else size for size in self.sizes}

    def read(self, line):
        """The matrices that a line introduces."""
        verb, _, rest = line.partition(" ")
        name = rest.split(" ")[0]
        if verb in ("matrix", "state", "exists"):
            self.types[name] = tuple(rest.split(" : ")[1].split(" x "))
        elif verb == "partition":
            n, r, f, s, t = re.fullmatch(r"(\S+) = (\S+) \+ (\S+) by (\S+), (\S+)", rest).groups()
            self.types |= {s: (r, n), t: (f, n)}
        elif verb == "scalar":
            self.types |= {f"{name}_{size}": (size, size) for size in rest.split(" on ")[1].split(", ")}
        elif verb == "let":
            head, _, body = rest.partition(" = ")
            told = head.partition(" : ")[2]
            self.types[name] = tuple(told.split(" x ")) if told else self.kind(tree(body))
        elif verb == "pinv":
            self.types[f"{name}^+"] = self.types[name][::-1]
        elif verb == "assume" and "=" not in rest:
            name, kind = rest.partition(": ")[2].split(" ")
            self.types[name + PROPERTIES[kind][1]] = self.types[name][::-1]
        elif verb not in ("assume", "conclude", "predicate", *SILENT):
            raise ValueError(f"cannot read {line!r}")

    def kind(self, expression):
        """Rows and columns; None for a number, which has the size that it is given."""
        if number(expression) is not None:
            return None
        if isinstance(expression, str):
            return self.types[expression]
        head, *parts = expression
        kinds = [self.kind(part) for part in parts]
        if head == "'":
            return kinds[0][::-1]
        if head == "*" and None not in kinds:
            if kinds[0][1] != kinds[1][0]:
                raise ValueError(f"sizes differ in {expression}")
            return kinds[0][0], kinds[1][1]
        known = [kind for kind in kinds if kind]
        if head != "*" and len(set(known)) > 1:
            raise ValueError(f"sizes differ in {expression}")
        return known[0]

    def called(self, symbol):
        """A matrix in Coq."""
        plain, _, mark = symbol.partition("^")
        return (f"{plain}_" if plain in TAKEN else plain) + MARKS[mark]

    def matrix(self, symbol, more=""):
        """A matrix in Coq, with its type."""
        rows, cols = (self.size[size] + more for size in self.types[symbol])
        return f"({self.called(symbol)} : 'M[R]_({rows}, {cols}))"

    def coq(self, expression):
        """An expression in Coq."""
        value = number(expression)
        if value is not None:
            return "0" if not value else "1%:M" if value == 1 else f"({field(value)})%:M"
        if isinstance(expression, str):
            return self.called(expression)
        head, *parts = expression
        if head == "'":
            inner = self.coq(parts[0])
            return f"{inner}^T" if re.fullmatch(r"\w+", inner) else f"({inner})^T"
        if head == "*":
            left, right = (number(part) for part in parts)
            if left is None and right is None:
                # Products and multiples lean to the left in Coq, too; all else is bracketed.
                first, second = parts
                loose = not isinstance(first, str) and (first[0] in "+-" or self.multiple(first))
                tight = isinstance(second, str) or second[0] == "'"
                first, second = self.coq(first), self.coq(second)
                return f"{f'({first})' if loose else first} *m {second if tight else f'({second})'}"
            factor, rest = (left, parts[1]) if right is None else (right, parts[0])
            inner = self.coq(rest)
            if factor == 1:
                return inner
            told = field(factor)
            simple = isinstance(rest, str) or rest[0] == "'"
            return f"{f'({told})' if ' ' in told else told} *: {inner if simple else f'({inner})'}"
        if len(parts) == 1:
            inner = self.coq(parts[0])
            return f"- {inner if isinstance(parts[0], str) else f'({inner})'}"
        left, right = map(self.coq, parts)
        loose = not isinstance(parts[1], str) and parts[1][0] in "+-" and number(parts[1]) is None
        return f"{left} {head} {f'({right})' if loose else right}"

    def multiple(self, expression):
        """Whether an expression is a number times a matrix."""
        head, *parts = expression
        return head == "*" and any(number(part) not in (None, 1) for part in parts)

    def equation(self, text):
        """An equation in Coq."""
        left, right = text.split(" = ")
        return f"{self.coq(tree(left))} = {self.coq(tree(right))}"

    def given(self, lines):
        """For each line that gives something: its label, the matrices that it introduces, what it says of them."""
        for line in lines:
            verb, _, rest = line.partition(" ")
            name = rest.split(" ")[0]
            if verb in ("matrix", "state"):
                yield "", [name], ""
            elif verb == "partition":
                s, t = rest.partition(" by ")[2].split(", ")
                yield "", [s, t], f"row_partition {self.called(s)} {self.called(t)}"
            elif verb == "scalar":
                both = [f"{name}_{size}" for size in rest.split(" on ")[1].split(", ")]
                yield "", both, f"same_scalar {self.called(both[0])} {self.called(both[-1])}"
            elif verb == "let":
                yield "", [name], f"{self.called(name)} = {self.coq(tree(rest.partition(' = ')[2]))}"
            elif verb == "pinv":
                yield "", [f"{name}^+"], f"is_pinv {self.called(name)} {self.called(f'{name}^+')}"
            elif verb == "assume":
                label, _, body = rest.partition(": ")
                if "=" in body:
                    yield label, [], self.equation(body)
                else:
                    a, kind = body.split(" ")
                    head, mark = PROPERTIES[kind]
                    yield label, [a + mark], f"{head} {self.called(a)} {self.called(a + mark)}"

    def conclusion(self):
        """What is concluded, in Coq."""
        found = [
            line.partition(" ")[2] for line in self.lines if line.startswith(("conclude ", "predicate "))
        ]
        text = " /\\ ".join(map(self.equation, found))
        claimed = [line.split(" ")[1] for line in self.lines if line.startswith("exists ")]
        for symbol in reversed(claimed):
            rows, cols = (self.size[size] for size in self.types[symbol])
            text = f"exists {self.called(symbol)} : 'M[R]_({rows}, {cols}), {text}"
        return text

    def forall(self, lines):
        """The lines as quantifiers and hypotheses, one a line."""
        for _, symbols, said in self.given(lines):
            bound = " ".join(map(self.matrix, symbols))
            yield " ".join(
                ["  ", *([f"forall {bound},"] if bound else []), *([f"{said} ->"] if said else [])]
            )[1:]

    def sized(self, sizes):
        """Sizes as arguments."""
        return f" ({' '.join(self.size[size] for size in sizes)} : nat)" if sizes else ""

    def definitions(self, blocks):
        """What Coq is to be asked, by name: head and lines of a definition, and what it is given, as in ``F _ _``."""
        name = identifier(self.name)
        if self.lines[0].startswith("induction "):
            return self.induction(name, blocks)
        whole = [f"  forall (R : realFieldType){self.sized(self.sizes)},", *self.forall(self.lines)]
        found = {name: (f"Definition {name} : Prop :=", [*whole, f"  {self.conclusion()}."], "")}
        if any(said for _, _, said in self.given(self.lines)):
            found[f"{name}_not_vacuous"] = self.model(f"{name}_not_vacuous", None)
        for label, _, _ in self.given(self.lines):
            if label:
                own = f"{name}_needs_{identifier(label)}"
                found[own] = self.model(own, label)
        return found

    def model(self, name, dropped):
        """That data of some sizes, none of them 0, satisfy all hypotheses, or all but one and not the conclusion.

        In place of a dropped inverse stands the Moore-Penrose inverse, which every matrix has.
        """
        parts = []
        for label, symbols, said in self.given(self.lines):
            if dropped and label == dropped:
                said = f"is_pinv {' '.join(said.split(' ')[1:])}" if symbols else ""
            parts.append((symbols, said))
        while not dropped and not parts[-1][1]:
            parts.pop()
        lines = []
        for symbols, said in parts:
            bound = " ".join(self.matrix(symbol, ".+1") for symbol in symbols)
            words = [*([f"exists {bound},"] if bound else []), *([f"{said} /\\"] if said else [])]
            if words:
                lines.append(" ".join([" ", *words]))
        if dropped:
            end = re.sub(r"'M\[R\]_\((\w+), (\w+)\)", r"'M[R]_(\1.+1, \2.+1)", self.conclusion())
            lines.append(f"  ~ ({end}).")
        else:
            lines[-1] = lines[-1].removesuffix(" /\\") + "."
        claimed = [line.split(" ")[1] for line in self.lines if dropped and line.startswith("exists ")]
        there = {size for symbols, _ in [*parts, (claimed, "")] for s in symbols for size in self.types[s]}
        sizes = [size for size in self.sizes if size in there]
        return (
            f"Definition {name}{self.sized(sizes)} : Prop :=",
            ["  forall R : realFieldType,", *lines],
            " _" * len(sizes),
        )

    def induction(self, name, blocks):
        """An induction: its theorem, its base and its step, of any predicate with which all three hold.

        Such a predicate holds of everything that is built by base and step, and so does the theorem.
        """
        states = [line.split(" ")[1] for line in self.lines if line.startswith("state ")]
        fixed = [line for line in self.lines if line.split(" ")[0] in GIVEN]
        data = [symbol for _, symbols, _ in self.given(fixed) for symbol in symbols]
        kept = [size for size in self.sizes if any(size in self.types[symbol] for symbol in data)]
        moving = [size for size in self.sizes if size not in kept]
        same = f"(R : realFieldType){self.sized(kept)}{''.join(f' {self.matrix(symbol)}' for symbol in data)}"
        ends = f"{self.sized(moving)}{''.join(f' {self.matrix(state)}' for state in states)}"
        built = f"(built : forall {same}{ends}, Prop)"
        exported = f" (@Muso.{self.module}.{name}_built)"

        def of(values, where):
            words = [self.size[size] for size in kept] + [self.called(symbol) for symbol in data]
            inner = (where.coq(tree(values[state])) for state in states)
            return " ".join(["built R", *words, *("_" for _ in moving), *(f"({text})" for text in inner)])

        itself = of({state: state for state in states}, self)
        whole = [
            f"  forall (R : realFieldType){self.sized(kept)},",
            *self.forall(fixed),
            f"  forall{ends}, {itself} ->",
        ]
        found = {
            name: (f"Definition {name} {built} : Prop :=", [*whole, f"  {self.conclusion()}."], exported)
        }
        for kind, cut in (("base", r"with (.*)"), ("step", r"from (.*) to (.*)")):
            (line,) = (line for line in self.lines if line.startswith(f"{kind} "))
            host, told = re.fullmatch(rf"{kind} (\S+) ({cut})", line).groups()[:2]
            host = Statement(host, blocks[host])
            objects = [
                dict(pair.split(" = ") for pair in text.split(", "))
                for text in re.split(r" and | to ", told.partition(" ")[2])
            ]
            # A step need not assume what is known of its parts; a base has hypotheses of its own.
            loose = ("assume",) if kind == "step" else ()
            own = [
                x
                for x in host.lines
                if x not in fixed and x.split(" ")[0] in GIVEN and x.split(" ")[0] not in loose
            ]
            sizes = host.sized([size for size in host.sizes if size not in kept])
            *parts, last = (of(values, host) for values in objects)
            lines = [f"  forall {same},", *([f"  forall{sizes},"] if sizes else []), *host.forall(own)]
            lines += [*(f"  {part} ->" for part in parts), f"  {last}."]
            found[f"{name}_{kind}"] = (f"Definition {name}_{kind} {built} : Prop :=", lines, exported)
        return found


def identifier(name):
    """The name of a theorem in Coq."""
    return re.sub(r"[^A-Za-z0-9]", "_", name)
