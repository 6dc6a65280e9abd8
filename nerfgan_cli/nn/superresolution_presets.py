"""The super-resolution modules: those of the EG3D release and our light ones; needs no torch.

The release's are in eg3d.md section 5. The light student's have channels that fall with the
resolution: 13 GFLOP for 512², where the teacher's layers, 256 and 128 wide, take 196.
"""

from dataclasses import dataclass

RGB = 3


@dataclass(frozen=True)
class Preset:
    """One module."""

    input_resolution: int  # to which the rendering is resized
    channels: tuple[int, int]  # of the two blocks
    up: tuple[int, int]  # 1: the block keeps its resolution
    enlarge_only: bool = False  # a larger rendering is refused instead of resized
    antialias: bool = True  # False: never, whatever the generator asks for
    own_filter: bool = True  # the module owns an (unused) filter buffer

    @property
    def resolution(self) -> int:
        """Of the output."""
        return self.input_resolution * self.up[0] * self.up[1]


PRESETS = {
    "SuperresolutionHybrid8XDC": Preset(128, (256, 128), (2, 2), own_filter=False),
    "SuperresolutionHybrid8X": Preset(128, (128, 64), (2, 2)),
    "SuperresolutionHybrid4X": Preset(128, (128, 64), (1, 2), enlarge_only=True),
    "SuperresolutionHybrid2X": Preset(64, (128, 64), (1, 2)),
    "SuperresolutionHybridDeepfp32": Preset(
        128, (128, 64), (1, 2), enlarge_only=True, antialias=False
    ),
    "Light512": Preset(128, (64, 32), (2, 2), own_filter=False),
    "Light256": Preset(64, (64, 32), (2, 2), own_filter=False),
    "Light128": Preset(64, (64, 32), (1, 2), own_filter=False),
    "Light64": Preset(32, (64, 32), (1, 2), own_filter=False),
}
