"""A folder that appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpsynth.errors import StorageError

__all__ = ["StagedFolder", "staged"]

_ROOM = 256 * 2**20


class StagedFolder:
    """Files are written beside the place where the folder is to be; `settle` gives it its name.

    Args:
        path: The folder to write. It must not exist, or be empty.

    Raises:
        StorageError: The folder holds something, cannot be created, or the disk has no room. Made before
            anything is spent, so that a full disk costs no budget.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise StorageError(
                f"{str(path)!r} exists and is not an empty folder. Choose another one with --out."
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path.parent).free
            self.work = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=f".{self.path.name}."))
        except OSError as error:
            raise StorageError(
                f"Cannot write to {str(path)!r}: {error.strerror}. Choose another folder."
            ) from error
        if free < _ROOM:
            self.discard()
            raise StorageError(
                f"The disk of {str(path)!r} has less than {_ROOM // 2**20} MB free. Make room first; "
                "nothing was spent."
            )

    def discard(self) -> None:
        """Remove what was written so far."""
        shutil.rmtree(self.work, ignore_errors=True)

    @contextmanager
    def settle(self) -> Iterator[Path]:
        """Write into the folder that is given; at the end it has its name.

        Raises:
            StorageError: The disk is full or went away.
        """
        try:
            yield self.work
            self.work.chmod(0o755)
            if self.path.exists():
                self.path.rmdir()
            self.work.rename(self.path)
        except OSError as error:
            raise StorageError(
                f"Cannot write {str(self.path)!r}: {error.strerror or 'the disk refused'}."
            ) from error
        finally:
            self.discard()


@contextmanager
def staged(path: str | Path) -> Iterator[Path]:
    """A folder to write into that appears as `path` when all is done, or not at all."""
    with StagedFolder(path).settle() as folder:
        yield folder
