"""Archives that come from anywhere: names, links, bombs, damage."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wepdtof_pose.download import archives as module
from wepdtof_pose.download.archives import archive_kind, unpack
from wepdtof_pose.errors import InputError

GOOD = {"WEPDTOF/a.txt": b"one", "WEPDTOF/frames/数.jpg": b"two" * 1000, "empty.txt": b""}


def tar_of(*members: tuple[tarfile.TarInfo | str, bytes], packed: bool = False) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz" if packed else "w") as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def tar_info(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zip_info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def lying_zip(compression: int) -> bytes:
    """A zip of one entry that states 100 bytes and holds 64 MiB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive, archive.open("liar", "w") as sink:
        for _ in range(64):
            sink.write(bytes(1 << 20))
    content = bytearray(stream.getvalue())
    central = content.rindex(b"PK\x01\x02")
    local = struct.unpack_from("<I", content, central + 42)[0]
    struct.pack_into("<I", content, central + 24, 100)
    struct.pack_into("<I", content, local + 22, 100)
    return bytes(content)


def zip_of(*members: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return stream.getvalue()


def gbk_zip(names: dict[str, bytes]) -> bytes:
    """A zip as Windows in China writes it: names in GBK, without the UTF-8 flag."""
    stand_ins = {n: f"{i}".rjust(len(n.encode("gbk")), "#") for i, n in enumerate(names)}
    content = zip_of(*((stand_ins[n], body) for n, body in names.items()))
    for name, stand_in in stand_ins.items():
        content = content.replace(stand_in.encode(), name.encode("gbk"))
    return content


def out(tmp_path: Path, content: bytes) -> Path:
    path, folder = tmp_path / "my archive ä", tmp_path / "out"
    path.write_bytes(content)
    folder.mkdir()
    unpack(path, folder)
    return folder


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_unpacked_whole(tmp_path: Path, tree: Callable, kind: str) -> None:
    content = (
        zip_of(*GOOD.items()) if kind == "zip" else tar_of(*GOOD.items(), packed=kind == "tar.gz")
    )
    assert tree(out(tmp_path, content)) == dict(sorted(GOOD.items()))
    assert archive_kind(tmp_path / "my archive ä") == kind


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_junk_is_dropped(tmp_path: Path, tree: Callable, make: Callable) -> None:
    junk = ["__MACOSX/._a.jpg", "x/.DS_Store", "x/._a.jpg", "Thumbs.db"]
    content = make(*((name, b"junk") for name in junk), ("x/a.jpg", b"a"))
    assert tree(out(tmp_path, content)) == {"x/a.jpg": b"a"}


def test_gbk_names_in_a_zip(tmp_path: Path, tree: Callable) -> None:
    names = {"标注/右肩.json": b"1", "b.json": b"2"}
    assert tree(out(tmp_path, gbk_zip(names))) == dict(sorted(names.items()))


def test_gbk_names_in_a_tar(tmp_path: Path, tree: Callable) -> None:
    stream = io.BytesIO()
    with tarfile.open(
        fileobj=stream, mode="w", encoding="gbk", format=tarfile.GNU_FORMAT
    ) as archive:
        info = tarfile.TarInfo("右肩.json")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"1"))
    assert tree(out(tmp_path, stream.getvalue())) == {"右肩.json": b"1"}


def test_backslashes_separate(tmp_path: Path, tree: Callable) -> None:
    assert tree(out(tmp_path, zip_of(("a\\b.txt", b"1")))) == {"a/b.txt": b"1"}


