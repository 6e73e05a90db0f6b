"""A theorem of your own: proved, refuted by an exact counterexample, or left open with what was tried."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, final

from ...algebra.checker import check_bundle
from ...algebra.contradiction import contradiction, squared
from ...algebra.derivation import Node, derive
from ...algebra.expression import parse_expression
from ...algebra.idle import idle_lines
from ...algebra.polynomial import AlgebraError
from ...algebra.prover import NotFoundError
from ...algebra.reading import read_theorem
from ...algebra.search import find_trials, hunt
from ...algebra.statement import Statement, parse_statement
from ...algebra.theorem import Apply, Cancel, PlanStep, Theorem, Witness
from ...algebra.trials import ExactModel, concludes, write_model
from ...arguments import checked
from ...errors import expected
from ...evidence import Verdict
from ...files.reading import read_text
from .certificates import bundle, certificate_of
from .content import shown_matrix
from .proof import Proof
from .registry import THEOREMS, registered_statements

__all__ = ["TheoremAnswer", "attempt", "search_model", "statement"]

_FIRST = 0.1
"""Share of the budget that a first search for a counterexample has: false theorems as a rule show it at once."""
_MAX_BYTES = 100_000
_GLANCE = 3.0
"""Seconds at most for it."""
_DOUBT = 5.0
"""Seconds at most to see that hypotheses contradict one another, where that search met no model of them."""
_LONGEST = 30
"""Terms beyond which a step of a proof is cut into several, at what the search found on its way."""
_POLISH = 1.0
"""Seconds at most to make a step of a proof shorter."""
_TRYING = 3.0
"""Seconds at most for the trials of all hypotheses; `weaken` goes on."""
_TRIALS = 20
"""Models of a size that are looked at to show that a hypothesis is needed."""

Tell = Callable[[str], None]


@final
@dataclass(frozen=True)
class TheoremAnswer:
    """What became of a theorem of your own.

    Args:
        theorem: as it was read.
        verdict: PROVED, REFUTED, UNDECIDED, or VACUOUS where no data satisfy the hypotheses.
        proof: with a certificate, if it is proved.
        model: the counterexample if it is refuted: dimensions, and matrices as exact numbers in text.
        tried: what was tried, and how far, in words.
        untried: hypotheses of a proved theorem that no model showed to be needed.
        idle: lines of the plan on which the proof does not rest.
    """

    theorem: Theorem
    verdict: Verdict
    proof: Proof | None
    model: Mapping[str, Any] | None
    tried: tuple[str, ...]
    untried: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()

    @property
    def fails(self) -> tuple[str, ...]:
        """The conclusions that the counterexample violates."""
        if self.model is None:
            return ()
        parsed = parse_statement(self.theorem.name, self.theorem.lines)
        model = _values(self.model)
        texts = [line.partition(" ")[2] for line in self.theorem.lines if line.startswith("conclude ")]
        if parsed.exists:
            return tuple(texts)
        single = (replace(parsed, conclusions=(c,)) for c in parsed.conclusions)
        return tuple(text for text, one in zip(texts, single, strict=True) if not concludes(one, model))

    def to_markdown(self) -> str:
        """A page: the statement, and its proof, its counterexample, or what was tried."""
        if self.proof is not None:
            extra = (
                [f"Not decided, whether needed: {', '.join(self.untried)}; try --weaken."]
                if self.untried
                else []
            )
            extra += [f"Not used by the proof: {line}" for line in self.idle]
            return self.proof.to_markdown() + "".join(f"{line}\n" for line in extra)
        lines = [f"# {self.theorem.name}", "", f"Status: {self.verdict.name}, {self.verdict.value}.", ""]
        lines += ["```", *self.theorem.lines, "```", ""]
        if self.model is not None:
            sizes = ", ".join(f"{name} = {size}" for name, size in sorted(self.model["sizes"].items()))
            lines += [f"Counterexample, exact, with {sizes}:", ""]
            parsed = parse_statement(self.theorem.name, self.theorem.lines)
            lines += [f"- {s} = {shown_matrix(self.model['matrices'][s])}" for s in parsed.free]
            others = [s for s in self.model["matrices"] if s not in parsed.free]
            if others:
                lines += [
                    "",
                    "so that",
                    "",
                    *(f"- {s} = {shown_matrix(self.model['matrices'][s])}" for s in others),
                ]
            lines.append("")
            lines += [f"Fails: {text}" for text in self.fails]
        lines += ["", "Tried:", "", *(f"- {words}" for words in self.tried), ""]
        return "\n".join(lines)

    def __repr__(self) -> str:
        told = repr(self.proof) if self.proof else self.tried[-1] if self.tried else ""
        return f"TheoremAnswer({self.verdict.name}: {self.theorem.name}, {told})"


_SHORTER = "a have line halfway, a lemma, or an inverse that is assumed makes a proof shorter"

_NO_MODEL = "no rational data that satisfy the hypotheses were found: they may contradict one another"


@checked
def statement(source: str | Path) -> Theorem:
    r"""Read a theorem of your own, in the language of ``proofs/statements.txt``.

    Args:
        source: its text, or a file: a path, or text of one line that ends in ``.txt``.

    Returns:
        The theorem with the plan of its proof, if one is written below the conclusions; for :func:`prove`.

    Raises:
        BadInputError: a file that cannot be read, or a line that cannot, with its number, column and the legal form.

    Example:
        >>> statement("matrix A : n x D\npinv A\nconclude A' A A^+ = A'").lines
        ('matrix A : n x D', 'pinv A', "conclude A' A A^+ = A'")
    """
    if not isinstance(source, str | Path):
        raise expected(
            "a theorem", "source", source, type(source).__name__, "its text, or the path of a file"
        )
    name = "mine"
    if isinstance(source, Path) or ("\n" not in source and source.strip().endswith(".txt")):
        path = Path(source)
        plain = re.sub(r"[^a-z0-9-]+", "-", path.stem.lower()).strip("-")
        name = plain if re.match(r"[a-z]", plain) else name
        source = read_text(path, "FILE", _MAX_BYTES)
    theorem = read_theorem(source, name, {other.name: other.lines for other in THEOREMS.values()})
    if theorem.slug in {other.slug for other in THEOREMS.values()}:
        raise expected(
            "a name of its own",
            "theorem",
            theorem.name,
            "one of the collection",
            f"'theorem my-{theorem.slug}' as its first line",
        )
    return theorem


@checked
def attempt(
    theorem: Theorem,
    seconds: float = 60.0,
    progress: Tell | None = None,
    known: Mapping[str, Node] | None = None,
) -> TheoremAnswer:
    """Prove a theorem, or refute it, within a budget of time.

    Args:
        theorem: from :func:`statement`.
        seconds: about how long to go on; the answer to an easy theorem comes at once.
        progress: told what is going on.
        known: certificates of theorems that the plan uses; None proves them.

    Raises:
        BadInputError: no positive budget, or a plan that says what cannot be read.
    """
    if not seconds > 0:
        raise expected("a positive time", "seconds", seconds, "float", "60")
    tell = progress or (lambda _: None)
    begun = time.monotonic()
    parsed = parse_statement(theorem.name, theorem.lines)
    tell(f"{theorem.name}: looking for a counterexample")
    first = hunt(parsed, begun + min(_GLANCE, _FIRST * seconds), rounds=2)
    if first.model is not None:
        return TheoremAnswer(theorem, Verdict.REFUTED, None, write_model(first.model), (str(first),))
    tried = [f"a first search: {first}"]
    if not first.tried and (words := _contradicting(parsed, seconds)):
        return TheoremAnswer(theorem, Verdict.VACUOUS, None, None, (*tried, words))
    for words, plan in _plans(theorem, parsed):
        left = begun + 0.7 * seconds - time.monotonic()
        if left <= 0:
            tried.append(f"{words}: no time was left")
            continue
        tell(f"{theorem.name}: proving {words}")
        try:
            lemmas = known or _lemmas((*plan, *theorem.plan))
            node = derive(replace(theorem, plan=plan), lemmas, seconds=left, polish=_POLISH, longest=_LONGEST)
        except NotFoundError as error:
            tried.append(f"proving {words}: {error}"[:300])
        except AlgebraError as error:
            tried.append(f"proving {words}: {error}"[:300])
        else:
            answer = _proved(theorem, parsed, node, tried, first.held, begun + seconds, tell)
            return replace(answer, idle=idle_lines(theorem, node, lemmas))
    tell(f"{theorem.name}: looking for a larger counterexample")
    last = hunt(parsed, begun + seconds)
    tried.append(f"a second search: {last}")
    if last.model is not None:
        return TheoremAnswer(theorem, Verdict.REFUTED, None, write_model(last.model), tuple(tried))
    if not first.tried and not last.tried:
        tried.append(_NO_MODEL)
    helpful = "a longer budget, or lines 'have', 'lemma' and 'cancel', help"
    if lacking := set(parsed.exists) - {step.symbol for step in theorem.plan if isinstance(step, Witness)}:
        # Nothing is searched for: a proof has to write down what it claims to exist.
        helpful = f"a line 'choose {min(lacking)} = EXPRESSION' has to say what exists"
    tried.append(f"{time.monotonic() - begun:.0f} s in all; {helpful}")
    return TheoremAnswer(theorem, Verdict.UNDECIDED, None, None, tuple(tried))


def search_model(theorem: Theorem, seconds: float = 60.0) -> TheoremAnswer:
    """Search a counterexample only: REFUTED if one is found, else UNDECIDED, or VACUOUS without any model at all."""
    found = hunt(parse_statement(theorem.name, theorem.lines), time.monotonic() + seconds)
    if found.model is not None:
        return TheoremAnswer(theorem, Verdict.REFUTED, None, write_model(found.model), (str(found),))
    parsed = parse_statement(theorem.name, theorem.lines)
    if not found.tried and (contrary := _contradicting(parsed, seconds)):
        return TheoremAnswer(theorem, Verdict.VACUOUS, None, None, (str(found), contrary))
    words = (str(found),) if found.tried else (str(found), _NO_MODEL)
    return TheoremAnswer(theorem, Verdict.UNDECIDED, None, None, words)


def _plans(theorem: Theorem, parsed: Statement) -> Iterator[tuple[str, tuple[PlanStep, ...]]]:
    """Ways to go about it, in words and as plans; the user's own first."""
    if theorem.plan:
        yield "by the plan that is written", theorem.plan
    if kept := [Cancel(turn) for roots in _rows_kept(theorem, parsed) for turn in _turns(roots)]:
        yield "from rows that their Gram matrix's projector keeps", tuple(kept)
    yield "from the assumptions", ()
    inverted = [a for kind, a in parsed.inverses.values() if kind == "pinv"]
    lemmas = tuple(Apply("lemma/pseudo-inverse", {"A": a}) for a in inverted)
    if lemmas:
        yield "with lemma/pseudo-inverse", lemmas
    for hypothesis in parsed.facts.values():
        if hypothesis.label is not None and (roots := squared(hypothesis.polynomial)):
            yield (
                f"from the squares of {hypothesis.label}",
                (*lemmas, *(Cancel(turn) for turn in _turns(roots))),
            )
    if not parsed.exists:
        # A square is often a consequence where its root is none: over the reals X'X = 0 makes X = 0.
        wanted = [str(c) for c in parsed.conclusions]
        yield "by cancellation of squares", (*lemmas, *(Cancel((root,)) for root in wanted))
        turned = [str(c.transpose()) for c in parsed.conclusions]
        yield "by cancellation of transposed squares", (*lemmas, *(Cancel((root,)) for root in turned))


