"""Starts a container's program as the child of an array job that it is: with a command and an environment of its own.

    ENTRYPOINT ["python", "-IS", "launcher.py", "2", "python", "dopi.py"]

The first argument is the number of words after it that are the program's own; what follows them is the command, which
Batch appends. Without HPC_CHILDREN, or with an empty one, they are executed as they are. HPC_CHILDREN is JSON:

    {"children": [[command, environment], ...]}
    {"from": "s3://BUCKET/PREFIX/", "region": "eu-central-1", "blocks": [[0, "<SHA-256>"], [5000, "<SHA-256>"]]}

`command` is a list of words that replaces Batch's, or null, which keeps it; `environment` an object of strings, merged
over the container's. In the second form a block holds the children from its first index up to that of the next one, in
the object PREFIX/<SHA-256>.jsonl.gz: a gzip of lines, each [command, environment], whose SHA-256 is that of its bytes.

Which child this is says AWS_BATCH_JOB_ARRAY_INDEX, or it is 0. The program takes this process over: signals reach it,
its exit code is the container's, HPC_CHILDREN is gone. The launcher's own exit codes: 69 the object cannot be had, 78
it or an argument is wrong, 126 or 127 the program cannot be executed or is not there, 143 stopped by SIGTERM while it
fetched. See docs/launcher.md.
"""

# What every start pays for is imported here, and Python has loaded that already; so no annotation needs an import.
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn
    from urllib.parse import SplitResult

VARIABLE = "HPC_CHILDREN"
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE and EX_CONFIG of sysexits.h
EXIT_WRONG = 78
EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, EXIT_SIGTERM = 126, 127, 143  # as a shell has them
MAX_OBJECT_BYTES = 16 << 20
MAX_LINE_BYTES = 1 << 20  # the kernel starts no program with more than about twice that
MAX_BLOCK_BYTES = 64 << 20  # of lines up to the child's, unpacked; they are not held in memory
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.25
TIMEOUT_SECONDS = 20.0
RETRIED = frozenset({408, 429, 500, 502, 503, 504})


class LauncherError(Exception):
    """The program is not started; the text says why, in one line."""

    def __init__(self, text: str, exit_code: int = EXIT_WRONG) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def execute(words: "list[str | bytes]") -> "NoReturn":
    """Become that program; found as os.execvp finds it, which imports what takes longer than the search."""
    import _signal  # type: ignore[import-not-found]  # noqa: PLC0415 - built in; signal makes enumerations first

    # Python ignores these, and so would the program: https://docs.python.org/3/library/signal.html#note-on-sigpipe
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    name = os.fsdecode(words[0])
    folders = [""] if "/" in name else os.environ.get("PATH", os.defpath).split(":")
    problem: OSError = FileNotFoundError(2, "no such file on PATH")
    for folder in folders:
        try:
            os.execv(os.path.join(folder, name), words)  # noqa: S606, PTH118 - no shell, no pathlib
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problem = error
    exit_code = EXIT_NOT_FOUND if isinstance(problem, FileNotFoundError) else EXIT_NOT_EXECUTABLE
    raise LauncherError(f"{name}: is a program that starts, got {problem.strerror!r}; correct the words", exit_code)


def child_of(text: str, index: int) -> tuple[list[str] | None, dict[str, str]]:
    """Command and environment of a child, by the content of HPC_CHILDREN."""
    document = parsed(text, VARIABLE)
    if isinstance(document, dict) and "from" in document:
        return spilled_child(document, index)
    children = document.get("children") if isinstance(document, dict) else None
    if not isinstance(children, list):
        raise LauncherError(f'{VARIABLE}: has "children", or "from" and "blocks", got {text!r:.80}; submit it again')
    if index >= len(children):
        raise LauncherError(f"{VARIABLE}: holds child {index}, got {len(children)} children; submit the job again")
    return checked(children[index], f"{VARIABLE}: child {index}")


def parsed(text: "str | bytes", place: str) -> "Any":
    """The JSON's content."""
    import json  # noqa: PLC0415 - see above

    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LauncherError(f"{place}: is JSON, got {text!r:.80} ({error}); submit the job again") from error


def checked(entry: object, place: str) -> tuple[list[str] | None, dict[str, str]]:
    """A child of the right form."""
    if isinstance(entry, list) and len(entry) == 2:
        command, environment = entry
        has_words = command is None or (isinstance(command, list) and all(isinstance(word, str) for word in command))
        if has_words and isinstance(environment, dict) and all(isinstance(v, str) for v in environment.values()):
            return command, environment
    raise LauncherError(f"{place}: is [list of words or null, object of strings], got {entry!r:.80}; correct it")


