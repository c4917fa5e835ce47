"""The endpoints of customers: what their tickets add up to, and forgetting whose they were."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from serving.customers import Forgotten, Picture
from serving.http.counter import Caller, address_after, counter_of, json_reply, there
from serving.http.documentation import replies
from serving.intake import read_ticket

router = APIRouter(prefix="/v1", tags=["customers"])
_ADDRESS = "/customers/{source}/{customer_id:path}"


@router.get(
    _ADDRESS,
    summary="Read what the tickets of a customer add up to",
    responses=replies(Picture, 401, 404, 422, 500, 503),
)
async def picture(request: Request, source: str, customer_id: str, caller: Caller) -> Response:
    """How often, through what, about what and how strongly a customer complained, and what is still promised. Nothing
    about the person. Both parts of the address may hold slashes, as %2F in the source."""
    return await _answer(request, counter_of(request).customers.picture)


@router.delete(
    _ADDRESS,
    summary="Forget whose tickets a customer's were",
    responses=replies(Forgotten, 401, 404, 422, 500, 503),
)
async def forget(request: Request, source: str, customer_id: str, caller: Caller) -> Response:
    """Removes the customer's id from every stored ticket, for good. The tickets stay; nothing leads to them from it."""
    return await _answer(request, counter_of(request).customers.forget)


async def _answer(request: Request, of: Callable[[str, str], BaseModel | None]) -> Response:
    source, customer_id = address_after("customers", request)
    # Names that no ticket can carry are a 422.
    read_ticket({"text": "-", "source": source, "customer_id": customer_id})
    found = await asyncio.to_thread(of, source, customer_id)
    return json_reply(there(found, "customer").model_dump_json().encode())
