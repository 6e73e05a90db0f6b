"""Conclusions on the toolkit itself: is it right, does it say so, and would a mistake be seen?"""

from __future__ import annotations

from .judges import Draft, largest, none, share, told
from .registry import concludes
from .rows import Result, Tally, count, select
from .words import rounded_up


@concludes("soundness")
def soundness(result: Result) -> list[Draft]:
    """Whole checks against exact rationals."""
    judged = result["judged"]["exact"]
    wrong = {
        violation[0] if isinstance(violation, list) else str(violation) for violation in result["violations"]
    }
    rows = {"of": "violations", "where": {}, "n": len(result["violations"])}
    drafts = [
        none(
            "check",
            f"{{k}} of {{n}} whole checks of random problems contradict exact rationals, which judge {judged:,} "
            "proved numbers in them",
            Tally(len(wrong), result["total"], rows),
            drawn="of such checks",
        )
    ]
    for arithmetic in ("auto", "float64"):
        counts = {key: n for key, n in result["rows"].items() if key.startswith(f"{arithmetic}|")}
        rows = {"of": "rows", "where": {"arithmetic": arithmetic}, "n": sum(counts.values())}
        left = result["undecided"][arithmetic]
        words = f"with arithmetic {arithmetic}, {{value}} percent of {rows['n']:,} rows on such problems stay UNDECIDED"
        drafts.append(told("check", words, left, rows))
    sharp = result["bound/truth"]["auto"]
    most = sharp["95th percentile"]
    words = f"95 percent of {sharp['count']:,} proved upper bounds are at most {rounded_up(most)} times the exact value"
    rows = {"of": "bound/truth", "where": {"arithmetic": "auto"}, "n": sharp["count"]}
    return [*drafts, told("check", words, most, rows)]


@concludes("falsifier")
def falsifier(result: Result) -> list[Draft]:
    """Rules that are wrong, and rules that are right."""
    wrong, right = select(result, "wrong"), select(result, "right")
    exact = wrong.but(arithmetic="exact")
    tried = sum(row["tried"] for row in right.found)
    broken = sum(row["verdict"] == "REFUTED" for row in right.found)
    return [
        share(
            "refute",
            "{k} of {n} rules that are wrong on purpose are refuted by an exact counterexample",
            count(exact, lambda row: row["verdict"] == "REFUTED"),
            at_least=1.0,
        ),
        largest(
            "refute",
            "a counterexample of at most {largest} samples is found to each of {n} wrong rules",
            exact,
            "n",
        ),
        none(
            "refute",
            f"none of {len(right.found)} right rules is refuted: {{k}} counterexamples in {{n}} problems searched",
            Tally(broken, tried, right.told()),
        ),
    ]


@concludes("faults")
def faults(result: Result) -> list[Draft]:
    """The k-th write, rename, allocation fails."""
    controls = [{"planted": name, "caught": n} for name, n in result["controls"].items()]
    caught = sum(bool(row["caught"]) for row in controls)
    return [
        none(
            "files",
            "{k} of {n} injected faults of writing, renaming, memory and signals lose an old file, leave a broken "
            "one or go untold",
            count(select(result, "rows"), lambda row: row["wrong"]),
        ),
        share(
            "files",
            "{k} of {n} writers that are careless on purpose are caught by the same faults",
            Tally(caught, len(controls), {"of": "controls", "where": {}, "n": len(controls)}),
            at_least=1.0,
        ),
    ]


@concludes("fuzz")
def fuzz(result: Result) -> list[Draft]:
    """Inputs that nobody means."""
    rows = select(result, "rows")
    given = sum(row["inputs"] for row in rows.found)
    # The defect is on a byte that is no UTF-8; its shortest form is that byte alone.
    found = [violation["base64"] for violation in result["control"]["violations"]] == ["/w=="]
    return [
        none(
            "reading",
            "{k} of {n} random inputs to readers and commands end in anything but an answer or a refusal in words, "
            "within 2 s and 500 MB",
            Tally(sum(row["violations"] for row in rows.found), given, rows.told()),
            drawn="of such inputs",
        ),
        share(
            "reading",
            "{k} of {n} defects planted in a reader is found by the same inputs, in its shortest form",
            Tally(int(found), 1, {"of": "control", "where": {}, "n": 1}),
            at_least=1.0,
        ),
    ]


