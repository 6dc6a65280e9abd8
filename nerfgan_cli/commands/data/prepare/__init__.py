"""Make a data set from published pictures or from your own."""

VERBS = {
    "ffhq": "FFHQ with the cameras that EG3D published.",
    "afhq-cats": "Cats of AFHQv2 with the cameras that EG3D published.",
    "shapenet-cars": "Cars of ShapeNet as SRN renders them.",
    "folder": "Any pictures with cameras in a common format.",
}
