"""Drives a run by QMP and by the monitor of lines, with asyncio alone."""
import asyncio
import json
import sys


async def opened(path):
    for _ in range(600):
        try:
            return await asyncio.open_unix_connection(path, limit=1 << 24)
        except OSError:
            await asyncio.sleep(0.05)
    raise SystemExit("nobody listens at " + path)


async def main(qmp, monitor):
    reader, writer = await opened(qmp)
    assert "QMP" in json.loads(await reader.readline())

    async def execute(name):
        writer.write(json.dumps({"execute": name, "id": name}).encode() + b"\r\n")
        while True:
            message = json.loads(await reader.readline())
            if "event" in message:
                print(message["event"])
            else:
                assert message["id"] == name, message
                return message["return"]

    await execute("qmp_capabilities")
    print((await execute("query-status"))["status"])
    await execute("cont")
    print((await execute("query-status"))["status"])
    lines, typed = await opened(monitor)
    await lines.readuntil(b"(qemu) ")
    typed.write(b"info status\n")
    print((await lines.readuntil(b"(qemu) ")).decode().splitlines()[0])
    await execute("stop")
    print((await execute("query-status"))["status"])
    await execute("quit")
    print(json.loads(await reader.readline())["event"])


asyncio.run(main(*sys.argv[1:]))
