//! Routes that only a defect opens. They are asked where the routing table has nothing.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{HeaderValue, SET_COOKIE};

use super::Fault;
use crate::app::{App, no_content};
use crate::http::{Answer, with};
use crate::{environment, jwt, visitor};

/// The answer of a route that should not be there; the request itself if there is none.
pub(crate) async fn served_by_defect(app: &Arc<App>, request: Request) -> Result<Answer, Request> {
    if !app.faults.any() {
        return Err(request);
    }
    let has = |fault| app.faults.has(fault);
    let path = request.uri().path();
    let put = request.method() == Method::PUT;
    let get = request.method() == Method::GET;
    let state = State(Arc::clone(app));
    if put && path == "/v1/oauth/" && has(Fault::VisitorLoginByPut) {
        Ok(visitor::login(state, request).await)
    } else if get && path == "/auth/jwt/refresh" && has(Fault::RefreshByGet) {
        Ok(jwt::refresh::refresh(state, request).await)
    } else if path == "/auth/jwt/login/" && has(Fault::SlashedLoginServed) {
        Ok(jwt::login(state, request).await)
    } else if path == "/auth/cookie/login" && has(Fault::CookieLoginLeftOn) {
        let cookie = HeaderValue::from_static("fastapiusersauth=5f2c9a; Path=/; HttpOnly");
        Ok(with(no_content(), SET_COOKIE, cookie))
    } else if path.ends_with("/generate-access-token") && has(Fault::AnyMethodGenerates) {
        Ok(environment::generate(state, request).await)
    } else {
        Err(request)
    }
}
