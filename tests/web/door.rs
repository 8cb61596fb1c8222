//! Signing in and out, and what every page is sent with.

use crate::{
    Visitor,
    harness::{Service, autodenoise_ok, scratch},
    header, make_key,
};

#[test]
fn pages_forbid_whatever_is_not_ours() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let visitor = Visitor::new(&service);
    for path in ["/jobs", "/datasets", "/compare", "/new", "/sign-in", "/nothing-here"] {
        let response = visitor.get(path);
        let policy = header(&response, "content-security-policy").to_owned();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {part} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("content-type", "text/html; charset=utf-8"),
        ] {
            assert_eq!(header(&response, name), value, "{name} of {path}");
        }
        let html = response.text().unwrap();
        for forbidden in [" style=", "<style", "<script>", " onclick=", "http://", "https://"] {
            let drawn = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!drawn.contains(forbidden), "{forbidden} in {path}");
        }
        assert!(html.contains("<h1") && html.contains("lang=\"en\""), "{path}");
    }
    assert_eq!(visitor.get("/nothing-here").status(), 404);

    // The files of the pages are kept by browsers until they change.
    let html = visitor.get("/jobs").text().unwrap();
    for name in ["style.css", "pages.js", "icon.svg"] {
        let begin = html.find(&format!("/assets/{name}?v=")).unwrap();
        let address: String = html[begin..].chars().take_while(|c| *c != '"').collect();
        let response = visitor.get(&address);
        assert_eq!(response.status(), 200, "{address}");
        assert!(header(&response, "cache-control").contains("immutable"), "{address}");
    }
    assert_eq!(visitor.get("/assets/other.css").status(), 404);
}

#[test]
fn the_root_leads_people_to_pages_and_programs_to_the_document() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let people = Visitor::new(&service).get("/");
    assert_eq!((people.status().as_u16(), header(&people, "location")), (303, "/jobs"));
    let programs = service.expect(service.get("/").header("accept", "application/json"), 200);
    assert_eq!(programs["openapi"], "/openapi.json");
    // What is not there is told to programs as the API tells everything.
    assert_eq!(service.expect(service.get("/nothing"), 404)["code"], "not_found");
}

#[test]
fn a_key_opens_a_session_that_is_good_for_pages_alone_and_ends() {
    let dir = scratch();
    let data = dir.path().join("data");
    let service = Service::start_with(&data, &["--require-keys", "--no-worker"]);
    let key = make_key(&data, &["--scope", "write"]);
    let mut visitor = Visitor::new(&service);

    // Whoever is not in is led to the sign-in, and from there to where they wanted to go.
    let led = visitor.get("/jobs?label=a%3Db");
    assert_eq!((led.status().as_u16(), header(&led, "location")), (303, "/sign-in?next=/jobs%3Flabel%3Da%253Db"));
    let form = visitor.get("/sign-in?next=/jobs%3Flabel%3Da%253Db").text().unwrap();
    assert!(form.contains("value=\"/jobs?label=a%3Db\""), "{form}");
    // A script is told no, not led to a page.
    assert_eq!(service.get("/jobs").send().unwrap().status(), 401);

    // A wrong key, and forms that come from elsewhere.
    let last = if key.ends_with('0') { '1' } else { '0' };
    let near = format!("{}{last}", &key[..key.len() - 1]);
    for (sent, says) in [("adk_1", "no API key"), (&near, "unknown, revoked")] {
        let refused = visitor.post("/sign-in", &[("key", sent)]);
        assert_eq!(refused.status(), 401);
        assert!(header(&refused, "set-cookie").is_empty());
        let text = refused.text().unwrap();
        assert!(text.contains(says) && !text.contains(&format!("\"{sent}")), "{text}");
    }
    for origin in [None, Some("http://evil.example"), Some("null")] {
        assert_eq!(visitor.post_from(origin, "/sign-in", &[("key", &key)]).status(), 403, "{origin:?}");
    }
    let elsewhere = visitor.post("/sign-in", &[("key", &key), ("next", "//evil.example")]);
    assert_eq!(header(&elsewhere, "location"), "/jobs");

    let response = visitor.post("/sign-in", &[("key", &key)]);
    let cookie = header(&response, "set-cookie").to_owned();
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&key[40..]), "the key itself is not in the cookie");
    visitor.sign_in(&key);
    assert_eq!(visitor.get("/jobs").status(), 200);

    // The session is the pages' alone.
    let by_cookie = service.get("/v1/jobs").header("cookie", visitor.cookie.clone().unwrap());
    assert_eq!(service.expect(by_cookie, 401)["code"], "unauthorized");
    // It writes only from our own pages.
    let job = format!("/jobs/job_{}/cancel", "0".repeat(32));
    assert_eq!(visitor.post_from(Some("https://evil.example"), &job, &[]).status(), 403);
    assert_eq!(visitor.post_from(None, &job, &[]).status(), 403);
    assert_eq!(visitor.post(&job, &[]).status(), 404);

    // A key for reading looks and does nothing.
    let mut reader = Visitor::new(&service);
    reader.sign_in(&make_key(&data, &["--scope", "read"]));
    let jobs = reader.get("/jobs").text().unwrap();
    assert!(!jobs.contains("href=\"/new\""), "what it may not do is not offered");
    // Nor is a form that could not be sent.
    let refused = reader.get("/new");
    assert_eq!(refused.status(), 403);
    let said = refused.text().unwrap();
    assert!(said.contains("Your key may only read") && !said.contains("<form class=\"card upload\""), "{said}");
    assert_eq!(reader.post(&job, &[]).status(), 403);
    assert_eq!(reader.post("/sign-out", &[]).status(), 303);
    assert_eq!(reader.get("/jobs").status(), 303, "and may leave");

    // Out: the cookie is worth nothing from then on, wherever it was copied to.
    let mut second = Visitor::new(&service);
    second.sign_in(&key);
    let out = visitor.post("/sign-out", &[]);
    assert_eq!((out.status().as_u16(), header(&out, "location")), (303, "/sign-in"));
    assert!(header(&out, "set-cookie").contains("Max-Age=0"));
    assert_eq!(visitor.get("/jobs").status(), 303);
    assert_eq!(second.get("/jobs").status(), 200, "another session of the key goes on");
    visitor.sign_in(&key);
    visitor.post("/sign-out", &[("everywhere", "1")]);
    assert_eq!(second.get("/jobs").status(), 303, "until somebody signs out everywhere");

    // A revoked key takes its sessions along.
    visitor.sign_in(&key);
    let list = autodenoise_ok(&["keys", "list", "--data-dir", data.to_str().unwrap()]);
    let id = list.lines().find(|line| line.contains("write")).unwrap().split_whitespace().next().unwrap().to_owned();
    autodenoise_ok(&["keys", "revoke", &id, "--data-dir", data.to_str().unwrap()]);
    assert_eq!(visitor.get("/jobs").status(), 303);
}

#[test]
fn where_no_key_is_asked_for_other_sites_can_still_do_nothing() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let visitor = Visitor::new(&service);
    let page = visitor.get("/jobs");
    assert_eq!(page.status(), 200, "on loopback nobody is asked who they are");
    assert!(!page.text().unwrap().contains("Sign out"));
    let job = format!("/jobs/job_{}/cancel", "0".repeat(32));
    assert_eq!(visitor.post_from(Some("http://evil.example"), &job, &[]).status(), 403);
    assert_eq!(visitor.post(&job, &[]).status(), 404);
}
