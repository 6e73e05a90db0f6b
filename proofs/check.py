"""Re-check every proof in this directory with nothing but Python: no package, no import of this project.

    python proofs/check.py [--statements FILE] [FILE or DIRECTORY ...]

What is proved is written in statements.txt, one schema per line; read it, it is short. A certificate is accepted
only if its theorems are word for word those of statements.txt and every step follows by one of five rules:

    combination    what is concluded is a sum of terms c·a·g·b: c a rational number, a and b products of matrices,
                   g a matrix known to be zero (an assumption, or an earlier step; a final ' transposes it)
    lemma          a theorem of the same certificate, other matrices put in for its symbols, all its assumptions found
    cancellation   from c1 q1'q1 + c2 q2'q2 + ... = 0 with positive c conclude q1 = 0 (the matrices are real)
    witness        a matrix claimed to exist is written down
    induction      a base theorem and a step theorem prove the predicate of everything built from base objects

With --statements, theorems of your own may be proved too, under names of their own; of these a hypothesis may be
untried, which is printed. The hashes of all statements are printed with what they are: compare them.

Exit status: 0 all accepted, 1 something rejected or missing, 2 nothing could be read.
"""

import hashlib
import json
import re
import sys
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve().parent
TERMS, LETTERS, TEXT, DEPTH, SIZE = 5_000, 64, 2_000, 20, 2_000_000
WORK = 20_000_000
"""Words that the check of one certificate may touch, some four hundred times what the longest proof here takes."""


class Rejected(Exception):
    """The certificate proves nothing; the text says why."""

    def __init__(self, reason, status=1):
        super().__init__(reason)
        self.status = status


def need(condition, reason, status=1):
    """Reject unless the condition holds."""
    if not condition:
        raise Rejected(reason[:300], status)


class Meter:
    """How much work the certificate under way has taken."""

    spent = 0


def spend(amount):
    """Refuse a certificate that takes too much work, however small it is."""
    Meter.spent += amount
    need(Meter.spent <= WORK, f"checking takes more than {WORK:,} steps")


# ---- polynomials: (type, {word: coefficient}); a type is (rows, columns), or None for a bare number ---------------


def clean(kind, terms):
    """Drop zero terms; refuse what is too large."""
    spend(1 + len(terms))
    terms = {word: c for word, c in terms.items() if c}
    need(len(terms) <= TERMS and all(len(w) <= LETTERS for w in terms), "a polynomial is too large")
    return kind, terms


def cast(poly, kind):
    """Give a bare number a type: it is a multiple of an identity."""
    need(poly[0] in (None, kind), "types do not match")
    need(poly[0] == kind or kind[0] == kind[1] or not poly[1], "a number is no multiple of a square identity")
    return kind, poly[1]


def plus(p, q, sign=1):
    """P + sign·q."""
    kind = p[0] or q[0]
    if kind:
        p, q = cast(p, kind), cast(q, kind)
    return clean(kind, {w: p[1].get(w, 0) + sign * q[1].get(w, Fraction(0)) for w in {*p[1], *q[1]}})


def times(p, q):
    """p·q."""
    if p[0] is None or q[0] is None:
        (_, number), (kind, terms) = (p, q) if p[0] is None else (q, p)
        return clean(kind, {w: number.get((), 0) * c for w, c in terms.items()})
    need(p[0][1] == q[0][0], "a product is ill typed")
    need(len(p[1]) * len(q[1]) <= TERMS, "a polynomial is too large")
    terms = {}
    for u, a in p[1].items():
        for v, b in q[1].items():
            terms[u + v] = terms.get(u + v, 0) + a * b
    return clean((p[0][0], q[0][1]), terms)


def turned(p):
    """The transpose."""
    kind = p[0] and (p[0][1], p[0][0])
    return kind, {tuple((name, not prime) for name, prime in reversed(w)): c for w, c in p[1].items()}


def symbol(name, types):
    """The polynomial of one symbol."""
    need(name in types, f"unknown symbol {name!r}")
    return types[name], {((name, False),): Fraction(1)}


def key_of(poly):
    """What a polynomial is known by in a set."""
    return poly[0], frozenset(poly[1].items())


def number(value):
    """A bare number."""
    return clean(None, {(): Fraction(value)})


def replace(p, values):
    """Put polynomials in for symbols."""
    total = number(0)
    for word, c in p[1].items():
        product = number(c)
        for name, prime in word:
            product = times(product, turned(values[name]) if prime else values[name])
        total = plus(total, product)
    return total


NAME = r"[A-Za-z][A-Za-z0-9_]*(?:\^(?:\+|-1|L|R))?"
PLAIN = r"[A-Za-z][A-Za-z0-9_]*"
TOKENS = re.compile(rf" *({NAME}|[0-9]+(?:/[0-9]+)?|[-+()'])")


