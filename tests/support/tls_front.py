"""Ends TLS on one loopback port and passes the bytes on to another. Prints each line of the clients'
bytes that has an `authorization` header.

    tls_front.py CERTIFICATE KEY PORT UPSTREAM_PORT
"""

import asyncio
import ssl
import sys


async def copy(reader, writer, watch):
    try:
        while data := await reader.read(65536):
            for line in data.split(b"\r\n") if watch else []:
                if line.lower().startswith(b"authorization:"):
                    print(line.decode(errors="replace"), flush=True)
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def main(certificate, key, port, upstream):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2", "http/1.1"])

    async def client(reader, writer):
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", int(upstream))
        await asyncio.gather(copy(reader, onward_writer, True), copy(onward_reader, writer, False))

    server = await asyncio.start_server(client, "127.0.0.1", int(port), ssl=context)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
