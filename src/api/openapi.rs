//! The OpenAPI 3.1 document, generated from the handlers. `openapi/openapi.json` is its committed copy; a test holds the
//! two together.

use super::{
    access,
    error::{PROBLEM_JSON, Problem},
};
use utoipa::{
    OpenApi,
    openapi::{
        Ref, RefOr, ResponseBuilder, Schema, SecurityRequirement,
        content::{Content, ContentBuilder},
        path::Operation,
        schema::{SchemaType, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "AutoDenoise",
        description = "Hand over a table of interactions, get back the rows worth training on.\n\n\
                       Errors are `application/problem+json` (RFC 9457); the address in `type` explains each. Lists are \
                       paged by cursor. Within `/v1` changes only add.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    tags(
        (name = "datasets", description = "Tables in"),
        (name = "jobs", description = "What is done with them"),
        (name = "results", description = "What came of it"),
        (name = "judgements", description = "A verdict on it by models of your own"),
        (name = "webhooks", description = "Who is told"),
        (name = "messages", description = "What they are told"),
        (name = "service", description = "The service itself"),
    ),
    components(schemas(
        crate::types::Options,
        crate::types::OptionValue,
        crate::types::EventType,
        crate::types::WebhookPayload,
        Problem
    ))
)]
struct Document;

/// The document without its operations.
pub fn base() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

const SCHEME: &str = "api_key";

/// Adds what is the same for every operation of a kind, which no handler repeats.
pub fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("adk_<id>_<secret>").description(Some(
            "An API key. A server without keys, on loopback, asks for none. GET needs the scope read, /metrics and \
         /v1/workers admin, all else write.",
        ));
    document.components.get_or_insert_default().add_security_scheme(SCHEME, SecurityScheme::Http(bearer.build()));
    for (path, item) in &mut document.paths.paths {
        let is_open = access::OPEN.contains(&path.as_str());
        let reading = [&mut item.options, &mut item.head, &mut item.get];
        let writing = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in reading.into_iter().chain(writing).flatten() {
            forbid_null(operation);
            add_problem_bodies(operation);
            add_answers_to_json(operation);
            if !is_open {
                add_answers_of_the_guard(operation);
            }
        }
    }
    document
}

/// A parameter that one may leave out is left out; it is never null.
fn forbid_null(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            parameter.schema = parameter.schema.take().map(without_null);
        }
    }
}

/// An error's body is a problem, unless the handler names another.
fn add_problem_bodies(operation: &mut Operation) {
    for (status, answer) in &mut operation.responses.responses {
        if let RefOr::T(answer) = answer
            && status.starts_with(['4', '5'])
            && answer.content.is_empty()
        {
            answer.content.insert(PROBLEM_JSON.to_owned(), problem().into());
        }
    }
}

fn add_answers_to_json(operation: &mut Operation) {
    if matches!(&operation.request_body, Some(RefOr::T(body)) if body.content.contains_key("application/json")) {
        add_answer(operation, "413", "The body is too large");
        add_answer(operation, "415", "The body is of a media type that is not read here");
    }
}

fn add_answers_of_the_guard(operation: &mut Operation) {
    operation.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    for (status, what) in [
        ("401", "No API key, or none that is good"),
        ("403", "The API key is not good for this"),
        ("429", "More requests, or more things, than the tenant may have; see Retry-After"),
        ("503", "A part of the service is away, or the server has too much to do; see Retry-After"),
    ] {
        add_answer(operation, status, what);
    }
}

/// Unless the handler says so itself.
fn add_answer(operation: &mut Operation, status: &str, what: &str) {
    let answer = || ResponseBuilder::new().description(what).content(PROBLEM_JSON, problem()).build().into();
    operation.responses.responses.entry(status.to_owned()).or_insert_with(answer);
}

fn problem() -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build()
}

fn without_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = SchemaType::new(Type::Null);
    let is_null =
        |schema: &RefOr<Schema>| matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == null);
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            if let SchemaType::Array(types) = &mut object.schema_type {
                types.retain(|kind| *kind != Type::Null);
                if let [only] = &types[..] {
                    object.schema_type = SchemaType::Type(only.clone());
                }
            }
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::OneOf(mut one_of)) => {
            one_of.items.retain(|item| !is_null(item));
            if one_of.items.len() == 1 { one_of.items.remove(0) } else { RefOr::T(Schema::OneOf(one_of)) }
        }
        other => other,
    }
}
