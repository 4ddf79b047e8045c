#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.2"]
# ///
"""Sessions of nox: `nox` runs tests, lint, types and doctest; the others run by name, as `nox -s lowest`."""

import json
import re
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

PYTHONS = nox.project.python_versions(nox.project.load_toml("pyproject.toml"))
WHEEL_BYTES = 420_000  # source and docstrings, nothing else; without any docstring it would be 270 kB
ARM64_RUNTIME = [f"tests/runtime/test_{name}.py" for name in ("host", "barrier", "fresh_process")]


@nox.session(python=PYTHONS)
def tests(session):
    """The whole suite, as `pytest` runs it."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS[0], default=False)
def lowest(session):
    """The whole suite with the lowest release of each package that pyproject.toml allows."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    bounds = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    constraints = Path(session.create_tmp()) / "lowest.txt"
    constraints.write_text("\n".join(bound.replace(">=", "==") for bound in bounds) + "\n")
    session.install("-e", ".[test]", "--constraint", str(constraints))
    versions_and_tests(session)


@nox.session(python=PYTHONS[-1], default=False)
def newest(session):
    """The whole suite with the newest release of each package, Numba's and NumPy's release candidates among them."""
    session.install("-e", ".[test]", "--upgrade", "--upgrade-strategy", "eager")
    # Alone, so that --pre reaches them and what they need, and no other package.
    session.install("--pre", "--upgrade", "numba", "numpy")
    versions_and_tests(session)


@nox.session
def lint(session):
    """The rules of pyproject.toml's [tool.ruff], and what can go wrong with a workflow."""
    session.install("ruff", "zizmor")
    session.run("ruff", "check", ".")
    session.run("zizmor", "--offline", "--quiet", ".github")


@nox.session
def types(session):
    """Strict types outside the kernels."""
    session.install("-e", ".[dev,test]")
    session.run("mypy")


@nox.session
def doctest(session):
    """The examples in docstrings, and those of the README."""
    session.install("-e", ".[test]")
    session.run("pytest", "fastbp", "tests/project/test_readme.py", "tests/project/test_layout.py")


@nox.session(default=False)
def package(session):
    """Wheel and sdist, checked; the sdist's own tests from its own folder: `-- tests` for all of them."""
    session.install("-e", ".[release]")
    session.run("sp-repo-review", ".")
    made = Path(session.create_tmp()).resolve() / "dist"
    session.run("python", "-m", "build", "--outdir", str(made))
    wheel, sdist = (max(made.glob(pattern), key=lambda path: path.stat().st_mtime) for pattern in ("*.whl", "*.gz"))
    session.run("twine", "check", "--strict", str(wheel), str(sdist))
    session.run("check-wheel-contents", str(wheel))
    if wheel.stat().st_size > WHEEL_BYTES:
        session.error(f"{wheel.name} has {wheel.stat().st_size:,} bytes, more than {WHEEL_BYTES:,}")
    session.run("python", "-m", "tarfile", "--extract", str(sdist), str(made))
    session.chdir(made / sdist.name.removesuffix(".tar.gz"))
    session.run("pip", "uninstall", "--yes", "fastbp")
    session.install(".[test]")
    session.run("pytest", *(session.posargs or ["tests/project", "tests/tables", "-m", "not slow"]))


@nox.session(default=False)
def arm64(session):
    """The kernels as on a 64-bit ARM machine, emulated: `nox -s arm64 -- tests/kernels -k tiles` for some of it."""
    tests = session.posargs or ["tests/kernels", "tests/tables/test_custom.py", *ARM64_RUNTIME]
    system = str(session.cache_dir / "arm64")
    session.run("bash", "tests/arm64.sh", system, "-m", "pytest", *tests, external=True)


@nox.session(default=False)
def counts(session):
    """What the suite has a sample of: guard pages, mutated files, Ctrl-C while blocks are read: all of them."""
    session.install("-e", ".[test]")
    whole = ("tests/runtime/test_guard_pages.py", "tests/training/test_interrupts.py")
    session.run("pytest", *whole, env={"FASTBP_TEST_WHOLE": "1"})
    session.run("python", "tests/io/mutations.py", "--count", "1000000")
    session.run("python", "tests/io/mutations.py", "--count", "100000", "--guided")


