"""Webhooks: addresses that are told what becomes of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Optional

from autodenoise.client._async.datasets import pages
from autodenoise.client._async.transport import AsyncTransport
from autodenoise.client._types import CreatedWebhook, DeliveryView, QueuedMessage, WebhookEvent, WebhookView


class AsyncWebhooks:
    """The service's webhooks. It knows no idempotency key here: what may have been done is not asked for again."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self, url: str, *, events: Optional[Sequence[WebhookEvent]] = None, secret: Optional[str] = None
    ) -> CreatedWebhook:
        """Makes a webhook. The answer alone has its secret, with which its messages are signed."""
        known = {"url": url, "events": events and list(events), "secret": secret}
        body = {name: value for name, value in known.items() if value is not None}
        return (await self._transport.call("create_webhook", body=body, replayable=False)).json()

    async def get(self, webhook_id: str) -> WebhookView:
        """A webhook."""
        return (await self._transport.call("find_webhook", {"id": webhook_id})).json()

    async def list(self, *, page_size: int = 100) -> AsyncIterator[WebhookView]:
        """All webhooks, newest first."""
        async for row in pages(self._transport, "list_webhooks", {}, page_size):
            yield row

    async def delete(self, webhook_id: str) -> None:
        """Deletes a webhook."""
        await self._transport.call("delete_webhook", {"id": webhook_id})

    async def rotate_secret(self, webhook_id: str, *, secret: Optional[str] = None) -> CreatedWebhook:
        """Gives it another secret, by default one that the service makes; messages are signed with both for a day."""
        body = {} if secret is None else {"secret": secret}
        answer = await self._transport.call("rotate_webhook_secret", {"id": webhook_id}, body=body, replayable=False)
        return answer.json()

    async def enable(self, webhook_id: str) -> WebhookView:
        """Sends messages again to a webhook that was switched off because they failed."""
        return (await self._transport.call("enable_webhook", {"id": webhook_id})).json()

    async def test(self, webhook_id: str) -> QueuedMessage:
        """Sends a message that says nothing, to see whether it arrives."""
        return (await self._transport.call("test_webhook", {"id": webhook_id}, replayable=False)).json()

    async def deliveries(self, webhook_id: str, *, page_size: int = 100) -> AsyncIterator[DeliveryView]:
        """The attempts to deliver its messages, newest first."""
        async for row in pages(self._transport, "list_deliveries", {}, page_size, {"id": webhook_id}):
            yield row

    async def resend(self, webhook_id: str, message_id: str) -> QueuedMessage:
        """Sends a message that was delivered, or given up, once more."""
        path = {"id": webhook_id, "message_id": message_id}
        return (await self._transport.call("resend_message", path, replayable=False)).json()