def expression(text, types):
    """Read an expression."""
    need(isinstance(text, str) and len(text) <= TEXT, "expected a short expression")
    tokens, at, text = [], 0, text.strip(" ")
    while at < len(text):
        found = TOKENS.match(text, at)
        need(found, f"cannot read {text[at : at + 20]!r}")
        tokens.append(found.group(1))
        at = found.end()
    tokens.append("")

    def sums(i, depth):
        sign = 1
        if tokens[i] == "-":
            sign, i = -1, i + 1
        total, i = products(i, depth)
        total = total if sign > 0 else times(number(-1), total)
        while tokens[i] in ("+", "-"):
            sign = 1 if tokens[i] == "+" else -1
            part, i = products(i + 1, depth)
            total = plus(total, part, sign)
        return total, i

    def products(i, depth):
        total, i = factor(i, depth)
        while tokens[i] not in ("", "+", "-", ")", "'"):
            part, i = factor(i, depth)
            total = times(total, part)
        return total, i

    def factor(i, depth):
        token = tokens[i]
        if token == "(":
            need(depth < DEPTH, "brackets are nested too deep")
            result, i = sums(i + 1, depth + 1)
            need(tokens[i] == ")", "a bracket is not closed")
        elif token == "I":
            result = number(1)
        elif token[:1].isdigit():
            above, _, below = token.partition("/")
            need(not below or int(below), "a number has denominator 0")
            result = number(Fraction(int(above), int(below or 1)))
        else:
            need(token[:1].isalpha(), f"expected a symbol, number or bracket but got {token!r}")
            result = symbol(token, types)
        i += 1
        while tokens[i] == "'":
            result, i = turned(result), i + 1
        return result, i

    result, end = sums(0, 0)
    need(tokens[end] == "", "an expression does not end where it should")
    return result


def equation(text, types):
    """Read left = right as left - right."""
    need(isinstance(text, str) and text.count("=") == 1, "expected one equality sign")
    left, right = (expression(side, types) for side in text.split("="))
    result = plus(left, right, -1)
    need(result[0], "an equation between bare numbers")
    return result


# ---- statements: every assumption is generated here from its schema ------------------------------------------------

WORDS = {
    "pinv": "Moore-Penrose inverses exist",
    "partition": "rows can be split and selected",
    "scalar": "a real number is a multiple of every identity, and commutes with every matrix",
    "invertible": "invertible means that an inverse exists",
    "left-invertible": "full column rank means that a left inverse exists",
    "right-invertible": "full row rank means that a right inverse exists",
    "lemma": "what holds for all matrices holds for these",
    "cancellation": "real sums of squares q'q vanish only with every q",
    "witness": "what is written down exists",
    "induction": "induction over building steps",
}