def _rows_kept(theorem: Theorem, parsed: Statement) -> Iterator[tuple[str, ...]]:
    """Of each H = R'R + F'F with a pseudo-inverse: R − R H⁺H and F − F H⁺H, zero as their squares add up to zero.

    A search among equations does not come to them: it would have to guess the sum.
    """
    for kind, a in parsed.inverses.values():
        for line in theorem.lines:
            name, _, body = line.removeprefix("let ").partition(" = ")
            if kind == "pinv" and line.startswith("let ") and name.partition(" ")[0] == a:
                roots = dict.fromkeys(squared(parse_expression(body, parsed.signature)))
                if roots:
                    yield tuple(f"{root} - {root} {a}^+ {a}" for root in roots)


def _turns(roots: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Each root first, for the first is what a cancellation makes zero."""
    return ((root, *(other for j, other in enumerate(roots) if j != i)) for i, root in enumerate(roots))


def _lemmas(plan: tuple[PlanStep, ...]) -> dict[str, Node]:
    """Certificates of the theorems that a plan applies."""
    return {step.lemma: certificate_of(step.lemma) for step in plan if isinstance(step, Apply)}


def _proved(
    theorem: Theorem,
    parsed: Statement,
    node: Node,
    tried: list[str],
    known: ExactModel | None,
    deadline: float,
    tell: Tell,
) -> TheoremAnswer:
    """Try the hypotheses, put the certificate together and check it."""
    tell(f"{theorem.name}: trying its hypotheses")
    held = known or hunt(parsed, deadline, rounds=3).held
    if held is None:
        # Real data may satisfy them where no rational ones do: A A A = 2 I with A' = A.
        return TheoremAnswer(theorem, Verdict.UNDECIDED, None, None, (*tried, f"proved, but {_NO_MODEL}"))
    trials = find_trials(parsed, tries=_TRIALS, deadline=min(deadline, time.monotonic() + _TRYING))
    trials.setdefault("model", write_model(held))
    untried = tuple(h.label for h in parsed.hypotheses if h.label not in trials["hypotheses"])
    for label in untried:
        trials["hypotheses"][label] = {}
    certificate = bundle(theorem.slug, [{**node, "trials": trials}])
    result = check_bundle(certificate, registered_statements(), {theorem.name: theorem.lines})
    if not result:
        return TheoremAnswer(
            theorem,
            Verdict.UNDECIDED,
            None,
            None,
            (*tried, f"the checker refuses the proof: {result.reason}; {_SHORTER}"),
        )
    proof = Proof(theorem.slug, certificate, {theorem.name: theorem.lines})
    return TheoremAnswer(
        theorem, Verdict.PROVED, proof, None, (*tried, f"{proof.status}{_left(parsed)}"), untried
    )


def _left(parsed: Statement) -> str:
    """Words if a hypothesis is a sum of squares, so that it leaves zero matrices only."""
    told = ""
    for fact in parsed.facts.values():
        roots = dict.fromkeys(root.rstrip("'") for root in squared(fact.polynomial)) if fact.label else ()
        if zero := [f"{root} = 0" for root in roots if root in parsed.free]:
            told += f", and {fact.label}, a sum of squares, leaves {', '.join(zero)} only"
    return told


def _contradicting(parsed: Statement, seconds: float) -> str:
    """Words if the hypotheses are seen to contradict one another."""
    found = contradiction(parsed, min(_DOUBT, seconds / 4))
    return f"no model was found, and none exists: {found}" if found else ""


def _values(model: Mapping[str, Any]) -> ExactModel:
    """A written model as matrices."""
    matrices = {s: [[Fraction(x) for x in row] for row in rows] for s, rows in model["matrices"].items()}
    return dict(model["sizes"]), matrices
