#!/usr/bin/env python3
"""Builds llama.cpp's own server and its `llama-bench`, from the very sources that the installed
llama-cpp-python was made of, so that a comparison measures servers and not versions.

    bench/llama_server.py            # prints the folder of the programs; 5 to 30 minutes, once

What is built stands under GPT_API_BENCH_CACHE (bench/.cache when unset) and is found there again.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

CACHE = Path(os.environ.get("GPT_API_BENCH_CACHE") or Path(__file__).with_name(".cache"))
PACKAGE = "llama-cpp-python"
PROGRAMS = ("llama-server", "llama-bench")
# The package's own build: Release, this machine's instructions, shared libraries, no downloads.
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "ON",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_CURL": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
}


def programs(jobs: int) -> Path:
    """The folder with the programs of the installed version; builds them where they are missing."""
    home = CACHE / f"{PACKAGE}-{version(PACKAGE)}"
    folder = home / "build" / "bin"
    if not all((folder / name).exists() for name in PROGRAMS):
        build(sources(home), home / "build", jobs)
    return folder


def sources(home: Path) -> Path:
    """llama.cpp's sources inside the package's source distribution, fetched and unpacked once."""
    unpacked = home / "sources"
    if not unpacked.exists():
        wanted = (f"{PACKAGE}=={version(PACKAGE)}", "--no-binary", PACKAGE, "--no-deps")
        run(sys.executable, "-m", "pip", "download", "--quiet", *wanted, "--dest", str(home))
        archive = next(home.glob("*.tar.gz"))
        with tarfile.open(archive) as tar:
            tar.extractall(home / "unpacking", filter="data")
        (home / "unpacking").rename(unpacked)
    return next(unpacked.glob("*/vendor/llama.cpp"))


def build(source: Path, target: Path, jobs: int) -> None:
    path = tools_path()
    options = [f"-D{name}={value}" for name, value in OPTIONS.items()]
    run("cmake", "-G", "Ninja", "-S", str(source), "-B", str(target), *options, path=path)
    run("cmake", "--build", str(target), "-j", str(jobs), "--target", *PROGRAMS, path=path)


def tools_path() -> str:
    """A PATH with cmake and ninja on it; from PyPI where the machine has none."""
    path = os.environ["PATH"]
    if shutil.which("cmake") and shutil.which("ninja"):
        return path
    tools = CACHE / "tools"
    if not (tools / "bin" / "ninja").exists():
        run(sys.executable, "-m", "venv", str(tools))
        run(str(tools / "bin" / "pip"), "install", "--quiet", "cmake", "ninja")
    return f"{tools / 'bin'}{os.pathsep}{path}"


def run(*command: str, path: str | None = None) -> None:
    """Run a program; what it prints goes to standard error, a failure ends this program."""
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    status = subprocess.run([program, *command[1:]], env=environment, stdout=sys.stderr).returncode
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}; see above")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    print(programs(parser.parse_args().jobs))


if __name__ == "__main__":
    main()
