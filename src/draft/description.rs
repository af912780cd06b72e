//! How a server describes itself: OpenAPI 3.x or Swagger 2.0, in JSON or YAML, as far as a profile can use it.
//!
//! Reads only what is in the text: references into other files or onto the web are not followed. Nothing is
//! validated that is not used.

mod endpoint;
mod reader;

use serde_json::{Map, Value};

pub use crate::scenario::Part as Place;

use endpoint::endpoints;
use reader::Reader;

/// What a server says of itself.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Its name.
    pub title: Option<String>,
    /// Its first address, where that is a whole one: scheme and authority.
    pub base_url: Option<String>,
    /// Its endpoints, in the order of the text.
    pub endpoints: Vec<Endpoint>,
    /// What could not be followed.
    pub notes: Vec<String>,
    /// Where OAuth 2.0 password logins are said to be.
    pub(super) token_paths: Vec<String>,
    /// Where OAuth 2.0 refreshes are said to be.
    pub(super) refresh_paths: Vec<String>,
}

/// One method of one path.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The method in capitals.
    pub method: String,
    /// The path, with what every path of the server begins with.
    pub path: String,
    /// The operationId.
    pub id: Option<String>,
    /// The parameters outside the body.
    pub parameters: Vec<Parameter>,
    /// The bodies that it takes, by their form.
    pub bodies: Vec<(Place, Vec<Parameter>)>,
    /// How a token is presented, where one is asked for.
    pub security: Security,
    /// The members of a successful JSON answer: the name, and the path.
    pub answers: Vec<(String, String)>,
}

/// A parameter of an endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it goes.
    pub place: Place,
    /// Whether it must be there.
    pub required: bool,
}

/// How a token is presented.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Security {
    /// Not at all.
    None,
    /// In the Authorization header, behind `Bearer`.
    Bearer,
    /// In the Authorization header; a key by that name tells no scheme.
    Authorization,
    /// As it stands, under a name.
    Key {
        /// Where.
        place: Place,
        /// The name.
        name: String,
    },
    /// In another way.
    Other,
}

/// Why a text is no description of a server.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DescriptionError {
    /// A chain of references, or of schemas made of schemas, does not end.
    #[error("the reference `{0}` leads back to itself")]
    Cycle(String),
    /// References multiply.
    #[error("its references lead to more than {} places", reader::MOST_PLACES)]
    Entangled,
    /// Another kind of document.
    #[error("it is no OpenAPI document: it has neither `openapi: 3.x` nor `swagger: \"2.0\"`")]
    NotOpenApi,
    /// Nothing to find.
    #[error("it describes no operation: `paths` is missing or empty")]
    NoPaths,
    /// The text cannot be read at all.
    #[error("it is not {format}: {message}")]
    Syntax {
        /// What it looked like.
        format: &'static str,
        /// What the parser says.
        message: String,
    },
    /// A version that is not read.
    #[error("it is written in version {0}, and only OpenAPI 3.x and Swagger 2.0 are read")]
    Version(String),
}

impl Description {
    /// The longest text that is worth reading, in bytes.
    pub const MOST_BYTES: u64 = 10 << 20;

    /// Reads a description.
    ///
    /// # Errors
    /// When it is none, or one that does not end.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let root = parse_text(text)?;
        let swagger = version(&root)?;
        let mut reader = Reader::new(&root);
        let prefix = if swagger { swagger_prefix(&root) } else { server_prefix(&root) };
        let endpoints = endpoints(&mut reader, swagger, &prefix.path)?;
        if endpoints.is_empty() {
            return Err(DescriptionError::NoPaths);
        }
        let (token_paths, refresh_paths) = oauth_paths(&root, &prefix.path);
        Ok(Self {
            title: root.pointer("/info/title").and_then(Value::as_str).map(str::to_owned),
            base_url: prefix.base_url,
            endpoints,
            notes: reader.into_notes(),
            token_paths,
            refresh_paths,
        })
    }
}