def spilled_child(document: "dict[str, Any]", index: int) -> tuple[list[str] | None, dict[str, str]]:
    """A child of which HPC_CHILDREN says no more than where it is."""
    import hashlib  # noqa: PLC0415 - see above
    import signal  # noqa: PLC0415 - see above

    scheme, _, rest = str(document["from"]).partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket or not rest.endswith("/"):
        raise LauncherError(f'{VARIABLE}: "from" is s3://BUCKET/PREFIX/, got {document["from"]!r:.80}; correct it')
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or document.get("region")
    if not region or not isinstance(region, str):
        raise LauncherError(f'{VARIABLE}: "region" is that of the bucket, got {region!r:.80}; name it')
    first, digest = block_of(document.get("blocks"), index)
    key = f"{prefix}{digest}.jsonl.gz"
    # The first process of a container is not ended by a signal that it has no handler for.
    signal.signal(signal.SIGTERM, stop)
    content = fetched(bucket, key, region)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise LauncherError(f"s3://{bucket}/{key}: has the SHA-256 of its name, got {found}; submit the job again")
    place = f"s3://{bucket}/{key}: child {index}"
    return checked(parsed(line_of(content, index - first, place), place), place)


def block_of(blocks: object, index: int) -> tuple[int, str]:
    """First index and SHA-256 of the block that holds a child."""
    before, found = -1, None
    for block in blocks if isinstance(blocks, list) else ():
        first, digest = block if isinstance(block, list) and len(block) == 2 else (None, None)
        is_hash = isinstance(digest, str) and len(digest) == 64 and not digest.strip("0123456789abcdef")
        if type(first) is not int or first <= before or not is_hash:
            raise LauncherError(f'{VARIABLE}: "blocks" ascend and are [index, SHA-256], got {block!r:.90}; correct it')
        before = first
        found = (first, str(digest)) if first <= index else found
    if found is None:
        raise LauncherError(f"{VARIABLE}: a block holds child {index}, got {blocks!r:.90}; submit the job again")
    return found


def line_of(content: bytes, number: int, place: str) -> bytes:
    """A line of what was packed; nothing after it is unpacked, and no more than a line of it is in memory."""
    import gzip  # noqa: PLC0415 - see above
    import io  # noqa: PLC0415 - see above
    import zlib  # noqa: PLC0415 - see above

    size = 0
    lines = gzip.GzipFile(fileobj=io.BytesIO(content))
    try:
        for _ in range(number + 1):
            line = lines.readline(MAX_LINE_BYTES + 1)
            size += len(line)
            if len(line) > MAX_LINE_BYTES or size > MAX_BLOCK_BYTES:
                most = f"a line has up to {MAX_LINE_BYTES} bytes, a block up to {MAX_BLOCK_BYTES} (docs/launcher.md)"
                raise LauncherError(f"{place}: {most}, got more; make commands shorter")
    except (OSError, EOFError, zlib.error) as error:
        raise LauncherError(f"{place}: is in a gzip of lines, got another object ({error}); submit it again") from error
    if not line:
        raise LauncherError(f"{place}: is line {number + 1} of its block, got fewer; submit the job again")
    return line


def fetched(bucket: str, key: str, region: str) -> bytes:
    """An object's content."""
    from urllib.parse import quote, urlsplit  # noqa: PLC0415 - see above

    path = quote(key, safe="/~")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    domain = f"s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    url = f"https://{bucket}.{domain}/{path}"
    if endpoint or "." in bucket:  # of which the name would not fit the certificate
        url = f"{(endpoint or f'https://{domain}').rstrip('/')}/{bucket}/{path}"
    parts = urlsplit(url)
    return got(parts, signed(parts, region, credentials()), f"s3://{bucket}/{key}")


def credentials() -> tuple[str, str, str]:
    """Key, secret and session token of the environment or of the container's role.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """
    import json  # noqa: PLC0415 - see above
    from urllib.parse import urlsplit  # noqa: PLC0415 - see above

    given = os.environ
    if given.get("AWS_ACCESS_KEY_ID") and given.get("AWS_SECRET_ACCESS_KEY"):
        return given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], given.get("AWS_SESSION_TOKEN", "")
    relative = given.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    url = f"http://169.254.170.2{relative}" if relative else given.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    token = given.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    try:
        if file := given.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            with open(file, encoding="ascii") as opened:  # noqa: PTH123 - pathlib would be imported for it
                token = opened.read().strip()
        if url:
            found = json.loads(got(urlsplit(url), {"Authorization": token} if token else {}, "GET of them"))
            return found["AccessKeyId"], found["SecretAccessKey"], found.get("Token") or ""
        problem = "no address of any"
    except (OSError, ValueError, LookupError, TypeError, LauncherError) as error:
        problem = f"{type(error).__name__}: {error}"
    raise LauncherError(f"credentials: a job role gives them, got {problem}; see jobRoleArn", EXIT_UNAVAILABLE)


