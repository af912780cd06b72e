"""The gateway's WebSocket with an ordinary client: a token in the header, a token in the first message, neither."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

ADDRESS, TOKEN = sys.argv[1:]
PATIENCE = 10


async def orders(socket):
    message = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))
    assert message["type"] == "ACTIVE_ORDERS", message
    assert message["count"] == len(message["items"]), message
    assert "returnCode" not in message, message


async def main():
    async with connect(ADDRESS, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
        await orders(socket)
        await asyncio.wait_for(await socket.ping(), PATIENCE)

    async with connect(ADDRESS) as socket:
        await asyncio.wait_for(await socket.ping(), PATIENCE)
        await socket.send(json.dumps({"accesstoken": TOKEN}))
        await orders(socket)

    try:
        async with connect(ADDRESS, additional_headers={"Authorization": f"Bearer {TOKEN[::-1]}"}):
            raise AssertionError("a socket was opened for an unknown token")
    except InvalidStatus as refused:
        assert refused.response.status_code == 401, refused.response

    async with connect(ADDRESS) as socket:
        await socket.send(json.dumps({"accesstoken": TOKEN[::-1]}))
        seen = []
        try:
            while True:
                seen.append(json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection ended without a close frame"
        assert all(message.get("type") != "ACTIVE_ORDERS" for message in seen), seen


asyncio.run(main())
