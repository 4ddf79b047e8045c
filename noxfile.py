"""Sessions of nox: `nox` runs tests, lint, types and doctest; `nox -s asv` checks the benchmarks."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["tests", "lint", "types", "doctest"]
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.11", "3.12", "3.13"]


@nox.session(python=PYTHONS)
def tests(session):
    """The whole suite, as `pytest` runs it."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session):
    """The rules of pyproject.toml's [tool.ruff]."""
    session.install("ruff")
    session.run("ruff", "check", ".")


@nox.session
def types(session):
    """Strict types outside the kernels."""
    session.install("-e", ".[dev,test]")
    session.run("mypy")


@nox.session
def doctest(session):
    """The examples in docstrings, and those of the README."""
    session.install("-e", ".[test]")
    session.run("pytest", "fastbp", "tests/test_house.py")


@nox.session
def asv(session):
    """Every benchmark is found and can be imported."""
    session.install("-e", ".[bench]")
    session.run("asv", "check", "--config", "asv_benchmarks/asv.conf.json", "--environment", "existing")