class Statement:
    """One theorem of statements.txt."""

    def __init__(self, name, lines):
        self.name, self.lines = name, lines
        self.types, self.facts, self.definitions, self.inverses, self.defaults = {}, {}, {}, {}, {}
        self.hypotheses, self.exists, self.conclusions, self.states = {}, [], [], []
        self.spare, self.trust, self.remains, self.free, self.scalars = {}, set(), [], [], {}
        self.base = self.step = None
        for line in lines:
            verb, _, rest = line.partition(" ")
            reader = getattr(self, "read_" + verb, None)
            need(reader and rest, f"{name}: cannot read {line!r}")
            need(
                not self.conclusions or verb in ["conclude", "predicate", "base", "step", "says", "remains"],
                "data too late",
            )
            need(
                not self.exists or verb in ["exists", "conclude", "says", "remains"],
                "data after a claimed existence",
            )
            reader(rest)
        need(self.conclusions, f"{name} concludes nothing")

    def fields(self, pattern, text):
        """Match a whole line."""
        found = re.fullmatch(pattern, text)
        need(found, f"{self.name}: cannot read {text!r}")
        return found.groups()

    def new(self, name, kind):
        """Declare a new symbol; no symbol has two origins."""
        need(name not in self.types and name != "I", f"{self.name} introduces {name} twice")
        self.types[name] = kind

    def fact(self, key, text, label=None):
        """Record an assumption."""
        need(key not in self.facts, f"{self.name} has two facts {key}")
        self.facts[key] = label, equation(text, self.types)

    def read_matrix(self, rest):
        """Read ``A : n x D``."""
        name, rows, columns = self.fields(rf"({PLAIN}) : ({PLAIN}) x ({PLAIN})", rest)
        self.new(name, (rows, columns))
        self.free.append(name)

    def read_state(self, rest):
        """Read a part of the object that an induction builds."""
        self.read_matrix(rest)
        self.states.append(rest.split()[0])

    def read_exists(self, rest):
        """Read a matrix that is claimed to exist."""
        self.read_matrix(rest)
        self.exists.append(self.free.pop())

    def read_partition(self, rest):
        """Read ``n = r + f by S, T``."""
        n, r, f, s, t = self.fields(rf"({PLAIN}) = ({PLAIN}) \+ ({PLAIN}) by ({PLAIN}), ({PLAIN})", rest)
        need(len({n, r, f}) == 3, "a partition needs three dimensions")
        known = {size for kind in self.types.values() for size in kind}
        need(n not in known or not {r, f} & known, "a partition of known sizes restricts the data")
        self.new(s, (r, n))
        self.new(t, (f, n))
        self.fact(f"orthonormal({s})", f"{s} {s}' = I")
        self.fact(f"orthonormal({t})", f"{t} {t}' = I")
        self.fact(f"disjoint({s},{t})", f"{s} {t}' = 0")
        self.fact(f"complete({s},{t})", f"{s}' {s} + {t}' {t} = I")
        self.trust.add("partition")

    def read_scalar(self, rest):
        """Read ``eta on n, D``: one real number, as a multiple of the identity of each size."""
        name, listed = self.fields(rf"({PLAIN}) on ({PLAIN}(?:, {PLAIN})?)", rest)
        sizes, known = listed.split(", "), dict(self.types)
        need(len(set(sizes)) == len(sizes) and name not in self.scalars, f"the scalar {name} has two values")
        self.scalars[name] = [f"{name}_{size}" for size in sizes]
        for size in sizes:
            self.new(f"{name}_{size}", (size, size))
            self.fact(f"symmetric({name}_{size})", f"{name}_{size}' = {name}_{size}")
        for x, (rows, columns) in known.items():
            if rows in sizes and columns in sizes:
                self.fact(f"commutes({name},{x})", f"{name}_{rows} {x} = {x} {name}_{columns}")
        self.trust.add("scalar")

    def read_let(self, rest):
        """Read ``w = expression``."""
        name, rows, columns, body = self.fields(rf"({PLAIN})(?: : ({PLAIN}) x ({PLAIN}))? = ([^=]+)", rest)
        value = expression(body, self.types)
        if rows:
            value = cast(value, (rows, columns))
        need(value[0], f"the type of {name} is open")
        self.new(name, value[0])
        self.definitions[name] = value
        self.fact(f"def({name})", f"{name} = {body}")

    def read_pinv(self, rest):
        """Read the matrix whose Moore-Penrose inverse is meant."""
        (a,) = self.fields(rf"({PLAIN})", rest)
        for key, text in self.penrose(a, self.inverse(a, "^+", "pinv")):
            self.fact(key, text)
        self.trust.add("pinv")

    def penrose(self, a, x):
        """Give the four Penrose equations."""
        texts = f"{a} {x} {a} = {a}", f"{x} {a} {x} = {x}", f"({a} {x})' = {a} {x}", f"({x} {a})' = {x} {a}"
        return [(f"penrose{i}({a})", text) for i, text in enumerate(texts, 1)]

    def inverse(self, a, mark, kind):
        """Introduce a generalised inverse."""
        rows, columns = symbol(a, self.types)[0]
        need(kind != "invertible" or rows == columns, f"{a} is not square")
        self.new(a + mark, (columns, rows))
        self.inverses[a + mark] = a, kind
        return a + mark

    def meaning(self, label, body):
        """Give the equations that a hypothesis stands for."""
        found = re.fullmatch(rf"({PLAIN}) (invertible|left-invertible|right-invertible)", body)
        if not found:
            return [(f"assume({label})", body)]
        a, kind = found.groups()
        x = self.inverse(
            a, {"invertible": "^-1", "left-invertible": "^L", "right-invertible": "^R"}[kind], kind
        )
        left, right = (f"left_inverse({a})", f"{x} {a} = I"), (f"right_inverse({a})", f"{a} {x} = I")
        return {"invertible": [left, right], "left-invertible": [left], "right-invertible": [right]}[kind]

    def read_assume(self, rest):
        """Read ``label: equation`` or ``label: A invertible``."""
        label, body = self.fields(r"([a-z][a-z0-9-]*): (.+)", rest)
        need(label not in self.hypotheses, f"two hypotheses {label}")
        self.hypotheses[label] = body, True
        for key, text in self.meaning(label, body):
            self.fact(key, text, label)
        if not body.count("="):
            self.trust.add(body.split()[-1])

    def read_without(self, rest):
        """Not assumed: its symbols and equations are forgotten again, so that no proof can use them."""
        label, body = self.fields(r"([a-z][a-z0-9-]*): (.+)", rest)
        need(label not in self.hypotheses, f"two hypotheses {label}")
        types, inverses = dict(self.types), dict(self.inverses)
        self.spare[label] = [equation(text, self.types) for _, text in self.meaning(label, body)]
        self.types, self.inverses = types, inverses
        self.hypotheses[label] = body, False

    def read_conclude(self, rest):
        """Read a conclusion."""
        self.conclusions.append(equation(rest, self.types))

    read_predicate = read_conclude

    def read_induction(self, rest):
        """Read what an induction runs over."""
        need(self.lines.index("induction " + rest) == 0, "an induction says so first")

    def read_base(self, rest):
        """Read the base theorem."""
        self.base = self.fields(r"(\S+) with (.+)", rest)

    def read_step(self, rest):
        """Read the step theorem."""
        self.step = self.fields(r"(\S+) from (.+) to (.+)", rest)

    def read_says(self, rest):
        """Skip the words."""
        pass

    def read_remains(self, rest):
        """Read what remains beyond algebra."""
        self.remains.append(rest)

    def unfold(self, poly):
        """Replace defined symbols by their definitions."""
        for name in reversed(self.definitions):
            if any(name == letter for word in poly[1] for letter, _ in word):
                values = {s: symbol(s, self.types) for s in self.types} | {name: self.definitions[name]}
                poly = cast(replace(poly, values), poly[0])
        return poly