@concludes("handbook")
def handbook(result: Result) -> list[Draft]:
    """Known theorems and their near misses."""
    rows = select(result, "rows")
    return [
        share(
            "prove",
            "the prover proves {k} of {n} true theorems of handbooks on pseudo-inverses, by certificates",
            count(rows.but(**{"is": "true"}), lambda row: row["verdict"] == "PROVED"),
            at_least=1.0,
        ),
        share(
            "prove",
            "the prover refutes {k} of {n} false theorems that look like true ones, by exact matrices",
            count(rows.but(**{"is": "false"}), lambda row: row["verdict"] == "REFUTED"),
            at_least=1.0,
        ),
    ]


@concludes("hypotheses")
def hypotheses(result: Result) -> list[Draft]:
    """Which hypotheses can be dropped."""
    theorems, claims = select(result, "theorems"), select(result, "claims")
    return [
        none(
            "prove",
            "in {k} of {n} cases a second search contradicts what a certificate says of a hypothesis, needed or "
            "redundant",
            count(theorems, lambda row: row["agrees"] is False),
        ),
        share(
            "prove",
            "{k} of {n} hypotheses of theorems are needed: without one the claim is false, by exact matrices",
            count(theorems, lambda row: row["search"] == "needed"),
        ),
        share(
            "prove",
            "{k} of {n} hypotheses of claims are needed on data: without one the claim is false on an exact instance",
            count(claims, lambda row: row["search"] == "needed"),
        ),
    ]


@concludes("theorems")
def theorems(result: Result) -> list[Draft]:
    """General proofs."""
    claims, unproved = select(result, "claims"), select(result, "without a proof")
    everything = len(claims.found) + len(unproved.found)
    accepted = result["stand-alone checker"].split()
    core = sum(row["status"] == "core proved" for row in claims.found)
    return [
        share(
            "prove",
            f"{{k}} of {{n}} claims are proved in general, for all dimensions; of the others {core} in their "
            "algebraic core",
            Tally(sum(row["status"] == "proved" for row in claims.found), everything, claims.told()),
        ),
        share(
            "prove",
            "{k} of {n} certificates are accepted by a checker that shares no code with the prover",
            Tally(int(accepted[0]), int(accepted[2]), claims.told()),
            at_least=1.0,
        ),
        largest(
            "prove",
            "a theorem needs at most {largest} hypotheses, as exact counterexamples show, of "
            f"the {result['counts']['theorems']} theorems of {{n}} claims",
            claims,
            "most in one",
        ),
    ]


def _mutants(result: Result, where: str, *, drawn: bool) -> list[Draft]:
    """Whether tests see small slips, over all and by room; what is argued to be equivalent is no slip."""
    total = result["total"]
    real = total["mutants"] - total["equivalent"]
    rows = {"of": "killed", "where": {}, "n": total["killed"]}
    controls = select(result, "controls")
    rooms = result["rooms"].items()
    large = [item for item in rooms if item[1]["mutants"] >= 10] or list(rooms)
    room, counts = min(large, key=lambda item: item[1]["score"])
    return [
        share(
            "tests",
            f"{{k}} of {{n}} slips planted at random {where} make a test fail",
            Tally(total["killed"], real, rows),
            drawn=drawn,
        ),
        share(
            "tests",
            f"of the rooms with ten slips or more, fewest are seen in {room}: {{k}} of {{n}}",
            Tally(
                counts["killed"],
                counts["mutants"] - counts["equivalent"],
                {"of": "killed", "where": {"room": room}, "n": counts["killed"]},
            ),
        ),
        none(
            "tests",
            "{k} of {n} runs of the code as it is are taken for a slip",
            count(controls, lambda row: row["fate"] != "survived"),
        ),
    ]


@concludes("mutation")
def mutation(result: Result) -> list[Draft]:
    """The sample whose survivors are answered."""
    return _mutants(
        result,
        f"in {len(result['rooms'])} rooms, and answered since by tests, code or arguments,",
        drawn=False,
    )


@concludes("mutation-held-out")
def mutation_held_out(result: Result) -> list[Draft]:
    """The sample that nobody answers."""
    return _mutants(result, "over the whole package, and answered by nobody,", drawn=True)


@concludes("kernels")
def kernels(result: Result) -> list[Draft]:
    """The tests elsewhere."""
    rows = select(result, "rows")
    had = rows._replace(found=[row for row in rows.found if row["passed"] or row["failed"]])
    return [
        none(
            "tests",
            "{k} of {n} environments (Python, kernel and threads of BLAS) fail a test that was run in them",
            count(had, lambda row: row["failed"]),
        ),
        largest("tests", "the fewest tests that one of {n} environments passed are {least}", had, "passed"),
    ]
