"""Numbers that tell networks apart by their weights.

They guard against mistakes, not against forgery.
"""

import json
from collections.abc import Mapping
from zlib import crc32

import numpy as np
from torch import nn

from nerfgan_cli.checkpoints.container import Payload
from nerfgan_cli.checkpoints.header import to_half
from nerfgan_cli.checkpoints.payloads import to_payload
from nerfgan_cli.generators.contract import Generator


def checksum(payloads: Mapping[str, Payload]) -> int:
    """Of names and numbers, in the order of the names."""
    value = 0
    for name in sorted(payloads):
        numbers = np.ascontiguousarray(payloads[name].numbers)
        value = crc32(numbers.reshape(-1).view(np.uint8).data, crc32(name.encode(), value))
    return value


def weights_checksum(*networks: nn.Module) -> int:
    """Tells networks apart by their numbers, and generators also by what they do with them.

    0 for those without numbers, on the device "meta".
    """
    tensors = {
        f"{index}.{name}": tensor
        for index, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    if any(tensor.is_meta for tensor in tensors.values()):
        return 0
    configs = [network.config() for network in networks if isinstance(network, Generator)]
    found = checksum({name: to_payload(tensor) for name, tensor in tensors.items()})
    return crc32(json.dumps(configs, sort_keys=True).encode(), found)


def space_checksum(generator: Generator) -> str:
    """Of the latent space: the same for a teacher, its students and what was tuned from either.

    The numbers are rounded to float16 first, so that a model and its half-size file agree.
    """
    tensors = generator.latent_space().state_dict()
    return f"{checksum({name: to_half(to_payload(x)) for name, x in tensors.items()}):08x}"
