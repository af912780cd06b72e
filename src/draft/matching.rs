//! Which endpoint of a described server is which operation of a flow: by path, method, words, security and
//! parameters. A guess, and told as one.

use super::description::{Description, Endpoint, Parameter, Place, Security};
use crate::scenario::Part;
use crate::target::{Credential, FlowBinding, Operation};

/// The endpoint that an operation was found at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Hit {
    /// Its place in the description.
    pub(super) endpoint: usize,
    /// How many others fit as well.
    pub(super) rivals: usize,
}

/// Finds the operations of a flow, in the order of their names.
pub(super) fn find(binding: &FlowBinding, description: &Description) -> Vec<(String, Option<Hit>)> {
    let names = binding.operations.iter().filter(|(name, _)| *name != UNKNOWN);
    let mut found: Vec<(String, Option<Hit>)> = names
        .map(|(name, operation)| {
            let seeker =
                Seeker { name, operation, binding, description, kind: kind(name, operation) };
            (name.clone(), seeker.best())
        })
        .collect();
    // What is one endpoint in the documents is one endpoint on the server.
    for index in 0..found.len() {
        if found[index].1.is_none() {
            let own = &binding.operations[&found[index].0];
            let twin = found.iter().find_map(|(name, hit)| {
                let other = &binding.operations[name];
                hit.filter(|_| other.method == own.method && other.path == own.path)
            });
            found[index].1 = twin;
        }
    }
    found
}

/// The operation whose path is one that no server has.
const UNKNOWN: &str = "unknown_path";

/// What an operation does, as far as other servers have it too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Exchanges credentials for a token.
    Issues,
    /// Exchanges a refresh token for a token.
    Refreshes,
    /// Serves whoever shows a token.
    Validates,
    /// Ends a login.
    Ends,
    /// Something of this flow alone.
    Own,
}

fn kind(name: &str, operation: &Operation) -> Kind {
    match name {
        "validate" => Kind::Validates,
        "refresh" => Kind::Refreshes,
        "logout" => Kind::Ends,
        "login" | "generate" if !operation.identity.is_empty() => Kind::Issues,
        _ => Kind::Own,
    }
}

struct Seeker<'a> {
    name: &'a str,
    operation: &'a Operation,
    binding: &'a FlowBinding,
    description: &'a Description,
    kind: Kind,
}

