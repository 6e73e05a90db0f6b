"""The certificate checker: regenerate every assumption, expand, compare. It trusts nothing but the statements.

A certificate is accepted only if each of its theorems is, word for word, the theorem registered under that name,
and every step follows by one of five rules:

    combination    q = Σ c·a·g·b with every g a fact of the statement or of an earlier step
    lemma          a theorem of the same certificate, its symbols replaced, its assumptions found among the facts
    cancellation   from Σ cᵢ·qᵢᵀqᵢ = 0 with all cᵢ > 0 conclude qᵢ = 0 (matrices are real)
    witness        a matrix claimed to exist is given by an expression in the other symbols
    induction      base and step theorem prove the predicate of every object built from base objects
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

from ..errors import MusoError
from .derivation import content_hash
from .expression import parse_equation, parse_expression, parse_word
from .induction import check_induction, parse_induction
from .instance import Instance
from .polynomial import AlgebraError, Polynomial, Word, quoted
from .statement import Statement, parse_statement
from .trials import check_trials

__all__ = ["FORMAT", "VERSION", "CheckResult", "check_bundle"]

FORMAT = "muso-theory certificate"
VERSION = 1
_MAX_NODES = 100
_MAX_STEPS = 60
_MAX_TERMS = 2_000
_MAX_DIGITS = 40
_MAX_WORDS = 100_000
_MAX_WORK = 20_000_000
"""Words that the sums of one theorem may touch."""
_MAX_CHARACTERS = 2_000_000


@final
@dataclass(frozen=True)
class CheckResult:
    """What a checker says about a certificate.

    Args:
        accepted: whether it proves the registered theorems of its claim.
        reason: why not; empty if accepted.
        claim: the slug, or None if the certificate does not even say it properly.
        theorems: the names of the theorems proved, lemmas included.

    Example:
        >>> CheckResult(False, "the certificate is empty", None, ())
        CheckResult(rejected: the certificate is empty)
    """

    accepted: bool
    reason: str
    claim: str | None
    theorems: tuple[str, ...]

    def __repr__(self) -> str:
        """Verdict first."""
        if not self.accepted:
            return f"CheckResult(rejected: {self.reason})"
        return f"CheckResult(accepted: {self.claim}, {len(self.theorems)} theorems)"

    def __bool__(self) -> bool:
        """True if accepted."""
        return self.accepted


def check_bundle(
    bundle: object, registered: Mapping[str, Sequence[str]], own: Mapping[str, Sequence[str]] | None = None
) -> CheckResult:
    """Check a certificate against the registered statements.

    Args:
        registered: the lines of every registered theorem, by name.
        own: a user's own, under other names; their hypotheses need not all have been tried.

    Example:
        >>> check_bundle({"format": "something else"}, {})
        CheckResult(rejected: expected a certificate with the keys claim, format, theorems, version)
    """
    try:
        claim, nodes = _opened(bundle)
        own = own or {}
        if taken := sorted(set(own) & set(registered)):
            raise AlgebraError(f"{taken[0]} is the name of another theorem")
        registered = {**registered, **own}
        wanted = {name for name in registered if name.partition("/")[0] == claim}
        if not wanted:
            raise AlgebraError(f"no theorem is registered for the claim {quoted(claim)}")
        if lacking := sorted(wanted - set(nodes)):
            raise AlgebraError(f"the certificate lacks {lacking[0]}")
        order = _ordered(nodes)
        checked: dict[str, Statement] = {}
        for name in order:
            if list(registered.get(name, ())) != nodes[name]["statement"]:
                raise AlgebraError(f"the statement of {quoted(name)} is not the registered one")
            _check_node(name, nodes, checked, open_=name in own)
        if unused := set(nodes) - wanted - _ancestors(wanted, nodes):
            raise AlgebraError(f"{min(unused)} is not used by the claim")
    except MusoError as error:
        return CheckResult(False, str(error), None, ())
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError) as error:
        return CheckResult(
            False, f"the certificate is malformed ({type(error).__name__}: {error})"[:200], None, ()
        )
    return CheckResult(True, "", claim, tuple(order))


def uses(node: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The theorems that a proof refers to, each with the hash it recorded."""
    found = []
    for step in node["steps"]:
        if step.get("rule") == "lemma":
            found.append((step["lemma"], step["hash"]))
        elif step.get("rule") == "induction":
            induction = parse_induction(node["name"], node["statement"])
            found += [(induction.base, step["base"]), (induction.step, step["step"])]
    return found


