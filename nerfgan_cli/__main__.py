"""`python -m nerfgan_cli`, and the entry point of `nerfgan`."""

import sys

from nerfgan_cli.commands.app import main as run


def main() -> None:
    sys.exit(run())


if __name__ == "__main__":
    main()