impl Seeker<'_> {
    fn best(&self) -> Option<Hit> {
        let scored: Vec<(usize, i32)> = self
            .description
            .endpoints
            .iter()
            .enumerate()
            .filter_map(|(index, endpoint)| Some((index, self.score(endpoint)?)))
            .collect();
        let most = scored.iter().map(|(_, score)| *score).max()?;
        let mut winners = scored.iter().filter(|(_, score)| *score == most);
        let endpoint = winners.next()?.0;
        Some(Hit { endpoint, rivals: winners.count() })
    }

    /// How well an endpoint fits; none when it does not.
    fn score(&self, endpoint: &Endpoint) -> Option<i32> {
        let same_path = same_end(&documented_form(endpoint, self.binding), &self.operation.path);
        let same_method = endpoint.method == self.operation.method;
        if same_path && same_method {
            return Some(100);
        }
        let words = words(endpoint);
        let has =
            |list: &[&str]| list.iter().filter(|word| words.iter().any(|w| w == *word)).count();
        let score = match self.kind {
            Kind::Issues => self.issues(endpoint, &has)?,
            Kind::Refreshes => self.refreshes(endpoint, &has)?,
            Kind::Validates => validates(endpoint, &has)?,
            Kind::Ends => ends(endpoint, &has)?,
            Kind::Own => return self.own(endpoint, &words),
        };
        // Of two that fit equally well the shorter one is the general one.
        let depth = i32::try_from(endpoint.path.matches('/').count()).unwrap_or(i32::MAX);
        let documented = if same_path { 10 } else { 0 } + i32::from(same_method);
        let score = 3 * (score + documented) - depth.min(9);
        (score > 0).then_some(score)
    }

    fn issues(&self, endpoint: &Endpoint, has: &dyn Fn(&[&str]) -> usize) -> Option<i32> {
        let named = self.description.token_paths.contains(&endpoint.path);
        let secret = self.operation.identity.keys().any(|parameter| {
            is_secret(parameter) && counterpart(parameter, parameter, endpoint, None).is_some()
        });
        if !["POST", "PUT", self.operation.method.as_str()].contains(&endpoint.method.as_str())
            || !(named || secret)
        {
            return None;
        }
        let other = has(&[
            "register", "signup", "reset", "forgot", "change", "update", "verify", "confirm",
            "cookie", "refresh", "password", "users",
        ]);
        let login =
            has(&["login", "signin", "token", "auth", "authenticate", "session", "sessions"]);
        let score = 20 * i32::from(named) + 4 * count(login.min(2)) - 8 * count(other)
            + 3 * i32::from(endpoint.answers.iter().any(|(name, _)| is_token(name)))
            - 4 * i32::from(endpoint.security != Security::None);
        (score > 3).then_some(score)
    }

    fn refreshes(&self, endpoint: &Endpoint, has: &dyn Fn(&[&str]) -> usize) -> Option<i32> {
        let named = self.description.refresh_paths.contains(&endpoint.path);
        let word = has(&["refresh", "renew", "rotate"]) > 0;
        let parameter =
            all_parameters(endpoint).any(|parameter| normal(&parameter.name) == "refreshtoken");
        if endpoint.method == "DELETE" || !(named || word || parameter) {
            return None;
        }
        let other = has(&["cookie", "postman", "logout", "revoke", "password", "login"]);
        Some(
            20 * i32::from(named) + 8 * i32::from(word) + 6 * i32::from(parameter)
                - 7 * count(other),
        )
    }

    /// What other servers need not have is found by its path, or by all words of its name and one of its path.
    fn own(&self, endpoint: &Endpoint, words: &[String]) -> Option<i32> {
        if endpoint.method != self.operation.method {
            return None;
        }
        let known = |word: &String| words.contains(word);
        let mut name = split(self.name).into_iter().filter(|word| word != "with");
        let path = split(&self.operation.path);
        let common = ["api", "auth", "v1", "v2", "v3"];
        let beside = path
            .iter()
            .filter(|word| !common.contains(&word.as_str()) && !split(self.name).contains(word))
            .any(known);
        (name.all(|word| known(&word)) && beside).then_some(10)
    }
}

fn validates(endpoint: &Endpoint, has: &dyn Fn(&[&str]) -> usize) -> Option<i32> {
    if endpoint.method != "GET" || endpoint.security == Security::None {
        return None;
    }
    let tells =
        has(&["me", "whoami", "self", "userinfo", "profile", "current", "validate", "protected"]);
    let near = has(&["user", "users", "account", "verify", "check", "introspect"]);
    let other = has(&["refresh", "login", "logout", "authorize", "callback", "admin"]);
    let parts = endpoint.path.matches('{').count();
    Some(
        (6 + 6 * count(tells.min(2)) + 2 * count(near) - 8 * count(other) - 5 * count(parts))
            .max(1),
    )
    .filter(|_| other == 0)
}

fn ends(endpoint: &Endpoint, has: &dyn Fn(&[&str]) -> usize) -> Option<i32> {
    let ends = has(&["logout", "signout", "logoff", "revoke"]) > 0;
    let removes = endpoint.method == "DELETE" && has(&["session", "sessions", "token"]) > 0;
    if !(ends || removes) || endpoint.path.contains('{') {
        return None;
    }
    Some(10 - 6 * count(has(&["all", "cookie", "admin"])))
}

/// The parameter of an endpoint that is a documented one, in the body of this form where it has several.
pub(super) fn counterpart<'e>(
    name: &str,
    wire_name: &str,
    endpoint: &'e Endpoint,
    body: Option<Place>,
) -> Option<&'e Parameter> {
    let bodies = endpoint.bodies.iter();
    let bodies = bodies.filter(|(place, _)| body.is_none_or(|body| body == *place));
    let own: Vec<&Parameter> =
        endpoint.parameters.iter().chain(bodies.flat_map(|(_, members)| members)).collect();
    let find = |wanted: &str| own.iter().copied().find(|one| normal(&one.name) == wanted);
    [normal(wire_name), normal(name)].iter().find_map(|wanted| find(wanted)).or_else(|| {
        let synonyms: &[&str] = match normal(name).as_str() {
            "username" => &["email", "login", "user", "userid", "emailaddress", "phone", "account"],
            "password" => &["passwd", "pass", "pwd"],
            "refreshtoken" => &["refresh", "token"],
            "clientid" => &["client", "apikey", "key", "id"],
            "clientsecret" => &["secret", "apisecret"],
            _ => &[],
        };
        synonyms.iter().find_map(|wanted| find(wanted))
    })
}

