"""Dockerfiles, read for what a container starts with.

Nothing is built: RUN is passed over (the packages of the host's interpreter stand in for what it would install), COPY
--from takes of a stage what that copied from the folder, and USER is recorded, not switched to. What would change the
container and is not honoured is refused with its line.
Reference: https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import io
import json
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser
from dockerfile_parse.util import WordSplitter, extract_key_values

from local_batch.executors.errors import DockerfileError
from local_batch.executors.image import DEFAULT_PATH, BuiltStage, CopyInstruction, ImageConfig

_DEFAULT_SHELL = ("/bin/sh", "-c")

_PASSED_OVER = frozenset({"RUN", "LABEL", "MAINTAINER", "EXPOSE", "HEALTHCHECK", "ONBUILD"})
"""Nothing a Batch job sees: Batch publishes no port and ignores the image's health check."""

_HEREDOC = re.compile(r"(?<!<)<<-?[\"']?[A-Za-z_]")
_EXPANSION_WITH_OPERATOR = re.compile(r"\$\{\w+[^\w}]")
_ESCAPE_DIRECTIVE = re.compile(r"^#\s*escape\s*=\s*[^\\\s]", re.MULTILINE | re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(tar|tgz|tbz2?|txz|tar\.\w+)$")


@dataclass(slots=True)
class _Stage:
    """A build stage as far as it has been read."""

    env: dict[str, str] = field(default_factory=dict)
    args: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    directories: list[str] = field(default_factory=list)
    copies: list[CopyInstruction] = field(default_factory=list)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    cmd_is_own: bool = False
    shell: tuple[str, ...] = _DEFAULT_SHELL
    user: str | None = None

    def child(self) -> _Stage:
        """A stage that begins where this one ends: `FROM <this stage>`. ARGs do not carry over."""
        return _Stage(
            env=dict(self.env),
            workdir=self.workdir,
            directories=list(self.directories),
            copies=list(self.copies),
            entrypoint=self.entrypoint,
            cmd=self.cmd,
            shell=self.shell,
            user=self.user,
        )


def read_dockerfile(folder: Path) -> ImageConfig:
    """The configuration of the image that `folder/Dockerfile` describes: its last stage.

    Raises DockerfileError, naming file and line, where the file is wrong or asks for what is not honoured.
    """
    path = folder / "Dockerfile"
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DockerfileError(f"{path}: a Dockerfile in UTF-8 is needed, got {error}; write one") from error
    if "\0" in content:
        raise DockerfileError(f"{path}: a Dockerfile is text, got a NUL byte; write it again")
    if _ESCAPE_DIRECTIVE.search(content):
        raise DockerfileError(f"{path}:1: only the backslash escapes here; remove the escape directive")
    return _DockerfileReader(path).read(content)


def _absolute(base: str, path: str) -> str:
    return "/" + posixpath.normpath(posixpath.join(base, path)).lstrip("/")


class _DockerfileReader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self._global_args: dict[str, str] = {}
        self._stages: dict[str, _Stage] = {}
        """By name, and by number: https://docs.docker.com/build/building/multi-stage/."""
        self._number = 0
        self._stage: _Stage | None = None
        self._instructions: Mapping[str, Callable[[_Stage, str], None]] = {
            "ARG": self._arg,
            "ENV": self._env,
            "WORKDIR": self._workdir,
            "VOLUME": self._volume,
            "COPY": self._copy,
            "ADD": self._add,
            "ENTRYPOINT": self._entrypoint,
            "CMD": self._cmd,
            "SHELL": self._shell,
            "USER": self._user,
            "STOPSIGNAL": self._stopsignal,
        }

    def read(self, content: str) -> ImageConfig:
        parser = DockerfileParser(fileobj=io.BytesIO(content.encode()), env_replace=False)
        for entry in parser.structure:
            if entry["instruction"] == "COMMENT":
                continue
            self._line = entry["startline"] + 1
            self._read_instruction(entry["instruction"], entry["value"])
        if self._stage is None:
            raise DockerfileError(f"{self._path}: an image begins with FROM, got none; add one")
        stage = self._stage
        return ImageConfig(
            entrypoint=stage.entrypoint,
            cmd=stage.cmd,
            env=stage.env,
            workdir=stage.workdir,
            directories=tuple(stage.directories),
            copies=tuple(stage.copies),
            user=stage.user,
        )

    def _read_instruction(self, instruction: str, value: str) -> None:
        if instruction in {"RUN", "COPY", "ADD"} and _HEREDOC.search(value):
            raise self._refusal(f"a here-document in {instruction} is not read", value, "put its text into a file")
        if instruction in _PASSED_OVER:
            return
        if not value:
            raise self._refusal(f"{instruction} needs a value", value, "give one")
        if instruction == "FROM":
            self._from(value)
        elif self._stage is None:
            if instruction != "ARG":
                raise self._refusal("only ARG may stand before FROM", instruction, "begin with FROM")
            self._global_args.update(self._arg_defaults(value, {}, self._global_args))
        elif instruction in self._instructions:
            self._instructions[instruction](self._stage, value)
        else:
            raise self._refusal("an instruction of the Dockerfile reference is needed", instruction, "correct it")

    def _refusal(self, rule: str, got: str, fix: str) -> DockerfileError:
        return DockerfileError(f"{self._path}:{self._line}: {rule}, got {got!r}; {fix}")

    def _words(self, value: str, env: Mapping[str, str], args: Mapping[str, str]) -> list[str]:
        if match := _EXPANSION_WITH_OPERATOR.search(value):
            raise self._refusal("only $NAME and ${NAME} are expanded", match.group() + "…", "write the value")
        return list(WordSplitter(value, args=args, envs={"PATH": DEFAULT_PATH, **env}).split())

    def _word(self, stage: _Stage, value: str) -> str:
        words = self._words(value, stage.env, stage.args)
        if len(words) != 1:
            raise self._refusal("one value is needed here", value, "quote it")
        return words[0]

    def _string_list(self, instruction: str, value: str) -> tuple[str, ...] | None:
        """The exec form, or None: what is no JSON list of strings is the shell form, as Docker has it."""
        if not value.startswith("["):
            return None
        try:
            items = json.loads(value)
        except json.JSONDecodeError:
            return None
        if not all(isinstance(item, str) for item in items):
            raise self._refusal(f"the exec form of {instruction} is a JSON list of strings", value, "quote each item")
        return tuple(items)

    def _from(self, value: str) -> None:
        words = [word for word in self._words(value, {}, self._global_args) if not word.startswith("--")]
        if not words or (len(words) != 1 and (len(words) != 3 or words[1].upper() != "AS")):
            raise self._refusal("FROM takes an image and optionally AS and a name", value, "correct it")
        base = self._stages.get(words[0].lower())
        self._stage = _Stage() if base is None else base.child()
        self._stages[str(self._number)] = self._stage
        self._number += 1
        if len(words) == 3:
            self._stages[words[2].lower()] = self._stage

    def _arg_defaults(self, value: str, env: Mapping[str, str], args: Mapping[str, str]) -> dict[str, str]:
        defaults = {}
        for word in self._words(value, env, args):
            name, has_default, default = word.partition("=")
            if has_default:
                defaults[name] = default
            elif name in self._global_args:
                defaults[name] = self._global_args[name]
        return defaults

    def _arg(self, stage: _Stage, value: str) -> None:
        stage.args.update(self._arg_defaults(value, stage.env, stage.args))

    def _env(self, stage: _Stage, value: str) -> None:
        if match := _EXPANSION_WITH_OPERATOR.search(value):
            raise self._refusal("only $NAME and ${NAME} are expanded", match.group() + "…", "write the value")
        try:
            pairs = extract_key_values(
                env_replace=True, args=stage.args, envs={"PATH": DEFAULT_PATH, **stage.env}, instruction_value=value
            )
        except ValueError as error:
            raise self._refusal("ENV takes NAME=value pairs", value, "correct it") from error
        stage.env.update(pairs)

    def _workdir(self, stage: _Stage, value: str) -> None:
        stage.workdir = _absolute(stage.workdir, self._word(stage, value))
        stage.directories.append(stage.workdir)

    def _volume(self, stage: _Stage, value: str) -> None:
        paths = self._string_list("VOLUME", value) or self._words(value, stage.env, stage.args)
        stage.directories.extend(_absolute("/", path) for path in paths)

    def _copy(self, stage: _Stage, value: str) -> None:
        flags, rest = self._flags(stage, value)
        mode = self._copy_mode(flags)
        origin = self._copied_stage(stage, flags)
        words = self._string_list("COPY", rest) or tuple(self._words(rest, stage.env, stage.args))
        if len(words) < 2:
            raise self._refusal("COPY takes sources and a destination", value, "give both")
        *sources, last = words
        for source in sources:
            if ".." in source.split("/"):
                raise self._refusal("a source lies inside the image's folder", source, "move it there")
        destination = _absolute(stage.workdir, last)
        if last.endswith(("/", "/.")) or last == "." or len(sources) > 1:
            destination = destination.rstrip("/") + "/"
        stage.copies.append(CopyInstruction(self._line, tuple(sources), destination, mode, origin))

    def _flags(self, stage: _Stage, value: str) -> tuple[dict[str, str], str]:
        flags = {}
        while value.startswith("--"):
            flag, _, value = value.partition(" ")
            name, _, setting = self._word(stage, flag).partition("=")
            flags[name] = setting
            value = value.lstrip()
        return flags, value

    def _copied_stage(self, stage: _Stage, flags: Mapping[str, str]) -> BuiltStage | None:
        name = flags.get("--from")
        if name is None:
            return None
        origin = self._stages.get(name.lower())
        if origin is None or origin is stage:
            raise self._refusal(
                "COPY --from names an earlier stage, as the process executor has no image", name, "copy from the folder"
            )
        return BuiltStage(name, tuple(origin.directories), tuple(origin.copies))

    def _copy_mode(self, flags: Mapping[str, str]) -> int | None:
        for name in flags:
            if name not in {"--chown", "--chmod", "--from", "--link"}:
                raise self._refusal("this option of COPY is not honoured", name, "remove it")
        if "--chmod" not in flags:
            return None
        if not re.fullmatch(r"[0-7]{3,4}", flags["--chmod"]):
            raise self._refusal("--chmod takes an octal mode", flags["--chmod"], "write it like 755")
        return int(flags["--chmod"], 8)

    def _add(self, stage: _Stage, value: str) -> None:
        self._copy(stage, value)
        for source in stage.copies[-1].sources:
            if re.match(r"\w+://|git@", source):
                raise self._refusal("ADD fetches nothing here", source, "put the file into the folder and COPY it")
            if _ARCHIVE.search(source):
                raise self._refusal("ADD unpacks no archive here", source, "COPY the files that it holds")

    def _command(self, stage: _Stage, instruction: str, value: str) -> tuple[str, ...]:
        exec_form = self._string_list(instruction, value)
        return exec_form if exec_form is not None else (*stage.shell, value)

    def _entrypoint(self, stage: _Stage, value: str) -> None:
        stage.entrypoint = self._command(stage, "ENTRYPOINT", value)
        # A CMD that came with the base was meant for the base's entry point: Docker drops it.
        if not stage.cmd_is_own:
            stage.cmd = ()

    def _cmd(self, stage: _Stage, value: str) -> None:
        stage.cmd = self._command(stage, "CMD", value)
        stage.cmd_is_own = True

    def _shell(self, stage: _Stage, value: str) -> None:
        shell = self._string_list("SHELL", value)
        if not shell:
            raise self._refusal("SHELL takes a JSON list of strings", value, "write it so")
        stage.shell = shell

    def _user(self, stage: _Stage, value: str) -> None:
        stage.user = self._word(stage, value)

    def _stopsignal(self, stage: _Stage, value: str) -> None:
        if self._word(stage, value).upper() not in {"SIGTERM", "TERM", "15"}:
            raise self._refusal("jobs are stopped by SIGTERM here", value, "remove STOPSIGNAL and handle SIGTERM")
