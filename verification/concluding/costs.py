"""Conclusions on what is promised to people, and what it costs: guarantees, budgets, times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .judges import Draft, fit, largest, none, ratio, share
from .registry import concludes
from .rows import FoundRows, Result, Tally, count, select


@concludes("guarantees")
def guarantees(result: Result) -> list[Draft]:
    """Removal guarantees, audited."""
    audits, noise = select(result, "audits"), select(result, "audits of noise")
    honest = audits.but(planted=False)
    every = FoundRows("audits, audits of noise", {"planted": False}, [*honest.found, *noise.found])
    points = select(result, "points")
    audited = points._replace(found=[point for point in points.found if "rows" in point])
    plain = points._replace(found=[point for point in points.found if "rows" not in point])

    def loss(method: str) -> Callable[[Mapping[str, Any]], float | None]:
        """Test accuracy that a method's noise costs on a point."""

        def lost(point: Mapping[str, Any]) -> float | None:
            accuracy = {row["method"]: row["test accuracy"]["mean"] for row in point["rows"]}
            if method not in accuracy:
                return None
            return 100 * float(accuracy["retrained, without noise"] - accuracy[method])

        return lost

    return [
        none(
            "removal-certificate",
            "{k} of {n} statistical audits refute the (ε, δ) that a release promises, each at level 0.9999",
            count(every, lambda row: row["violated"]),
        ),
        share(
            "removal-certificate",
            "{k} of {n} releases that leak on purpose are caught by the same audits",
            count(audits.but(planted=True), lambda row: row["violated"]),
            at_least=1.0,
        ),
        share(
            "removal-certificate",
            "{k} of {n} audits would mostly have found it if half the noise were missing; the others are weaker than "
            "that",
            count(
                every,
                lambda row: row["detects"] is not None and row["detects"] <= 2.0 and row["numbers"] == 1,
            ),
        ),
        largest(
            "removal-certificate",
            "exact labels with a proved gap need {least} times less noise than the same release of the model that "
            "forgot nothing, at least, in {n} settings",
            points,
            "ratio",
        ),
        none(
            "removal-certificate",
            "relabelling by the retrained model, released with the noise of its proved gap, has another test "
            "accuracy than retraining without noise in {k} of {n} settings, at ε from 0.1 to 10",
            count(
                audited,
                lambda point: abs(loss("relabelling from retrained, proved gap")(point) or 0.0) > 1e-9,
            ),
        ),
        largest(
            "removal-certificate",
            "descent-to-delete with 1,000 steps, whose guarantee is for any data, costs {least} to {largest} percent "
            "points of test accuracy at ε from 0.1 to 10, median {median} ({n} settings)",
            audited,
            loss("descent-to-delete, 1000 steps, any data"),
        ),
        share(
            "removal-certificate",
            "without a ridge, the released noisy model of random features is CERTIFIED in {k} of {n} settings of "
            "2,000 and 5,000 features",
            count(plain, lambda row: row["verdict"] == "CERTIFIED"),
            at_least=1.0,
        ),
    ]


@concludes("costs")
def costs(result: Result) -> list[Draft]:
    """Estimates and budgets."""
    points, budgets = select(result, "points"), select(result, "budgets")
    return [
        none(
            "costs",
            "{k} of {n} estimates of time and memory, told before a check begins, are off by more than a factor of "
            "three",
            Tally(len(result["outside the factor"]), len(points.found), points.told()),
        ),
        ratio(
            "costs",
            "estimated over measured time is {ratio}, in geometric mean over {n} checks",
            points,
            "time ratio",
        ),
        largest(
            "costs",
            "checks within a budget took at most {largest} times it (or a second), in {n} cases; three is promised",
            budgets,
            "over budget",
            at_most=3.0,
        ),
    ]


