"""What a run that is not finished leaves behind, so that another process can continue it at no second price.

Written after each paid answer: a random name under which the price is reserved in the ledger, and the
public record so far. It holds noisy answers only. What was under way when a process died is in the ledger
and not here: its noise may have existed, so it is never drawn again (pitfall P12).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dpsynth._archive import read_archive, write_archive
from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.mechanisms.base import Measurement
from dpsynth.session.transcript import Transcript

__all__ = ["Checkpoint", "seed_of"]

_KIND = "dpsynth-checkpoint/1"
_WORDS = ("run", "ledger", "seed", "labels")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """The public record of a run so far.

    Attributes:
        path: Where it is kept.
        ledger: Identity of the ledger that pays.
        transcript: Schema, budget and answers so far.
        labels: What each answer was for.
        seed: Of the post-processing, which begins again from the first answer.
        run: Random name of the run: the label of its reservation.
    """

    path: Path
    ledger: str
    transcript: Transcript
    seed: int
    labels: Sequence[str] = ()
    run: str = field(default_factory=lambda: f"checkpoint {uuid.uuid4().hex}")

    def begun(self, *, seeded: bool) -> Checkpoint:
        """The record in the file if it is one of the same run; this one, durably there, if there is none.

        Args:
            seeded: Whether the user gave the seed, so that the record must have it too.

        Raises:
            ConfigurationError: It is the record of another run.
            StorageError: It is no checkpoint, is damaged, or cannot be written.
        """
        if not self.path.exists():
            self.save()
            return self
        found = self.load(self.path)
        same = {
            "ledger": found.ledger == self.ledger,
            "schema": found.transcript.schema == self.transcript.schema,
            "budget": found.transcript.budget == self.transcript.budget,
            "seed": found.seed == self.seed or not seeded,
        }
        others = [name for name, equal in same.items() if not equal]
        if others:
            raise ConfigurationError(
                f"The checkpoint {str(self.path)!r} is of another run: it differs in {', '.join(others)}. "
                "Continue that run as it was started, or name another file for this one."
            )
        return found

    def after(self, answers: Sequence[Measurement], labels: Sequence[str], *, tainted: bool) -> Checkpoint:
        """The record with these answers."""
        transcript = replace(self.transcript, measurements=tuple(answers), tainted=tainted)
        return replace(self, transcript=transcript, labels=labels)

    def save(self) -> None:
        """Write the whole record durably, or leave the one that is there."""
        header, arrays = self.transcript.to_archive()
        words = {name: getattr(self, name) for name in _WORDS}
        write_archive(
            self.path, kind=_KIND, header={**words, "transcript": header}, arrays=arrays, compressed=False
        )

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a record.

        Raises:
            StorageError: It is no checkpoint of a known version, or it is damaged.
        """
        header, arrays = read_archive(path, kind=_KIND)
        try:
            transcript = Transcript.from_archive(header["transcript"], arrays)
            found = cls(path=path, transcript=transcript, **{name: header[name] for name in _WORDS})
            if len(found.labels) == len(transcript.measurements):
                return found
        except (KeyError, TypeError) as error:
            raise StorageError("The checkpoint lacks a field that this version needs.") from error
        raise StorageError("The checkpoint does not have one label for each answer.")


def seed_of(rng: object) -> int:
    """The seed that a run keeps: the one that was given, or one from the operating system.

    Raises:
        ConfigurationError: A generator, which another process cannot begin again.
    """
    if rng is None:
        return uuid.uuid4().int
    if not isinstance(rng, int):
        raise ConfigurationError("Expected a whole number as seed, or none, for a run with a checkpoint.")
    return rng
