"""Make a release: ``scripts/release VERSION``.

The version is in ``src/wadm/__init__.py``; the texts that name it (:data:`NAMED_IN`) follow, and what is generated from
them is generated anew. The fragments in ``changelog.d`` become a section of ``CHANGELOG.md``. Both are one commit,
which is tagged; what is in ``dist/`` is built from it.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
VERSION_FILE = "src/wadm/__init__.py"
NAMED_IN = (
    "deploy/helm/wadm-operator/Chart.yaml",
    "deploy/helm/wadm-operator/values.yaml",
    "docs/ci.md",
    "docs/kubernetes.md",
)
"""Texts that name the newest release; a test finds any other."""
INTRODUCTION = "What users notice, newest first."


class NotReady(Exception):
    """The release cannot be made; the text says why and what to do."""


def current_version(root: Path) -> str:
    """Return the version that the sources have now."""
    found = re.search(r'^__version__ = "(.+)"$', (root / VERSION_FILE).read_text(), re.MULTILINE)
    if found is None:
        raise NotReady(f"{VERSION_FILE} has no line __version__ = ...")
    return found[1]


def checked_version(text: str, current: str, tags: Iterable[str]) -> str:
    """Return the version to release; raise :class:`NotReady` for one that cannot follow the current one."""
    try:
        version = Version(text)
    except InvalidVersion:
        raise NotReady(f"{text!r} is no version: three numbers with dots, like 0.23.0") from None
    if f"v{version}" in set(tags):
        raise NotReady(f"v{version} is tagged already: a release is never made twice")
    if version < Version(current) or str(version) != text:
        raise NotReady(f"{text} does not follow {current}")
    return text


def with_release(changelog: str, version: str, date: datetime.date, fragments: Mapping[str, str]) -> str:
    """Return the changelog with a section above the older ones: the points of all fragments, sorted by file name."""
    if not fragments:
        raise NotReady("changelog.d has nothing to tell of: nothing has changed that a user could notice")
    points = (point for name in sorted(fragments) for point in _points(fragments[name]))
    section = f"## {version} ({date:%Y-%m-%d})\n\n" + "\n".join(points) + "\n"
    head, mark, older = changelog.partition("\n## ")
    return f"{head.rstrip()}\n\n{section}" + (f"\n## {older}" if mark else "")


def _points(fragment: str) -> list[str]:
    text = fragment.strip()
    if text.startswith("- "):
        return [f"- {point.strip()}" for point in re.split(r"(?m)^- ", text) if point.strip()]
    return [f"- {_indented(text)}"]


def _indented(text: str) -> str:
    return "\n  ".join(line.strip() for line in text.splitlines())


# -- what the wheel needs ------------------------------------------------------------------------


def locked(lock: str) -> dict[str, tuple[str, list[str]]]:
    """Return version and SHA-256 sums of each distribution in a lock, by canonical name."""
    found: dict[str, tuple[str, list[str]]] = {}
    for entry in re.split(r"\n(?=\S)", lock):
        if pinned := re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", entry):
            found[canonicalize_name(pinned[1])] = (pinned[2], re.findall(r"sha256:([0-9a-f]{64})", entry))
    return found


def needed(requirements: Iterable[str]) -> set[str]:
    """Return the canonical names of what these requirements need, and what that needs, as far as it is installed."""
    names: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in names or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        names.add(name)
        try:
            waiting += map(Requirement, requires(name) or ())
        except PackageNotFoundError:  # another platform's
            continue
    return names


def bill_of_materials(root: Path, version: str) -> str:
    """Return, as CycloneDX JSON, what a wheel with all its extras needs, in the versions and files that are locked."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    lock = locked((root / "requirements/dev.txt").read_text())
    bom = Bom()
    bom.metadata.component = Component(name="wadm", version=version, type=ComponentType.APPLICATION)
    for name in sorted(needed(wanted) & lock.keys()):
        pinned, sums = lock[name]
        bom.components.add(
            Component(
                name=name,
                version=pinned,
                type=ComponentType.LIBRARY,
                purl=PackageURL("pypi", name=name, version=pinned),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in sums],
            )
        )
        bom.register_dependency(bom.metadata.component)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)


# -- the release ---------------------------------------------------------------------------------


def run(root: Path, *command: str) -> str:
    """Run a program in the repository; raise :class:`NotReady` with what it printed where it fails."""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReady(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def write_down(root: Path, version: str, date: datetime.date) -> None:
    """Have the repository be that version, and commit and tag it."""
    if run(root, "git", "status", "--porcelain").strip():
        raise NotReady("There are changes that are not committed: commit them, or put them away")
    current = current_version(root)
    checked_version(version, current, run(root, "git", "tag").split())
    fragments = {one.name: one.read_text() for one in (root / "changelog.d").glob("*.md") if one.name != "README.md"}
    changelog = root / "CHANGELOG.md"
    changelog.write_text(with_release(changelog.read_text(), version, date, fragments))
    for name in fragments:
        (root / "changelog.d" / name).unlink()
    for name in (VERSION_FILE, *NAMED_IN):
        path = root / name
        path.write_text(path.read_text().replace(current, version))
    run(root, sys.executable, "docs/reference.py")
    run(root, sys.executable, "deploy/render.py")
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", f"Release {version}")
    run(root, "git", "tag", "--annotate", f"v{version}", "--message", f"wadm {version}")


def build(root: Path, version: str) -> list[Path]:
    """Build into an empty ``dist/``, check the wheel, and return the files."""
    dist = root / "dist"
    for old in dist.glob("wadm-*"):
        old.unlink()
    run(root, sys.executable, "-m", "hatchling", "build", "-d", str(dist))
    files = sorted(dist.glob(f"wadm-{version}*"))
    wheel = next((one for one in files if one.suffix == ".whl"), None)
    if wheel is None:
        raise NotReady(f"The build made no wheel of {version}, but {[one.name for one in files]}")
    check(root, wheel, version)
    bom = dist / f"wadm-{version}.cdx.json"
    bom.write_text(bill_of_materials(root, version) + "\n")
    files.append(bom)
    sums = "".join(f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in files)
    (dist / "SHA256SUMS").write_text(sums)
    return [*files, dist / "SHA256SUMS"]


def check(root: Path, wheel: Path, version: str) -> None:
    """Install the wheel into an empty environment and ask it for its version; libraries are those that are locked."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        venv.create(place, with_pip=False)
        pip = (sys.executable, "-m", "pip", "--python", str(place / "bin/python"), "install", "--quiet", "--no-deps")
        run(root, *pip, str(wheel))
        libraries = next(path for path in sys.path if path.endswith("site-packages"))
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": libraries}
        command = [str(place / "bin/wadm"), "version"]
        told = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)
        if not told.stdout.startswith(f"wadm {version}\n") or scratch not in told.stdout:
            raise NotReady(f"The wheel does not say that it is {version}:\n{told.stdout}{told.stderr}")


def main(arguments: list[str]) -> int:
    """Make the release that the command line names; return the exit status."""
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print("Usage: scripts/release VERSION | --build", file=sys.stderr)
        return 2
    try:
        if arguments[0] == "--build":
            version = current_version(ROOT)
        else:
            version = arguments[0]
            write_down(ROOT, version, datetime.datetime.now(datetime.UTC).date())
            print(f"Committed and tagged v{version}")
        for file in build(ROOT, version):
            print(f"Built {file.relative_to(ROOT)}")
    except NotReady as error:
        print(f"Not released: {error}", file=sys.stderr)
        return 1
    print(f"Push it with: git push origin HEAD v{version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
