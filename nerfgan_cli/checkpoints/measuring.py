"""Trained networks that look at pictures, for losses and metrics: where they are published."""

from nerfgan_cli.checkpoints.published import Published

HUB = "https://download.pytorch.org/models"
# Convolutions of torchvision, trained on ImageNet; named as LPIPS names them.
IMAGENET = {
    "vgg": Published(
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        HUB,
        "a perceptual distance by VGG16",
    ),
    "alex": Published(
        "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        HUB,
        "a perceptual distance by AlexNet",
    ),
    "squeeze": Published(
        "squeezenet1_1-b8a52dc0.pth",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        HUB,
        "a perceptual distance by SqueezeNet",
    ),
}
INCEPTION = Published(
    "pt_inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights",
    "FID and KID",
    ("weights-inception-2015-12-05-6726825d.pth",),  # torch-fidelity's
)
NETWORKS = {"inception": INCEPTION, **IMAGENET}  # as `nerfgan weights` names them
MEASURING = tuple(NETWORKS.values())