def signed(parts: "SplitResult", region: str, key: tuple[str, str, str]) -> dict[str, str]:
    """The headers of a GET by Signature Version 4.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    """
    import hmac  # noqa: PLC0415 - see above
    import time  # noqa: PLC0415 - see above
    from hashlib import sha256  # noqa: PLC0415 - see above

    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = {"host": parts.netloc, "x-amz-content-sha256": sha256(b"").hexdigest(), "x-amz-date": now}
    if key[2]:
        headers["x-amz-security-token"] = key[2]
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"GET\n{parts.path}\n\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    signature = f"AWS4{key[1]}".encode()
    for text in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{sha256(request.encode()).hexdigest()}"):
        signature = hmac.digest(signature, text.encode(), "sha256")
    told = f"Credential={key[0]}/{scope}, SignedHeaders={names}, Signature={signature.hex()}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {told}"}


def got(parts: "SplitResult", headers: dict[str, str], place: str) -> bytes:
    """What a GET is answered with; it is tried again where that may help."""
    import http.client  # noqa: PLC0415 - see above
    import ssl  # noqa: PLC0415 - see above
    import time  # noqa: PLC0415 - see above

    for attempt in range(ATTEMPTS):
        if attempt:
            # Thousands of children may have been refused at one moment; they come back at different ones.
            time.sleep(FIRST_PAUSE_SECONDS * 2**attempt * (0.5 + os.urandom(1)[0] / 255))
        to = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            if parts.scheme == "https":
                trusted = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
                to = http.client.HTTPSConnection(to.host, parts.port, timeout=TIMEOUT_SECONDS, context=trusted)
            to.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
            answer = to.getresponse()
            body = answer.read(MAX_OBJECT_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            problem = f"{type(error).__name__}: {error}"
            continue
        if len(body) > MAX_OBJECT_BYTES:
            raise LauncherError(f"{place}: has up to {MAX_OBJECT_BYTES} bytes (docs/launcher.md), got more; split it")
        if answer.length:
            problem = f"{answer.length} bytes less than announced"
        elif answer.status == http.client.OK:
            return body
        else:
            problem = f"HTTP {answer.status}: {body[:200].decode(errors='replace')}"
            if answer.status not in RETRIED:
                break
    raise LauncherError(f"{place}: GET is answered with 200 (job role of this job), got {problem}", EXIT_UNAVAILABLE)


def stop(*_signal: object) -> "NoReturn":
    """Leave at once: Batch kills what is still there 30 seconds after SIGTERM."""
    os.write(2, b"launcher: stopped by SIGTERM\n")
    os._exit(EXIT_SIGTERM)


def run(arguments: "list[str | bytes]") -> "NoReturn":
    """Become the program that they and the environment say."""
    count = arguments[0] if arguments else ""
    if not (count.isascii() and count.isdigit() and 0 < int(count) < len(arguments)):
        rule = "the number of the program's own words, then those (docs/launcher.md)"
        raise LauncherError(f"ENTRYPOINT: {rule}, got {arguments!r:.90}; correct it")
    if text := os.environ.get(VARIABLE):
        index = os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX", "0")
        if not (index.isascii() and index.isdigit()):
            raise LauncherError(f"AWS_BATCH_JOB_ARRAY_INDEX: is a number from 0, got {index!r:.90}; unset it")
        command, environment = child_of(text, int(index))
        for name, value in environment.items():
            os.environb[name.encode()] = value.encode()  # as JSON, whatever the locale
        os.environ.pop(VARIABLE, None)
        if command is not None:
            arguments[int(count) + 1 :] = [word.encode() for word in command]
    execute(arguments[1:])


if __name__ == "__main__":
    try:
        run([*sys.argv[1:]])
    except LauncherError as error:
        problem, exit_code = str(error), error.exit_code
    except (ValueError, OSError) as error:  # a NUL, half a character, a name with "=", an endpoint without a host
        problem, exit_code = f"{VARIABLE}: holds what a process can be given, got {error}; correct it", EXIT_WRONG
    sys.stderr.write(f"launcher: {' '.join(problem.split())}\n")
    sys.exit(exit_code)