def test_modes_are_not_taken_over(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a")
    info.mode = 0o6777
    assert stat.S_IMODE((out(tmp_path, tar_of((info, b"1"))) / "a").stat().st_mode) & 0o6111 == 0


LINK = stat.S_IFLNK | 0o777
UNSAFE: dict[str, tuple[bytes, str]] = {
    "zip ..": (zip_of(("../evil", b"1")), "leaves the folder"),
    "zip .. inside": (zip_of(("a/../../evil", b"1")), "leaves the folder"),
    "zip ..\\": (zip_of(("..\\evil", b"1")), "leaves the folder"),
    "zip /": (zip_of(("/evil", b"1")), "absolute path"),
    "zip C:": (zip_of(("C:/evil", b"1")), "absolute path"),
    "tar ..": (tar_of(("../evil", b"1")), "leaves the folder"),
    "tar /": (tar_of(("/evil", b"1")), "absolute path"),
    "zip newline": (zip_of(("a\nb", b"1")), "control characters"),
    "zip link": (zip_of((zip_info("a", LINK), b"b"), ("b", b"1")), "is a link.*--dereference"),
    "zip link out": (zip_of((zip_info("a", LINK), b"../../evil")), "is a link"),
    "zip link then through it": (
        zip_of((zip_info("a", LINK), b"."), ("a/evil", b"1")),
        "is a link",
    ),
    "tar link": (tar_of(("b", b"1"), (tar_info("a", tarfile.SYMTYPE, "b"), b"")), "is a link"),
    "tar link out": (tar_of((tar_info("a", tarfile.SYMTYPE, "../x"), b"")), "is a link"),
    "tar hard link": (
        tar_of(("b", b"1"), (tar_info("a", tarfile.LNKTYPE, "b"), b"")),
        "is a link",
    ),
    "tar hard link /": (tar_of((tar_info("a", tarfile.LNKTYPE, "/x"), b"")), "is a link"),
    "tar device": (tar_of((tar_info("a", tarfile.CHRTYPE), b"")), "a device"),
    "tar fifo": (tar_of((tar_info("a", tarfile.FIFOTYPE), b"")), "a device"),
    "zip device": (zip_of((zip_info("a", stat.S_IFCHR), b"")), "a device"),
    "twice": (tar_of(("a", b"1"), ("./a", b"2")), "there twice"),
    "file and folder": (zip_of(("a", b"1"), ("a/b", b"2")), "a file and a folder"),
    "deep zip": (zip_of(("d/" * 100 + "a", b"1")), "too many folders deep"),
    "deep tar": (tar_of(("d/" * 1900 + "a", b"1")), "too many folders deep"),
    "bzip2 in a zip": (lying_zip(zipfile.ZIP_BZIP2), "packed in a rare way"),
    "LZMA in a zip": (lying_zip(zipfile.ZIP_LZMA), "packed in a rare way"),
    "7z": (b"7z\xbc\xaf\x27\x1c rest", "is a 7z archive.*unpack it by hand"),
    "rar": (b"Rar!\x1a\x07\x01 rest", "is a rar archive.*unpack it by hand"),
    "page": (b"<html><title>Log in</title>", "sends a web page"),
    "nothing": (b"", "is not a zip"),
    "text": (b"hello", "is not a zip"),
    "gz of no tar": (gzip.compress(b"hello" * 1000), "damaged"),
    "cut zip": (zip_of(*GOOD.items())[:-30], "damaged"),
    "cut tar": (tar_of(("a", bytes(50_000)))[:20_000], "damaged"),
    "tar cut between members": (tar_of(("a", b"1"), ("b", b"2"))[:1024], "its end is missing"),
    "cut tar.gz": (tar_of(*GOOD.items(), packed=True)[:-9], "damaged"),
    "zip bomb": (zip_of(("a", bytes(70_000_000))), "looks like a bomb"),
    "tar.gz bomb": (tar_of(("a", bytes(70_000_000)), packed=True), "looks like a bomb"),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_refused_and_nothing_outside(tmp_path: Path, case: str) -> None:
    content, message = UNSAFE[case]
    with pytest.raises(InputError, match=message):
        out(tmp_path, content)
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert not any("evil" in path.name for path in tmp_path.rglob("*"))
    assert {p.name for p in tmp_path.iterdir()} <= {"my archive ä", "out"}


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    content = zip_of(("a", b"0123456789" * 3))
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("a", b"0123456789")
    content = stored.getvalue().replace(b"0123456789", b"0123456780", 1)
    with pytest.raises(InputError, match="damaged"):
        out(tmp_path, content)


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ENTRIES", 2)
    with pytest.raises(InputError, match="more than 2 entries"):
        out(tmp_path, zip_of(*GOOD.items()))


def test_a_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    content = bytearray(zip_of(("a", bytes(1_000_000))))
    size = (1_000_000).to_bytes(4, "little")
    lie = (10).to_bytes(4, "little")
    with pytest.raises(InputError, match=r"damaged|not as long"):
        out(tmp_path, bytes(content).replace(size, lie))


def test_a_tar_header_that_would_fill_the_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 40_000_000
    content = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(40_000_512))
    with pytest.raises(InputError, match="too long to be true"):
        out(tmp_path, content)


def test_an_encrypted_zip(tmp_path: Path) -> None:
    content = bytearray(zip_of(("a", b"secret")))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="encrypted"):
        out(tmp_path, bytes(content))


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 100})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match="make room"):
        out(tmp_path, zip_of(*GOOD.items()))
