#!/usr/bin/env python3
"""Speaks the worker's protocol, in place of the binary. A partial is the sorted numbers of its ranges, as JSON.

The job says what goes wrong: `{"faults": {"3": "die"}, "seconds": 0.01, "bytes": 0}`, and "trace" names a file that the ranges are noted in, each after its process; a fault `once:PATH:die` happens if
the file PATH is not there, and makes it.
"""

import json
import os
import signal
import struct
import sys
import threading
import time

out = os.fdopen(os.dup(1), "wb", buffering=0)
os.dup2(2, 1)


def exactly(n):
    data = sys.stdin.buffer.read(n)
    if len(data) < n:
        os._exit(0)
    return data


def send(header, buffers=()):
    text = json.dumps(header).encode()
    frame = struct.pack("<4sII", b"HRW1", len(text), len(buffers)) + struct.pack(f"<{len(buffers)}Q", *map(len, buffers))
    data = memoryview(frame + text + b"".join(buffers))
    while data.nbytes:
        data = data[out.write(data) :]


cancelled = set()
requests = []
there = threading.Condition()


def listen():
    while True:
        magic, length, count = struct.unpack("<4sII", exactly(12))
        assert magic == b"HRW1"
        lengths = struct.unpack(f"<{count}Q", exactly(8 * count))
        header = json.loads(exactly(length))
        buffers = [exactly(n) for n in lengths]
        with there:
            if header["op"] == "cancel":
                cancelled.add(header["target"])
            else:
                requests.append((header, buffers))
                there.notify()


def fault(kind, header):
    if kind.startswith("once:"):
        _, path, kind = kind.split(":", 2)
        if os.path.exists(path):
            return None
        open(path, "w").close()
    if kind == "die":
        os.kill(os.getpid(), signal.SIGABRT)
    if kind == "exit":
        print("the end is near", flush=True)
        os._exit(7)
    if kind == "garbage":
        os.write(out.fileno(), b"Hello, world! This is no frame.")
    if kind == "huge":
        os.write(out.fileno(), struct.pack("<4sIIQ", b"HRW1", 2, 1, 1 << 36) + b"{}")
    if kind == "hang":
        while header["id"] not in cancelled:
            time.sleep(0.01)
        return "cancelled"
    if kind == "deaf":
        time.sleep(1000)
    if kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if kind == "leak":
        hoard = []
        while True:
            hoard.append(b"x" * (8 << 20))
            time.sleep(0.002)
    if kind == "print":
        print("a print of the processor", flush=True)
        os.system("echo and one of a program that it starts")
    if kind == "kill-worker":
        os.kill(os.getppid(), signal.SIGKILL)
    return kind if kind == "error" else None


def main():
    send({"event": "hello", "protocol": 1, "version": "fake", "pid": os.getpid()})
    threading.Thread(target=listen, daemon=True).start()
    jobs = {}
    while True:
        with there:
            while not requests:
                there.wait()
            header, buffers = requests.pop(0)
        number, job = header["id"], jobs.get(header.get("job"), {})
        if header["op"] == "job":
            jobs[header["job"]] = json.loads(buffers[0])
            send({"id": number, "event": "ok"})
        elif header["op"] == "range":
            if seconds := job.get("seconds"):
                time.sleep(seconds)
            index = header["range"]
            if trace := job.get("trace"):
                with open(trace, "a") as file:
                    file.write(f"{os.getpid()} {index}\n")
            end = fault(job.get("faults", {}).get(str(index), ""), header)
            if end == "cancelled":
                send({"id": number, "event": "error", "kind": "cancelled", "message": "cancelled"})
            elif end == "error":
                last = header.get("last", False)
                partial = json.dumps({"done": [], "failed": [index] if last else []}).encode()
                send({"id": number, "event": "ok", "done": False, "reason": f"range {index} is bad", "entries": 0}, [partial])
            else:
                partial = json.dumps({"done": [index], "failed": []}).encode() + b" " * job.get("bytes", 0)
                send({"id": number, "event": "ok", "done": True, "entries": 10, "bytes": 100}, [partial])
        elif header["op"] == "merge":
            parts = [json.loads(buffer) for buffer in buffers]
            merged = {key: sorted(sum((part[key] for part in parts), [])) for key in ("done", "failed")}
            send({"id": number, "event": "ok"}, [json.dumps(merged).encode() + b" " * job.get("bytes", 0)])
        else:
            send({"id": number, "event": "ok"})


if __name__ == "__main__":
    main()