# ---- proofs ----------------------------------------------------------------------------------------------------------


def rational(text, digits=40):
    """A reduced fraction, in its one spelling."""
    need(
        isinstance(text, str) and len(text) <= digits and re.fullmatch(r"-?[0-9]+(/[0-9]+)?", text),
        "not a number",
    )
    need(not re.search(r"/0+$", text) and str(Fraction(text)) == text, "not a reduced fraction")
    return Fraction(text)


def keys(value, *names):
    """A JSON object with exactly these entries."""
    need(
        isinstance(value, dict) and sorted(value) == sorted(names), f"expected the entries {', '.join(names)}"
    )


def items(value, most):
    """A bounded list."""
    need(isinstance(value, list) and len(value) <= most, f"expected a list of at most {most} entries")
    return value


def digest(node):
    """The hash of statement and proof; it covers lemmas through the hashes recorded in the proof."""
    text = json.dumps({k: node[k] for k in ("name", "statement", "steps")}, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False)  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()


class Proof:
    """One theorem of a certificate, step by step."""

    def __init__(self, statement, node, accepted):
        self.s, self.accepted, self.done, self.named = statement, accepted, {}, set()
        self.known_unfolded = {}
        for i, step in enumerate(items(node["steps"], 60), 1):
            need(isinstance(step, dict) and isinstance(step.get("rule"), str), "expected a step with a rule")
            rule = {"combination": self.combination, "lemma": self.lemma, "cancellation": self.cancellation,
                    "witness": self.witness}.get(step["rule"])  # fmt: skip
            need(rule, "unknown rule")
            try:
                rule(f"step({i})", step)
            except Rejected as error:
                raise Rejected(f"{statement.name}, step {i}: {error}") from None
        for conclusion in statement.conclusions:
            need(conclusion in self.done.values(), f"{statement.name}: a conclusion is not reached")
        need(self.named == set(statement.exists), f"{statement.name}: a matrix claimed to exist is not named")

    def known(self, key):
        """Look up a fact; a final prime transposes it."""
        need(isinstance(key, str), "expected the name of a fact")
        base = key.removesuffix("'")
        need(base in self.done or base in self.s.facts, f"{key!r} is not known")
        poly = self.done[base] if base in self.done else self.s.facts[base][1]
        return poly if base == key else turned(poly)

    def word(self, text):
        """Read a product of letters."""
        need(isinstance(text, str) and text.count(" ") < LETTERS, "expected a word")
        result = number(1)
        for letter in text.split(" ") if text else []:
            name = letter.removesuffix("'")
            poly = symbol(name, self.s.types)
            result = times(result, poly if name == letter else turned(poly))
        return result

    def combination(self, name, step):
        """Expand the sum and compare."""
        keys(step, "rule", "conclusion", "terms")
        goal = equation(step["conclusion"], self.s.types)
        # One running total that is added to in place: copying it for every term would take the square of the time.
        total = {}
        for term in items(step["terms"], 2_000):
            need(len(items(term, 4)) == 4, "expected coefficient, word, fact, word")
            c, left, key, right = term
            factor = rational(c)
            part = cast(times(times(self.word(left), self.known(key)), self.word(right)), goal[0])
            for word, x in part[1].items():
                total[word] = total.get(word, 0) + factor * x
            need(len(total) <= 20 * TERMS, "a sum is too large")
        need(clean(goal[0], total) == goal, "the terms do not add up to the conclusion")
        self.done[name] = goal

    def lemma(self, name, step):
        """Replace the symbols of a proved theorem and find its assumptions."""
        keys(step, "rule", "lemma", "hash", "with")
        lemma, s = self.accepted[step["lemma"]], self.s
        need(not lemma.exists and lemma.base is None, "this theorem cannot be used as a lemma")
        keys(step["with"], *lemma.types)
        values, sizes = {}, {}
        for symbol_, text in step["with"].items():
            values[symbol_] = expression(text, s.types)
            need(values[symbol_][0], "a symbol of a lemma becomes a bare number")
            for local, actual in zip(lemma.types[symbol_], values[symbol_][0], strict=True):
                need(sizes.setdefault(local, actual) == actual, "the sizes of a lemma do not fit")

        def moved(poly):
            return cast(replace(poly, values), (sizes[poly[0][0]], sizes[poly[0][1]]))

        have = [
            self.unfolded(poly) for poly in [fact for _, fact in s.facts.values()] + list(self.done.values())
        ]
        have += [turned(poly) for poly in have]
        have += [times(number(-1), poly) for poly in have]
        have = {key_of(poly) for poly in have}
        for key, (_, fact) in lemma.facts.items():
            wanted = s.unfold(moved(fact))
            need(
                not wanted[1] or key_of(wanted) in have, f"the assumption {key} of {lemma.name} is not known"
            )
        for i, conclusion in enumerate(lemma.conclusions, 1):
            self.done[f"{name}.{i}"] = moved(conclusion)

    def unfolded(self, poly):
        """Unfold definitions, of the same polynomial once only."""
        key = key_of(poly)
        if key not in self.known_unfolded:
            self.known_unfolded[key] = self.s.unfold(poly)
        return self.known_unfolded[key]

    def cancellation(self, name, step):
        """Recognise a positive sum of squares that vanishes."""
        keys(step, "rule", "from", "squares", "conclusion")
        goal, total, roots = equation(step["conclusion"], self.s.types), number(0), []
        for square in items(step["squares"], 20):
            need(len(items(square, 2)) == 2, "expected weight and root")
            weight, root = rational(square[0]), expression(square[1], self.s.types)
            need(weight > 0 and root[0], "expected a positive weight and a typed root")
            roots.append(root)
            total = plus(total, times(number(weight), times(turned(root), root)))
        need(total == self.known(step["from"]), "not this sum of squares")
        need(goal in roots, "not the root of one of the squares")
        self.done[name] = goal

    def witness(self, name, step):
        """Accept an expression for a matrix claimed to exist."""
        keys(step, "rule", "symbol", "value")
        a = step["symbol"]
        need(
            isinstance(a, str) and a in self.s.exists and a not in self.named,
            "not claimed to exist, or named twice",
        )
        value = cast(expression(step["value"], self.s.types), self.s.types[a])
        need(not any(n in self.s.exists for w in value[1] for n, _ in w), "a witness depends on another")
        self.named.add(a)
        self.done[name] = plus(symbol(a, self.s.types), value, -1)


