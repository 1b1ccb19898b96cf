"""The CDK app of this checkout and the pinned cdk command: synth, bootstrap, deploy, destroy.

The cdk command and Node are the checkout's own (toolchain/setup.sh): a bare `npx aws-cdk` may fetch a version that
cannot read today's cloud assemblies.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.assembly.template_files import MANIFEST, template_files
from runner.errors import HpcError, InputError

CHECKOUT = Path(__file__).resolve().parents[1]

_INPUTS = (
    "app.py",
    "settings.py",
    "setting_groups",
    "deployment_outputs.py",
    "image_tags.py",
    "batch_limits.py",
    "launcher_contract.py",
    "instance_type_facts.py",
    "functions",
    "head_node",
    "cdk.json",
    "constraints.txt",
    "package-lock.json",
    "stacks",
    "constructs_lib",
    "containers",
)
"""What a template can depend on, besides the context given on the command line."""

_INPUTS_RECORD = "synthesised-from"

_REFUSAL = re.compile(r"^error: (?P<findings>.*?)\n[^\n]*Subprocess exited with error 2$", re.DOTALL | re.MULTILINE)
"""How cdk passes on what app.py says of a profile or deployment that cannot be used, a line a finding."""

_TAIL_LINES = 25

_PINNED = re.compile(r"@(sha256:[0-9a-f]{64})")


class CdkError(HpcError):
    """The cdk command failed; the text names the log and carries its last lines."""


@dataclass(frozen=True)
class CdkApp:
    """The app with one choice of context. `environment` is what the cdk command sees, credentials and endpoint."""

    assembly: Path
    """Where templates and assets are written (cdk.out)."""

    environment: Mapping[str, str]
    context: Mapping[str, str]
    log: Path
    """Everything that cdk says is appended here."""

    def synth(self) -> bool:
        """Write the templates; False where the assembly is already that of today's sources.

        Waits for another process that writes the same assembly: cdk itself would refuse.
        """
        wanted = self._inputs_digest()
        record = self.assembly / _INPUTS_RECORD
        with _locked(self.assembly):
            # The cdk command itself writes here, too, of whatever it was told, and knows no record.
            if record.is_file() and record.read_text(encoding="utf-8") == f"{wanted} {self._assembly_digest()}":
                return False
            record.unlink(missing_ok=True)
            self._cdk("synth", "--quiet", "--output", str(self.assembly), *self._context_options())
            record.write_text(f"{wanted} {self._assembly_digest()}", encoding="utf-8")
        return True

    def _assembly_digest(self) -> str:
        digest = hashlib.sha256()
        for path in (self.assembly / MANIFEST, *template_files(self.assembly).values()):
            digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()

    def stack_names(self) -> list[str]:
        """The stacks of the assembly, once it is written."""
        return list(template_files(self.assembly))

    def pinned_images(self) -> list[str]:
        """What names an image by its digest in the templates that `synth` wrote: `sha256:…`, each once."""
        found: dict[str, None] = {}
        for template in template_files(self.assembly).values():
            found |= dict.fromkeys(_PINNED.findall(template.read_text(encoding="utf-8")))
        return list(found)

    def bootstrap(self, account: str, region: str) -> None:
        """Prepare an account and region for CDK: the CDKToolkit stack. Nothing changes where it is up to date."""
        # From a folder without cdk.json: bootstrap would synthesise the app only to find the environment it was told.
        self._cdk("bootstrap", f"aws://{account}/{region}", cwd=self.log.parent)

    def templates(self) -> dict[str, Any]:
        """By stack, once they are written."""
        return {
            name: json.loads(path.read_text(encoding="utf-8")) for name, path in template_files(self.assembly).items()
        }

    def deploy(self, on_stack: Callable[[str], None], *, confirm: bool, only: str | None = None) -> None:
        """Create or update every stack, or that one alone; `on_stack` is told the name of each that is done.

        `confirm` leaves cdk's question about wider permissions to the person at the terminal.
        """
        approval = "broadening" if confirm else "never"
        self._cdk(
            *("deploy", *_which(only), "--app", str(self.assembly), "--require-approval", approval),
            on_line=_stack_reporter(on_stack),
            interactive=confirm,
        )

    def destroy(self, on_stack: Callable[[str], None], *, only: str | None = None) -> None:
        """Delete every stack, or that one alone, unasked; `on_stack` is told the name of each that is gone."""
        self._cdk(
            *("destroy", *_which(only), "--app", str(self.assembly), "--force"), on_line=_stack_reporter(on_stack)
        )

    def _context_options(self) -> list[str]:
        return [option for key, value in sorted(self.context.items()) for option in ("--context", f"{key}={value}")]

    def _inputs_digest(self) -> str:
        digest = hashlib.sha256(json.dumps(dict(self.context), sort_keys=True).encode())
        for name in _INPUTS:
            top = CHECKOUT / name
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if path.is_file() and "__pycache__" not in path.parts:
                    digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
                    digest.update(path.read_bytes())
        return digest.hexdigest()

    def _cdk(
        self,
        *arguments: str,
        cwd: Path = CHECKOUT,
        on_line: Callable[[str], None] | None = None,
        interactive: bool = False,
    ) -> None:
        command = [str(_cdk_command()), *arguments, "--no-notices", "--no-color"]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = cdk_environment(self.environment)
        if interactive:
            # The question and its answer belong to the terminal; there is no log of what a person saw. Data alone goes
            # to stdout.
            code = subprocess.run(command, cwd=cwd, env=environment, stdout=2, check=False).returncode
            if code:
                raise CdkError(f"cdk {arguments[0]}: exit code {code}; see its output above")
            return
        said = _run_logged(command, cwd, environment, self.log, on_line)
        refusal = _REFUSAL.search(said.text) if said.code else None
        if refusal:
            raise InputError(*map(_as_hpc_says, refusal["findings"].splitlines()))
        if said.code:
            raise CdkError(f"cdk {arguments[0]}: exit code {said.code}, the last lines of {self.log}:\n{said.tail}")


@contextlib.contextmanager
def _locked(assembly: Path) -> Iterator[None]:
    """One process at a time, by a file beside the assembly, which cdk may make anew."""
    assembly.parent.mkdir(parents=True, exist_ok=True)
    with assembly.with_name(f"{assembly.name}.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _which(only: str | None) -> tuple[str, ...]:
    return ("--all",) if only is None else (only, "--exclusively")


@dataclass(frozen=True)
class _Said:
    code: int
    text: str

    @property
    def tail(self) -> str:
        """Its last lines."""
        return "\n".join(self.text.splitlines()[-_TAIL_LINES:]).rstrip()


def _run_logged(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    log: Path,
    on_line: Callable[[str], None] | None,
) -> _Said:
    lines: list[str] = []
    with (
        log.open("a", encoding="utf-8") as record,
        subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        if process.stdout is None:
            raise AssertionError("stdout was asked for as a pipe")
        for line in process.stdout:
            record.write(line)
            lines.append(line)
            if on_line is not None:
                on_line(line.rstrip())
        code = process.wait()
    return _Said(code, "".join(lines))


def _as_hpc_says(finding: str) -> str:
    """A finding of app.py about the names that it was given, in the words of the options that gave them."""
    for context, option in (("-c profile:", "--settings:"), ("-c deployment:", "--deployment:")):
        if finding.startswith(context):
            return option + finding.removeprefix(context)
    return finding


def cdk_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for the cdk command: the checkout's Python and Node first, no telemetry, no banners."""
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return {
        **environment,
        "PATH": path,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
        "NODE_NO_WARNINGS": "1",
    }


def _cdk_command() -> Path:
    command = CHECKOUT / "node_modules" / ".bin" / "cdk"
    if not command.is_file():
        raise InputError(f"{command}: the pinned cdk command is needed, got none; run 'make setup' in {CHECKOUT}")
    return command


def _stack_reporter(on_stack: Callable[[str], None]) -> Callable[[str], None]:
    """cdk ends a stack with a line such as ` ✅  CloudHpc-Batch` or ` ✅  CloudHpc-Batch: destroyed`."""

    def report(line: str) -> None:
        mark, _, name = line.strip().partition("  ")
        if mark == "✅" and name:
            on_stack(name.partition(":")[0].removesuffix(" (no changes)").strip())

    return report
