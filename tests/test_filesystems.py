"""Network file systems are told from local ones, and a ledger refuses them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dpsynth import _filesystems
from dpsynth._filesystems import kind_of, linux_mounts, mac_mounts, network_filesystem
from dpsynth.errors import LedgerError
from dpsynth.ledger import Ledger, database

LINUX = """\
/dev/sda1 / ext4 rw,relatime 0 0
server:/export /srv/data nfs4 rw,vers=4.2 0 0
//host/share /srv/with\\040space cifs rw 0 0
/dev/sdb1 /srv/data/local xfs rw 0 0
tmpfs /srv/twice tmpfs rw 0 0
user@host: /srv/twice fuse.sshfs rw 0 0
/dev/sdc1 /srv/stick fuseblk rw 0 0
overlay /srv/container overlay rw 0 0
host /srv/shared 9p rw 0 0
broken
"""
MAC = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//ann@host/share on /Volumes/my share (smbfs, nodev, nosuid, mounted by ann)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
no mount at all
"""
SHARED = {"/srv/data/l.db": "nfs4", "/srv/with space/x/l.db": "cifs", "/srv/twice/l.db": "fuse.sshfs"}
LOCAL = ["/l.db", "/srv/data/local/l.db", "/srv/database/l.db", "/srv/stick/l.db", "/srv/container/l.db"]


@pytest.fixture
def linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    mounts = tmp_path / "mounts"
    mounts.write_text(LINUX)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(_filesystems, "_LINUX_MOUNTS", mounts)
    return mounts


def test_the_deepest_and_latest_mount_decides(linux: Path) -> None:
    for path, kind in SHARED.items():
        assert network_filesystem(Path(path)) == kind
    for path in LOCAL:
        assert network_filesystem(Path(path)) is None
    assert network_filesystem(Path("/srv/shared/l.db")) == "9p"


def test_where_nothing_is_known_a_ledger_opens(
    linux: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linux.unlink()
    assert network_filesystem(Path("/srv/data/l.db")) is None
    assert kind_of(Path("/x"), []) is None
    monkeypatch.setattr(sys, "platform", "win32")
    Ledger.open(tmp_path / "l.db").close()


def test_macos_is_asked_for_its_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [kind for _, kind in mac_mounts(MAC)] == ["apfs", "smbfs", "autofs"]
    monkeypatch.setattr(sys, "platform", "darwin")
    answer = subprocess.CompletedProcess(["mount"], 0, stdout=MAC)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    assert network_filesystem(Path("/Volumes/my share/l.db")) == "smbfs"
    assert network_filesystem(Path("/Users2/l.db")) is None

    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    assert network_filesystem(Path("/Volumes/my share/l.db")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux has mounted")
def test_this_system_names_its_mounts() -> None:
    mounts = list(linux_mounts(Path("/proc/self/mounts").read_text()))
    assert kind_of(Path("/proc/self"), mounts) == "proc"


def test_a_ledger_says_why_it_does_not_open_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "network_filesystem", lambda _: "nfs4")
    with pytest.raises(LedgerError, match=r"network file system \(nfs4\).*local disk.*export"):
        Ledger.open(tmp_path / "l.db")
    with Ledger.in_memory() as ledger, pytest.raises(LedgerError, match="network"):
        Ledger.restore(tmp_path / "l.db", ledger.entries())
    assert list(tmp_path.iterdir()) == []