def induct(s, node, accepted):
    """The base proves the predicate; the step proves it from the predicate of the parts and nothing else."""
    need(s.base and s.step and s.states and not s.exists, "not a proper induction")
    need(all(used for _, used in s.hypotheses.values()), "an induction has hypotheses, or it has none")
    need(
        len(items(node["steps"], 1)) == 1 and node["steps"][0].get("rule") == "induction",
        "expected one induction",
    )
    keys(node["steps"][0], "rule", "base", "step")
    base, step = accepted[s.base[0]], accepted[s.step[0]]
    loose = ["state", "predicate", "induction", "base", "step", "says", "remains"]
    fixed = [line for line in s.lines if line.split()[0] not in loose]
    # A definition that names a state would speak of the host's own matrix of that name.
    mentioned = {word for line in fixed for word in re.findall(PLAIN, line)}
    need(not mentioned & set(s.states), "what is fixed depends on a state")

    def at(host, text):
        texts = dict(part.split(" = ", 1) for part in text.split(", "))
        need(
            sorted(texts) == sorted(s.states) and text.count(", ") + 1 == len(texts),
            "a state has no one value",
        )
        values = {name: symbol(name, s.types) for name in s.types if name not in s.states}
        values |= {name: expression(texts[name], host.types) for name in s.states}
        sizes = {}
        for name, value in values.items():
            need(value[0] and (name in s.states or host.types.get(name) == value[0]), f"{name} differs")
            for local, actual in zip(s.types[name], value[0], strict=True):
                need(sizes.setdefault(local, actual) == actual, f"the size of {name} does not fit")
        return [cast(replace(p, values), (sizes[p[0][0]], sizes[p[0][1]])) for p in s.conclusions]

    for host in (base, step):
        need(not host.exists and host.base is None, "an induction rests on plain theorems")
        lacking = [line for line in fixed if line not in host.lines]
        # A host that proves its part without one of the hypotheses proves more; data and names it must share.
        need(
            all(line.startswith("assume ") for line in lacking),
            f"{host.name} does not keep fixed what is fixed",
        )
    need(base.conclusions == at(base, s.base[1]), "the base does not conclude the predicate")
    need(step.conclusions == at(step, s.step[2]), "the step does not conclude the predicate")
    assumed = [line for line in fixed if line.startswith("assume ")]
    need(
        all(line in base.lines or line in step.lines for line in assumed),
        "neither base nor step tries a hypothesis",
    )
    # By line, not by label alone: under the same label the step might assume something else.
    given = {line.split()[1][:-1] for line in assumed if line in step.lines}
    parts = s.step[1].split(" and ")
    premises = [p for text in parts for p in at(step, text)]
    own = [p for label, p in step.facts.values() if label and label not in given]
    need(own == premises, "the step assumes something else")
    used = {word for text in parts for part in text.split(", ") for word in part.split(" = ", 1)[1].split()}
    need(used <= set(step.free), "the parts of the step are not arbitrary")


