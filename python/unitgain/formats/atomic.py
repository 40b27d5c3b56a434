"""Files that appear whole or not at all, and leave nothing behind when their writer is killed."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows, where nobody deletes or renames a file that another has open
    fcntl = None  # type: ignore[assignment, unused-ignore]

__all__ = ["write"]

# Of Linux: a file without a name, which is gone with the process that writes it.
UNNAMED: int | None = getattr(os, "O_TMPFILE", None)
_LEFTOVER = re.compile(r"\..+\.safetensors\.[0-9a-f]{16}")


def write(path: str | os.PathLike[str], chunks: Iterable[Any]) -> None:
    """Write a file, or leave the one that was there: whoever reads sees one of them, whole.

    The file gets its name when it is written. Where file systems know no files without a name it
    has another until then; those that killed processes left in the folder are deleted.

    Args:
        path: where.
        chunks: what, buffers of bytes.

    Raises:
        OSError: if the folder cannot be written.
    """
    target = Path(path)
    pieces = list(chunks)
    _clear(target.parent)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        if not _write_unnamed(temporary, target, pieces):
            _write_named(temporary, target, pieces)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _write_unnamed(temporary: Path, target: Path, pieces: list[Any]) -> bool:
    """Write a file that has a name when it is whole; False where that cannot be done."""
    if UNNAMED is None:
        return False
    try:
        descriptor = os.open(target.parent, UNNAMED | os.O_WRONLY, 0o666)
    except OSError:  # of the file system, or what the other way meets, too
        return False
    with open(descriptor, "wb") as file:
        _lock(descriptor)
        _write_pieces(file, pieces)
        try:
            # The folder given makes Python call linkat(), which follows the link to the file.
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.link(f"/proc/self/fd/{descriptor}", temporary, src_dir_fd=folder)
            finally:
                os.close(folder)
        except OSError:  # where there is no /proc
            return False
        os.replace(temporary, target)
    return True


def _write_named(temporary: Path, target: Path, pieces: list[Any]) -> None:
    held = False
    while not held:
        with open(temporary, "xb") as file:
            _lock(file.fileno())
            held = os.fstat(file.fileno()).st_nlink > 0  # else one who clears was faster
            if held:
                _write_pieces(file, pieces)
                if fcntl is not None:
                    os.replace(temporary, target)
    if fcntl is None:
        os.replace(temporary, target)


def _write_pieces(file: Any, pieces: list[Any]) -> None:
    for piece in pieces:
        file.write(piece)
    file.flush()
    os.fsync(file.fileno())


def _lock(descriptor: int) -> None:
    """Hold the file until it is closed, if only by the end of the process."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError):  # of file systems without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _clear(folder: Path) -> None:
    """Delete the temporary files in a folder that nobody holds."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _LEFTOVER.fullmatch(name):
                _delete_if_left(folder / name)


def _delete_if_left(path: Path) -> None:
    if fcntl is None:
        with contextlib.suppress(OSError):  # its writer has it open
            path.unlink()
        return
    with contextlib.suppress(OSError), open(path, "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its writer may have begun anew under the name since the file was opened. What is locked
        # and has the name keeps it: only who holds the lock renames or deletes it.
        if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
            path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power failure, where folders can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
