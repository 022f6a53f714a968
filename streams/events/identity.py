"""Identities that producers and this code compute alike."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

USER_SECRET_BYTES_MIN: Final = 16


def _digest(*parts: str) -> str:
    """SHA-256 over the parts, each after its length in bytes: no two lists run together."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(f"{len(raw)}:".encode())
        digest.update(raw)
    return digest.hexdigest()


def evaluator_epoch(rubric_hash: str, prompt_hash: str, provider: str, model: str) -> str:
    """The identity of a judge's measuring rod; scores of two epochs are not compared.

    Args:
        rubric_hash: hash of the rubric's text.
        prompt_hash: hash or version of the judge's prompt.
        provider: who runs the model.
        model: the model that answered, not the one asked for.

    Returns:
        64 lower-case hexadecimal digits.
    """
    return _digest("evaluator_epoch", rubric_hash, prompt_hash, provider, model)


def score_id(generation_id: str, evaluator_epoch: str, dimension: str, repeat_idx: int) -> str:
    """The identity of a judge score: the same grading sent twice is the same event."""
    return _digest("score_id", generation_id, evaluator_epoch, dimension, str(repeat_idx))


def user_key(secret: bytes, user_id: str) -> str:
    """HMAC-SHA256 of a user id: 64 lower-case hexadecimal digits.

    Whoever destroys the secret has made the keys anonymous for good.

    Raises:
        ValueError: The secret is shorter than USER_SECRET_BYTES_MIN: it could be guessed.
    """
    if len(secret) < USER_SECRET_BYTES_MIN:
        raise ValueError(f"the user key secret needs at least {USER_SECRET_BYTES_MIN} bytes")
    return hmac.new(secret, user_id.encode(), hashlib.sha256).hexdigest()
