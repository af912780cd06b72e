//! The operations below `paths`, with what a profile can use of them.

use serde_json::Value;

use super::reader::Reader;
use super::{DescriptionError, Endpoint, Parameter, Place, Security};

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// Every operation of a text.
pub(super) fn endpoints(
    reader: &mut Reader<'_>,
    swagger: bool,
    prefix: &str,
) -> Result<Vec<Endpoint>, DescriptionError> {
    let root = reader.root;
    let mut endpoints = Vec::new();
    for (path, item) in root.get("paths").and_then(Value::as_object).into_iter().flatten() {
        let item = reader.follow(item)?;
        for (method, operation) in item.as_object().into_iter().flatten() {
            if !METHODS.contains(&method.as_str()) || !operation.is_object() {
                continue;
            }
            let mut operation = Operation { reader, swagger, operation, item };
            endpoints.push(Endpoint {
                method: method.to_ascii_uppercase(),
                path: format!("{prefix}/{}", path.trim_start_matches('/')),
                id: operation.text("operationId"),
                parameters: operation.parameters()?,
                bodies: operation.bodies()?,
                security: operation.security()?,
                answers: operation.answers()?,
            });
        }
    }
    Ok(endpoints)
}

struct Operation<'a, 'b> {
    reader: &'b mut Reader<'a>,
    swagger: bool,
    operation: &'a Value,
    item: &'a Value,
}

impl<'a> Operation<'a, '_> {
    fn text(&self, key: &str) -> Option<String> {
        self.operation.get(key).and_then(Value::as_str).map(str::to_owned)
    }

    /// The parameters of the operation, and those of the path that it does not replace.
    fn given(&mut self) -> Result<Vec<&'a Value>, DescriptionError> {
        let mut given: Vec<&'a Value> = Vec::new();
        for level in [self.operation, self.item] {
            for parameter in level.get("parameters").and_then(Value::as_array).into_iter().flatten()
            {
                let parameter = self.reader.follow(parameter)?;
                let same = |other: &&Value| {
                    other.get("name") == parameter.get("name")
                        && other.get("in") == parameter.get("in")
                };
                if !given.iter().any(same) {
                    given.push(parameter);
                }
            }
        }
        Ok(given)
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>, DescriptionError> {
        let place = |part: &str| match part {
            "query" => Some(Place::Query),
            "header" => Some(Place::Header),
            "path" => Some(Place::Path),
            "cookie" => Some(Place::Cookie),
            _ => None,
        };
        let given = self.given()?;
        Ok(given.into_iter().filter_map(|one| parameter(one, place)).collect())
    }

    fn bodies(&mut self) -> Result<Vec<(Place, Vec<Parameter>)>, DescriptionError> {
        if self.swagger { self.swagger_bodies() } else { self.request_bodies() }
    }

    fn request_bodies(&mut self) -> Result<Vec<(Place, Vec<Parameter>)>, DescriptionError> {
        let Some(body) = self.operation.get("requestBody") else {
            return Ok(Vec::new());
        };
        let body = self.reader.follow(body)?;
        let mut bodies: Vec<(Place, Vec<Parameter>)> = Vec::new();
        for (media_type, content) in
            body.get("content").and_then(Value::as_object).into_iter().flatten()
        {
            let Some(place) = body_place(media_type) else { continue };
            if let Some(schema) =
                content.get("schema").filter(|_| !bodies.iter().any(|b| b.0 == place))
            {
                let members = self.members(schema, place)?;
                bodies.push((place, members));
            }
        }
        Ok(bodies)
    }

    fn swagger_bodies(&mut self) -> Result<Vec<(Place, Vec<Parameter>)>, DescriptionError> {
        let consumes = self.operation.get("consumes").or_else(|| self.reader.root.get("consumes"));
        let consumes = consumes.and_then(Value::as_array).into_iter().flatten();
        let places: Vec<Place> =
            consumes.filter_map(Value::as_str).filter_map(body_place).collect();
        let multipart = places.contains(&Place::Multipart) && !places.contains(&Place::Form);
        let form_place = if multipart { Place::Multipart } else { Place::Form };
        let given = self.given()?;
        let in_form = |part: &str| (part == "formData").then_some(form_place);
        let form: Vec<Parameter> = given.iter().filter_map(|one| parameter(one, in_form)).collect();
        let mut bodies = Vec::new();
        if !form.is_empty() {
            bodies.push((form_place, form));
        }
        for body in given {
            let is_body = body.get("in").and_then(Value::as_str) == Some("body");
            if let Some(schema) = body.get("schema").filter(|_| is_body) {
                bodies.push((Place::Json, self.members(schema, Place::Json)?));
            }
        }
        Ok(bodies)
    }

    fn members(
        &mut self,
        schema: &'a Value,
        place: Place,
    ) -> Result<Vec<Parameter>, DescriptionError> {
        let mut parameters: Vec<Parameter> = Vec::new();
        for member in self.reader.members(schema)? {
            match parameters.iter_mut().find(|known| known.name == member.name) {
                Some(known) => known.required |= member.required,
                None => parameters.push(Parameter {
                    name: member.name,
                    place,
                    required: member.required,
                }),
            }
        }
        Ok(parameters)
    }

    fn security(&mut self) -> Result<Security, DescriptionError> {
        let said = self.operation.get("security").or_else(|| self.reader.root.get("security"));
        let requirements = said.and_then(Value::as_array).into_iter().flatten();
        let names = requirements.filter_map(Value::as_object).flat_map(|one| one.keys());
        let schemes =
            if self.swagger { "/securityDefinitions" } else { "/components/securitySchemes" };
        let root = self.reader.root;
        for name in names {
            let scheme = root.pointer(schemes).and_then(|schemes| schemes.get(name));
            if let Some(scheme) = scheme {
                return Ok(security(self.reader.follow(scheme)?));
            }
        }
        // Some tools write the header field down as a parameter instead.
        let field = self.parameters()?.into_iter().find(|parameter| {
            parameter.place == Place::Header && parameter.name.eq_ignore_ascii_case("authorization")
        });
        Ok(field.map_or(Security::None, |_| Security::Authorization))
    }

    fn answers(&mut self) -> Result<Vec<(String, String)>, DescriptionError> {
        let responses = self.operation.get("responses").and_then(Value::as_object);
        let Some((_, response)) =
            responses.into_iter().flatten().find(|(status, _)| status.starts_with('2'))
        else {
            return Ok(Vec::new());
        };
        let response = self.reader.follow(response)?;
        let contents = response.get("content").and_then(Value::as_object).into_iter().flatten();
        let json = contents
            .filter(|(media_type, _)| body_place(media_type) == Some(Place::Json))
            .find_map(|(_, content)| content.get("schema"));
        let Some(schema) = json.or_else(|| response.get("schema")) else {
            return Ok(Vec::new());
        };
        let mut answers = Vec::new();
        for member in self.reader.members(schema)? {
            let path = json_path("$", &member.name);
            for inner in self.reader.members(member.schema)? {
                answers.push((inner.name.clone(), json_path(&path, &inner.name)));
            }
            answers.push((member.name, path));
        }
        Ok(answers)
    }
}