# ---- models: the theorem is not vacuous, and no hypothesis can be dropped --------------------------------------------


class Model:
    """Exact rational matrices for the symbols of a statement."""

    def __init__(self, s, data):
        keys(data, "sizes", "matrices")
        self.s, self.sizes = s, data["sizes"]
        keys(self.sizes, *{size for kind in s.types.values() for size in kind})
        need(all(type(n) is int and 1 <= n <= 8 for n in self.sizes.values()), "sizes go from 1 to 8")
        keys(data["matrices"], *(name for name in s.types if name not in s.exists))
        self.values = {}
        for name, rows in data["matrices"].items():
            height, width = (self.sizes[size] for size in s.types[name])
            need(
                len(items(rows, 8)) == height and all(len(items(row, 8)) == width for row in rows),
                f"shape of {name}",
            )
            self.values[name] = [[rational(x, 60) for x in row] for row in rows]

    def value(self, poly, extra=None):
        """All entries of a polynomial, row by row."""
        values = {**self.values, **(extra or {})}
        height, width = (self.sizes[size] for size in poly[0])
        total = [[Fraction(0)] * width for _ in range(height)]
        for word, c in poly[1].items():
            spend(height * width * (1 + len(word)))
            product = [[c * (i == j) for j in range(height)] for i in range(height)]
            for name, prime in word:
                m = list(zip(*values[name], strict=True)) if prime else values[name]
                product = [
                    [sum(x * y for x, y in zip(row, col, strict=True)) for col in zip(*m, strict=True)]
                    for row in product
                ]
            total = [[x + y for x, y in zip(a, b, strict=True)] for a, b in zip(total, product, strict=True)]
        return [x for row in total for x in row]

    def holds(self, dropped=None):
        """All assumptions but the dropped one; an inverse that it would provide is then a Moore-Penrose inverse."""
        facts = [p for label, p in self.s.facts.values() if label is None or label != dropped]
        for x, (a, kind) in self.s.inverses.items():
            if dropped is not None and self.s.hypotheses[dropped][0] == f"{a} {kind}":
                facts += [equation(text, self.s.types) for _, text in self.s.penrose(a, x)]
        return all(self.same_number(names) for names in self.s.scalars.values()) and not any(
            any(self.value(p)) for p in facts
        )

    def same_number(self, names):
        """Whether these matrices are one number times identities; to commute with what is there is not enough."""
        number = self.values[names[0]][0][0]
        return all(
            self.values[x]
            == [[number * (i == j) for j in range(len(self.values[x]))] for i in range(len(self.values[x]))]
            for x in names
        )

    def concludes(self):
        """The conclusions, or that the matrices claimed to exist do."""
        s, goals = self.s, self.s.conclusions
        if not s.exists:
            return not any(any(self.value(p)) for p in goals)
        linear = all(sum(n in s.exists for n, _ in w) <= 1 for p in goals for w in p[1])
        need(linear, "conclusions must be linear in what is claimed to exist")
        shapes = {a: [self.sizes[size] for size in s.types[a]] for a in s.exists}
        units = [(a, i, j) for a, (h, w) in shapes.items() for i in range(h) for j in range(w)]

        def at(unit):
            extra = {a: [[Fraction((a, i, j) == unit) for j in range(w)] for i in range(h)]
                     for a, (h, w) in shapes.items()}  # fmt: skip
            return [x for p in goals for x in self.value(p, extra)]

        start = at(None)
        columns = [[x - y for x, y in zip(at(unit), start, strict=True)] for unit in units]
        return rank(columns) == rank([*columns, start])

    def violates(self, label):
        """A hypothesis that the theorem does without fails."""
        name, _, kind = self.s.hypotheses[label][0].partition(" ")
        if kind in ("invertible", "left-invertible", "right-invertible"):
            matrix = self.values[name]
            return rank(matrix) < (len(matrix) if kind == "right-invertible" else len(matrix[0]))
        return any(any(self.value(p)) for p in self.s.spare[label])


