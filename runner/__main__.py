"""`python -m runner` is `hpc`."""

from runner.cli import main

if __name__ == "__main__":
    main()
