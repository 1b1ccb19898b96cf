"""The remote shell that mpirun starts where agents stand in for sshd: `remote_shell.py [-OPTION]... HOST COMMAND...`.

Runs the command on the node at HOST, with its own standard streams, and ends with its exit code; 255 as ssh's where the
node does not answer or is gone. Imports as little as it can: one is started for every node.
"""

import json
import os
import socket
import sys

LOST = 255


def main(arguments: list[str]) -> int:
    """The exit code."""
    while arguments and arguments[0].startswith("-"):
        arguments = arguments[1:]  # Open MPI passes -x: no window forwarding, of which there is none.
    host, command = arguments[0], " ".join(arguments[1:])
    request = json.dumps({"key": os.environ["MPI_AGENT_KEY"], "command": command}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"\0{os.environ['MPI_AGENT_SOCKET']}{host}")
            sent = socket.send_fds(connection, [request], [_stream(number) for number in range(3)])
            if sent < len(request):  # even sending nothing fails where the command has ended by now
                connection.sendall(request[sent:])
            answer = connection.recv(16)
    except OSError as error:
        sys.stderr.write(f"mpi: {host}: {error.strerror}\n")
        return LOST
    return int(answer) if answer else LOST


def _stream(number: int) -> int:
    """Its own standard stream; nothing in place of one that was closed."""
    try:
        os.fstat(number)
    except OSError:
        return os.open(os.devnull, os.O_RDWR)
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