def _opened(bundle: object) -> tuple[str, dict[str, Any]]:
    """Check the outer shape and sizes."""
    if not isinstance(bundle, dict) or sorted(bundle) != ["claim", "format", "theorems", "version"]:
        raise AlgebraError("expected a certificate with the keys claim, format, theorems, version")
    if bundle["format"] != FORMAT or type(bundle["version"]) is not int or bundle["version"] != VERSION:
        raise AlgebraError(f"expected format {FORMAT!r}, version {VERSION}")
    _measure(bundle)
    _strings(bundle["claim"])
    nodes: dict[str, Any] = {}
    for node in _list(bundle["theorems"], _MAX_NODES, "theorems"):
        if not isinstance(node, dict) or sorted({*node, "trials"}) != [
            "name",
            "statement",
            "steps",
            "trials",
        ]:
            raise AlgebraError("expected theorems with the keys name, statement, steps, trials")
        _strings(node["name"], *_list(node["statement"], 80, "statement lines"))
        _list(node["steps"], _MAX_STEPS, "steps")
        if node["name"] in nodes:
            raise AlgebraError(f"{node['name']} occurs twice")
        nodes[node["name"]] = node
    return bundle["claim"], nodes


def _measure(value: object) -> None:
    """Refuse certificates far larger or deeper than any proof here, before looking at them."""
    size, stack = 0, [(value, 0)]
    while stack:
        item, depth = stack.pop()
        size += 1 + (len(item) if isinstance(item, str) else 0)
        if size > _MAX_CHARACTERS or depth > 12:
            raise AlgebraError("the certificate is too large or too deeply nested")
        if isinstance(item, dict):
            stack += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            stack += [(part, depth + 1) for part in item]
        elif not isinstance(item, str) and type(item) is not int:
            raise AlgebraError(f"a certificate holds no {type(item).__name__}")


def _list(value: object, most: int, what: str) -> list[Any]:
    """A list of bounded length."""
    if not isinstance(value, list) or len(value) > most:
        raise AlgebraError(f"expected a list of at most {most} {what}")
    return value


def _strings(*values: object) -> None:
    """Refuse anything but text."""
    if any(not isinstance(value, str) for value in values):
        raise AlgebraError("expected text in the certificate")


def _ordered(nodes: Mapping[str, Any]) -> list[str]:
    """Every theorem after those it uses; refuses cycles, unknown lemmas and wrong hashes."""
    order: list[str] = []
    state: dict[str, bool] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name not in nodes:
            raise AlgebraError(f"{path[-1]} uses {quoted(name)}, which is not in the certificate")
        if state.get(name) is False:
            raise AlgebraError(f"{name} is used to prove itself")
        if name not in state:
            state[name] = False
            for lemma, digest in uses(nodes[name]):
                visit(lemma, (*path, name))
                if digest != content_hash(nodes[lemma]):
                    raise AlgebraError(f"{name} uses another {lemma} than the one in the certificate")
            state[name] = True
            order.append(name)

    for name in nodes:
        visit(name, ())
    return order


