"""`nerfgan eval`: the numbers of the papers for any generator, each with its protocol."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.comparing import compare_all
from nerfgan_cli.commands.eval_options import Order
from nerfgan_cli.commands.evaluating import FOLDER, choose_metrics, evaluate_one
from nerfgan_cli.commands.grouping import grouped
from nerfgan_cli.commands.parsing import parse_batch
from nerfgan_cli.commands.tables import Format, shown_as
from nerfgan_cli.errors import UsageError
from nerfgan_cli.evaluation.comparison import summary
from nerfgan_cli.files import make_folder
from nerfgan_cli.generators.precision import choose_device, exact
from nerfgan_cli.training.distributed import open_world

# Of processes for each other: one may have hours of work when another is done. A process that ends
# is noticed at once.
PATIENCE = timedelta(days=7)


@grouped
def command(
    *,
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL|REPORT…", help="With --compare: whom to compare."),
    ] = None,
    comparing: Annotated[
        bool,
        typer.Option(
            "--compare", help="A table of all, beside what was published of the baselines."
        ),
    ] = False,
    model: o.Model = None,
    order: Order,
    form: Annotated[Format, typer.Option("--format", help="Of the table.")] = Format.text,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="The folder of the report, or of a comparison; else eval/NAME, or eval.",
        ),
    ] = None,
    json: o.Json = False,
) -> None:
    """Measures a model. With no option: all that can be had here, within five minutes.

    Writes eval.json with each number's protocol, a table and figures. The name of a number says
    how many pictures it is of and which network looked at them; only equal names can be compared.
    What is measured later joins the same report, unless it is of another model, seed or the like.
    Features are kept: interrupted, the same command goes on. Under torchrun the processes share
    the work, and the numbers are the same; write -n there, as torchrun has a --num of its own.

    With --compare A B C: models, or the folders of earlier evaluations, in one table.
    """
    judge(order, models or [], comparing, model, out, form, json)


def judge(
    order: Order,
    models: list[str],
    comparing: bool,
    model: str | None,
    out: Path | None,
    form: Format,
    json: bool,
) -> None:
    """One model, or several side by side."""
    if models and not comparing:
        raise UsageError(f"{models[0]} is one word too many: give --model, or --compare for more.")
    if comparing and (not models or model is not None or order.images is not None):
        raise UsageError("--compare takes models or reports as words: nerfgan eval --compare A B.")
    if model is not None and order.images is not None:
        raise UsageError("--model and --images are two things to judge: give one of them.")
    order.refuse_idle([metric.name for metric in choose_metrics(order.metrics)])
    parse_batch(order.batch)
    if out is not None:
        make_folder(out)
    with open_world(choose_device(order.device.value), PATIENCE) as world:
        exact(world.device)
        if comparing:
            compare_all(order, world, models, out or FOLDER, form, json)
        else:
            report, failures = evaluate_one(order, world, model, out, form)
            asked = order.metrics is not None
            if world.first and (report.values or not asked):
                o.print_result(report.to_json(), shown_as(summary(report), form), json)
            if failures and (asked or not report.values):
                raise next(iter(failures.values()))
