use serde_json::json;

use super::*;

fn document(paths: &Value, components: &Value) -> String {
    json!({"openapi": "3.0.0", "paths": paths, "components": components}).to_string()
}

fn login(schema: &Value) -> Value {
    let content = json!({"application/json": {"schema": schema}});
    json!({"/login": {"post": {"requestBody": {"content": content}}}})
}

#[test]
fn what_is_no_description_is_told_from_what_is_one() {
    for (text, wanted) in [
        ("", "neither `openapi: 3.x`"),
        ("just text", "neither `openapi: 3.x`"),
        ("[1, 2]", "neither `openapi: 3.x`"),
        ("{\"openapi\": ", "it is not JSON"),
        ("openapi: [", "it is not YAML"),
        ("openapi: 4.0.0\npaths: {}", "version 4.0.0"),
        ("swagger: 1.2\npaths: {}", "version 1.2"),
        ("openapi: 3.0.0", "no operation"),
        ("openapi: 3.0.0\npaths: [1]", "no operation"),
        ("swagger: 2.0\npaths: {/a: {x-get: {}, get: 1}}", "no operation"),
    ] {
        let error = Description::parse(text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    for text in [
        "openapi: 3.0.0\npaths: {/a: {get: {responses: {200: {description: x}}}}}",
        "\u{feff}{\"swagger\": \"2.0\", \"paths\": {\"/a\": {\"get\": {}}}}",
    ] {
        assert_eq!(Description::parse(text).unwrap().endpoints.len(), 1, "{text}");
    }
}

#[test]
fn references_that_do_not_end_are_refused_and_those_that_lead_nowhere_are_noted() {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let around = json!({"schemas": {"A": reference("B"), "B": reference("A")}});
    let text = document(&login(&reference("A")), &around);
    assert_eq!(
        Description::parse(&text).unwrap_err(),
        DescriptionError::Cycle("#/components/schemas/A".to_owned())
    );
    let made_of_itself = json!({"schemas": {"A": {"allOf": [reference("A"), reference("A")]}}});
    let text = document(&login(&reference("A")), &made_of_itself);
    assert!(matches!(Description::parse(&text), Err(DescriptionError::Cycle(_))));
    // A tree is no circle.
    let tree = json!({"schemas": {"A": {"properties": {"child": reference("A")}}}});
    let text = document(&login(&reference("A")), &tree);
    let description = Description::parse(&text).unwrap();
    assert_eq!(description.endpoints[0].bodies[0].1[0].name, "child");
    for schema in [json!({"$ref": "other.yaml#/A"}), reference("Nowhere")] {
        let description = Description::parse(&document(&login(&schema), &json!({}))).unwrap();
        assert_eq!(description.notes.len(), 1, "{schema}");
    }
}

#[test]
fn references_that_multiply_are_refused_in_time() {
    // Each level is made of ten of the next: all places together would be more than a lifetime has seconds.
    let mut schemas = Map::new();
    for level in 0..20 {
        let next = json!({"$ref": format!("#/components/schemas/L{}", level + 1)});
        schemas.insert(format!("L{level}"), json!({"allOf": vec![next; 10]}));
    }
    schemas.insert("L20".to_owned(), json!({"properties": {"x": {}}}));
    let schema = json!({"$ref": "#/components/schemas/L0"});
    let text = document(&login(&schema), &json!({"schemas": schemas}));
    assert_eq!(Description::parse(&text).unwrap_err(), DescriptionError::Entangled);
    let laughs: String = (1..30)
        .map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")))
        .collect();
    let text = format!("openapi: 3.0.0\na0: &a0 [x]\n{laughs}paths: {{}}\n");
    assert!(matches!(Description::parse(&text), Err(DescriptionError::Syntax { .. })));
    let deep = format!("{{\"openapi\": \"3.0.0\", \"x\": {}", "[".repeat(100_000));
    assert!(matches!(Description::parse(&deep), Err(DescriptionError::Syntax { .. })));
}

#[test]
fn addresses_are_split_into_server_and_path() {
    for (text, base_url, path) in [
        (
            "servers: [{url: 'https://api.example.com/v2/'}]",
            Some("https://api.example.com"),
            "/v2/a",
        ),
        ("servers: [{url: /v2}]", None, "/v2/a"),
        (
            "servers: [{url: 'https://{host}/{base}', variables: {host: {default: h.example}, base: {default: b}}}]",
            Some("https://h.example"),
            "/b/a",
        ),
        ("servers: []", None, "/a"),
    ] {
        let text = format!("openapi: 3.0.0\n{text}\npaths: {{/a: {{get: {{}}}}}}\n");
        let description = Description::parse(&text).unwrap();
        assert_eq!(description.base_url.as_deref(), base_url, "{text}");
        assert_eq!(description.endpoints[0].path, path, "{text}");
    }
    for (url, path) in [
        ("auth/login", "/api/auth/login"),
        ("./token", "/api/token"),
        ("/token?x=1", "/token"),
        ("https://id.example/token", "/token"),
    ] {
        assert_eq!(path_of(url, "/api"), path);
    }
}
