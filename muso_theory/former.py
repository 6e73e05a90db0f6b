"""Public names of earlier versions, and by what they are replaced: whoever asks for one is told the new one.

Rooms ask through `lazily`, files by ``former(__name__)``; `Renamed` does it in classes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NoReturn

from .errors import RenamedError

__all__ = ["FORMER", "former", "refuse_former"]

FORMER: Mapping[str, str] = {
    "arrays.first_equal_rows": "linear.repeats.first_equal_rows",
    "checking.ARITHMETICS": "linear.handed.ARITHMETICS",
    "checkpoints.Point": "checkpoints.GridPoint",
    "claims.Case": "claims.case.Case",
    "claims.Catalogue": "claims.CATALOGUE",
    "claims.alternating.ALTERNATING": "claims.alternating.ALTERNATION",
    "claims.catalogue.Artefact": "claims.case.Artefact",
    "claims.catalogue.Case": "claims.case.Case",
    "claims.catalogue.Condition": "claims.Claim",
    "claims.catalogue.Found": "claims.case.Found",
    "claims.catalogue.TOLERANCE": "settings.TOLERANCE",
    "claims.catalogue.Yardstick": "claims.case.Yardstick",
    "claims.checks.on_request": "claims.checks.by_name_only",
    "climbing.Checker": "climbing.climber",
    "command_line.check_folder": "files.Outputs",
    "command_line.check_spared": "files.Outputs",
    "command_line.check_writable": "files.Outputs",
    "completing.claims": "completing.claim_words",
    "completing.conditions": "completing.condition_words",
    "completing.methods": "completing.method_words",
    "costs.Length": "costs.entry_length",
    "data.dataset.check_forget": "arrays.forget_indices",
    "data.dataset.class_order": "targets.class_order",
    "data.dataset.integer_labels": "targets.integer_labels",
    "data.table": "data.tables",
    "data.tables.COMPRESSED": "data.compressed.COMPRESSED",
    "data.tables.decompressed": "data.compressed.decompressed",
    "data.tables.packed": "data.compressed.packed",
    "data.targets": "targets",
    "descent.loop.Diverged": "descent.loop.DivergedError",
    "descent.loop.Guard": "descent.loop.growth_guard",
    "descent.passes.Samples": "descent.passes.Batch",
    "descent.updates.METHODS": "descent.updates.OPTIMIZERS",
    "descent.updates.Method": "descent.updates.Optimizer",
    "descent.updates.TrainingMethod": "descent.updates.Optimizer",
    "descent.updates.Update": "descent.updates.Optimizer",
    "descent.updates.method_named": "descent.updates.optimizer_named",
    "evaluation.Difference": "evaluation.Estimate",
    "evaluation.Rate": "evaluation.Estimate",
    "evaluation.convex.LOSSES": "evaluation.convex.CONVEX_LOSSES",
    "evaluation.guarantees.Mechanism": "evaluation.mechanisms.MECHANISMS",
    "evaluation.guarantees.descent": "evaluation.descent",
    "evaluation.guarantees.descent_bound": "evaluation.public.descent_reach",
    "evaluation.guarantees.global_sensitivity": "evaluation.public.global_sensitivity",
    "evaluation.guarantees.newton_noise": "evaluation.removal.newton_noise",
    "evaluation.guarantees.newton_removal": "evaluation.newton_removal",
    "evaluation.guarantees.noisy_descent": "evaluation.noisy_descent",
    "evaluation.intervals.Rate": "evaluation.Estimate",
    "evaluation.intervals.check_count": "errors.check_integer",
    "evaluation.margins.FEWEST": "evaluation.margins.FEWEST_MODELS",
    "evaluation.mechanisms.Mechanism": "evaluation.mechanisms.MECHANISMS",
    "evaluation.mechanisms.PUBLISHED": "evaluation.mechanisms.PUBLISHED_ONCE",
    "evaluation.release.secret_seed": "errors.check_integer",
    "evaluation.roc.Difference": "evaluation.Estimate",
    "files.KINDS": "kinds.FILE_KINDS",
    "glossary.Word": "glossary.GLOSSARY",
    "inputs.maps.ruling": "linear.fitting.ruling",
    "inputs.samples.samples_to_fit": "inputs.samples.said_to_fit",
    "kinds.KINDS": "kinds.FILE_KINDS",
    "kinds.seal": "kinds.with_seal",
    "ladder.ARITHMETICS": "linear.handed.ARITHMETICS",
    "ladder.rungs": "ladder.Ladder",
    "linear.METHODS": "linear.OPTIMIZERS",
    "linear.answers.content": "linear.answers.content_of",
    "linear.baselines": "methods",
    "linear.feature_map.UnfittedFeatureMapError": "BadInputError",
    "linear.feature_map.check_integer": "errors.check_integer",
    "linear.identity.hash_array": "linear.identity.running_hashes",
    "linear.model.ClosedForms": "linear.closed_forms.ClosedForms",
    "linear.precise.Perturbation": "linear.precise.perturbation",
    "linear.precise.estimated_seconds": "linear.precise.seconds_of_map",
    "linear.problem.kept": "linear.kept.kept",
    "linear.problem.row_blocks": "arrays.row_blocks",
    "linear.repeats.others": "linear.repeats.few_others",
    "linear.row_systems": "linear.scaled_features",
    "linear.rules": "methods.rules",
    "linear.training.METHODS": "linear.OPTIMIZERS",
    "linear.training.convex.ConvexGaps": "linear.training.convex.fine_tune_convex",
    "linear.training.coordinates.image": "linear.training.coordinates.image_of",
    "linear.training.engines.Diverged": "descent.loop.DivergedError",
    "linear.training.engines.Spectral": "linear.training.engines.engine_for",
    "linear.training.engines.Steps": "linear.training.engines.engine_for",
    "linear.training.engines.Sweep": "linear.training.engines.SweepEngine",
    "linear.training.engines.Sweeps": "linear.training.engines.engine_for",
    "linear.training.engines.length": "descent.loop.length",
    "linear.training.errormaps.ScheduledDescent": "linear.training.errormaps.error_map",
    "linear.training.errormaps.SpectralMap": "linear.training.errormaps.error_map",
    "linear.training.errormaps.SweepMap": "linear.training.errormaps.error_map",
    "linear.training.losses": "descent.losses",
    "linear.training.passes": "descent.passes",
    "linear.training.plan": "descent.plan",
    "linear.training.result": "linear.Training",
    "linear.training.schedules": "descent.schedules",
    "linear.training.sweep": "linear.training.engines",
    "linear.training.updates": "descent.updates",
    "markup.evidence_table": "summary.evidence_table",
    "markup.sentence": "summary.sentence",
    "meaning.reason": "meaning.reason_of",
    "methods.AnchoredMinimumNormGradient": "methods.AnchoredOrthogonalGradient",
    "methods.BadTeacher": "methods.BadTeaching",
    "methods.FineTune": "methods.FineTuning",
    "methods.MinimumNormGradient": "methods.OrthogonalGradient",
    "methods.NetworkMethod": "methods.Method",
    "methods.Nothing": "methods.NoUnlearning",
    "methods.OracleLabels": "methods.ClosedFormLabels",
    "methods.PublishedResult": "methods.AlternatingResult",
    "methods.PublishedRound": "methods.Epoch",
    "methods.RandomLabels": "methods.RandomRelabelling",
    "methods.Retrain": "methods.Retraining",
    "methods.SalUn": "methods.SaliencyRelabelling",
    "methods.Signature": "methods.FailureSign",
    "methods.UnlearningMethod": "methods.Method",
    "methods.difference.LinearOutputs": "methods.difference.linear_outputs",
    "methods.kernel_alignment": "linear.approximation.centred_alignment",
    "methods.method.finite": "methods.method.require_finite",
    "methods.monitors.Signature": "methods.FailureSign",
    "methods.monitors.kernel_alignment": "linear.approximation.centred_alignment",
    "methods.published.PublishedResult": "methods.AlternatingResult",
    "methods.published.PublishedRound": "methods.Epoch",
    "methods.ranges.fraction": "methods.ranges.require_fraction",
    "methods.ranges.nonnegative": "methods.ranges.require_nonnegative",
    "methods.ranges.positive": "methods.ranges.require_positive",
    "methods.subsets": "methods.alternation",
    "methods.tangent.HeadCondition": "methods.HeadCondition",
    "methods.tangent.Projector": "methods.projector.Projector",
    "methods.tangent.ProjectorCheck": "methods.ProjectorCheck",
    "methods.tangent.check_projector": "methods.check_projector",
    "methods.tangent.head_features": "methods.head_features",
    "methods.tangent.head_labels": "methods.head_labels",
    "methods.tangent.head_matrix": "methods.head_matrix",
    "methods.tangent.row_projector": "methods.row_projector",
    "networks.FiniteDifferences": "networks.finite_differences",
    "networks.GradientError": "BadInputError",
    "networks.Training": "networks.TrainedNetwork",
    "networks.composition.Residual": "networks.Residual",
    "networks.composition.is_analytic": "networks.Layer.analytic",
    "networks.convolution.AvgPool": "networks.AvgPool",
    "networks.convolution.GlobalAvgPool": "networks.GlobalAvgPool",
    "networks.distance.TangentDistance": "networks.distance.tangent_distance",
    "networks.enclosure.KinkError": "networks.kinks.KinkError",
    "networks.enclosure.estimated_seconds": "networks.enclosure.seconds_of_tangent",
    "networks.gradcheck.GradientError": "BadInputError",
    "networks.layer.KINDS": "networks.layer.LAYERS",
    "networks.layers": "networks.layer",
    "networks.models.Parts": "networks.models.MODELS",
    "networks.network.Residual": "networks.Residual",
    "networks.oracles.Difference": "networks.finite_differences",
    "networks.oracles.FiniteDifferences": "networks.finite_differences",
    "networks.oracles.Method": "networks.oracles.DifferenceFormula",
    "networks.radii.TINY": "networks.radii.UNDERFLOW",
    "networks.radii.UNIT": "numbers.rounding.UNIT",
    "networks.tables.Curve": "networks.tables.curve_table",
    "networks.tables.CurveTable": "networks.tables.curve_table",
    "networks.training.Loss": "descent.losses.Loss",
    "networks.training.Optimizer": "descent.updates.Optimizer",
    "networks.training.Training": "networks.TrainedNetwork",
    "networks.training.loss_and_cotangent": "descent.losses.loss_and_cotangent",
    "networks.unlearning": "methods",
    "networks.updates": "networks.training",
    "numbers.CertifiedProblem": "linear.certified.CertifiedForms",
    "numbers.accurate.Rows": "numbers.accurate.Chosen",
    "numbers.accurate.one_blas_thread": "numbers.ieee.one_blas_thread",
    "numbers.balls.BallFactor": "numbers.Factor",
    "numbers.float64.Float64": "numbers.FLOAT64",
    "numbers.inputs.float_columns": "numbers.inputs.float_array",
    "numbers.multiprecision.MPFactor": "numbers.Factor",
    "numbers.rational.Rational": "numbers.RATIONAL",
    "numbers.rational.RationalFactor": "numbers.Factor",
    "numbers.rational_matrix.Primitive": "numbers.rational_matrix.RationalMatrix",
    "numbers.rounding.require_ieee": "numbers.ieee.require_ieee",
    "numbers.rowsystem": "numbers.base_system",
    "numbers.verified": "linear.certified",
    "pages.Instance": "pages.Observation",
    "pages.details.Gap": "pages.details",
    "pages.details.Rung": "ladder.Rung",
    "pages.instances.Instance": "pages.Observation",
    "plots.captions.CaptionError": "BadInputError",
    "plots.gallery.OWN": "plots.gallery.OWN_FIGURES",
    "plots.marks.finite": "plots.marks.is_drawable",
    "plots.sources.KINDS": "plots.sources.DRAWN_FROM",
    "plots.sources.Source": "plots.sources.ResultFile",
    "points.Point": "checkpoints.GridPoint",
    "points.write_atomically": "files.write_atomic",
    "refutation.counterexample.KINDS": "refutation.counterexample.REFUTED_KINDS",
    "refutation.structures.Rows": "refutation.structures.ExactRows",
    "refutation.trials.ClaimTrial": "refutation.trials.claim_trial",
    "refutation.trials.RuleTrial": "refutation.trials.rule_trial",
    "refutation.trials.conditions": "refutation.trials.named_conditions",
    "report.SCHEMA": "report.REPORT_SCHEMA",
    "results.SCHEMA": "results.RESULT_SCHEMA",
    "results.content_hash": "results.result_hash",
    "scoring.parts": "scoring.scored_parts",
    "sweeping.Axis": "sweeping.AXES",
    "sweeping.Planned": "sweeping.planned",
    "terminal.explain": "words.explain",
    "terminal.page": "pages.layout.page",
    "terminal.progress": "screen.progress",
    "terminal.show_claims": "words.show_claims",
    "unlearned.NOTHING": "unlearned.UNTOUCHED",
    "unlearned.content": "unlearned.unlearning_result",
    "unlearned.models": "unlearned.rows_of_models",
    "unlearned.told": "unlearned.told_rows",
    "unlearning.NOTHING": "unlearned.UNTOUCHED",
    "unlearning.score_table": "unlearned.score_table",
    "unlearning.told": "unlearned.told_rows",
}
"""Modules, and names of modules, each with what can be typed after ``mt.`` today."""


def refuse_former(module: str, name: str) -> None:
    """Refuse a name that a module had in an earlier version.

    Args:
        module: its ``__name__``.
        name: what was asked for.

    Raises:
        RenamedError: it had that name.

    Example:
        >>> refuse_former("muso_theory.linear", "baselines")
        Traceback (most recent call last):
        muso_theory.errors.RenamedError: linear.baselines is replaced by methods; see CHANGELOG.md
    """
    before = f"{module}.{name}".removeprefix("muso_theory.")
    if before in FORMER:
        raise RenamedError(f"{before} is replaced by {FORMER[before]}; see CHANGELOG.md")


def former(module: str) -> None:
    """Have a file that had other names tell what replaced them.

    Args:
        module: its ``__name__``.
    """

    def missing(name: str) -> NoReturn:
        refuse_former(module, name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    # Set here, as type checkers would take a module that defines it for one with any name at all.
    vars(sys.modules[module])["__getattr__"] = missing