fn parse_text(text: &str) -> Result<Value, DescriptionError> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| DescriptionError::Syntax {
            format: "JSON",
            message: error.to_string(),
        });
    }
    serde_yaml::from_str::<serde_yaml::Value>(text)
        .map(json_of)
        .map_err(|error| DescriptionError::Syntax { format: "YAML", message: error.to_string() })
}

/// YAML as JSON. Keys that are no texts become some: `200:` is common below `responses`.
fn json_of(value: serde_yaml::Value) -> Value {
    match value {
        serde_yaml::Value::Null => Value::Null,
        serde_yaml::Value::Bool(truth) => Value::Bool(truth),
        serde_yaml::Value::String(text) => Value::String(text),
        serde_yaml::Value::Number(number) => {
            serde_json::to_value(&number).unwrap_or_else(|_| Value::String(number.to_string()))
        }
        serde_yaml::Value::Sequence(items) => {
            Value::Array(items.into_iter().map(json_of).collect())
        }
        serde_yaml::Value::Mapping(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| (plain(&json_of(key)), json_of(value)))
                .collect::<Map<_, _>>(),
        ),
        serde_yaml::Value::Tagged(tagged) => json_of(tagged.value),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether it is Swagger 2.0; otherwise it is OpenAPI 3.
fn version(root: &Value) -> Result<bool, DescriptionError> {
    let said = |key: &str| root.get(key).map(plain);
    match (said("openapi"), said("swagger")) {
        (Some(version), _) if version.starts_with("3.") || version == "3" => Ok(false),
        (None, Some(version)) if version == "2.0" || version == "2" => Ok(true),
        (Some(version), _) | (None, Some(version)) => Err(DescriptionError::Version(version)),
        (None, None) => Err(DescriptionError::NotOpenApi),
    }
}

#[derive(Default)]
struct Prefix {
    /// What every path begins with, without a slash at its end.
    path: String,
    base_url: Option<String>,
}

fn swagger_prefix(root: &Value) -> Prefix {
    let text = |key: &str| root.get(key).and_then(Value::as_str);
    let scheme = root.pointer("/schemes/0").and_then(Value::as_str).unwrap_or("http");
    Prefix {
        path: text("basePath").unwrap_or_default().trim_end_matches('/').to_owned(),
        base_url: text("host").map(|host| format!("{scheme}://{host}")),
    }
}

fn server_prefix(root: &Value) -> Prefix {
    let Some(server) = root.pointer("/servers/0") else {
        return Prefix::default();
    };
    let mut url = server.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
    }
    let (base_url, path) = match url.split_once("://") {
        None => (None, url.as_str()),
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (Some(format!("{scheme}://{authority}")), path)
        }
    };
    Prefix { path: path.trim_end_matches('/').to_owned(), base_url }
}

/// The paths of password logins and of refreshes that the OAuth 2.0 schemes name.
fn oauth_paths(root: &Value, prefix: &str) -> (Vec<String>, Vec<String>) {
    let (mut tokens, mut refreshes) = (Vec::new(), Vec::new());
    let schemes = root
        .pointer("/components/securitySchemes")
        .or_else(|| root.get("securityDefinitions"))
        .and_then(Value::as_object);
    for scheme in schemes.into_iter().flat_map(|schemes| schemes.values()) {
        // Swagger 2.0 has the keys of its one flow in the scheme itself.
        let flow = match scheme.get("flow").and_then(Value::as_str) {
            Some("password") => Some(scheme),
            Some(_) => None,
            None => scheme.pointer("/flows/password"),
        };
        let path = |key: &str| flow?.get(key)?.as_str().map(|url| path_of(url, prefix));
        tokens.extend(path("tokenUrl"));
        refreshes.extend(path("refreshUrl"));
    }
    (tokens, refreshes)
}

/// The path of an address, which is often written relative to the server's.
fn path_of(url: &str, prefix: &str) -> String {
    let path = match url.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/').unwrap_or(rest.len())..],
        None if url.starts_with('/') => url,
        None => return format!("{prefix}/{}", url.trim_start_matches("./")),
    };
    path.split(['?', '#']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