@concludes("performance-certified")
def certified(result: Result) -> list[Draft]:
    """The price of a proof."""
    rows = select(result, "certified")
    large = rows._replace(found=[row for row in rows.found if row["n"] >= 1000])
    return [
        ratio(
            "performance",
            "a certified answer takes {ratio} times an ordinary one from 1,000 samples on, in geometric mean over "
            "{n} problems, {largest} at most",
            large,
            "time ratio",
            of="problems",
        ),
        largest(
            "performance",
            "a certified answer takes at most {largest} times the memory of an ordinary one ({n} problems)",
            rows,
            "memory ratio",
        ),
        ratio(
            "performance",
            "balls solve {ratio} times faster than mpmath's lu_solve at 100 and 128 bits, in geometric mean over {n} "
            "systems",
            select(result, "multiprecision"),
            "BALL solve faster than mpmath lu_solve by",
            of="systems",
        ),
    ]


@concludes("performance-dynamics")
def dynamics(result: Result) -> list[Draft]:
    """Predicting instead of training, and relabelling instead of retraining."""
    rows = select(result, "cases")
    asked = rows._replace(found=[row for row in rows.found if row["method"] == "requests"])
    trained = rows._replace(found=[row for row in rows.found if row["method"] != "requests"])
    return [
        largest(
            "gd-finite-time",
            "the closed form of 1,500 epochs is {least} to {largest} times faster than the loop, with the Gram "
            "matrix formed anew, in processor time ({n} cases)",
            trained,
            "ratio with K",
        ),
        largest(
            "cyclic-sgd",
            "a loop that also takes the norm of its residual at each sample takes {least} to {largest} times as long "
            "as the closed form with the Gram matrix formed anew ({n} cases)",
            trained._replace(found=[row for row in trained.found if row["method"] == "cyclic-sgd"]),
            "watched ratio with K",
        ),
        largest(
            "gd-finite-time",
            "the closed form differs from the loop by at most {largest}, relative to the parameters ({n} cases)",
            trained,
            "relative difference",
            at_most=1e-10,
        ),
        largest(
            "leave-block-out",
            "optimal labels of many forget requests come {least} to {largest} times faster than by retraining for "
            "each, both given the Gram matrix ({n} sizes)",
            asked,
            "ratio given K",
        ),
        largest(
            "leave-block-out",
            "these labels differ from those of retraining by at most {largest}, relative to them ({n} sizes)",
            asked,
            "relative difference",
            at_most=1e-10,
        ),
        share(
            "performance",
            "{k} of {n} points were measured on a machine with no more to do than it has processors",
            count(rows, lambda row: max(row["load"]) <= row["processors"]),
        ),
    ]


@concludes("performance-engine")
def engine(result: Result) -> list[Draft]:
    """Whole checks beside plain solves of the same numbers."""
    cases = select(result, "cases")
    plain = "the plain solves of the same numbers"

    def work(name: str, words: str, key: str = "ratio") -> Draft:
        return largest("performance", words, cases.but(work=name), key)

    return [
        work(
            "all claims",
            f"all claims together cost {{least}} to {{largest}} times {plain}, in processor time of one thread "
            "({n} problems)",
        ),
        work(
            "exact-labels",
            f"exact-labels alone costs {{least}} to {{largest}} times {plain}, with its proof, in processor time of "
            "one thread ({n} problems)",
        ),
        work(
            "solve",
            f"a solution costs {{least}} to {{largest}} times {plain}, in processor time of one thread "
            "({n} problems)",
        ),
        *(
            work(
                name,
                f"by the clock, with all processors, {words} takes {{least}} to {{largest}} times {plain} "
                "({n} problems)",
                "ratio of the clock",
            )
            for name, words in (
                ("all claims", "a check of all claims"),
                ("exact-labels", "one of exact-labels"),
                ("solve", "a solution"),
            )
        ),
        share(
            "performance",
            "{k} of {n} points were measured on a machine with no more to do than it has processors",
            count(cases, lambda row: max(row["load"]) <= row["processors"]),
        ),
    ]