def _ancestors(names: set[str], nodes: Mapping[str, Any]) -> set[str]:
    """Theorems used, directly or not."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        for lemma, _ in uses(nodes[waiting.pop()]):
            if lemma not in found:
                found.add(lemma)
                waiting.append(lemma)
    return found


def _check_node(
    name: str, nodes: Mapping[str, Any], checked: dict[str, Statement], *, open_: bool = False
) -> None:
    """Check one theorem whose lemmas are checked already; ``open_`` lets hypotheses be untried."""
    node = nodes[name]
    if node["statement"][0].startswith("induction"):
        steps = node["steps"]
        if len(steps) != 1 or sorted(steps[0]) != ["base", "rule", "step"] or steps[0]["rule"] != "induction":
            raise AlgebraError(f"{name} is proved by one induction step only")
        if "trials" in node:
            raise AlgebraError(f"{name} has no hypotheses of its own to try")
        induction = parse_induction(name, node["statement"])
        check_induction(induction, checked[induction.base], checked[induction.step])
        return
    statement = parse_statement(name, node["statement"])
    run = _Replay(statement, checked)
    for number, step in enumerate(node["steps"], start=1):
        try:
            run.follow(number, step)
        except MusoError as error:
            raise AlgebraError(f"{name}, step {number}: {error}") from error
    proved = list(run.proved.values())
    for conclusion in statement.conclusions:
        if conclusion not in proved:
            raise AlgebraError(f"{name} does not reach its conclusion {conclusion} = 0")
    if set(run.witnessed) != set(statement.exists):
        raise AlgebraError(f"{name} does not name every matrix it claims to exist")
    check_trials(statement, node["trials"], open_=open_)
    checked[name] = statement


class _Replay:
    """Follows the steps of one proof; ``proved`` grows by what each step establishes."""

    def __init__(self, statement: Statement, checked: Mapping[str, Statement]) -> None:
        self.statement, self.checked = statement, checked
        self.proved: dict[str, Polynomial] = {}
        self.witnessed: dict[str, Polynomial] = {}
        self.spent = 0

    def spend(self, amount: int) -> None:
        """Refuse a proof that takes too much work, however small it is."""
        self.spent += amount
        if self.spent > _MAX_WORK:
            raise AlgebraError(f"checking takes more than {_MAX_WORK:,} steps")

    def fact(self, key: str) -> Polynomial:
        """A known fact by key; a final prime transposes it."""
        _strings(key)
        base = key.removesuffix("'")
        if base in self.proved:
            polynomial = self.proved[base]
        elif base in self.statement.facts:
            polynomial = self.statement.facts[base].polynomial
        else:
            raise AlgebraError(f"{quoted(key)} is not known here")
        return polynomial if base == key else polynomial.transpose()

    def follow(self, number: int, step: Mapping[str, Any]) -> None:
        """Check one step and record what it proves."""
        rules = {
            "combination": (self.combination, ["conclusion", "rule", "terms"]),
            "lemma": (self.lemma, ["hash", "lemma", "rule", "with"]),
            "cancellation": (self.cancellation, ["conclusion", "from", "rule", "squares"]),
            "witness": (self.witness, ["rule", "symbol", "value"]),
        }
        rule, keys = rules.get(str(step.get("rule")), (None, []))
        if rule is None or sorted(step) != keys:
            raise AlgebraError(f"unknown rule, or not the entries it needs: {sorted(step)}"[:160])
        results = rule(step)
        names = [f"step({number})"] if len(results) == 1 and step["rule"] != "lemma" else []
        names = names or [f"step({number}).{i}" for i in range(1, len(results) + 1)]
        self.proved.update(zip(names, results, strict=True))

    def combination(self, step: Mapping[str, Any]) -> list[Polynomial]:
        """Expand Σ c·a·g·b and compare."""
        conclusion = parse_equation(step["conclusion"], self.statement.signature)
        # One running total that is added to in place: copying it for every term would take the square of the time.
        total: dict[Word, Fraction] = {}
        for term in _list(step["terms"], _MAX_TERMS, "terms"):
            if not isinstance(term, list) or len(term) != 4:
                raise AlgebraError("expected terms of four entries: coefficient, left word, fact, right word")
            coefficient, left, key, right = term
            _strings(coefficient, left, key, right)
            a = Polynomial.word(parse_word(left, self.statement.signature), self.statement.signature)
            b = Polynomial.word(parse_word(right, self.statement.signature), self.statement.signature)
            factor, product = rational(coefficient), a * self.fact(key) * b
            for word, c in product.typed(str(conclusion.rows), str(conclusion.cols)).terms.items():
                total[word] = total.get(word, Fraction(0)) + factor * c
            self.spend(len(product.terms))
            if len(total) > _MAX_WORDS:
                raise AlgebraError("a sum is too large")
        found = Polynomial(conclusion.rows, conclusion.cols, {w: c for w, c in total.items() if c})
        if found != conclusion:
            raise AlgebraError(
                f"the terms do not add up to the conclusion: {found - conclusion} is left over"[:300]
            )
        return [conclusion]

    def lemma(self, step: Mapping[str, Any]) -> list[Polynomial]:
        """Replace the symbols of a proved theorem and find its assumptions among the facts."""
        instance = Instance(self.checked[step["lemma"]], self.statement, step["with"])
        for key, needed in instance.unknown(self.proved.values()):
            raise AlgebraError(f"{key} of {step['lemma']} is not known here: {needed} = 0"[:300])
        return instance.conclusions

    def cancellation(self, step: Mapping[str, Any]) -> list[Polynomial]:
        """Recognise a positive combination of squares that is known to vanish."""
        signature = self.statement.signature
        conclusion = parse_equation(step["conclusion"], signature)
        total, roots = Polynomial.number(0), []
        for square in _list(step["squares"], 20, "squares"):
            if not isinstance(square, list) or len(square) != 2:
                raise AlgebraError("expected squares of two entries: weight and root")
            weight, text = square
            _strings(weight, text)
            root = parse_expression(text, signature)
            if rational(weight) <= 0 or root.rows is None:
                raise AlgebraError("squares need positive weights and typed roots")
            roots.append(root)
            total = total + (root.transpose() * root).scaled(rational(weight))
        if total != self.fact(step["from"]):
            raise AlgebraError(f"{step['from']} is not this sum of squares")
        if conclusion not in roots:
            raise AlgebraError(f"{conclusion} is not the root of one of the squares")
        return [conclusion]

    def witness(self, step: Mapping[str, Any]) -> list[Polynomial]:
        """Accept a value for a matrix claimed to exist."""
        symbol = step["symbol"]
        _strings(symbol, step["value"])
        if symbol not in self.statement.exists or symbol in self.witnessed:
            raise AlgebraError(f"{symbol[:40]!r} is not claimed to exist, or is named twice")
        signature = self.statement.signature
        value = parse_expression(step["value"], signature).typed(*signature[symbol])
        if value.symbols() & set(self.statement.exists):
            raise AlgebraError("a witness may not depend on what is claimed to exist")
        self.witnessed[symbol] = value
        return [Polynomial.letter(symbol, signature) - value]


def rational(text: str) -> Fraction:
    """Read a coefficient, an integer or a reduced fraction such as ``-3/2``.

    Raises:
        AlgebraError: if it is anything else, or written otherwise than this package writes it.
    """
    try:
        value = Fraction(text) if len(text) <= _MAX_DIGITS and "e" not in text.lower() else None
    except (ValueError, ZeroDivisionError):
        value = None
    if value is None or str(value) != text:
        raise AlgebraError(f"expected an integer or a reduced fraction but got {text[:40]!r}")
    return value