def rank(rows):
    """Rank by elimination over the rationals."""
    rows, found = [list(row) for row in rows], 0
    for j in range(len(rows[0]) if rows else 0):
        pivot = next((row for row in rows if row[j]), None)
        if pivot:
            found += 1
            rows = [
                [x - row[j] / pivot[j] * y for x, y in zip(row, pivot, strict=True)]
                for row in rows
                if row is not pivot
            ]
    return found


def trials(s, data, own):
    """The model, and one trial for every hypothesis; of a theorem that is not of the collection it may be missing."""
    keys(data, "model", "hypotheses")
    model = Model(s, data["model"])
    need(model.holds() and model.concludes(), f"{s.name}: the model is none")
    keys(data["hypotheses"], *s.hypotheses)
    for label, trial in data["hypotheses"].items():
        assumed = s.hypotheses[label][1]
        if own and trial == {}:
            continue
        keys(trial, "needed" if assumed else "redundant")
        model = Model(s, *trial.values())
        need(
            model.holds(label if assumed else None),
            f"{s.name}: the model for {label} violates another assumption",
        )
        shows = not model.concludes() if assumed else model.violates(label)
        need(shows, f"{s.name}: the model for {label} does not show what it should")


# ---- certificates ----------------------------------------------------------------------------------------------------


def measure(value):
    """Refuse what is too large or too deep before looking at it."""
    size, stack = 0, [(value, 0)]
    while stack:
        item, depth = stack.pop()
        size += 1 + (len(item) if isinstance(item, str) else 0)
        need(size <= SIZE and depth <= 12, "the certificate is too large or too deeply nested")
        if isinstance(item, (dict, list)):
            inside = [x for pair in item.items() for x in pair] if isinstance(item, dict) else item
            stack += [(x, depth + 1) for x in inside]
        else:
            need(
                isinstance(item, str) or type(item) is int, "a certificate holds text and whole numbers only"
            )


def uses(node):
    """Theorems that a proof refers to, with their hashes."""
    found = [(step.get("lemma"), step.get("hash")) for step in node["steps"] if step.get("rule") == "lemma"]
    for step in node["steps"]:
        if step.get("rule") == "induction":
            for kind in ("base", "step"):
                line = [line for line in node["statement"] if line.startswith(kind + " ")]
                need(len(line) == 1, "an induction needs one base and one step")
                found.append((line[0].split()[1], step.get(kind)))
    return found


def check(certificate, registered, own=()):
    """Return the theorems of an accepted certificate, in the order of proof; raise Rejected otherwise.

    The names in ``own`` are of theorems of a user's own, registered like all others.
    """
    Meter.spent = 0
    try:
        return _check(certificate, registered, own)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise Rejected(f"malformed ({type(error).__name__})") from None


def _check(certificate, registered, own):
    """Check the outer shape, then every theorem after those it uses."""
    keys(certificate, "format", "version", "claim", "theorems")
    need(certificate["format"] == "muso-theory certificate", "unknown format", 2)
    need(type(certificate["version"]) is int and certificate["version"] == 1, "unknown version", 2)
    measure(certificate)
    claim, nodes = certificate["claim"], {}
    for node in items(certificate["theorems"], 100):
        keys(node, "name", "statement", "steps", *(["trials"] if "trials" in node else []))
        need(node["name"] not in nodes, "a theorem occurs twice")
        need(all(isinstance(line, str) for line in items(node["statement"], 80)), "expected lines of text")
        need(all(isinstance(step, dict) for step in items(node["steps"], 60)), "expected steps")
        nodes[node["name"]] = node
    wanted = [name for name in registered if name.split("/")[0] == claim]
    need(wanted, f"no theorem is registered for the claim {claim!r}")
    state, accepted = {}, {}

    def visit(name):
        need(name in nodes, f"{name!r} is used or claimed, but not in the certificate")
        need(state.get(name) != "open", f"{name} is used to prove itself")
        if name in state:
            return
        state[name] = "open"
        for lemma, recorded in uses(nodes[name]):
            visit(lemma)
            need(recorded == digest(nodes[lemma]), f"{name} uses another {lemma}")
        node = nodes[name]
        need(
            name in registered and node["statement"] == registered[name].lines,
            f"{name}: not the registered statement",
        )
        statement = registered[name]
        if statement.lines[0].startswith("induction "):
            need("trials" not in node, "an induction has no hypotheses of its own")
            induct(statement, node, accepted)
        else:
            Proof(statement, node, accepted)
            trials(statement, node["trials"], name in own)
        state[name], accepted[name] = "done", statement

    for name in wanted:
        visit(name)
    need(set(accepted) == set(nodes), "a theorem is not used by the claim")
    return list(accepted)