@concludes("performance-memory")
def memory(result: Result) -> list[Draft]:
    """Problems in a file, whatever the memory."""
    cases = select(result, "cases")
    here, parts, tiled = (cases.but(where=where) for where in ("threads", "seed", "tiles"))
    width = min(row["D"] for row in here.found)
    return [
        share(
            "performance",
            "{k} of {n} problems, in a file or in blocks from a seed, are certified",
            count(cases, lambda row: row["verdict"] == "CERTIFIED"),
            at_least=1.0,
        ),
        largest(
            "performance",
            "a check of features in a file takes {least} to {largest} bytes at its peak ({n} problems)",
            here,
            "peak bytes",
        ),
        fit(
            "performance",
            "the peak grows as the power {slope} of the number of samples, at one number of features ({n} problems)",
            here.but(D=width),
            "n",
            "peak bytes",
        ),
        largest(
            "performance",
            "exact-labels costs {least} to {largest} times the normal equations in processor time ({n} problems)",
            here,
            "ratio",
        ),
        largest(
            "performance",
            "parts of ImageNet from a seed (2,048 features, 1,000 classes) take {least} to {largest} bytes at the "
            "peak ({n} problems)",
            parts,
            "peak bytes",
        ),
        largest(
            "performance",
            "all of it, extrapolated from the largest part with the fitted exponent or in proportion, whichever is "
            "more, and not measured, takes {largest} processor hours ({n} extrapolation)",
            parts._replace(found=[row for row in parts.found if row.get("processor hours of the whole")]),
            "processor hours of the whole",
        ),
        largest(
            "performance",
            "with the Gram matrix in tiles, label-free and exact-labels cost {least} to {largest} times plain solves "
            "in memory in processor time ({n} problems)",
            tiled,
            "ratio",
        ),
        share(
            "performance",
            "{k} of {n} such checks keep to the memory that they were given",
            count(tiled, lambda row: row["peak bytes"] <= row["memory"] * 1e9),
            at_least=1.0,
        ),
        share(
            "performance",
            "on a cluster of two workers, one of which was killed, {k} of {n} problems have the bounds of threads to "
            "the last digit",
            count(
                cases.but(where=["cluster", "tiles on a cluster"]),
                lambda row: row["bounds as by threads"] and row["killed"] == 1,
            ),
            at_least=1.0,
        ),
        share(
            "performance",
            "{k} of {n} problems were measured on a machine with no more to do than it has processors",
            count(cases, lambda row: max(row["load"]) <= row["processors"]),
        ),
    ]


@concludes("performance-cluster")
def cluster(result: Result) -> list[Draft]:
    """The largest problems by workers."""
    cases = select(result, "cases")
    sizes = ", ".join(f"{row['n']:,} × {row['D']:,}" for row in cases.found)
    return [
        share(
            "performance",
            f"{{k}} of {{n}} problems ({sizes}) are certified on a cluster of two workers, one of which was killed, "
            "with the bounds of threads to the last digit",
            count(
                cases,
                lambda row: (
                    row["verdict"] == "CERTIFIED" and row["bounds as by threads"] and row["killed"] == 1
                ),
            ),
            at_least=1.0,
        ),
        largest(
            "performance",
            "by the clock they take {least} to {largest} times as long as with two threads ({n} problems)",
            cases,
            lambda row: row["seconds"] / row["seconds of threads"],
            at_most=2.0,
        ),
        largest(
            "performance",
            "the process that asks takes {least} to {largest} bytes at its peak ({n} problems)",
            cases,
            "peak bytes",
        ),
        share(
            "performance",
            "{k} of {n} problems were measured on a machine with no more to do than it has processors",
            count(cases, lambda row: max(row["load"]) <= row["processors"]),
        ),
    ]


@concludes("performance-kappa")
def kappa(result: Result) -> list[Draft]:
    """What is decided on ill-conditioned data, and at what price."""
    rows = select(result, "cases")
    return [
        share(
            "leave-block-out",
            "{k} of {n} problems up to condition number 1e20 have every rank and every gap of the paper's claims "
            "decided in float64",
            count(rows, lambda row: not row["undecided"]),
            at_least=1.0,
        ),
        share(
            "performance",
            "of {n} problems from condition number 1e16 on, the float labels that are handed out are CERTIFIED in {k}",
            count(
                rows._replace(found=[row for row in rows.found if row["condition"] >= 1e16]),
                lambda row: set(row["handed out"].values()) == {"CERTIFIED"},
            ),
        ),
        largest(
            "leave-block-out",
            "a check costs {least} to {largest} plain solves ({n} problems)",
            rows,
            "cost in plain solves",
        ),
    ]


