"""fastapi-users as its guide sets it up: bearer transport, JWT strategy, the routers that come with it."""

import sys
import uuid
from pathlib import Path

from fastapi import FastAPI
from fastapi_users import FastAPIUsers, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from users import SIGNING_KEY, User, serve, user_manager


class UserRead(schemas.BaseUser[uuid.UUID]):
    pass


class UserUpdate(schemas.BaseUserUpdate):
    pass


def jwt_strategy():
    return JWTStrategy(secret=SIGNING_KEY, lifetime_seconds=3600)


backend = AuthenticationBackend("jwt", BearerTransport(tokenUrl="auth/jwt/login"), jwt_strategy)
users = FastAPIUsers[User, uuid.UUID](user_manager, [backend])

app = FastAPI()
app.include_router(users.get_auth_router(backend), prefix="/auth/jwt")
app.include_router(users.get_users_router(UserRead, UserUpdate), prefix="/users")

if __name__ == "__main__":
    serve(app)
