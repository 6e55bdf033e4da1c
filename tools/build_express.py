"""Compiles the express lane (`signaling/media/express.c`) where there is a C compiler; silent when all is well.

Run as `python -m tools.build_express`. Without a compiler the relay takes the plain way, so that is no error; a
compiler that refuses is one. With `--guarded FILE` the library is written to FILE with the sanitizers for addresses and
undefined behaviour built in, for tests.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "signaling" / "media" / "express.c"
LIBRARY = SOURCE.with_name("libexpress.so")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror")
HARDENING = ("-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-fno-strict-aliasing", "-Wl,-z,relro,-z,now")
GUARDS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def compiler() -> str | None:
    """Return the C compiler's path, or None where there is none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(target: Path, *, guarded: bool = False) -> bool:
    """Compile to `target`; False where there is no compiler. Raises subprocess.CalledProcessError."""
    found = compiler()
    if found is None:
        return False
    part = target.with_suffix(".part")
    options = GUARDS if guarded else HARDENING
    # S603: the compiler of this machine, and our own file.
    subprocess.run([found, "-O2", *WARNINGS, *options, "-shared", "-fPIC", SOURCE, "-o", part], check=True)
    # Not written over: a running server has the old one mapped.
    part.replace(target)
    return True


def main() -> int:
    """Build what is older than its source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guarded", type=Path)
    guarded: Path | None = parser.parse_args().guarded
    if guarded is not None:
        return 0 if build(guarded, guarded=True) else 1
    if not LIBRARY.exists() or LIBRARY.stat().st_mtime < SOURCE.stat().st_mtime:
        try:
            build(LIBRARY)
        except subprocess.CalledProcessError as error:
            return int(error.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main())
