"""Hands a student to another teacher of nearly the same latents, as whose student it can go on.

    python examples/adopted_student.py ADOPTED.safetensors [--teacher mimic3d-toyheads]

A Mimic3D that began as `eg3d-toyheads` draws nearly the same heads from nearly the same codes. So
the bundled student of that needs little to become a student of this: the mapping network and the
super-resolution are the new teacher's, what it has learned of heads stays. A short training by the
features of the new teacher follows (`distill-mimic3d-toyheads-start`), instead of a long one.
"""

import argparse
from pathlib import Path

from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance, derived_licence
from nerfgan_cli.checkpoints.zoo import MIMIC3D, STUDENT, find_model
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.volumetric import VolumetricGenerator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--student", default=STUDENT, metavar="MODEL")
    parser.add_argument("--teacher", default=MIMIC3D, metavar="MODEL")
    arguments = parser.parse_args()
    source, path = find_model(arguments.student), find_model(arguments.teacher)
    student, teacher = load_model(source), load_model(path)
    if not isinstance(student, Student) or not isinstance(teacher, VolumetricGenerator):
        raise SystemExit("give --student a student and --teacher a volumetric model.")
    student.start_from_teacher(teacher)
    licences = [derived_licence(read_header(file).provenance) for file in (path, source)]
    licence = " ".join(dict.fromkeys(filter(None, licences))) or None
    origin = f"{source.name}, handed to {path.name}"
    save_model(arguments.out, student, Provenance(origin, licence=licence))


if __name__ == "__main__":
    main()
