"""`nerfgan directions regress`: along which a measured number grows."""

import torch

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.directions import finding as f
from nerfgan_cli.commands.directions import measuring as m
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.editing.directions import keep_fixed, measured
from nerfgan_cli.editing.supervised import regress

PREDICTABLE = 0.2  # share of the variance below which w hardly tells the number


def command(
    model: o.Model = None,
    values: m.Values = None,
    measure: m.Measure = None,
    region: m.Part = m.WHOLE,
    branch: m.Branch = None,
    trait: m.Trait = None,
    num: m.Num = m.NUM,
    keep: m.Keep = None,
    layers: f.Layers = None,
    name: m.Name = None,
    out: f.OneOut = "direction.json",
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Finds the direction along which a number grows, by ridge regression on w.

    Says how much of the number w explains (R²), for subjects that the regression has not seen.
    """
    file = parse_file(out, ".json")
    ground = f.open_ground(model, layers, device)
    kept = f.open_kept(keep, ground)
    label, codes, numbers = m.measure(ground, values, measure, region, trait, num, branch)
    found = regress(codes.double().numpy(), numbers)
    vector = keep_fixed(torch.from_numpy(found.vector), [other.vector for other in kept])
    direction = measured(
        name or label,
        "regress",
        vector,
        codes,
        ground.layers,
        ground.model,
        {
            "r2": found.score,
            "reliable": found.score >= PREDICTABLE,
            "subjects": len(numbers),
            "penalty": found.penalty,
            "kept": [other.name for other in kept],
        },
    )
    says = f"R² {found.score:.2f} on held-out subjects"
    if found.score < PREDICTABLE:
        says += ", unreliable: w hardly tells this number"
    f.write_all({file: direction}, says, json)
