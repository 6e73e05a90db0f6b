"""The ``muso`` command: stdout is the answer, stderr is talk; the exit status is the verdict.

Nothing heavy is imported before a command runs, so that ``muso --help`` answers at once.
"""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from .errors import MusoError

__all__ = ["app", "main"]

app = typer.Typer(
    name="muso",
    help="Verify, certify and try to refute exact unlearning by relabelling.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Features(enum.StrEnum):
    """Feature maps by name."""

    identity = "identity"
    gaussian = "gaussian"
    laplacian = "laplacian"
    matern = "matern"
    orthogonal = "orthogonal"
    arccos = "arccos"


class Start(enum.StrEnum):
    """Initial parameters."""

    zero = "zero"
    normal = "normal"


class Arithmetics(enum.StrEnum):
    """Arithmetics by name."""

    auto = "auto"
    float64 = "float64"
    ball = "ball"
    rational = "rational"


Data = Annotated[
    str, typer.Argument(help="digits, breast_cancer, mnist, a .npz or .csv file, or - for standard input.")
]
Classes = Annotated[
    str | None, typer.Option(help="Classes to keep, e.g. 3,7; merged tasks as 1,3,5|0,2,4 or odd-even.")
]
FeaturesOption = Annotated[Features, typer.Option("--features", help="Feature map.")]
NFeatures = Annotated[int, typer.Option(help="Number of random features D.")]
Bandwidth = Annotated[str, typer.Option(help="'median' or a positive number.")]
Forget = Annotated[
    str | None,
    typer.Option(
        help="class:7, subclass:3, random:0.1, random:25, column, rows:0,4-9 or retain:300. "
        "[default: the source's own, else random:0.1]"
    ),
]
WInit = Annotated[
    Start, typer.Option("--w-init", help="Initial parameters w₀, unless the source brings them.")
]
Seed = Annotated[int, typer.Option(help="Seed of features, w₀, forget set and checks.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.command()
def check(
    data: Data,
    classes: Classes = None,
    features: FeaturesOption = Features.gaussian,
    n_features: NFeatures = 5000,
    bandwidth: Bandwidth = "median",
    forget: Forget = None,
    w_init: WInit = Start.normal,
    arithmetic: Annotated[Arithmetics, typer.Option(help="How numbers are computed.")] = Arithmetics.auto,
    claim: Annotated[list[str] | None, typer.Option(help="Check only this claim; repeatable.")] = None,
    assert_: Annotated[
        list[str] | None,
        typer.Option(
            "--assert", help="Insist that this claim holds: a failed hypothesis is no excuse; repeatable."
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Audits of floats ask for gap ≤ tolerance × doing nothing.")
    ] = 1e-6,
    ridge: Annotated[float, typer.Option(help="λ of ridge-anchored and ε of ridge-inverse.")] = 1e-3,
    subset: Annotated[float, typer.Option(help="Fraction of R kept by downsampling.")] = 0.2,
    seed: Seed = 0,
    json: Annotated[
        str | None, typer.Option(help="Write the evidence as JSON to a file, or - for stdout.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as a web page.")] = None,
    debug: Debug = False,
) -> None:
    """Check which conditions of exact unlearning hold on DATA, and which claims follow."""
    from . import terminal
    from .checking import check as run
    from .files import write_atomic
    from .inputs import prepare

    with terminal.progress() as tell:
        prepared = prepare(data, classes, features, n_features, bandwidth, forget, w_init, seed, tell=tell)
        report = run(
            prepared.problem,
            claim or None,
            arithmetic.value,
            labels=prepared.dataset.labels,
            w_unlearned=prepared.dataset.w_unlearned,
            w_pretrained=prepared.dataset.w_pretrained,
            asserted=assert_ or (),
            tolerance=tolerance,
            ridge=ridge,
            subset=subset,
            seed=seed,
            progress=tell,
        )
    report = prepared.describe(report)
    if html is not None:
        write_atomic(html, terminal.page(report).encode())
    if json == "-":
        sys.stdout.write(report.to_json())
    else:
        if json is not None:
            write_atomic(json, report.to_json().encode())
        terminal.show_report(report)
    raise typer.Exit(report.exit_status)


@app.command()
def labels(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz file to write.")],
    method: Annotated[
        str, typer.Option(help="closed-form, label-free, leave-block-out, ridge or subsample.")
    ] = ("closed-form"),
    classes: Classes = None,
    features: FeaturesOption = Features.gaussian,
    n_features: NFeatures = 5000,
    bandwidth: Bandwidth = "median",
    forget: Forget = None,
    w_init: WInit = Start.normal,
    ridge: Annotated[float, typer.Option(help="λ of method ridge.")] = 1e-8,
    subset: Annotated[float, typer.Option(help="Fraction of R for method subsample.")] = 0.2,
    seed: Seed = 0,
    debug: Debug = False,
) -> None:
    """Compute labels for the forget samples and write them, with the forget indices, to a .npz file."""
    from . import terminal
    from .files import npz_bytes, write_atomic
    from .inputs import prepare
    from .linear.labels import optimal_labels
    from .linear.solution import parameter_gap

    with terminal.progress() as tell:
        prepared = prepare(data, classes, features, n_features, bandwidth, forget, w_init, seed, tell=tell)
        problem = prepared.problem
        found = optimal_labels(problem, method, ridge=ridge, subset=subset, seed=seed)
        gap = parameter_gap(problem, found)
        nothing = parameter_gap(problem, problem.targets[problem.forget])
    write_atomic(output, npz_bytes({"forget": problem.forget, "labels": found}))
    typer.echo(f"{len(found)} labels by {method}, shape {found.shape}, written to {output}")
    typer.echo(f"‖w_u − w_r‖ ≈ {gap:.3g} measured in float64; doing nothing ≈ {nothing:.3g}")


@app.command()
def claims(
    claim: Annotated[str | None, typer.Argument(help="One claim, in full.")] = None, debug: Debug = False
) -> None:
    """List the claims and conditions, or show one in full."""
    from . import terminal

    terminal.show_claims(claim)


@app.command()
def explain(
    word: Annotated[str, typer.Argument(help="A verdict, a claim, a condition, a symbol or a term.")],
    debug: Debug = False,
) -> None:
    """Say what a word of the reports means."""
    from . import terminal

    terminal.explain(word)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with 0, 1, 2, 3 or, when interrupted, 130.

    Args:
        arguments: words after ``muso``; None reads the process's own.

    Returns:
        Never: the process exits with the status that DESIGN of the reports gives (0, 1, 2, 3 or 130).
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=words, standalone_mode=True)
    except MusoError as error:
        if "--debug" in words:
            raise
        typer.echo(f"muso: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("muso: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(2)
    except Exception as error:
        if "--debug" in words:
            raise
        typer.echo(
            f"muso: internal error: {type(error).__name__}: {error}; try --debug for the traceback", err=True
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
