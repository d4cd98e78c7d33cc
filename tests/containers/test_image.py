"""What is put into an image before a script is run there: packages, files, and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lsbcheck.sandbox.container.backend import ContainerBackend
from tests.containers import images
from tests.containers.command import LAB, SERVICE, lsbcheck
from tests.containers.engines import Engine

REPOSITORY = "/srv/packages"
RULES = ["--rule", "start-succeeds", "--rule", "status-when-running"]
HOLD = {"lab": {"start-succeeds": "pass", "status-when-running": "pass"}}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A Debian package with a service that its own installation would start."""
    tree = tmp_path_factory.mktemp("package")
    control = {
        "control": "Package: lab\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <n@o>\n"
        "Description: a daemon that sleeps\n",
        "postinst": "#!/bin/sh\ninvoke-rc.d lab start || exit 1\n"
        "[ ! -e /run/lab.pid ] || touch /etc/it-was-started\n",
    }
    files = {f"/DEBIAN/{name}": (text.encode(), 0o755) for name, text in control.items()}
    for path, (content, mode) in {**LAB, **files}.items():
        place = Path(f"{tree}{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(mode)
    made = tmp_path_factory.mktemp("made") / "lab.deb"
    build = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(made)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return made.read_bytes()


@pytest.fixture(scope="module")
def debian(engine: Engine, package: bytes) -> Iterator[str]:
    """A Debian with a package repository of its own, from which apt takes what is asked for."""
    index = (
        f"Package: lab\nVersion: 1.0\nArchitecture: all\nFilename: ./lab.deb\n"
        f"Size: {len(package)}\nSHA256: {hashlib.sha256(package).hexdigest()}\n"
    )
    files = {
        f"{REPOSITORY}/lab.deb": (package, 0o644),
        f"{REPOSITORY}/Packages": (index.encode(), 0o644),
        "/etc/apt/sources.list": (f"deb [trusted=yes] file:{REPOSITORY} ./\n".encode(), 0o644),
    }
    base = images.of_root(engine.client, "initd")
    with images.with_files(engine.client, base, files) as image:
        yield image


def test_a_package_is_installed_by_the_images_own_manager_and_not_started(
    engine: Engine, debian: str
) -> None:
    started = "[ ! -e /etc/it-was-started ] && [ ! -e /usr/sbin/policy-rc.d ]"
    said = lsbcheck(
        *(*engine.options, "--image", debian, "--package", "lab", "--format", "json"),
        *(*RULES, "--prepare", started, "lab"),
        environ=engine.environ,
    )
    assert said.code == 0, said
    assert said.verdicts == HOLD
    assert engine.left(said.pid) == []


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_what_a_package_puts_into_a_volume_of_the_image_is_there(
    engine: Engine, debian: str
) -> None:
    """No engine commits a volume."""
    with (
        images.changed(engine.client, debian, "VOLUME /usr/sbin") as image,
        ContainerBackend(replace(engine.wish(image), packages=("lab",)), engine.environ) as made,
        made.create() as sandbox,
    ):
        look = ["sh", "-c", "[ -x /usr/sbin/labd ] && [ ! -e /.lsbcheck/volumes/usr/sbin ]"]
        assert sandbox.run(look, env={}, deadline=60).code == 0
        assert sandbox.read_file("/usr/sbin/labd") == LAB["/usr/sbin/labd"][0]
        assert sandbox.changed_files() == []


def test_a_package_that_nobody_has_is_told_in_the_managers_words(
    engine: Engine, debian: str
) -> None:
    said = lsbcheck(
        *(*engine.options, "--image", debian, "--package", "no-such-package", "lab"),
        environ=engine.environ,
    )
    assert (said.code, said.out) == (4, "")
    assert "no-such-package could not be installed into ocfkit-with:" in said.err
    assert "Unable to locate package no-such-package" in said.err
    assert engine.left(said.pid) == []


@pytest.mark.parametrize(
    ("says", "quoted"),
    [
        ("echo no such package >&2; echo all is read", "no such package"),
        ("echo no such package", "no such package"),
        (":", "it said nothing"),
    ],
    ids=["an error before the rest", "no word of an error", "nothing"],
)
def test_of_what_a_manager_says_the_error_is_quoted(
    engine: Engine, small_image: str, says: str, quoted: str
) -> None:
    manager = {"/usr/bin/pacman": (f"#!/bin/sh\n{says}\nexit 1\n".encode(), 0o755)}
    with images.with_files(engine.client, small_image, manager) as image:
        said = lsbcheck(
            *(*engine.options, "--image", image, "--package", "lab", "lab"), environ=engine.environ
        )
    assert said.code == 4
    assert f": it ended with 1: {quoted}\n" in said.err


def test_an_image_without_a_package_manager_is_told_so(engine: Engine, small_image: str) -> None:
    said = lsbcheck(
        *(*engine.options, "--image", small_image, "--package", "lab", "lab"),
        environ=engine.environ,
    )
    assert said.code == 4
    assert "the image has none of apt-get, dnf" in said.err


def test_files_are_copied_to_where_they_are_wanted(
    engine: Engine, small_image: str, tmp_path: Path
) -> None:
    (tmp_path / "my-lab").write_text(SERVICE)
    (tmp_path / "my-lab").chmod(0o755)
    (tmp_path / "daemon").write_bytes(LAB["/usr/sbin/labd"][0])
    (tmp_path / "daemon").chmod(0o755)
    said = lsbcheck(
        *(*engine.options, "--image", small_image, "--format", "json", *RULES),
        *(
            "--copy",
            f"{tmp_path}/my-lab:/tmp/here/lab",
            "--copy",
            f"{tmp_path}/daemon:/usr/sbin/labd",
        ),
        "/tmp/here/lab",  # noqa: S108 - in the image
        environ=engine.environ,
    )
    assert said.code == 0, said
    assert said.verdicts == HOLD


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_pattern_is_looked_up_in_the_image(engine: Engine, small_image: str) -> None:
    other = {"/etc/init.d/other": LAB["/etc/init.d/lab"], "/etc/init.d/README": (b"read", 0o644)}
    with images.with_files(engine.client, small_image, {**LAB, **other}) as image:
        said = lsbcheck(
            *(*engine.options, "--image", image, "--format", "json", *RULES, "/etc/init.d/*")
        )
    assert set(said.verdicts) == {"lab", "other"}
    assert said.err == "lsbcheck: /etc/init.d/README: passed over, no service by its name\n"


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_an_image_with_a_start_of_its_own_a_user_and_a_health_check_is_only_a_root(
    engine: Engine, small_image: str
) -> None:
    """None of what an image says about how it wants to be run is of interest here."""
    changes = [
        'ENTRYPOINT ["/bin/false"]', 'CMD ["x"]', "USER nobody", "WORKDIR /nowhere",
        "HEALTHCHECK CMD /bin/false", "ENV PATH=/nowhere", "VOLUME /var/lib/data",
    ]  # fmt: skip
    before = _volumes(engine)
    with (
        images.with_files(engine.client, small_image, LAB) as plain,
        images.changed(engine.client, plain, *changes) as image,
    ):
        said = lsbcheck(*(*engine.options, "--image", image, "--format", "json", *RULES, "lab"))
    assert said.code == 0, said
    assert said.verdicts == HOLD
    assert _volumes(engine) == before


def test_a_volume_of_an_image_is_a_folder_like_any_other(engine: Engine, small_image: str) -> None:
    """An engine covers it with a file system of its own, into which docker copies what is lost."""
    with (
        images.with_files(engine.client, small_image, {"/srv/own": (b"own", 0o644)}) as plain,
        images.changed(engine.client, plain, "VOLUME /srv") as image,
        ContainerBackend(
            replace(engine.wish(image), copies=(("/srv/new", b"new", 0o755),)), engine.environ
        ) as made,
        made.create() as sandbox,
    ):
        assert made.notes == []
        assert (sandbox.read_file("/srv/own"), sandbox.read_file("/srv/new")) == (b"own", b"new")
        sandbox.run(["sh", "-c", "echo >>/srv/own"], env={"PATH": "/bin"}, deadline=60)
        assert sandbox.changed_files() == ["/srv/own"]


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_file_that_cannot_be_copied_to_where_it_is_wanted_is_told(
    engine: Engine, small_image: str
) -> None:
    words = (*engine.options, "--image", small_image, "--copy", f"{__file__}:/etc", "lab")
    said = lsbcheck(*words, environ=engine.environ)
    assert (said.code, said.out) == (4, "")
    assert "--copy: Is a directory (/etc)" in said.err
    assert "cure: name a path in the image at which a file can be" in said.err
    assert engine.left(said.pid) == []


def _volumes(engine: Engine) -> set[str]:
    found: list[dict[str, str]] = engine.client.volumes()["Volumes"] or []
    return {each["Name"] for each in found}


def test_an_image_without_python_gets_our_own(engine: Engine) -> None:
    """The minimal Debian has none."""
    base = images.of_root(engine.client, "initd")
    with images.with_files(engine.client, base, LAB) as image, engine.backend(image) as made:
        with made.create() as sandbox:
            ran = sandbox.run(
                ["sh", "-c", "command -v python3"], env={"PATH": "/usr/bin"}, deadline=9
            )
        assert ran.code == 127 or ran.stdout == ""
        assert made.notes == []


def test_an_image_without_a_c_library_gets_our_own_too(engine: Engine, tmp_path: Path) -> None:
    """As small as other distributions' images: busybox, linked statically, and nothing else."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    dynamic = subprocess.run(["ldd", busybox], capture_output=True, check=False).returncode == 0
    assert not dynamic, "Debian's busybox-static is needed"
    for folder in ("bin", "etc/init.d", "usr/sbin", "run", "tmp", "proc", "sys", "dev"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(busybox, tmp_path / "bin/busybox")
    for name in ("sh", "sleep", "cat", "setsid", "rm", "env"):
        (tmp_path / "bin" / name).symlink_to("busybox")
    for path, (content, mode) in LAB.items():
        place = Path(f"{tmp_path}{path}")
        place.write_bytes(content)
        place.chmod(mode)
    image = images.of_folder(engine.client, tmp_path, f"ocfkit-busybox:{os.getpid()}")
    words = ["--format", "json", *RULES, "lab"]
    try:
        said = lsbcheck(*engine.options, "--image", image, *words, environ=engine.environ)
    finally:
        engine.client.remove_image(image, force=True)
    assert said.verdicts["lab"]["start-succeeds"] == "pass"
    assert said.verdicts == lsbcheck("--root", str(tmp_path), *words).verdicts
