//! The committed OpenAPI document is the one the code makes.

#[test]
fn the_committed_document_is_up_to_date() {
    let committed = std::fs::read_to_string("openapi/openapi.json").unwrap_or_default();
    let generated = autodenoise::api::openapi_json() + "\n";
    assert!(committed == generated, "openapi/openapi.json is out of date; run `make openapi` and commit it");
    let document: serde_json::Value = serde_json::from_str(&generated).unwrap();
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
}