@nox.session(default=False)
def mutants(session):
    """Plant faults and see that the tests catch them: `nox -s mutants -- --only files --jobs 2`."""
    session.install("-e", ".[test]")
    session.run("python", "tests/mutants.py", *session.posargs)


@nox.session(default=False)
def asv(session):
    """Every benchmark is found and can be imported."""
    session.install("-e", ".[bench]")
    asv_command(session, "check", "--environment", "existing")


@nox.session(default=False)
def asv_quick(session):
    """Each benchmark once on the working tree, nothing saved: `nox -s asv_quick -- --bench dispatch`."""
    session.install("-e", ".[bench]")
    asv_command(session, "machine", "--yes")
    asv_command(session, "run", "--quick", "--show-stderr", "--environment", "existing", *session.posargs)


@nox.session(default=False)
def asv_continuous(session):
    """Two commits compared, what takes 10 % more time or memory named: `-- BASE COMMIT`, or main and HEAD."""
    session.install("-e", ".[bench]")
    asv_command(session, "machine", "--yes")
    options = ["--factor", "1.1", "--interleave-rounds"]
    if "--bench" not in session.posargs:
        # What is tracked is the better the higher, which asv would take for a regression.
        options += ["--bench", r"^(?!.*\.track_)"]
    asv_command(session, "continuous", *options, *(session.posargs or ["main", "HEAD"]))


@nox.session(default=False)
def asv_run(session):
    """A range of commits measured and saved: `-- main~20..main --steps 5`, or main alone."""
    session.install("-e", ".[bench]")
    asv_command(session, "machine", "--yes")
    asv_command(session, "run", "--skip-existing-successful", *(session.posargs or ["main^!"]))


@nox.session(default=False)
def asv_publish(session):
    """The dashboard of all saved results, in asv_benchmarks/html."""
    session.install("-e", ".[bench]")
    asv_command(session, "publish", *session.posargs)


@nox.session(default=False)
def asv_preview(session):
    """The dashboard served on this computer."""
    session.install("-e", ".[bench]")
    asv_command(session, "preview", *session.posargs)


@nox.session(default=False)
def asv_dashboard(session):
    """The published dashboard in a headless browser: each graph must show at least three commits."""
    session.install("selenium")
    session.run("python", "asv_benchmarks/dashboard.py", *session.posargs)


@nox.session(default=False)
def dashboard(session):
    """The dashboard of the milestones that the repository keeps, served on this computer; nothing is measured."""
    session.install("-e", ".[bench]")
    html = Path(session.create_tmp()).resolve() / "html"
    text = Path("asv_benchmarks/asv.conf.json").read_text(encoding="utf-8")
    settings = json.loads(re.sub(r"(?m)^\s*//.*$", "", text))
    branch = session.run("git", "rev-parse", "--abbrev-ref", "HEAD", external=True, silent=True).strip()
    settings |= {"results_dir": "milestones", "html_dir": str(html), "branches": [branch]}
    written = Path("asv_benchmarks/milestones.conf.json")
    written.write_text(json.dumps(settings), encoding="utf-8")
    try:
        session.run("asv", "--config", str(written), "publish")
        if "--check" in session.posargs:
            session.install("selenium")
            session.run("python", "asv_benchmarks/dashboard.py", "--html", str(html))
        else:
            session.run("asv", "--config", str(written), "preview", *session.posargs)
    finally:
        written.unlink()


@nox.session(default=False)
def docs(session):
    """The site, in docs/_build/html; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-b", "html", "-W", "--keep-going", "docs", "docs/_build/html", *session.posargs)


@nox.session(default=False)
def site_check(session):
    """The built site in a headless Chromium: links, formulas, pictures, search, width: `-- --screenshots FOLDER`."""
    session.install("selenium")
    session.run("python", "docs/site_check.py", *session.posargs)


def versions_and_tests(session):
    """Say which packages are tested, and test."""
    session.run("python", "-m", "pip", "list")
    session.run("pytest", *session.posargs)


def asv_command(session, *arguments):
    """Run asv with the configuration of this repository."""
    session.run("asv", "--config", "asv_benchmarks/asv.conf.json", *arguments)


if __name__ == "__main__":
    nox.main()