/// The path of an endpoint as the documents would have it: with the environment in braces.
pub(super) fn documented_form(endpoint: &Endpoint, binding: &FlowBinding) -> String {
    let segments = endpoint.path.split('/').map(|segment| {
        let bare = segment.trim_matches(['{', '}']);
        let named = segment.starts_with('{')
            && !binding.environments.is_empty()
            && normal(bare).contains("env");
        if named || binding.environments.iter().any(|name| name == segment) {
            "{environment}"
        } else {
            segment
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Whether a path is a documented one, perhaps behind a prefix. What stands in braces may have any name.
fn same_end(path: &str, documented: &str) -> bool {
    let parts = |path: &str| -> Vec<String> {
        let part =
            |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
        path.split('/').skip(1).map(part).collect()
    };
    parts(path).ends_with(&parts(documented))
}

/// Every parameter of an endpoint, in whatever body.
pub(super) fn all_parameters(endpoint: &Endpoint) -> impl Iterator<Item = &Parameter> {
    endpoint.parameters.iter().chain(endpoint.bodies.iter().flat_map(|(_, members)| members))
}

/// Whether a place is in the body.
pub(super) fn in_body(place: Part) -> bool {
    matches!(place, Part::Form | Part::Json | Part::Multipart)
}

/// A name without what spellings differ in.
pub(super) fn normal(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a member of an answer is a token.
pub(super) fn is_token(name: &str) -> bool {
    ["token", "accesstoken", "jwt"].contains(&normal(name).as_str())
}

/// The parameter that carries the token, where one does.
pub(super) fn token_parameter(operation: &Operation) -> Option<&str> {
    match &operation.credential {
        Some(Credential::Parameter(name)) => Some(name),
        _ => None,
    }
}

fn is_secret(parameter: &str) -> bool {
    let name = normal(parameter);
    name.contains("password") || name.contains("secret")
}

fn words(endpoint: &Endpoint) -> Vec<String> {
    let mut words = split(&endpoint.path);
    words.extend(endpoint.id.as_deref().map(split).unwrap_or_default());
    // `sign-in`, `logOut`, `who_am_i`: what is one word in other spellings.
    let joined: String = words.concat();
    for whole in ["signin", "signout", "signup", "logout", "login", "logoff", "whoami", "userinfo"]
    {
        if joined.contains(whole) && !words.iter().any(|word| word == whole) {
            words.push(whole.to_owned());
        }
    }
    words
}

/// The words of a name or a path, in lower case: `generateToken`, `refresh-token`, `/users/me`.
fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in text.chars() {
        let begins =
            c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit());
        if (begins || !c.is_ascii_alphanumeric())
            && words.last().is_some_and(|word| !word.is_empty())
        {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_in_every_spelling() {
        for (text, wanted) in [
            ("generateToken", "generate token"),
            ("/api/v1/Users/me", "api v1 users me"),
            ("refresh-access_token", "refresh access token"),
            ("loginHTTP2Now", "login http2 now"),
            ("", ""),
        ] {
            assert_eq!(split(text).join(" "), wanted);
        }
    }

    #[test]
    fn a_documented_path_is_found_behind_a_prefix() {
        for (path, documented, same) in [
            ("/auth/jwt/login", "/auth/jwt/login", true),
            ("/api/auth/jwt/login", "/auth/jwt/login", true),
            ("/v1/get/{visitor}", "/v1/get/{id}", true),
            ("/v1/oauth", "/v1/oauth/", false),
            ("/jwt/login", "/auth/jwt/login", false),
        ] {
            assert_eq!(same_end(path, documented), same, "{path}");
        }
    }
}
