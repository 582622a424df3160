"""What a card can do at most, as its maker publishes it."""

TERA = 1e12
# Dense (no sparsity) TFLOP/s in bf16 and in tf32, from NVIDIA's data sheets of each card: H100 (2023), H200 (2024),
# A100 (2021), L40S (2023), L4 (2023), A10 (2021), Ada architecture's whitepaper for the RTX 4090 (2022).
PEAKS = {
    "H100 80GB HBM3": (989.4, 494.7),
    "H100 NVL": (835.5, 417.5),
    "H100 PCIe": (756.0, 378.0),
    "H200": (989.4, 494.7),
    "A100": (312.0, 156.0),
    "L40S": (362.05, 183.0),
    "L4": (121.0, 60.0),
    "A10": (125.0, 62.5),
    "GeForce RTX 4090": (165.2, 82.6),
}


def peak_of(card: str, *, bf16: bool) -> float | None:
    """FLOP/s of a card by the name that PyTorch gives it; None of one that is not known here."""
    name = card.removeprefix("NVIDIA ")
    known = [key for key in PEAKS if name == key or name.startswith((f"{key} ", f"{key}-"))]
    return TERA * PEAKS[max(known, key=len)][0 if bf16 else 1] if known else None
