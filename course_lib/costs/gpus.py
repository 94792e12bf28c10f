"""What the data sheets say of GPUs, from 2017's generation to the present one.

Used in 'Background', 'Training on GPU' and 'Compute'.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class GPU:
    """Published figures of one accelerator.

    Attributes:
        name: as its maker calls it.
        peak: the most operations a second, in FLOP/s, in dense products of 16-bit matrices that
            are summed in 32 bits.
        memory: its own memory in bytes.
        watts: the most that its board draws.
        server_watts: the most that its maker's server with eight of them draws, divided by eight.
        source: the data sheet of the board, a key of the book's bibliography.
        server_source: the same for the server.
        bandwidth: bytes a second that it reads from or writes to its own memory, at most.
        nvlink: bytes a second to the other GPUs of its server, both directions together.
        network: bytes a second to other servers, in one direction: its share of the server's
            network cards.
    """

    name: str
    peak: float
    memory: float
    watts: float
    server_watts: float
    source: str
    server_source: str
    bandwidth: float
    nvlink: float
    network: float


V100 = GPU(
    "V100",
    peak=125e12,
    memory=32e9,
    watts=300,
    server_watts=3500 / 8,
    source="nvidia2020v100",
    server_source="nvidia2017dgx",
    bandwidth=900e9,
    nvlink=300e9,
    network=4 * 100e9 / 8 / 8,
)
A100 = GPU(
    "A100",
    peak=312e12,
    memory=80e9,
    watts=400,
    server_watts=6500 / 8,
    source="nvidia2020a100",
    server_source="nvidia2020dgx",
    bandwidth=2039e9,
    nvlink=600e9,
    network=200e9 / 8,
)
H100 = GPU(
    "H100",
    peak=989.4e12,
    memory=80e9,
    watts=700,
    server_watts=10_200 / 8,
    source="nvidia2022hopper",
    server_source="nvidia2023dgx",
    bandwidth=3352e9,
    nvlink=900e9,
    network=400e9 / 8,
)
GPUS = (V100, A100, H100)

# Since then. The V100, A100 and H100 are those that the published runs of the book were made on.
H200 = GPU(
    "H200",
    peak=989.5e12,
    memory=141e9,
    watts=700,
    server_watts=10_200 / 8,
    source="nvidia2024h200",
    server_source="nvidia2024dgxh200",
    bandwidth=4800e9,
    nvlink=900e9,
    network=400e9 / 8,
)
B200 = GPU(
    "B200",
    peak=2250e12,
    memory=180e9,
    watts=1000,
    server_watts=14_300 / 8,
    source="nvidia2024blackwell",
    server_source="nvidia2025dgxb200",
    bandwidth=8000e9,
    nvlink=1800e9,
    network=400e9 / 8,
)
NEWER_GPUS = (H200, B200)
