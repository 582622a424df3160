"""How good a pose model is: decoding, flip test, OKS average precision and PCK."""
