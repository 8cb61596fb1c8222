//! Who did what is written down, and shown to the operator alone.

use super::{answer, harness, keys, make_key, refused};
use harness::{CLICKS, Service, autodenoise, scratch};
use serde_json::{Value, json};

const TABLE: &str = "user,item,click,split\n1,2,0,train\n";

fn entries(service: &Service, admin: &str, query: &[(&str, &str)]) -> Vec<Value> {
    let page = service.expect(service.get("/v1/audit").query(query).bearer_auth(admin), 200);
    page["data"].as_array().unwrap().clone()
}

#[test]
fn every_write_and_sign_in_is_written_down_and_no_secret_with_it() {
    let dir = scratch();
    let data = dir.path().join("data");
    let admin = make_key(&data, &["--scope", "admin"]);
    let ours = make_key(&data, &["--tenant", "ours", "--scope", "write"]);
    let reader = make_key(&data, &["--tenant", "ours", "--scope", "read"]);
    let service = Service::start_with(&data, &["--no-worker"]);
    let id = |key: &str| format!("key_{}", &key[4..36]);

    let create = |key: &str| {
        service.post("/v1/datasets").query(&CLICKS).header("content-type", "text/csv").body(TABLE).bearer_auth(key)
    };
    let dataset =
        service.expect(create(&ours).header("x-request-id", "trace-7").header("x-forwarded-for", "198.51.100.4"), 201);
    let dataset = dataset["id"].as_str().unwrap();
    assert_eq!(answer(create(&reader)), refused(403, "forbidden"));
    assert_eq!(answer(create("adk_0")), refused(401, "unauthorized"));
    let webhook = json!({"url": "https://8.8.8.8/?token=t0ken", "secret": format!("whsec_{}", "c2VjcmV0".repeat(4))});
    let made = service.expect(service.post("/v1/webhooks").json(&webhook).bearer_auth(&ours), 201);
    service.expect(service.delete(&format!("/v1/datasets/{dataset}")).bearer_auth(&ours), 204);
    service.expect(service.get("/v1/datasets").bearer_auth(&ours), 200);
    // Nobody hears of a plan, for it changes nothing.
    service.expect(service.post("/v1/jobs/plan").json(&json!({})).bearer_auth(&ours), 422);
    for key in [&ours[..], &ours[..60]] {
        let body = format!("key={key}");
        let form = service.post("/sign-in").header("content-type", "application/x-www-form-urlencoded");
        form.header("origin", &service.url).body(body).send().unwrap();
    }
    assert!(keys(&data, &["revoke", &id(&reader)]).status.success());

    let of_ours = entries(&service, &admin, &[("tenant", "ours")]);
    let told: Vec<_> = of_ours.iter().map(|entry| (&entry["action"], &entry["status"], &entry["outcome"])).collect();
    let expected = [
        json!(["POST /sign-in", 303, "done"]),
        json!(["DELETE /v1/datasets/{id}", 204, "done"]),
        json!(["POST /v1/webhooks", 201, "done"]),
        json!(["POST /v1/datasets", 403, "refused"]),
        json!(["POST /v1/datasets", 201, "done"]),
        json!(["keys create", null, "done"]),
        json!(["keys create", null, "done"]),
    ];
    assert_eq!(told, expected.iter().map(|row| (&row[0], &row[1], &row[2])).collect::<Vec<_>>(), "{of_ours:#?}");
    let [made_dataset, deleted] = [4, 1].map(|at: usize| &of_ours[at]);
    assert_eq!((&made_dataset["object"], &deleted["object"]), (&json!(dataset), &json!(dataset)));
    assert_eq!(made_dataset["key_id"], json!(id(&ours)));
    assert_eq!(made_dataset["address"], "127.0.0.1");
    assert_eq!(
        (&made_dataset["forwarded_for"], &made_dataset["request_id"]),
        (&json!("198.51.100.4"), &json!("trace-7"))
    );
    assert_eq!(of_ours[2]["object"], made["id"]);
    assert_eq!(of_ours[3]["key_id"], json!(id(&reader)));

    let signed_in = entries(&service, &admin, &[("action", "POST /sign-in"), ("outcome", "refused")]);
    assert_eq!(
        (signed_in.len(), &signed_in[0]["status"], signed_in[0].get("tenant")),
        (1, &json!(401), None),
        "{signed_in:#?}"
    );
    let revoked = entries(&service, &admin, &[("action", "keys revoke"), ("object", &id(&reader))]);
    assert_eq!(revoked.len(), 1, "{revoked:#?}");
    assert_eq!(entries(&service, &admin, &[("object", dataset), ("key_id", &id(&ours))]).len(), 2);
    let first = service.expect(service.get("/v1/audit?limit=3").bearer_auth(&admin), 200);
    let after = first["next"].as_str().unwrap();
    let second =
        service.expect(service.get("/v1/audit").query(&[("limit", "3"), ("after", after)]).bearer_auth(&admin), 200);
    assert_ne!(first["data"][2]["id"], second["data"][0]["id"]);

    let everything = Value::from(entries(&service, &admin, &[("limit", "100")])).to_string();
    for secret in [&ours[37..], &admin[37..], "t0ken", "c2VjcmV0", "key=adk"] {
        assert!(!everything.contains(secret), "{secret}");
    }
    for key in [&ours, &reader] {
        assert_ne!(answer(service.get("/v1/audit").bearer_auth(key)).0, 200, "it is the operator's");
    }
    assert_eq!(answer(service.get("/v1/audit?outcome=maybe").bearer_auth(&admin)).0, 400);
}

#[test]
fn the_server_forgets_what_is_older_than_it_is_told_to_keep() {
    let dir = scratch();
    let data = dir.path().join("data");
    let admin = make_key(&data, &["--scope", "admin"]);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let service = Service::start_with(&data, &["--no-worker", "--audit-days", "0"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !entries(&service, &admin, &[]).is_empty() {
        assert!(std::time::Instant::now() < deadline, "the key's entry is swept at the start");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let wrong = autodenoise(&["serve", "--audit-days", "-1"]);
    assert_eq!(wrong.status.code(), Some(2));
}
