"""Makes an untrained student of a teacher, ready for distillation, and says what it shares.

    python examples/new_student.py TEACHER.safetensors STUDENT.safetensors [--preset light]

The student takes over the teacher's mapping network, so that a seed means the same subject, and
(but for `light`) its super-resolution. Its new parts are random: its pictures are not yet the
teacher's.
"""

import argparse
from pathlib import Path

import torch

from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance, derived_licence
from nerfgan_cli.generators.drawing import latent
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PRESETS, student_config
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.metrics.cost import parameter_count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher", type=Path)
    parser.add_argument("student", type=Path)
    parser.add_argument("--preset", choices=PRESETS, default="light")
    arguments = parser.parse_args()

    teacher = load_model(arguments.teacher, torch.device("cpu"))
    if not isinstance(teacher, VolumetricGenerator):
        raise SystemExit(f"{arguments.teacher} is no volumetric generator: give a teacher.")
    torch.manual_seed(0)
    student = Student(student_config(arguments.preset, teacher))
    student.start_from_teacher(teacher)

    z, frontal = latent(7, teacher.z_dim).float(), CAMERAS[teacher.camera_preset].frontal()
    with torch.inference_mode():
        same = torch.equal(teacher.mapping(z, frontal), student.mapping(z, frontal))
    print(f"style codes equal the teacher's: {same}")
    print(f"parameters: teacher {parameter_count(teacher):,}, student {parameter_count(student):,}")
    licence = derived_licence(read_header(arguments.teacher).provenance)
    save_model(arguments.student, student, Provenance(source="untrained", licence=licence))


if __name__ == "__main__":
    main()
