"""FLOPs, parameters and activation memory of the teacher and every student preset, as a table.

    python benchmarks/presets.py

Counted by code (`nerfgan_cli/metrics/cost.py`) on the meta device for one image of 512², batch 1,
float32; a multiply-add counts as 2. It is the table of the README.
"""

import torch

from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d import PRESETS as TEACHERS
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PRESETS as STUDENTS
from nerfgan_cli.generators.student_config import student_config
from nerfgan_cli.metrics.cost import Cost, cost, parameter_count


def count(generator: Generator, rays: int) -> Cost:
    ws = torch.zeros(1, generator.num_ws, generator.w_dim, device="meta")
    camera = CAMERAS["ffhq"].frontal().to("meta")
    return cost(lambda: generator.synthesis(ws, camera, DrawOptions(resolution=rays)))


def main() -> None:
    print("| generator | features → image | GFLOP | parameters, M | activations, MB |")
    print("|---|---|--:|--:|--:|")
    for rays in (64, 128):
        teacher = EG3D(TEACHERS[f"ffhq512-{rays}"])
        students = {name: Student(student_config(name, teacher)) for name in STUDENTS}
        generators: dict[str, Generator] = {"teacher": teacher, **students}
        for name, generator in generators.items():
            generator.eval().to("meta")
            total = count(generator, rays)
            print(
                f"| {name} | {rays}² → 512² | {total.flops / 1e9:.1f} "
                f"| {parameter_count(generator) / 1e6:.1f} "
                f"| {total.activation_bytes / 1e6:.0f} |"
            )


if __name__ == "__main__":
    main()