def trusted(name, nodes, registered):
    """What has to be believed beyond expansion of products, in words; ancestors included."""
    found, words, seen = [name], set(), set()
    while found:
        name = found.pop()
        if name not in seen:
            seen.add(name)
            words |= registered[name].trust | {step["rule"] for step in nodes[name]["steps"]} - {
                "combination"
            }
            found += [lemma for lemma, _ in uses(nodes[name])]
    return [WORDS[word] for word in WORDS if word in words]


def read_statements(text):
    """Read statements.txt."""
    registered, name = {}, None
    blocks = {}
    for line in text.splitlines():
        if line.startswith("theorem "):
            name = line.removeprefix("theorem ")
            need(name not in blocks, f"{name} is stated twice")
            blocks[name] = []
        elif line.startswith("  "):
            need(name, "a line of a statement belongs to no theorem")
            blocks[name].append(line.removeprefix("  "))
        else:
            need(not line or line.startswith("#"), f"cannot read the line {line!r} of the statements")
    for name, lines in blocks.items():
        registered[name] = Statement(name, lines)
    return registered


def unique(pairs):
    """JSON objects may not say a thing twice."""
    need(len(dict(pairs)) == len(pairs), "an entry occurs twice")
    return dict(pairs)


def plain(text):
    """Words of a file that is not trusted, without anything that writes lines of its own."""
    return ascii(str(text))[1:-1][:300]


def statements(arguments):
    """The registered theorems, those of the user's own, and the arguments that are left."""
    files, own, rest = [HERE / "statements.txt"], set(), list(arguments)
    while "--statements" in rest:
        at = rest.index("--statements")
        need(at + 1 < len(rest), "expected a file after --statements", 2)
        files.append(Path(rest[at + 1]))
        del rest[at : at + 2]
    registered = {}
    for number, file in enumerate(files):
        text = file.read_bytes()
        need(len(text) <= SIZE, "the file of statements is too large", 2)
        found = read_statements(text.decode("utf-8"))
        known = {name.split("/")[0] for name in registered}
        twice = [name for name in found if name.split("/")[0] in known]
        need(not twice, f"{twice[:1]} is the name of a theorem of the collection", 2)
        registered |= found
        own |= set(found) if number else set()
        print(f"statements {plain(file.name)}: sha256 {hashlib.sha256(text).hexdigest()}")
    return registered, own, rest


def main(arguments):
    """Check files and print what they prove."""
    try:
        registered, own, arguments = statements(arguments)
    except (OSError, UnicodeDecodeError, Rejected) as error:
        print(f"cannot read the statements: {plain(error)}", file=sys.stderr)
        return 2
    paths = [Path(a) for a in arguments] or [HERE / "certificates"]
    files = [f for p in paths for f in (sorted(p.glob("*.json")) if p.is_dir() else [p])]
    if not files:
        print("expected certificates (*.json) but found none", file=sys.stderr)
        return 2
    status, proved = 0, set()
    for file in files:
        try:
            need(file.stat().st_size <= SIZE, "the file is too large")
            certificate = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=unique)
        except (OSError, ValueError, RecursionError, Rejected) as error:
            print(f"{plain(file)}: cannot be read as a certificate ({plain(error)})", file=sys.stderr)
            status = 2
            continue
        try:
            names = check(certificate, registered, own)
        except Rejected as error:
            print(f"REJECTED {plain(file.name)}: {plain(error)}")
            status = max(status, error.status)
            continue
        nodes = {node["name"]: node for node in certificate["theorems"]}
        claim = certificate["claim"]
        proved.add(claim)
        print(f"accepted {claim}")
        for name in names:
            if name.split("/")[0] == claim:
                s = registered[name]
                print(f"  {name}: {next((line[5:] for line in s.lines if line.startswith('says ')), '')}")
                hosts = [s] + ([registered[s.base[0]]] if s.base else [])
                assumed = [
                    f"{label} ({body})" for h in hosts for label, (body, used) in h.hypotheses.items() if used
                ]
                print("    assumes: " + ("; ".join(dict.fromkeys(assumed)) or "nothing"))
                print("    trusts: " + "; ".join(trusted(name, nodes, registered) or ["expanding products"]))
                for words in s.remains:
                    print(f"    beyond algebra: {words}")
                tried = nodes[name].get("trials", {}).get("hypotheses", {})
                if untried := [label for label, trial in tried.items() if not trial]:
                    print(f"    not shown to be needed: {', '.join(untried)}")
    if not arguments:
        for claim in sorted(
            {name.split("/")[0] for name in registered if name not in own} - proved - {"lemma"}
        ):
            print(f"MISSING  {claim}: no accepted certificate")
            status = max(status, 1)
    print(f"{len(proved)} of {len(files)} certificates accepted")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
