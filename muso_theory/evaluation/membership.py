"""Membership attacks that are trained on one half of the samples and judged on the other."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import check_integer, expected, nearest
from ..former import former
from ..numbers import is_constant
from ..numbers.constant import rounding, tied
from .outputs import output_columns
from .roc import FEWEST_SCORES, Attack, roc
from .scores import entropy

__all__ = ["attack", "paper_membership_score"]
former(__name__)

ATTACKS = ("logistic", "threshold")
_TOLERANCE = 1e-4
"""Gradient at which the regression of the literature's score stops: scikit-learn's default."""


@checked
def attack(
    member_scores: object,
    nonmember_scores: object,
    seed: int = 0,
    *,
    method: str = "logistic",
    level: float = 0.95,
) -> Attack:
    """Learn on one half of the samples how scores tell members from non-members, and judge it on the other half.

    The direction is learnt too, so entropy and confidence may both be handed in as they are; on scores that tell
    nothing the AUC is 0.5 on average, never pushed above it by choosing the better direction afterwards.

    Scores enter the regression by their place among the training half's and not by their size: a standard deviation
    would be set by one outlier, which then turns the direction around for everybody else. The direction of a single
    score is so the one in which the training half's own AUC exceeds a half. Scores that agree up to rounding are tied.

    Args:
        member_scores: shape (m,), or (m, s) for several scores together.
        nonmember_scores: shape (k,) or (k, s).
        seed: seed of the split.
        method: "logistic" (regression with balanced classes on ranks) or "threshold" (one score: the
            cut and direction of best balanced accuracy).
        level: confidence level of the intervals.

    Raises:
        BadInputError: fewer than ten scores of a kind, other shapes, entries that are not finite, unknown method.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> attack(rng.normal(1.5, 1, 200), rng.normal(0, 1, 200))
        Attack(AUC 0.8636 in [0.805, 0.907], 100 members, 100 non-members)
    """
    if method not in ATTACKS:
        raise expected("an attack", "method", method, "unknown", nearest(method, ATTACKS))
    seed = check_integer("seed", seed)
    scores = [
        output_columns(member_scores, "member_scores"),
        output_columns(nonmember_scores, "nonmember_scores"),
    ]
    widths = [values.shape[1] for values in scores]
    if widths[0] != widths[1] or (method == "threshold" and widths[0] != 1):
        hint = "one column a score" if method == "logistic" else "method='logistic' for several scores"
        raise expected("the same scores of both kinds", "nonmember_scores", scores[1].shape, "shape", hint)
    for name, values in zip(("member_scores", "nonmember_scores"), scores, strict=True):
        if len(values) < 2 * FEWEST_SCORES:
            hint = "more samples, or roc(…) if larger surely says member"
            raise expected(
                f"at least {2 * FEWEST_SCORES} scores of each kind", name, len(values), "too few", hint
            )
    unit = max(float(rounding(1.0, given)) for given in (member_scores, nonmember_scores))
    together = np.stack([tied(column, unit) for column in np.vstack(scores).T], axis=1)
    scores = [together[: len(scores[0])], together[len(scores[0]) :]]
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(values)) for values in scores]
    train = [values[order[: len(order) // 2]] for values, order in zip(scores, orders, strict=True)]
    held = [np.sort(order[len(order) // 2 :]) for order in orders]
    tested = [values[rows] for values, rows in zip(scores, held, strict=True)]
    members, nonmembers, cut = (_logistic if method == "logistic" else _threshold)(*train, *tested)
    found = roc(members, nonmembers, threshold=cut, samples=(held[0], held[1]), level=level)
    return replace(found, method=method)


def _logistic(
    members: Array, nonmembers: Array, held_members: Array, held_nonmembers: Array
) -> tuple[Array, Array, float]:
    """A logistic regression with balanced classes on ranks: its logits of both held-out kinds, and its cut."""
    from sklearn.linear_model import LogisticRegression

    x = np.vstack([members, nonmembers])
    y = np.repeat([1, 0], [len(members), len(nonmembers)])
    fitted = LogisticRegression(class_weight="balanced").fit(_places(x, x), y)
    if (
        x.shape[1] == 1
    ):  # a single score keeps its values, of which those beyond the training half's have no place
        slope = float(np.sign(fitted.coef_[0, 0])) if not is_constant(x) else 0.0
        middle = -float(fitted.intercept_[0] / fitted.coef_[0, 0]) if slope else 0.0
        kinds = np.unique(x)
        cut = float(np.interp(middle, _places(x, kinds[:, None])[:, 0], kinds))
        return slope * held_members[:, 0], slope * held_nonmembers[:, 0], slope * cut
    held = (fitted.decision_function(_places(x, values)) for values in (held_members, held_nonmembers))
    return next(held), next(held), 0.0


def _places(known: Array, values: Array) -> Array:
    """Where values stand among known ones, column by column: their mid-rank from −½ to ½, interpolated between two."""
    from scipy.stats import rankdata

    places = np.zeros(values.shape)
    for j, column in enumerate(known.T):
        kinds, first = np.unique(column, return_index=True)
        ranks = (rankdata(column)[first] - 0.5) / len(column) - 0.5
        places[:, j] = np.interp(values[:, j], kinds, ranks)
    return places


def _threshold(
    members: Array, nonmembers: Array, held_members: Array, held_nonmembers: Array
) -> tuple[Array, Array, float]:
    """The score in the direction of best balanced accuracy, and the cut, half-way between two scores."""
    values, place = np.unique(np.concatenate([members[:, 0], nonmembers[:, 0]]), return_inverse=True)
    hits = np.bincount(place[: len(members)], minlength=len(values)) / len(members)
    misses = np.bincount(place[len(members) :], minlength=len(values)) / len(nonmembers)
    lead = np.cumsum(hits - misses)[:-1]  # members below a cut, minus non-members below it
    if is_constant(np.append(lead, 0.0), scale=1.0):  # no cut tells them apart
        return 0 * held_members[:, 0], 0 * held_nonmembers[:, 0], 0.0
    best = int(np.argmax(np.abs(lead)))
    sign = -float(np.sign(lead[best]))
    cut = float(values[best] / 2 + values[best + 1] / 2)
    return sign * held_members[:, 0], sign * held_nonmembers[:, 0], sign * cut


def paper_membership_score(
    retain_probabilities: object, test_probabilities: object, forget_probabilities: object
) -> float:
    """Fraction of forget samples that an attack on the prediction entropy calls members.

    The score of arXiv 2410.08557 and much of the literature: logistic regression with balanced classes, retain
    against test samples, then applied to the forget samples. It has no held-out split and no interval, and its value on
    the retrained model need not be a half: compare with that, never with 0.5.

    Entropies are not standardised. The solver stops at a gradient of 1e-4, which leaves the decision off by up to 4e-4,
    since its slope in the intercept is at most ¼. Where entropies are so tiny, or so alike, that the decision varies
    by no more than twice that over the middle halves of retain and of test samples together, the tolerance decides for
    most samples of either kind, and a warning says so. A standard deviation in place of these quartiles would be set
    by a few unsure samples, which decide nothing for the others.

    Args:
        retain_probabilities: rows that sum to one, shape (n_R, C).
        test_probabilities: shape (n_T, C).
        forget_probabilities: shape (n_F, C).

    Raises:
        BadInputError: rows that are no distributions, distributions over different numbers of classes, or fewer than
            five retain or test samples, which any regression tells apart.

    Warns:
        RuntimeWarning: the solver's tolerance decides, not the samples.

    Example:
        >>> sure, unsure = np.tile([0.99, 0.01], (8, 1)), np.tile([0.6, 0.4], (8, 1))
        >>> paper_membership_score(sure, unsure, sure)
        1.0
    """
    from sklearn.linear_model import LogisticRegression

    given = {"retain": retain_probabilities, "test": test_probabilities, "forget": forget_probabilities}
    shapes = {name: output_columns(rows, f"{name}_probabilities").shape for name, rows in given.items()}
    for name, (count, classes) in shapes.items():
        if classes != shapes["retain"][1]:
            what = f"distributions over {shapes['retain'][1]} classes, as those of the retain samples,"
            raise expected(what, f"{name}_probabilities", (count, classes), "shape", "one model's outputs")
        if count < FEWEST_SCORES and name != "forget":
            what = f"at least {FEWEST_SCORES} samples of each kind"
            raise expected(what, f"{name}_probabilities", count, "too few", "more samples")
    retain, test, forget = map(entropy, (retain_probabilities, test_probabilities, forget_probabilities))
    x = np.concatenate([retain, test])[:, None]
    y = np.repeat([1, 0], [len(retain), len(test)])
    fitted = LogisticRegression(class_weight="balanced", tol=_TOLERANCE).fit(x, y)
    decisions = np.split(fitted.decision_function(x), [len(retain)])
    ends = [np.quantile(of_kind, (0.25, 0.75)) for of_kind in decisions]
    spread = float(np.max(ends) - np.min(ends))
    if not spread > 8 * _TOLERANCE:  # 4e-4 either side of the cut
        means = f"{retain.mean():.2g} nats on retain and {test.mean():.2g} on test samples"
        warnings.warn(
            f"the membership score says nothing: entropies are {means} in the mean, too tiny or too alike for its "
            f"regression, whose solver stops where the decision may be off by {4 * _TOLERANCE:g} while it varies by "
            f"{spread:.1g} over the middle halves of both; try evaluation.attack, which goes by ranks, or roc",
            RuntimeWarning,
            stacklevel=2,
        )
    return float(fitted.predict(forget[:, None]).mean())