fn parameter(value: &Value, place: impl Fn(&str) -> Option<Place>) -> Option<Parameter> {
    Some(Parameter {
        name: value.get("name")?.as_str()?.to_owned(),
        place: place(value.get("in")?.as_str()?)?,
        required: value.get("required").and_then(Value::as_bool).unwrap_or(false),
    })
}

fn body_place(media_type: &str) -> Option<Place> {
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/x-www-form-urlencoded" => Some(Place::Form),
        "multipart/form-data" => Some(Place::Multipart),
        "application/json" | "*/*" => Some(Place::Json),
        other => other.ends_with("+json").then_some(Place::Json),
    }
}

fn security(scheme: &Value) -> Security {
    let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "http" if text("scheme").eq_ignore_ascii_case("bearer") => Security::Bearer,
        "oauth2" | "openIdConnect" => Security::Bearer,
        // How Swagger 2.0 says that there is a bearer token, and how any other scheme is said.
        "apiKey" if text("name").eq_ignore_ascii_case("authorization") => Security::Authorization,
        "apiKey" => {
            let place = match text("in") {
                "query" => Place::Query,
                "cookie" => Place::Cookie,
                _ => Place::Header,
            };
            Security::Key { place, name: text("name").to_owned() }
        }
        _ => Security::Other,
    }
}

fn json_path(parent: &str, name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain { format!("{parent}.{name}") } else { format!("{parent}[\"{name}\"]") }
}
