"""One table of words: the field's terms, the symbols used here and the letters of the paper."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GLOSSARY", "Word"]


@dataclass(frozen=True)
class Word:
    """A term and what it means.

    Args:
        name: the word or symbol that is looked up.
        symbol: its symbol in formulas, and the paper's letter where that differs.
        code: its name in code.
        meaning: one or two sentences.
    """

    name: str
    symbol: str
    code: str
    meaning: str


_WORDS = (
    Word(
        "features",
        "Φ (paper: Z)",
        "problem.features",
        "Feature matrix, one row φ(x_i) a sample, shape (n, D).",
    ),
    Word(
        "retain", "R (paper: Z_r rows)", "problem.retain", "Samples that stay. Arrays are sorted row indices."
    ),
    Word(
        "forget",
        "F (paper: Z_u rows)",
        "problem.forget, --forget, a column or array of that name",
        "Samples to be forgotten. Every label array follows this order.",
    ),
    Word(
        "targets",
        "y",
        "problem.targets",
        "What the model is trained to predict; several outputs are columns.",
    ),
    Word(
        "w_init",
        "w₀",
        "problem.w_init, --w-init, an array of that name",
        "Parameters from which both pretraining and retraining start; zero, and said to be assumed, where none are "
        "given.",
    ),
    Word(
        "gram",
        "K = ΦΦᵀ",
        "gram",
        "Inner products of feature rows, shape (n, n); blocks K_RR, K_RF, K_FR, K_FF.",
    ),
    Word(
        "row-projector",
        "P = Φ⁺Φ, P_R",
        "row_projector",
        "Projector onto the span of feature rows. It is never formed: only its action is computed.",
    ),
    Word(
        "w_pretrained",
        "w_p",
        "solution.w_pretrained",
        "Where training on all samples ends: w₀ + Φ⁺(y − Φw₀).",
    ),
    Word(
        "w_retrained",
        "w_r",
        "solution.w_retrained",
        "The gold standard: training on R alone, from the same w₀.",
    ),
    Word(
        "w_unlearned",
        "w_u",
        "solution.w_unlearned",
        "Where fine-tuning from w_p on all samples ends, after the forget samples got new labels.",
    ),
    Word("forget-labels", "ỹ_F", "solution.forget_labels", "The new labels of the forget samples."),
    Word(
        "label-error",
        "δ = ỹ_F − Φ_F w_r",
        "label_error",
        "How far labels are from the retrained model's predictions.",
    ),
    Word(
        "schur",
        "S = K_FF − K_FR K_RR⁻¹ K_RF",
        "schur",
        "Schur complement; the squared gap of any labels is δᵀS⁻¹δ.",
    ),
    Word(
        "gap",
        "‖w_u − w_r‖",
        "parameter_gap",
        "Distance to the retrained parameters (Frobenius norm). The paper reports its square over D.",
    ),
    Word(
        "minimum-norm-update",
        "G(w) = w + Φ⁺(y − Φw)",
        "model.fit",
        "Where gradient descent on least squares from w ends (claim implicit-bias).",
    ),
    Word("exact-unlearning", "w_u = w_r", "", "Equality in parameter space, in exact arithmetic."),
    Word(
        "condition-number",
        "κ(K) = λ_max/λ_min⁺",
        "condition_number",
        "How much a solve with K amplifies rounding; float64 has about 16 digits to lose.",
    ),
    Word(
        "tolerance",
        "‖w_u − w_r‖ ≤ tolerance · ‖w_p − w_r‖",
        "tolerance=, --tolerance",
        "What an audit of floating-point labels or parameters asks for; 1e-6 unless you say otherwise. Relative to "
        "‖w_r − w₀‖ instead, and told so, where doing nothing is within half a last place of every float judged.",
    ),
    Word(
        "arithmetic",
        "",
        "arithmetic=, --arithmetic",
        "auto, float64 (measured), ball (rigorous enclosures of growing precision), rational (exact).",
    ),
    Word(
        "feature-precision",
        "‖Φ̂ − Φ‖_F",
        "features_precision, --features-precision",
        "How far the float features Φ̂, otherwise taken as the data, are from their map Φ evaluated at N digits.",
    ),
    Word(
        "certified-removal",
        "(ε, δ)",
        "evaluation.removal_certificate",
        "Whoever sees the released parameters can tell unlearned from retrained ones only up to (ε, δ): "
        "P(A) ≤ e^ε P'(A) + δ for every event A. Needs a proved bound of the gap; a measured one certifies nothing.",
    ),
    Word(
        "noise",
        "σ(Δ, ε, δ)",
        "evaluation.gaussian_sigma",
        "Standard deviation that the analytic Gaussian mechanism adds to each parameter to hide a distance Δ: the "
        "smallest that suffices, rounded up. Proportional to Δ.",
    ),
    Word(
        "guarantee",
        "(ε, δ)",
        "evaluation.guarantee",
        "That what is published can hardly be told from what would have been published on other data, or by "
        "retraining: one object with its noise, what is public, private, assumed and checked. "
        "evaluation.audit_guarantee tries to refute it. Mechanisms: output-noise, newton-step, descent-to-delete, "
        "noisy-descent, proved-gap.",
    ),
    Word(
        "public",
        "N, k, λ, L, T, τ, C",
        "evaluation.Public",
        "Constants that were declared before the data were seen. Guarantees for any data make their noise from these "
        "alone, and data are only checked against them.",
    ),
    Word(
        "removal",
        "",
        "evaluation.removal_certificate",
        "Publishing parameters after samples have left, with noise that hides how far they are from the retrained "
        "ones. The algorithms are evaluation.newton_removal, descent and noisy_descent.",
    ),
    Word(
        "output-noise",
        "Δ = kL max|ℓ'|/λ + 2τ",
        'evaluation.guarantee("output-noise", …)',
        "Nothing is done at removal: noise on the minimiser, objective.minimiser(), hides every k samples, of any data "
        "within the public constants.",
    ),
    Word(
        "newton-step",
        "w + H⁻¹Σ_F∇ℓ",
        'evaluation.guarantee("newton-step", …)',
        "Certified removal of Guo et al.: one Newton step on the retained samples by evaluation.newton_removal, and "
        "noise.",
    ),
    Word(
        "descent-to-delete",
        "",
        'evaluation.guarantee("descent-to-delete", …)',
        "Gradient steps on the retained samples at every request, evaluation.descent with a public step, and noise.",
    ),
    Word(
        "noisy-descent",
        "",
        'evaluation.guarantee("noisy-descent", …)',
        "Training by clipped gradients with noise in every step, evaluation.noisy_descent; nothing is done at removal.",
    ),
    Word(
        "proved-gap",
        "Δ ≥ ‖w − w_r‖",
        'evaluation.guarantee("proved-gap", …)',
        "Noise for a distance that was proved for this data and forget set, objective.gap_bound(w). It is private, so "
        "that this is no differential privacy.",
    ),
    Word(
        "methods",
        "",
        "methods.METHODS",
        "Ways to unlearn, of the literature and of this project, each with formula, source and how exact it is.",
    ),
    Word(
        "membership-inference",
        "AUC",
        "evaluation.attack",
        "Telling from a model's outputs whether a sample was trained on: learnt on one half of the samples, judged on "
        "the other. An AUC of 0.5 is chance, but the null of unlearning is the same attack on the retrained model.",
    ),
    Word(
        "likelihood-ratio-attack",
        "LiRA",
        "evaluation.likelihood_ratio",
        "Membership inference against shadow models: is the logit confidence of a sample more likely among models "
        "that were trained on it, or among those that were not?",
    ),
    Word(
        "klom",
        "KL of margins",
        "evaluation.klom",
        "For each sample, how far the margins of unlearned models are, over seeds, from those of retrained ones; "
        "beside it the same number for two groups of retrained models, its null.",
    ),
    Word(
        "condition",
        "",
        "",
        "A hypothesis that claims use, checked on your data. If it fails it is VACUOUS: what needs it says nothing.",
    ),
    Word(
        "understood",
        "",
        "problem.understood",
        "What was taken to be target, task, features, map, w₀ and forget set. Every report begins with it, with the "
        "option that says it outright where it was inferred or is a default.",
    ),
    Word(
        "data",
        "",
        "DATA",
        "digits, breast_cancer or mnist, the name of a file, or - for standard input. The content of a file decides "
        "what it is, not its name.",
    ),
    Word(
        "csv",
        "",
        "DATA, mt.from_frame",
        "A table as text with a header: separators, decimal commas and compression are recognised and told. Columns "
        "are features, but the target, a column forget, and those that name samples.",
    ),
    Word(
        "xlsx",
        "",
        "DATA, --sheet",
        "An Excel table, read as a csv; needs pip install 'muso-theory[parquet]'.",
    ),
    Word(
        "parquet",
        "",
        "DATA",
        "A Parquet or Feather table, read as a csv; needs pip install 'muso-theory[parquet]'.",
    ),
    Word(
        "npz",
        "",
        "DATA",
        "An archive of arrays: X (or features), y and forget, perhaps groups and w_init; and labels, w_pretrained or "
        "w_unlearned, which are audited.",
    ),
    Word(
        "npy",
        "",
        "DATA, --target N",
        "One matrix, of which --target names the column of targets by its number.",
    ),
    Word(
        "target",
        "y",
        "--target, target=",
        "The column that the model is trained to predict, by name, or by number in an .npy matrix.",
    ),
    Word(
        "task",
        "",
        "--task, task=",
        "classification turns targets into −1 and +1, or one column a class; regression takes their numbers.",
    ),
    Word(
        "index",
        "",
        "--index, index=",
        "The column that names the samples. It is no feature: a model could tell samples apart by it alone.",
    ),
    Word(
        "identifier",
        "",
        "--index, --drop",
        "A column that names samples and does not measure them: named like one, a counter, or integers of which none "
        "repeats. It is no feature.",
    ),
    Word(
        "audit",
        "",
        "--audit FILE, labels=, w_unlearned=, w_pretrained=",
        "The question whether something that was handed in is what it should be. Its answer never touches a theorem.",
    ),
    Word(
        "output",
        "",
        "rows such as exact-labels[output]; Evidence.about is About.OUTPUT",
        "The very floats that this package hands out: a labels file, w_unlearned. Their row bounds how far they are "
        "from the exact numbers that they stand for; CERTIFIED within tolerance, else UNDECIDED, never refuted.",
    ),
    Word(
        "limit",
        "",
        "finding.limit",
        "What a number of a row is held against: a tolerance times a length, or a bar such as a rank. A bound is "
        "rounded up and the limit down (up, where it must be exceeded), to digits that compare as the verdict says.",
    ),
    Word(
        "doing-nothing",
        "‖w_p − w_r‖",
        "muso unlearn --method none",
        "The gap that is left if nothing is unlearned, between pretrained and retrained parameters; every other gap is "
        "measured against it.",
    ),
    Word(
        "gap-share",
        "‖w_u − w_r‖ / ‖w_p − w_r‖",
        "muso unlearn, muso sweep",
        "The part of doing nothing that a method leaves: 0 is exact unlearning, 1 is none.",
    ),
    Word(
        "null",
        "",
        "muso unlearn --test",
        "What an attack scores where nothing of the forget set is left: on the retrained model.",
    ),
    Word(
        "bandwidth",
        "",
        "--bandwidth",
        "The distance over which the kernel of random features falls: a number, or the median distance of two samples.",
    ),
    Word(
        "median",
        "",
        "--bandwidth median",
        "A bandwidth that is the median distance between two samples that the map is fitted on.",
    ),
    Word(
        "scale",
        "",
        "--standardize",
        "Told where one column spreads so much wider than the others that distances, and so a kernel, see little else.",
    ),
    Word(
        "map",
        "φ",
        "--features, feature_map=",
        "What makes features of inputs: identity, or random features of a kernel. It is part of the model.",
    ),
    Word(
        "map-fitted-on",
        "",
        "--fit-map, fit_map=",
        "The samples that map, bandwidth and scaler were fitted on. If they are all samples, the map still depends on "
        "what is to be forgotten: condition map-free-of-forget.",
    ),
    Word(
        "outputs",
        "C",
        "problem.n_outputs",
        "Columns of the targets, one a class where there are more than two; they never interact.",
    ),
    Word(
        "constant",
        "",
        "--drop, drop=",
        "Features that have one value for all samples, and so tell no samples apart.",
    ),
    Word(
        "dropped",
        "",
        "--drop, drop=",
        "Columns that are no features: asked for, or because they name samples.",
    ),
    Word(
        "scaling",
        "",
        "--standardize, standardize=",
        "What was done to inputs before the map: nothing, or mean 0 and standard deviation 1.",
    ),
    Word(
        "test",
        "",
        "--test, test=",
        "Samples that are held out before anything is fitted, for test accuracy and the membership attack.",
    ),
)

GLOSSARY: dict[str, Word] = {word.name: word for word in _WORDS}
