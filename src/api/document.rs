//! What the OpenAPI document needs beside what is derived from the handlers, so that validators accept it and generators make
//! clients of it that can be used.

use serde_json::{Map, Value, json};

const SCHEMAS: &str = "/components/schemas";
const METHODS: [&str; 7] = ["get", "head", "options", "post", "put", "patch", "delete"];

/// The document, mended.
pub fn mend(mut document: Value) -> Value {
    document["servers"] = json!([{"url": "/", "description": "Where the document came from"}]);
    document["webhooks"] = webhooks();
    open_bare_objects(&mut document);
    name_alternatives(&mut document);
    share_copies(&mut document);
    for item in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                complete(operation);
            }
        }
    }
    document
}

/// Gives numbers like `1e-15` a point: readers of YAML, which many tools take for JSON too, read them as text without one.
pub fn write_points(document: &str) -> String {
    let with_point = |line: &str| -> Option<String> {
        let (before, number) = line.rsplit_once(' ')?;
        let (mantissa, exponent) = number.split_once('e')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number =
            digits(mantissa.trim_start_matches('-')) && digits(exponent.trim_end_matches(',').trim_start_matches('-'));
        is_number.then(|| format!("{before} {mantissa}.0e{exponent}"))
    };
    let lines: Vec<String> = document.lines().map(|line| with_point(line).unwrap_or_else(|| line.to_owned())).collect();
    lines.join("\n")
}

/// What receivers of webhooks are sent.
fn webhooks() -> Value {
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "required": true, "description": description, "schema": {"type": "string"}});
    let message = json!({
        "operationId": "receive_message",
        "summary": "What a webhook's address is sent (Standard Webhooks)",
        "description": "Any answer of 2xx takes the message; others are tried again, and 410 ends the webhook.",
        // Not the tag of the addresses that keep webhooks: generators make a class of each tag, of both sides of it.
        "tags": ["messages"],
        "security": [],
        "parameters": [
            header("webhook-id", "The same at each attempt to deliver a message"),
            header("webhook-timestamp", "When it was sent, in seconds since 1970"),
            header("webhook-signature", "`v1,` and the HMAC-SHA256 of id, timestamp and body, in base64"),
        ],
        "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/WebhookPayload"}}},
        },
        "responses": {
            "200": {"description": "The message was taken"},
            "410": {"description": "Nothing is to be sent here any more"},
        },
    });
    json!({"message": {"post": message}})
}

/// Every answer says what it means, a part of a file is of the file's types, and what is open to all says that it asks for no
/// key.
fn complete(operation: &mut Value) {
    if operation.get("security").is_none() {
        operation["security"] = json!([]);
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let whole = responses.get("200").and_then(|answer| answer.get("content")).cloned();
    for (status, answer) in responses {
        let is_silent = answer.get("description").and_then(Value::as_str).is_none_or(str::is_empty);
        if is_silent {
            let phrase = status.parse().ok().and_then(|status| axum::http::StatusCode::from_u16(status).ok());
            answer["description"] = phrase.and_then(|status| status.canonical_reason()).unwrap_or("An answer").into();
        }
        if let (Some(content), "206") = (&whole, status.as_str()) {
            answer["content"] = content.clone();
        }
    }
}

/// Objects whose members are not listed may have any; generators would else take them for empty.
fn open_bare_objects(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let is_bare = members.get("type").is_some_and(|kind| kind == "object")
                && !["properties", "additionalProperties", "allOf", "oneOf", "anyOf"]
                    .iter()
                    .any(|key| members.contains_key(*key));
            if is_bare {
                members.insert("additionalProperties".to_owned(), Value::Bool(true));
            }
            members.values_mut().for_each(open_bare_objects);
        }
        Value::Array(values) => values.iter_mut().for_each(open_bare_objects),
        _ => {}
    }
}

