"""What a request needs that cannot be written down beforehand: a pressed button, a token that works once.

Only requests that are meant to be right get it, and of those every second one, so that refusals are seen as well.
"""

import itertools
import os

import requests
import schemathesis
from schemathesis import GenerationMode

API = os.environ["OPINION_API"]
CONTROL = os.environ["OPINION_CONTROL"]
ALICE = {"grant_type": "password", "username": "alice@example.com", "password": "alice-password-1"}

_turns = {}


@schemathesis.deserializer("text/plain")
def text(_context, response):
    """Without it the schemas of plain answers are not looked at."""
    return response.text


def press(_case):
    requests.post(f"{CONTROL}/press", timeout=5).raise_for_status()


def fresh_refresh_token(case):
    token = requests.post(f"{API}/auth/jwt/login", data=ALICE, timeout=5).json()["refresh_token"]
    if case.path.endswith("/postman-refresh"):
        case.body = {"grant_type": "refresh_token", "refresh_token": token}
    else:
        case.headers["refresh-token"] = token


def own_gateway_token(case):
    """One to delete: the token that all other requests use must live on. Where none is sent, none is put in."""
    if case.headers.get("Authorization") != f"Bearer {os.environ['OPINION_GATEWAY']}":
        return
    headers = {"Authorization": f"Bearer {os.environ['OPINION_GATEWAY']}"}
    answer = requests.post(f"{API}/api/v2/accesstoken/generate", headers=headers, timeout=5).json()
    case.headers["Authorization"] = f"Bearer {answer['token']['token']}"


def visitor_token(case):
    case.body = {
        "access_token": os.environ["OPINION_VISITOR"],
        "cardno": "101",
        "mobile": "9876543210",
        "purpose": "Meeting",
        "name": "Ada",
    }


NEEDS = {
    "generateByButton": press,
    "refresh": fresh_refresh_token,
    "refreshForPostman": fresh_refresh_token,
    "addVisitor": visitor_token,
}


@schemathesis.hook
def before_call(context, case, kwargs):
    name = case.operation.definition.raw["operationId"]
    if name == "deleteToken":
        return own_gateway_token(case)
    meant_right = case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE
    turn = next(_turns.setdefault(name, itertools.count()))
    if name in NEEDS and meant_right and turn % 2 == 0:
        NEEDS[name](case)
