"""tests/engines/cri.py SOCKET CALL [ID] [JSON]: one call of Kubernetes' container runtime interface → its answer, a line a value.

What `kubelet` asks a node's runtime for, spelled in the wire format: Debian has no client of it. Messages are given as lists of
[field number, value]; a value is a number, a text, or a message.

Debian's package: python3-grpcio.
"""

import json
import sys

import grpc


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(fields):
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else message(value)
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return out


def fields(raw):
    """Pairs of field number and value: a number, or bytes."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = raw[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    found = []
    while at < len(raw):
        key = number()
        if key & 7 == 0:
            found.append((key >> 3, number()))
        else:
            size = number()
            found.append((key >> 3, raw[at : at + size]))
            at += size
    return found


def main():
    socket, call, request = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        ask = channel.unary_unary(f"/runtime.v1.RuntimeService/{call}")
        try:
            answer = fields(ask(message(request), timeout=60))
        except grpc.RpcError as error:
            sys.exit(f"{call}: {error.code().name}: {error.details()}")
    if call == "ContainerStatus":
        # The status is a message of its own; state and exit code are what is asked for.
        status = dict(fields(answer[0][1]))
        print(["created", "running", "exited", "unknown"][status.get(3, 0)], status.get(7, 0))
        return
    if call == "ExecSync":
        answer = dict(answer)
        sys.stdout.write(answer.get(1, b"").decode() + answer.get(2, b"").decode())
        sys.exit(answer.get(3, 0))
    for _, value in answer:
        if isinstance(value, bytes):
            print(value.decode(errors="replace"))


main()
