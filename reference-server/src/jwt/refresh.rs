//! The two refresh endpoints: where the refresh token comes from, and what it is exchanged for.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

use super::{
    Grant, INVALID_TOKEN, Refusal, defect, issued, missing, parameter, problem, read_form,
    unauthorized, unprocessable, wrong_grant_type,
};
use crate::app::App;
use crate::fault::Fault;
use crate::http::{Answer, Credentials, Field, Form, parse_credentials};
use crate::variant::Variant;

/// `POST /auth/jwt/refresh`: the refresh token in the header `refresh-token`.
pub(crate) async fn refresh(State(app): State<Arc<App>>, request: Request) -> Answer {
    let (parts, form) = match read_form(&app, request).await {
        Ok(read) => read,
        Err(refusal) => return refusal.answer(&app),
    };
    if defect::bearer_refused(&app, &parts.headers) {
        return unauthorized(&app, INVALID_TOKEN);
    }
    let by_defect = match defect::refresh_token(&app, &parts.headers) {
        Some(Err(answer)) => return answer,
        read => read.and_then(Result::ok),
    };
    let token = match header_token(&parts.headers) {
        _ if by_defect.is_some() => by_defect,
        Ok(Some(token)) => Some(token.to_owned()),
        Ok(None)
            if app.variants.is(Variant::RefreshPlace, "anywhere")
                || app.faults.has(Fault::RefreshTokenAnywhere) =>
        {
            token_elsewhere(&parts, &form)
        }
        Ok(None) => None,
        Err(()) => return unauthorized(&app, INVALID_TOKEN),
    };
    match (token, parameter(&app, &form, "client_id")) {
        (_, Err(refusal)) => refusal.answer(&app),
        (None, _) if app.faults.has(Fault::MissingRefreshTokenBreaks) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR)
        }
        (None, _) => unprocessable(&[missing("header", "refresh-token")]),
        (Some(token), Ok(client_id)) => rotate(&app, &token, client_id, Endpoint::Refresh).await,
    }
}

/// The header `refresh-token`; `Err` if it is there twice or is no text.
fn header_token(headers: &HeaderMap) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all("refresh-token").iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(()),
        (Some(value), None) => match value.to_str() {
            Ok("") => Ok(None),
            Ok(token) => Ok(Some(token)),
            Err(_) => Err(()),
        },
    }
}

/// The other places that a client might try.
fn token_elsewhere(parts: &Parts, form: &Form) -> Option<String> {
    let query = Form::of_query(&parts.uri).unwrap_or_default();
    let bearer = parts.headers.get(axum::http::header::AUTHORIZATION);
    let bearer = bearer.and_then(|value| match parse_credentials(value, "Bearer", true) {
        Credentials::Token(token) => Some(token.into_owned()),
        _ => None,
    });
    let owned = |field: Field<'_>| field.filled().map(str::to_owned);
    owned(form.field("refresh_token")).or_else(|| owned(query.field("refresh_token"))).or(bearer)
}

/// `POST /auth/jwt/postman-refresh`: the same by the form of RFC 6749 section 6, or by the header.
pub(crate) async fn postman_refresh(State(app): State<Arc<App>>, request: Request) -> Answer {
    if app.variants.is(Variant::Postman, "off") && !app.faults.has(Fault::PostmanLeftOn) {
        return problem(StatusCode::NOT_FOUND);
    }
    let (parts, form) = match read_form(&app, request).await {
        Ok(read) => read,
        Err(refusal) => return refusal.answer(&app),
    };
    match postman_token(&app, &parts.headers, &form) {
        Ok((token, client_id)) => rotate(&app, token, client_id, Endpoint::Postman).await,
        Err(refusal) => refusal.answer(&app),
    }
}

type TokenAndClient<'a> = (&'a str, Option<&'a str>);

fn postman_token<'a>(
    app: &App,
    headers: &'a HeaderMap,
    form: &'a Form,
) -> Result<TokenAndClient<'a>, Refusal> {
    let header = header_token(headers).map_err(|()| Refusal::Unauthorized)?;
    let body = parameter(app, form, "refresh_token")?;
    let client_id = parameter(app, form, "client_id")?;
    match parameter(app, form, "grant_type")? {
        Some("refresh_token") => {}
        Some(_) => return Err(Refusal::Shape(vec![wrong_grant_type("refresh_token")])),
        None if body.is_some() => return Err(Refusal::Shape(vec![missing("body", "grant_type")])),
        None => {}
    }
    match (header, body) {
        (Some(header), Some(body)) if header != body => Err(Refusal::Unauthorized),
        (Some(token), _) | (None, Some(token)) => Ok((token, client_id)),
        (None, None) => Err(Refusal::Shape(vec![missing("body", "refresh_token")])),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Postman,
    Refresh,
}

async fn rotate(app: &App, token: &str, client_id: Option<&str>, at: Endpoint) -> Answer {
    let mut lenient = at == Endpoint::Postman && app.faults.has(Fault::PostmanReusesToken);
    if app.faults.has(Fault::RefreshRace) {
        // The defect: whoever passes this check within the moment before the token is spent succeeds as well.
        lenient |= app.jwt.sessions.is_fresh(token);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    match app.jwt.sessions.rotate(app, token, client_id, lenient) {
        Some(pair) => issued(app, &pair, Grant::Refresh),
        None => unauthorized(app, INVALID_TOKEN),
    }
}
