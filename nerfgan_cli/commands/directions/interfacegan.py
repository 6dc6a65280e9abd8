"""`nerfgan directions interfacegan`: from one kind of subjects to another."""

from typing import Annotated

import numpy as np
import torch
import typer

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.directions import finding as f
from nerfgan_cli.commands.directions import measuring as m
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.editing.directions import keep_fixed, measured
from nerfgan_cli.editing.supervised import RELIABLE, balanced, extremes, separate


def command(
    model: o.Model = None,
    values: m.Values = None,
    measure: m.Measure = None,
    region: m.Part = m.WHOLE,
    branch: m.Branch = None,
    trait: m.Trait = None,
    num: m.Num = m.NUM,
    share: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=0.5,
            metavar="S",
            help="Of the subjects, at either end of the scale, that are told apart; of labels "
            "(two values only) as many as the rarer has.",
        ),
    ] = 0.1,
    keep: m.Keep = None,
    layers: f.Layers = None,
    name: m.Name = None,
    out: f.OneOut = "direction.json",
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Finds the direction from one kind of subjects to another, by logistic regression on w.

    The kinds are those with the lowest and the highest numbers, or those with either of two labels.
    Says how many subjects that it has not seen it tells apart.
    """
    file = parse_file(out, ".json")
    ground = f.open_ground(model, layers, device)
    kept = f.open_kept(keep, ground)
    label, codes, numbers = m.measure(ground, values, measure, region, trait, num, branch)
    labels = np.unique(numbers)
    if len(labels) == 2:
        chosen = balanced(numbers == labels[1])
        kinds = numbers[chosen] == labels[1]
    else:
        chosen, kinds = extremes(numbers, share)
    found = separate(codes.double().numpy()[chosen], kinds)
    vector = keep_fixed(torch.from_numpy(found.vector), [other.vector for other in kept])
    direction = measured(
        name or label,
        "interfacegan",
        vector,
        codes,
        ground.layers,
        ground.model,
        {
            "accuracy": found.score,
            "reliable": found.score >= RELIABLE,
            "subjects": [int((~kinds).sum()), int(kinds.sum())],
            "penalty": found.penalty,
            "kept": [other.name for other in kept],
        },
    )
    says = f"tells {found.score:.0%} of held-out subjects apart"
    if found.score < RELIABLE:
        says += ", unreliable: below 70% it may point anywhere"
    f.write_all({file: direction}, says, json)