/// Gives the alternatives of a schema that are objects a schema of their own, named after both, because generators make no type
/// of one that has no name.
fn name_alternatives(document: &mut Value) {
    let Some(schemas) = document.pointer_mut(SCHEMAS).and_then(Value::as_object_mut) else { return };
    let mut named = Vec::new();
    for (name, schema) in schemas.iter_mut() {
        for alternative in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
            if alternative.get("type").is_some_and(|kind| kind == "object") {
                let own = format!("{name}{}", title_of(alternative));
                let reference = json!({"$ref": format!("#{SCHEMAS}/{own}")});
                named.push((own, std::mem::replace(alternative, reference)));
            }
        }
    }
    schemas.extend(named);
}

/// What tells an object from its alternatives: the word of its `type`, or the member that it must have.
fn title_of(object: &Value) -> String {
    let tag = object.pointer("/properties/type/enum/0").or_else(|| object.pointer("/required/0"));
    let word = tag.and_then(Value::as_str).unwrap_or("settings");
    word.split('_').map(capitalise).collect()
}

fn capitalise(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Puts references in place of copies of a named schema, so that a page's rows are of the same type as the thing alone.
fn share_copies(document: &mut Value) {
    let Some(schemas) = document.pointer(SCHEMAS).and_then(Value::as_object).cloned() else { return };
    let objects: Vec<(String, Value)> =
        schemas.into_iter().filter(|(_, schema)| schema.get("properties").is_some()).collect();
    let Some(schemas) = document.pointer_mut(SCHEMAS).and_then(Value::as_object_mut) else { return };
    for schema in schemas.values_mut() {
        // A schema itself stays where it stands.
        for inner in schema.as_object_mut().into_iter().flat_map(Map::values_mut) {
            refer(inner, &objects);
        }
    }
    if let Some(paths) = document.get_mut("paths") {
        refer(paths, &objects);
    }
}

fn refer(value: &mut Value, named: &[(String, Value)]) {
    if let Some((name, _)) = named.iter().find(|(_, schema)| schema == value) {
        *value = json!({"$ref": format!("#{SCHEMAS}/{name}")});
        return;
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|inner| refer(inner, named)),
        Value::Array(values) => values.iter_mut().for_each(|inner| refer(inner, named)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_numbers_in_yaml_too() {
        let text = "{\n  \"default\": 1e-15,\n  \"list\": [\n    1e-6,\n    0.0001,\n    -2e7\n  ],\n  \"text\": \"a 1e-6\"\n}";
        let written = write_points(text);
        assert_eq!(written, text.replace("1e-15", "1.0e-15").replace(" 1e-6,", " 1.0e-6,").replace("-2e7", "-2.0e7"));
    }

    #[test]
    fn what_has_no_name_gets_one_and_copies_refer_to_it() {
        let thing = json!({"type": "object", "properties": {"data": {"type": "object"}}});
        let document = json!({
            "components": {"schemas": {
                "Thing": thing,
                "Page": {"type": "object", "properties": {"data": {"type": "array", "items": thing}}},
                "Choice": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["top_k"], "properties": {"top_k": {}}}]},
            }},
            "paths": {"/x": {"get": {"responses": {"200": {"content": {"a/b": {}}}, "206": {}, "404": {"description": "Gone"}}}}},
        });
        let mended = mend(document);
        let schemas = &mended["components"]["schemas"];
        assert_eq!(schemas["Thing"]["properties"]["data"], json!({"type": "object", "additionalProperties": true}));
        assert_eq!(schemas["Page"]["properties"]["data"]["items"], json!({"$ref": "#/components/schemas/Thing"}));
        assert_eq!(schemas["Choice"]["oneOf"][1], json!({"$ref": "#/components/schemas/ChoiceTopK"}));
        assert!(schemas["ChoiceTopK"]["properties"]["top_k"].is_object());
        let operation = &mended["paths"]["/x"]["get"];
        assert_eq!(operation["security"], json!([]));
        let answers = &operation["responses"];
        assert_eq!((&answers["200"]["description"], &answers["404"]["description"]), (&json!("OK"), &json!("Gone")));
        assert_eq!(answers["206"], json!({"description": "Partial Content", "content": {"a/b": {}}}));
    }
}
