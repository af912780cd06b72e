"""fastapi-users with refresh tokens that work once, put on by the places that the library has for such things.

An `AuthenticationBackend` of our own answers the login, as a `Transport` and a `Strategy` do in the guide; a route of our
own takes the header `refresh-token`. The users, the passwords, the access tokens and who may pass are the library's.
A refresh token is a row: its hash, its user, and the login that it descends from. Used again, it ends that login.
"""

import hashlib
import secrets
import sys
import time
import uuid
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import JSONResponse
from fastapi_users import FastAPIUsers, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from sqlalchemy import delete, update
from sqlalchemy.orm import Mapped, mapped_column

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from users import SIGNING_KEY, Base, User, new_session, serve, user_manager

ACCESS_SECONDS = 3600
REFRESH_SECONDS = 86400


class RefreshToken(Base):
    __tablename__ = "refresh_token"
    hash: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[uuid.UUID]
    login: Mapped[str] = mapped_column(index=True)
    ends: Mapped[float]
    used: Mapped[bool] = mapped_column(default=False)


class UserRead(schemas.BaseUser[uuid.UUID]):
    pass


class UserUpdate(schemas.BaseUserUpdate):
    pass


def jwt_strategy():
    return JWTStrategy(secret=SIGNING_KEY, lifetime_seconds=ACCESS_SECONDS)


class RefreshingBackend(AuthenticationBackend):
    async def login(self, strategy, user):
        return await self.issue(strategy, user, uuid.uuid4().hex)

    async def issue(self, strategy, user, login):
        token = secrets.token_urlsafe(32)
        async with new_session() as session:
            ends = time.time() + REFRESH_SECONDS
            session.add(RefreshToken(hash=hashed(token), user=user.id, login=login, ends=ends))
            await session.commit()
        answer = {
            "access_token": await strategy.write_token(user),
            "refresh_token": token,
            "token_type": "bearer",
            "expires_in": ACCESS_SECONDS,
        }
        return JSONResponse(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def hashed(token):
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


async def spend(token):
    """The row of a token that was good until now. One update decides: of two requests at once one gets nothing."""
    async with new_session() as session:
        spent = update(RefreshToken).where(RefreshToken.hash == hashed(token), RefreshToken.used.is_(False))
        first = await session.execute(spent.values(used=True))
        row = await session.get(RefreshToken, hashed(token))
        if row is not None and first.rowcount == 0:
            await session.execute(delete(RefreshToken).where(RefreshToken.login == row.login))
            row = None
        await session.commit()
        return row if row is not None and row.ends > time.time() else None


backend = RefreshingBackend("jwt", BearerTransport(tokenUrl="auth/jwt/login"), jwt_strategy)
users = FastAPIUsers[User, uuid.UUID](user_manager, [backend])

app = FastAPI()
app.include_router(users.get_auth_router(backend, requires_verification=True), prefix="/auth/jwt")
app.include_router(users.get_users_router(UserRead, UserUpdate), prefix="/users")


@app.post("/auth/jwt/refresh")
async def refresh(
    refresh_token: Annotated[str, Header()],
    manager=Depends(user_manager),
    strategy=Depends(jwt_strategy),
):
    row = await spend(refresh_token)
    user = row and await manager.user_db.get(row.user)
    if not user or not user.is_active:
        raise HTTPException(status_code=401, detail="Unauthorized")
    return await backend.issue(strategy, user, row.login)


if __name__ == "__main__":
    serve(app)
