//! The requests that are changed, and how a token for them is obtained.

use super::{ACCESS, Credit};
use crate::fuzz::case::{Act, Bearer, Call, Case, Claim, Step};
use crate::fuzz::model::Rules;
use crate::model::Flow;

/// The steps that give a token.
pub(super) fn opening(rules: &Rules) -> Option<Case> {
    let first = rules.roles.iter().find(|role| *role == "first").or(rules.roles.first()).cloned();
    let environment = rules.start_environment();
    let login = |operation: &'static str| {
        let login = Some((first.clone()?, Claim::Right));
        Some(vec![Act::Call(Call { operation, environment, login, ..Call::default() })])
    };
    let acts = match rules.flow {
        Flow::GatewayButton if rules.hooks.contains("press") => {
            vec![Act::Press("short"), Act::Call(Call { operation: "generate", ..Call::default() })]
        }
        Flow::GatewayButton | Flow::Common => return None,
        Flow::ChannelLogin | Flow::EnvironmentToken => login("generate")?,
        Flow::VisitorLogin | Flow::JwtLogin => login("login")?,
    };
    let steps = (1..).zip(acts).map(|(id, act)| Step { id, act }).collect();
    Some(Case { flow: rules.flow, steps })
}

/// The requests of a flow that are changed: those that would spend the good token only without it.
pub(super) fn bases(rules: &Rules) -> Vec<(Call, Credit)> {
    let (logins, shielded): (&[&'static str], &[(&'static str, bool)]) = match rules.flow {
        Flow::GatewayButton => (&[], &GATEWAY),
        Flow::ChannelLogin => (&["generate", "current"], &VALIDATE),
        Flow::VisitorLogin => (&["login", "login_index"], &VISITOR),
        Flow::JwtLogin => (&["login"], &JWT),
        Flow::EnvironmentToken | Flow::Common => (&["generate"], &VALIDATE),
    };
    let mut all: Vec<(Call, Credit)> = Vec::new();
    for (operation, harmless) in shielded {
        all.extend(secured(rules, operation, *harmless));
    }
    for operation in logins {
        all.extend(login(rules, operation));
    }
    all.extend(others(rules));
    all
}

/// Operations that want a token, each with whether the good one may be spent on it.
const GATEWAY: [(&str, bool); 5] = [
    ("validate", true),
    ("validate", true),
    ("list", true),
    ("generate_with_token", true),
    ("revoke", false),
];
const VALIDATE: [(&str, bool); 2] = [("validate", true), ("validate", true)];
const VISITOR: [(&str, bool); 4] =
    [("validate", true), ("validate", true), ("visitor", true), ("photo", true)];
const JWT: [(&str, bool); 4] =
    [("validate", true), ("validate", true), ("validate", true), ("logout", false)];

fn secured(rules: &Rules, operation: &'static str, harmless: bool) -> Vec<(Call, Credit)> {
    let environment = rules.start_environment();
    let call =
        |bearer| Call { operation, environment: environment.clone(), bearer, ..Call::default() };
    let mut all = Vec::new();
    if harmless {
        all.push((call(Bearer::Token(ACCESS)), Credit::Good));
    }
    all.extend([(call(Bearer::None), Credit::None), (call(Bearer::Stranger), Credit::Bad)]);
    all
}

fn login(rules: &Rules, operation: &'static str) -> Vec<(Call, Credit)> {
    let environment = rules.start_environment();
    let login = |role: &str, claim| Call {
        operation,
        environment: environment.clone(),
        login: Some((role.to_owned(), claim)),
        ..Call::default()
    };
    let mut all = Vec::new();
    // A login of the account whose token is in use could end that token.
    if let Some(other) = rules.roles.iter().find(|role| *role == "second") {
        all.push((login(other, Claim::Right), Credit::Good));
    }
    if let Some(first) = rules.roles.first() {
        all.push((login(first, Claim::Wrong), Credit::Bad));
        all.push((login(first, Claim::NoPassword), Credit::None));
    }
    all
}

fn others(rules: &Rules) -> Vec<(Call, Credit)> {
    match rules.flow {
        Flow::GatewayButton => {
            vec![(Call { operation: "generate", ..Call::default() }, Credit::None)]
        }
        Flow::JwtLogin if rules.offers_refresh() => {
            let refresh =
                |bearer| Call { operation: "refresh", refresh: Some(bearer), ..Call::default() };
            vec![
                (refresh(Bearer::Stranger), Credit::Bad),
                (refresh(Bearer::None), Credit::None),
                (refresh(Bearer::Token(ACCESS)), Credit::Bad),
            ]
        }
        Flow::VisitorLogin => {
            let add = |bearer| Call { operation: "add", bearer, ..Call::default() };
            vec![(add(Bearer::Stranger), Credit::Bad), (add(Bearer::None), Credit::None)]
        }
        _ => Vec::new(),
    }
}