@concludes("torch-compare")
def torch_compare(result: Result) -> list[Draft]:
    """The models by name beside torchvision's, with the same random parameters."""
    points = select(result, "points")
    return [
        largest(
            "layers",
            "with the same parameters, our models and torchvision's differ by at most {largest} in float64, relative "
            "to the largest output ({n} models)",
            points,
            "float64",
            at_most=1e-12,
        ),
        largest(
            "layers",
            "in float32 they differ by at most {largest} ({n} models)",
            points,
            "float32",
            at_most=1e-5,
        ),
        largest(
            "layers",
            "their tangent kernels differ by at most {largest} ({n} models)",
            points,
            "kernel",
            at_most=1e-10,
        ),
        ratio(
            "performance",
            "on this processor a forward pass takes {ratio} times torch's time, in geometric mean over {n} models, "
            "{least} to {largest}",
            points,
            lambda row: row["forward seconds"] / row["torch forward seconds"],
        ),
    ]


@concludes("layers")
def layers(result: Result) -> list[Draft]:
    """Layers and published models against their oracles, and what they take."""
    points = select(result, "points")
    rows = points.but(kind="layer")
    models = points.but(kind="model")
    refusals = sum(row["bad inputs"] for row in rows.found)
    accepted = sum(len(row["not refused"]) for row in rows.found)
    return [
        largest(
            "layers",
            "derivative rules of layers differ by at most {largest} from finite differences, relative to the largest "
            "entry ({n} networks, standard and NTK parameterisation)",
            rows,
            "gradient",
            at_most=1e-10,
        ),
        largest(
            "layers",
            "their tangent kernels differ by at most {largest} from the product of Jacobian rows ({n} networks)",
            rows,
            "kernel",
            at_most=1e-12,
        ),
        share(
            "layers",
            "{k} of {n} come back from a file with the same bits",
            count(rows, lambda row: row["same file"]),
            at_least=1.0,
        ),
        none(
            "layers",
            "{k} of {n} bad inputs were not refused in words",
            Tally(accepted, refusals, rows.told()),
        ),
        largest(
            "layers",
            "of ResNet-18 and EfficientNet-B0, with random arrays of the published names and shapes, sampled "
            "coordinates of the gradient differ by at most {largest} from central differences ({n} models)",
            models,
            "gradient",
            at_most=1e-5,
        ),
        largest(
            "layers",
            "their kernels of one output, summed by blocks of parameters, differ by at most {largest} from products "
            "of gradients ({n} models)",
            models,
            "kernel",
            at_most=1e-12,
        ),
        largest(
            "performance",
            "the kernel of one output of a published model takes {largest} MB at most",
            models,
            "megabytes",
            at_most=1024.0,
        ),
        *(
            largest(
                "performance",
                f"on this machine an epoch of resnet8 on {row['images']:,} MNIST images takes {{largest}} processor "
                "seconds with one thread of BLAS",
                points.but(kind="epoch", images=row["images"]),
                "seconds",
                at_most=120.0 * row["images"] / 5000,
            )
            for row in points.but(kind="epoch").found
        ),
    ]


@concludes("performance-ntk")
def ntk(result: Result) -> list[Draft]:
    """Tangent kernels beside other libraries."""
    cases = select(result, "cases")

    def against(peer: str) -> Callable[[Mapping[str, Any]], float | None]:
        return lambda row: row[peer]["ratio_to_ours"] if peer in row else None

    return [
        ratio(
            "performance",
            "on this processor neural-tangents takes {ratio} times our time for a tangent kernel, in geometric mean "
            "over {n} cases, {least} to {largest}",
            cases,
            against("nt-structured"),
        ),
        ratio(
            "performance",
            "on this processor torch takes {ratio} times our time for a tangent kernel, in geometric mean over {n} "
            "cases, {least} to {largest}",
            cases,
            against("torch"),
        ),
        largest(
            "performance",
            "our kernels are off by at most {largest}, relative to a naive evaluation ({n} cases)",
            cases,
            lambda row: row.get("relative_error", row.get("muso", {}).get("relative_error")),
            at_most=1e-10,
        ),
        largest(
            "performance",
            "the matrix products that a tangent kernel cannot do without take BLAS alone {least} to {largest} of our "
            "time ({n} cases)",
            cases,
            "fraction_of_blas",
        ),
    ]
