"""Checks a certified release with the standard library and `cryptography`, and nothing of dpsynth."""
